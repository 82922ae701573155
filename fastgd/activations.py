"""Activations: value and derivative, side by side."""

from fastgd._check import one_of
from fastgd._jit import kernel
from fastgd.elementwise import sigmoid, tanh

ACTIVATIONS = one_of("sigmoid", "tanh", "identity")
SIGMOID, TANH, IDENTITY = range(len(ACTIVATIONS))


@kernel(merge=True)
def activate(activation, z):
    """The value a = f(z)."""
    if activation == SIGMOID:
        return sigmoid(z)
    if activation == TANH:
        return tanh(z)
    return z


@kernel(merge=True)
def derivative(activation, a):
    """da/dz = f'(z), in terms of the value a = f(z)."""
    one = type(a)(1)
    if activation == SIGMOID:
        return a * (one - a)
    if activation == TANH:
        return one - a * a
    return one
