"""Lion with its momentum kept in bfloat16."""

from typing import NamedTuple

import numpy as np

from fastgd._check import natural, nonnegative, unit_interval
from fastgd._jit import kernel
from fastgd._numbers import bfloat16
from fastgd._numbers.denormals import settled
from fastgd._registry import register_optimizer
from fastgd.optimizers.sign_sgd import sign


class LionBF16(NamedTuple):
    """`Lion` with its momentum kept in bfloat16, rounded at random, as `AdamBF16` does it.

    A step of a large vector moves 16 bytes a parameter instead of 20 in float32.

    Parameters
    ----------
    beta1, beta2 : float
        How much of the momentum is in the direction, and how much is kept, in [0, 1).
    weight_decay : float
        λ, 0 or larger: decoupled decay, θ ← θ - lr·λθ beside the step.
    seed : int
        Of the rounding, 0 or larger.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> params, optimizer = np.array([4.0, -0.5], np.float32), fastgd.LionBF16(weight_decay=0)
    >>> fastgd.update(optimizer, 0.25, 2 * params, fastgd.init_state(optimizer, params), params)
    >>> params
    array([ 3.75, -0.25], dtype=float32)
    """

    beta1: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 1e-3
    seed: int = 0


class LionBF16State(NamedTuple):
    """The state of `LionBF16`."""

    m: np.ndarray  # (n_params,) uint16: bfloat16
    step: np.ndarray  # int64: how many were done
    first: np.ndarray  # int64: the number of the first parameter, 0 but for a thread's range


@kernel(inline=True)
def init(optimizer, params):
    return LionBF16State(np.zeros(params.size, np.uint16), np.zeros(1, np.int64), np.zeros(1, np.int64))


@kernel(inline=True)
def update(optimizer, lr, grads, state, params):
    dtype = params.dtype.type
    lr, decay = dtype(lr), dtype(optimizer.weight_decay)
    odds1 = dtype(optimizer.beta1 / (1 - optimizer.beta1))  # as in Lion
    beta2, rest2 = dtype(optimizer.beta2), dtype(1 - optimizer.beta2)
    m = state.m
    noise = bfloat16.first_noise(optimizer.seed, state.step[0], state.first[0])
    state.step[0] += 1
    for i in range(params.size):
        old = dtype(bfloat16.widened(m[i]))
        params[i] -= lr * (sign(grads[i] + odds1 * old) + decay * params[i])
        new = settled(beta2 * old + rest2 * grads[i], 100)
        m[i] = bfloat16.rounded_by_lower(new, noise)
        noise = bfloat16.next_noise(noise)


register_optimizer(
    LionBF16,
    init,
    update,
    elementwise=True,
    beta1=unit_interval,
    beta2=unit_interval,
    weight_decay=nonnegative,
    seed=natural,
)
