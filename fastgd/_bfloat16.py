"""Numbers kept as bfloat16: the upper half of a float32, in an array of uint16, rounded at random.

A moment that gains less than half a unit of its last place at each step would stand still under rounding to nearest;
rounded up with the probability of what is cut off, it is right on average.
"""

import numpy as np

from fastgd._jit import kernel
from fastgd._random import GOLDEN, mix


@kernel(merge=True)
def widened(bits):
    """The float32 that a bfloat16 stands for."""
    return np.uint32(np.uint32(bits) << np.uint32(16)).view(np.float32)


@kernel(merge=True)
def rounded(x, noise):
    """A number as bfloat16, up or down by a uniform random `noise` of 16 bits (NaN and infinity stay themselves)."""
    bits = np.float32(x).view(np.uint32)
    return np.uint16(np.uint32(bits + noise) >> np.uint32(16))


@kernel(merge=True)
def key_of_step(seed, step):
    """A random number of 32 bits for a step."""
    return np.uint32(mix(mix(np.uint64(seed)) + np.uint64(step) * GOLDEN) >> np.uint64(32))


@kernel(merge=True)
def noise_at(i, key):
    """Random bits for element i in the step of this key: 32, of which each half is uniform by itself.

    Multiples of an odd number run through all values before one comes again, and begin at a random place at each step:
    what an element is given is uniform and independent of what it is given at other steps, at the cost of an addition.
    A hash for every element, three multiplications more, took longer than the rest of Adam's step.
    """
    return np.uint32(np.uint32(i) * np.uint32(0x9E3779B9) + key)


@kernel(merge=True)
def lower(noise):
    """Its lower half."""
    return np.uint32(noise & np.uint32(0xFFFF))


@kernel(merge=True)
def upper(noise):
    """Its upper half."""
    return np.uint32(noise >> np.uint32(16))
