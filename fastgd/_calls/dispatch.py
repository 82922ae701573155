"""How compiled code calls a verb: by the types of its arguments, at the cost of the kernel alone."""

import inspect
from collections.abc import Callable

from numba.core import types
from numba.core.errors import TypingError
from numba.core.typing.templates import AbstractTemplate, Signature, infer_global
from numba.extending import lower_builtin

from fastgd._arrays.views import without_owner
from fastgd._calls.compiled_checks import compare_lengths
from fastgd._jit import typing_a_verb
from fastgd._registry import kernels_for

# The compiled forms are pasted into their callers: a call through a verb then costs what the kernel costs.
PASTED = {"forceinline": True, "nogil": True, "error_model": "numpy"}


def kernels_in_compiled_code(verb, kind, thing):
    """`kernels_for`, with the error that Numba shows."""
    try:
        return kernels_for(verb, kind, thing)
    except TypeError as error:
        raise TypingError(str(error)) from None


def in_compiled_code(verb, lend=True, as_long=None, otherwise=None):
    """Let compiled code call a verb: the decorated function chooses the kernel, by the types of the arguments.

    An overload would put a function around the kernel, which Numba compiles, and with it optimises the kernel, a second
    time: half a second of the eight that a first `fit` took.

    Parameters
    ----------
    verb : callable
        The function in Python.
    lend : bool
        Hand over arrays without their owners (see `_arrays.views`): for kernels that keep none of them in what they
        return.
    as_long : str, optional
        Compare the length of this argument, and of the state, with that of `params` before the call.
    otherwise : Numba type, optional
        Of the zeros that the verb returns where no kernel is chosen.
    """

    def decorate(choose):
        form = inspect.signature(choose)
        names = list(form.parameters)
        # By the types of the arguments, from typing to code.
        chosen: dict[tuple, Callable] = {}

        def lower(context, builder, signature, arguments):
            if chosen[signature.args] is None:
                return context.get_constant_null(otherwise)
            kernel = types.Dispatcher(chosen[signature.args])
            wanted = kernel.get_call_type(context.typing_context, signature.args, {})
            values = [
                context.cast(builder, value, came, kind)
                for value, came, kind in zip(arguments, signature.args, wanted.args, strict=True)
            ]
            if as_long is not None:
                kinds, given = (dict(zip(names, each, strict=True)) for each in (wanted.args, values))
                compare_lengths(context, builder, verb.__name__, kinds, given, as_long)
            if lend:
                values = [
                    without_owner(context, builder, kind, value)
                    for kind, value in zip(wanted.args, values, strict=True)
                ]
            return context.get_function(kernel, wanted)(builder, values)

        class Template(AbstractTemplate):
            key = verb
            _overload_func = staticmethod(choose)  # where the cache's key looks for what it depends on

            def generic(self, args, kws):
                try:
                    kinds = tuple(map(types.unliteral, form.bind(*args, **kws).args))
                except TypeError as error:
                    raise TypingError(f"{verb.__name__}: {error}") from None
                chosen[kinds] = choose(*kinds)
                if chosen[kinds] is None:
                    return Signature(otherwise, kinds, None, pysig=form)
                with typing_a_verb(self.context.callstack):
                    result = types.Dispatcher(chosen[kinds]).get_call_type(self.context, kinds, {}).return_type
                return Signature(result, kinds, None, pysig=form)

        infer_global(verb, types.Function(Template))
        lower_builtin(verb, types.VarArg(types.Any))(lower)
        return choose

    return decorate
