"""Results to draw: of real runs, and of a finder and of sweeps as their documentation describes them."""

import warnings
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

import fastgd


class Suggestion(NamedTuple):
    lr: float | None
    reason: str


@dataclass(frozen=True)
class Found:
    """As `LRFindResult`."""

    lrs: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    suggestions: dict
    status: str = "exploded"

    def suggestion(self, method="valley"):
        return self.suggestions[method]


REASONS = {
    "steepest": "the loss never fell by more than its noise, so that there is no slope to speak of",
    "minimum": "the loss never fell",
    "valley": "the loss never fell",
    "slide": "the loss grew beyond 4 times its least value at the 3rd step already",
}
RATES = {"steepest": 0.02, "minimum": 0.03, "valley": 0.011, "slide": 0.06}


def found(n=100, explosion=2.4, none=(), band=0.0):
    """A curve that is flat, falls and explodes."""
    lrs = np.geomspace(1e-7, 10, n)
    t = np.log10(lrs)
    smoothed = 0.69 - 0.45 / (1 + np.exp(-4 * (t + 1.8))) + explosion * np.exp(3.0 * (t - 0.9))
    losses = smoothed + 0.05 * np.random.default_rng(0).normal(size=n)
    suggestions = {
        method: Suggestion(None, REASONS[method]) if method in none else Suggestion(lr, "words")
        for method, lr in RATES.items()
    }
    return Found(lrs, losses, smoothed, smoothed - band, smoothed + band, suggestions)


SGD = fastgd.SGD()


@dataclass(frozen=True)
class Swept:
    """As `SweepResult`."""

    lrs: np.ndarray
    loss: np.ndarray
    history: dict
    status: np.ndarray
    seeds: np.ndarray
    optimizers: tuple
    best: int | None


def rows(n=400, d=4):
    """Two classes, with some noise."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d))
    return X, (X[:, 0] - 2 * X[:, 1] + 0.5 * rng.normal(size=n) > 0).astype(float)


def swept(lrs, optimizers=(SGD,), seeds=(0,), epochs=12, activation="identity"):
    """What a sweep returns, by one `fit` after another."""
    X, y = rows()
    runs = [(float(lr), optimizer, seed) for optimizer in optimizers for seed in seeds for lr in lrs]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # some diverge
        results = [
            fastgd.fit(fastgd.Neuron(4, activation), X, y, optimizer=optimizer, lr=lr, seed=seed, epochs=epochs)
            for lr, optimizer, seed in runs
        ]
    history = {name: np.full((len(runs), epochs), np.nan) for name in ("epoch", "loss", "lr")}
    for i, result in enumerate(results):
        for name, columns in history.items():
            columns[i, : result.history[name].size] = result.history[name]
    status = np.array([result.status for result in results])
    loss = np.array([result.loss for result in results])
    good = np.where((status != "diverged") & np.isfinite(loss), loss, np.inf)
    best = int(good.argmin()) if np.isfinite(good).any() else None
    by_run = list(zip(*runs, strict=True))
    return Swept(np.array(by_run[0]), loss, history, status, np.array(by_run[2]), tuple(by_run[1]), best)
