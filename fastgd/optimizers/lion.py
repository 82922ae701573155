"""Lion: gradient descent by the signs of an interpolated momentum."""

from typing import NamedTuple

import numpy as np

from fastgd._check import nonnegative, unit_interval
from fastgd._jit import kernel
from fastgd._numbers.denormals import settled
from fastgd._registry import register_optimizer
from fastgd.optimizers.sign_sgd import sign


class Lion(NamedTuple):
    """Lion: θ ← θ - lr·(sign(β₁m + (1-β₁)g) + λθ), then m ← β₂m + (1-β₂)g.

    X. Chen, C. Liang, D. Huang et al., Symbolic discovery of optimization algorithms, NeurIPS 2023, Algorithm 2; in
    optax's form, with its default for the decay. Every component moves by lr, so Lion wants a rate 3 to 10 times
    smaller than Adam's, and a decay as much larger.

    Parameters
    ----------
    beta1 : float
        How much of the momentum stands in the step's direction, in [0, 1).
    beta2 : float
        How much of the momentum is kept, in [0, 1).
    weight_decay : float
        λ, 0 or larger: decoupled from the gradient, times lr.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> params, optimizer = np.array([4.0, -0.5]), fastgd.Lion(weight_decay=0)
    >>> fastgd.update(optimizer, 0.25, 2 * params, fastgd.init_state(optimizer, params), params)
    >>> params
    array([ 3.75, -0.25])
    """

    beta1: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 1e-3


class LionState(NamedTuple):
    """The state of `Lion`."""

    m: np.ndarray  # (n_params,), the parameters' dtype


@kernel(inline=True)
def init(optimizer, params):
    return LionState(np.zeros_like(params))


@kernel(inline=True)
def update(optimizer, lr, grads, state, params):
    dtype = params.dtype.type
    lr, decay = dtype(lr), dtype(optimizer.weight_decay)
    odds1 = dtype(optimizer.beta1 / (1 - optimizer.beta1))  # the sign of g + β₁m / (1-β₁) is the same: a product less
    beta2, rest2 = dtype(optimizer.beta2), dtype(1 - optimizer.beta2)
    m = state.m
    for i in range(params.size):
        g, before = grads[i], m[i]
        m[i] = settled(beta2 * before + rest2 * g, 100)
        params[i] -= lr * (sign(g + odds1 * before) + decay * params[i])


register_optimizer(
    Lion, init, update, elementwise=True, beta1=unit_interval, beta2=unit_interval, weight_decay=nonnegative
)
