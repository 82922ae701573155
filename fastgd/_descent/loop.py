"""The compiled loop of minimisation: step after step from one point, for any objective, optimiser and rate.

It is pasted into its callers, users' own functions included: a compiled function that is passed on as a value leaves
a pointer in the machine code, with which Numba could not keep it on disk. (From Python it is passed by its address.)
Everything about where a run is comes in and goes out, so that a chunk can end after any evaluation and another go on
from there.
"""

from typing import NamedTuple

import numpy as np
from numba.core import types
from numba.core.errors import TypingError
from numba.extending import overload

from fastgd._arrays.copies import write
from fastgd._arrays.views import borrowed
from fastgd._calls.by_address import AddressType, call_by_address
from fastgd._calls.dispatch import PASTED, kernels_in_compiled_code
from fastgd._jit import kernel
from fastgd._registry import ObjectiveKernels, OptimizerKernels, keeps_average
from fastgd.clipping.norms import bits_without_sign, largest, with_bits
from fastgd.updates import update
from fastgd.verbs import eval_params, learning_rate

# Why a run ended; the first three are successes.
GRADIENT, VALUE, STEP, MAX_STEPS, NONFINITE, NO_DECREASE, STOPPED, INTERRUPTED, RAISED, RUNNING = range(10)

MESSAGES = (
    "converged: no component of the gradient is larger than gtol",
    "converged: the value changed by no more than ftol allows",
    "converged: the step was no longer than xtol allows",
    "reached max_steps",
    "the value, the gradient or the point is not finite",
    "the line search found no lower value",
    "stopped by the callback",
    "interrupted",
    "the objective raised an exception",
    "under way",
)


_INFINITY = np.int64(0x7FF << 52)  # its bits


class Rules(NamedTuple):
    """When a run is over, as plain numbers."""

    max_steps: int
    gtol: float
    ftol: float  # 0 for never
    xtol: float


class Box(NamedTuple):
    """Bounds of every variable."""

    lower: np.ndarray  # (n,), or both empty for none
    upper: np.ndarray


class Points(NamedTuple):
    """The arrays of a run, (n,) each."""

    x: np.ndarray  # where to evaluate next
    grads: np.ndarray
    before: np.ndarray  # the point evaluated before; empty where neither a rule nor a callback asks for it
    best_x: np.ndarray  # the point to return: the one of least value so far, or the one that converged
    best_grads: np.ndarray


class Position(NamedTuple):
    """Where a run is, as plain numbers."""

    status: int
    step: int  # steps done
    nfev: int  # evaluations done
    value: float  # the last one,
    best: float  # and the one at the point to return
    rate: float  # of the step under way; 0 before the first


class Until(NamedTuple):
    """When a chunk ends."""

    nfev: int  # once so many evaluations are done,
    tick: int  # or ticks[0] is no longer this: in compiled code, where no other looks, (0,) for ticks
    ticks: np.ndarray | tuple[int]


class Path(NamedTuple):
    """Where the evaluated points of a chunk are written, one after the other; empty for nowhere."""

    x: np.ndarray  # (rows · n,)
    fun: np.ndarray  # (rows,)


def evaluate(objective, x, grads, args):
    """The value at x, its gradient written (compiled).

    objective : `fun(x, grads, *args)`, as itself or by its address, or a registered objective.
    """
    raise NotImplementedError("evaluate is called in compiled code")


@overload(evaluate, jit_options=PASTED)
def _evaluate(objective, x, grads, args):
    if isinstance(objective, types.Dispatcher):  # np.float64, since `float` leaves a float32 what it is
        return lambda objective, x, grads, args: np.float64(objective(borrowed(x), borrowed(grads), *borrowed(args)))
    if isinstance(objective, AddressType):
        return lambda objective, x, grads, args: call_by_address(objective, x, grads, args)
    if isinstance(args, types.BaseTuple) and len(args):
        raise TypingError("args: a registered objective takes none")
    kernel = kernels_in_compiled_code("gradient_descent: fun", ObjectiveKernels, objective).value_and_grad
    return lambda objective, x, grads, args: np.float64(kernel(borrowed(objective), borrowed(x), borrowed(grads)))


def rate_at(rates, first, step):
    """The rate of a step: of a number or a schedule, or of an array that begins with the first step's (compiled)."""
    raise NotImplementedError("rate_at is called in compiled code")


@overload(rate_at, jit_options=PASTED)
def _rate_at(rates, first, step):
    if isinstance(rates, types.Array):
        return lambda rates, first, step: rates[min(step - first, rates.size - 1)]
    return lambda rates, first, step: learning_rate(rates, step)


# Loops over a point. At a few variables what a loop costs is its beginning; they are read as parts of one function.


@kernel(merge=True)
def largest_inside(x, grads, box):
    """The largest absolute gradient, but for the components that point out of the box at its edge."""
    most = bits_without_sign(grads.dtype.type(0))
    for i in range(x.size):
        g = grads[i]
        if not ((x[i] <= box.lower[i] and g > 0) or (x[i] >= box.upper[i] and g < 0)):
            bits = bits_without_sign(g)
            most = bits if bits > most else most
    return with_bits(most)


@kernel(merge=True)
def project(box, x):
    """Move x to the nearest point of the box (NaN stays NaN)."""
    for i in range(box.lower.size):
        v = x[i]
        x[i] = box.lower[i] if v < box.lower[i] else (box.upper[i] if v > box.upper[i] else v)


@kernel(merge=True)
def distances(x, y):
    """The largest distance in one variable, and the square of the Euclidean distance."""
    most = total = 0.0
    for i in range(x.size):
        d = np.float64(x[i]) - np.float64(y[i])
        most = max(most, abs(d))
        total += d * d
    return most, total


@kernel(merge=True)
def keep(points):
    """Make the point just evaluated the one to return."""
    for i in range(points.x.size):
        points.best_x[i] = points.x[i]
        points.best_grads[i] = points.grads[i]


@kernel(merge=True)
def record(path, row, x, value):
    """Write a point into the path, if there is one."""
    if path.fun.size:
        path.fun[row] = value
        for i in range(x.size):
            path.x[row * x.size + i] = x[i]


@kernel(merge=True)
def steepness(points, value):
    """The largest absolute gradient; infinite where the value, the gradient or the point is not finite.

    In one loop over both: a second one cost 3 ns of a step's 9 in two dimensions.
    """
    most = most_x = bits_without_sign(points.x.dtype.type(0))
    for i in range(points.x.size):
        bits, bits_x = bits_without_sign(points.grads[i]), bits_without_sign(points.x[i])
        most = bits if bits > most else most
        most_x = bits_x if bits_x > most_x else most_x
    slope = with_bits(most)
    return slope if bits_without_sign(value) < _INFINITY and slope < np.inf and with_bits(most_x) < np.inf else np.inf


@kernel(merge=True)
def is_flat(rules, box, points, slope):
    """Whether the gradient is as small as `gtol` asks for."""
    return (largest_inside(points.x, points.grads, box) if box.lower.size else slope) <= rules.gtol


@kernel(merge=True)
def verdict(rules, box, points, rate, step, last, value):
    """Whether a run is over at a point just evaluated, `last` being the value before; at a rate of 0 nothing moved."""
    x, before, status = points.x, points.before, RUNNING
    slope = steepness(points, value)
    if not slope < np.inf:
        status = NONFINITE
    else:
        if is_flat(rules, box, points, slope):
            status = GRADIENT
        elif rules.ftol > 0 and rate > 0 and abs(value - last) <= rules.ftol * max(1.0, abs(value), abs(last)):
            status = VALUE
        elif rules.xtol > 0 and rate > 0 and distances(x, before)[0] <= rules.xtol * max(1.0, largest(x)):
            status = STEP
        elif step >= rules.max_steps:
            status = MAX_STEPS
    for i in range(before.size):
        before[i] = x[i]
    return status


# What follows an evaluation, a test and a step; and the loops, which are these and the evaluation in turns.


@kernel(inline=True)
def judge(value, rules, box, points, position, path, first):
    """Record, test and perhaps keep the point just evaluated; return the status and the best value.

    What depends on no optimiser and on no objective is a kernel of its own, which others don't compile again.
    """
    box, points, path = borrowed(box), borrowed(points), borrowed(path)
    step, best = position.step, position.best
    record(path, step - first, points.x, value)
    status = verdict(rules, box, points, position.rate, step, position.value, value)
    if status <= STEP or (value < best and status != NONFINITE) or position.nfev == 0:
        best = value
        keep(points)
    return status, best


@kernel(merge=True)
def descend(value, optimizer, rates, rules, box, state, points, position, path, first):
    """Test the point just evaluated and do a step of the optimiser; `first` is the path's and the rates' first step."""
    status, best = judge(value, rules, box, points, position, path, first)
    step, rate = position.step, position.rate
    if status == RUNNING:
        rate = rate_at(rates, first, step)
        update(optimizer, rate, points.grads, state, points.x)
        project(box, points.x)
        step += 1
    return Position(status, step, position.nfev + 1, value, best, rate)


@kernel(inline=True)
def search(value, armijo, rules, box, points, position, path, first):
    """The same along the negative gradient: a step from a point that is low enough, or else a shorter one to it."""
    box, points, path = borrowed(box), borrowed(points), borrowed(path)
    status, step, nfev, last, best, rate = position
    x, best_x, best_grads = points.x, points.best_x, points.best_grads
    usable = steepness(points, value) < np.inf
    nfev += 1
    if nfev == 1 or (usable and value <= best - armijo.c1 / rate * distances(x, best_x)[1]):
        record(path, step - first, x, value)
        status = verdict(rules, box, points, rate, step, last, value)
        last = best = value
        rate = min(armijo.lr, rate / armijo.shrink) if nfev > 1 else armijo.lr
        keep(points)
        step += np.int64(status == RUNNING)
    else:
        rate *= armijo.shrink
    if status == RUNNING:
        for i in range(x.size):
            x[i] = best_x[i] - rate * best_grads[i]
        project(box, x)
        if distances(x, best_x)[0] == 0:  # also where the rate has become 0
            status = NO_DECREASE
            step -= 1
    return Position(status, step, nfev, last, best, rate)


@kernel(merge=True)
def goes_on(until, position):
    """Whether a chunk is not over yet."""
    return position.nfev < until.nfev and until.ticks[0] == until.tick


@kernel(merge=True)
def descend_until(until, objective, args, optimizer, rates, rules, box, state, points, position, path):
    """Evaluate and step until the run or the chunk is over; return the position."""
    first = position.step
    while position.status == RUNNING and goes_on(until, position):
        value = evaluate(objective, points.x, points.grads, args)
        position = descend(value, optimizer, rates, rules, box, state, points, position, path, first)
    return position


@kernel(merge=True)
def search_until(until, objective, args, armijo, rules, box, points, position, path):
    """The same with a line search."""
    first = position.step
    while position.status == RUNNING and goes_on(until, position):
        value = evaluate(objective, points.x, points.grads, args)
        position = search(value, armijo, rules, box, points, position, path, first)
    return position


def look_at_average(objective, args, optimizer, rules, box, state, points, position):
    """Evaluate the average that a method keeps, at the end of a run, and return it where its value is lower."""
    raise NotImplementedError("look_at_average is called in compiled code")


@overload(look_at_average, jit_options=PASTED)
def _look_at_average(objective, args, optimizer, rules, box, state, points, position):
    if not keeps_average(kernels_in_compiled_code("gradient_descent: optimizer", OptimizerKernels, optimizer)):
        return lambda objective, args, optimizer, rules, box, state, points, position: position
    return lambda objective, args, optimizer, rules, box, state, points, position: _evaluate_average(
        objective, args, optimizer, rules, box, state, points, position
    )


@kernel(merge=True)
def _evaluate_average(objective, args, optimizer, rules, box, state, points, position):
    average = np.empty_like(points.x)
    eval_params(optimizer, state, points.x, average)
    write(average, points.x)
    project(box, points.x)
    return weigh_average(evaluate(objective, points.x, points.grads, args), rules, box, points, position)


@kernel(merge=True)
def weigh_average(value, rules, box, points, position):
    """Return the average, just evaluated, where its value is lower; of a run that ended by its gradient, a flat one."""
    status, step, nfev, last, best, rate = position
    slope = steepness(points, value)
    if value < best and slope < np.inf and (status != GRADIENT or is_flat(rules, box, points, slope)):
        best = value
        keep(points)
    return Position(status, step, nfev + 1, last, best, rate)
