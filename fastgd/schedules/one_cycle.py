"""The one-cycle policy."""

from typing import NamedTuple

from fastgd._check import at_least_one, nonnegative, one_of, positive, share
from fastgd._jit import kernel
from fastgd._registry import register_schedule
from fastgd.schedules._curves import along_cosine, between, passed


class OneCycle(NamedTuple):
    """One cycle: the rate rises to lr, then falls far below where it began, and stays there.

    From lr / div_factor it rises to lr during the first `warmup` share of the duration, and falls to
    lr / (div_factor · final_div_factor) during the rest. In three phases it falls to where it began in as long a time
    as it rose, and then to the end. Smith and Topin (2019), super-convergence.

    The values are those of PyTorch's ``OneCycleLR``, which counts steps and puts the end on the last of them: its
    ``total_steps=n, pct_start=p`` is ``duration=n - 1, warmup=(p * n - 1) / (n - 1)``. (With p = 1 PyTorch ends at the
    peak, which this one only comes up to. It also moves the momentum; fastgd leaves that alone.) Time is measured in
    epochs by `fit` (fractional: the rate moves at every step) and in steps by `minimize`.

    Parameters
    ----------
    lr : float
        The peak, 0 or larger.
    duration : float
        The time of the whole cycle, 0 or larger.
    warmup : float
        The share of it in which the rate rises, from 0 to 1 (in three phases to 1/2).
    div_factor : float
        The peak over the rate at t = 0, 1 or larger.
    final_div_factor : float
        The rate at t = 0 over that at the end, positive.
    anneal : {"cosine", "linear"}
        The form of the rise and the fall.
    three_phase : bool
        Whether the fall stops at the rate at t = 0, and goes on from there more slowly or faster.

    Examples
    --------
    >>> import fastgd
    >>> schedule = fastgd.OneCycle(lr=0.5, duration=10)
    >>> [round(fastgd.learning_rate(schedule, t), 6) for t in (0, 1.5, 3, 6.5, 10, 11)]
    [0.02, 0.26, 0.5, 0.250001, 2e-06, 2e-06]
    """

    lr: float
    duration: float
    warmup: float = 0.3
    div_factor: float = 25.0
    final_div_factor: float = 1e4
    anneal: str | int = "cosine"
    three_phase: bool = False


@kernel(inline=True)
def one_cycle(schedule, t):
    peak, low, rise = schedule.lr, schedule.lr / schedule.div_factor, schedule.warmup * schedule.duration
    if t < rise:
        start, end, share = low, peak, t / rise
    elif schedule.three_phase and t < 2 * rise:
        start, end, share = peak, low, (t - rise) / rise
    else:
        begin = 2 * rise if schedule.three_phase else rise
        start, end = low if schedule.three_phase else peak, low / schedule.final_div_factor
        share = passed(t - begin, schedule.duration - begin)
    if schedule.anneal == 0:
        return along_cosine(start, end, share)
    return between(start, end, share)


def check(schedule):
    """Raise where three phases do not fit into the duration."""
    if schedule.three_phase and schedule.warmup > 0.5:
        raise ValueError(f"OneCycle: warmup must be at most 0.5 with three_phase=True, got {schedule.warmup}")


register_schedule(
    OneCycle,
    one_cycle,
    check=check,
    lr=nonnegative,
    duration=nonnegative,
    warmup=share,
    div_factor=at_least_one,
    final_div_factor=positive,
    anneal=one_of("cosine", "linear"),
)
