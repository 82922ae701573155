"""What a neuron works in: the places of rows, and a lane for each of a group."""

from typing import NamedTuple

import numpy as np

from fastgd._arrays.row_totals import SINGLE_ROWS
from fastgd._jit import kernel
from fastgd._simd import TILE


class NeuronScratch(NamedTuple):
    """What a group of rows needs between its forward and its backward half."""

    rows: np.ndarray  # uint32 (TILE,): the last rows, the final one repeated to fill a tile
    places: np.ndarray  # uint64, as many as a group has rows: where they are in memory,
    later: np.ndarray  # and those that are asked for meanwhile
    vectors: np.ndarray  # (d + 1 + TILE,), whole vectors: sums of gradients, 0 between calls; w, while descending rows
    lanes: np.ndarray  # (7 * SINGLE_ROWS,): the parts below, in one array, so that LLVM sees that they do not overlap


GROUP = 4 * TILE  # rows whose forward halves are done before the first backward half, at most,
_GROUP_BYTES = 1 << 15  # and bytes of X, so that the backward half finds the rows in the nearest cache
# Of a row: w·x, target, weight, dL/dz; while rows are descended also loss, |(x, 1)|² and (x, 1)·(x', 1) with the next.
# Unsigned, as the rows that are added to them: an index that might be negative is looked at, and its loop gathers.
Z, TARGET, WEIGHT, DELTA, LOSS, SQUARE, PRODUCT = map(np.uint64, range(0, 7 * SINGLE_ROWS, SINGLE_ROWS))
RATE = Z


@kernel
def scratch(model, params):
    group = max(TILE, min(GROUP, _GROUP_BYTES // params.itemsize // model.n_features // TILE * TILE))
    lanes = np.empty(7 * SINGLE_ROWS, params.dtype)
    lanes[TARGET:DELTA] = 1  # rows that fill a tile have some target; weights stay 1 but for a group with others
    return NeuronScratch(
        np.zeros(TILE, np.uint32),
        np.zeros(group, np.uint64),
        np.zeros(group, np.uint64),
        np.zeros(params.size + TILE, params.dtype),
        lanes,
    )


@kernel(inline=True, reassoc=True)
def sum_of_lanes(lanes, start, count):
    total = lanes.dtype.type(0)
    for r in range(count):
        total += lanes[start + r]
    return total
