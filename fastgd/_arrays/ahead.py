"""Rows that are asked for before their turn, so that they are near when it comes."""

import numpy as np

from fastgd._arrays.views import borrowed_slice
from fastgd._jit import kernel

_CACHE_BYTES = 1 << 20  # a smaller X is near anyway
_BYTES_AHEAD = 3 << 14  # of X, that lie between a row that is worked on and the one that is asked for meanwhile
_ROWS_AHEAD = 16, 64  # at least, and at most


@kernel(merge=True)
def rows_ahead(X):
    """How many places ahead rows are asked for; 0 where X is near.

    Without it the rows of a tile arrive at 8 to 17 GB/s, where memory gives 30 in order: a processor that is about to
    read sixteen rows at once sees too few of the lines to come. In random order it sees none. As many as 64 rows, since
    a model may work on so many before it goes back over them.

    By how much is the processor's affair. Beside nothing asked for, float32 rows in order on an AMD EPYC with AVX2 (512
    KB of second cache): of 32 columns 19 ns instead of 14, of 64 the same, of 128 and 256 60 and 110 instead of 72 and
    140. On its successor with AVX-512 rows of 32 columns gained as much as longer ones.
    """
    least, most = _ROWS_AHEAD
    row_bytes = X.shape[1] * X.itemsize
    return max(least, min(most, _BYTES_AHEAD // row_bytes)) if X.shape[0] * row_bytes > _CACHE_BYTES else 0


@kernel(merge=True)
def rows_to_come(order, low, high, ahead):
    """The rows as many places after order[low:high] as `ahead`, in the end the last ones; none where `ahead` is 0."""
    size = high - low
    return borrowed_slice(order, np.uint64(min(low + ahead, order.size - size)), np.uint64(size if ahead else 0))


@kernel(merge=True)
def distance_ahead(rows, ahead):
    """How many places the rows `ahead` lie behind `rows` in X, if they do, where these follow one another; else 0."""
    if ahead.size == 0 or ahead[ahead.size - 1] - ahead[0] != np.uint32(ahead.size - 1):
        return np.uint64(0)
    return np.uint64(ahead[0] - rows[0] if ahead[0] > rows[0] else 0)
