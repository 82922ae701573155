"""`gradient_descent`: descent on a user's own objective, inside the user's own compiled code."""

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.errors import TypingError
from numba.extending import intrinsic, overload

from fastgd._arrays.views import borrowed
from fastgd._calls.dispatch import PASTED
from fastgd._descent.loop import (
    MESSAGES,
    RUNNING,
    STEP,
    Box,
    Path,
    Points,
    Position,
    Rules,
    Until,
    descend_until,
    look_at_average,
    search_until,
)
from fastgd._descent.run import DescentRun
from fastgd._descent.setup import MOST, checked_rules, no_box, starting_array
from fastgd._jit import kernel
from fastgd._runtime.interrupt import Interrupts
from fastgd._types import Objective, Rate, Rule
from fastgd.line_search import Armijo
from fastgd.objectives import check_types, checked_args, prepare
from fastgd.schedules import ReduceOnPlateau
from fastgd.verbs import init_state, is_plain, learning_rate


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


def gradient_descent(
    fun: Objective, x0: np.ndarray, optimizer: Rule, lr: Rate, max_steps: int, gtol: float, args: tuple[Any, ...] = ()
) -> Descent:
    """Minimise a function by gradient descent, inside a user's own compiled code with nothing of Python in its loop.

    Parameters
    ----------
    fun : callable or NamedTuple
        A compiled function ``fun(x, grad, *args) -> float`` that writes the gradient into `grad`; or a registered
        objective. (It must not keep or return views of x and grad. In compiled code nothing tests what it writes.)
    x0 : ndarray of shape (n,)
        Where to start; not modified. float32 or float64, the dtype of the whole run; integers become float64 (and
        from Python float16 becomes float32).
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

    **Exceptions.** Where an objective raises in compiled code, the run's arrays stay in memory (some n numbers): Numba
    gives nothing back where an exception passes. One that cannot go on had better return NaN, which ends the run.

    From Python, fastgd's own loop runs, which is kept on disk whatever the objective.

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
    lr, rules = checked_rules(owner, optimizer, lr, max_steps, gtol, 0, 0)
    args = checked_args(owner, args, True)
    objective = prepare(owner, fun, None, args, x, True)
    with Interrupts() as interrupts:
        run = DescentRun(objective, args, optimizer, lr, rules, no_box(x), x, False, owner="gradient_descent")
        status = run.until_over(interrupts)
    best, end = run.points, run.position
    return Descent(best.best_x, end.best, best.best_grads, run.nit, end.nfev, status <= STEP, status)


@overload(gradient_descent, jit_options=PASTED)
def _gradient_descent(fun, x0, optimizer, lr, max_steps, gtol, args=()):
    if not isinstance(x0, types.Array) or x0.ndim != 1:
        raise TypingError(f"gradient_descent: x0 must be a 1-D array, got {x0}")
    if x0.dtype == types.float16:
        raise TypingError("gradient_descent: x0 must be float32 or float64 in compiled code, got float16")
    if isinstance(lr, types.BaseNamedTuple) and lr.instance_class is ReduceOnPlateau:
        raise TypingError(
            "gradient_descent: lr must be a schedule of time alone, not one that watches the epochs of fit"
        )
    if not isinstance(args, types.BaseTuple | types.Omitted | tuple):
        raise TypingError(f"gradient_descent: args must be a tuple, got {args}; write args=(a,) for a single one")
    if not isinstance(max_steps, types.Integer | int):
        raise TypingError(f"gradient_descent: max_steps must be an integer, got {max_steps}")
    dtype = x0.dtype if isinstance(x0.dtype, types.Float) else types.float64
    check_types("gradient_descent", fun, types.Array(dtype, 1, "C"), getattr(args, "types", ()))
    searches = isinstance(lr, types.BaseNamedTuple) and lr.instance_class is Armijo
    whole_run = _whole_search if searches else _whole_descent
    if isinstance(args, types.BaseTuple):
        return lambda fun, x0, optimizer, lr, max_steps, gtol, args=(): whole_run(
            fun, args, optimizer, lr, max_steps, gtol, x0.astype(dtype)
        )
    return lambda fun, x0, optimizer, lr, max_steps, gtol, args=(): whole_run(
        fun, (), optimizer, lr, max_steps, gtol, x0.astype(dtype)
    )


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
def _whole_descent(fun, args, optimizer, lr, max_steps, gtol, x):
    rules = _rules(max_steps, gtol)
    _check_run(optimizer, lr, rules, x)
    none = x[:0]
    points, box, path = _points(x, none), Box(none, none), Path(none, none)
    state = init_state(optimizer, x)
    position = descend_until(
        Until(rules.max_steps + 1, 0, (0,)), fun, args, optimizer, lr, rules, borrowed(box), borrowed(state),
        borrowed(points), _beginning(), borrowed(path),
    )  # fmt: skip
    return _described(points, look_at_average(fun, args, optimizer, rules, box, state, points, position))


@kernel(merge=True)
def _whole_search(fun, args, optimizer, lr, max_steps, gtol, x):
    if not is_plain(optimizer):
        raise ValueError("gradient_descent: lr=Armijo(...) goes with optimizer=SGD()")
    rules = _rules(max_steps, gtol)
    _check_run(optimizer, lr.lr, rules, x)
    none = x[:0]
    points, box, path = _points(x, none), Box(none, none), Path(none, none)
    position = search_until(
        Until(MOST, 0, (0,)), fun, args, lr, rules, borrowed(box), borrowed(points), _beginning(), borrowed(path)
    )
    return _described(points, position)


@kernel(merge=True)
def _rules(max_steps, gtol):
    return Rules(np.int64(max_steps), gtol, 0.0, 0.0)  # type: ignore[arg-type]  # an int once compiled


@kernel(merge=True)
def _points(x, before):
    unknown = np.full_like(x, np.nan)  # where the first value is not finite, the gradient may be left unwritten
    return Points(x, unknown, before, x.copy(), unknown.copy())


@kernel(merge=True)
def _beginning():
    return Position(RUNNING, 0, 0, np.inf, np.inf, 0.0)


@kernel(merge=True)
def _described(points, position):
    status, step, nfev, _, best, _ = position
    return Descent(points.best_x, best, points.best_grads, step, nfev, status <= STEP, status)
