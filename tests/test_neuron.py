"""The neuron against plain NumPy and central differences, and that it touches nothing but the gradient."""

import math
import os
import pickle

import numpy as np
import pytest
import reference
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numba.core.errors import NumbaError, TypingError
from user_program import sum_over_rows, two_halves

import fastgd
from fastgd import Neuron, init_params, n_params, predict, value_and_grad
from fastgd.models.neuron import backward, forward

PAIRS = [("sigmoid", "mse"), ("tanh", "mse"), ("identity", "mse"), ("sigmoid", "binary_cross_entropy")]
DTYPES = [np.float32, np.float64]
TOLERANCES = {np.float32: 5e-6, np.float64: 1e-13}
GUARD = 16  # numbers on either side of an array that must stay as they are

pairs = pytest.mark.parametrize(("activation", "loss"), PAIRS, ids=["-".join(pair) for pair in PAIRS])
# Sizes around the multiples of what a vector or a tile of rows takes.
sizes = st.one_of(st.integers(1, 70), st.sampled_from([7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 130]))

ORDERS_OF_ROWS = "any", "one after the other", "the ends exchanged", "one is missing"


@pytest.fixture(params=DTYPES, ids=lambda dtype: dtype.__name__)
def dtype(request):
    return request.param


def rows_and_targets(n, d, dtype, seed=0):
    rng = np.random.default_rng([seed, n, d])
    X = rng.normal(size=(n, d)).astype(dtype)
    params = (rng.normal(size=d + 1) / math.sqrt(d)).astype(dtype)
    return X, rng.random(n).astype(dtype), params


def guarded(size, dtype):
    """An array in the middle of a larger one, and the larger one."""
    whole = np.full(size + 2 * GUARD, 777, dtype)
    return whole[GUARD : GUARD + size], whole


def assert_guards_hold(whole):
    assert (whole[:GUARD] == 777).all()
    assert (whole[-GUARD:] == 777).all()


def assert_close(value, expected, dtype, scale=0.0):
    """Close, as measured by the largest component and by the scale of the terms that were added up to it."""
    tolerance = TOLERANCES[dtype] * (np.abs(expected).max() + scale)
    np.testing.assert_allclose(value, expected, rtol=TOLERANCES[dtype], atol=tolerance)


def scales(params, X, y, activation, loss):
    """The scale of each row's loss and gradient, by which their rounding is measured.

    The difference a - y has no more digits than a and y, of about 1, however small it is; and sums of many terms
    cancel.
    """
    row_losses = reference.losses(params.astype(float), X, y, activation, loss)
    row_gradients = reference.gradients(params.astype(float), X, y, activation, loss)
    size = 1 + np.abs(reference.forward(params.astype(float), X, activation))
    largest_x = np.maximum(1, np.abs(X).max(axis=1))
    return row_losses + size * np.sqrt(row_losses), np.abs(row_gradients).max(axis=1) + size * largest_x


@pairs
@pytest.mark.parametrize("dtype", DTYPES)
@settings(deadline=None, max_examples=60)
@given(n=sizes, d=sizes, seed=st.integers(0, 10))
@example(n=1, d=1, seed=0)
@example(n=2, d=1, seed=0)
@example(n=200, d=300, seed=0)
def test_value_and_grad(activation, loss, dtype, n, d, seed):
    X, y, params = rows_and_targets(n, d, dtype, seed)
    before = X.copy(), y.copy(), params.copy()
    grads, whole = guarded(d + 1, dtype)
    value = value_and_grad(Neuron(d, activation, loss), params, X, y, grads)
    expected, expected_grads = reference.loss_and_grad(params, X, y, activation, loss)
    of_loss, of_gradient = scales(params, X, y, activation, loss)
    assert_close(value, expected, dtype, of_loss.mean())
    assert_close(grads, expected_grads, dtype, of_gradient.mean())
    assert_guards_hold(whole)
    for array, original in zip((X, y, params), before, strict=True):
        np.testing.assert_array_equal(array, original)


@pytest.mark.parametrize(("n", "d"), [(70_001, 5), (9001, 30), (3001, 130)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_data_beyond_the_cache(n, d, dtype):
    X, y, params = rows_and_targets(n, d, dtype)
    grads = np.empty(d + 1, dtype)
    loss = value_and_grad(Neuron(d), params, X, y, grads)
    expected_loss, expected = reference.loss_and_grad(params.astype(float), X, y)
    assert loss == pytest.approx(expected_loss, rel=TOLERANCES[dtype])
    np.testing.assert_allclose(grads, expected, atol=TOLERANCES[dtype])
    np.testing.assert_allclose(
        predict(Neuron(d), params, X), reference.forward(params.astype(float), X), atol=TOLERANCES[dtype]
    )


@pairs
@pytest.mark.parametrize("dtype", DTYPES)
@settings(deadline=None, max_examples=60)
@given(
    n=sizes,
    d=sizes,
    taken=sizes,
    order=st.sampled_from(ORDERS_OF_ROWS),
    seed=st.integers(0, 10),
    weighted=st.booleans(),
)
@example(n=3, d=1, taken=1, order="any", seed=0, weighted=True)
@example(n=300, d=16, taken=257, order="any", seed=0, weighted=True)
@example(n=300, d=16, taken=257, order="one after the other", seed=0, weighted=True)
@example(n=300, d=17, taken=100, order="the ends exchanged", seed=0, weighted=False)
@example(n=300, d=31, taken=100, order="one is missing", seed=0, weighted=True)
def test_rows_of_a_table(activation, loss, dtype, n, d, taken, order, seed, weighted):
    X, y, params = rows_and_targets(n, d, dtype, seed)
    rng = np.random.default_rng(seed)
    if order == "any":
        rows = rng.integers(0, n, taken)  # some of them several times
    else:
        taken = min(taken, n)
        rows = rng.integers(0, n - taken + 1) + np.arange(taken)
        if order == "the ends exchanged":
            rows[[0, -1]] = rows[[-1, 0]]
        if order == "one is missing":
            rows = np.delete(rows, rng.integers(0, taken)) if taken > 1 else rows
    rows = rows.astype(np.uint32)
    weight = rng.integers(0, 3, n).astype(dtype) if weighted else np.ones(n, dtype)
    weight[rows[0]] = 1
    grads, whole = guarded(d + 1, dtype)
    already = rng.normal(size=d + 1).astype(dtype)
    grads[:] = already
    value = sum_over_rows(Neuron(d, activation, loss), params, X, y, weight, rows, grads)
    expected, expected_grads = reference.loss_and_grad(params, X, y, activation, loss, weight, rows)
    total = weight[rows].sum()
    of_loss, of_gradient = (weight[rows] @ scale[rows] for scale in scales(params, X, y, activation, loss))
    assert_close(value, expected * total, dtype, of_loss)
    assert_close(grads, already + expected_grads * total, dtype, of_gradient + np.abs(already).max())
    assert_guards_hold(whole)


@pairs
@pytest.mark.parametrize(("n", "d"), [(1, 1), (5, 3), (19, 9)])
def test_gradients_are_those_of_the_loss(activation, loss, n, d):
    X, y, params = rows_and_targets(n, d, np.float64)
    neuron, grads = Neuron(d, activation, loss), np.empty(d + 1)

    def value_at(point):
        return value_and_grad(neuron, point, X, y, np.empty(d + 1))

    value_and_grad(neuron, params, X, y, grads)
    np.testing.assert_allclose(grads, reference.central_differences(value_at, params), rtol=1e-6, atol=1e-9)


def test_the_worked_example(dtype):
    # z = 3·2 + 1 = 7, a = 0.999089, L = (a - 1)², dL/dw = 2(a - 1) · a(1 - a) · 2.
    a = 1 / (1 + math.exp(-7))
    grads = np.empty(2, dtype)
    value = value_and_grad(Neuron(1), np.array([3, 1], dtype), [[2.0]], [1.0], grads)
    rel = 1e-12 if dtype == np.float64 else 1e-3  # 1 - a has few digits in float32
    assert value == pytest.approx((a - 1) ** 2, rel=rel)
    assert grads.tolist() == pytest.approx([4 * (a - 1) * a * (1 - a), 2 * (a - 1) * a * (1 - a)], rel=rel)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "identity"])
@pytest.mark.parametrize("dtype", DTYPES)
@settings(deadline=None, max_examples=40)
@given(n=sizes, d=sizes)
def test_predict(activation, dtype, n, d):
    X, _, params = rows_and_targets(n, d, dtype)
    outputs = predict(Neuron(d, activation), params, X)
    assert (outputs.shape, outputs.dtype) == ((n,), dtype)
    assert_close(outputs, reference.forward(params.astype(float), X, activation), dtype)


def test_predicting_no_rows(dtype):
    assert predict(Neuron(3), np.ones(4, dtype), np.empty((0, 3), dtype)).shape == (0,)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: forward(np.zeros(3), np.ones((4, 3)), np.empty(4)), "forward: params must have"),
        (lambda: forward(np.zeros(4), np.ones((4, 3)), np.empty(3)), "forward: a must have"),
        (lambda: backward(np.ones((4, 3)), np.zeros(3), np.zeros(4), np.empty(4)), "backward: y and a must have"),
        (lambda: backward(np.ones((4, 3)), np.zeros(4), np.zeros(4), np.empty(3)), "backward: grads must have"),
    ],
)
def test_lengths_that_do_not_fit(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: forward(np.zeros(4, np.float32), np.ones((4, 3)), np.empty(4)),
        lambda: backward(np.ones((4, 3)), np.zeros(4), np.zeros(4), np.empty(4, np.float32)),
    ],
)
def test_dtypes_that_do_not_fit(call):
    with pytest.raises(NumbaError, match="a model's arrays must be of one dtype, got float32 beside X of float64"):
        call()


@fastgd.njit
def value_in_compiled_code(model, params, X, y, grads):
    return fastgd.value_and_grad(model, params, X, y, grads)


@pytest.mark.parametrize(
    ("n_params", "n_rows", "words"), [(3, 5, "params and grads"), (4, 4, "X and y"), (4, 0, "X and y")]
)
def test_lengths_that_do_not_fit_in_compiled_code(n_params, n_rows, words):
    X = np.ones((n_rows, 3))
    with pytest.raises(ValueError, match=f"value_and_grad: {words} must have"):
        value_in_compiled_code(Neuron(3), np.zeros(n_params), X, np.zeros(5 if n_rows else 0), np.zeros(4))


def test_grads_and_params_may_not_share_memory():
    params = np.zeros(4)
    with pytest.raises(ValueError, match="grads and params must not share memory"):
        fastgd.value_and_grad(Neuron(3), params, np.ones((5, 3)), np.zeros(5), params)


@pytest.mark.parametrize("dtype", DTYPES)
@settings(deadline=None, max_examples=40)
@given(n=sizes, d=sizes)
def test_forward_and_backward(dtype, n, d):
    X, y, params = rows_and_targets(n, d, dtype)
    grads, whole = guarded(d + 1, dtype)
    a = two_halves(params, X, y, grads)
    _, expected = reference.loss_and_grad(params, X, y)
    assert_close(a, reference.forward(params.astype(float), X), dtype)
    assert_close(grads, expected, dtype, scales(params, X, y, "sigmoid", "mse")[1].mean())
    assert_guards_hold(whole)


@pairs
def test_saturated(activation, loss, dtype):
    X = np.array([[1], [-1], [1e4], [-1e4], [30], [-30]] * 4, dtype)
    y = np.array([0, 1, 1, 0, 1, 1] * 4, dtype)
    params = np.array([100, 0], dtype)
    grads = np.empty(2, dtype)
    value = value_and_grad(Neuron(1, activation, loss), params, X, y, grads)
    expected, expected_grads = reference.loss_and_grad(params, X, y, activation, loss)
    assert_close(value, expected, dtype)
    # What is left of a derivative may be a denormal number.
    np.testing.assert_allclose(grads, expected_grads, rtol=TOLERANCES[dtype], atol=np.finfo(dtype).tiny)
    outputs = predict(Neuron(1, activation), params, X)
    np.testing.assert_allclose(outputs, reference.forward(params.astype(float), X, activation), rtol=1e-6, atol=1e-37)


def test_cross_entropy_of_a_sure_mistake_is_finite(dtype):
    grads = np.empty(2, dtype)
    for z in (1e3, -1e3):
        value = value_and_grad(Neuron(1, loss="binary_cross_entropy"), np.array([z, 0], dtype), [[1]], [z < 0], grads)
        assert value == 1000
        np.testing.assert_array_equal(grads, np.sign(z))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pairs
def test_nan_is_never_hidden(activation, loss, dtype, bad):
    X, y, params = rows_and_targets(40, 5, dtype)
    params[2] = np.nan
    grads = np.empty(6, dtype)
    assert math.isnan(value_and_grad(Neuron(5, activation, loss), params, X, y, grads))
    assert np.isnan(grads).all()
    X[33, 4] = bad
    assert np.isnan(predict(Neuron(5, activation), params, X)).all()


@pytest.mark.parametrize("n", [1_000_003, 3_000_000])
def test_sums_lose_no_digits(n):
    # Terms of one size and sign, the worst case for a running sum in float32: it would be off by 1e-2.
    X = np.random.default_rng(0).random((n, 2), np.float32)
    y = np.zeros(n, np.float32)
    for neuron in (Neuron(2, "identity"), Neuron(2), Neuron(2, loss="binary_cross_entropy")):
        params, grads, exact = np.array([0.7, 0.2, 0.1], np.float32), np.empty(3, np.float32), np.empty(3)
        value = value_and_grad(neuron, params, X, y, grads)
        assert value == pytest.approx(
            value_and_grad(neuron, params.astype(float), X.astype(float), y.astype(float), exact), rel=1e-6
        )
        np.testing.assert_allclose(grads, exact, rtol=1e-6)
    # The two halves too.
    two_halves(params, X, y, grads)
    value_and_grad(Neuron(2), params.astype(float), X.astype(float), y.astype(float), exact)
    np.testing.assert_allclose(grads, exact, rtol=1e-5)


@pairs
@pytest.mark.parametrize("d", [13, 64, 96, 128])
def test_the_same_bits_every_time(activation, loss, dtype, d):
    X, y, params = rows_and_targets(65_000 // d, d, dtype)
    results = set()
    memory = np.empty(X.nbytes + 128, np.uint8)
    begin = -memory.ctypes.data % 64  # a cache line's
    for shift in range(0, 64, X.itemsize):  # wherever the rows lie in memory
        moved = memory[begin + shift : begin + shift + X.nbytes].view(dtype).reshape(X.shape)
        moved[:] = X
        grads = np.empty(d + 1, dtype)
        value = value_and_grad(Neuron(d, activation, loss), params, moved, y, grads)
        single = np.concatenate([predict(Neuron(d, activation), params, moved[i : i + 1]) for i in range(40)])
        outputs = predict(Neuron(d, activation), params, moved)
        np.testing.assert_array_equal(outputs[:40], single)
        results.add((value, grads.tobytes(), outputs.tobytes()))
    assert len(results) == 1


# What Python accepts.


def test_any_array_of_numbers(dtype):
    X = np.arange(-12, 12).reshape(8, 3)
    y = np.array([0, 1] * 4)
    params = np.array([0.25, -0.5, 0.125, 1], dtype)
    neuron = Neuron(3, loss="binary_cross_entropy")
    expected_grads = np.empty(4, dtype)
    expected = value_and_grad(neuron, params, X.astype(dtype), y.astype(dtype), expected_grads)
    outputs = predict(neuron, params, X.astype(dtype))
    locked = X.astype(dtype)
    locked.flags.writeable = False
    for given_X in (
        X,
        X.tolist(),
        X.astype(np.int8),
        X.astype(np.float16),
        X.astype(">f8"),
        X.astype(np.float64 if dtype == np.float32 else np.float32),
        np.asfortranarray(X.astype(dtype)),
        np.repeat(X.astype(dtype), 2, axis=0)[::2],
        np.repeat(X.astype(dtype), 2, axis=1)[:, 1::2],
        X.astype(dtype)[::-1][::-1],
        locked,
    ):
        for given_y in (y, y.tolist(), y.astype(bool), y.astype(">f4"), np.repeat(y.astype(dtype), 3)[::3]):
            grads = np.empty(4, dtype)
            assert value_and_grad(neuron, params, given_X, given_y, grads) == expected
            np.testing.assert_array_equal(grads, expected_grads)
        np.testing.assert_array_equal(predict(neuron, params, given_X), outputs)
    np.testing.assert_array_equal(predict(neuron, params.tolist(), X), predict(neuron, params.astype(float), X))


GOOD = {"model": Neuron(2), "params": np.ones(3), "X": np.ones((4, 2)), "y": np.ones(4), "grads": np.ones(3)}


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"X": np.ones((4, 3))}, ValueError, "X must have 2 columns, as this Neuron has, got 3"),
        ({"X": np.ones(4)}, ValueError, r"X must be a 2-D array \(rows, columns\), got shape \(4,\); use X.reshape"),
        ({"X": np.ones((0, 2)), "y": []}, ValueError, r"X must have at least one row and one column, got shape \(0"),
        ({"X": np.ones((4, 2), complex)}, TypeError, "X must hold real numbers .* got dtype complex128"),
        ({"X": np.ones((4, 2), object)}, TypeError, "X must hold real numbers .* got dtype object"),
        ({"X": np.ones((4, 2), bool)}, TypeError, "X must hold real numbers .* got dtype bool"),
        ({"X": [[1, 2], [3]]}, ValueError, "X must be"),
        ({"X": None}, TypeError, "X must hold real numbers"),
        ({"y": np.ones(3)}, ValueError, r"y must have as many rows as X \(4\), got 3"),
        ({"y": np.ones((4, 1))}, ValueError, r"y must be a 1-D array, a target a row, got shape \(4, 1\)"),
        ({"y": 1.0}, ValueError, r"y must be a 1-D array, got shape \(\)"),
        ({"y": ["a", "b", "c", "d"]}, TypeError, "y must hold real numbers"),
        ({"params": np.ones(2)}, ValueError, "params must have 3 elements for Neuron.*, got 2"),
        ({"params": np.ones((3, 1))}, ValueError, r"params must be a 1-D array, got shape \(3, 1\)"),
        ({"params": "w"}, TypeError, "params must hold real numbers"),
        ({"grads": np.ones(4)}, ValueError, "grads must have 3 elements, got 4"),
        ({"grads": np.ones(6)[::2]}, ValueError, "grads must be a 1-D, contiguous, writable array, got a strided one"),
        ({"grads": np.ones(3, int)}, TypeError, "grads must be a float32 or float64 array, got dtype int64"),
        ({"grads": [0.0, 0.0, 0.0]}, TypeError, "grads must be a float32 or float64 array, got list"),
        ({"grads": None}, TypeError, "grads must be a float32 or float64 array, got NoneType"),
        ({"model": Neuron}, TypeError, r"expected a model or an objective, got the class Neuron itself; write Neuron"),
        ({"model": fastgd.Adam()}, TypeError, "expected a model or an objective, got Adam, which is not registered"),
        (
            {"model": Neuron(2, loss="binary_cross_entropy"), "y": np.full(4, 1.5)},
            ValueError,
            r"y must lie in \[0, 1\] for loss 'binary_cross_entropy', got values from 1.5 to 1.5",
        ),
    ],
)
def test_errors_say_what_was_expected(changes, error, message):
    arguments = GOOD | changes
    with pytest.raises(error, match=message):
        value_and_grad(**arguments)
    if {"X", "params"} & set(changes) and "y" not in changes:
        with pytest.raises(error, match=f"{'(predict: )?' if 'columns' in message else 'predict: '}{message}"):
            predict(arguments["model"], arguments["params"], arguments["X"])


# The tuple.


def test_compiled_code_says_which_arrays_must_be_contiguous():
    X, y = rows_and_targets(5, 3, np.float64)[:2]
    for params, rows in ((np.ones(8)[::2], X), (np.ones(4), np.asfortranarray(X))):
        with pytest.raises(TypingError, match="a model's arrays must be contiguous and C-ordered, got array"):
            two_halves(params, rows, y, np.empty(4))


def test_names_and_codes():
    neuron = Neuron(3, "tanh", "mse")
    assert neuron == Neuron(3, 1, 0) == Neuron(n_features=np.int32(3), activation="tanh")
    assert repr(neuron) == "Neuron(n_features=3, activation='tanh', loss='mse')"
    assert [type(field) for field in neuron] == [int, int, int]
    assert pickle.loads(pickle.dumps(neuron)) == neuron
    assert neuron._replace(activation="identity") == Neuron(3, "identity")
    assert Neuron(5) == Neuron(5, "sigmoid", "mse")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((0,), ValueError, "Neuron: n_features must be an integer, 1 or larger, got 0"),
        ((-3,), ValueError, "Neuron: n_features must be an integer, 1 or larger, got -3"),
        ((2.0,), TypeError, "Neuron: n_features must be an integer"),
        ((True,), TypeError, "Neuron: n_features must be an integer"),
        (("2",), TypeError, "Neuron: n_features must be an integer"),
        ((), TypeError, "missing 1 required positional argument: 'n_features'"),
        ((2, "relu"), ValueError, "Neuron: activation must be one of 'sigmoid', 'tanh', 'identity', got 'relu'"),
        ((2, None), ValueError, "Neuron: activation must be one of"),
        ((2, 3), ValueError, "Neuron: activation must be one of"),
        ((2, "tanh", "mae"), ValueError, "Neuron: loss must be one of 'mse', 'binary_cross_entropy', got 'mae'"),
        (
            (2, "tanh", "binary_cross_entropy"),
            ValueError,
            "Neuron: loss 'binary_cross_entropy' needs activation 'sigmoid', got 'tanh'",
        ),
    ],
)
def test_fields_are_checked(arguments, error, message):
    with pytest.raises(error, match=message):
        Neuron(*arguments)


def test_the_beginning(dtype):
    neuron = Neuron(400)
    assert n_params(neuron) == 401
    params = init_params(neuron, seed=3, dtype=dtype)
    assert (params.shape, params.dtype, params[-1]) == ((401,), dtype, 0)
    assert 0.04 < np.abs(params).max() <= 0.05  # 1 / √400
    np.testing.assert_array_equal(params, init_params(neuron, 3, dtype))
    assert (params != init_params(neuron, 4, dtype)).any()
    assert init_params(neuron).dtype == np.float32


@pytest.mark.skipif(os.name != "posix", reason="needs mprotect")
def test_nothing_beyond_an_array_is_read(python):
    # Every array ends where a page begins that may not be touched: reading one number more would kill the process.
    code = """
import ctypes, mmap, sys
import numpy as np
import fastgd
from user_program import sum_over_rows, two_halves

libc = ctypes.CDLL(None, use_errno=True)

def at_the_edge(array):
    page = mmap.PAGESIZE
    pages = -(-array.nbytes // page)
    memory = mmap.mmap(-1, (pages + 1) * page)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    assert libc.mprotect(ctypes.c_void_p(start + pages * page), ctypes.c_size_t(page), 0) == 0
    placed = np.frombuffer(memory, array.dtype, array.size, pages * page - array.nbytes).reshape(array.shape)
    placed[...] = array
    return placed

rng = np.random.default_rng(0)
for dtype in (np.float32, np.float64):
    for n in (1, 2, 3, 15, 16, 17, 18, 33, 63, 64, 65):
        for d in (1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33):
            X, y = at_the_edge(rng.random((n, d)).astype(dtype)), at_the_edge(rng.random(n).astype(dtype))
            params, grads = at_the_edge(np.ones(d + 1, dtype)), at_the_edge(np.zeros(d + 1, dtype))
            weight, rows = at_the_edge(np.ones(n, dtype)), at_the_edge(np.arange(n, dtype=np.uint32)[::-1])
            neuron = fastgd.Neuron(d)
            sum_over_rows(neuron, params, X, y, weight, rows, grads)
            fastgd.value_and_grad(neuron, params, X, y, grads)
            fastgd.predict(neuron, params, X)
            two_halves(params, X, y, grads)
            fastgd.update(fastgd.Adam(), 0.1, grads, fastgd.init_state(fastgd.Adam(), params), params)
            fastgd.clip_by_norm(1.0, grads)
            fastgd.clip_by_value(0.1, grads)
            if d == 17 and n > 2:
                fastgd.fit(neuron, X, y, batch_size=n // 2, epochs=2)
print("alive")
"""
    # With the cache of this process, which has compiled all of it.
    assert python("-c", code, cache=os.environ.get("NUMBA_CACHE_DIR")).stdout.strip() == "alive"
