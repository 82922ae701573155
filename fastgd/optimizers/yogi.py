"""Yogi: Adam with a second moment that moves by additions."""

from typing import NamedTuple

import numpy as np

from fastgd._check import nonnegative, positive, unit_interval
from fastgd._jit import kernel
from fastgd._numbers.denormals import floored, settled
from fastgd._registry import register_optimizer
from fastgd.optimizers.adam import correct_bias, first_bias
from fastgd.optimizers.sign_sgd import sign


class Yogi(NamedTuple):
    """Yogi: m ← β₁m + (1-β₁)g, v ← v - (1-β₂)·sign(v - g²)·g², θ ← θ - lr·m̂ / (√v̂ + ε).

    m̂ = m / (1 - β₁ᵗ) and v̂ = v / (1 - β₂ᵗ). The second moment forgets no faster than gradients come, so that the
    steps cannot suddenly grow. M. Zaheer, S. Reddi, D. Sachan, S. Kale and S. Kumar, Adaptive methods for nonconvex
    optimization, NeurIPS 2018, Algorithm 2; in optax's form, with bias corrections and its defaults, but for m, which
    starts at 0 as in the paper: optax starts it where v starts, and so moves without a gradient.

    Parameters
    ----------
    beta1, beta2 : float
        The decay of the first, and the speed (1-β₂) of the second moment, in [0, 1).
    eps : float
        ε, positive.
    initial_accumulator : float
        What v starts at, 0 or larger.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> params, optimizer = np.array([4.0, -0.5]), fastgd.Yogi(eps=1e-8, initial_accumulator=0)
    >>> fastgd.update(optimizer, 0.1, 2 * params, fastgd.init_state(optimizer, params), params)
    >>> params
    array([ 3.9, -0.4])
    """

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-3
    initial_accumulator: float = 1e-6


class YogiState(NamedTuple):
    """The state of `Yogi`."""

    m: np.ndarray  # (n_params,), the parameters' dtype, as is v
    v: np.ndarray
    bias: np.ndarray  # float64: as Adam's


@kernel(inline=True)
def init(optimizer, params):
    return YogiState(np.zeros_like(params), np.full_like(params, optimizer.initial_accumulator), first_bias(optimizer))


@kernel(inline=True)
def update(optimizer, lr, grads, state, params):
    dtype = params.dtype.type
    m, v, bias = state
    step, scale = dtype(lr * bias[2]), dtype(bias[3])
    correct_bias(optimizer, bias)
    beta1, eps = dtype(optimizer.beta1), dtype(optimizer.eps)
    rest1, rest2 = dtype(1 - optimizer.beta1), dtype(1 - optimizer.beta2)
    for i in range(params.size):
        square = grads[i] * grads[i]
        m[i] = settled(beta1 * m[i] + rest1 * grads[i], 1e6)
        v[i] = floored(v[i] - rest2 * square * sign(v[i] - square))
        params[i] -= step * m[i] / (np.sqrt(v[i]) * scale + eps)


register_optimizer(
    Yogi,
    init,
    update,
    elementwise=True,
    beta1=unit_interval,
    beta2=unit_interval,
    eps=positive,
    initial_accumulator=nonnegative,
)
