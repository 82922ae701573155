"""Leaving out gradients that are not finite, around any optimiser."""

from typing import NamedTuple

import numpy as np

from fastgd._jit import kernel
from fastgd._registry import Held, OptimizerKernels, register_optimizer
from fastgd.updates import update
from fastgd.verbs import eval_params, init_state


class SkipNonfinite(NamedTuple):
    """Steps of another optimiser, but for gradients with NaN or infinity: these are counted and change nothing else.

    For programs with gradients of their own (as `optax.apply_if_finite`); `fit` has ``on_nonfinite="skip"``, which
    sees the gradient before its optimiser does.

    Parameters
    ----------
    inner : NamedTuple
        The optimiser that does the steps.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> params, optimizer = np.array([4.0, 2.0]), fastgd.SkipNonfinite(fastgd.SGD())
    >>> state = fastgd.init_state(optimizer, params)
    >>> fastgd.update(optimizer, 0.5, np.array([1.0, np.nan]), state, params)
    >>> params, state.skipped
    (array([4., 2.]), array([1]))
    """

    inner: NamedTuple


class SkipNonfiniteState(NamedTuple):
    """The state of `SkipNonfinite`."""

    inner: NamedTuple
    skipped: np.ndarray  # int64: how many gradients were left out


@kernel(inline=True)
def init(optimizer, params):
    return SkipNonfiniteState(init_state(optimizer.inner, params), np.zeros(1, np.int64))


@kernel(reassoc=True)
def is_finite(grads):
    """Whether no element is NaN or infinite: of those alone a product with 0 is not 0."""
    total = grads.dtype.type(0)
    for i in range(grads.size):
        total += grads[i] * grads.dtype.type(0)
    return total == 0


@kernel(inline=True)
def update_finite(optimizer, lr, grads, state, params):
    if is_finite(grads):
        update(optimizer.inner, lr, grads, state.inner, params)
    else:
        state.skipped[0] += 1


@kernel(inline=True)
def eval_finite(optimizer, state, params, out):
    eval_params(optimizer.inner, state.inner, params, out)


register_optimizer(SkipNonfinite, init, update_finite, eval_finite, inner=Held(OptimizerKernels))
