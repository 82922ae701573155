"""The order in which rows are taken: sequential, shuffled, or shuffled block by block.

An epoch's order follows from the seed and the number of the epoch alone, so that a run can go on anywhere.
"""

import numpy as np

from fastgd._jit import kernel
from fastgd._numbers.random import GOLDEN, mix

ORDERS = ("shuffled", "block-shuffled", "sequential")
SHUFFLED, BLOCK_SHUFFLED, SEQUENTIAL = range(len(ORDERS))


@kernel
def _shuffle(order, low, high, stop, stream):
    """Fisher and Yates' shuffle of order[low:high], from its end down to a size of `stop`.

    A place is `bits · size / 2^32`, rounded down, of 32 random bits; over fewer than 2^32 rows the bias is below
    size / 2^32. One number of the stream serves two places.
    """
    low = np.uint64(low)
    one, mask, half = np.uint64(1), np.uint64(0xFFFFFFFF), np.uint64(32)
    size, stop = np.uint64(high) - low, max(np.uint64(stop), one)
    while size > stop:
        stream += GOLDEN
        bits = mix(stream)
        last, other = low + size - one, low + (((bits & mask) * size) >> half)
        order[last], order[other] = order[other], order[last]
        size -= one
        if size > stop:
            last, other = low + size - one, low + (((bits >> half) * size) >> half)
            order[last], order[other] = order[other], order[last]
            size -= one


@kernel
def fill_order(order, pool, kind, seed, epoch, block, window):
    """Write the order of an epoch's rows.

    Parameters
    ----------
    order : ndarray of uint32, shape (n,)
        Written.
    pool : ndarray of uint32, shape (n,) or (0,)
        The rows to choose from; empty for all, 0 ... n - 1.
    kind : int
        A position in ORDERS.
    seed, epoch : int
        Together they name the order.
    block, window : int
        Of "block-shuffled", in rows: what stays together, and what is shuffled as one (a multiple of the block).
    """
    go_on_filling(order, pool, kind, seed, epoch, block, window, 0, order.size)


@kernel(merge=True)
def go_on_filling(order, pool, kind, seed, epoch, block, window, filled, count):
    """Do a part of what `fill_order` does: after `filled` places, settle so many more; return how many are settled.

    The count must be even. A random order of 10^8 rows takes a second, for which nobody should have to wait. And
    of "block-shuffled" the places not yet settled hold whole blocks, which can be fetched in one go meanwhile.
    """
    n, zero, one = np.uint64(order.size), np.uint64(0), np.uint64(1)
    stream = mix(np.uint64(seed) ^ mix(np.uint64(epoch) + one))
    if kind == BLOCK_SHUFFLED:
        if filled == 0:
            _lay_out_blocks(order, pool, stream, np.uint64(block))
        size, low = np.uint64(window), np.uint64(filled)
        while low < min(np.uint64(filled + count), n):
            _shuffle(order, low, min(low + size, n), one, mix(stream + low))
            low += size
        return min(np.int64(low), order.size)
    if filled == 0:
        for i in range(n):
            order[i] = pool[i] if pool.size else i
    if kind == SEQUENTIAL:
        return order.size
    done = np.uint64(filled)
    stop = n - min(done + np.uint64(count), n)
    _shuffle(order, zero, n - done, stop, stream + done // np.uint64(2) * GOLDEN)
    return min(filled + count, order.size)


@kernel(merge=True)
def _lay_out_blocks(order, pool, stream, block):
    """Write whole blocks of rows in random order."""
    n, zero, one = np.uint64(order.size), np.uint64(0), np.uint64(1)
    n_blocks = (n + block - one) // block
    # The blocks' numbers are shuffled at the end of the order, where each is read before rows are written over it.
    numbers = n - n_blocks
    for b in range(n_blocks):
        order[numbers + b] = b
    _shuffle(order, numbers, n, one, stream)
    place = zero
    for b in range(n_blocks):
        first = np.uint64(order[numbers + b]) * block
        for row in range(first, min(first + block, n)):
            order[place] = pool[row] if pool.size else row
            place += one


@kernel
def split(seed, low, high, held_out, rest, n_held_out):
    """Deal the rows low ... high - 1 to those held out and the rest, both in order; return how many are held out.

    Selection sampling (Knuth, The Art of Computer Programming 2, section 3.4.2, Algorithm S): a row is held out
    with probability (places left) / (rows left), so that every choice is as likely as any other.

    Parameters
    ----------
    seed : int
        Names the choice.
    low, high : int
        The rows before `low` have been dealt already.
    held_out, rest : ndarray of uint32
        Written; together they hold all the rows.
    n_held_out : int
        How many have been held out so far.
    """
    size, n_rows, chosen = np.uint64(held_out.size), np.uint64(held_out.size + rest.size), np.uint64(n_held_out)
    stream = mix(np.uint64(seed))  # an epoch's order comes from another
    half = np.uint64(32)
    for row in range(np.uint64(low), np.uint64(high)):
        bits = mix(stream + (row + np.uint64(1)) * GOLDEN) >> half
        if (bits * (n_rows - row)) >> half < size - chosen:
            held_out[chosen] = row
            chosen += np.uint64(1)
        else:
            rest[row - chosen] = row
    return chosen
