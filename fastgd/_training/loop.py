"""The compiled chunk of training: many steps of many epochs, for any model, optimiser and clipping rule.

Everything that a run is made of lives in arrays, so that a chunk can end after any block of rows, in the middle
of a batch too, and another go on from there.
"""

import math
from typing import NamedTuple

import numpy as np

from fastgd._arrays.ahead import rows_ahead, rows_to_come
from fastgd._arrays.handover import scale_and_compare
from fastgd._arrays.row_totals import LAST_ROW_NORM, ROW_COSINE, ROW_LOSS, ROW_LOSSES, ROW_NORM, ROW_PAIRS, SINGLE_ROWS
from fastgd._arrays.views import borrowed, borrowed_slice, repeated
from fastgd._jit import kernel
from fastgd._training.sharing import sum_together
from fastgd.batches import BLOCK_SHUFFLED, SEQUENTIAL, go_on_filling
from fastgd.clipping.norms import along, cosine_of, in_range, largest, norm
from fastgd.gradients import add_rows, sum_of_weights
from fastgd.updates import update
from fastgd.verbs import clip, descend_rows, descends_rows

RUNNING, CONVERGED, NONFINITE_GRADIENT, NONFINITE_PARAMS = range(4)
FILLED_AT_ONCE = 1 << 20  # places of an epoch's order: some milliseconds
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


@kernel
def train(
    model,
    optimizer,
    rule,
    data,
    plan,
    limits,
    rates,
    first_step,
    params,
    state,
    scratch,
    grads,
    position,
    history,
    sharing,
):
    """Train until a limit is reached, and return why it stopped and how many rows of history were written.

    sharing : what is shared with helpers (see `_training.sharing`), or None.
    """
    X, y, pool, order = borrowed(data.X), borrowed(data.y), borrowed(data.pool), borrowed(data.order)
    weight = repeated(data.weight, X.shape[0])
    params, state, scratch, grads = borrowed(params), borrowed(state), borrowed(scratch), borrowed(grads)
    at, sums, previous, totals, losses, first = borrowed(position)
    n_rows = order.size
    step, low, done, budget = at[STEP], at[LOW], at[DONE], limits.rows
    steps = at[STEPS]
    written, status = 0, RUNNING
    # A constant rate stands alone: an array of it would come from memory, line by line, step by step.
    constant = rates.size == 1
    last_step = limits.step if constant else min(limits.step, first_step + rates.size)
    ahead = rows_ahead(X)
    if ahead > 0 and plan.order == BLOCK_SHUFFLED:
        ahead = plan.window  # of the next one, whose rows still are in order: from memory they come 1.2 times as fast
    singly = plan.batch_size == 1 and plan.gtol < 0 and data.weight.size == 1 and descends_rows(model, optimizer, rule)
    recorded = SINGLE_ROWS if losses.size > 0 else 0
    row_totals = borrowed_slice(sums, np.uint64(ROWS), np.uint64(ROW_LOSSES + recorded))
    in_blocks = min(plan.batch_size, n_rows) > plan.block

    while step < last_step and budget > 0:
        if low + done == 0 and (at[EPOCH] >= limits.epoch or written == history.shape[0]):
            break
        budget, settled = settle_order(order, pool, plan, at, low, budget)
        if not settled:
            break
        # Single rows, all but an epoch's last, where the model has a shorter way to go. In groups that begin at fixed
        # places, wherever chunks end: the first product of a group is rounded otherwise than those looked ahead for.
        if singly and done == 0 and at[BEGUN]:
            size = min(SINGLE_ROWS, n_rows - 1 - low)
            if plan.order == BLOCK_SHUFFLED:
                size = min(size, at[FILLED] - low)
            if not constant and step > first_step and step + size > first_step + rates.size:
                break  # for the rates of the whole group
            size = min(size, last_step - step)
            if size > 0:
                rows = borrowed_slice(order, np.uint64(low), np.uint64(size))
                later = rows_to_come(order, low, low + size, ahead)
                rate = np.uint64(0 if constant else step - first_step)
                following_rates = borrowed_slice(rates, rate, np.uint64(rates.size) - rate)
                for i in range(ROW_LOSSES):
                    row_totals[i] = 0
                row_totals[LAST_ROW_NORM] = sums[LAST_NORM]
                done_singly = descend_rows(
                    model, optimizer, following_rates, params, X, y, rows, later, scratch, previous, row_totals
                )
                sums[LOSS] += row_totals[ROW_LOSS]
                sums[WEIGHT] += done_singly
                sums[NORM] += row_totals[ROW_NORM]
                sums[COSINE] += row_totals[ROW_COSINE]
                at[PAIRS] += np.int64(row_totals[ROW_PAIRS])
                sums[LAST_NORM] = row_totals[LAST_ROW_NORM]
                for i in range(min(done_singly, losses.size - step)):
                    losses[step + i] = row_totals[ROW_LOSSES + i]
                step, low = step + done_singly, low + done_singly
                steps, budget = steps + done_singly, budget - done_singly
                if done_singly == size:
                    continue  # else the next row is one that the common way has to stop at
        high = min(low + plan.batch_size, n_rows)
        if not at[BEGUN]:
            settled_rows = n_rows if plan.order == SEQUENTIAL else at[FILLED]
            high = max(high, min(low + FIRST_ROWS, low + plan.block, settled_rows))
        looks_around = high - low > plan.batch_size  # the step is still to be done then
        lr = rates[0 if constant else step - first_step]

        # The sums over the batch, a block at a time.
        while low + done < high and budget > 0:
            start = low + done
            if sharing is None:
                stop = min(start + plan.block, high)
                for j in range(grads.size):
                    grads[j] = 0
                sums[BATCH_LOSS] += add_rows(model, params, X, y, weight, order, start, stop, ahead, scratch, grads)
                sums[BATCH_WEIGHT] += sum_of_weights(weight, order, start, stop)
                if in_blocks:
                    for j in range(grads.size):
                        totals[j] += grads[j]
            else:
                blocks = min(sharing.losses.shape[1], (budget - 1) // plan.block + 1)
                stop = min(start + blocks * plan.block, high)
                sum_together(
                    model, params, X, y, weight, order, start, stop, plan.block, ahead, scratch, sharing, totals, sums
                )
            done += stop - start
            budget -= 0 if looks_around else stop - start
        if low + done < high:
            break
        if in_blocks:
            for j in range(grads.size):
                grads[j] = totals[j]
                totals[j] = 0

        # The mean, and whether it can be used.
        loss, total_weight = sums[BATCH_LOSS], sums[BATCH_WEIGHT]
        scale = 1 / total_weight if total_weight > 0 else 0.0
        before = sums[LAST_NORM]
        far = along(grads, previous, before) * scale if before > 0 and not in_range(before) else 0.0
        squared, product, finite = scale_and_compare(params.dtype.type(scale), params, previous, grads)
        length = math.sqrt(squared)
        if not in_range(length):  # a square too small or too large for float32, or not a number
            length = norm(grads)
        if finite != 0:
            status = NONFINITE_PARAMS
            break
        usable = length + abs(loss) < np.inf
        if not at[BEGUN]:
            at[BEGUN] = 1
            if usable and scale > 0:
                first[0], first[1], first[2] = loss * scale, length, lr
            if looks_around:
                for j in range(grads.size):
                    previous[j] = 0
                sums[BATCH_LOSS] = 0
                sums[BATCH_WEIGHT] = 0
                done = 0
                continue
        if not usable and not plan.skip_nonfinite:
            status = NONFINITE_GRADIENT
            break
        if plan.gtol >= 0 and usable and total_weight > 0 and largest(grads) <= plan.gtol:
            status = CONVERGED
        if usable:
            if step < losses.size and scale > 0:
                losses[step] = loss * scale
            sums[LOSS] += loss
            sums[WEIGHT] += total_weight
            sums[NORM] += length
            cosine = cosine_of(np.float64(product) if in_range(before) else far, length, before, grads.itemsize)
            if not np.isnan(cosine):
                sums[COSINE] += cosine
                at[PAIRS] += 1
            sums[LAST_NORM] = length
            steps += 1
            if status == RUNNING:
                at[CLIPPED] += clip(rule, length, params, grads)
                update(optimizer, lr, grads, state, params)
        else:
            at[SKIPPED] += 1
            sums[LAST_NORM] = 0
        sums[BATCH_LOSS] = 0
        sums[BATCH_WEIGHT] = 0
        step += 1
        low, done = high, 0

        if high == n_rows:
            at[STEP], at[STEPS] = step, steps
            at[EPOCH] += 1
            write_history(at, sums, lr, history[written])
            written += 1
            low, steps = 0, 0
            at[FILLED] = 0
        if status != RUNNING:
            break
    at[STEP], at[LOW], at[DONE], at[STEPS] = step, low, done, steps
    return status, written


@kernel(merge=True)
def settle_order(order, pool, plan, at, low, budget):
    """Settle the places of an epoch's order that the batch from `low` on needs, a part at a time.

    Returns what is left of the budget of rows, and whether all those places are settled.
    """
    if plan.order == SEQUENTIAL:
        return budget, True
    # Windows of blocks are shuffled when their turn comes, a whole order before its first row is taken.
    needed = min(low + plan.batch_size, order.size) if plan.order == BLOCK_SHUFFLED else order.size
    while at[FILLED] < needed and budget > 0:
        count = plan.window if plan.order == BLOCK_SHUFFLED else FILLED_AT_ONCE
        at[FILLED] = go_on_filling(
            order, pool, plan.order, plan.seed, at[EPOCH], plan.neighbours, plan.window, at[FILLED], count
        )
        if needed > FILLED_AT_ONCE:
            budget -= count
    return budget, at[FILLED] >= needed


@kernel(merge=True)
def write_history(at, sums, lr, row):
    """Write the row of an epoch and begin the next."""
    row[0], row[1], row[5] = at[STEP], at[EPOCH], lr
    row[2] = sums[LOSS] / sums[WEIGHT] if sums[WEIGHT] > 0 else np.nan
    row[3] = sums[NORM] / at[STEPS] if at[STEPS] > 0 else np.nan
    row[4] = sums[COSINE] / at[PAIRS] if at[PAIRS] > 0 else np.nan
    row[6], row[7], row[8] = np.nan, at[CLIPPED], at[SKIPPED]
    at[STEPS], at[CLIPPED], at[SKIPPED], at[PAIRS] = 0, 0, 0, 0
    sums[LOSS], sums[WEIGHT], sums[NORM], sums[COSINE] = 0, 0, 0, 0
