"""`gradient_descent` inside compiled code, the disk cache included, and what it refuses."""

import numba
import numpy as np
import pytest
import user_minimization
from conftest import TESTS
from numba import typeof
from numba.core.errors import TypingError
from python_objectives import CENTRE, in_python
from user_minimization import ellipse
from user_rules import Averaged

import fastgd
from fastgd import SGD, Adam, minimize
from fastgd._compile.reachable_code import importable
from fastgd.gradient_descent import Descent
from fastgd.problems import Bowl, Rosenbrock


def test_in_compiled_code():
    found = user_minimization.minimize_ellipse(np.zeros(2), Adam(), 0.1, 5000, 1e-9, CENTRE)
    assert isinstance(found, Descent)
    assert (found.success, found.status) == (True, 0)
    assert found.message.startswith("converged")
    np.testing.assert_allclose(found.x, CENTRE, atol=1e-9)
    np.testing.assert_allclose(found.jac, [2 * (found.x[0] - 1), 20 * (found.x[1] - 2)], atol=1e-12)
    from_python = fastgd.gradient_descent(ellipse, [0, 0], Adam(), 0.1, 5000, 1e-9, (10.0, CENTRE))
    assert from_python.nit == found.nit
    np.testing.assert_allclose(from_python.x, found.x, rtol=1e-10)


def test_x0_is_left_alone_in_compiled_code():
    x0 = np.array([3.0, -1.0])
    stopped = user_minimization.minimize_ellipse(x0, Adam(), 0.1, 3, 1e-9, CENTRE)
    assert (stopped.nit, stopped.nfev, stopped.success, stopped.status) == (3, 4, False, 3)
    np.testing.assert_array_equal(x0, [3, -1])
    none = user_minimization.minimize_ellipse(x0, Adam(), 0.1, 0, 1e-9, CENTRE)
    assert (none.nit, none.nfev, none.fun) == (0, 1, 94.0)
    np.testing.assert_array_equal(none.x, x0)


def test_a_registered_objective_and_a_schedule_in_compiled_code():
    found = user_minimization.minimize_banana(np.array([-1.2, 1.0]))
    assert found.success
    np.testing.assert_allclose(found.x, 1, atol=1e-6)


def test_nan_in_compiled_code():
    centre = np.array([np.nan, 0.0])
    found = user_minimization.minimize_ellipse(np.ones(2), Adam(), 0.1, 100, 1e-9, centre)
    assert (found.success, found.status, found.nit, found.nfev) == (False, 4, 0, 1)
    assert np.isnan(found.fun)
    np.testing.assert_array_equal(found.x, [1, 1])
    far = user_minimization.minimize_ellipse(np.ones(2), Adam(), 1e200, 100, 1e-9, CENTRE)
    assert (far.status, far.nit) == (4, 1)
    np.testing.assert_array_equal(far.x, [1, 1])  # the last finite point
    assert far.fun == 10


def test_armijo_in_compiled_code():
    found = user_minimization.by_line_search(np.array([5.0, -5.0]), SGD(), CENTRE)
    assert found.success
    assert found.nfev > found.nit + 1
    np.testing.assert_allclose(found.x, CENTRE, atol=1e-9)
    with pytest.raises(ValueError, match=r"goes with optimizer=SGD\(\)"):
        user_minimization.by_line_search(np.zeros(2), SGD(weight_decay=0.1), CENTRE)


def test_a_method_that_keeps_an_average():
    found = user_minimization.averaged(np.array([3.0, 2.0]), CENTRE)
    assert found.nfev == found.nit + 2
    plain = in_python(
        lambda x, grad: ellipse(x, grad, 10.0, CENTRE), [3.0, 2.0], lr=0.099, max_steps=30, gtol=0, record=True
    )
    both = minimize(
        lambda x, grad: ellipse(x, grad, 10.0, CENTRE), [3.0, 2.0], optimizer=Averaged(SGD(), 5), lr=0.099,
        max_steps=30, gtol=0, compile=False,
    )  # fmt: skip
    assert both.nfev == found.nfev
    assert both.fun == pytest.approx(found.fun, rel=1e-10)
    average = plain.path[6:].mean(axis=0)
    value = ellipse(average, np.empty(2), 10.0, CENTRE)
    assert found.fun == pytest.approx(min(value, plain.fun), rel=1e-10)


def test_the_disk_cache_finds_users_functions(python):
    script = TESTS / "user_minimization.py"
    assert python(script).stdout.split()[:5] == ["True", "True", "0", "0", "0"]
    # and compiles the plain function, and how to call it and the other one
    assert python(script).stdout.split() == ["True", "True", "1", "1", "3", "entry", "parabola"]


TWO_OF_A_NAME = """
import sys
import numpy as np
import fastgd

@fastgd.njit
def f(x, grad):
    grad[0] = 2 * (x[0] - 1)
    return (x[0] - 1) ** 2

first = f
f(np.zeros(1), np.zeros(1))
if len(sys.argv) > 1:
    @fastgd.njit
    def f(x, grad):
        grad[0] = 2 * (x[0] - 7)
        return (x[0] - 7) ** 2

    f(np.zeros(1), np.zeros(1))
found = [fastgd.minimize(fun, [0.0], optimizer=fastgd.SGD(), lr=0.5).x[0] for fun in (first, f)]
print(*found)
"""


def test_functions_of_one_name_are_told_apart(python, tmp_path):
    """One from the disk cache has the symbol that another is given when it is compiled."""
    script = tmp_path / "two_of_a_name.py"
    script.write_text(TWO_OF_A_NAME)
    assert python(script).stdout.split() == ["1.0", "1.0"]
    assert python(script, "both").stdout.split() == ["1.0", "7.0"]
    assert python(script, "both").stdout.split() == ["1.0", "7.0"]


def test_what_is_known_by_its_address_is_not_written_to_disk():
    assert not importable([typeof(ellipse)])
    assert not importable([typeof((1.0, ellipse))])
    assert importable([typeof(Rosenbrock())])


def test_numbers_of_steps_in_compiled_code():
    @fastgd.njit(cache=False)
    def run(max_steps):
        return fastgd.gradient_descent(Bowl(), np.ones(2), SGD(), 0.1, max_steps, 0.0).nit

    assert run(np.uint64(3)) == run(3) == 3
    with pytest.raises(TypingError, match="gradient_descent: max_steps must be an integer, got float64"):
        run(3.5)
    with pytest.raises(TypingError, match="gradient_descent: x0 must be float32 or float64 in compiled code"):
        numba.njit(lambda x: fastgd.gradient_descent(Bowl(), x, SGD(), 0.1, 3, 0.0))(np.ones(2, np.float16))


def test_errors_of_gradient_descent():
    with pytest.raises(TypeError, match=r"gradient_descent: args must be a tuple"):
        fastgd.gradient_descent(ellipse, [0.0], SGD(), 0.1, 10, 1e-6, 3.0)
    with pytest.raises(ValueError, match=r"gradient_descent: x0 must be finite"):
        fastgd.gradient_descent(ellipse, [np.inf], SGD(), 0.1, 10, 1e-6)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"x0": np.empty(0)}, "x0 must have at least one element"),
        ({"n_steps": -5}, "max_steps must be an integer, 0 or larger"),
        ({"gtol": -1.0}, "gtol must be a finite number, 0 or larger"),
        ({"gtol": np.nan}, "gtol must be"),
        ({"lr": -0.1}, "lr must be a finite number, 0 or larger"),
        ({"lr": np.nan}, "lr must be"),
        ({"optimizer": Adam(maximize=True)}, "optimizer must go downhill"),
    ],
)
def test_numbers_that_do_not_fit_in_compiled_code(changed, words):
    arguments = {"x0": np.zeros(2), "optimizer": Adam(), "lr": 0.1, "n_steps": 5, "gtol": 1e-9} | changed
    with pytest.raises(ValueError, match=f"^gradient_descent: {words}"):
        user_minimization.minimize_ellipse(centre=CENTRE, **arguments)


@pytest.mark.parametrize(
    ("optimizer", "lr", "args", "error", "words"),
    [
        (fastgd.EMA(SGD(maximize=True)), 0.1, (10.0, CENTRE), ValueError, "optimizer must go downhill"),
        (SGD(), fastgd.ReduceOnPlateau(0.1), (10.0, CENTRE), TypingError, "lr must be a schedule of time alone"),
        (SGD(), 0.1, 10.0, TypingError, r"args must be a tuple, got float64; write args=\(a,\)"),
    ],
)
def test_types_that_do_not_fit_in_compiled_code(optimizer, lr, args, error, words):
    @numba.njit
    def run(optimizer, lr, args):
        return fastgd.gradient_descent(ellipse, np.zeros(2), optimizer, lr, 5, 1e-9, args)

    with pytest.raises(error, match=f"gradient_descent: {words}"):
        run(optimizer, lr, args)


@numba.njit
def without_grad(x):
    return x.sum()


@numba.njit
def returns_an_array(x, grad):
    return x


@pytest.mark.parametrize(
    ("fun", "args", "words"),
    [
        (without_grad, (), r"fun is called as fun\(x, grad\), got one with the signature \(x\); an objective is"),
        (ellipse, (1.0,), r"fun is called as fun\(x, grad, args\[0\]\)"),
        (returns_an_array, (), r"fun must return a real number, got array\(float64, 1d, C\); an objective is"),
        (Adam(), (), "fun: expected an objective, got Adam"),
    ],
)
def test_objectives_of_the_wrong_form_in_compiled_code(fun, args, words):
    @numba.njit
    def run(fun, args):
        return fastgd.gradient_descent(fun, np.zeros(2), SGD(), 0.1, 5, 1e-9, args)

    with pytest.raises(TypingError, match=f"gradient_descent: {words}"):
        run(fun, args)
