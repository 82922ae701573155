"""The arrays of one training run, and how it is advanced: by chunks, on one thread or several, undone if need be."""

import math
import time
from typing import Any, NamedTuple

import numpy as np

from fastgd._arrays.row_totals import SINGLE_ROWS
from fastgd._runtime.pace import rows_at_once
from fastgd._runtime.threads import run_all
from fastgd._training.loop import train, write_history
from fastgd._training.position import (
    BATCH_LOSS,
    BATCH_WEIGHT,
    DONE,
    EPOCH,
    FILLED,
    HISTORY,
    LOSS,
    LOW,
    N_COUNTS,
    N_SUMS,
    NONFINITE_GRADIENT,
    NONFINITE_PARAMS,
    STEP,
    WEIGHT,
    Limits,
    Plan,
    Position,
)
from fastgd._training.sharing import Helpers, make_sharing
from fastgd.gradients import add_blocks, sum_blocks
from fastgd.schedules.plateau import ReduceOnPlateau, begin_anew, look_at_loss, new_plateau_state, reduced
from fastgd.schedules.values import fill_rates, require_rates
from fastgd.verbs import eval_fitting, init_state, learning_rate, make_scratch

_RATES = 1 << 14  # the rates of at most so many steps are computed ahead,
_FIRST_RATES = 1 << 10  # and of so many at first: a schedule takes up to 50 ns for each
_HISTORY_ROWS = 1 << 12  # epochs in a chunk
_FIRST_WORK = 1 << 19  # rows times parameters in the first chunk, of which nothing is known yet
_PART_NUMBERS = 1 << 25  # of X, that are gone through without looking for Ctrl-C
_THREAD_WORK = 1 << 21  # numbers of X from which threads pay that are woken for them: some 200 µs
_NO_LIMIT = 1 << 62


class FirstStep(NamedTuple):
    """What the first rows were like, before any step; NaN where they had no weight or were not finite."""

    loss: float  # mean
    norm: float  # of its gradient
    lr: float


class Checkpoint(NamedTuple):
    """What going on from a result needs beside the arguments."""

    plan: Plan
    n_rows: int
    optimizer: Any
    plateau: ReduceOnPlateau | None
    first: FirstStep
    arrays: list  # those of `Run.arrays`
    history: np.ndarray
    watch: Any


class Run:
    """A run under way."""

    def __init__(self, model, optimizer, rule, schedule, data, plan, params, threads=1, recorded_steps=0):
        self.model, self.optimizer, self.rule = model, optimizer, rule
        self.plateau = schedule if isinstance(schedule, ReduceOnPlateau) else None
        self.schedule = schedule if self.plateau is None else self.plateau.schedule
        self._last_step = _NO_LIMIT
        if isinstance(schedule, np.ndarray):  # the rates of all steps; the loop looks for those of a group of rows
            self._last_step = schedule.size
            self.schedule = np.append(schedule, np.full(SINGLE_ROWS, schedule[-1]))
        self.plateau_state = new_plateau_state()
        self.data, self.plan, self.params, self.threads = data, plan, params, threads
        self.n_rows = data.order.size
        self.steps_per_epoch = -(-self.n_rows // plan.batch_size)
        self.state = init_state(optimizer, params)
        self.scratch = [make_scratch(model, params) for _ in range(threads)]
        self.grads = np.empty_like(params)
        self.position = Position(
            np.zeros(N_COUNTS, np.int64), np.zeros(N_SUMS), np.zeros_like(params), np.zeros(params.size),
            np.full(recorded_steps, np.nan), np.full(3, np.nan),
        )  # fmt: skip
        self._rows_of_history, self._n_rows_of_history = np.empty((0, len(HISTORY))), 0
        self.rates = np.empty(0)
        self._first_step = 0
        self._buffer = np.empty((_HISTORY_ROWS, len(HISTORY)))
        self._chunk_rows = max(1, _FIRST_WORK // (params.size + 32))
        blocks = -(-plan.batch_size // plan.block)
        self._sharing = self._helpers = None
        if threads > 1 and blocks > 1:
            self._sharing = make_sharing(params, blocks, threads)
            self._helpers = Helpers(model, params, data, plan.block, self._sharing)

    @property
    def history(self):
        """The rows of the completed epochs: a view."""
        return self._rows_of_history[: self._n_rows_of_history]

    def append_history(self, rows):
        """Add rows, into room that doubles when it is full: a run may have millions of epochs."""
        n = self._n_rows_of_history
        if n + len(rows) > len(self._rows_of_history):
            room = np.empty((max(n + len(rows), 2 * n), len(HISTORY)))
            room[:n] = self.history
            self._rows_of_history = room
        self._rows_of_history[n : n + len(rows)] = rows
        self._n_rows_of_history += len(rows)

    @property
    def epoch(self):
        """The number of completed epochs."""
        return int(self.position.at[EPOCH])

    @property
    def step(self):
        """The number of completed steps."""
        return int(self.position.at[STEP])

    @property
    def losses(self):
        """The mean losses of the completed steps, as far as they are recorded; NaN for batches without weight."""
        return self.position.losses[: self.step]

    @property
    def first_step(self):
        """What is known of the first rows."""
        return FirstStep(*map(float, self.position.first))

    def advance(self, seconds, last_epoch):
        """Run one chunk of about so many seconds; return the loop's status.

        Where the parameters stop being finite, the run is set back to the last step at which they were.
        """
        before = copies(self.arrays())
        started, rows_before = time.perf_counter(), self._rows_done()
        status, written = self._chunk(Limits(self._chunk_rows, self._last_step, last_epoch))
        if status == NONFINITE_PARAMS or not np.isfinite(self.params).all():
            status, last_finite = NONFINITE_PARAMS, self.step
            while not np.isfinite(self.params).all():
                last_finite -= 1  # found at the next step, or one later where single rows are looked ahead of
                self.restore(before)
                written = 0
                while self.step < last_finite:
                    written += self._chunk(Limits(_NO_LIMIT, last_finite, last_epoch), written)[1]
        self.append_history(self._buffer[:written])
        if status in (NONFINITE_PARAMS, NONFINITE_GRADIENT):
            self._forget_batch()
        rows = self._rows_done() - rows_before
        self._chunk_rows = rows_at_once(self._chunk_rows, rows, time.perf_counter() - started, seconds)
        return status

    def _rows_done(self):
        at = self.position.at
        return int(at[EPOCH]) * self.n_rows + int(at[LOW] + at[DONE])

    def _forget_batch(self):
        self.position.at[DONE] = 0
        self.position.sums[[BATCH_LOSS, BATCH_WEIGHT]] = 0
        self.position.totals[:] = 0

    def _chunk(self, limits, offset=0):
        self._fill_rates()
        first = self.step
        if self._helpers is not None:
            self._helpers.call()
        outcome = train(
            self.model, self.optimizer, self.rule, self.data, self.plan, limits, self.rates, self._first_step,
            self.params, self.state, self.scratch[0], self.grads, self.position, self._buffer[offset:], self._sharing,
        )  # fmt: skip
        if isinstance(self.schedule, tuple):  # what a user's own gives for steps that are never done is its own affair
            rates = self.rates[first - self._first_step : self.step - self._first_step]
            require_rates("fit", rates, "epoch", first, self.steps_per_epoch)
        return outcome

    def _fill_rates(self):
        """See to it that the rate of the next step is there."""
        if not isinstance(self.schedule, tuple):  # a number, or the rates of all steps
            self.rates = self._reduced(np.atleast_1d(self.schedule))
        elif not self._first_step <= self.step <= self._first_step + self.rates.size - SINGLE_ROWS:
            self._first_step, self.rates = self.step, np.empty(min(_RATES, max(_FIRST_RATES, 4 * self.rates.size)))
            steps = np.arange(self._first_step, self._first_step + self.rates.size)
            # Divided, not multiplied by 1 / steps_per_epoch: so that whole epochs are whole numbers.
            fill_rates(self.schedule, steps / self.steps_per_epoch, self.rates)
            self.rates = self._reduced(self.rates)

    def _reduced(self, rates):
        return rates if self.plateau is None else reduced(self.plateau, self.plateau_state, rates)

    def forget_losses(self):
        """Forget the best loss, by which plateaus are told."""
        begin_anew(self.plateau_state)

    def look_at_loss(self, loss):
        """Reduce the rate where the loss of the epoch just completed calls for that."""
        if self.plateau is not None and look_at_loss(self.plateau, self.plateau_state, loss):
            self.rates = np.empty(0)  # those computed ahead are out of date

    def _add_sums(self, data, order, low, high, totals, loss_and_weight):
        """Add the sums over order[low:high], its blocks dealt to the threads, added in the order of the blocks."""
        block = self.plan.block
        n_blocks = -(-int(high - low) // block)
        grads, losses = np.empty((n_blocks, self.params.size), self.params.dtype), np.empty((n_blocks, 2))
        shares = min(self.threads, n_blocks) if (high - low) * data.X.shape[1] >= _THREAD_WORK else 1
        bounds = [n_blocks * k // shares for k in range(shares + 1)]

        def share(k):
            first, last = bounds[k], bounds[k + 1]
            sum_blocks(
                self.model, self.params, data.X, data.y, data.weight, order, low + first * block,
                min(high, low + last * block), block, self.scratch[k], grads[first:last], losses[first:last],
            )  # fmt: skip

        run_all([lambda k=k: share(k) for k in range(shares)])
        add_blocks(grads, losses, totals, loss_and_weight)

    def mean_loss(self, data, interrupts):
        """The mean loss over data.order, at the point where the optimiser evaluates; None after Ctrl-C."""
        loss_and_weight, totals = np.zeros(2), np.empty(self.params.size)
        n_rows, part = data.order.size, max(1, _PART_NUMBERS // (self.plan.block * data.X.shape[1])) * self.plan.block
        training_params, self.params = self.params, self.evaluation_params()
        try:
            for low in range(0, n_rows, part):
                if interrupts.requested:
                    return None
                self._add_sums(data, data.order, low, min(low + part, n_rows), totals, loss_and_weight)
        finally:
            self.params = training_params
        return loss_and_weight[0] / loss_and_weight[1]

    def evaluation_params(self):
        """A copy of the parameters, or the average that the optimiser keeps."""
        out = np.empty_like(self.params)
        eval_fitting(self.optimizer, self.state, self.params, out)
        return out

    def last_lr(self):
        """The rate of the last step."""
        if self.position.at[LOW] == 0 and len(self.history):  # after an epoch: a plateau may have changed the next
            return float(self.history[-1, HISTORY.index("lr")])
        return float(self._reduced(learning_rate(self.schedule, max(0, self.step - 1) / self.steps_per_epoch)))

    def running_loss(self):
        """The mean loss of the epoch under way, or of the last one where a new one has not begun."""
        sums = self.position.sums
        if sums[WEIGHT] > 0:
            return float(sums[LOSS] / sums[WEIGHT])
        return float(self.history[-1, 2]) if len(self.history) else math.nan

    def history_so_far(self):
        """The history by column, the epoch under way included."""
        rows = self.history
        at, sums = self.position.at.copy(), self.position.sums.copy()
        if at[LOW] > 0:
            row = np.empty((1, rows.shape[1]))
            at[EPOCH] += 1
            write_history.py_func(at, sums, self.last_lr(), row[0])
            rows = np.concatenate([rows, row])
        counts = {"step", "epoch", "clipped", "skipped"}
        return {
            name: column.astype(np.int64) if name in counts else column.copy()
            for name, column in zip(HISTORY, rows.T, strict=True)
        }

    def arrays(self):
        """The arrays that change as the run goes on."""
        return [self.params, *flat(self.state), *self.position, self.plateau_state]

    def restore(self, values):
        """Set those arrays back; the order of rows is filled anew."""
        for array, value in zip(self.arrays(), values, strict=True):
            array[...] = value
        self.position.at[FILLED] = 0

    def forget_reductions(self):
        """Begin with the rate as it is given, whatever an earlier schedule's was reduced to."""
        self.plateau_state = new_plateau_state()


def flat(state):
    """The arrays of a state, those of nested ones included."""
    return [array for part in state for array in (flat(part) if isinstance(part, tuple) else [part])]


def copies(arrays):
    """Copies of arrays."""
    return [np.array(array) for array in arrays]
