"""`sweep`: many learning rates, settings and seeds trained at once, on one pass over the data."""

import functools
import itertools
import math
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastgd import _check
from fastgd._calls.states import field_names
from fastgd._registry import OptimizerKernels, kernels_for
from fastgd._runtime.interrupt import Interrupts
from fastgd._runtime.pace import seconds_at_once
from fastgd._runtime.progress import bar
from fastgd._runtime.threads import run_all
from fastgd._simd import TILE
from fastgd._training.many_runs import ManyRuns
from fastgd._training.position import CONVERGED, HISTORY, RUNNING
from fastgd._training.run import flat
from fastgd._training.setup import MOST, checked_ends, initial_params, prepare
from fastgd._types import Rule
from fastgd.batches import SEQUENTIAL
from fastgd.optimizers import Adam
from fastgd.verbs import init_state

_EXPLODED = 1e3  # times what the loss began with


@dataclass(frozen=True, repr=False, eq=False)
class SweepResult:
    """The result of `sweep`. The first axis of every array is over the runs: the rates, where nothing else varies.

    Attributes
    ----------
    lrs : ndarray of shape (n_runs,)
        The learning rate of each run.
    params : ndarray of shape (n_runs, n_params)
        The trained parameters: the last ones (the last finite ones of a run that diverged), or the average that the
        optimiser keeps, or with validation those of the best epoch.
    loss : ndarray of shape (n_runs,)
        The mean training loss over the last epoch (of a run that diverged, over what it did of it; NaN where it did
        not get so far as one step).
    history : dict of ndarray of shape (n_runs, n_epochs)
        What `FitResult.history` has, NaN after the end of a run: `step`, `epoch`, `loss`, `grad_norm`, `grad_cosine`,
        `lr`, `val_loss`, `clipped`, `skipped`.
    status : ndarray of str, shape (n_runs,)
        "max_epochs", "converged", "diverged", "max_seconds" or "interrupted".
    n_epochs, n_steps : ndarray of int, shape (n_runs,)
        Completed ones: of a run that diverged, when it did.
    seeds : ndarray of int, shape (n_runs,)
        The seed of each run.
    optimizers : tuple
        The optimiser of each run.
    best : int or None
        The run of least loss, on validation rows if there are any, among those that neither diverged nor exploded.
    model : NamedTuple
        The model.
    seconds : float
        What the call took.
    """

    lrs: np.ndarray
    params: np.ndarray
    loss: np.ndarray
    history: dict[str, np.ndarray]
    status: np.ndarray
    n_epochs: np.ndarray
    n_steps: np.ndarray
    seeds: np.ndarray
    optimizers: tuple
    best: int | None
    model: Any
    seconds: float

    @property
    def best_lr(self):
        """The rate of the best run; None where there is none."""
        return None if self.best is None else float(self.lrs[self.best])

    @property
    def exploded(self):
        """Which runs blew up, though their numbers stayed finite: the loss ended a thousand times what it began with.

        That is the first epoch's of the smallest rate, which hardly moves, or their own if that is less: of a single
        rate and epoch nothing can be told.
        """
        return _exploded(self.lrs, self.history["loss"], self.loss) & (self.status != "diverged")

    @property
    def message(self):
        """What came out, in a sentence."""
        lost, exploded = self.status == "diverged", self.exploded
        diverged = f"{lost.sum() or 'none'} of {self.lrs.size} runs diverged{self._rates_of(lost)}"
        if exploded.any():
            diverged += f"; {exploded.sum()} ended at a thousand times the loss that it began with"
            diverged += self._rates_of(exploded)
        skipped = ~lost & np.isnan(self.loss) & (self.n_steps > 0)
        if skipped.any():
            diverged += f"; {skipped.sum()} skipped every batch of the last epoch{self._rates_of(skipped)}"
        if self.best is None and (lost | exploded).any():
            return f"{diverged}: try smaller rates"
        if self.best is None:
            return "no run has a finite loss" if self.n_steps.any() else "no step was taken"
        with_what = "" if len(set(self.optimizers)) == 1 else f" with {self.optimizers[self.best]}"
        loss = f"loss {self.loss[self.best]:.4g}"
        val_loss = self.history["val_loss"][self.best]
        if np.isfinite(val_loss).any():
            loss = f"validation loss {np.nanmin(val_loss):.4g} (training {loss})"
        return f"the best rate is {self.best_lr:.3g}{with_what}, {loss}; {diverged}"

    def _rates_of(self, runs):
        """Say at which rates some runs were."""
        if not runs.any():
            return ""
        low, high = self.lrs[runs].min(), self.lrs[runs].max()
        if runs[self.lrs >= low].all():
            return f", from a rate of {low:.3g} up"
        return f", at a rate of {low:.3g}" if low == high else f", at rates from {low:.3g} to {high:.3g}"

    def __repr__(self):
        return f"SweepResult({self.message}; {self.seconds:.3g} s, model={self.model})"


def sweep(
    model: Rule,
    X: ArrayLike,
    y: ArrayLike,
    *,
    lrs: ArrayLike,
    optimizer: Rule = Adam(),
    grid: Mapping[str, Iterable[Any]] | None = None,
    seeds: ArrayLike | None = None,
    batch_size: int | None = 64,
    epochs: int = 10,
    order: str = "shuffled",
    seed: int = 0,
    clip: Rule | None = None,
    on_nonfinite: str = "stop",
    sample_weight: ArrayLike | None = None,
    validation: float | tuple[ArrayLike, ...] | None = None,
    tol: float | None = None,
    patience: int = 5,
    gtol: float | None = None,
    max_seconds: float | None = None,
    params: ArrayLike | None = None,
    progress: bool = False,
    threads: int = 1,
) -> SweepResult:
    """Train a model with many learning rates at once, on one pass over the data.

    Each run has the result that `fit` gives with its rate, to rounding: the same initial parameters, the same rows in
    the same order. A row is loaded once and serves all runs, which lie side by side in vector lanes if the model has
    kernels for that, as `Neuron` has (of any other, the runs take turns at each batch while it is in the cache).

    Parameters
    ----------
    model, X, y
        As `fit` takes them.
    lrs : array_like of shape (n,)
        The learning rates, positive, such as ``numpy.geomspace(1e-4, 1, 32)``. Multiples of 16 leave no lane idle.
    optimizer : NamedTuple
        A registered optimiser.
    grid : dict, optional
        Values of the optimiser's fields to try, by name: ``{"beta": [0.8, 0.9], "weight_decay": [0, 1e-3]}``. Every
        combination of these is run with every rate. Optimisers to try within a wrapper must be of one type.
    seeds : array_like of int, optional
        Seeds to try, each with everything else. Where rows are shuffled or held out, runs of different seeds take
        different rows, and share a pass only with those of their own.
    batch_size, epochs, order, seed, clip, sample_weight, validation, tol, patience, gtol, max_seconds, params
        As `fit` takes them; what ends a run ends it alone. `seed` is that of all runs where there are no `seeds`.
    on_nonfinite : {"stop", "skip"}
        What a run does where its loss or gradient is not finite: end as diverged, or leave out the batch and count it.
    progress : bool
        Show a progress bar.
    threads : int
        At most so many threads, which deal the runs out. The result has the same bits for any number.

    Returns
    -------
    SweepResult
        Loss curves, parameters and status of each run, and the best rate. Runs are in the order of seeds, then the
        grid's fields, then rates, the last changing fastest.

    Raises
    ------
    ValueError, TypeError
        For arguments that do not fit, before anything is computed; the message names the argument.

    Notes
    -----
    Ctrl-C ends all runs with what they reached and status "interrupted", as in `fit`. A schedule, a `callback` and
    `resume` are for one run, and are left to `fit`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> y = 2 * X[:, 0] - X[:, 1] + 0.5
    >>> result = fastgd.sweep(fastgd.Neuron(2, "identity"), X, y, lrs=[1e-3, 0.1, 1e10], optimizer=fastgd.SGD())
    >>> result.status
    array(['max_epochs', 'max_epochs', 'diverged'], dtype='<U11')
    >>> result.best_lr
    0.1
    """
    started = time.perf_counter()
    kernels_for("sweep: optimizer", OptimizerKernels, optimizer)
    lrs = _rates(lrs)
    optimizers = _combinations(optimizer, grid)
    for each in optimizers:
        _require_exact(each)
    seed = _check.integer("sweep", "seed", seed, least=0, most=MOST)
    seeds = [seed] if seeds is None else _seeds(seeds)
    epochs, threads, patience, tol, max_seconds = checked_ends("sweep", epochs, threads, patience, tol, max_seconds)
    _check.choice("sweep", "on_nonfinite", on_nonfinite, ("stop", "skip"))
    progress = _check.boolean("sweep", "progress", progress)
    table = list(itertools.product(seeds, optimizers, lrs))

    with Interrupts() as interrupts:

        def setup_for(seed, X, y):
            return prepare(
                "sweep", interrupts, model, X, y, optimizer=optimizer, batch_size=batch_size, order=order, seed=seed,
                clip=clip, on_nonfinite=on_nonfinite, sample_weight=sample_weight, validation=validation, gtol=gtol,
                params=params,
            )  # fmt: skip

        setups = {seeds[0]: setup_for(seeds[0], X, y)}
        first = setups[seeds[0]]
        one_pass = first.plan.order == SEQUENTIAL and first.data.pool.size == 0
        for other in seeds[1:]:
            setups[other] = first if one_pass else setup_for(other, first.data.X, first.data.y)
        beginnings = {s: initial_params("sweep", model, params, s, first.params.dtype) for s in seeds}
        parts = []
        for chosen in _groups(table, beginnings, one_pass, threads):
            seed_of_part = table[chosen[0]][0]
            setup = setups[seed_of_part]
            data = setup.data._replace(order=setup.data.order.copy())
            runs = ManyRuns(
                model,
                [table[i][1] for i in chosen],
                [table[i][2] for i in chosen],
                setup.rule,
                data,
                setup.plan,
                np.array([beginnings[table[i][0]] for i in chosen]),
                setup.held_out,
                tol,
                patience,
            )
            parts.append((chosen, runs))
        with bar(progress, epochs * len(parts), "epoch") as shown:
            deadline = started + max_seconds
            for k in range(0, len(parts), threads):
                _run_until_over([runs for _, runs in parts[k : k + threads]], epochs, deadline, interrupts, shown)

    ended_early = "interrupted" if interrupts.requested else "max_seconds"
    return _result(model, table, parts, epochs, ended_early, started)


def _run_until_over(parts, epochs, deadline, interrupts, shown):
    """Advance parts side by side, chunk after chunk."""
    while not interrupts.requested and time.perf_counter() < deadline:
        going = [runs for runs in parts if not runs.is_over(epochs)]
        if not going:
            break
        before = sum(runs.epoch for runs in parts)
        seconds = seconds_at_once(deadline)
        run_all([functools.partial(runs.advance, seconds, epochs, interrupts) for runs in going])
        if shown is not None:
            shown.update(sum(runs.epoch for runs in parts) - before)


def _groups(table, beginnings, one_pass, threads):
    """The runs, by number, that go together: over the same rows, with states of one shape, dealt to the threads."""
    together: dict[tuple, list] = {}
    for i, (seed, optimizer, _) in enumerate(table):
        shapes = tuple(array.shape for array in flat(init_state(optimizer, beginnings[seed])))
        together.setdefault((None if one_pass else seed, shapes), []).append(i)
    for chosen in together.values():
        share = -(-len(chosen) // threads)
        share = -(-share // TILE) * TILE  # whole vectors
        for low in range(0, len(chosen), share):
            yield chosen[low : low + share]


def _result(model, table, parts, epochs, ended_early, started):
    n_runs = len(table)
    n_epochs, n_steps, status = np.zeros(n_runs, np.int64), np.zeros(n_runs, np.int64), np.empty(n_runs, "<U11")
    histories = [runs.history() for _, runs in parts]
    history = np.full((n_runs, max(h.shape[1] for h in histories), len(HISTORY)), np.nan)
    params = np.empty((n_runs, parts[0][1].runs.n_params), parts[0][1].runs.params.dtype)
    val_loss = np.full(n_runs, np.nan)
    for (chosen, runs), rows in zip(parts, histories, strict=True):
        history[chosen, : rows.shape[1]] = rows
        params[chosen], val_loss[chosen] = runs.params(), runs.best_validation
        n_epochs[chosen], n_steps[chosen] = runs.n_epochs, runs.n_steps
        for i, code, done in zip(chosen, runs.status, runs.n_epochs, strict=True):
            going = "max_epochs" if done >= epochs else ended_early
            status[i] = {RUNNING: going, CONVERGED: "converged"}.get(code, "diverged")
    losses = history[:, :, HISTORY.index("loss")]
    epochs_done = ~np.isnan(history[:, :, HISTORY.index("epoch")])  # fewer, of runs that ended early
    loss = np.array([row[done][-1] if done.any() else math.nan for row, done in zip(losses, epochs_done, strict=True)])
    judged = np.where(np.isfinite(val_loss), val_loss, loss)
    lrs = np.array([lr for _, _, lr in table])
    judged[(status == "diverged") | _exploded(lrs, losses, loss) | ~np.isfinite(judged)] = np.inf
    best = int(np.argmin(judged))
    return SweepResult(
        lrs=lrs,
        params=params,
        loss=loss,
        history={name: history[:, :, i].copy() for i, name in enumerate(HISTORY)},
        status=status,
        n_epochs=n_epochs,
        n_steps=n_steps,
        seeds=np.array([seed for seed, _, _ in table]),
        optimizers=tuple(optimizer for _, optimizer, _ in table),
        best=best if math.isfinite(judged[best]) else None,
        model=model,
        seconds=time.perf_counter() - started,
    )


def _exploded(lrs, losses, loss):
    """Which runs ended far above where they began, by their losses after each epoch, and after the last."""
    if not losses.size:
        return np.zeros(lrs.size, bool)
    began = np.fmin(losses[:, 0], losses[np.argmin(lrs), 0])
    return (began > 0) & (loss > _EXPLODED * began)


def _rates(lrs):
    for given in [lrs, *lrs] if isinstance(lrs, list | tuple) else [lrs]:
        if hasattr(given, "_fields"):  # a named tuple of numbers would be taken for rates
            raise TypeError(f"sweep: lrs must be numbers, a constant rate for each run, got {given!r}")
    lrs = _check.array("sweep", "lrs", lrs, 1, np.dtype(np.float64))
    if lrs.size == 0:
        raise ValueError("sweep: lrs must have at least one rate, got none")
    bad = lrs[~((lrs > 0) & (lrs < np.inf))]
    if bad.size:
        raise ValueError(f"sweep: lrs must be positive and finite, got {bad[0]}")
    return [float(lr) for lr in lrs]


def _seeds(seeds):
    if np.ndim(seeds) == 0:
        raise TypeError(f"sweep: seeds must be a sequence of integers, got {seeds!r}; one for all runs is seed=")
    seeds = [_check.integer("sweep", "seeds", seed, least=0, most=MOST) for seed in np.atleast_1d(seeds).tolist()]
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"sweep: seeds must be one or more different integers, got {seeds}")
    return seeds


def _require_exact(optimizer, name="optimizer"):
    """Raise where a field of an optimiser is no float64, in which the lanes are given theirs."""
    for field, value in zip(field_names(optimizer, name), optimizer, strict=True):
        if isinstance(value, tuple):
            _require_exact(value, field)
        elif isinstance(value, int) and int(float(value)) != value:
            raise ValueError(f"sweep: {field} must be an integer that float64 holds, got {value}")


def _combinations(optimizer, grid):
    """The optimiser with every combination of the grid's values."""
    if grid is None:
        return [optimizer]
    if not isinstance(grid, dict):
        raise TypeError(f"sweep: grid must be a dictionary of fields and their values, got {type(grid).__name__}")
    for name, values in grid.items():
        if name not in optimizer._fields:
            fields = ", ".join(optimizer._fields) or "none"
            raise ValueError(f"sweep: grid names {name!r}; the fields of {type(optimizer).__name__} are {fields}")
        listed = isinstance(values, Collection) and getattr(values, "ndim", 1) == 1
        if not listed or isinstance(values, str | dict | set) or hasattr(values, "_fields") or len(values) == 0:
            raise ValueError(f"sweep: grid[{name!r}] must be a sequence of one or more values, got {values!r}")
    changes = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    optimizers = [optimizer._replace(**change) for change in changes]
    for other in optimizers[1:]:
        if _kind(other) != _kind(optimizers[0]):
            raise TypeError(
                f"sweep: grid must leave the optimizers within {type(optimizer).__name__} of one type, "
                f"got {optimizers[0]} and {other}"
            )
    return optimizers


def _kind(thing):
    """The type of a thing, and of what is within: numbers of one type all."""
    return (type(thing), *map(_kind, thing)) if isinstance(thing, tuple) else None
