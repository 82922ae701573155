"""The matrices of a parameter vector, for the methods that treat each by itself."""

import numpy as np
from numba.extending import overload

from fastgd.verbs import PASTED


def parts_of(layout, params):
    """Return the layout that a field holds as an array (k, 3) of start, rows, columns; the whole vector if it is ()."""
    parts = np.array(layout or [(0, 1, params.size)])
    _require_cover(parts, params)
    return parts


@overload(parts_of, jit_options=PASTED)
def _parts_of(layout, params):
    if len(layout) == 0:
        return lambda layout, params: np.array([(0, 1, params.size)])

    def parts_of(layout, params):
        parts = np.array(layout)
        if parts[-1, 0] + parts[-1, 1] * parts[-1, 2] != params.size:
            raise ValueError("layout must cover the parameters, all of them and no more")
        return parts

    return parts_of


def _require_cover(parts, params):
    covered = parts[-1, 0] + parts[-1, 1] * parts[-1, 2]
    if covered != params.size:
        raise ValueError(f"layout must cover the {params.size} parameters, all of them and no more, got {covered}")
