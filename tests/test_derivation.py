"""Backpropagation by hand: against numbers worked out on paper, mpmath, and central differences."""

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgd.derivation import derive


def exact(x, w, b, y):
    """Work out the same chain with 400 digits."""
    with mpmath.workdps(400):
        x, w, b, y = (mpmath.mpf(v) for v in (x, w, b, y))
        z = w * x + b
        a = 1 / (1 + mpmath.exp(-z))
        dL_da, da_dz = 2 * (a - y), a * (1 - a)
        return {
            "z": z,
            "a": a,
            "loss": (a - y) ** 2,
            "dL_da": dL_da,
            "da_dz": da_dz,
            "dL_dw": dL_da * da_dz * x,
            "dL_db": dL_da * da_dz,
        }


def test_the_worked_example():
    steps = derive(x=2.0, w=3.0, b=1.0, y_true=1.0)
    assert steps.z == 7
    assert steps.a == pytest.approx(0.999089, abs=5e-7)
    assert steps.loss == pytest.approx(8.30e-7, abs=5e-10)
    assert steps.dL_da == pytest.approx(-0.001822, abs=5e-7)
    assert steps.da_dz == pytest.approx(0.000910, abs=5e-7)
    assert (steps.dz_dw, steps.dz_db) == (2, 1)
    assert steps.dL_dw == pytest.approx(-3.317e-6, abs=5e-10)
    assert steps.dL_db == pytest.approx(-1.659e-6, abs=5e-10)
    assert steps == derive()


def test_at_z_0_everything_is_a_fraction():
    steps = derive(x=4.0, w=0.5, b=-2.0, y_true=0.0)
    assert steps._asdict() == {
        "x": 4, "w": 0.5, "b": -2, "y_true": 0,
        "z": 0, "a": 0.5, "loss": 0.25,
        "dL_da": 1, "da_dz": 0.25, "dz_dw": 4, "dz_db": 1, "dL_dw": 1, "dL_db": 0.25,
    }  # fmt: skip


@pytest.mark.parametrize("y", [0.0, 1.0, 0.3, -2.5])
@pytest.mark.parametrize("z", [-700, -40, -20.5, -7, -0.5, 0.25, 3, 7, 20.5, 40, 700])
def test_no_digits_are_lost_in_saturation(z, y):
    steps = derive(x=0.5, w=2 * z - 2, b=1.0, y_true=y)
    assert steps.z == z
    for name, value in exact(0.5, 2 * z - 2, 1.0, y).items():
        assert float(abs(getattr(steps, name) - value)) <= 2e-15 * float(abs(value)), name


def test_where_the_slope_underflows_it_is_0_without_a_warning():
    for z in (-800.0, 800.0, -1e300, 1e300):
        steps = derive(x=1.0, w=z, b=0.0, y_true=0.5)
        assert (steps.a, steps.da_dz, steps.dL_dw) == (float(z > 0), 0, 0)


def test_a_vector_has_a_gradient_for_each_weight():
    x, w = np.array([1.0, -2.0, 0.5]), [0.5, 0.25, -1.0]
    steps = derive(x, w, b=0.75, y_true=0.25)
    one = derive(x=1.0, w=steps.z, b=0.0, y_true=0.25)
    assert steps.z == 0.5 - 0.5 - 0.5 + 0.75
    np.testing.assert_array_equal(steps.dz_dw, x)
    np.testing.assert_allclose(steps.dL_dw, one.dL_db * x, rtol=1e-15)
    assert steps.dL_db == one.dL_db
    assert steps.dL_dw.dtype == np.float64


def test_the_result_shares_no_memory_with_the_input():
    x = np.array([1.0, 2.0])
    steps = derive(x, x, 0.0, 1.0)
    x[:] = 9
    np.testing.assert_array_equal(steps.x, [1, 2])
    np.testing.assert_array_equal(steps.w, [1, 2])
    assert not np.shares_memory(steps.x, steps.dz_dw)


def test_read_only_integers_and_float32_are_taken():
    x = np.array([1, 2], dtype=">i2")
    x.flags.writeable = False
    steps = derive(x, np.float32([0.5, 0.25]), np.float32(0.5), 1)
    assert (steps.z, steps.x.dtype, type(steps.b)) == (1.5, np.float64, float)


moderate = st.floats(-3, 3)


@given(st.lists(st.tuples(moderate, moderate), min_size=1, max_size=6), moderate, moderate)
def test_gradients_agree_with_central_differences(pairs, b, y):
    x, w = np.array(pairs).T
    steps, h = derive(x, w, b, y), 1e-5

    def loss(w, b):
        return derive(x, w, b, y).loss

    for i in range(len(x)):
        up, down = w.copy(), w.copy()
        up[i] += h
        down[i] -= h
        assert (loss(up, b) - loss(down, b)) / (up[i] - down[i]) == pytest.approx(steps.dL_dw[i], abs=1e-7, rel=1e-6)
    assert (loss(w, b + h) - loss(w, b - h)) / (2 * h) == pytest.approx(steps.dL_db, abs=1e-7, rel=1e-6)


def test_it_prints_formula_numbers_and_result():
    lines = [" ".join(line.split()) for line in str(derive(x=2.0, w=-3.0, b=-1.0, y_true=-0.5)).splitlines()]
    # z = -7: a = σ(-7) = 1/(1 + e^7), a - y = 0.500911
    for line in (
        "Forward pass",
        "z = w·x + b = (-3)·2 - 1 = -7",
        "a = σ(z) = 1/(1 + e^-z) = 1/(1 + e^7) = 0.000911051",
        "L = (a - y)² = (0.000911051 - (-0.5))² = 0.250912",
        "Backward pass",
        "dL/da = 2(a - y) = 2 · (0.000911051 - (-0.5)) = 1.00182",
        "da/dz = a(1 - a) = 0.000911051 · 0.999089 = 0.000910221",
        "dz/dw = x = 2",
        "dz/db = 1 = 1",
        "dL/dw = dL/da · da/dz · dz/dw = 1.00182 · 0.000910221 · 2 = 0.00182376",
        "dL/db = dL/da · da/dz · dz/db = 1.00182 · 0.000910221 · 1 = 0.00091188",
    ):
        assert line in lines


def test_its_equals_signs_stand_in_columns():
    rows = [line for line in str(derive()).splitlines() if line[2:].startswith(("z ", "a ", "L ", "dL", "da", "dz"))]
    assert len(rows) == 9
    assert len({line.index("=") for line in rows}) == 1
    assert len({line.rindex("=") for line in rows}) == 1


def test_an_output_that_rounds_to_1_is_shown_by_its_distance_from_1():
    shown = str(derive(x=1.0, w=30.0, b=0.0, y_true=1.0))
    assert "1 - 9.35762e-14" in shown  # e^-30
    assert "((1 - 9.35762e-14) - 1)²" in shown


@pytest.mark.parametrize("z", [-6.0, 7.0, 800.0])
def test_a_saturated_sigmoid_is_remarked_on(z):
    for y in (0.0, 1.0):
        shown = str(derive(x=1.0, w=z, b=0.0, y_true=y))
        assert "Saturation" in shown
        assert "vanish" in shown
        assert ("does harm" in shown) == (y == float(z < 0))
        assert ("binary cross-entropy" in shown) == (y == float(z < 0))


def test_a_moderate_sigmoid_is_not_remarked_on():
    assert "Saturation" not in str(derive(x=1.0, w=2.0, b=0.0, y_true=0.0))


def test_a_long_vector_is_abbreviated():
    shown = str(derive(np.arange(1000.0), np.full(1000, 1e-6), 0.0, 1.0))
    assert "x = [0, 1, …, 999]" in shown
    assert "(1000 components)" in shown
    assert "1e-06·0 + 1e-06·1 + … + 1e-06·999 + 0" in shown
    assert max(map(len, shown.splitlines())) <= 120


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"x": np.nan}, ValueError, "derive: x must be a finite number, got nan"),
        ({"b": np.inf}, ValueError, "derive: b must be a finite number, got inf"),
        ({"y_true": -np.inf}, ValueError, "derive: y_true must be a finite number"),
        ({"x": [1.0, np.nan], "w": [1.0, 2.0]}, ValueError, "derive: x must be a finite number or a 1-D array of them"),
        ({"x": [], "w": []}, ValueError, "derive: x must be a finite number or a 1-D array of them, got \\[\\]"),
        ({"x": [1.0, 2.0]}, ValueError, r"derive: w must have the shape of x, \(2,\), got \(\)"),
        ({"x": [1.0, 2.0], "w": [1.0]}, ValueError, r"derive: w must have the shape of x, \(2,\), got \(1,\)"),
        ({"x": [[1.0]], "w": [[1.0]]}, ValueError, r"derive: x must be a 1-D array, got shape \(1, 1\)"),
        ({"x": [[1.0], [1.0, 2.0]]}, ValueError, "derive: x must be an array of real numbers"),
        ({"x": "2"}, TypeError, "derive: x must be a finite number, got '2'"),
        ({"w": None}, TypeError, "derive: w must be a finite number, got None"),
        ({"w": True}, TypeError, "derive: w must be a finite number, got True"),
        ({"x": 1j}, TypeError, "derive: x must be a finite number"),
        ({"x": ["2"]}, TypeError, "derive: x must hold real numbers"),
        ({"b": [1.0]}, TypeError, r"derive: b must be a finite number, got \[1.0\]"),
        ({"x": 1e200, "w": 1e200}, ValueError, "derive: x and w are too large"),
        ({"x": [1e200, 1.0], "w": [1e200, 1.0]}, ValueError, "derive: x and w are too large"),
        ({"y_true": 1e200}, ValueError, "derive: y_true is too large"),
        ({"x": [1e300], "w": [0.0], "y_true": 1e100}, ValueError, "derive: x and y_true are too large"),
    ],
)
def test_bad_input_is_refused_by_name(arguments, error, message):
    with pytest.raises(error, match=message):
        derive(**arguments)
