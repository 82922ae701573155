"""Step decay at given times."""

from typing import NamedTuple

from fastgd._check import Numbers, nonnegative, share
from fastgd._jit import kernel
from fastgd._registry import register_schedule


class MultiStepDecay(NamedTuple):
    """Step decay at given times: the rate is lr · factor^n, n being the number of milestones up to t.

    Time is measured in epochs by `fit` and in steps by `minimize`. At a milestone the rate has fallen already, as in
    PyTorch's ``MultiStepLR(milestones, gamma=factor)``. The code is compiled for the number of milestones.

    Parameters
    ----------
    lr : float
        The rate at t = 0, 0 or larger.
    factor : float
        What the rate is multiplied by, from 0 to 1.
    milestones : tuple of float
        The times at which it falls, 0 or larger, increasing.

    Examples
    --------
    >>> import fastgd
    >>> schedule = fastgd.MultiStepDecay(lr=0.8, factor=0.5, milestones=(30, 60))
    >>> [fastgd.learning_rate(schedule, t) for t in (0, 29.5, 30, 60, 1000)]
    [0.8, 0.8, 0.4, 0.2, 0.2]
    """

    lr: float
    factor: float
    milestones: tuple[float, ...]


@kernel(inline=True)
def multi_step_decay(schedule, t):
    n_drops = 0.0
    for milestone in schedule.milestones:
        n_drops += t >= milestone
    return schedule.lr * schedule.factor**n_drops


register_schedule(
    MultiStepDecay,
    multi_step_decay,
    ends_at=lambda schedule: schedule.milestones[-1],
    lr=nonnegative,
    factor=share,
    milestones=Numbers(nonnegative, increasing=True),
)
