"""A rate that falls when the loss does not."""

import math
from typing import NamedTuple

import numpy as np

from fastgd._check import nonnegative, unit_interval
from fastgd._jit import kernel
from fastgd._registry import register_schedule
from fastgd.schedules._nested import NestedSchedule, end_of, outermost
from fastgd.verbs import learning_rate

_BEST, _BAD_EPOCHS, _COOLING, _SCALE = range(4)  # places in the state


class ReduceOnPlateau(NamedTuple):
    """Reduce on plateau: in `fit`, the rate falls by `factor` when the watched loss no longer does.

    After every epoch the watched loss (that of validation if there is any, else the training loss) is compared with
    the best so far. It has improved where it is below best - threshold·|best|. After more than `patience` epochs
    without an improvement the rate is multiplied by `factor`, from the next step on; during the `cooldown` epochs
    that follow no bad epoch is counted. These are the meanings of PyTorch's ``ReduceLROnPlateau`` with
    ``mode="min", threshold_mode="rel", eps=0`` (for losses below 0, PyTorch's threshold has the wrong sign).

    What is multiplied is the rate of the schedule that it goes around. The rate is never brought below lr_min, and
    a schedule that is below it by itself stays as it is. Outside `fit` there is no loss to watch:
    `learning_rate` and `schedule_values` give the rates of that schedule, unreduced.

    Parameters
    ----------
    schedule : NamedTuple or float
        A schedule, or a constant rate.
    factor : float
        What the rate is multiplied by, from 0 to less than 1.
    patience : int
        How many epochs without an improvement are let pass, 0 or more.
    threshold : float
        The improvement that counts, as a share of the best loss, from 0 to less than 1.
    cooldown : int
        How many epochs after a reduction are not counted, 0 or more.
    lr_min : float
        The least rate that it reduces to, 0 or larger.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> X, y = np.ones((8, 1)), np.tile([0.0, 1.0], 4)  # nothing to be learnt
    >>> schedule = fastgd.ReduceOnPlateau(0.5, factor=0.5, patience=2)
    >>> result = fastgd.fit(fastgd.Neuron(1), X, y, lr=schedule, epochs=8, batch_size=None, params=[0, 0])
    >>> result.history["lr"]
    array([0.5  , 0.5  , 0.5  , 0.5  , 0.25 , 0.25 , 0.25 , 0.125])
    """

    schedule: tuple | float
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    cooldown: int = 0
    lr_min: float = 0.0


@kernel(inline=True)
def base_rate(schedule, t):
    return learning_rate(schedule.schedule, t)


register_schedule(
    ReduceOnPlateau,
    base_rate,
    ends_at=lambda schedule: end_of(schedule.schedule),
    schedule=NestedSchedule(),
    factor=unit_interval,
    patience=nonnegative,
    threshold=unit_interval,
    cooldown=nonnegative,
    lr_min=nonnegative,
)
outermost.add(ReduceOnPlateau)


def new_plateau_state():
    """What a run remembers of its plateaus: the best loss, bad epochs, epochs left to cool down, the rate's scale."""
    return np.array([math.inf, 0, 0, 1])


def begin_anew(state):
    """Forget the best loss, where losses of other rows are to follow; the rate stays reduced."""
    state[_BEST], state[_BAD_EPOCHS] = math.inf, 0


def look_at_loss(plateau, state, loss):
    """Take in the loss of the epoch just completed; return whether the rate changes."""
    best = state[_BEST]
    if loss < (best - plateau.threshold * abs(best) if best < math.inf else best):
        state[_BEST], state[_BAD_EPOCHS] = loss, 0
    else:
        state[_BAD_EPOCHS] += 1
    if state[_COOLING] > 0:
        state[_COOLING] -= 1
        state[_BAD_EPOCHS] = 0
    if state[_BAD_EPOCHS] <= plateau.patience:
        return False
    state[_SCALE] *= plateau.factor
    state[_COOLING], state[_BAD_EPOCHS] = plateau.cooldown, 0
    return True


def reduced(plateau, state, rates):
    """The rates of the schedule inside, reduced as far as the run's plateaus have brought it."""
    return np.maximum(state[_SCALE] * rates, np.minimum(rates, plateau.lr_min))
