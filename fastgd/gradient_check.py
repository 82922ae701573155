"""`check_gradient`: a model's gradient against central differences of its loss."""

from typing import NamedTuple

import numpy as np

from fastgd import _check
from fastgd._registry import ModelKernels, kernels_for
from fastgd.gradients import value_and_grad

_EPSILON = np.finfo(np.float64).eps
_ROUNDINGS = 8  # of a parameter, and of what is made of it on the way to the gradient


class GradientCheck(NamedTuple):
    """A gradient computed in two ways, in float64."""

    analytic: np.ndarray  # (n_params,): the model's own
    numeric: np.ndarray  # (n_params,): central differences of the loss
    error: float  # their largest distance, beyond what rounding the loss makes, over their largest component

    @property
    def passed(self):
        """Whether the error is what differences of a smooth loss leave: at most 1e-6 (never where it is NaN)."""
        return self.error <= 1e-6

    def __str__(self):
        verdict = "agree" if self.passed else "DISAGREE"
        worst = int(np.argmax(abs(self.analytic - self.numeric)))
        return (
            f"gradient of {self.analytic.size} parameters: analytic and numeric {verdict}, relative error "
            f"{self.error:.2g} (parameter {worst}: {self.analytic[worst]:.9g} against {self.numeric[worst]:.9g})"
        )


def check_gradient(model, params, X, y, *, step=6e-6):
    """Compare a model's gradient with central differences of its mean loss.

    (L(p + h_i e_i) - L(p - h_i e_i)) / 2h_i is the mean of dL/dp_i between the two points, with h_i = step · max(1,
    |p_i|), all in float64. So it is compared with the mean of the model's gradients by Simpson's rule, which leaves an
    error of h_i⁴; dL/dp_i itself would leave one of h_i², which near a minimum is most of what there is. The default
    step is the cube root of float64's precision ε, which balances rounding against curvature.

    What rounding makes is no error: of the quotient ε·|L| / h_i (a saturated neuron's gradient may be smaller than
    that); of the gradient a few ε·Σ_j |d²L/dp_i dp_j|·|p_j|, as rounded parameters make, by differences of the model's
    own gradients. At a minimum nothing else is left of it.

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
        The relative step, positive.

    Returns
    -------
    GradientCheck
        Both gradients and their relative distance; `passed` says whether that is at most 1e-6.

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
    step = _check.number("check_gradient", "step", step, _check.positive)
    params = _check.parameters("check_gradient", model, kernels.n_params.py_func(model), params, np.float64)
    X, y = _check.data("check_gradient", X, y, np.dtype(np.float64))
    for name, array in (("params", params), ("X", X), ("y", y)):
        if not np.isfinite(array).all():
            raise ValueError(f"check_gradient: {name} must be finite, got {array[~np.isfinite(array)][0]}")
    analytic, mean, numeric, rounding = (np.zeros_like(params) for _ in range(4))
    grads_above, grads_below = np.empty_like(params), np.empty_like(params)
    value_and_grad(model, params, X, y, analytic)
    for i in range(params.size):
        shifted, h = params.copy(), step * max(1.0, abs(params[i]))
        shifted[i] = params[i] + h
        above, loss_above = shifted[i], value_and_grad(model, shifted, X, y, grads_above)
        shifted[i] = params[i] - h
        below, loss_below = shifted[i], value_and_grad(model, shifted, X, y, grads_below)
        mean[i] = (grads_below[i] + 4 * analytic[i] + grads_above[i]) / 6
        numeric[i] = (loss_above - loss_below) / (above - below)
        rounding[i] += _EPSILON * max(abs(loss_above), abs(loss_below)) / h
        rounding += _ROUNDINGS * _EPSILON * abs(params[i]) * abs((grads_above - grads_below) / (above - below))
    distance = np.maximum(abs(mean - numeric) - rounding, 0).max()
    scale = max(abs(analytic).max(), abs(numeric).max())
    return GradientCheck(analytic, numeric, 0.0 if distance == 0 else float(distance / scale))
