"""Memory that `fit` takes beside the data, as the process's peak: asv runs each of these in a process of its own."""

import resource
import sys

import numpy as np

import fastgd

_N_ROWS, _N_COLUMNS = 4_000_000, 16


def _peak_bytes():
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _fit(X, y, order):
    fastgd.fit(fastgd.Neuron(_N_COLUMNS), X, y, batch_size=128, epochs=2, order=order)


class Fit:
    """Four million rows of 16 columns."""

    params = (("float32", "float64"), ("sequential", "shuffled", "block-shuffled"))
    param_names = ("dtype", "order")
    unit = "bytes"

    def setup(self, dtype, order):
        _fit(np.zeros((8, _N_COLUMNS), dtype), np.zeros(8, dtype), order)  # compiles
        # y comes first: then the process is at its peak once X is written, and any growth is that of `fit`.
        rng = np.random.default_rng(0)
        self.y = (rng.random(_N_ROWS, dtype) > 0.5).astype(dtype)
        self.X = rng.random((_N_ROWS, _N_COLUMNS), dtype)

    def track_beside_data_a_row(self, dtype, order):
        before = _peak_bytes()
        _fit(self.X, self.y, order)
        return (_peak_bytes() - before) / _N_ROWS

    def peakmem_all(self, dtype, order):
        """Python, Numba and the data (64 or 128 bytes a row of X, 4 or 8 of y) included."""
        _fit(self.X, self.y, order)
