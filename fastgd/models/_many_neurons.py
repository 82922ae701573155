"""Many neurons side by side, each row of data serving all of them: losses and gradients for `sweep`."""

from typing import NamedTuple

import numpy as np

from fastgd._arrays.lanes import add_up_rows, add_weighted_rows_of_many, dot_rows_with_many
from fastgd._jit import kernel
from fastgd._simd import TILE
from fastgd.activations import IDENTITY, SIGMOID, TANH
from fastgd.losses import BINARY_CROSS_ENTROPY, MSE
from fastgd.models._output import loss_and_delta, times_weight
from fastgd.models._tiles import locate_group

GROUP = 64  # rows whose forward halves are done before the first backward half
_TILE = np.uint64(TILE)


class ManyScratch(NamedTuple):
    """What a group of rows needs between its forward and its backward half for many neurons side by side."""

    rows: np.ndarray  # uint32 (TILE,): the last rows, the final one repeated to fill a tile
    places: np.ndarray  # uint64 (GROUP,): where the rows are in memory
    numbers: np.ndarray  # ((GROUP + 1) * models,): a row of z, then dL/dz, for each row of X; and a row of losses
    matrix: np.ndarray  # (GROUP + 1, models): the same


@kernel
def scratch_of_many(model, W):
    numbers = np.zeros((GROUP + 1) * W.shape[1], W.dtype)
    return ManyScratch(
        np.zeros(TILE, np.uint32), np.zeros(GROUP, np.uint64), numbers, numbers.reshape(GROUP + 1, W.shape[1])
    )


@kernel(inline=True)
def many_losses_and_deltas_with(activation, loss, y, weight, rows, first, count, n_models, numbers):
    # TILE at a time, which LLVM makes vectors of without a rest; 32 at a time took twice as long.
    weighted = weight.strides[0] != 0
    losses = np.uint64(GROUP) * n_models
    for r in range(count):
        row = np.uint64(rows[first + r])
        target = y[row]
        for k in range(np.uint64(0), n_models, _TILE):
            place, loss_place = r * n_models + k, losses + k
            if weighted:
                row_weight = weight[row]
                for lane in range(_TILE):
                    L, delta = loss_and_delta(activation, loss, numbers[place + lane], target)
                    numbers[place + lane] = times_weight(delta, row_weight)
                    numbers[loss_place + lane] += times_weight(L, row_weight)
            else:
                for lane in range(_TILE):
                    L, delta = loss_and_delta(activation, loss, numbers[place + lane], target)
                    numbers[place + lane] = delta
                    numbers[loss_place + lane] += L


@kernel(merge=True)
def many_losses_and_deltas(model, y, weight, rows, first, count, n_models, numbers):
    """From z of `count` rows with each model: δ = weight · dL/dz in its place, and losses added up by model."""
    if model.loss == BINARY_CROSS_ENTROPY:
        many_losses_and_deltas_with(
            np.int64(SIGMOID), np.int64(BINARY_CROSS_ENTROPY), y, weight, rows, first, count, n_models, numbers
        )
    elif model.activation == SIGMOID:
        many_losses_and_deltas_with(np.int64(SIGMOID), np.int64(MSE), y, weight, rows, first, count, n_models, numbers)
    elif model.activation == TANH:
        many_losses_and_deltas_with(np.int64(TANH), np.int64(MSE), y, weight, rows, first, count, n_models, numbers)
    else:
        many_losses_and_deltas_with(np.int64(IDENTITY), np.int64(MSE), y, weight, rows, first, count, n_models, numbers)


@kernel(inline=True)
def add_losses_and_grads_of_many(model, W, X, y, weight, rows, scratch, losses, G):
    n_rows, n_features, n_models = np.uint64(rows.size), np.uint64(model.n_features), np.uint64(W.shape[1])
    last_rows, places, numbers, matrix = scratch
    for first in range(np.uint64(0), n_rows, np.uint64(GROUP)):
        count = min(np.uint64(GROUP), n_rows - first)
        locate_group(X, rows, first, count, last_rows, places)
        for t in range(np.uint64(0), count, _TILE):
            dot_rows_with_many(X, places, t, W, matrix)
        many_losses_and_deltas(model, y, weight, rows, first, count, n_models, numbers)
        add_weighted_rows_of_many(X, places, count, matrix, G)
        add_up_rows(matrix, count, G, n_features)
    for k in range(n_models):
        losses[k] += numbers[np.uint64(GROUP) * n_models + k]
        numbers[np.uint64(GROUP) * n_models + k] = 0
