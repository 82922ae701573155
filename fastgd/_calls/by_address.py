"""Functions that compiled code calls by their address: it need not be compiled anew for each, and is kept on disk.

Numba's type of a compiled function is that of this one function, and whatever takes it is compiled for it: the loop of
`minimize` took 3 to 4 s for every new objective, that of `minimize_many` 6 s.
"""

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.errors import TypingError
from numba.core.typing.typeof import typeof_impl
from numba.extending import NativeValue, intrinsic, models, register_model, unbox

from fastgd._arrays.views import without_owner
from fastgd._jit import njit


class AddressType(types.Type):
    """Numba's type of `ByAddress`: any function of arguments of these types that returns a float64."""

    def __init__(self, arguments):
        self.arguments = arguments
        super().__init__(f"{AddressType.__name__}({', '.join(map(str, arguments))})")


class ByAddress:
    """A compiled function as a value, which keeps it alive.

    Parameters
    ----------
    function : callable
        Compiled by Numba. It is called with x, grads and what is in args, and returns a real number.
    x, grads, args : Numba types
        What it will be called with, the last a tuple.
    """

    def __init__(self, function, x, grads, args):
        # A function of its own, compiled here and now, even where the other would do as it is: Numba finds an address
        # by a name that counts compilations, and one from the disk may have the name of another.
        def entry(*arguments):
            return np.float64(function(*arguments))  # `float` would leave a float32 what it is

        self.kind = AddressType((x, grads, *args))
        self._code = njit(entry, cache=False, nogil=True, error_model="numpy", no_cfunc_wrapper=True)
        self._code.get_call_template(self.kind.arguments, {})  # compiles
        (compiled,) = self._code.overloads.values()
        self.address = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)


@register_model(AddressType)
class _AddressModel(models.PrimitiveModel):
    def __init__(self, data_models, kind):
        super().__init__(data_models, kind, ir.IntType(64))


@typeof_impl.register(ByAddress)
def _typeof(value, context):
    return value.kind


@unbox(AddressType)
def _unbox(kind, value, c):
    address = c.pyapi.object_getattr_string(value, "address")
    number = c.pyapi.long_as_ulonglong(address)
    c.pyapi.decref(address)
    return NativeValue(number)


@intrinsic
def call_by_address(typing_context, function, x, grads, args):
    """The function's value; an exception of its own is passed on. Arrays are lent."""
    if function.arguments != (x, grads, *args):
        raise TypingError(f"a function of {function.arguments} was called with {(x, grads, *args)}")

    def emit(context, builder, signature, arguments):
        kinds = function.arguments
        values = *arguments[1:3], *cgutils.unpack_tuple(builder, arguments[3], len(args))
        lent = [without_owner(context, builder, *each) for each in zip(kinds, values, strict=True)]
        pointer = context.call_conv.get_function_type(types.float64, kinds).as_pointer()
        status, value = context.call_conv.call_function(
            builder, builder.inttoptr(arguments[0], pointer), types.float64, kinds, lent
        )
        with cgutils.if_unlikely(builder, status.is_error):
            context.call_conv.return_status_propagate(builder, status)
        return value

    return types.float64(function, x, grads, args), emit
