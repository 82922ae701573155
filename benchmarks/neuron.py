"""The neuron: an epoch of mini-batches with Adam, and the gradient over all rows."""

import numpy as np

import fastgd
from benchmarks._timing import best_seconds, epoch_seconds, median_ratio, median_seconds, rows

_CACHED = 1 << 20  # numbers of X: 4 MB in float32
_BEYOND = 1 << 25  # 128 MB


def _training(n_numbers, n_columns, batch_size, order, dtype=np.float32, threads=1):
    """Return a function of the number of epochs, compiled."""
    X, y = rows(n_numbers // n_columns, n_columns, dtype)

    def train(epochs):
        fastgd.fit(fastgd.Neuron(n_columns), X, y, batch_size=batch_size, epochs=epochs, order=order, threads=threads)

    train(1)
    return train


def _epoch_ns(n_numbers, n_columns, *arguments, **named):
    """Return the marginal nanoseconds a row."""
    train = _training(n_numbers, n_columns, *arguments, **named)
    return 1e9 * median_seconds(lambda: epoch_seconds(train)) / (n_numbers // n_columns)


class Columns:
    """Over the number of columns, in batches of 64 in order."""

    params = ((1, 16, 30, 32, 256, 784), ("float32", "float64"))
    param_names = ("columns", "dtype")
    unit = "ns"

    def track_row(self, n_columns, dtype):
        return _epoch_ns(_CACHED, n_columns, 64, "sequential", np.dtype(dtype))


class Batches:
    """Over batch size and order, at 32 columns."""

    params = ((1, 32, 128, "full"), ("sequential", "shuffled", "block-shuffled"))
    param_names = ("batch size", "order")
    unit = "ns"

    def setup(self, batch_size, order):
        if batch_size == "full" and order != "sequential":
            raise NotImplementedError("the full batch is taken as it stands")

    def track_row(self, batch_size, order):
        return _epoch_ns(_CACHED, 32, None if batch_size == "full" else batch_size, order)


class BeyondTheCache:
    """Over the order where X is larger than the cache, in batches of 128."""

    params = ((32, 256), ("sequential", "shuffled", "block-shuffled"))
    param_names = ("columns", "order")
    unit = "ns"

    def track_row(self, n_columns, order):
        return _epoch_ns(_BEYOND, n_columns, 128, order)


class Threads:
    """How many times as fast two threads go through batches that they share, by batch size."""

    params = ((32, 784), (256, 1024, 4096, 16384))
    param_names = ("columns", "batch size")
    unit = "times"

    def track_ratio(self, n_columns, batch_size):
        one, two = (_training(1 << 23, n_columns, batch_size, "sequential", threads=threads) for threads in (1, 2))
        return median_ratio(lambda: epoch_seconds(one), lambda: epoch_seconds(two))


class Gradient:
    """The gradient over all rows of an X larger than the cache: by `value_and_grad`, and full batches of `fit`."""

    params = ((32, 784), ("value_and_grad", "fit, 1 thread", "fit, 2 threads"))
    param_names = ("columns", "by")
    unit = "ns"

    def track_row(self, n_columns, by):
        if by != "value_and_grad":
            return _epoch_ns(_BEYOND, n_columns, None, "sequential", threads=1 if by == "fit, 1 thread" else 2)
        X, y = rows(_BEYOND // n_columns, n_columns)
        neuron, grads = fastgd.Neuron(n_columns), np.empty(n_columns + 1, np.float32)
        params = fastgd.init_params(neuron)
        fastgd.value_and_grad(neuron, params, X[:16], y[:16], grads)  # compiles
        seconds = median_seconds(lambda: best_seconds(lambda: fastgd.value_and_grad(neuron, params, X, y, grads)))
        return 1e9 * seconds / len(X)
