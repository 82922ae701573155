"""Optimisers: one method a file, each registered for its NamedTuple."""

from fastgd.optimizers.accumulate import Accumulate, AccumulateState
from fastgd.optimizers.adadelta import Adadelta, AdadeltaState
from fastgd.optimizers.adagrad import Adagrad, AdagradState
from fastgd.optimizers.adam import Adam, AdamState
from fastgd.optimizers.adam_bf16 import AdamBF16, AdamBF16State
from fastgd.optimizers.adamax import Adamax, AdamaxState
from fastgd.optimizers.adamw import AdamW
from fastgd.optimizers.adamw_bf16 import AdamWBF16
from fastgd.optimizers.asgd import ASGD, ASGDState
from fastgd.optimizers.ema import EMA, EMAState
from fastgd.optimizers.lookahead import Lookahead, LookaheadState
from fastgd.optimizers.momentum import Momentum, MomentumState
from fastgd.optimizers.nadam import NAdam, NAdamState
from fastgd.optimizers.nesterov import Nesterov, NesterovState
from fastgd.optimizers.parameter_groups import (
    Freeze,
    FreezeState,
    ParameterGroup,
    ParameterGroups,
    ParameterGroupsState,
    ParameterGroupState,
)
from fastgd.optimizers.radam import RAdam, RAdamState
from fastgd.optimizers.rmsprop import RMSProp, RMSPropState
from fastgd.optimizers.rprop import Rprop, RpropState
from fastgd.optimizers.sgd import SGD, SGDState
from fastgd.optimizers.skip_nonfinite import SkipNonfinite, SkipNonfiniteState

__all__ = [
    "ASGD",
    "EMA",
    "SGD",
    "ASGDState",
    "Accumulate",
    "AccumulateState",
    "Adadelta",
    "AdadeltaState",
    "Adagrad",
    "AdagradState",
    "Adam",
    "AdamBF16",
    "AdamBF16State",
    "AdamState",
    "AdamW",
    "AdamWBF16",
    "Adamax",
    "AdamaxState",
    "EMAState",
    "Freeze",
    "FreezeState",
    "Lookahead",
    "LookaheadState",
    "Momentum",
    "MomentumState",
    "NAdam",
    "NAdamState",
    "Nesterov",
    "NesterovState",
    "ParameterGroup",
    "ParameterGroupState",
    "ParameterGroups",
    "ParameterGroupsState",
    "RAdam",
    "RAdamState",
    "RMSProp",
    "RMSPropState",
    "Rprop",
    "RpropState",
    "SGDState",
    "SkipNonfinite",
    "SkipNonfiniteState",
]
