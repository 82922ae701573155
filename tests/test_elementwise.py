"""exp, expm1, log1p, sigmoid, tanh, softplus: errors against mpmath, edges, forms of input, machine code."""

import math
import os
import re
import subprocess
import sys

import mpmath
import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba.core.errors import TypingError

from fastgd import elementwise
from fastgd.elementwise import exp, expm1, log1p, sigmoid, softplus, tanh

VERBS = {verb.__name__: verb for verb in (exp, expm1, log1p, sigmoid, tanh, softplus)}
BOUNDS = {"exp": 1.5, "expm1": 2, "log1p": 2, "sigmoid": 2, "tanh": 3, "softplus": 3}  # ULP, as the docstrings say
DTYPES = (np.float32, np.float64)

over_verbs = pytest.mark.parametrize("name", VERBS)
over_dtypes = pytest.mark.parametrize("dtype", DTYPES)


def in_mpmath(name, x):
    """The function of a Python float, in mpmath's working precision."""
    x = mpmath.mpf(x)
    if name == "sigmoid":
        return 1 / (1 + mpmath.exp(-x))
    if name == "softplus":
        return mpmath.log1p(mpmath.exp(x))
    return getattr(mpmath, name)(x)


def in_numpy(name, x, dtype):
    """The function of an array, in a dtype wider than the array's."""
    with np.errstate(all="ignore"):
        x = x.astype(dtype)
        decay = np.exp(-np.abs(x))
        if name == "sigmoid":
            return np.where(x < 0, decay, 1) / (1 + decay)
        if name == "softplus":
            return np.maximum(x, 0) + np.log1p(decay)
        return getattr(np, name)(x)


def errors(result, truth):
    """Errors in units in the last place of the true value; infinity stands for the first power of two beyond."""
    info = np.finfo(result.dtype)
    limit = truth.dtype.type(2) ** info.maxexp
    exponent = np.frexp(truth)[1] - 1
    spacing = np.ldexp(truth.dtype.type(1), np.clip(exponent, info.minexp, info.maxexp - 1) - info.nmant)
    return np.abs(np.clip(result.astype(truth.dtype), -limit, limit) - np.clip(truth, -limit, limit)) / spacing


def error_in_mpmath(dtype, result, truth):
    """The error of one finite number in units in the last place of the true value."""
    info = np.finfo(dtype)
    exponent = max(mpmath.frexp(truth)[1] - 1, int(info.minexp))
    return float(abs(mpmath.mpf(float(result)) - truth) * mpmath.mpf(2) ** (info.nmant - exponent))


def sample(name, dtype, size):
    """Numbers of all magnitudes, numbers about where the function bends, and the worst that were ever found."""
    rng = np.random.default_rng(0)
    info = np.finfo(dtype)
    least, most = math.log(info.smallest_subnormal) - 1, math.log(info.max)
    magnitudes = np.exp2(rng.uniform(info.minexp - info.nmant, math.log2(most), size))
    numbers = [
        magnitudes * rng.choice([-1, 1], size),
        rng.uniform(-2, 2, size),
        rng.uniform(-20, 20, size),
        rng.uniform(least, most, size),
        np.linspace(least, least + 20, size // 8),
        WORST[name],
    ]
    x = np.concatenate(numbers).astype(dtype)
    return x[x > -1] if name == "log1p" else x


# Where the largest errors were found: among all float32, and among 60 million random float64.
WORST = {
    "exp": [-5.8549113, -4.486153914791725, -708.0362960653765],
    "expm1": [15.635815, 0.35776941683591734, 0.35860409192836795],
    "log1p": [0.43516907, 0.43726026268458745, 0.446418471636908],
    "sigmoid": [-1.1101286, -1.1475634717904573, -1.1185691720986597],
    "tanh": [4.5050907, 0.2156572355762275, -0.20769628206148083],
    "softplus": [-0.46197876, -0.4338067345962031, -0.4328533664511305],
}


@over_dtypes
@over_verbs
def test_error_against_mpmath(name, dtype):
    x = sample(name, dtype, 400)
    results = VERBS[name](x)
    with mpmath.workdps(50):
        truths = [in_mpmath(name, float(value)) for value in x]
        found = [error_in_mpmath(dtype, *pair) for pair in zip(results, truths, strict=True)]
    worst = int(np.argmax(found))
    assert found[worst] <= BOUNDS[name], f"{found[worst]} ULP at {x[worst]!r}"


@over_verbs
def test_error_over_all_float32(name):
    x = np.arange(0, 1 << 32, 32771, dtype=np.uint32).view(np.float32)  # 131,060 of them, a prime number apart
    result, truth = VERBS[name](x), in_numpy(name, x, np.float64)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(result), np.isnan(truth))
    known = ~np.isnan(truth)
    np.testing.assert_array_equal(np.signbit(result[known]), np.signbit(truth[known]))
    found = errors(result[known], truth[known])
    assert found.max() <= BOUNDS[name], f"{found.max()} ULP at {x[known][found.argmax()]!r}"


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="there is no wider float to compare with")
@over_verbs
def test_error_over_many_float64(name):
    x = sample(name, np.float64, 20_000)
    found = errors(VERBS[name](x), in_numpy(name, x, np.longdouble))
    assert found.max() <= BOUNDS[name], f"{found.max()} ULP at {x[found.argmax()]!r}"


EDGES = [
    (exp, [0.0, -0.0, -1e4, 1e4, -np.inf, np.inf], [1, 1, 0, np.inf, 0, np.inf]),
    (expm1, [0.0, -0.0, -1e4, 1e4, -np.inf, np.inf], [0.0, -0.0, -1, np.inf, -1, np.inf]),
    (log1p, [0.0, -0.0, -1.0, np.inf, -1.5, -1e4, -np.inf], [0.0, -0.0, -np.inf, np.inf, np.nan, np.nan, np.nan]),
    (sigmoid, [0.0, -0.0, -1e4, 1e4, -np.inf, np.inf], [0.5, 0.5, 0, 1, 0, 1]),
    (tanh, [0.0, -0.0, -1e4, 1e4, -np.inf, np.inf], [0.0, -0.0, -1, 1, -1, 1]),
    (softplus, [-1e4, 1e4, -np.inf, np.inf], [0, 1e4, 0, np.inf]),
]


@over_dtypes
@pytest.mark.parametrize(("verb", "x", "expected"), EDGES, ids=VERBS)
def test_edges(verb, x, expected, dtype):
    result = verb(np.array([*x, np.nan], dtype))
    np.testing.assert_array_equal(result, np.array([*expected, np.nan], dtype))
    np.testing.assert_array_equal(np.signbit(result[: len(x)]), np.signbit(expected) & ~np.isnan(expected))


def test_range_of_float32():
    f = np.float32
    np.testing.assert_array_equal(np.isinf(exp(np.array([88.72, 88.73], f))), [False, True])
    assert exp(f(-104)) == sigmoid(f(-104)) == 0
    denormal = 3.783505853677006e-44  # e^-100, 27 times the least float32
    for verb in (exp, sigmoid, softplus):
        assert abs(verb(f(-100)) - denormal) <= np.finfo(f).smallest_subnormal


def test_range_of_float64():
    np.testing.assert_array_equal(np.isinf(exp(np.array([709.78, 709.79]))), [False, True])
    assert exp(-746.0) == sigmoid(-746.0) == 0
    assert abs(sigmoid(-740.0) - 4.19955798965060e-322) <= 5e-324


@over_dtypes
def test_small_arguments_come_back(dtype):
    info = np.finfo(dtype)
    x = np.array([info.smallest_subnormal, 5 * info.smallest_subnormal, info.tiny, 1e-30, info.eps / 8], dtype)
    for verb in (tanh, expm1, log1p):
        np.testing.assert_array_equal(verb(x), x)
        np.testing.assert_array_equal(verb(-x), -x)


@given(st.lists(st.floats(width=32), min_size=1, max_size=40))
def test_identities(x):
    x = np.array(x, np.float32)
    eps = np.finfo(np.float32).eps
    np.testing.assert_array_equal(tanh(-x), -tanh(x))
    x = x[np.isfinite(x)]
    np.testing.assert_allclose(sigmoid(x) + sigmoid(-x), 1, rtol=2 * eps)
    np.testing.assert_allclose(softplus(x) - softplus(-x), x, rtol=4 * eps, atol=4 * eps)


@over_dtypes
@over_verbs
def test_position_in_the_array_does_not_matter(name, dtype):
    """The vector body of the loop and its scalar remainder round alike."""
    x = np.random.default_rng(1).normal(0, 3, 150).astype(dtype)
    x = np.abs(x) if name == "log1p" else x
    whole = VERBS[name](x)
    one_by_one = np.concatenate([VERBS[name](x[i : i + 1]) for i in range(x.size)])
    np.testing.assert_array_equal(whole, one_by_one)


RESULT_TYPES = {
    float: float,
    int: float,
    np.float64: np.float64,
    np.float32: np.float32,
    np.float16: np.float32,
    np.int32: np.float64,
}


@over_verbs
def test_numbers(name):
    verb = VERBS[name]
    assert verb(1) == verb(1.0) == verb(np.int8(1)) == verb(np.float64(1))
    for given_type, expected in RESULT_TYPES.items():
        assert type(verb(given_type(1))) is expected


def test_integers_beyond_64_bits():
    assert exp(-(10**30)) == exp(-(10**400)) == 0
    assert softplus(10**30) == 1e30
    assert exp(10**400) == math.inf


GRID = np.linspace(-3, 3, 24).reshape(2, 3, 4)
ARRAYS = {
    "float32": (GRID.astype(np.float32), np.float32),
    "float64": (GRID, np.float64),
    "float16": (GRID.astype(np.float16), np.float32),
    "int32": (np.arange(-3, 3, dtype=np.int32), np.float64),
    "uint8": (np.arange(5, dtype=np.uint8), np.float64),
    "big-endian": (GRID.astype(">f4"), np.float32),
    "Fortran": (np.asfortranarray(GRID), np.float64),
    "strided": (GRID[:, ::-2, ::3], np.float64),
    "misaligned": (np.zeros(3, [("a", "u1"), ("b", "f8")])["b"], np.float64),
    "no dimensions": (np.array(0.25, np.float32), np.float32),
    "empty": (np.zeros((0, 3), np.float32), np.float32),
    "list": ([[0.5, 1.0], [2.0, 3.0]], np.float64),
}


@pytest.mark.parametrize(("x", "dtype"), ARRAYS.values(), ids=ARRAYS)
def test_arrays(x, dtype):
    before = np.array(x)
    result = sigmoid(x)
    assert isinstance(result, np.ndarray)
    assert (result.dtype, result.shape) == (dtype, before.shape)
    assert result.dtype.isnative
    assert result.flags.c_contiguous
    np.testing.assert_allclose(result, 1 / (1 + np.exp(-before.astype(np.float64))), rtol=4 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(x, before)
    assert not np.shares_memory(result, x)


def test_read_only_array():
    x = np.ones(4, np.float32)
    x.flags.writeable = False
    np.testing.assert_array_equal(exp(x), exp(np.ones(4, np.float32)))


@pytest.mark.parametrize("x", [True, np.array([True]), 1j, np.zeros(2, complex), "1", ["a"], None, np.array([{}])])
def test_wrong_types(x):
    with pytest.raises(TypeError, match=r"softplus: x must hold real numbers"):
        softplus(x)


@numba.njit
def all_of(x):
    return exp(x), expm1(x), log1p(x), sigmoid(x), tanh(x), softplus(x)


@pytest.mark.parametrize("x", [np.float32(0.75), 0.75, 2], ids=["float32", "float64", "int64"])
def test_numbers_in_compiled_code(x):
    results = all_of(x)
    assert results == tuple(verb(x) for verb in VERBS.values())


def test_numbers_stay_float32_in_compiled_code():
    all_of(np.float32(0.75))
    (returned,) = {s.return_type for s in all_of.nopython_signatures if s.args == (numba.float32,)}
    assert set(returned) == {numba.float32}


@numba.njit
def sigmoid_of(x):
    return sigmoid(x)


@pytest.mark.parametrize("case", ["float32", "strided", "int32", "no dimensions"])
def test_arrays_in_compiled_code(case):
    x, dtype = ARRAYS[case]
    result = sigmoid_of(x)
    assert (result.dtype, result.shape) == (dtype, x.shape)
    np.testing.assert_array_equal(result, sigmoid(x))


@pytest.mark.parametrize("x", [True, 1j, "1", np.array([True])], ids=["bool", "complex", "str", "bool array"])
def test_wrong_types_in_compiled_code(x):
    with pytest.raises(TypingError, match=r"sigmoid: x must be a real number"):
        sigmoid_of(x)


@over_dtypes
@over_verbs
def test_loops_become_vector_code(name, dtype):
    verb = VERBS[name]

    @numba.njit
    def loop(x, out):
        for i in range(x.size):
            out[i] = verb(x[i])

    number = numba.from_dtype(np.dtype(dtype))
    loop.compile((number[::1], number[::1]))
    code = loop.inspect_llvm(loop.signatures[0])
    element = "float" if dtype is np.float32 else "double"
    assert re.search(rf"fmul contract <\d+ x {element}>", code)
    assert not re.search(r"call [^@]*@(?!llvm\.|NRT_)\w*(exp|log|tanh|copysign)", code)
    if dtype is np.float32:
        assert not re.search(r"\bdouble\b", code)


def test_second_process_does_not_compile(tmp_path):
    def files_after_run():
        command = [sys.executable, "-W", "error", "-c", "from fastgd.elementwise import exp; exp(1.0)"]
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
        subprocess.run(command, check=True, env=environment, cwd=os.path.dirname(elementwise.__file__) + "/..")
        return {path.name: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nb?")}

    first = files_after_run()
    assert first
    assert files_after_run() == first


def test_masks_are_not_lost():
    with pytest.raises(ValueError, match="sigmoid: x must have no masked elements"):
        sigmoid(np.ma.array([1.0, 2.0], mask=[False, True]))
