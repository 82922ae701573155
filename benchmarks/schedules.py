"""The rates of a schedule, which `fit` computes ahead of its steps."""

import numpy as np

import fastgd
from benchmarks._timing import best_seconds, median_seconds

_COSINE = fastgd.CosineAnnealing(0.1, 20)
_SCHEDULES = {
    "StepDecay": fastgd.StepDecay(0.1, 0.5, 3),
    "MultiStepDecay": fastgd.MultiStepDecay(0.1, 0.5, (5, 10, 15)),
    "ExponentialDecay": fastgd.ExponentialDecay(0.1, 0.1),
    "PolynomialDecay": fastgd.PolynomialDecay(0.1, 20, 2),
    "LinearRamp": fastgd.LinearRamp(0.1, 20),
    "InverseTimeDecay": fastgd.InverseTimeDecay(0.1, 0.1),
    "CosineAnnealing": _COSINE,
    "CosineRestarts": fastgd.CosineRestarts(0.1, 1, multiplier=2),
    "OneCycle": fastgd.OneCycle(0.1, 20),
    "CyclicTriangular": fastgd.CyclicTriangular(0.01, 0.1, 4),
    "PiecewiseTable": fastgd.PiecewiseTable((0, 5, 10, 15), (0.1, 0.05, 0.02, 0.01), "linear"),
    "Warmup": fastgd.Warmup(2, _COSINE),
    "Sequence": fastgd.Sequence((0.1, _COSINE, 0.01), (2, 18)),
    "ReduceOnPlateau": fastgd.ReduceOnPlateau(_COSINE),
}


class Rate:
    """A rate among many."""

    params = (tuple(_SCHEDULES),)
    param_names = ("schedule",)
    unit = "ns"

    def track_rate(self, name):
        schedule, times = _SCHEDULES[name], np.linspace(0, 20, 1 << 14)
        fastgd.schedule_values(schedule, times)  # compiles
        call = median_seconds(lambda: best_seconds(lambda: fastgd.schedule_values(schedule, times), repeat=9))
        return 1e9 * call / times.size
