"""The sigmoid of single rows' steps: its error against mpmath, and its edges."""

import mpmath
import numpy as np
import pytest

from fastgd.elementwise import sigmoid
from fastgd.models._quick_sigmoid import quick_sigmoid

over_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@over_dtypes
def test_error_against_mpmath(dtype):
    points = np.arange(-256, 257) / 16
    rng = np.random.default_rng(0)
    between = np.nextafter((points[:-1] + 1 / 32).astype(dtype), dtype(0))  # farthest from a point
    x = np.concatenate([points, between, rng.uniform(-16.5, 16.5, 3000), 1e-3 * rng.normal(size=300)]).astype(dtype)
    with mpmath.workdps(50):
        for each in x:
            truth = 1 / (1 + mpmath.exp(-mpmath.mpf(float(each))))
            error = abs(mpmath.mpf(float(quick_sigmoid(each))) - truth)
            assert error <= 2 * float(np.spacing(dtype(truth))), each


@over_dtypes
def test_beyond_its_points_it_is_the_other_one(dtype):
    for x in (16.01, -16.01, 1000, -1000, -80, np.inf, -np.inf):
        assert quick_sigmoid(dtype(x)) == sigmoid(dtype(x))
    assert np.isnan(quick_sigmoid(dtype(np.nan)))
