"""Objectives in plain Python, and runs of them without the compiler."""

import math

import numpy as np

from fastgd import SGD, minimize

CENTRE = np.array([1.0, 2.0])


def banana_gradient(x):
    return np.array([-2 * (1 - x[0]) - 400 * x[0] * (x[1] - x[0] ** 2), 200 * (x[1] - x[0] ** 2)])


def banana(x, grad):
    grad[:] = banana_gradient(x)
    return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2


def parabola(x, grad):
    grad[:] = 2 * x
    return (x**2).sum()


def in_python(fun, x0, **arguments):
    """A run without the compiler: the loop's step is compiled once for all objectives."""
    return minimize(fun, x0, **{"compile": False, "optimizer": SGD(), "lr": 0.1} | arguments)


def well(x, grad):
    """With its minimum at 0, and flat far away."""
    value = -math.exp(-(x[0] ** 2) / 2)
    grad[0] = -x[0] * value
    return value
