"""Results to draw: of sweeps, and of a finder whose curve is written down."""

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


SGD, MOMENTUM = fastgd.SGD(), fastgd.Momentum()


def rows(n=400, d=4):
    """Two classes, with some noise."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d))
    return X, (X[:, 0] - 2 * X[:, 1] + 0.5 * rng.normal(size=n) > 0).astype(float)


def swept(lrs, epochs=12, **options):
    """What a sweep returns; rates from 1 up diverge, if they are given the time."""
    X, y = rows()
    return fastgd.sweep(fastgd.Neuron(4, "identity"), X, y, lrs=lrs, optimizer=MOMENTUM, epochs=epochs, **options)
