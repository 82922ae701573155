"""Learning-rate schedules: the rate as a function of time, one a file. A plain number is a constant one."""

from fastgd.schedules.cosine import CosineAnnealing
from fastgd.schedules.cyclic import CyclicTriangular
from fastgd.schedules.exponential import ExponentialDecay
from fastgd.schedules.inverse_time import InverseTimeDecay
from fastgd.schedules.linear import LinearRamp
from fastgd.schedules.multi_step import MultiStepDecay
from fastgd.schedules.one_cycle import OneCycle
from fastgd.schedules.plateau import ReduceOnPlateau
from fastgd.schedules.polynomial import PolynomialDecay
from fastgd.schedules.restarts import CosineRestarts
from fastgd.schedules.sequence import Sequence
from fastgd.schedules.step import StepDecay
from fastgd.schedules.table import PiecewiseTable
from fastgd.schedules.values import schedule_values
from fastgd.schedules.warmup import Warmup

__all__ = [
    "CosineAnnealing",
    "CosineRestarts",
    "CyclicTriangular",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LinearRamp",
    "MultiStepDecay",
    "OneCycle",
    "PiecewiseTable",
    "PolynomialDecay",
    "ReduceOnPlateau",
    "Sequence",
    "StepDecay",
    "Warmup",
    "schedule_values",
]
