"""The forms in which functions may be given as an objective, compiled and made into the loop's own."""

import math
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numba.core import types
from numba.core.typing.typeof import typeof
from numba.extending import is_jitted

from fastgd._arrays.copies import write
from fastgd._calls.by_address import ByAddress
from fastgd._jit import njit

FORMS = (
    "an objective is fun(x, grad, *args) -> float, which writes the gradient into grad; or fun(x, *args) -> float with "
    "jac=a function jac(x, *args) -> array, or with jac='2-point' or '3-point' for differences; or fun(x, *args) -> "
    "(float, array) with jac=True; or one registered by fastgd.register_objective"
)

# The latest of a kind, by function: a compiled one keeps what it was made of, and that may keep a user's arrays.
_MOST_KEPT = 64
_lock = threading.RLock()
_compilations: dict[Any, Callable] = {}  # of plain functions
_forms: dict[tuple, Callable] = {}  # the loop's, of a function and its gradient
_addresses: dict[tuple, ByAddress] = {}  # of these, for some types of arguments


def _kept(cache, key, make):
    """What was made for a key, or is made now, in place of the oldest if there are many."""
    with _lock:
        if key not in cache:
            while len(cache) >= _MOST_KEPT:
                cache.pop(next(iter(cache)))
            cache[key] = make()
        return cache[key]


def compiled_function(owner, name, function):
    """The compiled function, the same one at every call."""
    if is_jitted(function):
        return function
    try:
        return _kept(
            _compilations,
            function,
            lambda: njit(function, cache=False, nogil=True, error_model="numpy", fastmath={"contract"}),
        )
    except TypeError:
        raise TypeError(
            f"{owner}: {name} must be a function that Numba can compile, got {type(function).__name__}; "
            "write compile=False to run plain Python as it is"
        ) from None


def require_compilable(owner, name, function, arguments):
    """Compile a function for these arguments, or say in plain words that Numba cannot, or that it may return None."""
    try:
        # As a call in compiled code is: with defaults, *args, and conversions where no more may be compiled.
        kinds = tuple(map(typeof, arguments))
        called = types.Dispatcher(function).get_call_type(function.typingctx, kinds, {})
        if called is None:
            raise TypeError(f"it is compiled for {function.nopython_signatures} only")
    except Exception as error:  # of what Numba does not support, not all errors are NumbaError
        lines = [line.strip() for line in str(error).splitlines()]
        reason = next((line for line in lines[1:] if line), lines[0] if lines else type(error).__name__)
        raise TypeError(
            f"{owner}: {name} could not be compiled by Numba for x of {arguments[0].dtype} and these args ({reason}); "
            f"write what it supports, or compile=False to run plain Python as it is; {FORMS}"
        ) from error
    if isinstance(called.return_type, types.Optional):
        raise TypeError(f"{owner}: {name} must return a value wherever it ends, got {called.return_type}; {FORMS}")


def form_of(fun, jac, compiled):
    """The loop's form of an objective: made once, since a function made anew is compiled anew."""
    if jac is None:
        return fun
    make: Callable = _joined if jac is True else _paired if callable(jac) else DIFFERENCES[jac]
    if not compiled:
        return make(fun, jac, lambda function: function)
    return _kept(
        _forms,
        (fun, jac),
        lambda: make(fun, jac, lambda function: njit(function, cache=False, nogil=True, error_model="numpy")),
    )


def by_address(form, kinds):
    """A form as the compiled loops take it, for arguments of these Numba types."""
    return _kept(_addresses, (form, kinds), lambda: ByAddress(form, *kinds))


def _paired(fun, jac, compile):
    def value_and_grad(x, grads, *args):
        gradient = jac(x, *args)
        if len(gradient) != grads.size:
            raise ValueError("jac must return as many elements as x has, at every call")
        write(gradient, grads)
        return fun(x, *args)

    return compile(value_and_grad)


def _joined(fun, jac, compile):
    def value_and_grad(x, grads, *args):
        value, gradient = fun(x, *args)
        if len(gradient) != grads.size:
            raise ValueError("with jac=True fun must return a gradient of as many elements as x has, at every call")
        write(gradient, grads)
        return value

    return compile(value_and_grad)


def _forward(fun, jac, compile):
    def value_and_grad(x, grads, *args):
        value = fun(x, *args)
        h = math.sqrt(np.finfo(x.dtype).eps)
        for i in range(x.size):
            here = x[i]
            x[i] += h * max(1.0, abs(here))
            grads[i] = (fun(x, *args) - value) / (x[i] - here)
            x[i] = here
        return value

    return compile(value_and_grad)


def _central(fun, jac, compile):
    def value_and_grad(x, grads, *args):
        root = np.finfo(x.dtype).eps ** (1 / 3)
        for i in range(x.size):
            here = x[i]
            h = root * max(1.0, abs(here))
            x[i] = here + h
            above, value_above = x[i], fun(x, *args)
            x[i] = here - h
            grads[i] = (value_above - fun(x, *args)) / (above - x[i])
            x[i] = here
        return fun(x, *args)

    return compile(value_and_grad)


DIFFERENCES = {"2-point": _forward, "3-point": _central}
