"""One call of an objective before a run, which tells whether it is of the form that it was taken for."""

from typing import Any

import numpy as np

from fastgd._descent.objective_forms import FORMS

_GUARD = 16  # numbers on both sides of the gradient that is tried
_UNTOUCHED = {4: np.uint32(0x7FC0BEEF), 8: np.uint64(0x7FF8DEADBEEF0BAD)}  # NaN that no computation gives


class ObjectiveRaisedError(Exception):
    """An exception of the objective's own."""


def try_once(owner, fun, jac, args, x, compiled):
    """Call the objective once: its value must be a number, its gradient (n,), x left alone, nothing else written."""
    point, n, is_real = x.copy(), x.size, _is_number if compiled else holds_number
    gradient: Any = None

    def call(function, *arguments):
        try:
            return function(*arguments)
        except Exception as error:
            raise ObjectiveRaisedError(error) from None

    if jac is None:
        room = np.empty(n + 2 * _GUARD, x.dtype)
        bits = room.view(f"u{x.itemsize}")
        bits[:] = _UNTOUCHED[x.itemsize]
        value = call(fun, point, room[_GUARD : _GUARD + n], *args)
        left = np.flatnonzero(bits[_GUARD : _GUARD + n] == _UNTOUCHED[x.itemsize])
        if (np.delete(bits, np.s_[_GUARD : _GUARD + n]) != _UNTOUCHED[x.itemsize]).any():
            raise ValueError(f"{owner}: fun wrote beyond grad, which has {n} elements as x has; {FORMS}")
        gave_up = is_real(value) and not np.isfinite(value)  # before it came to the gradient, perhaps
        if left.size and np.ndim(value) == 0 and not gave_up:
            raise ValueError(
                f"{owner}: fun left {left.size} of the {n} elements of grad unwritten (grad[{left[0]}] first); it must "
                f"write in place, grad[:] = ..., not grad = ...; {FORMS}"
            )
    elif jac is True:
        pair = call(fun, point, *args)
        if not isinstance(pair, tuple) or len(pair) != 2:
            came = f"a tuple of {len(pair)}" if isinstance(pair, tuple) else kind_of(pair)
            raise TypeError(f"{owner}: with jac=True fun must return (float, array), got {came}; {FORMS}")
        value, gradient = pair
    else:
        value = call(fun, point, *args)
        if callable(jac):
            gradient = call(jac, point, *args)
    if not is_real(value):
        raise TypeError(f"{owner}: fun must return a real number, got {kind_of(value)}; {FORMS}")
    coarse = np.asarray(value).dtype
    if isinstance(jac, str) and coarse.kind == "f" and coarse.itemsize < x.itemsize:
        raise TypeError(
            f"{owner}: fun must return {x.dtype} for differences of it in {x.dtype}, got {coarse}, in which they would "
            f"be lost; give the start in {coarse}"
        )
    if (jac is True or callable(jac)) and np.shape(gradient) != (n,):
        raise ValueError(f"{owner}: the gradient must have shape ({n},), as x has, got {kind_of(gradient)}; {FORMS}")
    if gradient is not None and np.asarray(gradient).dtype.kind not in "fiu":
        came = np.asarray(gradient).dtype
        raise TypeError(f"{owner}: the gradient must hold real numbers, got dtype {came}; {FORMS}")
    if not np.array_equal(point, x, equal_nan=True):
        raise ValueError(f"{owner}: fun must leave x as it is, but wrote into it; {FORMS}")


def _is_number(value):
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def holds_number(value):
    """Of plain Python's values: whether it is a number, or an array of one (of any library)."""
    if not hasattr(value, "__array__"):
        return _is_number(value)
    array = np.asarray(value)
    return array.size == 1 and array.dtype.kind in "fiu"


def kind_of(value):
    """What a value is, in words."""
    return f"an array of shape {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
