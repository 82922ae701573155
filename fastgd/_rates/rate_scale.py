"""The explorer's scale: where a rate lies between slow and explosive, by the curvature."""

import math
from typing import NamedTuple

import numpy as np

from fastgd._rates.stability import rate_times_curvature
from fastgd._rates.written_updates import fmt
from fastgd.optimizers import SGD, Adam, Momentum, Nesterov

AT_REST = 1e-6  # the largest component of a gradient, or a curvature, that is called 0
_NEAR = 4.0  # how many times below the optimum a rate is still called near it

# Of each method: the smallest of the fastest rates on a bowl, times the curvature, which is where the polynomials of
# `rate_times_curvature` have a double root (Nesterov's, at z = 1, is 0); and the rules in words.
_RULES = {
    SGD: (lambda optimizer: 1.0, "Best 1/λ, limit 2/λ."),
    Momentum: (lambda optimizer: (1 - math.sqrt(optimizer.beta)) ** 2, "Best from (1 - √β)²/λ, limit 2(1 + β)/λ."),
    Nesterov: (lambda optimizer: 1.0, "Best 1/λ, limit 2(1 + β)/((1 + 2β)λ)."),
}


class Scale(NamedTuple):
    """Where a rate lies between slow and explosive, by the curvature where the run is."""

    zone: str  # "slow", "optimal", "oscillating", "explosive"; "unknown" where the curvature tells nothing
    optimal: float  # the rate that is best there; NaN where unknown
    swing: float  # the rate from which steps swing to and fro
    limit: float  # the rate from which steps grow; infinite where there is no such rate
    words: str  # what the numbers mean for this optimiser


def rate_scale(optimizer, plain, lr, curvature, grads):
    """Return where a rate lies at a point of this curvature and gradient.

    `plain`: whether the optimiser has no options that the rules do not know.
    """
    optimal, limit, words = math.nan, math.inf, ""
    kind = type(optimizer)
    known = kind is Adam or kind in _RULES
    if not (known and plain):
        options = " with these options" if known else ""
        words = f"No rule from the curvature is known for {kind.__name__}{options}."
    elif math.isnan(curvature):
        words = "The curvature here is not finite: it tells nothing."
    elif curvature <= AT_REST:
        words = "The curve does not bend up here: the curvature sets no limit."
    elif kind is Adam:
        optimal = float(np.abs(grads).max()) / curvature
        words = (
            "A step of Adam is about the rate in size, whatever the gradient: compare it with the distance left, "
            f"about |g|/λ = {fmt(optimal)}. No rate explodes by the curvature; a large one swings to and fro."
        )
    else:
        fastest, rules = _RULES[kind]
        optimal, limit = fastest(optimizer) / curvature, rate_times_curvature(optimizer) / curvature
        words = f"{rules} On a bowl of this curvature: best {fmt(optimal)}, explosive from {fmt(limit)}."
    if not optimal > 0:
        return Scale("unknown", math.nan, math.nan, math.inf, words)
    swing = 2 * optimal if math.isinf(limit) else math.sqrt(optimal * limit)
    if lr >= limit:
        zone = "explosive"
    elif lr > swing:
        zone = "oscillating"
    else:
        zone = "slow" if lr < optimal / _NEAR else "optimal"
    return Scale(zone, optimal, swing, limit, words)
