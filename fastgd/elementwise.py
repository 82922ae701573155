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
from functools import reduce, wraps
from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import typeof, types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic, overload

from fastgd import _check
from fastgd._jit import kernel


class _Constants(NamedTuple):
    """What differs between float32 and float64."""

    mantissa: int  # bits
    bias: int  # of the exponent
    shifter: float  # x + shifter rounds x to an integer, and the sum's last bits are that integer
    log2_e: float
    ln2_hi: float  # so few bits that k ln2_hi is exact
    ln2_lo: float
    sqrt2: float
    exp_min: float  # below, e^x is 0; here 2^(k + 64) is so too, exactly, and saturated values meet no denormal number
    exp_max: float  # above, e^x is infinite
    saturation: float  # e^-x is lost beside 1
    tiny: float  # x² is lost beside x
    exp: tuple  # (e^r - 1 - r) / r² in powers of r, |r| ≤ ln 2 / 2
    log: tuple  # (2 artanh(s) - 2s) / s³ in powers of s², |s| ≤ 1/3


def _constants_of(dtype, ln2, exp_range, exp, log):
    info = np.finfo(dtype)
    eps = float(info.eps)
    return _Constants(
        mantissa=info.nmant,
        bias=info.maxexp - 1,
        shifter=dtype(1.5 / eps),
        log2_e=dtype(1 / math.log(2)),
        ln2_hi=dtype(ln2[0]),
        ln2_lo=dtype(ln2[1]),
        sqrt2=dtype(math.sqrt(2)),
        exp_min=dtype(exp_range[0]),
        exp_max=dtype(exp_range[1]),
        saturation=dtype(-math.log(eps / 8)),
        tiny=dtype(eps / 8),
        exp=tuple(map(dtype, exp)),
        log=tuple(map(dtype, log)),
    )


# The coefficients are minimax (Remez's exchange in 50 digits), weighted so that the relative error of e^r - 1 and of
# log(1 + f) is least, and then rounded.
_SINGLE = _constants_of(
    np.float32,
    ln2=(355 / 512, -2.1219444005469057e-04),
    exp_range=(-191 * math.log(2), 89),
    exp=(0.5, 0.16666542, 0.04166628, 0.0083666295, 0.0013946509),
    log=(0.66666675, 0.39998978, 0.28614497, 0.21450907, 0.24221273),
)
_DOUBLE = _constants_of(
    np.float64,
    ln2=(0.6931471803691238, 1.9082149292705877e-10),
    exp_range=(-1087 * math.log(2), 710),
    exp=(
        0.5000000000000006,
        0.16666666666666685,
        0.041666666666573454,
        0.008333333333314541,
        0.0013888888932483416,
        0.00019841269903191351,
        2.480150428032693e-05,
        2.7557227772692007e-06,
        2.7626404410564064e-07,
        2.5114540353999642e-08,
    ),
    log=(
        0.6666666666666651,
        0.4000000000009778,
        0.2857142855424814,
        0.22222223620950898,
        0.18181754927183505,
        0.1538634707549509,
        0.13303538645137244,
        0.12087304187482896,
        0.08416586580118283,
        0.16885703699076146,
    ),
)


# The primitives are intrinsics, which cost nothing to compile: as functions they took 0.3 s of every first run.


@intrinsic
def _constants(typing_context, x):
    """The constants of x's precision."""
    constants = _SINGLE if x == types.float32 else _DOUBLE
    kind = typeof(constants)
    return kind(x), lambda context, builder, signature, args: context.get_constant_generic(builder, kind, constants)


@intrinsic
def _bits(typing_context, x):
    """The integer that has the bits of x."""
    kind = types.int32 if x == types.float32 else types.int64
    return kind(x), lambda context, builder, signature, args: builder.bitcast(args[0], context.get_value_type(kind))


@intrinsic
def _power_of_two(typing_context, x, k):
    """2^k in x's type; only the last bits of k count."""
    constants, bits = (_SINGLE, ir.IntType(32)) if x == types.float32 else (_DOUBLE, ir.IntType(64))

    def generate(context, builder, signature, args):
        biased = builder.add(builder.trunc(args[1], bits), bits(constants.bias))
        return builder.bitcast(builder.shl(biased, bits(constants.mantissa)), args[0].type)

    return x(x, k), generate


@intrinsic
def _polynomial(typing_context, x, coefficients):
    """c_0 + c_1 x + c_2 x² ..., by Estrin's scheme down to three terms.

    The hot kernels wait for one vector of sigmoids at a time, and Horner's chain would be twice as long.
    """

    def generate(context, builder, signature, args):
        x, terms = args[0], cgutils.unpack_tuple(builder, args[1])

        def multiply_add(a, x, b):
            return builder.fadd(a, builder.fmul(x, b, flags=["contract"]), flags=["contract"])

        while len(terms) > 3:
            pairs = [multiply_add(terms[i], x, terms[i + 1]) for i in range(0, len(terms) - 1, 2)]
            terms = pairs + terms[2 * len(pairs) :]
            x = builder.fmul(x, x)
        return reduce(lambda above, term: multiply_add(term, x, above), reversed(terms))

    return x(x, coefficients), generate


# `max(x, limit)` keeps a NaN that comes first, and is one instruction. Two conditional expressions, one after the
# other, were merged into a compare and a masked select: 0.15 ns instead of 0.12 for exp.


@kernel(merge=True)
def _reduce(x):
    """An integer whose last bits are k, and r, where x = k ln 2 + r."""
    c = _constants(x)
    shifted = x * c.log2_e + c.shifter
    k = shifted - c.shifter
    return _bits(shifted), (x - k * c.ln2_hi) - k * c.ln2_lo


@kernel(merge=True)
def _scaled_exp(s, r, less):
    """Compute s e^r - less, for s a power of two.

    The polynomial could be added last: a chain shorter by 0.4 ns in 15, but sigmoid's error would be up to 2.2 ULP.
    """
    return s * (r + r * r * _polynomial(r, _constants(r).exp)) + (s - less)


@kernel(inline=True)
def _exp_of_negative(x):
    """e^x where x ≤ 0: there is no overflow to look after."""
    c = _constants(x)
    T = type(x)
    k, r = _reduce(max(x, c.exp_min))
    s = _power_of_two(x, k + 64) * T(2.0**-64)  # k may be below the least exponent
    return _scaled_exp(s, r, T(0))


@kernel(merge=True)
def _log1p_reduced(f):
    """log(1 + f) where √½ - 1 ≤ f ≤ 1."""
    c = _constants(f)
    T = type(f)
    s = f / (T(2) + f)
    # What is added is too little to matter, but keeps s⁴ from being denormal, and slow, in softplus beyond |x| = 22.
    s2 = s * s + c.tiny * c.tiny
    # 2 artanh(s) = 2s + s³ (...), and 2s = f - s f, where f is exact and the rest is smaller.
    return f - s * (f - s2 * _polynomial(s2, c.log))


def _verb(body):
    """Make a verb, for numbers and arrays, of a function from float32 to float32 and from float64 to float64."""
    name = body.__name__

    @kernel
    def fill(x, out):
        for i in range(x.size):
            out[i] = verb(x[i])

    @wraps(body)
    def verb(x):
        given = np.asarray(x)
        values = _check.array(name, "x", given.reshape(-1), 1)
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
    c = _constants(x)
    k, r = _reduce(min(max(x, c.exp_min), c.exp_max))
    half = k >> 1  # 2^k in two factors, since it may be out of range at either end
    return _scaled_exp(_power_of_two(x, half), r, type(x)(0)) * _power_of_two(x, k - half)


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
    c = _constants(x)
    T = type(x)
    k, r = _reduce(min(max(x, -c.saturation), c.exp_max))
    s = _power_of_two(x, k - 1)  # 2^k may be out of range, its half is not
    # The polynomial is added last: `_scaled_exp` would cancel digits for x a little above ½ ln 2 (2.2 ULP, not 1.7).
    y = T(2) * ((s * (r * r)) * _polynomial(r, c.exp) + (s * r + (s - T(0.5))))
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
    c = _constants(x)
    T = type(x)
    k = (_bits((T(1) + x) * c.sqrt2) >> c.mantissa) - c.bias  # √½ ≤ 2^-k (1 + x) < √2
    s = _power_of_two(x, 2 - k)  # 2^-k may be out of range, four times that is not
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
    c = _constants(x)
    T = type(x)
    k, r = _reduce(T(-2) * min(abs(x), c.saturation))
    t = _scaled_exp(_power_of_two(x, k), r, T(1))  # e^-2|x| - 1
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
