"""Exponential decay."""

import math
from typing import NamedTuple

from fastgd._check import nonnegative
from fastgd._jit import kernel
from fastgd._registry import register_schedule


class ExponentialDecay(NamedTuple):
    """Exponential decay: the rate at time t is lr·e^(-kt).

    Time is measured in epochs by `fit` (fractional: the rate falls at every step) and in steps by `minimize`.
    The rate halves every ln 2 / k. PyTorch's ``ExponentialLR(gamma)`` is that with k = -ln(gamma).

    Parameters
    ----------
    lr : float
        The rate at t = 0, 0 or larger.
    k : float
        The decay per unit of time, 0 or larger.

    Examples
    --------
    >>> import math
    >>> import fastgd
    >>> schedule = fastgd.ExponentialDecay(lr=0.1, k=math.log(2))
    >>> print(f"{fastgd.learning_rate(schedule, 0):.3f}, {fastgd.learning_rate(schedule, 1.5):.6f}")
    0.100, 0.035355
    """

    lr: float
    k: float


@kernel(inline=True)
def exponential_decay(schedule, t):
    return schedule.lr * math.exp(-schedule.k * t)


register_schedule(ExponentialDecay, exponential_decay, lr=nonnegative, k=nonnegative)
