"""`fit` when things go wrong: divergence, Ctrl-C, and what the host program does with threads and processes."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from fit_runs import assert_same_bits, labelled

import fastgd
from fastgd import gradients
from fastgd._arrays import finite as _finite
from fastgd._runtime import threads as _threads
from fastgd._training import run as _run
from fastgd._training import setup as _setup

SGD = fastgd.SGD()


# Divergence.


def plain_descent(params, X, y, rows, lr):
    """Steps of gradient descent on (w·x + b - y)² in the dtype of the rows; all the parameters that were met."""
    points = [params]
    with np.errstate(all="ignore"):
        for row in rows:
            x = np.append(X[row], X.dtype.type(1))
            points.append(points[-1] - X.dtype.type(lr) * 2 * (points[-1] @ x - y[row]) * x)
    return np.array(points)


@pytest.mark.parametrize("chunks", ["small", "usual"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_last_finite_parameters(dtype, chunks, request):
    if chunks == "small":
        request.getfixturevalue("small_chunks")
    X, y = labelled(100, 2, dtype)
    start = np.array([0.5, -0.25, 0.125], dtype)
    with pytest.warns(RuntimeWarning, match="fit: the run diverged: at step [0-9]+ the .* stopped being finite"):
        result = fastgd.fit(
            fastgd.Neuron(2, "identity"),
            X,
            y,
            optimizer=SGD,
            lr=1e6,
            batch_size=1,
            order="sequential",
            epochs=5,
            params=start,
        )
    assert result.status == "diverged"
    # Where the loss, the square of the error, is no longer finite, that step is not done.
    points = plain_descent(start, X, y, range(100), 1e6)
    with np.errstate(all="ignore"):
        squares = (points[:-1] * np.column_stack([X, np.ones(100, dtype)])).sum(axis=1) ** 2
    steps = int(np.argmin(np.isfinite(points[:-1]).all(axis=1) & np.isfinite(squares)))
    assert 2 < result.n_steps == steps < 100
    assert np.isfinite(result.params).all()
    # Every step of a diverging run multiplies the rounding of the ones before, in float32 above all.
    np.testing.assert_allclose(result.params, points[steps], rtol=1e-3)
    assert np.isfinite(result.history["loss"]).all()
    assert result.history["step"].tolist() == [steps]


def huge(n, dtype):
    """Targets that make the first gradient large, and finite."""
    return np.full(n, np.sqrt(np.finfo(dtype).max) / 1e3, dtype)


@pytest.mark.parametrize("batch_size", [1, 8, None])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_parameters_before_the_step_that_made_them_infinite(dtype, batch_size):
    X, _ = labelled(40, 2, dtype)
    start = np.array([0.5, -0.25, 0.125], dtype)
    arguments = {"optimizer": SGD, "batch_size": batch_size, "params": start, "epochs": 3}
    with pytest.warns(RuntimeWarning, match="diverged: at step 0 the parameters stopped being finite"):
        result = fastgd.fit(fastgd.Neuron(2, "identity"), X, huge(40, dtype), lr=1e300, **arguments)
    np.testing.assert_array_equal(result.params, start)
    assert (result.n_steps, result.n_epochs, result.history["step"].size) == (0, 0, 0)
    assert np.isnan(result.loss)


@pytest.mark.parametrize("chunks", ["small", "usual"])
@pytest.mark.parametrize(("batch_size", "epochs"), [(8, 30), (None, 200), (2500, 99)])
def test_run_is_set_back_to_the_step_before(batch_size, epochs, chunks, request):
    if chunks == "small":
        request.getfixturevalue("small_chunks")
    # The rate is infinite in float32 from a certain step on, many steps of several epochs into a chunk.
    X, y = labelled(5000 if batch_size == 2500 else 60, 2)
    steps_per_epoch = 1 if batch_size is None else -(-len(X) // batch_size)
    schedule = fastgd.ExponentialDecay(0.1, 0.01)
    arguments = {"optimizer": fastgd.Momentum(), "batch_size": batch_size, "lr": schedule}
    bad = 17 * steps_per_epoch + steps_per_epoch // 2

    def fill(schedule, times, rates):
        rates[:] = np.where(times < bad / steps_per_epoch, 0.1, 1e300)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_run, "fill_rates", fill)
        with pytest.warns(RuntimeWarning, match=f"diverged: at step {bad} the parameters"):
            result = fastgd.fit(fastgd.Neuron(2), X, y, epochs=epochs, **arguments)
        good = fastgd.fit(fastgd.Neuron(2), X, y, epochs=17, **arguments)
        assert result.status == "diverged"
        assert result.n_steps == bad
        assert result.n_epochs == 17
        for name in ("loss", "grad_norm", "grad_cosine"):
            np.testing.assert_array_equal(result.history[name][:17], good.history[name])
        bad = 10**9
        # The run goes on from there as if nothing had been amiss.
        going_on = fastgd.fit(fastgd.Neuron(2), X, y, epochs=epochs, resume=result, **arguments)
        assert_same_bits(going_on, fastgd.fit(fastgd.Neuron(2), X, y, epochs=epochs, **arguments))


def test_loss_that_overflows_in_float32():
    X, _ = labelled(40, 2)
    y = np.full(40, 1e19, np.float32)  # its square is finite, the sum of four squares is not
    words = r"at step 0 the loss or gradient stopped being finite; .*\(before any step: X, y or .* sums in float32\)"
    with pytest.warns(RuntimeWarning, match=words):
        result = fastgd.fit(fastgd.Neuron(2, "identity"), X, y, optimizer=SGD, batch_size=8)
    assert result.status == "diverged"
    np.testing.assert_array_equal(result.params, fastgd.init_params(fastgd.Neuron(2)))


@pytest.mark.parametrize("lr", [1e6, 1e300])
def test_divergence_raises(lr):
    X, y = labelled(100, 2)
    with pytest.raises(
        FloatingPointError, match=r"fit: the run diverged: at step [0-9]+ the (loss|parameters)"
    ) as error:
        fastgd.fit(
            fastgd.Neuron(2, "identity"), X, y, optimizer=SGD, lr=lr, batch_size=1, epochs=9, on_nonfinite="raise"
        )
    assert "returned" not in str(error.value)


def test_batches_that_are_skipped_and_counted():
    X, y = labelled(64, 2)
    y[20] = y[21] = y[50] = 3e19  # batches 2 and 6 of 8
    arguments = {"optimizer": fastgd.Momentum(), "lr": 0.01, "batch_size": 8, "order": "sequential", "epochs": 3}
    result = fastgd.fit(fastgd.Neuron(2, "identity"), X, y, on_nonfinite="skip", **arguments)
    assert result.status == "max_epochs"
    assert result.history["skipped"].tolist() == [2, 2, 2]
    assert result.n_steps == 24
    kept = np.delete(np.arange(64), [*range(16, 24), *range(48, 56)])
    without = fastgd.fit(fastgd.Neuron(2, "identity"), X[kept], y[kept], **arguments)
    np.testing.assert_array_equal(result.params, without.params)
    for name in ("loss", "grad_norm"):
        np.testing.assert_array_equal(result.history[name], without.history[name])
    assert np.isfinite(result.history["grad_cosine"]).all()


def test_all_batches_skipped():
    X, _ = labelled(16, 2)
    y = np.full(16, 3e19, np.float32)
    with pytest.warns(RuntimeWarning, match="fit: every batch was left out"):
        result = fastgd.fit(
            fastgd.Neuron(2, "identity"),
            X,
            y,
            optimizer=SGD,
            batch_size=8,
            epochs=4,
            on_nonfinite="skip",
            tol=0,
            patience=2,
        )
    assert result.status == "max_epochs"  # a loss that never was a number has not come to rest
    assert "every batch was left out" in result.message
    assert result.history["skipped"].tolist() == [2, 2, 2, 2]
    assert np.isnan(result.history["loss"]).all()
    np.testing.assert_array_equal(result.params, fastgd.init_params(fastgd.Neuron(2)))


def test_divergence_under_skip():
    X, y = labelled(100, 2)
    with pytest.warns(RuntimeWarning, match="the parameters stopped being finite"):
        result = fastgd.fit(
            fastgd.Neuron(2, "identity"), X, y, optimizer=SGD, lr=1e300, batch_size=8, on_nonfinite="skip"
        )
    assert result.status == "diverged"
    assert result.n_steps == 0


def test_going_on_from_a_diverged_run():
    X, y = labelled(64, 2)
    y[20] = 3e19
    arguments = {"optimizer": fastgd.Momentum(), "lr": 0.01, "batch_size": 8, "epochs": 3}
    skipping = fastgd.fit(fastgd.Neuron(2, "identity"), X, y, on_nonfinite="skip", **arguments)
    with pytest.warns(RuntimeWarning, match="diverged: at step [0-7] the loss or gradient"):
        result = fastgd.fit(fastgd.Neuron(2, "identity"), X, y, **arguments)
    rest = fastgd.fit(fastgd.Neuron(2, "identity"), X, y, resume=result, on_nonfinite="skip", **arguments)
    assert_same_bits(rest, skipping)


# Ctrl-C, here by the callback, so that its moment is known.


def press_at(*calls):
    """A callback that presses Ctrl-C at the so-manyeth calls."""
    count = 0

    def callback(progress):
        nonlocal count
        count += 1
        if count in calls:
            signal.raise_signal(signal.SIGINT)

    return callback


@pytest.mark.parametrize("press", [1, 2, 3, 5, 8, 12])
@pytest.mark.parametrize(("batch_size", "order"), [(None, "sequential"), (5000, "shuffled"), (1000, "shuffled")])
def test_interrupted_anywhere_and_going_on(batch_size, order, press, small_chunks):
    X, y = labelled(7001, 3)
    arguments = {"optimizer": fastgd.Momentum(), "lr": 0.5, "batch_size": batch_size, "order": order, "epochs": 5}
    whole = fastgd.fit(fastgd.Neuron(3), X, y, **arguments)
    part = fastgd.fit(fastgd.Neuron(3), X, y, callback=press_at(press), **arguments)
    assert part.status == "interrupted"
    assert part.message.endswith("fit(..., resume=result) goes on")
    assert part.n_epochs < 5
    assert_same_bits(fastgd.fit(fastgd.Neuron(3), X, y, resume=part, **arguments), whole)


def test_second_press_raises():
    X, y = labelled(100, 3)

    def callback(progress):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fastgd.fit(fastgd.Neuron(3), X, y, callback=callback)


def test_a_run_in_the_callback_of_another_is_interrupted_with_it():
    X, y = labelled(100, 3)
    inner = []

    def callback(progress):
        inner.append(fastgd.fit(fastgd.Neuron(3), X, y, epochs=50, callback=press_at(2)))

    outer = fastgd.fit(fastgd.Neuron(3), X, y, epochs=3, callback=callback)
    assert [run.n_epochs for run in (*inner, outer)] == [2, 1]
    assert {run.status for run in (*inner, outer)} == {"interrupted"}


def test_second_press_long_after_the_first(monkeypatch):
    X, y = labelled(100, 3)
    times = iter([10.0, 11.5])
    monkeypatch.setattr("fastgd._runtime.interrupt.time.monotonic", lambda: next(times))

    def callback(progress):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    assert fastgd.fit(fastgd.Neuron(3), X, y, callback=callback).status == "interrupted"


def test_interrupted_in_the_last_epoch():
    X, y = labelled(100, 3)
    result = fastgd.fit(fastgd.Neuron(3), X, y, epochs=2, callback=press_at(2))
    assert (result.status, result.n_epochs) == ("interrupted", 2)  # a program's loop of fits hears of it too


def test_interrupted_before_the_first_step(monkeypatch):
    X, y = labelled(100, 3)
    X[50, 1] = np.nan  # what was not looked at is not trained on

    def check(*arguments):
        signal.raise_signal(signal.SIGINT)
        return X, y

    monkeypatch.setattr(_setup._check, "data", check)
    result = fastgd.fit(fastgd.Neuron(3), X, y)
    assert (result.status, result.n_steps, result.n_epochs) == ("interrupted", 0, 0)
    np.testing.assert_array_equal(result.params, fastgd.init_params(fastgd.Neuron(3)))
    monkeypatch.undo()
    X[50, 1] = 0
    assert_same_bits(fastgd.fit(fastgd.Neuron(3), X, y, resume=result), fastgd.fit(fastgd.Neuron(3), X, y))


def test_interrupted_in_the_check_of_finite_values(monkeypatch):
    X, y = labelled(1000, 3)
    parts = []

    def looking(bits, exponent):
        parts.append(bits.size)
        if len(parts) == 4:
            signal.raise_signal(signal.SIGINT)
        return True

    monkeypatch.setattr(_finite, "all_finite", looking)
    monkeypatch.setattr(_finite, "_PART", 100)
    result = fastgd.fit(fastgd.Neuron(3), X, y)
    assert (result.status, result.n_steps) == ("interrupted", 0)
    assert parts == [100] * 4


@pytest.mark.parametrize("part", [0, 1])
def test_interrupted_in_validation(part, monkeypatch):
    X, y = labelled(9000, 3)
    arguments = {
        "optimizer": fastgd.Momentum(),
        "lr": 0.5,
        "epochs": 5,
        "validation": labelled(9000, 3, seed=1),
        "tol": 1e-3,
        "patience": 2,
    }
    monkeypatch.setattr(_run, "_PART_NUMBERS", 1)
    whole = fastgd.fit(fastgd.Neuron(3), X, y, **arguments)
    calls, add_sums = [], _run.Run._add_sums

    def pressing(run, *sums):
        calls.append(1)
        if len(calls) == 12 + part * 3:  # 5 blocks an epoch: in the third
            signal.raise_signal(signal.SIGINT)
        add_sums(run, *sums)

    with monkeypatch.context() as patch:
        patch.setattr(_run.Run, "_add_sums", pressing)
        interrupted = fastgd.fit(fastgd.Neuron(3), X, y, **arguments)
    assert interrupted.status == "interrupted"
    assert interrupted.n_epochs == 3
    assert np.isnan(interrupted.history["val_loss"][2]) == (part == 0)
    resumed = fastgd.fit(fastgd.Neuron(3), X, y, resume=interrupted, **arguments)
    assert_same_bits(resumed, whole)
    assert resumed.status == whole.status


def test_the_programs_own_handler_is_left_alone():
    X, y = labelled(100, 3)
    heard = []
    before = signal.signal(signal.SIGINT, lambda *arguments: heard.append(1))
    try:
        result = fastgd.fit(fastgd.Neuron(3), X, y, epochs=3, callback=press_at(1))
    finally:
        signal.signal(signal.SIGINT, before)
    assert (result.status, heard) == ("max_epochs", [1])


def test_a_handler_that_the_callback_sets_stays():
    X, y = labelled(100, 3)
    before = signal.getsignal(signal.SIGINT)

    def handler(*arguments):
        pass

    try:
        fastgd.fit(fastgd.Neuron(3), X, y, epochs=1, callback=lambda p: signal.signal(signal.SIGINT, handler))
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_error_in_the_callback_is_passed_on(capsys):
    X, y = labelled(100, 3)

    def callback(progress):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        fastgd.fit(fastgd.Neuron(3), X, y, callback=callback, progress=True)
    capsys.readouterr()


# Ctrl-C from outside, in a process of its own, and how long it takes to be heard.

LATENCY = """
import json, os, signal, sys, threading, time
import numpy as np
import fastgd

signal.signal(signal.SIGINT, signal.default_int_handler)

def press(delay):
    time.sleep(delay)
    global pressed
    pressed = time.perf_counter()
    os.kill(os.getpid(), signal.SIGINT)

def timed(X, y, delay, **arguments):
    thread = threading.Thread(target=press, args=(delay,))
    thread.start()
    result = fastgd.fit(model, X, y, optimizer=fastgd.SGD(), **arguments)
    latency = time.perf_counter() - pressed
    thread.join()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    return {"latency": latency, "status": result.status, "steps": result.n_steps, "seconds": result.seconds}

# Pages that were never written cost no memory: reading them gives zeros.
columns = 512
X, y = np.zeros((GIGABYTES << 19, columns), np.float32), np.zeros(GIGABYTES << 19, np.float32)
model = fastgd.Neuron(columns, "identity")
for threads in (1, 2):
    fastgd.fit(model, X[:8192], y[:8192], optimizer=fastgd.SGD(), batch_size=None, threads=threads, epochs=3)
report = {
    "steps": timed(X[:8192], y[:8192], 0.3, epochs=10**9, batch_size=32),
    "epochs of one row": timed(X[:1], y[:1], 0.3, epochs=10**9),
    "full batch": timed(X, y, DELAY, epochs=10**9, batch_size=None),
    "full batch on two threads": timed(X, y, DELAY, epochs=10**9, batch_size=None, threads=2),
}
print(json.dumps(report))
"""


def run_script(script, tmp_path, **replacements):
    for name, value in replacements.items():
        script = script.replace(name, str(value))
    path = tmp_path / "script.py"
    path.write_text(textwrap.dedent(script))
    environment = {**os.environ, "PYTHONPATH": str(Path(fastgd.__file__).parents[1])}
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="counts on pages of zeros that take no memory")
def test_interrupts_are_heard_at_once(tmp_path):
    report = json.loads(run_script(LATENCY, tmp_path, GIGABYTES=1, DELAY=0.3))
    print(report)
    for name, what in report.items():
        assert what["status"] == "interrupted", name
        assert what["latency"] < 0.5, name  # 0.1 s is promised; a busy machine is given time


# The host program's threads and processes.


def test_two_python_threads_at_once(monkeypatch):
    monkeypatch.setattr(_threads, "processors", lambda: 3)
    monkeypatch.setattr(gradients, "_SHARE_WORK", 1 << 14)
    tables = [labelled(20_000, 3, seed=seed) for seed in range(4)]
    arguments = [{"batch_size": None, "threads": 3}, {"batch_size": 9000, "threads": 2}, {"batch_size": 64}, {}]

    def run(k):
        return fastgd.fit(fastgd.Neuron(3), *tables[k], optimizer=SGD, lr=0.5, epochs=20, **arguments[k])

    alone = [run(k) for k in range(4)]
    for _ in range(3):
        with ThreadPoolExecutor(4) as workers:
            for result, expected in zip(workers.map(run, range(4)), alone, strict=True):
                assert_same_bits(result, expected)


TIMED_OUT = """
import signal
import numpy as np
import fastgd
from fastgd._runtime import threads as _threads

_threads.processors = lambda: 2
X = np.random.default_rng(0).normal(size=(5000, 16)).astype(np.float32)
y = (X[:, 0] > 0).astype(np.float32)

def fit(epochs):
    fastgd.fit(fastgd.Neuron(16), X, y, batch_size=None, epochs=epochs, threads=2, callback=lambda progress: None)

def time_out(*arguments):
    raise TimeoutError

fit(3)
signal.signal(signal.SIGALRM, time_out)
for i in range(400):
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.002 + 3e-6 * i)
        fit(10**6)
    except TimeoutError:
        pass
print("ended")
"""


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="the system has no alarms")
def test_a_program_that_times_its_fits_out_can_end(tmp_path):
    script = tmp_path / "timed_out.py"
    script.write_text(TIMED_OUT)
    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=240)
    assert (ran.returncode, ran.stdout) == (0, "ended\n"), ran.stderr


PROCESSES = """
import multiprocessing, os, sys, threading
import numpy as np
import fastgd
from fastgd import gradients
from fastgd._runtime import threads as _threads

_threads.processors = lambda: 2
gradients._SHARE_WORK = 1 << 14
X = np.random.default_rng(0).standard_normal((20_000, 3), np.float32)
y = (X[:, 0] > 0.3).astype(np.float32)

def params(threads=2):
    result = fastgd.fit(
        fastgd.Neuron(3), X, y, optimizer=fastgd.SGD(), batch_size=None, threads=threads, epochs=5
    )
    return result.params.tobytes()

def late(expected):
    threading.main_thread().join()
    print("late", params() == expected, flush=True)

if __name__ == "__main__":
    expected = params(1)
    print("parent", params() == expected, flush=True)
    if hasattr(os, "fork"):
        child = os.fork()
        if child == 0:
            os._exit(0 if params() == expected else 1)
        print("forked", os.waitpid(child, 0)[1] == 0, flush=True)
        with multiprocessing.get_context("fork").Pool(2) as pool:
            print("fork", pool.map(params, [2, 2, 1]) == [expected] * 3, flush=True)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print("spawn", pool.map(params, [2]) == [expected], flush=True)
    threading.Thread(target=late, args=(expected,)).start()
"""


def test_processes_and_a_program_that_ends(tmp_path):
    told = run_script(PROCESSES, tmp_path).splitlines()
    assert all(line.endswith(" True") for line in told), told
    assert {line.split()[0] for line in told} >= {"parent", "spawn", "late"}
    assert ("forked True" in told) == ("fork True" in told) == hasattr(os, "fork")


@pytest.mark.parametrize("batch_size", [1, 4, None])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_row_of_weight_0_adds_nothing_even_where_its_loss_overflows(batch_size, dtype):
    model, X = fastgd.Neuron(3, "identity"), np.random.default_rng(0).normal(size=(40, 3)).astype(dtype)
    y, weight = X[:, 0] > 0, np.ones(40)
    weight[7] = 0
    arguments = {"sample_weight": weight, "order": "sequential", "epochs": 2, "batch_size": batch_size}
    expected = fastgd.fit(model, X, y, **arguments)
    X[7] = 1e30 if dtype == np.float32 else 1e200
    result = fastgd.fit(model, X, y, **arguments)
    assert result.status == "max_epochs"
    np.testing.assert_array_equal(result.params, expected.params)
    many = fastgd.sweep(model, X, y, lrs=[1e-3], **arguments)
    assert many.status.tolist() == ["max_epochs"]
    np.testing.assert_allclose(many.params[0], expected.params, rtol=1e-5)
