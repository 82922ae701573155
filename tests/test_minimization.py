"""`minimize`: trajectories, the forms of objectives, endings, bounds, the line search."""

import math
from types import SimpleNamespace

import numba
import numpy as np
import pytest
import reference
from numba.core import event
from python_objectives import CENTRE, banana, banana_gradient, in_python, parabola, well
from user_minimization import ellipse

import fastgd
from fastgd import SGD, Adam, Armijo, minimize
from fastgd._descent import run as _descent_run
from fastgd.objectives import checked_args, prepare
from fastgd.problems import Booth, Bowl, LogisticRegression, Rosenbrock, Saddle, facts


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


def test_the_loop_is_compiled_once_for_all_objectives():
    def value(x, grad, scale):
        grad[0] = 2 * scale * x[0]
        return scale * x[0] ** 2

    def another(x, grad, scale):
        if x[0] < 0.5:
            raise ZeroDivisionError("too near")
        grad[0] = 2 * scale * x[0]
        return 7

    def narrow(x, grad, scale):
        grad[0] = 2 * scale * x[0]
        return np.float32(scale * x[0] ** 2)

    def any_number(x, grad, *scales):
        grad[0] = 2 * scales[0] * x[0]
        return scales[0] * x[0] ** 2

    def with_default(x, grad, scale, power=2):
        grad[0] = 2 * scale * x[0]
        return scale * x[0] ** power

    declared = numba.njit("float64(float64[:], float64[:], float64)")(value)  # compiles no more
    arguments = {"optimizer": SGD(), "lr": 0.25, "args": (1.0,), "gtol": 1e-3}
    first = minimize(value, [1.0], **arguments)
    assert first.success
    with event.install_recorder("numba:compile") as compiled:
        for fun in (narrow, any_number, with_default, declared):
            again = minimize(fun, [1.0], **arguments)
            assert (again.nit, again.nfev) == (first.nit, first.nfev)
            np.testing.assert_array_equal(again.x, first.x)
        with pytest.raises(ZeroDivisionError, match="too near"):
            minimize(another, [1.0], **arguments)
        assert minimize(another, [1.0], **arguments | {"max_steps": 1}).fun == 7
    names = {recorded[1].data["dispatcher"].__name__ for recorded in compiled.buffer}
    assert names == {"narrow", "any_number", "with_default", "another", "entry"}


@pytest.mark.parametrize("compile", [True, False])
def test_a_gradient_of_integers_and_floats(compile):
    def value(x):
        return (x[0] - 1) ** 2 + x[1]

    def slope(x):
        return 2 * (x[0] - 1), 1

    found = minimize(value, [3.0, 4.0], jac=slope, optimizer=SGD(), lr=0.25, max_steps=2, compile=compile)
    np.testing.assert_array_equal(found.x, [1.5, 3.5])


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


def ellipse_about(x, grad, held):
    return ellipse(x, grad, 10.0, held[0])


@pytest.mark.parametrize("dtype", [">f8", "f2", ">i4"])
def test_args_in_dtypes_that_compiled_code_knows(dtype):
    centre = CENTRE.astype(dtype)
    (whole, (nested,), number) = checked_args("f", (centre, (centre,), np.float16(10)), True)
    for array in (whole, nested):
        assert array.dtype.isnative
        assert array.dtype != np.float16
        np.testing.assert_array_equal(array, CENTRE)
    assert type(number) is np.float32


def test_args_in_other_dtypes():
    swapped, half, integers = (CENTRE.astype(dtype) for dtype in (">f8", "f2", ">i4"))
    assert fastgd.gradient_descent(ellipse, [0, 0], SGD(), 0.04, 500, 1e-6, (np.float16(10), half)).success
    assert minimize(ellipse_about, [0, 0], optimizer=SGD(), lr=0.04, args=((integers,),)).success
    many = fastgd.minimize_many(ellipse, np.zeros((1, 2)), optimizer=SGD(), lr=0.04, args=(10.0, swapped[None]))
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


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ({}, 0, "converged: no component of the gradient"),
        ({"ftol": 1e-3}, 1, "converged: the value"),
        ({"xtol": 1e-3}, 2, "converged: the step"),
        ({"max_steps": 3}, 3, "reached max_steps .after 3 steps"),
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
    X.flags.writeable = False
    for rows in (X, np.asfortranarray(X), X.tolist()):
        again = minimize(objective._replace(X=rows), np.zeros(3), optimizer=SGD(), lr=Armijo(lr=16.0), max_steps=5)
        assert again.nit == 5
        assert again.fun == minimize(objective, np.zeros(3), optimizer=SGD(), lr=Armijo(lr=16.0), max_steps=5).fun
    with pytest.raises(ValueError, match="x0 must have 3 elements"):
        minimize(objective, np.zeros(2))
    with pytest.raises(ValueError, match=r"MeanLoss: y must have as many rows as X \(60\), got 59"):
        fastgd.MeanLoss(fastgd.Neuron(2), X, y[:59])
    with pytest.raises(TypeError, match="x0 must be of the dtype of MeanLoss's X and y"):
        minimize(objective, np.zeros(3, np.float32))
    with pytest.raises(ValueError, match="minimize_many: X0 must have 3 elements"):
        fastgd.minimize_many(objective, np.zeros((4, 2)))


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
