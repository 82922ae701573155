"""Stochastic gradient descent."""

from typing import NamedTuple

from fastgd._check import nonnegative
from fastgd._jit import kernel
from fastgd._registry import register_optimizer


class SGD(NamedTuple):
    """Gradient descent: θ ← θ - lr·g (Robbins and Monro 1951).

    On a single row it is the stochastic, on all rows the batch method. It has no state. With momentum it is
    `Momentum` or `Nesterov`.

    Parameters
    ----------
    weight_decay : float
        λ, 0 or larger: λθ is added to the gradient, as of a penalty λ/2·‖θ‖².
    maximize : bool
        Go uphill: the gradient's sign is changed first.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> params = np.array([4.0])
    >>> fastgd.update(fastgd.SGD(), 0.1, 2 * params, fastgd.init_state(fastgd.SGD(), params), params)
    >>> params
    array([3.2])
    """

    weight_decay: float = 0.0
    maximize: bool = False


class SGDState(NamedTuple):
    """The state of `SGD`: nothing."""


@kernel(inline=True)
def init(optimizer, params):
    return SGDState()


@kernel(inline=True)
def update(optimizer, lr, grads, state, params):
    dtype = params.dtype.type
    sign = -1.0 if optimizer.maximize else 1.0  # of the rate and the decay, which spares it the gradients
    lr, decay = dtype(sign * lr), dtype(sign * optimizer.weight_decay)
    decays = decay != 0  # a loop of its own without, as in Adam: 100 parameters took 14 ns instead of 10
    for i in range(params.size):
        g = grads[i] + decay * params[i] if decays else grads[i]
        params[i] -= lr * g


@kernel(inline=True)
def plain(optimizer):
    return optimizer.weight_decay == 0 and not optimizer.maximize


register_optimizer(SGD, init, update, plain=plain, elementwise=True, weight_decay=nonnegative)
