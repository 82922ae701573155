"""The order in which rows are taken: sequential, shuffled, or shuffled block by block.

An epoch's order follows from the seed and the number of the epoch alone, so that a run can go on anywhere.
"""

import numpy as np

from fastgd._jit import kernel

ORDERS = ("shuffled", "block-shuffled", "sequential")
SHUFFLED, BLOCK_SHUFFLED, SEQUENTIAL = range(len(ORDERS))


@kernel(inline=True)
def _mix(x):
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014): a counter becomes a random number.

    Numbers from a counter do not wait for one another, as those of a generator with a state do.
    """
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@kernel(inline=True)
def _shuffle(order, low, high, stream):
    """Fisher and Yates' shuffle of order[low:high], with 32 random bits a place.

    A place is `bits · i / 2^32`, rounded down; over fewer than 2^32 rows the bias is below i / 2^32.
    """
    golden = np.uint64(0x9E3779B97F4A7C15)
    low = np.uint64(low)
    one, mask, half = np.uint64(1), np.uint64(0xFFFFFFFF), np.uint64(32)
    size = np.uint64(high) - low
    while size > one:
        stream += golden
        bits = _mix(stream)
        last, other = low + size - one, low + (((bits & mask) * size) >> half)
        order[last], order[other] = order[other], order[last]
        size -= one
        if size > one:
            last, other = low + size - one, low + (((bits >> half) * size) >> half)
            order[last], order[other] = order[other], order[last]
            size -= one
    return stream


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
    n = np.uint64(order.size)
    stream = _mix(np.uint64(seed) ^ _mix(np.uint64(epoch) + np.uint64(1)))
    if kind == BLOCK_SHUFFLED:
        _fill_blocks(order, stream, np.uint64(block), np.uint64(window))
    else:
        for i in range(n):
            order[i] = i
        if kind == SHUFFLED:
            _shuffle(order, np.uint64(0), n, stream)
    if pool.size:
        for i in range(n):
            order[i] = pool[order[i]]


@kernel
def _fill_blocks(order, stream, block, window):
    n = np.uint64(order.size)
    blocks = np.empty((n + block - np.uint64(1)) // block, np.uint32)
    for b in range(blocks.size):
        blocks[b] = b
    stream = _shuffle(blocks, np.uint64(0), np.uint64(blocks.size), stream)
    place = np.uint64(0)
    for b in range(blocks.size):
        first = np.uint64(blocks[b]) * block
        for row in range(first, min(first + block, n)):
            order[place] = row
            place += np.uint64(1)
    for low in range(np.uint64(0), n, window):
        stream = _shuffle(order, low, min(low + window, n), stream)


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
    stream = _mix(np.uint64(seed))  # an epoch's order comes from another
    golden, half = np.uint64(0x9E3779B97F4A7C15), np.uint64(32)
    for row in range(np.uint64(low), np.uint64(high)):
        bits = _mix(stream + (row + np.uint64(1)) * golden) >> half
        if (bits * (n_rows - row)) >> half < size - chosen:
            held_out[chosen] = row
            chosen += np.uint64(1)
        else:
            rest[row - chosen] = row
    return chosen
