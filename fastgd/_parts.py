"""The matrices of a parameter vector, for the methods that treat each by itself."""

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.errors import TypingError
from numba.extending import intrinsic, overload

from fastgd import _check
from fastgd._arrays.views import without_owner
from fastgd._calls.dispatch import PASTED
from fastgd._jit import kernel


def parts_of(layout, params):
    """Return the layout that a field holds as an array (k, 3) of start, rows, columns; the whole vector if it is ().

    Raises
    ------
    ValueError
        Unless the parts follow one another from the vector's first number to its last.
    """
    require_cover(layout, params)
    return np.array(layout or [(0, 1, params.size)], np.int64)


@overload(parts_of, jit_options=PASTED)
def _parts_of(layout, params):
    if isinstance(layout, types.BaseTuple) and len(layout) == 0:
        return lambda layout, params: np.array([(0, 1, params.size)])
    if not (_is_array_of_parts(layout) or _is_tuple_of_parts(layout)):
        raise TypingError(f"layout must be {_check.Layout.words}, got {layout}")
    to_array: Any = np.copy if _is_array_of_parts(layout) else np.array

    def parts_of(layout, params):
        parts = to_array(layout)
        if not covered(parts, params.size):
            raise ValueError("layout must cover the parameters, all of them and no more, part after part")
        return parts

    return parts_of


def _is_tuple_of_parts(layout):
    return isinstance(layout, types.BaseTuple) and all(
        isinstance(part, types.UniTuple) and isinstance(part.dtype, types.Integer) and len(part) == 3 for part in layout
    )


def _is_array_of_parts(layout):
    return isinstance(layout, types.Array) and layout.dtype == types.int64 and layout.ndim == 2


def require_cover(layout, params):
    """Raise unless the layout that a field holds, if any, has as many elements as there are parameters."""
    if layout:
        start, rows, columns = layout[-1]
        covers = start + rows * columns
        if covers != params.size:
            raise ValueError(f"layout must cover the {params.size} parameters, all of them and no more, got {covers}")


# For verbs, which are given a layout at every call, and for rules in a loop, where nothing is allocated.


def parts_for_kernels(owner, layout, params):
    """Return a layout given in Python as kernels take it, of one type for any number of parts: (), or an array."""
    if isinstance(layout, tuple) and not layout:
        return layout
    layout = _check.layout.convert(owner, "layout", layout)
    try:
        require_cover(layout, params)
    except ValueError as error:
        raise ValueError(f"{owner}: {error}") from None
    return np.array(layout) if layout else ()


@intrinsic
def parts_in_frame(typing_context, layout, size):
    """A layout as an int64 array (k, 3), without an owner; of nothing, the whole vector of this size as one part.

    A tuple is kept in the frame of the function that this stands in, and must not leave it.
    """
    result = types.Array(types.int64, 2, "C")
    if isinstance(layout, types.Array):
        if (layout.dtype, layout.ndim, layout.layout) != (types.int64, 2, "C"):
            raise TypingError(f"layout must be a contiguous int64 array of shape (k, 3), got {layout}")
    elif not isinstance(layout, types.BaseTuple) or any(part != types.UniTuple(types.int64, 3) for part in layout):
        raise TypingError(f"layout must be a tuple of (start, rows, columns), or an array of these, got {layout}")

    def described(context, builder, data, n_parts):
        view = context.make_array(result)(context, builder)
        context.populate_array(
            view,
            data=builder.bitcast(data, view.data.type),
            shape=cgutils.pack_array(builder, [n_parts, _i64(3)]),
            strides=cgutils.pack_array(builder, [_i64(24), _i64(8)]),
            itemsize=_i64(8),
            meminfo=None,
        )
        return view

    def emit(context, builder, signature, arguments):
        whole = cgutils.pack_array(builder, [_i64(0), _i64(1), arguments[1]])
        view = described(context, builder, cgutils.alloca_once_value(builder, whole), _i64(1))
        if isinstance(layout, types.Array):
            given = context.make_array(layout)(context, builder, without_owner(context, builder, layout, arguments[0]))
            n_parts = cgutils.unpack_tuple(builder, given.shape, 2)[0]
            nothing = builder.icmp_signed("==", n_parts, _i64(0))
            data = builder.select(nothing, view.data, given.data)
            view = described(context, builder, data, builder.select(nothing, _i64(1), n_parts))
        elif len(layout):
            data = cgutils.alloca_once_value(builder, arguments[0])
            view = described(context, builder, data, _i64(len(layout)))
        return view._getvalue()

    return result(layout, types.int64), emit


def _i64(number):
    return ir.Constant(ir.IntType(64), number)


@kernel(merge=True)
def covered(parts, size):
    """Whether parts follow one another from 0 to the end of a vector."""
    end = 0
    if parts.shape[1] != 3:
        return False
    for p in range(parts.shape[0]):
        if parts[p, 0] != end or parts[p, 1] < 0 or parts[p, 2] < 0:
            return False
        end += parts[p, 1] * parts[p, 2]
    return end == size
