"""`fit`: what it computes, against a run in plain NumPy."""

import pickle
from typing import NamedTuple

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st

import fastgd
from fastgd import _pace, _run, _setup
from fastgd.batches import ORDERS, fill_order, split

NO_ROWS = np.empty(0, np.uint32)
OPTIMIZERS = [fastgd.SGD(), fastgd.Momentum(), fastgd.Nesterov(), fastgd.Adam()]
TOLERANCE = {np.float32: {"rtol": 2e-4, "atol": 2e-5}, np.float64: {"rtol": 1e-9, "atol": 1e-11}}


def table(n, d, dtype=np.float64, seed=0):
    """Rows and targets in (0, 1), which suit every activation and loss."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)).astype(dtype)
    return X, reference.sigmoid(X @ rng.normal(size=d) + 0.3 * rng.normal(size=n)).astype(dtype)


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
    assert (one.n_epochs, one.n_steps) == (other.n_epochs, other.n_steps)
    for name in one.history:
        np.testing.assert_array_equal(one.history[name], other.history[name], err_msg=name)
    for a, b in zip(_run.flat(one.state), _run.flat(other.state), strict=True):
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


@pytest.fixture
def small_chunks(monkeypatch):
    """Compiled code hands back after every step, or in the middle of one, after every block of rows."""
    monkeypatch.setattr(_pace, "CHUNK_SECONDS", 0.0)
    monkeypatch.setattr(_run, "_FIRST_WORK", 1)


@pytest.fixture
def small_windows(monkeypatch):
    """What "block-shuffled" keeps together and shuffles as one is small beside a test's table."""
    monkeypatch.setattr(_setup, "_NEIGHBOUR_BYTES", 160)
    monkeypatch.setattr(_setup, "_WINDOW_BYTES", 1280)


# Trajectories.


@pytest.mark.parametrize("batch_size", [1, 7, 16, 33, None, 200])
@pytest.mark.parametrize(
    ("optimizer", "dtype"),
    [
        *((optimizer, np.float32) for optimizer in OPTIMIZERS),
        *((optimizer, np.float64) for optimizer in (fastgd.SGD(), fastgd.Adam())),
        *(pytest.param(each, np.float64, marks=pytest.mark.sweep) for each in (fastgd.Momentum(), fastgd.Nesterov())),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_run_equals_the_plain_loop(optimizer, dtype, batch_size):
    X, y = table(101, 5, dtype)
    model = fastgd.Neuron(5)
    lr = 0.01 if isinstance(optimizer, fastgd.Adam) else 0.1
    result = fastgd.fit(model, X, y, optimizer=optimizer, lr=lr, batch_size=batch_size, epochs=3, seed=4)
    params, history = reference.train(
        fastgd.init_params(model, 4, dtype),
        X,
        y,
        drawn(X, batch_size, "shuffled", 4, 3),
        min(batch_size or 101, 101),
        optimizer=type(optimizer).__name__,
        lr=lr,
    )
    assert_same_run(result, params, history, dtype)
    assert (result.status, result.n_epochs, result.n_steps) == ("max_epochs", 3, history["step"][-1])
    assert result.loss == result.history["loss"][-1]
    assert result.params.dtype == dtype
    assert np.isnan(result.history["val_loss"]).all()
    assert not result.history["skipped"].any()


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("n", "d", "batch_size"), [(9001, 30, 50), (2500, 130, 64), (400, 700, 33), (9001, 30, 1)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_run_over_data_beyond_the_cache(n, d, batch_size, order, dtype):
    """More than a megabyte, of which rows are asked for before their turn, to the end of an epoch."""
    X, y = table(n, d, dtype)
    model, lr = fastgd.Neuron(d), 0.01
    result = fastgd.fit(
        model, X, y, optimizer=fastgd.SGD(), lr=lr, batch_size=batch_size, epochs=2, order=order, seed=4
    )
    params, _ = reference.train(
        fastgd.init_params(model, 4, dtype), X, y, drawn(X, batch_size, order, 4, 2), batch_size, optimizer="SGD", lr=lr
    )
    np.testing.assert_allclose(result.params, params, **TOLERANCE[dtype])


@pytest.mark.parametrize("order", ORDERS)
def test_orders(order, small_windows):
    X, y = table(211, 5)
    result = fastgd.fit(
        fastgd.Neuron(5), X, y, optimizer=fastgd.SGD(), lr=0.3, batch_size=10, epochs=3, order=order, seed=1
    )
    start = fastgd.init_params(fastgd.Neuron(5), 1, np.float64)
    orders = drawn(X, 10, order, 1, 3)
    assert_same_run(result, *reference.train(start, X, y, orders, 10, lr=0.3))
    for rows in orders:
        assert sorted(rows) == list(range(211))


@pytest.mark.parametrize(
    ("activation", "loss"), [("tanh", "mse"), ("identity", "mse"), ("sigmoid", "binary_cross_entropy")]
)
def test_activations_and_losses(activation, loss):
    X, y = table(50, 3)
    result = fastgd.fit(
        fastgd.Neuron(3, activation, loss), X, y, optimizer=fastgd.SGD(), lr=0.1, batch_size=8, epochs=2
    )
    start = fastgd.init_params(fastgd.Neuron(3), 0, np.float64)
    orders = drawn(X, 8, "shuffled", 0, 2)
    assert_same_run(result, *reference.train(start, X, y, orders, 8, activation=activation, loss=loss, lr=0.1))


def test_schedule_moves_at_every_step():
    X, y = table(50, 3)
    schedule = fastgd.ExponentialDecay(lr=0.5, k=0.7)
    result = fastgd.fit(fastgd.Neuron(3), X, y, optimizer=fastgd.SGD(), lr=schedule, batch_size=8, epochs=3)
    start = fastgd.init_params(fastgd.Neuron(3), 0, np.float64)
    orders = drawn(X, 8, "shuffled", 0, 3)
    params, history = reference.train(start, X, y, orders, 8, lr=lambda t: reference.exponential_decay(t, 0.5, 0.7))
    assert_same_run(result, params, history)
    # Seven steps an epoch: the last of the first is at 6/7 of an epoch.
    assert result.history["lr"][0] == pytest.approx(0.5 * np.exp(-0.7 * 6 / 7), rel=1e-12)


@pytest.mark.parametrize("setting", ["_RATES", "_FIRST_RATES"])
def test_schedule_beyond_the_rates_computed_ahead(setting, monkeypatch):
    X, y = table(20, 3)
    arguments = {"optimizer": fastgd.SGD(), "lr": fastgd.ExponentialDecay(0.5, 0.1), "batch_size": 3, "epochs": 9}
    expected = fastgd.fit(fastgd.Neuron(3), X, y, **arguments)
    monkeypatch.setattr(_run, setting, 5)
    assert_same_bits(fastgd.fit(fastgd.Neuron(3), X, y, **arguments), expected)


LAYOUT = ((0, 1, 3), (3, 1, 1))  # of a neuron with three inputs


@pytest.mark.parametrize(
    ("rule", "function"),
    [
        (fastgd.ClipByNorm(0.2), lambda params, g: reference.clip_by_norm(0.2, g)),
        (fastgd.ClipByNorm(0.15, norm=np.inf), lambda params, g: reference.clip_by_norm(0.15, g, np.inf)),
        (fastgd.ClipByNorm(0.15, layout=LAYOUT), lambda params, g: reference.clip_by_norm(0.15, g, layout=LAYOUT)),
        (fastgd.ClipByValue(0.1), lambda params, g: reference.clip_by_value(0.1, g)),
        (fastgd.ClipAdaptively(0.15), lambda params, g: reference.clip_adaptively(0.15, params, g)),
        (
            fastgd.ClipAdaptively(0.15, 0.2, LAYOUT),
            lambda params, g: reference.clip_adaptively(0.15, params, g, 0.2, LAYOUT),
        ),
    ],
    ids=["norm", "largest", "norms of parts", "value", "adaptive", "adaptive in parts"],
)
@pytest.mark.parametrize("dtype", [np.float32, pytest.param(np.float64, marks=pytest.mark.sweep)])
def test_clipping(rule, function, dtype):
    X, y = table(60, 3, dtype)
    result = fastgd.fit(fastgd.Neuron(3), X, y, optimizer=fastgd.SGD(), lr=0.5, batch_size=8, epochs=3, clip=rule)
    start = fastgd.init_params(fastgd.Neuron(3), 0, dtype)
    orders = drawn(X, 8, "shuffled", 0, 3)
    params, history = reference.train(start, X, y, orders, 8, lr=0.5, clip=function)
    assert 0 < sum(history["clipped"]) < 24
    assert_same_run(result, params, history, dtype)  # the norms are those before clipping


def test_sample_weights():
    X, y = table(60, 3)
    weight = np.random.default_rng(1).integers(0, 3, 60)
    result = fastgd.fit(
        fastgd.Neuron(3), X, y, optimizer=fastgd.SGD(), lr=0.5, batch_size=16, epochs=3, sample_weight=weight
    )
    start = fastgd.init_params(fastgd.Neuron(3), 0, np.float64)
    orders = drawn(X, 16, "shuffled", 0, 3)
    assert_same_run(result, *reference.train(start, X, y, orders, 16, lr=0.5, weight=weight))


@pytest.mark.parametrize(("dtype", "factor"), [(np.float64, 1e306), (np.float64, 1e-306), (np.float32, 2.0**126)])
def test_the_scale_of_weights_does_not_matter(dtype, factor):
    X, y = table(40, 3)
    X, weight = X.astype(dtype), np.linspace(0.5, 1, 40)
    arguments = {"optimizer": fastgd.SGD(), "lr": 0.5, "batch_size": 16, "epochs": 2}
    plain, scaled = (
        fastgd.fit(fastgd.Neuron(3), X, y, sample_weight=each, **arguments) for each in (weight, weight * factor)
    )
    np.testing.assert_allclose(scaled.params, plain.params, rtol=1e-5 if dtype == np.float32 else 1e-12)
    assert scaled.loss == pytest.approx(plain.loss, rel=1e-6)


def test_whole_numbers_as_weights_are_repeated_rows():
    X, y = table(40, 3)
    weight = np.random.default_rng(1).integers(0, 4, 40)
    arguments = {"batch_size": None, "epochs": 5, "optimizer": fastgd.SGD(), "lr": 0.5}
    weighted = fastgd.fit(fastgd.Neuron(3), X, y, sample_weight=weight, **arguments)
    repeated = fastgd.fit(fastgd.Neuron(3), np.repeat(X, weight, axis=0), np.repeat(y, weight), **arguments)
    np.testing.assert_allclose(weighted.params, repeated.params, rtol=1e-12)
    np.testing.assert_allclose(weighted.history["loss"], repeated.history["loss"], rtol=1e-12)


def test_a_batch_of_weight_zero_has_no_gradient():
    X, y = table(32, 3)
    weight = np.ones(32)
    weight[8:16] = 0
    arguments = {"optimizer": fastgd.SGD(), "batch_size": 8, "order": "sequential"}
    result = fastgd.fit(fastgd.Neuron(3), X, y, sample_weight=weight, epochs=2, **arguments)
    kept = weight > 0
    without = fastgd.fit(fastgd.Neuron(3), X[kept], y[kept], epochs=2, **arguments)
    np.testing.assert_array_equal(result.params, without.params)
    np.testing.assert_allclose(result.history["loss"], without.history["loss"], rtol=1e-14)
    assert not result.history["skipped"].any()
    assert np.isfinite(result.history["grad_cosine"]).all()


def test_a_batch_of_weight_zero_is_not_converged():
    X, y = table(32, 3)
    weight = np.ones(32)
    weight[:8] = 0
    result = fastgd.fit(
        fastgd.Neuron(3), X, y, batch_size=8, order="sequential", sample_weight=weight, gtol=1e-9, epochs=2
    )
    assert result.status == "max_epochs"


@pytest.mark.parametrize("batch_size", [2500, 4097, None])
def test_batches_of_several_blocks(batch_size):
    X, y = table(6001, 4)
    result = fastgd.fit(fastgd.Neuron(4), X, y, optimizer=fastgd.SGD(), lr=1.0, batch_size=batch_size, epochs=3)
    start = fastgd.init_params(fastgd.Neuron(4), 0, np.float64)
    orders = drawn(X, batch_size, "shuffled", 0, 3)
    assert_same_run(result, *reference.train(start, X, y, orders, batch_size or 6001, lr=1.0))


@given(
    n=st.integers(1, 70),
    d=st.integers(1, 40),
    batch_size=st.none() | st.integers(1, 80),
    epochs=st.integers(0, 3),
    order=st.sampled_from(ORDERS),
    seed=st.integers(0, 2**63 - 1),
    weighted=st.booleans(),
)
@settings(deadline=None, max_examples=100)
def test_any_shape_equals_the_plain_loop(n, d, batch_size, epochs, order, seed, weighted):
    X, y = table(n, d, seed=seed % 1000)
    weight = np.random.default_rng(seed).uniform(0.5, 2, n) if weighted else None
    result = fastgd.fit(
        fastgd.Neuron(d),
        X,
        y,
        optimizer=fastgd.SGD(),
        lr=0.2,
        batch_size=batch_size,
        epochs=epochs,
        order=order,
        seed=seed,
        sample_weight=weight,
    )
    params, history = reference.train(
        fastgd.init_params(fastgd.Neuron(d), seed, np.float64),
        X,
        y,
        drawn(X, batch_size, order, seed, epochs),
        batch_size or n,
        lr=0.2,
        weight=weight,
    )
    assert_same_run(result, params, history)


@pytest.mark.parametrize("n", [10**6, 10**7])
def test_sums_over_millions_of_float32_rows_keep_their_digits(n):
    rng = np.random.default_rng(0)
    X = rng.random((n, 2), np.float32)
    y = (X[:, 0] > X[:, 1]).astype(np.float32)
    start = np.array([0.5, -1.0, 0.25], np.float32)
    result = fastgd.fit(
        fastgd.Neuron(2), X, y, optimizer=fastgd.Momentum(0.0), lr=1.0, batch_size=None, epochs=1, params=start
    )
    loss, grads = np.zeros(()), np.zeros(3)
    for part in np.array_split(np.arange(n), n // 10**6):
        part_loss, part_grads = reference.loss_and_grad(start, X[part], y[part])
        loss, grads = loss + part_loss * part.size / n, grads + part_grads * part.size / n
    assert result.loss == pytest.approx(loss, rel=1e-5)
    np.testing.assert_allclose(result.state.velocity, grads, rtol=1e-5)


# Where a run begins.


def test_same_seed_same_bits_and_another_seed_another_run():
    X, y = table(100, 4)
    runs = [fastgd.fit(fastgd.Neuron(4), X, y, epochs=2, batch_size=8, seed=seed) for seed in (0, 0, 1)]
    assert_same_bits(runs[0], runs[1])
    assert not np.array_equal(runs[0].params, runs[2].params)


def test_another_seed_is_another_order():
    X, y = table(100, 4)
    arguments = {"epochs": 2, "batch_size": 8, "params": np.zeros(5)}
    one, other = (fastgd.fit(fastgd.Neuron(4), X, y, seed=seed, **arguments) for seed in (0, 1))
    assert not np.array_equal(one.params, other.params)


def test_no_epochs():
    X, y = table(10, 4)
    result = fastgd.fit(fastgd.Neuron(4), X, y, epochs=0, seed=7)
    np.testing.assert_array_equal(result.params, fastgd.init_params(fastgd.Neuron(4), 7, np.float64))
    assert (result.status, result.n_epochs, result.n_steps) == ("max_epochs", 0, 0)
    assert np.isnan(result.loss)
    assert all(column.size == 0 for column in result.history.values())
    X, y = X.astype(np.float32), y.astype(np.float32)
    going_on = fastgd.fit(fastgd.Neuron(4), X, y, resume=fastgd.fit(fastgd.Neuron(4), X, y, epochs=0), epochs=2)
    assert_same_bits(going_on, fastgd.fit(fastgd.Neuron(4), X, y, epochs=2))


@pytest.mark.parametrize("batch_size", [1, 64, None])
def test_one_row_one_feature(batch_size):
    result = fastgd.fit(
        fastgd.Neuron(1, "identity"),
        [[2.0]],
        [3.0],
        optimizer=fastgd.SGD(),
        lr=0.05,
        batch_size=batch_size,
        epochs=2,
        params=[1.0, 0.0],
        sample_weight=[5.0],
    )
    # (a - y)² = 1 at a = 2: dL/dw = 2 · (2 - 3) · 2, dL/db = -2; then a = 2 · 1.2 + 0.1 = 2.5
    np.testing.assert_allclose(result.params, [1.2 + 0.05 * 2, 0.1 + 0.05], rtol=1e-14)
    np.testing.assert_allclose(result.history["loss"], [1, 0.25], rtol=1e-14)
    np.testing.assert_allclose(result.history["grad_norm"], np.sqrt([20, 5]), rtol=1e-14)
    np.testing.assert_allclose(result.history["grad_cosine"], [np.nan, 1], rtol=1e-14)


def test_rate_of_zero_changes_nothing():
    X, y = table(10, 4)
    start = np.arange(5.0)
    result = fastgd.fit(fastgd.Neuron(4), X, y, lr=0, epochs=3, params=start)
    np.testing.assert_array_equal(result.params, start)


def test_warm_start_leaves_the_array_alone():
    X, y = table(100, 4)
    start = np.linspace(-1, 1, 5)
    kept = start.copy()
    start.setflags(write=False)
    result = fastgd.fit(fastgd.Neuron(4), X, y, params=start, epochs=3)
    np.testing.assert_array_equal(start, kept)
    assert not np.array_equal(result.params, start)
    start, _ = reference.train(kept, X, y, drawn(X, 64, "shuffled", 0, 3), 64, optimizer="Adam", lr=1e-3)
    np.testing.assert_allclose(result.params, start, rtol=1e-9)


def test_warm_start_takes_the_dtype_of_the_rows():
    X, y = table(20, 4, np.float32)
    result = fastgd.fit(fastgd.Neuron(4), X, y, params=[0, 0, 0, 0, 1], epochs=0)
    assert result.params.dtype == np.float32
    assert result.params.tolist() == [0, 0, 0, 0, 1]


# Going on.


@pytest.mark.parametrize("order", ["shuffled", "sequential"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: type(o).__name__)
def test_going_on_after_whole_epochs(optimizer, order):
    X, y = table(101, 5, np.float32)
    arguments = {
        "optimizer": optimizer,
        "batch_size": 16,
        "order": order,
        "seed": 3,
    }
    whole = fastgd.fit(fastgd.Neuron(5), X, y, epochs=7, **arguments)
    part = fastgd.fit(fastgd.Neuron(5), X, y, epochs=3, **arguments)
    kept = pickle.loads(pickle.dumps(part))
    for resumed in (part, part, kept):  # going on changes nothing in what it goes on from
        assert_same_bits(fastgd.fit(fastgd.Neuron(5), X, y, epochs=7, resume=resumed, **arguments), whole)
    assert_same_bits(part, kept)


@pytest.mark.parametrize("stop", [1, 2, 6, 7, 8, 17, 20, 27, 30])
@pytest.mark.parametrize(("batch_size", "order"), [(None, "sequential"), (5000, "shuffled"), (1000, "block-shuffled")])
def test_going_on_from_anywhere(batch_size, order, stop, small_chunks, small_windows):
    X, y = table(7001, 3)
    arguments = {
        "optimizer": fastgd.Momentum(),
        "lr": fastgd.ExponentialDecay(0.5, 0.2),
        "batch_size": batch_size,
        "order": order,
        "epochs": 9,
    }
    whole = fastgd.fit(fastgd.Neuron(3), X, y, **arguments)
    part = fastgd.fit(fastgd.Neuron(3), X, y, callback=stop_at_call(stop), **arguments)
    assert part.status == "stopped"
    assert part.n_epochs < 9
    further = fastgd.fit(fastgd.Neuron(3), X, y, resume=part, callback=stop_at_call(3), **arguments)
    assert further.n_epochs >= part.n_epochs
    assert_same_bits(fastgd.fit(fastgd.Neuron(3), X, y, resume=further, **arguments), whole)


def test_going_on_with_more_epochs_than_the_shuffle_of_one(small_chunks):
    # Chunks that hold several steps of several epochs, stopped in the middle of one.
    X, y = table(50, 3)
    arguments = {"batch_size": 7, "epochs": 5}
    whole = fastgd.fit(fastgd.Neuron(3), X, y, **arguments)
    part = whole
    for stop in (11, 3, 6):
        part = fastgd.fit(
            fastgd.Neuron(3), X, y, callback=stop_at_call(stop), resume=None if part is whole else part, **arguments
        )
        assert part.status == "stopped"
    assert part.n_steps == 20
    assert_same_bits(fastgd.fit(fastgd.Neuron(3), X, y, resume=part, **arguments), whole)


def test_going_on_after_the_time_is_up():
    X, y = table(3000, 3)
    arguments = {"batch_size": 2, "epochs": 40}
    whole = fastgd.fit(fastgd.Neuron(3), X, y, **arguments)
    part = fastgd.fit(fastgd.Neuron(3), X, y, max_seconds=1e-9, **arguments)
    assert part.status == "max_seconds"
    assert part.n_steps > 0
    while part.status == "max_seconds":
        part = fastgd.fit(fastgd.Neuron(3), X, y, max_seconds=0.005, resume=part, **arguments)
    assert part.status == "max_epochs"
    assert_same_bits(part, whole)


def test_going_on_with_fewer_epochs_than_were_run():
    X, y = table(30, 3)
    part = fastgd.fit(fastgd.Neuron(3), X, y, epochs=5)
    same = fastgd.fit(fastgd.Neuron(3), X, y, epochs=2, resume=part)
    assert_same_bits(part, same)


def test_losses_of_other_rows_are_not_compared():
    """On rows that are far worse, the best loss of the run so far is no measure."""
    X, y = table(200, 3)
    far = (3 * X[:100], y[:100] + 5)
    other = (X[:100], y[:100] - 5)
    model, options = fastgd.Neuron(3, "identity"), {"lr": 0.003, "tol": 1e-4, "patience": 3}
    close = (far[0].copy(), far[1])
    close[0][1::3] -= 50  # in every third row
    for before, after in [(None, far), (other, far), (far, None), (close, far)]:
        part = fastgd.fit(model, X, y, epochs=20, validation=before, **options)
        whole = fastgd.fit(model, X, y, epochs=40, validation=after, resume=part, **options)
        assert (whole.status, whole.n_epochs) == ("max_epochs", 40)
        np.testing.assert_array_equal(whole.params, fastgd.fit(model, X, y, epochs=40, lr=0.003).params)
    plateau = fastgd.ReduceOnPlateau(0.003, patience=2)
    part = fastgd.fit(model, X, y, epochs=20, lr=plateau)
    whole = fastgd.fit(model, X, y, epochs=40, lr=plateau, validation=far, resume=part)
    assert set(whole.history["lr"]) == {0.003}


def test_rates_that_are_none():
    X, y = table(100, 3)
    for slope, ends, epoch in [(-0.01, 10, "5"), (-1.0, 10, "0.5"), (0.0, 2, "2")]:
        words = rf"fit: lr: the rates of a schedule must be finite, 0 or larger, got .* at epoch {epoch}"
        with pytest.raises(ValueError, match=words):
            fastgd.fit(fastgd.Neuron(3), X, y, lr=Sloping(slope, ends), batch_size=50, epochs=10)
    assert fastgd.fit(fastgd.Neuron(3), X, y, lr=Sloping(-0.01, 10), batch_size=50, epochs=5).n_epochs == 5
    stopped = fastgd.fit(fastgd.Neuron(3), X, y, lr=Sloping(-0.01, 10), batch_size=None, epochs=10, gtol=1.0)
    assert stopped.status == "converged"  # long before
    with pytest.raises(TypeError, match=r"fit: lr: expected a schedule, got the class .* write CosineAnnealing\(...\)"):
        fastgd.fit(fastgd.Neuron(3), X, y, lr=fastgd.CosineAnnealing)


class Sloping(NamedTuple):
    """A schedule that falls below 0, and is infinite from some time on."""

    slope: float
    ends: float


fastgd.register_schedule(Sloping, lambda schedule, t: 0.0475 + schedule.slope * t if t < schedule.ends else np.inf)


def test_history_of_an_epoch_cut_short(small_chunks):
    X, y = table(50, 3)
    part = fastgd.fit(fastgd.Neuron(3), X, y, batch_size=7, epochs=5, callback=stop_at_call(10))
    assert part.history["epoch"].tolist() == [1, 2]
    assert part.history["step"].tolist() == [8, 10]
    assert (part.n_epochs, part.n_steps) == (1, 10)
    start = fastgd.init_params(fastgd.Neuron(3), 0, np.float64)
    orders = drawn(X, 7, "shuffled", 0, 2)
    params, history = reference.train(start, X, y, [orders[0], orders[1][:14]], 7, optimizer="Adam", lr=1e-3)
    assert_same_run(part, params, history)


@pytest.mark.parametrize("validation", [0.3, "pair"])
def test_going_on_with_validation_and_patience(validation):
    X, y = table(90, 3)
    arguments = {
        "lr": fastgd.ExponentialDecay(0.3, 0.0),
        "optimizer": fastgd.Momentum(),
        "batch_size": 8,
        "epochs": 30,
        "tol": 1e-4,
        "patience": 3,
        "validation": table(30, 3, seed=5) if validation == "pair" else validation,
    }
    whole = fastgd.fit(fastgd.Neuron(3), X, y, **arguments)
    assert whole.status == "converged"
    for epochs in range(1, whole.n_epochs):
        part = fastgd.fit(fastgd.Neuron(3), X, y, **{**arguments, "epochs": epochs})
        assert part.status == "max_epochs"
        assert_same_bits(fastgd.fit(fastgd.Neuron(3), X, y, resume=part, **arguments), whole)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 8}, "to resume, batch_size must be what it was, 16, got 8"),
        ({"seed": 1}, "to resume, seed must be what it was, 0, got 1"),
        ({"order": "sequential"}, "to resume, order must be what it was, 'shuffled', got 'sequential'"),
        ({"optimizer": fastgd.SGD()}, r"to resume, optimizer must be what it was, Adam\(.*\), got SGD\(.*\)"),
        ({"optimizer": fastgd.Adam(amsgrad=True)}, "to resume, optimizer must be what it was"),
        ({"X": np.zeros((10, 3)), "y": np.zeros(10)}, "to resume, the number of rows must be what it was, 30, got 10"),
        ({"validation": 0.5}, "to resume, the number of rows must be what it was, 30, got 15"),
        ({"model": fastgd.Neuron(3, "tanh")}, "to resume, the model must be what it was, .*'sigmoid'.*, got .*'tanh'"),
        (
            {"X": np.zeros((30, 3), np.float32)},
            "to resume, the dtype of X must be what it was, 'float64', got 'float32'",
        ),
        ({"params": np.zeros(4)}, "params and resume do not go together"),
    ],
)
def test_going_on_with_something_else(change, message):
    X, y = table(30, 3)
    arguments = {"model": fastgd.Neuron(3), "X": X, "y": y, "batch_size": 16}
    part = fastgd.fit(**arguments, epochs=1)
    with pytest.raises(ValueError, match=message):
        fastgd.fit(**{**arguments, **change}, epochs=2, resume=part)


def test_going_on_with_another_method_of_the_same_numbers_inside_a_wrapper():
    model, X, y = fastgd.Neuron(3), np.ones((30, 3)), np.ones(30)
    result = fastgd.fit(model, X, y, optimizer=fastgd.EMA(fastgd.Adam(weight_decay=0.1)), epochs=1)
    with pytest.raises(ValueError, match=r"to resume, optimizer must be what it was, EMA\(.*Adam\(.*got EMA\(.*AdamW"):
        fastgd.fit(model, X, y, optimizer=fastgd.EMA(fastgd.AdamW(weight_decay=0.1)), epochs=2, resume=result)


def test_going_on_with_another_clipping_rule():
    """What is given to the run that goes on holds from there: plain steps, then clipped ones."""
    X, y = table(40, 3)
    arguments = {"optimizer": fastgd.SGD(), "lr": 0.5, "batch_size": 8, "order": "sequential"}
    part = fastgd.fit(fastgd.Neuron(3), X, y, epochs=1, **arguments)
    clipped = fastgd.fit(
        fastgd.Neuron(3), X, y, params=part.params, clip=fastgd.ClipByNorm(0.01), epochs=2, **arguments
    )
    assert clipped.history["clipped"].tolist() == [5, 5]
    rest = fastgd.fit(fastgd.Neuron(3), X, y, resume=part, clip=fastgd.ClipByNorm(0.01), epochs=3, **arguments)
    np.testing.assert_array_equal(rest.params, clipped.params)
    assert rest.history["clipped"].tolist() == [0, 5, 5]
    with pytest.raises(ValueError, match=r"fit: clip: layout must cover the 4 parameters, .* got 3"):
        fastgd.fit(fastgd.Neuron(3), X, y, resume=part, clip=fastgd.ClipByNorm(1, layout=((0, 1, 3),)), epochs=3)


def test_going_on_with_another_clipping_rule_within_an_epoch(small_chunks):
    X, y = table(40, 3)
    arguments = {"optimizer": fastgd.SGD(), "lr": 0.5, "batch_size": 8, "epochs": 3}
    part = fastgd.fit(fastgd.Neuron(3), X, y, callback=stop_at_call(3), **arguments)
    assert part.n_steps % 5 > 0
    rest = fastgd.fit(fastgd.Neuron(3), X, y, resume=part, clip=fastgd.ClipByNorm(0.01), **arguments)
    assert sum(rest.history["clipped"]) == 15 - part.n_steps
    assert rest.history["clipped"].tolist()[1:] == [5, 5] or part.n_steps > 5


def test_going_on_from_something_else():
    X, y = table(30, 3)
    with pytest.raises(TypeError, match="fit: resume must be a FitResult, got dict"):
        fastgd.fit(fastgd.Neuron(3), X, y, resume={})


# When a run ends.


def test_stops_where_the_gradient_is_small():
    X, y = table(40, 3)
    arguments = {"optimizer": fastgd.SGD(), "lr": 1.0, "batch_size": None}
    result = fastgd.fit(fastgd.Neuron(3), X, y, gtol=1e-2, epochs=10_000, **arguments)
    assert result.status == "converged"
    assert 1 < result.n_epochs < 10_000
    grads = np.abs(reference.loss_and_grad(result.params, X, y)[1])
    assert grads.max() <= 1e-2
    before = fastgd.fit(fastgd.Neuron(3), X, y, epochs=result.n_epochs - 2, **arguments)
    assert np.abs(reference.loss_and_grad(before.params, X, y)[1]).max() > 1e-2


def test_small_gradient_of_a_batch_in_the_middle():
    X = np.repeat([[1.0], [0.0]], [6, 2], axis=0)
    y = np.repeat([1.0, 0.0], [6, 2])
    result = fastgd.fit(
        fastgd.Neuron(1, "identity"),
        X,
        y,
        params=[0.5, 0],
        gtol=0,
        batch_size=2,
        order="sequential",
        lr=0,
        optimizer=fastgd.SGD(),
    )
    assert (result.status, result.n_steps, result.n_epochs) == ("converged", 4, 1)


@pytest.mark.parametrize("patience", [1, 4])
def test_stops_where_the_loss_no_longer_falls(patience):
    X, y = table(60, 3)
    result = fastgd.fit(fastgd.Neuron(3), X, y, optimizer=fastgd.SGD(), lr=0.5, epochs=500, tol=1e-4, patience=patience)
    assert result.status == "converged"
    best, waited = np.inf, []
    for loss in result.history["loss"]:
        waited.append(0 if loss < best - 1e-4 else waited[-1] + 1)
        best = min(best, loss) if waited[-1] == 0 else best
    assert waited[-1] == patience
    assert max(waited[:-1]) < patience


def test_tolerance_that_is_never_met():
    X, y = table(60, 3)
    result = fastgd.fit(fastgd.Neuron(3), X, y, lr=0, epochs=20, tol=0, patience=5)
    assert result.status == "converged"
    assert result.n_epochs == 6


def test_validation_pair():
    X, y = table(60, 3)
    X_val, y_val = table(25, 3, seed=9)
    points = []
    arguments = {"optimizer": fastgd.SGD(), "lr": 3.0, "batch_size": 4, "epochs": 12}
    result = fastgd.fit(
        fastgd.Neuron(3),
        X,
        y,
        validation=(X_val, y_val),
        callback=lambda progress: points.append(progress.params),
        **arguments,
    )
    losses = [reference.loss_and_grad(params, X_val, y_val)[0] for params in points]
    np.testing.assert_allclose(result.history["val_loss"], losses, rtol=1e-12)
    assert np.argmin(losses) < 11
    np.testing.assert_array_equal(result.params, points[np.argmin(losses)])
    plain = fastgd.fit(fastgd.Neuron(3), X, y, **arguments)  # validation takes no part in training
    np.testing.assert_array_equal(points[-1], plain.params)


def held_out_rows(n, n_held_out, seed):
    held_out, rows = np.zeros(n_held_out, np.uint32), np.zeros(n - n_held_out, np.uint32)
    assert split(seed, 0, n, held_out, rows, 0) == n_held_out
    return held_out, rows


@given(st.integers(2, 300), st.data(), st.integers(0, 2**63 - 1))
@settings(deadline=None)
def test_rows_are_dealt_out(n, data, seed):
    held_out, rows = held_out_rows(n, data.draw(st.integers(1, n - 1)), seed)
    assert np.all(np.diff(held_out.astype(int)) > 0)
    assert np.all(np.diff(rows.astype(int)) > 0)
    assert sorted([*held_out, *rows]) == list(range(n))
    middle = data.draw(st.integers(0, n))  # in parts, the same
    parts = np.zeros_like(held_out), np.zeros_like(rows)
    split(seed, middle, n, *parts, split(seed, 0, middle, *parts, 0))
    np.testing.assert_array_equal(parts[0], held_out)
    np.testing.assert_array_equal(parts[1], rows)


def test_every_row_is_as_likely_to_be_held_out():
    counts, pairs = np.zeros(10), np.zeros((10, 10))
    for seed in range(20_000):
        chosen = np.isin(np.arange(10), held_out_rows(10, 3, seed)[0])
        counts += chosen
        pairs += np.outer(chosen, chosen)
    # Binomial with standard deviations of 65 (of 6000) and 36 (of 1333).
    assert abs(counts - 6000).max() < 300
    assert abs(pairs[~np.eye(10, dtype=bool)] - 20_000 * 3 / 10 * 2 / 9).max() < 180


def test_validation_share():
    X, y = table(61, 3)
    weight = np.random.default_rng(0).uniform(0.1, 2, 61)
    points = []
    result = fastgd.fit(
        fastgd.Neuron(3),
        X,
        y,
        validation=0.25,
        sample_weight=weight,
        batch_size=4,
        epochs=3,
        lr=0.5,
        optimizer=fastgd.SGD(),
        seed=11,
        callback=lambda progress: points.append(progress.params),
    )
    held_out, rows = held_out_rows(61, 15, 11)
    orders = drawn(X, 4, "shuffled", 11, 3, pool=rows)
    assert all(sorted(order) == rows.tolist() for order in orders)
    start = fastgd.init_params(fastgd.Neuron(3), 11, np.float64)
    params, history = reference.train(start, X, y, orders, 4, lr=0.5, weight=weight)
    np.testing.assert_allclose(points[-1], params, rtol=1e-9)
    np.testing.assert_allclose(result.history["loss"], history["loss"], rtol=1e-12)
    losses = [reference.loss_and_grad(params, X, y, weight=weight, rows=held_out)[0] for params in points]
    np.testing.assert_allclose(result.history["val_loss"], losses, rtol=1e-12)


def test_validation_share_with_the_full_batch():
    X, y = table(40, 3)
    result = fastgd.fit(fastgd.Neuron(3), X, y, validation=0.5, batch_size=None, epochs=2)
    _, rows = held_out_rows(40, 20, 0)
    alone = fastgd.fit(fastgd.Neuron(3), X[rows], y[rows], batch_size=None, epochs=2)
    np.testing.assert_allclose(result.history["loss"], alone.history["loss"], rtol=1e-12)


def test_time_limit():
    X, y = table(2000, 3)
    result = fastgd.fit(fastgd.Neuron(3), X, y, batch_size=1, epochs=10**9, max_seconds=0.3)
    assert result.status == "max_seconds"
    assert 0.2 < result.seconds < 2


def test_many_epochs_of_little_data():
    result = fastgd.fit(fastgd.Neuron(1), [[1.0]], [0.5], epochs=300_000, lr=1e-6)
    assert result.n_epochs == result.n_steps == len(result.history["loss"]) == 300_000
    np.testing.assert_array_equal(result.history["epoch"], np.arange(1, 300_001))
    assert result.seconds < 3


# What is told along the way, and in the end.


def test_callback_is_told_where_the_run_is():
    X, y = table(60, 3)
    told = []
    schedule = fastgd.ExponentialDecay(0.1, 0.5)
    arguments = {"lr": schedule, "batch_size": 16, "epochs": 3}
    result = fastgd.fit(fastgd.Neuron(3), X, y, callback=told.append, **arguments)
    assert [progress.epoch for progress in told] == [1, 2, 3]
    assert [progress.step for progress in told] == [4, 8, 12]
    np.testing.assert_array_equal([progress.loss for progress in told], result.history["loss"])
    np.testing.assert_array_equal([progress.lr for progress in told], result.history["lr"])
    np.testing.assert_array_equal(told[-1].params, result.params)
    for epoch in (1, 2):
        before = fastgd.fit(fastgd.Neuron(3), X, y, **{**arguments, "epochs": epoch})
        np.testing.assert_array_equal(told[epoch - 1].params, before.params)


def test_callback_between_the_chunks_of_an_epoch(small_chunks):
    X, y = table(60, 3)
    told = []
    arguments = {"optimizer": fastgd.SGD(), "lr": 0.1, "batch_size": 16}
    result = fastgd.fit(fastgd.Neuron(3), X, y, epochs=2, callback=told.append, **arguments)
    assert [progress.step for progress in told] == list(range(1, 9))
    assert [progress.epoch for progress in told] == [0, 0, 0, 1, 1, 1, 1, 2]
    rows = drawn(X, 16, "shuffled", 0, 1)[0]
    start = fastgd.init_params(fastgd.Neuron(3), 0, np.float64)
    first, _ = reference.train(start, X, y, [rows[:16]], 16, lr=0.1)
    np.testing.assert_allclose(told[0].params, first, rtol=1e-12)
    assert told[0].loss == pytest.approx(reference.loss_and_grad(start, X, y, rows=rows[:16])[0], rel=1e-12)
    assert_same_bits(result, fastgd.fit(fastgd.Neuron(3), X, y, epochs=2, **arguments))


def test_callback_hears_of_the_last_epoch_of_a_converged_run():
    X, y = table(60, 3)
    told = []
    result = fastgd.fit(fastgd.Neuron(3), X, y, lr=0, epochs=20, tol=0, patience=2, callback=told.append)
    assert result.status == "converged"
    assert [progress.epoch for progress in told] == [1, 2, 3]


def test_callback_cannot_change_the_run():
    X, y = table(60, 3)

    def meddle(progress):
        progress.params[:] = 0

    result = fastgd.fit(fastgd.Neuron(3), X, y, callback=meddle)
    np.testing.assert_array_equal(result.params, fastgd.fit(fastgd.Neuron(3), X, y).params)


def test_progress_bar(capsys):
    X, y = table(60, 3)
    result = fastgd.fit(fastgd.Neuron(3), X, y, epochs=4, progress=True)
    shown = capsys.readouterr().err
    assert "4/4" in shown
    assert "loss=" in shown
    assert_same_bits(result, fastgd.fit(fastgd.Neuron(3), X, y, epochs=4))
    fastgd.fit(fastgd.Neuron(3), X, y, epochs=6, progress=True, resume=result)
    assert "6/6" in capsys.readouterr().err


def test_history_is_a_table():
    X, y = table(60, 3)
    history = fastgd.fit(fastgd.Neuron(3), X, y, epochs=4).history
    names = ["step", "epoch", "loss", "grad_norm", "grad_cosine", "lr", "val_loss", "clipped", "skipped"]
    assert list(history) == names
    assert all(type(column) is np.ndarray and column.shape == (4,) for column in history.values())
    whole = {"step", "epoch", "clipped", "skipped"}
    assert all(history[name].dtype == (np.int64 if name in whole else np.float64) for name in names)
    assert all(column.flags.owndata or column.base is None for column in history.values())


def test_result():
    X, y = table(60, 3)
    result = fastgd.fit(fastgd.Neuron(3), X, y, epochs=2)
    np.testing.assert_allclose(result.predict(X), reference.forward(result.params, X), rtol=1e-13)
    assert repr(result).startswith("FitResult(status='max_epochs', loss=0.")
    assert result.message == "ran all its epochs: after 2 epochs and 2 steps"
    copy = pickle.loads(pickle.dumps(result))
    assert_same_bits(result, copy)
    assert copy.model == result.model
    assert result != copy  # compared by identity: arrays have no single truth
    assert result == result


def test_results_share_no_memory():
    X, y = table(60, 3)
    part = fastgd.fit(fastgd.Neuron(3), X, y, epochs=2)
    rest = fastgd.fit(fastgd.Neuron(3), X, y, epochs=4, resume=part)
    kept = pickle.loads(pickle.dumps(rest))
    for array in (part.params, *part.state, *part.history.values(), *part.checkpoint.arrays):
        array[...] = 0
    assert_same_bits(rest, kept)
    rest.params[:] = 0  # nor do the parameters that a user may change and those that a run goes on from
    assert_same_bits(
        fastgd.fit(fastgd.Neuron(3), X, y, epochs=6, resume=rest), fastgd.fit(fastgd.Neuron(3), X, y, epochs=6)
    )


def test_losses_of_other_targets_or_weights_are_not_compared():
    """They are not, whether or not the rows that are watched are arrays that are trained on."""
    X, y = table(200, 3)
    worse = y.copy()
    worse[np.arange(200) % 3 != 0] += 5
    model, options = fastgd.Neuron(3, "identity"), {"optimizer": fastgd.SGD(), "lr": 0.02, "batch_size": 16}
    ends = []
    for rows in (X, X.copy()):
        part = fastgd.fit(model, X, y, epochs=5, validation=(rows, y), **options)
        ends.append(fastgd.fit(model, X, y, epochs=8, validation=(rows, worse), resume=part, **options))
    np.testing.assert_array_equal(ends[0].params, ends[1].params)
    assert not np.array_equal(ends[0].params, part.params)
    weights = np.where(abs(X[:, 0]) > 1, 1000.0, 1.0), np.where(np.arange(200) % 9, 1e-3, 1.0)
    part = fastgd.fit(model, X, y, epochs=20, validation=0.2, sample_weight=weights[0], **options)
    whole = fastgd.fit(model, X, y, epochs=21, validation=0.2, sample_weight=weights[1], resume=part, **options)
    assert not np.array_equal(whole.params, part.params)  # of the only epoch under these weights


def test_a_run_that_diverged_says_which_parameters_it_returns():
    X, y = table(200, 3)
    options = {"optimizer": fastgd.SGD(), "lr": 1.0, "batch_size": 4, "epochs": 500}
    with pytest.warns(RuntimeWarning, match="the last finite parameters are returned"):
        fastgd.fit(fastgd.Neuron(3, "identity"), 3 * X, y, **options)
    with pytest.warns(RuntimeWarning, match="the parameters of the best epoch by validation are returned"):
        result = fastgd.fit(fastgd.Neuron(3, "identity"), X, y, validation=0.2, **options)
    assert result.status == "diverged"


@pytest.mark.parametrize(("dtype", "small"), [(np.float32, 1e-40), (np.float32, 1e-30), (np.float64, 1e-300)])
def test_a_batch_of_small_weights_alone(dtype, small):
    """Its mean is that over its own rows; where the weights are nothing beside the largest, it has no gradient."""
    X, y = table(4, 1, dtype)
    options = {"optimizer": fastgd.SGD(), "lr": 0.1, "batch_size": 2, "order": "sequential"}
    options |= {"epochs": 1, "params": [0, 0]}
    result = fastgd.fit(fastgd.Neuron(1), X, y, sample_weight=[1, 1, small, small], **options)
    assert result.status == "max_epochs"
    counts = small >= {4: 2.0**-100, 8: 2.0**-900}[np.dtype(dtype).itemsize]
    same = fastgd.fit(fastgd.Neuron(1), X[: 4 if counts else 2], y[: 4 if counts else 2], **options)
    np.testing.assert_allclose(result.params, same.params, rtol=1e-5)
