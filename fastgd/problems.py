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

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fastgd import _check
from fastgd._check import finite, nonnegative, positive
from fastgd._jit import kernel
from fastgd._registry import register_objective
from fastgd.elementwise import sigmoid, softplus


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
        One of this module's objectives.
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


def _add(cls, value_and_grad, known, check=None, **ranges):
    register_objective(cls, value_and_grad, check, **ranges)
    _facts[cls] = known


def _known(problem, description, minima, value, start, bounds, sharpness=math.nan, flatness=math.nan):
    minima = np.array(minima, np.float64)
    start, bounds = np.array(start, np.float64), np.array(bounds, np.float64)
    return Facts(description, minima, float(value), start, bounds, float(sharpness), float(flatness))


def _require_two(problem, n):
    if n != 2:
        raise ValueError(f"facts: {type(problem).__name__} has 2 variables, got n={n}")


class Bowl(NamedTuple):
    """The bowl: f(x) = Σ xᵢ², in one variable the parabola x².

    Convex, with the same curvature 2 in every direction: the rate 1/2 arrives in one step, from 1 on nothing does.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> grads = np.empty(2)
    >>> fastgd.value_and_grad(fastgd.problems.Bowl(), np.array([3.0, -1.0]), grads), grads
    (10.0, array([ 6., -2.]))
    """


@kernel(inline=True, reassoc=True)  # a vector sum: a step in 10 variables takes 10 ns instead of 18
def bowl(problem, x, grads):
    value = 0.0
    for i in range(x.size):
        value += x[i] * x[i]
        grads[i] = 2 * x[i]
    return value


def bowl_facts(problem, n):
    words = "convex, round: plain descent converges for rates below 1, and at 1/2 in one step"
    return _known(problem, words, [np.zeros(n)], 0, np.full(n, 4.0), (-5, 5), 2, 2)


_add(Bowl, bowl, bowl_facts)


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
    return _known(problem, words, [np.zeros(n)], 0, np.ones(n), (-2, 2), curvatures.max(), curvatures.min())


_add(IllConditioned, ill_conditioned, ill_conditioned_facts, condition=positive)


class Rosenbrock(NamedTuple):
    """Rosenbrock's banana: f(x) = Σ b(xᵢ₊₁ - xᵢ²)² + (a - xᵢ)², i = 1 ... n - 1.

    H. H. Rosenbrock, An automatic method for finding the greatest or least value of a function, 1960, for n = 2; the
    chained form for more variables is the one that SciPy has. (With a ≠ 1 and n > 2 the minimum is not known.)

    Parameters
    ----------
    a, b : float
        Where the valley's minimum is, and how steep its walls are (positive).

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> grads = np.empty(2)
    >>> fastgd.value_and_grad(fastgd.problems.Rosenbrock(), np.array([0.0, 1.0]), grads), grads
    (101.0, array([ -2., 200.]))
    """

    a: float = 1.0
    b: float = 100.0


@kernel(inline=True)
def rosenbrock(problem, x, grads):
    value, behind, last = 0.0, 0.0, x.size - 1  # behind: the gradient's part from the term before
    for i in range(last):
        across, along = x[i + 1] - x[i] * x[i], problem.a - x[i]
        value += problem.b * across * across + along * along
        # What depends on `across`, the last to be known, is a chain of as few operations as can be.
        grads[i] = behind - 2 * (across * (2 * problem.b * x[i]) + along)
        behind = 2 * problem.b * across
    if last >= 0:
        grads[last] = behind
    return value


def rosenbrock_facts(problem, n):
    a, b = problem
    words = "a flat, curved valley between steep walls: easy to find, slow to follow"
    start = np.tile([-1.2, 1.0], n)[:n]
    if n == 1:
        raise ValueError("facts: Rosenbrock has at least 2 variables, got n=1")
    if n > 2 and a != 1:
        return _known(problem, words, np.empty((0, n)), math.nan, start, (-2, 2))
    x = np.array([a, a * a]) if n == 2 else np.ones(n)
    eigenvalues = np.linalg.eigvalsh(_rosenbrock_hessian(problem, x))
    second = _second_minimum(problem, n) if n >= 4 and b > 1 else None
    if second is not None and second[0] < 0:  # not of four variables between walls that are not steep
        words += f"; a second, local minimum near ({second[0]:.2f}, {second[1]:.2f}, ..., {second[-1]:.2f})"
    return _known(problem, words, [x], 0, start, (-2, 2), eigenvalues[-1], eigenvalues[0])


def _second_minimum(problem, n):
    """Where Newton's method leads from (-1, 1, ..., 1)."""
    x, gradient = np.ones(n), np.empty(n)
    x[0] = -1
    for _ in range(50):
        rosenbrock.py_func(problem, x, gradient)
        x -= np.linalg.solve(_rosenbrock_hessian(problem, x), gradient)
    return x


def _rosenbrock_hessian(problem, x):
    b, n = problem.b, x.size
    hessian = np.zeros((n, n))
    for i in range(n - 1):
        hessian[i, i] += 12 * b * x[i] ** 2 - 4 * b * x[i + 1] + 2
        hessian[i, i + 1] = hessian[i + 1, i] = -4 * b * x[i]
        hessian[i + 1, i + 1] += 2 * b
    return hessian


_add(Rosenbrock, rosenbrock, rosenbrock_facts, a=finite, b=positive)


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
    _require_two(problem, n)
    words = "flat almost everywhere, with sharp peaks at the corners"
    jacobian = np.array([[-0.5, 3.0], [-0.75, 3.0], [-0.875, 2.25]])  # of the residuals, which vanish at the minimum
    eigenvalues = np.linalg.eigvalsh(2 * jacobian.T @ jacobian)
    return _known(problem, words, [[3, 0.5]], 0, (1, 1), (-4.5, 4.5), eigenvalues[-1], eigenvalues[0])


_add(Beale, beale, beale_facts)


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
    _require_two(problem, n)
    words = "four minima of the same value, between them a maximum near (-0.27, -0.92) and four saddles"
    minima = [
        [3, 2],
        [-2.805118086952745, 3.131312518250573],
        [-3.779310253377747, -3.283185991286170],
        [3.584428340330492, -1.848126526964404],
    ]
    eigenvalues = np.linalg.eigvalsh([[74.0, 20.0], [20.0, 34.0]])
    return _known(problem, words, minima, 0, (0, 0), (-5, 5), eigenvalues[-1], eigenvalues[0])


_add(Himmelblau, himmelblau, himmelblau_facts)


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
    _require_two(problem, n)
    return _known(problem, "convex, a valley along the diagonal", [[1, 3]], 0, (-5, -5), (-10, 10), 18, 2)


_add(Booth, booth, booth_facts)


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
        return _known(problem, "in one variable the parabola x²", [[0]], 0, [1], (-2, 2), 2, 2)
    words = "stationary at 0, up along x₁, down along x₂ without end"
    start = np.where(np.arange(n) % 2 == 0, 1.0, 1e-6)
    return _known(problem, words, np.empty((0, n)), -math.inf, start, (-2, 2), 2, -2)


_add(Saddle, saddle, saddle_facts)


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
    return _known(problem, words, [np.zeros(n)], 0, np.full(n, 2.2), (-5.12, 5.12), curvature, curvature)


_add(Rastrigin, rastrigin, rastrigin_facts)


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
    return _known(problem, words, [np.zeros(n)], 0, np.full(n, 1.7), (-5, 5))


_add(Ackley, ackley, ackley_facts)


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
    return _known(problem, words, [np.full(n, x)], value, np.zeros(n), (-5, 5), curvature, curvature)


_add(StyblinskiTang, styblinski_tang, styblinski_tang_facts)


class LogisticRegression(NamedTuple):
    """Logistic regression: f(w) = mean over rows of ln(1 + e^∓z), - for y = 1, + for 0, z = w·x; plus ½·l2·‖w‖².

    Convex, and with l2 > 0 strictly so. Where the classes can be separated and l2 is 0 there is no minimum: the
    weights grow for ever. A column of ones in X gives an intercept. (`Neuron` with `fit` trains by mini-batches.)

    Parameters
    ----------
    X : ndarray of shape (rows, n)
        float64, C-ordered.
    y : ndarray of shape (rows,)
        float64, 0 or 1.
    l2 : float
        The penalty, 0 or larger.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> from fastgd import problems
    >>> coin = problems.LogisticRegression(np.ones((4, 1)), np.array([1.0, 1.0, 1.0, 0.0]), l2=0.0)
    >>> problems.facts(coin).minima.round(6)  # ln(3 / 1)
    array([[1.098612]])
    """

    X: np.ndarray
    y: np.ndarray
    l2: float = 0.01


@kernel(inline=True)
def logistic_regression(problem, x, grads):
    X, y, l2 = problem
    n_rows, n = X.shape
    if x.size != n:
        raise ValueError("LogisticRegression has as many variables as X has columns")
    value = 0.0
    for j in range(n):
        value += 0.5 * l2 * x[j] * x[j]
        grads[j] = l2 * x[j]
    for i in range(n_rows):
        z = 0.0
        for j in range(n):
            z += X[i, j] * x[j]
        side = 1 - 2 * y[i]
        value += softplus(side * z) / n_rows
        dL_dz = side * sigmoid(side * z) / n_rows
        for j in range(n):
            grads[j] += dL_dz * X[i, j]
    return value


def logistic_regression_facts(problem, n):
    """The minimum by Newton's method, there being no closed form; none where there is none."""
    n = problem.X.shape[1]
    words = "convex, with l2 > 0 strictly; the curvature is largest near w = 0 and at most ‖X‖²/(4·rows) + l2"
    w, least = _logistic_minimum(problem)
    if w is None:
        words += "; the classes can be separated, and the weights grow without end"
        return _known(problem, words, np.empty((0, n)), least, np.zeros(n), (-5, 5))
    value, _, hessian = _logistic_derivatives(problem.X, problem.y, problem.l2, w)
    lowest, *_, highest = np.linalg.eigvalsh(hessian) if n > 1 else 2 * [hessian[0, 0]]
    if lowest <= 1e-12 * highest:
        lowest, words = 0, f"{words}; flat along a direction: one of many minima is given"
    return _known(problem, words, [w], value, np.zeros(n), (-5, 5), highest, lowest)


def _logistic_derivatives(X, y, l2, w):
    """Value, gradient and Hessian; the penalty l2 may be one number, or one a variable."""
    side = 1 - 2 * y
    z = side * (X @ w)
    value = np.mean(softplus(z)) + 0.5 * (l2 * w) @ w
    gradient = X.T @ (side * sigmoid(z)) / len(X) + l2 * w
    hessian = (X * (sigmoid(z) * sigmoid(-z))[:, None]).T @ X / len(X) + np.diag(l2 * np.ones_like(w))
    return value, gradient, hessian


def _logistic_minimum(problem):
    """Newton's method on columns of mean square 1, with steps that are halved until the value falls.

    Returns the weights and the value; without a minimum None, and what the values come near. Without a penalty, and
    with columns that are sums of others, there is a line of minima or more: it looks among sums of rows only.
    """
    scale = np.sqrt(np.mean(problem.X**2, axis=0))
    scale[scale == 0] = 1
    X, y, l2, basis = problem.X / scale, problem.y, problem.l2 / scale**2, np.eye(scale.size)
    if problem.l2 == 0:
        _, sizes, rows = np.linalg.svd(X, full_matrices=False)
        basis = rows[sizes > 1e-10 * max(1.0, sizes[0])].T
        X, l2 = X @ basis, np.zeros(basis.shape[1])
    v = np.zeros(X.shape[1])
    for _ in range(200):
        value, gradient, hessian = _logistic_derivatives(X, y, l2, v)
        if v.size == 0:
            return scale * 0, value
        if problem.l2 == 0 and np.linalg.eigvalsh(hessian)[0] <= 1e-12:  # the weights grow for ever
            return None, 0.0 if ((2 * y - 1) * (X @ v) > 0).all() else value
        step = np.linalg.solve(hessian, gradient)
        if abs(step).max() <= 1e-9 * max(1.0, abs(v).max()):
            return basis @ (v - step) / scale, value  # of which the error is the square
        while not _logistic_derivatives(X, y, l2, v - step)[0] < value and abs(step).max() > 1e-12:
            step /= 2
        v = v - step
    return None, math.nan


def _float64(ndim):
    return lambda v: (
        isinstance(v, np.ndarray) and v.dtype == np.float64 and v.ndim == ndim and v.size > 0 and v.flags.carray
    )


def _check_rows(problem):
    _check.same_length("LogisticRegression", "y", problem.y, "X", problem.X)


_add(
    LogisticRegression,
    logistic_regression,
    logistic_regression_facts,
    _check_rows,
    X=_check.Range("a C-ordered float64 array (rows, n)", _float64(2)),
    y=_check.Range("a float64 array of 0 and 1", lambda v: _float64(1)(v) and bool(np.isin(v, (0, 1)).all())),
    l2=nonnegative,
)

GALLERY = tuple(_facts)
