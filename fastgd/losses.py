"""Losses of one output against one target: value and gradient, side by side."""

from fastgd._check import one_of
from fastgd._jit import kernel
from fastgd.elementwise import softplus

LOSSES = one_of("mse", "binary_cross_entropy")
MSE, BINARY_CROSS_ENTROPY = range(len(LOSSES))


@kernel(merge=True)
def squared_error(a, y):
    """L = (a - y)² and dL/da = 2(a - y)."""
    error = a - y
    return error * error, error + error


@kernel(merge=True)
def cross_entropy_from_logit(z, a, y):
    """L = -y ln a - (1 - y) ln(1 - a) for a = σ(z), and dL/dz = a - y.

    ln(1 + e^-|z|) + max(z, 0) - y·z is the same number, without the logarithm of a rounded a, and to full
    accuracy where the answer is confident and right.
    """
    return softplus(-abs(z)) + (max(z, type(z)(0)) - y * z), a - y
