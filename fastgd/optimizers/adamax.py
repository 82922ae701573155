"""Adamax: Adam with the largest gradient in place of the second moment."""

from typing import NamedTuple

import numpy as np

from fastgd._check import nonnegative, positive, unit_interval
from fastgd._jit import kernel
from fastgd._numbers.denormals import settled
from fastgd._registry import register_optimizer
from fastgd.optimizers.adam import NEGLIGIBLE


class Adamax(NamedTuple):
    """Adamax: m ← β₁m + (1-β₁)g, u ← max(β₂u, |g| + ε), θ ← θ - lr / (1 - β₁ᵗ) · m/u.

    D. P. Kingma and J. Ba, Adam: a method for stochastic optimization, ICLR 2015, Algorithm 2, which has no ε: adding
    it to |g| is PyTorch's form.

    Parameters
    ----------
    beta1, beta2 : float
        The decay of the moment and of the largest gradient, in [0, 1).
    eps : float
        ε, positive.
    weight_decay : float
        λ, 0 or larger: λθ is added to the gradient, as of a penalty λ/2·‖θ‖².
    maximize : bool
        Go uphill: the gradient's sign is changed first.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> params, optimizer = np.array([4.0, -0.5]), fastgd.Adamax()
    >>> fastgd.update(optimizer, 0.1, 2 * params, fastgd.init_state(optimizer, params), params)
    >>> params  # the first step is lr in size, whatever the gradient's
    array([ 3.9, -0.4])
    """

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0
    maximize: bool = False


class AdamaxState(NamedTuple):
    """The state of `Adamax`."""

    m: np.ndarray  # (n_params,), the parameters' dtype, as is u
    u: np.ndarray
    bias: np.ndarray  # float64: for the step to come β₁ᵗ and the correction 1 / (1 - β₁ᵗ)


@kernel(inline=True)
def init(optimizer, params):
    bias = np.array([optimizer.beta1, 1 / (1 - optimizer.beta1)])
    return AdamaxState(np.zeros_like(params), np.zeros_like(params), bias)


@kernel(inline=True)
def update(optimizer, lr, grads, state, params):
    dtype = params.dtype.type
    m, u, bias = state
    sign = -1.0 if optimizer.maximize else 1.0  # of the rate and the decay, which spares it the gradients
    step, decay = dtype(sign * lr * bias[1]), dtype(sign * optimizer.weight_decay)
    if bias[0] > NEGLIGIBLE:  # a step ahead, as in Adam
        bias[0] *= optimizer.beta1
        bias[1] = 1 / (1 - bias[0])
    beta1, beta2, eps = dtype(optimizer.beta1), dtype(optimizer.beta2), dtype(optimizer.eps)
    rest1, decays = dtype(1 - optimizer.beta1), decay != 0
    for i in range(params.size):
        g = grads[i] + decay * params[i] if decays else grads[i]
        m[i] = settled(beta1 * m[i] + rest1 * g, 1e6)
        largest, size = beta2 * u[i], abs(g) + eps
        u[i] = largest if largest > size else size
        params[i] -= step * m[i] / u[i]


register_optimizer(
    Adamax,
    init,
    update,
    elementwise=True,
    beta1=unit_interval,
    beta2=unit_interval,
    eps=positive,
    weight_decay=nonnegative,
)
