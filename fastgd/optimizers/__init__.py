"""Optimisers: one method a file, each registered for its NamedTuple."""

from fastgd.optimizers.adabelief import AdaBelief, AdaBeliefState
from fastgd.optimizers.adafactor import Adafactor, AdafactorState
from fastgd.optimizers.adam import Adam, AdamState
from fastgd.optimizers.adan import Adan, AdanState
from fastgd.optimizers.lamb import LAMB, LAMBState
from fastgd.optimizers.lars import LARS, LARSState
from fastgd.optimizers.lion import Lion, LionState
from fastgd.optimizers.momentum import Momentum, MomentumState
from fastgd.optimizers.nesterov import Nesterov, NesterovState
from fastgd.optimizers.schedule_free_adamw import ScheduleFreeAdamW, ScheduleFreeAdamWState
from fastgd.optimizers.schedule_free_sgd import ScheduleFreeSGD, ScheduleFreeSGDState
from fastgd.optimizers.sgd import SGD, SGDState
from fastgd.optimizers.sign_sgd import SignSGD, SignSGDState
from fastgd.optimizers.yogi import Yogi, YogiState

__all__ = [
    "LAMB",
    "LARS",
    "SGD",
    "AdaBelief",
    "AdaBeliefState",
    "Adafactor",
    "AdafactorState",
    "Adam",
    "AdamState",
    "Adan",
    "AdanState",
    "LAMBState",
    "LARSState",
    "Lion",
    "LionState",
    "Momentum",
    "MomentumState",
    "Nesterov",
    "NesterovState",
    "SGDState",
    "ScheduleFreeAdamW",
    "ScheduleFreeAdamWState",
    "ScheduleFreeSGD",
    "ScheduleFreeSGDState",
    "SignSGD",
    "SignSGDState",
    "Yogi",
    "YogiState",
]
