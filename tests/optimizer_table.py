"""The table of optimisers that tests run through: every registered one, so that a new one is found by itself."""

import numpy as np

import fastgd
from fastgd._registry import OptimizerKernels, registered

REGISTERED = list(registered(OptimizerKernels).values())  # those that hold another have no default for it
# Values of their fields that choose another loop or another state.
VARIANTS = [
    fastgd.Adam(amsgrad=True),
    fastgd.ASGD(lambd=0, t0=2),
    fastgd.RMSProp(centered=True),
    fastgd.RMSProp(momentum=0.5),
    fastgd.RMSProp(centered=True, momentum=0.5),
    fastgd.SignSGD(beta=0.5),
]


def without_decay(optimizer):
    """The same, with nothing that pulls parameters toward 0."""
    return optimizer._replace(**{name: 0 for name in ("weight_decay", "lambd") if name in optimizer._fields})


EVERY = [*(without_decay(cls()) for cls in REGISTERED), *VARIANTS]


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


def average_of(optimizer, state, params):
    """The point to evaluate at."""
    out = np.empty_like(params)
    fastgd.eval_params(optimizer, state, params, out)
    return out


def named_arrays(state, prefix=""):
    """The arrays of a state by name, those of nested ones included."""
    for name, value in zip(getattr(state, "_fields", range(len(state))), state, strict=True):
        if isinstance(value, tuple):
            yield from named_arrays(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
