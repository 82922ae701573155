"""Ackley's function."""

import math
from typing import NamedTuple

import numpy as np

from fastgd._jit import kernel
from fastgd.problems._facts import known, register_problem


class Ackley(NamedTuple):
    """Ackley's function: f(x) = 20 + e - 20 exp(-r/5) - exp(mean of cos 2πxᵢ), r the root of the mean of xᵢ².

    A funnel with ripples. At the minimum it has a corner: its gradient does not go to 0 there, and plain descent at a
    constant rate comes to within a step of it. (The gradient at 0 itself is written as 0.)

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> grads = np.empty(2)
    >>> value = fastgd.value_and_grad(fastgd.problems.Ackley(), np.array([0.0, 0.0]), grads)
    >>> abs(round(value, 12)), not grads.any()
    (0.0, True)
    """


@kernel(inline=True)
def ackley(problem, x, grads):
    squares, cosines, n = 0.0, 0.0, max(1, x.size)
    for i in range(x.size):
        squares += x[i] * x[i]
        cosines += math.cos(2 * math.pi * x[i])
    radius = math.sqrt(squares / n)
    funnel, ripple = 20 * math.exp(-radius / 5), math.exp(cosines / n)
    slope = funnel / (5 * n * radius) if radius > 0 else 0.0
    for i in range(x.size):
        grads[i] = slope * x[i] + ripple * 2 * math.pi / n * math.sin(2 * math.pi * x[i])
    return 20 - funnel + (math.e - ripple)


def ackley_facts(problem, n):
    words = "a rippled funnel, with a corner at the minimum: the gradient there does not vanish on the way in"
    return known(problem, words, [np.zeros(n)], 0, np.full(n, 1.7), (-5, 5))


register_problem(Ackley, ackley, ackley_facts)
