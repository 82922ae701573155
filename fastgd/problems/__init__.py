"""A gallery of objectives with what the textbooks know about them: for examples, tests, pictures and benchmarks.

Each is a NamedTuple registered by `register_objective`: `minimize`, `minimize_many`, `gradient_descent` and
`value_and_grad` take it, in Python and in compiled code. `facts(problem, n)` tells the rest:

>>> import fastgd
>>> from fastgd import problems
>>> known = problems.facts(problems.Rosenbrock(), n=2)
>>> known.minima, known.value
(array([[1., 1.]]), 0.0)
>>> result = fastgd.minimize(problems.Rosenbrock(), known.start, optimizer=fastgd.Momentum(), lr=1e-4, max_steps=10**6)
>>> result.success, result.x.round(4)
(True, array([1., 1.]))
"""

from fastgd.problems._facts import Facts, facts
from fastgd.problems.ackley import Ackley
from fastgd.problems.beale import Beale
from fastgd.problems.booth import Booth
from fastgd.problems.bowl import Bowl
from fastgd.problems.himmelblau import Himmelblau
from fastgd.problems.ill_conditioned import IllConditioned
from fastgd.problems.logistic_regression import LogisticRegression
from fastgd.problems.rastrigin import Rastrigin
from fastgd.problems.rosenbrock import Rosenbrock
from fastgd.problems.saddle import Saddle
from fastgd.problems.styblinski_tang import StyblinskiTang

GALLERY: tuple[type, ...] = (
    Bowl,
    IllConditioned,
    Rosenbrock,
    Beale,
    Himmelblau,
    Booth,
    Saddle,
    Rastrigin,
    Ackley,
    StyblinskiTang,
    LogisticRegression,
)

__all__ = [
    "GALLERY",
    "Ackley",
    "Beale",
    "Booth",
    "Bowl",
    "Facts",
    "Himmelblau",
    "IllConditioned",
    "LogisticRegression",
    "Rastrigin",
    "Rosenbrock",
    "Saddle",
    "StyblinskiTang",
    "facts",
]
