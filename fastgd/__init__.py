"""Numba-compiled backpropagation and gradient descent on the CPU.

Every verb works in Python and inside `@njit` code; see the README for a tour.
"""

from fastgd._check import finite, nonnegative, one_of, positive, unit_interval
from fastgd._jit import njit
from fastgd._registry import (
    register_clipping,
    register_model,
    register_objective,
    register_optimizer,
    register_schedule,
)
from fastgd.clipping import ClipByNorm, ClipByValue, clip_by_norm, clip_by_value
from fastgd.curvature import sharpness
from fastgd.derivation import derive
from fastgd.elementwise import exp, expm1, log1p, sigmoid, softplus, tanh
from fastgd.gradient_check import check_gradient
from fastgd.gradients import value_and_grad
from fastgd.line_search import Armijo
from fastgd.many import minimize_many
from fastgd.minimization import gradient_descent, minimize
from fastgd.models import Neuron
from fastgd.objectives import MeanLoss
from fastgd.optimizers import SGD, Adam, Momentum, Nesterov
from fastgd.results import FitResult
from fastgd.schedules import ExponentialDecay
from fastgd.scipy_method import scipy_method
from fastgd.training import fit
from fastgd.updates import update
from fastgd.verbs import eval_params, init_params, init_state, layout, learning_rate, n_params, predict

__version__ = "0.1.0"

__all__ = [
    "SGD",
    "Adam",
    "Armijo",
    "ClipByNorm",
    "ClipByValue",
    "ExponentialDecay",
    "FitResult",
    "MeanLoss",
    "Momentum",
    "Nesterov",
    "Neuron",
    "check_gradient",
    "clip_by_norm",
    "clip_by_value",
    "derive",
    "eval_params",
    "exp",
    "expm1",
    "finite",
    "fit",
    "gradient_descent",
    "init_params",
    "init_state",
    "layout",
    "learning_rate",
    "log1p",
    "minimize",
    "minimize_many",
    "n_params",
    "njit",
    "nonnegative",
    "one_of",
    "positive",
    "predict",
    "register_clipping",
    "register_model",
    "register_objective",
    "register_optimizer",
    "register_schedule",
    "scipy_method",
    "sharpness",
    "sigmoid",
    "softplus",
    "tanh",
    "unit_interval",
    "update",
    "value_and_grad",
]
