"""The forms in which an objective may be given, made into one; and a model's full batch as an objective."""

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba.core import types
from numba.core.errors import NumbaError, TypingError
from numba.core.typing.typeof import typeof
from numba.extending import is_jitted

from fastgd import _check
from fastgd._finite import require_finite
from fastgd._jit import kernel, njit
from fastgd._registry import ModelKernels, ObjectiveKernels, kernels_for, register_objective
from fastgd.gradients import value_and_grad
from fastgd.verbs import kernels_in_compiled_code

FORMS = (
    "an objective is fun(x, grad, *args) -> float, which writes the gradient into grad; or fun(x, *args) -> float with "
    "jac=a function jac(x, *args) -> array, or with jac='2-point' or '3-point' for differences; or fun(x, *args) -> "
    "(float, array) with jac=True; or one registered by fastgd.register_objective"
)


class MeanLoss(NamedTuple):
    """A model's mean loss over rows of data, as an objective of its parameters: full-batch training by `minimize`.

    Parameters
    ----------
    model : NamedTuple
        A registered model.
    X : ndarray of shape (rows, n_features)
        float32 or float64, C-ordered.
    y : ndarray of shape (rows,) or (rows, n_outputs)
        Of X's dtype, as the starting point must be.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> X = np.array([[0.0], [1.0], [2.0]])
    >>> line = fastgd.MeanLoss(fastgd.Neuron(1, "identity"), X, np.array([1.0, 3.0, 5.0]))
    >>> result = fastgd.minimize(line, np.zeros(2), optimizer=fastgd.SGD(), lr=fastgd.Armijo())
    >>> result.x.round(5)
    array([2., 1.])
    """

    model: NamedTuple
    X: np.ndarray
    y: np.ndarray


@kernel(inline=True)
def mean_loss(objective, x, grads):
    return value_and_grad(objective.model, x, objective.X, objective.y, grads)


def _table(ndims):
    def contains(value):
        return (
            isinstance(value, np.ndarray)
            and value.dtype in (np.float32, np.float64)
            and value.ndim in ndims
            and value.flags.carray
            and value.size > 0
        )

    return _check.Range("a C-ordered float32 or float64 array with a row for each case", contains)


def _check_rows(objective):
    _check.same_length("MeanLoss", "y", objective.y, "X", objective.X)


register_objective(MeanLoss, mean_loss, check=_check_rows, X=_table((2,)), y=_table((1, 2)))


class Objective(NamedTuple):
    """An objective in the loop's own form."""

    value_and_grad: Any  # a registered objective, or f(x, grads, *args) -> float, compiled or not
    compiled: bool
    calls: int  # of the user's fun in an evaluation

    def at(self, x, grads, args):
        """Evaluate it, from Python: return the value, write the gradient."""
        if isinstance(self.value_and_grad, tuple):
            kernels = kernels_for("objective", ObjectiveKernels, self.value_and_grad)
            return kernels.value_and_grad(self.value_and_grad, x, grads)
        return float(self.value_and_grad(x, grads, *args))


class _ObjectiveRaisedError(Exception):
    """An exception of the objective's own."""


def prepare(owner, fun, jac, args, x, compiled, forgiving=False, start="x0"):
    """Make an objective of what the user gave, tried at x: its errors are raised here, in plain words.

    One that raises there does so here, unless `forgiving`. The user's name for x is `start`.
    """
    if isinstance(fun, tuple) or (isinstance(fun, type) and issubclass(fun, tuple)):
        kernels = kernels_for(f"{owner}: fun", ObjectiveKernels, fun)
        if args or jac is not None:
            given = "args" if args else "jac"
            raise TypeError(f"{owner}: a registered objective takes no {given}, got {given}={args or jac!r}")
        _require_length(owner, fun, x, start)
        _try_or_forgive(owner, lambda x, grads: kernels.value_and_grad(fun, x, grads), None, (), x, forgiving, True)
        return Objective(fun, True, 1)
    if not callable(fun):
        raise TypeError(f"{owner}: fun must be an objective, got {type(fun).__name__}; {FORMS}")
    if not (jac is None or jac is True or callable(jac) or (isinstance(jac, str) and jac in _DIFFERENCES)):
        raise ValueError(f"{owner}: jac must be None, a function, True, '2-point' or '3-point', got {jac!r}; {FORMS}")
    _require_arity(owner, "fun", fun, ("x", "grad") if jac is None else ("x",), args)
    if callable(jac):
        _require_arity(owner, "jac", jac, ("x",), args)
    if compiled:
        fun = _compiled(owner, "fun", fun)
        jac = _compiled(owner, "jac", jac) if callable(jac) else jac
        _compile(owner, "fun", fun, (x, x, *args) if jac is None else (x, *args))
        if callable(jac):
            _compile(owner, "jac", jac, (x, *args))
    _try_or_forgive(owner, fun, jac, args, x, forgiving, compiled)
    if not compiled:
        fun = _apart(fun, functools.partial(_with_item if jac is True else _item, owner))
        jac = _apart(jac, np.asarray) if callable(jac) else jac
    form = _form(fun, jac, compiled)
    return Objective(form, compiled, _calls(jac, x.size))


def _apart(function, read):
    """Plain Python, called with a copy of x, which it may keep; what it returns is read by another function."""
    return lambda x, *rest: read(function(x.copy(), *rest))


def _item(owner, value):
    """A number, which other libraries return as an array of one element."""
    if isinstance(value, float):
        return value
    if not _holds_number(value):
        raise TypeError(f"{owner}: fun must return a real number, got {_kind(value)}; {FORMS}")
    return np.asarray(value).item()


def _with_item(owner, pair):
    return _item(owner, pair[0]), pair[1]


def _try_or_forgive(owner, fun, jac, args, x, forgiving, compiled):
    try:
        _try(owner, fun, jac, args, x, compiled)
    except _ObjectiveRaisedError as error:
        if not forgiving:
            raise error.args[0] from None


def _calls(jac, n):
    """How often an evaluation calls the user's fun."""
    if isinstance(jac, str):
        return n + 1 if jac == "2-point" else 2 * n + 1
    return 1


def checked_args(owner, args, compiled):
    """Return args, a tuple of what compiled code can take; its arrays in dtypes that it knows, by a copy if need be."""
    if not isinstance(args, tuple):
        raise TypeError(f"{owner}: args must be a tuple, got {type(args).__name__}; write args=(a,) for a single one")
    if not compiled:
        return args
    args = tuple(map(_in_known_dtypes, args))
    for i, value in enumerate(args):
        kinds = "a number, an array or a tuple of these for compiled code"
        if isinstance(value, list | str | dict | set):
            raise TypeError(f"{owner}: args[{i}] must be {kinds}, got {type(value).__name__}")
        try:
            known = typeof(value).is_precise()  # not of an array of objects
        except (ValueError, NumbaError):
            known = False
        if not known:
            came = f"an array of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
            raise TypeError(f"{owner}: args[{i}] must be {kinds}, got {came}")
    return args


def _in_known_dtypes(value):
    """A value of args: float16 in float32, byte-swapped arrays in the machine's order, in plain tuples too."""
    if type(value) is tuple:
        return tuple(map(_in_known_dtypes, value))
    if isinstance(value, np.float16):
        return np.float32(value)
    if not isinstance(value, np.ndarray):
        return value
    native = value.dtype.newbyteorder("=")
    return value.astype(np.float32 if native == np.float16 else native, copy=False)


def _require_length(owner, objective, x, start):
    """Of the objectives that hold data: raise where x is not as long as they ask for."""
    if isinstance(objective, MeanLoss):
        kernels = kernels_for(f"{owner}: model", ModelKernels, objective.model)
        _check.parameters(owner, objective.model, kernels.n_params.py_func(objective.model), x, name=start)
        _check.data(f"{owner}: MeanLoss", objective.X, objective.y)
        require_finite(f"{owner}: MeanLoss", "X", objective.X)
        require_finite(f"{owner}: MeanLoss", "y", objective.y)
        if not objective.X.dtype == objective.y.dtype == x.dtype:
            raise TypeError(
                f"{owner}: {start} must be of the dtype of MeanLoss's X and y, got {x.dtype}, {objective.X.dtype} and "
                f"{objective.y.dtype}"
            )
        _check.suitable(f"{owner}: MeanLoss", kernels, objective.model, X=objective.X, y=objective.y)


def check_types(owner, fun, x, args):
    """Raise where compiled code hands over an objective that cannot be called, or returns no number; by Numba types."""
    if not isinstance(fun, types.Dispatcher):
        kernels_in_compiled_code(f"{owner}: fun", ObjectiveKernels, fun)
        return
    try:
        _require_arity(owner, "fun", fun.dispatcher, ("x", "grad"), args)
    except TypeError as error:
        raise TypingError(str(error)) from None
    called = fun.get_call_type(fun.dispatcher.typingctx, (x, x, *args), {})
    if called is not None and not isinstance(called.return_type, types.Integer | types.Float):
        raise TypingError(f"{owner}: fun must return a real number, got {called.return_type}; {FORMS}")


def _require_arity(owner, name, function, first, args):
    """Raise where a function cannot be called with these arguments: most likely it is of another form."""
    try:
        signature = inspect.signature(getattr(function, "py_func", function))
    except (ValueError, TypeError):  # a built-in function has none
        return
    try:
        signature.bind(*first, *args)
    except TypeError:
        wanted = ", ".join((*first, *(f"args[{i}]" for i in range(len(args)))))
        raise TypeError(
            f"{owner}: {name} is called as {name}({wanted}), got one with the signature {signature}; {FORMS}"
        ) from None


# The latest of a kind, by function: a compiled one keeps what it was made of, and that may keep a user's arrays.
_MOST_KEPT = 64
_compilations: dict[Any, Callable] = {}  # of plain functions
_forms: dict[tuple, Callable] = {}  # the loop's, of a function and its gradient


def _kept(cache, key, make):
    """What was made for a key, or is made now, in place of the oldest if there are many."""
    if key not in cache:
        while len(cache) >= _MOST_KEPT:
            cache.pop(next(iter(cache)), None)
        cache[key] = make()
    return cache[key]


def _compiled(owner, name, function):
    """The compiled function, the same one at every call."""
    if is_jitted(function):
        return function
    try:
        return _kept(
            _compilations,
            function,
            lambda: njit(function, cache=False, nogil=True, error_model="numpy", fastmath={"contract"}),
        )
    except TypeError:
        raise TypeError(
            f"{owner}: {name} must be a function that Numba can compile, got {type(function).__name__}; "
            "write compile=False to run plain Python as it is"
        ) from None


def _compile(owner, name, function, arguments):
    """Compile a function for these arguments, or say in plain words that Numba cannot, or that it may return None."""
    try:
        # As a call in compiled code is: with defaults, *args, and conversions where no more may be compiled.
        kinds = tuple(map(typeof, arguments))
        called = types.Dispatcher(function).get_call_type(function.typingctx, kinds, {})
        if called is None:
            raise TypeError(f"it is compiled for {function.nopython_signatures} only")
    except Exception as error:  # of what Numba does not support, not all errors are NumbaError
        lines = [line.strip() for line in str(error).splitlines()]
        reason = next((line for line in lines[1:] if line), lines[0] if lines else type(error).__name__)
        raise TypeError(
            f"{owner}: {name} could not be compiled by Numba for x of {arguments[0].dtype} and these args ({reason}); "
            f"write what it supports, or compile=False to run plain Python as it is; {FORMS}"
        ) from error
    if isinstance(called.return_type, types.Optional):
        raise TypeError(f"{owner}: {name} must return a value wherever it ends, got {called.return_type}; {FORMS}")


def _form(fun, jac, compiled):
    """The loop's form of an objective: made once, since a function made anew is compiled anew."""
    if jac is None:
        return fun
    make: Callable = _joined if jac is True else _paired if callable(jac) else _DIFFERENCES[jac]
    if not compiled:
        return make(fun, jac, lambda function: function)
    return _kept(
        _forms,
        (fun, jac),
        lambda: make(fun, jac, lambda function: njit(function, cache=False, nogil=True, error_model="numpy")),
    )


def _paired(fun, jac, compile):
    def value_and_grad(x, grads, *args):
        grads[:] = jac(x, *args)
        return fun(x, *args)

    return compile(value_and_grad)


def _joined(fun, jac, compile):
    def value_and_grad(x, grads, *args):
        value, gradient = fun(x, *args)
        grads[:] = gradient
        return value

    return compile(value_and_grad)


def _forward(fun, jac, compile):
    def value_and_grad(x, grads, *args):
        value = fun(x, *args)
        h = math.sqrt(np.finfo(x.dtype).eps)
        for i in range(x.size):
            here = x[i]
            x[i] += h * max(1.0, abs(here))
            grads[i] = (fun(x, *args) - value) / (x[i] - here)
            x[i] = here
        return value

    return compile(value_and_grad)


def _central(fun, jac, compile):
    def value_and_grad(x, grads, *args):
        root = np.finfo(x.dtype).eps ** (1 / 3)
        for i in range(x.size):
            here = x[i]
            h = root * max(1.0, abs(here))
            x[i] = here + h
            above, value_above = x[i], fun(x, *args)
            x[i] = here - h
            grads[i] = (value_above - fun(x, *args)) / (above - x[i])
            x[i] = here
        return fun(x, *args)

    return compile(value_and_grad)


_DIFFERENCES = {"2-point": _forward, "3-point": _central}

_GUARD = 16  # numbers on both sides of the gradient that is tried
_UNTOUCHED = {4: np.uint32(0x7FC0BEEF), 8: np.uint64(0x7FF8DEADBEEF0BAD)}  # NaN that no computation gives


def _try(owner, fun, jac, args, x, compiled):
    """Call the objective once: its value must be a number, its gradient (n,), x left alone, nothing else written."""
    point, n, is_real = x.copy(), x.size, _is_number if compiled else _holds_number
    gradient: Any = None

    def call(function, *arguments):
        try:
            return function(*arguments)
        except Exception as error:
            raise _ObjectiveRaisedError(error) from None

    if jac is None:
        room = np.empty(n + 2 * _GUARD, x.dtype)
        bits = room.view(f"u{x.itemsize}")
        bits[:] = _UNTOUCHED[x.itemsize]
        value = call(fun, point, room[_GUARD : _GUARD + n], *args)
        left = np.flatnonzero(bits[_GUARD : _GUARD + n] == _UNTOUCHED[x.itemsize])
        if (np.delete(bits, np.s_[_GUARD : _GUARD + n]) != _UNTOUCHED[x.itemsize]).any():
            raise ValueError(f"{owner}: fun wrote beyond grad, which has {n} elements as x has; {FORMS}")
        gave_up = is_real(value) and not np.isfinite(value)  # before it came to the gradient, perhaps
        if left.size and np.ndim(value) == 0 and not gave_up:
            raise ValueError(
                f"{owner}: fun left {left.size} of the {n} elements of grad unwritten (grad[{left[0]}] first); it must "
                f"write in place, grad[:] = ..., not grad = ...; {FORMS}"
            )
    elif jac is True:
        pair = call(fun, point, *args)
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise TypeError(f"{owner}: with jac=True fun must return (float, array), got {_kind(pair)}; {FORMS}")
        value, gradient = pair
    else:
        value = call(fun, point, *args)
        if callable(jac):
            gradient = call(jac, point, *args)
    if not is_real(value):
        raise TypeError(f"{owner}: fun must return a real number, got {_kind(value)}; {FORMS}")
    coarse = np.asarray(value).dtype
    if isinstance(jac, str) and coarse.kind == "f" and coarse.itemsize < x.itemsize:
        raise TypeError(
            f"{owner}: fun must return {x.dtype} for differences of it in {x.dtype}, got {coarse}, in which they would "
            f"be lost; give the start in {coarse}"
        )
    if (jac is True or callable(jac)) and np.shape(gradient) != (n,):
        raise ValueError(f"{owner}: the gradient must have shape ({n},), as x has, got {_kind(gradient)}; {FORMS}")
    if gradient is not None and np.asarray(gradient).dtype.kind not in "fiu":
        came = np.asarray(gradient).dtype
        raise TypeError(f"{owner}: the gradient must hold real numbers, got dtype {came}; {FORMS}")
    if not np.array_equal(point, x, equal_nan=True):
        raise ValueError(f"{owner}: fun must leave x as it is, but wrote into it; {FORMS}")


def _is_number(value):
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def _holds_number(value):
    """Of plain Python's values: whether it is a number, or an array of one (of any library)."""
    if not hasattr(value, "__array__"):
        return _is_number(value)
    array = np.asarray(value)
    return array.size == 1 and array.dtype.kind in "fiu"


def _kind(value):
    return f"an array of shape {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
