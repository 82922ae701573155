"""A user's compiled functions that minimise, their objectives at module level, so that the disk cache can keep them."""

import math

import numpy as np
from numba.core import event
from user_rules import Averaged

import fastgd
from fastgd._descent.run import descent_chunk
from fastgd.problems import Rosenbrock


@fastgd.njit
def ellipse(x, grad, a, centre):
    """(x₀ - c₀)² + a·(x₁ - c₁)²."""
    value = 0.0
    for i in range(x.size):
        weight = 1.0 if i == 0 else a
        d = x[i] - centre[i]
        grad[i] = 2 * weight * d
        value += weight * d * d
    return value


def parabola(x, grad, centre):
    """(x₀ - c)², for fastgd to compile."""
    grad[0] = 2 * (x[0] - centre)
    return (x[0] - centre) ** 2


def slower_and_slower(x, grad):
    """A slope along which an evaluation takes a millisecond from the 2000th on, or 20 ms above 10⁵."""
    grad[0] = -1.0
    total = 0.0
    for i in range(400_000 if x[0] > 100_080 else 20_000 if 2000 < x[0] < 100_000 else 1):
        total += math.sin(i)
    return -x[0] + 0 * total


@fastgd.njit
def minimize_ellipse(x0, optimizer, lr, n_steps, gtol, centre):
    """The objective is named, not passed."""
    return fastgd.gradient_descent(ellipse, x0, optimizer, lr, n_steps, gtol, (10.0, centre))


@fastgd.njit
def minimize_banana(x0):
    """A registered objective, a schedule and no args; all made here."""
    schedule = fastgd.ExponentialDecay(0.02, 1e-4)
    return fastgd.gradient_descent(Rosenbrock(), x0, fastgd.Adam(), schedule, 5000, 1e-7)


@fastgd.njit
def by_line_search(x0, optimizer, centre):
    """Armijo's backtracking."""
    return fastgd.gradient_descent(ellipse, x0, optimizer, fastgd.Armijo(lr=1.0), 500, 1e-9, (10.0, centre))


@fastgd.njit
def averaged(x0, centre):
    """A method that keeps an average, at a rate that never settles."""
    return fastgd.gradient_descent(ellipse, x0, Averaged(fastgd.SGD(), 5), 0.099, 30, 0.0, (10.0, centre))


if __name__ == "__main__":
    found = minimize_ellipse(np.zeros(2), fastgd.Adam(), 0.1, 5000, 1e-9, np.array([1.0, 2.0]))
    again = minimize_banana(np.array([-1.2, 1.0]))
    with event.install_recorder("numba:compile") as compiled:
        fastgd.minimize(Rosenbrock(), [-1.2, 1.0], max_steps=3)
        fastgd.minimize(parabola, [2.0], args=(1.0,), max_steps=3)
        fastgd.minimize(ellipse, [2.0, 3.0], args=(10.0, np.array([1.0, 2.0])), max_steps=3)
        fastgd.minimize_many(parabola, [[2.0], [3.0]], args=(np.array([1.0, 2.0]),), max_steps=3)
    hits = [sum(f.stats.cache_hits.values()) for f in (minimize_ellipse, minimize_banana, descent_chunk)]
    names = {recorded[1].data["dispatcher"].__name__ for recorded in compiled.buffer}
    print(found.success, again.success, *hits, *sorted(names))
