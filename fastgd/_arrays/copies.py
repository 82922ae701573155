"""Numbers of one array written into another: in compiled code a loop.

Numba's own assignment of a slice may have to broadcast, and to raise an error that tells both shapes: 2 to 4 s of
compilation in every process that compiles one.
"""

from numba.extending import overload


def write(values, out):
    """out[i] = values[i] for every i. Of one length."""
    out[:] = values


@overload(write, inline="always")
def _write(values, out):
    def copy(values, out):
        for i in range(out.size):
            out[i] = values[i]

    return copy
