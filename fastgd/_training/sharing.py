"""Batches whose blocks are summed by several threads, which wait for the next batch in compiled code.

A batch is tens of microseconds of work, and so is waking a thread. So helpers, once called, look out for block after
block without sleeping, as OpenMP's threads do, and go home when there has been none for some milliseconds. A processor
may be there for them only now and then: who leads sums the blocks that nobody has taken, and in the end those that a
helper has taken and is late with. Each thread has room of its own for its sums, so that what a late helper still writes
harms nobody, and nobody ever waits for one to come or to go.
"""

import functools
from typing import NamedTuple

import numpy as np

from fastgd._arrays.ahead import rows_ahead
from fastgd._arrays.pieces import count_one, replace, share, shared
from fastgd._arrays.views import borrowed, borrowed_row, repeated
from fastgd._jit import kernel
from fastgd._runtime.threads import give_way, start_aside
from fastgd.gradients import sum_block
from fastgd.verbs import make_scratch

# The board that all look at: what is to be summed; how many batches there were. Each in a cache line of its own.
NEXT, BATCHES, BOARD = range(0, 24, 8)
# NEXT is one number, so that who takes a block knows all about it: from the lowest bits the next block and how many
# there are, in 8 bits each, the batch in 16, and the first row in 32. With a thread in the place of the block it says
# whose sums of a block count; until these are there, nobody's.
_COUNT, _BATCH, _ROW = np.uint64(8), np.uint64(16), np.uint64(32)
_BYTE, _WORD, NOBODY = np.uint64(0xFF), np.uint64(0xFFFF), np.uint64(0xFF)
_MOST_BLOCKS, _MOST_THREADS = 64, 64  # in 8 bits both: each helper may count one too many
_MOST_SUMS = 1 << 20  # numbers in the sums of a thread
_LINE, _APART = 16, np.uint64(8)  # numbers that lie between those of two blocks: no cache line has two owners
_PATIENCE = 1 << 14  # looks at a block that is late, some 20 µs, and more by one for so many numbers of X,
_NUMBERS_A_LOOK = 8  # which take about as long
# Looks at the board, after which a helper lets others have its processor at each (who leads may wait for one), and
# after which it goes home, some 2 ms later.
_IDLE, _LEAVES = 1 << 12, 1 << 13


class Sharing(NamedTuple):
    """What the threads of one run share beside its data and parameters."""

    board: np.ndarray  # uint64
    whose: np.ndarray  # uint64, in places 8 apart: whose sums of a block count
    grads: np.ndarray  # (threads, blocks, n_params or more): the sums of each block's gradients
    losses: np.ndarray  # (threads, blocks, 2 or more) float64: of its losses and its weights


def make_sharing(params, blocks, threads):
    """Make what at most so many threads share, of batches of so many blocks."""
    threads = min(threads, blocks, _MOST_THREADS)
    blocks = min(blocks, max(threads, min(_MOST_BLOCKS, _MOST_SUMS // params.size)))
    return Sharing(
        np.zeros(BOARD, np.uint64),
        np.zeros(blocks * int(_APART), np.uint64),
        np.zeros((threads, blocks, params.size + _LINE), params.dtype),
        np.zeros((threads, blocks, _LINE)),
    )


@kernel
def help_along(model, params, data, block, sharing, me, patience):
    """Sum blocks as they come, as thread `me` of 1, 2, ..., until there was none for so many looks."""
    X, y, order, params = borrowed(data.X), borrowed(data.y), borrowed(data.order), borrowed(params)
    weight, ahead = repeated(data.weight, X.shape[0]), rows_ahead(X)
    scratch = make_scratch(model, params)
    board, whose, grads, losses = borrowed(sharing)
    own_grads, own_losses = borrowed_row(grads, np.uint64(me)), borrowed_row(losses, np.uint64(me))
    if ahead > 0:
        ahead = grads.shape[0] * block  # what lies between is for others
    idle = 0
    while idle < patience:
        waiting = shared(board, NEXT)
        if waiting & _BYTE >= (waiting >> _COUNT) & _BYTE:
            idle += 1
            if idle > _IDLE:
                give_way()
            continue
        idle = 0
        taken = count_one(board, NEXT)  # perhaps of another batch than the one that was waiting
        k = taken & _BYTE
        if k >= (taken >> _COUNT) & _BYTE:
            continue
        start = np.int64((taken >> _ROW) + k * np.uint64(block))
        sum_block(model, params, X, y, weight, order, start, start + block, ahead, scratch, own_grads, own_losses, k)
        batch = taken ^ k
        replace(whose, k * _APART, batch | NOBODY, batch | np.uint64(me))


@kernel(merge=True)
def sum_together(model, params, X, y, weight, order, low, high, block, ahead, scratch, sharing, totals, sums):
    """Add the sums over order[low:high] to totals, loss and weight to sums[:2], in the order of the blocks."""
    board, whose, grads, losses = borrowed(sharing)
    last = np.uint64((high - low - 1) // block)  # a block that is not shared: it may be shorter
    board[BATCHES] += np.uint64(1)
    batch = (np.uint64(low) << _ROW) | ((board[BATCHES] & _WORD) << _BATCH) | (last << _COUNT)
    for k in range(last):
        whose[k * _APART] = batch | NOBODY
    whose[last * _APART] = batch
    share(board, NEXT, batch)
    if ahead > 0:
        ahead = grads.shape[0] * block
    looks = _PATIENCE + block * X.shape[1] // _NUMBERS_A_LOOK
    own_grads, own_losses = borrowed_row(grads, np.uint64(0)), borrowed_row(losses, np.uint64(0))
    k, late, open_block = last, False, np.uint64(0)
    while k <= last:
        start = np.int64(np.uint64(low) + k * np.uint64(block))
        stop = min(start + block, high)
        sum_block(model, params, X, y, weight, order, start, stop, ahead, scratch, own_grads, own_losses, k)
        if late:
            replace(whose, k * _APART, batch | NOBODY, batch)
        else:
            whose[k * _APART] = batch
        # The next one that is not taken; if there is none, one that a helper is late with.
        k = last
        if not late and shared(board, NEXT) & _BYTE < last:
            k = count_one(board, NEXT) & _BYTE
        if k >= last:
            k = last + np.uint64(1)
            while open_block < last and k > last:
                if shared(whose, open_block * _APART) & _BYTE != NOBODY:
                    open_block += np.uint64(1)
                elif looks > 0:
                    looks -= 1
                else:
                    k, late = open_block, True
    for k in range(last + np.uint64(1)):
        who = whose[k * _APART] & _BYTE
        for j in range(totals.size):
            totals[j] += grads[who, k, j]
        sums[0] += losses[who, k, 0]
        sums[1] += losses[who, k, 1]


class Helpers:
    """The helpers of one run, who are called when they are needed."""

    def __init__(self, model, params, data, block, sharing):
        self._help_along = functools.partial(help_along, model, params, data, block, sharing)
        self._help_along(1, 0)  # for compiling, in this thread
        self._there = [False] * (sharing.grads.shape[0] - 1)

    def call(self):
        """Call those who have gone home, or failed: their block is done again by who leads, who may fail at it too."""
        for k, is_there in enumerate(self._there):
            if not is_there:
                self._there[k] = True
                if not start_aside(functools.partial(self._help, k)):
                    self._there[k] = False

    def _help(self, k):
        try:
            self._help_along(1 + k, _LEAVES)
        finally:
            self._there[k] = False
