"""Rules of a user's own, in a module outside the package, through the public registrations only."""

import math
from typing import NamedTuple

import numba
import numpy as np

import fastgd

# An optimiser, with a helper function and a constant.

FLOOR = 1e-3


@numba.njit
def soft_sign(g, softness):
    return g / (abs(g) + softness)


class SoftSign(NamedTuple):
    """θ ← θ - lr·s·g / (|g| + softness), where s falls from 2 to 1 as the steps go on."""

    softness: float = 0.5
    fast_start: bool = True


class SoftSignState(NamedTuple):
    step: np.ndarray


def init_soft_sign(optimizer, params):
    return SoftSignState(np.zeros(1, np.int64))


def update_soft_sign(optimizer, lr, grads, state, params):
    dtype = params.dtype.type
    state.step[0] += 1
    speed = 1 + 1 / state.step[0] if optimizer.fast_start else 1.0
    rate, softness = dtype(lr * speed), dtype(optimizer.softness + FLOOR)
    for i in range(params.size):
        params[i] -= rate * soft_sign(grads[i], softness)


fastgd.register_optimizer(SoftSign, init_soft_sign, update_soft_sign, softness=fastgd.positive)


# A rule of the package, written again: it must cost the same.


class PlainSGD(NamedTuple):
    """θ ← θ - lr·g."""


class PlainSGDState(NamedTuple):
    """Nothing."""


def init_plain_sgd(optimizer, params):
    return PlainSGDState()


def update_plain_sgd(optimizer, lr, grads, state, params):
    for i in range(params.size):
        params[i] -= params.dtype.type(lr) * grads[i]


fastgd.register_optimizer(PlainSGD, init_plain_sgd, update_plain_sgd, plain=lambda optimizer: True)


# An optimiser that holds another, and keeps an average of the parameters.


class Averaged(NamedTuple):
    """Steps of another optimiser; evaluated at the mean of all points that it reached."""

    inner: NamedTuple
    start: int = 0


class AveragedState(NamedTuple):
    inner: NamedTuple
    step: np.ndarray
    mean: np.ndarray


def init_averaged(optimizer, params):
    return AveragedState(fastgd.init_state(optimizer.inner, params), np.zeros(1, np.int64), params.copy())


def update_averaged(optimizer, lr, grads, state, params):
    fastgd.update(optimizer.inner, lr, grads, state.inner, params)
    state.step[0] += 1
    share = 1 / max(1, state.step[0] - optimizer.start)
    for i in range(params.size):
        state.mean[i] += params.dtype.type(share) * (params[i] - state.mean[i])


def eval_averaged(optimizer, state, params, out):
    out[:] = state.mean


fastgd.register_optimizer(
    Averaged, fastgd.njit(init_averaged), update_averaged, eval_averaged, start=fastgd.nonnegative
)


# A schedule.


class Staircase(NamedTuple):
    """lr, times `factor` after every `every` epochs."""

    lr: float
    factor: float = 0.5
    every: float = 1.0


def staircase(schedule, t):
    return schedule.lr * schedule.factor ** math.floor(t / schedule.every)


fastgd.register_schedule(
    Staircase, staircase, lr=fastgd.nonnegative, factor=fastgd.unit_interval, every=fastgd.positive
)


# A model, with several outputs: a = W x, under the sum of squared errors.


class Linear(NamedTuple):
    n_features: int
    n_outputs: int = 2
    link: str | int = "identity"


LINKS = fastgd.one_of("identity", "exponential")


def n_params(model):
    return model.n_features * model.n_outputs


def init_params(model, seed, dtype):
    return np.random.default_rng(seed).normal(size=n_params(model)).astype(dtype)


def scratch(model, params):
    return np.empty(model.n_outputs, params.dtype)


def output(model, params, X, row, k):
    z = params.dtype.type(0)
    for j in range(model.n_features):
        z += params[k * model.n_features + j] * X[row, j]
    return z if model.link == 0 else math.exp(z)


output = fastgd.njit(output)


def add_loss_and_grad(model, params, X, y, weight, rows, scratch, grads):
    loss = params.dtype.type(0)
    for row in rows:
        for k in range(model.n_outputs):
            scratch[k] = output(model, params, X, row, k)
        for k in range(model.n_outputs):
            error = scratch[k] - y[row, k]
            loss += weight[row] * error * error
            delta = 2 * weight[row] * error * (1 if model.link == 0 else scratch[k])
            for j in range(model.n_features):
                grads[k * model.n_features + j] += delta * X[row, j]
    return loss


def predict(model, params, X):
    outputs = np.empty((X.shape[0], model.n_outputs), params.dtype)
    for row in range(X.shape[0]):
        for k in range(model.n_outputs):
            outputs[row, k] = output(model, params, X, row, k)
    return outputs


def layout(model):
    return np.array([[0, model.n_outputs, model.n_features]])


def check(model, X=None, y=None):
    if model.n_outputs > 5 and model.link == 1:
        raise ValueError("Linear: at most 5 outputs with link 'exponential'")
    if X is not None and X.shape[1] != model.n_features:
        raise ValueError(f"X must have {model.n_features} columns, got {X.shape[1]}")
    if y is not None and y.shape[1:] != (model.n_outputs,):
        raise ValueError(f"y must have {model.n_outputs} columns, got shape {y.shape}")


fastgd.register_model(
    Linear,
    n_params=n_params,
    init_params=init_params,
    scratch=scratch,
    add_loss_and_grad=add_loss_and_grad,
    predict=predict,
    layout=layout,
    check=check,
    n_features=fastgd.positive,
    n_outputs=fastgd.positive,
    link=LINKS,
)


# An objective.


class Rosenbrock(NamedTuple):
    """(a - x_0)² + b (x_1 - x_0²)²."""

    a: float = 1.0
    b: float = 100.0


def rosenbrock(objective, x, grads):
    u, v = objective.a - x[0], x[1] - x[0] ** 2
    grads[0] = -2 * u - 4 * objective.b * v * x[0]
    grads[1] = 2 * objective.b * v
    return u * u + objective.b * v * v


fastgd.register_objective(Rosenbrock, rosenbrock, a=fastgd.finite, b=fastgd.positive)


# A clipping rule.


class ZeroSmall(NamedTuple):
    """Components that are less than a share of the norm become 0."""

    share: float = 0.1


def zero_small(rule, norm, params, grads):
    changed = False
    for i in range(grads.size):
        if abs(grads[i]) < rule.share * norm:
            grads[i] = 0
            changed = True
    return changed


fastgd.register_clipping(ZeroSmall, zero_small, share=fastgd.unit_interval)
