"""What the user gave as an objective, checked and made into the loop's own form."""

import functools
import inspect
from typing import Any, NamedTuple

import numpy as np
from numba.core import types
from numba.core.errors import NumbaError, TypingError
from numba.core.typing.typeof import typeof

from fastgd._calls.dispatch import kernels_in_compiled_code
from fastgd._descent.objective_forms import (
    DIFFERENCES,
    FORMS,
    by_address,
    compiled_function,
    form_of,
    require_compilable,
)
from fastgd._descent.objective_trial import ObjectiveRaisedError, holds_number, kind_of, try_once
from fastgd._registry import ObjectiveKernels, kernels_for
from fastgd.mean_loss import MeanLoss, require_parameters


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

    def in_loop(self, x, args):
        """What the compiled loops take: a registered objective, or a function by its address, for these types."""
        if isinstance(self.value_and_grad, tuple):
            return self.value_and_grad
        return by_address(self.value_and_grad, (x, x, args))


def prepare(owner, fun, jac, args, x, compiled, forgiving=False, start="x0"):
    """Make an objective of what the user gave, tried at x: its errors are raised here, in plain words.

    One that raises there does so here, unless `forgiving`. The user's name for x is `start`.
    """
    if isinstance(fun, tuple) or (isinstance(fun, type) and issubclass(fun, tuple)):
        kernels = kernels_for(f"{owner}: fun", ObjectiveKernels, fun)
        if args or jac is not None:
            given = "args" if args else "jac"
            raise TypeError(f"{owner}: a registered objective takes no {given}, got {given}={args or jac!r}")
        if isinstance(fun, MeanLoss):
            require_parameters(owner, fun, x, start)
        _try_or_forgive(owner, lambda x, grads: kernels.value_and_grad(fun, x, grads), None, (), x, forgiving, True)
        return Objective(fun, True, 1)
    if not callable(fun):
        raise TypeError(f"{owner}: fun must be an objective, got {type(fun).__name__}; {FORMS}")
    if not (jac is None or jac is True or callable(jac) or (isinstance(jac, str) and jac in DIFFERENCES)):
        raise ValueError(f"{owner}: jac must be None, a function, True, '2-point' or '3-point', got {jac!r}; {FORMS}")
    _require_arity(owner, "fun", fun, ("x", "grad") if jac is None else ("x",), args)
    if callable(jac):
        _require_arity(owner, "jac", jac, ("x",), args)
    if compiled:
        fun = compiled_function(owner, "fun", fun)
        jac = compiled_function(owner, "jac", jac) if callable(jac) else jac
        require_compilable(owner, "fun", fun, (x, x, *args) if jac is None else (x, *args))
        if callable(jac):
            require_compilable(owner, "jac", jac, (x, *args))
    _try_or_forgive(owner, fun, jac, args, x, forgiving, compiled)
    if not compiled:
        fun = _apart(fun, functools.partial(_with_item if jac is True else _item, owner))
        jac = _apart(jac, np.asarray) if callable(jac) else jac
    form = form_of(fun, jac, compiled)
    return Objective(form, compiled, _calls(jac, x.size))


def _apart(function, read):
    """Plain Python, called with a copy of x, which it may keep; what it returns is read by another function."""
    return lambda x, *rest: read(function(x.copy(), *rest))


def _item(owner, value):
    """A number, which other libraries return as an array of one element."""
    if isinstance(value, float):
        return value
    if not holds_number(value):
        raise TypeError(f"{owner}: fun must return a real number, got {kind_of(value)}; {FORMS}")
    return np.asarray(value).item()


def _with_item(owner, pair):
    return _item(owner, pair[0]), pair[1]


def _try_or_forgive(owner, fun, jac, args, x, forgiving, compiled):
    try:
        try_once(owner, fun, jac, args, x, compiled)
    except ObjectiveRaisedError as error:
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
