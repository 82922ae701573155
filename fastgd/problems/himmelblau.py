"""Himmelblau's function."""

from typing import NamedTuple

import numpy as np

from fastgd._jit import kernel
from fastgd.problems._facts import known, register_problem, require_two


class Himmelblau(NamedTuple):
    """Himmelblau's function: f(x, y) = (x² + y - 11)² + (x + y² - 7)², with four minima of the same value.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> grads = np.empty(2)
    >>> fastgd.value_and_grad(fastgd.problems.Himmelblau(), np.array([0.0, 0.0]), grads), grads
    (170.0, array([-14., -22.]))
    """


@kernel(inline=True)
def himmelblau(problem, x, grads):
    if x.size != 2:
        raise ValueError("Himmelblau has 2 variables")
    p, q = x[0] * x[0] + x[1] - 11, x[0] + x[1] * x[1] - 7
    grads[0] = 4 * p * x[0] + 2 * q
    grads[1] = 2 * p + 4 * q * x[1]
    return p * p + q * q


def himmelblau_facts(problem, n):
    require_two(problem, n)
    words = "four minima of the same value, between them a maximum near (-0.27, -0.92) and four saddles"
    minima = [
        [3, 2],
        [-2.805118086952745, 3.131312518250573],
        [-3.779310253377747, -3.283185991286170],
        [3.584428340330492, -1.848126526964404],
    ]
    eigenvalues = np.linalg.eigvalsh([[74.0, 20.0], [20.0, 34.0]])
    return known(problem, words, minima, 0, (0, 0), (-5, 5), eigenvalues[-1], eigenvalues[0])


register_problem(Himmelblau, himmelblau, himmelblau_facts)
