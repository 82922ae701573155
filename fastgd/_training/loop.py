"""The compiled chunk of training: many steps of many epochs, for any model, optimiser and clipping rule.

Everything that a run is made of lives in arrays, so that a chunk can end after any block of rows, in the middle
of a batch too, and another go on from there.
"""

import math

import numpy as np

from fastgd._arrays.ahead import rows_ahead
from fastgd._arrays.handover import scale_and_compare
from fastgd._arrays.views import borrowed, repeated
from fastgd._jit import kernel
from fastgd._training.position import (
    BATCH_LOSS,
    BATCH_WEIGHT,
    BEGUN,
    CLIPPED,
    CONVERGED,
    COSINE,
    DONE,
    EPOCH,
    FILLED,
    FIRST_ROWS,
    LAST_NORM,
    LOSS,
    LOW,
    NONFINITE_GRADIENT,
    NONFINITE_PARAMS,
    NORM,
    PAIRS,
    RUNNING,
    SKIPPED,
    STEP,
    STEPS,
    WEIGHT,
)
from fastgd._training.sharing import sum_together
from fastgd._training.single_rows import descend_group
from fastgd.batches import BLOCK_SHUFFLED, SEQUENTIAL, go_on_filling
from fastgd.clipping.norms import along, cosine_of, in_range, largest, norm
from fastgd.gradients import add_rows, sum_of_weights
from fastgd.updates import update
from fastgd.verbs import clip

_FILLED_AT_ONCE = 1 << 20  # places of an epoch's order: some milliseconds
LEFT_OUT, LOOKED_AROUND = 4, 5  # verdicts beside those that a run may end with


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
    position = borrowed(position)
    at, sums, _, totals, _, _ = position
    n_rows = order.size
    step, low, done, budget = at[STEP], at[LOW], at[DONE], limits.rows
    written, status = 0, RUNNING
    # A constant rate stands alone: an array of it would come from memory, line by line, step by step.
    constant = rates.size == 1
    last_step = limits.step if constant else min(limits.step, first_step + rates.size)
    ahead = rows_ahead(X)
    if ahead > 0 and plan.order == BLOCK_SHUFFLED:
        ahead = plan.window  # of the next one, whose rows still are in order: from memory they come 1.2 times as fast
    singly = plan.batch_size == 1 and plan.gtol < 0 and data.weight.size == 1
    in_blocks = min(plan.batch_size, n_rows) > plan.block

    while step < last_step and budget > 0:
        if low + done == 0 and (at[EPOCH] >= limits.epoch or written == history.shape[0]):
            break
        if plan.order != SEQUENTIAL and at[FILLED] < n_rows:
            budget, settled = settle_order(order, pool, plan, at, low, budget)
            if not settled:
                break
        if singly and done == 0 and at[BEGUN]:
            n_done, is_whole = descend_group(
                model, optimizer, rule, plan, X, y, order, ahead, rates, first_step, step, last_step, low, params,
                scratch, position,
            )  # fmt: skip
            if n_done < 0:
                break
            step, low, budget = step + n_done, low + n_done, budget - n_done
            if is_whole:
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

        verdict, length = judge(plan, position, params, grads, step, lr, looks_around)
        if verdict == LOOKED_AROUND:
            done = 0
            continue
        status = RUNNING if verdict == LEFT_OUT else verdict
        if status > CONVERGED:
            break  # something is not finite
        if verdict == RUNNING:
            at[CLIPPED] += clip(rule, length, params, grads)
            update(optimizer, lr, grads, state, params)
        step += 1
        low, done = high, 0

        if high == n_rows:
            at[STEP] = step
            at[EPOCH] += 1
            write_history(at, sums, lr, history[written])
            written += 1
            low = 0
            at[FILLED] = 0
        if status != RUNNING:
            break
    at[STEP], at[LOW], at[DONE] = step, low, done
    return status, written


@kernel(inline=True)
def judge(plan, position, params, grads, step, lr, looks_around):
    """Make means of the sums over a batch, note them, and say what becomes of the step; return this and the norm.

    It depends on neither model nor optimiser, which need not compile it again: a third of what `train` took.
    """
    at, sums, previous, _, losses, first = borrowed(position)
    loss, total_weight = sums[BATCH_LOSS], sums[BATCH_WEIGHT]
    scale = 1 / total_weight if total_weight > 0 else 0.0
    length, cosine, finite = measure(scale, sums[LAST_NORM], params, previous, grads)
    if finite != 0:
        return NONFINITE_PARAMS, length
    usable = length + abs(loss) < np.inf
    if not at[BEGUN]:
        at[BEGUN] = 1
        if usable and scale > 0:
            first[0], first[1], first[2] = loss * scale, length, lr
        if looks_around:
            for j in range(previous.size):
                previous[j] = 0
            sums[BATCH_LOSS] = 0
            sums[BATCH_WEIGHT] = 0
            return LOOKED_AROUND, length
    if not usable and not plan.skip_nonfinite:
        return NONFINITE_GRADIENT, length
    sums[BATCH_LOSS] = 0
    sums[BATCH_WEIGHT] = 0
    if not usable:
        at[SKIPPED] += 1
        sums[LAST_NORM] = 0
        return LEFT_OUT, length
    if step < losses.size and scale > 0:
        losses[step] = loss * scale
    sums[LOSS] += loss
    sums[WEIGHT] += total_weight
    sums[NORM] += length
    if not np.isnan(cosine):
        sums[COSINE] += cosine
        at[PAIRS] += 1
    sums[LAST_NORM] = length
    at[STEPS] += 1
    flat = plan.gtol >= 0 and total_weight > 0 and largest(grads) <= plan.gtol
    return CONVERGED if flat else RUNNING, length


@kernel(merge=True)
def measure(scale, before, params, previous, grads):
    """Scale a gradient in place; return its norm, its cosine with the one before, and 0 if all parameters are finite.

    before : the norm of `previous`, which the gradient then replaces; 0 for none.
    """
    far = along(grads, previous, before) * scale if before > 0 and not in_range(before) else 0.0
    squared, product, finite = scale_and_compare(params.dtype.type(scale), params, previous, grads)
    length = math.sqrt(squared)
    if not in_range(length):  # a square too small or too large for float32, or not a number
        length = norm(grads)
    cosine = cosine_of(np.float64(product) if in_range(before) else far, length, before, grads.itemsize)
    return length, cosine, finite


@kernel
def settle_order(order, pool, plan, at, low, budget):
    """Settle the places of an epoch's order that the batch from `low` on needs, a part at a time.

    Returns what is left of the budget of rows, and whether all those places are settled.
    """
    if plan.order == SEQUENTIAL:
        return budget, True
    # Windows of blocks are shuffled when their turn comes, a whole order before its first row is taken.
    needed = min(low + plan.batch_size, order.size) if plan.order == BLOCK_SHUFFLED else order.size
    while at[FILLED] < needed and budget > 0:
        count = plan.window if plan.order == BLOCK_SHUFFLED else _FILLED_AT_ONCE
        at[FILLED] = go_on_filling(
            order, pool, plan.order, plan.seed, at[EPOCH], plan.neighbours, plan.window, at[FILLED], count
        )
        if needed > _FILLED_AT_ONCE:
            budget -= count
    return budget, at[FILLED] >= needed


@kernel
def write_history(at, sums, lr, row):
    """Write the row of an epoch and begin the next."""
    row[0], row[1], row[5] = at[STEP], at[EPOCH], lr
    row[2] = sums[LOSS] / sums[WEIGHT] if sums[WEIGHT] > 0 else np.nan
    row[3] = sums[NORM] / at[STEPS] if at[STEPS] > 0 else np.nan
    row[4] = sums[COSINE] / at[PAIRS] if at[PAIRS] > 0 else np.nan
    row[6], row[7], row[8] = np.nan, at[CLIPPED], at[SKIPPED]
    at[STEPS], at[CLIPPED], at[SKIPPED], at[PAIRS] = 0, 0, 0, 0
    sums[LOSS], sums[WEIGHT], sums[NORM], sums[COSINE] = 0, 0, 0, 0
