"""Learning curves: the losses of a run of `fit` by epoch, and its learning rate below."""

import numpy as np

from fastgd.plots import _style
from fastgd.plots._results import columns_of_history, require_a_number


class LearningCurvesDisplay:
    """Training and validation loss by epoch, and the learning rate below.

    The loss of an epoch is the mean of what its steps met; the rate is that of its last step. With validation a star
    marks the best epoch, the one whose parameters `fit` returns. The axis of the losses is logarithmic where they are
    positive and cover more than a decade and a half. Of a run that diverged a line tells the end.

    Parameters
    ----------
    result : FitResult or mapping
        What `fit` returned, or its history: `epoch`, `loss`, `lr` and perhaps `val_loss`, arrays of one length.

    Attributes
    ----------
    history : dict of ndarray
        What is drawn, with NaN for what is not finite or beyond 1e100.
    ax_, rate_ax_, figure_ : matplotlib axes and figure
        What `plot` drew on: the losses, the rate, and the figure of both.
    lines_ : list of matplotlib.lines.Line2D
        The training loss, and the validation loss if there is any.
    rate_line_ : Line2D
        The learning rate.
    best_ : Line2D or None
        The best epoch by validation.
    end_ : Line2D or None
        Where a run diverged.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> from fastgd.plots import LearningCurvesDisplay
    >>> X = np.linspace(-1, 1, 200).reshape(-1, 1)
    >>> result = fastgd.fit(fastgd.Neuron(1), X, X[:, 0] > 0, lr=0.1, epochs=5, validation=0.25)
    >>> display = LearningCurvesDisplay(result)  # display.plot() draws it
    >>> display.history["epoch"]
    array([1., 2., 3., 4., 5.])
    """

    def __init__(self, result):
        owner = "LearningCurvesDisplay"
        self.history = columns_of_history(owner, result, ("epoch", "loss", "lr"), ("val_loss",))
        self._whole = [column for name, column in self.history.items() if name.endswith("loss")]
        self.history = {name: _style.finite(column) for name, column in self.history.items()}
        losses = [self.history[name] for name in ("loss", "val_loss") if name in self.history]
        require_a_number(owner, "the losses of the history", np.concatenate(losses))
        self.diverged = getattr(result, "status", None) == "diverged"

    def plot(self, ax=None):
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to; by default in a new figure. The place of these axes in their figure is divided, the rate goes
            into the lower part.

        Returns
        -------
        LearningCurvesDisplay
            This display, with what was drawn in its attributes.
        """
        self.ax_, self.rate_ax_ = ax, below = _style.axes_and_below("LearningCurvesDisplay", ax)
        self.figure_ = ax.figure
        epochs, loss, lr = (self.history[name] for name in ("epoch", "loss", "lr"))
        val_loss = self.history.get("val_loss", np.full_like(loss, np.nan))
        points = _style.marked(epochs.size)
        self.lines_ = []
        for i, (label, values) in enumerate((("training", loss), ("validation", val_loss))):
            if np.isfinite(values).any():
                style = {**_style.line_style(i, marker=True), **points}
                self.lines_ += ax.plot(epochs, values, label=label, **style)
        self.best_ = self.end_ = None
        if np.isfinite(val_loss).any():
            best = int(np.nanargmin(val_loss))
            label = f"best validation: epoch {epochs[best]:g}"
            self.best_ = _style.star(ax, epochs[best], val_loss[best], label)
        if self.diverged:
            self.end_ = ax.axvline(epochs[-1], color=_style.BLACK, linestyle=":", linewidth=1.2, label="diverged")
        _style.tell_of_the_rest(ax, *self._whole)
        _style.set_scale_by(ax.yaxis, "mean loss", loss, val_loss)
        self.rate_line_ = below.plot(epochs, lr, **_style.line_style(2, marker=True), **points)[0]
        _style.set_scale_by(below.yaxis, "learning rate", lr)
        below.set_ylabel(below.get_ylabel().replace(" (", "\n("), fontsize="small")
        below.set_xlabel("epoch")
        _style.whole_numbers(below.xaxis)
        _style.grid(ax)
        _style.grid(below)
        _style.legend(ax)
        self.figure_.align_ylabels([ax, below])
        return self
