"""exp, expm1, log1p, sigmoid, tanh and softplus, of numbers and of arrays, in Python and in compiled code.

Numba's own functions call the C library for one number at a time. These are straight-line arithmetic (range
reduction, then a polynomial), so a loop over them becomes vector code wherever they are inlined: a sigmoid takes
0.15 ns in float32 and 0.41 in float64 with vectors of 512 bits, and twice that with 256. (Loop over an array's size:
a loop of literal length, such as `range(16)`, is unrolled into single numbers before it can become vectors.) Functions
of one argument share their parts: `softplus(z)` beside `sigmoid(z)` needs no second exponential.

All of them take real numbers and arrays of any shape. float32 stays float32, float16 becomes float32 (in Python: Numba
has no float16), and integers become float64. An array gives a new C-ordered array; a strided, Fortran-ordered,
byte-swapped or misaligned one is copied first. A Python number gives a Python float. NaN gives NaN, and infinity
the limit. Anything else is a `TypeError` (`TypingError` in compiled code) that names the argument.

The stated errors are in units in the last place (ULP) of the true value. They hold for every float32 (each of them
was tried) and for the float64 of the tests.

The method is that of W. J. Cody and W. Waite, *Software Manual for the Elementary Functions* (1980): x = k ln 2 + r
with |r| ≤ ln 2 / 2, so that e^x = 2^k e^r. The logarithm is fdlibm's: log(1 + f) = 2 artanh(s), s = f / (2 + f).
"""

import math
from functools import wraps
from typing import Any

import numpy as np
from numba import types
from numba.core.errors import TypingError
from numba.extending import overload

from fastgd import _check
from fastgd._jit import kernel
from fastgd._numbers.arithmetic import bits, constants, polynomial, power_of_two
from fastgd._types import Function

# `max(x, limit)` keeps a NaN that comes first, and is one instruction. Two conditional expressions, one after the
# other, were merged into a compare and a masked select: 0.15 ns instead of 0.12 for exp.


@kernel(merge=True)
def _reduce(x):
    """An integer whose last bits are k, and r, where x = k ln 2 + r."""
    c = constants(x)
    shifted = x * c.log2_e + c.shifter
    k = shifted - c.shifter
    return bits(shifted), (x - k * c.ln2_hi) - k * c.ln2_lo


@kernel(merge=True)
def _scaled_exp(s, r, less):
    """Compute s e^r - less, for s a power of two.

    The polynomial could be added last: a chain shorter by 0.4 ns in 15, but sigmoid's error would be up to 2.2 ULP.
    """
    return s * (r + r * r * polynomial(r, constants(r).exp)) + (s - less)


@kernel(inline=True)
def _exp_of_negative(x):
    """e^x where x ≤ 0: there is no overflow to look after."""
    c = constants(x)
    T = type(x)
    k, r = _reduce(max(x, c.exp_min))
    s = power_of_two(x, k + 64) * T(2.0**-64)  # k may be below the least exponent
    return _scaled_exp(s, r, T(0))


@kernel(merge=True)
def _log1p_reduced(f):
    """log(1 + f) where √½ - 1 ≤ f ≤ 1."""
    c = constants(f)
    T = type(f)
    s = f / (T(2) + f)
    # What is added is too little to matter, but keeps s⁴ from being denormal, and slow, in softplus beyond |x| = 22.
    s2 = s * s + c.tiny * c.tiny
    # 2 artanh(s) = 2s + s³ (...), and 2s = f - s f, where f is exact and the rest is smaller.
    return f - s * (f - s2 * polynomial(s2, c.log))


def _as_float(integer):
    """A Python integer of any size as a float, an infinite one where it is too large."""
    try:
        return float(integer)
    except OverflowError:
        return math.inf if integer > 0 else -math.inf


def _verb(body: Function) -> Function:
    """Make a verb, for numbers and arrays, of a function from float32 to float32 and from float64 to float64."""
    name = body.__name__

    @kernel
    def fill(x, out):
        for i in range(x.size):
            out[i] = verb(x[i])

    @wraps(body, assigned=("__module__", "__name__", "__qualname__", "__doc__"))
    def verb(x: Any) -> Any:
        given = _check.array(name, "x", _as_float(x) if isinstance(x, int) and not isinstance(x, bool) else x, None)
        values = given.reshape(-1)
        out = np.empty_like(values)
        fill(values, out)
        if isinstance(x, np.generic):
            return out[0]
        return float(out[0]) if isinstance(x, int | float) else out.reshape(given.shape)

    @overload(verb, jit_options={"error_model": "numpy", "fastmath": {"contract"}, "forceinline": True})
    def compiled_verb(x):
        number = x.dtype if isinstance(x, types.Array) else x
        if number not in (types.float32, types.float64) and not isinstance(number, types.Integer):
            raise TypingError(
                f"{name}: x must be a real number or an array of them (float32, float64, integer), got {x}"
            )
        if not isinstance(x, types.Array):
            return (lambda x: verb(np.float64(x))) if isinstance(x, types.Integer) else body
        dtype = np.float32 if number == types.float32 else np.float64

        def filled(x):
            out = np.empty(x.shape, dtype)
            fill(np.ascontiguousarray(x).reshape(-1), out.reshape(-1))
            return out

        return filled

    return verb


@_verb
def exp(x):
    """Compute the exponential e^x, within 1.5 ULP.

    Parameters
    ----------
    x : number or ndarray
        Of any shape.

    Returns
    -------
    number or ndarray
        Of the shape of `x`.

    Examples
    --------
    >>> exp(np.array([0, 1]))
    array([1.        , 2.71828183])
    """
    c = constants(x)
    k, r = _reduce(min(max(x, c.exp_min), c.exp_max))
    half = k >> 1  # 2^k in two factors, since it may be out of range at either end
    return _scaled_exp(power_of_two(x, half), r, type(x)(0)) * power_of_two(x, k - half)


@_verb
def expm1(x):
    """Compute e^x - 1, within 2 ULP, however small x is.

    Parameters
    ----------
    x : number or ndarray
        Of any shape.

    Returns
    -------
    number or ndarray
        Of the shape of `x`.

    Examples
    --------
    >>> expm1(1e-20)
    1e-20
    """
    c = constants(x)
    T = type(x)
    k, r = _reduce(min(max(x, -c.saturation), c.exp_max))
    s = power_of_two(x, k - 1)  # 2^k may be out of range, its half is not
    # The polynomial is added last: `_scaled_exp` would cancel digits for x a little above ½ ln 2 (2.2 ULP, not 1.7).
    y = T(2) * ((s * (r * r)) * polynomial(r, c.exp) + (s * r + (s - T(0.5))))
    return x if abs(x) < c.tiny else y


@_verb
def log1p(x):
    """Compute the natural logarithm of 1 + x, within 2 ULP, however small x is.

    It is minus infinity at -1, and NaN below.

    Parameters
    ----------
    x : number or ndarray
        Of any shape.

    Returns
    -------
    number or ndarray
        Of the shape of `x`.

    Examples
    --------
    >>> log1p(1e-20)
    1e-20
    """
    c = constants(x)
    T = type(x)
    k = (bits((T(1) + x) * c.sqrt2) >> c.mantissa) - c.bias  # √½ ≤ 2^-k (1 + x) < √2
    s = power_of_two(x, 2 - k)  # 2^-k may be out of range, four times that is not
    f = (T(0.25) * x) * s + (T(0.25) * s - T(1))
    y = T(k) * c.ln2_hi + (T(k) * c.ln2_lo + _log1p_reduced(f))
    y = x if (abs(x) < c.tiny) | (x == T(np.inf)) else y
    y = -T(np.inf) if x == T(-1) else y
    return T(np.nan) if x < T(-1) else y


@_verb
def sigmoid(x):
    """Compute the logistic function σ(x) = 1 / (1 + e^-x), within 2 ULP.

    Parameters
    ----------
    x : number or ndarray
        Of any shape.

    Returns
    -------
    number or ndarray
        Of the shape of `x`.

    Examples
    --------
    >>> sigmoid(0.0)
    0.5
    """
    T = type(x)
    e = _exp_of_negative(-abs(x))
    # σ(x) is 1 / (1 + e) for x ≥ 0 and e / (1 + e) below: that quotient itself is off by up to 2.4 ULP. n - n q with
    # q = e / (1 + e) = σ(-|x|), whose error counts for less, by 1.7, at 0.01 ns more.
    n = e if x < T(0) else T(1)
    return n - n * (e / (T(1) + e))


@_verb
def tanh(x):
    """Compute the hyperbolic tangent, within 3 ULP, and exactly odd: tanh(-x) = -tanh(x).

    Parameters
    ----------
    x : number or ndarray
        Of any shape.

    Returns
    -------
    number or ndarray
        Of the shape of `x`.

    Examples
    --------
    >>> tanh(np.array([-20.0, 0.0, 20.0]))
    array([-1.,  0.,  1.])
    """
    c = constants(x)
    T = type(x)
    k, r = _reduce(T(-2) * min(abs(x), c.saturation))
    t = _scaled_exp(power_of_two(x, k), r, T(1))  # e^-2|x| - 1
    return math.copysign(t / (t + T(2)), x)


@_verb
def softplus(x):
    """Compute log(1 + e^x), within 3 ULP: max(x, 0) + log(1 + e^-|x|).

    The cross-entropy of a logit z and a target y is softplus(z) - y z. Written
    max(z, 0) - y z + softplus(-|z|), it keeps its digits where it is small.

    Parameters
    ----------
    x : number or ndarray
        Of any shape.

    Returns
    -------
    number or ndarray
        Of the shape of `x`.

    Examples
    --------
    >>> softplus(np.array([-1000, 0, 1000]))
    array([0.00000000e+00, 6.93147181e-01, 1.00000000e+03])
    """
    T = type(x)
    return max(x, T(0)) + _log1p_reduced(_exp_of_negative(-abs(x)))
