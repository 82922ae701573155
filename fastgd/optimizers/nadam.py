"""NAdam: Adam with Nesterov's momentum."""

import math
from typing import NamedTuple

import numpy as np

from fastgd._check import nonnegative, positive, unit_interval
from fastgd._jit import kernel
from fastgd._numbers.denormals import floored, settled
from fastgd._registry import register_optimizer
from fastgd.optimizers.adam import NEGLIGIBLE


class NAdam(NamedTuple):
    """NAdam: m ← β₁m + (1-β₁)g, v ← β₂v + (1-β₂)g², θ ← θ - lr·m̂ / (√v̂ + ε), where m̂ looks ahead.

    m̂ = (1-μₜ)g / (1 - μ₁⋯μₜ) + μₜ₊₁m / (1 - μ₁⋯μₜ₊₁), with μₜ = β₁(1 - ½·0.96^(ψt)), and v̂ = v / (1 - β₂ᵗ). T. Dozat,
    Incorporating Nesterov momentum into Adam, ICLR workshop 2016, in PyTorch's form, whose momentum decay ψ it has.

    Parameters
    ----------
    beta1, beta2 : float
        The decay of the two moments, in [0, 1).
    eps : float
        ε, positive.
    momentum_decay : float
        ψ, 0 or larger. (The state holds a power of it: it is that of the optimiser that the state was made for.)
    decoupled_weight_decay : bool
        Keep the decay out of the moments: λ·lr·θ is taken off θ, as `AdamW` does.
    weight_decay : float
        λ, 0 or larger: λθ is added to the gradient, unless the decay is decoupled.
    maximize : bool
        Go uphill: the gradient's sign is changed first.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> params, optimizer = np.array([4.0, -0.5]), fastgd.NAdam(momentum_decay=0)
    >>> fastgd.update(optimizer, 0.1, 2 * params, fastgd.init_state(optimizer, params), params)
    >>> params.round(6)  # μ is 0.45, so m̂ = g + 0.45 · 0.1 g / (1 - 0.45²)
    array([ 3.894357, -0.394357])
    """

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    momentum_decay: float = 4e-3
    decoupled_weight_decay: bool = False
    weight_decay: float = 0.0
    maximize: bool = False


class NAdamState(NamedTuple):
    """The state of `NAdam`."""

    m: np.ndarray  # (n_params,), the parameters' dtype, as is v
    v: np.ndarray
    # float64: 0.96^ψ, and for the step to come 0.96^(ψ(t+1)), μ₁⋯μₜ₊₁, β₂ᵗ, and the factors of g and m in m̂ and of √v
    bias: np.ndarray


@kernel(inline=True)
def init(optimizer, params):
    beta1, beta2 = optimizer.beta1, optimizer.beta2
    decay = 0.96**optimizer.momentum_decay
    mu, mu_next = beta1 * (1 - 0.5 * decay), beta1 * (1 - 0.5 * decay**2)
    factors = 1.0, mu_next / (1 - mu * mu_next), 1 / math.sqrt(1 - beta2)  # (1 - μ₁) / (1 - μ₁) is 1
    bias = np.array([decay, decay**2, mu * mu_next, beta2, *factors])
    return NAdamState(np.zeros_like(params), np.zeros_like(params), bias)


@kernel(merge=True)
def correct_bias(optimizer, bias):
    """Go on to the next step's products and factors, a step ahead and not below what counts, as in Adam."""
    if bias[2] > NEGLIGIBLE or bias[1] > NEGLIGIBLE:
        mu = optimizer.beta1 * (1 - 0.5 * bias[1])
        bias[4] = (1 - mu) / (1 - bias[2])
        if bias[1] > NEGLIGIBLE:
            bias[1] *= bias[0]
        mu = optimizer.beta1 * (1 - 0.5 * bias[1])
        if bias[2] > NEGLIGIBLE:
            bias[2] *= mu
        bias[5] = mu / (1 - bias[2])
    if bias[3] > NEGLIGIBLE:
        bias[3] *= optimizer.beta2
        bias[6] = 1 / math.sqrt(1 - bias[3])


@kernel(inline=True)
def update(optimizer, lr, grads, state, params):
    dtype = params.dtype.type
    m, v, bias = state
    sign = -1.0 if optimizer.maximize else 1.0  # of the rate and the decay, which spares it the gradients
    step_g, step_m, scale = dtype(sign * lr * bias[4]), dtype(sign * lr * bias[5]), dtype(bias[6])
    correct_bias(optimizer, bias)
    beta1, beta2, eps = dtype(optimizer.beta1), dtype(optimizer.beta2), dtype(optimizer.eps)
    rest1, rest2 = dtype(1 - optimizer.beta1), dtype(1 - optimizer.beta2)
    decoupled = optimizer.decoupled_weight_decay
    decay = dtype(0.0 if decoupled else sign * optimizer.weight_decay)
    shrink = dtype(lr * optimizer.weight_decay if decoupled else 0.0)
    for i in range(params.size):
        g = grads[i] + decay * params[i]
        m[i] = settled(beta1 * m[i] + rest1 * g, 1e6)
        v[i] = floored(beta2 * v[i] + rest2 * g * g)
        params[i] -= (step_g * g + step_m * m[i]) / (np.sqrt(v[i]) * scale + eps) + shrink * params[i]


register_optimizer(
    NAdam,
    init,
    update,
    elementwise=True,
    beta1=unit_interval,
    beta2=unit_interval,
    eps=positive,
    momentum_decay=nonnegative,
    weight_decay=nonnegative,
)
