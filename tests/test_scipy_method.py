"""An optimiser as a method of SciPy's `minimize`."""

import numpy as np
import pytest
from user_minimization import ellipse

import fastgd
from fastgd import SGD, scipy_method

optimize = pytest.importorskip("scipy.optimize", reason="SciPy is not installed")

CENTRE = np.array([1.0, 2.0])


def value(x, a=10.0):
    return ellipse(x, np.empty(2), a, CENTRE)


def slope(x, a=10.0):
    grad = np.empty(2)
    ellipse(x, grad, a, CENTRE)
    return grad


METHOD = scipy_method(SGD(), lr=0.04)


@pytest.mark.parametrize("jac", [slope, None, True])
def test_forms(jac):
    fun = (lambda x, a: (value(x, a), slope(x, a))) if jac is True else value
    result = optimize.minimize(fun, [0.0, 0.0], args=(10.0,), jac=jac, method=METHOD, tol=1e-5)
    assert isinstance(result, optimize.OptimizeResult)
    assert (result.success, result.status) == (True, 0)
    np.testing.assert_allclose(result.x, CENTRE, atol=1e-5)
    assert result.message.startswith("converged")
    assert result.njev == result.nit + 1
    assert result.nfev == result.njev * (3 if jac is None else 1)


def test_options_bounds_and_callback():
    points = []
    result = optimize.minimize(
        value, [0.0, 0.0], jac=slope, method=METHOD, options={"maxiter": 5}, callback=lambda x: points.append(x)
    )
    assert (result.nit, result.status, result.success) == (5, 3, False)
    points_after_steps = [[1 - 0.92**k, 2 * (1 - 0.2**k)] for k in range(1, 6)]  # rates of 0.04, curvatures 2 and 20
    np.testing.assert_allclose(points, points_after_steps)
    kept = []

    def callback(intermediate_result):
        kept.append(intermediate_result.fun)
        if len(kept) == 3:
            raise StopIteration

    result = optimize.minimize(value, [0.0, 0.0], jac=slope, method=METHOD, callback=callback)
    assert (result.status, len(kept)) == (6, 3)
    bounded = optimize.minimize(value, [0.0, 0.0], jac=slope, method=METHOD, bounds=optimize.Bounds([0, 0], [0.5, 9]))
    np.testing.assert_allclose(bounded.x, [0.5, 2], atol=1e-6)


def test_compiled_functions():
    @fastgd.njit(cache=False)
    def f(x):
        return (x[0] - 1) ** 2 + 3 * x[1] ** 2

    @fastgd.njit(cache=False)
    def g(x):
        return np.array([2 * (x[0] - 1), 6 * x[1]])

    result = optimize.minimize(f, [0.0, 1.0], jac=g, method=METHOD)
    assert result.success
    np.testing.assert_allclose(result.x, [1, 0], atol=1e-6)


def test_callback_hears_of_the_last_point_which_need_not_be_the_best():
    points, accepted = [], []
    method = scipy_method(SGD(), lr=0.11)  # beyond the stable limit of 2/20
    optimize.minimize(
        value, [0.0, 0.0], jac=slope, method=method, options={"maxiter": 4}, callback=lambda x: points.append(x[1])
    )
    np.testing.assert_allclose(points, [2 * (1 - (-1.2) ** k) for k in range(1, 5)])
    search = scipy_method(SGD(), lr=fastgd.Armijo(lr=1.0))
    result = optimize.minimize(
        value,
        [0.0, 0.0],
        jac=slope,
        method=search,
        callback=lambda intermediate_result: accepted.append(intermediate_result),
    )
    assert len(accepted) == result.nit < result.njev - 1
    assert [found.fun for found in accepted] == [value(found.x) for found in accepted]


def test_errors():
    with pytest.raises(TypeError, match=r"scipy_method: options must be among .*got tolerance"):
        optimize.minimize(value, [0.0, 0.0], jac=slope, method=METHOD, options={"tolerance": 1})
    with pytest.raises(ValueError, match="scipy_method: constraints must be empty"):
        optimize.minimize(value, [0.0, 0.0], jac=slope, method=METHOD, constraints={"type": "eq", "fun": value})
    with pytest.raises(TypeError, match="scipy_method: optimizer: expected an optimizer, got str"):
        scipy_method("adam")
    with pytest.raises(ValueError, match="scipy_method: lr must be"):
        scipy_method(SGD(), lr=-1)


def test_disp(capsys):
    optimize.minimize(value, [0.0, 0.0], jac=slope, method=METHOD, options={"disp": False})
    assert capsys.readouterr().out == ""
    result = optimize.minimize(value, [0.0, 0.0], jac=slope, method=METHOD, options={"disp": True})
    assert capsys.readouterr().out.startswith(f"{result.message}\n  value: ")
