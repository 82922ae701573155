"""Pictures of results, by matplotlib: ``pip install matplotlib``.

A display is made from results and never trains. Its `plot(ax=None)` draws, in a new figure or on axes of the caller's,
keeps what it drew in attributes that end in `_`, and returns the display. matplotlib is imported by `plot`, not before.
`Explorer` is a figure of its own, in which a run is taken step by step.
"""

from fastgd.plots.explorer import Explorer
from fastgd.plots.gradient_norms import GradientNormsDisplay
from fastgd.plots.graph import GraphDisplay
from fastgd.plots.learning_curves import LearningCurvesDisplay
from fastgd.plots.lr_finder import LRFinderDisplay
from fastgd.plots.neuron import NeuronDisplay
from fastgd.plots.paths import PathDisplay
from fastgd.plots.schedules import ScheduleDisplay
from fastgd.plots.sweep_curves import SweepCurvesDisplay
from fastgd.plots.sweeps import SweepDisplay

__all__ = [
    "Explorer",
    "GradientNormsDisplay",
    "GraphDisplay",
    "LRFinderDisplay",
    "LearningCurvesDisplay",
    "NeuronDisplay",
    "PathDisplay",
    "ScheduleDisplay",
    "SweepCurvesDisplay",
    "SweepDisplay",
]
