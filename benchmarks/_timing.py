"""What the benchmarks share: data to train on, and times that can be compared.

A machine's pace changes from second to second. So what is to be compared is measured in turns, in one process; the
best of a few calls stands for a turn, and the median over the turns counts.
"""

import time

import numpy as np


def rows(n_rows, n_columns, dtype=np.float32):
    """Return X, uniform in ±1/2, and y in {0, 1}, which side of a random plane a row is on."""
    rng = np.random.default_rng(0)
    X = rng.random((n_rows, n_columns), dtype)
    X -= X.dtype.type(0.5)
    weights = rng.normal(size=n_columns).astype(dtype)
    return X, (X @ weights > 0).astype(dtype)


def best_seconds(call, repeat=3):
    """Return the least time that a call takes."""
    best = np.inf
    for _ in range(repeat):
        started = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - started)
    return best


def epoch_seconds(train, few=2, many=12, repeat=3):
    """Return the marginal time of an epoch: (T(many) - T(few)) / (many - few), where T is the time of train(epochs)."""
    return (best_seconds(lambda: train(many), repeat) - best_seconds(lambda: train(few), repeat)) / (many - few)


def in_turns(measures, turns=5):
    """Call functions that measure seconds one after the other, several times; return an array (turns, measures)."""
    seconds = np.empty((turns, len(measures)))
    for turn in seconds:
        for i, measure in enumerate(measures):
            time.sleep(0.01)  # other libraries' threads go on spinning for a moment
            turn[i] = measure()
    return seconds


def median_seconds(measure, turns=3):
    """Return the median of several measurements."""
    return float(np.median(in_turns([measure], turns)))


def median_ratio(slow, fast, turns=5):
    """Return how many times as long one takes as the other: the median over turns."""
    seconds = in_turns([slow, fast], turns)
    return float(np.median(seconds[:, 0] / seconds[:, 1]))
