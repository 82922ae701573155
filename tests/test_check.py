"""The vocabulary of checks: what passes, unchanged where it can, and what the errors say."""

import math
import re

import numpy as np
import pytest

import fastgd
from fastgd import _check
from fastgd._check import array, boolean, choice, data, integer, number


def test_numbers():
    for value in (1, 1.0, np.float32(1), np.int8(1), np.array(1.0)):
        assert number("f", "x", value) == 1
        assert type(number("f", "x", value)) is float
    for value, within in [(0, _check.positive), (math.inf, _check.finite), (1, _check.unit_interval)]:
        with pytest.raises(ValueError, match=re.escape(f"f: x must be {within.words}, got {value}")):
            number("f", "x", value, within)
    assert number("f", "x", 0, _check.unit_interval) == 0
    with pytest.raises(ValueError, match="f: x must be a finite number, got an integer beyond 1e308"):
        number("f", "x", 10**5000)
    for value in ("1", b"1", bytearray(b"1"), None, True, np.True_, [1], np.ones(1), 1j):
        with pytest.raises(TypeError, match="f: x must be a finite number, got"):
            number("f", "x", value)


def test_integers():
    assert integer("f", "n", np.uint8(7)) == 7
    with pytest.raises(ValueError, match="f: n must be an integer, 1 or larger, got 0"):
        integer("f", "n", 0, least=1)
    for value in (1.0, "1", True, np.True_, None):
        with pytest.raises(TypeError, match="f: n must be an integer, got"):
            integer("f", "n", value)


def test_choices_and_truth_values():
    assert choice("f", "order", "b", ("a", "b")) == 1
    for value in ("c", 0, None, ["a"]):
        with pytest.raises(ValueError, match="f: order must be one of 'a', 'b', got"):
            choice("f", "order", value, ("a", "b"))
    assert boolean("f", "flag", np.True_) is True
    for value in (1, None, "yes"):
        with pytest.raises(TypeError, match="f: flag must be True or False, got"):
            boolean("f", "flag", value)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ready_arrays_are_not_copied(dtype, tmp_path):
    plain = np.ones((4, 3), dtype)
    locked = plain.copy()
    locked.flags.writeable = False
    mapped = np.memmap(tmp_path / "mapped", dtype, "w+", shape=(4, 3))
    for given in (plain, locked, mapped, plain[1:]):
        taken = array("f", "X", given, 2)
        assert np.shares_memory(taken, given)
        assert (taken.dtype, taken.flags.c_contiguous, taken.flags.aligned) == (dtype, True, True)
        assert taken.flags.writeable  # one type for the kernels, which only read
    assert not locked.flags.writeable


VALUES = np.arange(12).reshape(4, 3)
UNALIGNED = np.frombuffer(b"\0" + VALUES.astype(float).tobytes(), np.uint8)[1:].view(float).reshape(4, 3)


@pytest.mark.parametrize(
    ("given", "dtype"),
    [
        (VALUES.tolist(), np.float64),
        (VALUES.astype(np.int8), np.float64),
        (VALUES.astype(np.uint64), np.float64),
        (VALUES.astype(np.float16), np.float32),
        (VALUES.astype(">f4"), np.float32),
        (VALUES.astype(">f8"), np.float64),
        (np.asfortranarray(VALUES.astype(np.float32)), np.float32),
        (np.repeat(VALUES.astype(float), 2, axis=1)[:, ::2], np.float64),
        (VALUES.astype(float)[::-1][::-1], np.float64),
        (UNALIGNED, np.float64),
    ],
)
def test_others_are_copied_once(given, dtype):
    taken = array("f", "X", given, 2)
    assert taken.dtype == dtype
    assert taken.dtype.isnative
    assert taken.flags.carray
    np.testing.assert_array_equal(taken, VALUES)


def test_what_is_no_array_of_numbers():
    for bad in (np.ones((2, 2), bool), np.ones((2, 2), complex), np.ones((2, 2), object), [["1"]], np.ones(1, "M8[s]")):
        with pytest.raises(TypeError, match=r"f: X must hold real numbers .* got dtype"):
            array("f", "X", bad, 2)
    with pytest.raises(ValueError, match="f: X must be"):
        array("f", "X", [[1], [1, 2]], 2)
    with pytest.raises(
        ValueError, match=r"f: X must be a 2-D array \(rows, columns\), got shape \(3,\); use X.reshape"
    ):
        array("f", "X", np.ones(3), 2)
    with pytest.raises(ValueError, match=r"f: y must be a 1-D array, got shape \(\)"):
        array("f", "y", 1.0, 1)


def test_data():
    X, y = data("f", np.ones((3, 2), np.float32), [0, 1, 1])
    assert (X.dtype, y.dtype) == (np.float32, np.float32)
    X, y = data("f", np.ones((3, 2)), np.array([True, False, True]))
    np.testing.assert_array_equal(y, [1.0, 0.0, 1.0])
    assert data("f", np.ones((3, 2)), np.ones((3, 4)))[1].shape == (3, 4)
    with pytest.raises(ValueError, match=r"f: y must have as many rows as X \(3\), got 2"):
        data("f", np.ones((3, 2)), np.ones(2))
    for shape in [(0, 2), (2, 0)]:
        with pytest.raises(ValueError, match="f: X must have at least one row and one column, got shape"):
            data("f", np.ones(shape), np.ones(shape[0]))


def test_names_become_their_positions():
    names = _check.one_of("a", "b")
    assert [names.convert("f", "kind", value) for value in ("a", "b", 0, np.int8(1))] == [0, 1, 0, 1]
    for bad in ("c", 2, -1, True, None, 0.5, [0], np.array([1.0, 2.0])):
        with pytest.raises(ValueError, match="f: kind must be one of 'a', 'b', got"):
            names.convert("f", "kind", bad)


def test_layouts_are_rows():
    for bad in ({}, set(), "", 3, [0, 1, 2], [(0, 1)]):
        with pytest.raises(TypeError, match=r"f: layout must be rows of \(start, rows, columns\)"):
            _check.layout.convert("f", "layout", bad)


def test_integer_fields_have_64_bits():
    for make in (lambda n: fastgd.AdamBF16(seed=n), lambda n: fastgd.Lookahead(fastgd.SGD(), k=n)):
        make(2**63 - 1)
        for bad in (2**63, 2**64 - 1, 2**70):
            with pytest.raises(ValueError, match=f"must be an integer of 64 bits, got {bad}"):
                make(bad)
