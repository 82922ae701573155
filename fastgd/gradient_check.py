"""`check_gradient`: a model's gradient against central differences of its loss."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fastgd import _check
from fastgd._registry import ModelKernels, kernels_for
from fastgd._types import Rule
from fastgd.gradients import value_and_grad

_EPSILON = np.finfo(np.float64).eps
_ROUNDINGS = 8  # of a parameter, or of the loss, and of what is made of it on the way
_MOST_ROWS = 1000  # that are looked at one by one
_ENOUGH = 1e-6  # an error that differences of a smooth loss may leave
_SMALLER_STEPS = (1e-2, 1e-4, 1e-6)  # times the usual one, where the loss bends too much for that
_wide_enough = _check.Range(
    "a finite number, 1e-9 or larger (else rounding hides errors)", lambda v: 1e-9 <= v < math.inf
)
_HIDES = 1e3  # times the gradient here: a step away it hides what is wrong with it


class GradientCheck(NamedTuple):
    """A gradient computed in two ways, in float64."""

    analytic: np.ndarray  # (n_params,): the model's own
    numeric: np.ndarray  # (n_params,): central differences of the loss
    error: float  # of the parameter that is worst: see `check_gradient`
    worst: int  # which that is

    @property
    def passed(self):
        """Whether the error is what differences of a smooth loss leave: at most 1e-6 (never where it is NaN)."""
        return self.error <= _ENOUGH

    def __str__(self):
        verdict, worst = "agree" if self.passed else "DISAGREE", self.worst
        return (
            f"gradient of {self.analytic.size} parameters: analytic and numeric {verdict}, relative error "
            f"{self.error:.2g} (parameter {worst}: {self.analytic[worst]:.9g} against {self.numeric[worst]:.9g})"
        )


def check_gradient(
    model: Rule,
    params: ArrayLike,
    X: ArrayLike,
    y: ArrayLike,
    *,
    step: float = 6e-6,
) -> GradientCheck:
    """Compare a model's gradient with central differences of its mean loss.

    (L(p + h_i e_i) - L(p - h_i e_i)) / 2h_i is the mean of dL/dp_i between the two points, with h_i = step · max(1,
    |p_i|), all in float64. So it is compared with the mean of the model's gradients by Simpson's rule, which leaves an
    error of h_i⁴; dL/dp_i itself would leave one of h_i², which near a minimum is most of what there is. The default
    step is the cube root of float64's precision ε, which balances rounding against curvature.

    A parameter's error is the distance over its largest gradient between the points, or over s_i, the mean absolute
    gradient of single rows (of a thousand, at most), where that is larger, as where rows cancel one another. So the
    gradient of a small feature counts as much as that of a large one.

    What rounding makes is no error: of the quotient a few ε·(|L| + Σ_j s_j·|p_j|) / h_i (a saturated neuron's gradient
    may be smaller than that), of the gradient a few ε·Σ_j |d²L/dp_i dp_j|·|p_j|, by differences of the model's own
    gradients. At a minimum nothing else is left of it.

    Parameters
    ----------
    model : NamedTuple
        A registered model.
    params : array_like of shape (n_params,)
        Where to compare.
    X : array_like of shape (n, n_features)
        Rows.
    y : array_like of shape (n,) or (n, n_outputs)
        Targets.
    step : float
        The relative step, 1e-9 or larger: on a shorter way rounding hides errors. Where parameters do not agree at it,
        since the loss bends too much over so long a way (large features), or the gradient grows a thousandfold on it,
        10⁻², 10⁻⁴ and 10⁻⁶ of it are tried.

    Returns
    -------
    GradientCheck
        Both gradients and the error of the worst parameter; `passed` says whether that is at most 1e-6.

    Raises
    ------
    ValueError
        For NaN or infinity in params, X or y, and for what does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> X = np.array([[0.5, -1.0], [2.0, 0.3]])
    >>> fastgd.check_gradient(fastgd.Neuron(2, "tanh"), [0.3, -0.2, 0.1], X, [0.0, 1.0]).passed
    True
    """
    kernels = kernels_for("check_gradient", ModelKernels, model)
    step = _check.number("check_gradient", "step", step, _wide_enough)
    params = _check.parameters("check_gradient", model, kernels.n_params.py_func(model), params, np.float64)
    X, y = _check.data("check_gradient", X, y, np.dtype(np.float64))
    for name, array in (("params", params), ("X", X), ("y", y)):
        if not np.isfinite(array).all():
            raise ValueError(f"check_gradient: {name} must be finite, got {array[~np.isfinite(array)][0]}")
    _check.suitable("check_gradient", kernels, model, X=X, y=y)
    analytic = np.empty_like(params)
    value_and_grad(model, params, X, y, analytic)
    of_rows = _mean_size_of_rows(model, params, X, y)
    steps = step * np.maximum(1.0, abs(params))
    looks = [_look(model, params, X, y, analytic, i, h) for i, h in enumerate(steps)]
    bent = sum(abs(look.column * p) for look, p in zip(looks, params, strict=True))

    def judged(i, look):
        """The error, and what rounding may make of one."""
        with np.errstate(over="ignore"):
            rounding = _ROUNDINGS * _EPSILON * ((look.loss + of_rows @ abs(params)) / look.h + bent[i])
        scale = max(abs(look.numeric), look.reach, of_rows[i])
        distance = abs(look.mean - look.numeric) - rounding
        error = math.nan if rounding == math.inf else 0.0 if distance <= 0 else distance / scale
        return error, rounding / max(scale, 1e-300)

    errors = np.array([judged(i, look)[0] for i, look in enumerate(looks)])
    # Where the gradient is far larger a step away, an error of all of it may be small beside that.
    sizes = [max(abs(analytic[i]), abs(look.numeric), of_rows[i]) for i, look in enumerate(looks)]
    hidden = [look.reach > _HIDES * size for look, size in zip(looks, sizes, strict=True)]
    for i in np.flatnonzero(~(errors <= _ENOUGH) | hidden):
        for part in _SMALLER_STEPS:
            look = _look(model, params, X, y, analytic, i, part * steps[i])
            error, rounding = judged(i, look)
            if (error < errors[i] or hidden[i]) and rounding < _ENOUGH:
                looks[i], errors[i] = look, error
    worst = int(np.argmax(errors))
    return GradientCheck(analytic, np.array([look.numeric for look in looks]), float(errors[worst]), worst)


class _Look(NamedTuple):
    """What is seen at the two points beside a parameter's value."""

    h: float
    numeric: float  # the difference of losses over that of the parameters
    mean: float  # of the model's gradients between, by Simpson's rule
    reach: float  # the largest of these
    column: np.ndarray  # (n_params,): the difference of the gradients over that of the parameters
    loss: float  # the larger one


def _look(model, params, X, y, analytic, i, h):
    shifted, above, below = params.copy(), np.empty_like(params), np.empty_like(params)
    shifted[i] = high = params[i] + h
    loss_above = value_and_grad(model, shifted, X, y, above)
    shifted[i] = low = params[i] - h
    loss_below = value_and_grad(model, shifted, X, y, below)
    between = (below[i], analytic[i], above[i])
    return _Look(
        h=h,
        numeric=(loss_above - loss_below) / (high - low),
        mean=(below[i] + 4 * analytic[i] + above[i]) / 6,
        reach=max(map(abs, between)),
        column=(above - below) / (high - low),
        loss=max(abs(loss_above), abs(loss_below)),
    )


def _mean_size_of_rows(model, params, X, y):
    """The mean absolute gradient of single rows, up to so many, evenly spaced."""
    rows = range(0, len(X), -(-len(X) // _MOST_ROWS))
    grads, total = np.empty_like(params), np.zeros_like(params)
    for r in rows:
        value_and_grad(model, params, X[r : r + 1], y[r : r + 1], grads)
        total += abs(grads)
    return total / len(rows)
