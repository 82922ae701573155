"""RMSProp: gradients over the root of their mean square."""

from typing import NamedTuple

import numpy as np

from fastgd._check import nonnegative, positive, unit_interval
from fastgd._jit import kernel
from fastgd._numbers.denormals import floored, settled
from fastgd._registry import register_optimizer


class RMSProp(NamedTuple):
    """RMSProp: v ← αv + (1-α)g², θ ← θ - lr·g / (√v + ε).

    T. Tieleman and G. Hinton, Lecture 6.5, Neural networks for machine learning, 2012; in PyTorch's form: ε is
    outside the root, and v starts at 0. Centred (A. Graves, Generating sequences with recurrent neural networks,
    2013), the root is that of the variance v - m², where m ← αm + (1-α)g. With momentum μ, the quotient q goes into a
    velocity first: b ← μb + q, θ ← θ - lr·b.

    Parameters
    ----------
    alpha : float
        The decay of the averages, in [0, 1).
    eps : float
        ε, positive.
    centered : bool
        Divide by the root of the variance. Where rounding makes it negative it is taken for 0.
    momentum : float
        μ, in [0, 1).
    weight_decay : float
        λ, 0 or larger: λθ is added to the gradient, as of a penalty λ/2·‖θ‖².
    maximize : bool
        Go uphill: the gradient's sign is changed first.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> params, optimizer = np.array([4.0]), fastgd.RMSProp(alpha=0.75)
    >>> fastgd.update(optimizer, 0.1, 2 * params, fastgd.init_state(optimizer, params), params)
    >>> params  # v = 0.25 · 8², so 4 - 0.1 · 8/4
    array([3.8])
    """

    alpha: float = 0.99
    eps: float = 1e-8
    centered: bool = False
    momentum: float = 0.0
    weight_decay: float = 0.0
    maximize: bool = False


class RMSPropState(NamedTuple):
    """The state of `RMSProp`."""

    v: np.ndarray  # (n_params,), the parameters' dtype, as are the others
    m: np.ndarray  # empty unless centred
    velocity: np.ndarray  # empty without momentum


@kernel(inline=True)
def init(optimizer, params):
    m = np.zeros_like(params) if optimizer.centered else np.zeros_like(params[:0])
    velocity = np.zeros_like(params) if optimizer.momentum > 0 else np.zeros_like(params[:0])
    return RMSPropState(np.zeros_like(params), m, velocity)


@kernel(merge=True)
def root_of_variance(v, m):
    variance = v - m * m
    return np.sqrt(type(v)(0) if variance < 0 else variance)


@kernel(inline=True)
def update(optimizer, lr, grads, state, params):
    dtype = params.dtype.type
    v, m, velocity = state
    sign = -1.0 if optimizer.maximize else 1.0  # of the rate and the decay, which spares it the gradients
    lr, decay = dtype(sign * lr), dtype(sign * optimizer.weight_decay)
    alpha, rest, eps = dtype(optimizer.alpha), dtype(1 - optimizer.alpha), dtype(optimizer.eps)
    momentum = dtype(optimizer.momentum)
    if optimizer.centered and optimizer.momentum > 0:
        for i in range(params.size):
            g = grads[i] + decay * params[i]
            v[i] = floored(alpha * v[i] + rest * g * g)
            m[i] = settled(alpha * m[i] + rest * g, 1e6)
            velocity[i] = settled(momentum * velocity[i] + g / (root_of_variance(v[i], m[i]) + eps), 1e6)
            params[i] -= lr * velocity[i]
    elif optimizer.centered:
        for i in range(params.size):
            g = grads[i] + decay * params[i]
            v[i] = floored(alpha * v[i] + rest * g * g)
            m[i] = settled(alpha * m[i] + rest * g, 1e6)
            params[i] -= lr * g / (root_of_variance(v[i], m[i]) + eps)
    elif optimizer.momentum > 0:
        for i in range(params.size):
            g = grads[i] + decay * params[i]
            v[i] = floored(alpha * v[i] + rest * g * g)
            velocity[i] = settled(momentum * velocity[i] + g / (np.sqrt(v[i]) + eps), 1e6)
            params[i] -= lr * velocity[i]
    else:
        for i in range(params.size):
            g = grads[i] + decay * params[i]
            v[i] = floored(alpha * v[i] + rest * g * g)
            params[i] -= lr * g / (np.sqrt(v[i]) + eps)


register_optimizer(
    RMSProp,
    init,
    update,
    elementwise=True,
    alpha=unit_interval,
    eps=positive,
    momentum=unit_interval,
    weight_decay=nonnegative,
)
