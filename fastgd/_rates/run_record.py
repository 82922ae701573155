"""What `diagnose` needs to know of a run, of `fit`, of `minimize` or by its history alone."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastgd import _check
from fastgd._training.position import FIRST_ROWS
from fastgd.batches import SEQUENTIAL
from fastgd.minimization import MinimizeResult
from fastgd.optimizers import (
    ASGD,
    SGD,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    Lion,
    Momentum,
    NAdam,
    Nesterov,
    RMSProp,
    SignSGD,
)
from fastgd.results import FitResult, history_of

_ERRORS = 2  # standard errors of a mean of losses, which vary by their own size


@dataclass
class RunRecord:
    """What is known of a run; a row is an epoch of `fit` or a step of `minimize`."""

    loss: np.ndarray
    norm: np.ndarray  # of the gradient, or what is in proportion to it; NaN where unknown
    cosine: np.ndarray  # of successive gradients
    lr: float  # the last rate; NaN where unknown
    largest_lr: float
    unit: str
    steps: float = 1.0  # in a row; NaN where unknown
    sequential: bool = False  # whether an epoch's batches are always the same
    optimizer: Any = None
    n_params: int = 1
    freedom: int = 1  # of a batch's noise: as many as rows or parameters
    slope: float = math.nan  # the gradient's norm at the end, where `norm` is only in proportion to it
    true_norm: bool = True
    val_loss: np.ndarray | None = None
    before: float = math.nan  # the loss before any step
    uncertainty: float = 1.0  # the factor by which chance may have made that too small
    promised: float = math.nan  # the fall that the first step promised, in units of that loss
    diverged: bool = False
    at_zero: bool = False  # ended since the gradient reached zero
    n_steps: int = 1


def record_of(owner, result):
    """The record of what `fit` or `minimize` returned, or of a history."""
    if isinstance(result, MinimizeResult):
        return _record_of_path(owner, result)
    history = history_of(owner, result, ("loss",), "fit or minimize(..., record=True)")
    known = ("loss", "grad_norm", "grad_cosine", "lr", "val_loss", "step", "epoch", "clipped")
    columns = {name: _column(owner, name, history[name]) for name in known if name in history}
    for name, column in columns.items():
        _check.same_length(owner, name, column, "loss", columns["loss"])
    columns = _before_the_end(columns)
    loss = columns["loss"]
    ended_badly = getattr(result, "status", None) == "diverged"
    if loss.size == 0 and not ended_badly:
        raise ValueError(f"{owner}: the history must have at least one row, it is empty")
    unknown = np.full(loss.size, np.nan)
    rates = columns.get("lr", unknown)
    run = RunRecord(
        loss=loss,
        norm=columns.get("grad_norm", unknown),
        cosine=columns.get("grad_cosine", unknown),
        val_loss=columns.get("val_loss", unknown),
        lr=float(rates[-1]) if rates.size else math.nan,
        largest_lr=float(rates.max()) if rates.size else math.nan,
        unit="step" if "step" in columns and "epoch" not in columns else "epoch",
        steps=math.nan,
        diverged=ended_badly,
        n_steps=loss.size,
    )
    if "step" in columns and loss.size:
        steps = columns["step"]
        run.steps = float(np.median(np.diff(steps))) if loss.size > 1 else float(steps[0])
        run.n_steps = steps[-1]
        if run.steps == steps[0] == 1:  # the whole loss, before its step
            run.before = loss[0]
    if isinstance(result, FitResult):
        plan, watch = result.checkpoint.plan, result.checkpoint.watch
        run.optimizer, run.n_params, run.n_steps = result.checkpoint.optimizer, result.params.size, result.n_steps
        run.sequential = plan.order == SEQUENTIAL
        run.freedom = min(plan.batch_size, run.n_params)
        _learn_of_the_start(run, result, columns.get("clipped", np.zeros(1)))
        waited = watch.tol is not None and watch.waited >= watch.patience
        run.at_zero = result.status == "converged" and plan.gtol >= 0 and not waited
    return run


def _learn_of_the_start(run, result, clipped):
    """What the first rows tell, before any step."""
    first, n_rows = result.checkpoint.first, result.checkpoint.n_rows
    rows = max(result.checkpoint.plan.batch_size, FIRST_ROWS)
    run.before = first.loss
    run.uncertainty = 1 + _ERRORS / math.sqrt(rows) if rows < n_rows else 1.0
    if first.loss > 0 and not clipped[:1].any():
        run.promised = first.norm * _first_step_length(run.optimizer, first) / first.loss


def _first_step_length(optimizer, first):
    """How long the first step of a run was, at least; NaN where no rule is known."""
    if isinstance(optimizer, SGD | Momentum | Nesterov | ASGD):
        return first.lr * first.norm
    if isinstance(optimizer, Adam | AdamW | Adamax | NAdam | Adagrad | RMSProp):
        return first.lr * first.norm / (first.norm + optimizer.eps)
    return first.lr if isinstance(optimizer, Lion | SignSGD) else math.nan


def _column(owner, name, values):
    if isinstance(values, list | tuple):  # JSON has null for NaN
        values = [math.nan if value is None else value for value in values]
    return np.array(_check.array(owner, f"history[{name!r}]", values, 1, np.float64))


def _before_the_end(columns):
    """The rows that a run has: in a sweep's history one that ended earlier than others has neither step nor epoch."""
    numbers = [columns[name] for name in ("step", "epoch") if name in columns]
    there = np.flatnonzero(np.any(~np.isnan(numbers), axis=0)) if numbers else np.empty(0)
    return {name: column[: there[-1] + 1] for name, column in columns.items()} if there.size else columns


def _record_of_path(owner, result):
    if result.path is None:
        raise ValueError(f"{owner}: result must have a path: use minimize(..., record=True)")
    path, loss = result.path.astype(np.float64), result.path_fun.astype(np.float64)
    norm, cosine = np.full(loss.size, np.nan), np.full(loss.size, np.nan)
    with np.errstate(all="ignore"):  # a path that diverges
        steps = np.diff(path, axis=0)
        lengths = np.linalg.norm(steps, axis=1)
        norm[: lengths.size] = lengths
        units = steps / lengths[:, None]
        cosine[1 : lengths.size] = (units[1:] * units[:-1]).sum(axis=1)
    return RunRecord(
        loss, norm, cosine, math.nan, math.nan, "step", n_params=path.shape[1], true_norm=False,
        slope=np.float64(np.linalg.norm(result.jac)), diverged=result.status == 4, at_zero=result.status == 0,
        n_steps=result.nit,
    )  # fmt: skip
