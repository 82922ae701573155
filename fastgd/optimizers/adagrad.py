"""Adagrad: rates that fall with the gradients seen so far."""

from typing import NamedTuple

import numpy as np

from fastgd._check import nonnegative, positive
from fastgd._jit import kernel
from fastgd._numbers.denormals import floored
from fastgd._registry import register_optimizer


class Adagrad(NamedTuple):
    """Adagrad: s ← s + g², θ ← θ - lr / (1 + κt) · g / (√s + ε), where t = 0 at the first step.

    J. Duchi, E. Hazan and Y. Singer, Adaptive subgradient methods for online learning and stochastic optimization,
    JMLR 12, 2011 (the diagonal form); as PyTorch has it: s starts at 0, and ε is outside the root. `lr` is the rate of
    the step, also where it changes.

    Parameters
    ----------
    eps : float
        ε, positive.
    lr_decay : float
        κ, 0 or larger.
    initial_accumulator_value : float
        Where s starts, 0 or larger.
    weight_decay : float
        λ, 0 or larger: λθ is added to the gradient, as of a penalty λ/2·‖θ‖².
    maximize : bool
        Go uphill: the gradient's sign is changed first.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> params, optimizer = np.array([4.0]), fastgd.Adagrad()
    >>> state = fastgd.init_state(optimizer, params)
    >>> for gradient in (3.0, 4.0):
    ...     fastgd.update(optimizer, 0.1, np.array([gradient]), state, params)
    >>> params  # 4 - 0.1 · 3/3 - 0.1 · 4/5
    array([3.82])
    """

    eps: float = 1e-10
    lr_decay: float = 0.0
    initial_accumulator_value: float = 0.0
    weight_decay: float = 0.0
    maximize: bool = False


class AdagradState(NamedTuple):
    """The state of `Adagrad`."""

    s: np.ndarray  # (n_params,), the parameters' dtype
    steps: np.ndarray  # float64: how many there were


@kernel(inline=True)
def init(optimizer, params):
    s = np.zeros_like(params)
    s[:] = optimizer.initial_accumulator_value
    return AdagradState(s, np.zeros(1))


@kernel(inline=True)
def update(optimizer, lr, grads, state, params):
    dtype = params.dtype.type
    s, steps = state
    sign = -1.0 if optimizer.maximize else 1.0  # of the rate and the decay, which spares it the gradients
    step, decay = dtype(sign * lr / (1 + steps[0] * optimizer.lr_decay)), dtype(sign * optimizer.weight_decay)
    eps = dtype(optimizer.eps)
    steps[0] += 1
    for i in range(params.size):
        g = grads[i] + decay * params[i]
        s[i] = floored(s[i] + g * g)
        params[i] -= step * g / (np.sqrt(s[i]) + eps)


register_optimizer(
    Adagrad,
    init,
    update,
    elementwise=True,
    eps=positive,
    lr_decay=nonnegative,
    initial_accumulator_value=nonnegative,
    weight_decay=nonnegative,
)
