"""What the tests of the command line share: tables to train on, and what an error looks like."""

import csv

import numpy as np


def assert_error(result, *words):
    """One line on standard error, nothing on standard output, exit code 2."""
    code, out, err = result
    assert (code, out) == (2, "")
    assert err.startswith("fastgd: error: ")
    assert err.count("\n") == 1
    for word in words:
        assert word in err


def write_table(path, X, y, names=None, target="y"):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if names is not None:
            writer.writerow([*names, target])
        writer.writerows([*row, value] for row, value in zip(X.tolist(), y, strict=True))
    return path


def classes(n=200, d=3, seed=0):
    """Two classes that a line parts, with features of very different sizes."""
    X = np.random.default_rng(seed).normal(size=(n, d))
    y = (X @ np.arange(1.0, d + 1) > 0.3).astype(float)
    return X * 10.0 ** np.arange(d) + 5, y


def prices(n=200, seed=0):
    """A linear target, far from 0 and far from size 1, with noise of deviation 50."""
    rng = np.random.default_rng(seed)
    X = rng.normal([100, 0.01], [20, 0.002], (n, 2))
    return X, 100_000 + 30 * X[:, 0] - 2e5 * X[:, 1] + rng.normal(0, 50, n)
