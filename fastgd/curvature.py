"""`sharpness`: the largest curvature at a point, and the largest rate at which plain descent is stable there."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fastgd import _check
from fastgd._registry import ModelKernels, is_registered
from fastgd._types import Function, Objective
from fastgd.mean_loss import MeanLoss
from fastgd.objectives import checked_args, prepare

_EPSILON = float(np.finfo(np.float64).eps)
# The relative error of a gradient, and of differences of f: its rounding over their steps.
_GRADIENT_ERROR = {None: _EPSILON, "3-point": _EPSILON ** (2 / 3), "2-point": _EPSILON ** (1 / 2)}
# Of the largest curvature: what differences of gradients leave, and of gradients that are differences themselves.
_NOISE = {None: 1e-6, "3-point": 1e-4, "2-point": 1e-2}
_LEAST_VECTORS = 12  # so many, before a small residual is believed: it is small at any eigenvector, not the last alone
_EXACT = 4 * _EPSILON  # a residual, beside the largest curvature, that is no direction any more
_MOST_VECTORS, _KEPT_VECTORS = 24, 4  # in memory, and how many are kept of each end where there are as many


class Sharpness(NamedTuple):
    """The curvature at a point, as far as it was looked at."""

    sharpness: float  # the largest eigenvalue of the Hessian
    largest_stable_rate: float  # 2 / sharpness, or 2 / noise where that is lost in it; infinite if none bends up
    direction: np.ndarray  # (n,), of length 1: the eigenvector
    converged: bool  # whether ‖Hv - λv‖ ≤ tol·|λ|, differences of half the step give the same λ, and it is no rounding
    lowest: float  # the smallest curvature that was met in any direction
    lowest_direction: np.ndarray  # (n,), of length 1
    probes: int  # directions in which the curvature was measured
    n_gradients: int  # evaluations
    noise: float  # a curvature that rounding and differences may make of none

    @property
    def negative_curvature(self):
        """Whether a direction of negative curvature was found (beyond what rounding can do)."""
        return self.lowest < -self.noise

    @property
    def message(self):
        """What can be said, in words."""
        found = f"a direction of negative curvature was found ({self.lowest:.6g}): the function is not convex here"
        none = f"no direction of negative curvature in {self.probes} probes, which does not show that there is none"
        sure = "" if self.converged else "about (the iteration did not converge) "
        limit = f"rates below {self.largest_stable_rate:.6g}"
        if self.noise > 0 and abs(self.sharpness) <= self.noise:
            sure, limit = f"lost in rounding, which may make {self.noise:.3g} of none: ", f"{limit} at least"
        if self.negative_curvature and self.sharpness <= self.noise:
            told = f"no rate is stable here; {found}"
        elif self.negative_curvature:
            told = f"plain descent is stable along it for {limit}, along negative curvature for none; {found}"
        else:
            told = f"plain descent is stable near here for {limit}; {none}"
        return f"largest curvature {sure}{self.sharpness:.6g}; {told}"


def sharpness(
    fun: Objective,
    at: ArrayLike,
    X: ArrayLike | None = None,
    y: ArrayLike | None = None,
    *,
    args: tuple[Any, ...] = (),
    jac: Function | bool | str | None = None,
    tol: float = 1e-3,
    max_iterations: int = 1000,
    probes: int = 10,
    seed: int = 0,
    compile: bool = True,
) -> Sharpness:
    """Find the largest eigenvalue of the Hessian at a point, by power iteration on differences of gradients.

    H·v ≈ (g(x + hv) - g(x - hv)) / 2h, with h = 6·10⁻⁶·max(1, √(max |vᵢxᵢ|)), a step for the variables that it moves
    (3·10⁻⁴ and 2·10⁻³ where gradients are themselves differences, ``"3-point"`` and ``"2-point"``). Where the curvature
    itself changes over so short a distance, scale the variables first. Gradient descent on a quadratic is stable below
    the rate 2 / λ_max, and on anything else near a minimum; above it the steps grow along the eigenvector.

    The iteration keeps the directions that it has been through (Lanczos' form of it, restarted with the best of both
    ends: Wu and Simon, 2000), and takes the largest and the smallest curvature among all their combinations: in as many
    products as there are different eigenvalues, or in some tens, where powers alone take thousands if two eigenvalues
    lie near each other, and find the one of largest size, which may be negative. Then `probes` random directions are
    tried: a curvature below 0 shows that the function is not convex, its absence shows nothing.

    Parameters
    ----------
    fun : callable or NamedTuple
        An objective, in one of the forms that `minimize` takes; or a registered model.
    at : array_like of shape (n,)
        The point; a model's parameters. All is computed in float64.
    X, y : array_like
        A model's data: its mean loss over all rows is looked at.
    args, jac, compile
        As `minimize` takes them.
    tol : float
        The eigenvalue's relative error, by the residual, at which the iteration ends.
    max_iterations : int
        Hessian-vector products, at most.
    probes : int
        Random directions to try beside.
    seed : int
        Of the random directions.

    Returns
    -------
    Sharpness
        `sharpness`, `largest_stable_rate`, `direction`, `converged`, `lowest`, `lowest_direction`, `probes`,
        `n_gradients`, `noise`; `message` says it in words.

    Examples
    --------
    >>> import fastgd
    >>> from fastgd.problems import Booth, Saddle
    >>> found = fastgd.sharpness(Booth(), [1.0, 3.0])
    >>> round(found.sharpness, 4), round(found.largest_stable_rate, 4), found.negative_curvature
    (18.0, 0.1111, False)
    >>> fastgd.sharpness(Saddle(), [0.0, 0.0]).negative_curvature
    True
    """
    owner = "sharpness"
    at = _check.array(owner, "at", at, 1, np.dtype(np.float64)).copy()
    if at.size == 0 or not np.isfinite(at).all():
        raise ValueError(f"{owner}: at must have at least one element, all of them finite, got {at}")
    if is_registered(fun, ModelKernels):
        if X is None or y is None:
            raise TypeError(f"{owner}: a model is looked at with its data; give X and y")
        fun = MeanLoss(fun, *_check.data(owner, X, y, np.dtype(np.float64)))
    elif X is not None or y is not None:
        raise TypeError(f"{owner}: X and y go with a model, got {type(fun).__name__}")
    elif isinstance(fun, MeanLoss):
        fun = MeanLoss(fun.model, fun.X.astype(np.float64, copy=False), fun.y.astype(np.float64, copy=False))
    tol = _check.number(owner, "tol", tol, _check.positive)
    max_iterations = _check.integer(owner, "max_iterations", max_iterations, least=1)
    probes = _check.integer(owner, "probes", probes, least=0)
    rng = np.random.default_rng(_check.integer(owner, "seed", seed, least=0))
    compile = _check.boolean(owner, "compile", compile)
    args = checked_args(owner, args, compile)
    differences = jac if isinstance(jac, str) else None
    objective = prepare(owner, fun, jac, args, at, compile, start="at")
    curvature = _Curvature(owner, objective, args, at, differences)

    largest, direction, converged = curvature.ends(rng, tol, max_iterations)
    converged &= abs(curvature.along(direction, 0.5)[2] - largest) <= tol * abs(largest)
    converged &= abs(largest) > curvature.rounding or curvature.rounding == 0
    for _ in range(probes):
        curvature.along(rng.standard_normal(at.size))
    noise = _NOISE[differences] * abs(largest) + curvature.rounding
    bends_up = largest > noise or (noise > 0 and curvature.lowest >= -noise)  # or may do so, for all that is known
    return Sharpness(
        sharpness=largest,
        largest_stable_rate=2 / max(largest, noise) if bends_up else math.inf,
        direction=direction,
        converged=converged,
        lowest=curvature.lowest,
        lowest_direction=curvature.lowest_direction,
        probes=curvature.probes,
        n_gradients=2 * curvature.probes,
        noise=noise,
    )


def hessian(gradient, at):
    """Return the Hessian (n, n) at a point of few parameters, by central differences of gradients, 2n of them."""
    columns = []
    for value, e in zip(at, np.eye(at.size), strict=True):
        h = _EPSILON ** (1 / 3) * max(1.0, abs(value))
        columns.append((gradient(at + h * e) - gradient(at - h * e)) / (2 * h))
    return (np.array(columns) + np.array(columns).T) / 2


def _step(at, v, error):
    """How far to go along v for a difference, by the gradient's error and the size of the variables that v moves.

    By the root of it, which leaves a parabola's curvature at 10⁶ seven digits, and suits the small variables beside.
    """
    size = abs(at * v).max()
    return error ** (1 / 3) * max(1.0, math.sqrt(size), 1e-6 * size)


class _Curvature:
    """Hessian-vector products at a point, and the lowest curvature met on the way."""

    def __init__(self, owner, objective, args, at, differences):
        self._owner, self._objective, self._args, self._at = owner, objective, args, at
        self._differences, self._error = differences, _GRADIENT_ERROR[differences]
        self.lowest, self.lowest_direction, self.probes = math.inf, np.zeros_like(at), 0
        self.rounding = 0.0  # what rounding of the values and gradients may add to a curvature

    def _gradient(self, x, h):
        grads = np.full_like(x, np.nan)
        value = self._objective.at(x, grads, self._args)
        if not (np.isfinite(value) and np.isfinite(grads).all()):
            raise ValueError(f"{self._owner}: value and gradient near `at` must be finite, got {value} and {grads}")
        size = math.sqrt(x.size) * float(abs(value) if self._differences else abs(grads).max())
        self.rounding = max(self.rounding, 4 * self._error * size / h)
        return grads

    def along(self, v, factor=1.0):
        """Return v at length 1, Hv by differences of the usual step times `factor`, and the curvature v·Hv."""
        v = v / _length(v)
        h = factor * _step(self._at, v, self._error)
        ahead, behind = self._gradient(self._at + h * v, h), self._gradient(self._at - h * v, h)
        with np.errstate(over="ignore"):
            Hv = (ahead - behind) / (2 * h)
        if not np.isfinite(Hv).all():
            raise ValueError(f"{self._owner}: the curvature near `at` must be finite, got {Hv}")
        curvature = float(v @ Hv)
        self.probes += 1
        if curvature < self.lowest:
            self.lowest, self.lowest_direction = curvature, v
        return v, Hv, curvature

    def ends(self, rng, tol, max_iterations):
        """The largest eigenvalue, its eigenvector, and whether its residual is small beside it; `lowest` on the way.

        Rows of `vectors` are at right angles to one another, and those of `products` are H times them.
        """
        n = self._at.size
        vectors, products = np.empty((0, n)), np.empty((0, n))
        v = rng.standard_normal(n)
        for done in range(1, max_iterations + 1):
            v, Hv, _ = self.along(v)
            vectors, products = np.vstack([vectors, v]), np.vstack([products, Hv])
            projected = vectors @ products.T / 2
            values, weights = np.linalg.eigh(projected + projected.T)
            largest, size = values[-1], abs(values).max()
            above, below = (weights[:, i] @ products - values[i] * (weights[:, i] @ vectors) for i in (-1, 0))
            residuals = _length(above), _length(below)
            converged = residuals[0] <= tol * abs(largest)
            enough = (converged and residuals[1] <= tol * size) or max(residuals) <= self.rounding
            if len(vectors) == n or (enough and done >= _LEAST_VECTORS):
                break
            if len(vectors) == _MOST_VECTORS:
                kept = weights.T[np.r_[:_KEPT_VECTORS, -_KEPT_VECTORS:0]]
                vectors, products = kept @ vectors, kept @ products
                weights = np.eye(2 * _KEPT_VECTORS)
            v = below if converged and not enough else above
            if _length(v) <= _EXACT * size:
                v = rng.standard_normal(n)
            for _ in range(2):  # what rounding leaves of the first time
                v = v - (vectors @ v) @ vectors
        self.along(weights[:, 0] @ vectors)  # into `lowest`
        return float(largest), weights[:, -1] @ vectors, bool(converged)


def _length(v):
    """The Euclidean norm, whatever the size of v: squares may overflow, or vanish."""
    most = abs(v).max()
    return float(most * np.linalg.norm(v / most)) if 0 < most < math.inf else float(most)
