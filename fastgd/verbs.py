"""The verbs: what can be done with optimisers, schedules, models and objectives, in Python and in `@njit` code."""

from typing import Any

import numpy as np
from numba.core import types
from numba.extending import overload
from numpy.typing import DTypeLike

from fastgd import _check
from fastgd._calls.compiled_checks import require_array, require_state, require_vector
from fastgd._calls.dispatch import PASTED, in_compiled_code, kernels_in_compiled_code
from fastgd._calls.states import new_state, require_fitting
from fastgd._class_names import plain_name, with_classes_told_apart
from fastgd._registry import (
    ClippingKernels,
    ModelKernels,
    OptimizerKernels,
    ScheduleKernels,
    copy_params,
    kernels_for,
)
from fastgd._types import Rate, Rule


def init_params(
    model: Rule,
    seed: int = 0,
    dtype: DTypeLike = np.float32,
) -> np.ndarray:
    """Return a new parameter vector for a model.

    Parameters
    ----------
    model : NamedTuple
        A registered model.
    seed : int
        The same seed gives the same parameters.
    dtype : {numpy.float32, numpy.float64}
        The dtype of the vector.

    Returns
    -------
    ndarray of shape (n_params,)
        The parameters.

    Examples
    --------
    >>> import fastgd
    >>> fastgd.init_params(fastgd.Neuron(3)).shape
    (4,)
    """
    kernels = kernels_for("init_params", ModelKernels, model)
    try:
        known = np.dtype(dtype) in (np.float32, np.float64)
    except TypeError:
        known = False
    if not known:
        raise TypeError(f"init_params: dtype must be float32 or float64, got {dtype!r}")
    return kernels.init_params(model, _check.integer("init_params", "seed", seed, least=0), np.dtype(dtype))


def init_state(
    optimizer: Rule,
    params: np.ndarray,
) -> Any:
    """Return an optimiser's state for a vector of parameters.

    Parameters
    ----------
    optimizer : NamedTuple
        A registered optimiser.
    params : ndarray of shape (n_params,)
        The parameters that it will update, float32 or float64.

    Returns
    -------
    NamedTuple of ndarray
        The state, which `update` modifies in place.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> fastgd.init_state(fastgd.Momentum(), np.zeros(2))
    MomentumState(velocity=array([0., 0.]), gain=array([1.]))
    """
    # The Python form: making a few arrays is not worth a compilation.
    params = _check.vector("init_state", "params", params)
    try:
        return new_state("init_state", optimizer, params)
    except ValueError as error:  # a layout or a range that does not fit, perhaps of an optimiser within
        raise ValueError(f"{plain_name(type(optimizer))}: {error}") from None


@in_compiled_code(init_state, lend=False)
def _init_state(optimizer, params):
    require_vector("init_state", params)
    return kernels_in_compiled_code("init_state", OptimizerKernels, optimizer).init


def eval_params(
    optimizer: Rule,
    state: Any,
    params: np.ndarray,
    out: np.ndarray,
) -> None:
    """Write the point to evaluate at: the parameters, or the average that a method keeps.

    Parameters
    ----------
    optimizer : NamedTuple
        A registered optimiser.
    state : NamedTuple of ndarray
        Its state, that `init_state` made and `update` modified.
    params : ndarray of shape (n_params,)
        The parameters that it updates.
    out : ndarray of shape (n_params,)
        Written; memory of its own.

    Raises
    ------
    TypeError, ValueError
        For arrays that do not fit or, in Python, share memory; the message names the argument. In compiled code for
        types (a `TypingError`) and lengths that do not; see `update`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> params, out = np.array([1.0, 2.0]), np.empty(2)
    >>> optimizer = fastgd.Adam()
    >>> fastgd.eval_params(optimizer, fastgd.init_state(optimizer, params), params, out)
    >>> out
    array([1., 2.])
    """
    kernels_for("eval_params", OptimizerKernels, optimizer)
    _check.vector("eval_params", "params", params)
    _check.vector("eval_params", "out", out)
    if out.shape != params.shape or out.dtype != params.dtype:
        raise ValueError(
            f"eval_params: out must be like params, {params.shape} of {params.dtype}, got {out.shape} of {out.dtype}"
        )
    require_fitting("eval_params", optimizer, state, params, "out", out)
    eval_fitting(optimizer, state, params, out)


@in_compiled_code(eval_params, as_long="out")
def _eval_params(optimizer, state, params, out):
    kernel = kernels_in_compiled_code("eval_params", OptimizerKernels, optimizer).eval_params
    require_vector("eval_params", params)
    require_array("eval_params", "out", out, params.dtype)
    require_state("eval_params", optimizer, state, params)
    return kernel


def learning_rate(
    schedule: Rate,
    t: float,
) -> float:
    """Return the learning rate at time t.

    Parameters
    ----------
    schedule : NamedTuple or float
        A registered schedule; a plain number is a constant one.
    t : float
        The time, 0 or larger, 0 at the first step: in epochs in `fit`, in steps in `minimize`.

    Returns
    -------
    float
        The rate.

    Raises
    ------
    ValueError, TypeError
        In Python, for what is no schedule, and for a time or a plain rate that is negative, not finite, or no real
        number.

    Examples
    --------
    >>> import fastgd
    >>> fastgd.learning_rate(0.1, 7)
    0.1
    >>> fastgd.learning_rate(fastgd.ExponentialDecay(lr=0.1, k=0.5), 0)
    0.1
    """
    if isinstance(schedule, int | float | np.number) and not isinstance(schedule, bool):
        _check.number("learning_rate", "t", t, _check.nonnegative)
        return _check.number("learning_rate", "schedule", schedule, _check.nonnegative)
    kernel = kernels_for("learning_rate", ScheduleKernels, schedule).learning_rate
    return kernel(schedule, _check.number("learning_rate", "t", t, _check.nonnegative))


@overload(learning_rate, jit_options=PASTED)
def _learning_rate(schedule, t):
    if isinstance(schedule, types.Number):
        return lambda schedule, t: float(schedule)
    kernel = kernels_in_compiled_code("learning_rate", ScheduleKernels, schedule).learning_rate
    return lambda schedule, t: kernel(schedule, float(t))


def predict(
    model: Rule,
    params: np.ndarray,
    X: np.ndarray,
) -> np.ndarray:
    """Return a model's outputs for rows of data.

    Parameters
    ----------
    model : NamedTuple
        A registered model.
    params : ndarray of shape (n_params,)
        Its parameters, in compiled code contiguous.
    X : ndarray of shape (n, n_features)
        Rows; from Python any array of real numbers, in compiled code C-ordered and of the parameters' dtype.

    Returns
    -------
    ndarray of shape (n,) or (n, n_outputs)
        The outputs, of the parameters' dtype.

    Raises
    ------
    TypeError, ValueError
        For arrays that do not fit; the message names the argument. In compiled code for types (a `TypingError`) and
        lengths that do not.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> print(fastgd.predict(fastgd.Neuron(1), np.array([3.0, 1.0]), [[2.0], [-1 / 3]]).round(6))
    [0.999089 0.5     ]
    """
    kernels = kernels_for("predict", ModelKernels, model)
    params = _check.parameters("predict", model, kernels.n_params.py_func(model), params)
    X = _check.array("predict", "X", X, 2, params.dtype)
    _check.suitable("predict", kernels, model, X=X)
    return kernels.predict(model, params, X)


@overload(predict, jit_options=PASTED)
def _predict(model, params, X):
    kernel = kernels_in_compiled_code("predict", ModelKernels, model).predict
    require_vector("predict", params, contiguous=True)
    require_array("predict", "X", X, params.dtype, (2,), contiguous=True)

    def predict_checked(model, params, X):
        if params.size != n_params(model):
            raise ValueError("predict: params must have an element for each parameter of the model")
        if not takes_columns(model, X.shape[1]):
            raise ValueError("predict: X must have as many columns as the model")
        return kernel(model, params, X)

    return predict_checked


def n_params(
    model: Rule,
) -> int:
    """Return the length of a model's parameter vector.

    Parameters
    ----------
    model : NamedTuple
        A registered model.

    Returns
    -------
    int
        The number of parameters.

    Examples
    --------
    >>> import fastgd
    >>> fastgd.n_params(fastgd.Neuron(30))
    31
    """
    return kernels_for("n_params", ModelKernels, model).n_params.py_func(model)


@in_compiled_code(n_params)
def _n_params(model):
    return kernels_in_compiled_code("n_params", ModelKernels, model).n_params


def layout(
    model: Rule,
) -> np.ndarray:
    """Return where the matrices of a model lie in its parameter vector.

    Parameters
    ----------
    model : NamedTuple
        A registered model.

    Returns
    -------
    ndarray of shape (k, 3), int64
        Start, rows and columns of each; a vector is a single row, or a single column.

    Examples
    --------
    >>> import fastgd
    >>> fastgd.layout(fastgd.Neuron(30))  # w, b
    array([[ 0,  1, 30],
           [30,  1,  1]])
    """
    return kernels_for("layout", ModelKernels, model).layout.py_func(model)


@in_compiled_code(layout)
def _layout(model):
    return kernels_in_compiled_code("layout", ModelKernels, model).layout


# What loops are written against, beside the public verbs.


def takes_columns(model, count):
    """Whether a model takes rows of so many columns (in compiled code)."""
    raise NotImplementedError("takes_columns is called in compiled code")


@overload(takes_columns, jit_options=PASTED)
def _takes_columns(model, count):
    x_columns = kernels_in_compiled_code("takes_columns", ModelKernels, model).x_columns
    if x_columns is None:
        return lambda model, count: True
    return lambda model, count: x_columns(model) == count


def eval_fitting(optimizer, state, params, out):
    """`eval_params` from Python with arrays that are known to fit: a run's own."""
    kernel = kernels_for("eval_params", OptimizerKernels, optimizer).eval_params
    if kernel is copy_params:  # not worth a compilation
        out[:] = params
    else:
        kernel(optimizer, state, params, out)


def make_scratch(model, params):
    """What `add_loss_and_grad` works in, made once."""
    return with_classes_told_apart(kernels_for("make_scratch", ModelKernels, model).scratch.py_func(model, params))


@in_compiled_code(make_scratch, lend=False)
def _make_scratch(model, params):
    return kernels_in_compiled_code("make_scratch", ModelKernels, model).scratch


def add_loss_and_grad(model, params, X, y, weight, rows, scratch, grads):
    """Add the gradients of rows to `grads`, and return the sum of their losses (in compiled code)."""
    raise NotImplementedError("add_loss_and_grad is called in compiled code")


@in_compiled_code(add_loss_and_grad)
def _add_loss_and_grad(model, params, X, y, weight, rows, scratch, grads):
    return kernels_in_compiled_code("add_loss_and_grad", ModelKernels, model).add_loss_and_grad


def add_losses_and_grads_of_many(model, W, X, y, weight, rows, scratch, losses, G):
    """Do the same for many sets of parameters, the columns of W (in compiled code)."""
    raise NotImplementedError("add_losses_and_grads_of_many is called in compiled code")


@in_compiled_code(add_losses_and_grads_of_many)
def _add_losses_and_grads_of_many(model, W, X, y, weight, rows, scratch, losses, G):
    return kernels_in_compiled_code("add_losses_and_grads_of_many", ModelKernels, model).add_losses_and_grads_of_many


def clip(rule, norm, params, grads):
    """Apply a clipping rule to a finite gradient (in compiled code); return whether it changed."""
    raise NotImplementedError("clip is called in compiled code")


@in_compiled_code(clip)
def _clip(rule, norm, params, grads):
    return kernels_in_compiled_code("clip", ClippingKernels, rule).clip


def is_plain(optimizer):
    """Whether an optimiser's step is θ - lr·g and nothing else."""
    plain = kernels_for("is_plain", OptimizerKernels, optimizer).plain
    return plain is not None and plain.py_func(optimizer)


@overload(is_plain, jit_options=PASTED)
def _is_plain(optimizer):
    plain = kernels_in_compiled_code("is_plain", OptimizerKernels, optimizer).plain
    if plain is None:
        return lambda optimizer: False
    return lambda optimizer: plain(optimizer)


def descend_rows(model, rates, params, X, y, rows, ahead, scratch, previous, totals):
    """Do plain steps of one row each, of a model that has a way for them; return how many were done."""
    raise NotImplementedError("descend_rows is called in compiled code")


@in_compiled_code(descend_rows)
def _descend_rows(model, rates, params, X, y, rows, ahead, scratch, previous, totals):
    return kernels_in_compiled_code("descend_rows", ModelKernels, model).descend_rows
