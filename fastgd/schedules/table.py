"""A table of rates."""

from typing import NamedTuple

from fastgd._check import Numbers, nonnegative, one_of
from fastgd._jit import kernel
from fastgd._registry import register_schedule
from fastgd.schedules._curves import between


class PiecewiseTable(NamedTuple):
    """A table of times and rates: each rate holds until the next time, or straight lines go through all points.

    Before the first time the rate is the first, after the last time it is the last. Time is measured in epochs by
    `fit` and in steps by `minimize`. The code is compiled for the number of rows, and looks through them one after
    the other: a table is meant for some tens of rows.

    Parameters
    ----------
    times : tuple of float
        0 or larger, increasing.
    rates : tuple of float
        The rates at these times, 0 or larger.
    interpolation : {"constant", "linear"}
        What the rate is between two times.

    Examples
    --------
    >>> import fastgd
    >>> table = fastgd.PiecewiseTable(times=(0, 10, 20), rates=(0.5, 0.25, 0.125))
    >>> [fastgd.learning_rate(table, t) for t in (0, 9.5, 10, 15, 20, 30)]
    [0.5, 0.5, 0.25, 0.25, 0.125, 0.125]
    >>> fastgd.learning_rate(table._replace(interpolation="linear"), 15)
    0.1875
    """

    times: tuple[float, ...]
    rates: tuple[float, ...]
    interpolation: str | int = "constant"


@kernel(inline=True)
def piecewise_table(schedule, t):
    before, rate = schedule.times[0], schedule.rates[0]
    for time, next_rate in zip(schedule.times, schedule.rates):  # noqa: B905 (Numba knows no `strict`)
        if t < time:
            if schedule.interpolation == 1 and before < t:
                rate = between(rate, next_rate, (t - before) / (time - before))
            break
        before, rate = time, next_rate
    return rate


def check(schedule):
    """Raise unless each time has a rate."""
    if len(schedule.times) != len(schedule.rates):
        raise ValueError(
            f"PiecewiseTable: rates must have as many numbers as times, {len(schedule.times)}, "
            f"got {len(schedule.rates)}"
        )


register_schedule(
    PiecewiseTable,
    piecewise_table,
    ends_at=lambda schedule: schedule.times[-1],
    check=check,
    times=Numbers(nonnegative, increasing=True),
    rates=Numbers(nonnegative),
    interpolation=one_of("constant", "linear"),
)
