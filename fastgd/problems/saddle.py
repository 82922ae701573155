"""The saddle."""

import math
from typing import NamedTuple

import numpy as np

from fastgd._jit import kernel
from fastgd.problems._facts import known, register_problem


class Saddle(NamedTuple):
    """The saddle: f(x) = x₁² - x₂² + x₃² - ..., which is stationary at 0 and, from two variables on, has no minimum.

    From a start with x₂ = 0 gradient descent ends on the saddle; a small x₂ grows by 1 + 2·lr a step, and away it goes.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> grads = np.empty(2)
    >>> fastgd.value_and_grad(fastgd.problems.Saddle(), np.array([2.0, 1.0]), grads), grads
    (3.0, array([ 4., -2.]))
    """


@kernel(inline=True)
def saddle(problem, x, grads):
    value, sign = 0.0, 1.0
    for i in range(x.size):
        value += sign * x[i] * x[i]
        grads[i] = 2 * sign * x[i]
        sign = -sign
    return value


def saddle_facts(problem, n):
    if n == 1:
        return known(problem, "in one variable the parabola x²", [[0]], 0, [1], (-2, 2), 2, 2)
    words = "stationary at 0, up along x₁, down along x₂ without end"
    start = np.where(np.arange(n) % 2 == 0, 1.0, 1e-6)
    return known(problem, words, np.empty((0, n)), -math.inf, start, (-2, 2), 2, -2)


register_problem(Saddle, saddle, saddle_facts)
