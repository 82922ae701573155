"""Memory that `fit` takes beside the data, as the process's peak: asv runs each of these in a process of its own."""

import resource
import sys

import numpy as np

import fastgd

_N_ROWS, _N_COLUMNS = 2_000_000, 16


def _peak_bytes():
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _fit(X, y, order):
    fastgd.fit(fastgd.Neuron(_N_COLUMNS), X, y, batch_size=128, epochs=2, order=order)


def _data(dtype):
    # y comes first: then the process is at its peak once X is written, and any growth is that of `fit`.
    rng = np.random.default_rng(0)
    y = (rng.random(_N_ROWS, dtype) > 0.5).astype(dtype)
    return rng.random((_N_ROWS, _N_COLUMNS), dtype), y


def peakmem_fit():
    """With Python, Numba and the data: 128 MB of X, 8 of y."""
    _fit(*_data("float32"), "shuffled")


class Fit:
    """Two million rows of 16 columns."""

    params = (("float32", "float64"), ("sequential", "shuffled", "block-shuffled"))
    param_names = ("dtype", "order")
    unit = "bytes"

    def setup(self, dtype, order):
        _fit(np.zeros((8, _N_COLUMNS), dtype), np.zeros(8, dtype), order)  # compiles
        self.X, self.y = _data(dtype)

    def track_beside_data_a_row(self, dtype, order):
        before = _peak_bytes()
        _fit(self.X, self.y, order)
        return (_peak_bytes() - before) / _N_ROWS
