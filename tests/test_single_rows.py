"""Plain descent on single rows: the neuron's shorter way equals the loop's own."""

import warnings

import numpy as np
import pytest
import reference

from fastgd import SGD, ExponentialDecay, Neuron, fit
from fastgd._runtime import pace as _pace

N_ROWS, N_FEATURES = 150, 19
X = np.random.default_rng(3).normal(size=(N_ROWS, N_FEATURES))
Y = (X[:, 0] > X[:, 1]).astype(float)
PAIRS = [("sigmoid", "mse"), ("tanh", "mse"), ("identity", "mse"), ("sigmoid", "binary_cross_entropy")]


def by_hand(activation, loss, rate, epochs):
    params, row_losses, norms, cosines, before = np.zeros(N_FEATURES + 1), [], [], [], None
    for step in range(epochs * N_ROWS):
        r = step % N_ROWS
        value, g = reference.loss_and_grad(params, X[r : r + 1], Y[r : r + 1], activation, loss)
        row_losses.append(value)
        norms.append(np.linalg.norm(g))
        if before is not None:
            cosines.append(g @ before / np.linalg.norm(g) / np.linalg.norm(before))
        params, before = params - rate(step / N_ROWS) * g, g
    last = slice(-N_ROWS, None)
    return params, np.mean(row_losses[last]), np.mean(norms[last]), np.mean(cosines[last])


@pytest.mark.parametrize(("activation", "loss"), PAIRS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equals_steps_by_hand(activation, loss, dtype):
    schedule = ExponentialDecay(0.02, 0.3)
    result = fit(
        Neuron(N_FEATURES, activation, loss), X.astype(dtype), Y, optimizer=SGD(), lr=schedule, batch_size=1,
        epochs=3, order="sequential", params=np.zeros(N_FEATURES + 1),
    )  # fmt: skip
    params, mean_loss, norm, cosine = by_hand(activation, loss, lambda t: 0.02 * np.exp(-0.3 * t), 3)
    tolerance = 2e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(result.params, params, rtol=tolerance, atol=tolerance)
    history = result.history
    found = [history[name][-1] for name in ("loss", "grad_norm", "grad_cosine")]
    np.testing.assert_allclose(found, [mean_loss, norm, cosine], rtol=10 * tolerance)
    assert result.n_steps == 3 * N_ROWS


@pytest.mark.parametrize("order", ["sequential", "shuffled", "block-shuffled"])
@pytest.mark.parametrize(("n_rows", "n_features"), [(1, 3), (2, 1), (129, 8), (400, 100), (700, 90)])
def test_equals_the_common_way(n_rows, n_features, order):
    """Weights of 1 make it take that: with windows of a block-shuffled order that no group of rows fits."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(n_rows, n_features))
    options = {"optimizer": SGD(), "lr": 1e-3, "batch_size": 1, "epochs": 2, "order": order, "seed": 3}
    short = fit(Neuron(n_features), rows, rows[:, 0] > 0, **options)
    common = fit(Neuron(n_features), rows, rows[:, 0] > 0, sample_weight=np.ones(n_rows), **options)
    np.testing.assert_allclose(short.params, common.params, rtol=1e-12, atol=1e-12)
    for name in ("loss", "grad_norm", "grad_cosine"):
        np.testing.assert_allclose(short.history[name], common.history[name], rtol=1e-10, atol=1e-12)


def test_goes_on_bit_for_bit_in_the_middle_of_an_epoch():
    options = {"optimizer": SGD(), "lr": 0.01, "batch_size": 1, "seed": 5}
    whole = fit(Neuron(N_FEATURES), X, Y, epochs=4, **options)
    half = fit(Neuron(N_FEATURES), X, Y, epochs=2, **options)
    rest = fit(Neuron(N_FEATURES), X, Y, epochs=4, resume=half, **options)
    assert rest.params.tobytes() == whole.params.tobytes()


def test_same_bits_wherever_chunks_end(monkeypatch):
    rows = np.random.default_rng(0).normal(size=(3_000, N_FEATURES)).astype(np.float32)
    options = {"optimizer": SGD(), "lr": ExponentialDecay(0.01, 0.5), "batch_size": 1, "epochs": 3}
    whole = fit(Neuron(N_FEATURES), rows, rows[:, 0] > 0, **options)
    monkeypatch.setattr(_pace, "CHUNK_SECONDS", 1e-9)
    short = fit(Neuron(N_FEATURES), rows, rows[:, 0] > 0, **options)
    assert short.params.tobytes() == whole.params.tobytes()
    np.testing.assert_array_equal(short.history["loss"], whole.history["loss"])


def test_stops_before_what_is_not_finite():
    neuron, options = Neuron(N_FEATURES, "identity"), {"optimizer": SGD(), "lr": 10.0, "order": "sequential"}
    with pytest.warns(RuntimeWarning, match="diverged"):
        result = fit(neuron, X, Y, batch_size=1, epochs=5, params=np.zeros(N_FEATURES + 1), **options)
    assert result.status == "diverged"
    assert np.isfinite(result.params).all()
    assert abs(result.params).max() > 1e100  # it went on as long as it could


def test_a_weight_that_overflows_behind_a_saturated_sigmoid_ends_the_run():
    """The loss of a saturated sigmoid is finite whatever its weights are: z tells."""
    rows, targets = np.full((200_000, 1), 0.01, np.float32), np.full(200_000, 0.5, np.float32)
    rows[100_000], targets[100_000] = 100, 0
    options = {"optimizer": SGD(), "lr": 1e38, "batch_size": 1, "epochs": 1, "order": "sequential"}
    with pytest.warns(RuntimeWarning, match="diverged"):
        result = fit(Neuron(1), rows, targets, params=np.zeros(2), **options)
    assert result.status == "diverged"
    assert np.isfinite(result.params).all()


@pytest.mark.parametrize("policy", ["stop", "skip"])
@pytest.mark.parametrize("largest", [1e18, 1e22, 1e25])
@pytest.mark.parametrize(("activation", "loss"), PAIRS)
def test_rows_whose_gradients_overflow(activation, loss, largest, policy):
    """Squares of lengths overflow in float32 from 1e19 on; steps that go on have the common way's results."""
    rows = X.astype(np.float32)
    rows[::7] *= np.float32(largest)
    options = {"optimizer": SGD(), "lr": 1e-40, "batch_size": 1, "epochs": 2, "order": "sequential"}
    options |= {"on_nonfinite": policy, "params": np.linspace(0.5, 1.0, N_FEATURES + 1) / np.float32(largest)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of runs that diverge, and skip steps
        short = fit(Neuron(N_FEATURES, activation, loss), rows, Y, **options)
        common = fit(Neuron(N_FEATURES, activation, loss), rows, Y, sample_weight=np.ones(N_ROWS), **options)
    assert (short.status, short.n_steps) == (common.status, common.n_steps)
    np.testing.assert_allclose(short.params, common.params, rtol=1e-4)
    for name in ("loss", "grad_norm", "skipped"):
        np.testing.assert_allclose(short.history[name], common.history[name], rtol=1e-4)
