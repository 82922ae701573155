"""The paths of runs of `minimize`, on contours of the objective or along its curve."""

import numpy as np

from fastgd import _check
from fastgd.minimization import MinimizeResult
from fastgd.plots import _style
from fastgd.plots._landscape import Landscape
from fastgd.plots._results import listed

_LONG = 50  # times the frame: a path that leads far away
_FAR = 1e4  # frames from the middle: farther on nothing is drawn


class PathDisplay:
    """The paths of one or several runs: of two parameters on contours, of one along the curve x against f(x).

    The circle is where a path begins, the cross where it ends; stars are minima that are known, of the objectives in
    `fastgd.problems`. Steps that led to infinity or NaN are not drawn. A path that leads far away is cut off at the
    frame: what is shown is the range between the beginnings and the least points reached, and up to 1.5 times as much
    on every side of it.

    Parameters
    ----------
    results : MinimizeResult, array_like of shape (n_steps + 1, n), a sequence or a mapping of these
        Results of ``minimize(..., record=True)``, or points. The keys of a mapping are the labels.
    objective : callable or NamedTuple
        What was minimised, in one of the forms that `minimize` takes; of one or two parameters. It is called at the
        points of a grid.
    args, jac, compile
        As `minimize` takes them.
    labels : sequence of str, optional
        A name for each path.
    bounds : array_like of shape (n, 2), optional
        The range of each parameter that is drawn: low, high.

    Attributes
    ----------
    paths : list of ndarray of shape (n_steps + 1, n)
        The points, with NaN for those that are not finite or beyond 1e100.
    ax_, figure_ : matplotlib axes and figure
        What `plot` drew on.
    lines_ : list of matplotlib.lines.Line2D
        A line for each path.
    contours_, contour_lines_, colorbar_ : QuadContourSet, QuadContourSet, Colorbar or None
        Of two parameters.
    curve_ : Line2D or None
        Of one parameter.
    minima_ : Line2D or None
        The minima that are known and lie in the frame.

    Examples
    --------
    >>> import fastgd
    >>> from fastgd.plots import PathDisplay
    >>> from fastgd.problems import Booth
    >>> how = {"max_steps": 200, "record": True}
    >>> runs = {
    ...     "SGD": fastgd.minimize(Booth(), [-4.0, 4.0], optimizer=fastgd.SGD(), lr=0.05, **how),
    ...     "Momentum": fastgd.minimize(Booth(), [-4.0, 4.0], optimizer=fastgd.Momentum(), lr=0.01, **how),
    ... }
    >>> display = PathDisplay(runs, Booth())  # display.plot() draws it
    >>> display.labels, [path.shape[1] for path in display.paths]
    (['SGD', 'Momentum'], [2, 2])
    """

    def __init__(self, results, objective, *, args=(), jac=None, compile=True, labels=None, bounds=None):
        owner = "PathDisplay"
        results, self.labels = listed(owner, results, "results", _is_one, labels, lambda i, _: f"run {i + 1}")
        self.paths = [_path(owner, result) for result in results]
        n = self.paths[0].shape[1]
        if any(path.shape[1] != n for path in self.paths):
            raise ValueError(f"{owner}: results must all have {n} parameters, as the first")
        self._landscape = Landscape(owner, objective, self.paths[0][0].astype(np.float64), args, jac, compile)
        self.bounds = None if bounds is None else checked_bounds(owner, bounds, n)

    def plot(self, ax=None):
        """Draw the paths.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to; by default in a new figure.

        Returns
        -------
        PathDisplay
            This display, with what was drawn in its attributes.
        """
        self.ax_ = ax = _style.axes("PathDisplay", ax)
        self.figure_ = ax.figure
        view = self._landscape.view(self.paths) if self.bounds is None else self.bounds
        self.contours_ = self.contour_lines_ = self.colorbar_ = self.curve_ = None
        flat = view.shape[0] == 2
        if flat:
            self.contours_, self.contour_lines_, self.colorbar_ = self._landscape.contours(ax, view)
        else:
            self.curve_ = self._landscape.curve(ax, view)
            _style.grid(ax)
        # Of one parameter the limits are those of the curve: a path that leads far away does not stretch them.
        frame = np.array([view[0], view[1] if flat else ax.get_ylim()])
        self.lines_ = [self._line(i, frame) for i in range(len(self.paths))]
        self.minima_ = self._minima(view)
        ax.set(xlim=frame[0], ylim=frame[1])
        ax.set(xlabel="$x_1$" if flat else "x", ylabel="$x_2$" if flat else "objective f(x)")
        _style.legend(ax)
        return self

    def _coordinates(self, points):
        return points.T if points.shape[1] == 2 else (points[:, 0], self._landscape.values(points))

    def _line(self, i, frame):
        xs, ys = _cut_off(np.column_stack(self._coordinates(self.paths[i])), frame).T
        style = {**_style.line_style(i, marker=True), **_style.marked(len(xs))}
        frames = np.nansum(np.hypot(*(np.diff((xs, ys)) / np.ptp(frame, axis=1)[:, None])))
        if style["markevery"] > 1 and frames <= _LONG:  # at equal distances, for which matplotlib looks along all of it
            style["markevery"] = 1 / 40
        line = self.ax_.plot(xs, ys, linewidth=1.5, label=self.labels[i], zorder=2, **style)[0]
        seen = np.flatnonzero(np.isfinite(xs) & np.isfinite(ys))
        if seen.size:
            ends = {"color": style["color"], "zorder": 3, "linestyle": "", "label": "_ends"}
            self.ax_.plot(xs[seen[:1]], ys[seen[:1]], marker="o", markersize=9, fillstyle="none", mew=1.8, **ends)
            self.ax_.plot(xs[seen[-1:]], ys[seen[-1:]], marker="X", markersize=8, mec="white", **ends)
        return line

    def _minima(self, view):
        minima = self._landscape.minima
        minima = minima[((minima >= view[:, 0]) & (minima <= view[:, 1])).all(1)]
        if not len(minima):
            return None
        xs, ys = self._coordinates(minima)
        return _style.star(self.ax_, xs, ys, "minimum")


def _cut_off(points, frame):
    """Return a path without what is many frames away, where a line back to the frame has lost all its digits.

    Of a step to or from there, the part is left that lies nearer.
    """
    size = np.ptp(frame, axis=1)
    distances = abs((points - frame.mean(axis=1)) / size).max(axis=1)
    far = distances > _FAR
    if not far.any():
        return points
    there = np.isfinite(distances) & ~far
    kept = []
    for k in range(len(points)):
        if not far[k]:
            kept.append(points[k])
            continue
        for neighbour in (k - 1, k + 1):
            if 0 <= neighbour < len(points) and there[neighbour]:
                step = points[k] - points[neighbour]
                kept.append(points[neighbour] + step * (_FAR / abs(step / size).max()))
            else:
                kept.append(np.full(2, np.nan))
    return np.array(kept)


def _is_one(results):
    if isinstance(results, list | tuple):  # of results, or of points
        return all(np.ndim(result) == 1 for result in results) and len(results) > 0
    return True


def _path(owner, result):
    """Return the points of a run as float64, NaN for those that are not finite."""
    if isinstance(result, MinimizeResult):
        if result.path is None:
            raise ValueError(f"{owner}: results must have their path: write minimize(..., record=True)")
        result = result.path
    elif hasattr(result, "__dict__") and not isinstance(result, np.ndarray):
        raise TypeError(
            f"{owner}: results must be results of minimize(..., record=True) or arrays of points, "
            f"got {type(result).__name__}"
        )
    path = np.array(_check.array(owner, "results", result, 2, np.float64))
    if path.shape[1] not in (1, 2):
        raise ValueError(f"{owner}: results must have one or two parameters, got {path.shape[1]}")
    path = _style.finite(path)
    if np.isnan(path).any(1).all():
        raise ValueError(f"{owner}: results must have at least one point that is finite, in {len(path)} there is none")
    path[np.isnan(path).any(1)] = np.nan
    return path


def checked_bounds(owner, bounds, n):
    """Return the range of each of n parameters, an array (n, 2)."""
    bounds = np.array(_check.array(owner, "bounds", bounds, None, np.float64))
    if bounds.shape != (n, 2) or not np.isfinite(bounds).all() or not (bounds[:, 0] < bounds[:, 1]).all():
        raise ValueError(f"{owner}: bounds must be {n} pairs (low, high) with low < high, got {bounds.tolist()}")
    return bounds
