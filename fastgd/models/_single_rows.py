"""Plain gradient descent of a neuron, one row a step."""

import numpy as np

from fastgd._arrays.row_totals import LAST_ROW_NORM, ROW_COSINE, ROW_LOSS, ROW_LOSSES, ROW_NORM, ROW_PAIRS, SINGLE_ROWS
from fastgd._arrays.rows import dot_row, place_of_row, step_and_look_ahead
from fastgd._jit import kernel
from fastgd.losses import BINARY_CROSS_ENTROPY, cross_entropy_from_logit
from fastgd.models._neuron_scratch import DELTA, LOSS, PRODUCT, RATE, SQUARE, TARGET, sum_of_lanes
from fastgd.models._output import delta_of_row

_LOSSES = np.uint64(ROW_LOSSES)


@kernel(inline=True, reassoc=True)
def norms_and_cosines(lanes, count):
    """Sums over single rows' gradients δ·(x, 1): of norms, of cosines between successive ones, of pairs of these.

    What is in SQUARE becomes its root.
    """
    zero, one = lanes.dtype.type(0), np.uint64(1)
    norms, cosines, pairs = zero, zero, zero
    for r in range(count):
        lanes[SQUARE + r] = np.sqrt(lanes[SQUARE + r])
        norms += abs(lanes[DELTA + r]) * lanes[SQUARE + r]
    for r in range(one, count):
        delta, before = lanes[DELTA + r], lanes[DELTA + r - one]
        cosine = lanes[PRODUCT + r - one] / (lanes[SQUARE + r] * lanes[SQUARE + r - one])
        pair = (delta != zero) & (before != zero)
        cosines += (cosine if (delta > zero) == (before > zero) else -cosine) if pair else zero
        pairs += pair
    return norms, cosines, pairs


@kernel(inline=True)
def descend_rows(model, rates, params, X, y, rows, ahead, scratch, previous, totals):
    # θ ← θ - lr·δ·(x, 1), row by row. Done as it stands, each product w·x waits for the stores of the update before it
    # and for the sum of its lanes, some fifty cycles. But w·x'' after two steps is w·x'' before them, less each step's
    # lr·δ times (x'', 1)·(x, 1). All of that is there two rows early but the last δ, and what a row waits for is its
    # own sigmoid and three operations. Looking one row ahead took 17 ns a row of 30 float32 with the identity, 33
    # with cross-entropy and the sigmoid made for vectors; two, and the quick one, 13 and 20 (float64: 41 and 28).
    # Losses, norms and cosines, for which no step waits, are left for the end, where vectors do them.
    T, none, nowhere, one = params.dtype.type, params.dtype.type(0), np.uint64(0), np.uint64(1)
    n_features, n_rows = np.uint64(model.n_features), min(np.uint64(rows.size), np.uint64(SINGLE_ROWS))
    w, lanes, b = scratch.vectors, scratch.lanes, params[n_features]
    for j in range(n_features):
        w[j] = params[j]
    for j in range(n_features, np.uint64(w.size)):
        w[j] = 0  # a sum that was not finite may have left NaN there
    if rates.size == 1:
        for r in range(n_rows):
            lanes[RATE + r] = -T(rates[0])
    else:
        for r in range(n_rows):
            lanes[RATE + r] = -T(rates[r])
    row, last = np.uint64(rows[0]), n_rows - one
    along_previous = np.float64(dot_row(X, row, previous) + previous[n_features])  # of the last gradient and (x, 1)
    following = np.uint64(rows[min(one, last)])
    place, place_following = place_of_row(X, row), place_of_row(X, following)
    z, _, _, square = step_and_look_ahead(X, place, place, place, nowhere, none, w)
    w_x, product, _, square_following = step_and_look_ahead(X, place, place, place_following, nowhere, none, w)
    z, z_following = z + b, w_x + b
    delta, k, asked = none, np.uint64(0), np.uint64(ahead.size)
    while k < n_rows:
        target = y[row]
        dL_dz, loss = delta_of_row(model.activation, model.loss, z, target)
        # z too: of a saturated sigmoid the loss stays finite when w does not. And |δ|·|(x, 1)|²: the gradient's length,
        # and the products that steps are looked ahead by, must not overflow either.
        if not abs(loss) + abs(z) + abs(dL_dz) * square < np.inf:
            break
        delta = dL_dz
        lanes[TARGET + k], lanes[DELTA + k], lanes[LOSS + k] = target, delta, loss
        lanes[SQUARE + k], lanes[PRODUCT + k] = square, product
        rate = lanes[RATE + k]
        step, rate_product = rate * delta, rate * product  # the next row waits for δ: one product less in its way
        later = place_of_row(X, np.uint64(ahead[k])) if k < asked else nowhere
        k += one
        row, after = following, np.uint64(rows[min(k + one, last)])
        place_after = place_of_row(X, after)
        w_x, along_row, along_following, square_after = step_and_look_ahead(
            X, place, place_following, place_after, later, step, w
        )
        z, z_following = z_following + rate_product * delta, (w_x + b) + step * along_row
        b += step
        following, place, place_following = after, place_following, place_after
        product, square, square_following = along_following, square_following, square_after
    if k > 0:
        row = np.uint64(rows[k - one])
        for j in range(n_features):
            params[j] = w[j]
            previous[j] = delta * X[row, j]
        params[n_features], previous[n_features] = b, delta
        if model.loss == BINARY_CROSS_ENTROPY:
            for r in range(k):
                lanes[LOSS + r], _ = cross_entropy_from_logit(lanes[LOSS + r], none, lanes[TARGET + r])
        norms, cosines, pairs = norms_and_cosines(lanes, k)
        totals[ROW_LOSS] += sum_of_lanes(lanes, LOSS, k)
        if np.uint64(totals.size) > _LOSSES:
            for r in range(k):
                totals[_LOSSES + r] = lanes[LOSS + r]
        totals[ROW_NORM] += norms
        totals[ROW_COSINE] += cosines
        totals[ROW_PAIRS] += pairs
        if lanes[DELTA] != 0 and totals[LAST_ROW_NORM] > 0:
            cosine = along_previous / totals[LAST_ROW_NORM] / lanes[SQUARE]
            totals[ROW_COSINE] += cosine if lanes[DELTA] > 0 else -cosine
            totals[ROW_PAIRS] += 1
        totals[LAST_ROW_NORM] = abs(delta) * lanes[SQUARE + k - one]
    for j in range(n_features):
        w[j] = 0
    return np.int64(k)
