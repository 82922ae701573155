"""Which rate a finder's curve speaks for: four rules, and the grounds on which there is none."""

from bisect import bisect_left
from typing import NamedTuple

import numpy as np

from fastgd._jit import kernel
from fastgd._rates.stability import rate_times_curvature

METHODS = ("steepest", "minimum", "valley", "slide")
FEWEST = 10  # points, below which nothing is said

_AT_ONCE = 0.25  # of the planned rates: a run that ended before them without a fall diverged at once
_AT_FIRST = 3  # losses, within which a fall is too early to be seen
_OF_FOUR_FIFTHS = 0.438  # the variance of normal numbers without the largest fifth
_SURE = 4.0  # standard deviations, from which a fall is more than chance: it is the deepest of many places
_NEAR = 2.0  # standard deviations, within which one mean may be as low as another
_ROUNDING = 1e-6  # of the loss: what rounding may do
_LEAST_PART = 1e-35  # of the loss, that a direction may have begun with: its square is that of float64's rounding
_EDGE = 0.1  # of a fall's depth, at its beginning: not counted as part of it
_MEDIAN = 5  # losses of which the median is taken
_INTERVAL = 0.15  # of the points: the interval that slides
_PLACES = 100  # in half a window, at which the slope of its line is computed: a window is a tenth of all points
_ALIKE = 0.1  # slopes that differ by no more than this part of the steepest one
_VISIBLE = 0.5  # of the level: a fall that must not be hidden by noise where it is told that there is none
_FALLING = 0.25  # of the steepest slope, from which an interval falls


class Suggestion(NamedTuple):
    """A learning rate, or why there is none."""

    lr: float | None
    reason: str


@kernel
def smooth(losses, beta, stop_factor, n_unwatched, smoothed):
    """Write averages s ← βs + (1 - β)l, each over 1 - β^k; return how many there are, and whether the last exploded.

    It has when it is the first to exceed stop_factor times the best; those at the beginning, of which each batch is a
    large part, are not looked at. Where a loss is NaN, the batch had no weight, and the average stays.
    """
    average, weight, best = 0.0, 0.0, np.inf
    for k in range(losses.size):
        if not np.isnan(losses[k]):
            average = beta * average + (1 - beta) * losses[k]
            weight = beta * weight + (1 - beta)
        smoothed[k] = average / weight if weight > 0 else np.nan
        if k >= n_unwatched:
            best = min(best, smoothed[k])
            # A loss below 0 is allowed to rise by as much as one above it.
            if smoothed[k] > best + (stop_factor - 1) * abs(best):
                return k + 1, True
    return losses.size, False


def stable_limit(lrs, losses, optimizer):
    """The largest stable rate, by how fast the loss grew at the end of a run without noise; infinite where unknown.

    On a bowl the error of the steepest direction is multiplied by -q a step when it alone is left, and the loss by q².
    If only the last loss rose, that direction's part is what is left of the losses' changes when those along the other
    directions are taken out: each larger than the one before by a factor that is near the rates', and slowly falls.
    A bowl it is only if that direction's part, traced back through the rates beyond the limit, was not less than
    rounding leaves: else the curvature has changed on the way, and tells of no limit.
    """
    before, last = losses[-2:]
    floor = losses.min()
    if floor < before:
        parts = before - floor, last - floor
    else:
        changes = np.diff(losses[-6:])
        growth = changes[1:3] / changes[:2] if (changes[:3] < 0).all() else np.repeat(lrs[-1] / lrs[-2], 2)
        slowing = min(growth[1] / growth[0], 1.0)
        expected = changes[2] * np.cumprod(growth[1] * slowing ** np.arange(1, 3))
        parts = changes[3:] - expected
    if not (before < last and 0 < parts[0] < parts[1]):
        return np.inf
    q = np.sqrt(parts[1] / parts[0])
    share = rate_times_curvature(optimizer) / rate_times_curvature(optimizer, q)
    if np.isnan(share) or share >= 1:
        return np.inf if np.isnan(share) else lrs[-2]  # whose step led to the last loss
    limit = share * lrs[-2]
    beyond = lrs[(lrs > limit) & (lrs < lrs[-2])]
    growth = 1 + (q - 1) * (beyond - limit) / (lrs[-2] - limit)  # plain descent's; momentum's is near it
    part = np.log(parts[0]) - 2 * np.log(growth).sum()
    return limit if part > np.log(_LEAST_PART) + np.log(losses[:-1].max() - floor) else np.inf


def suggest(method, lrs, losses, beta, num_steps, status, optimizer, sampled=True):
    """Apply a rule to a finder's record.

    Parameters
    ----------
    method : str
        One of METHODS.
    lrs, losses : ndarray of shape (m,)
        The rates in rising order, and the losses before smoothing.
    beta : float
        Of the smoothing.
    num_steps : int
        How many rates were to be tried.
    status : str
        How the run ended.
    optimizer : NamedTuple
        The optimiser.
    sampled : bool
        Whether the losses are of batches, and noisy for that.

    Returns
    -------
    Suggestion
        The rate and what it stands on, or None and why.
    """
    goes_on = "try a larger end" if losses.size == num_steps else "the run was interrupted there"
    seen = ~np.isnan(losses)
    lrs, losses = lrs[seen], losses[seen]
    diverged = status in ("exploded", "nonfinite")
    smaller = "begin at a smaller rate"
    if lrs.size < FEWEST:
        if diverged and lrs.size == 0:
            return Suggestion(None, "diverged at once: the very first loss, or its gradient, was not finite")
        if diverged:
            return Suggestion(None, f"diverged at once: the run was over after {_counted(lrs.size)}; {smaller}")
        return Suggestion(None, f"too few points: {_counted(lrs.size, ' was', ' were')} recorded, {FEWEST} are needed")
    _, exponent = np.frexp(abs(losses).max())  # squares of losses must not overflow, nor vanish
    unit = np.ldexp(1.0, min(exponent, 1023))
    losses = losses / unit
    # The steepest direction, if the run began near its floor, takes some steps beyond the limit until it is seen, while
    # the loss still falls along the others: rules that look at the fall would lead there.
    limit = np.inf if sampled else stable_limit(lrs, losses, optimizer)
    stable = lrs < limit
    if np.count_nonzero(stable) < FEWEST:
        return Suggestion(None, f"diverged at once: the loss grew from {limit:.3g} on; {smaller}")
    lrs, losses = lrs[stable], losses[stable]
    fall = _Fall(lrs, losses, beta, diverged, unit)
    if not (sampled or fall.is_clear):
        # Beyond the limit an objective with many minima wavers as batches do; what fell until then fell nonetheless.
        n = 1 + int(np.argmax(np.diff(losses, append=np.inf) >= 0))
        if n >= FEWEST:
            fall = _Fall(lrs[:n], losses[:n], beta, True, unit)
    if not fall.is_clear:
        if diverged and lrs.size <= _AT_ONCE * num_steps:
            return Suggestion(None, f"diverged at once: no fall before the run was over at {lrs[-1]:.3g}; {smaller}")
        hidden = "a fall hidden by noise would take repeats=5 or a larger batch_size to show"
        clearer = hidden if sampled and fall.noise > 0 else ""
        level = fall.level * unit
        if losses[0] - fall.level > _SURE * _variance(losses[_AT_FIRST:]) ** 0.5:
            return Suggestion(
                None, f"fell at once, from {losses[0] * unit:.4g} to near {level:.4g} in the first steps; {smaller}"
            )
        if diverged or fall.rises:
            reason = f"never fell: the loss was near {level:.4g} from the start, and rose"
        elif _SURE * fall.noise > _VISIBLE * abs(fall.level):
            low, high = losses.min() * unit, losses.max() * unit
            reason = f"flat, as far as noise lets see: the losses wavered between {low:.4g} and {high:.4g}"
        else:
            reason = f"flat: the loss stayed near {level:.4g} at all rates up to {lrs[-1]:.3g}"
        return Suggestion(None, f"{reason}; {clearer}" if clearer else reason)
    if limit < np.inf:
        return getattr(fall, method)()
    if status == "nonfinite" and fall.quickens:
        return Suggestion(
            None, f"fell faster and faster, to {losses[-1] * unit:.3g}, until it was not finite: it has no floor"
        )
    if not diverged and fall.quickens:
        return Suggestion(None, f"still falling, and faster than ever, at the largest rate, {lrs[-1]:.3g}: {goes_on}")
    suggestion = getattr(fall, method)()
    if not diverged and fall.bottom >= lrs.size - 2:
        return suggestion._replace(reason=f"{suggestion.reason} (still falling at the largest rate: {goes_on})")
    return suggestion


class _Fall:
    """The curve that the rules look at, and the fall in it."""

    def __init__(self, lrs, losses, beta, diverged, unit):
        self.lrs, self._unit = lrs, unit
        # A running median before the average: a single wild batch bends the average for a long time, and its fading
        # looks like a fall. What rises or falls steadily is not changed by it.
        steady = _running_median(losses)
        self.curve = np.empty(lrs.size)
        smooth(steady, beta, np.inf, 0, self.curve)
        self._width = w = max(5, lrs.size // 10)

        # Whether there is a fall is decided before any average, which shows the last of it only in part: by the means
        # over the first losses, a tenth of all or a third, and over the lowest tenth after them.
        means, best = np.convolve(steady, np.full(w, 1 / w), "valid"), -np.inf
        for n_first in (w, max(w, lrs.size // 3)):
            lowest = n_first + int(np.argmin(means[n_first:]))
            level = float(steady[:n_first].mean())
            # What falls at each of the last steps, to the end, is no chance: there it quickens rather than wavers.
            plunges = lowest + w == losses.size and bool((np.diff(losses[lowest:]) < 0).all())
            late = 0.0 if plunges else _variance(losses[lowest : lowest + w])
            noise = (_variance(losses[:n_first]) / n_first + late / w) ** 0.5
            fell, surplus = level - means[lowest], level - means[lowest] - _SURE * noise
            if surplus > best:
                best, self.level, self.noise, bottom = surplus, level, noise, lowest
                self.is_clear = fell > max(_SURE * noise, _ROUNDING * abs(level))
        drops = means[:-w] - means[w:]
        # What goes on beyond the record has no middle that is known, nor a steepest place.
        self.quickens = bottom == means.size - 1 and int(np.argmax(drops)) >= max(1, drops.size - w // 2)
        rise = steady[-w:].mean() - self.level
        self.rises = rise > max(_SURE * self.noise, _ROUNDING * abs(self.level))

        # Where it begins and ends, on the curve. Unless the losses shot up and took the average along, that goes on
        # falling long after they have come to a floor, or risen again to where they stay, as those of a saturated
        # sigmoid do: then the fall ends where they first are as low as they get. And if they shot up, they fell no more
        # from where they began to, which an average of large first losses hides.
        if diverged:
            falls = np.flatnonzero(np.diff(steady) <= 0) + 1
            begin, end = bottom, int(falls.max(initial=bottom)) + 1
        else:
            begin = w + int(np.argmax(means[w:] <= means[bottom] + _NEAR * self.noise))
            end = begin + w
        self.bottom = begin + int(np.argmin(self.curve[begin:end]))
        before = self.curve[: self.bottom]
        high = before[min(w, self.bottom // 2) :].max()
        depth = high - self.curve[self.bottom]
        self.is_clear &= bool(depth > 0)
        edge = max(_EDGE * depth, min(self.noise, depth / 3))
        self.top = int(np.argmax(np.where(before >= high - edge, np.arange(self.bottom), 0)))

        # The slope of an average wavers at its beginning, and may be steepest there by chance: rules that look at
        # slopes begin where the means come through the middle of their fall for good.
        middle = np.flatnonzero(means[:begin] >= (self.level + means[bottom]) / 2).max(initial=0)
        self.middle = min(max(int(middle), self.top), self.bottom - 1)

    def _slopes(self):
        """The slope at each point against the logarithm of the rate: of the straight line through those around it."""
        n, half, x = self.lrs.size, max(1, self._width // 2), np.log10(self.lrs)
        places = np.append(np.arange(0, n - 1, max(1, half // _PLACES)), n - 1)
        slopes = np.empty(places.size)
        for i, k in enumerate(places):
            around = slice(max(0, k - half), k + half + 1)
            dx = x[around] - x[around].mean()
            slopes[i] = dx @ self.curve[around] / (dx @ dx)
        return np.interp(np.arange(n), places, slopes)

    def steepest(self):
        """The rate at which the loss falls fastest."""
        slopes = self._slopes()[self.middle : self.bottom + 1]
        k = self.middle + int(np.argmin(slopes))
        return Suggestion(
            float(self.lrs[k]), f"the smoothed loss falls fastest there, by {-slopes.min() * self._unit:.3g} a decade"
        )

    def minimum(self):
        """A tenth of the rate at which the loss is least."""
        lr = float(self.lrs[self.bottom])
        least = self.curve[self.bottom] <= self.curve[self.bottom :].min()
        there = "the smoothed loss is least" if least else "the losses first are as low as they get"
        return Suggestion(lr / 10, f"a tenth of {lr:.3g}, where {there}")

    def valley(self):
        """The middle of the longest fall."""
        last, length = longest_decrease(self.curve[: self.bottom + 1])
        first = min(max(last + 1 - length, self.top), last)  # where it began, but for the places that it leaves out
        low, high = self.lrs[first], self.lrs[last]
        return Suggestion(float(self.lrs[(first + last) // 2]), f"the middle of the fall from {low:.3g} to {high:.3g}")

    def slide(self):
        """The lower end of the first interval, from the bottom to lower rates, that falls with one slope."""
        slopes = self._slopes()
        steepest = -slopes[self.middle : self.bottom + 1].min()
        width = max(2, int(_INTERVAL * self.lrs.size))
        for left in range(self.bottom - width, max(self.top, self.middle - width // 2) - 1, -1):
            right = left + width
            if slopes[right] - slopes[left] <= _ALIKE * steepest and -slopes[left] >= _FALLING * steepest:
                low, high = self.lrs[left], self.lrs[right]
                return Suggestion(float(low), f"the loss falls with one slope from {low:.3g} to {high:.3g}")
        return Suggestion(
            None, f"no {width} points in a row fall with one slope on the way to {self.lrs[self.bottom]:.3g}"
        )


def _counted(n, one="", more=""):
    """So many losses, and a verb for one and one for more."""
    return f"1 loss{one}" if n == 1 else f"{n} losses{more}"


def _variance(losses):
    """That of the losses from batch to batch, by their second differences without the largest fifth, as of normal ones.

    A trend has no part in it, nor has a wild batch.
    """
    bends = np.sort(abs(np.diff(losses, 2)))
    return np.mean(bends[: bends.size - bends.size // 5] ** 2) / (6 * _OF_FOUR_FIFTHS)


def _running_median(values):
    """The median of five values around each, of fewer at the ends."""
    reach = _MEDIAN // 2
    padded = np.full(values.size + 2 * reach, np.nan)
    padded[reach:-reach] = values
    return np.nanmedian(np.lib.stride_tricks.sliding_window_view(padded, _MEDIAN), axis=1)


def longest_decrease(values):
    """Return the last index and the length of the longest decreasing subsequence (Schensted 1961, in n log n steps)."""
    ends: list[
        float
    ] = []  # of the sequences of length 1, 2, ... so far, negated: the one that is easiest to go on from
    best = (0, 0)
    for k, value in enumerate(values):
        length = bisect_left(ends, -value)
        ends[length : length + 1] = [-value]
        if length + 1 > best[1]:
            best = (k, length + 1)
    return best
