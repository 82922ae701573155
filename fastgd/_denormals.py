"""Moments that decay toward zero end there, not among the denormal numbers.

A root, quotient or, on some processors, product of a denormal number takes many times as long as any other: after
10^5 steps without a gradient, Adam took twice its time.
"""

import numpy as np

from fastgd._jit import kernel


@kernel(merge=True)
def settled(x, room):
    """Return x, or 0 where it is less than `room` times the smallest normal number (NaN stays NaN).

    The room is for what x is multiplied with next: a decay, or a learning rate.
    """
    T = type(x)
    return T(0) if abs(x) < T(np.finfo(T).tiny) * T(room) else x


@kernel(merge=True)
def floored(x):
    """Return x >= 0, or ten times the smallest normal number where it is less (NaN stays NaN): one instruction.

    For a second moment, which is only used beside something much larger, ε.
    """
    T = type(x)
    least = T(np.finfo(T).tiny) * T(10)
    return least if x < least else x
