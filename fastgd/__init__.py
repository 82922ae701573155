"""Numba-compiled backpropagation and gradient descent on the CPU.

Every verb works in Python and inside `@njit` code; see the README for a tour.
"""

import importlib

from fastgd import problems
from fastgd._check import finite, nonnegative, one_of, positive, unit_interval
from fastgd._jit import njit
from fastgd._registry import (
    register_clipping,
    register_model,
    register_objective,
    register_optimizer,
    register_schedule,
)
from fastgd.clipping import ClipAdaptively, ClipByNorm, ClipByValue, clip_adaptively, clip_by_norm, clip_by_value
from fastgd.curvature import sharpness
from fastgd.derivation import derive
from fastgd.diagnosis import Diagnosis, diagnose
from fastgd.elementwise import exp, expm1, log1p, sigmoid, softplus, tanh
from fastgd.gradient_check import check_gradient
from fastgd.gradient_descent import gradient_descent
from fastgd.gradients import value_and_grad
from fastgd.line_search import Armijo
from fastgd.lr_finder import LRFindResult, lr_find
from fastgd.many import ManyResult, minimize_many
from fastgd.mean_loss import MeanLoss
from fastgd.minimization import MinimizeResult, minimize
from fastgd.models import Neuron
from fastgd.optimizers import (
    ASGD,
    EMA,
    LAMB,
    LARS,
    SGD,
    Accumulate,
    AdaBelief,
    Adadelta,
    Adafactor,
    Adagrad,
    Adam,
    Adamax,
    AdamBF16,
    AdamW,
    AdamWBF16,
    Adan,
    Freeze,
    Lion,
    LionBF16,
    Lookahead,
    Momentum,
    NAdam,
    Nesterov,
    ParameterGroup,
    ParameterGroups,
    RAdam,
    RMSProp,
    Rprop,
    ScheduleFreeAdamW,
    ScheduleFreeSGD,
    SignSGD,
    SkipNonfinite,
    Yogi,
)
from fastgd.results import FitResult
from fastgd.schedules import (
    CosineAnnealing,
    CosineRestarts,
    CyclicTriangular,
    ExponentialDecay,
    InverseTimeDecay,
    LinearRamp,
    MultiStepDecay,
    OneCycle,
    PiecewiseTable,
    PolynomialDecay,
    ReduceOnPlateau,
    Sequence,
    StepDecay,
    Warmup,
    schedule_values,
)
from fastgd.scipy_method import scipy_method
from fastgd.sweep import SweepResult, sweep
from fastgd.training import fit
from fastgd.updates import update
from fastgd.verbs import eval_params, init_params, init_state, layout, learning_rate, n_params, predict

__version__ = "0.1.0"

__all__ = [
    "ASGD",
    "EMA",
    "LAMB",
    "LARS",
    "SGD",
    "Accumulate",
    "AdaBelief",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamBF16",
    "AdamW",
    "AdamWBF16",
    "Adamax",
    "Adan",
    "Armijo",
    "ClipAdaptively",
    "ClipByNorm",
    "ClipByValue",
    "CosineAnnealing",
    "CosineRestarts",
    "CyclicTriangular",
    "Diagnosis",
    "ExponentialDecay",
    "FitResult",
    "Freeze",
    "InverseTimeDecay",
    "LRFindResult",
    "LinearRamp",
    "Lion",
    "LionBF16",
    "Lookahead",
    "ManyResult",
    "MeanLoss",
    "MinimizeResult",
    "Momentum",
    "MultiStepDecay",
    "NAdam",
    "Nesterov",
    "Neuron",
    "OneCycle",
    "ParameterGroup",
    "ParameterGroups",
    "PiecewiseTable",
    "PolynomialDecay",
    "RAdam",
    "RMSProp",
    "ReduceOnPlateau",
    "Rprop",
    "ScheduleFreeAdamW",
    "ScheduleFreeSGD",
    "Sequence",
    "SignSGD",
    "SkipNonfinite",
    "StepDecay",
    "SweepResult",
    "Warmup",
    "Yogi",
    "check_gradient",
    "clip_adaptively",
    "clip_by_norm",
    "clip_by_value",
    "derive",
    "diagnose",
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
    "lr_find",
    "minimize",
    "minimize_many",
    "n_params",
    "njit",
    "nonnegative",
    "one_of",
    "positive",
    "predict",
    "problems",
    "register_clipping",
    "register_model",
    "register_objective",
    "register_optimizer",
    "register_schedule",
    "schedule_values",
    "scipy_method",
    "sharpness",
    "sigmoid",
    "softplus",
    "sweep",
    "tanh",
    "unit_interval",
    "update",
    "value_and_grad",
]


def __getattr__(name):
    """Import what most programs do without when it is first asked for."""
    if name in ("explorer", "plots", "tables"):
        return importlib.import_module(f"fastgd.{name}")
    raise AttributeError(f"module 'fastgd' has no attribute {name!r}")
