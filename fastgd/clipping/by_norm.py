"""Clipping by norm, of the whole vector or of each of its parts."""

import math
from typing import NamedTuple

import numpy as np
from numba.extending import overload
from numpy.typing import ArrayLike

from fastgd import _check
from fastgd._arrays.views import borrowed, borrowed_slice
from fastgd._calls.compiled_checks import require_vector
from fastgd._jit import kernel
from fastgd._parts import covered, parts_for_kernels, parts_in_frame, require_cover
from fastgd._registry import register_clipping
from fastgd.clipping.norms import largest, norm, scale

_TWO_OR_INFINITY = _check.Range("2 or math.inf", lambda v: v in (2, math.inf))


class ClipByNorm(NamedTuple):
    """Scale a gradient down to `max_norm` where its norm is larger (Pascanu, Mikolov and Bengio 2013, Algorithm 1).

        g ← g · max_norm / ‖g‖  if ‖g‖ > max_norm

    PyTorch's ``clip_grad_norm_``, without the 1e-6 that it adds to the norm; optax's ``clip_by_global_norm``. With a
    layout each part is clipped by its own norm, as PyTorch does where it is called for each parameter by itself, and
    Keras by its ``clipnorm``.

    Parameters
    ----------
    max_norm : float
        Positive.
    norm : {2, math.inf}
        ‖g‖: the Euclidean norm, or the largest absolute value.
    layout : array_like of shape (k, 3), optional
        Where the parts lie, as ``fastgd.layout(model)`` tells: start, rows, columns. By default the whole vector is
        one.

    Examples
    --------
    >>> import fastgd
    >>> fastgd.ClipByNorm(1.0)
    ClipByNorm(max_norm=1.0, norm=2.0, layout=())
    >>> fastgd.ClipByNorm(0.5, norm=float("inf"), layout=fastgd.layout(fastgd.Neuron(30)))
    ClipByNorm(max_norm=0.5, norm=inf, layout=((0, 1, 30), (30, 1, 1)))
    """

    max_norm: float
    norm: float = 2.0
    layout: tuple = ()


@kernel(inline=True)
def clip(rule, norm, params, grads):
    # No part is longer than the whole, no component larger; half, since the loop's norm is rounded.
    if 2 * norm <= rule.max_norm:
        return False
    parts = parts_in_frame(rule.layout, grads.size)
    return clip_parts(rule.max_norm, rule.norm, parts, norm, grads) > rule.max_norm


@kernel(merge=True)
def norm_of_order(order, vector):
    return norm(vector) if order == 2 else largest(vector)


@kernel
def clip_parts(max_norm, order, parts, euclidean, grads):
    """Clip the parts of a gradient whose Euclidean norm is known; return the largest of their norms.

    Of norms that are not finite the first one is returned.
    """
    most = 0.0
    for p in range(parts.shape[0]):
        part = borrowed_slice(grads, np.uint64(parts[p, 0]), np.uint64(parts[p, 1] * parts[p, 2]))
        length = euclidean if order == 2 and parts.shape[0] == 1 else norm_of_order(order, part)
        if not length < np.inf:
            return length
        if length > max_norm:
            scale(part, max_norm / length)
        most = max(most, length)
    return most


def _check_rule(rule, params):
    require_cover(rule.layout, params)


register_clipping(
    ClipByNorm, clip, check=_check_rule, max_norm=_check.positive, norm=_TWO_OR_INFINITY, layout=_check.layout
)


def clip_by_norm(max_norm: float, grads: np.ndarray, norm: float = 2.0, layout: ArrayLike = ()) -> float:
    """Scale a gradient in place to the norm `max_norm`, where its own is larger.

    g ← g · max_norm / ‖g‖ if ‖g‖ > max_norm; see `ClipByNorm`. A gradient whose norm is not finite is left as it is,
    all its parts, and the norm returned says so.

    Parameters
    ----------
    max_norm : float
        Positive.
    grads : ndarray of shape (n_params,)
        float32 or float64; modified in place.
    norm : {2, math.inf}
        The Euclidean norm, or the largest absolute value.
    layout : array_like of shape (k, 3), optional
        Where the parts lie that are clipped each by its own norm: ``fastgd.layout(model)``, or a tuple of (start,
        rows, columns). By default the whole vector is one.

    Returns
    -------
    float
        The norm before clipping, the largest of the parts': something was clipped where it is above `max_norm`.

    Raises
    ------
    ValueError, TypeError
        For a `max_norm` that is not positive, another norm or a layout that does not cover the gradient; in Python for
        arrays that do not fit, too.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> grads = np.array([3.0, 4.0])
    >>> fastgd.clip_by_norm(1.0, grads)
    5.0
    >>> grads
    array([0.6, 0.8])
    >>> grads = np.array([3.0, 4.0, 0.5])
    >>> fastgd.clip_by_norm(1.0, grads, layout=fastgd.layout(fastgd.Neuron(2)))  # w and b
    5.0
    >>> grads
    array([0.6, 0.8, 0.5])
    """
    max_norm = _check.number("clip_by_norm", "max_norm", max_norm, _check.positive)
    grads = _check.vector("clip_by_norm", "grads", grads)
    norm = _check.number("clip_by_norm", "norm", norm, _TWO_OR_INFINITY)
    return _clip_by_norm(max_norm, norm, parts_for_kernels("clip_by_norm", layout, grads), grads)


@overload(clip_by_norm)
def _(max_norm, grads, norm=2.0, layout=()):
    require_vector("clip_by_norm", grads, "grads")
    return lambda max_norm, grads, norm=2.0, layout=(): _clip_by_norm(float(max_norm), float(norm), layout, grads)


@kernel
def _clip_by_norm(max_norm, order, layout, grads):
    if not 0 < max_norm < np.inf:
        raise ValueError("clip_by_norm: max_norm must be a positive finite number")
    if order != 2 and order != np.inf:
        raise ValueError("clip_by_norm: norm must be 2 or math.inf")
    grads = borrowed(grads)
    parts = parts_in_frame(layout, grads.size)
    if not covered(parts, grads.size):
        raise ValueError("clip_by_norm: layout must cover the gradient, part after part, all of it and no more")
    euclidean = norm(grads) if order == 2 and parts.shape[0] == 1 else 0.0
    before = clip_parts(np.inf, order, parts, euclidean, grads)
    if max_norm < before < np.inf:
        clip_parts(max_norm, order, parts, euclidean, grads)
    return before
