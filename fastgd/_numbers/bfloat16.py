"""Numbers kept as bfloat16: the upper half of a float32, in an array of uint16, rounded at random.

A moment that gains less than half a unit of its last place at each step would stand still under rounding to nearest;
rounded up with the probability of what is cut off, it is right on average.
"""

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from fastgd._jit import kernel
from fastgd._numbers.random import GOLDEN, mix

_ODD = 0x9E3779B9


@kernel(merge=True)
def widened(bits):
    """The float32 that a bfloat16 stands for."""
    return np.uint32(np.uint32(bits) << np.uint32(16)).view(np.float32)


@kernel(merge=True)
def first_noise(seed, step, first):
    """Random bits for the parameter of this number in a step: 32, of which each half is uniform by itself."""
    at_random = mix(mix(np.uint64(seed)) + np.uint64(step) * GOLDEN) >> np.uint64(32)
    return np.uint32(at_random + np.uint64(first) * np.uint64(_ODD))


# Numba computes with uint32 in 64 bits, and LLVM does not always find out that half of them are not needed: the loop
# of Adam then was not vectorised, or in lanes of 64 bits. So what follows says that it is of 32.


@intrinsic
def next_noise(typing_context, noise):
    """Random bits for the next parameter.

    Multiples of an odd number run through all values before one comes again, and begin at a random place at each step:
    what a parameter is given is uniform and independent of what it is given at other steps, for one addition. A hash
    for each, three multiplications, took longer than the rest of Adam's step.
    """

    def emit(context, builder, signature, arguments):
        return builder.add(arguments[0], _u32(_ODD))

    return types.uint32(types.uint32), emit


@intrinsic
def rounded_by_lower(typing_context, x, noise):
    """A number as bfloat16, up or down by the lower half of the noise (NaN and infinity stay themselves)."""

    def emit(context, builder, signature, arguments):
        return _rounded(builder, arguments[0], builder.and_(arguments[1], _u32(0xFFFF)))

    return types.uint16(types.float32, types.uint32), emit


@intrinsic
def rounded_by_upper(typing_context, x, noise):
    """The same by its upper half."""

    def emit(context, builder, signature, arguments):
        return _rounded(builder, arguments[0], builder.lshr(arguments[1], _u32(16)))

    return types.uint16(types.float32, types.uint32), emit


def _rounded(builder, x, noise):
    bits = builder.add(builder.bitcast(x, ir.IntType(32)), noise)
    return builder.trunc(builder.lshr(bits, _u32(16)), ir.IntType(16))


def _u32(number):
    return ir.Constant(ir.IntType(32), number)
