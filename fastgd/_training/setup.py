"""What every training run begins with: arguments checked, rows, targets and weights ready, the plan, the parameters."""

import math
from typing import NamedTuple

import numpy as np

from fastgd import _check
from fastgd._arrays.finite import require_finite
from fastgd._class_names import plain_name
from fastgd._registry import ClippingKernels, ModelKernels, OptimizerKernels, kernels_for
from fastgd._runtime.threads import usable
from fastgd._training.position import Data, Plan
from fastgd.batches import ORDERS, SEQUENTIAL, split
from fastgd.clipping import NoClipping
from fastgd.gradients import rows_to_share

MOST = (1 << 63) - 1  # counts are of 64 bits
_MOST_ROWS = (1 << 32) - 1  # and those of rows of 32
_WINDOW_BYTES = 1 << 18  # of X, shuffled as one by "block-shuffled": a share of the second-level cache
_NEIGHBOUR_BYTES = 1 << 13  # of X, that "block-shuffled" keeps together
_EXPONENTS = -20, 32  # of the largest weight; beyond, weights are scaled
_LEAST_EXPONENTS = {4: -100, 8: -900}  # of a weight, by the bytes of a number, beside the largest: a smaller one is 0
_PART_ROWS = 1 << 22  # that are dealt out without looking for Ctrl-C
_POLICIES = ("stop", "raise", "skip")


class Setup(NamedTuple):
    """What a run begins with."""

    rule: tuple  # the clipping rule
    data: Data
    plan: Plan
    params: np.ndarray  # (n_params,): a new array
    held_out: Data | None  # the rows to watch


def prepare(
    owner,
    interrupts,
    model,
    X,
    y,
    *,
    optimizer,
    batch_size,
    order,
    seed,
    clip,
    on_nonfinite="stop",
    sample_weight=None,
    validation=None,
    gtol=None,
    params=None,
):
    """Check the arguments that runs of training share, and make ready what they mean.

    Parameters
    ----------
    owner : str
        The function, for error messages.
    interrupts : Interrupts
        After Ctrl-C what remains of large arrays is not looked at: the run is over before its first step.
    model, X, y, optimizer, batch_size, order, seed, clip, on_nonfinite, sample_weight, validation, gtol, params
        As `fit` takes them.

    Returns
    -------
    Setup
        With the rows in their own order, and in `data.order` the rows to train on.
    """
    kernels = kernels_for(f"{owner}: model", ModelKernels, model)
    kernels_for(f"{owner}: optimizer", OptimizerKernels, optimizer)
    rule = NoClipping() if clip is None else clip
    check_rule = kernels_for(f"{owner}: clip", ClippingKernels, rule).check
    if batch_size is not None:
        batch_size = _check.integer(owner, "batch_size", batch_size, least=1)
    seed = _check.integer(owner, "seed", seed, least=0, most=MOST)
    gtol = -1.0 if gtol is None else _check.number(owner, "gtol", gtol, _check.nonnegative)
    order_code = _check.choice(owner, "order", order, ORDERS)
    _check.choice(owner, "on_nonfinite", on_nonfinite, _POLICIES)

    X, y = _data(owner, X, y, model, kernels, interrupts)
    weight = _weights(owner, sample_weight, X, interrupts)
    held_out, rows = _validation(owner, validation, model, kernels, X, y, weight, seed, interrupts)
    n_rows, n_columns = X.shape
    n_train = n_rows if rows is None else rows.size
    if batch_size is None or batch_size >= n_train:
        batch_size, order_code = n_train, SEQUENTIAL
    row_bytes = n_columns * X.itemsize
    neighbours = max(1, _NEIGHBOUR_BYTES // row_bytes)
    plan = Plan(
        batch_size=batch_size,
        block=rows_to_share(n_columns, batch_size),
        order=order_code,
        seed=seed,
        neighbours=neighbours,
        window=neighbours * max(1, _WINDOW_BYTES // (neighbours * row_bytes)),
        skip_nonfinite=on_nonfinite == "skip",
        gtol=gtol,
    )
    order_of_rows = np.arange(n_train, dtype=np.uint32) if rows is None else rows.copy()
    data = Data(X, y, weight, np.empty(0, np.uint32) if rows is None else rows, order_of_rows)
    params = initial_params(owner, model, params, seed, X.dtype)
    try:
        check_rule(rule, params)
    except ValueError as error:
        raise ValueError(f"{owner}: clip: {error}") from None
    return Setup(rule, data, plan, params, held_out)


def checked_ends(owner, epochs, threads, patience, tol, max_seconds):
    """Return what says when a run ends, and on how many threads it goes, checked."""
    return (
        min(_check.integer(owner, "epochs", epochs, least=0), MOST),
        usable(_check.integer(owner, "threads", threads, least=1)),
        _check.integer(owner, "patience", patience, least=1),
        None if tol is None else _check.number(owner, "tol", tol, _check.nonnegative),
        math.inf if max_seconds is None else _check.number(owner, "max_seconds", max_seconds, _check.positive),
    )


def initial_params(owner, model, params, seed, dtype):
    """Return a new array: what the user gave, or the model's own beginning."""
    kernels = kernels_for(f"{owner}: model", ModelKernels, model)
    if params is None:
        owner, params = f"{owner}: init_params of {plain_name(type(model))}", kernels.init_params(model, seed, dtype)
    params = _check.parameters(owner, model, kernels.n_params.py_func(model), params, dtype).copy()
    if not np.isfinite(params).all():
        wrong = int(np.argmin(np.isfinite(params)))
        raise ValueError(f"{owner}: params must be finite (in {dtype}), got {params[wrong]} at [{wrong}]")
    return params


def _data(owner, X, y, model, kernels, interrupts, dtype=None):
    """Rows and targets that suit the model."""
    X, y = _check.data(owner, X, y, dtype)
    if len(X) > _MOST_ROWS:
        raise ValueError(f"{owner}: X must have at most {_MOST_ROWS} rows, got {len(X)}")
    require_finite(owner, "X", X, interrupts)
    require_finite(owner, "y", y, interrupts)
    _check.suitable(owner, kernels, model, X=X, y=y)
    return X, y


def _weights(owner, sample_weight, X, interrupts):
    if sample_weight is None:
        return np.ones(1, X.dtype)
    weight = _check.array(owner, "sample_weight", sample_weight, 1, X.dtype)
    _check.same_length(owner, "sample_weight", weight, "X", X)
    require_finite(owner, "sample_weight", weight, interrupts)
    if weight.min() < 0 or weight.max() == 0:
        came = f"{weight.min()} at [{weight.argmin()}]" if weight.min() < 0 else "0 for every row"
        raise ValueError(f"{owner}: sample_weight must be 0 or larger, and not all 0 (in {X.dtype}), got {came}")
    least = np.ldexp(weight.max(), _LEAST_EXPONENTS[weight.itemsize])
    # The mean over a batch of nothing but smaller ones would overflow.
    if np.min(weight, where=weight > 0, initial=np.inf) < least:
        weight = np.where(weight < least, 0, weight)
    _, exponent = np.frexp(weight.max())
    least_exponent, most_exponent = _EXPONENTS
    # The mean is the same, but sums of such weights, or one divided by a sum, might overflow or vanish.
    if not least_exponent <= exponent <= most_exponent:
        weight = np.ldexp(weight, -exponent)
    return np.ones_like(weight) if weight.size == 1 else weight  # an array of one is taken for the weight of all rows


def _validation(owner, validation, model, kernels, X, y, weight, seed, interrupts):
    """The data to watch, or None, and the rows to train on, or None for all."""
    if validation is None:
        return None, None
    if isinstance(validation, tuple | list):
        if len(validation) != 2:
            raise ValueError(f"{owner}: validation must be a pair (X, y) or a share, got {len(validation)} items")
        X_val, y_val = validation
        X_val, y_val = _data(f"{owner}: validation", X_val, y_val, model, kernels, interrupts, X.dtype)
        rows = np.arange(len(X_val), dtype=np.uint32)
        return Data(X_val, y_val, np.ones(1, X.dtype), rows[:0], rows), None
    share = _check.number(
        owner, "validation", validation, _check.Range("a pair (X, y) or a share between 0 and 1", lambda v: 0 < v < 1)
    )
    n_held_out = round(share * len(X))
    if not 0 < n_held_out < len(X):
        raise ValueError(f"{owner}: validation={share:g} of {len(X)} rows leaves no rows to train on or to hold out")
    held_out, rows = np.zeros(n_held_out, np.uint32), np.zeros(len(X) - n_held_out, np.uint32)
    chosen = 0
    for low in range(0, len(X), _PART_ROWS):
        if interrupts.requested:
            break
        chosen = split(seed, low, min(low + _PART_ROWS, len(X)), held_out, rows, chosen)
    for use, taken in (("train on", rows), ("hold out", held_out)):
        if weight.size > 1 and not weight[taken].any() and not interrupts.requested:
            raise ValueError(f"{owner}: sample_weight must not be 0 for all the {taken.size} rows to {use}")
    return Data(X, y, weight, rows[:0], held_out), rows
