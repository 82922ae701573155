"""`minimize` and `gradient_descent`: trajectories, forms, endings, bad input, interrupts, the disk cache."""

import functools
import math
import signal
from types import SimpleNamespace
from typing import NamedTuple

import numba
import numpy as np
import pytest
import reference
import user_minimization
from conftest import TESTS
from numba import typeof
from numba.core import event
from numba.core.errors import TypingError
from user_minimization import ellipse, slower_and_slower
from user_rules import Averaged

import fastgd
from fastgd import SGD, Adam, Armijo, Momentum, _descent_run, _jit, minimize
from fastgd.gradient_descent import Descent
from fastgd.objectives import prepare
from fastgd.problems import Booth, Bowl, LogisticRegression, Rosenbrock, Saddle, facts

CENTRE = np.array([1.0, 2.0])


def banana_gradient(x):
    return np.array([-2 * (1 - x[0]) - 400 * x[0] * (x[1] - x[0] ** 2), 200 * (x[1] - x[0] ** 2)])


def banana(x, grad):
    grad[:] = banana_gradient(x)
    return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2


def parabola(x, grad):
    grad[:] = 2 * x
    return (x**2).sum()


def in_python(fun, x0, **arguments):
    """A run without the compiler: the loop's step is compiled once for all objectives."""
    return minimize(fun, x0, **{"compile": False, "optimizer": SGD(), "lr": 0.1} | arguments)


# What is computed.


@pytest.mark.parametrize(("optimizer", "name"), [(Adam(), "Adam"), (SGD(), "SGD")])
def test_a_trajectory(optimizer, name):
    lr = 0.01 if name == "Adam" else 1e-4
    expected = reference.trajectory(name, {}, lr, banana_gradient, [-1.2, 1.0], 50)
    results = [
        minimize(fun, [-1.2, 1.0], optimizer=optimizer, lr=lr, max_steps=50, record=True, compile=compile)
        for fun, compile in ((Rosenbrock(), True), (banana, False))
    ]
    for result in results:
        assert (result.nit, result.nfev, result.status, result.success) == (50, 51, 3, False)
        assert result.path.shape == (51, 2)
        np.testing.assert_allclose(result.path[1:], expected, rtol=1e-10)
        np.testing.assert_array_equal(result.path[0], [-1.2, 1.0])
        values = [banana(x, np.empty(2)) for x in result.path]
        np.testing.assert_allclose(result.path_fun, values, rtol=1e-10)
        best = np.argmin(values)
        np.testing.assert_array_equal(result.x, result.path[best])
        assert result.fun == result.path_fun[best]
        np.testing.assert_allclose(result.jac, banana_gradient(result.x), rtol=1e-8)


def test_chunks_change_nothing(monkeypatch, chunks_of):
    arguments = {"optimizer": Adam(), "lr": fastgd.ExponentialDecay(0.02, 1e-3), "max_steps": 3000, "record": True}
    whole = minimize(Rosenbrock(), [-1.2, 1.0], **arguments)
    chunks_of(100)
    monkeypatch.setattr(_descent_run, "_RATES", 7)
    parts = minimize(Rosenbrock(), [-1.2, 1.0], **arguments)
    for name in ("x", "jac", "path", "path_fun"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))
    assert (whole.nit, whole.nfev, whole.fun) == (parts.nit, parts.nfev, parts.fun)


def test_the_time_of_a_schedule_is_in_steps():
    schedule = fastgd.ExponentialDecay(0.3, 0.5)
    path = in_python(parabola, [4.0], lr=schedule, max_steps=6, record=True).path
    expected = 4 * np.cumprod([1, *(1 - 2 * 0.3 * np.exp(-0.5 * np.arange(6)))])
    np.testing.assert_allclose(path[:, 0], expected, rtol=1e-14)


def test_compiled_forms():
    def value(x, a, centre):
        return (x[0] - centre[0]) ** 2 + a * (x[1] - centre[1]) ** 2

    def slope(x, a, centre):
        return 2 * np.array([x[0] - centre[0], a * (x[1] - centre[1])])

    arguments = {"optimizer": SGD(), "lr": 0.04, "args": (10.0, CENTRE), "gtol": 1e-8}
    exact = minimize(ellipse, np.zeros(2), **arguments)
    assert exact.success
    np.testing.assert_allclose(exact.x, CENTRE, atol=1e-8)
    paired = minimize(value, np.zeros(2), jac=slope, **arguments)
    assert (paired.nit, paired.nfev) == (exact.nit, exact.nfev)
    np.testing.assert_allclose(paired.x, exact.x, rtol=1e-12)
    with event.install_recorder("numba:compile") as compiled:
        minimize(value, np.zeros(2), jac=slope, **arguments)
    assert compiled.buffer == []


@pytest.mark.parametrize("jac", [None, True, "2-point", "3-point"])
def test_forms_in_python(jac):
    def value(x, a):
        return a * (x**2).sum()

    fun = {None: lambda x, grad, a: grad.__setitem__(slice(None), 2 * a * x) or value(x, a)}.get(jac, value)
    fun = (lambda x, a: (value(x, a), 2 * a * x)) if jac is True else fun
    result = in_python(fun, [1.0, -2.0], jac=jac, args=(2.0,), gtol=1e-5)
    assert result.success
    np.testing.assert_allclose(result.x, 0, atol=1e-5)
    assert result.nfev == (result.nit + 1) * {"2-point": 3, "3-point": 5}.get(jac, 1)


def test_compiled_differences_and_pairs():
    def value(x):
        return np.exp(x[0]) - 2 * x[0]

    def both(x):
        return np.exp(x[0]) - 2 * x[0], np.array([np.exp(x[0]) - 2])

    central = minimize(value, [0.0], jac="3-point", optimizer=SGD(), lr=0.3)
    pair = minimize(both, [0.0], jac=True, optimizer=SGD(), lr=0.3)
    for result in (central, pair):
        assert result.success
        assert result.x[0] == pytest.approx(np.log(2), abs=1e-6)
    assert central.nfev == 3 * pair.nfev


@pytest.mark.parametrize("jac", ["2-point", "3-point"])
def test_differences_in_float32(jac):
    def value(x):
        return (x - 1) @ (x - 1)

    start = np.array([3, 4], np.float32)
    for compile in (True, False):
        result = minimize(value, start, jac=jac, optimizer=SGD(), lr=0.1, gtol=2e-3, compile=compile)
        assert result.success
        np.testing.assert_allclose(result.x, 1, atol=2e-3)


def test_dtypes():
    for x0, dtype in ([1, 2], np.float64), (np.array([1, 2], np.float32), np.float32):
        result = in_python(parabola, x0)
        assert result.success
        assert result.x.dtype == result.jac.dtype == dtype
    x0 = np.array([3.0, 1.0])[::-1]
    assert in_python(parabola, x0).success
    np.testing.assert_array_equal(x0, [1, 3])


def test_float32_values():
    def both(x, grad):
        grad[:] = 2 * x
        return (x**2).sum()  # float32, as x is

    start = np.array([3, 4], np.float32)
    for lr in (0.1, Armijo()):
        result = minimize(both, start, optimizer=SGD(), lr=lr, gtol=1e-3)
        assert result.success
        assert result.x.dtype == np.float32
    found = fastgd.gradient_descent(both, start, SGD(), 0.1, 100, 1e-3)
    assert found.success


def test_args_that_count_references():
    def noisy(x, grad, held):
        rng, scales = held
        grad[:] = 2 * scales[0] * x
        return scales[0] * (x**2).sum() + 0 * rng.random()

    held = (np.random.default_rng(0), numba.typed.List([1.0]))
    assert minimize(noisy, [3.0, 4.0], args=(held,), optimizer=SGD(), lr=0.1).success
    assert held[0].random() < 1
    assert list(held[1]) == [1.0]


@pytest.mark.parametrize("dtype", [">f8", "f2", ">i4"])
def test_args_in_other_dtypes(dtype):
    centre = CENTRE.astype(dtype)

    def nested(x, grad, held):
        return ellipse(x, grad, 10.0, held[0])

    assert fastgd.gradient_descent(ellipse, [0, 0], SGD(), 0.04, 500, 1e-6, (np.float16(10), centre)).success
    assert minimize(nested, [0, 0], optimizer=SGD(), lr=0.04, args=((centre,),)).success
    many = fastgd.minimize_many(ellipse, np.zeros((1, 2)), optimizer=SGD(), lr=0.04, args=(10.0, centre[None]))
    np.testing.assert_allclose(many.x[0], CENTRE, atol=1e-6)


def test_functions_that_numba_can_call():
    def with_args(x, grad, *args):
        grad[:] = 2 * x
        return (x**2).sum()

    def with_default(x, grad, scale=1.0):
        grad[:] = 2 * scale * x
        return scale * (x**2).sum()

    declared = numba.njit("float64(float64[:], float64[:])")(parabola)  # compiles no more
    x, grads = np.array([1.0, -2.0]), np.empty(2)
    for fun in (with_args, with_default, declared):
        assert prepare("minimize", fun, None, (), x, True).at(x, grads, ()) == 5
        np.testing.assert_array_equal(grads, [2, -4])
    assert minimize(declared, x, optimizer=SGD(), lr=0.1).success
    narrow = numba.njit("float32(float32[:], float32[:])")(parabola)
    with pytest.raises(TypeError, match=r"^minimize: fun could not be compiled .*compiled for .*float32.* only"):
        minimize(narrow, [1.0])


# Inside compiled code.


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
    assert python(script).stdout.split() == ["True", "True", "0", "0", "0"]
    assert python(script).stdout.split() == ["True", "True", "1", "1", "1"]


def test_what_is_known_by_its_address_is_not_written_to_disk():
    assert not _jit._importable([typeof(ellipse)])
    assert not _jit._importable([typeof((1.0, ellipse))])
    assert _jit._importable([typeof(Rosenbrock())])


# Endings.


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ({}, 0, "converged: no component of the gradient"),
        ({"ftol": 1e-3}, 1, "converged: the value"),
        ({"xtol": 1e-3}, 2, "converged: the step"),
        ({"max_steps": 3}, 3, "max_steps steps are done .after 3 steps"),
        ({"max_steps": 0}, 3, "after 0 steps"),
    ],
)
def test_endings(arguments, status, words):
    result = in_python(parabola, [1.0, -3.0], record=True, **arguments)
    assert result.status == status
    assert result.success == (status < 3)
    assert words.replace(".after", "(after") in result.message
    assert len(result.path) == len(result.path_fun) == result.nit + 1
    if status == 1:
        last = result.path_fun[-3:]
        assert abs(last[2] - last[1]) <= 1e-3 < abs(last[1] - last[0])
    if status == 2:
        steps = abs(np.diff(result.path[-3:], axis=0)).max(axis=1)
        assert steps[1] <= 1e-3 < steps[0]


def test_the_point_that_converged_is_returned_though_another_was_lower():
    def wave(x, grad):  # the first step jumps from a low slope over to a flat spot higher up
        grad[0] = 1.0 if x[0] < 0.5 else 0.0
        return -1.0 if x[0] < 0.5 else 0.0

    result = in_python(wave, [0.0], lr=-0.0, max_steps=2)
    assert (result.status, result.fun) == (3, -1)

    def jump(x, grad):
        grad[0] = -10.0 if x[0] < 0.5 else 0.0
        return -1.0 if x[0] < 0.5 else 0.0

    result = in_python(jump, [0.0], lr=0.1)
    assert (result.status, result.fun, result.x[0]) == (0, 0, 1)


@pytest.mark.parametrize("what", ["value", "gradient", "point"])
def test_not_finite_on_the_way(what):
    def fun(x, grad):
        grad[:] = 2 * x if what != "point" else -1.0
        if what == "gradient" and x[0] < 0.5:
            grad[1] = np.nan
        if what == "point":
            return 1 / x[0]
        return np.nan if what == "value" and x[0] < 0.5 else (x**2).sum()

    step = 2 if what == "point" else 4  # 0.8⁴ < 0.5
    with pytest.warns(RuntimeWarning, match=f"minimize: not finite: at step {step} the value was"):
        result = in_python(fun, [1.0, 2.0], lr=0.1 if what != "point" else 1e308, max_steps=50)
    assert (result.success, result.status, result.nit) == (False, 4, step)
    np.testing.assert_allclose(result.x, np.array([1, 2]) * 0.8**3 if what != "point" else 1e308)
    assert np.isfinite(result.jac).all()


@pytest.mark.parametrize("compile", [True, False])
def test_point_that_is_not_finite_is_not_returned(compile):
    def fun(x, grad):  # as exp(-x) is at infinity: flat and low
        value = math.exp(-x[0])
        grad[0] = -1e10 * value
        return value

    with pytest.warns(RuntimeWarning, match=r"at step 1 the value was 0 .* at x = \[inf\]; the best point"):
        result = minimize(fun, [1.0], optimizer=SGD(), lr=1e300, compile=compile)
    assert (result.status, result.success, result.x[0]) == (4, False, 1)
    many = fastgd.minimize_many(fun, [[1.0], [2.0]], optimizer=SGD(), lr=1e300, compile=compile)
    np.testing.assert_array_equal(many.x, [[1], [2]])
    np.testing.assert_array_equal(many.status, [4, 4])


def well(x, grad):
    """With its minimum at 0, and flat far away."""
    value = -math.exp(-(x[0] ** 2) / 2)
    grad[0] = -x[0] * value
    return value


@pytest.mark.parametrize("compile", [True, False])
def test_average_does_not_replace_a_flat_point_by_a_steep_one(compile):
    optimizer = fastgd.Lookahead(SGD(), k=5)
    result = minimize(well, [1.0], optimizer=optimizer, lr=30.0, compile=compile)
    assert (result.status, result.nit, result.nfev) == (0, 1, 3)
    assert abs(result.jac[0]) <= 1e-6
    result = minimize(well, [1.0], optimizer=optimizer, lr=30.0, max_steps=1, gtol=0, compile=compile)
    assert (result.status, result.x[0]) == (3, 1)  # the average, and the start


def test_rate_of_zero_does_not_converge():
    warmup = fastgd.PiecewiseTable(times=(0, 5, 6), rates=(0, 0, 0.3))
    for tolerances in ({"xtol": 1e-3}, {"ftol": 1e-3}):
        result = in_python(well, [1.0], lr=0, max_steps=20, **tolerances)
        assert (result.status, result.success) == (3, False)
        result = in_python(well, [1.0], lr=warmup, max_steps=200, **tolerances)
        assert result.success
        assert result.nit > 7
        assert abs(result.x[0]) < 0.2


@pytest.mark.parametrize("optimizer", [fastgd.Accumulate(SGD(), 4), fastgd.EMA(fastgd.Accumulate(SGD(), 4))])
def test_tolerances_of_steps_are_refused_where_some_steps_change_nothing(optimizer):
    for name in ("xtol", "ftol"):
        with pytest.raises(ValueError, match=r"ftol and xtol must be 0 with .*Accumulate.*; use gtol"):
            in_python(well, [1.0], optimizer=optimizer, **{name: 1e-3})
    assert minimize(well, [0.5], optimizer=optimizer, lr=0.3, compile=False).success


@pytest.mark.parametrize(
    "array", [lambda value: np.array(value), lambda value: np.array([value]), lambda value: np.array([[value]])]
)
def test_plain_python_may_return_an_array_of_one(array):
    points = []

    def fun(x):
        points.append(x)
        return array(np.sum((x - 1) ** 2))

    def jac(x):
        return 2 * (x - 1)

    forms = ({"jac": jac}, {"jac": "3-point"}, {"jac": True, "fun": lambda x: (fun(x), jac(x))})
    for form in forms:
        result = minimize(form.pop("fun", fun), [3.0, 4.0], **form, optimizer=SGD(), lr=0.25, compile=False)
        assert result.success
        np.testing.assert_allclose(result.x, 1, atol=1e-6)
    assert len({id(x) for x in points}) == len(points)  # copies, which it may keep
    np.testing.assert_array_equal(points[0], [3, 4])


def test_numbers_of_steps_in_compiled_code():
    @fastgd.njit(cache=False)
    def run(max_steps):
        return fastgd.gradient_descent(Bowl(), np.ones(2), SGD(), 0.1, max_steps, 0.0).nit

    assert run(np.uint64(3)) == run(3) == 3
    with pytest.raises(TypingError, match="gradient_descent: max_steps must be an integer, got float64"):
        run(3.5)
    with pytest.raises(TypingError, match="gradient_descent: x0 must be float32 or float64 in compiled code"):
        numba.njit(lambda x: fastgd.gradient_descent(Bowl(), x, SGD(), 0.1, 3, 0.0))(np.ones(2, np.float16))


def test_data_that_are_not_finite_are_named():
    X, y = np.ones((3, 2)), np.ones(3)
    X[1, 0] = np.nan
    for call in (minimize, fastgd.sharpness):
        with pytest.raises(ValueError, match=rf"{call.__name__}: MeanLoss: X must be finite .* got nan at \[1, 0\]"):
            call(fastgd.MeanLoss(fastgd.Neuron(2), X, y), np.zeros(3))


def test_differences_of_a_coarser_dtype_are_refused():
    def fun(x):
        return np.float32(np.sum(x**2))

    with pytest.raises(TypeError, match="fun must return float64 for differences of it in float64, got float32"):
        minimize(fun, [1.0, 2.0], jac="2-point", compile=False)
    assert minimize(fun, np.float32([1, 2]), jac="3-point", compile=False, lr=0.25, gtol=1e-2).success


def test_complex_gradient_is_refused():
    for compile in (True, False):
        with pytest.raises(TypeError, match="the gradient must hold real numbers, got dtype complex128"):
            minimize(lambda x: (x**2).sum(), [1.0], jac=lambda x: 2j * x, compile=compile)


def test_nan_at_once():
    def fun(x, grad):
        grad[:] = np.nan
        return np.nan

    x0 = np.array([1.0, 2.0])
    with pytest.warns(RuntimeWarning, match=r"at step 0 the value was nan .* at x = \[1\. 2\.\]"):
        result = in_python(fun, x0)
    assert (result.success, result.status, result.nit, result.nfev) == (False, 4, 0, 1)
    np.testing.assert_array_equal(result.x, x0)


def test_nan_before_the_gradient_is_written():
    def fun(x, grad):
        return np.nan

    with pytest.warns(RuntimeWarning, match="at step 0 the value was nan"):
        result = in_python(fun, [1.0, 2.0])
    assert (result.status, result.nit) == (4, 0)
    assert np.isnan(result.jac).all()


def test_an_objective_that_raises():
    calls = []

    def fun(x, grad):
        calls.append(1)
        if len(calls) > 5:
            raise ZeroDivisionError("mine")
        return parabola(x, grad)

    x0 = np.array([1.0])
    with pytest.raises(ZeroDivisionError, match="mine"):
        in_python(fun, x0)
    np.testing.assert_array_equal(x0, [1])


def test_line_search():
    result = in_python(banana, [-1.2, 1.0], lr=Armijo(), max_steps=300, record=True)
    assert (np.diff(result.path_fun) < 0).all()
    assert len(result.path) == result.nit + 1
    assert result.nfev > result.nit + 1
    # Each step has fallen by what Armijo asks for, at its rate.
    for k in range(50):
        g = banana_gradient(result.path[k])
        rate = np.dot(result.path[k] - result.path[k + 1], g) / np.dot(g, g)
        assert result.path_fun[k + 1] <= result.path_fun[k] - 1e-4 * rate * np.dot(g, g) * (1 - 1e-6)
        assert np.log2(rate) == pytest.approx(round(np.log2(rate)), abs=1e-6)


def test_line_search_steps_back_from_nan_and_gives_up_honestly():
    def root(x, grad):
        grad[0] = 1 / (2 * np.sqrt(x[0])) if x[0] > 0 else np.nan
        return np.sqrt(x[0]) if x[0] > 0 else np.nan

    result = in_python(root, [1.0], lr=Armijo(lr=100.0), max_steps=40)
    assert 0 < result.x[0] < 1

    def uphill(x, grad):  # a gradient with the wrong sign
        grad[0] = -2 * x[0]
        return x[0] ** 2

    result = in_python(uphill, [1.0], lr=Armijo(), record=True)
    assert (result.status, result.success, result.nit) == (5, False, 0)
    assert "line search" in result.message
    assert len(result.path) == 1


def test_bounds():
    for bounds in (
        [(2.0, None), (None, 1.5)],
        SimpleNamespace(lb=[2.0, -np.inf], ub=[np.inf, 1.5]),
    ):
        for lr in (0.04, Armijo()):
            result = in_python(
                lambda x, grad: ellipse(x, grad, 10.0, CENTRE), [0.0, 9.0], lr=lr, bounds=bounds, record=True
            )
            assert result.success
            np.testing.assert_array_equal(result.x, [2, 1.5])
            np.testing.assert_array_equal(result.path[0], [2, 1.5])
    inside = in_python(lambda x, grad: ellipse(x, grad, 10.0, CENTRE), [0.0, 0.0], bounds=[(0, 5), (0, 5)], lr=0.04)
    np.testing.assert_allclose(inside.x, CENTRE, atol=1e-6)
    compiled = minimize(Booth(), [0.0, 0.0], lr=0.05, bounds=[(None, 0.5), (None, None)])
    assert compiled.success
    np.testing.assert_allclose(compiled.x, [0.5, 3.4], atol=1e-5)  # where ∂f/∂y = 8x + 10y - 38 = 0


def test_a_start_on_a_saddle_ends_there():
    result = minimize(Saddle(), [1.0, 0.0], optimizer=SGD(), lr=0.1)
    assert result.success  # a gradient of 0, and no minimum
    np.testing.assert_allclose(result.x, 0, atol=1e-6)


def test_a_model_s_full_batch():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    y = (X[:, 0] + rng.normal(size=60) > 0).astype(float)
    objective = fastgd.MeanLoss(fastgd.Neuron(2, loss="binary_cross_entropy"), X, y)
    result = minimize(objective, np.zeros(3), optimizer=SGD(), lr=Armijo(lr=16.0), max_steps=3000, gtol=1e-7)
    assert result.success
    same = LogisticRegression(np.column_stack([X, np.ones(60)]), y, l2=0.0)
    np.testing.assert_allclose(result.x, facts(same).minima[0], atol=1e-5)
    with pytest.raises(ValueError, match="x0 must have 3 elements"):
        minimize(objective, np.zeros(2))
    with pytest.raises(ValueError, match=r"MeanLoss: y must have as many rows as X \(60\), got 59"):
        fastgd.MeanLoss(fastgd.Neuron(2), X, y[:59])
    with pytest.raises(TypeError, match="x0 must be of the dtype of MeanLoss's X and y"):
        minimize(objective, np.zeros(3, np.float32))
    with pytest.raises(ValueError, match="minimize_many: X0 must have 3 elements"):
        fastgd.minimize_many(objective, np.zeros((4, 2)))


# Callback, progress, Ctrl-C.


def test_callback():
    seen = []

    def callback(progress):
        seen.append(progress)
        if progress.step == 5:
            raise StopIteration

    result = in_python(parabola, [1.0], callback=callback)
    assert (result.status, result.nit, result.success) == (6, 5, False)
    assert [progress.step for progress in seen] == list(range(6))
    assert seen[3].x[0] == pytest.approx(0.8**3)
    assert seen[3].lr == 0.1
    result = minimize(Rosenbrock(), [-1.2, 1.0], callback=seen.append)
    assert seen[-1].step == result.nit


def test_progress(capsys):
    assert in_python(parabola, [1.0], progress=True).success
    assert "step" in capsys.readouterr().err


def test_interrupts_are_heard_at_once(press):
    minimize(Rosenbrock(), [-1.2, 1.0])
    latency = press()
    result = minimize(Rosenbrock(), [-1.2, 1.0], lr=1e-9, gtol=0, max_steps=10**12)
    assert latency() < 0.5  # 0.1 s is promised; a busy machine is given time
    assert (result.status, result.success) == (7, False)
    assert result.fun < 24.2
    assert result.nit > 1000


def test_interrupts_are_heard_where_evaluations_become_slow(press):
    options = {"optimizer": SGD(), "lr": 1.0, "max_steps": 10**9}
    minimize(slower_and_slower, [0.0], optimizer=SGD(), lr=1.0, max_steps=1)
    latency = press()
    result = minimize(slower_and_slower, [0.0], **options)
    assert latency() < 0.5  # 0.1 s is promised; a busy machine is given time
    assert (result.status, result.fun) == (7, -result.nit)
    for start, compile in [(1990.0, False), (1e5, True)]:  # where the first 80 are quick
        latency = press()
        result = minimize(slower_and_slower, [start], compile=compile, **options)
        assert latency() < 0.5
        assert (result.status, result.fun) == (7, -start - result.nit)


def test_an_interrupt_asks_for_the_average():
    def callback(progress):
        if progress.step >= 50:
            signal.raise_signal(signal.SIGINT)

    options = {"optimizer": fastgd.EMA(SGD(), 0.9), "lr": 0.99, "gtol": 0, "compile": False}
    result = minimize(lambda x, g: fastgd.value_and_grad(Bowl(), x, g), [1.0], callback=callback, **options)
    assert (result.status, result.nit) == (7, 50)
    assert result.fun < 0.001 < 0.98**100  # the last point's value, some 0.13


def test_an_interrupt_keeps_what_there_is_if_the_average_cannot_be_evaluated():
    def pressing(x, grad):
        calls.append(1)
        if len(calls) == 50:
            signal.raise_signal(signal.SIGINT)
        if len(calls) > 50:
            raise RuntimeError("late")
        return parabola(x, grad)

    calls = []
    result = in_python(pressing, [1.0], optimizer=fastgd.ASGD(), lr=1e-3)
    assert (result.status, result.nfev) == (7, 49)  # the first call was to see what it returns


def test_an_interrupt_before_the_first_evaluation(monkeypatch):
    init = _descent_run.DescentRun.__init__

    def pressing(self, *arguments, **options):
        init(self, *arguments, **options)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(_descent_run.DescentRun, "__init__", pressing)
    result = in_python(parabola, [1.0], record=True)
    assert (result.status, result.nit, result.path.shape) == (7, 0, (0, 1))


def test_the_callback_is_told_of_the_last_point_and_its_value():
    def bounded(x, grad):
        grad[:] = 2 * x
        return np.nan if abs(x[0]) > 4 else np.sum(x**2)

    told = []
    with pytest.warns(RuntimeWarning, match="not finite"):
        in_python(bounded, [1.0], lr=1.6, callback=told.append)
    np.testing.assert_allclose([progress.last_x[0] for progress in told], [1, -2.2, 4.84])
    np.testing.assert_allclose([progress.last_fun for progress in told], [1, 4.84, np.nan])
    np.testing.assert_allclose([progress.x[0] for progress in told], 1)


def test_rates_that_are_none():
    falling = Falling()
    with pytest.raises(ValueError, match=r"minimize: lr: the rates of a schedule must be finite, .* at step 4"):
        in_python(parabola, [1.0], lr=falling, max_steps=12)
    assert in_python(parabola, [1.0], lr=falling, max_steps=4).nit == 4


class Falling(NamedTuple):
    """A schedule that falls below 0."""

    lr: float = 0.1


fastgd.register_schedule(Falling, lambda schedule, t: schedule.lr * (3 - t))


def test_interrupted_by_the_callback():
    def callback(progress):
        if progress.step == 3:
            signal.raise_signal(signal.SIGINT)

    result = in_python(parabola, [1.0], callback=callback, record=True)
    assert (result.status, result.nit) == (7, 3)
    assert len(result.path) == 4
    assert result.message.startswith("interrupted")


# Bad input.


def too_far(x, grad):
    np.lib.stride_tricks.as_strided(grad, (x.size + 1,))[:] = 1
    return 0.0


def too_short(x, grad):
    grad[: x.size - 1] = 1
    return 0.0


def rebinds(x, grad):
    grad = 2 * x
    return float((x * grad).sum())


def writes_x(x, grad):
    x -= 1
    grad[:] = x
    return 0.0


def returning(value):
    def fun(x, grad):
        grad[:] = x
        return value

    return fun


def sum_of_squares(x):
    return (x**2).sum()


OBJECTIVES = [
    (sum_of_squares, {}, TypeError, r"fun is called as fun\(x, grad\), got one with the signature \(x\); an objective"),
    (parabola, {"jac": lambda x: 2 * x}, TypeError, r"fun is called as fun\(x\)"),
    (sum_of_squares, {"jac": lambda x, a: x}, TypeError, r"jac is called as jac\(x\)"),
    (parabola, {"args": (1.0,)}, TypeError, r"fun\(x, grad, args\[0\]\)"),
    (sum_of_squares, {"jac": "4-point"}, ValueError, "jac must be None, a function, True, '2-point' or '3-point'"),
    (sum_of_squares, {"jac": False}, ValueError, "jac must be"),
    (sum_of_squares, {"jac": True}, TypeError, r"with jac=True fun must return \(float, array\), got float64"),
    (
        sum_of_squares,
        {"jac": lambda x: x[:1]},
        ValueError,
        r"gradient must have shape \(2,\).*got an array of .*\(1,\)",
    ),
    (sum_of_squares, {"jac": lambda x: 1.0}, ValueError, "gradient must have shape"),
    (too_far, {}, ValueError, "wrote beyond grad, which has 2 elements"),
    (too_short, {}, ValueError, r"left 1 of the 2 elements of grad unwritten \(grad\[1\] first\)"),
    (rebinds, {}, ValueError, r"left 2 of the 2 .* not grad = "),
    (writes_x, {}, ValueError, "must leave x as it is"),
    (returning(np.ones(2)), {}, TypeError, r"must return a real number, got an array of shape \(2,\)"),
    (returning(None), {}, TypeError, "must return a real number, got NoneType"),
    (returning(1j), {}, TypeError, "must return a real number, got complex"),
    (returning(True), {}, TypeError, "must return a real number, got bool"),
    (lambda x: (0.0, x), {"jac": "2-point"}, TypeError, "must return a real number, got tuple"),
    (sum_of_squares, {"jac": lambda x: None}, ValueError, r"gradient must have shape \(2,\).*got NoneType"),
    (3, {}, TypeError, "fun must be an objective, got int; an objective is"),
    (Rosenbrock, {}, TypeError, r"got the class Rosenbrock itself; write Rosenbrock\(\)"),
    (Adam(), {}, TypeError, "expected an objective, got Adam"),
    (Rosenbrock(), {"args": (1.0,)}, TypeError, "takes no args"),
    (Rosenbrock(), {"jac": True}, TypeError, "takes no jac"),
]


@pytest.mark.parametrize(("fun", "arguments", "error", "words"), OBJECTIVES)
def test_objectives_of_the_wrong_form(fun, arguments, error, words):
    x0 = np.ones(2)
    with pytest.raises(error, match=f"^minimize: .*{words}"):
        in_python(fun, x0, **arguments)
    np.testing.assert_array_equal(x0, 1)


def test_objectives_that_numba_does_not_take():
    def opens(x, grad):
        with open("file") as file:
            grad[:] = len(file.read())
        return 0.0

    with pytest.raises(TypeError, match=r"minimize: fun could not be compiled by Numba .*compile=False"):
        minimize(opens, [1.0])
    with pytest.raises(TypeError, match=r"fun must be a function that Numba can compile, got .*compile=False"):
        minimize(functools.partial(banana), [1.0])

    @fastgd.njit(cache=False)
    def beyond(x, grad):
        for i in range(x.size + 1):
            grad[i] = 1.0
        return 0.0

    with pytest.raises(ValueError, match="wrote beyond grad"):
        minimize(beyond, [1.0])


def sometimes_none(x, grad):
    grad[:] = 2 * x
    return x[0] ** 2 if x[0] > 0.5 else None


def test_objectives_that_may_return_none():
    with pytest.raises(TypeError, match=r"minimize: fun must return a value wherever it ends, got .*float64"):
        minimize(sometimes_none, [1.0])
    with pytest.raises(TypeError, match="minimize: fun must return a real number, got NoneType"):
        in_python(sometimes_none, [1.0], lr=0.1)


def test_nan_of_a_function_that_promises_none_is_seen():
    @numba.njit(fastmath=True)
    def root(x, grad):
        grad[0] = 1.0
        return math.sqrt(x[0])

    options = {"optimizer": SGD(), "lr": 0.3, "max_steps": 20}
    with pytest.warns(RuntimeWarning, match="at step 4 the value was nan"):
        result = minimize(root, [1.0], **options)
    assert (result.status, result.nit) == (4, 4)
    assert fastgd.minimize_many(root, [[1.0]], **options).status == 4
    assert numba.njit(lambda x: fastgd.gradient_descent(root, x, SGD(), 0.3, 20, 1e-6))(np.ones(1)).status == 4


@pytest.mark.parametrize(
    ("x0", "arguments", "error", "words"),
    [
        ([], {}, ValueError, "x0 must have at least one element"),
        ([[1.0]], {}, ValueError, r"x0 must be a 1-D array, got shape \(1, 1\)"),
        ([np.nan, 1.0], {}, ValueError, "x0 must be finite, got nan"),
        ([1j], {}, TypeError, "x0 must hold real numbers"),
        ([1.0], {"lr": -1}, ValueError, "lr must be a finite number, 0 or larger"),
        ([1.0], {"lr": "fast"}, TypeError, "lr must be"),
        ([1.0], {"lr": Adam()}, TypeError, "lr: expected a schedule, got Adam"),
        ([1.0], {"lr": fastgd.ReduceOnPlateau(0.1)}, ValueError, "a schedule of time alone"),
        ([1.0], {"optimizer": Adam}, TypeError, r"write Adam\(\)"),
        ([1.0], {"optimizer": SGD(maximize=True)}, ValueError, "must go downhill"),
        ([1.0], {"optimizer": fastgd.EMA(SGD(maximize=True))}, ValueError, "must go downhill"),
        ([1.0], {"optimizer": Momentum(), "lr": Armijo()}, ValueError, r"goes with optimizer=SGD\(\)"),
        ([1.0], {"gtol": -1}, ValueError, "gtol must be"),
        ([1.0], {"ftol": np.nan}, ValueError, "ftol must be"),
        ([1.0], {"xtol": None}, TypeError, "xtol must be"),
        ([1.0], {"max_steps": 1.5}, TypeError, "max_steps must be an integer"),
        ([1.0], {"max_steps": -1}, ValueError, "max_steps must be"),
        ([1.0], {"args": [1.0]}, TypeError, r"args must be a tuple, got list; write args=\(a,\)"),
        ([1.0], {"bounds": [(1, 0)]}, ValueError, r"bounds\[0\] must have low <= high, and finite.* got \(1.0, 0.0\)"),
        ([1.0], {"bounds": [(np.inf, np.inf)]}, ValueError, r"bounds\[0\] must have .* finite numbers between, got"),
        ([1.0], {"bounds": [(None, -np.inf)]}, ValueError, r"bounds\[0\] must have .* finite numbers between, got"),
        ([1.0], {"bounds": [(0, np.nan)]}, ValueError, r"bounds\[0\]"),
        ([1.0], {"bounds": [(0, 1), (0, 1)]}, ValueError, r"bounds must be 1 pairs \(low, high\)"),
        ([1.0], {"bounds": [(0, 1, 2)]}, ValueError, "bounds must be 1 pairs"),
        ([1.0], {"bounds": (0, 1)}, ValueError, r"bounds must be 1 pairs .* got \(0, 1\)"),
        ([1.0], {"bounds": 5}, ValueError, "bounds must be 1 pairs"),
        ([1.0], {"bounds": [None]}, ValueError, "bounds must be 1 pairs"),
        ([1.0], {"bounds": [("a", 1)]}, ValueError, "bounds must be 1 pairs .* of numbers or None"),
        ([1.0], {"bounds": SimpleNamespace(lb=[1, 2, 3], ub=[5, 5, 5])}, ValueError, "bounds must be 1 pairs"),
        ([1.0], {"callback": 1}, TypeError, "callback must be callable"),
        ([1.0], {"record": 1}, TypeError, "record must be True or False"),
        ([1.0], {"progress": "yes"}, TypeError, "progress must be"),
        ([1.0], {"compile": None}, TypeError, "compile must be"),
    ],
)
def test_errors(x0, arguments, error, words):
    with pytest.raises(error, match=f"^minimize: .*{words}"):
        in_python(parabola, x0, **arguments)


@pytest.mark.parametrize("value", [[1.0], "text", {"a": 1}, object()])
def test_args_that_compiled_code_cannot_take(value):
    with pytest.raises(TypeError, match=r"minimize: args\[0\] must be a number, an array or a tuple of these"):
        minimize(lambda x, grad, a: 0.0, [1.0], args=(value,))


def test_arrays_that_compiled_code_cannot_take():
    with pytest.raises(TypeError, match=r"minimize: args\[0\] must be .*, got an array of object"):
        minimize(lambda x, grad, a: 0.0, [1.0], args=(np.array([None]),))


@pytest.mark.parametrize("arguments", [{"lr": 0}, {"shrink": 1}, {"shrink": 0}, {"c1": 1}, {"c1": 0}])
def test_armijo_s_ranges(arguments):
    with pytest.raises(ValueError, match="Armijo"):
        Armijo(**arguments)


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


@pytest.mark.parametrize("optimizer", [fastgd.SkipNonfinite(SGD()), fastgd.Lookahead(SGD(), k=1, alpha=1.0)])
def test_the_look_at_the_average_is_no_step(optimizer):
    result = minimize(Bowl(), [3.0, 4.0], optimizer=optimizer, lr=1.5, max_steps=20, xtol=1e-9)
    np.testing.assert_array_equal(result.x, [3, 4])


def test_where_a_method_that_keeps_an_average_met_nan():
    def until_one(x, grad):
        grad[:] = 2 * x
        return np.nan if x[0] < 1 else np.sum(x**2)

    options = {"optimizer": fastgd.Lookahead(SGD(), k=50), "lr": 0.1, "compile": False}
    with pytest.warns(RuntimeWarning, match=r"at x = \[0.98304 1.31072\]"):
        minimize(until_one, [3.0, 4.0], **options)


def test_a_callback_s_stop_asks_for_the_average():
    def stop(progress):
        if progress.step >= 50:
            raise StopIteration

    options = {"optimizer": fastgd.EMA(SGD(), 0.9), "lr": 0.99, "gtol": 0, "compile": False}
    stopped = minimize(lambda x, g: fastgd.value_and_grad(Bowl(), x, g), [1.0], callback=stop, **options)
    whole = minimize(lambda x, g: fastgd.value_and_grad(Bowl(), x, g), [1.0], max_steps=50, **options)
    assert max(stopped.fun, whole.fun) < 0.001 < 0.99**100  # the last point's value, some 0.13
