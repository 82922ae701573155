"""Rows to train on, the order in which a run takes them, and what two runs must have in common."""

import numpy as np
import reference

from fastgd._training import setup as _setup
from fastgd._training.run import flat
from fastgd.batches import ORDERS, fill_order

NO_ROWS = np.empty(0, np.uint32)
TOLERANCE = {np.float32: {"rtol": 2e-4, "atol": 2e-5}, np.float64: {"rtol": 1e-9, "atol": 1e-11}}


def table(n, d, dtype=np.float64, seed=0):
    """Rows and targets in (0, 1), which suit every activation and loss."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)).astype(dtype)
    return X, reference.sigmoid(X @ rng.normal(size=d) + 0.3 * rng.normal(size=n)).astype(dtype)


def labelled(n, d, dtype=np.float32, seed=0):
    """Rows and labels, 0 or 1."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d), dtype)
    return X, (X[:, 0] > 0.3).astype(dtype)


def drawn(X, batch_size, order, seed, epochs, pool=NO_ROWS):
    """The rows of each epoch in the order in which a run takes them."""
    n = pool.size or len(X)
    if order == "sequential" or batch_size is None or batch_size >= n:
        return [pool if pool.size else np.arange(n)] * epochs
    row_bytes = X.shape[1] * X.itemsize
    together = max(1, _setup._NEIGHBOUR_BYTES // row_bytes)
    window = together * max(1, _setup._WINDOW_BYTES // (together * row_bytes))
    orders = [np.empty(n, np.uint32) for _ in range(epochs)]
    for epoch, rows in enumerate(orders):
        fill_order(rows, pool, ORDERS.index(order), seed, epoch, together, window)
    return orders


def assert_same_run(result, params, history, dtype=np.float64):
    np.testing.assert_allclose(result.params, params, **TOLERANCE[dtype])
    for name, column in history.items():
        np.testing.assert_allclose(result.history[name], column, err_msg=name, **TOLERANCE[dtype])
    assert result.history["epoch"].tolist() == list(range(1, len(history["step"]) + 1))


def assert_same_bits(one, other):
    np.testing.assert_array_equal(one.params, other.params)
    assert one.params.dtype == other.params.dtype
    assert (one.n_epochs, one.n_steps, one.status) == (other.n_epochs, other.n_steps, other.status)
    np.testing.assert_array_equal(one.loss, other.loss)
    for name in one.history:
        np.testing.assert_array_equal(one.history[name], other.history[name], err_msg=name)
    for a, b in zip(flat(one.state), flat(other.state), strict=True):
        np.testing.assert_array_equal(a, b)


def stop_at_call(number):
    """A callback that stops a run the so-manyeth time it is called."""
    calls = 0

    def callback(progress):
        nonlocal calls
        calls += 1
        if calls == number:
            raise StopIteration

    return callback
