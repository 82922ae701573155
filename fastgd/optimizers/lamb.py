"""LAMB: Adam with steps as long as the layers that they change."""

import math
from typing import NamedTuple

import numpy as np

from fastgd import _check
from fastgd._arrays.views import borrowed_slice
from fastgd._check import nonnegative, positive, unit_interval
from fastgd._jit import kernel
from fastgd._numbers.denormals import floored, settled
from fastgd._parts import parts_of
from fastgd._registry import register_optimizer
from fastgd.optimizers.adam import correct_bias, first_bias
from fastgd.optimizers.lars import squared_norms


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

    m: np.ndarray  # (n_params,), the parameters' dtype, as are v and u
    v: np.ndarray
    u: np.ndarray  # to work in: to make u a second time takes longer than to keep it
    bias: np.ndarray  # float64: as Adam's
    parts: np.ndarray  # int64, (k, 3): start, rows, columns


@kernel(inline=True)
def init(optimizer, params):
    m, v, u = np.zeros_like(params), np.zeros_like(params), np.zeros_like(params)
    return LAMBState(m, v, u, first_bias(optimizer), parts_of(optimizer.layout, params))


_BLOCK = 1024  # parameters that are still in the fastest cache when their squares are added up


@kernel(inline=True)
def update(optimizer, lr, grads, state, params):
    dtype = params.dtype.type
    parts, bias = state.parts, state.bias
    scale_m, scale_v = dtype(bias[2]), dtype(bias[3])
    correct_bias(optimizer, bias)
    beta1, beta2, eps = dtype(optimizer.beta1), dtype(optimizer.beta2), dtype(optimizer.eps)
    rest1, rest2 = dtype(1 - optimizer.beta1), dtype(1 - optimizer.beta2)
    decay = dtype(optimizer.weight_decay)
    for k in range(parts.shape[0]):
        start, stop = parts[k, 0], parts[k, 0] + parts[k, 1] * parts[k, 2]
        squared, squared_step = 0.0, 0.0
        for low in range(start, stop, _BLOCK):
            where, size = np.uint64(low), np.uint64(min(_BLOCK, stop - low))
            m, v = borrowed_slice(state.m, where, size), borrowed_slice(state.v, where, size)
            u = borrowed_slice(state.u, where, size)
            g, theta = borrowed_slice(grads, where, size), borrowed_slice(params, where, size)
            for i in range(theta.size):
                m[i] = settled(beta1 * m[i] + rest1 * g[i], 1e6)
                v[i] = floored(beta2 * v[i] + rest2 * g[i] * g[i])
                u[i] = scale_m * m[i] / (np.sqrt(v[i]) * scale_v + eps) + decay * theta[i]
            of_theta, of_u = squared_norms(0.0, u, theta)
            squared += of_theta
            squared_step += of_u
        step = dtype(lr * (1.0 if squared == 0 or squared_step == 0 else math.sqrt(squared / squared_step)))
        u = borrowed_slice(state.u, np.uint64(start), np.uint64(stop - start))
        theta = borrowed_slice(params, np.uint64(start), np.uint64(stop - start))
        for i in range(theta.size):
            theta[i] -= step * u[i]


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
