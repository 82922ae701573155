"""Cosine annealing with warm restarts."""

import math
from typing import NamedTuple

from fastgd._check import at_least_one, in_order, nonnegative, positive
from fastgd._jit import kernel
from fastgd._registry import register_schedule
from fastgd.schedules._curves import along_cosine, into_period


class CosineRestarts(NamedTuple):
    """Cosine annealing with warm restarts: falls from lr to lr_min along half a cosine wave, again and again.

    lr_min + (lr - lr_min)·(1 + cos(πx)) / 2, x being the share of the period under way that is over. The first
    period is `period` long, each further one `multiplier` times as long as the one before, for ever. At a restart the
    rate is lr; a time that only rounding keeps before a restart has reached it.

    Loshchilov and Hutter (2017), SGDR, equation 5. PyTorch's ``CosineAnnealingWarmRestarts(T_0, T_mult, eta_min)``
    takes whole numbers for both; here both may be fractions. Time is measured in epochs by `fit` (fractional: the
    rate moves at every step) and in steps by `minimize`.

    Parameters
    ----------
    lr : float
        The rate at t = 0 and at every restart, 0 or larger.
    period : float
        The length of the first period, positive.
    multiplier : float
        How many times as long the next period is, 1 or larger.
    lr_min : float
        The rate that each period comes down to, from 0 to lr.

    Examples
    --------
    >>> import fastgd
    >>> schedule = fastgd.CosineRestarts(lr=0.5, period=10, multiplier=2)
    >>> [round(fastgd.learning_rate(schedule, t), 6) for t in (0, 5, 10, 20, 30, 70)]
    [0.5, 0.25, 0.5, 0.25, 0.5, 0.5]
    """

    lr: float
    period: float
    multiplier: float = 1.0
    lr_min: float = 0.0


@kernel(inline=True)
def cosine_restarts(schedule, t):
    growth, time = schedule.multiplier - 1, t / schedule.period
    if growth == 0:
        share = into_period(t, schedule.period) / schedule.period
    else:
        # Period n begins at time (multiplier^n - 1) / growth: in the logarithm of 1 + growth·time all are equally long.
        period = math.log1p(growth)
        share = math.expm1(into_period(math.log1p(min(growth * time, 1e300)), period)) / growth
    return along_cosine(schedule.lr, schedule.lr_min, min(share, 1.0))


register_schedule(
    CosineRestarts,
    cosine_restarts,
    check=lambda schedule: in_order(schedule, "lr_min", "lr"),
    lr=nonnegative,
    period=positive,
    multiplier=at_least_one,
    lr_min=nonnegative,
)
