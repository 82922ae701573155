"""Moments that decay toward zero end there, not among the denormal numbers.

A root, quotient or, on some processors, product of a denormal number takes many times as long as any other: after
10^5 steps without a gradient, Adam took twice its time.
"""

import numpy as np
from numba.core import types
from numba.extending import intrinsic

from fastgd._jit import kernel


@intrinsic
def _smallest_normal(typing_context, x):
    """The smallest normal number of x's type (compiled at no cost, which `np.finfo` is not)."""
    least = float(np.finfo(np.float32 if x == types.float32 else np.float64).tiny)
    return x(x), lambda context, builder, signature, arguments: context.get_constant(x, least)


@kernel(merge=True)
def settled(x, room):
    """Return x, or 0 where it is less than `room` times the smallest normal number (NaN stays NaN).

    The room is for what x is multiplied with next: a decay, or a learning rate.
    """
    T = type(x)
    return T(0) if abs(x) < _smallest_normal(x) * T(room) else x


@kernel(merge=True)
def floored(x):
    """Return x >= 0, or ten times the smallest normal number where it is less (NaN stays NaN): one instruction.

    For a second moment, which is only used beside something much larger, ε.
    """
    least = _smallest_normal(x) * type(x)(10)
    return least if x < least else x
