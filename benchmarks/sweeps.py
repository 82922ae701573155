"""A sweep over 32 learning rates: against one `fit` in the same minute, and against the core's multiply-adds."""

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

import fastgd
from benchmarks._timing import best_seconds, epoch_seconds, in_turns, median_ratio, median_seconds, rows
from fastgd._simd import Vectors

_RATES = np.geomspace(1e-5, 1e-2, 32)
_NUMBERS = 1 << 19  # of X: in the second cache
_CHAINS = 12  # of multiply-adds, that fit the registers of every machine


@intrinsic
def _multiply_adds(typing_context, x, count):
    """Do `count` rounds of multiply-adds of registers alone, as many lanes as there are; return how many in a round."""

    def emit(context, builder, signature, arguments):
        vectors = Vectors(context, builder, signature.args[0])
        factor = vectors.splat(arguments[0])
        sums = [cgutils.alloca_once_value(builder, factor) for _ in range(_CHAINS)]
        with cgutils.for_range(builder, arguments[1]):
            for total in sums:
                builder.store(vectors.multiply_add(builder.load(total), factor, factor), total)
        total = builder.load(sums[0])
        for other in sums[1:]:
            total = builder.fadd(total, builder.load(other))
        per_round = ir.Constant(ir.IntType(64), _CHAINS * vectors.lanes)
        return context.make_tuple(builder, signature.return_type, [vectors.sum_of_lanes(total), per_round])

    return types.Tuple([x, types.int64])(x, types.int64), emit


@fastgd.njit(error_model="numpy")
def _run_multiply_adds(x, count):
    return _multiply_adds(x, count)


def _peak(dtype, count=1_000_000):
    """Return the seconds of one multiply-add."""
    x = dtype.type(1e-3)
    _, per_round = _run_multiply_adds(x, count)
    return best_seconds(lambda: _run_multiply_adds(x, count), repeat=5) / (per_round * count)


def _epochs(n_columns, dtype, batch_size):
    """Return functions that measure an epoch of a sweep and of a `fit`, and the number of rows."""
    n_rows = _NUMBERS // max(n_columns, 32)
    X, y = rows(n_rows, n_columns, dtype)
    model = fastgd.Neuron(n_columns)

    def sweep(epochs):
        fastgd.sweep(model, X, y, lrs=_RATES, batch_size=batch_size, epochs=epochs)

    def fit(epochs):
        fastgd.fit(model, X, y, batch_size=batch_size, epochs=epochs)

    sweep(1)  # compiles
    fit(1)
    return lambda: epoch_seconds(sweep, 1, 5), lambda: epoch_seconds(fit), n_rows


class Sweep:
    """An epoch of 32 rates with Adam in shuffled batches, over columns, dtype and batch size."""

    params = ((8, 32, 128), ("float32", "float64"), (64, 512))
    param_names = ("columns", "dtype", "batch size")

    def track_row(self, n_columns, dtype, batch_size):
        sweep, _, n_rows = _epochs(n_columns, np.dtype(dtype), batch_size)
        return 1e9 * median_seconds(sweep) / n_rows

    track_row.unit = "ns"

    def track_times_one_fit(self, n_columns, dtype, batch_size):
        return median_ratio(*_epochs(n_columns, np.dtype(dtype), batch_size)[:2])

    track_times_one_fit.unit = "x"

    def track_share_of_peak(self, n_columns, dtype, batch_size):
        """Of the multiply-adds that the core could do, in those of the products of rows with parameters and errors."""
        sweep, _, n_rows = _epochs(n_columns, np.dtype(dtype), batch_size)
        needed = 2 * n_rows * n_columns * len(_RATES)
        seconds = in_turns([lambda: needed * _peak(np.dtype(dtype)), sweep])
        return float(np.median(seconds[:, 0] / seconds[:, 1]))

    track_share_of_peak.unit = "x"
