"""What the textbooks know about an objective."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fastgd import _check
from fastgd._registry import register_objective


class Facts(NamedTuple):
    """What is known about an objective of n variables."""

    description: str
    minima: np.ndarray  # (k, n): the points of least value; empty where there is none
    value: float  # the least value, or what the values come near where there is no minimum (-inf: of a saddle)
    start: np.ndarray  # (n,): where the literature begins, or a point that is worth beginning at
    bounds: np.ndarray  # (2,): each variable's range, in which it is usually looked at
    sharpness: float  # the largest eigenvalue of the Hessian at the first minimum (the saddle's: at the saddle)
    flatness: float  # the smallest eigenvalue there


_facts: dict[type, Callable[..., Facts]] = {}


def facts(problem, n=2):
    """Return what is known about an objective of the gallery.

    Parameters
    ----------
    problem : NamedTuple
        One of the gallery's objectives.
    n : int
        The number of variables, where the objective does not fix it.

    Returns
    -------
    Facts
        `description`, `minima` (k, n), `value`, `start` (n,), `bounds`, and the extreme eigenvalues of the Hessian at
        the first minimum, `sharpness` and `flatness`: plain gradient descent near it is stable below the rate
        2 / sharpness, and takes steps in proportion to sharpness / flatness.

    Examples
    --------
    >>> from fastgd import problems
    >>> problems.facts(problems.IllConditioned(condition=100.0), n=3).sharpness
    100.0
    """
    if type(problem) not in _facts:
        names = ", ".join(cls.__name__ for cls in _facts)
        came = f"the class {problem.__name__} itself" if isinstance(problem, type) else type(problem).__name__
        raise TypeError(f"facts: problem must be one of the gallery ({names}), got {came}")
    return _facts[type(problem)](problem, _check.integer("facts", "n", n, least=1))


def register_problem(cls, value_and_grad, known, check=None, **ranges):
    """Register an objective of the gallery; `known(problem, n)` returns its facts."""
    register_objective(cls, value_and_grad, check, **ranges)
    _facts[cls] = known


def known(problem, description, minima, value, start, bounds, sharpness=math.nan, flatness=math.nan):
    """Return facts, their numbers made arrays and floats."""
    minima = np.array(minima, np.float64)
    start, bounds = np.array(start, np.float64), np.array(bounds, np.float64)
    return Facts(description, minima, float(value), start, bounds, float(sharpness), float(flatness))


def require_two(problem, n):
    """Raise where an objective of two variables is asked about another number of them."""
    if n != 2:
        raise ValueError(f"facts: {type(problem).__name__} has 2 variables, got n={n}")
