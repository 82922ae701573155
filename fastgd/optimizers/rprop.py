"""Rprop: steps from the signs of the gradient alone."""

import math
from typing import NamedTuple

import numpy as np

from fastgd._check import Range, interior, positive
from fastgd._jit import kernel
from fastgd._registry import register_optimizer


class Rprop(NamedTuple):
    """Rprop: θ ← θ - Δ·sign(g), where each parameter's Δ grows while its gradient keeps its sign.

    With the sign s of the gradient before: where s·g > 0, Δ ← min(η⁺Δ, Δ_max); where s·g < 0, Δ ← max(η⁻Δ, Δ_min),
    the parameter stays, and s is 0, so that the next step neither grows nor shrinks. M. Riedmiller and H. Braun, A
    direct adaptive method for faster backpropagation learning: the RPROP algorithm, 1993, without the step back: the
    iRprop⁻ of C. Igel and M. Hüsken, Improving the Rprop learning algorithm, 2000, and PyTorch's form. It is for the
    gradient of all rows: that of a mini-batch has signs of its own.

    `lr` is taken at the first step only, as the first Δ; a schedule has no say after it. Steps of rate 0 do nothing.

    Parameters
    ----------
    etaminus, etaplus : float
        η⁻, in (0, 1), and η⁺, larger than 1.
    step_size_min, step_size_max : float
        Δ_min and Δ_max, positive; Δ_max holds where Δ_min is larger.
    maximize : bool
        Go uphill: the gradient's sign is changed first.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> params, optimizer = np.array([4.0]), fastgd.Rprop()
    >>> state = fastgd.init_state(optimizer, params)
    >>> for _ in range(2):
    ...     fastgd.update(optimizer, 0.1, 2 * params, state, params)
    >>> params  # 4 - 0.1 - 1.2 · 0.1
    array([3.78])
    """

    etaminus: float = 0.5
    etaplus: float = 1.2
    step_size_min: float = 1e-6
    step_size_max: float = 50.0
    maximize: bool = False


class RpropState(NamedTuple):
    """The state of `Rprop`."""

    before: np.ndarray  # (n_params,), the parameters' dtype: the signs of the gradient before, 0 where it turned
    step_size: np.ndarray  # (n_params,), the parameters' dtype
    started: np.ndarray  # float64: 1 once step_size has the first rate


@kernel(inline=True)
def init(optimizer, params):
    return RpropState(np.zeros_like(params), np.zeros_like(params), np.zeros(1))


@kernel(inline=True)
def update(optimizer, lr, grads, state, params):
    dtype = params.dtype.type
    before, step_size, started = state
    if lr == 0:
        return
    if started[0] == 0:
        step_size[:] = dtype(lr)
        started[0] = 1
    shrink, grow, same = dtype(optimizer.etaminus), dtype(optimizer.etaplus), dtype(1)
    least, most = dtype(optimizer.step_size_min), dtype(optimizer.step_size_max)
    zero, uphill = dtype(0), dtype(-1 if optimizer.maximize else 1)
    for i in range(params.size):
        g = uphill * grads[i]
        agreement = g * before[i]
        size = step_size[i] * (grow if agreement > zero else (shrink if agreement < zero else same))
        size = size if size > least else least
        size = size if size < most else most
        sign = same if g > zero else (-same if g < zero else g)  # of 0 and NaN: themselves
        sign = zero if agreement < zero else sign
        step_size[i] = size
        before[i] = sign
        params[i] -= size * sign


register_optimizer(
    Rprop,
    init,
    update,
    elementwise=True,
    etaminus=interior,
    etaplus=Range("a finite number larger than 1", lambda v: 1 < v < math.inf),
    step_size_min=positive,
    step_size_max=positive,
)
