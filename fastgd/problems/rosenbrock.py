"""Rosenbrock's banana."""

import math
from typing import NamedTuple

import numpy as np

from fastgd._check import finite, positive
from fastgd._jit import kernel
from fastgd.problems._facts import known, register_problem


class Rosenbrock(NamedTuple):
    """Rosenbrock's banana: f(x) = Σ b(xᵢ₊₁ - xᵢ²)² + (a - xᵢ)², i = 1 ... n - 1.

    H. H. Rosenbrock, An automatic method for finding the greatest or least value of a function, 1960, for n = 2; the
    chained form for more variables is the one that SciPy has. (With a ≠ 1 and n > 2 the minimum is not known.)

    Parameters
    ----------
    a, b : float
        Where the valley's minimum is, and how steep its walls are (positive).

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> grads = np.empty(2)
    >>> fastgd.value_and_grad(fastgd.problems.Rosenbrock(), np.array([0.0, 1.0]), grads), grads
    (101.0, array([ -2., 200.]))
    """

    a: float = 1.0
    b: float = 100.0


@kernel(inline=True)
def rosenbrock(problem, x, grads):
    if x.size < 2:
        raise ValueError("Rosenbrock has at least 2 variables")
    value, behind, last = 0.0, 0.0, x.size - 1  # behind: the gradient's part from the term before
    for i in range(last):
        across, along = x[i + 1] - x[i] * x[i], problem.a - x[i]
        value += problem.b * across * across + along * along
        # What depends on `across`, the last to be known, is a chain of as few operations as can be.
        grads[i] = behind - 2 * (across * (2 * problem.b * x[i]) + along)
        behind = 2 * problem.b * across
    grads[last] = behind
    return value


def rosenbrock_facts(problem, n):
    a, b = problem
    words = "a flat, curved valley between steep walls: easy to find, slow to follow"
    start = np.tile([-1.2, 1.0], n)[:n]
    if n == 1:
        raise ValueError("facts: Rosenbrock has at least 2 variables, got n=1")
    if n > 2 and a != 1:
        return known(problem, words, np.empty((0, n)), math.nan, start, (-2, 2))
    x = np.array([a, a * a]) if n == 2 else np.ones(n)
    eigenvalues = np.linalg.eigvalsh(_rosenbrock_hessian(problem, x))
    second = _second_minimum(problem, n) if n >= 4 and b > 1 else None
    if second is not None:
        words += f"; a second, local minimum near ({second[0]:.2f}, {second[1]:.2f}, ..., {second[-1]:.2f})"
    return known(problem, words, [x], 0, start, (-2, 2), eigenvalues[-1], eigenvalues[0])


def _second_minimum(problem, n):
    """Where Newton's method leads from (-1, 1, ..., 1), if that is another minimum; else None."""
    x, gradient = np.ones(n), np.empty(n)
    x[0] = -1
    for _ in range(50):
        rosenbrock.py_func(problem, x, gradient)
        x -= np.linalg.solve(_rosenbrock_hessian(problem, x), gradient)
    rosenbrock.py_func(problem, x, gradient)
    arrived = abs(gradient).max() < 1e-8 * problem.b and np.linalg.eigvalsh(_rosenbrock_hessian(problem, x))[0] > 0
    return x if arrived and x[0] < 0 else None


def _rosenbrock_hessian(problem, x):
    b, n = problem.b, x.size
    hessian = np.zeros((n, n))
    for i in range(n - 1):
        hessian[i, i] += 12 * b * x[i] ** 2 - 4 * b * x[i + 1] + 2
        hessian[i, i + 1] = hessian[i + 1, i] = -4 * b * x[i]
        hessian[i + 1, i + 1] += 2 * b
    return hessian


register_problem(Rosenbrock, rosenbrock, rosenbrock_facts, a=finite, b=positive)
