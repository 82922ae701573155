"""One neuron: a = f(w·x + b) and its loss, forward and backward in one pass over the rows."""

import math
from typing import NamedTuple

import numpy as np

from fastgd._ahead import distance_ahead, rows_ahead
from fastgd._check import Range
from fastgd._jit import kernel
from fastgd._registry import register_model
from fastgd._rows import (
    add_weighted_row,
    add_weighted_rows,
    dot_row,
    dot_rows,
    dot_rows_alone,
    place_of_row,
    prefetch_rows,
    step_and_look_ahead,
)
from fastgd._simd import TILE
from fastgd._views import borrowed_slice
from fastgd.activations import ACTIVATIONS, IDENTITY, SIGMOID, TANH, activate, derivative
from fastgd.losses import BINARY_CROSS_ENTROPY, LOSSES, MSE, cross_entropy_from_logit, squared_error
from fastgd.models._many_neurons import add_losses_and_grads_of_many, scratch_of_many
from fastgd.models._output import delta_of_row, loss_and_delta, times_weight
from fastgd.models._tiles import locate_group


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


class NeuronScratch(NamedTuple):
    """What a group of rows needs between its forward and its backward half."""

    rows: np.ndarray  # uint32 (TILE,): the last rows, the final one repeated to fill a tile
    places: np.ndarray  # uint64 (GROUP,): where the rows are in memory,
    later: np.ndarray  # and those that are asked for meanwhile
    vectors: np.ndarray  # (d + 1 + TILE,), whole vectors: sums of gradients, 0 between calls; w, while descending rows
    lanes: np.ndarray  # (7 * SINGLES,): the parts below, in one array, so that LLVM sees that they do not overlap


GROUP = 4 * TILE  # rows whose forward halves are done before the first backward half
SINGLES = 8 * TILE  # rows that are descended one by one in a call: what comes before and after them takes 0.3 µs
# Of a row: w·x, target, weight, dL/dz, loss; while rows are descended, also |(x, 1)|² and (x, 1)·(x', 1) with the next.
# Unsigned, as the rows that are added to them: an index that might be negative is looked at, and its loop gathers.
Z, TARGET, WEIGHT, DELTA, LOSS, SQUARE, PRODUCT = map(np.uint64, range(0, 7 * SINGLES, SINGLES))
RATE = Z
_TILE = np.uint64(TILE)
_GROUP_NUMBERS = 3 << 11  # of X in a group at most, so that the backward half finds the rows in the nearest cache
_TOTALS = np.uint64(5)  # what single rows add up to; where there is more room, their losses come after
_SINGLY = np.uint64(2)  # so many rows left over are faster one by one than as a tile


@kernel
def n_params(model):
    return model.n_features + 1


@kernel
def x_columns(model):
    return model.n_features


@kernel
def scratch(model, params):
    lanes = np.empty(7 * SINGLES, params.dtype)
    lanes[TARGET:DELTA] = 1  # rows that fill a tile have some target; weights stay 1 but for a group with others
    return NeuronScratch(
        np.zeros(TILE, np.uint32),
        np.zeros(GROUP, np.uint64),
        np.zeros(GROUP, np.uint64),
        np.zeros(params.size + TILE, params.dtype),
        lanes,
    )


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
    for r in range(count):
        L, delta = loss_and_delta(activation, loss, lanes[Z + r] + b, lanes[TARGET + r])
        lanes[DELTA + r] = times_weight(delta, lanes[WEIGHT + r])
        lanes[LOSS + r] = times_weight(L, lanes[WEIGHT + r])


@kernel(merge=True)
def losses_and_deltas(model, b, count, lanes):
    """From the products w·x of `count` rows: their weighted losses, and δ = weight · dL/dz."""
    # Each loop is compiled for its own constants: a choice inside of it would compute every activation. They
    # are integers of one type, where Numba would type each literal, and compile all below anew, by itself.
    if model.loss == BINARY_CROSS_ENTROPY:
        losses_and_deltas_with(np.int64(SIGMOID), np.int64(BINARY_CROSS_ENTROPY), b, count, lanes)
    elif model.activation == SIGMOID:
        losses_and_deltas_with(np.int64(SIGMOID), np.int64(MSE), b, count, lanes)
    elif model.activation == TANH:
        losses_and_deltas_with(np.int64(TANH), np.int64(MSE), b, count, lanes)
    else:
        losses_and_deltas_with(np.int64(IDENTITY), np.int64(MSE), b, count, lanes)


@kernel(inline=True, reassoc=True)
def sum_of_lanes(lanes, start, count):
    total = lanes.dtype.type(0)
    for r in range(count):
        total += lanes[start + r]
    return total


@kernel(inline=True, reassoc=True)
def norms_and_cosines(lanes, count):
    """Sums over single rows' gradients δ·(x, 1): of norms, of cosines between successive ones, of pairs of these.

    What is in SQUARE becomes its root.
    """
    zero, one = lanes.dtype.type(0), np.uint64(1)
    norms, cosines, pairs = zero, zero, zero
    for r in range(count):
        lanes[SQUARE + r] = np.sqrt(lanes[SQUARE + r])
        norms += abs(lanes[DELTA + r]) * lanes[SQUARE + r]
    for r in range(one, count):
        delta, before = lanes[DELTA + r], lanes[DELTA + r - one]
        cosine = lanes[PRODUCT + r - one] / (lanes[SQUARE + r] * lanes[SQUARE + r - one])
        pair = (delta != zero) & (before != zero)
        cosines += (cosine if (delta > zero) == (before > zero) else -cosine) if pair else zero
        pairs += pair
    return norms, cosines, pairs


@kernel(inline=True)
def add_loss_and_grad(model, params, X, y, weight, rows, scratch, grads):
    none = borrowed_slice(rows, np.uint64(0), np.uint64(0))
    return add_loss_and_grad_ahead(model, params, X, y, weight, rows, none, scratch, grads)


@kernel(inline=True)
def add_loss_and_grad_ahead(model, params, X, y, weight, rows, ahead, scratch, grads):
    # A group's rows go through the forward half together and then through the backward half: the sigmoids of
    # several tiles fill the time that those of one would spend waiting for their own latencies.
    n_rows, n_features = np.uint64(rows.size), np.uint64(model.n_features)
    group = max(_TILE, min(np.uint64(GROUP), np.uint64(_GROUP_NUMBERS) // n_features // _TILE * _TILE))
    weighted = weight.strides[0] != 0
    last_rows, places, lanes, sums = scratch.rows, scratch.places, scratch.lanes, scratch.vectors
    distance = distance_ahead(X, rows, ahead)
    scattered = ahead.size > 0 and distance == 0
    later = borrowed_slice(scratch.later, np.uint64(0), np.uint64(scratch.later.size if scattered else 0))
    b = params[n_features]
    loss, db = params.dtype.type(0), params.dtype.type(0)
    first = np.uint64(0)
    while first + _SINGLY < n_rows:
        count = min(group, n_rows - first)
        rest = count % _TILE
        if rest <= _SINGLY:
            count -= rest
            rest = np.uint64(0)
        padded = (count + _TILE - np.uint64(1)) // _TILE * _TILE
        for r in range(count):
            lanes[TARGET + r] = y[rows[first + r]]
        if weighted:
            for r in range(count):
                lanes[WEIGHT + r] = weight[rows[first + r]]
        locate_group(X, rows, first, count, last_rows, places)
        if scattered:
            locate_group(X, ahead, first, count, last_rows, later)
        if rest:
            for r in range(count, padded):
                lanes[WEIGHT + r] = 0
        for t in range(np.uint64(0), padded, _TILE):
            dot_rows(X, places, t, params, lanes, distance, later)
        losses_and_deltas(model, b, padded, lanes)
        for t in range(np.uint64(0), padded, _TILE):
            add_weighted_rows(X, places, t, lanes, DELTA + t, sums, distance, later)
        loss += sum_of_lanes(lanes, LOSS, count)
        db += sum_of_lanes(lanes, DELTA, count)
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
    for j in range(n_features):
        grads[j] += sums[j]
        sums[j] = 0
    grads[n_features] += db
    return loss


@kernel(inline=True)
def descend_rows(model, rates, params, X, y, rows, ahead, scratch, previous, totals):
    # θ ← θ - lr·δ·(x, 1), row by row. Done as it stands, each product w·x waits for the stores of the update before it
    # and for the sum of its lanes, some fifty cycles. But w·x'' after two steps is w·x'' before them, less each step's
    # lr·δ times (x'', 1)·(x, 1). All of that is there two rows early but the last δ, and what a row waits for is its
    # own sigmoid and three operations. Looking one row ahead took 17 ns a row of 30 float32 with the identity, 33
    # with cross-entropy and the sigmoid made for vectors; two, and the quick one, 13 and 20 (float64: 41 and 28).
    # Losses, norms and cosines, for which no step waits, are left for the end, where vectors do them.
    T, none, nowhere, one = params.dtype.type, params.dtype.type(0), np.uint64(0), np.uint64(1)
    n_features, n_rows = np.uint64(model.n_features), min(np.uint64(rows.size), np.uint64(SINGLES))
    w, lanes, b = scratch.vectors, scratch.lanes, params[n_features]
    for j in range(n_features):
        w[j] = params[j]
    for j in range(n_features, np.uint64(w.size)):
        w[j] = 0  # a sum that was not finite may have left NaN there
    if rates.size == 1:
        for r in range(n_rows):
            lanes[RATE + r] = -T(rates[0])
    else:
        for r in range(n_rows):
            lanes[RATE + r] = -T(rates[r])
    row, last = np.uint64(rows[0]), n_rows - one
    along_previous = np.float64(dot_row(X, row, previous) + previous[n_features])  # of the last gradient and (x, 1)
    following = np.uint64(rows[min(one, last)])
    place, place_following = place_of_row(X, row), place_of_row(X, following)
    z, _, _, square = step_and_look_ahead(X, place, place, place, nowhere, none, w)
    w_x, product, _, square_following = step_and_look_ahead(X, place, place, place_following, nowhere, none, w)
    z, z_following = z + b, w_x + b
    delta, k, asked = none, np.uint64(0), np.uint64(ahead.size)
    while k < n_rows:
        target = y[row]
        dL_dz, loss = delta_of_row(model.activation, model.loss, z, target)
        # z too: of a saturated sigmoid the loss stays finite when w does not. And |δ|·|(x, 1)|²: the gradient's length,
        # and the products that steps are looked ahead by, must not overflow either.
        if not abs(loss) + abs(z) + abs(dL_dz) * square < np.inf:
            break
        delta = dL_dz
        lanes[TARGET + k], lanes[DELTA + k], lanes[LOSS + k] = target, delta, loss
        lanes[SQUARE + k], lanes[PRODUCT + k] = square, product
        rate = lanes[RATE + k]
        step, rate_product = rate * delta, rate * product  # the next row waits for δ: one product less in its way
        later = place_of_row(X, np.uint64(ahead[k])) if k < asked else nowhere
        k += one
        row, after = following, np.uint64(rows[min(k + one, last)])
        place_after = place_of_row(X, after)
        w_x, along_row, along_following, square_after = step_and_look_ahead(
            X, place, place_following, place_after, later, step, w
        )
        z, z_following = z_following + rate_product * delta, (w_x + b) + step * along_row
        b += step
        following, place, place_following = after, place_following, place_after
        product, square, square_following = along_following, square_following, square_after
    if k > 0:
        row = np.uint64(rows[k - one])
        for j in range(n_features):
            params[j] = w[j]
            previous[j] = delta * X[row, j]
        params[n_features], previous[n_features] = b, delta
        if model.loss == BINARY_CROSS_ENTROPY:
            for r in range(k):
                lanes[LOSS + r], _ = cross_entropy_from_logit(lanes[LOSS + r], none, lanes[TARGET + r])
        norms, cosines, pairs = norms_and_cosines(lanes, k)
        totals[0] += sum_of_lanes(lanes, LOSS, k)
        if np.uint64(totals.size) > _TOTALS:
            for r in range(k):
                totals[_TOTALS + r] = lanes[LOSS + r]
        totals[1] += norms
        totals[2] += cosines
        totals[3] += pairs
        if lanes[DELTA] != 0 and totals[4] > 0:
            cosine = along_previous / totals[4] / lanes[SQUARE]
            totals[2] += cosine if lanes[DELTA] > 0 else -cosine
            totals[3] += 1
        totals[4] = abs(delta) * lanes[SQUARE + k - one]
    for j in range(n_features):
        w[j] = 0
    return np.int64(k)


@kernel(inline=True)
def write_outputs(activation, params, X, a):
    """a[i] = f(w·x_i + b)."""
    n_rows, n_features = np.uint64(X.shape[0]), np.uint64(X.shape[1])
    rows, last_rows, z = np.empty(GROUP, np.uint32), np.empty(TILE, np.uint32), np.empty(GROUP, params.dtype)
    places, b = np.empty(GROUP, np.uint64), params[n_features]
    none, distance = borrowed_slice(places, np.uint64(0), np.uint64(0)), np.uint64(rows_ahead(X) * X.strides[0])
    for first in range(np.uint64(0), n_rows, np.uint64(GROUP)):
        count = min(np.uint64(GROUP), n_rows - first)
        for r in range(count):
            rows[r] = first + r
        locate_group(X, rows, np.uint64(0), count, last_rows, places)
        for t in range(np.uint64(0), count, _TILE):
            dot_rows_alone(X, places, t, params, z, distance, none)
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
    n_features=Range("an integer, 1 or larger", lambda v: v >= 1),
    activation=ACTIVATIONS,
    loss=LOSSES,
)
