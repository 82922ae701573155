"""What is paid before the first step: the import, the first `fit` of a process, and what any `fit` costs once."""

import os
import subprocess
import sys
import tempfile

import numba
import numpy as np

import fastgd
from benchmarks._timing import best_seconds, epoch_seconds, median_seconds, rows

PACKAGE = os.path.dirname(os.path.dirname(fastgd.__file__))
_FIRST_FIT = """
import numpy as np
import fastgd

X = np.random.default_rng(0).random((569, 30))
fastgd.fit(fastgd.Neuron(30), X, (X[:, 0] > 0.5).astype(X.dtype), epochs=1)
"""


def timeraw_import():
    return "import fastgd", f"import sys; sys.path.insert(0, {PACKAGE!r})"


def _process_seconds(code, cache, repeat=1):
    """Return the least time of a new process that runs code with this package and a cache folder."""
    path = os.pathsep.join(filter(None, (PACKAGE, os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache, "PYTHONPATH": path}
    return best_seconds(lambda: subprocess.run([sys.executable, "-c", code], env=environment, check=True), repeat)


class Process:
    """A whole process, from its start to its end: importing Numba alone, and with fastgd a neuron's first epoch."""

    params = (("Numba alone", "first fit, cold", "first fit, warm"),)
    param_names = ("process and disk cache",)
    unit = "s"
    timeout = 300

    def setup_cache(self):
        with tempfile.TemporaryDirectory() as cache:
            seconds = (
                _process_seconds("import numba", cache, repeat=3),
                _process_seconds(_FIRST_FIT, cache),
                _process_seconds(_FIRST_FIT, cache, repeat=3),
            )
        return dict(zip(self.params[0], seconds, strict=True))

    def track_process(self, seconds, process):
        return seconds[process]


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
