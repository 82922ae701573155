"""The compiled chunk of a sweep: many runs of one model over the same rows in the same order.

Each run does what `loop.train` does, step by step. What they share is the rows: those of a batch are brought into
the cache once, and a model that can lets each serve many runs at once, which lie side by side in vector lanes.
"""

from typing import NamedTuple

import numpy as np
from numba.extending import overload

from fastgd._arrays.ahead import rows_ahead, rows_to_come
from fastgd._arrays.lanes import scale_and_compare_many, transpose
from fastgd._arrays.rows import prefetch_rows
from fastgd._arrays.views import borrowed, borrowed_row, borrowed_slice, from_numbers, repeated
from fastgd._calls.dispatch import PASTED, in_compiled_code, kernels_in_compiled_code
from fastgd._jit import kernel
from fastgd._registry import ModelKernels, OptimizerKernels, keeps_average
from fastgd._training.loop import settle_order, write_history
from fastgd._training.position import (
    BATCH_LOSS,
    CLIPPED,
    CONVERGED,
    COSINE,
    DONE,
    EPOCH,
    FILLED,
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
from fastgd.clipping.norms import along, cosine_of, in_range, largest, norm
from fastgd.gradients import add_rows, sum_of_weights
from fastgd.updates import update
from fastgd.verbs import add_losses_and_grads_of_many, clip, eval_params


class Runs(NamedTuple):
    """The arrays of many runs; where marked *, with room to fill up the last lanes."""

    numbers: np.ndarray  # (runs, ...) float64: the fields of the optimisers
    lrs: np.ndarray  # (runs,) float64
    n_params: int
    params: np.ndarray  # (runs*, n_params*); of a run that broke down in a step what it evaluated at before that
    grads: np.ndarray  # like params
    status: np.ndarray  # (runs,) int64: of `loop`
    at: np.ndarray  # (FILLED + 1, runs*) int64: what `loop.Position` has of one run
    sums: np.ndarray  # (ROWS, runs*) float64: likewise
    lengths: np.ndarray  # (runs*,) float64: the norms of the gradients at hand,
    usable: np.ndarray  # and whether they are finite and were used: 1 or 0
    average: np.ndarray  # (n_params*,): the one that the run at hand kept before its step


class Lanes(NamedTuple):
    """What is computed with runs side by side, in blocks of so many lanes."""

    params: np.ndarray  # (blocks, lanes, n_params*): a view of `Runs.params`
    grads: np.ndarray  # likewise
    W: np.ndarray  # (blocks, n_params*, lanes): the parameters before the step
    G: np.ndarray  # like W: the sums of a block of rows, then the gradients
    previous: np.ndarray  # like W: the gradients of the step before
    totals: np.ndarray  # like W, float64: the sums of a batch's blocks
    losses: np.ndarray  # (blocks, lanes)
    squares: np.ndarray  # (blocks, lanes): of the gradients with themselves,
    products: np.ndarray  # and with those before


@kernel
def train_side_by_side(model, like, rule, data, plan, limits, position, runs, states, lanes, scratch, history):
    """Train all runs until a limit is reached; return how many rows of history each has.

    `like` is any of the optimisers. `position` is `at` of what the runs share: EPOCH, LOW, DONE and FILLED.
    """
    X, y, pool, order = borrowed(data.X), borrowed(data.y), borrowed(data.pool), borrowed(data.order)
    weight = repeated(data.weight, X.shape[0])
    runs, states, lanes = borrowed(runs), borrowed(states), borrowed(lanes)
    n_rows = order.size
    in_blocks = min(plan.batch_size, n_rows) > plan.block
    budget, written = limits.rows, 0
    active = number_of(runs.status, RUNNING)

    while active > 0 and budget > 0 and position[EPOCH] < limits.epoch and written < history.shape[1]:
        low = position[LOW]
        budget, settled = settle_order(order, pool, plan, position, low, budget)
        if not settled:
            break

        high = min(low + plan.batch_size, n_rows)
        while low + position[DONE] < high and budget > 0:
            start, stop = low + position[DONE], min(low + position[DONE] + plan.block, high)
            add_sums(model, X, y, weight, order, start, stop, runs, lanes, scratch)
            if in_blocks:
                add_all(lanes.G, lanes.totals)
            position[DONE] += stop - start
            budget -= stop - start
        if low + position[DONE] < high:
            break
        if in_blocks:
            move_all(lanes.totals, lanes.G)
        step(like, rule, plan, sum_of_weights(weight, order, low, high), runs, states, lanes)
        active = number_of(runs.status, RUNNING)

        position[LOW], position[DONE] = high, 0
        if high == n_rows:
            position[LOW], position[FILLED] = 0, 0
            position[EPOCH] += 1
            end_epoch(runs, history, np.int64(written))  # else it is compiled for the 0 too that it is at first
            written += 1
    return written


@kernel
def sum_losses(model, data, low, high, block, runs, lanes, scratch, totals):
    """Add to totals each run's sum of losses over the rows order[low:high]; return the sum of their weights."""
    X, y, order = borrowed(data.X), borrowed(data.y), borrowed(data.order)
    weight = repeated(data.weight, X.shape[0])
    runs, lanes, total_weight = borrowed(runs), borrowed(lanes), 0.0
    for start in range(low, high, block):
        stop = min(start + block, high)
        add_sums(model, X, y, weight, order, start, stop, runs, lanes, scratch)
        total_weight += sum_of_weights(weight, order, start, stop)
        for k in range(totals.size):
            totals[k] += runs.sums[BATCH_LOSS, k]
            runs.sums[BATCH_LOSS, k] = 0
    return total_weight


@kernel
def end_epoch(runs, history, written):
    """Write the row of history of each run that did the last step."""
    for k in range(runs.lrs.size):
        if did_the_step(runs, k):
            runs.at[EPOCH, k] += 1
            write_history(runs.at[:, k], runs.sums[:, k], runs.lrs[k], history[k, written])


@kernel
def number_of(values, value):
    count = 0
    for i in range(values.size):
        count += values[i] == value
    return count


@kernel
def add_all(G, totals):
    for block in range(np.uint64(G.shape[0])):
        parts, sums = borrowed_row(G, block), borrowed_row(totals, block)
        for j in range(np.uint64(parts.shape[0])):
            for k in range(np.uint64(parts.shape[1])):
                sums[j, k] += parts[j, k]


@kernel
def move_all(totals, G):
    for block in range(np.uint64(G.shape[0])):
        parts, sums = borrowed_row(G, block), borrowed_row(totals, block)
        for j in range(np.uint64(parts.shape[0])):
            for k in range(np.uint64(parts.shape[1])):
                parts[j, k] = sums[j, k]
                sums[j, k] = 0


# What a step needs to know depends on no optimiser: it is compiled once.


@kernel(inline=True)
def measure(runs, lanes, total_weight):
    """Make means of the sums; write the length of each run's gradient, and its product with the one before."""
    runs, lanes = borrowed(runs), borrowed(lanes)
    width, n_params = np.uint64(lanes.losses.shape[1]), np.uint64(runs.n_params)
    scale = runs.params.dtype.type(1 / total_weight if total_weight > 0 else 0.0)
    last = borrowed_row(runs.sums, np.uint64(LAST_NORM))
    for block in range(np.uint64(lanes.W.shape[0])):
        G, previous = borrowed_row(lanes.G, block), borrowed_row(lanes.previous, block)
        squares, products = borrowed_row(lanes.squares, block), borrowed_row(lanes.products, block)
        lengths = borrowed_slice(runs.lengths, block * width, width)
        for k in range(lengths.size):
            before = last[block * width + k]
            if before > 0 and not in_range(before):
                lengths[k] = along(G[:n_params, k], previous[:n_params, k], before) * scale
        scale_and_compare_many(scale, n_params, previous, G, squares, products)
        transpose(G, borrowed_row(lanes.grads, block))
        for k in range(lengths.size):
            before = last[block * width + k]
            if before > 0 and not in_range(before):
                products[k] = lengths[k]
            lengths[k] = np.sqrt(np.float64(squares[k]))


@kernel(merge=True)
def step(like, rule, plan, total_weight, runs, states, lanes):
    """The step of each run that is not over, after the sums over its batch; the lanes' part first."""
    measure(runs, lanes, total_weight)
    n_runs, n_params, width = np.uint64(runs.lrs.size), np.uint64(runs.n_params), np.uint64(lanes.losses.shape[1])
    losses = borrowed_row(runs.sums, np.uint64(BATCH_LOSS))
    average = borrowed_slice(runs.average, np.uint64(0), n_params)
    for k in range(n_runs):
        runs.usable[k] = 0
        if runs.status[k] != RUNNING:
            continue
        params = borrowed_slice(borrowed_row(runs.params, k), np.uint64(0), n_params)
        grads = borrowed_slice(borrowed_row(runs.grads, k), np.uint64(0), n_params)
        if not in_range(runs.lengths[k]):  # a square too small or too large for float32, or not a number
            runs.lengths[k] = norm(grads)
        length = runs.lengths[k]
        if not length + abs(losses[k]) < np.inf:
            if not plan.skip_nonfinite:
                runs.status[k] = NONFINITE_GRADIENT
            continue
        runs.usable[k] = 1
        if plan.gtol >= 0 and total_weight > 0 and largest(grads) <= plan.gtol:
            runs.status[k] = CONVERGED
            continue
        clipped = clip(rule, length, params, grads)
        optimizer, state = from_numbers(like, borrowed_row(runs.numbers, k)), borrowed_row(states, k)
        averaged = note_average(optimizer, state, params, average)
        update(optimizer, runs.lrs[k], grads, state, params)
        if not_finite(params):
            W = borrowed_row(lanes.W, k // width)
            for j in range(params.size):
                params[j] = average[j] if averaged else W[j, k % width]
            runs.status[k], runs.usable[k] = NONFINITE_PARAMS, 0
        elif clipped:
            runs.at[CLIPPED, k] += 1
    note_steps(runs, lanes, total_weight)


def note_average(optimizer, state, params, average):
    """Write the average that a method keeps, which a step may spoil; return whether it keeps one."""
    raise NotImplementedError("note_average is called in compiled code")


@overload(note_average, jit_options=PASTED)
def _note_average(optimizer, state, params, average):
    if keeps_average(kernels_in_compiled_code("sweep: optimizer", OptimizerKernels, optimizer)):
        return _write_average
    return lambda optimizer, state, params, average: False


def _write_average(optimizer, state, params, average):
    eval_params(optimizer, state, params, average)
    return True


@kernel(merge=True)
def did_the_step(runs, k):
    """Whether a run did the last step, or left its batch out: not one that was over before, or broke down in it."""
    return runs.status[k] == RUNNING or (runs.status[k] == CONVERGED and runs.usable[k] != 0)


@kernel(inline=True)
def note_steps(runs, lanes, total_weight):
    """Count the step of each run, and add it to the sums."""
    runs, lanes = borrowed(runs), borrowed(lanes)
    width = np.uint64(lanes.losses.shape[1])
    for block in range(np.uint64(lanes.W.shape[0])):
        note_block(runs, borrowed_row(lanes.products, block), block * width, total_weight)
    for k in range(np.uint64(runs.lrs.size)):
        runs.at[STEP, k] += did_the_step(runs, k)
        runs.at[SKIPPED, k] += (runs.status[k] == RUNNING) & (runs.usable[k] == 0)


@kernel(merge=True)
def note_block(runs, products, first, total_weight):
    """Add a step to the sums of a block of runs, in vectors.

    Run by run, a step of plain descent of 32 neurons of 32 columns took 1.0 µs beside its gradients, and not 0.8.
    """
    size = np.uint64(products.size)
    usable, lengths = borrowed_slice(runs.usable, first, size), borrowed_slice(runs.lengths, first, size)
    losses = borrowed_slice(borrowed_row(runs.sums, np.uint64(BATCH_LOSS)), first, size)
    total = borrowed_slice(borrowed_row(runs.sums, np.uint64(LOSS)), first, size)
    for k in range(size):
        total[k] += losses[k] if usable[k] != 0 else 0.0
        losses[k] = 0
    weights = borrowed_slice(borrowed_row(runs.sums, np.uint64(WEIGHT)), first, size)
    norms = borrowed_slice(borrowed_row(runs.sums, np.uint64(NORM)), first, size)
    for k in range(size):
        weights[k] += total_weight * usable[k]
        norms[k] += lengths[k] if usable[k] != 0 else 0.0
    cosines = borrowed_slice(borrowed_row(runs.sums, np.uint64(COSINE)), first, size)
    last = borrowed_slice(borrowed_row(runs.sums, np.uint64(LAST_NORM)), first, size)
    steps = borrowed_slice(borrowed_row(runs.at, np.uint64(STEPS)), first, size)
    pairs = borrowed_slice(borrowed_row(runs.at, np.uint64(PAIRS)), first, size)
    for k in range(size):
        steps[k] += np.int64(usable[k])
        cosine = cosine_of(np.float64(products[k]), lengths[k], last[k], products.itemsize)
        pair = (usable[k] != 0) & (cosine == cosine)
        pairs[k] += pair
        cosines[k] += cosine if pair else 0.0
        last[k] = lengths[k] if usable[k] != 0 else 0.0


@kernel(inline=True, reassoc=True)
def not_finite(x):
    """Whether a vector has NaN or infinity."""
    total = x.dtype.type(0)
    for i in range(x.size):
        total += x[i] * x.dtype.type(0)
    return total != 0


def add_sums(model, X, y, weight, order, start, stop, runs, lanes, scratch):
    """Write the sums of gradients of all runs over rows, and add to the sums of losses."""
    raise NotImplementedError("add_sums is called in compiled code")


@in_compiled_code(add_sums)
def _add_sums(model, X, y, weight, order, start, stop, runs, lanes, scratch):
    if kernels_in_compiled_code("sweep: model", ModelKernels, model).add_losses_and_grads_of_many is None:
        return _one_after_the_other
    return _side_by_side


@kernel(inline=True)
def _one_after_the_other(model, X, y, weight, order, start, stop, runs, lanes, scratch):
    ahead, n_params = rows_ahead(X), np.uint64(runs.n_params)
    for k in range(np.uint64(runs.lrs.size)):
        if runs.status[k] == RUNNING:
            params = borrowed_slice(borrowed_row(runs.params, k), np.uint64(0), n_params)
            grads = borrowed_slice(borrowed_row(runs.grads, k), np.uint64(0), n_params)
            for j in range(grads.size):
                grads[j] = 0
            runs.sums[BATCH_LOSS, k] += add_rows(model, params, X, y, weight, order, start, stop, ahead, scratch, grads)
    for block in range(np.uint64(lanes.W.shape[0])):
        transpose(borrowed_row(lanes.params, block), borrowed_row(lanes.W, block))
        transpose(borrowed_row(lanes.grads, block), borrowed_row(lanes.G, block))


@kernel(inline=True)
def _side_by_side(model, X, y, weight, order, start, stop, runs, lanes, scratch):
    ahead = rows_ahead(X)
    piece = ahead if ahead > 0 else stop - start
    n_blocks, width = np.uint64(lanes.W.shape[0]), np.uint64(lanes.losses.shape[1])
    for block in range(n_blocks):
        transpose(borrowed_row(lanes.params, block), borrowed_row(lanes.W, block))
    lanes.G[:] = 0
    lanes.losses[:] = 0
    while start < stop:
        piece_stop = min(start + piece, stop)
        rows = borrowed_slice(order, np.uint64(start), np.uint64(piece_stop - start))
        later = rows_to_come(order, start, piece_stop, ahead)
        prefetch_rows(X, later, np.uint64(0), np.uint64(later.size))
        for block in range(n_blocks):
            W, G = borrowed_row(lanes.W, block), borrowed_row(lanes.G, block)
            losses = borrowed_row(lanes.losses, block)
            add_losses_and_grads_of_many(model, W, X, y, weight, rows, scratch, losses, G)
        start = piece_stop
    for block in range(n_blocks):
        losses, batch_losses = borrowed_row(lanes.losses, block), borrowed_row(runs.sums, np.uint64(BATCH_LOSS))
        for k in range(width):
            batch_losses[block * width + k] += losses[k]
