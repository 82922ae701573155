"""Adam with its moments kept in bfloat16."""

from typing import Any, NamedTuple

import numpy as np

from fastgd._check import natural, nonnegative, positive, unit_interval
from fastgd._jit import kernel
from fastgd._numbers import bfloat16
from fastgd._numbers.denormals import floored, settled
from fastgd._registry import register_optimizer
from fastgd.optimizers.adam import correct_bias, first_bias


class AdamBF16(NamedTuple):
    """`Adam` with both moments kept in bfloat16, rounded at random: 4 bytes of state a parameter, where float32 has 8.

    A step of a large vector is bound by memory, and moves 20 bytes a parameter instead of 28 in float32. Steps are
    computed in the parameters' dtype; a moment is rounded as it is stored, up or down with the probability that makes
    it right on average (stochastic rounding; P. Zamirai, J. Zhang, C. R. Aberger and C. De Sa, Revisiting bfloat16
    training, 2020), since the 0.1 % that v gains at a step is less than a half of bfloat16's last place, 0.4 %. The
    rounding follows from the seed, the step and the position alone. No peer has it; with the parameters in float32,
    a run ends where Adam's does but for noise in the size of a step, of about 2 % with the default betas: v remembers
    the roundings of 1 / (1 - β₂) steps, in part the same for many parameters. A moment has float32's range with float64
    parameters too: gradients beyond 1e19 can make v infinite, and then that parameter stays where it is.

    Parameters
    ----------
    beta1, beta2 : float
        The decay of the two moments, in [0, 1).
    eps : float
        ε, positive.
    weight_decay : float
        λ, 0 or larger: λθ is added to the gradient.
    maximize : bool
        Go uphill: the gradient's sign is changed first.
    seed : int
        Of the rounding, 0 or larger.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> params, optimizer = np.array([4.0, -0.5], np.float32), fastgd.AdamBF16()
    >>> state = fastgd.init_state(optimizer, params)
    >>> fastgd.update(optimizer, 0.1, 2 * params, state, params)
    >>> params, state.m.dtype
    (array([ 3.9, -0.4], dtype=float32), dtype('uint16'))
    """

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0
    maximize: bool = False
    seed: int = 0


class AdamBF16State(NamedTuple):
    """The state of `AdamBF16` and `AdamWBF16`."""

    m: np.ndarray  # (n_params,) uint16: bfloat16, as is v
    v: np.ndarray
    bias: np.ndarray  # float64, as `Adam` has it
    step: np.ndarray  # int64: how many were done
    first: np.ndarray  # int64: the number of the first parameter, 0 but for a thread's range


@kernel(inline=True)
def init(optimizer, params):
    return AdamBF16State(
        np.zeros(params.size, np.uint16),
        np.zeros(params.size, np.uint16),
        first_bias(optimizer),
        np.zeros(1, np.int64),
        np.zeros(1, np.int64),
    )


@kernel(merge=True)
def descend(optimizer, lr, grads, state, params, decay, shrink):
    """The step of both: `decay` of θ is added to the gradient, `shrink` of θ is taken off θ."""
    dtype = params.dtype.type
    m, v, bias = state.m, state.v, state.bias
    sign = -1.0 if optimizer.maximize else 1.0
    step, scale, decay, shrink = dtype(sign * lr * bias[2]), dtype(bias[3]), dtype(sign * decay), dtype(shrink)
    correct_bias(optimizer, bias)
    beta1, beta2, eps = dtype(optimizer.beta1), dtype(optimizer.beta2), dtype(optimizer.eps)
    rest1, rest2 = dtype(1 - optimizer.beta1), dtype(1 - optimizer.beta2)
    noise = bfloat16.first_noise(optimizer.seed, state.step[0], state.first[0])
    state.step[0] += 1
    for i in range(params.size):
        g = grads[i] + decay * params[i]
        new_m = settled(beta1 * dtype(bfloat16.widened(m[i])) + rest1 * g, 1e6)
        new_v = floored(beta2 * dtype(bfloat16.widened(v[i])) + rest2 * g * g)
        params[i] -= step * new_m / (np.sqrt(new_v) * scale + eps) + shrink * params[i]
        m[i] = bfloat16.rounded_by_lower(new_m, noise)
        v[i] = bfloat16.rounded_by_upper(new_v, noise)
        noise = bfloat16.next_noise(noise)


@kernel(inline=True)
def update(optimizer, lr, grads, state, params):
    descend(optimizer, lr, grads, state, params, optimizer.weight_decay, 0.0)


RANGES: dict[str, Any] = {
    "beta1": unit_interval,
    "beta2": unit_interval,
    "eps": positive,
    "weight_decay": nonnegative,
    "seed": natural,
}
register_optimizer(AdamBF16, init, update, elementwise=True, **RANGES)
