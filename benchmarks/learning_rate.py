"""The finder of learning rates: its steps against those of `fit`, and its command line as a whole process."""

import os
import subprocess
import sys
import tempfile

import fastgd
from benchmarks._timing import best_seconds, median_ratio, rows
from benchmarks.startup import PACKAGE

_FEW, _MANY = 100, 1100  # steps


class Finder:
    """How many times as long 100 steps take as those of `fit`, on as many rows, in turns."""

    params = (("Adam", "SGD"), (64, 32, 1))
    param_names = ("optimizer", "rows a step")
    unit = "x"

    def setup(self, name, batch_size):
        optimizer = getattr(fastgd, name)()
        options = {"optimizer": optimizer, "batch_size": batch_size, "order": "sequential"}
        neuron = fastgd.Neuron(32)
        X, y = rows(_MANY * batch_size, 32)

        def find(n_steps):
            fastgd.lr_find(
                neuron, X[: n_steps * batch_size], y[: n_steps * batch_size], end=1e-6, num_steps=n_steps, **options
            )

        def fit(n_steps):
            fastgd.fit(neuron, X[: n_steps * batch_size], y[: n_steps * batch_size], lr=1e-7, epochs=1, **options)

        self.find, self.fit = find, fit
        find(_FEW), fit(_FEW)  # compile

    def track_steps(self, name, batch_size):
        """What 100 steps more cost: (T(1100) - T(100)) / 10."""

        def marginal(run):
            return best_seconds(lambda: run(_MANY), repeat=20) - best_seconds(lambda: run(_FEW), repeat=20)

        return median_ratio(lambda: marginal(self.find), lambda: marginal(self.fit), turns=9)

    def track_call(self, name, batch_size):
        """The whole call of 100 steps."""
        return median_ratio(
            lambda: best_seconds(lambda: self.find(_FEW), repeat=50),
            lambda: best_seconds(lambda: self.fit(_FEW), repeat=50),
            turns=9,
        )


class CommandLine:
    """`fastgd lr-find` on the bundled table, from the start of the process to its end, with a warm disk cache."""

    unit = "s"
    timeout = 300

    def setup_cache(self):
        with tempfile.TemporaryDirectory() as cache:
            path = os.pathsep.join(filter(None, (PACKAGE, os.environ.get("PYTHONPATH"))))
            environment = {**os.environ, "NUMBA_CACHE_DIR": cache, "PYTHONPATH": path}

            def process():
                command = [sys.executable, "-m", "fastgd", "lr-find"]
                subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)

            process()
            return best_seconds(process, repeat=5)

    def track_process(self, seconds):
        return seconds
