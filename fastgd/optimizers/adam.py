"""Adam: gradient descent by adaptive estimates of moments."""

import math
from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable

from fastgd._check import nonnegative, positive, unit_interval
from fastgd._jit import kernel
from fastgd._numbers.denormals import floored, settled
from fastgd._registry import register_optimizer


class Adam(NamedTuple):
    """Adam: m ← β₁m + (1-β₁)g, v ← β₂v + (1-β₂)g², θ ← θ - lr·m̂ / (√v̂ + ε).

    m̂ = m / (1 - β₁ᵗ) and v̂ = v / (1 - β₂ᵗ) undo the bias of moments that start at zero. D. P. Kingma and
    J. Ba, Adam: a method for stochastic optimization, ICLR 2015, Algorithm 1 as it stands (and as PyTorch has
    it): ε is added outside the root of the corrected moment.

    Parameters
    ----------
    beta1, beta2 : float
        The decay of the two moments, in [0, 1).
    eps : float
        ε, positive.
    amsgrad : bool
        Divide by the largest second moment so far (Reddi, Kale and Kumar, On the convergence of Adam and beyond,
        ICLR 2018); the maximum is taken before the bias correction, as PyTorch does.
    weight_decay : float
        λ, 0 or larger: λθ is added to the gradient, and so goes into the moments; `AdamW` keeps it out of them.
    maximize : bool
        Go uphill: the gradient's sign is changed first.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> params, optimizer = np.array([4.0, -0.5]), fastgd.Adam()
    >>> fastgd.update(optimizer, 0.1, 2 * params, fastgd.init_state(optimizer, params), params)
    >>> params  # the first step is lr in size, whatever the gradient's
    array([ 3.9, -0.4])
    """

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    amsgrad: bool = False
    weight_decay: float = 0.0
    maximize: bool = False


class AdamState(NamedTuple):
    """The state of `Adam`."""

    m: np.ndarray  # (n_params,), the parameters' dtype, as are v and v_max
    v: np.ndarray
    v_max: np.ndarray  # (n_params,) with amsgrad, else empty
    bias: np.ndarray  # float64: for the step to come β₁ᵗ, β₂ᵗ and the corrections 1 / (1 - β₁ᵗ), 1 / √(1 - β₂ᵗ)


NEGLIGIBLE = 1e-20  # 1 minus a smaller power is 1


@kernel(inline=True)
def init(optimizer, params):
    v_max = np.zeros_like(params) if optimizer.amsgrad else np.zeros_like(params[:0])
    return AdamState(np.zeros_like(params), np.zeros_like(params), v_max, first_bias(optimizer))


@register_jitable(error_model="numpy", nogil=True)  # not compiled for Python's sake
def first_bias(optimizer):
    """The powers and corrections of the first step."""
    beta1, beta2 = optimizer.beta1, optimizer.beta2
    return np.array([beta1, beta2, 1 / (1 - beta1), 1 / math.sqrt(1 - beta2)])


@kernel(merge=True)
def correct_bias(optimizer, bias):
    """Go on to the next step's powers, by products, and its corrections.

    They are made a step ahead, so that the root and the divisions are done while the gradient is still on its way.
    Once a power no longer changes its correction it is left alone: it would end as a denormal number, and every
    product with one takes longer than the rest of a small step's bookkeeping.
    """
    if bias[0] > NEGLIGIBLE:
        bias[0] *= optimizer.beta1
        bias[2] = 1 / (1 - bias[0])
    if bias[1] > NEGLIGIBLE:
        bias[1] *= optimizer.beta2
        bias[3] = 1 / math.sqrt(1 - bias[1])


@kernel(merge=True)
def descend(optimizer, lr, grads, state, params, decay, shrink):
    """The step of `Adam` and `AdamW`: `decay` of θ is added to the gradient, `shrink` of θ is taken off θ.

    LLVM makes a loop of its own of each choice, and none of a choice that its caller has left out. Without them the
    gradient waits for the parameters: two parameters took 21 ns instead of 8, a thousand 500 instead of 410.
    """
    dtype = params.dtype.type
    m, v, v_max, bias = state
    decays, shrinks = decay != 0, shrink != 0
    sign = -1.0 if optimizer.maximize else 1.0  # of the rate and the decay, which spares it the gradients
    step, scale, decay, shrink = dtype(sign * lr * bias[2]), dtype(bias[3]), dtype(sign * decay), dtype(shrink)
    correct_bias(optimizer, bias)
    beta1, beta2, eps = dtype(optimizer.beta1), dtype(optimizer.beta2), dtype(optimizer.eps)
    rest1, rest2 = dtype(1 - optimizer.beta1), dtype(1 - optimizer.beta2)
    if optimizer.amsgrad:
        for i in range(params.size):
            g = grads[i] + decay * params[i] if decays else grads[i]
            m[i] = settled(beta1 * m[i] + rest1 * g, 1e6)
            v[i] = floored(beta2 * v[i] + rest2 * g * g)
            v_max[i] = v[i] if v[i] > v_max[i] else v_max[i]
            change = step * m[i] / (np.sqrt(v_max[i]) * scale + eps)
            params[i] -= change + shrink * params[i] if shrinks else change
    else:
        for i in range(params.size):
            g = grads[i] + decay * params[i] if decays else grads[i]
            m[i] = settled(beta1 * m[i] + rest1 * g, 1e6)
            v[i] = floored(beta2 * v[i] + rest2 * g * g)
            change = step * m[i] / (np.sqrt(v[i]) * scale + eps)
            params[i] -= change + shrink * params[i] if shrinks else change


@kernel(inline=True)
def update(optimizer, lr, grads, state, params):
    descend(optimizer, lr, grads, state, params, optimizer.weight_decay, 0.0)


register_optimizer(
    Adam,
    init,
    update,
    elementwise=True,
    beta1=unit_interval,
    beta2=unit_interval,
    eps=positive,
    weight_decay=nonnegative,
)
