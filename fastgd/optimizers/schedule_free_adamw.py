"""Schedule-free AdamW."""

import math
from typing import NamedTuple

import numpy as np

from fastgd._check import interior, natural, nonnegative, positive, unit_interval
from fastgd._jit import kernel
from fastgd._numbers.denormals import floored
from fastgd._registry import register_optimizer
from fastgd.optimizers.adam import NEGLIGIBLE
from fastgd.optimizers.schedule_free_sgd import weigh_step, write_average


class ScheduleFreeAdamW(NamedTuple):
    """Schedule-free AdamW: `ScheduleFreeSGD` whose steps are divided by the root of the second moment.

    v ← β₂v + (1-β₂)g², z ← z - lr·(g / (√v̂ + ε) + λy), x ← (1-c)x + cz, y ← (1-β₁)z + β₁x, where g is the gradient
    at y, v̂ = v / (1 - β₂ᵗ), and c and the weights of the average are as in `ScheduleFreeSGD`. A. Defazio, X. Yang,
    H. Mehta et al., The road less scheduled, NeurIPS 2024, Algorithm 1; in the form of the authors' schedulefree
    (and, without warmup and r, of optax's `schedule_free_adamw`), which takes the warmup out of the weights' tʳ. The
    parameters that `update` modifies are y; `eval_params` gives x, which `fit` returns.

    Parameters
    ----------
    beta1 : float
        Where between z and x the gradients are taken, in (0, 1).
    beta2 : float
        The decay of the second moment, in [0, 1).
    eps : float
        ε, positive.
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
    >>> params, optimizer = np.array([4.0, -0.5]), fastgd.ScheduleFreeAdamW()
    >>> fastgd.update(optimizer, 0.1, 2 * params, fastgd.init_state(optimizer, params), params)
    >>> params
    array([ 3.9, -0.4])
    """

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    warmup_steps: int = 0
    r: float = 0.0
    weight_lr_power: float = 2.0
    weight_decay: float = 0.0


class ScheduleFreeAdamWState(NamedTuple):
    """The state of `ScheduleFreeAdamW`."""

    z: np.ndarray  # (n_params,), the parameters' dtype, as is v
    v: np.ndarray
    average: np.ndarray  # float64: the steps done, the largest lr and its power, the sum of the weights
    bias: np.ndarray  # float64: for the step to come β₂ᵗ and the correction 1 / √(1 - β₂ᵗ)


@kernel(inline=True)
def init(optimizer, params):
    average = np.array([0.0, 0.0, 0.0**optimizer.weight_lr_power, 0.0])
    bias = np.array([optimizer.beta2, 1 / math.sqrt(1 - optimizer.beta2)])
    return ScheduleFreeAdamWState(params.copy(), np.zeros_like(params), average, bias)


@kernel(inline=True)
def update(optimizer, lr, grads, state, params):
    dtype = params.dtype.type
    z, v, average, bias = state
    scale = dtype(bias[1])
    if bias[0] > NEGLIGIBLE:
        bias[0] *= optimizer.beta2
        bias[1] = 1 / math.sqrt(1 - bias[0])
    lr, c = weigh_step(optimizer, lr, average)
    at_y, c, decay = dtype(lr * (1 - optimizer.beta1 * (1 - c))), dtype(c), dtype(optimizer.weight_decay)
    lr, eps = dtype(lr), dtype(optimizer.eps)
    beta2, rest2 = dtype(optimizer.beta2), dtype(1 - optimizer.beta2)
    for i in range(params.size):
        y = params[i]
        v[i] = floored(beta2 * v[i] + rest2 * grads[i] * grads[i])
        direction = grads[i] / (np.sqrt(v[i]) * scale + eps) + decay * y
        params[i] = y + c * (z[i] - y) - at_y * direction
        z[i] -= lr * direction


@kernel(inline=True)
def eval_params(optimizer, state, params, out):
    write_average(optimizer.beta1, state.z, params, out)


register_optimizer(
    ScheduleFreeAdamW,
    init,
    update,
    eval_params,
    elementwise=True,
    beta1=interior,
    beta2=unit_interval,
    eps=positive,
    warmup_steps=natural,
    r=nonnegative,
    weight_lr_power=nonnegative,
    weight_decay=nonnegative,
)
