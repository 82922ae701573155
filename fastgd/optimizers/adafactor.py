"""Adafactor: second moments of matrices as the product of a column and a row."""

import math
from typing import NamedTuple

import numpy as np

from fastgd import _check
from fastgd._arrays.views import borrowed_slice
from fastgd._check import Range, at_least_one, nonnegative
from fastgd._jit import kernel
from fastgd._numbers.denormals import settled
from fastgd._parts import parts_of
from fastgd._registry import register_optimizer
from fastgd.clipping.norms import norm


class Adafactor(NamedTuple):
    """Adafactor: steps divided by the root of a second moment V that a matrix keeps as one number a row and a column.

    With w = t^τ, τ being `beta2_decay`: r ← (1-w)r + w·(the rows' means of G²), c ← (1-w)c + w·(the columns' means),
    V = r·cᵀ / max(mean(r), ε₁); a vector keeps V ← (1-w)V + w·G² itself. Then U = G / max(√V, ε₁) and
    θ ← θ - lr·λθ - max(ε₂, RMS(θ))·min(lr, 1/√t)·U / max(1, RMS(U)/d), where RMS is the root of the mean square.
    N. Shazeer and M. Stern, Adafactor: adaptive learning rates with sublinear memory cost, ICML 2018, Algorithms 4
    and 5 without momentum; in PyTorch's form, with its defaults: the rate is the largest relative step size, and ε₁ a
    bound from below, where the paper adds it to G².

    Parameters
    ----------
    beta2_decay : float
        τ, 0 or smaller.
    eps1 : float
        ε₁, 0 or larger; 0 stands for the machine epsilon of the parameters' dtype (PyTorch's None).
    eps2 : float
        ε₂, 0 or larger: parameters smaller than this move as if they were of this size.
    d : float
        The largest root mean square of U, 1 or larger.
    weight_decay : float
        λ, 0 or larger: decoupled from the gradient, times lr.
    maximize : bool
        Go uphill.
    layout : tuple
        Where the matrices lie, as the `layout` verb tells it: rows of start, rows, columns; what has a single row or
        column is a vector. By default the whole parameter vector is one.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> params, optimizer = np.ones(1000), fastgd.Adafactor(layout=[(0, 30, 30), (900, 1, 100)])
    >>> state = fastgd.init_state(optimizer, params)
    >>> state.v.size, state.factors.size
    (100, 60)
    >>> fastgd.update(optimizer, 0.01, 2 * params, state, params)
    >>> params[:3]
    array([0.99, 0.99, 0.99])
    """

    beta2_decay: float = -0.8
    eps1: float = 0.0
    eps2: float = 1e-3
    d: float = 1.0
    weight_decay: float = 0.0
    maximize: bool = False
    layout: tuple = ()


class AdafactorState(NamedTuple):
    """The state of `Adafactor`."""

    v: np.ndarray  # V of the vectors, one after the other, the parameters' dtype
    factors: np.ndarray  # r and c of the matrices, one after the other, float64
    parts: np.ndarray  # int64, (k, 3): start, rows, columns
    steps: np.ndarray  # float64: the steps done
    scales: np.ndarray  # (most columns of a matrix,), to work in: 1/√c of the matrix at hand, the parameters' dtype


@kernel(inline=True)
def init(optimizer, params):
    parts = parts_of(optimizer.layout, params)
    n_v, n_factors, most = 0, 0, 0
    for k in range(parts.shape[0]):
        rows, columns = parts[k, 1], parts[k, 2]
        if rows > 1 and columns > 1:
            n_factors += rows + columns
            most = max(most, columns)
        else:
            n_v += rows * columns
    v, scales = np.zeros(n_v, params.dtype), np.zeros(most, params.dtype)
    return AdafactorState(v, np.zeros(n_factors), parts, np.zeros(1), scales)


_TILE = 8192  # columns that are summed up together: their sums stay in the cache


@kernel(reassoc=True)
def move_factors(weight, grads, r, c):
    """Move the factors of a matrix toward the means of its squares."""
    for factor in (r, c):
        for i in range(factor.size):
            factor[i] *= 1 - weight
    for low in range(0, c.size, _TILE):
        sums = borrowed_slice(c, np.uint64(low), np.uint64(min(_TILE, c.size - low)))
        for i in range(r.size):
            row = borrowed_slice(grads, np.uint64(i * c.size + low), np.uint64(sums.size))
            total = 0.0
            for j in range(sums.size):
                square = np.float64(row[j]) * np.float64(row[j])
                total += square
                sums[j] += weight / r.size * square
            r[i] += weight / c.size * total
    for factor in (r, c):
        for i in range(factor.size):
            factor[i] = settled(factor[i], 1e154)  # for the product of two


@kernel
def write_scales(c, scales):
    for j in range(c.size):
        scales[j] = 1 / math.sqrt(c[j])


@kernel(reassoc=True)
def mean(r):
    total = 0.0
    for i in range(r.size):
        total += r[i]
    return total / r.size


# 1 / max(√V, ε₁) of a matrix is the lesser of 1/ε₁ and the product of 1/√c and 1/√(r / mean(r)): a root a row and a
# column instead of one, and a division, an element.


@kernel(merge=True)
def scale_of_row(r_i, mean_r):
    return math.sqrt(mean_r) / math.sqrt(r_i)


@kernel(reassoc=True)
def sum_of_squared_steps(most, mean_r, grads, r, scales):
    """Σ U² of a matrix."""
    dtype = grads.dtype.type
    total = 0.0
    for i in range(r.size):
        row = borrowed_slice(grads, np.uint64(i * scales.size), np.uint64(scales.size))
        scale_i = dtype(scale_of_row(r[i], mean_r))
        for j in range(row.size):
            scale = scale_i * scales[j]
            u = np.float64(row[j] * (most if scale > most else scale))
            total += u * u
    return total


@kernel
def move_matrix(keep, step, most, mean_r, grads, r, scales, params):
    """Move the parameters of a matrix."""
    dtype = params.dtype.type
    for i in range(r.size):
        start, size = np.uint64(i * scales.size), np.uint64(scales.size)
        g, theta = borrowed_slice(grads, start, size), borrowed_slice(params, start, size)
        scale_i = dtype(scale_of_row(r[i], mean_r))
        for j in range(theta.size):
            scale = scale_i * scales[j]
            theta[j] = keep * theta[j] - step * (g[j] * (most if scale > most else scale))


@kernel(reassoc=True)
def move_v(weight, rest, floor, grads, v):
    """Move the second moments of a vector; return Σ U².

    `rest`, 1 - weight, comes from outside: from in here (1-w)V + wG² would become V + w(G² - V), which loses digits
    where V falls far.
    """
    weight, rest = grads.dtype.type(weight), grads.dtype.type(rest)
    total = 0.0
    for i in range(v.size):
        v[i] = settled(rest * v[i] + weight * grads[i] * grads[i], 10)
        total += np.float64(grads[i] * grads[i] / (floor if v[i] < floor else v[i]))
    return total


@kernel(inline=True)
def update(optimizer, lr, grads, state, params):
    dtype = params.dtype.type
    parts = state.parts
    state.steps[0] += 1
    weight = state.steps[0] ** optimizer.beta2_decay
    rate = min(lr, 1 / math.sqrt(state.steps[0]))
    if optimizer.maximize:
        rate = -rate
    eps1 = optimizer.eps1 if optimizer.eps1 > 0 else np.float64(np.finfo(dtype).eps)
    # Within the dtype's numbers, so that 0 times the most is 0.
    floor, most = dtype(max(eps1 * eps1, np.finfo(dtype).tiny)), dtype(min(1 / eps1, np.finfo(dtype).max))
    keep = dtype(1 - lr * optimizer.weight_decay)
    at_v, at_factor = 0, 0
    for k in range(parts.shape[0]):
        rows, columns = parts[k, 1], parts[k, 2]
        start, size = np.uint64(parts[k, 0]), np.uint64(rows * columns)
        g, theta = borrowed_slice(grads, start, size), borrowed_slice(params, start, size)
        step = max(optimizer.eps2, norm(theta) / math.sqrt(size)) * rate
        if rows > 1 and columns > 1:
            r = borrowed_slice(state.factors, np.uint64(at_factor), np.uint64(rows))
            c = borrowed_slice(state.factors, np.uint64(at_factor + rows), np.uint64(columns))
            at_factor += rows + columns
            move_factors(weight, g, r, c)
            mean_r = max(mean(r), eps1)
            scales = borrowed_slice(state.scales, np.uint64(0), np.uint64(columns))
            write_scales(c, scales)
            squared = sum_of_squared_steps(most, mean_r, g, r, scales)
            step_i = dtype(step / max(1.0, math.sqrt(squared / size) / optimizer.d))
            move_matrix(keep, step_i, most, mean_r, g, r, scales, theta)
        else:
            v = borrowed_slice(state.v, np.uint64(at_v), size)
            at_v += rows * columns
            squared = move_v(weight, 1 - weight, floor, g, v)
            step_i = dtype(step / max(1.0, math.sqrt(squared / size) / optimizer.d))
            for i in range(theta.size):
                theta[i] = keep * theta[i] - step_i * g[i] / np.sqrt(floor if v[i] < floor else v[i])


register_optimizer(
    Adafactor,
    init,
    update,
    beta2_decay=Range("a finite number, 0 or smaller", lambda v: -math.inf < v <= 0),
    eps1=nonnegative,
    eps2=nonnegative,
    d=at_least_one,
    weight_decay=nonnegative,
    layout=_check.layout,
)
