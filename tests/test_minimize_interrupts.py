"""`minimize` under way: callback, progress, Ctrl-C."""

import signal
from typing import NamedTuple

import numpy as np
import pytest
from python_objectives import in_python, parabola
from user_minimization import slower_and_slower

import fastgd
from fastgd import SGD, minimize
from fastgd._descent import run as _descent_run
from fastgd.problems import Bowl, Rosenbrock


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


def test_a_callback_s_stop_asks_for_the_average():
    def stop(progress):
        if progress.step >= 50:
            raise StopIteration

    options = {"optimizer": fastgd.EMA(SGD(), 0.9), "lr": 0.99, "gtol": 0, "compile": False}
    stopped = minimize(lambda x, g: fastgd.value_and_grad(Bowl(), x, g), [1.0], callback=stop, **options)
    whole = minimize(lambda x, g: fastgd.value_and_grad(Bowl(), x, g), [1.0], max_steps=50, **options)
    assert max(stopped.fun, whole.fun) < 0.001 < 0.99**100  # the last point's value, some 0.13
