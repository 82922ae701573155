"""`lr_find`: what it records, against steps in plain NumPy; what it suggests, on curves whose answer is known."""

import dataclasses
import re
import signal
import warnings
from itertools import combinations, pairwise

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st

import fastgd
from fastgd._rates import lr_suggestions as _lr_suggestions
from fastgd._rates.lr_suggestions import METHODS, longest_decrease, suggest
from fastgd._runtime import pace as _pace
from fastgd._training import run as _run
from fastgd.problems import Beale, Booth, Himmelblau, IllConditioned, Rosenbrock, StyblinskiTang

N_FEATURES = 6
SGD = fastgd.SGD()
NEURON = fastgd.Neuron(N_FEATURES, "identity")


def table(n=300, dtype=np.float64, noise=0.1, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, N_FEATURES))
    return X.astype(dtype), (X @ np.arange(1, N_FEATURES + 1) + 1 + noise * rng.normal(size=n)).astype(dtype)


def smoothed_by_hand(losses, beta, stop_factor, n_steps):
    """The averages, as far as the run goes."""
    averages, total, weight = [], 0.0, 0.0
    for loss in losses:
        total, weight = beta * total + (1 - beta) * loss, beta * weight + (1 - beta)
        averages.append(total / weight)
        watched = averages[n_steps // 10 :]
        if watched and averages[-1] > min(watched) + (stop_factor - 1) * abs(min(watched)):
            break
    return averages


# What is recorded.


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("beta", "stop_factor"), [(0.98, 4.0), (0.5, 1.5), (0.0, 100.0)])
def test_equals_steps_by_hand(dtype, beta, stop_factor):
    X, y = table(dtype=dtype)
    start = np.linspace(-1, 1, N_FEATURES + 1)
    found = fastgd.lr_find(
        NEURON, X, y, optimizer=SGD, start=1e-5, end=100.0, num_steps=60, batch_size=32, order="sequential",
        params=start, beta=beta, stop_factor=stop_factor,
    )  # fmt: skip
    params, losses = start.copy(), []
    with np.errstate(over="ignore", invalid="ignore"):
        for k, lr in enumerate(np.geomspace(1e-5, 100.0, 60)):
            batch = slice(32 * (k % 10), 32 * (k % 10) + 32)
            loss, grads = reference.loss_and_grad(params, X[batch].astype(float), y[batch].astype(float), "identity")
            losses.append(loss)
            params -= lr * grads
    expected = smoothed_by_hand(losses, beta, stop_factor, 60)
    assert found.status == "exploded"
    assert len(found.lrs) == len(expected) < 60
    assert (
        f"exceeded {stop_factor:g} times its best at {found.lrs[-1]:.3g}, after {len(found.lrs)} of 60 rates"
        in found.message
    )
    tolerance = 1e-3 if dtype == np.float32 else 1e-9
    np.testing.assert_allclose(found.lrs, np.geomspace(1e-5, 100.0, 60)[: len(expected)], rtol=1e-12)
    np.testing.assert_allclose(found.losses, losses[: len(expected)], rtol=tolerance)
    np.testing.assert_allclose(found.smoothed, expected, rtol=tolerance)
    np.testing.assert_array_equal(found.lower, found.smoothed)
    np.testing.assert_array_equal(found.upper, found.smoothed)


@pytest.mark.parametrize("batch_size", [1, 7, 32, None])
@pytest.mark.parametrize("order", ["shuffled", "block-shuffled"])
def test_the_steps_are_those_of_fit(batch_size, order):
    X, y = table(100)
    options = {"optimizer": SGD, "batch_size": batch_size, "order": order, "seed": 3}
    n_steps = -(-100 // (batch_size or 100))
    epochs = max(1, -(-12 // n_steps))
    found = fastgd.lr_find(NEURON, X, y, start=1e-3, end=1.0000001e-3, num_steps=n_steps * epochs, **options)
    trained = fastgd.fit(NEURON, X, y, lr=1e-3, epochs=epochs, **options)
    rows = np.tile([batch_size or 100] * (n_steps - 1) + [100 - (n_steps - 1) * (batch_size or 100)], epochs)
    weighted = (found.losses * rows).reshape(epochs, n_steps).sum(axis=1) / 100
    np.testing.assert_allclose(weighted, trained.history["loss"], rtol=1e-5)


def test_the_same_bits_wherever_chunks_end(monkeypatch):
    X, y = table()
    whole = fastgd.lr_find(NEURON, X, y, optimizer=SGD, num_steps=200)
    again = fastgd.lr_find(NEURON, X, y, optimizer=SGD, num_steps=200)
    monkeypatch.setattr(_pace, "CHUNK_SECONDS", 0.0)
    monkeypatch.setattr(_run, "_FIRST_WORK", 1)
    short = fastgd.lr_find(NEURON, X, y, optimizer=SGD, num_steps=200)
    for found in (again, short):
        assert (found.status, found.message) == (whole.status, whole.message) == ("exploded", whole.message)
        assert found.losses.tobytes() == whole.losses.tobytes()
        assert found.smoothed.tobytes() == whole.smoothed.tobytes()


def test_what_is_handed_in_is_not_touched():
    X, y = table()
    before = fastgd.fit(NEURON, X, y, optimizer=fastgd.Adam(), epochs=2)
    weight = np.ones(len(X))
    arrays = [X, y, weight, before.params, *_run.flat(before.state)]
    copies = [array.tobytes() for array in arrays]
    options = {"optimizer": fastgd.Adam(), "params": before.params}
    fresh = fastgd.lr_find(NEURON, X, y, sample_weight=weight, **options)
    going_on = fastgd.lr_find(NEURON, X, y, sample_weight=weight, state=before.state, **options)
    assert [array.tobytes() for array in arrays] == copies
    assert fresh.losses[0] == going_on.losses[0]  # at the same parameters,
    assert fresh.losses[60] != going_on.losses[60]  # with other moments
    for array in arrays:
        array.flags.writeable = False
    assert fastgd.lr_find(NEURON, X, y, state=before.state, **options).status == "completed"


def test_repeats_are_averaged_over_the_rates_that_all_reached():
    X, y = table()
    options = {"optimizer": SGD, "batch_size": 16, "num_steps": 50}
    runs = [fastgd.lr_find(NEURON, X, y, seed=seed, **options) for seed in (5, 6, 7)]
    found = fastgd.lr_find(NEURON, X, y, seed=5, repeats=3, **options)
    n = min(len(run.lrs) for run in runs)
    assert len(found.lrs) == n < 50
    assert found.status == "exploded"
    assert found.message.endswith("the mean of 3 of 3 runs")
    smoothed = np.array([run.smoothed[:n] for run in runs])
    np.testing.assert_allclose(found.losses, np.mean([run.losses[:n] for run in runs], axis=0))
    np.testing.assert_allclose(found.smoothed, smoothed.mean(axis=0))
    np.testing.assert_array_equal(found.lower, smoothed.min(axis=0))
    np.testing.assert_array_equal(found.upper, smoothed.max(axis=0))
    assert (found.lower < found.upper).all()


def test_batches_without_weight_are_passed_over():
    X, y = table(100)
    weight = np.ones(100)
    weight[20:30] = 0
    options = {"optimizer": SGD, "batch_size": 10, "order": "sequential", "num_steps": 30, "end": 1e-3}
    found = fastgd.lr_find(NEURON, X, y, sample_weight=weight, **options)
    assert list(np.flatnonzero(np.isnan(found.losses))) == [2, 12, 22]
    assert found.smoothed[2] == found.smoothed[1]
    assert np.isfinite(found.smoothed).all()
    assert fastgd.lr_find(NEURON, X, y, sample_weight=weight, repeats=2, **options).status == "completed"
    seen = np.isfinite(found.losses)
    without = dataclasses.replace(found, lrs=found.lrs[seen], losses=found.losses[seen], num_steps=27)
    assert found.suggestion() == without.suggestion()


def test_ends_before_what_is_not_finite():
    X, y = table()
    found = fastgd.lr_find(NEURON, X, y, optimizer=SGD, end=1e200, num_steps=30, stop_factor=1e300, beta=0.0)
    assert found.status == "nonfinite"
    assert found.message == f"the loss, a gradient or a parameter was not finite after {len(found.lrs)} of 30 rates"
    assert np.isfinite(found.losses).all()
    assert 0 < len(found.lrs) < 30


# Objectives.


def parabola(x, grads, curvature):
    grads[0] = curvature * x[0]
    return curvature * x[0] ** 2 / 2


@pytest.mark.parametrize("compile", [True, False])
def test_an_objective_s_run_by_hand(compile):
    found = fastgd.lr_find(parabola, [3.0], args=(2.0,), optimizer=SGD, start=1e-3, num_steps=80, compile=compile)
    lrs = np.geomspace(1e-3, 10, 80)
    x = 3 * np.concatenate([[1], np.cumprod(1 - 2 * lrs[:-1])])
    expected = smoothed_by_hand(x**2, 0.98, 4.0, 80)
    assert found.status == "exploded"
    np.testing.assert_allclose(found.losses, (x**2)[: len(expected)], rtol=1e-9)
    np.testing.assert_allclose(found.smoothed, expected, rtol=1e-9)
    assert found.suggestion("minimum").lr < 2 / 2  # the largest stable rate
    assert found.suggestion().lr < 2 / 2


@pytest.mark.parametrize("optimizer", [SGD, fastgd.Momentum(), fastgd.Adam(), fastgd.ScheduleFreeAdamW()], ids=repr)
def test_a_suggested_rate_minimises(optimizer):
    start = np.array([-4.0, 4.0])
    found = fastgd.lr_find(Booth(), start, optimizer=optimizer)
    for method in METHODS:
        lr = found.suggestion(method).lr
        result = fastgd.minimize(Booth(), start, optimizer=optimizer, lr=lr, max_steps=2000)
        assert result.fun < 1e-3 * found.losses[0], method
    np.testing.assert_array_equal(start, [-4, 4])


def test_an_objective_goes_on_with_a_state():
    state = fastgd.init_state(fastgd.Momentum(), np.zeros(2))
    state.velocity[:] = 5
    with_state = fastgd.lr_find(Booth(), [0.0, 0.0], optimizer=fastgd.Momentum(), state=state)
    without = fastgd.lr_find(Booth(), [0.0, 0.0], optimizer=fastgd.Momentum())
    assert with_state.losses[0] == without.losses[0]
    assert with_state.losses[1] != without.losses[1]
    np.testing.assert_array_equal(state.velocity, [5, 5])


def test_an_objective_that_is_not_finite():
    found = fastgd.lr_find(parabola, [3.0], args=(np.nan,), optimizer=SGD, compile=False)
    assert (found.status, len(found.lrs)) == ("nonfinite", 0)
    assert repr(found) == "LRFindResult(status='nonfinite', lrs=none, optimizer=SGD(weight_decay=0.0, maximize=False))"
    for method in METHODS:
        assert found.suggestion(method) == (
            None, "diverged at once: the very first loss, or its gradient, was not finite",
        )  # fmt: skip


def test_a_loss_below_0_may_rise_as_far_as_one_above():
    for value, rises, n in ((1.0, 4.1, 15), (-1.0, 2.1, 15), (-1.0, 1.9, 20), (0.0, 1e-9, 15)):
        losses, smoothed = np.full(20, value), np.empty(20)
        losses[14:] = rises
        found = _lr_suggestions.smooth(losses, 0.0, 4.0, 2, smoothed)
        assert found == (n, n < 20)


# Ctrl-C.


def test_interrupted(monkeypatch):
    X, y = table()
    advance, calls = _run.Run.advance, []

    def pressing(run, seconds, last_epoch):
        calls.append(run.step)
        if len(calls) == press_at:
            signal.raise_signal(signal.SIGINT)
        return advance(run, 0.0, last_epoch)

    monkeypatch.setattr(_run.Run, "advance", pressing)
    monkeypatch.setattr(_run, "_FIRST_WORK", 4000)
    press_at = 2
    found = fastgd.lr_find(NEURON, X, y, batch_size=8)
    assert (found.status, found.message) == ("interrupted", f"interrupted after {len(found.lrs)} of 100 rates")
    assert 0 < len(found.lrs) < 100
    assert np.isfinite(found.losses).all()
    monkeypatch.setattr(_run, "_FIRST_WORK", 1 << 19)
    calls.clear()
    found = fastgd.lr_find(NEURON, X, y, batch_size=8, repeats=4)
    assert (found.status, len(found.lrs)) == ("interrupted", 100)
    assert found.message == "interrupted after 100 of 100 rates; the mean of 2 of 4 runs"


def test_interrupted_in_an_objective():
    def pressing(x, grads, when):
        calls.append(1)
        if len(calls) == when:
            signal.raise_signal(signal.SIGINT)
        return parabola(x, grads, 2.0)

    calls = []
    found = fastgd.lr_find(pressing, [3.0], args=(40,), optimizer=SGD, compile=False)
    assert found.status == "interrupted"
    assert 30 < len(found.lrs) < 50


# What is refused.


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"start": 1.0, "end": 1.0}, ValueError, "start must be smaller than end, 1, got 1"),
        ({"start": 2.0, "end": 1.0}, ValueError, "start must be smaller than end, 1, got 2"),
        ({"start": 0.0}, ValueError, "start must be a positive finite number, got 0.0"),
        ({"start": -1e-3}, ValueError, "start must be a positive finite number, got -0.001"),
        ({"start": np.nan}, ValueError, "start must be a positive finite number, got nan"),
        ({"end": np.inf}, ValueError, "end must be a positive finite number, got inf"),
        ({"end": "10"}, TypeError, "end must be a positive finite number, got '10'"),
        ({"num_steps": 9}, ValueError, "num_steps must be an integer, 10 or larger, got 9"),
        ({"num_steps": 99.5}, TypeError, "num_steps must be an integer, 10 or larger, got 99.5"),
        ({"beta": 1.0}, ValueError, r"beta must be a number in \[0, 1\), got 1.0"),
        ({"stop_factor": 1.0}, ValueError, "stop_factor must be a finite number, larger than 1, got 1.0"),
        ({"repeats": 0}, ValueError, "repeats must be an integer, 1 or larger, got 0"),
        ({"batch_size": 0}, ValueError, "batch_size must be an integer, 1 or larger, got 0"),
        ({"order": "sorted"}, ValueError, "order must be one of 'shuffled'"),
        ({"seed": -1}, ValueError, "seed must be an integer, 0 or larger"),
        ({"optimizer": "sgd"}, TypeError, "lr_find: optimizer"),
        ({"clip": 1.0}, TypeError, "lr_find: clip"),
        ({"params": np.zeros(3)}, ValueError, "lr_find: params must have 7 elements"),
        ({"sample_weight": np.zeros(300)}, ValueError, "lr_find: sample_weight must be 0 or larger, and not all 0"),
        ({"X": np.zeros((300, 2))}, ValueError, "lr_find: X must have 6 columns"),
        ({"X": np.full((300, 6), np.nan)}, ValueError, "lr_find: X must be finite"),
        ({"X": np.zeros((0, 6)), "y": np.zeros(0)}, ValueError, "lr_find: X must have at least one row"),
        ({"y": np.full(300, np.inf)}, ValueError, "lr_find: y must be finite"),
        ({"y": None}, TypeError, "lr_find: y must be given with a model, got None"),
        (
            {"model": fastgd.Neuron},
            TypeError,
            r"lr_find: model: .*, got the class Neuron itself; write Neuron\(\.\.\.\)",
        ),
        ({"model": Booth, "X": [1.0], "y": None}, TypeError, r"lr_find: model: .* class Booth itself; write Booth\(\)"),
        ({"compile": "no"}, TypeError, "lr_find: compile must be True or False, got 'no'"),
        ({"args": (1.0,)}, TypeError, "lr_find: args, jac and compile go with an objective, got the m"),
        ({"compile": False}, TypeError, "lr_find: args, jac and compile go with an objective"),
        (
            {"state": (1, 2)},
            TypeError,
            "lr_find: state must be AdamState, as init_state makes it for this optimizer, got tuple",
        ),
        (
            {"state": fastgd.init_state(fastgd.Adam(), np.zeros(3))},
            ValueError,
            r"lr_find: state.m must be an array of shape \(7,\), got shape \(3,\)",
        ),
        ({"model": parabola, "X": [1.0]}, TypeError, "lr_find: y goes with a registered model, got function"),
        ({"model": parabola, "X": [1.0], "y": None, "clip": fastgd.ClipByNorm(1.0)}, TypeError, "lr_find: clip goes"),
        ({"model": Booth(), "X": [1.0, 2.0], "y": None, "batch_size": 8}, TypeError, "lr_find: batch_size goes with"),
        ({"model": Booth(), "X": [1.0, 2.0], "y": None, "order": "any"}, TypeError, "lr_find: order goes with"),
        ({"model": Booth(), "X": [1.0, 2.0], "y": None, "seed": -1}, TypeError, "lr_find: seed goes with"),
        (
            {"model": Booth(), "X": [1.0, 2.0], "y": None, "repeats": 2},
            ValueError,
            "repeats must be 1 for an objective",
        ),
        ({"model": Booth(), "X": [[1.0, 2.0]], "y": None}, ValueError, "must be a 1-D array"),
        ({"model": Booth(), "X": [1.0, np.nan], "y": None}, ValueError, "must be finite, got nan"),
        ({"model": 3, "X": [1.0], "y": None}, TypeError, "lr_find: fun must be an objective, got int"),
    ],
)
def test_bad_input(change, error, message):
    X, y = table()
    arguments = {"model": NEURON, "X": X, "y": y, **change}
    with pytest.raises(error, match=f"^lr_find: .*{message.removeprefix('lr_find: ')}"):
        fastgd.lr_find(**arguments)


def test_an_unknown_method():
    found = fastgd.lr_find(Booth(), [0.0, 0.0])
    with pytest.raises(ValueError, match="method must be one of 'steepest', 'minimum', 'valley', 'slide', got 'best'"):
        found.suggestion("best")


# What is suggested, on constructed curves.

LRS = np.geomspace(1e-7, 10, 100)
DECADE = 99 / 8  # points


def fall(centre=1e-2, width=0.3, depth=0.8, explosion=1.0):
    """A loss that falls from 1 like a sigmoid of log10(lr) round the centre, and explodes from some rate on."""
    x = np.log10(LRS)
    loss = 1 - depth / (1 + np.exp(-(x - np.log10(centre)) / width))
    return loss + 0.05 * np.maximum(0, (LRS / explosion) ** 2 - 1)


@pytest.mark.parametrize("scale", [300, 1000])
@pytest.mark.parametrize("d", [2, 20])
@pytest.mark.parametrize("noise", [0.0, 2.0])
def test_a_run_that_blew_up_early_suggests_a_rate_that_does_not(scale, d, noise):
    """The first losses are so large that their average goes on falling beyond the limit."""
    neuron, optimizer = fastgd.Neuron(d, "identity"), fastgd.SGD()
    for seed in range(2):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(2000, d)) * scale
        y = X @ rng.normal(size=d) / scale + noise * rng.normal(size=2000)
        found = fastgd.lr_find(neuron, X, y, optimizer=optimizer, seed=seed)
        for method in METHODS:
            lr = found.suggestion(method).lr
            if method != "slide" or lr is not None:
                assert fastgd.fit(neuron, X, y, optimizer=optimizer, lr=lr, seed=seed).loss < np.mean(y**2)


def test_swings_of_momentum_are_no_explosion():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(2000, 30)) * 30
    y = X @ rng.normal(size=30)
    found = fastgd.lr_find(fastgd.Neuron(30, "identity"), X, y, optimizer=fastgd.Momentum(), batch_size=None, seed=2)
    for method in METHODS:
        rates = [
            suggest(method, found.lrs, found.losses + c, found.beta, 100, found.status, found.optimizer).lr
            for c in (0, 1e3, 1e5)  # losses count by their differences
        ]
        assert rates == [rates[0]] * 3
    assert found.suggestion("minimum").lr > 5e-5  # the stable limit is 1.7e-3


def test_a_fall_that_few_noisy_losses_would_hide_is_not_denied():
    losses = np.random.default_rng(1).exponential(size=12)
    suggestion = suggest("valley", np.geomspace(1e-3, 1, 12), losses, 0.9, 12, "completed", fastgd.SGD())
    assert suggestion.lr is None
    assert suggestion.reason.startswith("flat, as far as noise lets see: the losses wavered between ")


def ask(method, losses, beta=0.0, status="exploded", num_steps=100):
    n = len(losses)
    return suggest(method, LRS[:n], np.asarray(losses, float), beta, num_steps, status, fastgd.Adam())


@pytest.mark.parametrize("centre", [1e-4, 1e-3, 1e-2])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("shift", [0.0, -3.0, 100.0])
def test_known_answers(centre, scale, shift):
    losses = scale * (fall(centre) + shift)
    lowest = LRS[np.argmin(losses)]
    point = 10 ** (1.1 / DECADE)  # a little more than a point of the grid, since the centre may lie between two
    steepest = ask("steepest", losses)
    assert centre / point < steepest.lr < centre * point
    assert steepest.reason.startswith("the smoothed loss falls fastest there")
    minimum = ask("minimum", losses)
    assert lowest / point**2 < 10 * minimum.lr < lowest * point**2  # a median of five flattens the lowest point
    assert minimum.reason == f"a tenth of {10 * minimum.lr:.3g}, where the smoothed loss is least"
    # A tenth of the sigmoid's depth is at -2.2 widths; the valley goes from there to the lowest point.
    valley = ask("valley", losses)
    assert valley.lr == pytest.approx(np.sqrt(centre * 10 ** (-2.2 * 0.3) * 10 * minimum.lr), rel=0.15)
    # At both ends of an interval round the centre the slopes are the same: half its 15 points lie below.
    slide = ask("slide", losses)
    assert slide.lr == pytest.approx(centre * 10 ** (-7.5 / DECADE), rel=0.45)
    assert "falls with one slope" in slide.reason


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("beta", [0.0, 0.9, 0.98])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda losses, rng: losses + 0.05 * rng.normal(size=losses.size),
        lambda losses, rng: losses * rng.gamma(8, 1 / 8, size=losses.size),
        lambda losses, rng: np.where(np.arange(losses.size) == 3, 50.0, losses),  # a wild batch at the beginning,
        lambda losses, rng: np.where(np.arange(losses.size) == 0, 50.0, losses),  # the very first,
        lambda losses, rng: np.where(np.isin(np.arange(losses.size), [5, 20]), 1e3, losses),  # several,
        lambda losses, rng: np.where(np.arange(losses.size) == 12, -50.0, losses),  # one downward
    ],
)
def test_noise_and_spikes_do_not_mislead(method, beta, spoil):
    for seed in range(5):
        losses = spoil(fall(1e-3, explosion=0.3), np.random.default_rng(seed))
        lr = ask(method, losses, beta).lr
        # The rates of the fall, by its construction; averages lag behind it by some points.
        assert (lr is None and method == "slide") or 5e-5 <= lr <= 0.3, (seed, lr)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("batch_size", "repeats"), [(4, 1), (16, 1), (1, 5)])
def test_the_wavering_of_the_first_averages_is_no_fall(method, batch_size, repeats):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(500, N_FEATURES))
        y = X @ rng.normal(size=N_FEATURES) + 0.1 * rng.normal(size=500)
        found = fastgd.lr_find(NEURON, X, y, optimizer=SGD, batch_size=batch_size, repeats=repeats, seed=seed)
        lr = found.suggestion(method).lr  # rates up to 1e-4 take nothing off the loss in some 80 steps
        assert lr is None or lr > 5e-4, (seed, lr)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("losses", "status", "num_steps", "reason"),
    [
        (np.full(100, 0.7), "completed", 100, "flat: the loss stayed near 0.7 at all rates up to 10"),
        (np.zeros(100), "completed", 100, "flat: the loss stayed near 0 "),
        (1 + 1e-9 * fall(), "completed", 100, "flat"),
        (1 + 0.1 * np.random.default_rng(0).normal(size=100), "completed", 100, "flat: .*hidden by noise"),
        (np.random.default_rng(1).exponential(size=100), "completed", 100, "flat"),
        (np.linspace(1, 3, 100), "exploded", 100, "never fell: the loss was near .* from the start, and rose"),
        (1 + np.exp(np.arange(100) - 95), "exploded", 100, "never fell"),
        (1 + np.exp(np.arange(100) / 20), "completed", 100, "never fell"),
        (4.0 ** np.arange(12), "exploded", 100, "diverged at once: no fall before .*; begin at a smaller rate"),
        (4.0 ** np.arange(3), "exploded", 100, "diverged at once: the run was over after 3 losses"),
        ([], "nonfinite", 100, "diverged at once: the very first loss, or its gradient, was not finite"),
        (fall()[:9], "interrupted", 100, "too few points: 9 losses were recorded, 10 are needed"),
        ([], "interrupted", 100, "too few points: 0 losses were recorded"),
        (np.full(100, np.nan), "completed", 100, "too few points: 0 losses"),
        (np.concatenate([[1.0], np.full(99, 0.01)]), "completed", 100, "fell at once, from 1 to near 0.01"),
    ],
)
def test_no_rate_but_the_reason(method, losses, status, num_steps, reason):
    for beta in (0.0, 0.98):
        found = ask(method, losses, beta, status, num_steps)
        assert found.lr is None
        assert re.match(reason, found.reason), found.reason


def test_chance_is_seldom_taken_for_a_fall():
    rng, told = np.random.default_rng(0), 0
    draws = [rng.normal(1, 0.3, (100, 100)), rng.exponential(size=(100, 100)), rng.random((100, 100)) < 0.2]
    for losses in np.concatenate(draws).astype(float):
        told += ask("valley", losses, 0.98, "completed").lr is not None
    assert told <= 9  # of 300


def test_a_fall_that_goes_on_at_the_end_is_told():
    found = ask("minimum", fall(1e-1, explosion=1e9), status="completed")
    assert found.lr == pytest.approx(1.0)
    assert found.reason.endswith("(still falling at the largest rate: try a larger end)")
    found = ask("minimum", fall(1e-1, explosion=1e9)[:92], status="interrupted")
    assert found.lr == pytest.approx(LRS[91] / 10)
    assert found.reason.endswith("(still falling at the largest rate: the run was interrupted there)")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("beta", [0.0, 0.98])
def test_a_fall_that_has_not_come_to_its_steepest_has_no_rate(method, beta):
    found = ask(method, fall(1e2, explosion=1e9), beta, "completed")
    assert found == (None, "still falling, and faster than ever, at the largest rate, 10: try a larger end")
    for n in (60, 70):
        found = ask(method, fall(1e-1)[:n], beta, "interrupted")
        rate = f"at the largest rate, {LRS[n - 1]:.3g}: the run was interrupted there"
        assert found == (None, f"still falling, and faster than ever, {rate}")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(-1e3, 1e3), max_size=120), st.sampled_from([0.0, 0.9, 0.98]), st.sampled_from(METHODS))
def test_never_an_absurd_number(losses, beta, method):
    lr, reason = ask(method, losses[:100], beta)
    assert reason
    assert lr is None or LRS[0] / 10 <= lr <= LRS[-1]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 8).map(float), min_size=1, max_size=9))
def test_the_longest_decrease(values):
    last, length = longest_decrease(np.array(values))
    chains = [
        chain
        for size in range(1, len(values) + 1)
        for chain in combinations(range(len(values)), size)
        if all(values[i] > values[j] for i, j in pairwise(chain))
    ]
    longest = max(map(len, chains))
    assert length == longest
    assert last == min(chain[-1] for chain in chains if len(chain) == longest)


# What is suggested, on real runs: it trains.


@pytest.mark.parametrize("optimizer", [SGD, fastgd.Momentum(), fastgd.Adam(), fastgd.RMSProp()], ids=repr)
def test_suggested_rates_train_nearly_as_well_as_the_best_of_a_grid(optimizer):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(1000, N_FEATURES))
    noisy = (rows[:, 0] + rows[:, 1] + 2 * rng.normal(size=1000) > 0).astype(float)
    # With noise: without, RMSProp comes to rest at 0 or, of a residual of rounding, divides by eps and blows up again.
    line = 50 * rows[:, 0] + 30 + rng.normal(size=1000)
    problems = [
        (NEURON, *table(1000)),
        (fastgd.Neuron(N_FEATURES, "identity"), rows, line),
        (fastgd.Neuron(N_FEATURES), rows, (rows[:, 0] > rows[:, 1]).astype(float)),
        (fastgd.Neuron(N_FEATURES, "sigmoid", "binary_cross_entropy"), rows, noisy),
    ]
    grid = np.geomspace(1e-4, 10, 11)
    for model, X, y in problems:

        def final_loss(lr, model=model, X=X, y=y):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a divergence
                result = fastgd.fit(model, X, y, optimizer=optimizer, lr=lr, epochs=20)
            return np.inf if result.status == "diverged" else result.loss

        best = min(map(final_loss, grid))
        found = fastgd.lr_find(model, X, y, optimizer=optimizer, end=100.0)
        for method, slack in (("valley", 0.1), ("minimum", 0.3), ("steepest", 0.1), ("slide", 0.3)):
            lr, reason = found.suggestion(method)
            if method == "slide" and lr is None:
                assert "fall with one slope" in reason
                continue
            assert lr is not None, reason
            assert final_loss(lr) <= 1.1 * best + slack * found.losses[:10].mean(), (model, method, lr)


@pytest.mark.parametrize("optimizer", [SGD, fastgd.Adam()], ids=repr)
def test_a_neuron_that_saturates_is_not_sent_on_to_ever_larger_rates(optimizer):
    """Its loss never explodes, and the average of a hundred losses falls long after the losses have risen again."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, N_FEATURES))
    y = (X @ rng.normal(size=N_FEATURES) + 0.5 * rng.normal(size=500) > 0).astype(float)
    neuron = fastgd.Neuron(N_FEATURES)
    losses = [fastgd.fit(neuron, X, y, optimizer=optimizer, lr=lr, epochs=20).loss for lr in np.geomspace(0.01, 100, 9)]
    for end in (100.0, 1e4, 1e8):
        found = fastgd.lr_find(neuron, X, y, optimizer=optimizer, end=end)
        for method in METHODS:
            lr, reason = found.suggestion(method)
            assert "still falling" not in reason
            if method != "slide" or lr is not None:
                assert fastgd.fit(neuron, X, y, optimizer=optimizer, lr=lr, epochs=20).loss < 1.6 * min(losses)


@pytest.mark.parametrize("num_steps", [10, 64, 65, 150])
def test_single_rows_the_short_way(num_steps):
    """Plain descent on unweighted single rows has a way of its own; weights of 1 make it take the common one."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(70, 4))
    y = X @ [1.0, 2.0, 3.0, 4.0]
    options = {"optimizer": SGD, "batch_size": 1, "num_steps": num_steps, "start": 1e-5, "end": 1e-2}
    neuron = fastgd.Neuron(4, "identity")
    short = fastgd.lr_find(neuron, X, y, **options)
    common = fastgd.lr_find(neuron, X, y, sample_weight=np.ones(70), **options)
    assert short.status == common.status
    np.testing.assert_array_equal(short.lrs, common.lrs)
    np.testing.assert_allclose(short.losses, common.losses, rtol=1e-10)


def cube(x, grad):
    grad[0], grad[1] = 3 * x[0] ** 2, 0.0
    return x[0] ** 3


@pytest.mark.parametrize(
    ("fun", "optimizer", "reason"),
    [
        (
            fastgd.problems.Saddle(),
            fastgd.SGD(),
            "still falling, and faster than ever, at the largest rate, 10: try a larger end",
        ),
        (cube, fastgd.Momentum(), "fell faster and faster, to "),
    ],
    ids=["saddle", "cube"],
)
def test_what_falls_without_a_floor(fun, optimizer, reason):
    """A fall that quickens bends as much as it falls: that is no noise."""
    found = fastgd.lr_find(fun, [1.0, 1e-6], optimizer=optimizer)
    assert found.losses[-1] < -1e10
    suggestion = found.suggestion()
    assert suggestion.lr is None
    assert suggestion.reason.startswith(reason)


def test_a_fall_before_steps_that_leap_between_minima_is_a_fall():
    found = fastgd.lr_find(fastgd.problems.Ackley(), [1.0, 2.0], optimizer=fastgd.Momentum())
    falls = np.diff(found.losses) < 0
    assert falls[:46].all()
    assert not falls[46]
    assert found.lrs[10] < found.suggestion().lr < found.lrs[46]


def test_more_runs_are_advised_where_they_would_help():
    X, y = np.ones((300, 2)), np.random.default_rng(0).normal(size=300)
    neuron, options = fastgd.Neuron(2, "identity"), {"optimizer": fastgd.SGD(), "end": 1e-6}
    for batch_size, helps in [(8, True), (300, False)]:
        suggestion = fastgd.lr_find(neuron, X, y, batch_size=batch_size, **options).suggestion()
        assert suggestion.lr is None
        assert ("repeats=5" in suggestion.reason) == helps


@pytest.mark.parametrize(
    "optimizer", [fastgd.SGD(), fastgd.Momentum(), fastgd.Nesterov()], ids=lambda o: type(o).__name__
)
def test_no_rate_beyond_the_limit_of_a_direction_that_had_settled(optimizer):
    """Nearly at its floor, the steepest direction grows for some steps before the loss shows it."""
    beta = getattr(optimizer, "beta", 0.0)
    share = 2 * (1 + beta) / (1 + 2 * beta) if type(optimizer) is fastgd.Nesterov else 2 * (1 + beta)
    for condition in (3.0, 30.0, 1000.0):
        for start in ([1.0, 1.0], [1.0, 0.01], [1.0, 1e-4], [0.01, 1.0]):
            found = fastgd.lr_find(IllConditioned(condition), start, optimizer=optimizer)
            for method in METHODS:
                rate = found.suggestion(method).lr
                assert rate is None or rate < share / condition


@pytest.mark.parametrize(
    ("problem", "start", "optimizer"),
    [
        *((Beale(), start, fastgd.SGD()) for start in ([1.0, 1.0], [2.0, 2.0], [4.0, 1.0], [0.5, 0.5])),
        (Himmelblau(), [5.0, 5.0], fastgd.SGD()),
        (Rosenbrock(), [-1.2, 1.0], fastgd.Nesterov()),
        (StyblinskiTang(), [0.0, 0.0], fastgd.Nesterov()),
    ],
)
def test_an_explosion_of_steep_walls_is_not_read_as_a_bowl_s(problem, start, optimizer):
    """The curvature there tells of no limit far below, at rates at which the losses have fallen all along."""
    found = fastgd.lr_find(problem, start, optimizer=optimizer)
    lr = found.suggestion("valley").lr
    assert 1e-3 * found.lrs[found.losses.argmin()] < lr < found.lrs[found.losses.argmin()]
    before = found.losses[0]
    assert fastgd.minimize(problem, start, optimizer=optimizer, lr=lr, max_steps=1000).fun < 0.02 * abs(before)


@pytest.mark.parametrize("unit", [1e-300, 1e150, 1e200])
@pytest.mark.parametrize("method", METHODS)
def test_losses_of_any_size(method, unit):
    assert ask(method, fall() * unit).lr == pytest.approx(ask(method, fall()).lr, rel=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_rate_beyond_the_limit_where_the_last_loss_alone_rose(dtype):
    """The bias has settled to rounding, and the finder ends as its error comes back."""
    rng = np.random.default_rng(1)
    X = 0.01 * rng.normal(size=(600, 4))
    y = 1e5 * X @ rng.normal(size=4) + 100 * rng.normal(size=600)
    options = {"optimizer": SGD, "batch_size": None}
    for end in np.geomspace(6, 12, 12):
        found = fastgd.lr_find(fastgd.Neuron(4, "identity"), X.astype(dtype), y.astype(dtype), end=end, **options)
        if found.losses[-1] > found.losses[-2]:
            assert all(found.suggestion(method).lr is None or found.suggestion(method).lr < 1 for method in METHODS)


def test_a_fall_that_ends_before_the_losses_are_least():
    rng = np.random.default_rng(255)
    X = rng.normal(size=(600, 4))
    y = (X @ rng.normal(size=4) > 0).astype(float)
    found = fastgd.lr_find(fastgd.Neuron(4), X, y, optimizer=SGD, batch_size=1, seed=255, end=1e4)
    for method in METHODS:
        lr, reason = found.suggestion(method)
        assert 0.1 < lr < 100, reason
