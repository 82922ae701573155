"""Adan: adaptive Nesterov momentum."""

from typing import NamedTuple

import numpy as np

from fastgd._check import nonnegative, positive, unit_interval
from fastgd._jit import kernel
from fastgd._numbers.denormals import floored, settled
from fastgd._registry import register_optimizer
from fastgd.optimizers.adam import NEGLIGIBLE


class Adan(NamedTuple):
    """Adan: Adam with the moment of the gradients' differences d = g - g₋₁, which looks ahead as Nesterov's does.

    m ← β₁m + (1-β₁)g, v ← β₂v + (1-β₂)d, n ← β₃n + (1-β₃)(g + (1-β₂)d)²,
    θ ← θ - lr·((m̂ + (1-β₂)v̂) / (√(n̂ + ε_root) + ε) + λθ), where m̂ = m / (1 - β₁ᵗ) and so on; d is 0 at the first step.
    X. Xie, P. Zhou, H. Li, Z. Lin and S. Yan, Adan: adaptive Nesterov momentum algorithm for faster optimizing deep
    models, 2022, Algorithm 1; in optax's form: βs that are 1 minus the paper's, bias corrections, a decay that is
    added rather than divided by, and its defaults.

    Parameters
    ----------
    beta1, beta2, beta3 : float
        The decay of the three moments, in [0, 1).
    eps, eps_root : float
        ε, positive, and ε_root, 0 or larger.
    weight_decay : float
        λ, 0 or larger: decoupled from the gradient, times lr.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> params, optimizer = np.array([4.0, -0.5]), fastgd.Adan()
    >>> fastgd.update(optimizer, 0.1, 2 * params, fastgd.init_state(optimizer, params), params)
    >>> params.round(6)
    array([ 3.9, -0.4])
    """

    beta1: float = 0.98
    beta2: float = 0.92
    beta3: float = 0.99
    eps: float = 1e-8
    eps_root: float = 1e-8
    weight_decay: float = 0.0


class AdanState(NamedTuple):
    """The state of `Adan`."""

    m: np.ndarray  # (n_params,), the parameters' dtype, as are v, n and previous
    v: np.ndarray
    n: np.ndarray
    previous: np.ndarray  # the gradient of the step before
    bias: np.ndarray  # float64, for the step to come: β₁ᵗ, β₂ᵗ, β₃ᵗ and the corrections 1 / (1 - βᵗ)
    started: np.ndarray  # whether there was a step before


@kernel(inline=True)
def init(optimizer, params):
    m, v, n, previous = np.zeros_like(params), np.zeros_like(params), np.zeros_like(params), np.zeros_like(params)
    beta1, beta2, beta3 = optimizer.beta1, optimizer.beta2, optimizer.beta3
    bias = np.array([beta1, beta2, beta3, 1 / (1 - beta1), 1 / (1 - beta2), 1 / (1 - beta3)])
    return AdanState(m, v, n, previous, bias, np.zeros(1, np.bool_))


@kernel(inline=True)
def update(optimizer, lr, grads, state, params):
    dtype = params.dtype.type
    m, v, n, previous, bias, started = state
    beta1, beta2, beta3 = dtype(optimizer.beta1), dtype(optimizer.beta2), dtype(optimizer.beta3)
    rest1, rest2, rest3 = dtype(1 - optimizer.beta1), dtype(1 - optimizer.beta2), dtype(1 - optimizer.beta3)
    lr, decay = dtype(lr), dtype(optimizer.weight_decay)
    scale_m, scale_v, scale_n = dtype(bias[3]), rest2 * dtype(bias[4]), dtype(bias[5])
    eps, eps_root = dtype(optimizer.eps), dtype(optimizer.eps_root)
    for k, beta in enumerate((optimizer.beta1, optimizer.beta2, optimizer.beta3)):
        if bias[k] > NEGLIGIBLE:
            bias[k] *= beta
            bias[3 + k] = 1 / (1 - bias[k])
    if not started[0]:
        started[0] = True
        for i in range(params.size):
            previous[i] = grads[i]
    for i in range(params.size):
        g = grads[i]
        difference = g - previous[i]
        ahead = g + rest2 * difference
        previous[i] = g
        m[i] = settled(beta1 * m[i] + rest1 * g, 1e6)
        v[i] = settled(beta2 * v[i] + rest2 * difference, 1e6)
        n[i] = floored(beta3 * n[i] + rest3 * ahead * ahead)
        direction = (scale_m * m[i] + scale_v * v[i]) / (np.sqrt(scale_n * n[i] + eps_root) + eps)
        params[i] -= lr * (direction + decay * params[i])


register_optimizer(
    Adan,
    init,
    update,
    elementwise=True,
    beta1=unit_interval,
    beta2=unit_interval,
    beta3=unit_interval,
    eps=positive,
    eps_root=nonnegative,
    weight_decay=nonnegative,
)
