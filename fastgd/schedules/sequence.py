"""Schedules one after the other."""

from typing import NamedTuple

from numba.extending import overload

from fastgd._calls.dispatch import PASTED
from fastgd._check import Numbers, positive
from fastgd._jit import kernel
from fastgd._registry import register_schedule
from fastgd.schedules._nested import NestedSchedules, end_of
from fastgd.verbs import learning_rate


class Sequence(NamedTuple):
    """Schedules one after the other, each of which begins at its own time 0 when its turn comes.

    Up to times[0] the rate is that of schedules[0], from times[0] to times[1] that of schedules[1] at t - times[0], and
    so on; the last one goes on for ever. At a switch the new one has begun, as in optax's ``join_schedules`` and
    PyTorch's ``SequentialLR``. Time is measured in epochs by `fit` and in steps by `minimize`. The code is compiled for
    the types of the schedules.

    Parameters
    ----------
    schedules : tuple of NamedTuple or float
        Schedules and constant rates, at least two.
    times : tuple of float
        When to go on to the next: one fewer than schedules, positive, increasing.

    Examples
    --------
    >>> import fastgd
    >>> schedule = fastgd.Sequence((0.5, fastgd.LinearRamp(0.5, 10, 0.25), 0.125), times=(5, 15))
    >>> [fastgd.learning_rate(schedule, t) for t in (0, 5, 10, 14, 15, 20)]
    [0.5, 0.5, 0.375, 0.275, 0.125, 0.125]
    """

    schedules: tuple
    times: tuple[float, ...]


def rate_in_turn(schedules, times, t, begin):
    """The rate of the schedule whose turn it is, the first of these having begun at time `begin`."""
    if len(schedules) == 1 or t < times[0]:
        return learning_rate(schedules[0], t - begin)
    return rate_in_turn(schedules[1:], times[1:], t, times[0])


@overload(rate_in_turn, jit_options=PASTED)
def _rate_in_turn(schedules, times, t, begin):
    # The schedules have different types, so that which of them it is cannot be an index in compiled code.
    if len(schedules) == 1:
        return lambda schedules, times, t, begin: learning_rate(schedules[0], t - begin)

    def rate_of_several(schedules, times, t, begin):
        if t < times[0]:
            return learning_rate(schedules[0], t - begin)
        return rate_in_turn(schedules[1:], times[1:], t, times[0])

    return rate_of_several


@kernel(inline=True)
def sequence(schedule, t):
    return rate_in_turn(schedule.schedules, schedule.times, t, 0.0)


def check(schedule):
    """Raise unless there is a time between any two schedules."""
    if len(schedule.schedules) != len(schedule.times) + 1:
        raise ValueError(
            f"Sequence: times must have one number fewer than there are schedules, {len(schedule.schedules)}, "
            f"got {schedule.times}"
        )


register_schedule(
    Sequence,
    sequence,
    ends_at=lambda schedule: schedule.times[-1] + end_of(schedule.schedules[-1]),
    check=check,
    schedules=NestedSchedules(),
    times=Numbers(positive, increasing=True),
)
