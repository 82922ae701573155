"""What can be told of an optimiser and its state: that it is what `init_state` makes, that threads can share it ..."""

import numpy as np

from fastgd._check import unmasked
from fastgd._class_names import plain_name, with_classes_told_apart
from fastgd._registry import OptimizerKernels, is_registered, kernels_for


def new_state(owner, optimizer, params):
    """The state that an optimiser's `init` makes for these parameters, a tuple of arrays."""
    state = kernels_for(owner, OptimizerKernels, optimizer).init.py_func(optimizer, params)
    _require_arrays(f"{owner}: the state that {plain_name(type(optimizer))} makes", state, "state")
    return with_classes_told_apart(state)


def _require_arrays(what, value, name):
    if isinstance(value, tuple):
        for field, part in zip(field_names(value, name), value, strict=True):
            _require_arrays(what, part, field)
    elif name == "state" or not isinstance(value, np.ndarray):
        raise TypeError(f"{what} must be a named tuple of arrays, but {name} is {type(value).__name__}")


def require_fitting(owner, optimizer, state, params, name, vector):
    """Raise unless a state is what `init_state` makes for this optimiser and vector, and all arrays are by themselves.

    `vector`, by its name, is the array that goes with the parameters, and was checked against them.
    """
    require_like(owner, state, new_state(owner, optimizer, params), "state")
    arrays = [("params", params), (name, vector), *_named_arrays(state, "state")]
    for i, (name, array) in enumerate(arrays):
        for other_name, other in arrays[:i]:
            if np.may_share_memory(array, other):  # all are contiguous: overlapping bounds are shared memory
                raise ValueError(f"{owner}: {name} and {other_name} must not share memory")


def is_elementwise(optimizer):
    """Whether threads can share a vector under this optimiser."""
    elementwise = kernels_for("update", OptimizerKernels, optimizer).elementwise
    return elementwise(optimizer) if callable(elementwise) else elementwise


def with_what_it_holds(optimizer):
    """An optimiser, and the tuples in it: the optimisers that it holds among them."""
    yield optimizer
    for part in optimizer:
        if isinstance(part, tuple):
            yield from with_what_it_holds(part)


def resting(optimizer):
    """The optimiser, it or one that it holds, some of whose steps change nothing; None if there is none."""
    for each in with_what_it_holds(optimizer):
        if is_registered(each, OptimizerKernels) and kernels_for("optimizer", OptimizerKernels, each).rests:
            return each
    return None


def require_like(owner, value, expected, name, read_only=False):
    """Raise unless a state has the tuples and arrays of another; those that are only read may lie in memory anyhow."""
    if isinstance(expected, tuple):
        if type(value) is not type(expected) or len(value) != len(expected):
            raise TypeError(
                f"{owner}: {name} must be {plain_name(type(expected))}, as init_state makes it for this optimizer, "
                f"got {type(value).__name__}"
            )
        for field, part, expected_part in zip(field_names(expected, name), value, expected, strict=True):
            require_like(owner, part, expected_part, field, read_only)
        return
    unmasked(owner, name, value)
    if not isinstance(value, np.ndarray) or value.dtype != expected.dtype:
        came = f"dtype {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
        raise TypeError(f"{owner}: {name} must be an array of {expected.dtype}, got {came}")
    usable = read_only or value.flags.carray
    if value.shape != expected.shape or not usable:
        came = f"shape {value.shape}" if usable else "a strided, misaligned or read-only one"
        kind = "an array" if read_only else "a contiguous, writable array"
        raise ValueError(f"{owner}: {name} must be {kind} of shape {expected.shape}, got {came}")


def field_names(value, name):
    """The names of a tuple's parts, for messages."""
    return [f"{name}.{field}" for field in getattr(value, "_fields", range(len(value)))]


def _named_arrays(state, name):
    for field, value in zip(field_names(state, name), state, strict=True):
        if isinstance(value, tuple):
            yield from _named_arrays(value, field)
        else:
            yield field, value
