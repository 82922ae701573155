"""Styblinski and Tang's function."""

from typing import NamedTuple

import numpy as np

from fastgd._jit import kernel
from fastgd.problems._facts import known, register_problem


class StyblinskiTang(NamedTuple):
    """Styblinski and Tang's function: f(x) = ½ Σ xᵢ⁴ - 16xᵢ² + 5xᵢ, two valleys a variable, one of them deeper.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> grads = np.empty(2)
    >>> fastgd.value_and_grad(fastgd.problems.StyblinskiTang(), np.array([1.0, 1.0]), grads), grads
    (-10.0, array([-11.5, -11.5]))
    """


@kernel(inline=True)
def styblinski_tang(problem, x, grads):
    value = 0.0
    for i in range(x.size):
        square = x[i] * x[i]
        value += 0.5 * (square * square - 16 * square + 5 * x[i])
        grads[i] = 2 * square * x[i] - 16 * x[i] + 2.5
    return value


def styblinski_tang_facts(problem, n):
    words = "2ⁿ local minima, one of them global"
    x = -2.9035340277711770951  # the smallest root of 4x³ - 32x + 5
    value, curvature = n * 0.5 * (x**4 - 16 * x**2 + 5 * x), 6 * x * x - 16
    return known(problem, words, [np.full(n, x)], value, np.zeros(n), (-5, 5), curvature, curvature)


register_problem(StyblinskiTang, styblinski_tang, styblinski_tang_facts)
