"""Logistic regression."""

import math
from typing import NamedTuple

import numpy as np

from fastgd import _check
from fastgd._arrays.finite import require_finite
from fastgd._check import nonnegative
from fastgd._jit import kernel
from fastgd.elementwise import sigmoid, softplus
from fastgd.problems._facts import known, register_problem

_ALIKE = 1e-10  # of the largest singular value: one that is smaller is none


class LogisticRegression(NamedTuple):
    """Logistic regression: f(w) = mean over rows of ln(1 + e^∓z), - for y = 1, + for 0, z = w·x; plus ½·l2·‖w‖².

    Convex, and with l2 > 0 strictly so. Where the classes can be separated and l2 is 0 there is no minimum: the
    weights grow for ever. A column of ones in X gives an intercept. (`Neuron` with `fit` trains by mini-batches.)

    Parameters
    ----------
    X : array_like of shape (rows, n)
        float64, C-ordered; anything else is copied once.
    y : array_like of shape (rows,)
        0 or 1.
    l2 : float
        The penalty, 0 or larger.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> from fastgd import problems
    >>> coin = problems.LogisticRegression(np.ones((4, 1)), np.array([1.0, 1.0, 1.0, 0.0]), l2=0.0)
    >>> problems.facts(coin).minima.round(6)  # ln(3 / 1)
    array([[1.098612]])
    """

    X: np.ndarray
    y: np.ndarray
    l2: float = 0.01


@kernel(inline=True)
def logistic_regression(problem, x, grads):
    X, y, l2 = problem
    n_rows, n = X.shape
    if x.size != n:
        raise ValueError("LogisticRegression has as many variables as X has columns")
    value = 0.0
    for j in range(n):
        value += 0.5 * l2 * x[j] * x[j]
        grads[j] = l2 * x[j]
    for i in range(n_rows):
        z = 0.0
        for j in range(n):
            z += X[i, j] * x[j]
        side = 1 - 2 * y[i]
        value += softplus(side * z) / n_rows
        dL_dz = side * sigmoid(side * z) / n_rows
        for j in range(n):
            grads[j] += dL_dz * X[i, j]
    return value


def logistic_regression_facts(problem, n):
    """The minimum by Newton's method, there being no closed form; none where there is none."""
    n = problem.X.shape[1]
    words = "convex, with l2 > 0 strictly; the curvature is largest near w = 0 and at most ‖X‖²/(4·rows) + l2"
    w, least = _logistic_minimum(problem)
    if w is None:
        words += "" if math.isnan(least) else "; the classes can be separated, and the weights grow without end"
        return known(problem, words, np.empty((0, n)), least, np.zeros(n), (-5, 5))
    with np.errstate(over="ignore", invalid="ignore"):
        value, _, hessian = _logistic_derivatives(problem.X, problem.y, problem.l2, w)
    if not np.isfinite(hessian).all():
        return known(problem, words, [w], value, np.zeros(n), (-5, 5))
    lowest, *_, highest = np.linalg.eigvalsh(hessian) if n > 1 else 2 * [hessian[0, 0]]
    lowest = max(lowest, problem.l2)
    if problem.l2 == 0 and np.linalg.matrix_rank(problem.X / _column_sizes(problem.X), rtol=_ALIKE) < n:
        lowest, words = 0, f"{words}; flat along a direction: one of many minima is given"
    return known(problem, words, [w], value, np.zeros(n), (-5, 5), highest, lowest)


def _logistic_derivatives(X, y, l2, w):
    """Value, gradient and Hessian; the penalty l2 may be one number, or one a variable."""
    side = 1 - 2 * y
    z = side * (X @ w)
    value = np.mean(softplus(z)) + 0.5 * (l2 * w) @ w
    gradient = X.T @ (side * sigmoid(z)) / len(X) + l2 * w
    hessian = (X * (sigmoid(z) * sigmoid(-z))[:, None]).T @ X / len(X) + np.diag(l2 * np.ones_like(w))
    return value, gradient, hessian


def _logistic_minimum(problem):
    """Newton's method on columns of mean square 1, with steps that are halved until the value falls.

    Returns the weights and the value; without a minimum None, and what the values come near. Without a penalty, and
    with columns that are sums of others, there is a line of minima or more: it looks among sums of rows only.
    """
    scale = _column_sizes(problem.X)
    X, y, l2, basis = problem.X / scale, problem.y, problem.l2 / scale / scale, np.eye(scale.size)
    if problem.l2 == 0:
        _, sizes, rows = np.linalg.svd(X, full_matrices=False)
        basis = rows[sizes > _ALIKE * max(1.0, sizes[0])].T
        X, l2 = X @ basis, np.zeros(basis.shape[1])
    v = np.zeros(X.shape[1])
    for _ in range(200):
        value, gradient, hessian = _logistic_derivatives(X, y, l2, v)
        if v.size == 0:
            return scale * 0, value
        if problem.l2 == 0 and np.linalg.eigvalsh(hessian)[0] <= 1e-12:  # the weights grow for ever
            return None, 0.0 if ((2 * y - 1) * (X @ v) > 0).all() else value
        step = np.linalg.solve(hessian, gradient)
        if abs(step).max() <= 1e-9 * max(1.0, abs(v).max()):
            return basis @ (v - step) / scale, value  # of which the error is the square
        while not _logistic_derivatives(X, y, l2, v - step)[0] < value and abs(step).max() > 1e-12:
            step /= 2
        v = v - step
    return None, math.nan


def _column_sizes(X):
    """The root of each column's mean square, of numbers of any size; 1 where that is 0."""
    largest = abs(X).max(axis=0)
    zero = largest == 0
    largest[zero] = 1
    return largest * np.sqrt(np.mean((X / largest) ** 2, axis=0) + zero)


def _check_rows(problem):
    owner = "LogisticRegression"
    _check.same_length(owner, "y", problem.y, "X", problem.X)
    require_finite(owner, "X", problem.X)
    other = problem.y[~np.isin(problem.y, (0, 1))]
    if other.size:
        raise ValueError(f"{owner}: y must hold 0 and 1, got {other[0]}")


register_problem(
    LogisticRegression,
    logistic_regression,
    logistic_regression_facts,
    _check_rows,
    X=_check.Table((2,), np.float64),
    y=_check.Table((1,), np.float64),
    l2=nonnegative,
)
