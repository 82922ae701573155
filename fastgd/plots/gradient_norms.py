"""The norms of gradients and updates over a run of `fit`, and the level at which gradients were clipped."""

import math

import numpy as np

from fastgd.clipping import ClipByNorm
from fastgd.plots import _style
from fastgd.plots._results import columns_of_history, require_a_number
from fastgd.verbs import is_plain


class GradientNormsDisplay:
    """The mean gradient norm by epoch, before clipping, the clip level, and for plain SGD the norm of the updates.

    **Updates.** The history does not hold their norms. Under plain `SGD` an update is -lr times the clipped gradient,
    so its norm follows from the history: with N steps in an epoch, C of them clipped to the norm c, mean gradient norm
    g and rate lr, the mean is lr·g where C = 0, lr·c where C = N, and else between lr·c·C/N and lr·min(g, c). It is
    drawn as a line where it is known and as a band where only its range is. (The rate is that of an epoch's last step:
    under a schedule that moves within the epoch the mean is off by as much as the rate moves.) Under other optimisers,
    and under clipping other than by the Euclidean norm of the whole gradient, nothing can be derived and nothing is
    drawn.

    Parameters
    ----------
    result : FitResult or mapping
        What `fit` returned, or its history: `epoch`, `step`, `grad_norm`, `lr`, `clipped`, `skipped`. Only a result
        tells the optimiser, without which there are no updates.
    clip : NamedTuple, optional
        What `fit` was given as `clip`, which its result does not hold. Of a `ClipByNorm` of the whole gradient's
        Euclidean norm the level is drawn.

    Attributes
    ----------
    epochs, grad_norms : ndarray of shape (n_epochs,)
        What is drawn.
    update_norms, update_lower, update_upper : ndarray of shape (n_epochs,), or None
        The mean norm of the updates, NaN where it is not known; its range.
    clipped : ndarray of shape (n_epochs,)
        The share of an epoch's steps that was clipped.
    ax_, figure_ : matplotlib axes and figure
        What `plot` drew on.
    lines_ : list of matplotlib.lines.Line2D
        Gradient norms, and update norms if there are any.
    band_ : PolyCollection or None
        The range of the update norms.
    clip_line_ : Line2D or None
        The clip level.
    clipped_ : Line2D or None
        The epochs in which steps were clipped, as rings on the gradient norms.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> from fastgd.plots import GradientNormsDisplay
    >>> X, rule = np.linspace(-3, 3, 64).reshape(-1, 1), fastgd.ClipByNorm(0.1)
    >>> how = {"optimizer": fastgd.SGD(), "lr": 0.5, "batch_size": None, "epochs": 3, "clip": rule}
    >>> result = fastgd.fit(fastgd.Neuron(1, "identity"), X, 2 * X[:, 0], **how)
    >>> display = GradientNormsDisplay(result, clip=rule)  # display.plot() draws it
    >>> display.update_norms, display.clipped  # every step was clipped: to 0.5 · 0.1
    (array([0.05, 0.05, 0.05]), array([1., 1., 1.]))
    """

    def __init__(self, result, clip=None):
        owner = "GradientNormsDisplay"
        names = ("epoch", "step", "grad_norm", "lr", "clipped", "skipped")
        history = columns_of_history(owner, result, names)
        if clip is not None and not hasattr(clip, "_fields"):
            raise TypeError(f"{owner}: clip must be what fit was given, such as ClipByNorm(1.0), got {clip!r}")
        self.epochs, self._whole = history["epoch"], history["grad_norm"]
        self.grad_norms = _style.finite(self._whole)
        require_a_number(owner, "the gradient norms of the history", self.grad_norms)
        by_norm = isinstance(clip, ClipByNorm) and clip.norm == 2 and not clip.layout
        self.level = clip.max_norm if by_norm else None
        steps = np.diff(history["step"], prepend=0.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            self.clipped = history["clipped"] / (steps - history["skipped"])
        self.update_norms = self.update_lower = self.update_upper = None
        checkpoint = getattr(result, "checkpoint", None)
        unclipped = clip is None and not self.clipped.any()
        if (by_norm or unclipped) and checkpoint is not None and is_plain(checkpoint.optimizer):
            self._derive_updates(history["lr"])

    def _derive_updates(self, lr):
        norms, share = self.grad_norms, self.clipped
        level = math.inf if self.level is None else self.level
        self.update_upper = lr * np.minimum(norms, level)
        self.update_lower = np.where(share > 0, lr * np.where(share > 0, level, 0.0) * share, self.update_upper)
        self.update_lower = np.minimum(self.update_lower, self.update_upper)  # equal but for rounding
        exact = (share == 0) | (share == 1)
        self.update_norms = np.where(exact, self.update_upper, np.nan)

    def plot(self, ax=None):
        """Draw the norms.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to; by default in a new figure.

        Returns
        -------
        GradientNormsDisplay
            This display, with what was drawn in its attributes.
        """
        self.ax_ = ax = _style.axes("GradientNormsDisplay", ax)
        self.figure_ = ax.figure
        points = _style.marked(self.epochs.size)
        shown, self.band_, self.clip_line_, self.clipped_ = [self.grad_norms], None, None, None
        label = "gradient, unclipped" if self.level is not None or self.clipped.any() else "gradient"
        self.lines_ = ax.plot(self.epochs, self.grad_norms, label=label, **_style.line_style(0, marker=True), **points)
        if self.update_norms is not None:
            shown += [self.update_upper, self.update_lower]
            style = _style.line_style(1, marker=True)
            if np.isnan(self.update_norms).any():
                label, area = "update, in this range", {"color": style["color"], "alpha": 0.25, "lw": 0}
                self.band_ = ax.fill_between(self.epochs, self.update_lower, self.update_upper, label=label, **area)
            if np.isfinite(self.update_norms).any():
                self.lines_ += ax.plot(self.epochs, self.update_norms, label="update", **style, **points)
        if self.level is not None:
            shown.append(np.array([self.level]))
            label = f"clip level {_style.fmt(self.level)}"
            self.clip_line_ = ax.axhline(self.level, color=_style.BLACK, linestyle="-.", linewidth=1.2, label=label)
        some = self.clipped > 0
        if some.any():
            ring = {"marker": "o", "markersize": 9, "fillstyle": "none", "color": _style.BLACK, "linestyle": ""}
            label = f"up to {100 * np.nanmax(self.clipped):.3g} % of steps clipped"
            ring |= _style.marked(np.count_nonzero(some))
            self.clipped_ = ax.plot(self.epochs[some], self.grad_norms[some], label=label, zorder=2.5, **ring)[0]
        _style.tell_of_the_rest(ax, self._whole)
        _style.set_scale_by(ax.yaxis, "mean Euclidean norm", *shown)
        ax.set_xlabel("epoch")
        _style.whole_numbers(ax.xaxis)
        _style.grid(ax)
        _style.legend(ax)
        return self
