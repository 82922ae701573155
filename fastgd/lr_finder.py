"""`lr_find`: one short run over rising learning rates, and the rates that its losses speak for."""

import inspect
import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fastgd import _check
from fastgd._calls.states import require_like
from fastgd._descent.loop import NONFINITE
from fastgd._descent.run import DescentRun
from fastgd._descent.setup import checked_rules, no_box, starting_array
from fastgd._rates.lr_suggestions import FEWEST, METHODS, smooth, suggest
from fastgd._registry import ModelKernels, ObjectiveKernels, is_registered, kernels_for
from fastgd._runtime.interrupt import Interrupts
from fastgd._runtime.pace import seconds_at_once
from fastgd._training.position import RUNNING
from fastgd._training.run import Run, flat
from fastgd._training.setup import MOST, initial_params
from fastgd._training.setup import prepare as prepare_training
from fastgd._types import Function, Objective, Rule
from fastgd.objectives import checked_args
from fastgd.objectives import prepare as prepare_objective
from fastgd.optimizers import Adam

_UNWATCHED = 0.1  # of the steps, at the beginning

_more_than_one = _check.Range("a finite number, larger than 1", lambda v: 1 < v < np.inf)


@dataclass(frozen=True, repr=False, eq=False)
class LRFindResult:
    """The result of `lr_find`: a loss for each rate that was tried.

    Attributes
    ----------
    lrs : ndarray of shape (m,)
        The rates, rising.
    losses : ndarray of shape (m,)
        Beside each rate the mean loss of the batch whose step took that rate, as it was before this step. (NaN where
        all weights of the batch were 0.) Of several runs the mean.
    smoothed : ndarray of shape (m,)
        The losses smoothed and bias-corrected; of several runs the mean of their smoothed losses.
    lower, upper : ndarray of shape (m,)
        The smallest and the largest smoothed loss over the runs; equal to `smoothed` for one.
    status : str
        "completed", "exploded" (the smoothed loss exceeded `stop_factor` times its best), "nonfinite" or
        "interrupted".
    message : str
        The same in a sentence.
    optimizer : NamedTuple
        The optimiser; a rate means nothing without it.
    beta : float
        Of the smoothing.
    num_steps : int
        How many rates were to be tried.
    sampled : bool
        Whether the losses are of batches that change from step to step, and noisy for that.
    """

    lrs: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    status: str
    message: str
    optimizer: Any
    beta: float
    num_steps: int
    sampled: bool

    def suggestion(self, method="valley"):
        """Suggest a learning rate.

        A fall of the loss must go beyond what its noise from batch to batch explains, or no rate is suggested. The
        rules then look at the losses after a running median of five, smoothed like `smoothed`, so that one wild batch
        does not count, and only at where they fall to their lowest point: of a run that exploded, before the losses
        began to rise for good; of one that did not, where the losses before smoothing first are as low as they get,
        since their average goes on falling after that.

        Parameters
        ----------
        method : {"valley", "steepest", "minimum", "slide"}
            "steepest": where the slope against the logarithm of the rate is steepest. "minimum": a tenth of the rate of
            least loss. "valley": the middle, in the logarithm, of the last points of the fall, as many as the longest
            decreasing subsequence has, without the first tenth of its depth. "slide": an interval of 15 % of the points
            slides from the lowest point to smaller rates until the slopes at both of its ends are alike and it falls;
            its lower end is the rate. ("steepest" and "slide" look from where the losses have come halfway down for
            good: before that the average wavers.)

        Returns
        -------
        Suggestion
            A NamedTuple with `lr`, the rate or None, and `reason`: what the rate stands on, or why there is none
            ("flat", "never fell", "diverged at once", "too few points", "still falling": where the run ended, by the
            largest rate or by Ctrl-C, before the fall was at its steepest; "fell faster and faster", to infinity).

        Notes
        -----
        Like fastai's rules of these names, with departures: slopes take account of the logarithmic spacing; thresholds
        are relative to the fall, whatever the units of the loss. "valley" was ESRI's rule (in the ArcGIS API for
        Python), "slide" is Chang's (2019).

        Examples
        --------
        >>> import fastgd
        >>> found = fastgd.lr_find(fastgd.problems.Booth(), [0.0, 0.0], optimizer=fastgd.SGD())
        >>> found.suggestion("minimum").lr < 2 / 18  # the largest stable rate: 2 over the largest curvature
        True
        >>> fastgd.lr_find(fastgd.problems.Booth(), [1.0, 3.0], optimizer=fastgd.SGD()).suggestion()
        Suggestion(lr=None, reason='flat: the loss stayed near 0 at all rates up to 10')
        """
        _check.choice("suggestion", "method", method, METHODS)
        return suggest(
            method, self.lrs, self.losses, self.beta, self.num_steps, self.status, self.optimizer, self.sampled
        )

    def __repr__(self):
        rates = f"{self.lrs[0]:.3g} to {self.lrs[-1]:.3g}" if self.lrs.size else "none"
        return f"LRFindResult(status={self.status!r}, lrs={rates}, optimizer={self.optimizer})"


class _Record(NamedTuple):
    """What one run recorded."""

    losses: np.ndarray
    smoothed: np.ndarray
    status: str


class _Rise(NamedTuple):
    """The rates of a run, and how its losses are watched."""

    lrs: np.ndarray
    beta: float
    stop_factor: float

    def record(self, losses, status):
        """Smooth the losses met so far, and end them where the smoothed loss is too large."""
        smoothed = np.empty(losses.size)
        n, exploded = smooth(losses, self.beta, self.stop_factor, int(_UNWATCHED * self.lrs.size), smoothed)
        return _Record(losses[:n].copy(), smoothed[:n], "exploded" if exploded else status)


def lr_find(
    model: Objective,
    X: ArrayLike,
    y: ArrayLike | None = None,
    *,
    optimizer: Rule = Adam(),
    start: float = 1e-7,
    end: float = 10.0,
    num_steps: int = 100,
    batch_size: int | None = 64,
    beta: float = 0.98,
    stop_factor: float = 4.0,
    order: str = "shuffled",
    seed: int = 0,
    clip: Rule | None = None,
    sample_weight: ArrayLike | None = None,
    params: ArrayLike | None = None,
    state: Any = None,
    repeats: int = 1,
    args: tuple[Any, ...] = (),
    jac: Function | bool | str | None = None,
    compile: bool = True,
) -> LRFindResult:
    """Find a learning rate: let it rise exponentially over the steps of one short run, and see where the loss falls.

    The steps are those of `fit` on mini-batches, or of `minimize` on an objective. The loss l of each is smoothed and
    bias-corrected, s ← βs + (1 - β)l and s / (1 - β^k); the run is over where that exceeds `stop_factor` times its best
    (the first tenth of the steps, whose averages are of few batches, is not looked at), or is not finite.

    Parameters
    ----------
    model : NamedTuple or callable
        A registered model, such as `Neuron`; or an objective, in one of the forms that `minimize` takes.
    X : array_like of shape (n, n_features), or (n,)
        A model's rows; or the point at which an objective's run begins. Not modified, nor is anything else.
    y : array_like of shape (n,) or (n, n_outputs), optional
        A model's targets.
    optimizer : NamedTuple
        A registered optimiser.
    start, end : float
        The smallest and the largest rate.
    num_steps : int
        How many rates are tried, at least 10, evenly spaced in the logarithm: a step each.
    beta : float
        Of the smoothing, from 0 (none) to below 1.
    stop_factor : float
        Larger than 1. (A best loss below 0 may rise by as much as one above it.)
    batch_size, order, seed, clip, sample_weight
        As `fit` takes them; with a model only, as is `params`.
    params : array_like of shape (n_params,), optional
        Where a model's run begins; by default at its own beginning for the seed.
    state : NamedTuple of ndarray, optional
        The state of the optimiser to begin with, such as that of a `FitResult`.
    repeats : int
        Runs of a model with the seeds seed, seed + 1, ...; their losses are averaged, over the rates that all of them
        reached.
    args, jac, compile
        As `minimize` takes them; with an objective only.

    Returns
    -------
    LRFindResult
        `lrs`, `losses`, `smoothed`, `lower`, `upper`, `status`, `message`, and ``suggestion(method)``.

    Raises
    ------
    ValueError, TypeError
        For arguments that do not fit, before anything is computed; the message names the argument.

    Notes
    -----
    Ctrl-C ends the run within 0.1 s with what was recorded and status "interrupted" (of several runs, with those that
    were complete); a second one within a second raises KeyboardInterrupt. A divergence is part of the plan, and no
    warning.

    References
    ----------
    Smith, "Cyclical Learning Rates for Training Neural Networks" (2017), section 3.3; the exponential rise, the
    smoothing and the end at 4 times the best are Gugger's, "How Do You Find A Good Learning Rate" (2018).

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> X = np.random.default_rng(0).normal(size=(500, 4))
    >>> y = X[:, 0] - 2 * X[:, 1]
    >>> neuron = fastgd.Neuron(4, "identity")
    >>> found = fastgd.lr_find(neuron, X, y, optimizer=fastgd.SGD())
    >>> lr, reason = found.suggestion()
    >>> fastgd.fit(neuron, X, y, optimizer=fastgd.SGD(), lr=lr).loss < 1e-6
    True
    """
    owner = "lr_find"
    start = _check.number(owner, "start", start, _check.positive)
    end = _check.number(owner, "end", end, _check.positive)
    if start >= end:
        raise ValueError(f"{owner}: start must be smaller than end, {end:g}, got {start:g}")
    num_steps = _check.integer(owner, "num_steps", num_steps, least=FEWEST)
    beta = _check.number(owner, "beta", beta, _check.unit_interval)
    stop_factor = _check.number(owner, "stop_factor", stop_factor, _more_than_one)
    repeats = _check.integer(owner, "repeats", repeats, least=1)
    compile = _check.boolean(owner, "compile", compile)
    rise = _Rise(_evenly_in_logarithm(start, end, num_steps), beta, stop_factor)

    if isinstance(model, type) and hasattr(model, "_fields"):
        kernels_for(f"{owner}: model", (ModelKernels, ObjectiveKernels), model)  # which says what to write

    with Interrupts() as interrupts:
        if is_registered(model, ModelKernels):
            if y is None:
                raise TypeError(f"{owner}: y must be given with a model, got None")
            if args != () or jac is not None or not compile:
                raise TypeError(f"{owner}: args, jac and compile go with an objective, got the model {model}")
            setup = prepare_training(
                owner, interrupts, model, X, y, optimizer=optimizer, batch_size=batch_size, order=order, seed=seed,
                clip=clip, sample_weight=sample_weight, params=params,
            )  # fmt: skip
            sampled = setup.plan.batch_size < setup.data.order.size
            records: list[_Record] = []
            while len(records) < repeats and not (records and interrupts.requested):
                run = _run_of_model(owner, model, optimizer, setup, len(records), params, state, rise)
                records.append(_train(run, rise, interrupts))
        else:
            given = {
                "y": y, "batch_size": batch_size, "order": order, "seed": seed, "clip": clip,
                "sample_weight": sample_weight, "params": params,
            }  # fmt: skip
            defaults = inspect.signature(lr_find).parameters
            for name, value in given.items():
                if value is not defaults[name].default:
                    raise TypeError(f"{owner}: {name} goes with a registered model, got {type(model).__name__}")
            if repeats > 1:
                raise ValueError(
                    f"{owner}: repeats must be 1 for an objective, whose runs are all alike, got {repeats}"
                )
            sampled = False
            run = _run_of_objective(owner, model, X, optimizer, args, jac, compile, state, rise)
            records = [_descend(run, rise, interrupts)]

    return _mean_of(records, rise, repeats, optimizer, sampled)


def _evenly_in_logarithm(start, end, n):
    """The rates, as numpy.geomspace gives them in four times the time."""
    low, high = math.log(start), math.log(end)
    lrs = np.exp(low + np.arange(n) * ((high - low) / (n - 1)))
    lrs[0], lrs[-1] = start, end
    return lrs


def _run_of_model(owner, model, optimizer, setup, repeat, params, state, rise):
    """The run of a model number `repeat`, of the plan's seed + repeat."""
    plan, first = setup.plan, setup.params
    if repeat > 0:
        plan = plan._replace(seed=(plan.seed + repeat) % (MOST + 1))
        first = initial_params(owner, model, params, plan.seed, first.dtype)
    run = Run(model, optimizer, setup.rule, rise.lrs, setup.data, plan, first, recorded_steps=rise.lrs.size)
    _begin_with(owner, run.state, state)
    return run


def _train(run, rise, interrupts):
    """Run chunk after chunk until all rates are tried, or the loss has exploded."""
    record = _Record(np.empty(0), np.empty(0), "interrupted")
    while record.status == "interrupted" and not interrupts.requested:
        outcome = run.advance(seconds_at_once(), MOST)
        status = "completed" if run.step == rise.lrs.size else "interrupted"
        record = rise.record(run.losses, status if outcome == RUNNING else "nonfinite")
    return record


def _run_of_objective(owner, fun, x0, optimizer, args, jac, compile, state, rise):
    x = starting_array(owner, "X, where the objective's run begins,", x0, 1).copy()
    _, rules = checked_rules(owner, optimizer, 0.0, rise.lrs.size - 1, 0, 0, 0)
    args = checked_args(owner, args, compile)
    objective = prepare_objective(owner, fun, jac, args, x, compile, start="X")
    rules, box = rules._replace(gtol=-1.0), no_box(x)  # a gradient of 0 does not end it
    run = DescentRun(objective, args, optimizer, rise.lrs, rules, box, x, True)
    _begin_with(owner, run.state, state)
    return run


def _descend(run, rise, interrupts):
    """The same for an objective."""

    def stop_where_it_exploded(progress):
        if rise.record(run.path()[1], "interrupted").status == "exploded":
            raise StopIteration

    status = run.until_over(interrupts, stop_where_it_exploded)
    values = run.path()[1]
    if status == NONFINITE:  # the last one, or its gradient
        return rise.record(values[:-1], "nonfinite")
    return rise.record(values, "completed" if values.size == rise.lrs.size else "interrupted")


def _begin_with(owner, own, given):
    """Copy the numbers of a state that was handed in."""
    if given is None:
        return
    require_like(owner, given, own, "state", read_only=True)
    for array, value in zip(flat(own), flat(given), strict=True):
        array[...] = value


def _mean_of(records, rise, repeats, optimizer, sampled):
    """The result of several runs, over the rates that all of them reached."""
    finished = [record for record in records if record.status != "interrupted"]
    kept = finished or records
    first = min(kept, key=lambda record: record.losses.size)
    status = first.status if len(finished) == repeats else "interrupted"
    n, n_rates = first.losses.size, rise.lrs.size
    where = f"after {n} of {n_rates} rates"
    if status == "completed":
        words = f"all {n_rates} rates were tried, up to {rise.lrs[-1]:.3g}"
    elif status == "exploded":
        words = f"the smoothed loss exceeded {rise.stop_factor:g} times its best at {rise.lrs[n - 1]:.3g}, {where}"
    elif status == "nonfinite":
        words = f"the loss, a gradient or a parameter was not finite {where}"
    else:
        words = f"interrupted {where}"
    if repeats > 1:
        words += f"; the mean of {len(kept)} of {repeats} runs"
    losses, smoothed = first.losses, first.smoothed
    lower = upper = smoothed
    if len(kept) > 1:
        losses = _mean([record.losses[:n] for record in kept])
        averages = [record.smoothed[:n] for record in kept]
        smoothed, lower, upper = _mean(averages), np.fmin.reduce(averages), np.fmax.reduce(averages)
    return LRFindResult(
        lrs=rise.lrs[:n],
        losses=losses,
        smoothed=smoothed,
        lower=lower,
        upper=upper,
        status=status,
        message=words,
        optimizer=optimizer,
        beta=rise.beta,
        num_steps=n_rates,
        sampled=sampled,
    )


def _mean(rows):
    """The mean over rows, of those that are not NaN."""
    with np.errstate(invalid="ignore"):
        return np.nansum(rows, axis=0) / (~np.isnan(rows)).sum(axis=0)
