"""Beale's function."""

from typing import NamedTuple

import numpy as np

from fastgd._jit import kernel
from fastgd.problems._facts import known, register_problem, require_two


class Beale(NamedTuple):
    """Beale's function: f(x, y) = (1.5 - x + xy)² + (2.25 - x + xy²)² + (2.625 - x + xy³)².

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> grads = np.empty(2)
    >>> fastgd.value_and_grad(fastgd.problems.Beale(), np.array([0.0, 0.0]), grads), grads
    (14.203125, array([-12.75,   0.  ]))
    """


@kernel(inline=True)
def beale(problem, x, grads):
    if x.size != 2:
        raise ValueError("Beale has 2 variables")
    u, v = x[0], x[1]
    r1 = 1.5 - u + u * v
    r2 = 2.25 - u + u * v * v
    r3 = 2.625 - u + u * v * v * v
    grads[0] = 2 * (r1 * (v - 1) + r2 * (v * v - 1) + r3 * (v * v * v - 1))
    grads[1] = 2 * u * (r1 + 2 * r2 * v + 3 * r3 * v * v)
    return r1 * r1 + r2 * r2 + r3 * r3


def beale_facts(problem, n):
    require_two(problem, n)
    words = "flat almost everywhere, with sharp peaks at the corners"
    jacobian = np.array([[-0.5, 3.0], [-0.75, 3.0], [-0.875, 2.25]])  # of the residuals, which vanish at the minimum
    eigenvalues = np.linalg.eigvalsh(2 * jacobian.T @ jacobian)
    return known(problem, words, [[3, 0.5]], 0, (1, 1), (-4.5, 4.5), eigenvalues[-1], eigenvalues[0])


register_problem(Beale, beale, beale_facts)
