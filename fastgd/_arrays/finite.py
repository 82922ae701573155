"""Whether arrays hold NaN or infinity, at the cost of one read."""

import numpy as np

from fastgd._jit import kernel

_PART = 1 << 24  # numbers that are looked at without looking for Ctrl-C


@kernel
def all_finite(bits, exponent):
    """Whether no number has an exponent of ones: NaN or infinity.

    On integers, since a floating-point search does not vectorise, and on those of 32 bits as such: Numba makes
    64 bits of `&`, with which X came in at 22 GB/s from the nearest cache, instead of 67.
    """
    T = bits.dtype.type
    largest = T(0)
    for i in range(bits.size):
        largest = max(largest, T(bits[i] & exponent))
    return largest != exponent


def require_finite(owner, name, array, interrupts=None):
    """Raise ValueError where an array has NaN or infinity, at the cost of one read; stop looking after Ctrl-C."""
    unsigned = np.dtype(f"u{array.itemsize}").type
    exponent = unsigned(0x7F800000 if array.itemsize == 4 else 0x7FF0000000000000)
    bits = array.reshape(-1).view(unsigned)
    for start in range(0, bits.size, _PART):
        if interrupts is not None and interrupts.requested:
            return
        if not all_finite(bits[start : start + _PART], exponent):
            flat = array.reshape(-1)
            first = start + np.flatnonzero(~np.isfinite(flat[start : start + _PART]))[0]
            place = ", ".join(str(int(i)) for i in np.unravel_index(first, array.shape))
            raise ValueError(f"{owner}: {name} must be finite (in {array.dtype}), got {flat[first]} at [{place}]")
