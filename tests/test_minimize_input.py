"""What `minimize` refuses, and objectives of every form that it takes or does not."""

import functools
import math
from types import SimpleNamespace

import numba
import numpy as np
import pytest
from python_objectives import banana, in_python, parabola, well

import fastgd
from fastgd import SGD, Adam, Armijo, Momentum, minimize
from fastgd.problems import Rosenbrock


@pytest.mark.parametrize("optimizer", [fastgd.Accumulate(SGD(), 4), fastgd.EMA(fastgd.Accumulate(SGD(), 4))])
def test_tolerances_of_steps_are_refused_where_some_steps_change_nothing(optimizer):
    for name in ("xtol", "ftol"):
        with pytest.raises(ValueError, match=r"ftol and xtol must be 0 with .*Accumulate.*; use gtol"):
            in_python(well, [1.0], optimizer=optimizer, **{name: 1e-3})
    assert minimize(well, [0.5], optimizer=optimizer, lr=0.3, compile=False).success


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


@pytest.mark.parametrize("compile", [True, False])
@pytest.mark.parametrize("length", [1, 3])
def test_a_gradient_of_another_length_at_a_later_call(compile, length):
    def fun(x):
        return ((x - 1) ** 2).sum()

    def jac(x):
        return 2 * (x - 1) if x[0] > 2 else np.zeros(length)

    def both(x):
        return fun(x), jac(x)

    options = {"optimizer": SGD(), "lr": 0.1, "compile": compile}
    if compile:
        fun, jac = numba.njit(fun), numba.njit(jac)
        both = numba.njit(both)
    with pytest.raises(ValueError, match="jac must return as many elements as x has"):
        minimize(fun, [3.0, 4.0], jac=jac, **options)
    with pytest.raises(ValueError, match="jac=True fun must return a gradient of as many elements"):
        minimize(both, [3.0, 4.0], jac=True, **options)
