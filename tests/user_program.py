"""A user's own compiled functions, which call fastgd's verbs, built-in and registered rules."""

import numpy as np
from user_rules import Averaged, Linear, Rosenbrock, SoftSign, Staircase, ZeroSmall

import fastgd
from fastgd.models.neuron import backward, forward
from fastgd.verbs import add_loss_and_grad, make_scratch


@fastgd.njit
def descend(optimizer, lr, params, n_steps):
    """Minimise Σ i·x_i² from params, in place; return the state."""
    state = fastgd.init_state(optimizer, params)
    grads = np.empty_like(params)
    for t in range(n_steps):
        for i in range(params.size):
            grads[i] = 2 * (i + 1) * params[i]
        fastgd.update(optimizer, fastgd.learning_rate(lr, t), grads, state, params)
    return state


@fastgd.njit
def go_on(optimizer, lr, params, state, n_steps):
    """The same from a state that was kept."""
    grads = np.empty_like(params)
    for _ in range(n_steps):
        for i in range(params.size):
            grads[i] = 2 * (i + 1) * params[i]
        fastgd.update(optimizer, lr, grads, state, params)


@fastgd.njit
def train_by_hand(X, y, params, n_steps, max_norm, limit):
    """Full-batch training with every verb, its rules constructed here."""
    neuron = fastgd.Neuron(X.shape[1], loss="binary_cross_entropy")
    optimizer = Averaged(fastgd.Adam(beta2=0.99))
    schedule = fastgd.ExponentialDecay(lr=0.1, k=0.01)
    state = fastgd.init_state(optimizer, params)
    grads = np.empty(fastgd.n_params(neuron), params.dtype)
    norms = 0.0
    for t in range(n_steps):
        fastgd.value_and_grad(neuron, params, X, y, grads)
        norms += fastgd.clip_by_norm(max_norm, grads)
        fastgd.clip_by_value(limit, grads)
        fastgd.update(optimizer, fastgd.learning_rate(schedule, t), grads, state, params)
    mean = np.empty_like(params)
    fastgd.eval_params(optimizer, state, params, mean)
    return norms, mean, fastgd.predict(neuron, mean, X)


@fastgd.njit
def two_halves(params, X, y, grads):
    """A sigmoid neuron's forward and backward pass, one after the other."""
    a = np.empty_like(y)
    forward(params, X, a)
    backward(X, y, a, grads)
    return a


@fastgd.njit
def sum_over_rows(model, params, X, y, weight, rows, grads):
    """What a loop does with a model."""
    return add_loss_and_grad(model, params, X, y, weight, rows, make_scratch(model, params), grads)


@fastgd.njit
def minimize_rosenbrock(x, n_steps):
    """Descend from x in place; return the last value."""
    objective, optimizer, schedule = Rosenbrock(b=10), SoftSign(softness=2), Staircase(0.1, every=n_steps // 4)
    state = fastgd.init_state(optimizer, x)
    grads = np.empty_like(x)
    value = 0.0
    for t in range(n_steps):
        value = fastgd.value_and_grad(objective, x, grads)
        fastgd.update(optimizer, fastgd.learning_rate(schedule, t), grads, state, x)
    return value


@fastgd.njit
def elementwise(x):
    """The functions of numbers and of arrays."""
    ones = fastgd.exp(x[0]), fastgd.expm1(x[0]), fastgd.log1p(x[0]), fastgd.sigmoid(x[0])
    arrays = fastgd.tanh(x), fastgd.softplus(x), fastgd.sigmoid(x)
    return ones, arrays


@fastgd.njit
def constructed(n):
    """Constructors with defaults, keywords, positions, integers, names."""
    return (
        fastgd.SGD(),
        fastgd.Momentum(),
        fastgd.Nesterov(beta=0.5),
        fastgd.Adam(0.8, eps=1, amsgrad=True),
        fastgd.ExponentialDecay(1, k=2),
        fastgd.ClipByNorm(1),
        fastgd.ClipByValue(limit=0.5),
        fastgd.ClipAdaptively(eps=1),
        fastgd.Neuron(n),
        fastgd.Neuron(n, "tanh"),
        fastgd.Neuron(loss="binary_cross_entropy", n_features=n),
        Linear(n, link="exponential"),
        Averaged(fastgd.Momentum(), 3),
        ZeroSmall(),
    )
