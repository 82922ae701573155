"""What schedules are made of: the way from one rate to another, and the time within a period."""

import math

import numpy as np

from fastgd._jit import kernel

_ROUNDING = 2.0**-50  # of a time that was computed: 1.1 - 0.1, or 3 / 10 in periods of 0.1
_ROUNDING_OF_PERIODS = 2.0**-42  # what is left of it where another schedule came before: 50.3 - 50 in periods of 0.1


@kernel(merge=True)
def passed(t, duration):
    """The share of a duration that is over: from 0 to 1, where it stays."""
    return t / duration if t < duration else 1.0


@kernel(merge=True)
def between(start, end, share):
    """The point on the straight line from start to end, which are met exactly."""
    return start * (1 - share) + end * share


@kernel(merge=True)
def along_cosine(start, end, share):
    """The point on half a wave of the cosine from start to end, which are met exactly.

    (1 + cos(πx)) / 2 = sin²(π(1 - x) / 2), which keeps its digits where it comes close to 0.
    """
    wave = math.sin(math.pi / 2 * (1 - share))
    return between(end, start, wave * wave)


@kernel(merge=True)
def into_period(t, period):
    """The time since the period under way began; a beginning that only rounding keeps away is reached."""
    since = np.fmod(t, period)
    return 0.0 if period - since <= max(_ROUNDING * t, _ROUNDING_OF_PERIODS * period) else since
