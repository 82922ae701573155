"""Optimisers: one method a file, each registered for its NamedTuple."""

from fastgd.optimizers.adadelta import Adadelta, AdadeltaState
from fastgd.optimizers.adagrad import Adagrad, AdagradState
from fastgd.optimizers.adam import Adam, AdamState
from fastgd.optimizers.adamax import Adamax, AdamaxState
from fastgd.optimizers.adamw import AdamW
from fastgd.optimizers.asgd import ASGD, ASGDState
from fastgd.optimizers.momentum import Momentum, MomentumState
from fastgd.optimizers.nadam import NAdam, NAdamState
from fastgd.optimizers.nesterov import Nesterov, NesterovState
from fastgd.optimizers.radam import RAdam, RAdamState
from fastgd.optimizers.rmsprop import RMSProp, RMSPropState
from fastgd.optimizers.rprop import Rprop, RpropState
from fastgd.optimizers.sgd import SGD, SGDState

__all__ = [
    "ASGD",
    "SGD",
    "ASGDState",
    "Adadelta",
    "AdadeltaState",
    "Adagrad",
    "AdagradState",
    "Adam",
    "AdamState",
    "AdamW",
    "Adamax",
    "AdamaxState",
    "Momentum",
    "MomentumState",
    "NAdam",
    "NAdamState",
    "Nesterov",
    "NesterovState",
    "RAdam",
    "RAdamState",
    "RMSProp",
    "RMSPropState",
    "Rprop",
    "RpropState",
    "SGDState",
]
