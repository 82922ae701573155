"""The length of a vector, and a vector made shorter: what the rules and the training loop share."""

import math

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from fastgd._jit import kernel

_LEAST_SQUARE = 1e-290  # smaller sums have lost digits, among the denormal numbers


@kernel(reassoc=True)
def norm(vector):
    """The Euclidean norm, summed in float64, so that no float32 square overflows or vanishes."""
    total = 0.0
    for i in range(vector.size):
        v = np.float64(vector[i])
        total += v * v
    if _LEAST_SQUARE < total < np.inf:
        return math.sqrt(total)
    most = largest(vector)  # squares of float64 may: then of what is left without its scale
    if not 0 < most < np.inf:
        return most
    total = 0.0
    for i in range(vector.size):
        v = vector[i] / most
        total += v * v
    return most * math.sqrt(total)


@kernel(merge=True)
def largest(vector):
    """The largest absolute value, exactly; NaN where there is one.

    On the integers that have the same bits and the same order, NaN above all others, since a search among
    floating-point numbers does not vectorise.
    """
    most = bits_without_sign(vector.dtype.type(0))
    for i in range(vector.size):
        bits = bits_without_sign(vector[i])
        most = bits if bits > most else most
    return with_bits(most)


@kernel(merge=True)
def in_range(length):
    """Whether the square of a vector of this norm, and products with its like, are numbers of float32 too."""
    return 1e-15 < length < 1e15


@kernel(merge=True)
def along(vector, direction, length):
    """The product of a vector with the unit vector of a direction of this length, none of whose squares need exist."""
    total = 0.0
    for i in range(vector.size):
        total += np.float64(vector[i]) * (np.float64(direction[i]) / length)
    return total


@kernel(merge=True)
def cosine_of(product, length, before, itemsize):
    """The cosine between vectors of these lengths; NaN where one has none, or the product may have lost its digits.

    The product is of both; of the vector and the unit vector of the one before where the latter is not `in_range`.
    It is of numbers of this size.
    """
    if not in_range(before):
        return product / length if length > 0 and before > 0 else np.nan
    least, most = (1e-34, 1e37) if itemsize == 4 else (1e-290, 1e300)
    return product / (length * before) if least < length * before < most else np.nan


@kernel(merge=True)
def scale(vector, factor):
    """Multiply a vector by a number, in float64: a factor may be too small for float32 where the product is not."""
    for i in range(vector.size):
        vector[i] = vector.dtype.type(np.float64(vector[i]) * factor)


# As intrinsics they cost nothing to compile: with `view` and an overload for each, 0.1 s of every first run.


@intrinsic
def bits_without_sign(typing_context, number):
    """The bits of a floating-point number without its sign: an integer of the same width, in the same order."""
    kind = types.int32 if number == types.float32 else types.int64

    def emit(context, builder, signature, arguments):
        bits = builder.bitcast(arguments[0], context.get_value_type(kind))
        return builder.and_(bits, ir.Constant(bits.type, (1 << (kind.bitwidth - 1)) - 1))

    return kind(number), emit


@intrinsic
def with_bits(typing_context, bits):
    """The number that has these bits, as a float64."""
    kind = types.float32 if bits == types.int32 else types.float64

    def emit(context, builder, signature, arguments):
        number = builder.bitcast(arguments[0], context.get_value_type(kind))
        return context.cast(builder, number, kind, types.float64)

    return types.float64(bits), emit
