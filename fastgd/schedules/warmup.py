"""A warmup in front of any schedule."""

from typing import NamedTuple

from fastgd._check import Range, nonnegative
from fastgd._jit import kernel
from fastgd._registry import register_schedule
from fastgd.schedules._curves import between, passed
from fastgd.schedules._nested import NestedSchedule, end_of
from fastgd.verbs import learning_rate


class Warmup(NamedTuple):
    """A warmup: the rate rises along a straight line to the first rate of another schedule, which then begins.

    r(0)·(start + (1 - start)·t / duration) up to t = duration, r(t - duration) from then on, r being the schedule that
    it wraps: the wrapped one's own time begins at 0 after the warmup. Time is measured in epochs by `fit`
    (fractional: the rate rises at every step) and in steps by `minimize`.

    The first step, at t = 0, has the share `start` of the rate: at rate 0 it would be wasted. Where steps are counted,
    a warmup of n steps may begin with the n-th part; but a schedule does not know how long a step is (in epochs it
    depends on the data and the batch size), so the first rate is a field. Its default, a hundredth, is that of a
    warmup of a hundred steps. PyTorch's ``LinearLR(start_factor=start, total_iters=duration)`` in front of another
    schedule (by ``SequentialLR``) rises in the same way, by default from 1/3.

    Parameters
    ----------
    duration : float
        How long the rate rises, 0 or larger.
    schedule : NamedTuple or float
        What comes then: a schedule, or a constant rate.
    start : float
        The share of its first rate to begin with: more than 0, at most 1.

    Examples
    --------
    >>> import fastgd
    >>> schedule = fastgd.Warmup(duration=4, schedule=fastgd.StepDecay(lr=0.8, factor=0.5, every=10))
    >>> [round(fastgd.learning_rate(schedule, t), 6) for t in (0, 2, 4, 13.5, 14)]
    [0.008, 0.404, 0.8, 0.8, 0.4]
    """

    duration: float
    schedule: tuple | float
    start: float = 0.01


@kernel(inline=True)
def warmup(schedule, t):
    rate = learning_rate(schedule.schedule, max(t - schedule.duration, 0.0))
    return rate * between(schedule.start, 1.0, passed(t, schedule.duration))


register_schedule(
    Warmup,
    warmup,
    ends_at=lambda schedule: schedule.duration + end_of(schedule.schedule),
    duration=nonnegative,
    schedule=NestedSchedule(),
    start=Range("a number in (0, 1]", lambda v: 0 < v <= 1),
)
