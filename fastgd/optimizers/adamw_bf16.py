"""AdamW with its moments kept in bfloat16."""

from typing import NamedTuple

from fastgd._jit import kernel
from fastgd._registry import register_optimizer
from fastgd.optimizers.adam_bf16 import RANGES, descend, init


class AdamWBF16(NamedTuple):
    """`AdamW` with both moments kept in bfloat16, rounded at random: what `AdamBF16` says, with decoupled decay.

    Its moments have float32's range, as there: gradients beyond 1e19 can make v infinite.

    Parameters
    ----------
    beta1, beta2 : float
        The decay of the two moments, in [0, 1).
    eps : float
        ε, positive.
    weight_decay : float
        λ, 0 or larger: θ ← θ - lr·λθ beside the step.
    maximize : bool
        Go uphill: the gradient's sign is changed first.
    seed : int
        Of the rounding, 0 or larger.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> params, optimizer = np.array([4.0, -0.5], np.float32), fastgd.AdamWBF16(weight_decay=0.5)
    >>> fastgd.update(optimizer, 0.1, 2 * params, fastgd.init_state(optimizer, params), params)
    >>> params
    array([ 3.7  , -0.375], dtype=float32)
    """

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.01
    maximize: bool = False
    seed: int = 0


@kernel(inline=True)
def update(optimizer, lr, grads, state, params):
    descend(optimizer, lr, grads, state, params, 0.0, lr * optimizer.weight_decay)


register_optimizer(AdamWBF16, init, update, elementwise=True, **RANGES)
