"""Gradient descent with Nesterov's momentum."""

from typing import NamedTuple

import numpy as np

from fastgd._check import nonnegative, unit_interval
from fastgd._jit import kernel
from fastgd._numbers.denormals import settled
from fastgd._registry import register_optimizer


class Nesterov(NamedTuple):
    """Nesterov's accelerated gradient: v ← βv + g, θ ← θ - lr·(g + βv).

    Y. Nesterov, A method of solving a convex programming problem with convergence rate O(1/k²), 1983; in the form
    of Sutskever et al. (2013) that PyTorch takes, where the parameters are those of the look-ahead point.

    Parameters
    ----------
    beta : float
        How much of the velocity is kept at each step, in [0, 1).
    weight_decay : float
        λ, 0 or larger: λθ is added to the gradient, as of a penalty λ/2·‖θ‖².
    maximize : bool
        Go uphill: the gradient's sign is changed first.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> params, optimizer = np.array([4.0]), fastgd.Nesterov(beta=0.5)
    >>> fastgd.update(optimizer, 0.1, 2 * params, fastgd.init_state(optimizer, params), params)
    >>> params  # 4 - 0.1 · (8 + 0.5 · 8)
    array([2.8])
    """

    beta: float = 0.9
    weight_decay: float = 0.0
    maximize: bool = False


class NesterovState(NamedTuple):
    """The state of `Nesterov`."""

    velocity: np.ndarray  # (n_params,), the parameters' dtype


@kernel(inline=True)
def init(optimizer, params):
    return NesterovState(np.zeros_like(params))


@kernel(inline=True)
def update(optimizer, lr, grads, state, params):
    dtype = params.dtype.type
    sign = -1.0 if optimizer.maximize else 1.0  # of the rate and the decay, which spares it the gradients
    lr, decay, beta = dtype(sign * lr), dtype(sign * optimizer.weight_decay), dtype(optimizer.beta)
    velocity, decays = state.velocity, decay != 0
    for i in range(params.size):
        g = grads[i] + decay * params[i] if decays else grads[i]
        velocity[i] = settled(beta * velocity[i] + g, 1e6)
        params[i] -= lr * (g + beta * velocity[i])


register_optimizer(Nesterov, init, update, elementwise=True, beta=unit_interval, weight_decay=nonnegative)
