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
        self.kind = AddressType((x, grads, *args))
        compiled = _compiled(function, self.kind.arguments)
        if compiled is None or compiled.signature.return_type != types.float64:
            function = _converting(function)
            compiled = _compiled(function, self.kind.arguments)
        self._function = function
        self.address = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)


def _compiled(function, kinds):
    """A function's code for these arguments; None if it takes them only as others, to which they are converted."""
    _, _, folded, _ = function.get_call_template(kinds, {})  # compiles; *args are one, its parts passed one by one
    return function.overloads.get(tuple(folded))


def _converting(function):
    """A function called with just these arguments, which returns float64."""

    def entry(*arguments):
        return np.float64(function(*arguments))  # `float` would leave a float32 what it is

    return njit(entry, cache=False, nogil=True, error_model="numpy")


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
