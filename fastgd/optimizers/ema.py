"""An exponential average of the parameters, around any optimiser."""

from typing import NamedTuple

import numpy as np

from fastgd._arrays.copies import write
from fastgd._calls.states import is_elementwise
from fastgd._check import unit_interval
from fastgd._jit import kernel
from fastgd._registry import Held, OptimizerKernels, register_optimizer
from fastgd.updates import update
from fastgd.verbs import init_state


class EMA(NamedTuple):
    """Steps of another optimiser, evaluated at an exponential average of the points: θ̄ ← dθ̄ + (1-d)θ.

    The first step sets θ̄ to the parameters that it reached, as `torch.optim.swa_utils.AveragedModel` with
    `get_ema_multi_avg_fn` does. `eval_params` gives θ̄, and so does `fit`. Of a method that itself keeps an
    average (schedule-free ones, `ASGD`), θ is the point that it steps from, not its average.

    Parameters
    ----------
    inner : NamedTuple
        The optimiser that does the steps.
    decay : float
        d, in [0, 1): about 1 / (1-d) steps are averaged.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> params, average = np.array([4.0]), np.empty(1)
    >>> optimizer = fastgd.EMA(fastgd.SGD(), decay=0.75)
    >>> state = fastgd.init_state(optimizer, params)
    >>> for _ in range(2):
    ...     fastgd.update(optimizer, 1.0, np.array([1.0]), state, params)
    >>> fastgd.eval_params(optimizer, state, params, average)
    >>> params, average  # after 3 and 2: 0.75 · 3 + 0.25 · 2
    (array([2.]), array([2.75]))
    """

    inner: NamedTuple
    decay: float = 0.999


class EMAState(NamedTuple):
    """The state of `EMA`."""

    inner: NamedTuple
    average: np.ndarray  # (n_params,), the parameters' dtype
    step: np.ndarray  # int64: how many were done


@kernel(inline=True)
def init(optimizer, params):
    return EMAState(init_state(optimizer.inner, params), params.copy(), np.zeros(1, np.int64))


@kernel(inline=True)
def update_ema(optimizer, lr, grads, state, params):
    dtype, average = params.dtype.type, state.average
    update(optimizer.inner, lr, grads, state.inner, params)
    kept = optimizer.decay if state.step[0] > 0 else 0.0
    decay, rest = dtype(kept), dtype(1 - kept)
    state.step[0] += 1
    for i in range(params.size):
        average[i] = decay * average[i] + rest * params[i]


@kernel(inline=True)
def eval_ema(optimizer, state, params, out):
    write(state.average, out)


register_optimizer(
    EMA,
    init,
    update_ema,
    eval_ema,
    elementwise=lambda optimizer: is_elementwise(optimizer.inner),
    inner=Held(OptimizerKernels),
    decay=unit_interval,
)
