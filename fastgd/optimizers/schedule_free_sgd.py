"""Schedule-free gradient descent, and what the schedule-free methods share."""

from typing import NamedTuple

import numpy as np

from fastgd._check import interior, natural, nonnegative
from fastgd._jit import kernel
from fastgd._registry import register_optimizer


class ScheduleFreeSGD(NamedTuple):
    """Schedule-free gradient descent: steps at z, their average x, and gradients taken in between, at y.

    z ← z - lr·(∇f(y) + λy), x ← (1-c)x + cz, y ← (1-β)z + βx, where the weights w of the average, c = w / Σw, are
    w = tʳ · (the largest lr so far)ᵖ, p being `weight_lr_power`. A. Defazio, X. Yang, H. Mehta et al., The road less
    scheduled, NeurIPS 2024, equations 5 to 7; in the form of the authors' schedulefree (and, without warmup and r,
    of optax's `schedule_free_sgd`). The parameters that `update` modifies are y; `eval_params` gives x, which `fit`
    returns. It wants a constant rate, larger than a schedule's.

    Parameters
    ----------
    beta : float
        Where between z and x the gradients are taken, in (0, 1).
    warmup_steps : int
        For so many steps the rate rises linearly, from lr / warmup_steps to lr.
    r : float
        The power of the step's number in the weights, 0 or larger.
    weight_lr_power : float
        The power of the rate in the weights, 0 or larger.
    weight_decay : float
        λ, 0 or larger: of y, times lr.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> params, optimizer = np.array([4.0]), fastgd.ScheduleFreeSGD(beta=0.5)
    >>> state = fastgd.init_state(optimizer, params)
    >>> for _ in range(2):
    ...     fastgd.update(optimizer, 0.125, 2 * params, state, params)
    >>> params  # z = 4 - 0.125 · 8 = x = 3, then z = 3 - 0.125 · 6 = 2.25, x = (3 + 2.25) / 2
    array([2.4375])
    >>> x = np.empty(1)
    >>> fastgd.eval_params(optimizer, state, params, x)
    >>> x
    array([2.625])
    """

    beta: float = 0.9
    warmup_steps: int = 0
    r: float = 0.0
    weight_lr_power: float = 2.0
    weight_decay: float = 0.0


class ScheduleFreeSGDState(NamedTuple):
    """The state of `ScheduleFreeSGD`."""

    z: np.ndarray  # (n_params,), the parameters' dtype
    average: np.ndarray  # float64: the steps done, the largest lr and its power, the sum of the weights


@kernel(inline=True)
def init(optimizer, params):
    return ScheduleFreeSGDState(params.copy(), np.array([0.0, 0.0, 0.0**optimizer.weight_lr_power, 0.0]))


@kernel(merge=True)
def weigh_step(optimizer, lr, average):
    """Return a step's rate after warmup, and the part c that its z has in the average."""
    average[0] += 1
    if average[0] < optimizer.warmup_steps:
        lr *= average[0] / optimizer.warmup_steps
    if lr > average[1]:  # at a constant rate only once: a power takes longer than the rest of a small step
        average[1] = lr
        average[2] = lr**optimizer.weight_lr_power
    weight = average[2]
    if optimizer.r > 0:
        weight *= average[0] ** optimizer.r
    average[3] += weight
    return lr, weight / average[3] if average[3] > 0 else 0.0


@kernel(merge=True)
def write_average(beta, z, params, out):
    """Write x = y + (1 - 1/β)(z - y)."""
    beyond = params.dtype.type(1 - 1 / beta)
    for i in range(params.size):
        out[i] = params[i] + beyond * (z[i] - params[i])


@kernel(inline=True)
def update(optimizer, lr, grads, state, params):
    dtype = params.dtype.type
    z, average = state
    lr, c = weigh_step(optimizer, lr, average)
    at_y, c, decay = dtype(lr * (1 - optimizer.beta * (1 - c))), dtype(c), dtype(optimizer.weight_decay)
    lr = dtype(lr)
    for i in range(params.size):
        y = params[i]
        g = grads[i] + decay * y
        params[i] = y + c * (z[i] - y) - at_y * g
        z[i] -= lr * g


@kernel(inline=True)
def eval_params(optimizer, state, params, out):
    write_average(optimizer.beta, state.z, params, out)


register_optimizer(
    ScheduleFreeSGD,
    init,
    update,
    eval_params,
    elementwise=True,
    beta=interior,
    warmup_steps=natural,
    r=nonnegative,
    weight_lr_power=nonnegative,
    weight_decay=nonnegative,
)
