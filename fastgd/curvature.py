"""`sharpness`: the largest curvature at a point, and the largest rate at which plain descent is stable there."""

import math
from typing import NamedTuple

import numpy as np

from fastgd import _check
from fastgd._registry import ModelKernels, _registered
from fastgd.objectives import MeanLoss, checked_args, prepare

_EPSILON = float(np.finfo(np.float64).eps)
_STEP = 6e-6  # of differences: the cube root of float64's precision
# Of the largest curvature: what differences of gradients leave, and of gradients that are differences themselves.
_NOISE = {"2-point": 1e-2, "3-point": 1e-4}
_LEAST_NOISE = 1e-6
_EXACT = 1e-8  # the residual up to which an eigenvector is found that is left out
_MOST_TO_EXACT = 100  # iterations for that: it is easy where it matters, for a curvature far larger than the others
_MOST_ASIDE = 5  # of these


class Sharpness(NamedTuple):
    """The curvature at a point, as far as it was looked at."""

    sharpness: float  # the largest eigenvalue of the Hessian
    largest_stable_rate: float  # 2 / sharpness; infinite where no positive curvature was found
    direction: np.ndarray  # (n,), of length 1: the eigenvector
    converged: bool  # whether ‖Hv - λv‖ ≤ tol·|λ|, and differences of half the step give the same λ
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
        if self.negative_curvature and self.sharpness <= 0:
            told = f"no rate is stable here; {found}"
        elif self.negative_curvature:
            told = f"plain descent is stable along it for {limit}, along negative curvature for none; {found}"
        else:
            told = f"plain descent is stable near here for {limit}; {none}"
        return f"largest curvature {sure}{self.sharpness:.6g}; {told}"


def sharpness(
    fun, at, X=None, y=None, *, args=(), jac=None, tol=1e-3, max_iterations=1000, probes=10, seed=0, compile=True
):
    """Find the largest eigenvalue of the Hessian at a point, by power iteration on differences of gradients.

    H·v ≈ (g(x + hv) - g(x - hv)) / 2h, with h = 6·10⁻⁶·max(1, max |vᵢxᵢ|), a step that fits the variables it moves.
    (Where the curvature itself changes over so short a distance, scale the variables first.) Gradient descent on a
    quadratic is stable below the rate 2 / λ_max, and on anything else near a minimum; above it the steps grow along the
    eigenvector. Where the eigenvalue of largest size is negative, the iteration goes on at right angles to its
    eigenvector; where several are, or are of one size, with H shifted by that size. Then the smallest eigenvalue is
    sought in the same way, and `probes` random directions are tried: a curvature below 0 shows that the function is
    not convex, its absence shows nothing.

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
        Hessian-vector products, at most, for each end of the spectrum.
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
    if isinstance(_registered.get(type(fun)), ModelKernels):
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
    curvature = _Curvature(owner, prepare(owner, fun, jac, args, at, compile), args, at)

    largest, direction, converged, size = curvature.power_iteration(rng, 0.0, tol, max_iterations)
    aside: list[np.ndarray] = []  # eigenvectors of large negative curvature
    while largest < 0 and converged and len(aside) < min(_MOST_ASIDE, at.size - 1):
        sooner = min(_MOST_TO_EXACT, max_iterations)
        aside.append(curvature.power_iteration(rng, 0.0, _EXACT, sooner, start=direction, aside=aside)[1])
        largest, direction, converged, _ = curvature.power_iteration(rng, 0.0, tol, max_iterations, aside=aside)
    if largest < 0 or not converged:  # eigenvalues λ and -λ, say: shifted by their size, all are positive
        largest, direction, converged, _ = curvature.power_iteration(rng, -size, tol, max_iterations, relative=True)
    converged &= abs(curvature.along(direction, 0.5)[2] - largest) <= tol * abs(largest)
    curvature.power_iteration(rng, largest, tol, max_iterations)
    for _ in range(probes):
        curvature.along(rng.standard_normal(at.size))
    return Sharpness(
        sharpness=largest,
        largest_stable_rate=2 / largest if largest > 0 else math.inf,
        direction=direction,
        converged=converged,
        lowest=curvature.lowest,
        lowest_direction=curvature.lowest_direction,
        probes=curvature.probes,
        n_gradients=2 * curvature.probes,
        noise=(_NOISE[jac] if isinstance(jac, str) else _LEAST_NOISE) * abs(largest) + curvature.rounding,
    )


def hessian(gradient, at):
    """Return the Hessian (n, n) at a point of few parameters, by central differences of gradients, 2n of them."""
    columns = []
    for e in np.eye(at.size):
        h = _step(at, e)
        columns.append((gradient(at + h * e) - gradient(at - h * e)) / (2 * h))
    return (np.array(columns) + np.array(columns).T) / 2


def _step(at, v):
    """How far to go along v for a difference: by the size of the variables that it moves."""
    return _STEP * max(1.0, abs(at * v).max())


class _Curvature:
    """Hessian-vector products at a point, and the lowest curvature met on the way."""

    def __init__(self, owner, objective, args, at):
        self._owner, self._objective, self._args, self._at = owner, objective, args, at
        self.lowest, self.lowest_direction, self.probes = math.inf, np.zeros_like(at), 0
        self.rounding = 0.0  # what rounding of the gradients may add to a curvature

    def _gradient(self, x):
        grads = np.full_like(x, np.nan)
        value = self._objective.at(x, grads, self._args)
        if not (np.isfinite(value) and np.isfinite(grads).all()):
            raise ValueError(f"{self._owner}: value and gradient near `at` must be finite, got {value} and {grads}")
        self.rounding = max(self.rounding, 4 * _EPSILON * float(np.linalg.norm(grads)) / _STEP)
        return grads

    def along(self, v, factor=1.0):
        """Return v at length 1, Hv by differences of the usual step times `factor`, and the curvature v·Hv."""
        v = v / np.linalg.norm(v)
        h = factor * _step(self._at, v)
        Hv = (self._gradient(self._at + h * v) - self._gradient(self._at - h * v)) / (2 * h)
        curvature = float(v @ Hv)
        self.probes += 1
        if curvature < self.lowest:
            self.lowest, self.lowest_direction = curvature, v
        return v, Hv, curvature

    def power_iteration(self, rng, shift, tol, max_iterations, relative=False, start=None, aside=()):
        """The eigenvalue that is farthest from `shift`, its eigenvector, whether it converged, and ‖Hv‖ at the end.

        It has when the residual is small beside the eigenvalue, or (unless `relative`) the shift. All is done at right
        angles to the vectors `aside`.
        """
        v = _apart_from(aside, rng.standard_normal(self._at.size) if start is None else start)
        for _ in range(max_iterations):
            v, Hv, curvature = self.along(v)
            Hv = _apart_from(aside, Hv)
            scale = abs(curvature) if relative else max(abs(curvature), abs(shift))
            if np.linalg.norm(Hv - curvature * v) <= max(tol * scale, 1e-300):
                return curvature, v, True, float(np.linalg.norm(Hv))
            v = _apart_from(aside, Hv - shift * v)
        return curvature, v / np.linalg.norm(v), False, float(np.linalg.norm(Hv))


def _apart_from(vectors, v):
    """The part of v at right angles to vectors of length 1, which are so to one another."""
    for u in vectors:
        v = v - (u @ v) * u
    return v
