"""Schedules against values worked out by hand, in Python and inside compiled code."""

import math
import pickle

import numpy as np
import pytest
from reference import exponential_decay

import fastgd
from fastgd import ExponentialDecay, learning_rate


@fastgd.njit
def rates(schedule, times):
    result = np.empty(times.size)
    for i in range(times.size):
        result[i] = learning_rate(schedule, times[i])
    return result


@fastgd.njit
def constants():
    return learning_rate(0.5, 3), learning_rate(1, 0.0), learning_rate(np.float32(0.25), 2)


def test_exponential_decay_by_hand():
    schedule = ExponentialDecay(lr=0.8, k=math.log(2))
    for t, rate in [(0, 0.8), (1, 0.4), (2, 0.2), (0.5, 0.8 / math.sqrt(2)), (10, 0.8 / 1024)]:
        assert learning_rate(schedule, t) == pytest.approx(rate, rel=1e-15)


@pytest.mark.parametrize(("lr", "k"), [(0.1, 0.05), (1e-3, 0), (0, 1), (5, 1e-12), (1e-300, 700)])
def test_exponential_decay(lr, k):
    times = np.array([0, 0.25, 1, 7.5, 1e3, 1e12])
    expected = exponential_decay(times, lr, k)
    schedule = ExponentialDecay(lr, k)
    assert learning_rate(schedule, 0) == lr
    np.testing.assert_allclose([learning_rate(schedule, t) for t in times], expected, rtol=1e-14)
    np.testing.assert_allclose(rates(schedule, times), expected, rtol=1e-14)


def test_far_out_nothing_is_left():
    assert learning_rate(ExponentialDecay(0.1, 1.0), 1e12) == 0
    assert learning_rate(ExponentialDecay(0.1, 1e308), 1e308) == 0


def test_a_number_is_a_constant_schedule():
    for schedule in (0.5, np.float64(0.5), np.float32(0.5)):
        rate = learning_rate(schedule, 10**12)
        assert rate == 0.5
        assert type(rate) is float
    assert type(learning_rate(1, 0)) is float
    assert constants() == (0.5, 1.0, 0.25)
    assert all(type(rate) is float for rate in constants())


@pytest.mark.parametrize("value", [-1, -1e-300, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("field", ["lr", "k"])
def test_fields_are_checked(field, value):
    fields = {"lr": 0.1, "k": 0.5, field: value}
    with pytest.raises(ValueError, match=f"ExponentialDecay: {field} must be a finite number, 0 or larger, got"):
        ExponentialDecay(**fields)


@pytest.mark.parametrize("value", ["0.1", None, [0.1], True, 1j, np.ones(2)])
def test_fields_are_numbers(value):
    with pytest.raises(TypeError, match="ExponentialDecay: lr must be a finite number"):
        ExponentialDecay(value, 1)


def test_fields_have_no_defaults():
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'k'"):
        ExponentialDecay(0.1)


def test_integers_are_the_same_schedule():
    schedule = ExponentialDecay(1, np.int32(2))
    assert [type(field) for field in schedule] == [float, float]
    assert schedule == ExponentialDecay(1.0, 2.0)
    assert repr(schedule) == "ExponentialDecay(lr=1.0, k=2.0)"
    assert pickle.loads(pickle.dumps(schedule)) == schedule
    assert schedule._replace(k=0).k == 0
    with pytest.raises(ValueError, match="k must be"):
        schedule._replace(k=-1)


def test_what_is_no_schedule():
    for other, name in [("0.1", "str"), (None, "NoneType"), (True, "bool"), (fastgd.SGD(), "SGD")]:
        with pytest.raises(TypeError, match=f"learning_rate: expected a schedule, got {name}"):
            learning_rate(other, 0)
    with pytest.raises(TypeError, match=r"got the class ExponentialDecay itself; write ExponentialDecay\(\)"):
        learning_rate(ExponentialDecay, 0)
