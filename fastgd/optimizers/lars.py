"""LARS: momentum with steps as long as the layers that they change."""

import math
from typing import NamedTuple

import numpy as np

from fastgd import _check
from fastgd._arrays.views import borrowed_slice
from fastgd._check import nonnegative, positive, unit_interval
from fastgd._jit import kernel
from fastgd._numbers.denormals import settled
from fastgd._parts import parts_of
from fastgd._registry import register_optimizer


class LARS(NamedTuple):
    """LARS: d = g + λθ, and in each part v ← μv + lr·η‖θ‖/(‖d‖ + ε)·d, θ ← θ - v.

    The factor of lr is 1 where either norm is 0. Y. You, I. Gitman and B. Ginsburg, Large batch training of
    convolutional networks, 2017, Algorithm 1; in optax's form, with its defaults: the norm of d, for which the paper
    takes ‖g‖ + λ‖θ‖. The rate is inside the velocity, as in both.

    Parameters
    ----------
    momentum : float
        μ, how much of the velocity is kept at each step, in [0, 1).
    trust_coefficient : float
        η, positive.
    eps : float
        ε, 0 or larger.
    weight_decay : float
        λ, 0 or larger.
    layout : tuple
        The parts that have a norm each, as the `layout` verb tells them: rows of start, rows, columns. By default
        the whole vector is one.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> optimizer = fastgd.LARS(trust_coefficient=0.5, layout=[(0, 1, 2), (2, 1, 1)])
    >>> params = np.array([3.0, 4.0, 2.0])
    >>> state = fastgd.init_state(optimizer, params)
    >>> fastgd.update(optimizer, 0.1, np.array([0.0, 10.0, 1.0]), state, params)
    >>> params  # less 0.1 · 0.5 · 5/10 · 10 and 0.1 · 0.5 · 2/1 · 1
    array([3.  , 3.75, 1.9 ])
    """

    momentum: float = 0.9
    trust_coefficient: float = 1e-3
    eps: float = 0.0
    weight_decay: float = 0.0
    layout: tuple = ()


class LARSState(NamedTuple):
    """The state of `LARS`."""

    velocity: np.ndarray  # (n_params,), the parameters' dtype
    parts: np.ndarray  # int64, (k, 3): start, rows, columns


@kernel(inline=True)
def init(optimizer, params):
    return LARSState(np.zeros_like(params), parts_of(optimizer.layout, params))


@kernel(reassoc=True)
def squared_norms(decay, grads, params):
    """‖θ‖² and ‖g + λθ‖², summed in float64, so that no float32 square overflows or vanishes."""
    squared, squared_step = 0.0, 0.0
    for i in range(params.size):
        theta = np.float64(params[i])
        d = np.float64(grads[i]) + decay * theta
        squared += theta * theta
        squared_step += d * d
    return squared, squared_step


@kernel(inline=True)
def update(optimizer, lr, grads, state, params):
    dtype = params.dtype.type
    parts = state.parts
    momentum, decay = dtype(optimizer.momentum), dtype(optimizer.weight_decay)
    for k in range(parts.shape[0]):
        start, size = np.uint64(parts[k, 0]), np.uint64(parts[k, 1] * parts[k, 2])
        velocity = borrowed_slice(state.velocity, start, size)
        g, theta = borrowed_slice(grads, start, size), borrowed_slice(params, start, size)
        squared, squared_step = squared_norms(optimizer.weight_decay, g, theta)
        rate = lr
        if squared != 0 and squared_step != 0:
            rate *= optimizer.trust_coefficient * math.sqrt(squared) / (math.sqrt(squared_step) + optimizer.eps)
        step = dtype(rate)
        for i in range(theta.size):
            velocity[i] = settled(momentum * velocity[i] + step * (g[i] + decay * theta[i]), 100)
            theta[i] -= velocity[i]


register_optimizer(
    LARS,
    init,
    update,
    momentum=unit_interval,
    trust_coefficient=positive,
    eps=nonnegative,
    weight_decay=nonnegative,
    layout=_check.layout,
)
