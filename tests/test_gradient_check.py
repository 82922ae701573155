from typing import NamedTuple

import numpy as np
import pytest
import reference

import fastgd
from fastgd import Neuron, check_gradient

X = np.random.default_rng(0).normal(size=(20, 3))
Y = (X[:, 0] > 0).astype(float)
PARAMS = [0.5, -1.0, 2.0, 0.1]


@pytest.mark.parametrize(
    ("activation", "loss"),
    [("sigmoid", "mse"), ("tanh", "mse"), ("identity", "mse"), ("sigmoid", "binary_cross_entropy")],
)
def test_both_gradients_are_the_reference(activation, loss):
    check = check_gradient(Neuron(3, activation, loss), PARAMS, X, Y)
    _, expected = reference.loss_and_grad(np.array(PARAMS), X, Y, activation, loss)
    np.testing.assert_allclose(check.analytic, expected, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(check.numeric, expected, rtol=1e-8, atol=1e-10)
    assert check.passed
    assert "agree" in str(check)


class Forgetful(NamedTuple):
    """w·x under the squared error, whose gradient has lost its factor 2."""

    n_features: int


def add_loss_and_grad(model, params, X, y, weight, rows, scratch, grads):
    loss = 0.0
    for r in rows:
        error = -y[r]
        for j in range(model.n_features):
            error += params[j] * X[r, j]
        loss += error * error
        for j in range(model.n_features):
            grads[j] += error * X[r, j]
    return loss


fastgd.register_model(
    Forgetful,
    n_params=lambda model: model.n_features,
    init_params=lambda model, seed, dtype: np.zeros(model.n_features, dtype),
    scratch=lambda model, params: params[:0],
    add_loss_and_grad=add_loss_and_grad,
    predict=lambda model, params, X: X @ params,
)


def test_a_wrong_gradient_is_found():
    check = check_gradient(Forgetful(3), PARAMS[:3], X, Y)
    assert not check.passed
    assert "DISAGREE" in str(check)


class Biased(NamedTuple):
    """w·x + b under the squared error, the gradient for b being `share` of what it should be."""

    n_features: int
    share: float = 1.0


def add_biased(model, params, X, y, weight, rows, scratch, grads):
    loss, n = 0.0, model.n_features
    for r in rows:
        error = params[n] - y[r]
        for j in range(n):
            error += params[j] * X[r, j]
        loss += error * error
        for j in range(n):
            grads[j] += 2 * error * X[r, j]
        grads[n] += 2 * error * model.share
    return loss


fastgd.register_model(
    Biased,
    n_params=lambda model: model.n_features + 1,
    init_params=lambda model, seed, dtype: np.zeros(model.n_features + 1, dtype),
    scratch=lambda model, params: params[:0],
    add_loss_and_grad=add_biased,
    predict=lambda model, params, X: X @ params[:-1] + params[-1],
)


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
@pytest.mark.parametrize("share", [0.0, 0.999, -1.0])
def test_a_wrong_gradient_of_one_parameter_is_found_whatever_the_size_of_the_others(scale, share):
    params = np.append(np.array(PARAMS[:3]) / scale, 0.5)
    assert check_gradient(Biased(3), params, scale * X, Y).passed
    check = check_gradient(Biased(3, share), params, scale * X, Y)
    assert not check.passed
    assert check.worst == 3
    assert f"parameter 3: {check.analytic[3]:.9g} against" in str(check)


@pytest.mark.parametrize("scale", [1e6, 1e7, 1e8, 1e9])
def test_a_wrong_gradient_of_a_huge_feature_is_found(scale):
    """A step away the gradient is ten thousand times as large."""
    rng = np.random.default_rng(0)
    rows, y = scale * rng.normal(size=(500, 1)), rng.normal(size=500)
    assert not check_gradient(Forgetful(1), np.zeros(1), rows, y).passed
    assert check_gradient(Biased(1), np.zeros(2), rows, y).passed
    assert check_gradient(Neuron(1), np.zeros(2), rows, y > 0).passed


@pytest.mark.parametrize("params", [PARAMS, [0.0, 0, 0, 0]])
def test_large_features_and_targets_are_no_fault(params):
    """The usual step moves tanh by 0.06 there; the losses' rounding is larger than one ε."""
    rng = np.random.default_rng(3)
    assert check_gradient(Neuron(3, "tanh"), np.array(params) / 1e4, 1e4 * X, Y).passed
    for _ in range(20):
        rows, y = rng.normal(size=(1000, 3)), 1e7 * rng.normal(size=1000)
        assert check_gradient(Neuron(3, "identity"), params, rows, y).passed


def test_a_gradient_that_vanishes_passes():
    assert check_gradient(Neuron(3, "identity"), np.zeros(4), X, np.zeros(20)).error < 1e-6


def test_integers_and_float32_are_checked_in_float64():
    check = check_gradient(Neuron(3), np.float32(PARAMS), X.astype(np.float32), Y.astype(int))
    assert check.analytic.dtype == np.float64
    assert check.passed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((Neuron(3), PARAMS[:3], X, Y), "params must have 4 elements"),
        ((Neuron(2), PARAMS[:3], X, Y), "X must have 2 columns"),
        ((Neuron(3), PARAMS, X, Y[:5]), "y must have as many rows as X"),
    ],
)
def test_what_does_not_fit_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        check_gradient(*arguments)


@pytest.mark.parametrize("step", [0, -1e-6, 1e-12, np.inf, np.nan])
def test_the_step_must_be_one_that_shows_something(step):
    with pytest.raises(ValueError, match=r"^check_gradient: step must be a finite number, 1e-9 or larger"):
        fastgd.check_gradient(Neuron(3), PARAMS, X, Y, step=step)


def test_a_loss_that_overflows_shows_nothing():
    assert not fastgd.check_gradient(Neuron(3, "identity"), 1e200 * np.asarray(PARAMS), X, Y).passed


def test_data_that_do_not_fit():
    with pytest.raises(ValueError, match=r"^check_gradient: X must have 2 columns"):
        fastgd.check_gradient(Neuron(2), PARAMS[:3], X, Y)


def test_a_saturated_neuron_is_no_fault():
    """Its gradient is smaller than what rounding the loss makes of a difference."""
    check = check_gradient(Neuron(2), [15.0, 15.0, 0.0], np.ones((5, 2)), np.zeros(5))
    assert check.passed
    assert check.analytic.max() > 0


@pytest.mark.parametrize("activation", ["identity", "tanh", "sigmoid"])
def test_a_minimum_is_no_fault(activation):
    """There the gradient is rounding, and the difference of losses holds the third derivative beside that."""
    check = check_gradient(Neuron(3, activation), PARAMS, X, fastgd.predict(Neuron(3, activation), np.array(PARAMS), X))
    assert abs(check.analytic).max() < 1e-15
    assert check.passed
    least_squares = np.linalg.lstsq(np.c_[X, np.ones(20)], Y, rcond=None)[0]
    assert check_gradient(Neuron(3, "identity"), least_squares, X, Y).passed


@pytest.mark.parametrize("name", ["params", "X", "y"])
def test_what_is_not_finite(name):
    given = {"params": np.array(PARAMS), "X": X.copy(), "y": Y.copy()}
    given[name].flat[0] = np.nan
    with pytest.raises(ValueError, match=f"check_gradient: {name} must be finite, got nan"):
        check_gradient(Neuron(3), **given)
