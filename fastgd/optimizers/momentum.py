"""Gradient descent with heavy-ball momentum."""

from typing import NamedTuple

import numpy as np

from fastgd._check import unit_interval
from fastgd._denormals import settled
from fastgd._jit import kernel
from fastgd._registry import register_optimizer


class Momentum(NamedTuple):
    """Heavy-ball momentum: v ← βv + g, θ ← θ - lr·v.

    B. T. Polyak, Some methods of speeding up the convergence of iteration methods, 1964; in PyTorch's form: the
    rate stays outside the velocity, so that a schedule acts at once.

    Parameters
    ----------
    beta : float
        How much of the velocity is kept at each step, in [0, 1).

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


class MomentumState(NamedTuple):
    """The state of `Momentum`."""

    velocity: np.ndarray  # (n_params,), the parameters' dtype


@kernel(inline=True)
def init(optimizer, params):
    return MomentumState(np.zeros_like(params))


@kernel(inline=True)
def update(optimizer, lr, grads, state, params):
    lr, beta = params.dtype.type(lr), params.dtype.type(optimizer.beta)
    velocity = state.velocity
    for i in range(params.size):
        velocity[i] = settled(beta * velocity[i] + grads[i], 1e6)
        params[i] -= lr * velocity[i]


register_optimizer(Momentum, init, update, elementwise=True, beta=unit_interval)
