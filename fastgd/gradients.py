"""The mean loss and gradient over rows, in blocks.

A block's sums are made in the data's dtype, and sums of blocks are added in float64 and in the order of the
blocks: no digits are lost over millions of float32 rows, and the bits are the same whatever the number of
threads that the blocks are dealt to.
"""

from typing import Any

import numpy as np
from numba.core import types
from numba.extending import overload
from numpy.typing import ArrayLike

from fastgd import _check
from fastgd._arrays.ahead import rows_ahead, rows_to_come
from fastgd._arrays.rows import prefetch_rows
from fastgd._arrays.views import borrowed, borrowed_row, borrowed_slice, repeated
from fastgd._calls.compiled_checks import require_array, require_vector
from fastgd._calls.dispatch import PASTED, in_compiled_code, kernels_in_compiled_code
from fastgd._jit import kernel
from fastgd._registry import ModelKernels, ObjectiveKernels, kernels_for
from fastgd._types import Rule
from fastgd.verbs import add_loss_and_grad, make_scratch, n_params, takes_columns

_MOST_ROWS = 2048  # float32 sums of so many terms keep six digits
# Of a batch that threads share: blocks at most; in one, numbers of X at least, some 10 µs of work (it cost two threads
# of an Intel Xeon, whose cores answer each other in 0.2 to 0.4 µs, 2 to 4 µs to begin a batch and to end it), and rows
# (of fewer than a tile of wide ones the serial sums took 3 % longer).
_MOST_SHARES, _SHARE_WORK, _SHARE_ROWS = 32, 1 << 16, 64
_ROW_WORK = 16  # a row's own work, in numbers of X
_PIECE_BYTES = 1 << 13  # of X, that are asked for at a time for models that don't do it themselves
_MOST_NUMBERS = 1 << 21  # of X in a block, so that an interrupt never waits long


@kernel
def block_rows(n_columns):
    """The number of rows in a block: by the shape of the data alone."""
    return max(16, min(_MOST_ROWS, _MOST_NUMBERS // max(1, n_columns)))


def rows_to_share(n_columns, batch_size):
    """The number of rows in a block of a batch, so that threads have something to share where that pays."""
    work = batch_size * (n_columns + _ROW_WORK)
    shares = min(_MOST_SHARES, 1 << max(1, work // _SHARE_WORK).bit_length() - 1)  # a power of two
    rows = block_rows.py_func(n_columns)
    return rows if shares == 1 else min(rows, max(-(-batch_size // shares), _SHARE_ROWS))


@kernel
def _ahead_of_pieces(model, params, X, y, weight, rows, ahead, scratch, grads):
    """Ask for rows before each piece, for models that don't ask for them as they work."""
    piece = max(16, _PIECE_BYTES // (X.shape[1] * X.itemsize)) if ahead.size else rows.size
    loss = params.dtype.type(0)
    for low in range(0, rows.size, piece):
        count = np.uint64(min(piece, rows.size - low))
        if ahead.size:
            prefetch_rows(X, ahead, np.uint64(low), count)
        loss += add_loss_and_grad(
            model, params, X, y, weight, borrowed_slice(rows, np.uint64(low), count), scratch, grads
        )
    return loss


def add_loss_and_grad_ahead(model, params, X, y, weight, rows, ahead, scratch, grads):
    """Add the gradients of rows to `grads`, return the sum of their losses, and ask for rows that come later."""
    raise NotImplementedError("add_loss_and_grad_ahead is called in compiled code")


@in_compiled_code(add_loss_and_grad_ahead)
def _add_loss_and_grad_ahead(model, params, X, y, weight, rows, ahead, scratch, grads):
    return (
        kernels_in_compiled_code("add_loss_and_grad_ahead", ModelKernels, model).add_loss_and_grad_ahead
        or _ahead_of_pieces
    )


@kernel(merge=True)
def add_rows(model, params, X, y, weight, order, low, high, ahead, scratch, grads):
    """Add the gradients of the rows order[low:high] to grads; return the sum of their losses."""
    rows = borrowed_slice(order, np.uint64(low), np.uint64(high - low))
    later = rows_to_come(order, low, high, ahead)
    return add_loss_and_grad_ahead(model, params, X, y, weight, rows, later, scratch, grads)


@kernel(merge=True)
def sum_of_weights(weight, order, low, high):
    """The sum of the weights of the rows order[low:high], in float64."""
    if weight.strides[0] == 0:
        return np.float64(weight[0]) * (high - low)
    total = 0.0
    for k in range(low, high):
        total += weight[order[k]]
    return total


@kernel(merge=True)
def sum_block(model, params, X, y, weight, order, start, stop, ahead, scratch, grads, losses, k):
    """Sum the rows order[start:stop] to row k of grads, of losses: their loss and their weight."""
    sums = borrowed_slice(borrowed_row(grads, k), np.uint64(0), np.uint64(params.size))
    for j in range(sums.size):
        sums[j] = 0
    losses[k, 0] = add_rows(model, params, X, y, weight, order, start, stop, ahead, scratch, sums)
    losses[k, 1] = sum_of_weights(weight, order, start, stop)


@kernel
def sum_blocks(model, params, X, y, weight, order, low, high, block, scratch, grads, losses):
    """Sum losses and gradients of the rows order[low:high], block by block.

    Row k of `grads` (number of blocks, n_params) gets the gradient of block k, row k of `losses` (..., 2) its
    loss and its weight.
    """
    weight, ahead = repeated(weight, X.shape[0]), rows_ahead(X)
    grads, losses = borrowed(grads), borrowed(losses)
    for k in range(grads.shape[0]):
        start = low + k * block
        stop = min(start + block, high)
        sum_block(model, params, X, y, weight, order, start, stop, ahead, scratch, grads, losses, np.uint64(k))


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
    if n_rows == 0 or y.shape[0] != n_rows:
        raise ValueError("value_and_grad: X and y must have equally many rows, of one or more")
    if params.size != n_params(model) or grads.size != params.size:
        raise ValueError("value_and_grad: params and grads must have an element for each parameter of the model")
    if not takes_columns(model, X.shape[1]):
        raise ValueError("value_and_grad: X must have as many columns as the model")
    block = block_rows(X.shape[1])
    order = np.empty(n_rows, np.uint32)
    for i in range(n_rows):
        order[i] = i
    one, ahead = np.ones(1, params.dtype), rows_ahead(X)
    scratch = make_scratch(model, params)
    totals, loss = np.zeros(grads.size), 0.0
    for start in range(0, n_rows, block):
        stop = min(start + block, n_rows)
        grads[:] = 0
        weight = repeated(one, n_rows)  # in the loop, which `one` outlives: a view does not keep its array
        loss += add_rows(model, params, X, y, weight, order, start, stop, ahead, scratch, grads)
        for j in range(grads.size):
            totals[j] += grads[j]
    for j in range(grads.size):
        grads[j] = totals[j] / n_rows
    return loss / n_rows


def value_and_grad(
    model: Rule, params: np.ndarray, X: Any = None, y: ArrayLike | None = None, grads: Any = None
) -> float:
    """Return a value, and write its gradient: of a model's mean loss over rows, or of an objective at a point.

    Two forms: ``value_and_grad(model, params, X, y, grads)`` and ``value_and_grad(objective, x, grads)``.

    Parameters
    ----------
    model : NamedTuple
        A registered model, or a registered objective.
    params : ndarray of shape (n_params,)
        The parameters, float32 or float64, in compiled code contiguous; an objective's point x.
    X : ndarray of shape (n, n_features)
        Rows; from Python any array of real numbers, in compiled code C-ordered and of the parameters' dtype.
        None of an objective, which has no data: there the third argument is `grads`.
    y : ndarray of shape (n,) or (n, n_outputs)
        Targets.
    grads : ndarray of shape (n_params,)
        Written: the gradient (of the mean loss over all rows), of the parameters' dtype.

    Returns
    -------
    float
        The mean loss, or the objective's value.

    Raises
    ------
    TypeError, ValueError
        For what is not registered and for arrays that do not fit; the message names the argument. In compiled code
        for types (a `TypingError`) and lengths that do not.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> grads = np.empty(2)
    >>> fastgd.value_and_grad(fastgd.Neuron(1, "identity"), np.array([1.0, 0.0]), [[1.0], [2.0]], [0.0, 0.0], grads)
    2.5
    >>> grads  # the means of 2(a - y)x and of 2(a - y)
    array([5., 3.])

    An objective:

    >>> from typing import NamedTuple
    >>> class Parabola(NamedTuple):
    ...     centre: float = 0.0
    >>> def parabola(objective, x, grads):
    ...     value = 0.0
    ...     for i in range(x.size):
    ...         value += (x[i] - objective.centre) ** 2
    ...         grads[i] = 2 * (x[i] - objective.centre)
    ...     return value
    >>> fastgd.register_objective(Parabola, parabola, centre=fastgd.finite)
    >>> fastgd.value_and_grad(Parabola(centre=1), np.array([1.0, 3.0]), grads)
    4.0
    >>> grads
    array([0., 4.])
    """
    kernels = kernels_for("value_and_grad", (ModelKernels, ObjectiveKernels), model)
    if isinstance(kernels, ObjectiveKernels):
        given = [part for part in (X, y, grads) if part is not None]
        if len(given) != 1:
            raise TypeError(
                f"value_and_grad: with an objective it is value_and_grad(objective, x, grads), got {2 + len(given)} "
                "arguments"
            )
        return _of_objective(kernels, model, params, *given)
    _check.vector("value_and_grad", "grads", grads)
    params = _check.parameters("value_and_grad", model, kernels.n_params.py_func(model), params, grads.dtype)
    if grads.size != params.size:
        raise ValueError(f"value_and_grad: grads must have {params.size} elements, got {grads.size}")
    if np.may_share_memory(grads, params):
        raise ValueError("value_and_grad: grads and params must not share memory")
    X, y = _check.data("value_and_grad", X, y, params.dtype)
    _check.suitable("value_and_grad", kernels, model, X=X, y=y)
    for name, array in (("X", X), ("y", y)):
        if np.may_share_memory(grads, array):
            raise ValueError(f"value_and_grad: grads and {name} must not share memory")
    return _value_and_grad(model, params, X, y, grads)


def _of_objective(kernels, objective, x, grads):
    _check.vector("value_and_grad", "grads", grads)
    x = _check.array("value_and_grad", "x", x, 1, grads.dtype)
    if grads.size != x.size:
        raise ValueError(f"value_and_grad: grads must have {x.size} elements, as x has, got {grads.size}")
    for part in (x, *objective):
        if isinstance(part, np.ndarray) and np.may_share_memory(grads, part):
            raise ValueError("value_and_grad: grads must not share memory with x or the objective's arrays")
    return kernels.value_and_grad(objective, x, grads)


@overload(value_and_grad, jit_options=PASTED)
def _(model, params, X=None, y=None, grads=None):
    kernels = kernels_in_compiled_code("value_and_grad", (ModelKernels, ObjectiveKernels), model)
    if isinstance(kernels, ModelKernels):
        require_vector("value_and_grad", params, contiguous=True)
        require_array("value_and_grad", "X", X, params.dtype, (2,), contiguous=True)
        require_array("value_and_grad", "y", y, params.dtype, (1, 2))
        require_array("value_and_grad", "grads", grads, params.dtype, contiguous=True)
        return lambda model, params, X=None, y=None, grads=None: _value_and_grad(
            model, borrowed(params), borrowed(X), borrowed(y), borrowed(grads)
        )
    named = isinstance(grads, types.Array)  # else it comes third
    require_vector("value_and_grad", params, "x")
    require_array("value_and_grad", "grads", grads if named else X, params.dtype, like="x")
    kernel = kernels.value_and_grad
    if named:
        return lambda model, params, X=None, y=None, grads=None: kernel(
            model, borrowed(params), as_long_as(params, borrowed(grads))
        )
    return lambda model, params, X=None, y=None, grads=None: kernel(
        model, borrowed(params), as_long_as(params, borrowed(X))
    )


@kernel(merge=True)
def as_long_as(x, grads):
    """The array `grads`, if it has as many elements as x."""
    if grads.size != x.size:
        raise ValueError("value_and_grad: grads must have as many elements as x has")
    return grads
