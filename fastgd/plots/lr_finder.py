"""The curve of a learning-rate finder, and the rates that it suggests."""

import textwrap

import numpy as np

from fastgd import _check
from fastgd._rates.lr_suggestions import METHODS
from fastgd.plots import _style
from fastgd.plots._results import attributes, require_a_number

_SOME = 0.02  # of the highest loss before it: a fall that is worth seeing


class LRFinderDisplay:
    """The smoothed loss against the rate that rose, the band over repeats, and the suggestions marked on the curve.

    Dots are the losses before smoothing. A method that suggests no rate is listed above the curve with its reason.
    Where the loss shot up at the end, the axis ends before the last points, so that the fall can be seen; a wild batch
    may lie above it too.

    Parameters
    ----------
    result : LRFindResult
        What `lr_find` returned.
    methods : sequence of str
        Whose suggestions are marked.

    Attributes
    ----------
    suggestions : dict
        The suggestion, with `lr` and `reason`, of each method.
    ax_, figure_ : matplotlib axes and figure
        What `plot` drew on.
    line_, raw_ : matplotlib.lines.Line2D
        The smoothed losses, the losses as they came.
    band_ : PolyCollection or None
        From the smallest to the largest smoothed loss over the repeats, if there are several.
    marks_ : dict of Line2D
        The mark of each method that suggests a rate.
    notes_ : Text or None
        The methods that suggest none, and why.

    Examples
    --------
    >>> import fastgd
    >>> from fastgd.plots import LRFinderDisplay
    >>> found = fastgd.lr_find(fastgd.problems.Bowl(), [4.0, 4.0], optimizer=fastgd.SGD())
    >>> display = LRFinderDisplay(found)  # display.plot() draws it
    >>> round(display.suggestions["minimum"].lr, 3) < 1
    True
    """

    def __init__(self, result, methods=METHODS):
        owner = "LRFinderDisplay"
        names = ("lrs", "losses", "smoothed", "lower", "upper")
        columns = attributes(owner, result, "lr_find", names)
        self.lrs, *losses = columns.values()
        self.losses, self.smoothed, self.lower, self.upper = map(_style.finite, losses)
        if not callable(getattr(result, "suggestion", None)):
            raise TypeError(f"{owner}: result must be what lr_find returns, got {type(result).__name__}")
        require_a_number(owner, "the smoothed losses", self.smoothed)
        if isinstance(methods, str):
            raise TypeError(f"{owner}: methods must be a sequence of names, such as [{methods!r}], got {methods!r}")
        for method in methods:
            _check.choice(owner, "methods", method, METHODS)
        self.suggestions = {method: result.suggestion(method) for method in methods}

    def plot(self, ax=None):
        """Draw the curve.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to; by default in a new figure.

        Returns
        -------
        LRFinderDisplay
            This display, with what was drawn in its attributes.
        """
        self.ax_ = ax = _style.axes("LRFinderDisplay", ax)
        self.figure_ = ax.figure
        lower, upper, smoothed = self.lower, self.upper, self.smoothed
        banded = (lower < upper).any()
        self.band_ = None
        if banded:
            label = "range of the repeats"
            self.band_ = ax.fill_between(self.lrs, lower, upper, color=_style.SKY, alpha=0.35, lw=0, label=label)
        raw = {"color": _style.GREY, "linestyle": "", "marker": ".", "markersize": 3, "label": "loss"}
        self.raw_ = ax.plot(self.lrs, self.losses, **raw)[0]
        self.line_ = ax.plot(self.lrs, smoothed, color=_style.BLUE, linewidth=1.8, label="smoothed")[0]
        low, high = _limits(smoothed, np.concatenate([smoothed, lower, upper]))
        scale = _style.scale_of(np.array([low, high]))
        if scale == "linear":  # single batches may come to losses that are smaller by orders of magnitude
            low = np.nanmin([low, *self.losses])
        high = max(high, _highest(self.losses[smoothed <= high]))
        _style.set_scale(ax.xaxis, "log", "learning rate")
        _style.set_scale(ax.yaxis, scale, "loss")
        self.marks_ = {
            method: self._mark(i, method)
            for i, method in enumerate(self.suggestions)
            if self.suggestions[method].lr is not None
        }
        _style.set_limits(ax.yaxis, low, high)
        _style.grid(ax)
        _style.legend(ax)
        self.notes_ = self._notes()
        return self

    def _mark(self, i, method):
        lr = self.suggestions[method].lr
        seen = np.isfinite(self.smoothed)
        loss = np.interp(np.log(lr), np.log(self.lrs[seen]), self.smoothed[seen])
        colour = _style.COLOURS[1 + i]
        self.ax_.axvline(lr, color=colour, linewidth=0.9, linestyle=_style.DASHES[1 + i], label="_at", zorder=1.5)
        style = {"color": colour, "marker": _style.MARKERS[1 + i], "markersize": 9, "mec": "black", "linestyle": ""}
        return self.ax_.plot([lr], [loss], label=f"{method}: {_style.fmt(lr)}", zorder=3, **style)[0]

    def _notes(self):
        reasons: dict[str, list[str]] = {}
        for method, suggestion in self.suggestions.items():
            if suggestion.lr is None:
                reasons.setdefault(suggestion.reason, []).append(method)
        if not reasons:
            return None
        texts = [f"no rate by {', '.join(methods)}: {reason}" for reason, methods in reasons.items()]
        title = self.ax_.set_title("", loc="left", fontsize="small")
        columns = max(24, int(_style.size_of(self.ax_)[0] / (_style.LETTER * title.get_fontsize())))
        title.set_text("\n".join(textwrap.fill(text, columns) for text in texts))
        return title


def _limits(smoothed, shown):
    """Return the range of losses that shows the fall, though the last losses may be larger by orders of magnitude."""
    known, shown = smoothed[np.isfinite(smoothed)], shown[np.isfinite(shown)]
    level = known[: int(np.argmin(known)) + 1].max()
    low, high, fall = shown.min(), shown.max(), level - known.min()
    if fall > _SOME * abs(level):
        high = min(high, max(level + 0.6 * fall, shown[shown <= level + fall].max()))
    return low, high


def _highest(losses):
    """Return the largest loss but for those of wild batches, far above most."""
    losses = losses[np.isfinite(losses)]
    if losses.size == 0:
        return -np.inf
    median, most = np.quantile(losses, [0.5, 0.95])
    return losses[losses <= most + 3 * (most - median)].max()
