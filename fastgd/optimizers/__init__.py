"""Optimisers: one method a file, each registered for its NamedTuple."""

from fastgd.optimizers.accumulate import Accumulate, AccumulateState
from fastgd.optimizers.adam import Adam, AdamState
from fastgd.optimizers.ema import EMA, EMAState
from fastgd.optimizers.lookahead import Lookahead, LookaheadState
from fastgd.optimizers.momentum import Momentum, MomentumState
from fastgd.optimizers.nesterov import Nesterov, NesterovState
from fastgd.optimizers.parameter_groups import (
    Freeze,
    FreezeState,
    ParameterGroup,
    ParameterGroups,
    ParameterGroupsState,
    ParameterGroupState,
)
from fastgd.optimizers.sgd import SGD, SGDState
from fastgd.optimizers.skip_nonfinite import SkipNonfinite, SkipNonfiniteState

__all__ = [
    "EMA",
    "SGD",
    "Accumulate",
    "AccumulateState",
    "Adam",
    "AdamState",
    "EMAState",
    "Freeze",
    "FreezeState",
    "Lookahead",
    "LookaheadState",
    "Momentum",
    "MomentumState",
    "NamedTuple",
    "Nesterov",
    "NesterovState",
    "ParameterGroup",
    "ParameterGroupState",
    "ParameterGroups",
    "ParameterGroupsState",
    "SGDState",
    "SkipNonfinite",
    "SkipNonfiniteState",
]
