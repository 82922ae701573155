"""The results that displays are made from, checked."""

import numpy as np

from fastgd import _check
from fastgd.results import history_of


def attributes(owner, result, maker, names):
    """Return attributes of a result as float64 arrays of one length, at least 1."""
    missing = [name for name in names if not hasattr(result, name)]
    if missing:
        raise TypeError(f"{owner}: result must be what {maker} returns, got {type(result).__name__}")
    return _columns(owner, "result", {name: getattr(result, name) for name in names})


def columns_of_history(owner, result, names, optional=()):
    """Return columns of the history of a result, or of a history itself, as float64 arrays of one length."""
    history = history_of(owner, getattr(result, "history", result), names)
    present = [*names, *(name for name in optional if name in history)]
    return _columns(owner, "history", {name: history[name] for name in present})


def listed(owner, things, what, is_one, labels, name_of):
    """Return things that were given as one, as a sequence or as a mapping with labels: a list, and a label for each."""
    if hasattr(things, "keys"):
        if labels is not None:
            raise TypeError(f"{owner}: labels and a mapping of {what} do not go together")
        labels, things = [str(key) for key in things], [things[key] for key in things]
    elif is_one(things):
        things = [things]
    elif isinstance(things, list | tuple):
        things = list(things)
    else:
        raise TypeError(f"{owner}: {what} must be one, a list or a mapping of them, got {type(things).__name__}")
    if not things:
        raise ValueError(f"{owner}: {what} must not be empty")
    if labels is None:
        labels = [name_of(i, thing) for i, thing in enumerate(things)]
    if isinstance(labels, str) or len(labels) != len(things):
        raise ValueError(f"{owner}: labels must be {len(things)} names, one for each of {what}, got {labels!r}")
    return things, [str(label) for label in labels]


def require_a_number(owner, name, values):
    """Raise where nothing can be drawn since no value is finite."""
    if not np.isfinite(values).any():
        raise ValueError(f"{owner}: {name} must have at least one finite value, all {values.size} are NaN or too large")


def _columns(owner, what, columns):
    columns = {
        name: np.array(_check.array(owner, f"{what}[{name!r}]", value, 1, np.float64))
        for name, value in columns.items()
    }
    sizes = {name: column.size for name, column in columns.items()}
    if len(set(sizes.values())) > 1:
        raise ValueError(f"{owner}: the columns of the {what} must have one length, got {sizes}")
    if 0 in sizes.values():
        raise ValueError(f"{owner}: the {what} is empty: there is nothing to draw")
    return columns
