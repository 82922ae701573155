"""`ReduceOnPlateau` in `fit`, against PyTorch's and against a few lines of Python."""

import importlib.util
import math
import pickle

import numpy as np
import pytest

import fastgd
from fastgd import CosineAnnealing, ReduceOnPlateau, StepDecay, Warmup, schedule_values
from fastgd._runtime import pace as _pace
from fastgd._training import run as _run


def table(n=60, d=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    return X, 1 / (1 + np.exp(-X @ np.ones(d) - rng.normal(size=n)))


NOISY = {"optimizer": fastgd.SGD(), "batch_size": 4, "epochs": 60, "seed": 2}


def fit(schedule, **options):
    return fastgd.fit(fastgd.Neuron(3), *table(), lr=schedule, **{**NOISY, **options})


def reductions(plateau, losses):
    """How many reductions there were before each epoch."""
    best, bad, cooling, count, counts = math.inf, 0, 0, 0, []
    for loss in losses:
        counts.append(count)
        if best == math.inf or loss < best - plateau.threshold * abs(best):
            best, bad = loss, 0
        else:
            bad += 1
        if cooling:
            cooling, bad = cooling - 1, 0
        if bad > plateau.patience:
            count, cooling, bad = count + 1, plateau.cooldown, 0
    return np.array(counts)


CASES = [
    ReduceOnPlateau(2.0, factor=0.5, patience=2),
    ReduceOnPlateau(2.0, factor=0.3, patience=0, threshold=1e-3, cooldown=3),
    ReduceOnPlateau(2.0, factor=0.1, patience=1, lr_min=0.05),
    ReduceOnPlateau(2.0, factor=0, patience=4),
]


@pytest.mark.parametrize("validation", [None, 0.3])
@pytest.mark.parametrize("plateau", CASES, ids=repr)
def test_a_constant_rate_falls(plateau, validation):
    history = fit(plateau, validation=validation).history
    counts = reductions(plateau, history["loss" if validation is None else "val_loss"])
    assert counts[-1] > 0
    expected = np.maximum(2.0 * plateau.factor ** counts.astype(float), plateau.lr_min)
    np.testing.assert_allclose(history["lr"], expected, rtol=1e-14)


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
@pytest.mark.parametrize("plateau", CASES, ids=repr)
def test_the_rate_is_that_of_pytorch(plateau):
    import torch

    history = fit(plateau).history
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=plateau.schedule)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=plateau.factor, patience=plateau.patience, threshold=plateau.threshold,
        cooldown=plateau.cooldown, min_lr=plateau.lr_min, eps=0,
    )  # fmt: skip
    expected = []
    for loss in history["loss"]:
        expected.append(optimizer.param_groups[0]["lr"])
        scheduler.step(loss)
    np.testing.assert_allclose(history["lr"], expected, rtol=1e-14)


def test_a_schedule_is_scaled_at_every_step():
    base = StepDecay(2.0, 0.9, 1)
    plateau = ReduceOnPlateau(base, factor=0.5, patience=1, lr_min=0.1)
    history = fit(plateau).history
    counts = reductions(plateau, history["loss"])
    rates = schedule_values(base, np.arange(60))
    assert counts[-1] > 1
    assert rates[-1] < 0.1  # where it stays as it is
    np.testing.assert_allclose(history["lr"], np.maximum(rates * 0.5**counts, np.minimum(rates, 0.1)), rtol=1e-14)


def test_until_the_first_plateau_nothing_is_changed():
    for base in (0.5, CosineAnnealing(0.5, 20)):
        plain = fit(base, epochs=20)
        watched = fit(ReduceOnPlateau(base, patience=20, lr_min=0.4), epochs=20)
        np.testing.assert_array_equal(plain.params, watched.params)
        np.testing.assert_array_equal(plain.history["lr"], watched.history["lr"])


def test_the_callback_is_told_the_rate_of_the_last_step():
    seen = []
    history = fit(CASES[0], callback=lambda progress: seen.append((progress.epoch, progress.lr))).history
    assert len(set(history["lr"])) > 2
    assert seen == list(zip(history["epoch"].tolist(), history["lr"].tolist(), strict=True))


@pytest.mark.parametrize("base", [2.0, StepDecay(2.0, 0.9, 1)], ids=repr)
@pytest.mark.parametrize("validation", [None, 0.3])
@pytest.mark.parametrize("epochs", [1, 7, 20, 33])
def test_going_on(base, validation, epochs):
    plateau = ReduceOnPlateau(base, factor=0.5, patience=2, cooldown=2)
    whole = fit(plateau, validation=validation)
    part = pickle.loads(pickle.dumps(fit(plateau, validation=validation, epochs=epochs)))
    again = fit(plateau, validation=validation, resume=part)
    assert len(set(whole.history["lr"][epochs:])) > 1
    np.testing.assert_array_equal(again.params, whole.params)
    for name, column in whole.history.items():
        np.testing.assert_array_equal(again.history[name], column, err_msg=name)


def test_going_on_from_the_middle_of_an_epoch(monkeypatch):

    monkeypatch.setattr(_pace, "CHUNK_SECONDS", 0.0)
    monkeypatch.setattr(_run, "_FIRST_WORK", 1)
    calls = 0

    def stop(progress):
        nonlocal calls
        calls += 1
        if progress.epoch == 20 and progress.step % 15:
            raise StopIteration

    plateau = ReduceOnPlateau(StepDecay(2.0, 0.9, 1), factor=0.5, patience=2)
    whole = fit(plateau)
    part = fit(plateau, callback=stop)
    assert (part.status, part.n_epochs) == ("stopped", 20)
    assert part.history["lr"][20] == whole.history["lr"][20]
    np.testing.assert_array_equal(fit(plateau, resume=part).params, whole.params)


def test_with_tol_and_a_warmup():
    plateau = ReduceOnPlateau(Warmup(3, 2.0), factor=0.5, patience=2)
    result = fit(plateau, tol=1e-3, patience=8)
    assert result.status == "converged"
    counts = reductions(plateau, result.history["loss"])
    assert counts[-1] > 0
    last_steps = np.arange(1, result.n_epochs + 1) - 1 / 15
    np.testing.assert_allclose(result.history["lr"], schedule_values(plateau, last_steps) * 0.5**counts, rtol=1e-14)


def test_a_run_can_take_on_and_drop_a_plateau():
    part = fit(2.0, epochs=10)
    watched = fit(ReduceOnPlateau(2.0, factor=0.5, patience=0), epochs=30, resume=part)
    assert (watched.history["lr"][:11] == 2).all()
    assert watched.history["lr"][-1] < 2
    assert fit(1.0, epochs=31, resume=watched).history["lr"][-1] == 1


def test_another_plateau_begins_with_its_own_rate():
    part = fit(ReduceOnPlateau(2.0, factor=0.5, patience=0), epochs=20)
    assert part.history["lr"][-1] < 1
    assert fit(ReduceOnPlateau(1.0, factor=0.5, patience=0), epochs=21, resume=part).history["lr"][-1] == 1
