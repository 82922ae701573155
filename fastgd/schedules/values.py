"""The curve of a schedule."""

import math

import numpy as np
from numpy.typing import ArrayLike

from fastgd import _check
from fastgd._jit import kernel
from fastgd._registry import ScheduleKernels, kernels_for
from fastgd._types import Rate
from fastgd.verbs import learning_rate

_AT_ONCE = 1 << 16  # steps whose rates are looked at in one go


def schedule_values(
    schedule: Rate,
    ts: ArrayLike,
) -> np.ndarray:
    """Return the learning rates at many times, for a plot.

    Parameters
    ----------
    schedule : NamedTuple or float
        A registered schedule; a plain number is a constant one.
    ts : array_like of any shape
        Times, finite, 0 or larger: in epochs in `fit`, in steps in `minimize`.

    Returns
    -------
    ndarray of float64, of the shape of ts
        The rates.

    Raises
    ------
    ValueError, TypeError
        For what is no schedule, and for times that are negative, not finite, or not real numbers.

    Examples
    --------
    >>> import fastgd
    >>> fastgd.schedule_values(fastgd.StepDecay(lr=0.8, factor=0.5, every=2), [[0, 1, 2], [3, 4, 5]])
    array([[0.8, 0.8, 0.4],
           [0.4, 0.2, 0.2]])
    """
    times = _check.array("schedule_values", "ts", ts, None, np.float64)
    bad = times[~((times >= 0) & (times < np.inf))]
    if bad.size:
        raise ValueError(f"schedule_values: ts must be finite, 0 or larger, got {bad[0]}")
    if isinstance(schedule, tuple | type):
        kernels_for("schedule_values", ScheduleKernels, schedule)
    else:
        schedule = _check.number("schedule_values", "schedule", schedule, _check.nonnegative)
    rates = np.empty(times.shape)
    fill_rates(schedule, times.reshape(-1), rates.reshape(-1))
    return rates


@kernel
def fill_rates(schedule, times, rates):
    """Write the rate at each time."""
    for i in range(times.size):
        rates[i] = learning_rate(schedule, times[i])


def require_rates(owner, rates, unit, first, per_unit=1):
    """Raise where a schedule gave what is no rate; the first is that of so many steps, of which a unit has some."""
    if rates.size and not (rates.min() >= 0 and rates.max() < math.inf):
        wrong = int(np.argmin((rates >= 0) & (rates < math.inf)))
        raise ValueError(
            f"{owner}: lr: the rates of a schedule must be finite, 0 or larger, got {rates[wrong]} at {unit} "
            f"{(first + wrong) / per_unit:.6g}"
        )


def require_rates_of_steps(owner, schedule, n_steps):
    """Raise where a schedule gave what is no rate at a step that was done: what it gives later is its own affair."""
    for first in range(0, n_steps, _AT_ONCE):
        rates = np.empty(min(_AT_ONCE, n_steps - first))
        fill_rates(schedule, np.arange(first, first + rates.size, dtype=np.float64), rates)
        require_rates(owner, rates, "step", first)
