"""Clipping of gradients, by norm and by value: as verbs, and as tuples for `fit(clip=...)`."""

import math
from typing import NamedTuple

import numpy as np
from numba.extending import overload

from fastgd import _check
from fastgd._jit import kernel
from fastgd._registry import register_clipping


class ClipByNorm(NamedTuple):
    """Scale a gradient down to `max_norm` where its Euclidean norm is larger (Pascanu et al. 2013).

    Parameters
    ----------
    max_norm : float
        Positive.

    Examples
    --------
    >>> import fastgd
    >>> fastgd.ClipByNorm(1.0)
    ClipByNorm(max_norm=1.0)
    """

    max_norm: float


class ClipByValue(NamedTuple):
    """Limit every component of a gradient to [-limit, limit].

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


class NoClipping(NamedTuple):
    """Leave gradients as they are."""


@kernel(inline=True)
def _by_norm(rule, norm, grads):
    if not norm > rule.max_norm:
        return False
    factor = grads.dtype.type(rule.max_norm / norm)
    for i in range(grads.size):
        grads[i] *= factor
    return True


@kernel(inline=True)
def _by_value(rule, norm, grads):
    limit = grads.dtype.type(rule.limit)
    changed = 0
    for i in range(grads.size):
        g = grads[i]
        grads[i] = -limit if g < -limit else (limit if g > limit else g)  # NaN stays NaN
        changed |= abs(g) > limit
    return changed != 0


@kernel(inline=True)
def _not_at_all(rule, norm, grads):
    return False


register_clipping(ClipByNorm, _by_norm, max_norm=_check.positive)
register_clipping(ClipByValue, _by_value, limit=_check.positive)
register_clipping(NoClipping, _not_at_all, clips=False)


@kernel(reassoc=True)
def norm(grads):
    """The Euclidean norm, summed in float64, so that no float32 square overflows or vanishes."""
    total = 0.0
    for i in range(grads.size):
        g = np.float64(grads[i])
        total += g * g
    return math.sqrt(total)


@kernel
def _clip_by_norm(max_norm, grads):
    before = norm(grads)
    if before < np.inf:
        _by_norm(ClipByNorm(max_norm), before, grads)
    return before


@kernel
def _clip_by_value(limit, grads):
    _by_value(ClipByValue(limit), 0.0, grads)


def clip_by_norm(max_norm, grads):
    """Scale a gradient in place to the norm `max_norm`, where its own is larger.

    g ← g · max_norm / ‖g‖ if ‖g‖ > max_norm. A gradient whose norm is not finite is left as it is, and the norm
    returned says so.

    Parameters
    ----------
    max_norm : float
        Positive.
    grads : ndarray of shape (n_params,)
        float32 or float64; modified in place.

    Returns
    -------
    float
        The Euclidean norm before clipping.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> grads = np.array([3.0, 4.0])
    >>> fastgd.clip_by_norm(1.0, grads)
    5.0
    >>> grads
    array([0.6, 0.8])
    """
    max_norm = _check.number("clip_by_norm", "max_norm", max_norm, _check.positive)
    return _clip_by_norm(max_norm, _check.vector("clip_by_norm", "grads", grads))


def clip_by_value(limit, grads):
    """Limit every component of a gradient to [-limit, limit], in place.

    Parameters
    ----------
    limit : float
        Positive.
    grads : ndarray of shape (n_params,)
        float32 or float64; modified in place. NaN stays NaN.

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


@overload(clip_by_norm)
def _(max_norm, grads):
    return lambda max_norm, grads: _clip_by_norm(float(max_norm), grads)


@overload(clip_by_value)
def _(limit, grads):
    return lambda limit, grads: _clip_by_value(float(limit), grads)
