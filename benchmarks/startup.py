"""What is paid before the first step: the import, the first `fit` of a process, and what any `fit` costs once."""

import os
import subprocess
import sys
import tempfile

import numba
import numpy as np

import fastgd
from benchmarks._timing import best_seconds, epoch_seconds, median_seconds, rows

_PACKAGE = os.path.dirname(os.path.dirname(fastgd.__file__))
_FIRST_FIT = """
import numpy as np
import fastgd

X = np.random.default_rng(0).random((569, 30))
fastgd.fit(fastgd.Neuron(30), X, (X[:, 0] > 0.5).astype(X.dtype), epochs=1)
"""


def timeraw_import():
    return "import fastgd"


def _run(code, cache):
    """Run code in a new process with this package and a cache folder."""
    path = os.pathsep.join(filter(None, (_PACKAGE, os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache, "PYTHONPATH": path}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


class FirstFit:
    """A whole process, from its start to its end, that imports fastgd and trains a neuron for one epoch."""

    params = (("warm", "cold"),)
    param_names = ("disk cache",)
    unit = "s"

    def track_process(self, disk_cache):
        with tempfile.TemporaryDirectory() as cache:
            cold = best_seconds(lambda: _run(_FIRST_FIT, cache), repeat=1)
            return cold if disk_cache == "cold" else best_seconds(lambda: _run(_FIRST_FIT, cache), repeat=5)

    def track_bare_process(self, disk_cache):
        """Python and Numba alone, which the other figures contain."""
        if disk_cache == "cold":
            raise NotImplementedError("nothing is cached")
        with tempfile.TemporaryDirectory() as cache:
            return best_seconds(lambda: _run("import numba", cache), repeat=5)


@numba.njit(fastmath={"reassoc"}, error_model="numpy")
def _sum(numbers):
    total = np.float32(0)
    for i in range(numbers.size):
        total += numbers[i]
    return total


class Once:
    """What a `fit` costs beside its epochs."""

    def track_tiny(self):
        """100 rows of 32 columns, one epoch, all in all."""
        X, y = rows(100, 32)

        def train():
            fastgd.fit(fastgd.Neuron(32), X, y, epochs=1)

        train()  # compiles
        return 1e3 * median_seconds(lambda: best_seconds(train, repeat=100))

    track_tiny.unit = "ms"

    def track_large(self):
        """128 MB: T(1 epoch) less an epoch, less one read of X."""
        X, y = rows(1_000_000, 32)

        def train(epochs):
            fastgd.fit(fastgd.Neuron(32), X, y, epochs=epochs, order="sequential")

        numbers = X.ravel()
        train(1), _sum(numbers)  # compile
        read = best_seconds(lambda: _sum(numbers), repeat=5)
        return 1e3 * (best_seconds(lambda: train(1), repeat=5) - epoch_seconds(train) - read)

    track_large.unit = "ms"
