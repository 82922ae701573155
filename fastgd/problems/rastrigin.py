"""Rastrigin's function."""

import math
from typing import NamedTuple

import numpy as np

from fastgd._jit import kernel
from fastgd.problems._facts import known, register_problem


class Rastrigin(NamedTuple):
    """Rastrigin's function: f(x) = 10n + Σ xᵢ² - 10 cos 2πxᵢ, a bowl with a local minimum near every integer point.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> grads = np.empty(2)
    >>> value = fastgd.value_and_grad(fastgd.problems.Rastrigin(), np.array([1.0, 1.0]), grads)
    >>> abs(round(value, 12)), bool(abs(grads - 2).max() < 1e-12)
    (2.0, True)
    """


@kernel(inline=True)
def rastrigin(problem, x, grads):
    value = 0.0
    for i in range(x.size):
        angle = 2 * math.pi * x[i]
        value += x[i] * x[i] + 10 - 10 * math.cos(angle)
        grads[i] = 2 * x[i] + 20 * math.pi * math.sin(angle)
    return value


def rastrigin_facts(problem, n):
    words = "a local minimum near every point of integers: descent finds the nearest one"
    curvature = 2 + 40 * math.pi**2
    return known(problem, words, [np.zeros(n)], 0, np.full(n, 2.2), (-5.12, 5.12), curvature, curvature)


register_problem(Rastrigin, rastrigin, rastrigin_facts)
