"""A straight line from one rate to another."""

from typing import NamedTuple

from fastgd._check import nonnegative
from fastgd._jit import kernel
from fastgd._registry import register_schedule
from fastgd.schedules._curves import between, passed


class LinearRamp(NamedTuple):
    """A straight line, up or down: the rate goes from lr to lr_end over a duration, and stays there.

    lr + (lr_end - lr)·t / duration up to t = duration, lr_end from then on. Time is measured in epochs by `fit`
    (fractional: the rate moves at every step) and in steps by `minimize`. PyTorch's ``LinearLR`` gives both rates as
    factors of the optimiser's, optax's ``linear_schedule`` as they are.

    Parameters
    ----------
    lr : float
        The rate at t = 0, 0 or larger.
    duration : float
        The time until the rate is lr_end, 0 or larger.
    lr_end : float
        The rate at the end, 0 or larger; it may be more than lr.

    Examples
    --------
    >>> import fastgd
    >>> schedule = fastgd.LinearRamp(lr=0.5, duration=10, lr_end=0.25)
    >>> [fastgd.learning_rate(schedule, t) for t in (0, 5, 10, 11)]
    [0.5, 0.375, 0.25, 0.25]
    """

    lr: float
    duration: float
    lr_end: float = 0.0


@kernel(inline=True)
def linear_ramp(schedule, t):
    return between(schedule.lr, schedule.lr_end, passed(t, schedule.duration))


register_schedule(LinearRamp, linear_ramp, lr=nonnegative, duration=nonnegative, lr_end=nonnegative)
