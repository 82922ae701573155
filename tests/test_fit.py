"""`fit`: what it computes, against a run in plain NumPy."""

import numpy as np
import pytest
import reference
from fit_runs import TOLERANCE, assert_same_bits, assert_same_run, drawn, table
from hypothesis import given, settings
from hypothesis import strategies as st

import fastgd
from fastgd._training import run as _run
from fastgd.batches import ORDERS

OPTIMIZERS = [fastgd.SGD(), fastgd.Momentum(), fastgd.Nesterov(), fastgd.Adam()]


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


def test_a_batch_of_small_weights_beside_small_ones():
    """The largest is none that has to be scaled down, yet one divided by the least is infinite in float32."""
    X, y, weight = np.ones((2, 1), np.float32), np.zeros(2, np.float32), np.array([2.0**-31, 2.0**-130], np.float32)
    options = {"optimizer": fastgd.SGD(), "lr": 0.1, "batch_size": 1, "order": "sequential", "epochs": 1}
    result = fastgd.fit(fastgd.Neuron(1, "identity"), X, y, params=[1, 1], sample_weight=weight, **options)
    assert result.status == "max_epochs"
    same = fastgd.fit(fastgd.Neuron(1, "identity"), X, y, params=[1, 1], **options)
    np.testing.assert_allclose(result.params, same.params, rtol=1e-6)


# Where a run begins.


@pytest.mark.parametrize("batch_size", [1, 7, 32])
def test_same_bits_wherever_the_data_lie_in_memory(batch_size):
    X, y = table(90, 64, np.float32)
    memory = np.empty(X.nbytes + 128, np.uint8)
    begin = -memory.ctypes.data % 64
    found = set()
    for shift in (0, 4, 16, 60):
        moved = memory[begin + shift : begin + shift + X.nbytes].view(np.float32).reshape(X.shape)
        moved[:] = X
        found.add(fastgd.fit(fastgd.Neuron(64), moved, y, batch_size=batch_size, epochs=2).params.tobytes())
    assert len(found) == 1


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
