"""An objective of one or two parameters as something to draw paths on: its values, the range that is worth seeing."""

import numpy as np

from fastgd import _check, problems
from fastgd.objectives import checked_args, prepare
from fastgd.plots import _style

_POINTS = 160  # along each side of a grid
_CURVE = 601  # points of a curve
_LEVELS = 15
_BESIDE = 1.5  # times the extent of what must be seen: as far beside it paths are followed
_FAR = 12  # times the extent of the paths: up to where the nearest minimum is shown


class Landscape:
    """An objective, called at points."""

    def __init__(self, owner, objective, at, args=(), jac=None, compile=True):
        compile = _check.boolean(owner, "compile", compile)
        self._owner = owner
        self.args, self.n = checked_args(owner, args, compile), at.size
        self._facts = _facts(objective, at.size)
        self._objective = prepare(owner, objective, jac, self.args, at, compile, forgiving=True)

    def value(self, x):
        """Return the objective at a point; NaN where it raises an arithmetic error or is not defined."""
        x, grads = np.array(x, np.float64), np.empty(self.n)
        try:
            return self._objective.at(x, grads, self.args)
        except (ArithmeticError, ValueError):
            return np.nan

    def values(self, points):
        """Return the values at points, an array (..., n), as an array of shape (...)."""
        flat = points.reshape(-1, self.n)
        with np.errstate(all="ignore"):
            return _style.finite(np.array([self.value(x) for x in flat])).reshape(points.shape[:-1])

    @property
    def minima(self):
        """The minima that are known, an array (k, n): of the gallery's objectives."""
        return np.empty((0, self.n)) if self._facts is None else self._facts.minima.reshape(-1, self.n)

    def view(self, paths):
        """Return the range of each parameter that is worth seeing, an array (n, 2).

        It holds the beginnings of the paths, the least points that they reached, and of the minima that are known the
        nearest and those near by; and of the paths what lies not much farther away than these are from one another, so
        that a run that diverged does not make a speck of all the rest.
        """
        ends = []
        for path in paths:
            finite = path[np.isfinite(path).all(1)]
            if not len(finite):
                continue
            ends.append(finite[0])
            few = finite[np.unique(np.linspace(0, len(finite) - 1, 200).astype(int))]
            values = self.values(few)
            if not np.isnan(values).all():
                ends.append(few[np.nanargmin(values)])
        core = np.array(ends)
        size = np.ptp(core, axis=0)
        away = np.abs(self.minima[:, None] - core).max(axis=2).min(axis=1)
        for i, minimum in enumerate(self.minima):
            if away[i] <= size.max() or (away[i] == away.min() and (away[i] <= _FAR * size.max() or not size.any())):
                core = np.vstack([core, minimum])
        low, high = core.min(axis=0), core.max(axis=0)
        least = 0.5 * (high - low).max() or 0.5 * np.abs(core).max() or 1.0
        size = np.maximum(high - low, least)
        points = np.concatenate([path[np.isfinite(path).all(1)] for path in paths] + [core])
        near = points[((points >= low - _BESIDE * size) & (points <= high + _BESIDE * size)).all(1)]
        low, high = near.min(axis=0), near.max(axis=0)
        middle, half = (low + high) / 2, np.maximum(high - low, least) / 2
        return np.column_stack([middle - 1.15 * half, middle + 1.15 * half])

    def contours(self, ax, view, colourbar=True):
        """Draw filled contours of two parameters; return the set of filled ones, of lines, and the colour bar."""
        xs, ys = (np.linspace(low, high, _POINTS) for low, high in view)
        values = self.values(np.stack(np.meshgrid(xs, ys), axis=-1))
        levels = _levels(values)
        if levels is None:
            raise ValueError(f"{self._owner}: the objective must be finite somewhere in the range that is drawn")
        from matplotlib.colors import BoundaryNorm, ListedColormap

        shades = np.linspace(0.78, 0.99, len(levels) - 1)  # light, so that paths stand out
        colours = ListedColormap(np.column_stack([shades] * 3))
        filled = ax.contourf(xs, ys, values, levels, cmap=colours, norm=BoundaryNorm(levels, colours.N), zorder=0)
        lines = ax.contour(xs, ys, values, levels, colors="#8c8c8c", linewidths=0.5, zorder=0.5)
        bar = None
        if colourbar:
            bar = ax.figure.colorbar(filled, ax=ax, label="objective f(x)", spacing="uniform")
            bar.set_ticks(levels[::2], labels=[_style.fmt(level) for level in levels[::2]])
            bar.minorticks_off()
        return filled, lines, bar

    def curve(self, ax, view):
        """Draw the curve of one parameter; return its line."""
        xs = np.linspace(view[0, 0], view[0, 1], _CURVE)
        values = self.values(xs[:, None])
        if np.isnan(values).all():
            raise ValueError(f"{self._owner}: the objective must be finite somewhere in the range that is drawn")
        return ax.plot(xs, values, color=_style.GREY, linewidth=1.2, label="f(x)", zorder=1)[0]


def _facts(objective, n):
    try:
        return problems.facts(objective, n)
    except (TypeError, ValueError):  # not one of the gallery
        return None


def _levels(values):
    """Return levels that lie closer together near the least value, so that half of them are below the median."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return None
    low, high, median = finite.min(), finite.max(), np.median(finite)
    if not high > low:
        return np.array([low - 1, low, low + 1])
    share = min(max((median - low) / (high - low), 2.0**-8), 0.5)
    return low + (high - low) * np.linspace(0, 1, _LEVELS) ** (np.log(share) / np.log(0.5))
