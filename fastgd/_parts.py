"""The matrices of a parameter vector, for the methods that treat each by itself."""

from collections.abc import Callable

import numpy as np
from numba.core import types
from numba.core.errors import TypingError
from numba.extending import overload

from fastgd._check import Layout
from fastgd._jit import kernel
from fastgd.verbs import PASTED


def parts_of(layout, params):
    """Return the layout that a field holds as an array (k, 3) of start, rows, columns; the whole vector if it is ().

    Raises
    ------
    ValueError
        Unless the parts follow one another from the vector's first number to its last.
    """
    parts = np.array(layout or [(0, 1, params.size)], np.int64)
    covered = parts[-1, 0] + parts[-1, 1] * parts[-1, 2]
    if covered != params.size:
        raise ValueError(f"layout must cover the {params.size} parameters, all of them and no more, got {covered}")
    return parts


@overload(parts_of, jit_options=PASTED)
def _parts_of(layout, params):
    if isinstance(layout, types.BaseTuple) and len(layout) == 0:
        return lambda layout, params: np.array([(0, 1, params.size)])
    if not (_is_tuple_of_parts(layout) or _is_array_of_parts(layout)):
        raise TypingError(f"layout must be {Layout.words}, got {layout}")
    to_array: Callable = np.array if isinstance(layout, types.BaseTuple) else np.copy

    def parts_of(layout, params):
        parts = to_array(layout)
        if covered(parts) != params.size:
            raise ValueError("layout must cover the parameters, all of them and no more, part after part")
        return parts

    return parts_of


def _is_tuple_of_parts(layout):
    return isinstance(layout, types.BaseTuple) and all(
        isinstance(part, types.UniTuple) and isinstance(part.dtype, types.Integer) and len(part) == 3 for part in layout
    )


def _is_array_of_parts(layout):
    return isinstance(layout, types.Array) and layout.dtype == types.int64 and layout.ndim == 2


@kernel(merge=True)
def covered(parts):
    """How many parameters the parts cover; -1 if they do not follow one another from 0 on."""
    end = 0
    if parts.shape[1] != 3:
        return -1
    for k in range(parts.shape[0]):
        rows, columns = parts[k, 1], parts[k, 2]
        if parts[k, 0] != end or rows < 1 or columns < 1:
            return -1
        end += rows * columns
    return end
