"""How long compiled code of a run is left to itself, so that Python looks for Ctrl-C, and tells where the run is."""

import math
import time

CHUNK_SECONDS = 0.04
_LEAST_SECONDS = 1e-3  # of a chunk close to a deadline: shorter ones are all beginning
_GROWTH = 8  # a chunk is at most so many times as long as the one before, of which little may be known yet,
_SHRINKAGE = 4  # and not shorter than by so much, which may have been chance


def seconds_at_once(deadline=math.inf):
    """How long a chunk may take that begins now."""
    return min(CHUNK_SECONDS, max(_LEAST_SECONDS, deadline - time.perf_counter()))


def rows_at_once(rows, done, seconds, seconds_wanted):
    """How many rows the next chunk has, after one that was given so many and did these in this time."""
    if done <= 0:  # it was spent on an order
        return rows
    aim = done * seconds_wanted / max(seconds, 1e-9)
    return int(min(max(aim, rows / _SHRINKAGE, 1), rows * _GROWTH))
