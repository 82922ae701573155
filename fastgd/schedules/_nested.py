"""Fields that hold other schedules."""

from fastgd import _check
from fastgd._registry import ScheduleKernels, kernels_for

_RATE = _check.Range("a schedule, or a finite number, 0 or larger", _check.nonnegative.contains)

outermost: set[type] = set()  # schedules that have no rate of their own within another


class NestedSchedule:
    """What a field must be that holds a schedule, or a plain rate."""

    def convert(self, owner, field, value):
        """Return the schedule, or the rate as a float."""
        if not isinstance(value, tuple | type):
            return _check.number(owner, field, value, _RATE)
        kernels_for(f"{owner}: {field}", ScheduleKernels, value)
        if type(value) in outermost:
            name = type(value).__name__
            raise ValueError(f"{owner}: {field} cannot be a {name}, which goes around other schedules, not into them")
        return value


class NestedSchedules:
    """What a field must be that holds a tuple of schedules, or of plain rates."""

    def convert(self, owner, field, value):
        """Return the schedules, the rates among them as floats."""
        if not isinstance(value, tuple | list) or hasattr(value, "_fields"):
            raise TypeError(f"{owner}: {field} must be a tuple of schedules, got {value!r}")
        return tuple(NestedSchedule().convert(owner, f"{field}[{i}]", item) for i, item in enumerate(value))


def end_of(schedule):
    """The time at which a schedule has done all that it does; 0 for one that never ends, and for a plain rate."""
    if not isinstance(schedule, tuple):
        return 0
    return kernels_for("end_of", ScheduleKernels, schedule).ends_at(schedule)
