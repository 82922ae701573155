"""AdamW: Adam with weight decay that stays out of the moments."""

from typing import NamedTuple

from fastgd._check import nonnegative, positive, unit_interval
from fastgd._jit import kernel
from fastgd._registry import register_optimizer
from fastgd.optimizers.adam import descend, init


class AdamW(NamedTuple):
    """AdamW: m ← β₁m + (1-β₁)g, v ← β₂v + (1-β₂)g², θ ← θ - lr·m̂ / (√v̂ + ε) - lr·λθ.

    m̂ and v̂ are corrected for their bias as in `Adam`, whose state it has. I. Loshchilov and F. Hutter, Decoupled
    weight decay regularization, ICLR 2019, Algorithm 2; in PyTorch's form: the decay is multiplied with the rate.

    Parameters
    ----------
    beta1, beta2 : float
        The decay of the two moments, in [0, 1).
    eps : float
        ε, positive.
    amsgrad : bool
        Divide by the largest second moment so far, as in `Adam`.
    weight_decay : float
        λ, 0 or larger.
    maximize : bool
        Go uphill: the gradient's sign is changed first (the decay's is not).

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> params, optimizer = np.array([4.0, -0.5]), fastgd.AdamW(weight_decay=0.5)
    >>> fastgd.update(optimizer, 0.1, 2 * params, fastgd.init_state(optimizer, params), params)
    >>> params  # 4 - 0.1 - 0.1 · 0.5 · 4 and -0.5 + 0.1 + 0.1 · 0.5 · 0.5
    array([ 3.7  , -0.375])
    """

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    amsgrad: bool = False
    weight_decay: float = 0.01
    maximize: bool = False


@kernel(inline=True)
def update(optimizer, lr, grads, state, params):
    descend(optimizer, lr, grads, state, params, 0.0, lr * optimizer.weight_decay)


register_optimizer(
    AdamW,
    init,
    update,
    elementwise=True,
    beta1=unit_interval,
    beta2=unit_interval,
    eps=positive,
    weight_decay=nonnegative,
)
