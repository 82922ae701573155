"""What losses alone tell of a trend: whether they fall for sure, grow steadily, and how far they have still to fall."""

import math

import numpy as np

STILL_FALLS = 0.02  # of the fall, between the means of the third and the fourth quarter (see `judgement`)
LEFT = 1e-3  # of the fall: where an exponential is said to have arrived
SHORT = 16  # rows, below which a quarter is too short to tell chance from a trend by itself

_BENDS = 1e-3  # less than that from one third of the record to the next, and a fall is straight: no floor is in sight
# Student's t that chance exceeds once in 40 times, for 1, 2, ... degrees of freedom: rows less the curve's three.
_STUDENT = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18)
_RATES = np.r_[np.geomspace(0.02, 0.99, 60), np.geomspace(1.01, 3, 30)]  # beyond 1 a fall that quickens


def surely_falls(loss):
    """By how much a record of less than SHORT rows falls between its last two quarters; 0 where that may be chance.

    Of four rows or less, which any curve goes through, it is sure where each lies below the one before. Of more, by
    the curve a + b·r^t that comes closest to all of them, or to those after the first quarter (a loss may fall at two
    paces): if each curve that has already flattened misses the rows by so much more that chance would rarely do that.
    """
    if loss.size >= SHORT:
        return 0.0
    if loss.size <= 4:
        _, third, fourth = quarters(loss)
        return max(third.mean() - fourth.mean(), 0.0) if (np.diff(loss) < 0).all() else 0.0
    return max(_fall_of_curve(loss), _fall_of_curve(loss[loss.size // 4 :]))


def quarters(rows):
    """The second, the third and the fourth quarter of the rows, along the last axis."""
    n = rows.shape[-1]
    q = max(1, n // 4)
    return [rows[..., n - k * q : n - (k - 1) * q] for k in (3, 2, 1)]


def _fall_of_curve(loss):
    n = loss.size
    # Not to overflow, a curve that quickens is one at its last row.
    curves = np.where(_RATES > 1, -1, 1)[:, None] * _RATES[:, None] ** (np.arange(n) - (n - 1) * (_RATES > 1)[:, None])
    _, third, fourth = (part.mean(axis=1) for part in quarters(curves))
    falls = third - fourth
    flat = falls <= STILL_FALLS * (curves[:, 0] - fourth)
    curves -= curves.mean(axis=1, keepdims=True)
    deviations = loss - loss.mean()
    heights = np.maximum(curves @ deviations / (curves**2).sum(axis=1), 0)  # of a curve that rises: none
    missed = ((deviations - heights[:, None] * curves) ** 2).sum(axis=1)
    best = missed.argmin()
    is_sure = (missed[flat].min() - missed[best]) * (n - 3) > _STUDENT[n - 4] ** 2 * missed[best]
    return heights[best] * falls[best] if is_sure else 0.0


def rises_steadily(loss):
    """Whether a part of a record grows like an exponential: by nearly every step, or on a line of its logarithms."""
    if np.mean(np.diff(loss) > 0) > 0.9:
        return True
    t, levels = np.arange(loss.size), np.log(np.maximum(loss, 1e-300))
    return levels.std() > 0.5 and np.corrcoef(t, levels)[0, 1] > 0.9


def rows_needed(loss):
    """Rows until a thousandth of the fall is left, by the means of three equal parts of the last two thirds."""
    w = 2 * loss.size // 9
    if w == 0:
        return None
    a, b, c = (loss[loss.size - k * w : loss.size - (k - 1) * w or None].mean() for k in (3, 2, 1))
    ratio = (b - c) / (a - b) if a > b else math.nan
    if not 0 < ratio < 1 - _BENDS:
        return None
    k = -math.log(ratio) / w
    tail = loss[-w:]  # its mean is L∞ + A·e^(-kt)·(1 + e^-k + ...)/w at its first row
    weight = float(np.exp(-k * np.arange(w)).mean())
    height = (b - c) / (weight * (1 / ratio - 1))
    bottom = float(tail.mean()) - height * weight
    left = height * math.exp(-k * (w - 1)) / (loss[0] - bottom)
    return loss.size - 1 + max(0.0, math.log(left / LEFT) / k) if left > 0 else None


def uncertainty(loss):
    """The standard error of the difference between the means of the last two quarters.

    By the spread of four blocks of each, a line taken out; of a short record by the bends of all of it but the first
    quarter, where the fall itself bends.
    """
    _, *last_two = quarters(loss)
    size = last_two[0].size
    if size < 4:
        bends = np.diff(loss[loss.size // 4 :], 2)
        return math.sqrt(np.mean(bends**2) / 6 * 2 / size) if bends.size else 0.0
    blocks = [[block.mean() for block in np.array_split(part, 4)] for part in last_two]
    slope = np.arange(4) - 1.5
    spread = [np.var(v - np.mean(v) - slope * (slope @ v) / 5) * 4 / 2 for v in map(np.array, blocks)]
    return math.sqrt(sum(spread) / 4)
