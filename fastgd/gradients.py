"""The mean loss and gradient over rows, in blocks.

A block's sums are made in the data's dtype, and sums of blocks are added in float64 and in the order of the
blocks: no digits are lost over millions of float32 rows, and the bits are the same whatever the number of
threads that the blocks are dealt to.
"""

import numpy as np
from numba.extending import overload

from fastgd import _check
from fastgd._jit import kernel
from fastgd._registry import ModelKernels, kernels_for
from fastgd._views import borrowed, borrowed_slice, repeated
from fastgd.verbs import add_loss_and_grad, make_scratch

_MOST_ROWS = 2048  # float32 sums of so many terms keep six digits
_MOST_NUMBERS = 1 << 21  # of X in a block, so that an interrupt never waits long


@kernel
def block_rows(n_columns):
    """The number of rows in a block: by the shape of the data alone."""
    return max(16, min(_MOST_ROWS, _MOST_NUMBERS // max(1, n_columns)))


@kernel(inline=True)
def sum_of_weights(weight, rows):
    """The sum of the rows' weights, in float64."""
    if weight.strides[0] == 0:
        return np.float64(weight[0]) * rows.size
    total = 0.0
    for r in range(rows.size):
        total += weight[rows[r]]
    return total


@kernel
def sum_blocks(model, params, X, y, weight, order, low, high, block, scratch, grads, losses):
    """Sum losses and gradients of the rows order[low:high], block by block.

    Row k of `grads` (number of blocks, n_params) gets the gradient of block k, row k of `losses` (..., 2) its
    loss and its weight.
    """
    weight = repeated(weight, X.shape[0])
    for k in range(grads.shape[0]):
        start = low + k * block
        rows = borrowed_slice(order, np.uint64(start), np.uint64(min(block, high - start)))
        sums = grads[k]
        sums[:] = 0
        losses[k, 0] = add_loss_and_grad(model, params, X, y, weight, rows, scratch, sums)
        losses[k, 1] = sum_of_weights(weight, rows)


@kernel
def add_blocks(grads, losses, totals, loss_and_weight):
    """Add the sums of blocks in order, in float64."""
    for k in range(grads.shape[0]):
        for j in range(totals.size):
            totals[j] += grads[k, j]
        loss_and_weight[0] += losses[k, 0]
        loss_and_weight[1] += losses[k, 1]


@kernel
def _value_and_grad(model, params, X, y, grads):
    n_rows = X.shape[0]
    block = block_rows(X.shape[1])
    rows = np.arange(min(block, n_rows)).astype(np.uint32)
    weight = repeated(np.ones(1, params.dtype), n_rows)
    scratch = make_scratch(model, params)
    totals, loss = np.zeros(grads.size), 0.0
    for start in range(0, n_rows, block):
        size = min(block, n_rows - start)
        for r in range(size):
            rows[r] = start + r
        grads[:] = 0
        taken = borrowed_slice(rows, np.uint64(0), np.uint64(size))
        loss += add_loss_and_grad(model, params, X, y, weight, taken, scratch, grads)
        for j in range(grads.size):
            totals[j] += grads[j]
    for j in range(grads.size):
        grads[j] = totals[j] / n_rows
    return loss / n_rows


def value_and_grad(model, params, X, y, grads):
    """Return the mean loss over all rows, and write its gradient.

    In compiled code ``value_and_grad(objective, x, grads)`` does the same for a registered objective.

    Parameters
    ----------
    model : NamedTuple
        A registered model.
    params : ndarray of shape (n_params,)
        The parameters, float32 or float64.
    X : ndarray of shape (n, n_features)
        Rows; from Python any array of real numbers, in compiled code C-ordered and of the parameters' dtype.
    y : ndarray of shape (n,) or (n, n_outputs)
        Targets.
    grads : ndarray of shape (n_params,)
        Written: the gradient of the mean loss, of the parameters' dtype.

    Returns
    -------
    float
        The mean loss.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> grads = np.empty(2)
    >>> fastgd.value_and_grad(fastgd.Neuron(1, "identity"), np.array([1.0, 0.0]), [[1.0], [2.0]], [0.0, 0.0], grads)
    2.5
    >>> grads  # the means of 2(a - y)x and of 2(a - y)
    array([5., 3.])
    """
    kernels = kernels_for("value_and_grad", ModelKernels, model)
    _check.vector("value_and_grad", "grads", grads)
    params = _check.parameters("value_and_grad", model, kernels.n_params.py_func(model), params, grads.dtype)
    if grads.size != params.size:
        raise ValueError(f"value_and_grad: grads must have {params.size} elements, got {grads.size}")
    X, y = _check.data("value_and_grad", X, y, params.dtype)
    kernels.check(model, X=X, y=y)
    return _value_and_grad(model, params, X, y, grads)


@overload(value_and_grad)
def _(model, params, X, y, grads):
    return lambda model, params, X, y, grads: _value_and_grad(
        model, borrowed(params), borrowed(X), borrowed(y), borrowed(grads)
    )
