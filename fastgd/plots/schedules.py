"""Learning-rate schedules over time."""

import numpy as np

from fastgd import _check
from fastgd.plots import _style
from fastgd.plots._results import listed
from fastgd.schedules import schedule_values
from fastgd.schedules._nested import end_of

_TIMES = 1001
_UNITS = ("epoch", "step")
_some_time = _check.Range("a positive finite number, the time to show", _check.positive.contains)


class ScheduleDisplay:
    """The rates of one or several schedules over time.

    Time is in epochs for a run of `fit` and in steps for one of `minimize`. Of `ReduceOnPlateau`, which watches a run's
    losses, it is the rate of the schedule inside; what it came to in a run is below the curves of
    `LearningCurvesDisplay`.

    Parameters
    ----------
    schedules : NamedTuple, float, a sequence or a mapping of these
        Registered schedules, or constant rates. The keys of a mapping are the labels.
    duration : float, optional
        The time to show, from 0. By default a tenth more than the longest schedule lasts; of schedules that never end
        it must be given.
    unit : {"epoch", "step"}
        The unit of time, for the axis.
    labels : sequence of str, optional
        A name for each schedule; by default its class and fields.

    Attributes
    ----------
    times, rates : ndarray of shape (m,), list of ndarray of shape (m,)
        What is drawn.
    ax_, figure_ : matplotlib axes and figure
        What `plot` drew on.
    lines_ : list of matplotlib.lines.Line2D
        A line for each schedule.

    Examples
    --------
    >>> from fastgd import CosineAnnealing, Warmup
    >>> from fastgd.plots import ScheduleDisplay
    >>> display = ScheduleDisplay([CosineAnnealing(0.1, 20), Warmup(4, CosineAnnealing(0.1, 16))])
    >>> display.labels  # display.plot() draws it
    ['CosineAnnealing(0.1, 20)', 'Warmup(4, CosineAnnealing(0.1, 16))']
    """

    def __init__(self, schedules, duration=None, *, unit="epoch", labels=None):
        owner = "ScheduleDisplay"
        schedules, self.labels = listed(owner, schedules, "schedules", _is_one, labels, lambda i, s: _style.name_of(s))
        self.unit = _UNITS[_check.choice(owner, "unit", unit, _UNITS)]
        for i, schedule in enumerate(schedules):
            try:
                schedule_values(schedule, [0.0])
            except (TypeError, ValueError) as error:
                raise type(error)(f"{owner}: schedules[{i}]: {error}") from None
        if duration is None:
            duration = 1.1 * max(end_of(schedule) for schedule in schedules)
            if not 0 < duration < np.inf:
                raise ValueError(f"{owner}: duration must be given, since none of these schedules ends by itself")
        duration = _check.number(owner, "duration", duration, _some_time)
        self.times = np.linspace(0, duration, _TIMES)
        self.rates = [schedule_values(schedule, self.times) for schedule in schedules]

    def plot(self, ax=None):
        """Draw the schedules.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to; by default in a new figure.

        Returns
        -------
        ScheduleDisplay
            This display, with what was drawn in its attributes.
        """
        self.ax_ = ax = _style.axes("ScheduleDisplay", ax)
        self.figure_ = ax.figure
        self.lines_ = []
        for i, (label, rates) in enumerate(zip(self.labels, self.rates, strict=True)):
            every = {"markevery": (0.02 + 0.12 * (i % 7) / 7, 0.12)}  # apart, where lines lie on one another
            self.lines_ += ax.plot(self.times, rates, label=label, **_style.line_style(i, marker=True), **every)
        _style.set_scale_by(ax.yaxis, "learning rate", *self.rates)
        if ax.get_yscale() == "linear":
            ax.set_ylim(bottom=0)
        ax.set_xlabel(self.unit)
        _style.grid(ax)
        _style.legend(ax, most=0.25)  # many curves leave no corner free
        return self


def _is_one(schedules):
    return hasattr(schedules, "_fields") or not isinstance(schedules, list | tuple)
