"""How a type gets its kernels: the only dispatch in the package.

A thing is a NamedTuple of plain numbers; its behaviour is a set of compiled functions registered for its type.
Registration also makes the type's constructor check its fields in Python, and usable, defaults included,
inside `@njit`.
"""

import inspect
import typing
from typing import Any, NamedTuple

import numpy as np
from numba.core import types
from numba.extending import is_jitted

from fastgd import _jit
from fastgd._arrays.copies import write
from fastgd._class_names import plain_name, tell_apart
from fastgd._compile.constructors import Field, Thing, check_on_construction, construct_in_compiled_code
from fastgd._compile.reachable_code import kernels_of
from fastgd._types import Function


class OptimizerKernels(NamedTuple):
    """What an optimiser can do."""

    init: typing.Callable
    update: typing.Callable
    eval_params: typing.Callable
    plain: typing.Callable | None
    elementwise: typing.Callable | bool
    rests: bool


class ScheduleKernels(NamedTuple):
    """What a schedule can do."""

    learning_rate: typing.Callable
    ends_at: typing.Callable


class ModelKernels(NamedTuple):
    """What a model can do."""

    n_params: typing.Callable
    scratch: typing.Callable
    add_loss_and_grad: typing.Callable
    predict: typing.Callable
    layout: typing.Callable
    init_params: typing.Callable
    check: typing.Callable
    descend_rows: typing.Callable | None
    scratch_of_many: typing.Callable | None
    add_losses_and_grads_of_many: typing.Callable | None
    x_columns: typing.Callable | None
    add_loss_and_grad_ahead: typing.Callable | None


class ObjectiveKernels(NamedTuple):
    """What an objective can do."""

    value_and_grad: typing.Callable


class ClippingKernels(NamedTuple):
    """What a clipping rule can do."""

    clip: typing.Callable
    clips: bool
    check: typing.Callable


_REGISTRATION = {
    OptimizerKernels: ("an optimizer", "fastgd.register_optimizer"),
    ScheduleKernels: ("a schedule", "fastgd.register_schedule"),
    ModelKernels: ("a model", "fastgd.register_model"),
    ObjectiveKernels: ("an objective", "fastgd.register_objective"),
    ClippingKernels: ("a clipping rule", "fastgd.register_clipping"),
}

_registered: dict[typing.Any, NamedTuple] = {}


def register_optimizer(
    cls: type,
    init: Function,
    update: Function,
    eval_params: Function | None = None,
    plain: Function | None = None,
    elementwise: bool | Function = False,
    rests: bool = False,
    check: Function | None = None,
    **ranges: Any,
) -> None:
    """Make a NamedTuple an optimiser.

    Parameters
    ----------
    cls : type
        A NamedTuple of numbers, or of numbers and other optimisers.
    init : callable
        ``init(optimizer, params) -> state``, a NamedTuple of contiguous arrays. Compiled by fastgd if it is not
        already. (Where compiled code calls a verb, it is also tried in plain Python on short vectors of zeros, to tell
        what states are like.)
    update : callable
        ``update(optimizer, lr, grads, state, params)``: one step; state and params are modified in place.
    eval_params : callable, optional
        ``eval_params(optimizer, state, params, out)`` for methods that keep an average: writes the point to
        evaluate at. By default the parameters are copied.
    plain : callable, optional
        ``plain(optimizer) -> bool``: whether the update is θ ← θ - lr·g and nothing else, so that a model that can
        may do several steps in one go.
    elementwise : bool or callable
        Whether the update of a range of the vector depends on that range alone, with the part of the state that
        belongs to it, so that threads can share a large vector; or ``elementwise(optimizer) -> bool``, plain Python.
        The state's arrays whose first axis is as long as the vector are then cut with it, and every thread has the
        others to itself; one named `first` is given the number of the range's first parameter.
    rests : bool
        Whether most updates only collect, and leave the parameters where they are, as those of `Accumulate` do.
        (`minimize` then refuses `ftol` and `xtol`, which would take such an update for the end.)
    check : callable, optional
        ``check(optimizer)``, plain Python: raises ValueError where fields do not go together.
    **ranges
        For each field, what its values must be: `unit_interval`, `positive`, `nonnegative`, `finite` or
        ``one_of(names)``. Looked at where Python makes a tuple; one that compiled code makes is taken as it is.

    Raises
    ------
    TypeError
        If cls is not a NamedTuple, is registered already, or a range names no field.

    Examples
    --------
    >>> from typing import NamedTuple
    >>> import numpy as np
    >>> import fastgd
    >>> class Sign(NamedTuple):
    ...     scale: float = 1.0
    >>> class SignState(NamedTuple):
    ...     steps: np.ndarray
    >>> def init(optimizer, params):
    ...     return SignState(np.zeros(1, np.int64))
    >>> def update(optimizer, lr, grads, state, params):
    ...     state.steps[0] += 1
    ...     for i in range(params.size):
    ...         params[i] -= params.dtype.type(lr * optimizer.scale) * np.sign(grads[i])
    >>> fastgd.register_optimizer(Sign, init, update, scale=fastgd.positive)
    >>> params = np.array([1.0, 2.0])
    >>> optimizer = Sign(scale=2)
    >>> state = fastgd.init_state(optimizer, params)
    >>> fastgd.update(optimizer, 0.25, np.array([3.0, -3.0]), state, params)
    >>> params
    array([0.5, 2.5])
    """
    kernels = OptimizerKernels(
        init=_compiled(cls, "init(optimizer, params)", init),
        update=_compiled(cls, "update(optimizer, lr, grads, state, params)", update),
        eval_params=_compiled(cls, "eval_params(optimizer, state, params, out)", eval_params or copy_params),
        plain=plain and _compiled(cls, "plain(optimizer)", plain),
        elementwise=elementwise,
        rests=rests,
    )
    _register(cls, kernels, ranges, check)


@_jit.kernel
def copy_params(optimizer, state, params, out):
    """The point to evaluate at, of a method that keeps no average."""
    write(params, out)


def keeps_average(kernels):
    """Whether a method evaluates elsewhere than at its parameters."""
    return kernels.eval_params is not copy_params


def register_schedule(
    cls: type,
    rate: Function,
    ends_at: Function | None = None,
    check: Function | None = None,
    **ranges: Any,
) -> None:
    """Make a NamedTuple a learning-rate schedule.

    Parameters
    ----------
    cls : type
        A NamedTuple of numbers, of tuples of numbers, or of other schedules.
    rate : callable
        ``rate(schedule, t) -> float``, the learning rate at time t >= 0: in epochs, fractional, in `fit`; in
        steps in `minimize`.
    ends_at : callable, optional
        ``ends_at(schedule) -> float``, plain Python: the time at which the schedule has done all that it does, for
        the warning of `fit` where a run is shorter; 0 for one that never ends. By default it is the field
        `duration`, if there is one.
    check : callable, optional
        ``check(schedule)``, plain Python: raises ValueError where fields do not go together.
    **ranges
        For each field, what its values must be.

    Raises
    ------
    TypeError
        If cls is not a NamedTuple, is registered already, or a range names no field.

    Examples
    --------
    >>> from typing import NamedTuple
    >>> import fastgd
    >>> class Halving(NamedTuple):
    ...     start: float = 0.1
    ...     every: float = 10.0
    >>> def rate(schedule, t):
    ...     return schedule.start * 0.5 ** (t // schedule.every)
    >>> fastgd.register_schedule(Halving, rate, start=fastgd.positive, every=fastgd.positive)
    >>> fastgd.learning_rate(Halving(every=2), 5.0)
    0.025
    """
    _register(cls, ScheduleKernels(_compiled(cls, "rate(schedule, t)", rate), ends_at or _duration), ranges, check)


def _duration(schedule):
    return getattr(schedule, "duration", 0)


def register_model(
    cls: type,
    *,
    n_params: Function,
    init_params: Function,
    scratch: Function,
    add_loss_and_grad: Function,
    predict: Function,
    layout: Function | None = None,
    x_columns: Function | None = None,
    check: Function | None = None,
    descend_rows: Function | None = None,
    scratch_of_many: Function | None = None,
    add_losses_and_grads_of_many: Function | None = None,
    add_loss_and_grad_ahead: Function | None = None,
    **ranges: Any,
) -> None:
    """Make a NamedTuple a model: a function of rows of data with a flat vector of parameters.

    Parameters
    ----------
    cls : type
        A NamedTuple of numbers.
    n_params : callable
        ``n_params(model) -> int``, the length of the parameter vector.
    init_params : callable
        ``init_params(model, seed, dtype) -> array``, plain Python: a new parameter vector.
    scratch : callable
        ``scratch(model, params)``: what `add_loss_and_grad` needs to work in, an array or a tuple of arrays,
        made once before a run. Its contents need not survive a call.
    add_loss_and_grad : callable
        ``add_loss_and_grad(model, params, X, y, weight, rows, scratch, grads) -> loss``: adds to `grads` the sum
        over r in `rows` of ``weight[r] * dL_r/dparams``, and returns the sum of ``weight[r] * L_r``. `rows` is
        an array of uint32, at most a few thousand; `weight` has one number a row of X (where a run has no
        weights, a view of a single 1).
    predict : callable
        ``predict(model, params, X) -> outputs``, (n,) or (n, n_outputs).
    layout : callable, optional
        ``layout(model)``, an int64 array (k, 3) of start, rows, columns of the matrices in the vector.
    x_columns : callable, optional
        ``x_columns(model) -> int``, how many columns X must have: looked at wherever data come in, in compiled code
        too. Without it any number will do.
    check : callable, optional
        ``check(model, X=None, y=None)``, plain Python: raises ValueError where fields do not go together, or
        (called by `fit` with data) where the data do not suit the model.
    descend_rows : callable, optional
        ``descend_rows(model, rates, params, X, y, rows, ahead, scratch, previous, totals) -> number of rows``: plain
        gradient descent, one unweighted row a step, where a model has a shorter way to that than its gradient.
        `rates` has the rate of each step, or one for all; `ahead` is as below. It may stop early, as it must before
        a loss that is not finite. `previous` is the gradient of the step before, and becomes that of the last one.
        To `totals` it adds the losses, the gradients' norms, the cosines between successive ones (where both have a
        length) and the number of these; the fifth is the norm of the step before, and becomes the last one's.
        Where `totals` has more room, the loss of each row is written after these five.
    scratch_of_many, add_losses_and_grads_of_many : callable, optional
        For `sweep`, where a row can serve many models at once better than one after the other:
        ``add_losses_and_grads_of_many(model, W, X, y, weight, rows, scratch, losses, G)`` does what `add_loss_and_grad`
        does for parameters that are the columns of W, a C-ordered matrix with rows and columns to spare, a multiple of
        16 of each; it adds to the columns of G, a matrix like W, and to losses, one a column.
        ``scratch_of_many(model, W)`` makes what it works in.
    add_loss_and_grad_ahead : callable, optional
        ``add_loss_and_grad_ahead(model, params, X, y, weight, rows, ahead, scratch, grads) -> loss``: the same as
        `add_loss_and_grad`, for data beyond the cache. `ahead` are rows whose turn comes later, as many as `rows`: the
        model asks for each of them while it works on the row in its place; or it is empty, where nothing is asked for.
        Without this form, a loop asks for some rows before each piece of its own.
    **ranges
        For each field, what its values must be.

    Raises
    ------
    TypeError
        If cls is not a NamedTuple, is registered already, or a range names no field.

    Examples
    --------
    The same output for every row, under the squared error:

    >>> from typing import NamedTuple
    >>> import numpy as np
    >>> import fastgd
    >>> class Constant(NamedTuple):
    ...     scale: float = 1.0
    >>> def add_loss_and_grad(model, params, X, y, weight, rows, scratch, grads):
    ...     loss = 0.0
    ...     for r in rows:
    ...         error = model.scale * params[0] - y[r]
    ...         loss += weight[r] * error**2
    ...         grads[0] += weight[r] * 2 * error * model.scale
    ...     return loss
    >>> def predict(model, params, X):
    ...     return np.full(X.shape[0], model.scale * params[0])
    >>> fastgd.register_model(
    ...     Constant,
    ...     n_params=lambda model: 1,
    ...     init_params=lambda model, seed, dtype: np.zeros(1, dtype),
    ...     scratch=lambda model, params: np.empty(0),
    ...     add_loss_and_grad=add_loss_and_grad,
    ...     predict=predict,
    ...     scale=fastgd.positive,
    ... )
    >>> grads = np.empty(1)
    >>> fastgd.value_and_grad(Constant(), np.array([2.0]), [[0.0], [0.0]], [1.0, 5.0], grads), grads
    (5.0, array([-2.]))
    """

    def compiled(form, function):
        return function and _compiled(cls, form, function)

    kernels = ModelKernels(
        n_params=_compiled(cls, "n_params(model)", n_params),
        scratch=_compiled(cls, "scratch(model, params)", scratch),
        add_loss_and_grad=_compiled(
            cls, "add_loss_and_grad(model, params, X, y, weight, rows, scratch, grads)", add_loss_and_grad
        ),
        predict=_compiled(cls, "predict(model, params, X)", predict),
        layout=_compiled(cls, "layout(model)", layout or _no_layout),
        init_params=init_params,
        check=check or _no_check,
        descend_rows=compiled(
            "descend_rows(model, rates, params, X, y, rows, ahead, scratch, previous, totals)", descend_rows
        ),
        scratch_of_many=compiled("scratch_of_many(model, W)", scratch_of_many),
        add_losses_and_grads_of_many=compiled(
            "add_losses_and_grads_of_many(model, W, X, y, weight, rows, scratch, losses, G)",
            add_losses_and_grads_of_many,
        ),
        x_columns=compiled("x_columns(model)", x_columns),
        add_loss_and_grad_ahead=compiled(
            "add_loss_and_grad_ahead(model, params, X, y, weight, rows, ahead, scratch, grads)", add_loss_and_grad_ahead
        ),
    )
    _register(cls, kernels, ranges, check)


@_jit.kernel
def _no_layout(model):
    return np.empty((0, 3), np.int64)


def _no_check(model, X=None, y=None):
    pass


def register_objective(cls: type, value_and_grad: Function, check: Function | None = None, **ranges: Any) -> None:
    """Make a NamedTuple an objective: a function of a vector, without data.

    Parameters
    ----------
    cls : type
        A NamedTuple of numbers.
    value_and_grad : callable
        ``value_and_grad(objective, x, grads) -> float``: writes the gradient at x, returns the value.
    check : callable, optional
        ``check(objective)``, plain Python: raises ValueError where fields do not go together.
    **ranges
        For each field, what its values must be.

    Raises
    ------
    TypeError
        If cls is not a NamedTuple, is registered already, or a range names no field.

    Examples
    --------
    >>> from typing import NamedTuple
    >>> import numpy as np
    >>> import fastgd
    >>> class Quartic(NamedTuple):
    ...     centre: float = 0.0
    >>> def value_and_grad(objective, x, grads):
    ...     value = 0.0
    ...     for i in range(x.size):
    ...         u = x[i] - objective.centre
    ...         value += u**4
    ...         grads[i] = 4 * u**3
    ...     return value
    >>> fastgd.register_objective(Quartic, value_and_grad, centre=fastgd.finite)
    >>> grads = np.empty(2)
    >>> fastgd.value_and_grad(Quartic(centre=1), np.array([0.0, 3.0]), grads), grads
    (17.0, array([-4., 32.]))
    """
    kernels = ObjectiveKernels(_compiled(cls, "value_and_grad(objective, x, grads)", value_and_grad))
    _register(cls, kernels, ranges, check)


def register_clipping(
    cls: type, clip: Function, clips: bool = True, check: Function | None = None, **ranges: Any
) -> None:
    """Make a NamedTuple a clipping rule.

    Parameters
    ----------
    cls : type
        A NamedTuple of numbers.
    clip : callable
        ``clip(rule, norm, params, grads) -> bool``: modifies a finite gradient in place, given its Euclidean norm
        and the parameters, and returns whether anything changed.
    clips : bool
        Whether it ever changes anything.
    check : callable, optional
        ``check(rule, params)``, plain Python: raises ValueError where a rule does not suit the parameters. Called by
        `fit`.
    **ranges
        For each field, what its values must be.

    Raises
    ------
    TypeError
        If cls is not a NamedTuple, is registered already, or a range names no field.

    Examples
    --------
    >>> from typing import NamedTuple
    >>> import numpy as np
    >>> import fastgd
    >>> class Shorten(NamedTuple):
    ...     longest: float = 1.0
    >>> def shorten(rule, norm, params, grads):
    ...     if norm <= rule.longest:
    ...         return False
    ...     for i in range(grads.size):
    ...         grads[i] *= grads.dtype.type(rule.longest / norm)
    ...     return True
    >>> fastgd.register_clipping(Shorten, shorten, longest=fastgd.positive)
    >>> from fastgd.verbs import clip
    >>> @fastgd.njit(cache=False)
    ... def shortened(rule, grads):
    ...     return clip(rule, np.sqrt((grads**2).sum()), np.zeros(grads.size), grads)
    >>> grads = np.array([3.0, 4.0])
    >>> shortened(Shorten(1.0), grads), grads
    (True, array([0.6, 0.8]))
    """
    clip = _compiled(cls, "clip(rule, norm, params, grads)", clip)
    _register(cls, ClippingKernels(clip, clips, check or _suits_all), ranges)


def _suits_all(rule, params):
    pass


def register_line_search(cls, **ranges):
    """Make a NamedTuple of numbers a thing whose constructor checks them, in Python and in compiled code.

    Its behaviour is the loop of minimisation's own.
    """
    _register(cls, (), ranges)


def kernels_for(verb, kind, thing):
    """Return the kernels of a thing, or of its Numba type; raise TypeError if it has none of this kind (or kinds)."""
    kernels = _registered.get(type(thing))
    if isinstance(kernels, kind):  # first, since a step is short
        return kernels
    cls = thing.instance_class if isinstance(thing, types.BaseNamedTuple) else type(thing)
    kernels = _registered.get(cls)
    if isinstance(kernels, kind):
        return kernels
    names = [_REGISTRATION[each] for each in (kind if isinstance(kind, tuple) else (kind,))]
    what, how = (" or ".join(words) for words in zip(*names, strict=True))
    if isinstance(thing, type) and isinstance(_registered.get(thing), kind):
        named: typing.Any = thing
        fields = "" if len(named._field_defaults) == len(named._fields) else "..."
        raise TypeError(
            f"{verb}: expected {what}, got the class {plain_name(thing)} itself; write {plain_name(thing)}({fields})"
        )
    name = thing if isinstance(thing, types.Type) else plain_name(cls)
    raise TypeError(f"{verb}: expected {what}, got {name}, which is not registered as one (see {how})")


def is_registered(thing, kind):
    """Whether a thing is registered as one of a kind."""
    return isinstance(_registered.get(type(thing)), kind)


class Held(NamedTuple):
    """What a field is registered with that holds a thing of a kind: another optimiser, another schedule."""

    kind: type

    def convert(self, owner, field, value):
        """Return the thing, if it is one."""
        kernels_for(f"{owner}: {field}", self.kind, value)
        return value


def registered(kind):
    """The types of the package that are registered as such and have a default for every field, by name."""
    return {
        cls.__qualname__: cls
        for cls, kernels in sorted(_registered.items(), key=lambda item: item[0].__qualname__)
        if isinstance(kernels, kind)
        and cls.__module__.startswith("fastgd.")
        and cls._fields == tuple(cls._field_defaults)
    }


def _compiled(cls, form, function):
    """Return a function compiled, which is called as the text `form` says."""
    owner, (name, arguments) = getattr(cls, "__qualname__", cls), form.rstrip(")").split("(")
    if not is_jitted(function) and not inspect.isfunction(function):
        raise TypeError(f"{owner}: {name} must be a plain or a compiled function, got {function!r}")
    signature = inspect.signature(getattr(function, "py_func", function))
    try:
        signature.bind(*arguments.split(", "))
    except TypeError:
        raise TypeError(f"{owner}: {name} is called as {form}, got one with the signature {signature}") from None
    return function if is_jitted(function) else _jit.kernel(function, inline=True)


def _register(cls: typing.Any, kernels, ranges, check=None):
    if not (isinstance(cls, type) and issubclass(cls, tuple) and hasattr(cls, "_fields")):
        raise TypeError(f"expected a NamedTuple class to register, got {cls!r}")
    if cls in _registered:
        raise TypeError(f"{plain_name(cls)} is registered already")
    unknown = set(ranges) - set(cls._fields)
    if unknown:
        raise TypeError(f"{plain_name(cls)} has no field {', '.join(sorted(unknown))}; its fields: {cls._fields}")
    fields = [Field(cls, name, ranges.get(name)) for name in cls._fields]
    written = getattr(cls, "_field_defaults", {})
    defaults = {field.name: field.convert(written[field.name]) for field in fields if field.name in written}
    if cls.__bases__ == (tuple,):
        cls.__bases__ = (Thing,)
    check_on_construction(cls, fields, check)
    construct_in_compiled_code(cls, fields, defaults)
    tell_apart(cls)
    _registered[cls] = kernels
    # What compiled code is made from; the functions that stay Python's are none of it.
    made_from = tuple(field.in_compiled_code() for field in fields)
    kernels_of[cls] = (*(part for part in kernels if is_jitted(part) or isinstance(part, bool)), made_from)
