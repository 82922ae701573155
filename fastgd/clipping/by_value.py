"""Clipping by value."""

from typing import NamedTuple

import numpy as np
from numba.extending import overload

from fastgd import _check
from fastgd._calls.compiled_checks import require_vector
from fastgd._jit import kernel
from fastgd._registry import register_clipping


class ClipByValue(NamedTuple):
    """Limit every component of a gradient to [-limit, limit].

    PyTorch's ``clip_grad_value_`` and optax's ``clip``.

    Parameters
    ----------
    limit : float
        Positive.

    Examples
    --------
    >>> import fastgd
    >>> fastgd.ClipByValue(0.5)
    ClipByValue(limit=0.5)
    """

    limit: float


@kernel(inline=True)
def clip(rule, norm, params, grads):
    if 2 * norm <= rule.limit:  # half, since the loop's norm is rounded
        return False
    limit = grads.dtype.type(rule.limit)
    changed = 0
    for i in range(grads.size):
        g = grads[i]
        grads[i] = -limit if g < -limit else (limit if g > limit else g)  # NaN stays NaN
        changed |= abs(g) > limit
    return changed != 0


register_clipping(ClipByValue, clip, limit=_check.positive)


def clip_by_value(limit: float, grads: np.ndarray) -> None:
    """Limit every component of a gradient to [-limit, limit], in place.

    Parameters
    ----------
    limit : float
        Positive.
    grads : ndarray of shape (n_params,)
        float32 or float64; modified in place. NaN stays NaN.

    Raises
    ------
    ValueError, TypeError
        For a limit that is not positive and, in Python, for arrays that do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> grads = np.array([3.0, -0.25])
    >>> fastgd.clip_by_value(0.5, grads)
    >>> grads
    array([ 0.5 , -0.25])
    """
    limit = _check.number("clip_by_value", "limit", limit, _check.positive)
    _clip_by_value(limit, _check.vector("clip_by_value", "grads", grads))


@overload(clip_by_value)
def _(limit, grads):
    require_vector("clip_by_value", grads, "grads")
    return lambda limit, grads: _clip_by_value(float(limit), grads)


@kernel
def _clip_by_value(limit, grads):
    if not 0 < limit < np.inf:
        raise ValueError("clip_by_value: limit must be a positive finite number")
    clip(ClipByValue(limit), np.inf, grads, grads)
