"""The vocabulary of checks: ranges of fields, numbers, arrays.

Each error names the argument, what was expected and what came.
"""

import math
import operator
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from fastgd._class_names import plain_name


class Range(NamedTuple):
    """What the value of a field must be: the words for an error, and the test."""

    words: str
    contains: Callable[[float], bool]


class OneOf(tuple):
    """Names of which a field holds one, as its position: strings in a named tuple are slow to hand over."""

    def convert(self, owner, field, value):
        """Return the position of a name (a position stands for itself)."""
        if isinstance(value, str) and value in self:
            return self.index(value)
        if isinstance(value, int | np.integer) and not isinstance(value, bool) and value in range(len(self)):
            return int(value)
        names = ", ".join(repr(name) for name in self)
        raise ValueError(f"{owner}: {field} must be one of {names}, got {value!r}")


def one_of(*names: str) -> OneOf:
    """Return what a field that holds one of these names is registered with.

    The named tuple holds the position of the name, an integer that compiled code compares with.

    Parameters
    ----------
    *names : str
        The names.

    Examples
    --------
    >>> from typing import NamedTuple
    >>> import fastgd
    >>> class Steps(NamedTuple):
    ...     lr: float
    ...     kind: str | int = "flat"
    >>> def rate(schedule, t):
    ...     return schedule.lr if schedule.kind == 0 else schedule.lr / (1 + t)
    >>> fastgd.register_schedule(Steps, rate, lr=fastgd.positive, kind=fastgd.one_of("flat", "falling"))
    >>> Steps(0.5, "falling").kind, Steps(0.5, "falling")
    (1, Steps(lr=0.5, kind='falling'))
    """
    return OneOf(names)


class Layout:
    """What a field is that tells where the matrices of a parameter vector lie, as the `layout` verb does."""

    words = "rows of (start, rows, columns) that follow one another from 0 on"

    def convert(self, owner, field, value):
        """Return an integer array (k, 3), or rows of three integers, as a tuple of tuples."""
        error = TypeError(f"{owner}: {field} must be {self.words}, got {value!r}")
        if not isinstance(value, Sequence | np.ndarray) or isinstance(value, str | bytes):
            raise error
        try:
            parts = tuple(tuple(integer(owner, field, number, least=0) for number in part) for part in value)
        except TypeError:
            raise error from None
        if any(len(part) != 3 for part in parts):
            raise error
        end = 0
        for start, rows, columns in parts:
            if start != end or rows * columns == 0:
                raise ValueError(f"{owner}: {field} must be {self.words}, got {value!r}")
            end += rows * columns
        return parts


at_least_one = Range("a finite number, 1 or larger", lambda v: 1 <= v < math.inf)
positive = Range("a positive finite number", lambda v: 0 < v < math.inf)
nonnegative = Range("a finite number, 0 or larger", lambda v: 0 <= v < math.inf)
unit_interval = Range("a number in [0, 1)", lambda v: 0 <= v < 1)
interior = Range("a number in (0, 1)", lambda v: 0 < v < 1)
share = Range("a number in [0, 1]", lambda v: 0 <= v <= 1)
finite = Range("a finite number", math.isfinite)
count = Range("an integer, 1 or larger", lambda v: v >= 1)
natural = Range("an integer, 0 or larger", lambda v: v >= 0)
layout = Layout()


class Numbers(NamedTuple):
    """What a field that holds a tuple of numbers must be, each of them in a range."""

    within: Range
    increasing: bool = False

    def convert(self, owner, field, value):
        """Return the numbers as a tuple of floats, which has one type whatever they were."""
        listed = isinstance(value, Sequence | np.ndarray) and getattr(value, "ndim", 1) == 1
        if not listed or isinstance(value, str | bytes):
            raise TypeError(f"{owner}: {field} must be a tuple of numbers, got {value!r}")
        if len(value) == 0:  # of which there is no type in compiled code either
            raise ValueError(f"{owner}: {field} must have at least one number")
        numbers = tuple(number(owner, f"{field}[{i}]", item, self.within) for i, item in enumerate(value))
        if self.increasing and any(after <= before for before, after in pairwise(numbers)):
            raise ValueError(f"{owner}: {field} must be increasing, got {numbers}")
        return numbers


class Table(NamedTuple):
    """What a field that holds an array of data must be: so many dimensions, and of this dtype, by default its own."""

    ndims: tuple[int, ...]
    dtype: type | None = None

    def convert(self, owner, field, value):
        """Return the array as it is, or as `array` copies it."""
        given = _as_array(owner, field, value)
        ready = array(owner, field, given, given.ndim if given.ndim in self.ndims else self.ndims[0], self.dtype)
        if ready.size == 0:
            raise ValueError(f"{owner}: {field} must have at least one element, got shape {ready.shape}")
        return ready


def in_order(thing, low, high):
    """Raise unless one field of a named tuple is at most another."""
    if getattr(thing, low) > getattr(thing, high):
        least, most, name = getattr(thing, low), getattr(thing, high), plain_name(type(thing))
        raise ValueError(f"{name}: {low} must be at most {high}, {most}, got {least}")


def number(owner, name, value, within=finite):
    """Return a real number as a float, checked against its range."""
    try:
        scalar = not isinstance(value, bool | np.bool_ | str | bytes | bytearray) and np.ndim(value) == 0
    except ValueError:  # ragged lists
        scalar = False
    if not scalar:
        raise TypeError(f"{owner}: {name} must be {within.words}, got {value!r}")
    try:
        result = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{owner}: {name} must be {within.words}, got {value!r}") from None
    except OverflowError:  # an integer too large for a float, perhaps for its digits to be shown
        raise ValueError(f"{owner}: {name} must be {within.words}, got an integer beyond 1e308") from None
    if not within.contains(result):
        raise ValueError(f"{owner}: {name} must be {within.words}, got {value!r}")
    return result


def integer(owner, name, value, least=None, most=None):
    """Return an integer, at least `least` and at most `most`."""
    words = "an integer" if least is None else f"an integer, {least} or larger"
    words += "" if most is None else f", at most {most}"
    if isinstance(value, bool | np.bool_):
        raise TypeError(f"{owner}: {name} must be {words}, got {value!r}")
    try:
        result = operator.index(value)
    except TypeError:
        raise TypeError(f"{owner}: {name} must be {words}, got {value!r}") from None
    if (least is not None and result < least) or (most is not None and result > most):
        raise ValueError(f"{owner}: {name} must be {words}, got {value!r}")
    return result


def boolean(owner, name, value):
    """Return a truth value given as such."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{owner}: {name} must be True or False, got {value!r}")
    return bool(value)


def choice(owner, name, value, choices):
    """Return the position of a value among the choices."""
    if isinstance(value, str) and value in choices:
        return list(choices).index(value)
    raise ValueError(f"{owner}: {name} must be one of {', '.join(map(repr, choices))}, got {value!r}")


def array(owner, name, value, ndim, dtype=None):
    """Return an array of float32 or float64, C-ordered, in the machine's byte order, that is only to be read.

    Such an array is taken as it is, without a copy, read-only ones and memory maps included. Everything else
    that holds real numbers is copied once: integers and float16 to float64 and float32, strided,
    Fortran-ordered, byte-swapped and misaligned arrays to C order.

    Parameters
    ----------
    owner, name : str
        For error messages.
    value : array_like
        What the user gave.
    ndim : int or None
        The number of dimensions it must have; None for any.
    dtype : dtype, optional
        The dtype to convert to; by default the value's own.

    Raises
    ------
    TypeError
        For boolean, complex, object and text arrays.
    ValueError
        For another number of dimensions.
    """
    given = _as_array(owner, name, value)
    if given.dtype.kind not in "fiu" or given.dtype.itemsize > 8:
        raise TypeError(
            f"{owner}: {name} must hold real numbers (float32, float64, float16 or integers), got dtype {given.dtype}"
        )
    if ndim is not None and given.ndim != ndim:
        hint = ""
        if (given.ndim, ndim) == (1, 2):
            hint = f"; use {name}.reshape(-1, 1) for one column, {name}.reshape(1, -1) for one row"
        raise ValueError(f"{owner}: {name} must be {_ARRAYS[ndim]}, got shape {given.shape}{hint}")
    if dtype is None:
        dtype = floating_dtype(given.dtype)
    with np.errstate(over="ignore"):  # too large for float32: the test for finite values says so
        ready = np.require(given, dtype, ("C", "A"))
    return ready if ready.flags.writeable else _seen_as_writable(ready)


def _as_array(owner, name, value):
    mask = getattr(value, "mask", None)  # not by numpy.ma, whose import takes longer than a short run
    if isinstance(mask, np.ndarray | np.bool_) and mask.any():
        raise ValueError(f"{owner}: {name} must have no masked elements")
    try:
        return np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as error:  # ragged lists; tensors that require a gradient
        raise ValueError(f"{owner}: {name} must be an array of real numbers ({error})") from None


_ARRAYS = {1: "a 1-D array", 2: "a 2-D array (rows, columns)"}


def floating_dtype(dtype):
    """The dtype that a computation on such numbers has: float32 for float32 and float16, else float64."""
    return np.dtype(np.float32 if dtype.kind == "f" and dtype.itemsize <= 4 else np.float64)


class _Window:
    """Memory of another array, described anew."""

    def __init__(self, owner):
        self.owner = owner
        interface = dict(owner.__array_interface__)
        interface["data"] = (interface["data"][0], False)
        self.__array_interface__ = interface


def _seen_as_writable(array):
    """The same memory under a writable type, which kernels only read: a read-only type would compile them again."""
    return np.asarray(_Window(array))


def same_length(owner, name, value, other_name, other):
    """Raise unless two arrays have the same number of rows."""
    if len(value) != len(other):
        raise ValueError(f"{owner}: {name} must have as many rows as {other_name} ({len(other)}), got {len(value)}")


def parameters(owner, model, n_params, params, dtype=None, name="params"):
    """Return a model's parameter vector, that is only to be read."""
    params = array(owner, name, params, 1, dtype)
    if params.size != n_params:
        raise ValueError(f"{owner}: {name} must have {n_params} elements for {model}, got {params.size}")
    return params


def suitable(owner, kernels, model, X, y=None):
    """Raise unless rows, and targets if there are any, suit a model, by what is registered for it."""
    n_columns = X.shape[1] if kernels.x_columns is None else kernels.x_columns.py_func(model)
    if X.shape[1] != n_columns:
        name = plain_name(type(model))
        raise ValueError(f"{owner}: X must have {n_columns} columns, as this {name} has, got {X.shape[1]}")
    try:
        kernels.check(model, X=X, y=y)
    except ValueError as error:
        raise ValueError(f"{owner}: {error}") from None


def data(owner, X, y, dtype=None):
    """Return rows and targets of one dtype (by default that of X), at least one row, as many targets as rows."""
    X = array(owner, "X", X, 2, dtype)
    if X.size == 0:
        raise ValueError(f"{owner}: X must have at least one row and one column, got shape {X.shape}")
    y = _as_array(owner, "y", y)
    if y.dtype == bool:  # two classes
        y = y.astype(X.dtype)
    y = array(owner, "y", y, y.ndim if y.ndim in _ARRAYS else 1, X.dtype)
    same_length(owner, "y", y, "X", X)
    return X, y


_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def is_masked(value):
    """Whether a value is a masked array: not by numpy.ma, whose import takes longer than a short run."""
    return type(value) is not np.ndarray and hasattr(value, "mask")


def unmasked(owner, name, value):
    """Raise for a masked array, which compiled code cannot take with its mask."""
    if is_masked(value):
        raise TypeError(f"{owner}: {name} must be an array without a mask, got {type(value).__name__}")


def vector(owner, name, value):
    """Return an array that is modified in place: it must be a writable, contiguous 1-D float32 or float64 one."""
    unmasked(owner, name, value)
    if not isinstance(value, np.ndarray) or value.dtype not in _FLOATS:
        came = f"dtype {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
        raise TypeError(f"{owner}: {name} must be a float32 or float64 array, got {came}")
    if value.ndim != 1 or not value.flags.carray:
        flags = value.flags
        came = "a read-only" if not flags.writeable else "a misaligned" if not flags.aligned else "a strided"
        came = f"{came} one" if value.ndim == 1 else f"shape {value.shape}"
        raise ValueError(f"{owner}: {name} must be a 1-D, contiguous, writable array, got {came}")
    return value


def gradient(owner, grads, params):
    """Raise unless params can be modified in place and grads goes with it."""
    unmasked(owner, "grads", grads)
    unmasked(owner, "params", params)
    if (
        isinstance(params, np.ndarray)
        and isinstance(grads, np.ndarray)
        and params.dtype in _FLOATS
        and grads.dtype == params.dtype
        and params.ndim == 1
        and grads.shape == params.shape
        and params.flags.carray
        and grads.flags.c_contiguous
        and grads.flags.aligned
    ):
        return
    vector(owner, "params", params)
    if not isinstance(grads, np.ndarray) or grads.dtype != params.dtype:
        came = f"dtype {grads.dtype}" if isinstance(grads, np.ndarray) else type(grads).__name__
        raise TypeError(f"{owner}: grads must be an array of the dtype of params, {params.dtype}, got {came}")
    came = f"shape {grads.shape}" if grads.shape != params.shape else "a strided or misaligned one"
    raise ValueError(f"{owner}: grads must be a contiguous array of the shape of params, {params.shape}, got {came}")
