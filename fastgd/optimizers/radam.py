"""RAdam: Adam whose first steps wait for the second moment."""

import math
from typing import NamedTuple

import numpy as np

from fastgd._check import nonnegative, positive, unit_interval
from fastgd._jit import kernel
from fastgd._numbers.denormals import floored, settled
from fastgd._registry import register_optimizer
from fastgd.optimizers.adam import NEGLIGIBLE


class RAdam(NamedTuple):
    """Rectified Adam: m ← β₁m + (1-β₁)g, v ← β₂v + (1-β₂)g², θ ← θ - lr·m̂·r·√(1-β₂ᵗ) / (√v + ε).

    m̂ = m / (1 - β₁ᵗ). ρ∞ = 2/(1-β₂) - 1, ρ = ρ∞ - 2tβ₂ᵗ / (1-β₂ᵗ), and r² = (ρ-4)(ρ-2)ρ∞ / ((ρ∞-4)(ρ∞-2)ρ). While
    ρ ≤ 5, in the first steps, θ ← θ - lr·m̂. L. Liu et al., On the variance of the adaptive learning rate and beyond,
    ICLR 2020, Algorithm 2, which has no ε and 4 in place of 5; these are PyTorch's, ε outside the root of the
    uncorrected moment.

    Parameters
    ----------
    beta1, beta2 : float
        The decay of the two moments, in [0, 1).
    eps : float
        ε, positive.
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
    >>> params, optimizer = np.array([4.0, -0.5]), fastgd.RAdam()
    >>> fastgd.update(optimizer, 0.1, 2 * params, fastgd.init_state(optimizer, params), params)
    >>> params  # the first step is lr · g
    array([ 3.2, -0.4])
    """

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    decoupled_weight_decay: bool = False
    weight_decay: float = 0.0
    maximize: bool = False


class RAdamState(NamedTuple):
    """The state of `RAdam`."""

    m: np.ndarray  # (n_params,), the parameters' dtype, as is v
    v: np.ndarray
    bias: np.ndarray  # float64: for the step to come t, β₁ᵗ, β₂ᵗ, 1 / (1 - β₁ᵗ), and r·√(1-β₂ᵗ), 0 while ρ ≤ 5


@kernel(inline=True)
def init(optimizer, params):
    beta1, beta2 = optimizer.beta1, optimizer.beta2
    bias = np.array([1.0, beta1, beta2, 1 / (1 - beta1), 0.0])  # ρ is 1 at the first step
    return RAdamState(np.zeros_like(params), np.zeros_like(params), bias)


@kernel(merge=True)
def rectify(optimizer, bias):
    """Go on to the next step's powers, correction and rectification, a step ahead, as in Adam."""
    if bias[1] > NEGLIGIBLE:
        bias[1] *= optimizer.beta1
        bias[3] = 1 / (1 - bias[1])
    if bias[2] > NEGLIGIBLE:
        bias[0] += 1
        bias[2] *= optimizer.beta2
        rho_inf = 2 / (1 - optimizer.beta2) - 1
        rho = rho_inf - 2 * bias[0] * bias[2] / (1 - bias[2])
        if rho > 5:
            squared = (rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)
            bias[4] = math.sqrt(squared * (1 - bias[2]))


@kernel(inline=True)
def update(optimizer, lr, grads, state, params):
    dtype = params.dtype.type
    m, v, bias = state
    sign = -1.0 if optimizer.maximize else 1.0  # of the rate and the decay, which spares it the gradients
    rectified, step = bias[4] > 0, sign * lr * bias[3]
    step = dtype(step * bias[4] if rectified else step)
    rectify(optimizer, bias)
    beta1, beta2, eps = dtype(optimizer.beta1), dtype(optimizer.beta2), dtype(optimizer.eps)
    rest1, rest2 = dtype(1 - optimizer.beta1), dtype(1 - optimizer.beta2)
    decoupled = optimizer.decoupled_weight_decay
    decay = dtype(0.0 if decoupled else sign * optimizer.weight_decay)
    shrink = dtype(lr * optimizer.weight_decay if decoupled else 0.0)
    if rectified:
        for i in range(params.size):
            g = grads[i] + decay * params[i]
            m[i] = settled(beta1 * m[i] + rest1 * g, 1e6)
            v[i] = floored(beta2 * v[i] + rest2 * g * g)
            params[i] -= step * m[i] / (np.sqrt(v[i]) + eps) + shrink * params[i]
    else:
        for i in range(params.size):
            g = grads[i] + decay * params[i]
            m[i] = settled(beta1 * m[i] + rest1 * g, 1e6)
            v[i] = floored(beta2 * v[i] + rest2 * g * g)
            params[i] -= step * m[i] + shrink * params[i]


register_optimizer(
    RAdam,
    init,
    update,
    elementwise=True,
    beta1=unit_interval,
    beta2=unit_interval,
    eps=positive,
    weight_decay=nonnegative,
)
