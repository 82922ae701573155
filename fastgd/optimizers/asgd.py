"""Averaged stochastic gradient descent."""

from typing import NamedTuple

import numpy as np

from fastgd._arrays.copies import write
from fastgd._check import finite, nonnegative
from fastgd._jit import kernel
from fastgd._registry import register_optimizer


class ASGD(NamedTuple):
    """Averaged gradient descent: η = lr / (1 + λ·Σlr)^α, θ ← θ - η·(g + λθ), and the mean of the late θ.

    Σlr is the sum of the rates of the steps before. The average, which `eval_params` writes and `fit` returns, is the
    last θ up to step t₀ + 2, then the mean of all θ since that step. B. T. Polyak and A. B. Juditsky, Acceleration of
    stochastic approximation by averaging, 1992; the falling rate is that of W. Xu, Towards optimal one pass large
    scale learning with averaged stochastic gradient descent, 2011. Under a constant rate it is PyTorch's form; where
    the rate changes, PyTorch's η is made of the rate of the step before, times the number of steps in place of Σlr.

    Parameters
    ----------
    lambd : float
        λ, 0 or larger: a decay of θ, and how fast the rate falls.
    alpha : float
        α, finite: 0 for a rate that does not fall.
    t0 : float
        t₀, 0 or larger. The default means the last θ for the first million steps.
    weight_decay : float
        0 or larger: as much of θ is added to the gradient, which slows no rate.
    maximize : bool
        Go uphill: the gradient's sign is changed first.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> params, optimizer = np.array([4.0]), fastgd.ASGD(lambd=0, t0=1)
    >>> state = fastgd.init_state(optimizer, params)
    >>> for _ in range(4):
    ...     fastgd.update(optimizer, 1.0, np.array([1.0]), state, params)
    >>> fastgd.eval_params(optimizer, state, params, mean := np.empty(1))
    >>> params, mean  # steps t₀ + 2 and t₀ + 3 led to 1 and 0
    (array([0.]), array([0.5]))
    """

    lambd: float = 1e-4
    alpha: float = 0.75
    t0: float = 1e6
    weight_decay: float = 0.0
    maximize: bool = False


class ASGDState(NamedTuple):
    """The state of `ASGD`."""

    average: np.ndarray  # (n_params,), the parameters' dtype
    clock: np.ndarray  # float64: for the step to come, how many were before it, 1 + λ·Σlr, and its power -α


@kernel(inline=True)
def init(optimizer, params):
    return ASGDState(params.copy(), np.array([0.0, 1.0, 1.0]))


@kernel(inline=True)
def update(optimizer, lr, grads, state, params):
    dtype = params.dtype.type
    average, clock = state
    sign = -1.0 if optimizer.maximize else 1.0  # of the rate and the decay, which spares it the gradients
    eta, decay = dtype(sign * lr * clock[2]), dtype(sign * (optimizer.weight_decay + optimizer.lambd))
    averaged = clock[0] - optimizer.t0
    clock[0] += 1
    if optimizer.lambd > 0:
        clock[1] += optimizer.lambd * lr
        clock[2] = clock[1] ** -optimizer.alpha  # a step ahead: it takes its time while the gradient is on its way
    if averaged > 1:
        share = dtype(1 / averaged)
        for i in range(params.size):
            params[i] -= eta * (grads[i] + decay * params[i])
            average[i] += share * (params[i] - average[i])
    else:
        for i in range(params.size):
            params[i] -= eta * (grads[i] + decay * params[i])
            average[i] = params[i]


@kernel
def eval_params(optimizer, state, params, out):
    write(state.average, out)


register_optimizer(
    ASGD,
    init,
    update,
    eval_params,
    elementwise=True,
    lambd=nonnegative,
    alpha=finite,
    t0=nonnegative,
    weight_decay=nonnegative,
)
