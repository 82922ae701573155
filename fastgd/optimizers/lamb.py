"""LAMB: Adam with steps as long as the layers that they change."""

import math
from typing import NamedTuple

import numpy as np

from fastgd import _check
from fastgd._check import nonnegative, positive, unit_interval
from fastgd._denormals import settled
from fastgd._jit import kernel
from fastgd._parts import parts_of
from fastgd._registry import register_optimizer
from fastgd._views import borrowed_slice
from fastgd.optimizers.adam import correct_bias


class LAMB(NamedTuple):
    """LAMB: u = m̂ / (√v̂ + ε) + λθ with Adam's moments, and in each part θ ← θ - lr·(‖θ‖/‖u‖)·u.

    The ratio is 1 where either norm is 0. Y. You, J. Li, S. Reddi et al., Large batch optimization for deep learning:
    training BERT in 76 minutes, ICLR 2020, Algorithm 2, with the norm itself as φ; in optax's form, with its defaults.

    Parameters
    ----------
    beta1, beta2 : float
        The decay of the two moments, in [0, 1).
    eps : float
        ε, positive.
    weight_decay : float
        λ, 0 or larger.
    layout : tuple
        The parts that have a norm each, as the `layout` verb tells them: rows of start, rows, columns. By default
        the whole vector is one.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> params, optimizer = np.array([3.0, 4.0, 2.0]), fastgd.LAMB(layout=[(0, 1, 2), (2, 1, 1)])
    >>> state = fastgd.init_state(optimizer, params)
    >>> fastgd.update(optimizer, 0.1, np.array([0.0, 1.0, 1.0]), state, params)
    >>> params.round(6)  # u = (0, 1) and (1), where θ has norms 5 and 2
    array([3. , 3.5, 1.8])
    """

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-6
    weight_decay: float = 0.0
    layout: tuple = ()


class LAMBState(NamedTuple):
    """The state of `LAMB`."""

    m: np.ndarray  # (n_params,), the parameters' dtype, as is v
    v: np.ndarray
    bias: np.ndarray  # float64: as Adam's
    parts: np.ndarray  # int64, (k, 3): start, rows, columns


@kernel(inline=True)
def init(optimizer, params):
    beta1, beta2 = optimizer.beta1, optimizer.beta2
    bias = np.array([beta1, beta2, 1 / (1 - beta1), 1 / math.sqrt(1 - beta2)])
    return LAMBState(np.zeros_like(params), np.zeros_like(params), bias, parts_of(optimizer.layout, params))


@kernel(reassoc=True)
def move_moments(beta1, beta2, eps, decay, scale_m, scale_v, grads, m, v, params):
    """Move the moments of a part; return the norms of θ and of u."""
    dtype = params.dtype.type
    rest1, rest2 = dtype(1 - beta1), dtype(1 - beta2)
    beta1, beta2, eps, decay = dtype(beta1), dtype(beta2), dtype(eps), dtype(decay)
    squared, squared_step = 0.0, 0.0
    for i in range(params.size):
        m[i] = settled(beta1 * m[i] + rest1 * grads[i], 1e6)
        v[i] = settled(beta2 * v[i] + rest2 * grads[i] * grads[i], 10)
        u = np.float64(scale_m * m[i] / (np.sqrt(v[i]) * scale_v + eps) + decay * params[i])
        theta = np.float64(params[i])
        squared += theta * theta
        squared_step += u * u
    return math.sqrt(squared), math.sqrt(squared_step)


@kernel(inline=True)
def update(optimizer, lr, grads, state, params):
    dtype = params.dtype.type
    beta1, beta2, epsilon, weight_decay, _ = optimizer
    eps, decay = dtype(epsilon), dtype(weight_decay)
    parts, bias = state.parts, state.bias
    scale_m, scale_v = dtype(bias[2]), dtype(bias[3])
    correct_bias(optimizer, bias)
    for k in range(parts.shape[0]):
        start, size = np.uint64(parts[k, 0]), np.uint64(parts[k, 1] * parts[k, 2])
        m, v = borrowed_slice(state.m, start, size), borrowed_slice(state.v, start, size)
        g, theta = borrowed_slice(grads, start, size), borrowed_slice(params, start, size)
        length, step_length = move_moments(beta1, beta2, epsilon, weight_decay, scale_m, scale_v, g, m, v, theta)
        ratio = 1.0 if length == 0 or step_length == 0 else length / step_length
        # u again: to keep it would take as much memory as the moments, and more time.
        step, shrink = dtype(lr * ratio), dtype(lr * ratio) * decay
        scaled = step * scale_m
        for i in range(theta.size):
            theta[i] -= scaled * m[i] / (np.sqrt(v[i]) * scale_v + eps) + shrink * theta[i]


register_optimizer(
    LAMB,
    init,
    update,
    beta1=unit_interval,
    beta2=unit_interval,
    eps=positive,
    weight_decay=nonnegative,
    layout=_check.layout,
)
