"""Adadelta: steps in the parameters' own units."""

from typing import NamedTuple

import numpy as np

from fastgd._check import nonnegative, positive, unit_interval
from fastgd._jit import kernel
from fastgd._numbers.denormals import floored
from fastgd._registry import register_optimizer


class Adadelta(NamedTuple):
    """Adadelta: v ← ρv + (1-ρ)g², Δ = √(u + ε) / √(v + ε) · g, u ← ρu + (1-ρ)Δ², θ ← θ - lr·Δ.

    M. D. Zeiler, Adadelta: an adaptive learning rate method, 2012, Algorithm 1, which has no rate (`lr` = 1); the rate
    that PyTorch multiplies the step with stays outside u.

    Parameters
    ----------
    rho : float
        The decay of the two averages, in [0, 1).
    eps : float
        ε, positive: it sets the size of the first steps.
    weight_decay : float
        λ, 0 or larger: λθ is added to the gradient, as of a penalty λ/2·‖θ‖².
    maximize : bool
        Go uphill: the gradient's sign is changed first.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> params, optimizer = np.array([4.0]), fastgd.Adadelta(rho=0.5, eps=0.5)
    >>> fastgd.update(optimizer, 1.0, np.array([1.0]), fastgd.init_state(optimizer, params), params)
    >>> params  # v = 0.5, Δ = √0.5 / √(0.5 + 0.5)
    array([3.29289322])
    """

    rho: float = 0.9
    eps: float = 1e-6
    weight_decay: float = 0.0
    maximize: bool = False


class AdadeltaState(NamedTuple):
    """The state of `Adadelta`."""

    v: np.ndarray  # (n_params,), the parameters' dtype, as is u
    u: np.ndarray


@kernel(inline=True)
def init(optimizer, params):
    return AdadeltaState(np.zeros_like(params), np.zeros_like(params))


@kernel(inline=True)
def update(optimizer, lr, grads, state, params):
    dtype = params.dtype.type
    v, u = state
    sign = -1.0 if optimizer.maximize else 1.0  # of the rate and the decay, which spares it the gradients
    lr, decay = dtype(sign * lr), dtype(sign * optimizer.weight_decay)
    rho, rest, eps = dtype(optimizer.rho), dtype(1 - optimizer.rho), dtype(optimizer.eps)
    for i in range(params.size):
        g = grads[i] + decay * params[i]
        v[i] = floored(rho * v[i] + rest * g * g)
        delta = np.sqrt((u[i] + eps) / (v[i] + eps)) * g
        u[i] = floored(rho * u[i] + rest * delta * delta)
        params[i] -= lr * delta


register_optimizer(Adadelta, init, update, elementwise=True, rho=unit_interval, eps=positive, weight_decay=nonnegative)
