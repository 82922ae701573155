"""What every descent begins with: a start, an optimiser, a rate, the rules and the bounds, checked."""

import math

import numpy as np

from fastgd import _check
from fastgd._calls.states import resting, with_what_it_holds
from fastgd._descent.loop import Box, Rules
from fastgd._registry import OptimizerKernels, ScheduleKernels, kernels_for
from fastgd.line_search import Armijo
from fastgd.schedules import ReduceOnPlateau
from fastgd.verbs import is_plain

MOST = (1 << 62) - 1  # steps and evaluations are counted in 64 bits


def starting_array(owner, name, x0, ndim):
    """Return a start, or a start a row, which is only to be read."""
    x0 = _check.array(owner, name, x0, ndim)
    if x0.size == 0:
        raise ValueError(f"{owner}: {name} must have at least one element, got shape {x0.shape}")
    if ndim == 1 and not np.isfinite(x0).all():
        raise ValueError(f"{owner}: {name} must be finite, got {x0[~np.isfinite(x0)][0]}")
    return x0


def checked_rules(owner, optimizer, lr, max_steps, gtol, ftol, xtol):
    """Check an optimiser; return a rate and the rules of a run, checked."""
    kernels_for(f"{owner}: optimizer", OptimizerKernels, optimizer)
    if any(getattr(each, "maximize", False) for each in with_what_it_holds(optimizer)):
        raise ValueError(f"{owner}: optimizer must go downhill, got {optimizer}; to maximise, give -f and -grad")
    if isinstance(lr, Armijo):
        if not is_plain(optimizer):
            raise ValueError(f"{owner}: lr=Armijo(...) goes with optimizer=SGD(), got {optimizer}")
    elif isinstance(lr, ReduceOnPlateau):
        raise ValueError(f"{owner}: lr must be a schedule of time alone, got {lr}, which watches the epochs of fit")
    elif isinstance(lr, tuple | type):
        kernels_for(f"{owner}: lr", ScheduleKernels, lr)
    else:
        lr = _check.number(owner, "lr", lr, _check.nonnegative)
    tolerances = [
        _check.number(owner, name, value, _check.nonnegative)
        for name, value in (("gtol", gtol), ("ftol", ftol), ("xtol", xtol))
    ]
    if max(tolerances[1:]) > 0 and resting(optimizer) is not None:
        raise ValueError(
            f"{owner}: ftol and xtol must be 0 with {optimizer}, some of whose steps change nothing; use gtol"
        )
    max_steps = min(_check.integer(owner, "max_steps", max_steps, least=0), MOST)
    return lr, Rules(max_steps, *tolerances)


def no_box(x):
    """No bounds."""
    return Box(np.empty(0, x.dtype), np.empty(0, x.dtype))


def checked_box(owner, bounds, x):
    """Return bounds as a pair of arrays of the run's dtype; `x` is a point."""
    if bounds is None:
        return no_box(x)
    try:
        if hasattr(bounds, "lb") and hasattr(bounds, "ub"):
            pairs = list(zip(np.broadcast_to(bounds.lb, x.shape), np.broadcast_to(bounds.ub, x.shape), strict=True))
        else:
            pairs = [(low, high) for low, high in bounds]
        if len(pairs) != x.size:
            raise ValueError
        lower = np.array([-math.inf if low is None else low for low, _ in pairs], x.dtype)
        upper = np.array([math.inf if high is None else high for _, high in pairs], x.dtype)
    except (TypeError, ValueError):
        raise ValueError(
            f"{owner}: bounds must be {x.size} pairs (low, high) of numbers or None, one for each variable, "
            f"got {bounds!r}"
        ) from None
    for i, (low, high) in enumerate(zip(lower, upper, strict=True)):
        if not (low <= high and low < math.inf and high > -math.inf):
            raise ValueError(
                f"{owner}: bounds[{i}] must have low <= high, and finite numbers between, got ({low}, {high})"
            )
    return Box(lower, upper)
