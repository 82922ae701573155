"""`fit`: when a run ends, what it tells along the way, and what it returns."""

import pickle

import numpy as np
import pytest
import reference
from fit_runs import assert_same_bits, drawn, table
from hypothesis import given, settings
from hypothesis import strategies as st

import fastgd
from fastgd.batches import split

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


def test_a_run_that_diverged_says_which_parameters_it_returns():
    X, y = table(200, 3)
    options = {"optimizer": fastgd.SGD(), "lr": 1.0, "batch_size": 4, "epochs": 500}
    with pytest.warns(RuntimeWarning, match="the last finite parameters are returned"):
        fastgd.fit(fastgd.Neuron(3, "identity"), 3 * X, y, **options)
    with pytest.warns(RuntimeWarning, match="the parameters of the best epoch by validation are returned"):
        result = fastgd.fit(fastgd.Neuron(3, "identity"), X, y, validation=0.2, **options)
    assert result.status == "diverged"


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
