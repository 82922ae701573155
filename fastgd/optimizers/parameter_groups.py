"""Parameter groups: ranges of the vector, each with an optimiser, a rate and a decay of its own; and freezing one."""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numba.extending import overload

from fastgd._arrays.copies import write
from fastgd._arrays.views import borrowed_slice
from fastgd._calls.dispatch import PASTED
from fastgd._calls.states import resting
from fastgd._check import count, natural, nonnegative
from fastgd._jit import kernel
from fastgd._registry import Held, OptimizerKernels, register_optimizer
from fastgd.updates import update
from fastgd.verbs import eval_params, init_state


class ParameterGroup(NamedTuple):
    """A range of the vector, start ≤ i < stop, that another optimiser moves; the rest stays where it is.

    The optimiser is made for this range: its state, and its norms if it has any, are of these parameters alone.
    By itself it trains one layer; several go into `ParameterGroups`.

    Parameters
    ----------
    inner : NamedTuple
        The optimiser.
    start, stop : int
        The range; 0 ≤ start < stop.
    lr_factor : float
        f, 0 or larger: the range's rate is f·lr.
    weight_decay : float
        λ, 0 or larger: decoupled decay, θ ← θ - f·lr·λθ before the step, beside what the optimiser has of its own. It
        is done at every call, of the parameters as they stand: a group with decay goes into `Accumulate` (which cannot
        be held by one) and `SkipNonfinite`, not around them, and schedule-free methods have a decay of their own.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> params, optimizer = np.ones(3), fastgd.ParameterGroup(fastgd.SGD(), 1, 3, lr_factor=0.5)
    >>> fastgd.update(optimizer, 0.5, np.ones(3), fastgd.init_state(optimizer, params), params)
    >>> params
    array([1.  , 0.75, 0.75])
    """

    inner: NamedTuple
    start: int
    stop: int
    lr_factor: float = 1.0
    weight_decay: float = 0.0


class ParameterGroupState(NamedTuple):
    """The state of `ParameterGroup`."""

    inner: NamedTuple  # for the range


class ParameterGroups(NamedTuple):
    """Ranges of the vector that go their own ways, as PyTorch's parameter groups; what is in none stays as it is.

    Parameters
    ----------
    groups : tuple of ParameterGroup
        One or more, in the order of the vector, without overlap. Where the optimisers are of one type, a range more
        costs no compilation of its rule.

    Examples
    --------
    A neuron's weights with decay, its bias without, at twice the rate:

    >>> import fastgd
    >>> from fastgd import AdamW, ParameterGroup, ParameterGroups
    >>> optimizer = ParameterGroups((
    ...     ParameterGroup(AdamW(), 0, 30),
    ...     ParameterGroup(AdamW(weight_decay=0), 30, 31, lr_factor=2),
    ... ))
    """

    groups: tuple


class ParameterGroupsState(NamedTuple):
    """The state of `ParameterGroups`."""

    groups: tuple  # a `ParameterGroupState` each


class Freeze(NamedTuple):
    """Steps of another optimiser that leave the range start ≤ i < stop where it is.

    What is before and what is behind the range is moved as two parameter groups.

    Parameters
    ----------
    inner : NamedTuple
        The optimiser of the rest: of what is before the range and of what is behind it, each a vector by itself. A
        layout, or a range of its own, has to fit both.
    start, stop : int
        The range; 0 ≤ start < stop.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> params, optimizer = np.ones(3), fastgd.Freeze(fastgd.SGD(), 0, 2)
    >>> fastgd.update(optimizer, 0.5, np.ones(3), fastgd.init_state(optimizer, params), params)
    >>> params
    array([1. , 1. , 0.5])
    """

    inner: NamedTuple
    start: int
    stop: int


class FreezeState(NamedTuple):
    """The state of `Freeze`."""

    before: NamedTuple  # the other optimiser's, of what is before the range
    behind: NamedTuple


@kernel(inline=True)
def require_range(thing, params):
    """Raise unless a range lies within the parameters: compiled code makes tuples without looking at their fields."""
    if not 0 <= thing.start < thing.stop:
        raise ValueError("start must be 0 or larger, and less than stop")
    if thing.stop > params.size:
        raise ValueError("stop must be at most the number of parameters")


@kernel(inline=True)
def update_range(optimizer, start, stop, lr, grads, state, params):
    """A step of an optimiser on a range."""
    first, size = np.uint64(start), np.uint64(stop - start)
    update(optimizer, lr, borrowed_slice(grads, first, size), state, borrowed_slice(params, first, size))


@kernel(inline=True)
def eval_range(optimizer, start, stop, state, params, out):
    """Write the point to evaluate at, of a range."""
    first, size = np.uint64(start), np.uint64(stop - start)
    eval_params(optimizer, state, borrowed_slice(params, first, size), borrowed_slice(out, first, size))


@kernel(inline=True)
def init_group(group, params):
    require_range(group, params)
    return ParameterGroupState(init_state(group.inner, params[group.start : group.stop]))


@kernel(inline=True)
def update_group(group, lr, grads, state, params):
    require_range(group, params)
    lr *= group.lr_factor
    if group.weight_decay > 0:
        kept = params.dtype.type(1 - lr * group.weight_decay)
        for i in range(np.uint64(group.start), np.uint64(group.stop)):
            params[i] *= kept
    update_range(group.inner, group.start, group.stop, lr, grads, state.inner, params)


@kernel(inline=True)
def eval_group(group, state, params, out):
    require_range(group, params)
    write(params, out)
    eval_range(group.inner, group.start, group.stop, state.inner, params, out)


# Tuples of groups of several types: taken apart one by one, when they are compiled.


def init_each(groups, params):
    """The state of each group."""
    return tuple(init_state(group, params) for group in groups)


@overload(init_each, jit_options=PASTED)
def _init_each(groups, params):
    if len(groups) == 0:
        return lambda groups, params: ()
    return lambda groups, params: (init_state(groups[0], params), *init_each(groups[1:], params))


def update_each(groups, lr, grads, states, params):
    """A step of each group (in compiled code)."""
    raise NotImplementedError("update_each is called in compiled code")


@overload(update_each, jit_options=PASTED)
def _update_each(groups, lr, grads, states, params):
    if len(groups) == 0:
        return lambda groups, lr, grads, states, params: None

    def update_first_and_rest(groups, lr, grads, states, params):
        update(groups[0], lr, grads, states[0], params)
        update_each(groups[1:], lr, grads, states[1:], params)

    return update_first_and_rest


def eval_each(groups, states, params, out):
    """Write the point to evaluate at, of each group (in compiled code)."""
    raise NotImplementedError("eval_each is called in compiled code")


@overload(eval_each, jit_options=PASTED)
def _eval_each(groups, states, params, out):
    if len(groups) == 0:
        return lambda groups, states, params, out: None

    def eval_first_and_rest(groups, states, params, out):
        require_range(groups[0], params)
        eval_range(groups[0].inner, groups[0].start, groups[0].stop, states[0].inner, params, out)
        eval_each(groups[1:], states[1:], params, out)

    return eval_first_and_rest


@kernel(inline=True)
def init_groups(optimizer, params):
    return ParameterGroupsState(init_each(optimizer.groups, params))


@kernel(inline=True)
def update_groups(optimizer, lr, grads, state, params):
    update_each(optimizer.groups, lr, grads, state.groups, params)


@kernel(inline=True)
def eval_groups(optimizer, state, params, out):
    write(params, out)
    eval_each(optimizer.groups, state.groups, params, out)


@kernel(inline=True)
def init_freeze(optimizer, params):
    require_range(optimizer, params)
    before, behind = params[: optimizer.start], params[optimizer.stop :]
    return FreezeState(init_state(optimizer.inner, before), init_state(optimizer.inner, behind))


@kernel(inline=True)
def update_freeze(optimizer, lr, grads, state, params):
    require_range(optimizer, params)
    # A plain 0 is a type of its own to Numba, for which it would compile the range a second time.
    update_range(optimizer.inner, np.int64(0), optimizer.start, lr, grads, state.before, params)
    update_range(optimizer.inner, optimizer.stop, params.size, lr, grads, state.behind, params)


@kernel(inline=True)
def eval_freeze(optimizer, state, params, out):
    require_range(optimizer, params)
    write(params, out)
    eval_range(optimizer.inner, np.int64(0), optimizer.start, state.before, params, out)
    eval_range(optimizer.inner, optimizer.stop, params.size, state.behind, params, out)


def _check_range(thing):
    if thing.start >= thing.stop:
        raise ValueError(f"{type(thing).__name__}: start must be less than stop, {thing.stop}, got {thing.start}")


def _check_group(group):
    _check_range(group)
    slow = resting(group.inner)
    if group.weight_decay > 0 and slow is not None:
        name = type(slow).__name__
        raise ValueError(
            f"ParameterGroup: weight_decay would be done at every call, where {name} does a step at some: put the "
            f"group into the {name}"
        )


class _Groups:
    """What the field `groups` must be."""

    def convert(self, owner, field, value):
        if not isinstance(value, tuple | list) or not value or not all(type(g) is ParameterGroup for g in value):
            raise TypeError(f"{owner}: {field} must be a tuple of one or more ParameterGroup, got {value!r}")
        for before, after in pairwise(value):
            if after.start < before.stop:
                raise ValueError(f"{owner}: {field} must follow one another, got {before!r} before {after!r}")
        return tuple(value)


_RANGE: dict[str, Any] = {
    "start": natural,
    "stop": count,
    "inner": Held(OptimizerKernels),
}
register_optimizer(
    ParameterGroup,
    init_group,
    update_group,
    eval_group,
    check=_check_group,
    lr_factor=nonnegative,
    weight_decay=nonnegative,
    **_RANGE,
)
register_optimizer(ParameterGroups, init_groups, update_groups, eval_groups, groups=_Groups())
register_optimizer(Freeze, init_freeze, update_freeze, eval_freeze, check=_check_range, **_RANGE)
