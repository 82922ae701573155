"""The rules by which a run is judged from its record: a verdict, the evidence in numbers, and what to try."""

import math

import numpy as np

from fastgd._rates.trends import (
    LEFT,
    SHORT,
    STILL_FALLS,
    quarters,
    rises_steadily,
    rows_needed,
    surely_falls,
    uncertainty,
)
from fastgd.optimizers import SGD, Momentum, Nesterov

TOO_SMALL, JUST_RIGHT, OSCILLATING, DIVERGED, STUCK, NOISY, UNCLEAR = VERDICTS = (
    "too small",
    "just right",
    "too large: oscillating",
    "too large: diverged",
    "stuck",
    "noisy",
    "unclear",
)

# At a floor of noise SGD's successive gradients have the correlation -lr·λ/2 (see `diagnose`): -0.5 at the best rate
# 1/λ, -0.95 at 1.9/λ, less where directions of small curvature are mixed in. Between the two lies:
_OSCILLATES = -0.6
# A mode that contracts by 1 - lr·λ shrinks its gradient by |1 - lr·λ| a step. It flips its sign from lr·λ = 1 on; at
# 1.7 and more it also keeps more than 0.7 of its size, as it does at 0.3 and less: overshooting is what makes it slow.
_SLOW = 0.7
# lr·|g|²/4 is what the noise adds to the loss at the floor: "well above what a smaller rate reaches" is a quarter of
# it, and a twentieth of the fall (a floor far below where the run began is no reason for a smaller rate).
_SHARE_OF_FLOOR, _SHARE_OF_FALL = 0.25, 0.05
_SURE = 5  # standard errors, by four blocks each with a line taken out: Student's t with four degrees of freedom
_FLAT = 0.01  # of the first loss: a change that is none
# |g|² / loss is 2λ on a bowl. A sigmoid or tanh that saturates multiplies g by its derivative: here 0.03 or
# less.
_SATURATED = 1e-3
_DEAD = 1e-8  # the same, where not even the noise from batch to batch is left (of a working neuron: 1e-4 and more)
_ROUNDING = 1e-6  # of the first loss: as good as none
_BELOW_PEAK = 0.05  # of a peak's height: where the rest lies, which noise does not leave so far below its highest
# An epoch's mean, above twice the loss before any step: the steps have raised it. A run that then ends far below where
# it began has got over that, if it had not been below before.
_RAISED, _FAR_BELOW = 2, 0.5
# A step along the gradient promises to lower the loss L by lr·|g|² (one of a size that the rate sets, by lr·|g| at
# least). On any bowl that lies above 0 it ends at L(1 - promised / 2L)² or higher: above L where that is more than 4L.
_PROMISED = 4
_AGREE = 0.1  # mean cosine of successive gradients, of batches that lead on downhill; at rest in noise it is negative
_STEEP = 3  # times the first gradient: a run that began close to a minimum meets none so large
_ONE_WAY = 0.9  # mean cosine, of full batches' gradients: a step of a curvature's length would have turned it
_SWINGS = 0.5  # the same, below which momentum swings to and fro: at any such rate that dies away by √β a step
_CLIMBED = 0.2  # of the fall: what a run that came back up has lost of it
_CLIMBING = 4  # rows, each above the one before: by chance once in 24 times
_RESTS = 0.1  # of the present loss: what it may still fall by in the last half of a record that is called flat there
_LEAST_TO_RAISE = 0.1  # promised by all steps together: fewer and shorter ones have not raised the loss


def judge(run):
    """Return the verdict on a `RunRecord`, sentences of evidence, advice, and how many rows it would need in all."""
    loss, unit = run.loss, run.unit
    finite = np.isfinite(loss)
    if run.unit == "step" and run.diverged and run.n_steps == 0:
        return UNCLEAR, ["the value was not finite at the start, before any step"], ["another start"], None
    if run.diverged or not finite.any() or not finite[-1]:
        return _blown_up(run, finite)
    if not finite.all():  # epochs whose batches all were left out
        run.loss, run.norm, run.cosine = loss[finite], run.norm[finite], run.cosine[finite]
        loss = run.loss
    first, last = loss[0], float(loss[-max(1, loss.size // 4) :].mean())
    cosine = _mean(run.cosine)
    if run.unit == "epoch" and not loss.any():
        return JUST_RIGHT, ["the loss is 0 from the start: nothing is left to improve"], [], None
    if _is_dead(run):
        said = [
            f"the loss stays at {loss[-1]:.4g}, yet no batch has a gradient left: the mean norm of the last epoch is "
            f"{run.norm[-1]:.3g}; steps of this size have saturated it"
        ]
        return STUCK, said, _ANEW, None
    if run.true_norm and run.norm[-1] == 0 and _ended_above(run, loss[-1], 0.0):
        said = [f"{_above(run, loss[-1])}, and there no gradient is left: steps of this size have saturated it"]
        return STUCK, said, _ANEW, None
    if run.at_zero or run.norm[-1] == 0 or (not run.true_norm and run.slope == 0):
        nowhere = (run.n_steps <= 1 and loss.size == 1) or (run.true_norm and run.norm[0] == 0)
        if nowhere and abs(first) > 1e-12:
            began = f"the gradient was zero where the run began, at a loss of {first:.4g}: a plateau, if not a minimum"
            return STUCK, [began], _OFF_A_PLATEAU, None
        said = [f"the gradient reached zero: the loss went from {first:.4g} to {loss[-1]:.4g} in {_length(run)}"]
        if cosine < _OSCILLATES:
            said.append(f"successive gradients pointed against each other (mean cosine {cosine:.2f}): it overshot")
        return JUST_RIGHT, said, [], None
    if loss.size == 1:
        if cosine < _OSCILLATES and run.steps > 10:
            return OSCILLATING, [_overshot(cosine)], _SMALLER, None
        return UNCLEAR, [f"there is one {unit} only, of loss {first:.4g}: no trend"], [f"more {unit}s"], None

    q = max(1, loss.size // 4)
    second, third, fourth = quarters(loss)
    alternates = _mean(run.cosine[-2 * q :]) < _OSCILLATES
    own_bends = third.size < 4 and (unit == "step" or run.steps == 1)  # whatever bends is the run's own
    chance = 0.0 if own_bends else _SURE * uncertainty(loss)
    low = int(loss.argmin())
    climbs = loss[-1] - loss[low] > _CLIMBED * (first - loss[low])
    climbs = climbs and low < loss.size - q and rises_steadily(loss[low:])
    short = loss.size < SHORT
    rises = fourth.mean() > third.mean() + chance or (short and climbs and low <= loss.size - _CLIMBING)
    accelerates = fourth.mean() - third.mean() > third.mean() - second.mean() if second.size else True
    # Around a floor of noise above the start the loss rises too, but not on and on.
    explodes = fourth.mean() > 2 * (second.mean() if second.size else first)
    # Near 2/λ noise builds up too, to lr·σ²/(4(2 - lr·λ)); what the rate makes grow by itself grows at every step.
    steadily = loss.size < 4 or rises_steadily(loss[-2 * q :])
    above = last > first + (1e3 if alternates else 0.2) * abs(first)
    noise = _noise(run, np.fmin(first, run.before) - last, cosine)
    if (rises and accelerates and ((alternates and steadily) or (climbs and math.isnan(cosine)))) or (
        above and ((explodes and (rises or steadily or not noise)) or (not noise and not alternates))
    ):
        said = [f"the loss rose from {loss.min():.4g} to {loss[-1]:.4g} (it began at {first:.4g})"]
        return DIVERGED, said + ([_overshot(cosine)] if alternates else []), _MUCH_SMALLER, None

    highest, began = int(loss.argmax()), f"before any step the loss was {run.before:.4g}"
    ended_high = last > _FAR_BELOW * run.before  # else it has got over what its first steps did
    had_fallen = run.unit == "epoch" and bool((loss[:highest] < run.before).any())
    if (ended_high or had_fallen) and loss[highest] > _RAISED * run.uncertainty * run.before:
        said = [
            f"{began}; the mean of {unit} {highest + 1} is {loss[highest]:.4g}: steps raised it, and it ended at "
            f"{loss[-1]:.4g}"
        ]
        return (DIVERGED, said, _MUCH_SMALLER, None) if last > run.before else (OSCILLATING, said, _SMALLER, None)
    if ended_high and run.promised > _PROMISED:
        said = [
            f"{began}; the slope promised that the first step would lower it by {run.promised * run.before:.3g}, "
            f"more than there is: it overshot, and the run ended at {loss[-1]:.4g}"
        ]
        return OSCILLATING, said, _MUCH_SMALLER, None
    if _oscillates(run):
        return OSCILLATING, [_overshot(cosine), _went(first, last, run)], _SMALLER, None

    fall = first - last
    peak = loss[highest] - first
    if unit == "step" and peak > fall and loss[-2 * q :].mean() - loss.min() < _BELOW_PEAK * peak:
        said = [
            f"the loss went from {first:.4g} up to {loss[highest]:.4g} in {unit} {highest + 1} and ended at "
            f"{loss[-1]:.4g}: steps lead far past the low point"
        ]
        return OSCILLATING, said, _SMALLER, None
    sees_norm = np.isfinite(run.norm).any()
    known = run.norm[np.isfinite(run.norm)]
    shrank = bool(sees_norm and known[-q:].mean() < 0.5 * known[0])
    squared = (run.slope if not run.true_norm else _mean(run.norm)) ** 2
    if abs(fall) <= _FLAT * abs(first) and not shrank:
        said = [f"the loss is flat from the start: {first:.6g}, and {last:.6g} at the end"]
        if squared < _SATURATED * abs(first) or not sees_norm:
            if sees_norm:
                said.append(f"the gradient's norm is tiny beside it: {math.sqrt(squared):.3g}")
            return STUCK, said, _OFF_A_PLATEAU, None
        if not run.true_norm and run.n_steps > 0 and not known.any():
            said.append(f"no step has moved, where the gradient's norm is {run.slope:.3g}: they are lost in rounding")
            return TOO_SMALL, said, _LARGER, None
        if cosine > 0.5:
            said.append(f"successive gradients agree (mean cosine {cosine:.2f}): the steps lead nowhere yet")
            return TOO_SMALL, said, _LARGER, rows_needed(loss)
    late = _mean(run.cosine[-2 * q :])
    if run.true_norm and run.steps == 1 and late < 0 and not shrank and np.std(loss[-2 * q :]) > _FLAT * abs(last):
        said = [_overshot(late), "the full batch has no noise, yet the loss goes up and down"]
        return OSCILLATING, said, _SMALLER, None
    # At rest in noise the gradients of single steps correlate by -lr·λ/2; while they lead downhill they agree. Those of
    # an epoch are of either kind, in different directions: there the height of the floor has to tell too.
    at_rest = late < 0 and (run.steps == 1 or bool(noise))
    seen = drop = third.mean() - fourth.mean()
    if drop <= max(STILL_FALLS * fall, chance):
        # Three or four rows one below the other may be chance, of batches whose gradients do not lead on.
        drop = 0.0 if loss.size <= 4 and late <= _AGREE else surely_falls(loss)
    raised = _ended_above(run, last, chance) or fall < -max(chance, _FLAT * abs(first))
    needed = rows_needed(loss)
    arrived = needed is not None and needed <= loss.size
    if not at_rest and not raised and not arrived and drop > STILL_FALLS * fall > 0:
        said = [
            f"the loss still falls: {'' if drop == seen else 'the curve closest to it falls '}by {drop:.3g} between "
            f"the third and the last quarter, {100 * drop / fall:.0f} % of its fall from {first:.4g} to {loss[-1]:.4g}"
        ]
        if isinstance(run.optimizer, Momentum | Nesterov) and run.steps == 1 and cosine < _SWINGS:
            said.append(
                f"its steps swing to and fro (mean cosine of successive gradients {cosine:.2f}): as momentum's do at "
                "any such rate, by √β less a step"
            )
            return JUST_RIGHT, said, [f"more {unit}s, or a smaller beta"], None
        if cosine > _AGREE:
            said.append(f"successive gradients agree: their mean cosine is {cosine:.2f}")
        said.append(
            f"it would need about {needed:.0f} {unit}s in all, {needed - loss.size:.0f} more, to come within "
            f"{100 * LEFT:g} % of its fall"
            if needed is not None
            else f"no floor is in sight, so that the {unit}s that it would need cannot be told"
        )
        return TOO_SMALL, said, [*_LARGER, f"or more {unit}s"], needed
    if noise and run.unit == "epoch" and run.steps == 1:
        said = [
            *noise[:1],
            "one step an epoch, of the full batch, has no noise: the rate makes the loss go up and down",
        ]
        return OSCILLATING, said, _SMALLER, None
    if noise and not (steadily and rises):
        return NOISY, noise, ["a larger batch, or a smaller rate, or one that decays (CosineAnnealing)"], None
    if raised:
        return (DIVERGED if rises and steadily and above else OSCILLATING), [_above(run, last)], _SMALLER, None
    if run.true_norm and run.steps == 1 and late > _ONE_WAY and not shrank:
        said = [
            _went(first, last, run),
            f"yet the gradient is nearly what it was at first ({known[-1]:.3g}, from {known[0]:.3g}) and points one "
            f"way (mean cosine {late:.2f}): the steps have become too short",
        ]
        return TOO_SMALL, said, [*_LARGER, "a schedule that falls more slowly"], None
    later = loss[-max(2 * q, loss.size // 2 + 1) :] if short else loss[-2 * q :]
    half = float(later[0]) - loss[-1]
    if short and not sees_norm and seen > STILL_FALLS * fall and (np.diff(later) < 0).all():
        said = [
            f"{_went(first, last, run)}, and fell in each of the last {later.size - 1}, by {half:.3g}: of so few "
            f"{unit}s that may be chance"
        ]
        return UNCLEAR, said, [f"more {unit}s"], None
    if short and not sees_norm and fall <= 0:
        said = [f"{_went(first, last, run)}, and did not fall"]
        return UNCLEAR, said, ["a smaller and a larger rate, to compare"], None
    # In so few rows what chance does looks like a fall or a rise: rather the number than a word.
    if short and 0 < STILL_FALLS * fall < -half:
        return JUST_RIGHT, [_went(first, last, run) + f", and rose by {-half:.3g} in the last half"], [], None
    if fall <= 0 or half <= (STILL_FALLS * fall if short else max(chance, _RESTS * abs(last))):
        return JUST_RIGHT, [_went(first, last, run) + ", and is flat in the last half"], [], None
    return JUST_RIGHT, [_went(first, last, run) + f", {100 * half / fall:.2g} % of it in the last half"], [], None


_LARGER = ["a rate three to ten times as large"]
_SMALLER = ["half the rate, or less"]
_MUCH_SMALLER = ["a rate ten times smaller; or clip=ClipByNorm(1.0), or a warmup"]
_OFF_A_PLATEAU = ["smaller initial parameters and features scaled to variance 1; a loss that does not saturate"]
_ANEW = ["a rate ten times smaller, from new parameters", *_OFF_A_PLATEAU]


def _ended_above(run, last, chance):
    """Whether steps that were long enough for it have raised the loss above what it was before them."""
    if math.isnan(run.before):
        return last > run.loss[0] + max(chance, _FLAT * abs(run.loss[0]))
    if run.uncertainty > 1:  # of a part of the rows, which may have been the better ones
        enough = not run.promised * run.n_steps < _LEAST_TO_RAISE
        return enough and last > run.before + max(chance, (run.uncertainty - 1 + _FLAT) * abs(run.before))
    was_steep = run.true_norm and run.norm.max() > _STEEP * run.norm[0]  # a saturated neuron may end as it began
    return last > run.before + (0 if was_steep else max(chance, _FLAT * abs(run.before)))


def _above(run, last):
    above_all = last > run.before  # not where that is NaN
    began = f"{run.before:.4g} before any step" if above_all else f"{run.loss[0]:.4g} in the first {run.unit}"
    return f"the loss ended above where it began: at {last:.4g}, from {began}"


def _is_dead(run):
    """Whether batches have a loss and no gradient: at a minimum that is not 0 theirs point in all directions."""
    began, last = run.true_norm and (run.steps > 1 or run.promised > _PROMISED) and run.norm[0] > 0, abs(run.loss[-1])
    return bool(began and run.norm[-1] ** 2 < _DEAD * last and last > _ROUNDING * abs(run.loss[0]))


def _blown_up(run, finite):
    n = int(finite.sum())
    if n:
        said = f"the loss stopped being finite after {n} {run.unit}s; it began at {run.loss[finite][0]:.4g}"
    else:
        said = "no loss is finite: it diverged at once, unless data, start or objective hold NaN (then no rate helps)"
    return DIVERGED, [said], _MUCH_SMALLER, None


def _overshot(cosine):
    return f"successive gradients point against each other: their mean cosine is {cosine:.2f}; each step overshoots"


def _went(first, last, run):
    return f"the loss went from {first:.4g} to {last:.4g} in {_length(run)}"


def _length(run):
    n = run.loss.size if run.true_norm else run.n_steps  # a path has the start beside its steps
    return f"{n} {run.unit}{'' if n == 1 else 's'}"


def _oscillates(run):
    """Whether gradients alternate for most of the run, and shrink slowly while they do."""
    cosine, norm = run.cosine, run.norm
    q = max(1, cosine.size // 4)
    threshold = _OSCILLATES
    # Without replacement the m batches of an epoch correlate by -1/(m - 1) at a minimum, whatever the rate: with two of
    # them the mean cosine is -0.65 at the best rate, -0.85 at 1.9/λ. In one order always, two are opposite at any rate.
    if 2 <= run.steps <= 4:
        threshold = -math.inf if run.sequential else threshold - 0.8 / run.steps**2
    whole, late = _mean(cosine), _mean(cosine[-2 * q :])
    ok = norm[np.isfinite(norm) & (norm > 0)]
    arrived = ok.size > 0 and ok[-q:].mean() < 1e-5 * ok.max()  # where rounding may alternate
    shrinks = 1.0
    if ok.size > 1 and run.steps == 1:  # by the slowest mode, which is what is left in the later half of the fall
        end = int(np.flatnonzero(ok > 3 * np.median(ok[-q:])).max(initial=1)) if arrived else ok.size - 1
        shrinks = (ok[end] / ok[end // 2]) ** (1 / (end - end // 2))
    return (whole < threshold or (late < threshold and not arrived)) and shrinks > _SLOW


def _noise(run, fall, cosine):
    """Sentences on a floor that is high since the gradients are noisy; none where it is not."""
    last_half = run.loss[-2 * max(1, run.loss.size // 4) :]
    floor, spread = float(last_half.mean()), float(np.std(last_half))
    # The steps of a path may be long without any noise: momentum's own. There the fluctuation has to tell.
    added = _added_by_noise(run) if run.true_norm else math.nan
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


def _added_by_noise(run):
    """What noise adds to the loss at a floor, by the rate and the gradients; NaN where these are not known."""
    q = max(1, run.norm.size // 4)
    norm = math.sqrt(_mean(run.norm[-2 * q :] ** 2))
    if run.steps != 1:  # the mean norm of many: with k degrees of freedom its square is less than the mean square
        k = run.freedom
        norm *= math.sqrt(k / 2) * math.exp(math.lgamma(k / 2) - math.lgamma((k + 1) / 2))
    kind = run.optimizer
    if kind is None or isinstance(kind, SGD | Momentum | Nesterov):
        return run.lr / (1 - getattr(kind, "beta", 0.0)) * norm**2 / 4
    return run.lr * math.sqrt(run.n_params) * norm / 4  # Σ|g_i| ≤ √d·|g|


def _mean(values):
    known = values[np.isfinite(values)]
    return known.mean() if known.size else np.float64(np.nan)  # whose overflow is infinite
