"""Numbers of one array written into another: in compiled code a loop.

Numba's own assignment of a slice may have to broadcast, and to raise an error that tells both shapes: 2 to 4 s of
compilation in every process that compiles one.
"""

from numba import literal_unroll
from numba.core import types
from numba.extending import overload


def write(values, out):
    """out[i] = values[i] for every i. Of one length."""
    out[:] = values


@overload(write)
def _write(values, out):
    if isinstance(values, types.BaseTuple) and not isinstance(values, types.UniTuple):

        def copy_mixed(values, out):
            i = 0
            for value in literal_unroll(values):
                out[i] = value
                i += 1  # noqa: SIM113 (Numba unrolls the tuple alone)

        return copy_mixed

    def copy(values, out):
        for i in range(out.size):
            out[i] = values[i]

    return copy
