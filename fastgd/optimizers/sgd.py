"""Stochastic gradient descent."""

from typing import NamedTuple

from fastgd._jit import kernel
from fastgd._registry import register_optimizer


class SGD(NamedTuple):
    """Gradient descent: θ ← θ - lr·g (Robbins and Monro 1951).

    On a single row it is the stochastic, on all rows the batch method. It has no state.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> params = np.array([4.0])
    >>> fastgd.update(fastgd.SGD(), 0.1, 2 * params, fastgd.init_state(fastgd.SGD(), params), params)
    >>> params
    array([3.2])
    """


class SGDState(NamedTuple):
    """The state of `SGD`: nothing."""


@kernel(inline=True)
def init(optimizer, params):
    return SGDState()


@kernel(inline=True)
def update(optimizer, lr, grads, state, params):
    lr = params.dtype.type(lr)
    for i in range(params.size):
        params[i] -= lr * grads[i]


register_optimizer(SGD, init, update, plain=True)
