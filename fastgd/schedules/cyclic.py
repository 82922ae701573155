"""Triangular cycles."""

from typing import NamedTuple

import numpy as np

from fastgd._check import in_order, nonnegative, one_of, positive, share
from fastgd._jit import kernel
from fastgd._registry import register_schedule
from fastgd.schedules._curves import between, into_period


class CyclicTriangular(NamedTuple):
    """Triangular cycles: the rate goes from lr up to lr_max and back along straight lines, again and again.

    lr + (lr_max - lr)·h·s, where h rises from 0 to 1 during the first `rise` share of each period and falls back to 0
    during the rest, and s is 1 in the mode "triangular", 2^-n in the period number n (from 0) in "triangular2", and
    gamma^t in "exp_range". Smith (2017), cyclical learning rates; with ``period=step_size_up + step_size_down,
    rise=step_size_up / period`` it is PyTorch's ``CyclicLR``. Time is measured in epochs by `fit` (fractional: the
    rate moves at every step) and in steps by `minimize`.

    Parameters
    ----------
    lr : float
        The rate at t = 0 and between two cycles, 0 or larger.
    lr_max : float
        The peak (of the first cycle), at least lr.
    period : float
        The length of a cycle, positive.
    rise : float
        The share of it in which the rate rises, from 0 to 1.
    mode : {"triangular", "triangular2", "exp_range"}
        Whether the peaks stay, halve from cycle to cycle, or decay exponentially.
    gamma : float
        What "exp_range" multiplies by in a unit of time, from 0 to 1.

    Examples
    --------
    >>> import fastgd
    >>> schedule = fastgd.CyclicTriangular(lr=0.25, lr_max=0.75, period=8, mode="triangular2")
    >>> [fastgd.learning_rate(schedule, t) for t in (0, 2, 4, 8, 12, 16, 20)]
    [0.25, 0.5, 0.75, 0.25, 0.5, 0.25, 0.375]
    """

    lr: float
    lr_max: float
    period: float
    rise: float = 0.5
    mode: str | int = "triangular"
    gamma: float = 1.0


@kernel(inline=True)
def cyclic_triangular(schedule, t):
    since = into_period(t, schedule.period)
    x = since / schedule.period
    height = x / schedule.rise if x < schedule.rise else (1 - x) / (1 - schedule.rise)
    if schedule.mode == 1:
        height *= 0.5 ** np.rint((t - since) / schedule.period)
    elif schedule.mode == 2:
        height *= schedule.gamma**t
    return between(schedule.lr, schedule.lr_max, height)


register_schedule(
    CyclicTriangular,
    cyclic_triangular,
    check=lambda schedule: in_order(schedule, "lr", "lr_max"),
    lr=nonnegative,
    lr_max=nonnegative,
    period=positive,
    rise=share,
    mode=one_of("triangular", "triangular2", "exp_range"),
    gamma=share,
)
