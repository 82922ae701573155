"""Rows that loops or models ask for before their turn: what they are, and that they change no result."""

from typing import NamedTuple

import numpy as np
import pytest
from user_rules import Linear

import fastgd
from fastgd.batches import ORDERS


def test_a_model_that_does_not_ask_for_rows():
    """For models without a form that does, the loop asks: the run is that over the same rows in the cache."""
    n, repeats = 1000, 40
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(n, 8)), rng.random(n)
    model = Linear(8, 1)
    near = fastgd.fit(model, X, y[:, None], batch_size=50, epochs=repeats, order="sequential", lr=0.01)
    X, y = np.tile(X, (repeats, 1)), np.tile(y, repeats)
    far = fastgd.fit(model, X, y[:, None], batch_size=50, epochs=1, order="sequential", lr=0.01)
    np.testing.assert_allclose(far.params, near.params, rtol=1e-12)
    assert X.nbytes > 2 << 20


class Asking(NamedTuple):
    """A model of two numbers, the second of which counts the rows that it may ask for."""

    scale: float = 1.0


def never_called(model, params, X, y, weight, rows, scratch, grads):
    return np.nan


def count_rows_ahead(model, params, X, y, weight, rows, ahead, scratch, grads):
    loss = 0.0
    for r in rows:
        loss += weight[r] * (params[0] - y[r]) ** 2
        grads[0] += weight[r] * 2 * (params[0] - y[r])
    for r in ahead:
        grads[1] -= model.scale if r < X.shape[0] else np.nan
    return loss


fastgd.register_model(
    Asking,
    n_params=lambda model: 2,
    init_params=lambda model, seed, dtype: np.zeros(2, dtype),
    scratch=lambda model, params: np.empty(0),
    add_loss_and_grad=never_called,
    predict=lambda model, params, X: np.full(X.shape[0], params[0]),
    add_loss_and_grad_ahead=count_rows_ahead,
    scale=fastgd.positive,
)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("n_rows", "asked"), [(100, 0), (40_000, 1)])
def test_a_model_is_told_the_rows_to_come(n_rows, asked, order):
    """As many as it works on, in data beyond the cache, each of them a row; and none in what is near."""
    X, y = np.zeros((n_rows, 8)), np.full(n_rows, 3.0)
    options = {"optimizer": fastgd.SGD(), "lr": 1e-3, "batch_size": 50, "epochs": 2, "order": order}
    result = fastgd.fit(Asking(), X, y, **options)
    assert result.params[1] == pytest.approx(asked * 1e-3 * result.n_steps)
    assert result.loss < 9
