"""`gradient_descent` and `minimize`: descent on a user's own objective, inside compiled code and from Python."""

import math
import time
import warnings
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.errors import TypingError
from numba.extending import intrinsic, overload

from fastgd import _check
from fastgd._descent import (
    INTERRUPTED,
    MESSAGES,
    NONFINITE,
    RUNNING,
    STEP,
    STOPPED,
    Box,
    Path,
    Points,
    Position,
    Rules,
    descend,
    descend_until,
    largest,
    look_at_average,
    search,
    search_until,
)
from fastgd._interrupt import Interrupts
from fastgd._jit import kernel
from fastgd._progress import bar
from fastgd._registry import OptimizerKernels, ScheduleKernels, keeps_average, kernels_for
from fastgd._views import borrowed
from fastgd.line_search import Armijo
from fastgd.objectives import check_types, checked_args, prepare
from fastgd.optimizers import Adam
from fastgd.schedules import ReduceOnPlateau
from fastgd.schedules.values import fill_rates
from fastgd.verbs import PASTED, eval_fitting, init_state, kernels_in_compiled_code, learning_rate

CHUNK_SECONDS = 0.04  # how long compiled code runs before Python looks for Ctrl-C
_CHUNK_GROWTH = 8
_RATES = 1 << 14  # evaluations in a chunk, at most, where a schedule gives the rates
_PATH_NUMBERS = 1 << 20  # numbers of a path that are recorded in a chunk
_MOST = (1 << 62) - 1


class Descent(NamedTuple):
    """What `gradient_descent` returns, under SciPy's names."""

    x: np.ndarray  # (n,): the evaluated point of least value, or the one at which the run converged
    fun: float  # the value there
    jac: np.ndarray  # (n,): the gradient there
    nit: int  # steps
    nfev: int  # evaluations
    success: bool  # whether the run converged
    status: int  # why it ended

    @property
    def message(self):
        """The status in words (from Python)."""
        return MESSAGES[self.status]


def gradient_descent(fun, x0, optimizer, lr, max_steps, gtol, args=()):
    """Minimise a function by gradient descent, inside a user's own compiled code with nothing of Python in its loop.

    Parameters
    ----------
    fun : callable or NamedTuple
        A compiled function ``fun(x, grad, *args) -> float`` that writes the gradient into `grad`; or a registered
        objective. (It must not keep or return views of x and grad. In compiled code nothing tests what it writes.)
    x0 : ndarray of shape (n,)
        Where to start; not modified. float32 or float64, the dtype of the whole run; integers become float64.
    optimizer : NamedTuple
        A registered optimiser, which goes downhill (no ``maximize=True``).
    lr : float or NamedTuple
        The learning rate; or a schedule, its time measured in steps; or with ``SGD()`` the line search `Armijo`.
    max_steps : int
        Steps, at most.
    gtol : float
        The run has converged once no component of the gradient is larger in absolute value.
    args : tuple
        What `fun` is called with beside x and grad: numbers, arrays and tuples of these.

    Returns
    -------
    Descent
        A NamedTuple with `x`, `fun`, `jac`, `nit`, `nfev`, `success`, `status`. The point is the one of least value
        that was evaluated, or the one at which the run converged; a method that keeps an average is asked for it at
        the end, and its point counts as one more. Status 0: converged; 3: `max_steps` are done; 4: a value or gradient
        was not finite (the best point before it is returned; at the very first, x0 with what came); 5: the line search
        found no lower value; from Python also 7: interrupted by Ctrl-C. `message` tells in words, from Python.

    Raises
    ------
    ValueError, TypeError
        For numbers that do not fit: an empty x0, a negative `max_steps`, `gtol` or rate, an optimiser that goes uphill;
        in compiled code too (of a schedule, its first rate is looked at).

    Notes
    -----
    **Caching.** A function of yours that calls this is kept on disk as usual, if it names its objective: a compiled
    function at module level, or a registered objective. It is not where the objective comes in as an argument of your
    function (from Python), since Numba knows a compiled function by its address, another one in every process; pass
    a registered objective instead, or name the function. Use `fastgd.njit`, whose cache notices an edited objective;
    Numba's own ``@njit(cache=True)`` is found too, but looks only at the file that your function is in.

    **Speed.** A small objective is pasted into the loop by the compiler; ``fastgd.njit(forceinline=True)`` makes sure.

    **Flags.** The loop is pasted into your function and takes its flags: under ``fastmath=True``, which promises the
    compiler that nothing is NaN, a run that met NaN may count as converged; ``{"contract", "reassoc"}`` is safe.

    From Python, fastgd's loop is compiled for each compiled function anew in every process, and for a registered
    objective once and for all.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> @fastgd.njit(cache=False)
    ... def parabola(x, grad, centre):
    ...     grad[0] = 2 * (x[0] - centre)
    ...     return (x[0] - centre) ** 2
    >>> @fastgd.njit(cache=False)
    ... def simulate(centres):
    ...     total, x = 0.0, np.zeros(1)
    ...     for centre in centres:
    ...         found = fastgd.gradient_descent(parabola, x, fastgd.SGD(), 0.25, 100, 1e-9, (centre,))
    ...         x = found.x  # a warm start
    ...         total += x[0]
    ...     return total
    >>> print(f"{simulate(np.array([1.0, 2.0, 3.0])):.6f}")
    6.000000
    """
    owner = "gradient_descent"
    x = starting_array(owner, "x0", x0, 1).copy()
    optimizer, lr, rules = checked_rules(owner, optimizer, lr, max_steps, gtol, 0, 0)
    args = checked_args(owner, args, True)
    objective = prepare(owner, fun, None, args, x, True)
    with Interrupts() as interrupts:
        run = Run(objective, args, optimizer, lr, rules, no_box(x), x, False)
        status = run.until_over(interrupts)
    best, end = run.points, run.position
    return Descent(best.best_x, end.best, best.best_grads, run.nit, end.nfev, status <= STEP, status)


@overload(gradient_descent, jit_options=PASTED)
def _gradient_descent(fun, x0, optimizer, lr, max_steps, gtol, args=()):
    if not isinstance(x0, types.Array) or x0.ndim != 1:
        raise TypingError(f"gradient_descent: x0 must be a 1-D array, got {x0}")
    if isinstance(lr, types.BaseNamedTuple) and lr.instance_class is ReduceOnPlateau:
        raise TypingError(
            "gradient_descent: lr must be a schedule of time alone, not one that watches the epochs of fit"
        )
    if not isinstance(args, types.BaseTuple | types.Omitted | tuple):
        raise TypingError(f"gradient_descent: args must be a tuple, got {args}; write args=(a,) for a single one")
    dtype = x0.dtype if isinstance(x0.dtype, types.Float) else types.float64
    check_types("gradient_descent", fun, types.Array(dtype, 1, "C"), getattr(args, "types", ()))
    searches = isinstance(lr, types.BaseNamedTuple) and lr.instance_class is Armijo
    whole_run = _whole_search if searches else _whole_descent
    if isinstance(args, types.BaseTuple):
        return lambda fun, x0, optimizer, lr, max_steps, gtol, args=(): whole_run(
            fun, args, optimizer, lr, Rules(max_steps, gtol, 0.0, 0.0), x0.astype(dtype)
        )
    return lambda fun, x0, optimizer, lr, max_steps, gtol, args=(): whole_run(
        fun, (), optimizer, lr, Rules(max_steps, gtol, 0.0, 0.0), x0.astype(dtype)
    )


def is_plain(optimizer):
    """Whether an optimiser's step is θ - lr·g and nothing else."""
    plain = kernels_for("gradient_descent: optimizer", OptimizerKernels, optimizer).plain
    return plain is not None and plain.py_func(optimizer)


@overload(is_plain, jit_options=PASTED)
def _is_plain(optimizer):
    plain = kernels_in_compiled_code("gradient_descent: optimizer", OptimizerKernels, optimizer).plain
    if plain is None:
        raise TypingError("gradient_descent: lr=Armijo(...) goes with optimizer=SGD()")
    return lambda optimizer: plain(optimizer)


@intrinsic
def goes_uphill(typing_context, optimizer):
    """Whether an optimiser, or one that it holds, maximises (in compiled code)."""

    def emit(context, builder, signature, arguments):
        def any_of(kind, value):
            found = ir.Constant(ir.IntType(1), 0)
            items = cgutils.unpack_tuple(builder, value, len(kind))
            names = getattr(kind, "fields", (None,) * len(kind))
            for name, part, item in zip(names, kind.types, items, strict=True):
                if isinstance(part, types.BaseTuple):
                    found = builder.or_(found, any_of(part, item))
                elif name == "maximize":
                    found = builder.or_(found, context.cast(builder, item, part, types.boolean))
            return found

        return any_of(signature.args[0], arguments[0])

    return types.boolean(optimizer), emit


@kernel(merge=True)
def _check_run(optimizer, lr, rules, x):
    """What `checked_rules` asks for, of the numbers that compiled code hands over."""
    if x.size == 0:
        raise ValueError("gradient_descent: x0 must have at least one element")
    if rules.max_steps < 0:
        raise ValueError("gradient_descent: max_steps must be an integer, 0 or larger")
    if not 0 <= rules.gtol < np.inf:
        raise ValueError("gradient_descent: gtol must be a finite number, 0 or larger")
    if not 0 <= learning_rate(lr, 0) < np.inf:
        raise ValueError("gradient_descent: lr must be a finite number, 0 or larger")
    if goes_uphill(optimizer):
        raise ValueError("gradient_descent: optimizer must go downhill; to maximise, give -f and -grad")


# The arrays are lent to the loops, which count no references to them; `points` and `state` live until the end.


@kernel(merge=True)
def _whole_descent(fun, args, optimizer, lr, rules, x):
    _check_run(optimizer, lr, rules, x)
    none = x[:0]
    points, box, path = _points(x, none), Box(none, none), Path(none, none)
    state = init_state(optimizer, x)
    position = descend_until(
        rules.max_steps + 1, fun, args, optimizer, lr, rules, borrowed(box), borrowed(state), borrowed(points),
        _beginning(), borrowed(path),
    )  # fmt: skip
    return _described(points, look_at_average(fun, args, optimizer, box, state, points, position))


@kernel(merge=True)
def _whole_search(fun, args, optimizer, lr, rules, x):
    if not is_plain(optimizer):
        raise ValueError("gradient_descent: lr=Armijo(...) goes with optimizer=SGD()")
    _check_run(optimizer, lr.lr, rules, x)
    none = x[:0]
    points, box, path = _points(x, none), Box(none, none), Path(none, none)
    position = search_until(_MOST, fun, args, lr, rules, borrowed(box), borrowed(points), _beginning(), borrowed(path))
    return _described(points, position)


@kernel(merge=True)
def _points(x, before):
    unknown = np.full_like(x, np.nan)  # where the first value is not finite, the gradient may be left unwritten
    return Points(x, unknown, before, x.copy(), unknown.copy())


@kernel(merge=True)
def _beginning():
    return Position(RUNNING, 0, 0, np.inf, np.inf, 0.0)


@kernel(merge=True)
def _described(points, position):
    status = position.status if largest(points.best_x) < np.inf else NONFINITE
    return Descent(
        points.best_x, position.best, points.best_grads, position.step, position.nfev, status <= STEP, status
    )


@dataclass(frozen=True, repr=False, eq=False)
class MinimizeResult:
    """The result of `minimize`, under SciPy's names.

    Attributes
    ----------
    x : ndarray of shape (n,)
        The evaluated point of least value, or the one at which the run converged.
    fun : float
        The value there.
    jac : ndarray of shape (n,)
        The gradient there.
    nit : int
        Steps.
    nfev : int
        Calls of the objective.
    success : bool
        Whether the run converged.
    status : int
        0, 1, 2: converged, by `gtol`, `ftol`, `xtol`; 3: `max_steps` are done; 4: not finite; 5: the line search found
        no lower value; 6: stopped by the callback; 7: interrupted.
    message : str
        The same in a sentence.
    path : ndarray of shape (nit + 1, n), or None
        With ``record=True`` every point from which a step was taken, and the last one: row k is the one after k steps.
    path_fun : ndarray of shape (nit + 1,), or None
        The values there.
    """

    x: np.ndarray
    fun: float
    jac: np.ndarray
    nit: int
    nfev: int
    success: bool
    status: int
    message: str
    path: np.ndarray | None = None
    path_fun: np.ndarray | None = None

    def __repr__(self):
        return (
            f"MinimizeResult(success={self.success}, status={self.status}, message={self.message!r}, "
            f"fun={self.fun:.6g}, nit={self.nit}, nfev={self.nfev}, x={self.x})"
        )


class MinimizeProgress(NamedTuple):
    """Where a run is, as its callback is told."""

    step: int  # steps done
    nfev: int  # evaluations done
    fun: float  # the least value so far
    x: np.ndarray  # where: a copy
    lr: float  # the rate of the last step


def minimize(
    fun,
    x0,
    *,
    optimizer=Adam(),
    lr=1e-2,
    max_steps=10_000,
    gtol=1e-6,
    ftol=0,
    xtol=0,
    args=(),
    jac=None,
    bounds=None,
    callback=None,
    record=False,
    progress=False,
    compile=True,
):
    """Minimise a function of a vector by gradient descent, the whole run in compiled code.

    Parameters
    ----------
    fun : callable or NamedTuple
        The objective, in one of these forms: ``fun(x, grad, *args) -> float``, which writes the gradient into `grad`
        (NLopt's); ``fun(x, *args) -> float`` with `jac` (SciPy's); or a registered objective (`register_objective`),
        such as those in `fastgd.problems`, for which the loop is compiled once and kept on disk. Functions
        are compiled if they are not already; the loop with them takes a few seconds, once in a process.
    x0 : array_like of shape (n,)
        Where to start; not modified. Its floating dtype is that of the run (integers become float64).
    optimizer : NamedTuple
        A registered optimiser.
    lr : float or NamedTuple
        The learning rate; or a schedule, its time measured in steps; or with ``optimizer=SGD()`` the line search
        `Armijo`.
    max_steps : int
        Steps, at most.
    gtol : float
        Converged once no component of the gradient is larger in absolute value (of the part of it that leads out of
        the bounds nothing is asked).
    ftol : float
        Where positive: converged once a step changes the value by at most ftol · max(1, |f|). A method with momentum
        stands still for a moment where it turns: small changes say less there than a small gradient.
    xtol : float
        Where positive: converged once a step changes no variable by more than xtol · max(1, max |x|).
    args : tuple
        What the functions are called with beside x and grad.
    jac : callable, True, "2-point" or "3-point", optional
        ``jac(x, *args) -> array``; or True if fun returns (value, gradient); or differences, on request only: forward
        ones cost n + 1 calls an evaluation and leave half of the dtype's digits, central ones 2n + 1 and leave two
        thirds. (Near a bound they call fun a little beyond it.)
    bounds : sequence of (low, high), or scipy.optimize.Bounds, optional
        The range of each variable, None for none. Every step, and x0, is projected into it.
    callback : callable, optional
        ``callback(progress)``, called between compiled chunks of about 40 ms (and at the end; of plain Python after
        every step) with `step`, `nfev`, `fun`, `x`, `lr`. It ends the run by raising StopIteration.
    record : bool
        Keep all points and values: `path`, `path_fun`.
    progress : bool
        Show a progress bar.
    compile : bool
        False runs fun and jac as the Python that they are, at Python's speed.

    Returns
    -------
    MinimizeResult
        `x`, `fun`, `jac`, `nit`, `nfev`, `success`, `status`, `message`: of the evaluated point of least value, or the
        one at which the run converged. (A method that keeps an average is asked for it at the end; its point counts as
        one more.)

    Raises
    ------
    ValueError, TypeError
        For arguments that do not fit, and for an objective of the wrong form, which is called once to see.

    Warns
    -----
    RuntimeWarning
        If a value or gradient was not finite: the run stops there, with the best point before it.

    Notes
    -----
    Ctrl-C ends the run within 0.1 s (once compiled, and unless a single call of the objective takes longer) with the
    best point so far and status 7; a second one within a second raises KeyboardInterrupt.

    A function is compiled once, and its global and closure variables become constants, as Numba has it: to change one
    later changes nothing. What changes from run to run is passed through `args`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> def ellipse(x, grad, a):
    ...     grad[0], grad[1] = 2 * x[0], 2 * a * (x[1] - 1)
    ...     return x[0] ** 2 + a * (x[1] - 1) ** 2
    >>> result = fastgd.minimize(ellipse, [3.0, 3.0], args=(10.0,), optimizer=fastgd.SGD(), lr=0.05)
    >>> result.success, result.x.round(6)
    (True, array([0., 1.]))
    """
    owner = "minimize"
    compile = _check.boolean(owner, "compile", compile)
    x = starting_array(owner, "x0", x0, 1).copy()
    optimizer, lr, rules = checked_rules(owner, optimizer, lr, max_steps, gtol, ftol, xtol)
    box = checked_box(owner, bounds, x)
    if bounds is not None:
        np.clip(x, *box, out=x)
    if callback is not None and not callable(callback):
        raise TypeError(f"{owner}: callback must be callable, got {type(callback).__name__}")
    record, progress = _check.boolean(owner, "record", record), _check.boolean(owner, "progress", progress)
    args = checked_args(owner, args, compile)
    objective = prepare(owner, fun, jac, args, x, compile)
    with Interrupts() as interrupts:
        run = Run(objective, args, optimizer, lr, rules, box, x, record)
        with bar(progress, rules.max_steps, "step") as shown:
            status = run.until_over(interrupts, callback, shown)
    message = _what_happened(status, run)
    if status == NONFINITE:
        warnings.warn(f"{owner}: {message}", RuntimeWarning, stacklevel=2)
    path, path_fun = run.path() if record else (None, None)
    return MinimizeResult(
        x=run.points.best_x,
        fun=run.position.best,
        jac=run.points.best_grads,
        nit=run.nit,
        nfev=run.position.nfev * objective.calls,
        success=status <= STEP,
        status=status,
        message=message,
        path=path,
        path_fun=path_fun,
    )


def _what_happened(status, run):
    words = f"{MESSAGES[status]} (after {run.nit} steps)"
    if status == NONFINITE and not np.isfinite(run.points.best_x).all():
        return f"not finite: a step led to x = {run.points.best_x}"
    if status == NONFINITE:
        x = np.array2string(run.points.x, threshold=8)
        words = (
            f"not finite: at step {run.nit} the value was {run.position.value:g} and the largest gradient component "
            f"{abs(run.points.grads).max():g}, at x = {x}"
        )
        words += "; the best point before it is returned" if run.nit else "; this is the starting point"
    return words


# Checks.


def starting_array(owner, name, x0, ndim):
    """Return a start, or a start a row, which is only to be read."""
    x0 = _check.array(owner, name, x0, ndim)
    if x0.size == 0:
        raise ValueError(f"{owner}: {name} must have at least one element, got shape {x0.shape}")
    if ndim == 1 and not np.isfinite(x0).all():
        raise ValueError(f"{owner}: {name} must be finite, got {x0[~np.isfinite(x0)][0]}")
    return x0


def checked_rules(owner, optimizer, lr, max_steps, gtol, ftol, xtol):
    """Return an optimiser, a rate and the rules of a run, checked."""
    kernels_for(f"{owner}: optimizer", OptimizerKernels, optimizer)
    if _goes_uphill(optimizer):
        raise ValueError(f"{owner}: optimizer must go downhill, got {optimizer}; to maximise, give -f and -grad")
    if isinstance(lr, Armijo):
        if not is_plain(optimizer):
            raise ValueError(f"{owner}: lr=Armijo(...) goes with optimizer=SGD(), got {optimizer}")
    elif isinstance(lr, ReduceOnPlateau):
        raise ValueError(f"{owner}: lr must be a schedule of time alone, got {lr}, which watches the epochs of fit")
    elif isinstance(lr, tuple):
        kernels_for(f"{owner}: lr", ScheduleKernels, lr)
    else:
        lr = _check.number(owner, "lr", lr, _check.nonnegative)
    tolerances = [
        _check.number(owner, name, value, _check.nonnegative)
        for name, value in (("gtol", gtol), ("ftol", ftol), ("xtol", xtol))
    ]
    max_steps = min(_check.integer(owner, "max_steps", max_steps, least=0), _MOST)
    return optimizer, lr, Rules(max_steps, *tolerances)


def _goes_uphill(optimizer):
    """Whether an optimiser, or one that it holds, maximises."""
    held = [part for part in optimizer if isinstance(part, tuple)]
    return getattr(optimizer, "maximize", False) or any(map(_goes_uphill, held))


def no_box(x):
    """No bounds."""
    return Box(np.empty(0, x.dtype), np.empty(0, x.dtype))


def checked_box(owner, bounds, x):
    """Return bounds as a pair of arrays of the run's dtype; `x` is a point."""
    if bounds is None:
        return no_box(x)
    try:
        if hasattr(bounds, "lb") and hasattr(bounds, "ub"):
            pairs = list(zip(np.broadcast_to(bounds.lb, x.shape), np.broadcast_to(bounds.ub, x.shape), strict=True))
        else:
            pairs = [(low, high) for low, high in bounds]
        if len(pairs) != x.size:
            raise ValueError
        lower = np.array([-math.inf if low is None else low for low, _ in pairs], x.dtype)
        upper = np.array([math.inf if high is None else high for _, high in pairs], x.dtype)
    except (TypeError, ValueError):
        raise ValueError(
            f"{owner}: bounds must be {x.size} pairs (low, high) of numbers or None, one for each variable, "
            f"got {bounds!r}"
        ) from None
    for i, (low, high) in enumerate(zip(lower, upper, strict=True)):
        if not low <= high:
            raise ValueError(f"{owner}: bounds[{i}] must have low <= high, got ({low}, {high})")
    return Box(lower, upper)


# A run under way.


@kernel
def descent_chunk(last_nfev, objective, args, optimizer, rates, rules, box, state, points, position, path):
    """Go on until the run is over or so many evaluations are done."""
    return descend_until(
        last_nfev, objective, args, optimizer, rates, rules, borrowed(box), borrowed(state), borrowed(points), position,
        borrowed(path),
    )  # fmt: skip


@kernel
def search_chunk(last_nfev, objective, args, armijo, rules, box, points, position, path):
    """The same with a line search."""
    return search_until(
        last_nfev, objective, args, armijo, rules, borrowed(box), borrowed(points), position, borrowed(path)
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


class Run:
    """A run under way: its arrays, and how it is advanced by chunks."""

    def __init__(self, objective, args, optimizer, lr, rules, box, x, record):
        self.objective, self.args, self.optimizer, self.lr = objective, args, optimizer, lr
        self.rules, self.box, self._record = rules, box, record
        before = np.empty_like(x) if rules.xtol > 0 else x[:0]
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
        while status == RUNNING and not interrupts.requested:
            started = time.perf_counter()
            self._chunk(count)
            seconds = max(time.perf_counter() - started, 1e-9)
            count = max(1, int(count * min(_CHUNK_GROWTH, CHUNK_SECONDS / seconds)))
            count = min(count, self._longest_chunk(callback))
            status = self.position.status
            if status != RUNNING and keeps_average(kernels_for("minimize", OptimizerKernels, self.optimizer)):
                self._look_at_average()
            if shown is not None:
                shown.set_postfix(fun=f"{self.position.best:.4g}", refresh=False)
                shown.update(self.nit - shown.n)
            if callback is not None:
                status = self._tell(callback, status)
        if status == RUNNING:
            return INTERRUPTED
        return status if np.isfinite(self.points.best_x).all() else NONFINITE

    def _longest_chunk(self, callback):
        most = _MOST
        if self._record:
            most = min(most, max(1, _PATH_NUMBERS // self.points.x.size))
        if isinstance(self.lr, tuple) and not isinstance(self.lr, Armijo):
            most = min(most, _RATES)
        return 1 if callback is not None and not self.objective.compiled else most

    def _tell(self, callback, status):
        x = self.points.best_x.copy()
        try:
            callback(MinimizeProgress(self.nit, self.position.nfev, self.position.best, x, self._last_lr()))
        except StopIteration:
            return STOPPED if status == RUNNING else status
        return status

    def _chunk(self, count):
        path, first = self._nowhere, self.position.step
        if self._record:
            path = Path(np.empty(count * self.points.x.size, self.points.x.dtype), np.empty(count))
        self._advance(count, path)
        if self._record:
            rows = self.position.step - first + (self.position.status != RUNNING)
            self._parts.append((path.x[: rows * self.points.x.size].copy(), path.fun[:rows].copy()))

    def _advance(self, count, path):
        """Do so many evaluations, and what follows each of them."""
        last_nfev, first = self.position.nfev + count, self.position.step
        how: tuple  # what follows an evaluation
        if isinstance(self.lr, Armijo):
            chunk, step, how = search_chunk, search_step, (self.lr, self.rules, self.box, self.points)
        else:
            chunk, step = descent_chunk, descent_step
            how = (self.optimizer, self._rates(count), self.rules, self.box, self.state, self.points)
        value_and_grad = self.objective.value_and_grad
        if self.objective.compiled:
            self.position = chunk(last_nfev, value_and_grad, self.args, *how, self.position, path)
            return
        while self.position.status == RUNNING and self.position.nfev < last_nfev:
            value = float(value_and_grad(self.points.x, self.points.grads, *self.args))
            self.position = step(value, *how, self.position, path, first)

    def _look_at_average(self):
        """Evaluate the average that a method keeps, as the last point of the run."""
        end, rules, x = self.position, self.rules, self.points.x
        eval_fitting(self.optimizer, self.state, x.copy(), x)
        if self.box.lower.size:
            np.clip(x, *self.box, out=x)
        self.rules, self.position = Rules(0, -1.0, 0.0, 0.0), end._replace(status=RUNNING)
        self._advance(1, self._nowhere)
        self.rules, self.position = rules, end._replace(nfev=self.position.nfev, best=self.position.best)

    def _rates(self, count):
        if not isinstance(self.lr, tuple):  # a number, or the rates of all steps
            return self.lr[self.position.step :] if isinstance(self.lr, np.ndarray) else np.array([self.lr])
        rates = np.empty(count)
        fill_rates(self.lr, np.arange(count, dtype=np.float64) + self.position.step, rates)
        return rates

    def _last_lr(self):
        if isinstance(self.lr, Armijo):
            return self.position.rate
        step = max(0, self.position.step - 1)
        return self.lr[step] if isinstance(self.lr, np.ndarray) else learning_rate(self.lr, step)

    def path(self):
        """All points and values."""
        xs, values = zip(*self._parts, strict=True)
        return np.concatenate(xs).reshape(-1, self.points.x.size), np.concatenate(values)
