"""A run of descent under way: its arrays, and how it is advanced, by compiled chunks or evaluation by evaluation."""

import contextlib
import math
from typing import NamedTuple

import numpy as np
from numba.core.typing.typeof import typeof

from fastgd._arrays.views import borrowed
from fastgd._descent.loop import (
    INTERRUPTED,
    RUNNING,
    STOPPED,
    Path,
    Points,
    Position,
    Until,
    descend,
    descend_until,
    goes_on,
    search,
    search_until,
    weigh_average,
)
from fastgd._descent.setup import MOST
from fastgd._jit import kernel
from fastgd._registry import OptimizerKernels, keeps_average, kernels_for
from fastgd._runtime.clock import Clock
from fastgd.line_search import Armijo
from fastgd.schedules.values import fill_rates, require_rates
from fastgd.verbs import eval_fitting, init_state

_CHUNK_GROWTH = 8
UNCLOCKED = 512  # evaluations in a chunk, where no thread is to be had that keeps time
_RATES = 1 << 14  # evaluations in a chunk, at most, where a schedule gives the rates
_PATH_NUMBERS = 1 << 20  # numbers of a path that are recorded in a chunk


class MinimizeProgress(NamedTuple):
    """Where a run is, as its callback is told."""

    step: int  # steps done
    nfev: int  # calls of the objective
    fun: float  # the least value so far
    x: np.ndarray  # where: a copy
    lr: float  # the rate of the last step
    last_x: np.ndarray  # where that step led: a copy
    last_fun: float  # and the value there


@kernel
def descent_chunk(until, objective, args, optimizer, rates, rules, box, state, points, position, path):
    """Go on until the run or the chunk is over."""
    return descend_until(
        borrowed(until), objective, args, optimizer, rates, rules, borrowed(box), borrowed(state), borrowed(points),
        position, borrowed(path),
    )  # fmt: skip


@kernel
def search_chunk(until, objective, args, armijo, rules, box, points, position, path):
    """The same with a line search."""
    return search_until(
        borrowed(until), objective, args, armijo, rules, borrowed(box), borrowed(points), position, borrowed(path)
    )


@kernel
def descent_step(value, optimizer, rates, rules, box, state, points, position, path, first):
    """What follows one evaluation, which Python has done."""
    return descend(
        value, optimizer, rates, rules, borrowed(box), borrowed(state), borrowed(points), position, borrowed(path),
        first,
    )  # fmt: skip


@kernel
def search_step(value, armijo, rules, box, points, position, path, first):
    """The same with a line search."""
    return search(value, armijo, rules, borrowed(box), borrowed(points), position, borrowed(path), first)


@kernel
def average_step(value, rules, box, points, position):
    """What follows the evaluation of an average."""
    return weigh_average(value, rules, borrowed(box), borrowed(points), position)


class DescentRun:
    """A run under way: its arrays, and how it is advanced by chunks."""

    def __init__(self, objective, args, optimizer, lr, rules, box, x, record, tells=False, owner="minimize"):
        self._owner = owner  # whose schedule is looked at as it goes, if one is given
        self.objective, self.args, self.optimizer, self.lr = objective, args, optimizer, lr
        self.rules, self.box, self._record = rules, box, record
        before = x.copy() if rules.xtol > 0 or tells else x[:0]
        self._objective_in_loop = objective.in_loop(typeof(x), typeof(args)) if objective.compiled else None
        self.points = Points(x, np.full_like(x, np.nan), before, x.copy(), np.full_like(x, np.nan))
        self.state = init_state(optimizer, x)
        self.position = Position(RUNNING, 0, 0, math.inf, math.inf, 0.0)
        self._nowhere = Path(np.empty(0, x.dtype), np.empty(0))
        self._parts: list[tuple[np.ndarray, np.ndarray]] = []

    @property
    def nit(self):
        """Steps whose end was evaluated."""
        step, status = self.position.step, self.position.status
        return max(0, step - 1) if status == RUNNING else step

    def until_over(self, interrupts, callback=None, shown=None):
        """Advance until the run is over; return why."""
        count, status = 1, RUNNING
        with Clock() as clock:
            while status == RUNNING and not interrupts.requested:
                if not clock.runs and count > _CHUNK_GROWTH:  # a run of few steps need not pay for it
                    clock.start()
                self._chunk(count if clock.runs else min(count, UNCLOCKED), clock, interrupts)
                count = min(_CHUNK_GROWTH * count, self._longest_chunk(callback))
                status = self.position.status
                if status != RUNNING:
                    self._look_at_average()
                if shown is not None:
                    shown.set_postfix(fun=f"{self.position.best:.4g}", refresh=False)
                    shown.update(self.nit - shown.n)
                if callback is not None:
                    status = self._tell(callback, status)
        if self.position.status == RUNNING:  # stopped or interrupted
            with contextlib.suppress(Exception):  # the objective's, which has had its say
                self._look_at_average()
        return INTERRUPTED if status == RUNNING else status

    def _longest_chunk(self, callback):
        most = MOST
        if self._record:
            most = min(most, max(1, _PATH_NUMBERS // self.points.x.size))
        if isinstance(self.lr, tuple) and not isinstance(self.lr, Armijo):
            most = min(most, _RATES)
        return 1 if callback is not None and not self.objective.compiled else most

    def _tell(self, callback, status):
        _, _, nfev, value, best, rate = self.position
        x, last_x = self.points.best_x.copy(), self.points.before.copy()
        try:
            callback(MinimizeProgress(self.nit, nfev * self.objective.calls, best, x, rate, last_x, value))
        except StopIteration:
            return STOPPED if status == RUNNING else status
        return status

    def _chunk(self, count, clock, interrupts):
        path, first = self._nowhere, self.position.step
        if self._record:
            path = Path(np.empty(count * self.points.x.size, self.points.x.dtype), np.empty(count))
        self._advance(count, clock, path, interrupts)
        if self._record:
            rows = self.position.step - first + (self.position.status != RUNNING)
            self._parts.append((path.x[: rows * self.points.x.size].copy(), path.fun[:rows].copy()))

    def _advance(self, count, clock, path, interrupts):
        """Do so many evaluations, or as many as fit into a tick, and what follows each of them."""
        until, first = Until(self.position.nfev + count, int(clock.ticks[0]), clock.ticks), self.position.step
        rates = self._rates(count)
        how: tuple  # what follows an evaluation
        if isinstance(self.lr, Armijo):
            chunk, step, how = search_chunk, search_step, (self.lr, self.rules, self.box, self.points)
        else:
            chunk, step = descent_chunk, descent_step
            how = (self.optimizer, rates, self.rules, self.box, self.state, self.points)
        if self.objective.compiled:
            self.position = chunk(until, self._objective_in_loop, self.args, *how, self.position, path)
        else:
            while self.position.status == RUNNING and goes_on(until, self.position) and not interrupts.requested:
                value = self.objective.at(self.points.x, self.points.grads, self.args)
                self.position = step(value, *how, self.position, path, first)
        if isinstance(self.lr, tuple) and self._owner:  # steps that are never done are the schedule's own affair
            require_rates(self._owner, rates[: self.position.step - first], "step", first)

    def _look_at_average(self):
        x, grads = self.points.x.copy(), self.points.grads.copy()  # where the run ended, which its message tells
        try:
            self.position = weigh_kept_average(
                self.objective, self.args, self.optimizer, self.rules, self.box, self.state, self.points, self.position
            )
        finally:
            self.points.x[:], self.points.grads[:] = x, grads

    def _rates(self, count):
        if isinstance(self.lr, Armijo):
            return np.empty(0)
        if not isinstance(self.lr, tuple):  # a number, or the rates of all steps
            return self.lr[self.position.step :] if isinstance(self.lr, np.ndarray) else np.array([self.lr])
        rates = np.empty(count)
        fill_rates(self.lr, np.arange(count, dtype=np.float64) + self.position.step, rates)
        return rates

    def path(self):
        """All points and values."""
        if not self._parts:  # interrupted before the first
            return np.empty((0, self.points.x.size), self.points.x.dtype), np.empty(0)
        xs, values = zip(*self._parts, strict=True)
        return np.concatenate(xs).reshape(-1, self.points.x.size), np.concatenate(values)


def weigh_kept_average(objective, args, optimizer, rules, box, state, points, position):
    """Evaluate the average, if the method keeps one, to return it where its value is lower; return the position."""
    if not position.nfev or not keeps_average(kernels_for("minimize", OptimizerKernels, optimizer)):
        return position
    eval_fitting(optimizer, state, points.x.copy(), points.x)
    if box.lower.size:
        np.clip(points.x, *box, out=points.x)
    value = objective.at(points.x, points.grads, args)
    return average_step(value, rules, box, points, position)
