"""Booth's function."""

from typing import NamedTuple

from fastgd._jit import kernel
from fastgd.problems._facts import known, register_problem, require_two


class Booth(NamedTuple):
    """Booth's function: f(x, y) = (x + 2y - 7)² + (2x + y - 5)², a tilted quadratic valley.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> grads = np.empty(2)
    >>> fastgd.value_and_grad(fastgd.problems.Booth(), np.array([0.0, 0.0]), grads), grads
    (74.0, array([-34., -38.]))
    """


@kernel(inline=True)
def booth(problem, x, grads):
    if x.size != 2:
        raise ValueError("Booth has 2 variables")
    p, q = x[0] + 2 * x[1] - 7, 2 * x[0] + x[1] - 5
    grads[0] = 2 * p + 4 * q
    grads[1] = 4 * p + 2 * q
    return p * p + q * q


def booth_facts(problem, n):
    require_two(problem, n)
    return known(problem, "convex, a valley along the diagonal", [[1, 3]], 0, (-5, -5), (-10, 10), 18, 2)


register_problem(Booth, booth, booth_facts)
