"""A model's full batch as an objective."""

from typing import Any, NamedTuple

import numpy as np

from fastgd import _check
from fastgd._arrays.finite import require_finite
from fastgd._jit import kernel
from fastgd._registry import ModelKernels, kernels_for, register_objective
from fastgd.gradients import value_and_grad


class MeanLoss(NamedTuple):
    """A model's mean loss over rows of data, as an objective of its parameters: full-batch training by `minimize`.

    Parameters
    ----------
    model : NamedTuple
        A registered model.
    X : array_like of shape (rows, n_features)
        float32 or float64, C-ordered; anything else is copied once, as by `fit`.
    y : array_like of shape (rows,) or (rows, n_outputs)
        Of X's dtype, as the starting point must be.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> X = np.array([[0.0], [1.0], [2.0]])
    >>> line = fastgd.MeanLoss(fastgd.Neuron(1, "identity"), X, np.array([1.0, 3.0, 5.0]))
    >>> result = fastgd.minimize(line, np.zeros(2), optimizer=fastgd.SGD(), lr=fastgd.Armijo())
    >>> result.x.round(5)
    array([2., 1.])
    """

    model: Any
    X: np.ndarray
    y: np.ndarray


@kernel(inline=True)
def mean_loss(objective, x, grads):
    return value_and_grad(objective.model, x, objective.X, objective.y, grads)


def _check_rows(objective):
    _check.same_length("MeanLoss", "y", objective.y, "X", objective.X)


def require_parameters(owner, objective, x, start):
    """Raise where x, the user's `start`, are no parameters of the model, or the data is not what the model takes."""
    kernels = kernels_for(f"{owner}: model", ModelKernels, objective.model)
    _check.parameters(owner, objective.model, kernels.n_params.py_func(objective.model), x, name=start)
    _check.data(f"{owner}: MeanLoss", objective.X, objective.y)
    require_finite(f"{owner}: MeanLoss", "X", objective.X)
    require_finite(f"{owner}: MeanLoss", "y", objective.y)
    if not objective.X.dtype == objective.y.dtype == x.dtype:
        raise TypeError(
            f"{owner}: {start} must be of the dtype of MeanLoss's X and y, got {x.dtype}, {objective.X.dtype} and "
            f"{objective.y.dtype}"
        )
    _check.suitable(f"{owner}: MeanLoss", kernels, objective.model, X=objective.X, y=objective.y)


register_objective(MeanLoss, mean_loss, check=_check_rows, X=_check.Table((2,)), y=_check.Table((1, 2)))
