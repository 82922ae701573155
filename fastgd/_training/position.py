"""What a training run is made of: its data, its plan, and arrays that hold where it is, for going on anywhere."""

from typing import NamedTuple

import numpy as np

from fastgd._arrays.row_totals import ROW_LOSSES, SINGLE_ROWS

RUNNING, CONVERGED, NONFINITE_GRADIENT, NONFINITE_PARAMS = range(4)
FIRST_ROWS = 256  # by which it is told what a run begins with, where a batch has fewer

# Places in `at`: completed epochs and steps, the first row of the batch under way, how many of its rows are
# summed up; since the epoch's beginning: steps that were done, clipped, skipped, and pairs of successive ones;
# how many places of the epoch's order are filled; whether the beginning has been looked at.
EPOCH, STEP, LOW, DONE, STEPS, CLIPPED, SKIPPED, PAIRS, FILLED, BEGUN = range(10)
N_COUNTS = BEGUN + 1
# Places in `sums`: loss and weight of the batch under way; of the epoch's batches so far: loss, weight, gradient
# norms, cosines between successive gradients; the norm of the last gradient; then room for what single rows add up.
BATCH_LOSS, BATCH_WEIGHT, LOSS, WEIGHT, NORM, COSINE, LAST_NORM, ROWS = range(8)
N_SUMS = ROWS + ROW_LOSSES + SINGLE_ROWS

HISTORY = ("step", "epoch", "loss", "grad_norm", "grad_cosine", "lr", "val_loss", "clipped", "skipped")


class Data(NamedTuple):
    """The rows to train on."""

    X: np.ndarray  # (n, n_features), C-ordered
    y: np.ndarray  # (n,) or (n, n_outputs)
    weight: np.ndarray  # (n,), or (1,): the same for all
    pool: np.ndarray  # uint32: the rows that are trained on; empty for all
    order: np.ndarray  # uint32: the rows of the epoch under way, in the order in which they are taken


class Plan(NamedTuple):
    """What stays the same during a run, as plain numbers."""

    batch_size: int
    block: int  # rows in a block of sums
    order: int  # a position in ORDERS
    seed: int
    neighbours: int  # of "block-shuffled": rows that stay together,
    window: int  # and rows that are shuffled as one
    skip_nonfinite: bool  # leave out a batch whose loss or gradient is not finite; else stop
    gtol: float  # negative for none


class Position(NamedTuple):
    """Where a run is, and what it has gathered since: everything that going on needs beside params and state."""

    at: np.ndarray  # int64
    sums: np.ndarray  # float64
    previous: np.ndarray  # (n_params,): the gradient of the step before
    totals: np.ndarray  # (n_params,) float64: the sums of a batch's blocks
    losses: np.ndarray  # float64: the mean loss of each step from the first on, as far as there is room; NaN for none
    # float64: of the first batch, or more rows if it has few, before any step: the mean loss, the norm of its gradient;
    # and the first rate. NaN if not finite.
    first: np.ndarray


class Limits(NamedTuple):
    """Where a chunk ends, whatever comes first."""

    rows: int
    step: int
    epoch: int
