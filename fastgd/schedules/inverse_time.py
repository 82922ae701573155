"""Inverse-time decay."""

from typing import NamedTuple

from fastgd._check import nonnegative, positive
from fastgd._jit import kernel
from fastgd._registry import register_schedule


class InverseTimeDecay(NamedTuple):
    """Inverse-time decay: the rate at time t is lr / (1 + kt)^power.

    Time is measured in epochs by `fit` (fractional: the rate falls at every step) and in steps by `minimize`. With
    power 1 this is the classical rate of stochastic approximation (Robbins and Monro 1951), which falls slowly
    enough to get anywhere and fast enough to settle; power 1/2 is the rate that goes with averaged iterates.
    Keras's ``InverseTimeDecay`` has k = decay_rate / decay_steps.

    Parameters
    ----------
    lr : float
        The rate at t = 0, 0 or larger.
    k : float
        The decay per unit of time, 0 or larger: at t = 1 / k the rate is lr / 2^power.
    power : float
        Positive.

    Examples
    --------
    >>> import fastgd
    >>> schedule = fastgd.InverseTimeDecay(lr=0.8, k=0.1)
    >>> [fastgd.learning_rate(schedule, t) for t in (0, 10, 70)]
    [0.8, 0.4, 0.1]
    """

    lr: float
    k: float
    power: float = 1.0


@kernel(inline=True)
def inverse_time_decay(schedule, t):
    return schedule.lr / (1 + schedule.k * t) ** schedule.power


register_schedule(InverseTimeDecay, inverse_time_decay, lr=nonnegative, k=nonnegative, power=positive)
