"""A long narrow valley."""

from typing import NamedTuple

import numpy as np

from fastgd._check import positive
from fastgd._jit import kernel
from fastgd.problems._facts import known, register_problem


class IllConditioned(NamedTuple):
    """A long narrow valley: f(x) = ½ Σ λᵢxᵢ², the λ spread evenly on a logarithmic scale from 1 to `condition`.

    Parameters
    ----------
    condition : float
        The largest curvature over the smallest, positive.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> grads = np.empty(2)
    >>> fastgd.value_and_grad(fastgd.problems.IllConditioned(condition=10), np.array([1.0, 1.0]), grads), grads
    (5.5, array([ 1., 10.]))
    """

    condition: float = 100.0


@kernel(inline=True)
def ill_conditioned(problem, x, grads):
    value, n = 0.0, x.size
    factor = problem.condition ** (1 / max(1, n - 1))
    curvature = problem.condition if n == 1 else 1.0
    for i in range(n):
        value += 0.5 * curvature * x[i] * x[i]
        grads[i] = curvature * x[i]
        curvature *= factor
    return value


def ill_conditioned_facts(problem, n):
    words = f"convex, with curvatures from 1 to {problem.condition:g}: too fast across the valley is too slow along it"
    if n == 1:
        words = f"convex, of curvature {problem.condition:g}"
    curvatures = problem.condition ** (np.linspace(0, 1, n) if n > 1 else np.ones(1))
    return known(problem, words, [np.zeros(n)], 0, np.ones(n), (-2, 2), curvatures.max(), curvatures.min())


register_problem(IllConditioned, ill_conditioned, ill_conditioned_facts, condition=positive)
