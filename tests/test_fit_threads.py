"""`fit` on several threads: the same bits as on one, and threads only where they pay."""

import threading
import time

import numpy as np
import pytest
import reference
from fit_runs import assert_same_bits, labelled
from hypothesis import given, settings
from hypothesis import strategies as st

import fastgd
from fastgd import gradients
from fastgd._arrays.views import borrowed, repeated
from fastgd._jit import kernel
from fastgd._runtime import pace as _pace
from fastgd._runtime import threads as _threads
from fastgd._training import position, sharing
from fastgd._training import run as _run

SHARE_WORK = gradients._SHARE_WORK
PATIENT = 1 << 18  # looks


@pytest.fixture
def shares(monkeypatch):
    """Four processors, small blocks, and a list of how many threads shared the batches of each run."""
    counts = []

    def counting(*arguments):
        made = sharing.make_sharing(*arguments)
        counts.append(len(made.grads))
        return made

    monkeypatch.setattr(_threads, "processors", lambda: 4)
    monkeypatch.setattr(gradients, "_SHARE_WORK", 1 << 14)
    monkeypatch.setattr(_run, "make_sharing", counting)
    return counts


@pytest.mark.parametrize(
    ("batch_size", "order"),
    [(None, "shuffled"), (20_000, "shuffled"), (9_999, "block-shuffled"), (5_000, "sequential")],
)
def test_same_bits_for_any_number_of_threads(batch_size, order, shares):
    X, y = labelled(50_003, 3)
    arguments = {"optimizer": fastgd.Momentum(), "lr": 0.5, "batch_size": batch_size, "order": order, "epochs": 4}
    alone = fastgd.fit(fastgd.Neuron(3), X, y, **arguments)
    assert not shares
    for threads in (2, 3, 4):
        assert_same_bits(fastgd.fit(fastgd.Neuron(3), X, y, threads=threads, **arguments), alone)
        assert max(shares) == min(threads, {9_999: 8, 5_000: 4}.get(batch_size, 99))
        shares.clear()


def test_same_bits_with_validation_weights_clipping_and_a_schedule(shares):
    X, y = labelled(40_001, 3)
    arguments = {
        "optimizer": fastgd.Momentum(),
        "lr": fastgd.ExponentialDecay(2.0, 0.1),
        "batch_size": 8_000,
        "epochs": 6,
        "validation": 0.3,
        "sample_weight": np.random.default_rng(0).random(40_001),
        "tol": 1e-3,
        "patience": 2,
    }
    alone = fastgd.fit(fastgd.Neuron(3), X, y, **arguments)
    for threads in (2, 4):
        assert_same_bits(fastgd.fit(fastgd.Neuron(3), X, y, threads=threads, **arguments), alone)
        assert threads in shares


def test_the_usual_threshold(monkeypatch):
    monkeypatch.setattr(_threads, "processors", lambda: 4)
    X, y = labelled(80_000, 32)
    arguments = {"optimizer": fastgd.SGD(), "lr": 0.5, "batch_size": None, "epochs": 5}
    alone = fastgd.fit(fastgd.Neuron(32), X, y, **arguments)
    for threads in (2, 3):
        assert_same_bits(fastgd.fit(fastgd.Neuron(32), X, y, threads=threads, **arguments), alone)
    start = fastgd.init_params(fastgd.Neuron(32))
    orders = [np.arange(80_000)] * 5
    params, history = reference.train(start, X, y, orders, 80_000, lr=0.5)
    np.testing.assert_allclose(alone.params, params, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(alone.history["loss"], history["loss"], rtol=1e-5)


@given(
    n=st.integers(1, 30_000),
    batch_size=st.none() | st.integers(500, 30_000),
    threads=st.integers(2, 6),
    order=st.sampled_from(["shuffled", "block-shuffled", "sequential"]),
)
@settings(deadline=None, max_examples=30)
def test_any_shape(n, batch_size, threads, order):
    X, y = labelled(n, 2)
    arguments = {"optimizer": fastgd.SGD(), "lr": 0.5, "batch_size": batch_size, "order": order, "epochs": 2}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_threads, "processors", lambda: 6)
        patch.setattr(gradients, "_SHARE_WORK", 1 << 12)
        on_threads = fastgd.fit(fastgd.Neuron(2), X, y, threads=threads, **arguments)
        alone = fastgd.fit(fastgd.Neuron(2), X, y, **arguments)
    assert_same_bits(on_threads, alone)


@pytest.mark.parametrize("stop", [1, 3, 4, 7, 10])
def test_going_on_with_another_number_of_threads(stop, shares, monkeypatch):
    X, y = labelled(20_000, 3)
    arguments = {"optimizer": fastgd.Momentum(), "lr": 0.5, "batch_size": 12_000, "epochs": 4}
    whole = fastgd.fit(fastgd.Neuron(3), X, y, **arguments)
    calls = []

    def callback(progress):
        calls.append(progress)
        if len(calls) == stop:
            raise StopIteration

    with monkeypatch.context() as small_chunks:
        small_chunks.setattr(_pace, "CHUNK_SECONDS", 0.0)
        small_chunks.setattr(_run, "_FIRST_WORK", 1 << 18)
        part = fastgd.fit(fastgd.Neuron(3), X, y, threads=3, callback=callback, **arguments)
    assert part.status == "stopped"
    for threads in (1, 2):
        assert_same_bits(fastgd.fit(fastgd.Neuron(3), X, y, threads=threads, resume=part, **arguments), whole)


@pytest.mark.parametrize(("rows", "columns", "batch_size"), [(5_000, 3, 1), (5_000, 3, 2048), (300, 256, 64)])
def test_batches_of_little_work_stay_on_one_thread(rows, columns, batch_size, shares, monkeypatch):
    monkeypatch.setattr(gradients, "_SHARE_WORK", SHARE_WORK)
    X, y = labelled(rows, columns)
    fastgd.fit(fastgd.Neuron(columns), X, y, optimizer=fastgd.SGD(), batch_size=batch_size, threads=4, epochs=2)
    assert not shares


def test_no_more_threads_than_processors(shares, monkeypatch):
    monkeypatch.setattr(_threads, "processors", lambda: 2)
    X, y = labelled(30_000, 3)
    fastgd.fit(fastgd.Neuron(3), X, y, optimizer=fastgd.SGD(), batch_size=None, threads=10**9, epochs=2)
    assert max(shares) == 2


def test_validation_is_shared_too(monkeypatch):
    counts = []
    monkeypatch.setattr(_run, "_THREAD_WORK", 1)
    monkeypatch.setattr(_run, "run_all", lambda tasks: counts.append(len(tasks)) or _threads.run_all(tasks))
    monkeypatch.setattr(_threads, "processors", lambda: 2)
    X, y = labelled(10_000, 3)
    arguments = {"optimizer": fastgd.SGD(), "validation": (X, y), "epochs": 2}
    alone = fastgd.fit(fastgd.Neuron(3), X, y, **arguments)
    assert max(counts) == 1
    assert_same_bits(fastgd.fit(fastgd.Neuron(3), X, y, threads=2, **arguments), alone)
    assert max(counts) == 2


def shared_rows(blocks, threads):
    """Rows in an order of their own, with what threads share that sum blocks of 256 of them."""
    X, y = labelled(1_000, 5)
    model, params = fastgd.Neuron(5), np.linspace(-1, 1, 6).astype(X.dtype)
    order = np.random.default_rng(0).permutation(1_000).astype(np.uint32)
    data = position.Data(X, y, np.ones(1, X.dtype), np.empty(0, np.uint32), order)
    return model, params, data, sharing.make_sharing(params, blocks, threads)


def assert_sums(params, data, low, high, grads, loss_and_weight):
    rows = data.order[low:high]
    loss, mean = reference.loss_and_grad(params, data.X[rows], data.y[rows])
    np.testing.assert_allclose(grads, mean * rows.size, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(loss_and_weight, [loss * rows.size, rows.size], rtol=1e-5)


def call_helper(model, params, data, shared, me):
    helper = threading.Thread(target=sharing.help_along, args=(model, params, data, 256, shared, me, PATIENT))
    helper.start()
    return helper


def test_what_a_helper_sums_by_itself():
    model, params, data, shared = shared_rows(4, 2)
    first_row, batch, blocks = 100, 7, 3
    ticket = first_row << 32 | batch << 16 | blocks << 8
    shared.whose[:] = ticket | int(sharing.NOBODY)
    shared.board[sharing.NEXT] = ticket
    helper = call_helper(model, params, data, shared, 1)
    deadline = time.monotonic() + 120
    while (shared.whose[:24:8] != ticket | 1).any() and time.monotonic() < deadline:
        time.sleep(0.001)
    helper.join()
    assert (shared.whose[:24:8] == ticket | 1).all()
    for k in range(3):
        low = 100 + 256 * k
        assert_sums(params, data, low, low + 256, shared.grads[1, k, :6], shared.losses[1, k, :2])
    assert not shared.grads[0].any()


@kernel
def sum_batch(model, params, data, low, high, scratch, shared, totals, sums):
    sharing.sum_together(
        model, params, borrowed(data.X), borrowed(data.y), repeated(data.weight, data.X.shape[0]), borrowed(data.order),
        low, high, 256, 0, scratch, shared, totals, sums,
    )  # fmt: skip


@pytest.mark.parametrize("threads", [2, 3])
def test_nobody_waits_for_a_helper_that_never_comes_back(threads):
    model, params, data, shared = shared_rows(4, threads)
    scratch = fastgd.verbs.make_scratch(model, params)

    def summed():
        totals, sums = np.zeros(6), np.zeros(2)
        sum_batch(model, params, data, 100, 951, scratch, shared, totals, sums)
        assert_sums(params, data, 100, 951, totals, sums)
        return totals

    alone = summed()
    stop = threading.Event()

    def take_blocks():  # and sum none
        while not stop.is_set():
            waiting = int(shared.board[sharing.NEXT])
            if waiting & 255 < waiting >> 8 & 255:
                shared.board[sharing.NEXT] = waiting + 1

    thief = threading.Thread(target=take_blocks)
    thief.start()
    helpers = [call_helper(model, params, data, shared, k) for k in range(1, threads)]
    try:
        for _ in range(300):
            np.testing.assert_array_equal(summed(), alone)
    finally:
        stop.set()
        for thread in (thief, *helpers):
            thread.join()


@pytest.mark.parametrize("error", [ZeroDivisionError, RuntimeError])
def test_a_helper_that_fails_or_never_comes_changes_nothing(error, shares, monkeypatch):
    X, y = labelled(20_000, 3)
    arguments = {"optimizer": fastgd.SGD(), "batch_size": 10_000, "epochs": 40, "tol": 0.0}  # a chunk an epoch
    alone, calls, help_along, start = fastgd.fit(fastgd.Neuron(3), X, y, **arguments), [], sharing.help_along, []

    def fail(*arguments):
        if arguments[-1] == 0:
            return help_along(*arguments)
        calls.append(arguments)
        raise error

    def refuse(*arguments):
        start.append(arguments)
        raise error

    monkeypatch.setattr(sharing, "help_along", fail)
    if error is RuntimeError:  # what Python says where no thread is to be had
        monkeypatch.setattr(_threads._thread, "start_new_thread", refuse)
    assert_same_bits(fastgd.fit(fastgd.Neuron(3), X, y, threads=2, **arguments), alone)
    deadline = time.monotonic() + 60
    while not (calls or start) and time.monotonic() < deadline:
        time.sleep(0.001)
    assert calls or len(start) >= alone.n_epochs


def test_divergence_on_threads(shares):
    X, y = labelled(30_000, 3)
    arguments = {"optimizer": fastgd.SGD(), "lr": 1e12, "batch_size": None, "epochs": 9}
    with pytest.warns(RuntimeWarning, match="diverged"):
        alone = fastgd.fit(fastgd.Neuron(3, "identity"), X, y, **arguments)
    with pytest.warns(RuntimeWarning, match="diverged"):
        together = fastgd.fit(fastgd.Neuron(3, "identity"), X, y, threads=3, **arguments)
    assert_same_bits(alone, together)


def test_all_tasks_are_called_and_the_first_is_called_here():
    called = {}
    _threads.run_all([lambda k=k: called.update({k: threading.current_thread()}) for k in range(5)])
    assert sorted(called) == list(range(5))
    assert called[0] is threading.current_thread()
    assert all(called[k] is not called[0] for k in range(1, 5))


def test_an_error_in_a_task_is_raised_when_all_have_ended():
    ended = []

    def fail():
        raise ZeroDivisionError

    for failing in (0, 1):
        tasks = [lambda: ended.append(1)] * 2
        tasks[failing] = fail
        with pytest.raises(ZeroDivisionError):
            _threads.run_all(tasks)
    assert len(ended) == 2
    _threads.run_all([lambda: ended.append(1)] * 3)  # the pool is as good as before
    assert len(ended) == 5

    def end_late():
        time.sleep(0.05)
        ended.append(1)

    with pytest.raises(ZeroDivisionError):
        _threads.run_all([lambda: None, fail, end_late])
    assert len(ended) == 6


def test_where_there_are_no_threads_to_be_had(monkeypatch):
    def refuse(self, task):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_threads.ThreadPoolExecutor, "submit", refuse)
    called = []
    _threads.run_all([lambda: called.append(threading.current_thread())] * 3)
    assert called == [threading.current_thread()] * 3
