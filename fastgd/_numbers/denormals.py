"""Moments that decay toward zero end there, not among the denormal numbers.

A root, quotient or, on some processors, product of a denormal number takes many times as long as any other: after
10^5 steps without a gradient, Adam took twice its time.

Both functions are intrinsics: every optimiser calls them, up to nine times, and as functions each call took 40 ms
of its compilation.
"""

import numpy as np
from numba.core import types
from numba.extending import intrinsic


def _smallest_normal(x):
    return float(np.finfo(np.float32 if x == types.float32 else np.float64).tiny)


@intrinsic
def settled(typing_context, x, room):
    """Return x, or 0 where it is less than `room` times the smallest normal number (NaN stays NaN).

    The room is for what x is multiplied with next: a decay, or a learning rate.
    """

    def emit(context, builder, signature, arguments):
        value, room = arguments[0], context.cast(builder, arguments[1], signature.args[1], x)
        least = builder.fmul(context.get_constant(x, _smallest_normal(x)), room)
        magnitude = builder.call(builder.module.declare_intrinsic("llvm.fabs", [value.type]), [value])
        return builder.select(builder.fcmp_ordered("<", magnitude, least), context.get_constant(x, 0.0), value)

    return x(x, room), emit


@intrinsic
def floored(typing_context, x):
    """Return x >= 0, or ten times the smallest normal number where it is less (NaN stays NaN): one instruction.

    For a second moment, which is only used beside something much larger, ε.
    """

    def emit(context, builder, signature, arguments):
        least = context.get_constant(x, 10 * _smallest_normal(x))
        return builder.select(builder.fcmp_ordered("<", arguments[0], least), least, arguments[0])

    return x(x), emit
