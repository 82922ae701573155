"""What a sweep found: the final loss against the learning rate."""

import numpy as np

from fastgd.plots import _style
from fastgd.plots._results import attributes

_SHADE = {"color": _style.VERMILION, "alpha": 0.15, "lw": 0, "hatch": "//", "zorder": 0}


class SweepDisplay:
    """The final mean training loss of each run against its learning rate, and where the runs diverged.

    A line for each optimiser of the sweep; over several seeds it is the median, and the band reaches from the smallest
    to the largest. Shaded are the rates at which every run diverged; a cross at the upper edge stands for each run that
    did. A star marks the best run; where the sweep had validation rows it is best on these, and need not be the lowest.
    The axis ends somewhat above the losses at smaller rates than the best; a run that did not come to infinity, but
    ended far above, is a triangle at the upper edge.

    Parameters
    ----------
    result : SweepResult
        What `sweep` returned.

    Attributes
    ----------
    lrs, loss : ndarray of shape (n,)
        Of each run the rate, and the final loss: NaN where the run diverged.
    diverged : ndarray of bool, of shape (n,)
        Which did.
    ax_, figure_ : matplotlib axes and figure
        What `plot` drew on.
    lines_ : list of matplotlib.lines.Line2D
        A line for each optimiser.
    bands_ : list of PolyCollection
        Of optimisers with several seeds.
    shades_ : list of Rectangle
        The shaded regions.
    crosses_, triangles_ : list of Line2D
        The runs that diverged, and those that ended above the axes, of each optimiser.
    best_ : Line2D or None
        The best run.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> from fastgd.plots import SweepDisplay
    >>> X = np.linspace(-1, 1, 200).reshape(-1, 1)
    >>> how = {"optimizer": fastgd.SGD(), "epochs": 200}
    >>> swept = fastgd.sweep(fastgd.Neuron(1, "identity"), X, X[:, 0], lrs=[0.01, 0.1, 1.0, 10.0], **how)
    >>> display = SweepDisplay(swept)  # display.plot() draws it
    >>> display.diverged
    array([False, False, False,  True])
    """

    def __init__(self, result):
        owner = "SweepDisplay"
        columns = attributes(owner, result, "sweep", ("lrs", "loss"))
        self.lrs, self.loss = columns.values()
        self.diverged, self.best, self._optimizers = runs_of(owner, result, self.lrs.size)
        self._best_words = best_words(result)
        self._too_large = ~self.diverged & (self.loss > _style.LARGEST)
        self.loss = np.where(self.diverged, np.nan, _style.finite(self.loss))

    def plot(self, ax=None):
        """Draw the losses.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to; by default in a new figure.

        Returns
        -------
        SweepDisplay
            This display, with what was drawn in its attributes.
        """
        self.ax_ = ax = _style.axes("SweepDisplay", ax)
        self.figure_ = ax.figure
        _style.set_scale(ax.xaxis, "log", "learning rate")
        groups = list(dict.fromkeys(self._optimizers))
        self.lines_: list = []
        self.bands_: list = []
        self.crosses_: list = []
        self.triangles_: list = []
        most = most_shown(self.loss[:, None], self.lrs, self.best)
        members = [np.array([each == optimizer for each in self._optimizers]) for optimizer in groups]
        for i, (optimizer, chosen) in enumerate(zip(groups, members, strict=True)):
            self._line(i, _style.name_of(optimizer), chosen)
        for i, chosen in enumerate(members):
            self._at_the_edge(i, chosen & self.diverged, "x", self.crosses_)
            self._at_the_edge(i, chosen & (self._too_large | (self.loss > most)), "^", self.triangles_)
        shown = self.loss[self.loss <= most]
        _style.set_scale_by(ax.yaxis, "final mean training loss", shown)
        if shown.size:
            _style.set_limits(ax.yaxis, shown.min(), shown.max())
        self.shades_ = [
            ax.axvspan(low, high, **_SHADE, label="_" * bool(i) + "diverged")
            for i, (low, high) in enumerate(self._regions())
        ]
        for cross in self.crosses_[: not self.shades_]:
            cross.set_label("diverged")
        for triangle in self.triangles_[:1]:
            triangle.set_label("ended far above")
        self.best_ = None
        if self.best is not None:
            lr, loss = self.lrs[self.best], self.loss[self.best]
            label = f"{self._best_words} rate {_style.fmt(lr)}, training loss {_style.fmt(loss)}"
            self.best_ = _style.star(ax, lr, loss, label)
        if not np.isfinite(self.loss).any():
            words = "every run diverged" if self.diverged.all() else "no run ended with a finite loss"
            ax.text(0.5, 0.5, words, transform=ax.transAxes, ha="center", va="center")
            ax.set_yticks([])
        low, high = np.clip([self.lrs.min(), self.lrs.max()], 1 / _style.LARGEST, _style.LARGEST)
        room = (high / low) ** 0.03 if high > low else 2.0
        ax.set_xlim(low / room, high * room)
        _style.grid(ax)
        _style.legend(ax)
        return self

    def _line(self, i, label, chosen):
        rates = np.unique(self.lrs[chosen])
        losses = [self.loss[chosen & (self.lrs == rate)] for rate in rates]
        middle, low, high = (
            np.array([stat(part[np.isfinite(part)]) if np.isfinite(part).any() else np.nan for part in losses])
            for stat in (np.median, np.min, np.max)
        )
        style = _style.line_style(i, marker=True)
        self.lines_ += self.ax_.plot(rates, middle, label=label, **style)
        if max(map(len, losses)) > 1:
            label = "_band" if self.bands_ else "range of the seeds (line: median)"
            band = {"color": style["color"], "alpha": 0.2, "lw": 0, "label": label}
            self.bands_.append(self.ax_.fill_between(rates, low, high, **band))

    def _at_the_edge(self, i, runs, marker, drawn):
        rates = np.unique(self.lrs[runs])
        if rates.size:
            at_top = {"transform": self.ax_.get_xaxis_transform(), "linestyle": "", "zorder": 3, "label": "_top"}
            style = {"color": _style.line_style(i)["color"], "marker": marker, "markersize": 5, **at_top}
            drawn += self.ax_.plot(rates, np.full(rates.size, 0.975 - 0.035 * i), **style)

    def _regions(self):
        """Return the ranges of rates at which every run diverged, which reach halfway to those at which one did not."""
        rates = np.unique(self.lrs)
        all_lost = [bool(self.diverged[self.lrs == rate].all()) for rate in rates]
        edges = np.concatenate([[rates[0] / 1e3], np.sqrt(rates[1:] * rates[:-1]), [rates[-1] * 1e3]])
        regions: list[tuple[float, float]] = []
        for i, lost in enumerate(all_lost):
            if lost and i and all_lost[i - 1]:
                regions[-1] = (regions[-1][0], float(edges[i + 1]))
            elif lost:
                regions.append((float(edges[i]), float(edges[i + 1])))
        return regions


def runs_of(owner, result, n):
    """Return which of the n runs of a sweep diverged, the index of the best or None, and the optimisers."""
    missing = [name for name in ("status", "best", "optimizers") if not hasattr(result, name)]
    if missing:
        raise TypeError(f"{owner}: result must be what sweep returns, got {type(result).__name__}")
    lengths = {"status": len(result.status), "optimizers": len(result.optimizers)}
    if set(lengths.values()) != {n}:
        raise ValueError(f"{owner}: the columns of the result must have one length, got {n} rates, {lengths}")
    return np.array([status == "diverged" for status in result.status]), result.best, list(result.optimizers)


def best_words(result):
    """Return what the best run is called: it is chosen by the validation loss, where the sweep had that.

    Before its rate comes its optimiser, if there are several.
    """
    val_loss = getattr(result, "history", {}).get("val_loss", np.empty(0))
    words = "best on validation rows:" if np.isfinite(val_loss).any() else "best:"
    if result.best is None or len(set(result.optimizers)) == 1:
        return words
    return f"{words} {_style.name_of(result.optimizers[result.best])},"


def most_shown(losses, lrs, best):
    """Return the largest of the losses, an array (n_runs, k), that is worth seeing beside the best run's.

    That is the largest at rates up to the best one's, where training is slow but does not blow up, and as much again
    above the least loss; of a run that went up from there, only the beginning.
    """
    known = losses[np.isfinite(losses)]
    if best is None or not np.isfinite(losses[best]).any():
        return np.inf
    tame = losses[lrs <= lrs[best]]
    tame = tame[np.isfinite(tame)]
    low, high = known.min(), tame.max()
    if not high > low:  # the smallest rate is the best
        return 10 * high if high > 0 else np.inf
    return high + (high - low)
