"""Random numbers from counters: no state, and none waits for the one before."""

import numpy as np

from fastgd._jit import kernel

GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # SplitMix64's step, from the golden ratio


@kernel(inline=True)
def mix(x):
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014): a counter becomes a random number."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
