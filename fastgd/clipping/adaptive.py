"""Adaptive clipping, by the parameters' norm."""

from typing import NamedTuple

import numpy as np
from numba.extending import overload
from numpy.typing import ArrayLike

from fastgd import _check
from fastgd._arrays.views import borrowed, borrowed_slice
from fastgd._calls.compiled_checks import require_array, require_vector
from fastgd._jit import kernel
from fastgd._parts import covered, parts_for_kernels, parts_in_frame, require_cover
from fastgd._registry import register_clipping
from fastgd.clipping.norms import norm, scale


class ClipAdaptively(NamedTuple):
    """Adaptive gradient clipping: no unit's gradient is longer than a share of the unit itself (Brock et al. 2021).

        g_i ← g_i · clipping · n_i / ‖g_i‖  if ‖g_i‖ / n_i > clipping,  n_i = max(‖θ_i‖, eps)

    Equation 3 of "High-performance large-scale image recognition without normalization", with its Euclidean norm and
    its `eps`. The units θ_i are the rows of each matrix of the layout (the paper's W is outputs by inputs, so that a
    row holds the weights into one output), and each vector whole, be it one row or one column; without a layout the
    whole of the parameters is one unit. optax's ``adaptive_grad_clip`` takes vectors as here, and the columns of a
    matrix, its matrices being inputs by outputs. (The paper leaves the last, linear layer as it is.)

    Parameters
    ----------
    clipping : float
        Positive: the share. The paper takes 0.01 for large batches, larger values for small ones.
    eps : float
        Positive: parameters that are zero can leave it.
    layout : array_like of shape (k, 3), optional
        Where the matrices lie, as ``fastgd.layout(model)`` tells: start, rows, columns.

    Examples
    --------
    >>> import fastgd
    >>> fastgd.ClipAdaptively(layout=fastgd.layout(fastgd.Neuron(30)))
    ClipAdaptively(clipping=0.01, eps=0.001, layout=((0, 1, 30), (30, 1, 1)))
    """

    clipping: float = 0.01
    eps: float = 1e-3
    layout: tuple = ()


@kernel(inline=True)
def clip(rule, norm, params, grads):
    parts = parts_in_frame(rule.layout, grads.size)
    return clip_units(rule.clipping, rule.eps, parts, norm, params, grads) > rule.clipping


@kernel
def clip_units(clipping, eps, parts, euclidean, params, grads):
    """Clip the units of a gradient whose norm is known; return the largest ratio of their norms to the parameters'.

    Of ratios that are not finite the first one is returned.
    """
    most = 0.0
    for p in range(parts.shape[0]):
        start, n_units, size = parts[p, 0], parts[p, 1], parts[p, 2]
        if size == 1:  # a vector
            n_units, size = 1, n_units
        for _ in range(n_units):
            g = borrowed_slice(grads, np.uint64(start), np.uint64(size))
            length = euclidean if size == grads.size else norm(g)
            own = norm(borrowed_slice(params, np.uint64(start), np.uint64(size)))
            ratio = length / (eps if own < eps else own)
            if not ratio < np.inf:
                return ratio
            if ratio > clipping:
                scale(g, clipping / ratio)
            most = max(most, ratio)
            start += size
    return most


def _check_rule(rule, params):
    require_cover(rule.layout, params)


register_clipping(
    ClipAdaptively, clip, check=_check_rule, clipping=_check.positive, eps=_check.positive, layout=_check.layout
)


def clip_adaptively(
    clipping: float, params: np.ndarray, grads: np.ndarray, eps: float = 1e-3, layout: ArrayLike = ()
) -> float:
    """Scale the units of a gradient in place to a share of their parameters' norms, where their own are larger.

    See `ClipAdaptively`. A gradient with a ratio that is not finite is left as it is, all its units, and the ratio
    returned says so.

    Parameters
    ----------
    clipping : float
        Positive: the share.
    params : ndarray of shape (n_params,)
        The parameters.
    grads : ndarray of shape (n_params,)
        float32 or float64; modified in place.
    eps : float
        Positive: the least norm of parameters that counts.
    layout : array_like of shape (k, 3), optional
        Where the matrices lie whose rows are the units: ``fastgd.layout(model)``, or a tuple of (start, rows,
        columns). By default the whole vector is one unit.

    Returns
    -------
    float
        The ratio of the gradient's norm to the parameters' before clipping, the largest of the units': something was
        clipped where it is above `clipping`.

    Raises
    ------
    ValueError, TypeError
        For `clipping` or `eps` that are not positive, or a layout or parameters that do not fit the gradient; in Python
        for other arrays that do not fit, too.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> params, grads = np.array([3.0, 4.0]), np.array([0.0, 1.0])
    >>> fastgd.clip_adaptively(0.01, params, grads)
    0.2
    >>> grads
    array([0.  , 0.05])
    """
    clipping = _check.number("clip_adaptively", "clipping", clipping, _check.positive)
    grads = _check.vector("clip_adaptively", "grads", grads)
    params = _check.array("clip_adaptively", "params", params, 1, grads.dtype)
    if params.size != grads.size:
        raise ValueError(
            f"clip_adaptively: params must have as many elements as grads ({grads.size}), got {params.size}"
        )
    if np.may_share_memory(params, grads):
        raise ValueError("clip_adaptively: params and grads must not share memory")
    eps = _check.number("clip_adaptively", "eps", eps, _check.positive)
    return _clip_adaptively(clipping, eps, parts_for_kernels("clip_adaptively", layout, grads), params, grads)


@overload(clip_adaptively)
def _(clipping, params, grads, eps=1e-3, layout=()):
    require_vector("clip_adaptively", grads, "grads")
    require_array("clip_adaptively", "params", params, grads.dtype, like="grads")
    return lambda clipping, params, grads, eps=1e-3, layout=(): _clip_adaptively(
        float(clipping), float(eps), layout, params, grads
    )


@kernel
def _clip_adaptively(clipping, eps, layout, params, grads):
    if not 0 < clipping < np.inf:
        raise ValueError("clip_adaptively: clipping must be a positive finite number")
    if not 0 < eps < np.inf:
        raise ValueError("clip_adaptively: eps must be a positive finite number")
    if params.size != grads.size:
        raise ValueError("clip_adaptively: params must have as many elements as grads")
    params, grads = borrowed(params), borrowed(grads)
    parts = parts_in_frame(layout, grads.size)
    if not covered(parts, grads.size):
        raise ValueError("clip_adaptively: layout must cover the gradient, part after part, all of it and no more")
    euclidean = norm(grads) if parts.shape[0] == 1 else 0.0
    before = clip_units(np.inf, eps, parts, euclidean, params, grads)
    if clipping < before < np.inf:
        clip_units(clipping, eps, parts, euclidean, params, grads)
    return before
