"""`fit`: checks, then compiled chunks of about 50 ms until the run is over, then a result."""

import math
import time
import warnings

import numpy as np

from fastgd import _check, _loop
from fastgd._interrupt import Interrupts
from fastgd._jit import kernel
from fastgd._loop import Data, Plan
from fastgd._registry import ClippingKernels, ModelKernels, OptimizerKernels, ScheduleKernels, kernels_for
from fastgd._run import Checkpoint, Run, copies
from fastgd.batches import ORDERS, SEQUENTIAL
from fastgd.clipping import NoClipping
from fastgd.gradients import block_rows
from fastgd.optimizers import Adam
from fastgd.results import FitResult, Progress
from fastgd.verbs import init_params

_CHUNK_SECONDS = 0.04  # how long compiled code runs before Python looks for Ctrl-C
_CACHE_BYTES = 1 << 21  # rows of a larger X are prefetched when they are taken in random order
_WINDOW_BYTES = 1 << 18  # of X, shuffled as one by "block-shuffled": a share of the second-level cache
_NEIGHBOUR_BYTES = 1 << 12  # of X, that "block-shuffled" keeps together
_POLICIES = ("stop", "raise", "skip")  # by the loop's codes


def fit(
    model,
    X,
    y,
    *,
    optimizer=Adam(),
    lr=1e-3,
    batch_size=64,
    epochs=10,
    order="shuffled",
    seed=0,
    clip=None,
    on_nonfinite="stop",
    sample_weight=None,
    validation=None,
    tol=None,
    patience=5,
    gtol=None,
    max_seconds=None,
    params=None,
    resume=None,
    callback=None,
    progress=False,
    threads=1,
):
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
    batch_size : int or None
        Rows a step; 1 is the stochastic method, None (or anything from n up) the full batch. The last, short batch of an epoch is
        used too, its mean being over its own rows.
    epochs : int
        Passes over the rows, in all: a resumed run counts those before.
    order : {"shuffled", "block-shuffled", "sequential"}
        How an epoch's rows are drawn: all shuffled anew; runs of neighbouring rows in random order, shuffled
        within a window that fits the cache, which is faster where X does not; or as they stand. The full batch
        is always taken as it stands.
    seed : int
        The same seed gives the same run, bit for bit: initial parameters, orders and held-out rows.
    clip : NamedTuple, optional
        A clipping rule for the gradients: `ClipByNorm` or `ClipByValue`.
    on_nonfinite : {"stop", "raise", "skip"}
        What to do where a batch's loss or gradient is not finite: end the run as diverged, raise
        FloatingPointError, or leave the batch out and count it.
    sample_weight : array_like of shape (n,), optional
        Weights, 0 or larger; a batch's mean is the weighted one.
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
        and optimiser must be the same.
    callback : callable, optional
        ``callback(progress)``, called after every epoch and between the chunks of a long one, with `epoch`,
        `step`, `loss`, `lr`, `params`. Raising StopIteration ends the run.
    progress : bool
        Show a progress bar.
    threads : int
        At most so many threads for large batches. The result has the same bits for any number.

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
        If the run diverged; its result has the last finite parameters.

    Notes
    -----
    Ctrl-C ends the run within 0.1 s with what was reached and status "interrupted"; a second one within a second
    raises KeyboardInterrupt.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> y = 2 * X[:, 0] - X[:, 1] + 0.5
    >>> result = fastgd.fit(fastgd.Neuron(2, "identity"), X, y, lr=0.1, epochs=30)
    >>> result.status, result.params.round(3)
    ('max_epochs', array([ 2. , -1. ,  0.5]))
    """
    started = time.perf_counter()
    X, y = _check.data("fit", X, y)
    n_rows, n_columns = X.shape
    kernels = kernels_for("fit", ModelKernels, model)
    kernels_for("fit", OptimizerKernels, optimizer)
    if isinstance(lr, tuple):
        kernels_for("fit", ScheduleKernels, lr)
    else:
        lr = _check.number("fit", "lr", lr, _check.nonnegative)
    rule = NoClipping() if clip is None else clip
    kernels_for("fit", ClippingKernels, rule)
    epochs = _check.integer("fit", "epochs", epochs, least=0)
    seed = _check.integer("fit", "seed", seed, least=0)
    threads = _check.integer("fit", "threads", threads, least=1)
    patience = _check.integer("fit", "patience", patience, least=1)
    tol = None if tol is None else _check.number("fit", "tol", tol, _check.nonnegative)
    gtol = -1.0 if gtol is None else _check.number("fit", "gtol", gtol, _check.nonnegative)
    order_code = _check.choice("fit", "order", order, ORDERS)
    policy = _check.choice("fit", "on_nonfinite", on_nonfinite, _POLICIES)
    max_seconds = math.inf if max_seconds is None else _check.number("fit", "max_seconds", max_seconds, _check.positive)
    if callback is not None and not callable(callback):
        raise TypeError(f"fit: callback must be callable, got {type(callback).__name__}")
    _check.boolean("fit", "progress", progress)
    _warn_of_long_schedule(lr, epochs)

    _require_finite("X", X)
    _require_finite("y", y)
    kernels.check(model, X=X, y=y)
    weight = _weights(sample_weight, X)
    held_out, rows = _validation(validation, model, kernels, X, y, weight, seed)
    n_train = n_rows if rows is None else rows.size
    batch_size = n_train if batch_size is None else _check.integer("fit", "batch_size", batch_size, least=1)
    if batch_size >= n_train:
        batch_size, order_code = n_train, SEQUENTIAL
    row_bytes = X.strides[0] if n_columns > 1 else X.itemsize
    neighbours = max(1, _NEIGHBOUR_BYTES // row_bytes)
    plan = Plan(
        batch_size=batch_size,
        block=block_rows.py_func(n_columns),
        order=order_code,
        seed=seed,
        neighbours=neighbours,
        window=neighbours * max(1, _WINDOW_BYTES // (neighbours * row_bytes)),
        prefetch=order_code != SEQUENTIAL and X.nbytes > _CACHE_BYTES,
        on_nonfinite=policy,
        gtol=gtol,
    )
    order_of_rows = np.arange(n_train, dtype=np.uint32) if rows is None else rows.copy()
    data = Data(X, y, weight, np.empty(0, np.uint32) if rows is None else rows, order_of_rows)
    params = _initial_params(params, resume, model, kernels, seed, X.dtype)
    run = Run(model, optimizer, rule, lr, data, plan, params, threads)
    watch = _Watch(tol, patience)
    if resume is not None:
        watch = _go_on(run, resume, watch)

    bar = _bar(run.epoch, epochs) if progress else None
    status = "max_epochs"
    every_epoch = callback is not None or held_out is not None or tol is not None
    with Interrupts() as interrupts:
        while run.epoch < epochs and status == "max_epochs":
            epoch = run.epoch
            seconds = min(_CHUNK_SECONDS, max(1e-3, max_seconds - (time.perf_counter() - started)))
            outcome = run.advance(seconds, epoch + 1 if every_epoch else epochs)
            if outcome == _loop.CONVERGED:
                status = "converged"
            elif outcome != _loop.RUNNING:
                status = "diverged"
                break
            if run.epoch > epoch:
                if held_out is not None:
                    run.history[-1, _loop.HISTORY.index("val_loss")] = run.mean_loss(held_out)
                if every_epoch and watch.is_over(run, held_out is not None):
                    status = "converged"
            if bar is not None:
                _show(bar, run)
            if callback is not None and status == "max_epochs":
                try:
                    callback(Progress(run.epoch, run.step, run.running_loss(), run.last_lr(), run.evaluation_params()))
                except StopIteration:
                    status = "stopped"
            if interrupts.requested:
                status = "interrupted"
            elif time.perf_counter() - started >= max_seconds and run.epoch < epochs and status == "max_epochs":
                status = "max_seconds"
    if bar is not None:
        bar.close()
    if status == "diverged":
        if on_nonfinite == "raise":
            raise FloatingPointError(f"fit: {_what_happened(status, run, outcome)}")
        warnings.warn(f"fit: {_what_happened(status, run, outcome)}", RuntimeWarning, stacklevel=2)
    history = run.history_so_far()
    best = watch.best_params if held_out is not None else None
    return FitResult(
        params=run.evaluation_params() if best is None else best.copy(),
        state=run.state,
        model=model,
        loss=float(history["loss"][-1]) if history["loss"].size else math.nan,
        history=history,
        status=status,
        message=_what_happened(status, run, None if status != "diverged" else outcome),
        n_epochs=run.epoch,
        n_steps=run.step,
        seconds=time.perf_counter() - started,
        checkpoint=Checkpoint(plan, n_train, optimizer, copies(run.arrays()), run.history, watch),
    )


class _Watch:
    """Early stopping: the best loss so far, how long ago it was, and with validation its parameters."""

    def __init__(self, tol, patience):
        self.tol, self.patience = tol, patience
        self.best, self.waited = math.inf, 0
        self.best_validation, self.best_params = math.inf, None

    def is_over(self, run, validated):
        """Look at the epoch just completed."""
        row = dict(zip(_loop.HISTORY, run.history[-1], strict=True))
        loss = row["val_loss"] if validated else row["loss"]
        if validated and loss < self.best_validation:
            self.best_validation, self.best_params = loss, run.evaluation_params()
        if self.tol is None:
            return False
        if loss < self.best - self.tol:
            self.best, self.waited = loss, 0
        else:
            self.waited += 1
        return self.waited >= self.patience

    def copy(self):
        """An equal watch, for a run that goes on."""
        other = _Watch(self.tol, self.patience)
        other.best, other.waited = self.best, self.waited
        other.best_validation, other.best_params = self.best_validation, self.best_params
        return other


def _what_happened(status, run, outcome):
    where = f"after {run.epoch} epochs and {run.step} steps"
    if status == "diverged":
        what = "parameters" if outcome == _loop.NONFINITE_PARAMS else "loss or gradient"
        return (
            f"the run diverged: at step {run.step} the {what} stopped being finite; "
            "the last finite parameters are returned (try a smaller learning rate, or clip=ClipByNorm(1.0))"
        )
    return {
        "converged": f"converged {where}",
        "max_epochs": f"ran all its epochs: {where}",
        "max_seconds": f"ran out of time {where}",
        "stopped": f"stopped by the callback {where}",
        "interrupted": f"interrupted {where}; fit(..., resume=result) goes on",
    }[status]


def _warn_of_long_schedule(lr, epochs):
    duration = getattr(lr, "duration", 0)
    if duration > epochs:
        warnings.warn(
            f"fit: the schedule's duration is {duration} epochs, the run has {epochs}", RuntimeWarning, stacklevel=3
        )


@kernel
def all_finite(bits, exponent):
    """Whether no number has an exponent of ones: NaN or infinity. On integers, since a floating-point search does
    not vectorise.
    """
    largest = bits.dtype.type(0)
    for i in range(bits.size):
        largest = max(largest, bits[i] & exponent)
    return largest != exponent


def _require_finite(name, array):
    """Raise ValueError where an array has NaN or infinity, at the cost of one read."""
    unsigned = np.dtype(f"u{array.itemsize}").type
    exponent = unsigned(0x7F800000 if array.itemsize == 4 else 0x7FF0000000000000)
    bits = array.reshape(-1).view(unsigned)
    for start in range(0, bits.size, 1 << 24):  # in parts, so that Ctrl-C is heard
        if not all_finite(bits[start : start + (1 << 24)], exponent):
            first = start + np.flatnonzero(~np.isfinite(array.reshape(-1)[start : start + (1 << 24)]))[0]
            place = ", ".join(str(int(i)) for i in np.unravel_index(first, array.shape))
            raise ValueError(f"fit: {name} must be finite, got {array.reshape(-1)[first]} at [{place}]")


def _weights(sample_weight, X):
    if sample_weight is None:
        return np.ones(1, X.dtype)
    weight = _check.array("fit", "sample_weight", sample_weight, 1, X.dtype)
    _check.same_length("fit", "sample_weight", weight, "X", X)
    _require_finite("sample_weight", weight)
    if weight.min() < 0 or weight.max() == 0:
        raise ValueError("fit: sample_weight must be 0 or larger, and not all 0")
    # An array of one is taken for the weight of all rows: with one row these are the same.
    return weight


def _validation(validation, model, kernels, X, y, weight, seed):
    """The data to watch, or None, and the rows to train on, or None for all."""
    if validation is None:
        return None, None
    if isinstance(validation, tuple | list):
        if len(validation) != 2:
            raise ValueError(f"fit: validation must be a pair (X, y) or a share, got {len(validation)} items")
        X_val, y_val = _check.data("fit", *validation, X.dtype)
        _require_finite("validation X", X_val)
        _require_finite("validation y", y_val)
        kernels.check(model, X=X_val, y=y_val)
        rows = np.arange(len(X_val), dtype=np.uint32)
        return Data(X_val, y_val, np.ones(1, X.dtype), rows[:0], rows), None
    share = _check.number(
        "fit", "validation", validation, _check.Range("a pair (X, y) or a share between 0 and 1", lambda v: 0 < v < 1)
    )
    n_held_out = round(share * len(X))
    if not 0 < n_held_out < len(X):
        raise ValueError(f"fit: validation={share:g} of {len(X)} rows leaves no rows to train on or to hold out")
    drawn = np.random.default_rng(seed).permutation(len(X)).astype(np.uint32)
    held_out = Data(X, y, weight, drawn[:0], np.sort(drawn[:n_held_out]))
    return held_out, np.sort(drawn[n_held_out:])


def _initial_params(params, resume, model, kernels, seed, dtype):
    """A new array: the warm start's, or the model's own beginning."""
    if resume is not None:
        if params is not None:
            raise ValueError("fit: params and resume do not go together")
        if not isinstance(resume, FitResult):
            raise TypeError(f"fit: resume must be a FitResult, got {type(resume).__name__}")
        if resume.model != model or resume.params.dtype != dtype:
            raise ValueError(
                f"fit: resume was a run of {resume.model} in {resume.params.dtype}, got {model} in {dtype}"
            )
        return np.empty_like(resume.params)
    if params is None:
        return init_params(model, seed, dtype)
    params = _check.parameters("fit", model, kernels.n_params.py_func(model), params, dtype).copy()
    _require_finite("params", params)
    return params


def _go_on(run, resume, watch):
    """Set a run to where a result was left."""
    before = resume.checkpoint
    same = {
        "optimizer": (type(before.optimizer), type(run.optimizer)),
        "the number of rows": (before.n_rows, run.n_rows),
        **{name: (getattr(before.plan, name), getattr(run.plan, name)) for name in ("batch_size", "order", "seed")},
    }
    for name, (was, now) in same.items():
        if was != now:
            raise ValueError(f"fit: to resume, {name} must be what it was, {was}, got {now}")
    run.restore(before.arrays)
    run.history = before.history
    watch, rules = before.watch.copy(), watch
    watch.tol, watch.patience = rules.tol, rules.patience
    return watch


def _bar(epoch, epochs):
    from tqdm.auto import tqdm  # takes longer to import than a short run

    return tqdm(initial=epoch, total=epochs, unit="epoch")


def _show(bar, run):
    bar.set_postfix(loss=f"{run.running_loss():.4g}", refresh=False)
    bar.update(run.epoch - bar.n)
