"""Step decay."""

from typing import NamedTuple

import numpy as np

from fastgd._check import nonnegative, positive, share
from fastgd._jit import kernel
from fastgd._registry import register_schedule
from fastgd.schedules._curves import into_period


class StepDecay(NamedTuple):
    """Step decay: the rate at time t is lr · factor^⌊t / every⌋.

    Time is measured in epochs by `fit` and in steps by `minimize`. A time that only rounding keeps below a multiple
    of `every` has reached it: with ``every=0.1`` the third drop is at t = 0.3, though 3 · 0.1 is a little more. With
    whole numbers this is PyTorch's ``StepLR(step_size=every, gamma=factor)``.

    Parameters
    ----------
    lr : float
        The rate at t = 0, 0 or larger.
    factor : float
        What the rate is multiplied by, from 0 to 1.
    every : float
        The time between two drops, positive.

    Examples
    --------
    >>> import fastgd
    >>> schedule = fastgd.StepDecay(lr=0.8, factor=0.5, every=10)
    >>> [fastgd.learning_rate(schedule, t) for t in (0, 9.5, 10, 25)]
    [0.8, 0.8, 0.4, 0.2]
    """

    lr: float
    factor: float
    every: float


@kernel(inline=True)
def step_decay(schedule, t):
    n_drops = np.rint((t - into_period(t, schedule.every)) / schedule.every)
    return schedule.lr * schedule.factor**n_drops


register_schedule(StepDecay, step_decay, lr=nonnegative, factor=share, every=positive)
