"""Clipping against plain NumPy: the verbs, and the rules that `fit` takes."""

import math
import re

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import fastgd
from fastgd import ClipByNorm, ClipByValue, clip_by_norm, clip_by_value
from fastgd.clipping import NoClipping
from fastgd.verbs import clip

DTYPES = [np.float32, np.float64]


@fastgd.njit
def by_norm(max_norm, grads):
    return fastgd.clip_by_norm(max_norm, grads)


@fastgd.njit
def by_value(limit, grads):
    fastgd.clip_by_value(limit, grads)


@fastgd.njit
def by_rule(rule, norm, grads):
    return clip(rule, norm, grads)


def gradients(dtype):
    # Where a square vanishes, the norm's last digits do.
    numbers = st.floats(-1e6, 1e6, width=32).map(lambda v: 0 if abs(v) < 1e-12 else v)
    return arrays(dtype, st.integers(0, 70), elements=numbers)


@pytest.mark.parametrize("dtype", DTYPES)
@settings(deadline=None)
@given(data=st.data(), limit=st.floats(1e-3, 1e7))
def test_against_numpy(dtype, data, limit):
    g = data.draw(gradients(dtype))
    rtol = 1e-6 if dtype == np.float32 else 1e-14
    norm = np.linalg.norm(g.astype(float))
    for verb in (clip_by_norm, by_norm):
        clipped = g.copy()
        assert verb(limit, clipped) == pytest.approx(norm, rel=1e-14)
        assert clipped.dtype == dtype
        if abs(norm - limit) > 1e-9 * limit:
            np.testing.assert_allclose(clipped, reference.clip_by_norm(limit, g), rtol=rtol)
        if norm < limit * (1 - 1e-9):
            np.testing.assert_array_equal(clipped, g)
    for verb in (clip_by_value, by_value):
        clipped = g.copy()
        assert verb(limit, clipped) is None
        np.testing.assert_array_equal(clipped, reference.clip_by_value(dtype(limit), g))


@pytest.mark.parametrize("dtype", DTYPES)
def test_by_hand(dtype):
    g = np.array([3, 0, -4], dtype)
    assert clip_by_norm(5, g) == 5
    np.testing.assert_array_equal(g, np.array([3, 0, -4], dtype))
    assert clip_by_norm(2.5, g) == 5
    np.testing.assert_array_equal(g, np.array([1.5, 0, -2], dtype))
    clip_by_value(1.75, g)
    np.testing.assert_array_equal(g, np.array([1.5, 0, -1.75], dtype))


def test_no_square_overflows_or_vanishes_in_float32():
    for size in (1e30, 1e-30):
        g = np.array([3 * size, 4 * size], np.float32)
        assert clip_by_norm(size, g) == pytest.approx(5 * size, rel=1e-6)
        np.testing.assert_allclose(g, [0.6 * size, 0.8 * size], rtol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_not_finite_is_never_hidden(dtype, bad):
    g = np.array([3, bad, 4], dtype)
    for verb in (clip_by_norm, by_norm):
        clipped = g.copy()
        assert not math.isfinite(verb(1.0, clipped))
        np.testing.assert_array_equal(clipped, g)
    for verb in (clip_by_value, by_value):
        clipped = g.copy()
        verb(1.0, clipped)
        np.testing.assert_array_equal(clipped, np.clip(g, -1, 1))  # NaN stays NaN


@pytest.mark.parametrize("dtype", DTYPES)
def test_rules_tell_whether_they_changed_anything(dtype):
    g = np.array([3, -4], dtype)
    for rule, expected in [
        (NoClipping(), None),
        (ClipByNorm(5.0), None),
        (ClipByNorm(1.0), [0.6, -0.8]),
        (ClipByValue(4.0), None),
        (ClipByValue(3.5), [3, -3.5]),
    ]:
        clipped = g.copy()
        changed = by_rule(rule, 5.0, clipped)
        assert changed == (expected is not None)
        np.testing.assert_allclose(clipped, g if expected is None else expected, rtol=1e-7)


@pytest.mark.parametrize("limit", [0, -1, math.nan, math.inf])
def test_limits_are_positive(limit):
    for call, owner, name in [
        (ClipByNorm, "ClipByNorm", "max_norm"),
        (ClipByValue, "ClipByValue", "limit"),
        (lambda limit: clip_by_norm(limit, np.ones(2)), "clip_by_norm", "max_norm"),
        (lambda limit: clip_by_value(limit, np.ones(2)), "clip_by_value", "limit"),
    ]:
        with pytest.raises(ValueError, match=f"{owner}: {name} must be a positive finite number, got"):
            call(limit)


@pytest.mark.parametrize("limit", ["1", None, True, [1.0], 1j])
def test_limits_are_numbers(limit):
    for call in (
        ClipByNorm,
        ClipByValue,
        lambda v: clip_by_norm(v, np.ones(2)),
        lambda v: clip_by_value(v, np.ones(2)),
    ):
        with pytest.raises(TypeError, match="must be a positive finite number, got"):
            call(limit)


@pytest.mark.parametrize("verb", [clip_by_norm, clip_by_value])
def test_gradients_are_checked(verb):
    locked = np.ones(3)
    locked.flags.writeable = False
    for bad in ([1.0, 2.0], np.arange(3), np.ones(3, np.float16), np.ones(3, ">f8"), np.ones(3, complex)):
        with pytest.raises(TypeError, match=f"{verb.__name__}: grads must be a float32 or float64 array, got"):
            verb(1.0, bad)
    for bad, came in [
        (np.ones((2, 2)), "shape (2, 2)"),
        (np.ones(()), "shape ()"),
        (np.ones(6)[::2], "a strided one"),
        (locked, "a read-only one"),
        (np.frombuffer(bytearray(25), np.uint8)[1:].view(float), "a misaligned one"),
    ]:
        message = f"{verb.__name__}: grads must be a 1-D, contiguous, writable array, got {came}"
        with pytest.raises(ValueError, match=re.escape(message)):
            verb(1.0, bad)
    assert verb(1.0, np.empty(0)) in (0.0, None)
