"""The loss curves of a sweep, coloured by their learning rates."""

import numpy as np

from fastgd import _check
from fastgd.plots import _style
from fastgd.plots._results import attributes, require_a_number
from fastgd.plots.sweeps import best_words, most_shown, runs_of


class SweepCurvesDisplay:
    """The mean training loss of every run of a sweep by epoch, from dark for small rates to light for large ones.

    The best run is drawn in black with dots. A run that diverged is dashed and ends in a cross, at its last finite
    loss. The axis ends somewhat above what runs with smaller rates than the best one's have met, so that one that
    shot up does not flatten the others.

    Parameters
    ----------
    result : SweepResult
        What `sweep` returned.

    Attributes
    ----------
    lrs : ndarray of shape (n,)
        The rate of each run.
    epochs, losses : ndarray of shape (n, n_epochs)
        Its curve; NaN once it has ended.
    ax_, figure_ : matplotlib axes and figure
        What `plot` drew on.
    lines_ : list of matplotlib.lines.Line2D
        A line for each run.
    ends_ : list of Line2D
        The ends of runs that diverged.
    colorbar_ : Colorbar
        The rates.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> from fastgd.plots import SweepCurvesDisplay
    >>> X = np.linspace(-1, 1, 200).reshape(-1, 1)
    >>> how = {"optimizer": fastgd.SGD(), "epochs": 200}
    >>> swept = fastgd.sweep(fastgd.Neuron(1, "identity"), X, X[:, 0], lrs=[0.01, 0.1, 1.0, 10.0], **how)
    >>> display = SweepCurvesDisplay(swept)  # display.plot() draws it
    >>> display.losses.shape
    (4, 200)
    """

    def __init__(self, result):
        owner = "SweepCurvesDisplay"
        self.lrs = attributes(owner, result, "sweep", ("lrs",))["lrs"]
        self.diverged, self.best, _ = runs_of(owner, result, self.lrs.size)
        self._best_words = best_words(result)
        self.epochs, self.losses = (
            np.array(_check.array(owner, f"history[{name!r}]", result.history[name], 2, np.float64))
            for name in ("epoch", "loss")
        )
        if self.losses.shape != self.epochs.shape or len(self.losses) != self.lrs.size or not self.losses.size:
            raise ValueError(
                f"{owner}: the history must have a row for each of the {self.lrs.size} runs and an epoch at least, "
                f"got shape {self.losses.shape}"
            )
        self.losses = _style.finite(self.losses)
        require_a_number(owner, "the losses of the history", self.losses)

    def plot(self, ax=None):
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to; by default in a new figure.

        Returns
        -------
        SweepCurvesDisplay
            This display, with what was drawn in its attributes.
        """
        self.ax_ = ax = _style.axes("SweepCurvesDisplay", ax)
        self.figure_ = ax.figure
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import LogNorm

        low, high = np.clip([self.lrs.min(), self.lrs.max()], 1 / _style.LARGEST, _style.LARGEST)
        norm = LogNorm(low, high, clip=True) if high > low else LogNorm(low / 2, high * 2, clip=True)
        colours = ScalarMappable(norm, _style.shades())
        self.lines_: list = []
        self.ends_: list = []
        for i in np.argsort(self.lrs, kind="stable"):
            self._run(i, colours.to_rgba(self.lrs[i]))
        for line in self.lines_:
            if line.get_linestyle() == "--":
                line.set_label("diverged")
                break
        self.colorbar_ = self.figure_.colorbar(colours, ax=ax, label="learning rate (log scale)")
        _style.few_decades(self.colorbar_.ax.yaxis)
        shown = self.losses[self.losses <= most_shown(self.losses, self.lrs, self.best)]
        _style.set_scale_by(ax.yaxis, "mean training loss", shown)
        _style.set_limits(ax.yaxis, shown.min(), shown.max())
        ax.set_xlabel("epoch")
        _style.whole_numbers(ax.xaxis)
        _style.grid(ax)
        _style.legend(ax)
        return self

    def _run(self, i, colour):
        epochs, losses = self.epochs[i], self.losses[i]
        seen = np.flatnonzero(np.isfinite(losses))
        style = {"color": colour, "linewidth": 1.3, "linestyle": "--" if self.diverged[i] else "-", "label": "_run"}
        if i == self.best:
            style.update(
                color=_style.BLACK, linewidth=2, label=f"{self._best_words} rate {_style.fmt(self.lrs[i])}", zorder=3
            )
            style.update(marker="o", **_style.marked(seen.size))
            style["markersize"] = 4
        elif seen.size == 1:
            style.update(marker="o", markersize=4)  # a line of one point is none
        self.lines_ += self.ax_.plot(epochs, losses, **style)
        if self.diverged[i] and seen.size:
            end = {"color": colour, "marker": "x", "markersize": 7, "mew": 1.8, "linestyle": "", "label": "_end"}
            self.ends_ += self.ax_.plot(epochs[seen[-1:]], losses[seen[-1:]], zorder=2.5, **end)
