"""Polynomial decay."""

from typing import NamedTuple

from fastgd._check import in_order, nonnegative, positive
from fastgd._jit import kernel
from fastgd._registry import register_schedule
from fastgd.schedules._curves import between, passed


class PolynomialDecay(NamedTuple):
    """Polynomial decay: the rate goes from lr to lr_min as (1 - t / duration)^power, and stays there.

    lr_min + (lr - lr_min)·(1 - t / duration)^power up to t = duration, lr_min from then on. Time is measured in
    epochs by `fit` (fractional: the rate falls at every step) and in steps by `minimize`. With ``lr_min=0`` it is
    PyTorch's ``PolynomialLR(total_iters=duration, power=power)``.

    Parameters
    ----------
    lr : float
        The rate at t = 0, 0 or larger.
    duration : float
        The time until the rate is lr_min, 0 or larger.
    power : float
        Positive: 1 falls along a straight line, more falls early, less late.
    lr_min : float
        The rate at the end, from 0 to lr.

    Examples
    --------
    >>> import fastgd
    >>> schedule = fastgd.PolynomialDecay(lr=0.8, duration=10, power=2)
    >>> [fastgd.learning_rate(schedule, t) for t in (0, 5, 10, 11)]
    [0.8, 0.2, 0.0, 0.0]
    """

    lr: float
    duration: float
    power: float = 1.0
    lr_min: float = 0.0


@kernel(inline=True)
def polynomial_decay(schedule, t):
    left = (1 - passed(t, schedule.duration)) ** schedule.power
    return between(schedule.lr_min, schedule.lr, left)


register_schedule(
    PolynomialDecay,
    polynomial_decay,
    check=lambda schedule: in_order(schedule, "lr_min", "lr"),
    lr=nonnegative,
    duration=nonnegative,
    power=positive,
    lr_min=nonnegative,
)
