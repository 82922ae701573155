"""`update` from Python: what it checks, what it remembers, and the threads that share a vector."""

import gc
import re
import signal
import threading
import time
import weakref
from typing import NamedTuple

import numpy as np
import pytest
from user_rules import Averaged, AveragedState

import fastgd
from fastgd import SGD, Adam, Momentum, init_state, update, updates
from fastgd.optimizers import AdamState, MomentumState


def same(arrays, others):
    return all(np.array_equal(*pair) for pair in zip(arrays, others, strict=True))


# Arrays that do not fit: at the first call, and when a right one was made before with the same state.


def wrong_arguments():
    """Of Adam in float64 with three parameters: what is wrong, as changes to the right arguments, and what is said."""
    ones = np.ones(3)
    m, v, v_max, bias = init_state(Adam(), ones)
    momentum = MomentumState(np.zeros(3), np.ones(1))
    whole = np.ones(9)

    def state(**changes):
        return {"state": AdamState(m, v, v_max, bias)._replace(**changes)}

    return {
        "state of another optimizer": ({"state": momentum}, TypeError, "state must be AdamState, as init_state"),
        "state is no tuple": ({"state": None}, TypeError, "state must be AdamState"),
        "state too short": (state(m=np.zeros(2)), ValueError, "state.m must be a contiguous, writable array of"),
        "state of another size": (state(bias=np.zeros(3)), ValueError, "state.bias must be a contiguous, writable"),
        "state with more than it needs": (state(v_max=np.zeros(3)), ValueError, "state.v_max must be a contiguous"),
        "state of another dtype": (state(v=np.zeros(3, "f4")), TypeError, "state.v must be an array of float64, got"),
        "state with a list": (state(v=[0.0] * 3), TypeError, "state.v must be an array of float64, got list"),
        "state strided": (state(v=np.zeros(6)[::2]), ValueError, "state.v must be a contiguous, writable"),
        "state in two dimensions": (state(v=np.zeros((3, 1))), ValueError, "state.v must be a contiguous, writable"),
        "moments in one array": (state(v=m), ValueError, "state.v and state.m must not share memory"),
        "moments that overlap": (
            {"state": AdamState(whole[:3], whole[2:5], v_max, bias)}, ValueError, "must not share memory"
        ),
        "gradient in the parameters": ({"grads": ones, "params": ones}, ValueError, "grads and params must not share"),
        "gradient in the state": ({**state(), "grads": m}, ValueError, "state.m and grads must not share memory"),
        "gradient overlapping": (
            {"grads": whole[4:7], "params": whole[6:9]}, ValueError, "grads and params must not share memory"
        ),
        "gradient too long": ({"grads": np.ones(4)}, ValueError, "grads must be a contiguous array of the shape of"),
        "gradient too short": ({"grads": np.ones(2)}, ValueError, "grads must be a contiguous array of the shape of"),
        "gradient in float32": ({"grads": np.ones(3, "f4")}, TypeError, "grads must be an array of the dtype of"),
        "gradient of integers": ({"grads": np.ones(3, "i8")}, TypeError, "grads must be an array of the dtype of"),
        "gradient of the other byte order": ({"grads": np.ones(3, ">f8")}, TypeError, "grads must be an array of the"),
        "gradient strided": ({"grads": np.ones(6)[::2]}, ValueError, "shape of params, (3,), got a strided"),
        "gradient backwards": ({"grads": np.ones(3)[::-1]}, ValueError, "shape of params, (3,), got a strided"),
        "gradient misaligned": (
            {"grads": np.ones(25, "i1")[1:].view("f8")}, ValueError, "shape of params, (3,), got a strided or"
        ),
        "gradient in two dimensions": ({"grads": np.ones((3, 1))}, ValueError, "grads must be a contiguous array"),
        "gradient masked": ({"grads": np.ma.array(np.ones(3))}, TypeError, "grads must be an array without a mask"),
        "gradient is nothing": ({"grads": []}, TypeError, "grads must be an array of the dtype of params, float64"),
        "gradient is a set": ({"grads": set()}, TypeError, "grads must be an array of the dtype of params, float64"),
        "parameters masked": ({"params": np.ma.array(np.ones(3))}, TypeError, "params must be an array without a mask"),
        "state with nothing": (state(m=[]), TypeError, "state.m must be an array of float64, got list"),
        "gradient is a list": ({"grads": [1.0] * 3}, TypeError, "grads must be an array of the dtype of"),
        "parameters too many": ({"params": np.ones(5), "grads": np.ones(5)}, ValueError, "state.m must be a"),
        "parameters in float32": (
            {"params": np.ones(3, "f4"), "grads": np.ones(3, "f4")}, TypeError, "state.m must be an array of float32"
        ),
        "parameters of integers": ({"params": np.ones(3, "i8")}, TypeError, "params must be a float32 or float64"),
        "rate negative": ({"lr": -0.1}, ValueError, "lr must be a finite number, 0 or larger, got -0.1"),
        "rate infinite": ({"lr": np.inf}, ValueError, "lr must be a finite number, 0 or larger, got inf"),
        "rate NaN": ({"lr": np.nan}, ValueError, "lr must be a finite number, 0 or larger, got nan"),
        "optimizer changed": ({"optimizer": Adam(amsgrad=True)}, ValueError, "state.v_max must be a contiguous"),
        "no threads": ({"threads": 0}, ValueError, "threads must be an integer, 1 or larger, got 0"),
        "threads as a truth value": ({"threads": True}, TypeError, "threads must be an integer, 1 or larger, got True"),
        "threads in words": ({"threads": "two"}, TypeError, "threads must be an integer, 1 or larger, got 'two'"),
    }  # fmt: skip


WRONG = wrong_arguments()


@pytest.mark.parametrize("what", WRONG)
@pytest.mark.parametrize("seen", [False, True], ids=["at first", "after a right call"])
def test_what_does_not_fit_is_told_and_nothing_changes(what, seen):
    changes, error, message = WRONG[what]
    params = np.ones(3)
    right = {"optimizer": Adam(), "lr": 0.1, "grads": np.ones(3), "state": init_state(Adam(), params), "params": params}
    if seen:
        for _ in range(2):
            update(**right)
    arguments = {**right, **changes}

    def values():
        state = arguments["state"] or ()
        return [np.array(array) for array in (arguments["params"], arguments["grads"], *state)]

    before = values()
    for _ in range(2):
        with pytest.raises(error, match=f"^update: .*{re.escape(message)}"):
            update(**arguments)
    assert same(values(), before)


def test_a_right_call_after_a_wrong_one():
    params, optimizer = np.ones(3), SGD()
    state = init_state(optimizer, params)
    update(optimizer, 0.5, np.ones(3), state, params)
    with pytest.raises(ValueError, match="grads must be"):
        update(optimizer, 0.5, np.ones(2), state, params)
    update(optimizer, 0.25, np.ones(3), state, params)
    np.testing.assert_array_equal(params, 0.25)


def test_one_state_may_serve_other_arrays():
    # Of the same size and dtype: new gradients and new parameters at every step, read-only gradients among them.
    optimizer = Momentum(0.5)
    state = init_state(optimizer, np.ones(2))
    for k in range(4):
        params, grads = np.zeros(2), np.ones(2)
        grads.flags.writeable = k % 2 == 0
        update(optimizer, 1, grads, state, params)
        np.testing.assert_array_equal(params, -(2 - 0.5**k))
    locked = np.zeros(2)
    locked.flags.writeable = False
    with pytest.raises(ValueError, match="params must be a 1-D, contiguous, writable array, got a read-only"):
        update(optimizer, 1.0, np.ones(2), state, locked)
    params.flags.writeable = False  # the array of the last right call
    before = params.copy()
    with pytest.raises(ValueError, match="params must be a 1-D, contiguous, writable array, got a read-only"):
        update(optimizer, 1.0, grads, state, params)
    np.testing.assert_array_equal(params, before)


def test_a_misaligned_gradient_is_refused_whatever_came_before():
    params, bytes_ = np.ones(5), np.zeros(48, np.uint8)
    state = init_state(SGD(), params)
    update(SGD(), 0.1, bytes_[:40].view(float), state, params)
    for grads in (bytes_[1:41].view(float), bytes_[4:44].view(float)):
        with pytest.raises(ValueError, match="got a strided or misaligned one"):
            update(SGD(), 0.1, grads, state, params)


@pytest.mark.parametrize("n", [3, updates._SMALL + 1])
@pytest.mark.parametrize("swapped_first", [True, False])
@pytest.mark.parametrize("optimizer", [fastgd.Adagrad(), fastgd.RMSProp()])
def test_the_other_byte_order_is_refused_whatever_came_before(optimizer, swapped_first, n):
    """And it leaves nothing behind that would make right arrays wrong: Numba tells the two apart by halves."""
    params, grads, bytes_ = np.ones(n), np.full(n, 2.0), np.zeros(8 * n + 8, np.uint8)
    state = init_state(optimizer, params)
    swapped = type(state)(*(array.astype(array.dtype.newbyteorder()) for array in state))
    if not swapped_first:
        update(optimizer, 0.0, grads, state, params)
    for _ in range(2):
        with pytest.raises(TypeError, match=r"update: state.* must be an array of float64, got dtype >f8"):
            update(optimizer, 0.1, grads, swapped, params)
        with pytest.raises(ValueError, match="got a strided or misaligned one"):
            update(optimizer, 0.1, bytes_[1 : 8 * n + 1].view(float), state, params)
        with pytest.raises(TypeError, match=r"update: grads must be .*, got dtype >f8"):
            update(optimizer, 0.1, grads.astype(">f8"), state, params)
        with pytest.raises(TypeError, match=r"update: params must be .*, got dtype >f8"):
            update(optimizer, 0.1, grads, state, params.astype(">f8"))
    np.testing.assert_array_equal(params, 1)
    update(optimizer, 0.1, grads, init_state(optimizer, params), params)
    assert (params < 1).all()


def test_memory_maps_are_arrays(tmp_path):
    params, grads = (np.memmap(tmp_path / name, float, "w+", shape=3) for name in ("params", "grads"))
    grads[:] = 1
    state = init_state(Momentum(), params)
    for _ in range(2):
        update(Momentum(), 0.1, grads, state, params)
    fastgd.eval_params(Momentum(), state, params, out := np.empty(3))
    np.testing.assert_allclose(out, -0.29, rtol=1e-14)


def test_many_states_in_turn_and_states_that_are_gone():
    # A state made where another one was must not be taken for it.
    optimizer = Momentum(0.5)
    for k in range(300):
        dtype, size = (np.float32, np.float64)[k % 2], 1 + k % 7
        params = np.zeros(size, dtype)
        state = init_state(optimizer, params)
        for _ in range(2):
            update(optimizer, 1.0, np.ones(size, dtype), state, params)
        np.testing.assert_array_equal(params, -2.5)
        del params, state
        if k == 150:
            gc.collect()
    assert len(updates._ways_in) <= updates._MOST_WAYS
    states = [(np.zeros(2), k) for k in range(200)]
    states = [(params, init_state(optimizer, params)) for params, _ in states]
    for _ in range(3):
        for params, state in states:
            update(optimizer, 1.0, np.ones(2), state, params)
    for params, _ in states:
        np.testing.assert_array_equal(params, -(1 + 1.5 + 1.75))


def test_large_vectors_are_not_kept():
    params = np.ones(100_000)
    state = init_state(Momentum(), params)
    for _ in range(2):
        update(Momentum(), 0.1, np.ones(params.size), state, params)
    assert id(state) not in updates._ways_in


def test_an_empty_vector():
    params = np.empty(0)
    state = init_state(Adam(), params)
    for _ in range(2):
        update(Adam(), 0.1, np.empty(0), state, params)
    assert state.m.size == state.v.size == 0


def test_hyperparameters_that_change_at_every_step():
    params, state = np.zeros(1), init_state(Momentum(), np.zeros(1))
    velocity = 0.0
    expected = 0.0
    for k in range(1, 20):
        velocity = velocity * (1 - 1 / k) + 1
        expected -= 0.1 * velocity
        update(Momentum(1 - 1 / k), 0.1, np.ones(1), state, params)
    np.testing.assert_allclose(params, expected, rtol=1e-12)


# Threads.


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("optimizer", [SGD(), Momentum(), Adam(), Adam(amsgrad=True)], ids=repr)
@pytest.mark.parametrize("size", [1023, 1024, 5000, 40_000])
def test_threads_change_no_bit(optimizer, dtype, size, shared_from_the_start):
    def run(threads):
        rng = np.random.default_rng(0)
        params = rng.normal(size=size).astype(dtype)
        state = init_state(optimizer, params)
        for _ in range(5):
            update(optimizer, 0.01, rng.normal(size=size).astype(dtype), state, params, threads=threads)
        return [params, *state]

    one = run(1)
    for threads in (2, 3, 8):
        assert same(one, run(threads))


class SumsState(NamedTuple):
    sums: np.ndarray


class Sums(NamedTuple):
    """A rule of two sums a parameter, in rows or in columns of one array."""

    columns: bool = True


def new_sums(optimizer, params):
    return SumsState(np.zeros((params.size, 2) if optimizer.columns else (2, params.size), params.dtype))


def add_sums(optimizer, lr, grads, state, params):
    for i in range(params.size):
        first, second = (
            (state.sums[i, 0:1], state.sums[i, 1:2])
            if optimizer.columns
            else (
                state.sums[0, i : i + 1],
                state.sums[1, i : i + 1],
            )
        )
        first[0] += grads[i]
        second[0] += first[0]
        params[i] -= lr * second[0]


fastgd.register_optimizer(Sums, new_sums, add_sums, elementwise=True)


@pytest.mark.parametrize("columns", [True, False])
def test_threads_share_arrays_of_several_numbers_a_parameter(columns, shared_from_the_start):
    grads, ends = np.random.default_rng(0).normal(size=5000), []
    for threads in (1, 3):
        params = np.ones(5000)
        state = init_state(Sums(columns), params)
        for _ in range(3):
            update(Sums(columns), 0.1, grads, state, params, threads=threads)
        ends.append(params)
    np.testing.assert_allclose(ends[0], 1 - 0.1 * (1 + 3 + 6) * grads)
    np.testing.assert_array_equal(*ends)


class Sampled(NamedTuple):
    """A rule that draws a number a parameter, by its place: it asks for the number of the first one."""


class SampledState(NamedTuple):
    """`named` holds arrays of the same name, which are not that number."""

    first: np.ndarray
    steps: np.ndarray
    named: "NamedState"


class NamedState(NamedTuple):
    first: np.ndarray  # moments, as long as the vector


def new_samples(optimizer, params):
    return SampledState(np.zeros(1, np.int64), np.zeros(2, np.int32), NamedState(params.copy()))


def add_samples(optimizer, lr, grads, state, params):
    state.steps[1] += 1
    for i in range(params.size):
        state.named.first[i] += grads[i]
        params[i] -= lr * state.named.first[i] * ((state.first[0] + i) % 7 + state.steps[1])


fastgd.register_optimizer(Sampled, new_samples, add_samples, elementwise=True)


def test_threads_know_the_number_of_their_first_parameter(shared_from_the_start):
    grads, ends = np.random.default_rng(0).normal(size=5000), []
    for threads in (1, 3):
        params = np.ones(5000)
        state = init_state(Sampled(), params)
        for _ in range(4):
            update(Sampled(), 0.1, grads, state, params, threads=threads)
        assert (state.first[0], *state.steps) == (0, 0, 4)
        ends.append([params, state.named.first])
    assert same(*ends)


def test_an_interrupt_is_heard_between_whole_steps(shared_from_the_start):
    optimizer, grads = Adam(), np.ones(100_000)
    params = np.ones(1)
    state, expected = init_state(optimizer, params), {}
    for _ in range(3000):  # all parameters do the same
        update(optimizer, 1e-4, grads[:1], state, params)
        expected[params[0]] = [part.copy() for part in state]
    for delay in np.linspace(0.001, 0.02, 10):
        params = np.ones(grads.size)
        state = init_state(optimizer, params)
        update(optimizer, 1e-4, grads, state, params, threads=3)

        def go_on_until(delay, state=state, params=params):
            threading.Timer(delay, signal.raise_signal, [signal.SIGINT]).start()
            for _ in range(len(expected)):
                update(optimizer, 1e-4, grads, state, params, threads=3)
            time.sleep(1)

        with pytest.raises(KeyboardInterrupt):
            go_on_until(delay)
        assert np.ptp(params) == 0
        for came, wanted in zip(state, expected[params[0]], strict=True):
            np.testing.assert_array_equal(came, np.resize(wanted, came.shape))


class Fussy(NamedTuple):
    """A rule that fails at numbers that are not finite."""


class FussyState(NamedTuple):
    """Nothing."""


def fuss(optimizer, lr, grads, state, params):
    for i in range(params.size):
        if not np.isfinite(grads[i]):
            raise ArithmeticError("not a number")
        params[i] -= lr * grads[i]


fastgd.register_optimizer(Fussy, lambda optimizer, params: FussyState(), fuss, elementwise=True)


@pytest.mark.parametrize("place", [0, 50_000, 99_999])
def test_a_rule_that_fails_on_any_thread_fails(place, shared_from_the_start):
    params, grads, optimizer = np.ones(100_000), np.ones(100_000), Fussy()
    state = init_state(optimizer, params)
    for _ in range(3):
        grads[place] = 1
        params[:] = 1
        for _ in range(3):
            update(optimizer, 0.25, grads, state, params, threads=3)
        np.testing.assert_array_equal(params, 0.25)
        grads[place] = np.nan
        with pytest.raises(ArithmeticError, match="not a number"):
            update(optimizer, 0.25, grads, state, params, threads=3)


def test_threads_go_home_and_hold_nothing(shared_from_the_start):
    params, grads, optimizer = np.ones(5000), np.ones(5000), Momentum()
    state = init_state(optimizer, params)
    for _ in range(3):
        update(optimizer, 0.1, grads, state, params, threads=3)
    held = [weakref.ref(array) for array in (params, grads, state.velocity)]
    del params, grads, state
    deadline = time.monotonic() + 10
    while any(reference() is not None for reference in held) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [reference() for reference in held] == [None] * 3


def test_what_changes_between_steps_on_threads_counts(shared_from_the_start):
    """Rates, gradients in the same or another array, optimisers, threads: the helpers may still be there, or not."""
    ends = []
    for several in (False, True):
        rng = np.random.default_rng(0)
        params = rng.normal(size=5000)
        grads = rng.normal(size=5000)
        state = init_state(Momentum(), params)
        for k in range(60):
            if k % 5 == 0:
                grads = rng.normal(size=5000)
            grads[k] = k
            optimizer = Momentum(beta=0.5) if k % 7 == 0 else Momentum()
            update(optimizer, 0.1 / (k + 1), grads, state, params, threads=1 + k % 3 if several else 1)
        ends.append([params, *state])
    assert same(*ends)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": -1.0}, "lr must be a finite number"),
        ({"lr": np.nan}, "lr must be a finite number"),
        ({"threads": 0}, "threads must be an integer, 1 or larger"),
    ],
)
def test_helpers_that_wait_let_nothing_wrong_pass(change, message, shared_from_the_start):
    params, grads, optimizer = np.ones(5000), np.ones(5000), Momentum()
    state = init_state(optimizer, params)
    for _ in range(3):
        update(optimizer, 0.1, grads, state, params, threads=3)
    before = params.copy()
    with pytest.raises(ValueError, match=message):
        update(optimizer, **{"lr": 0.1, "threads": 3, **change}, grads=grads, state=state, params=params)
    params.flags.writeable = False
    with pytest.raises(ValueError, match="params must be a 1-D, contiguous, writable array"):
        update(optimizer, 0.1, grads, state, params, threads=3)
    np.testing.assert_array_equal(params, before)


def test_threads_that_share_check_as_one_does(shared_from_the_start):
    params = np.ones(5000)
    state = init_state(Momentum(), params)
    with pytest.raises(ValueError, match=r"state\.velocity and grads must not share memory"):
        update(Momentum(), 0.1, state.velocity, state, params, threads=2)
    with pytest.raises(ValueError, match="update: grads must be a contiguous array of the shape"):
        update(Momentum(), 0.1, np.ones(4999), state, params, threads=2)
    np.testing.assert_array_equal(params, 1)


def test_a_rule_that_does_not_say_that_it_is_elementwise_takes_one_thread(shared_from_the_start):
    params = np.ones(5000)
    optimizer = Averaged(SGD())
    state = init_state(optimizer, params)
    assert isinstance(state, AveragedState)
    update(optimizer, 0.5, np.ones(5000), state, params, threads=2)
    np.testing.assert_array_equal(params, 0.5)
    np.testing.assert_array_equal(state.mean, 0.5)


@pytest.mark.parametrize("shape", [(), (3, 1), (1, 3), (3, *[1] * 11), (3, *[1] * 40)])
def test_only_vectors_are_handed_to_compiled_code(shape):
    """Whose way in, past the dispatcher, would write all sizes of an array into the room for one."""
    params, grads, optimizer = np.ones(3), np.ones(3), SGD()
    state = init_state(optimizer, params)
    update(optimizer, 0.1, grads, state, params)
    other = np.ones(shape)
    with pytest.raises(ValueError, match="update: grads must be a contiguous array of the shape of params"):
        update(optimizer, 0.1, other, state, params)
    with pytest.raises(ValueError, match="update: params must be a 1-D, contiguous, writable array"):
        update(optimizer, 0.1, grads, state, other)


@pytest.mark.parametrize("lr", [np.float64(0.25), np.float32(0.25), 1, np.int64(1)], ids=lambda lr: type(lr).__name__)
def test_rates_of_any_kind_are_numbers(lr, monkeypatch):
    params, optimizer = np.ones(3), Momentum()
    state = init_state(optimizer, params)
    update(optimizer, lr, np.ones(3), state, params)
    np.testing.assert_array_equal(params, 1 - float(lr))
    monkeypatch.setattr(updates, "_require_fitting", None)  # which takes its time, and is for what was not seen before
    update(optimizer, lr, np.ones(3), state, params)
    np.testing.assert_allclose(params, 1 - 2.9 * float(lr))


class Short(NamedTuple):
    """A rule whose state has `size` numbers. `Long`, of the same fields, has a thousand times as many."""

    size: int


class Long(NamedTuple):
    size: int


class SizeState(NamedTuple):
    room: np.ndarray


def fill(optimizer, lr, grads, state, params):
    state.room[:] = lr


fastgd.register_optimizer(Short, lambda optimizer, params: SizeState(np.zeros(optimizer.size)), fill)
fastgd.register_optimizer(Long, lambda optimizer, params: SizeState(np.zeros(1000 * optimizer.size)), fill)


def test_what_fits_one_type_is_not_taken_to_fit_another():
    params, grads = np.ones(3), np.ones(3)
    update(Long(3), 0.1, grads, init_state(Long(3), params), params)
    state = init_state(Short(2), params)
    update(Short(2), 0.1, grads, state, params)
    with pytest.raises(ValueError, match=r"state.room must be .* of shape \(2000,\), got shape \(2,\)"):
        update(Long(2), 0.1, grads, state, params)


def test_threads_of_a_program_update_side_by_side():
    from concurrent.futures import ThreadPoolExecutor

    def work(seed):
        params, optimizer = np.full(3, 4.0), Adam(beta1=0.5 + seed / 100)
        state = init_state(optimizer, params)
        for _ in range(200):
            update(optimizer, 0.05, 2 * params, state, params)
        return params

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(work, range(16)))
    for seed, params in enumerate(together):
        np.testing.assert_array_equal(params, work(seed))


def test_threads_of_a_program_may_meet_new_types_at_once():
    """One compiles while others ask for what is not compiled yet."""
    from concurrent.futures import ThreadPoolExecutor

    def work(held):
        params = np.ones(3)
        for each in (SGD(), *held):
            optimizer = fastgd.SkipNonfinite(each)
            state = init_state(optimizer, params)
            for _ in range(3):
                update(optimizer, 0.0, np.ones(3), state, params)
        return params

    rules = [fastgd.EMA(SGD()), fastgd.EMA(Momentum()), fastgd.Lookahead(SGD()), fastgd.Accumulate(SGD(), 2)]
    with ThreadPoolExecutor(4) as pool:
        for params in pool.map(work, [rules[k:] + rules[:k] for k in range(4)]):
            np.testing.assert_array_equal(params, 1)


def test_verbs_of_the_layout():
    np.testing.assert_array_equal(fastgd.layout(fastgd.Neuron(30)), [[0, 1, 30], [30, 1, 1]])

    @fastgd.njit(cache=False)
    def compiled(n):
        return fastgd.layout(fastgd.Neuron(n))

    np.testing.assert_array_equal(compiled(3), [[0, 1, 3], [3, 1, 1]])
