"""What the tests of optimisers share: every registered one, a gradient, and runs."""

import numpy as np

import fastgd
from fastgd import SGD, Adam, Momentum, Nesterov

INNER = [SGD(), Momentum(), Nesterov(), Adam(amsgrad=True)]
ELEMENTWISE = {SGD, Momentum, Nesterov, Adam}


def gradient(params):
    """Of a convex function, with components of very different sizes, and curved so that Adam's v_max matters."""
    scale = 2.0 ** -np.arange(params.size)
    return (scale * (np.asarray(params, np.float64) - 0.5) + np.sin(3 * np.asarray(params, np.float64))).astype(
        params.dtype
    )


def start(dtype, size=37):
    return np.random.default_rng(1).normal(size=size).astype(dtype)


def points_of(optimizer, params, n_steps, lr):
    """The parameters after each step."""
    params, state = params.copy(), fastgd.init_state(optimizer, params)
    points = []
    for _ in range(n_steps):
        fastgd.update(optimizer, lr, gradient(params), state, params)
        points.append(params.copy())
    return np.array(points)


def named_arrays(state, prefix=""):
    """The arrays of a state by name, those of nested ones included."""
    for name, value in zip(getattr(state, "_fields", range(len(state))), state, strict=True):
        if isinstance(value, tuple):
            yield from named_arrays(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
