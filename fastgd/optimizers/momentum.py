"""Gradient descent with heavy-ball momentum."""

from typing import NamedTuple

import numpy as np

from fastgd._check import nonnegative, unit_interval
from fastgd._jit import kernel
from fastgd._numbers.denormals import settled
from fastgd._registry import register_optimizer


class Momentum(NamedTuple):
    """Heavy-ball momentum: v ← βv + (1-τ)g, θ ← θ - lr·v, where the first v is g.

    B. T. Polyak, Some methods of speeding up the convergence of iteration methods, 1964; in PyTorch's form: the
    rate stays outside the velocity, so that a schedule acts at once.

    Parameters
    ----------
    beta : float
        How much of the velocity is kept at each step, in [0, 1).
    dampening : float
        τ, in [0, 1): how much of a gradient is left out. The first one is taken as it is, and at β = 0 every one, as
        PyTorch does.
    weight_decay : float
        λ, 0 or larger: λθ is added to the gradient, as of a penalty λ/2·‖θ‖².
    maximize : bool
        Go uphill: the gradient's sign is changed first.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> params, optimizer = np.array([4.0]), fastgd.Momentum(beta=0.5)
    >>> state = fastgd.init_state(optimizer, params)
    >>> for _ in range(2):
    ...     fastgd.update(optimizer, 0.1, 2 * params, state, params)
    >>> params  # 4 - 0.1 · 8 = 3.2, then 3.2 - 0.1 · (0.5 · 8 + 6.4) = 2.16
    array([2.16])
    """

    beta: float = 0.9
    dampening: float = 0.0
    weight_decay: float = 0.0
    maximize: bool = False


class MomentumState(NamedTuple):
    """The state of `Momentum`."""

    velocity: np.ndarray  # (n_params,), the parameters' dtype
    gain: np.ndarray  # float64: how much of the next gradient is taken


@kernel(inline=True)
def init(optimizer, params):
    return MomentumState(np.zeros_like(params), np.ones(1))


@kernel(inline=True)
def update(optimizer, lr, grads, state, params):
    dtype = params.dtype.type
    sign = -1.0 if optimizer.maximize else 1.0  # of the rate and the decay, which spares it the gradients
    lr, decay, beta = dtype(sign * lr), dtype(sign * optimizer.weight_decay), dtype(optimizer.beta)
    velocity, gain, decays = state.velocity, dtype(state.gain[0]), decay != 0
    state.gain[0] = 1 - optimizer.dampening if optimizer.beta > 0 else 1.0
    for i in range(params.size):
        g = grads[i] + decay * params[i] if decays else grads[i]
        velocity[i] = settled(beta * velocity[i] + gain * g, 1e6)
        params[i] -= lr * velocity[i]


register_optimizer(
    Momentum,
    init,
    update,
    elementwise=True,
    beta=unit_interval,
    dampening=unit_interval,
    weight_decay=nonnegative,
)
