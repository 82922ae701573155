"""Schedules against exact arithmetic, PyTorch, and values by hand; in Python, in compiled code and in `fit`."""

import copy
import importlib.util
import json
import math
import pickle
import warnings

import exact_schedules as exact
import mpmath
import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba.core.errors import TypingError

import fastgd
from fastgd import (
    CosineAnnealing,
    CosineRestarts,
    CyclicTriangular,
    ExponentialDecay,
    InverseTimeDecay,
    LinearRamp,
    MultiStepDecay,
    OneCycle,
    PiecewiseTable,
    PolynomialDecay,
    ReduceOnPlateau,
    Sequence,
    StepDecay,
    Warmup,
    learning_rate,
    schedule_values,
)
from fastgd._registry import ScheduleKernels, _registered

COSINE = CosineAnnealing(0.5, 8, lr_min=0.01)
SCHEDULES = [
    StepDecay(0.8, 0.5, 4),
    StepDecay(0.1, 0.97, 2.5),
    StepDecay(0.1, 1, 1),
    StepDecay(0.1, 0, 7),
    MultiStepDecay(0.8, 0.1, (1, 4, 20)),
    ExponentialDecay(0.1, 0.05),
    ExponentialDecay(1e-3, 0),
    ExponentialDecay(1e-300, 700),
    PolynomialDecay(0.5, 8),
    PolynomialDecay(0.5, 12.5, power=2.5, lr_min=0.1),
    PolynomialDecay(0.5, 0, power=0.5, lr_min=0.1),
    LinearRamp(0.5, 8),
    LinearRamp(1e-4, 7.5, 0.3),
    LinearRamp(0.5, 0, 0.25),
    InverseTimeDecay(0.5, 0.1),
    InverseTimeDecay(0.5, 3, power=0.5),
    COSINE,
    CosineAnnealing(0.5, 12.5),
    CosineAnnealing(0.5, 0, lr_min=0.1),
    CosineRestarts(0.5, 4),
    CosineRestarts(0.5, 2.5, lr_min=0.01),
    CosineRestarts(0.5, 1, multiplier=2),
    CosineRestarts(0.5, 4, multiplier=1.5, lr_min=0.01),
    CosineRestarts(0.5, 2.5, multiplier=10),
    OneCycle(0.5, 10),
    OneCycle(0.5, 10, warmup=0.5, div_factor=4, final_div_factor=100, anneal="linear"),
    OneCycle(0.5, 8, warmup=0.25, three_phase=True),
    OneCycle(0.5, 8, warmup=0.5, three_phase=True, anneal="linear"),
    OneCycle(0.5, 8, warmup=0),
    OneCycle(0.5, 8, warmup=1),
    OneCycle(0.5, 0),
    CyclicTriangular(0.1, 0.5, 4),
    CyclicTriangular(0.1, 0.5, 8, rise=0.25, mode="triangular2"),
    CyclicTriangular(0, 0.5, 2.5, mode="exp_range", gamma=0.99),
    CyclicTriangular(0.1, 0.5, 4, rise=0, gamma=0),
    CyclicTriangular(0.1, 0.5, 4, rise=1),
    Warmup(4, 0.5),
    Warmup(0, 0.5, start=1 / 3),
    Warmup(2.5, COSINE, start=0.1),
    Warmup(3, Warmup(4, Warmup(1, StepDecay(0.8, 0.5, 4)))),
    Sequence((0.5, COSINE, Warmup(1, 0.2)), (3, 9.5)),
    Sequence((StepDecay(0.8, 0.5, 1), StepDecay(0.4, 0.5, 2)), (4,)),
    Sequence((Sequence((0.5, Warmup(2, 0.2)), (2,)), Warmup(2, Sequence((0.1, 0.2), (1,)))), (6,)),
    PiecewiseTable((0, 4, 9.5), (0.5, 0.1, 0.2)),
    PiecewiseTable((1, 4, 9.5), (0.5, 0.1, 0.2), "linear"),
    ReduceOnPlateau(COSINE),
    ReduceOnPlateau(0.25, factor=0.5, lr_min=0.3),
]
all_schedules = pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
TIMES = np.array(
    [0, 1e-9, 0.25, 1, 1.5, 2, 2.5, 3, 4 - 1e-9, 4, 4.125, 5, 6.5, 7, 7.5, 8, 9.5, 10, 11, 12, 12.5, 13, 15, 16,
     20, 31, 40, 1e3, 123456.75, 1e6, 1e12, 1e12 + 0.5, 1e12 + 3, 2**40 - 1]
)  # fmt: skip


@fastgd.njit
def rates(schedule, times):
    result = np.empty(times.size)
    for i in range(times.size):
        result[i] = learning_rate(schedule, times[i])
    return result


@fastgd.njit
def constants():
    return learning_rate(0.5, 3), learning_rate(1, 0.0), learning_rate(np.float32(0.25), 2)


# What every schedule does.


def test_every_schedule_is_in_the_table():
    package = {cls for cls in _registered if cls.__module__.startswith("fastgd.schedules.")}
    schedules = {cls for cls in package if isinstance(_registered[cls], ScheduleKernels)}
    assert schedules == {type(schedule) for schedule in SCHEDULES}
    assert {cls.__name__ for cls in schedules} <= set(fastgd.schedules.__all__) <= set(fastgd.__all__)
    for cls in schedules:
        assert "Time is measured in epochs by `fit`" in " ".join(cls.__doc__.split()) or cls is ReduceOnPlateau


@all_schedules
def test_against_exact_arithmetic(schedule):
    expected = np.array([float(exact.rate(schedule, t)) for t in TIMES])
    singly = np.array([learning_rate(schedule, t) for t in TIMES])
    assert np.isfinite(singly).all()
    assert (singly >= 0).all()
    # At 10^12 steps a time within a period has lost a few digits, an exponent of it some more.
    np.testing.assert_allclose(singly, expected, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(rates(schedule, TIMES), singly, rtol=1e-14, atol=1e-17)
    np.testing.assert_allclose(schedule_values(schedule, TIMES), singly, rtol=1e-14, atol=1e-17)


@all_schedules
def test_a_schedule_is_a_plain_value(schedule):
    for twin in (
        pickle.loads(pickle.dumps(schedule)),
        copy.deepcopy(schedule),
        schedule._replace(),
        eval(repr(schedule)),
    ):
        assert twin == schedule
        assert type(twin) is type(schedule)
        assert repr(twin) == repr(schedule)
    assert type(schedule)(**schedule._asdict()) == schedule
    assert hash(schedule) == hash(schedule._replace())


@all_schedules
def test_the_rate_is_a_float(schedule):
    for t in (0, 3, np.int32(3), np.float32(3), np.uint64(10**12)):
        assert type(learning_rate(schedule, t)) is float
    assert learning_rate(schedule, 3) == learning_rate(schedule, 3.0)


@all_schedules
@pytest.mark.parametrize("t", [1e15, 1e18, 1e300, 1.7e308, 5e-324])
def test_absurd_times(schedule, t):
    assert 0 <= learning_rate(schedule, t) < math.inf


# By hand.


def test_a_number_is_a_constant_schedule():
    for schedule in (0.5, np.float64(0.5), np.float32(0.5)):
        rate = learning_rate(schedule, 10**12)
        assert rate == 0.5
        assert type(rate) is float
    assert type(learning_rate(1, 0)) is float
    assert constants() == (0.5, 1.0, 0.25)
    assert all(type(rate) is float for rate in constants())


def test_exponential_decay_by_hand():
    schedule = ExponentialDecay(lr=0.8, k=math.log(2))
    for t, rate in [(0, 0.8), (1, 0.4), (2, 0.2), (0.5, 0.8 / math.sqrt(2)), (10, 0.8 / 1024)]:
        assert learning_rate(schedule, t) == pytest.approx(rate, rel=1e-15)
    assert learning_rate(ExponentialDecay(0.1, 1.0), 1e12) == 0
    assert learning_rate(ExponentialDecay(0.1, 1e308), 1e308) == 0


@pytest.mark.parametrize("every", [0.1, 0.3, 1 / 3, 1e-3, 0.7, 1, 3, 1e6])
def test_steps_fall_where_they_are_meant_to(every):
    # k · every is rounded, k / 10 where `every` is 0.1 otherwise: a step of `fit` is at k / steps_per_epoch.
    k = np.array([1, 2, 3, 6, 7, 9, 10, 41, 49, 99, 100, 1000, 999_999, 10**9 + 1])
    schedule = StepDecay(1, 0.5, every)
    for times in (k * every, k / (1 / every)):
        np.testing.assert_array_equal(schedule_values(schedule, times), 0.5**k)
        np.testing.assert_array_equal(schedule_values(schedule, (k - 1e-3) * every)[:-1], (0.5 ** (k - 1.0))[:-1])


@pytest.mark.parametrize("multiplier", [1, 1.1, 1.5, 2, 3, 10, 1 + 1e-3])
@pytest.mark.parametrize("period", [0.1, 1, 7, 1000])
def test_restarts_are_where_they_are_meant_to_be(multiplier, period):
    schedule = CosineRestarts(0.3, period, multiplier, lr_min=0.1)
    begins, lengths = [mpmath.mpf(0)], [mpmath.mpf(period)]
    while begins[-1] < 1e12 * period and len(lengths) < 3000:
        begins.append(begins[-1] + lengths[-1])
        lengths.append(lengths[-1] * multiplier)
    begins, lengths = np.array(begins, float), np.array(lengths, float)
    np.testing.assert_allclose(schedule_values(schedule, begins), 0.3, rtol=1e-15)
    middles, ends = begins + lengths / 2, begins + lengths * (1 - 1e-4)
    np.testing.assert_allclose(schedule_values(schedule, middles), 0.2, rtol=1e-9)
    np.testing.assert_allclose(schedule_values(schedule, ends), 0.1, rtol=1e-6)


def test_ends_are_met_exactly():
    for schedule, first, last in [
        (CosineAnnealing(0.1, 7, 0.003), 0.1, 0.003),
        (CosineAnnealing(0.1, 7), 0.1, 0),
        (PolynomialDecay(0.1, 7, 3, 0.003), 0.1, 0.003),
        (LinearRamp(0.1, 7, 0.3), 0.1, 0.3),
        (OneCycle(0.1, 7), 0.1 / 25, 0.1 / 25 / 1e4),
        (Warmup(7, 0.1, start=0.25), 0.025, 0.1),
        (PiecewiseTable((0, 7), (0.1, 0.3), "linear"), 0.1, 0.3),
    ]:
        assert learning_rate(schedule, 0) == first
        for t in (7, 7.5, 1e12):
            assert learning_rate(schedule, t) == last
    assert learning_rate(OneCycle(0.1, 10, warmup=0.5), 5) == 0.1
    assert learning_rate(CyclicTriangular(0.1, 0.7, 10), 5) == 0.7
    assert learning_rate(CyclicTriangular(0.1, 0.7, 10), 10) == 0.1


def test_a_warmup_wastes_no_step_and_shifts_what_it_wraps():
    for start in (0.01, 1 / 3, 1):
        assert learning_rate(Warmup(5, 0.5, start), 0) == 0.5 * start > 0
    inner = StepDecay(0.8, 0.5, 4)
    schedule = Warmup(3, inner)
    assert [learning_rate(schedule, t + 3) for t in TIMES[:20]] == [
        learning_rate(inner, (t + 3) - 3) for t in TIMES[:20]
    ]
    rising = schedule_values(schedule, np.linspace(0, 3, 31))
    np.testing.assert_allclose(np.diff(rising), 0.8 * 0.99 / 30, rtol=1e-12)


# Against PyTorch.

needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")


def torch_rates(make, lr, n_steps):
    import torch

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    result = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SequentialLR uses what PyTorch has deprecated
        scheduler = make(torch.optim.lr_scheduler, optimizer)
        for _ in range(n_steps):
            result.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
    return np.array(result)


# schedule, PyTorch's scheduler, its optimiser's rate, how many steps they have in common
PEERS = {
    "step": (StepDecay(0.5, 0.3, 7), lambda s, o: s.StepLR(o, 7, 0.3), 0.5, 200),
    "multi-step": (MultiStepDecay(0.5, 0.3, (5, 11, 60)), lambda s, o: s.MultiStepLR(o, [5, 11, 60], 0.3), 0.5, 200),
    "exponential": (ExponentialDecay(0.5, -math.log(0.93)), lambda s, o: s.ExponentialLR(o, 0.93), 0.5, 200),
    "polynomial": (PolynomialDecay(0.5, 30, 1.7), lambda s, o: s.PolynomialLR(o, 30, 1.7), 0.5, 50),
    "linear": (LinearRamp(0.2, 13, 0.45), lambda s, o: s.LinearLR(o, 0.4, 0.9, 13), 0.5, 50),
    "inverse time": (InverseTimeDecay(0.5, 0.3), lambda s, o: s.LambdaLR(o, lambda t: 1 / (1 + 0.3 * t)), 0.5, 200),
    "cosine": (CosineAnnealing(0.5, 40, 0.02), lambda s, o: s.CosineAnnealingLR(o, 40, 0.02), 0.5, 41),
    "restarts": (CosineRestarts(0.5, 7, 1, 0.1), lambda s, o: s.CosineAnnealingWarmRestarts(o, 7, 1, 0.1), 0.5, 200),
    "growing": (CosineRestarts(0.5, 3, 2, 0.1), lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, 2, 0.1), 0.5, 400),
    "one cycle": (OneCycle(0.5, 99, 29 / 99), lambda s, o: s.OneCycleLR(o, 0.5, 100), 0.5, 99),
    "one cycle, linear": (
        OneCycle(0.5, 99, 24 / 99, 10, 50, "linear"),
        lambda s, o: s.OneCycleLR(
            o, 0.5, 100, pct_start=0.25, anneal_strategy="linear", div_factor=10, final_div_factor=50
        ),
        0.5,
        99,
    ),
    "one cycle, three phases": (
        OneCycle(0.5, 99, 29 / 99, three_phase=True),
        lambda s, o: s.OneCycleLR(o, 0.5, 100, three_phase=True),
        0.5,
        99,
    ),
    "triangular": (CyclicTriangular(0.1, 0.5, 10), lambda s, o: s.CyclicLR(o, 0.1, 0.5, 5), 0.5, 200),
    "triangular2": (
        CyclicTriangular(0.1, 0.5, 12, 0.25, "triangular2"),
        lambda s, o: s.CyclicLR(o, 0.1, 0.5, 3, 9, mode="triangular2"),
        0.5,
        200,
    ),
    "exp_range": (
        CyclicTriangular(0.1, 0.5, 10, mode="exp_range", gamma=0.97),
        lambda s, o: s.CyclicLR(o, 0.1, 0.5, 5, mode="exp_range", gamma=0.97),
        0.5,
        200,
    ),
    "warmup": (
        Warmup(10, CosineAnnealing(0.5, 30)),
        lambda s, o: s.SequentialLR(o, [s.LinearLR(o, 0.01, 1, 10), s.CosineAnnealingLR(o, 30)], [10]),
        0.5,
        41,
    ),
    "sequence": (
        Sequence((0.25, ExponentialDecay(0.5, -math.log(0.9)), StepDecay(0.5, 0.5, 4)), (5, 12)),
        lambda s, o: s.SequentialLR(
            o, [s.ConstantLR(o, 0.5, 100), s.ExponentialLR(o, 0.9), s.StepLR(o, 4, 0.5)], [5, 12]
        ),
        0.5,
        50,
    ),
}


@needs_torch
@pytest.mark.parametrize("name", PEERS)
def test_step_by_step_as_pytorch(name):
    schedule, make, lr, n_steps = PEERS[name]
    peer = torch_rates(lambda s, o: make(s, o), lr, n_steps)
    # PyTorch multiplies from step to step, and its rounding adds up.
    np.testing.assert_allclose(schedule_values(schedule, np.arange(n_steps)), peer, rtol=1e-9, atol=1e-14)


@needs_torch
def test_restarts_at_fractions_as_pytorch():
    import torch

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 3, 2, 0.1)
    optimizer.step()
    for t in np.arange(1, 300) * 0.37:
        scheduler.step(t)
        rate = learning_rate(CosineRestarts(0.5, 3, 2, 0.1), t)
        assert rate == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-10)


# Drawn at random.

rate_numbers = st.floats(0, 10, allow_subnormal=False)
durations = st.floats(1e-3, 1e6)
times_drawn = st.lists(st.floats(0, 1e13), min_size=1, max_size=8)


@settings(max_examples=100, deadline=None)
@given(rate_numbers, st.floats(0, 1), durations, st.one_of(st.just(1), st.floats(1, 20)), times_drawn)
def test_restarts_anywhere(lr, share, period, multiplier, times):
    schedule = CosineRestarts(lr, period, multiplier, lr * share)
    values = schedule_values(schedule, times)
    assert (values >= lr * share * (1 - 1e-15)).all()
    assert (values <= lr * (1 + 1e-15)).all()
    if multiplier > 1.2:
        # Off by what rounding does to the times, be it over a restart: compared with the times just around.
        around = [[float(exact.rate(schedule, t * (1 + d))) for d in (-1e-12, 0, 1e-12)] for t in times]
        low, high = np.min(around, axis=1), np.max(around, axis=1)
        assert (values >= low - 1e-9 * lr).all()
        assert (values <= high + 1e-9 * lr).all()


@settings(max_examples=100, deadline=None)
@given(
    lr=rate_numbers,
    share=st.floats(0, 1),
    duration=durations,
    rise=st.floats(0.01, 0.99),
    anneal=st.sampled_from(["cosine", "linear"]),
    three_phase=st.booleans(),
    times=times_drawn,
)
def test_cycles_anywhere(lr, share, duration, rise, anneal, three_phase, times):
    warmup = rise / 2 if three_phase else rise
    for schedule in (
        OneCycle(lr, duration, warmup, anneal=anneal, three_phase=three_phase),
        CyclicTriangular(lr * share, lr, duration, rise),
    ):
        for t in (*times, *(duration * x for x in (0, warmup, 2 * warmup, 0.5, 1, 3.25))):
            # A time is off by its rounding, and a slope is steep: at most 100 lr a duration.
            error = lr * (1e-12 + 100 * 2e-15 * t / duration)
            assert abs(learning_rate(schedule, t) - float(exact.rate(schedule, t))) <= error


# Many times at once.


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int64, np.uint8, ">f8"])
def test_values_of_any_shape_and_dtype(dtype):
    schedule = StepDecay(0.8, 0.5, 4)
    ts = np.arange(24).reshape(2, 3, 4).astype(dtype)
    expected = 0.8 * 0.5 ** (np.arange(24).reshape(2, 3, 4) // 4)
    for given_ts, values in [
        (ts, expected),
        (ts[:, ::2, ::-1], expected[:, ::2, ::-1]),
        (np.asfortranarray(ts), expected),
        (ts[:, :0], expected[:, :0]),
        (ts.tolist(), expected),
        (int(ts[1, 2, 3]), expected[1, 2, 3]),
        (range(5), expected.ravel()[:5]),
    ]:
        result = schedule_values(schedule, given_ts)
        assert result.dtype == np.float64
        assert result.shape == np.shape(given_ts)
        np.testing.assert_array_equal(result, values)
    np.testing.assert_array_equal(schedule_values(0.5, ts), np.full(ts.shape, 0.5))
    np.testing.assert_array_equal(schedule_values(1, [0, 1]), [1.0, 1.0])


def test_values_that_cannot_be():
    for schedule, ts, error, message in [
        (COSINE, [0, -1], ValueError, "ts must be finite, 0 or larger, got -1.0"),
        (COSINE, [[0, math.nan]], ValueError, "ts must be finite, 0 or larger, got nan"),
        (COSINE, math.inf, ValueError, "ts must be finite, 0 or larger, got inf"),
        (COSINE, [True], TypeError, "ts must hold real numbers"),
        (COSINE, [1j], TypeError, "ts must hold real numbers"),
        (COSINE, "now", TypeError, "ts must hold real numbers"),
        (COSINE, None, TypeError, "ts must hold real numbers"),
        (COSINE, [[1], [1, 2]], ValueError, "ts must be an array of real numbers"),
        (-0.1, [0], ValueError, "schedule must be a finite number, 0 or larger, got -0.1"),
        ("0.1", [0], TypeError, "schedule must be a finite number, 0 or larger, got '0.1'"),
        (fastgd.Adam(), [0], TypeError, "expected a schedule, got Adam"),
        (CosineAnnealing, [0], TypeError, "got the class CosineAnnealing itself"),
    ]:
        with pytest.raises(error, match=f"schedule_values: .*{message}"):
            schedule_values(schedule, ts)


# Inside compiled code.


@fastgd.njit
def constructed(n):
    return (
        StepDecay(1, 0.5, n),
        MultiStepDecay(1, 0.5, (n, 2.5 * n, 100)),
        MultiStepDecay(1, factor=0.5, milestones=(1, 2, 3)),
        PolynomialDecay(1, n),
        LinearRamp(1, n, lr_end=2),
        InverseTimeDecay(1, 1),
        CosineAnnealing(1, n),
        CosineRestarts(1, n, multiplier=2),
        OneCycle(1, n, anneal="linear"),
        CyclicTriangular(0, 1, n, mode="triangular2"),
        Warmup(n, 1),
        Warmup(n, schedule=CosineAnnealing(1, n), start=1),
        Sequence((1, CosineAnnealing(1, n), 0.5), (n, 2 * n)),
        PiecewiseTable((0, n), (1, 0.5), "linear"),
        ReduceOnPlateau(Warmup(n, 0.5), patience=3),
    )


def test_constructors_in_compiled_code():
    made, expected = constructed(4), constructed.py_func(4)
    for one, other in zip(made, expected, strict=True):
        assert one == other
        assert repr(one) == repr(other)
        assert numba.typeof(one) == numba.typeof(other)


@fastgd.njit
def descent(x, n_steps):
    """A schedule that is made and used in compiled code."""
    schedule = Warmup(3, Sequence((StepDecay(0.25, 0.5, 4), 0.125), (6,)))
    total = 0.0
    for t in range(n_steps):
        lr = learning_rate(schedule, t)
        x -= lr * 2 * x
        total += lr
    return x, total


def test_a_schedule_of_a_loop():
    schedule = Warmup(3, Sequence((StepDecay(0.25, 0.5, 4), 0.125), (6,)))
    values = [0.0025, 0.085, 0.1675, *[0.25] * 4, 0.125, 0.125, *[0.125] * 3]
    np.testing.assert_allclose(schedule_values(schedule, range(12)), values, rtol=1e-14)
    x, total = descent(1.0, 12)
    assert total == pytest.approx(sum(values), rel=1e-14)
    assert x == pytest.approx(math.prod(1 - 2 * lr for lr in values), rel=1e-12)


def test_what_cannot_be_nested_in_compiled_code():
    with pytest.raises(TypingError, match="learning_rate: expected a schedule, got SGD"):
        numba.njit(lambda: learning_rate(Warmup(1, fastgd.SGD()), 0))()


@pytest.mark.parametrize(
    ("inner", "rate"), [(StepDecay(1.0, 0.5, 0.1), 0.125), (CosineRestarts(1.0, 0.1), 1.0)], ids=["steps", "restarts"]
)
def test_a_period_behind_another_schedule_begins_in_time(inner, rate):
    """50.3 - 50 is less than 0.3 by 27 roundings of it, and 0.3 less than 3 times 0.1."""
    assert learning_rate(inner, 0.3) == rate
    for schedule in (Warmup(50, inner), Sequence((1.0, inner), (50,))):
        np.testing.assert_allclose(learning_rate(schedule, 50.3), rate, rtol=1e-12)
    assert learning_rate(StepDecay(1.0, 0.5, 1e12), 1e12 - 1) == 1


# In `fit`.


def table(n=49, d=2):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d))
    return X, (X[:, 0] > 0).astype(float)


@pytest.mark.parametrize(
    "schedule",
    [
        StepDecay(0.5, 0.5, 1),
        Sequence((0.5, CosineRestarts(0.5, 1)), (2,)),
        Warmup(2, StepDecay(0.5, 0.5, 1)),
        PiecewiseTable((0, 1, 3), (0.1, 0.2, 0.1), "linear"),
    ],
    ids=lambda schedule: type(schedule).__name__,
)
def test_in_fit(schedule):
    # 49 · (1 / 49) is less than 1, and step 49 would come one late.
    X, y = table()
    seen = []
    arguments = {"lr": schedule, "batch_size": 1, "epochs": 4, "optimizer": fastgd.SGD()}
    result = fastgd.fit(fastgd.Neuron(2), X, y, callback=lambda progress: seen.append(progress.lr), **arguments)
    last_steps = (np.arange(1, 5) * 49 - 1) / 49
    np.testing.assert_array_equal(result.history["lr"], schedule_values(schedule, last_steps))
    assert seen == result.history["lr"].tolist()
    one = fastgd.fit(fastgd.Neuron(2), X[:1], y[:1], lr=StepDecay(0.5, 0.5, 1), epochs=3)
    assert one.history["lr"].tolist() == [0.5, 0.25, 0.125]


def test_a_drop_is_at_the_first_step_of_an_epoch():
    X, y = table()
    arguments = {"batch_size": 1, "order": "sequential", "optimizer": fastgd.SGD(), "params": np.zeros(3)}
    dropping = fastgd.fit(fastgd.Neuron(2), X, y, lr=StepDecay(0.5, 0, 1), epochs=3, **arguments)
    once = fastgd.fit(fastgd.Neuron(2), X, y, lr=StepDecay(0.5, 1, 1), epochs=1, **arguments)
    np.testing.assert_array_equal(dropping.params, once.params)


def test_schedules_that_are_longer_than_the_run():
    X, y = table()
    for schedule, end in [
        (CosineAnnealing(0.1, 5), 5),
        (Warmup(1, CosineAnnealing(0.1, 4)), 5),
        (Warmup(5, 0.1), 5),
        (Sequence((CosineAnnealing(0.1, 100), Warmup(1, LinearRamp(0.1, 2))), (2,)), 5),
        (Sequence((0.1, 0.2), (5,)), 5),
        (MultiStepDecay(0.1, 0.5, (1, 5)), 5),
        (PiecewiseTable((0, 5), (0.1, 0.2)), 5),
        (ReduceOnPlateau(Warmup(1, CosineAnnealing(0.1, 4))), 5),
        (OneCycle(0.1, 5), 5),
    ]:
        with pytest.warns(RuntimeWarning, match=f"fit: the schedule's duration is {end}(\\.0)? epochs, the run has 4"):
            fastgd.fit(fastgd.Neuron(2), X, y, lr=schedule, epochs=4)
    fastgd.fit(fastgd.Neuron(2), X, y, lr=Warmup(1, CosineAnnealing(0.1, 3)), epochs=4)
    fastgd.fit(fastgd.Neuron(2), X, y, lr=Warmup(1, StepDecay(0.1, 0.5, 10)), epochs=4)


SECOND_PROCESS = """
import json
from numba.core import event
from fastgd import Sequence, StepDecay, Warmup, learning_rate, schedule_values

schedule = Sequence((Warmup(1, Warmup(1, StepDecay(0.1, 0.5, 2))), Sequence((0.05, 0.02), (1,))), (8,))
with event.install_recorder("numba:compile") as compiled:
    rates = schedule_values(schedule, range(12)).tolist()
    rate = learning_rate(schedule, 3)
print(json.dumps({"rates": rates, "rate": rate, "compiled": len(compiled.buffer) > 0}))
"""


def test_a_second_process_finds_nested_schedules_in_the_cache(python):
    first, second = (json.loads(python("-c", SECOND_PROCESS).stdout) for _ in range(2))
    assert first["compiled"]
    assert first["rate"] == first["rates"][3] == 0.1
    assert second == first | {"compiled": False}
