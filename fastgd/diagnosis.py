"""`diagnose`: what the record of a run says about its learning rate."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fastgd import _check
from fastgd._rates.judgement import TOO_SMALL, judge
from fastgd._rates.run_record import record_of
from fastgd._rates.stability import rate_times_curvature
from fastgd._registry import OptimizerKernels, kernels_for
from fastgd._types import Rule
from fastgd.curvature import Sharpness
from fastgd.minimization import MinimizeResult
from fastgd.optimizers import SGD, Momentum, Nesterov
from fastgd.results import FitResult


@dataclass(frozen=True)
class Diagnosis:
    """What `diagnose` found; printing it tells it in words.

    Attributes
    ----------
    verdict : str
        "too small", "just right", "too large: oscillating", "too large: diverged", "stuck" (saturated, or flat from the
        start), "noisy" (the batch is too small for the rate), or "unclear" (too little was recorded).
    evidence : tuple of str
        Sentences with numbers.
    advice : tuple of str
        What to try.
    needed : float or None
        Of a rate that is too small: how many epochs (or steps, see `unit`) the run would need in all until it is within
        a thousandth of its fall from its floor; None where the record does not tell.
    unit : str
        "epoch" or "step": what a row of the record is.
    """

    verdict: str
    evidence: tuple[str, ...]
    advice: tuple[str, ...]
    needed: float | None
    unit: str

    def __str__(self):
        lines = [f"The learning rate: {self.verdict}"]
        lines += [f"  - {sentence}" for sentence in self.evidence]
        lines += [f"  Try: {sentence}" for sentence in self.advice]
        return "\n".join(lines)

    __repr__ = __str__


def diagnose(
    result: FitResult | MinimizeResult | Mapping[str, ArrayLike],
    *,
    sharpness: Sharpness | float | None = None,
    lr: float | None = None,
    optimizer: Rule | None = None,
) -> Diagnosis:
    """Tell from the record of a run whether its learning rate was too small, just right or too large, and why.

    Parameters
    ----------
    result : FitResult, mapping or MinimizeResult
        What `fit` returned; or its history, or any mapping of columns of one length with `loss` among them, of which
        `grad_norm`, `grad_cosine`, `lr`, `val_loss`, `step` and `epoch` are used if they are there; or what
        ``minimize(..., record=True)`` returned. The history of run k of a sweep is
        ``{name: rows[k] for name, rows in result.history.items()}``.
    sharpness : Sharpness or float, optional
        What `fastgd.sharpness` found, or the largest eigenvalue of the Hessian, λ: the rate is compared with the
        largest stable one.
    lr : float, optional
        The learning rate, where the record does not have it.
    optimizer : NamedTuple, optional
        The optimiser, where the record does not have it.

    Returns
    -------
    Diagnosis
        `verdict`, `evidence`, `advice`, `needed`. Nothing is printed: ``print(diagnose(result))`` does that.

    Raises
    ------
    ValueError, TypeError
        For a result without a record, an empty history, columns that do not fit.

    Notes
    -----
    On a quadratic a step multiplies the error along an eigenvector by 1 - lr·λ. So the loss is the same at 0.1/λ and at
    1.9/λ, and the cosine of successive gradients is 1 at the one, -1 at the other. In this order:

    1. *too large: diverged*: the loss is not finite, or ends far above where it began, or grows while gradients
       alternate; or losses alone, without gradients, climb again step by step by a fifth of their fall.
    2. *just right*: the run ended since the gradient reached zero (*stuck* if it had moved nowhere by then).
    3. *too large: oscillating*: the mean cosine is below -0.6 and the gradient shrinks by less than 0.3 a step; or the
       loss ended at more than half of what it was before any step (of a `fit`, by the first batch or 256 rows; a bare
       history of minibatch epochs does not tell), and steps raised it to more than twice that, or the first one was so
       long that on any bowl above 0 it must: lr·|g|² above 4 times the loss. Or steps raised it so far after it had
       fallen, wherever it ended; or a path rose above its start by more than it fell in all, and came back. Or nothing
       below is said of a run that ended above where it began. With noise of variance σ² in the gradient, plain descent
       comes to rest at a cosine of -lr·λ/2.
    4. *stuck*: the loss is flat from the start and |g|² is below a thousandth of it; *too small* where it is not, and
       the gradients agree or no step of a path has moved. Or no batch has a gradient left, though the loss is not 0:
       long steps have saturated it.
    5. *too small*: between the third and the last quarter the loss fell by more than 2 % of its fall, and by more than
       chance (*just right* where momentum's steps swing to and fro, which die away at one pace at any such rate, and
       where it has arrived; not where gradients of a mean cosine below 0 rest on a floor of noise); or full batches'
       gradients still point one way and are as large as at first (the rate decayed too soon). `needed` follows an
       exponential through the means of three equal parts. In less than 16 rows chance is told from a fall by the
       curves a + b·r^t: a run still falls if each that has already flattened is rejected against the best one
       (Student's t, 1 in 40). Where losses alone fell at each of the last few rows and that is not sure, or did not
       fall at all: *unclear*.
    6. *noisy*: the floor is flat, and lr·E|g|²/4, which is what noise adds to the loss of a quadratic there, is above
       a quarter of it (lr·Σ|g_i|/4 with methods that divide by the gradient's size; momentum does it at lr/(1 - β), and
       part of its E|g|² is not noise but its slow swings, by which successive gradients agree). Without rates and
       gradients, and on a path, the fluctuation of the loss has to tell; so it does where epochs vary by more than
       their mean, by the rare long excursions of mini-batches close to the limit of their mean square.
    7. *just right*: it fell and flattened.

    Examples
    --------
    >>> import fastgd
    >>> from fastgd.problems import Bowl
    >>> run = fastgd.minimize(Bowl(), [4.0], optimizer=fastgd.SGD(), lr=0.005, max_steps=50, record=True)
    >>> found = fastgd.diagnose(run)
    >>> found.verdict, round(found.needed)
    ('too small', 344)
    """
    owner = "diagnose"
    with np.errstate(all="ignore"):  # whatever the record of a run holds that went wrong
        run = record_of(owner, result)
    if lr is not None:
        run.lr = run.largest_lr = _check.number(owner, "lr", lr, _check.positive)
    if optimizer is not None:
        kernels_for(f"{owner}: optimizer", OptimizerKernels, optimizer)
        run.optimizer = optimizer
    with np.errstate(all="ignore"):
        verdict, evidence, advice, needed = judge(run)
    if run.val_loss is not None and np.isfinite(run.val_loss).any():
        best, end = int(np.nanargmin(run.val_loss)), run.val_loss[-1]
        evidence = [
            *evidence,
            f"the validation loss was least in {run.unit} {best + 1}: {run.val_loss[best]:.4g}; it ended at {end:.4g}",
        ]
    if sharpness is not None:
        value = _curvature_of(sharpness) if isinstance(sharpness, Sharpness) else sharpness
        value = _check.number(owner, "sharpness", value)
        evidence = [*evidence, _against(value, run)]
        if verdict == TOO_SMALL and run.lr > _stable_limit(value, run) / 3:
            advice = [f"more {run.unit}s, or features of one scale: three times the rate is beyond the stable limit"]
    return Diagnosis(verdict, tuple(evidence), tuple(advice), needed, run.unit)


_LIMITS = {
    SGD: "2/λ, plain descent's",
    Momentum: "2(1 + β)/λ, momentum's",
    Nesterov: "2(1 + β)/((1 + 2β)λ), Nesterov's",
}


def _curvature_of(found):
    """The largest curvature; where it is lost in rounding, what that hides."""
    limit = found.largest_stable_rate
    return 2 / limit if math.isfinite(limit) else found.sharpness


def _stable_limit(curvature, run):
    """The largest stable rate; NaN where it is not known."""
    optimizer = SGD() if run.optimizer is None else run.optimizer
    return rate_times_curvature(optimizer) / curvature if curvature > 0 else math.nan


def _against(value, run):
    """Where the rate lies relative to the largest stable one."""
    if value <= 0:
        return f"the largest curvature is {value:.4g}: where none is positive, no rate is the largest stable one"
    if not math.isfinite(run.lr):
        return f"plain descent is stable below 2/λ = {2 / value:.4g}; the record does not have the rate (give lr=)"
    optimizer = SGD() if run.optimizer is None else run.optimizer
    limit = _stable_limit(value, run)
    if math.isnan(limit):
        return (
            f"the rate {run.lr:.4g} is {run.lr * value:.3g}/λ; plain descent's limit 2/λ does not hold for "
            f"{type(optimizer).__name__}, whose own is not known"
        )
    name = _LIMITS[type(optimizer)]
    side = "below" if run.lr < limit else "above"
    began = f"; the largest, {run.largest_lr:.4g}, was {run.largest_lr / limit:.3g} of it"
    return (
        f"the rate {run.lr:.4g} is {side} the stable limit {limit:.4g} ({name}): {run.lr / limit:.3g} of it"
        f"{began if run.largest_lr > run.lr else ''}"
    )
