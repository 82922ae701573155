"""Cosine annealing."""

from typing import NamedTuple

from fastgd._check import in_order, nonnegative
from fastgd._jit import kernel
from fastgd._registry import register_schedule
from fastgd.schedules._curves import along_cosine, passed


class CosineAnnealing(NamedTuple):
    """Cosine annealing: the rate goes from lr to lr_min along half a cosine wave, and stays there.

    lr_min + (lr - lr_min)·(1 + cos(π·t / duration)) / 2 up to t = duration, lr_min from then on (Loshchilov and Hutter
    2017, one period). Time is measured in epochs by `fit` (fractional: the rate falls at every step) and in steps by
    `minimize`. PyTorch's ``CosineAnnealingLR(T_max=duration, eta_min=lr_min)`` has the same rates up to T_max, and
    rises again after it.

    Parameters
    ----------
    lr : float
        The rate at t = 0, 0 or larger.
    duration : float
        The time until the rate is lr_min, 0 or larger.
    lr_min : float
        The rate at the end, from 0 to lr.

    Examples
    --------
    >>> import fastgd
    >>> schedule = fastgd.CosineAnnealing(lr=0.5, duration=10)
    >>> [round(fastgd.learning_rate(schedule, t), 6) for t in (0, 2.5, 5, 10, 11)]
    [0.5, 0.426777, 0.25, 0.0, 0.0]
    """

    lr: float
    duration: float
    lr_min: float = 0.0


@kernel(inline=True)
def cosine_annealing(schedule, t):
    return along_cosine(schedule.lr, schedule.lr_min, passed(t, schedule.duration))


register_schedule(
    CosineAnnealing,
    cosine_annealing,
    check=lambda schedule: in_order(schedule, "lr_min", "lr"),
    lr=nonnegative,
    duration=nonnegative,
    lr_min=nonnegative,
)
