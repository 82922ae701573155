"""Lookahead: slow weights that follow those of any optimiser."""

from typing import NamedTuple

import numpy as np

from fastgd._arrays.copies import write
from fastgd._calls.states import is_elementwise
from fastgd._check import count, share
from fastgd._jit import kernel
from fastgd._registry import Held, OptimizerKernels, register_optimizer
from fastgd.updates import update
from fastgd.verbs import init_state


class Lookahead(NamedTuple):
    """Every k steps of another optimiser: φ ← φ + α(θ - φ), θ ← φ.

    M. R. Zhang, J. Lucas, G. Hinton and J. Ba, Lookahead optimizer: k steps forward, 1 step back, NeurIPS 2019,
    Algorithm 1, with the other optimiser's state kept (as `optax.lookahead` does by default). `eval_params` gives the
    slow weights φ, which the paper evaluates at, and so does `fit`. Of a method that itself keeps an average
    (schedule-free ones, `ASGD`), θ is the point that it steps from, not its average.

    Parameters
    ----------
    inner : NamedTuple
        The optimiser of the fast weights θ.
    k : int
        Steps of the fast weights to one of the slow ones, 1 or larger.
    alpha : float
        α, how far the slow weights go, in [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> params, optimizer = np.array([4.0]), fastgd.Lookahead(fastgd.SGD(), k=2, alpha=0.5)
    >>> state = fastgd.init_state(optimizer, params)
    >>> for _ in range(2):
    ...     fastgd.update(optimizer, 1.0, np.array([1.0]), state, params)
    >>> params  # 4 forward to 2, and half the way back
    array([3.])
    """

    inner: NamedTuple
    k: int = 5
    alpha: float = 0.5


class LookaheadState(NamedTuple):
    """The state of `Lookahead`."""

    inner: NamedTuple
    slow: np.ndarray  # (n_params,), the parameters' dtype
    step: np.ndarray  # int64: steps since the slow weights moved


@kernel(inline=True)
def init(optimizer, params):
    return LookaheadState(init_state(optimizer.inner, params), params.copy(), np.zeros(1, np.int64))


@kernel(inline=True)
def update_lookahead(optimizer, lr, grads, state, params):
    slow, step = state.slow, state.step
    update(optimizer.inner, lr, grads, state.inner, params)
    step[0] += 1
    if step[0] >= optimizer.k:
        step[0] = 0
        alpha = params.dtype.type(optimizer.alpha)
        for i in range(params.size):
            slow[i] += alpha * (params[i] - slow[i])
            params[i] = slow[i]


@kernel(inline=True)
def eval_lookahead(optimizer, state, params, out):
    write(state.slow, out)


register_optimizer(
    Lookahead,
    init,
    update_lookahead,
    eval_lookahead,
    elementwise=lambda optimizer: is_elementwise(optimizer.inner),
    inner=Held(OptimizerKernels),
    k=count,
    alpha=share,
)
