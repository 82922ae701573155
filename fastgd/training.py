"""`fit`: checks, then compiled chunks of about 40 ms until the run is over, then a result."""

import hashlib
import math
import time
import warnings

import numpy as np
from numpy.typing import ArrayLike

from fastgd import _check
from fastgd._registry import ScheduleKernels, kernels_for
from fastgd._runtime.interrupt import Interrupts
from fastgd._runtime.pace import seconds_at_once
from fastgd._runtime.progress import bar
from fastgd._training.position import CONVERGED, HISTORY, NONFINITE_GRADIENT, NONFINITE_PARAMS, RUNNING
from fastgd._training.run import Checkpoint, Run, copies
from fastgd._training.setup import checked_ends, prepare
from fastgd._types import Function, Rate, Rule
from fastgd.batches import ORDERS
from fastgd.optimizers import Adam
from fastgd.results import FitResult, Progress
from fastgd.schedules._nested import end_of


def fit(
    model: Rule,
    X: ArrayLike,
    y: ArrayLike,
    *,
    optimizer: Rule = Adam(),
    lr: Rate = 1e-3,
    batch_size: int | None = 64,
    epochs: int = 10,
    order: str = "shuffled",
    seed: int = 0,
    clip: Rule | None = None,
    on_nonfinite: str = "stop",
    sample_weight: ArrayLike | None = None,
    validation: float | tuple[ArrayLike, ...] | None = None,
    tol: float | None = None,
    patience: int = 5,
    gtol: float | None = None,
    max_seconds: float | None = None,
    params: ArrayLike | None = None,
    resume: FitResult | None = None,
    callback: Function | None = None,
    progress: bool = False,
    threads: int = 1,
) -> FitResult:
    """Train a model by mini-batch gradient descent, the whole run in compiled code.

    Minimises the mean loss over the rows of X (weighted by `sample_weight`), one step a mini-batch.

    Parameters
    ----------
    model : NamedTuple
        A registered model, such as `Neuron`.
    X : array_like of shape (n, n_features)
        Rows. Their floating dtype (float32 or float64; integers become float64, float16 float32) is that of the
        whole run. C-ordered float32 and float64 arrays are used as they are, others are copied once.
    y : array_like of shape (n,) or (n, n_outputs)
        Targets.
    optimizer : NamedTuple
        A registered optimiser.
    lr : float or NamedTuple
        The learning rate, or a schedule, whose time is measured in epochs, fractional: it moves at every step.
        `ReduceOnPlateau` goes around either, and follows the watched loss (see `validation`).
    batch_size : int or None
        Rows a step; 1 is the stochastic method, None (or anything from n up) the full batch. The last, short
        batch of an epoch is used too, its mean being over its own rows.
    epochs : int
        Passes over the rows, in all: a resumed run counts those before.
    order : {"shuffled", "block-shuffled", "sequential"}
        How an epoch's rows are drawn: all shuffled anew; short runs of neighbouring rows put in random order, and
        then shuffled within a window that fits the cache, which is faster where X does not fit it; or as they
        stand. The full batch is always taken as it stands.
    seed : int
        The same seed gives the same run, bit for bit: initial parameters, orders and held-out rows.
    clip : NamedTuple, optional
        A clipping rule for the gradients: `ClipByNorm`, `ClipByValue` or `ClipAdaptively`.
    on_nonfinite : {"stop", "raise", "skip"}
        What to do where a batch's loss or gradient is not finite: end the run as diverged, raise
        FloatingPointError, or leave the batch out and count it.
    sample_weight : array_like of shape (n,), optional
        Weights, 0 or larger; a batch's mean is the weighted one, and its gradient 0 where all its weights are 0. In
        float32 a weight below 2^-100 of the largest counts as 0, in float64 one below 2^-900.
    validation : (X, y) or float, optional
        Rows to watch: a pair, or a share of X to hold out, drawn by the seed. The parameters of the best epoch
        are returned.
    tol : float, optional
        "converged" once the watched loss (of validation if there is any, else the training loss) has not fallen
        by `tol` below its best for `patience` epochs.
    patience : int
        See `tol`.
    gtol : float, optional
        "converged" once the largest absolute component of a batch's gradient is at most this.
    max_seconds : float, optional
        End the run after so long.
    params : array_like of shape (n_params,), optional
        Where to start (a warm start); the array is copied.
    resume : FitResult, optional
        Go on from a result as if its run had never stopped, bit for bit. Model, data, batch size, order, seed
        and optimiser must be the same; what is given otherwise, `lr` and `clip` among it, holds from here on, and
        is not taken from the result (but the same `ReduceOnPlateau` goes on with its reductions). Where other rows
        are watched, or none as before, the best loss so far begins anew. (A run that `gtol` ended has counted a step
        that it did not take.)
    callback : callable, optional
        ``callback(progress)``, called after every epoch and between the chunks of a long one, with `epoch`,
        `step`, `loss`, `lr`, `params`. Raising StopIteration ends the run; anything else is passed on.
    progress : bool
        Show a progress bar.
    threads : int
        At most so many threads for batches of some 20 µs of work and more, 3,000 rows of 32 columns say (and no more
        threads than the process has processors). The result has the same bits for any number. From batch to batch they
        wait without sleeping: ask for no more than are free.

    Returns
    -------
    FitResult
        Parameters, history, and why the run ended.

    Raises
    ------
    ValueError, TypeError
        For arguments that do not fit, before anything is computed; the message names the argument.
    FloatingPointError
        With ``on_nonfinite="raise"``.

    Warns
    -----
    RuntimeWarning
        If the run diverged; its result has the last finite parameters, with validation those of the best epoch. If
        under ``on_nonfinite="skip"`` every batch was left out. If the schedule has an end (the duration of a cosine,
        the last milestone) that lies beyond the epochs, as where steps were meant.

    Notes
    -----
    Ctrl-C ends the run within 0.1 s with what was reached and status "interrupted"; a second one within a second
    raises KeyboardInterrupt. It is heard later while Numba compiles or input is converted, and while a run over
    more than some 10^7 rows is set up.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> y = 2 * X[:, 0] - X[:, 1] + 0.5
    >>> result = fastgd.fit(fastgd.Neuron(2, "identity"), X, y, lr=0.1, epochs=30)
    >>> result.status, result.params.round(2)
    ('max_epochs', array([ 2. , -1. ,  0.5]))
    """
    started = time.perf_counter()
    if isinstance(lr, tuple | type):
        kernels_for("fit: lr", ScheduleKernels, lr)
    else:
        lr = _check.number("fit", "lr", lr, _check.nonnegative)
    epochs, threads, patience, tol, max_seconds = checked_ends("fit", epochs, threads, patience, tol, max_seconds)
    if callback is not None and not callable(callback):
        raise TypeError(f"fit: callback must be callable, got {type(callback).__name__}")
    progress = _check.boolean("fit", "progress", progress)
    if resume is not None:
        params = _params_to_go_on_from(resume, params, model)
    _warn_of_long_schedule(lr, epochs)

    with Interrupts() as interrupts:
        rule, data, plan, params, held_out = prepare(
            "fit", interrupts, model, X, y, optimizer=optimizer, batch_size=batch_size, order=order, seed=seed,
            clip=clip, on_nonfinite=on_nonfinite, sample_weight=sample_weight, validation=validation, gtol=gtol,
            params=params,
        )  # fmt: skip
        run = Run(model, optimizer, rule, lr, data, plan, params, threads)
        watch = _Watch(tol, patience, _fingerprint(held_out, data))
        if resume is not None:
            _go_on(run, resume, watch)
        with bar(progress, epochs, "epoch", run.epoch) as shown:
            status, outcome = _run_until_over(
                run, watch, held_out, epochs, started + max_seconds, callback, shown, interrupts
            )

    best = watch.best_params if held_out is not None else None
    returned = "the last finite parameters" if best is None else "the parameters of the best epoch by validation"
    message = _what_happened(status, run, outcome, "" if on_nonfinite == "raise" else f"; {returned} are returned")
    if status == "diverged":
        if on_nonfinite == "raise":
            raise FloatingPointError(f"fit: {message}")
        warnings.warn(f"fit: {message}", RuntimeWarning, stacklevel=2)
    history = run.history_so_far()
    if run.step and history["skipped"].sum() == run.step:
        words = "every batch was left out, since its loss or gradient was not finite: the parameters are what they were"
        message = f"{message}; {words}"
        warnings.warn(f"fit: {words}", RuntimeWarning, stacklevel=2)
    return FitResult(
        params=run.evaluation_params() if best is None else best.copy(),
        state=run.state,
        model=model,
        loss=float(history["loss"][-1]) if history["loss"].size else math.nan,
        history=history,
        status=status,
        message=message,
        n_epochs=run.epoch,
        n_steps=run.step,
        seconds=time.perf_counter() - started,
        checkpoint=Checkpoint(
            plan, run.n_rows, optimizer, run.plateau, run.first_step, copies(run.arrays()), run.history, watch
        ),
    )


def _run_until_over(run, watch, held_out, epochs, deadline, callback, shown, interrupts):
    """Run chunk after chunk; return the status, and what the loop said last."""
    every_epoch = callback is not None or held_out is not None or watch.tol is not None or run.plateau is not None
    outcome = RUNNING
    while not interrupts.requested:
        if watch.epoch == run.epoch:  # else Ctrl-C came during validation, and the run goes on from there
            if run.epoch >= epochs:
                return "max_epochs", outcome
            outcome = run.advance(seconds_at_once(deadline), run.epoch + 1 if every_epoch else epochs)
            if outcome in (NONFINITE_GRADIENT, NONFINITE_PARAMS):
                return "diverged", outcome
        status = "converged" if outcome == CONVERGED else None
        if run.epoch > watch.epoch and watch.is_over(run, held_out, interrupts):
            status = "converged"
        if shown is not None:
            _show(shown, run)
        if callback is not None:
            try:
                callback(Progress(run.epoch, run.step, run.running_loss(), run.last_lr(), run.evaluation_params()))
            except StopIteration:
                status = status or "stopped"
        if status is None and time.perf_counter() >= deadline and run.epoch < epochs:
            status = "max_seconds"
        if status is not None and not interrupts.requested:
            return status, outcome
    return "interrupted", outcome


class _Watch:
    """Early stopping: the best loss so far, how long ago it was, and with validation its parameters."""

    def __init__(self, tol, patience, rows):
        self.tol, self.patience, self.rows = tol, patience, rows
        self.epoch = 0  # the last one looked at
        self.best, self.waited = math.inf, 0
        self.best_validation, self.best_params = math.inf, None

    def is_over(self, run, held_out, interrupts):
        """Look at the epoch just completed."""
        if held_out is not None:
            val_loss = run.mean_loss(held_out, interrupts)
            if val_loss is None:
                return False
            run.history[-1, HISTORY.index("val_loss")] = val_loss
            if val_loss < self.best_validation:
                self.best_validation, self.best_params = val_loss, run.evaluation_params()
        self.epoch = run.epoch
        loss = run.history[-1, HISTORY.index("loss" if held_out is None else "val_loss")]
        run.look_at_loss(loss)
        if self.tol is None:
            return False
        if loss < self.best - self.tol:
            self.best, self.waited = loss, 0
        elif self.best < math.inf:  # a loss that never was a number does not come to rest
            self.waited += 1
        return self.waited >= self.patience

    def go_on(self, before):
        """Take over what another watch has seen, under the rules of this one; return whether of the same rows."""
        self.epoch = before.epoch
        if self.rows != before.rows:
            return False
        self.best, self.waited = before.best, before.waited
        self.best_validation, self.best_params = before.best_validation, before.best_params
        return True


def _fingerprint(held_out, data):
    """What tells rows that are held out from others, by some of their numbers and all sums; empty for none."""
    if held_out is None:
        return b""
    rows = held_out.order[:: max(1, held_out.order.size // 64)]
    parts = [held_out.order.tobytes(), held_out.X[rows].tobytes(), held_out.y[rows].tobytes()]
    sums = [held_out.weight]
    if held_out.X is not data.X or held_out.y is not data.y:  # else rows of the data, which are what they were
        sums += [held_out.X, held_out.y]
    with np.errstate(over="ignore", invalid="ignore"):
        parts += [array.sum().tobytes() for array in sums]
    return hashlib.sha256(b"".join(parts)).digest()


def _what_happened(status, run, outcome, returned):
    where = f"after {run.epoch} epochs and {run.step} steps"
    if status == "diverged":
        what = "parameters" if outcome == NONFINITE_PARAMS else "loss or gradient"
        remedy = "try a smaller learning rate, or clip=ClipByNorm(1.0)"
        if run.step == 0 and outcome == NONFINITE_GRADIENT:
            remedy = f"before any step: X, y or the first parameters are too large for sums in {run.params.dtype}"
        return f"the run diverged: at step {run.step} the {what} stopped being finite{returned} ({remedy})"
    return {
        "converged": f"converged {where}",
        "max_epochs": f"ran all its epochs: {where}",
        "max_seconds": f"ran out of time {where}",
        "stopped": f"stopped by the callback {where}",
        "interrupted": f"interrupted {where}; fit(..., resume=result) goes on",
    }[status]


def _warn_of_long_schedule(lr, epochs):
    duration = end_of(lr)
    if duration > epochs:
        warnings.warn(
            f"fit: the schedule's duration is {duration} epochs, the run has {epochs}", RuntimeWarning, stacklevel=3
        )


def _params_to_go_on_from(resume, params, model):
    """Return the parameters at which a result was left."""
    if params is not None:
        raise ValueError("fit: params and resume do not go together")
    if not isinstance(resume, FitResult):
        raise TypeError(f"fit: resume must be a FitResult, got {type(resume).__name__}")
    if not _is_same(resume.model, model):
        raise ValueError(f"fit: to resume, the model must be what it was, {resume.model}, got {model}")
    return resume.checkpoint.arrays[0]


def _is_same(was, now):
    """Whether two things are of one type, with the same numbers and things in them."""
    if type(was) is not type(now):
        return False
    if isinstance(was, tuple):
        return len(was) == len(now) and all(map(_is_same, was, now))
    return was == now


def _go_on(run, resume, watch):
    """Set a run to where a result was left."""
    before = resume.checkpoint
    same = {
        "the dtype of X": (str(resume.params.dtype), str(run.params.dtype)),
        "optimizer": (before.optimizer, run.optimizer),
        "the number of rows": (before.n_rows, run.n_rows),
        "batch_size": (before.plan.batch_size, run.plan.batch_size),
        "order": (ORDERS[before.plan.order], ORDERS[run.plan.order]),
        "seed": (before.plan.seed, run.plan.seed),
    }
    for name, (was, now) in same.items():
        if not _is_same(was, now):
            raise ValueError(f"fit: to resume, {name} must be what it was, {was!r}, got {now!r}")
    run.restore(before.arrays)
    if not _is_same(before.plateau, run.plateau):
        run.forget_reductions()
    run.append_history(before.history)
    if not watch.go_on(before.watch):  # losses of other rows are not to be compared with these
        run.forget_losses()


def _show(shown, run):
    shown.set_postfix(loss=f"{run.running_loss():.4g}", refresh=False)
    shown.update(run.epoch - shown.n)
