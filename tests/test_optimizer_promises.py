"""What every registered optimiser promises, on the same problems: one table, which a new one is in by itself."""

import math
import pickle
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numba import typeof, types
from optimizer_table import EVERY, REGISTERED, average_of, gradient, named_arrays, start

import fastgd
from fastgd import init_state, update
from fastgd._calls.compiled_checks import arrays_as_long
from fastgd._calls.states import is_elementwise
from fastgd._registry import OptimizerKernels, kernels_for

DTYPES = [np.float32, np.float64]
by_repr = {"ids": repr}
every = pytest.mark.parametrize("optimizer", EVERY, **by_repr)


@pytest.fixture(params=DTYPES, ids=lambda dtype: dtype.__name__)
def dtype(request):
    return request.param


def run(optimizer, params, n_steps, lr=0.01, state=None, of=gradient):
    """Steps from params, in place; the state after them."""
    state = init_state(optimizer, params) if state is None else state
    for _ in range(n_steps):
        update(optimizer, lr, of(params), state, params)
    return state


def bits(state, params):
    return [params.copy(), *(array.copy() for _, array in named_arrays(state))]


def assert_same(some, others):
    for one, other in zip(some, others, strict=True):
        np.testing.assert_array_equal(one, other)


# Problems: where to start, the loss and its gradient, the least loss, and how much of what is above it may be left.


def parabola(x):
    return (x * x).sum(), 2 * x


CURVATURES = np.array([1.0, 10.0, 100.0])


def ill_conditioned(x):
    return (CURVATURES * x * x).sum() / 2, CURVATURES * x


def rosenbrock(x):
    u, v = 1 - x[0], x[1] - x[0] ** 2
    return u**2 + 100 * v**2, np.array([-2 * u - 400 * v * x[0], 200 * v])


def breast_cancer():
    """A neuron without an activation on the bundled table, standardised: least squares, the least loss by algebra."""
    path = Path(fastgd.__file__).parent / "data" / "breast_cancer.csv"
    table = np.genfromtxt(path, delimiter=",", skip_header=1, dtype=str)
    X, y = table[:, :-1].astype(float), (table[:, -1] == table[0, -1]).astype(float)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    A = np.column_stack([X, np.ones(len(X))])
    least = ((A @ np.linalg.lstsq(A, y)[0] - y) ** 2).mean()
    H, c = 2 * A.T @ A / len(A), 2 * A.T @ y / len(A)

    def loss(w):
        g = H @ w - c
        return (w @ g - w @ c) / 2 + (y @ y) / len(y), g

    return np.zeros(A.shape[1]), loss, least


PROBLEMS = {
    "parabola": (np.array([4.0, -3.0]), parabola, 0.0),
    "ill-conditioned": (np.array([1.0, 1.0, -1.0]), ill_conditioned, 0.0),
    "Rosenbrock": (np.array([-1.2, 1.0]), rosenbrock, 0.0),
    "neuron": breast_cancer(),
}
# The rate of the first step by problem: of methods whose step is as long as the gradient, less than 1 over the largest
# curvature (Rosenbrock's is some 1500 where they start); of the others, what is left to go over some hundred steps.
BY_GRADIENT = {"parabola": 0.2, "ill-conditioned": 0.009, "Rosenbrock": 0.0006, "neuron": 0.03}
BY_LENGTH = dict.fromkeys(PROBLEMS, 0.05)
RATES = {
    "SGD": BY_GRADIENT,
    "ASGD": BY_GRADIENT,
    "Momentum": {name: 0.3 * lr for name, lr in BY_GRADIENT.items()},
    "Nesterov": {name: 0.3 * lr for name, lr in BY_GRADIENT.items()},
    "ScheduleFreeSGD": BY_GRADIENT,
    "Adagrad": dict.fromkeys(PROBLEMS, 0.5),
    "Adadelta": dict.fromkeys(PROBLEMS, 2.0),
    "LARS": dict.fromkeys(PROBLEMS, 8.0),  # times its trust coefficient, 0.001
    "RAdam": {**BY_LENGTH, "Rosenbrock": 0.002},  # its first steps are as long as the gradient
}
STEPS = 6000


# (ASGD that averages from its second step on has the whole way in its average.)
@pytest.mark.parametrize("optimizer", [one for one in EVERY if getattr(one, "t0", 1e6) == 1e6], **by_repr)
@pytest.mark.parametrize(("problem", "dtype"), [*((name, np.float64) for name in PROBLEMS), ("parabola", np.float32)])
def test_it_reaches_the_minimum(optimizer, problem, dtype):
    first, of, least = PROBLEMS[problem]
    name = type(optimizer).__name__
    lr = RATES.get(name, BY_LENGTH)[problem]
    # A rate that falls to a thousandth: steps of a fixed length, and averages, end where they are told to.
    constant = RATES.get(name) is BY_GRADIENT or name.startswith("ScheduleFree") or name in ("Rprop", "RAdam")
    params = first.astype(dtype)
    state = init_state(optimizer, params)
    for step in range(STEPS):
        rate = lr if constant else lr * math.exp(-7 * step / STEPS)
        update(optimizer, rate, of(params.astype(np.float64))[1].astype(dtype), state, params)
    out = average_of(optimizer, state, params).astype(np.float64)
    at_first = of(first)[0] - least
    assert of(out)[0] - least < 0.02 * at_first, (of(out)[0], least)


@every
def test_zero_gradients_change_nothing(optimizer, dtype):
    params = start(dtype)
    run(optimizer, params, 8, of=np.zeros_like)
    np.testing.assert_array_equal(params, start(dtype))


@every
def test_rate_zero_changes_nothing(optimizer, dtype):
    params = start(dtype)
    run(optimizer, params, 8, lr=0.0)
    np.testing.assert_array_equal(params, start(dtype))


@every
def test_the_state_is_of_its_own(optimizer, dtype):
    params = start(dtype)
    state = init_state(optimizer, params)
    assert type(state).__name__.endswith("State")
    for name, value in named_arrays(state):
        assert value.flags.carray, name
        assert not np.shares_memory(value, params), name
        if value.shape == params.shape:
            assert value.dtype in (dtype, np.uint16), name


@every
@pytest.mark.parametrize("after", [0, 1, 7])
def test_saved_and_restored_it_goes_on_bit_for_bit(optimizer, dtype, after, tmp_path):
    whole = start(dtype)
    final = bits(run(optimizer, whole, 20), whole)
    params = start(dtype)
    state = run(optimizer, params, after)
    np.savez(tmp_path / "state.npz", params=params, **state._asdict())
    with np.load(tmp_path / "state.npz") as saved:
        restored, again = type(state)(**{name: saved[name] for name in state._fields}), saved["params"]
    assert_same(bits(run(optimizer, again, 20 - after, state=restored), again), final)
    # What was saved, and a pickled state, are as they were.
    assert_same(bits(run(optimizer, params, 20 - after, state=pickle.loads(pickle.dumps(state))), params), final)


@every
def test_a_second_call_compiles_nothing(optimizer, dtype):
    run(optimizer, start(dtype), 1)
    kernels = kernels_for("update", OptimizerKernels, optimizer)
    before = [list(kernel.signatures) for kernel in (kernels.update, fastgd.updates.guarded_update)]
    run(optimizer, start(dtype, 5), 3, lr=1)
    fields = optimizer._asdict().items()
    changed = {name: value * (0.99 if value < 1 else 1.01) for name, value in fields if type(value) is float}
    run(optimizer._replace(**changed), start(dtype, 5), 3, lr=np.float32(0.5))
    assert [list(kernel.signatures) for kernel in (kernels.update, fastgd.updates.guarded_update)] == before


@pytest.mark.parametrize("optimizer", [one for one in EVERY if is_elementwise(one)], **by_repr)
def test_threads_change_no_bit(optimizer, dtype, shared_from_the_start):
    def ends(threads):
        rng = np.random.default_rng(0)
        params = rng.normal(size=3000).astype(dtype)
        state = init_state(optimizer, params)
        for _ in range(8):
            update(optimizer, 0.01, rng.normal(size=3000).astype(dtype), state, params, threads=threads)
        return bits(state, params)

    assert_same(ends(1), ends(3))


@every
def test_nothing_ends_among_the_denormal_numbers(optimizer, dtype):
    params = np.ones(2, dtype)
    state = init_state(optimizer, params)
    update(optimizer, 1e-3, np.full(2, np.finfo(dtype).tiny ** 0.5 * 8, dtype), state, params)
    zeros = np.zeros(2, dtype)
    for _ in range(2000):
        update(optimizer, 1e-3, zeros, state, params)
    for _ in range(20):
        update(optimizer, 1e-3, zeros, state, params)
        for name, array in named_arrays(state):
            if array.dtype == dtype:
                assert not ((array != 0) & (abs(array) < np.finfo(array.dtype).tiny)).any(), name


def test_nan_stays_visible(dtype):
    for optimizer in EVERY:
        params, g = np.ones(20, dtype), np.ones(20, dtype)
        g[3] = np.nan
        state = init_state(optimizer, params)
        for _ in range(2):
            update(optimizer, 0.1, g, state, params)
        assert np.isnan(params[3]), optimizer


@pytest.mark.parametrize("cls", REGISTERED, ids=lambda cls: cls.__name__)
def test_every_field_is_checked(cls):
    # NaN is in no range, and integers are taken for the floats that they are.
    for name, default in cls()._asdict().items():
        if type(default) is float:
            with pytest.raises(ValueError, match=f"{cls.__name__}: {name} must be"):
                cls(**{name: math.nan})
            with pytest.raises(TypeError, match=f"{cls.__name__}: {name} must be"):
                cls(**{name: "0.5"})
        if type(default) is bool:
            with pytest.raises(TypeError, match=f"{cls.__name__}: {name} must be True or False, got 1"):
                cls(**{name: 1})
    zeros = {name: 0 for name, value in cls()._asdict().items() if type(value) is float and value == 0}
    changed = cls(**zeros)
    assert changed == cls()
    assert [type(value) for value in changed] == [type(value) for value in cls()]


def test_the_table_has_them_all():
    public = {name for name in fastgd.__all__ if isinstance(getattr(fastgd, name), type)}
    assert {cls.__name__ for cls in REGISTERED} <= public
    assert len(REGISTERED) >= 26


# A made-up optimiser: registered here, and nowhere else.


class MadeUp(NamedTuple):
    """v ← βv + g, θ ← θ - lr·v / (1 + |v|)."""

    beta: float = 0.5


class MadeUpState(NamedTuple):
    """Its velocity."""

    velocity: np.ndarray


def init_made_up(optimizer, params):
    return MadeUpState(np.zeros_like(params))


def update_made_up(optimizer, lr, grads, state, params):
    dtype, v = params.dtype.type, state.velocity
    for i in range(params.size):
        v[i] = dtype(optimizer.beta) * v[i] + grads[i]
        params[i] -= dtype(lr) * v[i] / (dtype(1) + abs(v[i]))


fastgd.register_optimizer(MadeUp, init_made_up, update_made_up, elementwise=True, beta=fastgd.unit_interval)


def test_a_made_up_one_keeps_the_promises(dtype, shared_from_the_start, tmp_path):
    optimizer = MadeUp()
    test_it_reaches_the_minimum(optimizer, "parabola", dtype)
    test_zero_gradients_change_nothing(optimizer, dtype)
    test_rate_zero_changes_nothing(optimizer, dtype)
    test_the_state_is_of_its_own(optimizer, dtype)
    test_saved_and_restored_it_goes_on_bit_for_bit(optimizer, dtype, 7, tmp_path)
    test_a_second_call_compiles_nothing(optimizer, dtype)
    test_threads_change_no_bit(optimizer, dtype, shared_from_the_start)


@pytest.mark.parametrize("optimizer", EVERY, **by_repr)
def test_compiled_code_compares_only_what_is_as_long_as_the_vector(optimizer):
    state = init_state(optimizer, np.ones(11))
    for position, _ in arrays_as_long(typeof(optimizer), types.float64):
        assert state[position].shape in [(11,), (0,)]
