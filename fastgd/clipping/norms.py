"""The length of a vector, and a vector made shorter: what the rules and the training loop share."""

import math

import numpy as np
from numba.core import types
from numba.extending import overload

from fastgd._jit import kernel
from fastgd.verbs import PASTED


@kernel(reassoc=True)
def norm(vector):
    """The Euclidean norm, summed in float64, so that no float32 square overflows or vanishes."""
    total = 0.0
    for i in range(vector.size):
        v = np.float64(vector[i])
        total += v * v
    return math.sqrt(total)


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
def scale(vector, factor):
    """Multiply a vector by a number, in float64: a factor may be too small for float32 where the product is not."""
    for i in range(vector.size):
        vector[i] = vector.dtype.type(np.float64(vector[i]) * factor)


def bits_without_sign(number):
    """The bits of a floating-point number without its sign, as an integer (in compiled code)."""
    raise NotImplementedError("bits_without_sign is called in compiled code")


@overload(bits_without_sign, jit_options=PASTED)
def _bits_without_sign(number):
    if number == types.float32:
        return lambda number: np.int32(np.float32(number).view(np.int32) & 0x7FFFFFFF)
    return lambda number: np.float64(number).view(np.int64) & 0x7FFFFFFFFFFFFFFF


def with_bits(bits):
    """The number that has these bits, as a float64 (in compiled code)."""
    raise NotImplementedError("with_bits is called in compiled code")


@overload(with_bits, jit_options=PASTED)
def _with_bits(bits):
    if bits == types.int32:
        return lambda bits: np.float64(np.int32(bits).view(np.float32))
    return lambda bits: np.int64(bits).view(np.float64)
