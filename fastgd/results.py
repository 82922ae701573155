"""What a training run returns."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fastgd.verbs import predict


class Progress(NamedTuple):
    """Where a run is, as its callback is told."""

    epoch: int  # completed epochs
    step: int  # completed steps
    loss: float  # the mean training loss of the epoch, so far
    lr: float  # the learning rate of the last step
    params: np.ndarray  # a copy of the parameters


def history_of(owner, result, names, makers="fit"):
    """Return the history of a `FitResult`, or a history itself, perhaps a data frame, that has these columns."""
    history = result.history if isinstance(result, FitResult) else result
    if not (hasattr(history, "keys") and hasattr(history, "__getitem__")):  # a data frame is no Mapping
        raise TypeError(f"{owner}: result must be what {makers} returns, or its history, got {type(result).__name__}")
    missing = [name for name in names if name not in history]
    if missing:
        columns = ", ".join(map(repr, history)) or "none"
        raise ValueError(f"{owner}: the history must have {missing[0]!r}, it has {columns}")
    return history


@dataclass(frozen=True, repr=False, eq=False)
class FitResult:
    """The result of `fit`.

    Attributes
    ----------
    params : ndarray of shape (n_params,)
        The trained parameters: the last ones, or the average that the optimiser keeps, or with validation those
        of the best epoch.
    state : NamedTuple of ndarray
        The optimiser's state.
    model : NamedTuple
        The model.
    loss : float
        The mean training loss over the last epoch, as its steps met it (the last row of the history).
    history : dict of ndarray
        A row an epoch (and one for an epoch that was cut short): `step`, `epoch` (counted from 1), `loss`,
        `grad_norm` (the mean over the epoch's steps, before clipping), `grad_cosine` (the mean cosine between
        successive gradients), `lr` (of the last step), `val_loss`, and the numbers of `clipped` and `skipped`
        steps.
    status : str
        "converged", "max_epochs", "max_seconds", "stopped", "diverged" or "interrupted".
    message : str
        The same in a sentence.
    n_epochs, n_steps : int
        Completed ones.
    seconds : float
        What the call took.
    """

    params: np.ndarray
    state: Any
    model: Any
    loss: float
    history: dict[str, np.ndarray]
    status: str
    message: str
    n_epochs: int
    n_steps: int
    seconds: float
    checkpoint: Any  # what `fit(resume=...)` goes on from

    def predict(self, X):
        """Return the model's outputs for rows of data.

        Parameters
        ----------
        X : array_like of shape (n, n_features)
            The rows.

        Returns
        -------
        ndarray of shape (n,) or (n, n_outputs)
            The outputs, of the parameters' dtype.
        """
        return predict(self.model, self.params, X)

    def __repr__(self):
        return (
            f"FitResult(status={self.status!r}, loss={self.loss:.6g}, n_epochs={self.n_epochs}, "
            f"n_steps={self.n_steps}, seconds={self.seconds:.3g}, model={self.model})"
        )
