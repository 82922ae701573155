"""Optimisers: one method a file, each registered for its NamedTuple."""

from fastgd.optimizers.adam import Adam, AdamState
from fastgd.optimizers.momentum import Momentum, MomentumState
from fastgd.optimizers.nesterov import Nesterov, NesterovState
from fastgd.optimizers.sgd import SGD, SGDState

__all__ = ["SGD", "Adam", "AdamState", "Momentum", "MomentumState", "Nesterov", "NesterovState", "SGDState"]
