"""`minimize`: descent on a user's own objective, from Python."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastgd import _check
from fastgd._descent.loop import MESSAGES, NONFINITE, STEP
from fastgd._descent.run import DescentRun
from fastgd._descent.setup import checked_box, checked_rules, starting_array
from fastgd._runtime.interrupt import Interrupts
from fastgd._runtime.progress import bar
from fastgd._types import Function, Objective, Rate, Rule
from fastgd.objectives import checked_args, prepare
from fastgd.optimizers import Adam


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
    njev : int
        Gradients, of which each costs several calls where it is made of differences.
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
    njev: int
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


def minimize(
    fun: Objective,
    x0: ArrayLike,
    *,
    optimizer: Rule = Adam(),
    lr: Rate = 1e-2,
    max_steps: int = 10_000,
    gtol: float = 1e-6,
    ftol: float = 0,
    xtol: float = 0,
    args: tuple[Any, ...] = (),
    jac: Function | bool | str | None = None,
    bounds: Any = None,
    callback: Function | None = None,
    record: bool = False,
    progress: bool = False,
    compile: bool = True,
) -> MinimizeResult:
    """Minimise a function of a vector by gradient descent, the whole run in compiled code.

    Parameters
    ----------
    fun : callable or NamedTuple
        The objective, in one of these forms: ``fun(x, grad, *args) -> float``, which writes the gradient into `grad`
        (NLopt's); ``fun(x, *args) -> float`` with `jac` (SciPy's); or a registered objective (`register_objective`),
        such as those in `fastgd.problems`. Functions are compiled if they are not already (with Numba's
        ``error_model="numpy"``: 1/0 is infinite), once in a process, if not kept on disk by `fastgd.njit`. The loop is
        compiled once for an optimiser and the types of `args`, and kept on disk: to call a function by its address
        takes a few nanoseconds more than a registered objective, which is pasted into a loop of its own. (To assign an
        array to a slice, as in ``grad[:] = 2 * x``, takes Numba two or three seconds more to compile than a loop over
        the components.)
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
        Where positive: converged once a step changes no variable by more than xtol · max(1, max |x|). (A step at rate
        0 does not count; and like ftol it is refused with `Accumulate`, most of whose steps change nothing.)
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
        every step) with `step`, `nfev`, the least value `fun` so far and its `x`, the last step's `lr`, `last_x` and
        `last_fun`. It ends the run by raising StopIteration.
    record : bool
        Keep all points and values: `path`, `path_fun`.
    progress : bool
        Show a progress bar.
    compile : bool
        False runs fun and jac as the Python that they are, at Python's speed, each call with a copy of x. Values may
        then be arrays of one element, as other libraries return them.

    Returns
    -------
    MinimizeResult
        `x`, `fun`, `jac`, `nit`, `nfev`, `success`, `status`, `message`: of the evaluated point of least value, or the
        one at which the run converged. (A method that keeps an average is asked for it at the end; its point counts as
        one more, after convergence by gtol if its gradient is as small.)

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
    best point so far and status 7; a second one within a second raises KeyboardInterrupt. With ``record=True`` the path
    is then put together, which takes some 50 ms for a million points.

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
    lr, rules = checked_rules(owner, optimizer, lr, max_steps, gtol, ftol, xtol)
    box = checked_box(owner, bounds, x)
    if bounds is not None:
        np.clip(x, *box, out=x)
    if callback is not None and not callable(callback):
        raise TypeError(f"{owner}: callback must be callable, got {type(callback).__name__}")
    record, progress = _check.boolean(owner, "record", record), _check.boolean(owner, "progress", progress)
    args = checked_args(owner, args, compile)
    objective = prepare(owner, fun, jac, args, x, compile)
    with Interrupts() as interrupts:
        run = DescentRun(objective, args, optimizer, lr, rules, box, x, record, tells=callback is not None)
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
        njev=run.position.nfev,
        success=status <= STEP,
        status=status,
        message=message,
        path=path,
        path_fun=path_fun,
    )


def _what_happened(status, run):
    words = f"{MESSAGES[status]} (after {run.nit} steps)"
    if status == NONFINITE:
        x = np.array2string(run.points.x, threshold=8)
        words = (
            f"not finite: at step {run.nit} the value was {run.position.value:g} and the largest gradient component "
            f"{abs(run.points.grads).max():g}, at x = {x}"
        )
        words += "; the best point before it is returned" if run.nit else "; this is the starting point"
    return words
