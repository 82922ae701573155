"""AdaBelief: Adam by the belief in the observed gradients."""

from typing import NamedTuple

import numpy as np

from fastgd._check import nonnegative, positive, unit_interval
from fastgd._jit import kernel
from fastgd._numbers.denormals import floored, settled
from fastgd._registry import register_optimizer
from fastgd.optimizers.adam import correct_bias, first_bias


class AdaBelief(NamedTuple):
    """AdaBelief: m ← β₁m + (1-β₁)g, s ← β₂s + (1-β₂)(g-m)² + ε_root, θ ← θ - lr·m̂ / (√ŝ + ε).

    m̂ = m / (1 - β₁ᵗ) and ŝ = s / (1 - β₂ᵗ). Where gradients are as the moment m foretold, steps are long. J. Zhuang,
    T. Tang, Y. Ding et al., AdaBelief optimizer: adapting stepsizes by the belief in observed gradients, NeurIPS
    2020, Algorithm 2; in optax's form, which has an ε outside the root beside the paper's, and its defaults.

    Parameters
    ----------
    beta1, beta2 : float
        The decay of the two moments, in [0, 1).
    eps : float
        ε, positive.
    eps_root : float
        ε_root, 0 or larger; added to s at every step, so that it adds up.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> params, optimizer = np.array([4.0, -0.5]), fastgd.AdaBelief(beta1=0.5)
    >>> fastgd.update(optimizer, 0.1, 2 * params, fastgd.init_state(optimizer, params), params)
    >>> params  # the first step is lr / β₁ in size
    array([ 3.8, -0.3])
    """

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-16
    eps_root: float = 1e-16


class AdaBeliefState(NamedTuple):
    """The state of `AdaBelief`."""

    m: np.ndarray  # (n_params,), the parameters' dtype, as is s
    s: np.ndarray
    bias: np.ndarray  # float64: as Adam's


@kernel(inline=True)
def init(optimizer, params):
    return AdaBeliefState(np.zeros_like(params), np.zeros_like(params), first_bias(optimizer))


@kernel(inline=True)
def update(optimizer, lr, grads, state, params):
    dtype = params.dtype.type
    m, s, bias = state
    step, scale = dtype(lr * bias[2]), dtype(bias[3])
    correct_bias(optimizer, bias)
    beta1, beta2 = dtype(optimizer.beta1), dtype(optimizer.beta2)
    rest1, rest2 = dtype(1 - optimizer.beta1), dtype(1 - optimizer.beta2)
    eps, eps_root = dtype(optimizer.eps), dtype(optimizer.eps_root)
    for i in range(params.size):
        m[i] = settled(beta1 * m[i] + rest1 * grads[i], 1e6)
        surprise = grads[i] - m[i]
        s[i] = floored(beta2 * s[i] + rest2 * surprise * surprise + eps_root)
        params[i] -= step * m[i] / (np.sqrt(s[i]) * scale + eps)


register_optimizer(
    AdaBelief,
    init,
    update,
    elementwise=True,
    beta1=unit_interval,
    beta2=unit_interval,
    eps=positive,
    eps_root=nonnegative,
)
