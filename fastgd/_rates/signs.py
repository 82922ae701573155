"""What the record of a run shows: the numbers that verdicts are given by."""

import math
from functools import cached_property

import numpy as np

from fastgd._rates.noise_floor import added_by_noise
from fastgd._rates.trends import STILL_FALLS, quarters, rises_steadily, rows_needed, surely_falls, uncertainty

# At a floor of noise SGD's successive gradients have the correlation -lr·λ/2 (see `diagnose`): -0.5 at the best rate
# 1/λ, -0.95 at 1.9/λ, less where directions of small curvature are mixed in. Between the two lies:
OSCILLATES = -0.6
# A mode that contracts by 1 - lr·λ shrinks its gradient by |1 - lr·λ| a step. It flips its sign from lr·λ = 1 on; at
# 1.7 and more it also keeps more than 0.7 of its size, as it does at 0.3 and less: overshooting is what makes it slow.
_SLOW = 0.7
# lr·|g|²/4 is what the noise adds to the loss at the floor: "well above what a smaller rate reaches" is a quarter of
# it, and a twentieth of the fall (a floor far below where the run began is no reason for a smaller rate).
_SHARE_OF_FLOOR, _SHARE_OF_FALL = 0.25, 0.05
_SURE = 5  # standard errors, by four blocks each with a line taken out: Student's t with four degrees of freedom
FLAT = 0.01  # of the first loss: a change that is none
_DEAD = (
    1e-8  # of |g|² / loss, where not even the noise from batch to batch is left (a working neuron has 1e-4 and more)
)
_ROUNDING = 1e-6  # of the first loss: as good as none
# A run that ends far below where it began has got over what its first steps did to it.
_FAR_BELOW = 0.5
# A step along the gradient promises to lower the loss L by lr·|g|² (one of a size that the rate sets, by lr·|g| at
# least). On any bowl that lies above 0 it ends at L(1 - promised / 2L)² or higher: above L where that is more than 4L.
PROMISED = 4
AGREE = 0.1  # mean cosine of successive gradients, of batches that lead on downhill; at rest in noise it is negative
_STEEP = 3  # times the first gradient: a run that began close to a minimum meets none so large
_CLIMBED = 0.2  # of the fall: what a run that came back up has lost of it
_LEAST_TO_RAISE = 0.1  # promised by all steps together: fewer and shorter ones have not raised the loss


class Signs:
    """What a `RunRecord` shows, each worked out when a rule asks for it. Its losses are finite."""

    def __init__(self, run):
        self.run, self.loss = run, run.loss
        self.q = max(1, run.loss.size // 4)  # rows of a quarter
        self.second, self.third, self.fourth = quarters(run.loss)
        self.first, self.last = run.loss[0], float(run.loss[-self.q :].mean())
        self.fall = self.first - self.last
        self.cosine = known_mean(run.cosine)
        self.late = known_mean(run.cosine[-2 * self.q :])
        self.known_norms = run.norm[np.isfinite(run.norm)]

    @cached_property
    def alternates(self):
        """Whether the gradients of the last half point against each other."""
        return self.late < OSCILLATES

    @cached_property
    def chance(self):
        """What the losses of a quarter may differ by without a trend."""
        own_bends = self.third.size < 4 and (self.run.unit == "step" or self.run.steps == 1)
        return 0.0 if own_bends else _SURE * uncertainty(self.loss)  # else whatever bends is the run's own

    @cached_property
    def lowest(self):
        """The row of the lowest loss."""
        return int(self.loss.argmin())

    @cached_property
    def highest(self):
        """The row of the highest loss."""
        return int(self.loss.argmax())

    @cached_property
    def climbs(self):
        """Whether the loss has come back up, step by step, from a low point that lies some time back."""
        loss, low = self.loss, self.lowest
        lost = loss[-1] - loss[low] > _CLIMBED * (self.first - loss[low])
        return lost and low < loss.size - self.q and rises_steadily(loss[low:])

    @cached_property
    def steadily(self):
        """Whether the last half rises row by row, as what a rate makes grow by itself does.

        Near 2/λ noise builds up too, to lr·σ²/(4(2 - lr·λ)).
        """
        return self.loss.size < 4 or rises_steadily(self.loss[-2 * self.q :])

    @cached_property
    def noise(self):
        """Sentences on a floor that is high since the gradients are noisy; none where it is not."""
        return _noise(self.run, np.fmin(self.first, self.run.before) - self.last, self.cosine)

    @cached_property
    def ended_high(self):
        """Whether the run ended not far below where it began."""
        return self.last > _FAR_BELOW * self.run.before

    @cached_property
    def sees_norm(self):
        return self.known_norms.size > 0

    @cached_property
    def shrank(self):
        """Whether the gradient has."""
        return bool(self.sees_norm and self.known_norms[-self.q :].mean() < 0.5 * self.known_norms[0])

    @cached_property
    def squared_norm(self):
        return (known_mean(self.run.norm) if self.run.true_norm else self.run.slope) ** 2

    @cached_property
    def at_rest(self):
        """Whether successive gradients say that the run has come to rest in noise.

        There those of single steps correlate by -lr·λ/2; while they lead downhill they agree. Those of an epoch are of
        either kind, in different directions: then the height of the floor has to tell too.
        """
        return self.late < 0 and (self.run.steps == 1 or bool(self.noise))

    @cached_property
    def seen_drop(self):
        """From the third quarter to the last."""
        return self.third.mean() - self.fourth.mean()

    @cached_property
    def drop(self):
        """The same, or, where that is no more than chance may make it, of the curve closest to the record."""
        if self.seen_drop > max(STILL_FALLS * self.fall, self.chance):
            return self.seen_drop
        # Three or four rows one below the other may be chance, of batches whose gradients do not lead on.
        return 0.0 if self.loss.size <= 4 and self.late <= AGREE else surely_falls(self.loss)

    @cached_property
    def raised(self):
        """Whether the run ended above where it began."""
        return ended_above(self.run, self.last, self.chance) or self.fall < -max(self.chance, FLAT * abs(self.first))

    @cached_property
    def needed(self):
        """How many rows it would need in all; None where no floor is in sight."""
        return rows_needed(self.loss)


def ended_above(run, last, chance):
    """Whether steps that were long enough for it have raised the loss above what it was before them."""
    if math.isnan(run.before):
        return last > run.loss[0] + max(chance, FLAT * abs(run.loss[0]))
    if run.uncertainty > 1:  # of a part of the rows, which may have been the better ones
        enough = not run.promised * run.n_steps < _LEAST_TO_RAISE
        return enough and last > run.before + max(chance, (run.uncertainty - 1 + FLAT) * abs(run.before))
    was_steep = run.true_norm and run.norm.max() > _STEEP * run.norm[0]  # a saturated neuron may end as it began
    return last > run.before + (0 if was_steep else max(chance, FLAT * abs(run.before)))


def is_dead(run):
    """Whether batches have a loss and no gradient: at a minimum that is not 0 theirs point in all directions."""
    began, last = run.true_norm and (run.steps > 1 or run.promised > PROMISED) and run.norm[0] > 0, abs(run.loss[-1])
    return bool(began and run.norm[-1] ** 2 < _DEAD * last and last > _ROUNDING * abs(run.loss[0]))


def oscillates(run):
    """Whether gradients alternate for most of the run, and shrink slowly while they do."""
    cosine, norm = run.cosine, run.norm
    q = max(1, cosine.size // 4)
    threshold = OSCILLATES
    # Without replacement the m batches of an epoch correlate by -1/(m - 1) at a minimum, whatever the rate: with two of
    # them the mean cosine is -0.65 at the best rate, -0.85 at 1.9/λ. In one order always, two are opposite at any rate.
    if 2 <= run.steps <= 4:
        threshold = -math.inf if run.sequential else threshold - 0.8 / run.steps**2
    whole, late = known_mean(cosine), known_mean(cosine[-2 * q :])
    ok = norm[np.isfinite(norm) & (norm > 0)]
    arrived = ok.size > 0 and ok[-q:].mean() < 1e-5 * ok.max()  # where rounding may alternate
    shrinks = 1.0
    if ok.size > 1 and run.steps == 1:  # by the slowest mode, which is what is left in the later half of the fall
        end = int(np.flatnonzero(ok > 3 * np.median(ok[-q:])).max(initial=1)) if arrived else ok.size - 1
        shrinks = (ok[end] / ok[end // 2]) ** (1 / (end - end // 2))
    return (whole < threshold or (late < threshold and not arrived)) and shrinks > _SLOW


def _noise(run, fall, cosine):
    last_half = run.loss[-2 * max(1, run.loss.size // 4) :]
    floor, spread = float(last_half.mean()), float(np.std(last_half))
    # The steps of a path may be long without any noise: momentum's own. There the fluctuation has to tell.
    added = added_by_noise(run, _mean_square(run), cosine) if run.true_norm else math.nan
    noisy = added > _SHARE_OF_FLOOR * abs(floor) and added > _SHARE_OF_FALL * max(fall, 0) and abs(cosine) < 0.9
    if math.isnan(added):  # on a bowl at rest the excess is a sum of d squares, and varies by √(2/d) of its mean
        added = spread * math.sqrt(run.n_params / 2)
        noisy = spread > 0.1 * abs(floor) and added > _SHARE_OF_FALL * max(fall, 0) and not abs(cosine) >= 0.9
    if run.true_norm and run.steps > 1 and spread > abs(floor) and _wanders(last_half):
        noisy, added = True, floor - float(last_half.min())  # rare long excursions, close to the mean square's limit
    if not noisy:
        return []
    return [
        f"the loss fluctuates by {spread:.3g} around {floor:.4g} without a trend, successive gradients have a mean "
        f"cosine of {cosine:.2f}",
        f"the steps' noise adds about {added:.3g} to it, which a smaller rate would not",
    ]


def _wanders(loss):
    """Whether a part of a record goes up and down, where one way only would take it from its highest to its lowest."""
    return np.abs(np.diff(loss)).sum() > 1.5 * np.ptp(loss)


def _mean_square(run):
    """That of the norms at the floor."""
    q = max(1, run.norm.size // 4)
    square = known_mean(run.norm[-2 * q :] ** 2)
    if run.steps != 1:  # the mean norm of many: with k degrees of freedom its square is less than the mean square
        k = run.freedom
        square *= k / 2 * math.exp(2 * (math.lgamma(k / 2) - math.lgamma((k + 1) / 2)))
    return square


def known_mean(values):
    """The mean of those that are finite."""
    known = values[np.isfinite(values)]
    return known.mean() if known.size else np.float64(np.nan)  # whose overflow is infinite
