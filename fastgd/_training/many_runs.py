"""The arrays of many training runs over the same rows, and how they are advanced together: what `run` is to one."""

import time
from typing import Any

import numpy as np

from fastgd._registry import ModelKernels, kernels_for
from fastgd._runtime.pace import rows_at_once
from fastgd._simd import TILE
from fastgd._training.loop import write_history
from fastgd._training.many_loop import Lanes, Runs, sum_losses, train_side_by_side
from fastgd._training.position import (
    CONVERGED,
    DONE,
    EPOCH,
    FILLED,
    HISTORY,
    LOW,
    NONFINITE_PARAMS,
    ROWS,
    RUNNING,
    SKIPPED,
    STEP,
    STEPS,
    Limits,
)
from fastgd.verbs import eval_fitting, init_state, make_scratch

_MOST_LANES = 2 * TILE  # of a block: each element of X that is loaded serves so many runs
_HISTORY_ROWS = 1 << 8  # epochs in a chunk
_FIRST_WORK = 1 << 22  # rows times parameters times runs in the first chunk, of which nothing is known yet
_PART_NUMBERS = 1 << 22  # of X, times runs, that are gone through without looking for Ctrl-C
_NO_LIMIT = 1 << 62


class ManyRuns:
    """Runs under way that share their rows, the order of these, and all but rate, optimiser and parameters."""

    def __init__(self, model, optimizers, lrs, rule, data, plan, params, held_out, tol, patience):
        self.model, self.optimizers, self.rule = model, optimizers, rule
        self.data, self.plan, self.held_out = data, plan, held_out
        self.states = _stacked([init_state(*run) for run in zip(optimizers, params, strict=True)])
        numbers = np.array([_numbers(optimizer) for optimizer in optimizers]).reshape(len(lrs), -1)
        self.runs, self.lanes = _arrays(numbers, lrs, params)
        kernels = kernels_for("sweep: model", ModelKernels, model)
        if kernels.scratch_of_many is None:
            self.scratch = make_scratch(model, params[0])
        else:
            self.scratch = kernels.scratch_of_many.py_func(model, self.lanes.W[0])
        self.position = np.zeros_like(self.runs.at[:, 0])
        self._histories = [np.empty((len(lrs), 0, len(HISTORY)))]  # of the chunks
        self._chunk_rows = max(1, _FIRST_WORK // (len(lrs) * (self.runs.n_params + 32)))
        self._tol, self._patience = tol, patience
        self._best, self._waited = np.full(len(lrs), np.inf), np.zeros(len(lrs), np.int64)
        self._looked_at = 0  # epochs
        self._evaluation: Any = None if held_out is None else _arrays(numbers, lrs, params)
        self.best_validation = np.full(len(lrs), np.inf)
        self._best_params: np.ndarray | None = None

    @property
    def n_runs(self):
        """How many there are."""
        return self.runs.lrs.size

    @property
    def status(self):
        """A code of the loop's for each run."""
        return self.runs.status

    @property
    def epoch(self):
        """The number of completed epochs."""
        return int(self.position[EPOCH])

    @property
    def n_epochs(self):
        """The epochs that each run completed."""
        return self.runs.at[EPOCH, : self.n_runs].copy()

    @property
    def n_steps(self):
        """The steps that each run completed."""
        return self.runs.at[STEP, : self.n_runs].copy()

    def is_over(self, epochs):
        """Whether no run has anything left to do."""
        return self.epoch >= epochs or not (self.runs.status == RUNNING).any()

    def advance(self, seconds, epochs, interrupts):
        """Run one chunk of about so many seconds, and look at the epochs that are watched."""
        watched = self._tol is not None or self.held_out is not None
        if self._looked_at == self.epoch:  # else Ctrl-C came during validation
            self._train(seconds, self.epoch + 1 if watched else epochs)
        if watched and self.epoch > self._looked_at:
            self._look(interrupts)
        elif not watched:
            self._looked_at = self.epoch

    def _train(self, seconds, last_epoch):
        history = np.full((self.n_runs, min(_HISTORY_ROWS, last_epoch - self.epoch), len(HISTORY)), np.nan)
        started, rows_before = time.perf_counter(), self._rows_done()
        written = train_side_by_side(
            self.model, self.optimizers[0], self.rule, self.data, self.plan,
            Limits(self._chunk_rows, _NO_LIMIT, last_epoch), self.position, self.runs, self.states, self.lanes,
            self.scratch, history,
        )  # fmt: skip
        if written:
            self._histories.append(history[:, :written].copy())
        rows = self._rows_done() - rows_before
        self._chunk_rows = rows_at_once(self._chunk_rows, rows, time.perf_counter() - started, seconds)

    def _rows_done(self):
        return self.epoch * self.data.order.size + int(self.position[LOW] + self.position[DONE])

    def _look(self, interrupts):
        """Look at the losses of the epoch just completed, those of the rows held out if there are any."""
        running = self.runs.at[EPOCH, : self.n_runs] == self.epoch
        last = self._histories[-1][:, -1]
        losses = last[:, HISTORY.index("loss")]
        if self.held_out is not None:
            losses = self._validation_losses(interrupts)
            if losses is None:
                return
            last[running, HISTORY.index("val_loss")] = losses[running]
            best = running & (losses < self.best_validation)
            self.best_validation[best] = losses[best]
            evaluated = self._evaluation[0].params[: self.n_runs, : self.runs.n_params]
            if self._best_params is None:
                self._best_params = evaluated.copy()
            self._best_params[best] = evaluated[best]
        self._looked_at = self.epoch
        if self._tol is not None:
            fell = losses < self._best - self._tol
            self._best = np.where(fell, losses, self._best)
            self._waited = np.where(fell, 0, self._waited + np.isfinite(self._best))
            self.runs.status[running & (self.status == RUNNING) & (self._waited >= self._patience)] = CONVERGED

    def _validation_losses(self, interrupts):
        """The mean loss of each run over the rows held out, where its optimiser evaluates; None after Ctrl-C."""
        runs, lanes = self._evaluation
        runs.params[: self.n_runs, : runs.n_params] = self._evaluated()
        totals, total_weight = np.zeros(runs.sums.shape[1]), 0.0
        data, block = self.held_out, self.plan.block
        n_rows, part = data.order.size, max(1, _PART_NUMBERS // (block * data.X.shape[1] * self.n_runs)) * block
        for low in range(0, n_rows, part):
            if interrupts.requested:
                return None
            high = min(low + part, n_rows)
            total_weight += sum_losses(self.model, data, low, high, block, runs, lanes, self.scratch, totals)
        return totals[: self.n_runs] / total_weight

    def _evaluated(self):
        """The parameters of each run, or the averages that its optimiser keeps."""
        params = np.ascontiguousarray(self.runs.params[: self.n_runs, : self.runs.n_params])
        out = np.empty_like(params)
        for k, optimizer in enumerate(self.optimizers):
            if self.status[k] == NONFINITE_PARAMS:  # its state is of the step in which it broke down
                out[k] = params[k]
            else:
                eval_fitting(optimizer, _row(self.states, k), params[k], out[k])
        return out

    def params(self):
        """The parameters to return: with rows held out, those of the best epoch."""
        return self._evaluated() if self._best_params is None else self._best_params

    def history(self):
        """The history so far by run, epoch and column, the epoch under way included; NaN after a run's end."""
        at, sums = self.runs.at.copy(), self.runs.sums.copy()
        under_way = (at[STEPS] + at[SKIPPED] > 0)[: self.n_runs]
        history = np.full((self.n_runs, int((self.n_epochs + under_way).max()), len(HISTORY)), np.nan)
        completed = np.concatenate(self._histories, axis=1)[:, : history.shape[1]]
        history[:, : completed.shape[1]] = completed
        for k in np.flatnonzero(under_way):
            row = at[EPOCH, k]
            at[EPOCH, k] += 1
            write_history.py_func(at[:, k], sums[:, k], self.runs.lrs[k], history[k, row])
        return history


def _arrays(numbers, lrs, params):
    """Make the arrays of runs that begin at these parameters, and their views in blocks of lanes."""
    n, n_params, T = len(lrs), params.shape[1], params.dtype
    lanes = min(_MOST_LANES, -(-n // TILE) * TILE)
    blocks, rows = -(-n // lanes), -(-n_params // TILE) * TILE
    runs = Runs(
        numbers=numbers,
        lrs=np.array(lrs, np.float64),
        n_params=n_params,
        params=np.zeros((blocks * lanes, rows), T),
        grads=np.zeros((blocks * lanes, rows), T),
        status=np.full(n, RUNNING),
        at=np.zeros((FILLED + 1, blocks * lanes), np.int64),
        sums=np.zeros((ROWS, blocks * lanes)),
        lengths=np.zeros(blocks * lanes),
        usable=np.zeros(blocks * lanes),
        average=np.zeros(rows, T),
    )
    runs.params[:n, :n_params] = params
    W, G, previous = (np.zeros((blocks, rows, lanes), T) for _ in range(3))
    losses, squares, products = (np.zeros((blocks, lanes), T) for _ in range(3))
    by_block = (blocks, lanes, rows)
    return runs, Lanes(
        params=runs.params.reshape(by_block),
        grads=runs.grads.reshape(by_block),
        W=W,
        G=G,
        previous=previous,
        totals=np.zeros((blocks, rows, lanes)),
        losses=losses,
        squares=squares,
        products=products,
    )


def _numbers(fields):
    """The numbers of a tuple, nested ones included, in order."""
    return [float(x) for field in fields for x in (_numbers(field) if isinstance(field, tuple) else [field])]


def _stacked(states):
    """One state of arrays with a first axis over runs."""
    if isinstance(states[0], tuple):
        return _like(states[0], [_stacked(parts) for parts in zip(*states, strict=True)])
    return np.stack(states)


def _row(state, k):
    """The state of run k: views of the arrays of all."""
    return _like(state, [_row(part, k) for part in state]) if isinstance(state, tuple) else state[k]


def _like(state, parts):
    """A tuple of the same kind."""
    return type(state)(*parts) if hasattr(state, "_fields") else tuple(parts)
