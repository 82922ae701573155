"""Models: the layout of their parameters, forward, backward, and both in one pass."""

from fastgd.models.neuron import Neuron

__all__ = ["Neuron"]
