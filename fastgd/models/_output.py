"""The output of one neuron for one row: its loss, and dL/dz."""

from fastgd._jit import kernel
from fastgd.activations import IDENTITY, SIGMOID, activate, derivative
from fastgd.losses import BINARY_CROSS_ENTROPY, cross_entropy_from_logit, squared_error
from fastgd.models._quick_sigmoid import quick_sigmoid


@kernel(inline=True)
def loss_and_delta(activation, loss, z, y):
    """The loss of a row and dL/dz."""
    a = activate(activation, z)
    if loss == BINARY_CROSS_ENTROPY:
        return cross_entropy_from_logit(z, a, y)
    L, dL_da = squared_error(a, y)
    return L, dL_da * derivative(activation, a)


@kernel(inline=True)
def delta_of_row(activation, loss, z, y):
    """dL/dz of a row, and its loss: under cross-entropy z, which `cross_entropy_from_logit` makes the loss of."""
    a = quick_sigmoid(z) if activation == SIGMOID else activate(activation, z)
    if loss == BINARY_CROSS_ENTROPY:
        return a - y, z
    L, dL_da = squared_error(a, y)
    return dL_da if activation == IDENTITY else dL_da * derivative(activation, a), L


@kernel(merge=True)
def times_weight(value, weight):
    """What a row adds to a sum: nothing where its weight is 0, even if its own value is not finite."""
    return value * weight if weight != 0 else type(value)(0)
