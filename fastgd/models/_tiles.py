"""Rows of data in tiles: whether they follow one another, and where those of a group are in memory."""

import numpy as np

from fastgd._arrays.rows import locate_rows
from fastgd._jit import kernel
from fastgd._simd import TILE

_TILE = np.uint64(TILE)


@kernel(merge=True)
def follow_one_another(rows):
    """Whether each row is the one after that before it in X: then one address tells where all of them are."""
    first, strangers = np.uint64(rows[0] if rows.size > 0 else 0), np.uint64(0)
    for r in range(np.uint64(rows.size)):
        strangers |= np.uint64(rows[r]) - first - r
    return strangers == 0


@kernel(inline=True)
def locate_group(X, rows, first, count, last_rows, places):
    """Write the addresses of the rows rows[first : first + count], the final one repeated to fill a tile.

    last_rows : uint32 (TILE,), to work in; places : uint64, written, room for whole tiles.
    """
    rest = count % _TILE
    for t in range(np.uint64(0), count - rest, _TILE):
        locate_rows(X, rows, first + t, places, t)
    if rest:
        for r in range(_TILE):
            last_rows[r] = rows[first + min(count - rest + r, count - np.uint64(1))]
        locate_rows(X, last_rows, np.uint64(0), places, count - rest)
