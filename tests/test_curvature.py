"""`sharpness` against eigenvalues that are known."""

import numpy as np
import pytest

import fastgd
from fastgd import sharpness
from fastgd.problems import Booth, Bowl, IllConditioned, LogisticRegression, Rosenbrock, Saddle, facts


@pytest.mark.parametrize(
    ("problem", "n"), [(Bowl(), 3), (IllConditioned(100.0), 5), (Rosenbrock(), 2), (Booth(), 2), (Saddle(), 3)]
)
def test_known_curvatures(problem, n):
    known = facts(problem, n)
    at = known.minima[0] if len(known.minima) else np.zeros(n)
    found = sharpness(problem, at, tol=1e-4)
    assert found.converged
    assert found.sharpness == pytest.approx(known.sharpness, rel=1e-3)
    assert found.largest_stable_rate == pytest.approx(2 / known.sharpness, rel=1e-3)
    assert found.lowest == pytest.approx(known.flatness, rel=1e-2, abs=1e-3 * known.sharpness)
    assert found.negative_curvature == (known.flatness < 0)
    assert np.linalg.norm(found.direction) == pytest.approx(1)
    assert found.n_gradients == 2 * found.probes
    assert f"{found.sharpness:.6g}" in found.message


def test_the_rate_is_the_edge_of_stability():
    rate = sharpness(IllConditioned(100.0), [0.0, 0.0], tol=1e-6).largest_stable_rate
    ends = [
        fastgd.minimize(
            IllConditioned(100.0), [1.0, 1.0], optimizer=fastgd.SGD(), lr=lr, max_steps=1000, record=True
        ).path[-1, 1]
        for lr in (0.99 * rate, 1.01 * rate)
    ]
    assert abs(ends[0]) < 1 < abs(ends[1])


def test_a_hilltop():
    def hill(x, grad):
        grad[:] = -2 * x * np.array([1.0, 3.0])
        return -(x**2 * np.array([1.0, 3.0])).sum()

    found = sharpness(hill, [0.5, 0.5], compile=False)
    assert found.sharpness == pytest.approx(-2, rel=1e-3)  # the largest, not the one of largest size
    assert found.lowest == pytest.approx(-6, rel=1e-3)
    assert found.largest_stable_rate == np.inf
    assert "a direction of negative curvature was found (-6" in found.message


def test_none_found_is_not_called_convex():
    found = sharpness(Booth(), [0.0, 0.0], probes=7)
    assert f"no direction of negative curvature in {found.probes} probes, which does not show" in found.message
    assert found.probes >= 7 + 2


def test_a_model():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 2))
    y = (X[:, 0] > 0.2 * rng.normal(size=50)).astype(float)
    found = sharpness(fastgd.Neuron(2, loss="binary_cross_entropy"), np.zeros(3), X.astype(np.float32), y, tol=1e-5)
    same = LogisticRegression(np.column_stack([X, np.ones(50)]), y, l2=0.0)
    expected = np.linalg.eigvalsh(same.X.T @ same.X / (4 * 50))[-1]  # σ' is 1/4 at 0
    assert found.sharpness == pytest.approx(expected, rel=1e-4)


def test_a_mean_loss_in_float32():
    X, y = np.eye(3, dtype=np.float32), np.ones(3, np.float32)
    found = sharpness(fastgd.MeanLoss(fastgd.Neuron(3), X, y), np.zeros(4, np.float32))
    assert found.sharpness == sharpness(fastgd.Neuron(3), np.zeros(4), X, y).sharpness


def test_not_converged_is_said():
    found = sharpness(IllConditioned(1.01), np.zeros(30), max_iterations=2, tol=1e-9)
    assert not found.converged
    assert "about (the iteration did not converge)" in found.message

    def narrow(x, grad):  # within the step of differences it is no parabola
        grad[:] = 3e6 * np.sinh(3e5 * x)
        return 10 * np.cosh(3e5 * x).sum()

    assert not sharpness(narrow, [0.0], compile=False).converged


def test_variables_of_different_scale():
    def fun(x, grad):
        grad[:] = 1e-6 * x[0], np.sinh(x[1])
        return 0.5e-6 * x[0] ** 2 + np.cosh(x[1])

    found = sharpness(fun, [1e6, 0.0], compile=False)
    assert found.converged
    assert found.sharpness == pytest.approx(1, rel=1e-3)


def jump(x, grad):
    grad[:] = 1e305 * np.sign(x[0])
    return 0.0


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: sharpness(Booth(), [np.nan, 0]), ValueError, "at must have at least one element, all of them finite"),
        (lambda: sharpness(Booth(), []), ValueError, "at must have"),
        (lambda: sharpness(Booth(), [0, 0], np.ones((1, 1)), [1]), TypeError, "X and y go with a model, got Booth"),
        (lambda: sharpness(fastgd.Neuron(1), [0, 0]), TypeError, ".* give X and y"),
        (lambda: sharpness(Booth(), [0, 0], tol=0), ValueError, "tol must be a positive"),
        (lambda: sharpness(Booth(), [0, 0], probes=-1), ValueError, "probes must be"),
        (lambda: sharpness(lambda x: 0.0, [0, 0]), TypeError, r"fun is called as fun\(x, grad\)"),
        (lambda: sharpness(lambda x, g: np.nan, [1.0]), ValueError, "value and gradient near `at` must be finite"),
        (lambda: sharpness(jump, [0.0]), ValueError, "the curvature near `at` must be finite, got .*inf"),
        (lambda: sharpness(Bowl(), [1e308, 1e308]), ValueError, "value and gradient near `at` must be finite"),
    ],
)
def test_errors(call, error, words):
    with pytest.raises(error, match=f"^sharpness: {words}"):
        call()


@pytest.mark.parametrize("jac", ["2-point", "3-point"])
@pytest.mark.parametrize(
    ("fun", "curvature"),
    [
        (lambda x: np.log(np.exp(x).sum()), 0.3709035),
        (lambda x: 100 + x[0] ** 2, 2),
        (lambda x: 1e3 + 3 * x[0] - 5 * x[1], 0),
        (lambda x: (x**4).sum(), 108),
    ],
)
def test_differences_of_differences_show_no_negative_curvature(fun, curvature, jac):
    for seed in range(5):
        found = sharpness(fun, [1.0, 2.0, 3.0], jac=jac, seed=seed, compile=False)
        assert not found.negative_curvature
        assert found.sharpness == pytest.approx(curvature, rel=1e-3, abs=2e-3)
        assert found.converged == (curvature > 0)
        assert found.largest_stable_rate == 2 / (found.sharpness if curvature else found.noise)


@pytest.mark.parametrize(
    ("jac", "start", "lost"),
    [
        ("2-point", 1e2, False),
        ("2-point", 1e3, True),
        ("2-point", 1e5, True),
        ("3-point", 1e3, False),
        ("3-point", 1e5, True),
    ],
)
def test_a_curvature_that_is_lost_in_rounding_limits_the_rate(jac, start, lost):
    found = sharpness(lambda x: (x**2).sum(), [start, 0.2], jac=jac, compile=False)
    assert 0 < found.largest_stable_rate < 1.02
    assert (found.noise >= 2) == lost
    assert ("lost in rounding" in found.message) == lost
    if lost:
        assert not found.converged
        assert f"stable near here for rates below {found.largest_stable_rate:.6g} at least" in found.message
        assert found.largest_stable_rate == 2 / found.noise


def test_nothing_but_negative_curvature_leaves_no_stable_rate():
    found = sharpness(lambda x: 1e-6 * x[0] ** 2 - x[1] ** 2, [1.0, 2.0], jac="2-point", compile=False)
    assert found.largest_stable_rate == np.inf
    assert "no rate is stable here; a direction of negative curvature was found (-2" in found.message


def test_a_plain_has_no_curvature():
    def plain(x, grad):
        grad[:] = 0
        return 1.0

    found = sharpness(plain, [1.0, 2.0], compile=False)
    assert (found.sharpness, found.largest_stable_rate, found.converged) == (0, np.inf, True)
    assert found.message.startswith("largest curvature 0; plain descent is stable near here for rates below inf")


def quadratic(curvatures):
    """An objective of these curvatures, and the directions that have them."""
    n = len(curvatures)
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(n, n)))[0]
    hessian = basis @ np.diag(curvatures) @ basis.T

    def fun(x, grad):
        grad[:] = hessian @ x
        return 0.5 * x @ grad

    return fun, basis


@pytest.mark.parametrize(
    "curvatures",
    [(-1e8, 100, 3), (-1e6, -1e5, 100, 3), (-1e6, -1e6, -1e6, 100, 3), (-105, -104, -103, -102, -101, -100.5, 100, 3)],
)
def test_beside_large_negative_eigenvalues(curvatures):
    fun, basis = quadratic(curvatures)
    for seed in range(5):
        found = sharpness(fun, np.zeros(len(curvatures)), seed=seed, compile=False)
        assert found.converged
        assert found.sharpness == pytest.approx(100, rel=1e-3)
        assert abs(found.direction @ basis[:, -2]) == pytest.approx(1, abs=1e-3)
        assert "along negative curvature for none" in found.message


@pytest.mark.parametrize(
    "curvatures",
    [
        (99, 100),
        (-99, -100),
        (-1, 1),
        (3, 99, 99.5, 100),
        range(-50, 50),
        [*np.linspace(0, 1, 300), 1.01],
        [-1e4, *np.linspace(0, 1, 99)],
        [-1e8, *np.linspace(0, 1, 99)],
        [*(-1e4 - np.arange(50)), *np.linspace(0, 1, 50)],
    ],
)
def test_eigenvalues_close_to_each_other(curvatures):
    fun, _ = quadratic(curvatures)
    for seed in range(20):
        found = sharpness(fun, np.zeros(len(curvatures)), seed=seed, compile=False, probes=0)
        assert found.converged
        assert found.sharpness == pytest.approx(max(curvatures), rel=2e-3)
        assert found.lowest == pytest.approx(min(curvatures), abs=2e-2 * np.abs(curvatures).max())
        assert found.n_gradients <= 200  # powers alone take up to 4000


@pytest.mark.parametrize("unit", [1e-300, 1e-170, 1e-160, 1e155, 1e200])
def test_curvatures_of_any_size(unit):
    fun, _ = quadratic([-0.5, *np.linspace(0, 1, 19)])

    def scaled(x, grad):
        value = fun(x, grad)
        grad *= unit
        return unit * value

    found = sharpness(scaled, np.ones(20), compile=False)
    assert found.converged
    assert found.sharpness / unit == pytest.approx(1, rel=1e-3)
    assert found.lowest / unit == pytest.approx(-0.5, rel=1e-2)


def test_large_variables():
    for at in (1e6, 1e12, 1e20, 1e100):
        found = sharpness(IllConditioned(3.0), [at, at])
        assert found.converged
        assert found.sharpness == pytest.approx(3, rel=1e-3)
        assert found.largest_stable_rate == pytest.approx(2 / 3, rel=1e-3)
