"""Plain steps of one row each, in groups, where a model has a shorter way to go than a batch of one."""

import numpy as np
from numba.core import types

from fastgd._arrays.ahead import rows_to_come
from fastgd._arrays.row_totals import LAST_ROW_NORM, ROW_COSINE, ROW_LOSS, ROW_LOSSES, ROW_NORM, ROW_PAIRS, SINGLE_ROWS
from fastgd._arrays.views import borrowed, borrowed_slice
from fastgd._calls.dispatch import in_compiled_code, kernels_in_compiled_code
from fastgd._jit import kernel
from fastgd._registry import ClippingKernels, ModelKernels, OptimizerKernels
from fastgd._training.position import COSINE, FILLED, LAST_NORM, LOSS, NORM, PAIRS, ROWS, STEPS, WEIGHT
from fastgd.batches import BLOCK_SHUFFLED
from fastgd.verbs import descend_rows, is_plain


def descend_group(
    model, optimizer, rule, plan, X, y, order, ahead, rates, first_step, step, last_step, low, params, scratch, position
):
    """Do the steps of the rows from `low` on that make a group (in compiled code).

    All but an epoch's last row. In groups that begin at fixed places, wherever chunks end: the first product of a group
    is rounded otherwise than those looked ahead for.

    Returns
    -------
    int, bool
        How many steps were done, or -1 where the rates of the whole group are still to come; and whether these are the
        whole group: if not, the next row is left to the common way.
    """
    raise NotImplementedError("descend_group is called in compiled code")


@in_compiled_code(descend_group, otherwise=types.Tuple((types.int64, types.boolean)))
def _descend_group(
    model, optimizer, rule, plan, X, y, order, ahead, rates, first_step, step, last_step, low, params, scratch, position
):
    can = kernels_in_compiled_code("descend_group", ModelKernels, model).descend_rows is not None
    clips = kernels_in_compiled_code("descend_group", ClippingKernels, rule).clips
    plain = kernels_in_compiled_code("descend_group", OptimizerKernels, optimizer).plain is not None
    return _steps_of_a_group if can and plain and not clips else None


@kernel(inline=True)
def _steps_of_a_group(
    model, optimizer, rule, plan, X, y, order, ahead, rates, first_step, step, last_step, low, params, scratch, position
):
    if not is_plain(optimizer):
        return 0, False
    at, sums, previous, _, losses, _ = borrowed(position)
    constant, wanted = rates.size == 1, min(SINGLE_ROWS, order.size - 1 - low)
    if plan.order == BLOCK_SHUFFLED:
        wanted = min(wanted, at[FILLED] - low)
    if not constant and step > first_step and step + wanted > first_step + rates.size:
        return -1, False
    size = min(wanted, last_step - step)
    if size <= 0:
        return 0, False
    rows = borrowed_slice(order, np.uint64(low), np.uint64(size))
    later = rows_to_come(order, low, low + size, ahead)
    rate = np.uint64(0 if constant else step - first_step)
    following_rates = borrowed_slice(rates, rate, np.uint64(rates.size) - rate)
    totals = borrowed_slice(sums, np.uint64(ROWS), np.uint64(ROW_LOSSES + (SINGLE_ROWS if losses.size > 0 else 0)))
    for i in range(ROW_LOSSES):
        totals[i] = 0
    totals[LAST_ROW_NORM] = sums[LAST_NORM]
    done = descend_rows(model, following_rates, params, X, y, rows, later, scratch, previous, totals)
    sums[LOSS] += totals[ROW_LOSS]
    sums[WEIGHT] += done
    sums[NORM] += totals[ROW_NORM]
    sums[COSINE] += totals[ROW_COSINE]
    at[STEPS] += done
    at[PAIRS] += np.int64(totals[ROW_PAIRS])
    sums[LAST_NORM] = totals[LAST_ROW_NORM]
    for i in range(min(done, losses.size - step)):
        losses[step + i] = totals[ROW_LOSSES + i]
    return done, done == size
