"""One neuron: a = f(w·x + b) and its loss, forward and backward in one pass over the rows."""

import math
from typing import NamedTuple

import numpy as np

from fastgd._arrays.ahead import distance_ahead, rows_ahead
from fastgd._arrays.handover import move_sums
from fastgd._arrays.rows import (
    add_weighted_row,
    add_weighted_rows,
    dot_row,
    dot_rows,
    dot_rows_alone,
    locate_rows,
    place_of_row,
    prefetch_rows,
)
from fastgd._arrays.views import borrowed_slice
from fastgd._check import count
from fastgd._jit import kernel
from fastgd._numbers.arithmetic import add_in_any_order
from fastgd._registry import register_model
from fastgd._simd import TILE
from fastgd.activations import ACTIVATIONS, IDENTITY, SIGMOID, TANH, activate, derivative
from fastgd.losses import BINARY_CROSS_ENTROPY, LOSSES, MSE, squared_error
from fastgd.models._many_neurons import add_losses_and_grads_of_many, scratch_of_many
from fastgd.models._neuron_scratch import DELTA, GROUP, TARGET, WEIGHT, Z, scratch
from fastgd.models._output import loss_and_delta, times_weight
from fastgd.models._single_rows import descend_rows
from fastgd.models._tiles import follow_one_another, locate_group


class Neuron(NamedTuple):
    """A neuron: a = f(w·x + b), with parameters w_1 ... w_d, b in one vector.

    Backpropagation for a row x with target y: with z = w·x + b, a = f(z) and L = (a - y)²,

        dL/dz = dL/da · da/dz = 2(a - y) · f'(z),    dL/dw = dL/dz · x,    dL/db = dL/dz,

    where σ' = a(1 - a), tanh' = 1 - a². Under binary cross-entropy dL/dz = a - y.

    Parameters
    ----------
    n_features : int
        d, the number of columns of X.
    activation : {"sigmoid", "tanh", "identity"}
        f.
    loss : {"mse", "binary_cross_entropy"}
        The loss of one row; a set of rows has the mean. Binary cross-entropy goes with the sigmoid, and takes
        targets in [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> neuron = fastgd.Neuron(n_features=1)
    >>> params = np.array([3.0, 1.0])  # w, b
    >>> grads = np.empty(2)
    >>> loss = fastgd.value_and_grad(neuron, params, np.array([[2.0]]), np.array([1.0]), grads)
    >>> print(f"{loss:.3g} {grads[0]:.4g} {grads[1]:.4g}")
    8.3e-07 -3.317e-06 -1.659e-06
    >>> neuron
    Neuron(n_features=1, activation='sigmoid', loss='mse')
    """

    n_features: int
    activation: str | int = "sigmoid"  # held as the positions in ACTIVATIONS and LOSSES
    loss: str | int = "mse"


_TILE = np.uint64(TILE)
_SINGLY = np.uint64(2)  # so many rows left over are faster one by one than as a tile


@kernel
def n_params(model):
    return model.n_features + 1


@kernel
def x_columns(model):
    return model.n_features


@kernel
def layout(model):
    d = model.n_features
    return np.array([[0, 1, d], [d, 1, 1]])


def init_params(model, seed, dtype):
    """Weights uniform in ±1/√d, as PyTorch's linear layers begin, and no bias."""
    bound = 1 / math.sqrt(model.n_features)
    weights = np.random.default_rng(seed).uniform(-bound, bound, model.n_features)
    return np.append(weights, 0.0).astype(dtype)


@kernel(inline=True)
def losses_and_deltas_with(activation, loss, b, count, lanes):
    losses = deltas = lanes.dtype.type(0)
    for r in range(count):
        L, delta = loss_and_delta(activation, loss, lanes[Z + r] + b, lanes[TARGET + r])
        weighted_delta = times_weight(delta, lanes[WEIGHT + r])
        lanes[DELTA + r] = weighted_delta
        losses = add_in_any_order(losses, times_weight(L, lanes[WEIGHT + r]))
        deltas = add_in_any_order(deltas, weighted_delta)
    return losses, deltas


@kernel(merge=True)
def losses_and_deltas(model, b, count, lanes):
    """From the products w·x of `count` rows: δ = weight · dL/dz of each, and the sums of weighted losses and of δ."""
    # Each loop is compiled for its own constants: a choice inside of it would compute every activation. They
    # are integers of one type, where Numba would type each literal, and compile all below anew, by itself.
    if model.loss == BINARY_CROSS_ENTROPY:
        return losses_and_deltas_with(np.int64(SIGMOID), np.int64(BINARY_CROSS_ENTROPY), b, count, lanes)
    if model.activation == SIGMOID:
        return losses_and_deltas_with(np.int64(SIGMOID), np.int64(MSE), b, count, lanes)
    if model.activation == TANH:
        return losses_and_deltas_with(np.int64(TANH), np.int64(MSE), b, count, lanes)
    return losses_and_deltas_with(np.int64(IDENTITY), np.int64(MSE), b, count, lanes)


@kernel(inline=True)
def add_loss_and_grad(model, params, X, y, weight, rows, scratch, grads):
    none = borrowed_slice(rows, np.uint64(0), np.uint64(0))
    return add_loss_and_grad_ahead(model, params, X, y, weight, rows, none, scratch, grads)


@kernel(inline=True)
def add_loss_and_grad_ahead(model, params, X, y, weight, rows, ahead, scratch, grads):
    # A group's rows go through the forward half together and then through the backward half: the sigmoids of
    # several tiles fill the time that those of one would spend waiting for their own latencies.
    n_rows, n_features = np.uint64(rows.size), np.uint64(model.n_features)
    weighted, in_order, row_bytes = weight.strides[0] != 0, follow_one_another(rows), np.uint64(X.strides[0])
    last_rows, places, lanes, sums = scratch.rows, scratch.places, scratch.lanes, scratch.vectors
    group = np.uint64(places.size)
    distance = distance_ahead(rows, ahead) * row_bytes
    b = params[n_features]
    loss, db = params.dtype.type(0), params.dtype.type(0)
    first = np.uint64(0)
    while first + _SINGLY < n_rows:
        count = min(group, n_rows - first)
        rest = count % _TILE
        together = in_order and count > rest  # whole tiles of rows that follow one another
        if rest <= _SINGLY or together:
            count -= rest
            rest = np.uint64(0)
        padded = (count + _TILE - np.uint64(1)) // _TILE * _TILE
        row = np.uint64(rows[first])
        place = place_of_row(X, row)
        later = borrowed_slice(scratch.later, np.uint64(0), np.uint64(scratch.later.size if ahead.size else 0))
        if together:
            for r in range(count):
                lanes[TARGET + r] = y[row + r]
        else:
            for r in range(count):
                lanes[TARGET + r] = y[rows[first + r]]
            locate_group(X, rows, first, count, last_rows, places)
            if ahead.size:
                locate_group(X, ahead, first, count, last_rows, later)
        if weighted:
            for r in range(count):
                lanes[WEIGHT + r] = weight[rows[first + r]]
        if rest:
            for r in range(count, padded):
                lanes[WEIGHT + r] = 0
        if together:
            for t in range(np.uint64(0), padded, _TILE):
                dot_rows(X, place + t * row_bytes, t, params, lanes, distance)
        else:
            for t in range(np.uint64(0), padded, _TILE):
                dot_rows(X, places, t, params, lanes, later)
        losses, deltas = losses_and_deltas(model, b, padded, lanes)
        if together:
            for t in range(np.uint64(0), padded, _TILE):
                add_weighted_rows(X, place + t * row_bytes, t, lanes, DELTA + t, sums, distance)
        else:
            for t in range(np.uint64(0), padded, _TILE):
                add_weighted_rows(X, places, t, lanes, DELTA + t, sums, later)
        loss += losses
        db += deltas
        if weighted or rest:
            for r in range(padded):
                lanes[WEIGHT + r] = 1
        first += count
    while first < n_rows:
        row = np.uint64(rows[first])
        L, delta = loss_and_delta(model.activation, model.loss, dot_row(X, row, params) + b, y[row])
        delta = times_weight(delta, weight[row])
        loss += times_weight(L, weight[row])
        db += delta
        add_weighted_row(X, row, delta, sums)
        if ahead.size:
            prefetch_rows(X, ahead, first, np.uint64(1))
        first += np.uint64(1)
    move_sums(sums, n_features, grads)
    grads[n_features] += db
    return loss


@kernel(inline=True)
def write_outputs(activation, params, X, a):
    """a[i] = f(w·x_i + b)."""
    n_rows, n_features = np.uint64(X.shape[0]), np.uint64(X.shape[1])
    last_rows, places, z = np.empty(TILE, np.uint32), np.empty(GROUP, np.uint64), np.empty(GROUP, params.dtype)
    none, distance = borrowed_slice(places, np.uint64(0), np.uint64(0)), np.uint64(rows_ahead(X) * X.strides[0])
    b = params[n_features]
    for first in range(np.uint64(0), n_rows, np.uint64(GROUP)):
        count = min(np.uint64(GROUP), n_rows - first)
        rest = count % _TILE
        for t in range(np.uint64(0), count - rest, _TILE):
            dot_rows_alone(X, place_of_row(X, first + t), t, params, z, distance)
        if rest:
            for r in range(_TILE):
                last_rows[r] = min(first + count - rest + r, n_rows - np.uint64(1))
            locate_rows(X, last_rows, np.uint64(0), places, count - rest)
            dot_rows_alone(X, places, count - rest, params, z, none)
        for r in range(count):
            a[first + r] = activate(activation, z[r] + b)


@kernel
def predict(model, params, X):
    a = np.empty(X.shape[0], params.dtype)
    write_outputs(model.activation, params, X, a)
    return a


@kernel
def forward(params, X, a):
    """Run the forward pass of a sigmoid neuron over rows: a_i = σ(w·x_i + b).

    Parameters
    ----------
    params : ndarray of shape (d + 1,)
        w and b, float32 or float64, as all the others.
    X : ndarray of shape (n, d)
        Rows, C-ordered.
    a : ndarray of shape (n,)
        Written.

    Examples
    --------
    >>> import numpy as np
    >>> from fastgd.models.neuron import forward
    >>> a = np.empty(1)
    >>> forward(np.array([3.0, 1.0]), np.array([[2.0]]), a)
    >>> print(a.round(6))
    [0.999089]
    """
    if params.size != X.shape[1] + 1:
        raise ValueError("forward: params must have a number for each column of X, and the bias")
    if a.size != X.shape[0]:
        raise ValueError("forward: a must have an element for each row of X")
    write_outputs(SIGMOID, params, X, a)


@kernel
def backward(X, y, a, grads):
    """Run the backward pass of a sigmoid neuron under mean squared error: the gradient of mean((a - y)²).

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Rows, C-ordered.
    y : ndarray of shape (n,)
        Targets.
    a : ndarray of shape (n,)
        The outputs that `forward` wrote.
    grads : ndarray of shape (d + 1,)
        Written: dL/dw_1 ... dL/dw_d, dL/db.

    Examples
    --------
    >>> import numpy as np
    >>> from fastgd.models.neuron import backward
    >>> grads = np.empty(2)
    >>> backward(np.array([[2.0]]), np.array([1.0]), np.array([0.5]), grads)
    >>> grads  # 2(a - y) · a(1 - a) = -0.25, times x and 1
    array([-0.5 , -0.25])
    """
    if y.size != X.shape[0] or a.size != X.shape[0] or X.shape[0] == 0:
        raise ValueError("backward: y and a must have an element for each row of X, of one or more")
    if grads.size != X.shape[1] + 1:
        raise ValueError("backward: grads must have a number for each column of X, and the bias")
    # Sums over a block of rows stay in the data's dtype, sums of blocks in float64: no digits lost over millions.
    n_rows, n_features = np.uint64(X.shape[0]), np.uint64(X.shape[1])
    totals = np.zeros(grads.size)
    for start in range(np.uint64(0), n_rows, np.uint64(_BACKWARD_BLOCK)):
        grads[:] = 0
        for i in range(start, min(start + np.uint64(_BACKWARD_BLOCK), n_rows)):
            _, dL_da = squared_error(a[i], y[i])
            delta = dL_da * derivative(SIGMOID, a[i])
            add_weighted_row(X, i, delta, grads)
            grads[n_features] += delta
        for j in range(grads.size):
            totals[j] += grads[j]
    for j in range(grads.size):
        grads[j] = totals[j] / X.shape[0]


_BACKWARD_BLOCK = 1024


def check(model, X=None, y=None):
    """Raise ValueError where the loss does not go with the activation, or the data do not suit the neuron."""
    if model.loss == BINARY_CROSS_ENTROPY and model.activation != SIGMOID:
        activation = ACTIVATIONS[model.activation]
        raise ValueError(f"Neuron: loss 'binary_cross_entropy' needs activation 'sigmoid', got {activation!r}")
    if y is not None and y.ndim != 1:
        raise ValueError(f"y must be a 1-D array, a target a row, got shape {y.shape}")
    if y is not None and model.loss == BINARY_CROSS_ENTROPY and not (y.min() >= 0 and y.max() <= 1):
        raise ValueError(
            f"y must lie in [0, 1] for loss 'binary_cross_entropy', got values from {y.min():g} to {y.max():g}"
        )


register_model(
    Neuron,
    n_params=n_params,
    init_params=init_params,
    scratch=scratch,
    add_loss_and_grad=add_loss_and_grad,
    predict=predict,
    layout=layout,
    add_loss_and_grad_ahead=add_loss_and_grad_ahead,
    x_columns=x_columns,
    check=check,
    descend_rows=descend_rows,
    scratch_of_many=scratch_of_many,
    add_losses_and_grads_of_many=add_losses_and_grads_of_many,
    n_features=count,
    activation=ACTIVATIONS,
    loss=LOSSES,
)
