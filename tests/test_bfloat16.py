"""Moments kept in bfloat16: the rounding, and that the optimisers do with them what they do without."""

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st

import fastgd
from fastgd import AdamBF16, AdamWBF16, LionBF16, init_state, update
from fastgd._numbers import bfloat16 as _bfloat16

OPTIMIZERS = [AdamBF16(), AdamWBF16(weight_decay=0.1), LionBF16(weight_decay=0.1)]
by_name = {"ids": lambda optimizer: type(optimizer).__name__}


@fastgd.njit(cache=False)
def rounded_by(x, noise):
    out = np.empty((2, noise.size), np.uint16)
    for i in range(noise.size):
        out[0, i] = _bfloat16.rounded_by_lower(x, noise[i])
        out[1, i] = _bfloat16.rounded_by_upper(x, np.uint32(noise[i] << 16))
    return out


@fastgd.njit(cache=False)
def noises(n, seed, step):
    out = np.empty((n, 2), np.uint32)
    noise = _bfloat16.first_noise(seed, step, 0)
    for i in range(n):
        out[i, 0], out[i, 1] = noise & 0xFFFF, noise >> 16
        noise = _bfloat16.next_noise(noise)
    return out


def widened(bits):
    return (bits.astype(np.uint32) << 16).view(np.float32)


@settings(deadline=None, max_examples=50)
@given(x=st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=False))
def test_rounding_is_right_on_average(x):
    # Over all values of the noise, exactly: the mean of what comes out is what went in.
    x = np.float32(x)
    for out in widened(rounded_by(x, np.arange(1 << 16, dtype=np.uint32))).astype(np.float64):
        if np.isfinite(out).all():  # but beyond bfloat16's largest number
            assert out.mean() == float(x)
            assert len(np.unique(out)) <= 2


def test_special_values_stay():
    noise = np.arange(1 << 16, dtype=np.uint32)
    for x in (np.inf, -np.inf, np.nan, 0.0, -0.0, 1.0, -2.5):
        out = widened(rounded_by(np.float32(x), noise))
        assert np.array_equal(out, np.full(out.shape, x, np.float32), equal_nan=True)


def test_noise_is_uniform_over_steps_and_over_elements():
    # A mean of n uniform numbers is within 5 standard deviations, 5 · 2^16 / √(12 n), of the middle.
    n = 4000
    over_elements = noises(n, 0, 7)
    over_steps = np.array([noises(3, 0, step)[2] for step in range(n)])
    halves = [*over_elements.T, *over_steps.T]
    for values in halves:
        assert abs(values.mean() - (2**16 - 1) / 2) < 5 * 2**16 / np.sqrt(12 * n)
        assert np.bincount(values >> 12, minlength=16).min() > n / 16 * 0.6
        assert abs(np.corrcoef(values[1:], values[:-1])[0, 1]) < 0.9
    # What an element is given at one step tells nothing of the next; nor do its two halves of one another.
    for values in over_steps.T:
        assert abs(np.corrcoef(values[1:], values[:-1])[0, 1]) < 5 / np.sqrt(n)
    assert abs(np.corrcoef(over_steps.T)[0, 1]) < 5 / np.sqrt(n)


def test_moments_that_gain_less_than_half_a_place_do_not_stand_still():
    # v → g² under a constant gradient; rounded to nearest it stops where 0.1 % is less than half of its last place.
    params, optimizer = np.zeros(1000, np.float32), AdamBF16(beta1=0.9, beta2=0.999)
    state = init_state(optimizer, params)
    for _ in range(8000):
        update(optimizer, 1e-3, np.full(1000, 3.0, np.float32), state, params)
    v = widened(state.v)
    assert abs(v.mean() / 9 - 1) < 5e-3
    assert abs(widened(state.m).mean() / 3 - 1) < 5e-3
    assert abs(params / (-1e-3 * 8000) - 1).max() < 0.02  # each step is lr in size


@pytest.mark.parametrize("optimizer", OPTIMIZERS, **by_name)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_close_to_the_same_without(optimizer, dtype):
    # To bfloat16's place, 2^-8, in the size of a step.
    def gradient(params):
        return (np.sin(3 * params) + params).astype(dtype)

    first = np.random.default_rng(1).normal(size=400).astype(dtype)
    params, state = first.copy(), init_state(optimizer, first)
    name = type(optimizer).__name__.removesuffix("BF16")
    fields = {name: value for name, value in optimizer._asdict().items() if name != "seed"}
    expected = reference.trajectory(name, fields, 0.01, gradient, first, 50)
    for point in expected:
        update(optimizer, 0.01, gradient(params), state, params)
        moved = abs(point - first).max()
        if name != "Lion":  # whose direction, where it is close to 0, may turn
            assert abs(params - point).max() < 0.03 * moved + 1e-4
        assert abs(params - point).mean() < 0.02 * moved + 1e-4
        assert abs((params - point).mean()) < 0.002 * moved + 1e-5


@pytest.mark.parametrize("optimizer", OPTIMIZERS, **by_name)
def test_the_seed_decides(optimizer):
    def run(optimizer):
        rng = np.random.default_rng(0)
        params = rng.normal(size=50).astype(np.float32)
        state = init_state(optimizer, params)
        for _ in range(10):
            update(optimizer, 0.01, rng.normal(size=50).astype(np.float32), state, params)
        return params, state

    once, again, other = run(optimizer), run(optimizer), run(optimizer._replace(seed=1))
    np.testing.assert_array_equal(once[0], again[0])
    np.testing.assert_array_equal(once[1].m, again[1].m)
    assert (once[1].m != other[1].m).any()
    with pytest.raises(ValueError, match="seed must be an integer, 0 or larger, got -1"):
        optimizer._replace(seed=-1)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, **by_name)
def test_threads_round_alike(optimizer, shared_from_the_start):
    def run(threads):
        rng = np.random.default_rng(0)
        params = rng.normal(size=5000).astype(np.float32)
        state = init_state(optimizer, params)
        for _ in range(3):
            update(optimizer, 0.01, rng.normal(size=5000).astype(np.float32), state, params, threads=threads)
        return [params, *state]

    for one, three in zip(run(1), run(3), strict=True):
        np.testing.assert_array_equal(one, three)
    assert run(3)[-1] == 0  # the whole vector's first parameter


@pytest.mark.parametrize("optimizer", OPTIMIZERS, **by_name)
def test_nan_stays_visible(optimizer):
    params, g = np.ones(20, np.float32), np.ones(20, np.float32)
    g[3], g[11] = np.nan, np.inf
    state = init_state(optimizer, params)
    for _ in range(3):
        update(optimizer, 0.1, g, state, params)
    # The sign of infinity is 1.
    assert np.flatnonzero(~np.isfinite(params)).tolist() == ([3] if isinstance(optimizer, LionBF16) else [3, 11])


def test_inside_fit():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 3)).astype(np.float32)
    y = (X @ np.array([1, -2, 0.5], np.float32) > 0).astype(np.float32)
    arguments = {"lr": 0.05, "batch_size": 20, "epochs": 10}
    plain = fastgd.fit(fastgd.Neuron(3), X, y, **arguments)
    kept = fastgd.fit(fastgd.Neuron(3), X, y, optimizer=AdamBF16(), **arguments)
    assert abs(kept.loss / plain.loss - 1) < 0.02
    half = fastgd.fit(fastgd.Neuron(3), X, y, optimizer=AdamBF16(), **{**arguments, "epochs": 4})
    rest = fastgd.fit(fastgd.Neuron(3), X, y, optimizer=AdamBF16(), resume=half, **arguments)
    np.testing.assert_array_equal(rest.params, kept.params)
