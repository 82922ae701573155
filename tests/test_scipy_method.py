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
    assert result.nfev >= result.nit + 1


def test_options_bounds_and_callback():
    points = []
    result = optimize.minimize(
        value, [0.0, 0.0], jac=slope, method=METHOD, options={"maxiter": 5}, callback=lambda x: points.append(x)
    )
    assert (result.nit, result.status, result.success) == (5, 3, False)
    assert len(points) == 6
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
