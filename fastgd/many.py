"""`minimize_many`: one objective from many starts, or with many data sets, side by side."""

import contextlib
import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numba.core import types
from numba.core.typing.typeof import typeof
from numba.extending import overload
from numpy.typing import ArrayLike

from fastgd import _check
from fastgd._arrays.pieces import copy_arrays
from fastgd._arrays.views import borrowed
from fastgd._calls.dispatch import PASTED
from fastgd._descent.loop import (
    INTERRUPTED,
    MESSAGES,
    RAISED,
    RUNNING,
    STEP,
    STOPPED,
    Path,
    Points,
    Position,
    Until,
    descend_until,
    look_at_average,
    project,
    search_until,
)
from fastgd._descent.run import UNCLOCKED, DescentRun, weigh_kept_average
from fastgd._descent.setup import MOST, checked_box, checked_rules, starting_array
from fastgd._jit import kernel
from fastgd._runtime.clock import Clock
from fastgd._runtime.interrupt import Interrupts
from fastgd._runtime.progress import bar
from fastgd._runtime.threads import run_all, usable
from fastgd._types import Function, Objective, Rate, Rule
from fastgd.line_search import Armijo
from fastgd.objectives import checked_args, prepare
from fastgd.optimizers import Adam
from fastgd.schedules.values import require_rates_of_steps
from fastgd.verbs import init_state

_BLOCKS = 16  # of problems, for each thread: the last ones to be done wait for few others
_MOST_PROBLEMS = 1 << 12  # in a block
_OTHER_SHAPE = "minimize_many: optimizer: its init must make arrays of one shape wherever a problem starts"


@dataclass(frozen=True, repr=False, eq=False)
class ManyResult:
    """The result of `minimize_many`: SciPy's names, with the problems as first axis.

    Attributes
    ----------
    x : ndarray of shape (problems, n)
        For each problem the evaluated point of least value, or the one at which its run converged.
    fun : ndarray of shape (problems,)
        The values there.
    jac : ndarray of shape (problems, n)
        The gradients there.
    nit, nfev : ndarray of shape (problems,)
        Steps, and calls of the objective.
    success : ndarray of shape (problems,), bool
        Whether its run converged.
    status : ndarray of shape (problems,)
        0, 1, 2: converged, by `gtol`, `ftol`, `xtol`; 3: `max_steps` are done; 4: not finite; 5: the line search found
        no lower value; 6: stopped by the callback; 7: interrupted; 8: the objective raised an exception (x is the
        start, fun and jac are NaN, and nit and nfev 0; `minimize` on that problem shows the exception).
    message : str
        How many ended in which way.
    """

    x: np.ndarray
    fun: np.ndarray
    jac: np.ndarray
    nit: np.ndarray
    nfev: np.ndarray
    success: np.ndarray
    status: np.ndarray
    message: str

    def __repr__(self):
        return f"ManyResult(problems={len(self.fun)}, message={self.message!r})"


class ManyProgress(NamedTuple):
    """Where a run is, as its callback is told."""

    done: int  # problems that are over
    problems: int


class Results(NamedTuple):
    """Where the ends of the problems' runs are written, the problem as first axis."""

    x: np.ndarray
    fun: np.ndarray
    jac: np.ndarray
    nit: np.ndarray
    nfev: np.ndarray
    status: np.ndarray


def problem_args(args, k):
    """What of `args` belongs to problem k: the k-th of each array, and all else (in compiled code)."""
    raise NotImplementedError("problem_args is called in compiled code")


@overload(problem_args, jit_options=PASTED)
def _problem_args(args, k):
    if len(args) == 0:
        return lambda args, k: ()
    if isinstance(args[0], types.Array):
        return lambda args, k: (args[0][k], *problem_args(args[1:], k))
    return lambda args, k: (args[0], *problem_args(args[1:], k))


def type_of_problem_args(args):
    """The Numba type of `problem_args`."""
    own = [
        (kind.copy(ndim=kind.ndim - 1) if kind.ndim > 1 else kind.dtype) if isinstance(kind, types.Array) else kind
        for kind in map(typeof, args)
    ]
    return types.BaseTuple.from_types(own)


def advance(until, objective, args, optimizer, lr, rules, box, state, points, position, path):
    """Go on by the loop that goes with the rate (in compiled code)."""
    raise NotImplementedError("advance is called in compiled code")


@overload(advance, jit_options=PASTED)
def _advance(until, objective, args, optimizer, lr, rules, box, state, points, position, path):
    if isinstance(lr, types.BaseNamedTuple) and lr.instance_class is Armijo:

        def search(until, objective, args, optimizer, lr, rules, box, state, points, position, path):
            return search_until(until, objective, args, lr, rules, box, points, position, path)

        return search

    def descend(until, objective, args, optimizer, lr, rules, box, state, points, position, path):
        position = descend_until(
            until, objective, args, optimizer, lr, rules, box, borrowed(state), points, position, path
        )
        if position.status != RUNNING:
            position = look_at_average(objective, args, optimizer, rules, box, state, points, position)
        return position

    return descend


@kernel
def begin(X0, k, box, points):
    """Go to where problem k starts."""
    for i in range(points.x.size):
        points.x[i] = X0[k, i]
    project(box, points.x)
    for i in range(points.x.size):
        points.best_x[i], points.best_grads[i], points.grads[i] = points.x[i], np.nan, np.nan


@kernel
def end(results, k, points, position):
    """Write the result of problem k."""
    for i in range(points.x.size):
        results.x[k, i], results.jac[k, i] = points.best_x[i], points.best_grads[i]
    results.fun[k], results.nit[k], results.nfev[k] = position.best, position.step, position.nfev
    results.status[k] = position.status


@kernel
def descend_many(until, objective, args, optimizer, lr, rules, box, X0, k, stop, results, state, points, position):
    """Go on with the problems X0[k:stop] until the chunk is over, its evaluations being counted over problems.

    The state is that of the problem at hand. Returns where the chunk ended, to go on from.
    """
    # Where an objective raises, no reference that was counted is given back: what it works with is lent, all of it.
    starts, box, into, lent, ticks = borrowed(X0), borrowed(box), borrowed(results), borrowed(points), until.ticks
    args, lent_state = borrowed(args), borrowed(state)
    budget = until.nfev
    path = Path(lent.before[:0], lent.before[:0])
    while k < stop and budget > 0 and ticks[0] == until.tick:
        own = problem_args(args, k)
        if position.nfev == 0:
            begin(starts, k, box, lent)
            copy_arrays(init_state(optimizer, points.x), lent_state, _OTHER_SHAPE)
        done = position.nfev
        try:
            position = advance(
                Until(done + budget, until.tick, borrowed(ticks)), objective, own, optimizer, lr, rules, box,
                lent_state, lent, position, borrowed(path),
            )  # fmt: skip
        except Exception:
            position = Position(RAISED, 0, 0, np.nan, np.nan, 0.0)
            for i in range(lent.x.size):
                lent.best_x[i], lent.best_grads[i] = into.x[k, i], np.nan
        budget -= max(1, position.nfev - done)
        if position.status == RUNNING:
            break
        end(into, k, lent, position)
        position = Position(RUNNING, 0, 0, np.inf, np.inf, 0.0)
        k += 1
    return k, position


def minimize_many(
    fun: Objective,
    X0: ArrayLike,
    *,
    args: tuple[Any, ...] = (),
    threads: int = 1,
    optimizer: Rule = Adam(),
    lr: Rate = 1e-2,
    max_steps: int = 10_000,
    gtol: float = 1e-6,
    ftol: float = 0,
    xtol: float = 0,
    jac: Function | bool | str | None = None,
    bounds: Any = None,
    callback: Function | None = None,
    progress: bool = False,
    compile: bool = True,
) -> ManyResult:
    """Minimise one objective from many starts or with many data sets, each problem by itself, in compiled code.

    Parameters
    ----------
    fun : callable or NamedTuple
        The objective, in one of the forms that `minimize` takes.
    X0 : array_like of shape (problems, n)
        Where each problem starts; not modified.
    args : tuple
        What the functions are called with beside x and grad. The first axis of an array is the problem: of an array
        (problems,) each has its number, of (problems, m) its row. Numbers are shared, and so are tuples with what is
        in them: ``(t,)`` is how an array is given that all problems share.
    threads : int
        At most so many threads (and no more than there are processors) share the problems. The result has the same
        bits for any number.
    callback : callable, optional
        ``callback(progress)``, called in the calling thread between chunks of about 40 ms with `done` and `problems`;
        it ends the run by raising StopIteration.
    optimizer, lr, max_steps, gtol, ftol, xtol, jac, bounds, progress, compile
        As `minimize` takes them, the same for all problems.

    Returns
    -------
    ManyResult
        `x`, `fun`, `jac`, `nit`, `nfev`, `success`, `status`, with the problem as first axis. A problem that meets NaN,
        or whose objective raises, has a status that says so, and harms no other.

    Raises
    ------
    ValueError, TypeError
        For arguments that do not fit, and for an objective of the wrong form.

    Notes
    -----
    Ctrl-C ends the run within 0.1 s (unless a single call of the objective takes longer) with what is done; the
    problems that are not have status 7, and those under way their best points so far.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> def distance(x, grad, centre, scale):
    ...     grad[:] = 2 * scale * (x - centre)
    ...     return scale * np.sum((x - centre) ** 2)
    >>> centres = np.array([[1.0, 2.0], [3.0, 4.0], [np.nan, 0.0]])
    >>> result = fastgd.minimize_many(
    ...     distance, np.zeros((3, 2)), args=(centres, 0.5), optimizer=fastgd.SGD(), lr=0.5
    ... )
    >>> result.x.round(4)
    array([[1., 2.],
           [3., 4.],
           [0., 0.]])
    >>> result.success, result.status
    (array([ True,  True, False]), array([0, 0, 4]))
    """
    owner = "minimize_many"
    compile = _check.boolean(owner, "compile", compile)
    X0 = starting_array(owner, "X0", X0, 2)
    n_problems = len(X0)
    lr, rules = checked_rules(owner, optimizer, lr, max_steps, gtol, ftol, xtol)
    box = checked_box(owner, bounds, X0[0])
    if callback is not None and not callable(callback):
        raise TypeError(f"{owner}: callback must be callable, got {type(callback).__name__}")
    progress = _check.boolean(owner, "progress", progress)
    threads = usable(_check.integer(owner, "threads", threads, least=1))
    args = _rows_of_args(owner, checked_args(owner, args, compile), n_problems)
    tried = int(np.argmax(np.isfinite(X0).all(axis=1)))  # the first, or the first that can be
    objective = prepare(owner, fun, jac, _own(args, tried), X0[tried].copy(), compile, forgiving=True, start="X0")
    results = Results(
        x=np.clip(X0, *box) if bounds is not None else X0.copy(),
        fun=np.full(n_problems, np.nan),
        jac=np.full_like(X0, np.nan),
        nit=np.zeros(n_problems, np.int64),
        nfev=np.zeros(n_problems, np.int64),
        status=np.full(n_problems, RUNNING),
    )
    with Interrupts() as interrupts, bar(progress, n_problems, "problem") as shown:
        team = _Team(objective, args, optimizer, lr, rules, box, X0, results, interrupts, callback, shown)
        if compile:
            team.run(threads)
        else:
            team.run_in_python()
    if isinstance(lr, tuple) and not isinstance(lr, Armijo):
        require_rates_of_steps(owner, lr, int(results.nit.max()))
    results.status[results.status == RUNNING] = STOPPED if team.stopped else INTERRUPTED
    codes, counts = np.unique(results.status, return_counts=True)
    ends = "; ".join(f"{count} {MESSAGES[code]}" for code, count in zip(codes, counts, strict=True))
    return ManyResult(
        x=results.x,
        fun=results.fun,
        jac=results.jac,
        nit=results.nit,
        nfev=results.nfev * objective.calls,
        success=results.status <= STEP,
        status=results.status,
        message=f"of {n_problems} problems: {ends}",
    )


def _rows_of_args(owner, args, n_problems):
    """The args, their arrays C-ordered, with a row for each problem."""
    rows = []
    for i, value in enumerate(args):
        if isinstance(value, np.ndarray):
            if value.ndim == 0 or len(value) != n_problems:
                raise ValueError(
                    f"{owner}: args[{i}] must have a first axis of {n_problems}, one for each row of X0, got shape "
                    f"{value.shape} (what all share is a number, or stands in a tuple of its own)"
                )
            value = np.ascontiguousarray(value)
        rows.append(value)
    return tuple(rows)


def _own(args, k):
    return tuple(value[k] if isinstance(value, np.ndarray) else value for value in args)


class _Team:
    """The threads that share the problems: each takes the next block when it is through with one."""

    def __init__(self, objective, args, optimizer, lr, rules, box, X0, results, interrupts, callback, shown):
        self._objective, self._args, self._optimizer, self._lr = objective, args, optimizer, lr
        self._rules, self._box, self._X0, self._results = rules, box, X0, results
        self._interrupts, self._callback, self._shown = interrupts, callback, shown
        self.stopped = False

    def run(self, threads):
        n_problems = len(self._X0)
        block = max(1, min(_MOST_PROBLEMS, n_problems // (_BLOCKS * threads)))
        blocks = iter(range(0, n_problems, block))  # `next` of it is one step, which threads can share
        shares = min(threads, -(-n_problems // block))
        self._in_loop = self._objective.in_loop(typeof(self._X0[0]), type_of_problem_args(self._args))
        with Clock() as clock:
            clock.start()
            run_all([lambda first=(i == 0): self._work(blocks, block, clock, first) for i in range(shares)])

    def _work(self, blocks, block, clock, tells):
        x = self._X0[0].copy()  # a real start, for what a method makes of it
        before = np.empty_like(x) if self._rules.xtol > 0 else x[:0]
        points = Points(x, np.empty_like(x), before, np.empty_like(x), np.empty_like(x))
        state, at_once = init_state(self._optimizer, x), MOST if clock.runs else UNCLOCKED
        try:
            for first in blocks:
                k, stop = first, min(first + block, len(self._X0))
                position = Position(RUNNING, 0, 0, math.inf, math.inf, 0.0)
                while k < stop:
                    if self._interrupts.requested or self.stopped:
                        self._keep(k, state, points, position)
                        return
                    k, position = descend_many(
                        Until(at_once, int(clock.ticks[0]), clock.ticks), self._in_loop, self._args,
                        self._optimizer, self._lr, self._rules, self._box, self._X0, k, stop, self._results, state,
                        points, position,
                    )  # fmt: skip
                    if tells:
                        self._tell()
        except BaseException:
            self.stopped = True  # the others need not go on
            raise

    def _keep(self, k, state, points, position):
        """Write down what problem k has reached, which is under way."""
        with contextlib.suppress(Exception):  # of an objective that raises at the average
            position = weigh_kept_average(
                self._objective, _own(self._args, k), self._optimizer, self._rules, self._box, state, points, position
            )
        self._write(k, points, position)

    def _write(self, k, points, position):
        if position.nfev:
            into = self._results
            into.x[k], into.jac[k], into.fun[k] = points.best_x, points.best_grads, position.best
            into.nit[k], into.nfev[k] = max(0, position.step - 1), position.nfev

    def run_in_python(self):
        for k in range(len(self._X0)):
            run = DescentRun(
                self._objective, _own(self._args, k), self._optimizer, self._lr, self._rules, self._box,
                self._results.x[k].copy(), False, owner=None,
            )  # fmt: skip
            try:
                status = run.until_over(self._interrupts)
            except Exception:
                self._results.status[k] = RAISED
            else:
                if status == INTERRUPTED:
                    self._write(k, run.points, run.position)
                    return
                end = (run.points.best_x, run.position.best, run.points.best_grads, run.nit, run.position.nfev, status)
                for array, value in zip(self._results, end, strict=True):
                    array[k] = value
            self._tell()
            if self.stopped or self._interrupts.requested:
                return

    def _tell(self):
        if self._shown is None and self._callback is None:
            return
        done = int((self._results.status != RUNNING).sum())
        if self._shown is not None:
            self._shown.update(done - self._shown.n)
        if self._callback is not None:
            try:
                self._callback(ManyProgress(done, len(self._X0)))
            except StopIteration:
                self.stopped = True
