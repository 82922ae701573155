"""Optimisers: one method a file, each registered for its NamedTuple."""

from fastgd.optimizers.accumulate import Accumulate, AccumulateState
from fastgd.optimizers.adabelief import AdaBelief, AdaBeliefState
from fastgd.optimizers.adadelta import Adadelta, AdadeltaState
from fastgd.optimizers.adafactor import Adafactor, AdafactorState
from fastgd.optimizers.adagrad import Adagrad, AdagradState
from fastgd.optimizers.adam import Adam, AdamState
from fastgd.optimizers.adam_bf16 import AdamBF16, AdamBF16State
from fastgd.optimizers.adamax import Adamax, AdamaxState
from fastgd.optimizers.adamw import AdamW
from fastgd.optimizers.adamw_bf16 import AdamWBF16
from fastgd.optimizers.adan import Adan, AdanState
from fastgd.optimizers.asgd import ASGD, ASGDState
from fastgd.optimizers.ema import EMA, EMAState
from fastgd.optimizers.lamb import LAMB, LAMBState
from fastgd.optimizers.lars import LARS, LARSState
from fastgd.optimizers.lion import Lion, LionState
from fastgd.optimizers.lion_bf16 import LionBF16, LionBF16State
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
from fastgd.optimizers.schedule_free_adamw import ScheduleFreeAdamW, ScheduleFreeAdamWState
from fastgd.optimizers.schedule_free_sgd import ScheduleFreeSGD, ScheduleFreeSGDState
from fastgd.optimizers.sgd import SGD, SGDState
from fastgd.optimizers.sign_sgd import SignSGD, SignSGDState
from fastgd.optimizers.skip_nonfinite import SkipNonfinite, SkipNonfiniteState
from fastgd.optimizers.yogi import Yogi, YogiState

__all__ = [
    "ASGD",
    "EMA",
    "LAMB",
    "LARS",
    "SGD",
    "ASGDState",
    "Accumulate",
    "AccumulateState",
    "AdaBelief",
    "AdaBeliefState",
    "Adadelta",
    "AdadeltaState",
    "Adafactor",
    "AdafactorState",
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
    "Adan",
    "AdanState",
    "EMAState",
    "Freeze",
    "FreezeState",
    "LAMBState",
    "LARSState",
    "Lion",
    "LionBF16",
    "LionBF16State",
    "LionState",
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
    "ScheduleFreeAdamW",
    "ScheduleFreeAdamWState",
    "ScheduleFreeSGD",
    "ScheduleFreeSGDState",
    "SignSGD",
    "SignSGDState",
    "SkipNonfinite",
    "SkipNonfiniteState",
    "Yogi",
    "YogiState",
]
