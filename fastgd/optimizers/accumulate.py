"""Accumulation of gradients over several calls, around any optimiser."""

from typing import NamedTuple

import numpy as np

from fastgd._calls.states import is_elementwise
from fastgd._check import count
from fastgd._jit import kernel
from fastgd._registry import Held, OptimizerKernels, register_optimizer
from fastgd.updates import update
from fastgd.verbs import eval_params, init_state


class Accumulate(NamedTuple):
    """A step of another optimiser every so many calls, by the mean of their gradients (as `optax.MultiSteps`).

    Between such steps the parameters stay where they are; a step takes the rate of its own call. Sums are compensated
    (W. Kahan, Further remarks on reducing truncation errors, 1965), so that float32 loses no digits over any number of
    calls.

    Parameters
    ----------
    inner : NamedTuple
        The optimiser that does the steps.
    steps : int
        Calls to a step, 1 or larger.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> params, optimizer = np.array([4.0]), fastgd.Accumulate(fastgd.SGD(), steps=2)
    >>> state = fastgd.init_state(optimizer, params)
    >>> for gradient in (1.0, 3.0):
    ...     fastgd.update(optimizer, 0.5, np.array([gradient]), state, params)
    >>> params
    array([3.])
    """

    inner: NamedTuple
    steps: int


class AccumulateState(NamedTuple):
    """The state of `Accumulate`."""

    inner: NamedTuple
    total: np.ndarray  # (n_params,), the parameters' dtype: the sum of the gradients so far
    lost: np.ndarray  # (n_params,): what its last rounding took away
    calls: np.ndarray  # int64: how many are in the sum


@kernel(inline=True)
def init(optimizer, params):
    zeros = np.zeros_like(params)
    return AccumulateState(init_state(optimizer.inner, params), zeros, zeros.copy(), np.zeros(1, np.int64))


@kernel(inline=True)
def update_accumulate(optimizer, lr, grads, state, params):
    dtype = params.dtype.type
    total, lost, calls = state.total, state.lost, state.calls
    for i in range(params.size):
        rest = grads[i] - lost[i]
        new = total[i] + rest
        lost[i] = (new - total[i]) - rest
        total[i] = new
    calls[0] += 1
    if calls[0] >= optimizer.steps:
        count = dtype(calls[0])
        for i in range(params.size):
            total[i] /= count
        update(optimizer.inner, lr, total, state.inner, params)
        calls[0] = 0
        for i in range(params.size):
            total[i] = 0
            lost[i] = 0


@kernel(inline=True)
def eval_accumulate(optimizer, state, params, out):
    eval_params(optimizer.inner, state.inner, params, out)


register_optimizer(
    Accumulate,
    init,
    update_accumulate,
    eval_accumulate,
    elementwise=lambda optimizer: is_elementwise(optimizer.inner),
    rests=True,
    inner=Held(OptimizerKernels),
    steps=count,
)
