"""The rules by which a run is judged from its record: a verdict, the evidence in numbers, and what to try."""

import math

import numpy as np

from fastgd._rates.signs import AGREE, FLAT, OSCILLATES, PROMISED, Signs, ended_above, is_dead, oscillates
from fastgd._rates.trends import LEFT, SHORT, STILL_FALLS
from fastgd.optimizers import Momentum, Nesterov

TOO_SMALL, JUST_RIGHT, OSCILLATING, DIVERGED, STUCK, NOISY, UNCLEAR = VERDICTS = (
    "too small",
    "just right",
    "too large: oscillating",
    "too large: diverged",
    "stuck",
    "noisy",
    "unclear",
)

# |g|² / loss is 2λ on a bowl. A sigmoid or tanh that saturates multiplies g by its derivative: here 0.03 or
# less.
_SATURATED = 1e-3
_BELOW_PEAK = 0.05  # of a peak's height: where the rest lies, which noise does not leave so far below its highest
_RAISED = 2  # times the loss before any step: an epoch's mean above it has been raised by the steps
_ONE_WAY = 0.9  # mean cosine, of full batches' gradients: a step of a curvature's length would have turned it
_LEAD_NOWHERE = 0.5  # mean cosine of successive gradients, which steps of some use would have turned
_SWINGS = 0.5  # the same, below which momentum swings to and fro: at any such rate that dies away by √β a step
_CLIMBING = 4  # rows, each above the one before: by chance once in 24 times
_RESTS = 0.1  # of the present loss: what it may still fall by in the last half of a record that is called flat there

_LARGER = ["a rate three to ten times as large"]
_SMALLER = ["half the rate, or less"]
_MUCH_SMALLER = ["a rate ten times smaller; or clip=ClipByNorm(1.0), or a warmup"]
_OFF_A_PLATEAU = ["smaller initial parameters and features scaled to variance 1; a loss that does not saturate"]
_ANEW = ["a rate ten times smaller, from new parameters", *_OFF_A_PLATEAU]


def judge(run):
    """Return the verdict on a `RunRecord`, sentences of evidence, advice, and how many rows it would need in all."""
    finite = np.isfinite(run.loss)
    if run.unit == "step" and run.diverged and run.n_steps == 0:
        return UNCLEAR, ["the value was not finite at the start, before any step"], ["another start"], None
    if run.diverged or not finite.any() or not finite[-1]:
        return _blown_up(run, finite)
    if not finite.all():  # epochs whose batches all were left out
        run.loss, run.norm, run.cosine = run.loss[finite], run.norm[finite], run.cosine[finite]
    signs = Signs(run)
    return next(judged for rule in _RULES if (judged := rule(run, signs)) is not None)


def _blown_up(run, finite):
    n = int(finite.sum())
    if n:
        said = f"the loss stopped being finite after {n} {run.unit}s; it began at {run.loss[finite][0]:.4g}"
    else:
        said = "no loss is finite: it diverged at once, unless data, start or objective hold NaN (then no rate helps)"
    return DIVERGED, [said], _MUCH_SMALLER, None


# The rules, in the order in which they are asked. Each takes the record and its signs, and returns what `judge` does,
# or None where it has nothing to say.


def _nothing_to_improve(run, signs):
    if run.unit == "epoch" and not run.loss.any():
        return JUST_RIGHT, ["the loss is 0 from the start: nothing is left to improve"], [], None
    return None


def _saturated_by_steps(run, signs):
    if is_dead(run):
        said = (
            f"the loss stays at {run.loss[-1]:.4g}, yet no batch has a gradient left: the mean norm of the last epoch "
            f"is {run.norm[-1]:.3g}; steps of this size have saturated it"
        )
        return STUCK, [said], _ANEW, None
    if run.true_norm and run.norm[-1] == 0 and ended_above(run, run.loss[-1], 0.0):
        said = f"{_above(run, run.loss[-1])}, and there no gradient is left: steps of this size have saturated it"
        return STUCK, [said], _ANEW, None
    return None


def _gradient_at_zero(run, signs):
    if not (run.at_zero or run.norm[-1] == 0 or (not run.true_norm and run.slope == 0)):
        return None
    nowhere = (run.n_steps <= 1 and run.loss.size == 1) or (run.true_norm and run.norm[0] == 0)
    if nowhere and abs(signs.first) > 1e-12:
        began = (
            f"the gradient was zero where the run began, at a loss of {signs.first:.4g}: a plateau, if not a minimum"
        )
        return STUCK, [began], _OFF_A_PLATEAU, None
    said = [f"the gradient reached zero: the loss went from {signs.first:.4g} to {run.loss[-1]:.4g} in {_length(run)}"]
    if signs.cosine < OSCILLATES:
        said.append(f"successive gradients pointed against each other (mean cosine {signs.cosine:.2f}): it overshot")
    return JUST_RIGHT, said, [], None


def _one_row(run, signs):
    if run.loss.size > 1:
        return None
    if signs.cosine < OSCILLATES and run.steps > 10:
        return OSCILLATING, [_overshot(signs.cosine)], _SMALLER, None
    return UNCLEAR, [f"there is one {run.unit} only, of loss {signs.first:.4g}: no trend"], [f"more {run.unit}s"], None


def _rises(run, signs):
    """Whether the last quarter lies above the third."""
    higher = signs.fourth.mean() > signs.third.mean() + signs.chance
    return higher or (run.loss.size < SHORT and signs.climbs and signs.lowest <= run.loss.size - _CLIMBING)


def _far_above(signs):
    return signs.last > signs.first + (1e3 if signs.alternates else 0.2) * abs(signs.first)


def _grows_without_end(run, signs):
    second, third, fourth = signs.second, signs.third, signs.fourth
    rises, alternates = _rises(run, signs), signs.alternates
    accelerates = fourth.mean() - third.mean() > third.mean() - second.mean() if second.size else True
    # Around a floor of noise above the start the loss rises too, but not on and on.
    explodes = fourth.mean() > 2 * (second.mean() if second.size else signs.first)
    by_itself = (alternates and signs.steadily) or (signs.climbs and math.isnan(signs.cosine))
    no_noise = explodes and (rises or signs.steadily or not signs.noise)
    if (rises and accelerates and by_itself) or (
        _far_above(signs) and (no_noise or (not signs.noise and not alternates))
    ):
        said = [f"the loss rose from {run.loss.min():.4g} to {run.loss[-1]:.4g} (it began at {signs.first:.4g})"]
        return DIVERGED, said + ([_overshot(signs.cosine)] if alternates else []), _MUCH_SMALLER, None
    return None


def _raised_by_steps(run, signs):
    highest, before = signs.highest, run.before
    had_fallen = run.unit == "epoch" and bool((run.loss[:highest] < before).any())
    if (signs.ended_high or had_fallen) and run.loss[highest] > _RAISED * run.uncertainty * before:
        said = (
            f"{_began(run)}; the mean of {run.unit} {highest + 1} is {run.loss[highest]:.4g}: steps raised it, and it "
            f"ended at {run.loss[-1]:.4g}"
        )
        above = signs.last > before
        return (DIVERGED, [said], _MUCH_SMALLER, None) if above else (OSCILLATING, [said], _SMALLER, None)
    if signs.ended_high and run.promised > PROMISED:
        said = (
            f"{_began(run)}; the slope promised that the first step would lower it by {run.promised * before:.3g}, "
            f"more than there is: it overshot, and the run ended at {run.loss[-1]:.4g}"
        )
        return OSCILLATING, [said], _MUCH_SMALLER, None
    return None


def _gradients_alternate(run, signs):
    if oscillates(run):
        return OSCILLATING, [_overshot(signs.cosine), _went(run, signs)], _SMALLER, None
    return None


def _leaps_past_the_low_point(run, signs):
    loss, highest = run.loss, signs.highest
    peak = loss[highest] - signs.first
    if run.unit == "step" and peak > signs.fall and loss[-2 * signs.q :].mean() - loss.min() < _BELOW_PEAK * peak:
        said = (
            f"the loss went from {signs.first:.4g} up to {loss[highest]:.4g} in {run.unit} {highest + 1} and ended at "
            f"{loss[-1]:.4g}: steps lead far past the low point"
        )
        return OSCILLATING, [said], _SMALLER, None
    return None


def _flat_from_the_start(run, signs):
    if abs(signs.fall) > FLAT * abs(signs.first) or signs.shrank:
        return None
    said = [f"the loss is flat from the start: {signs.first:.6g}, and {signs.last:.6g} at the end"]
    if signs.squared_norm < _SATURATED * abs(signs.first) or not signs.sees_norm:
        if signs.sees_norm:
            said.append(f"the gradient's norm is tiny beside it: {math.sqrt(signs.squared_norm):.3g}")
        return STUCK, said, _OFF_A_PLATEAU, None
    if not run.true_norm and run.n_steps > 0 and not signs.known_norms.any():
        said.append(f"no step has moved, where the gradient's norm is {run.slope:.3g}: they are lost in rounding")
        return TOO_SMALL, said, _LARGER, None
    if signs.cosine > _LEAD_NOWHERE:
        said.append(f"successive gradients agree (mean cosine {signs.cosine:.2f}): the steps lead nowhere yet")
        return TOO_SMALL, said, _LARGER, signs.needed
    return None


def _full_batch_goes_up_and_down(run, signs):
    varies = np.std(run.loss[-2 * signs.q :]) > FLAT * abs(signs.last)
    if run.true_norm and run.steps == 1 and signs.late < 0 and not signs.shrank and varies:
        said = [_overshot(signs.late), "the full batch has no noise, yet the loss goes up and down"]
        return OSCILLATING, said, _SMALLER, None
    return None


def _still_falls(run, signs):
    needed, unit, fall = signs.needed, run.unit, signs.fall
    arrived = needed is not None and needed <= run.loss.size
    if signs.at_rest or signs.raised or arrived or not signs.drop > STILL_FALLS * fall > 0:
        return None
    by_curve = "" if signs.drop == signs.seen_drop else "the curve closest to it falls "
    said = [
        f"the loss still falls: {by_curve}by {signs.drop:.3g} between the third and the last quarter, "
        f"{100 * signs.drop / fall:.0f} % of its fall from {signs.first:.4g} to {run.loss[-1]:.4g}"
    ]
    if isinstance(run.optimizer, Momentum | Nesterov) and run.steps == 1 and signs.cosine < _SWINGS:
        said.append(
            f"its steps swing to and fro (mean cosine of successive gradients {signs.cosine:.2f}): as momentum's do at "
            "any such rate, by √β less a step"
        )
        return JUST_RIGHT, said, [f"more {unit}s, or a smaller beta"], None
    if signs.cosine > AGREE:
        said.append(f"successive gradients agree: their mean cosine is {signs.cosine:.2f}")
    said.append(
        f"it would need about {needed:.0f} {unit}s in all, {needed - run.loss.size:.0f} more, to come within "
        f"{100 * LEFT:g} % of its fall"
        if needed is not None
        else f"no floor is in sight, so that the {unit}s that it would need cannot be told"
    )
    return TOO_SMALL, said, [*_LARGER, f"or more {unit}s"], needed


def _floor_of_noise(run, signs):
    if signs.noise and run.unit == "epoch" and run.steps == 1:
        said = "one step an epoch, of the full batch, has no noise: the rate makes the loss go up and down"
        return OSCILLATING, [*signs.noise[:1], said], _SMALLER, None
    if signs.noise and not (signs.steadily and _rises(run, signs)):
        return NOISY, signs.noise, ["a larger batch, or a smaller rate, or one that decays (CosineAnnealing)"], None
    return None


def _ended_above_its_start(run, signs):
    if not signs.raised:
        return None
    grows = _rises(run, signs) and signs.steadily and _far_above(signs)
    return DIVERGED if grows else OSCILLATING, [_above(run, signs.last)], _SMALLER, None


def _steps_became_short(run, signs):
    if run.true_norm and run.steps == 1 and signs.late > _ONE_WAY and not signs.shrank:
        said = (
            f"yet the gradient is nearly what it was at first ({signs.known_norms[-1]:.3g}, from "
            f"{signs.known_norms[0]:.3g}) and points one way (mean cosine {signs.late:.2f}): the steps have become too "
            "short"
        )
        return TOO_SMALL, [_went(run, signs), said], [*_LARGER, "a schedule that falls more slowly"], None
    return None


def _settled_or_too_short_to_tell(run, signs):
    loss, fall, short = run.loss, signs.fall, run.loss.size < SHORT
    later = loss[-max(2 * signs.q, loss.size // 2 + 1) :] if short else loss[-2 * signs.q :]
    half, went = float(later[0]) - loss[-1], _went(run, signs)
    if short and not signs.sees_norm and signs.seen_drop > STILL_FALLS * fall and (np.diff(later) < 0).all():
        said = (
            f"{went}, and fell in each of the last {later.size - 1}, by {half:.3g}: of so few {run.unit}s that may be "
            "chance"
        )
        return UNCLEAR, [said], [f"more {run.unit}s"], None
    if short and not signs.sees_norm and fall <= 0:
        return UNCLEAR, [f"{went}, and did not fall"], ["a smaller and a larger rate, to compare"], None
    # In so few rows what chance does looks like a fall or a rise: rather the number than a word.
    if short and 0 < STILL_FALLS * fall < -half:
        return JUST_RIGHT, [f"{went}, and rose by {-half:.3g} in the last half"], [], None
    if fall <= 0 or half <= (STILL_FALLS * fall if short else max(signs.chance, _RESTS * abs(signs.last))):
        return JUST_RIGHT, [f"{went}, and is flat in the last half"], [], None
    return JUST_RIGHT, [f"{went}, {100 * half / fall:.2g} % of it in the last half"], [], None


_RULES = (
    _nothing_to_improve,
    _saturated_by_steps,
    _gradient_at_zero,
    _one_row,
    _grows_without_end,
    _raised_by_steps,
    _gradients_alternate,
    _leaps_past_the_low_point,
    _flat_from_the_start,
    _full_batch_goes_up_and_down,
    _still_falls,
    _floor_of_noise,
    _ended_above_its_start,
    _steps_became_short,
    _settled_or_too_short_to_tell,
)


def _began(run):
    return f"before any step the loss was {run.before:.4g}"


def _above(run, last):
    above_all = last > run.before  # not where that is NaN
    began = f"{run.before:.4g} before any step" if above_all else f"{run.loss[0]:.4g} in the first {run.unit}"
    return f"the loss ended above where it began: at {last:.4g}, from {began}"


def _overshot(cosine):
    return f"successive gradients point against each other: their mean cosine is {cosine:.2f}; each step overshoots"


def _went(run, signs):
    return f"the loss went from {signs.first:.4g} to {signs.last:.4g} in {_length(run)}"


def _length(run):
    n = run.loss.size if run.true_norm else run.n_steps  # a path has the start beside its steps
    return f"{n} {run.unit}{'' if n == 1 else 's'}"
