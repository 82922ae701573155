"""Every verb in Python and inside a user's compiled functions, from a module of its own (`user_program`)."""

import copy
import json
import os

import numba
import numpy as np
import pytest
import reference
import user_program
from numba.core.runtime import _nrt_python, rtsys
from user_rules import Averaged, SoftSign

import fastgd
from fastgd import SGD, Adam, Momentum, Nesterov, Neuron, init_state

DTYPES = [np.float32, np.float64]
TOLERANCES = {np.float32: 2e-5, np.float64: 1e-12}


@pytest.fixture(params=DTYPES, ids=lambda dtype: dtype.__name__)
def dtype(request):
    return request.param


def table(dtype, n=50, d=3):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d)).astype(dtype)
    return X, (X[:, 0] > X[:, 1]).astype(dtype)


def test_a_program_of_all_verbs(dtype):
    X, y = table(dtype)
    results = []
    for run in (user_program.train_by_hand, user_program.train_by_hand.py_func):  # the verbs compiled, and in Python
        params = np.zeros(4, dtype)
        norms, mean, outputs = run(X, y, params, 30, 0.5, 0.25)
        assert (mean.dtype, outputs.dtype) == (dtype, dtype)
        results.append(np.concatenate([[norms], params, mean, outputs]))
    np.testing.assert_allclose(*results, rtol=TOLERANCES[dtype], atol=TOLERANCES[dtype])

    points, memory, params, norms = [], {}, np.zeros(4), 0.0
    for t in range(30):
        g = reference.loss_and_grad(params, X, y, loss="binary_cross_entropy")[1]
        norms += np.linalg.norm(g)
        g = reference.clip_by_value(0.25, reference.clip_by_norm(0.5, g))
        rate = reference.exponential_decay(t, 0.1, 0.01)
        params = reference.adam(t + 1, rate, g, memory, params, beta2=0.99)
        points.append(params)
    mean = np.mean(points, axis=0)
    expected = np.concatenate([[norms], params, mean, reference.forward(mean, X)])
    np.testing.assert_allclose(results[0], expected, rtol=TOLERANCES[dtype], atol=TOLERANCES[dtype])


def test_the_two_halves(dtype):
    X, y = table(dtype)
    params = np.linspace(-1, 1, 4).astype(dtype)
    grads, from_python = np.empty(4, dtype), np.empty(4, dtype)
    a = user_program.two_halves(params, X, y, grads)
    np.testing.assert_array_equal(a, user_program.two_halves.py_func(params, X, y, from_python))
    np.testing.assert_array_equal(grads, from_python)
    fused = np.empty(4, dtype)
    fastgd.value_and_grad(Neuron(3), params, X, y, fused)
    np.testing.assert_allclose(grads, fused, rtol=TOLERANCES[dtype])


def test_an_objective_in_compiled_code():
    ends = [np.array([-1.0, 1.0]) for _ in range(2)]
    values = [
        run(end, 50)
        for run, end in zip(
            (user_program.minimize_rosenbrock, user_program.minimize_rosenbrock.py_func), ends, strict=True
        )
    ]
    assert values[0] == pytest.approx(values[1], rel=1e-12)
    np.testing.assert_allclose(*ends, rtol=1e-12)

    @numba.njit
    def by_keyword(objective, x, grads):
        return fastgd.value_and_grad(objective, x, grads=grads)

    grads = np.empty(2)
    assert by_keyword(user_program.Rosenbrock(), np.array([-1.2, 1.0]), grads) == pytest.approx(24.2)
    np.testing.assert_allclose(grads, [-215.6, -88])


def test_functions_of_numbers_and_arrays(dtype):
    x = np.array([0.5, -2, 3], dtype)
    for ones, arrays in (user_program.elementwise(x), user_program.elementwise.py_func(x)):
        expected = [np.exp(x[0]), np.expm1(x[0]), np.log1p(x[0]), reference.sigmoid(x[0])]
        np.testing.assert_allclose(ones, expected, rtol=3 * np.finfo(dtype).eps)
        expected = [np.tanh(x), np.logaddexp(0, x), reference.sigmoid(x)]
        np.testing.assert_allclose(arrays, expected, rtol=5 * np.finfo(dtype).eps)
        assert all(array.dtype == dtype for array in arrays)


def test_a_schedule_in_a_loop():
    params, expected = np.ones(3), np.ones(3)
    user_program.descend(SGD(), fastgd.ExponentialDecay(0.1, 0.3), params, 10)
    for t in range(10):
        expected -= reference.exponential_decay(t, 0.1, 0.3) * 2 * np.arange(1, 4) * expected
    np.testing.assert_allclose(params, expected, rtol=1e-12)


OPTIMIZERS = [SGD(), Momentum(), Nesterov(), Adam(), Averaged(Adam()), SoftSign()]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda optimizer: type(optimizer).__name__)
def test_the_point_to_evaluate_at(optimizer):
    params = np.array([1.0, -2.0])
    state = init_state(optimizer, params)
    points = []
    for _ in range(3):
        fastgd.update(optimizer, 0.1, 2 * params, state, params)
        points.append(params.copy())
    out = np.empty(2)
    fastgd.eval_params(optimizer, state, params, out)
    expected = np.mean(points, axis=0) if isinstance(optimizer, Averaged) else params
    np.testing.assert_allclose(out, expected, rtol=1e-14)
    for bad, error in [(np.empty(3), ValueError), (np.empty(2, "f4"), ValueError), ([0.0, 0.0], TypeError)]:
        with pytest.raises(error, match="eval_params: out must be"):
            fastgd.eval_params(optimizer, state, params, bad)


def test_a_state_that_does_not_fit_is_not_read():
    optimizer = fastgd.EMA(Momentum())
    params, out = np.ones(3), np.zeros(3)
    state = init_state(optimizer, params)
    wrong = [
        ({"state": None}, TypeError, "state must be EMAState, as init_state makes it for this optimizer, got NoneType"),
        ({"state": init_state(fastgd.EMA(Adam()), params)}, TypeError, "state.inner must be MomentumState, as"),
        ({"state": init_state(optimizer, np.ones(2))}, ValueError, "state.inner.velocity must be a contiguous, writ"),
        ({"state": init_state(optimizer, np.ones(3, "f4"))}, TypeError, "state.inner.velocity must be an array of fl"),
        ({"state": state._replace(average=[1.0] * 3)}, TypeError, "state.average must be an array of float64, got l"),
        ({"state": state._replace(average=np.ones(6)[::2])}, ValueError, "state.average must be a contiguous, wri"),
        ({"out": state.average}, ValueError, "state.average and out must not share memory"),
        ({"out": np.ma.array(out)}, TypeError, "out must be an array without a mask, got MaskedArray"),
        ({"out": params}, ValueError, "out and params must not share memory"),
        ({"optimizer": Adam(), "state": None}, TypeError, "state must be AdamState, as init_state"),
    ]
    for changes, error, message in wrong:
        arguments = {"optimizer": optimizer, "state": state, "params": params, "out": out, **changes}
        with pytest.raises(error, match=f"^eval_params: {message}"):
            fastgd.eval_params(**arguments)
    np.testing.assert_array_equal(out, 0)
    np.testing.assert_array_equal(state.average, 1)


@numba.njit
def one_step(optimizer, grads, state, params):
    fastgd.update(optimizer, 0.1, grads, state, params)


@numba.njit
def below(grads, params):
    group = fastgd.ParameterGroup(Momentum(), -3, 2)
    fastgd.update(group, 0.1, grads, init_state(group, params), params)


@numba.njit
def one_point(optimizer, state, params, out):
    fastgd.eval_params(optimizer, state, params, out)


@numba.njit
def outputs(params, X):
    return fastgd.predict(Neuron(3), params, X)


@numba.njit
def loss_and_grads(params, X, y, grads):
    return fastgd.value_and_grad(Neuron(3), params, X, y, grads)


@numba.njit
def at_point(x, grads):
    return fastgd.value_and_grad(fastgd.problems.Bowl(), x, grads)


@numba.njit
def clipped(grads):
    return fastgd.clip_by_norm(1.0, grads)


@numba.njit
def limited(grads):
    fastgd.clip_by_value(0.5, grads)


@numba.njit
def first_state(params):
    return init_state(Adam(), params)


NINE = np.ones(9)
HELD = fastgd.EMA(Momentum())
GROUP, SUMMED = fastgd.ParameterGroup(Momentum(), 4, 8), fastgd.Accumulate(Momentum(), 2)
STATE, OUT_OF_RANGE = init_state(HELD, NINE), init_state(fastgd.ParameterGroup(Momentum(), 0, 2), np.ones(2))
FOUR, TABLE = np.ones(4), np.ones((5, 3))
MISFITS = [
    (one_step, (HELD, np.ones(8), STATE, NINE), "update: grads must have as many elements as params"),
    (one_step, (HELD, NINE, init_state(HELD, FOUR), NINE), "update: state.average must have as many elements as p"),
    (one_step, (HELD, NINE, STATE._replace(inner=init_state(Momentum(), FOUR)), NINE), "update: state.velocity must"),
    (one_step, (GROUP, NINE, OUT_OF_RANGE, NINE), "update: state.velocity must have as many elements as params"),
    (one_step, (SUMMED, NINE, init_state(SUMMED, FOUR), NINE), "update: state.total must have as many elements as p"),
    (one_step, (GROUP, FOUR, init_state(GROUP, NINE), np.ones(4)), "stop must be at most the number of parameters"),
    (below, (NINE, np.ones(9)), "start must be 0 or larger, and less than stop"),
    (one_step, (HELD, np.ones(9, "f4"), STATE, NINE), "update: grads must be a 1-D array of float64, the dtype of pa"),
    (one_step, (HELD, np.ones((3, 3)), STATE, NINE), "update: grads must be a 1-D array of float64, the dtype of par"),
    (one_step, (HELD, 0.5, STATE, NINE), "update: grads must be a 1-D array of float64, the dtype of params, got fl"),
    (one_step, (HELD, NINE, STATE, np.ones(9, int)), "update: params must be an array of float32 or float64, got a C"),
    (one_step, (HELD, NINE, init_state(HELD, np.ones(9, "f4")), NINE), "update: state must be EMAState, as init_state"),
    (one_step, (HELD, NINE, init_state(Momentum(), NINE), NINE), "update: state must be EMAState, as init_state makes"),
    (one_step, (HELD, NINE, init_state(fastgd.EMA(Adam()), NINE), NINE), "update: state must be EMAState, as init_st"),
    (one_point, (HELD, STATE, NINE, np.ones(8)), "eval_params: out must have as many elements as params"),
    (one_point, (HELD, STATE, NINE, np.ones(9, "f4")), "eval_params: out must be a 1-D array of float64, the dtype"),
    (one_point, (HELD, init_state(Adam(), NINE), NINE, NINE), "eval_params: state must be EMAState, as init_state"),
    (outputs, (np.ones(3), TABLE), "predict: params must have an element for each parameter of the model"),
    (outputs, (FOUR, np.ones((5, 2))), "predict: X must have as many columns as the model"),
    (outputs, (FOUR, TABLE.astype("f4")), "predict: X must be a C-ordered 2-D array of float64, the dtype of params"),
    (outputs, (FOUR, np.asfortranarray(TABLE)), "predict: X must be a C-ordered .*, got a Fortran-ordered 2-D one of"),
    (outputs, (np.ones(8)[::2], TABLE), "predict: params must be a C-ordered 1-D array of float64, got a strided"),
    (loss_and_grads, (FOUR, np.ones((5, 2)), np.ones(5), FOUR + 0), "value_and_grad: X must have as many columns as"),
    (loss_and_grads, (FOUR, TABLE, np.ones(4), FOUR + 0), "value_and_grad: X and y must have equally many rows"),
    (loss_and_grads, (FOUR, TABLE, np.ones(5), np.ones(3)), "value_and_grad: params and grads must have an element"),
    (loss_and_grads, (FOUR, TABLE[::2], np.ones(3), FOUR + 0), "value_and_grad: X must be .*, got a strided 2-D one"),
    (loss_and_grads, (FOUR, TABLE, np.ones(5, int), FOUR + 0), "value_and_grad: y must be a 1-D or 2-D array of fl"),
    (at_point, (FOUR, np.ones(3)), "value_and_grad: grads must have as many elements as x has"),
    (
        at_point,
        (FOUR, np.ones(4, int)),
        "value_and_grad: grads must be a 1-D array of float64, the dtype of x, got a",
    ),
    (at_point, (np.ones(4, int), FOUR), "value_and_grad: x must be an array of float32 or float64, got a C-ordered 1"),
    (clipped, (np.ones(4, int),), "clip_by_norm: grads must be an array of float32 or float64, got a C-ordered 1-D"),
    (clipped, (np.ones((2, 2)),), "clip_by_norm: grads must be a 1-D array of float64, got a C-ordered 2-D one"),
    (limited, (np.ones(4, int),), "clip_by_value: grads must be an array of float32 or float64, got a C-ordered 1-D"),
    (first_state, (np.ones(4, int),), "init_state: params must be an array of float32 or float64, got a C-ordered 1"),
    (loss_and_grads, (FOUR, TABLE, np.ones(5), np.ones(4, "f4")), "value_and_grad: grads must be a C-ordered 1-D arr"),
]


@pytest.mark.parametrize(("run", "arguments", "message"), MISFITS, ids=range(len(MISFITS)))
def test_compiled_code_sees_what_does_not_fit(run, arguments, message):
    before = copy.deepcopy(arguments)
    with pytest.raises((ValueError, numba.TypingError), match=message):
        run(*arguments)
    assert repr(arguments) == repr(before)


@numba.njit(parallel=True)
def side_by_side(optimizer, grads, params):
    for k in numba.prange(params.shape[0]):
        state = init_state(optimizer, params[k])
        fastgd.update(optimizer, 0.1, grads[k], state, params[k])


def test_steps_side_by_side():
    params = np.zeros((64, 5))
    side_by_side(Momentum(), np.arange(320.0).reshape(64, 5), params)
    np.testing.assert_allclose(params, -0.1 * np.arange(320).reshape(64, 5), rtol=1e-15)


@numba.njit
def temporaries(x, n_steps):
    """Arguments that nobody else holds."""
    optimizer = Averaged(Momentum(0.5))
    state = init_state(optimizer, x.copy())
    out = np.empty_like(x)
    for _ in range(n_steps):
        grads = np.empty_like(x)
        fastgd.update(optimizer, 0.1, 2 * x + np.zeros(x.size), state, x)
        fastgd.eval_params(optimizer, state, x + 0, out)
        x += 0 * fastgd.value_and_grad(Neuron(1), x + 0, np.ones((5, 1)), np.full(5, 0.5), grads)
        x += 0 * fastgd.predict(Neuron(1), x + 0, np.ones((3, 1)))[0]
    return state.mean + 0, out


def test_no_memory_is_lost_or_read_after_its_end():
    x, expected = np.array([1.0, -2.0]), np.array([1.0, -2.0])
    mean, out = temporaries(x, 40)
    points, memory = [], {}
    for t in range(40):
        expected = reference.momentum(t + 1, 0.1, 2 * expected, memory, expected, 0.5)
        points.append(expected)
    np.testing.assert_allclose(x, expected, rtol=1e-12)
    np.testing.assert_allclose(mean, np.mean(points, axis=0), rtol=1e-12)
    np.testing.assert_array_equal(out, mean)

    X, y = table(np.float64)

    def everything():
        temporaries(np.array([1.0, -2.0]), 40)
        user_program.train_by_hand(X, y, np.zeros(4), 10, 0.5, 0.25)
        state = user_program.descend(Adam(), 0.1, np.ones(3), 5)
        user_program.go_on(Adam(), 0.1, np.ones(3), state, 5)
        user_program.minimize_rosenbrock(np.array([-1.0, 1.0]), 20)

    def living():
        stats = rtsys.get_allocation_stats()
        return stats.alloc - stats.free

    _nrt_python.memsys_enable_stats()
    try:
        everything()
        before = living()
        for _ in range(20):
            everything()
        assert living() == before
    finally:
        _nrt_python.memsys_disable_stats()


def test_a_second_call_compiles_nothing():
    X, y = table(np.float64)
    functions = [value for value in vars(user_program).values() if hasattr(value, "signatures")]

    def call(scale, n):
        user_program.descend(Adam(eps=scale), scale, np.ones(3), n)
        user_program.train_by_hand(X[n:], y[n:], np.zeros(4), n, scale, scale)
        user_program.two_halves(np.ones(4), X[n:], y[n:], np.empty(4))
        user_program.minimize_rosenbrock(np.array([-1.0, scale]), 4 * n)
        user_program.elementwise(np.full(n, scale))
        user_program.constructed(n)

    call(0.5, 3)
    before = [list(function.signatures) for function in functions]
    assert sum(map(len, before)) >= 6
    call(0.25, 5)
    assert [list(function.signatures) for function in functions] == before


SECOND_PROCESS = """
import json
import numpy as np
from numba.core import event
import fastgd
import user_program as program
from user_rules import Averaged, Linear, SoftSign

X = np.random.default_rng(0).normal(size=(40, 3))
y = (X[:, 0] > 0).astype(float)
with event.install_recorder("numba:compile") as compiled:
    x = np.ones(3)
    for optimizer in (fastgd.Nesterov(), Averaged(SoftSign())):
        state = program.descend(optimizer, fastgd.ExponentialDecay(0.1, 0.01), x, 5)
        program.go_on(optimizer, 0.1, x, state, 5)
    params = np.zeros(4)
    program.train_by_hand(X, y, params, 5, 0.5, 0.25)
    grads = np.zeros(4)
    program.two_halves(params, X, y, grads)
    program.sum_over_rows(fastgd.Neuron(3), params, X, y, np.ones(40), np.arange(40, dtype=np.uint32), grads)
    point = np.array([-1.0, 1.0])
    program.minimize_rosenbrock(point, 20)
    numbers, arrays = program.elementwise(x)
    made = program.constructed(3)
    outputs = np.empty(6)
    fastgd.value_and_grad(Linear(3), np.ones(6), X, X[:, :2], outputs)
names = {recorded[1].data["dispatcher"].__name__ for recorded in compiled.buffer if recorded[1].is_start}
results = [x, params, grads, point, outputs, numbers, *arrays]
print(json.dumps({"compiled": sorted(names), "results": [np.asarray(r).tolist() for r in results], "made": repr(made)}))
"""


def test_a_second_process_compiles_nothing(python, monkeypatch):
    cache = os.environ.get("NUMBA_CACHE_DIR")  # that of this process, which has compiled most of it
    first, second = (json.loads(python("-c", SECOND_PROCESS, cache=cache).stdout) for _ in range(2))
    assert second == first | {"compiled": []}
    # Where glibc overwrites what is freed at once, views of it would show.
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0:glibc.malloc.perturb=85")
    assert json.loads(python("-c", SECOND_PROCESS, cache=cache).stdout) == second


def test_what_only_compiled_code_calls():
    with pytest.raises(NotImplementedError, match="add_loss_and_grad is called in compiled code"):
        user_program.sum_over_rows.py_func(Neuron(1), np.ones(2), None, None, None, None, None)
    with pytest.raises(NotImplementedError, match="clip is called in compiled code"):
        fastgd.verbs.clip(fastgd.ClipByNorm(1), 1.0, np.ones(2), np.ones(2))


def test_new_parameters():
    neuron = Neuron(3)
    for dtype in (np.float32, np.float64, "f4", np.dtype(float)):
        assert fastgd.init_params(neuron, dtype=dtype).dtype == np.dtype(dtype)
    for dtype in (int, np.float16, complex):
        with pytest.raises(TypeError, match="init_params: dtype must be float32 or float64, got"):
            fastgd.init_params(neuron, dtype=dtype)
    with pytest.raises(ValueError, match="init_params: seed must be an integer, 0 or larger, got -1"):
        fastgd.init_params(neuron, -1)
    with pytest.raises(TypeError, match="init_params: seed must be an integer"):
        fastgd.init_params(neuron, 0.5)
