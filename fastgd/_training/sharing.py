"""Batches whose blocks are summed by several threads, which wait for the next batch in compiled code.

A batch is tens of microseconds of work, and so is waking a thread. So helpers are called once a chunk, and look out for
block after block without sleeping, as OpenMP's threads do. Who leads sums what no helper has taken: where there is no
processor to be had for one, nothing waits for it but a block that it has begun.
"""

from typing import NamedTuple

import numpy as np

from fastgd._arrays.ahead import rows_ahead
from fastgd._arrays.pieces import count_one, share, shared
from fastgd._arrays.views import borrowed, borrowed_row, repeated
from fastgd._jit import kernel
from fastgd.gradients import add_rows, sum_of_weights
from fastgd.verbs import make_scratch

# The board that all look at: the number of blocks to be summed and the next of them in one number; how many are summed;
# whether a helper failed; whether helpers are to go home. Each in a cache line of its own.
NEXT, FINISHED, FAILED, DISMISSED, BOARD = range(0, 40, 8)
LOW, HIGH = NEXT + 1, NEXT + 2  # the rows that are summed, by their places in the order
_HALF, _LOWER = np.uint64(32), np.uint64((1 << 32) - 1)
_MOST_BLOCKS = 64  # that are shared out at once,
_MOST_SUMS = 1 << 20  # of so many numbers together
_LINE = 16  # numbers between the sums of two blocks: no cache line has two owners


class Sharing(NamedTuple):
    """What the threads of one run share beside its data and parameters."""

    board: np.ndarray  # uint64
    grads: np.ndarray  # (blocks, n_params or more): the sums of each block's gradients
    losses: np.ndarray  # (blocks, 2 or more) float64: of its losses and its weights
    threads: int


def make_sharing(params, blocks, threads):
    """Make what so many threads share, of batches of so many blocks."""
    blocks = min(blocks, max(threads, min(_MOST_BLOCKS, _MOST_SUMS // params.size)))
    return Sharing(
        np.zeros(BOARD, np.uint64),
        np.zeros((blocks, params.size + _LINE), params.dtype),
        np.zeros((blocks, _LINE)),
        min(threads, blocks),
    )


@kernel(merge=True)
def sum_blocks_there_are(model, params, X, y, weight, order, block, ahead, scratch, sharing, helps):
    """Take blocks that are still to be summed, one after the other, until none is left; return how many.

    Whether this thread helps, and tells who leads of each.
    """
    board = sharing.board
    if ahead > 0:
        ahead = sharing.threads * block  # what lies between is for others
    n_taken = np.uint64(0)
    while True:
        waiting = shared(board, NEXT)
        if waiting & _LOWER >= waiting >> _HALF:
            return n_taken
        taken = count_one(board, NEXT)  # perhaps of other rows than those that were waiting
        k = taken & _LOWER
        if k >= taken >> _HALF:
            return n_taken
        start = np.int64(board[LOW] + k * np.uint64(block))
        stop = min(start + block, np.int64(board[HIGH]))
        sums = borrowed_row(sharing.grads, k)[: params.size]
        sums[:] = 0
        sharing.losses[k, 0] = add_rows(model, params, X, y, weight, order, start, stop, ahead, scratch, sums)
        sharing.losses[k, 1] = sum_of_weights(weight, order, start, stop)
        n_taken += np.uint64(1)
        if helps:
            count_one(board, FINISHED)


@kernel
def help_along(model, params, data, block, sharing):
    """Sum blocks as they come, until dismissed."""
    X, y, order, params = borrowed(data.X), borrowed(data.y), borrowed(data.order), borrowed(params)
    weight, ahead = repeated(data.weight, X.shape[0]), rows_ahead(X)
    scratch = make_scratch(model, params)
    while not shared(sharing.board, DISMISSED):
        sum_blocks_there_are(model, params, X, y, weight, order, block, ahead, scratch, sharing, True)


@kernel(merge=True)
def sum_together(model, params, X, y, weight, order, low, high, block, ahead, scratch, sharing, totals, sums):
    """Add the sums over order[low:high] to totals, loss and weight to sums[:2], in the order of the blocks.

    Returns whether no helper failed.
    """
    board = sharing.board
    n_blocks = np.uint64((high - low + block - 1) // block)
    board[LOW], board[HIGH] = low, high
    finished = shared(board, FINISHED)
    share(board, NEXT, n_blocks << _HALF)
    own = sum_blocks_there_are(model, params, X, y, weight, order, block, ahead, scratch, sharing, False)
    while shared(board, FINISHED) - finished < n_blocks - own:
        if shared(board, FAILED):
            return False
    for k in range(n_blocks):
        for j in range(totals.size):
            totals[j] += sharing.grads[k, j]
        sums[0] += sharing.losses[k, 0]
        sums[1] += sharing.losses[k, 1]
    return True
