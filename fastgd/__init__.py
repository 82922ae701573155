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
from fastgd.derivation import derive
from fastgd.elementwise import exp, expm1, log1p, sigmoid, softplus, tanh
from fastgd.gradient_check import check_gradient
from fastgd.gradients import value_and_grad
from fastgd.models import Neuron
from fastgd.optimizers import (
    LAMB,
    LARS,
    SGD,
    AdaBelief,
    Adafactor,
    Adam,
    Adan,
    Lion,
    Momentum,
    Nesterov,
    ScheduleFreeAdamW,
    ScheduleFreeSGD,
    SignSGD,
    Yogi,
)
from fastgd.results import FitResult
from fastgd.schedules import ExponentialDecay
from fastgd.training import fit
from fastgd.updates import update
from fastgd.verbs import eval_params, init_params, init_state, layout, learning_rate, n_params, predict

__version__ = "0.1.0"

__all__ = [
    "LAMB",
    "LARS",
    "SGD",
    "AdaBelief",
    "Adafactor",
    "Adam",
    "Adan",
    "ClipByNorm",
    "ClipByValue",
    "ExponentialDecay",
    "FitResult",
    "Lion",
    "Momentum",
    "Nesterov",
    "Neuron",
    "ScheduleFreeAdamW",
    "ScheduleFreeSGD",
    "SignSGD",
    "Yogi",
    "check_gradient",
    "clip_by_norm",
    "clip_by_value",
    "derive",
    "eval_params",
    "exp",
    "expm1",
    "finite",
    "fit",
    "init_params",
    "init_state",
    "layout",
    "learning_rate",
    "log1p",
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
    "sigmoid",
    "softplus",
    "tanh",
    "unit_interval",
    "update",
    "value_and_grad",
]
