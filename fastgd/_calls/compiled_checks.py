"""The boundary of compiled code: what verbs are given there is looked at by its types, and by the lengths of arrays.

Types are looked at when the verb is compiled; lengths are compared before each call, which costs nothing to speak of.
Unlike Python's, these checks do not see whether arrays share memory.
"""

import numpy as np
from numba.core import types
from numba.core.errors import TypingError

from fastgd._calls.states import field_names, is_elementwise
from fastgd._class_names import plain_name
from fastgd._registry import OptimizerKernels, kernels_for

_SIZES = 5, 7  # of the vectors that an optimiser is tried with, to see which of its arrays are as long


def require_vector(verb, kind, name="params", contiguous=False):
    """Raise unless a Numba type is that of a vector of floating numbers."""
    if not isinstance(kind, types.Array) or kind.dtype not in (types.float32, types.float64):
        raise TypingError(f"{verb}: {name} must be an array of float32 or float64, got {_words(kind)}")
    require_array(verb, name, kind, kind.dtype, (1,), contiguous, like="")


def require_array(verb, name, kind, dtype, ndims=(1,), contiguous=False, like="params"):
    """Raise unless a Numba type is an array of this dtype, that of `like`, and one of these numbers of dimensions."""
    fits = isinstance(kind, types.Array) and kind.dtype == dtype and kind.ndim in ndims
    if not fits or (contiguous and kind.layout != "C"):
        shape = " or ".join(f"{ndim}-D" for ndim in ndims)
        order, of_like = "C-ordered " if contiguous else "", f", the dtype of {like}" if like else ""
        raise TypingError(f"{verb}: {name} must be a {order}{shape} array of {dtype}{of_like}, got {_words(kind)}")


def require_state(verb, optimizer, state, params):
    """Raise unless a Numba type is that of the state that `init_state` makes for this optimiser and these parameters.

    What is left of it for an optimiser that holds others is looked at where it hands that on to them.
    """
    made = _states_of_defaults(optimizer, params.dtype)
    if made is not None and not _is_made_so(made[0], state):
        wanted, came = plain_name(type(made[0])), plain_name(getattr(state, "instance_class", type(state)))
        came = f"{came} with arrays of other dtypes" if came == wanted else came
        raise TypingError(
            f"{verb}: state must be {wanted}, as init_state makes it for {plain_name(optimizer.instance_class)} and "
            f"{params.dtype} params, got {came}"
        )


def compare_lengths(context, builder, verb, kinds, values, name):
    """Emit the comparison of the length of `params` with that of the array `name`, and with those of the state.

    Of the state they are those that are as long as the vector with the optimiser's default fields, if it is
    element-wise; others may have any length, and with other fields one of them may be empty.
    """

    def size(kind, value):
        return context.make_array(kind)(context, builder, value).nitems

    def refuse(wrong, name):
        with builder.if_then(wrong, likely=False):
            message = f"{verb}: {name} must have as many elements as params"
            context.call_conv.return_user_exc(builder, ValueError, (message,))

    expected = size(kinds["params"], values["params"])
    refuse(builder.icmp_unsigned("!=", size(kinds[name], values[name]), expected), name)
    for position, field in arrays_as_long(kinds["optimizer"], kinds["params"].dtype):
        came = size(kinds["state"][position], builder.extract_value(values["state"], position))
        differs, some = builder.icmp_unsigned("!=", came, expected), builder.icmp_unsigned("!=", came, came.type(0))
        refuse(builder.and_(differs, some), field)


def arrays_as_long(optimizer, dtype):
    """The positions and names of the arrays of an element-wise optimiser's state that are as long as the vector."""
    made = _states_of_defaults(optimizer, dtype)
    if made is None or not is_elementwise(_with_defaults(optimizer)):
        return []
    shapes = [[getattr(part, "shape", None) for part in parts] for parts in zip(*made, strict=True)]
    return [
        (position, name)
        for position, name in enumerate(field_names(made[0], "state"))
        if shapes[position] == [(size,) for size in _SIZES]
    ]


def _states_of_defaults(optimizer, dtype):
    """The states that an optimiser of this Numba type makes, with its default fields, for vectors of two sizes.

    None where a field has no default, or its `init` raises: of some other number of parameters only.
    """
    example = _with_defaults(optimizer)
    if example is None:
        return None
    init = kernels_for("init_state", OptimizerKernels, example).init.py_func
    try:
        return [init(example, np.zeros(size, dtype.name)) for size in _SIZES]
    except Exception:
        return None


def _with_defaults(kind):
    """A tuple of this Numba type with the default of every field, and tuples in it made likewise; None without one.

    A number without a default is 1, or where that is outside of its range ½.
    """
    cls = kind.instance_class
    held = {
        name: _with_defaults(part)
        for name, part in zip(cls._fields, kind, strict=True)
        if isinstance(part, types.BaseNamedTuple)
    }
    others = {*cls._fields} - {*held, *cls._field_defaults}
    for number in (1, 0.5):
        try:
            return None if None in held.values() else cls(**held, **dict.fromkeys(others, number))
        except (TypeError, ValueError):
            continue
    return None


def _is_made_so(made, kind):
    """Whether a Numba type is that of a value, however its arrays lie in memory."""
    if isinstance(made, tuple):
        return (
            isinstance(kind, types.BaseTuple)
            and getattr(kind, "instance_class", tuple) is type(made)
            and len(kind) == len(made)
            and all(map(_is_made_so, made, kind))
        )
    return isinstance(kind, types.Array) and (kind.dtype.name, kind.ndim) == (made.dtype.name, made.ndim)


def _words(kind):
    if not isinstance(kind, types.Array):
        return getattr(kind, "instance_class", kind)
    order = {"C": "C-ordered", "F": "Fortran-ordered"}.get(kind.layout, "strided")
    return f"a {order} {kind.ndim}-D one of {kind.dtype}"
