"""`sweep`: each run against `fit` alone, its kernels against NumPy, and what it refuses."""

import warnings

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from user_rules import Linear

import fastgd
from fastgd import SGD, Adam, ClipByNorm, Neuron, fit, sweep
from fastgd._arrays.lanes import transpose
from fastgd._jit import kernel

LRS = np.geomspace(1e-3, 1, 7)


def data(n_rows, n_columns, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, n_columns)).astype(dtype)
    return X, (X[:, 0] + 0.3 * rng.normal(size=n_rows) > 0).astype(dtype)


def assert_as_fit(result, model, X, y, rtol, **options):
    """Each run is what `fit` gives with its rate, optimiser and seed."""
    for k, (lr, optimizer, seed) in enumerate(zip(result.lrs, result.optimizers, result.seeds, strict=True)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # the runs that diverge
            alone = fit(model, X, y, lr=lr, optimizer=optimizer, seed=int(seed), **options)
        what = f"run {k}, rate {lr}"
        assert (result.status[k], result.n_steps[k], result.n_epochs[k]) == (
            alone.status,
            alone.n_steps,
            alone.n_epochs,
        ), what
        scale = abs(alone.params).max()
        np.testing.assert_allclose(result.params[k], alone.params, rtol=0, atol=rtol * scale, err_msg=what)
        np.testing.assert_allclose(result.loss[k], alone.loss, rtol=rtol, err_msg=what)
        for name, column in alone.history.items():
            row, rest = np.split(result.history[name][k], [len(column)])
            np.testing.assert_allclose(row, column, rtol=100 * rtol, atol=100 * rtol, err_msg=f"{name}, {what}")
            assert np.isnan(rest).all()


CASES = {
    "plain descent": (Neuron(5, "identity"), 300, SGD(), {"batch_size": 32}),
    "full batches in several blocks": (Neuron(3), 5000, SGD(), {"batch_size": None}),
    "runs to be held out": (Neuron(5, "identity"), 300, SGD(), {"validation": 0.25, "order": "block-shuffled"}),
    "early stopping": (Neuron(5, "identity"), 300, SGD(), {"tol": 1e-2, "patience": 2, "epochs": 30}),
    "a gradient small enough": (Neuron(5, "identity"), 300, SGD(), {"gtol": 0.05, "epochs": 10}),
    "weights": (Neuron(5, "tanh"), 300, SGD(), {"sample_weight": np.arange(300) % 3}),
    "cross-entropy": (Neuron(5, loss="binary_cross_entropy"), 300, SGD(), {"order": "sequential"}),
    "clipping": (Neuron(5, "identity"), 300, SGD(), {"clip": ClipByNorm(0.1)}),
    "a state": (Neuron(5), 300, Adam(), {"batch_size": 7}),
    "a model without lanes": (Linear(5, 1), 300, SGD(), {"batch_size": 32, "validation": 0.25}),
}


@pytest.mark.parametrize("case", CASES)
def test_each_run_is_what_fit_gives(case):
    model, n_rows, optimizer, options = CASES[case]
    X, y = data(n_rows, 3 if n_rows > 300 else 5)
    y = y.reshape(-1, 1) if isinstance(model, Linear) else y
    options = {"epochs": 3} | options
    result = sweep(model, X, y, lrs=LRS, optimizer=optimizer, **options)
    assert_as_fit(result, model, X, y, 1e-9, **options)


def test_in_float32():
    X, y = data(300, 5, np.float32)
    options = {"batch_size": 32, "epochs": 3}
    result = sweep(Neuron(5), X, y, lrs=LRS, optimizer=SGD(), **options)
    assert result.params.dtype == np.float32
    assert_as_fit(result, Neuron(5), X, y, 1e-5, **options)


def test_grid_and_seeds_in_every_combination():
    X, y = data(200, 4)
    grid = {"beta1": [0.5, 0.9], "weight_decay": [0, 0.1, 0.2]}
    options = {"epochs": 2, "batch_size": 16}
    result = sweep(Neuron(4), X, y, lrs=[0.01, 0.1], optimizer=Adam(), grid=grid, seeds=[3, 8], **options)
    assert result.lrs.size == 24
    assert result.lrs[:3].tolist() == [0.01, 0.1, 0.01]
    assert result.optimizers[2] == Adam(beta1=0.5, weight_decay=0.1)
    assert result.seeds[[11, 12]].tolist() == [3, 8]
    assert_as_fit(result, Neuron(4), X, y, 1e-9, **options)
    assert result.best == result.loss.argmin()
    assert repr(result.optimizers[result.best]) in result.message


def test_seeds_on_one_pass_where_no_rows_are_drawn():
    X, y = data(200, 4)
    options = {"order": "sequential", "epochs": 2}
    result = sweep(Neuron(4), X, y, lrs=[0.1], optimizer=SGD(), seeds=range(5), **options)
    assert_as_fit(result, Neuron(4), X, y, 1e-9, **options)
    assert len(np.unique(result.params, axis=0)) == 5


def test_fields_that_change_the_state():
    X, y = data(200, 4)
    result = sweep(Neuron(4), X, y, lrs=[0.1], optimizer=Adam(), grid={"amsgrad": [True, False]}, epochs=2)
    assert_as_fit(result, Neuron(4), X, y, 1e-9, epochs=2)


def test_optimisers_within_a_wrapper():
    X, y = data(200, 4)
    grid = {"inner": [SGD(), SGD(weight_decay=0.1)], "decay": [0.5]}
    result = sweep(Neuron(4, "identity"), X, y, lrs=[0.1], optimizer=fastgd.EMA(SGD(), 0.9), grid=grid, epochs=2)
    assert result.optimizers == (fastgd.EMA(SGD(), 0.5), fastgd.EMA(SGD(weight_decay=0.1), 0.5))
    assert_as_fit(result, Neuron(4, "identity"), X, y, 1e-9, epochs=2)
    with pytest.raises(TypeError, match=r"within EMA of one type, got EMA\(inner=SGD.* and EMA\(inner=Adam"):
        sweep(Neuron(4), X, y, lrs=[0.1], optimizer=fastgd.EMA(SGD()), grid={"inner": [SGD(), Adam()]})


def test_runs_that_diverge_stop_where_fit_does_and_leave_the_others_alone():
    X, y = data(300, 5)
    lrs = [1e-2, 10, 1e10, 1e-1, 1e200]
    result = sweep(Neuron(5, "identity"), X, y, lrs=lrs, optimizer=SGD(), epochs=30, batch_size=32)
    assert result.status.tolist() == ["max_epochs", "diverged", "diverged", "max_epochs", "diverged"]
    assert np.isfinite(result.params).all()
    assert_as_fit(result, Neuron(5, "identity"), X, y, 1e-9, epochs=30, batch_size=32)
    assert result.best in (0, 3)
    assert "3 of 5 runs diverged, from a rate of 10 up" in result.message


@pytest.mark.parametrize(
    "optimizer", [fastgd.EMA(SGD(), 0.9), pytest.param(fastgd.ScheduleFreeSGD(), marks=pytest.mark.sweep)], ids=repr
)
def test_runs_that_diverge_keep_the_last_finite_average(optimizer):
    X, y = data(300, 5)
    result = sweep(Neuron(5, "identity"), X, y, lrs=[1e-2, 1e3, 1e200], optimizer=optimizer, batch_size=32)
    assert result.status.tolist() == ["max_epochs", "diverged", "diverged"]
    assert np.isfinite(result.params).all()
    assert_as_fit(result, Neuron(5, "identity"), X, y, 1e-9, batch_size=32)


def test_all_diverged():
    X, y = data(100, 5)
    result = sweep(Neuron(5, "identity"), X, y, lrs=[1e200, 1e300], optimizer=SGD(), epochs=3)
    assert (result.best, result.best_lr) == (None, None)
    assert "try smaller rates" in repr(result)


@given(
    n_rows=st.integers(1, 200),
    n_columns=st.integers(1, 70),
    n_runs=st.integers(1, 70),
    batch_size=st.one_of(st.none(), st.integers(1, 80)),
    seed=st.integers(0, 5),
)
@example(n_rows=5000, n_columns=17, n_runs=33, batch_size=2500, seed=0)
@settings(max_examples=30, deadline=None)
def test_any_shape(n_rows, n_columns, n_runs, batch_size, seed):
    X, y = data(n_rows, n_columns, seed=seed)
    model, options = Neuron(n_columns, "identity"), {"batch_size": batch_size, "epochs": 2}
    lrs = np.geomspace(1e-5, 1e-2, n_runs)
    result = sweep(model, X, y, lrs=lrs, optimizer=SGD(), seed=seed, **options)
    for k in {0, n_runs // 2, n_runs - 1}:
        alone = fit(model, X, y, optimizer=SGD(), lr=lrs[k], seed=seed, **options)
        np.testing.assert_allclose(result.params[k], alone.params, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(result.history["loss"][k], alone.history["loss"], rtol=1e-9)


def test_same_bits_in_any_company_and_on_threads():
    X, y = data(300, 5)
    options = {"optimizer": SGD(), "epochs": 2, "batch_size": 32}
    lrs = np.geomspace(1e-4, 1e-1, 40)
    one = sweep(Neuron(5, "identity"), X, y, lrs=lrs, **options)
    two = sweep(Neuron(5, "identity"), X, y, lrs=lrs, threads=2, **options)
    alone = sweep(Neuron(5, "identity"), X, y, lrs=lrs[37:38], **options)
    np.testing.assert_array_equal(one.params, two.params)
    np.testing.assert_array_equal(one.history["loss"], two.history["loss"])
    np.testing.assert_array_equal(one.params[37], alone.params[0])


def test_sums_over_many_float32_rows_lose_no_digits():
    X, y = data(300_000, 2, np.float32)
    X += np.float32(3)  # sums that grow
    options = {"lrs": [1e-3, 1e-2], "optimizer": SGD(), "epochs": 1, "batch_size": None}
    single = sweep(Neuron(2, "identity"), X, y, **options)
    double = sweep(Neuron(2, "identity"), X.astype(np.float64), y.astype(np.float64), **options)
    initial = fastgd.init_params(Neuron(2, "identity"), dtype=np.float64)
    np.testing.assert_allclose(single.loss, double.loss, rtol=1e-5)
    np.testing.assert_allclose(single.params - initial, double.params - initial, rtol=1e-4, atol=1e-7)


def test_input_is_left_alone_and_taken_in_any_layout():
    X, y = data(100, 4)
    options = {"lrs": [0.1], "optimizer": SGD(), "epochs": 1}
    expected = sweep(Neuron(4), X, y, **options).params
    given_X, params = np.asfortranarray(X), fastgd.init_params(Neuron(4), dtype=np.float64)
    for array in (given_X, y, params):
        array.setflags(write=False)
    np.testing.assert_array_equal(sweep(Neuron(4), given_X, y, params=params, **options).params, expected)


def test_non_finite_batches_can_be_left_out():
    X, y = data(128, 2)
    X[5] = 1e200  # its loss overflows
    options = {"epochs": 2, "batch_size": 16, "on_nonfinite": "skip"}
    result = sweep(Neuron(2, "identity"), X, y, lrs=[1e-3, 1e-2], optimizer=SGD(), **options)
    assert result.history["skipped"].tolist() == [[1, 1], [1, 1]]
    assert_as_fit(result, Neuron(2, "identity"), X, y, 1e-9, **options)


def test_time_is_kept():
    X, y = data(100, 2)
    result = sweep(
        Neuron(2, "identity"), X, y, lrs=[1e-3], optimizer=SGD(), epochs=10**9, max_seconds=0.2, progress=True
    )
    assert result.status.tolist() == ["max_seconds"]
    assert result.n_epochs[0] > 0


def test_an_interrupt_loses_nothing(press):
    X, y = data(100, 2)
    options = {"lrs": [1e-3, 1e-2], "optimizer": SGD()}
    sweep(Neuron(2, "identity"), X, y, epochs=1, **options)  # compiles
    press()
    result = sweep(Neuron(2, "identity"), X, y, epochs=10**9, **options)
    assert result.status.tolist() == ["interrupted", "interrupted"]
    assert (result.n_epochs > 0).all()
    assert np.isfinite(result.loss).all()


def test_no_epochs():
    X, y = data(10, 2)
    result = sweep(Neuron(2, "identity"), X, y, lrs=[1e-3], optimizer=SGD(), epochs=0)
    assert result.status.tolist() == ["max_epochs"]
    assert np.isnan(result.loss).all()
    assert result.best is None
    assert result.message == "no step was taken"
    assert result.history["loss"].shape == (1, 0)


def test_runs_that_blow_up_before_their_numbers_end():
    X = np.random.default_rng(0).normal(size=(500, 3))
    y = X @ [1.0, 2.0, 3.0]
    result = sweep(Neuron(3, "identity"), X, y, lrs=[1e-3, 0.1, 1.5, 3.0], epochs=30, optimizer=SGD())
    assert result.status.tolist() == ["max_epochs"] * 3 + ["diverged"]
    assert result.exploded.tolist() == [False, False, True, False]
    words = "; 1 ended at a thousand times the loss that it began with, at a rate of 1.5"
    assert result.message.endswith(f"1 of 4 runs diverged, from a rate of 3 up{words}")
    alone = sweep(Neuron(3, "identity"), X, y, lrs=[1.5], epochs=30, optimizer=SGD())
    assert alone.exploded.tolist() == [True]
    assert alone.best is None
    assert alone.message.endswith("from a rate of 1.5 up: try smaller rates")
    assert not sweep(Neuron(3), X, y > 0, lrs=[1.0], epochs=0).exploded.any()


def test_the_message_tells_of_runs_that_skipped_everything():
    X, y = data(200, 4)
    options = {"optimizer": SGD(), "epochs": 3, "on_nonfinite": "skip"}
    with np.errstate(all="ignore"):
        result = sweep(Neuron(4, "identity"), X, y, lrs=[0.01, 1e200], **options)
    assert np.isnan(result.loss).tolist() == [False, True]
    assert result.message.endswith(
        "; none of 2 runs diverged; 1 skipped every batch of the last epoch, from a rate of 1e+200 up"
    )


def test_the_message_holds_for_every_setting():
    X, y = data(200, 4)
    options = {"optimizer": SGD(), "epochs": 30}
    result = sweep(Neuron(4, "identity"), X, y, lrs=[0.02, 0.1, 30], grid={"weight_decay": [0, 1e3]}, **options)
    exploded = "; 1 ended at a thousand times the loss that it began with, at a rate of 0.02"
    assert result.message.endswith(f"; 3 of 6 runs diverged, at rates from 0.1 to 30{exploded}")
    result = sweep(Neuron(4, "identity"), X, y, lrs=[0.02, 0.3, 30], validation=0.3, **options)
    least = result.history["val_loss"][result.best].min()
    assert f"validation loss {least:.4g} (training loss {result.loss[result.best]:.4g})" in result.message


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"lrs": []}, ValueError, "sweep: lrs must have at least one rate"),
        ({"lrs": 0.1}, ValueError, "sweep: lrs must be a 1-D array"),
        ({"lrs": [0.1, 0]}, ValueError, "sweep: lrs must be positive and finite, got 0"),
        ({"lrs": [-1]}, ValueError, "sweep: lrs must be positive and finite, got -1"),
        ({"lrs": [np.nan]}, ValueError, "sweep: lrs must be positive and finite, got nan"),
        ({"lrs": [np.inf]}, ValueError, "sweep: lrs must be positive and finite, got inf"),
        ({"lrs": ["a"]}, TypeError, "sweep: lrs must hold real numbers"),
        ({"lrs": fastgd.ExponentialDecay(0.1, 3.0)}, TypeError, "sweep: lrs must be numbers, .*, got Exponential"),
        ({"lrs": [fastgd.ExponentialDecay(0.1, 0.1)]}, TypeError, "sweep: lrs must be numbers, .*, got Exponential"),
        ({"optimizer": "adam"}, TypeError, "sweep: optimizer: expected an optimizer"),
        ({"grid": [1]}, TypeError, "sweep: grid must be a dictionary"),
        ({"grid": {"bta": [1]}}, ValueError, "sweep: grid names 'bta'; the fields of Adam are beta1, beta2"),
        ({"grid": {"beta1": 0.9}}, ValueError, r"sweep: grid\['beta1'\] must be a sequence of one or more values"),
        ({"grid": {"beta1": []}}, ValueError, r"sweep: grid\['beta1'\] must be a sequence of one or more values"),
        ({"grid": {"beta1": [0.9, 2]}}, ValueError, r"Adam: beta1 must be a number in \[0, 1\), got 2"),
        ({"seeds": []}, ValueError, "sweep: seeds must be one or more different integers"),
        ({"seeds": [1, 1]}, ValueError, "sweep: seeds must be one or more different integers"),
        ({"seeds": [-1]}, ValueError, "sweep: seeds must be"),
        ({"seeds": 3}, TypeError, "sweep: seeds must be a sequence of integers, got 3; one for all runs is seed="),
        ({"on_nonfinite": "raise"}, ValueError, "sweep: on_nonfinite must be one of 'stop', 'skip'"),
        ({"epochs": -1}, ValueError, "sweep: epochs must be"),
        ({"batch_size": 0}, ValueError, "sweep: batch_size must be"),
        ({"patience": 0}, ValueError, "sweep: patience must be"),
        ({"progress": 1}, TypeError, "sweep: progress must be"),
        ({"y": np.ones(3)}, ValueError, "sweep: y"),
        ({"X": np.full((10, 2), np.nan)}, ValueError, "sweep: X must be finite"),
        ({"params": np.ones(7)}, ValueError, "sweep: params must have 3 elements"),
    ],
)
def test_bad_input(options, error, message):
    X, y = data(10, 2)
    arguments = {"X": X, "y": y, "lrs": [0.1]} | options
    with pytest.raises(error, match=message):
        sweep(Neuron(2), arguments.pop("X"), arguments.pop("y"), **arguments)


@kernel
def transposed(source, target):
    transpose(source, target)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_transpose(dtype):
    source = np.random.default_rng(0).normal(size=(48, 32)).astype(dtype)
    target = np.empty((32, 48), dtype)
    transposed(source, target)
    np.testing.assert_array_equal(target, source.T)


@pytest.mark.parametrize(("dtype", "small"), [(np.float32, 1e-25), (np.float64, 1e-170), (np.float64, 1e150)])
@pytest.mark.parametrize("batch_size", [1, 16])
def test_cosines_of_gradients_whose_products_are_no_numbers(dtype, small, batch_size):
    """From 0 on a linear neuron's gradients are in proportion to the targets, and their cosines the same."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(160, 3)).astype(dtype)
    y = X @ np.ones(3) + 1
    options = {"optimizer": SGD(), "batch_size": batch_size, "epochs": 3, "params": np.zeros(4)}
    neuron = Neuron(3, "identity")
    expected = fit(neuron, X, y.astype(dtype), lr=0.01, **options).history["grad_cosine"]
    targets = (small * y).astype(dtype)
    ones = np.ones(160)  # with weights single rows go the common way
    for weights in (None, ones):
        history = fit(neuron, X, targets, lr=0.01, sample_weight=weights, **options).history
        np.testing.assert_allclose(history["grad_cosine"], expected, rtol=1e-4)
    swept = sweep(neuron, X, targets, lrs=[0.01, 0.02], **options).history["grad_cosine"][0]
    np.testing.assert_allclose(swept, expected, rtol=1e-4)


def test_the_weight_of_a_single_row_does_not_matter():
    how = {"optimizer": SGD(), "epochs": 3, "sample_weight": [3.0], "params": np.zeros(2)}
    run = fit(Neuron(1, "identity"), [[1.0]], [1.0], lr=0.1, **how)
    swept = sweep(Neuron(1, "identity"), [[1.0]], [1.0], lrs=[0.1, 0.2], **how)
    np.testing.assert_allclose(run.history["loss"], [1, 0.36, 0.1296], rtol=1e-12)
    np.testing.assert_allclose(swept.history["loss"][0], run.history["loss"], rtol=1e-12)
    np.testing.assert_allclose(swept.params[0], run.params, rtol=1e-12)


def test_a_run_whose_last_epochs_were_left_out_has_no_loss():
    how = {"optimizer": SGD(), "batch_size": None, "epochs": 5, "on_nonfinite": "skip", "params": np.zeros(2)}
    swept = sweep(Neuron(1, "identity"), np.ones((8, 1)), np.ones(8), lrs=[0.1, 1e200], **how)
    assert np.isnan(swept.loss[1])
    assert np.isnan(fit(Neuron(1, "identity"), np.ones((8, 1)), np.ones(8), lr=1e200, **how).loss)
    assert swept.best_lr == 0.1


def test_a_seed_beyond_the_integers_of_float64_is_refused():
    X, y = np.ones((8, 1)), np.ones(8)
    for optimizer in (fastgd.AdamBF16(seed=2**53 + 1), fastgd.EMA(fastgd.AdamBF16(seed=2**53 + 1))):
        with pytest.raises(
            ValueError, match=r"sweep: optimizer\..*seed must be an integer that float64 holds, got 9007"
        ):
            sweep(Neuron(1), X, y, lrs=[0.1, 0.2], optimizer=optimizer)
