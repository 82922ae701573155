"""How plain descent and momentum behave along a direction of known curvature: which rates are stable."""

import math

from fastgd.optimizers import SGD, Momentum, Nesterov


def rate_times_curvature(optimizer, growth=1.0):
    """The rate, times the curvature, at which a step multiplies the error by -growth; NaN where no rule is known.

    Under plain descent that is 1 - z = -growth. With heavy-ball momentum -growth is a root of r² - (1 + β - z)r + β,
    with Nesterov's one of r² - (1 + β)(1 - z)r + β(1 - z). For a growth of 1 it is the limit of stability: 2, 2(1 + β)
    and 2(1 + β)/(1 + 2β).
    """
    if isinstance(optimizer, SGD):
        return 1 + growth
    if isinstance(optimizer, Momentum) and optimizer.dampening == 0:
        return 1 + optimizer.beta + growth + optimizer.beta / growth
    if isinstance(optimizer, Nesterov):
        return 1 + growth**2 / ((1 + optimizer.beta) * growth + optimizer.beta)
    return math.nan
