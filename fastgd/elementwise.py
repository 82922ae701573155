"""exp, expm1, log1p, sigmoid, tanh and softplus, for scalars and arrays, in Python and in compiled code.

Numba's own functions are calls of the C library, one number at a time. These are straight-line arithmetic
(range reduction, then a polynomial), so a loop over them becomes vector code wherever they are inlined, in float32
and in float64 alike. Two functions of the same argument share what they have in common: a loss that asks for
`softplus(z)` and `sigmoid(z)` pays for one exponential.

The method is Cody and Waite's (*Software Manual for the Elementary Functions*, 1980): x = k ln 2 + r with
|r| ≤ ln 2 / 2, so that e^x = 2^k e^r; and for the logarithm fdlibm's, log(1 + f) = 2 artanh(s) with s = f / (2 + f).
"""

import math
from functools import reduce, wraps
from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import types, typeof
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic, overload

from fastgd._jit import kernel


class _Constants(NamedTuple):
    """What differs between float32 and float64."""

    mantissa: int  # bits
    bias: int  # of the exponent
    shifter: float  # x + shifter rounds x to an integer k; the sum's last bits are then k + 2 bias
    log2_e: float
    ln2_hi: float  # so few bits that k ln2_hi is exact
    ln2_lo: float
    sqrt2: float
    exp_min: float  # e^x is 0 below, infinite above
    exp_max: float
    saturation: float  # e^-x is lost beside 1
    tiny: float  # x² is lost beside x
    exp: tuple  # (e^r - 1 - r) / r² in powers of r, |r| ≤ ln 2 / 2
    log: tuple  # (2 artanh(s) - 2s) / s³ in powers of s², |s| ≤ 1/3


def _constants_of(dtype, ln2, exp_range, exp, log):
    info = np.finfo(dtype)
    eps = float(info.eps)
    bias = info.maxexp - 1
    return _Constants(
        mantissa=info.nmant,
        bias=bias,
        shifter=dtype(1.5 / eps + 2 * bias),
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
# log(1 + f) is least, and then rounded. They add at most 0.15 ULP.
_SINGLE = _constants_of(
    np.float32,
    ln2=(355 / 512, -2.1219444005469057e-04),
    exp_range=(-104, 89),
    exp=(0.5, 0.16666542, 0.04166628, 0.0083666295, 0.0013946509),
    log=(0.66666675, 0.39998978, 0.28614497, 0.21450907, 0.24221273),
)
_DOUBLE = _constants_of(
    np.float64,
    ln2=(0.6931471803691238, 1.9082149292705877e-10),
    exp_range=(-746, 710),
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


# The primitives are intrinsics, which cost nothing to compile: as functions they took 0.3 s off every first run.


@intrinsic
def _constants(typing_context, x):
    """The constants of x's precision."""
    constants = _SINGLE if x == types.float32 else _DOUBLE
    kind = typeof(constants)
    return kind(x), lambda context, builder, signature, args: context.get_constant_generic(builder, kind, constants)


@intrinsic
def _bits(typing_context, x):
    """The integer with the bits of x."""
    kind = types.int32 if x == types.float32 else types.int64
    return kind(x), lambda context, builder, signature, args: builder.bitcast(args[0], context.get_value_type(kind))


@intrinsic
def _float(typing_context, x, bits):
    """The number of x's type with the last bits of an integer."""

    def generate(context, builder, signature, args):
        number = args[0].type
        return builder.bitcast(builder.trunc(args[1], ir.IntType(32 if x == types.float32 else 64)), number)

    return x(x, bits), generate


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
            terms = pairs + terms[len(pairs) * 2 :]
            x = builder.fmul(x, x)
        return reduce(lambda high, low: multiply_add(low, x, high), reversed(terms))

    return x(x, coefficients), generate


# Selects below are written so that NaN falls through them, and so that they become one minimum or maximum.


@kernel(inline=True)
def _reduce(x):
    """An integer whose last bits are k + 2 bias, and r, where x = k ln 2 + r."""
    c = _constants(x)
    shifted = x * c.log2_e + c.shifter
    k = shifted - c.shifter
    return _bits(shifted), (x - k * c.ln2_hi) - k * c.ln2_lo


@kernel(inline=True)
def _scaled_exp(s, r, less):
    """s e^r - less, with s a power of two: the polynomial is added last, so that its roundings count for little."""
    c = _constants(r)
    return (s * (r * r)) * _polynomial(r, c.exp) + (s * r + (s - less))


@kernel(inline=True)
def _exp_negative(x):
    """e^x where x ≤ 0: there is no overflow to look after."""
    c = _constants(x)
    T = type(x)
    k, r = _reduce(c.exp_min if x < c.exp_min else x)
    # 2^k in two factors, since k may be below the least exponent; this one is ready before the polynomial.
    s = _float(x, (k - c.bias + 64) << c.mantissa) * T(2.0**-64)
    return _scaled_exp(s, r, T(0))


@kernel(inline=True)
def _log1p_reduced(f):
    """log(1 + f) where √½ - 1 ≤ f ≤ 1."""
    T = type(f)
    s = f / (T(2) + f)
    s2 = s * s
    # 2 artanh(s) = 2s + s³ (...), and 2s = f - s f: f is exact, and what is taken from it is smaller.
    return f - s * (f - s2 * _polynomial(s2, _constants(f).log))


def _verb(body):
    """Make a compiled scalar function one of Python and of compiled code, for scalars and arrays.

    Parameters
    ----------
    body : callable
        From a float32 to a float32, from a float64 to a float64; compiled here.

    Returns
    -------
    callable
        What the module's docstring promises, with the name and the docstring of `body`.
    """
    expected = f"{body.__name__}(x): x must be a real number or an array of real numbers, got "

    @kernel
    def fill(x, out):
        for i in range(x.size):
            out[i] = verb(x[i])

    @wraps(body)
    def verb(x):
        array = np.asarray(x)
        if array.dtype.kind not in "iuf":
            raise TypeError(f"{expected}{array.dtype}")
        dtype = np.float32 if array.dtype.kind == "f" and array.dtype.itemsize <= 4 else np.float64
        values = np.ascontiguousarray(array, dtype).reshape(-1)
        out = np.empty_like(values)
        fill(values if values.flags.carray else values.copy(), out)  # one compiled form: aligned and writeable
        if isinstance(x, np.generic):
            return out[0]
        return float(out[0]) if isinstance(x, int | float) else out.reshape(array.shape)

    @overload(verb, jit_options={"error_model": "numpy", "fastmath": {"contract"}, "forceinline": True})
    def choose(x):
        number = x.dtype if isinstance(x, types.Array) else x
        if number not in (types.float32, types.float64) and not isinstance(number, types.Integer):
            raise TypingError(f"{expected}{x}")
        if x in (types.float32, types.float64):
            return body
        if number is x:
            return lambda x: verb(np.float64(x))
        T = np.float32 if number == types.float32 else np.float64

        def each(x):
            out = np.empty(x.shape, T)
            fill(np.ascontiguousarray(x).reshape(-1).astype(T), out.reshape(-1))
            return out

        return each

    return verb


@_verb
def exp(x):
    """Compute e^x."""
    c = _constants(x)
    x = c.exp_min if x < c.exp_min else x
    x = c.exp_max if x > c.exp_max else x
    k, r = _reduce(x)
    half = k >> 1  # 2^k in two factors: either of them may be out of range
    return _scaled_exp(_float(x, half << c.mantissa), r, type(x)(0)) * _float(x, (k - half) << c.mantissa)


@_verb
def expm1(x):
    """Compute e^x - 1."""
    c = _constants(x)
    T = type(x)
    y = -c.saturation if x < -c.saturation else x
    y = c.exp_max if y > c.exp_max else y
    k, r = _reduce(y)
    y = T(2) * _scaled_exp(_float(x, (k - c.bias - 1) << c.mantissa), r, T(0.5))  # 2^128 is out of range, 2^127 is not
    return x if abs(x) < c.tiny else y


@_verb
def log1p(x):
    """Compute log(1 + x)."""
    c = _constants(x)
    T = type(x)
    k = (_bits((T(1) + x) * c.sqrt2) >> c.mantissa) - c.bias
    s = _float(x, (c.bias + 2 - k) << c.mantissa)  # 4 2^-k, since 2^-128 is out of range
    f = (T(0.25) * x) * s + (T(0.25) * s - T(1))
    y = T(k) * c.ln2_hi + (T(k) * c.ln2_lo + _log1p_reduced(f))
    y = x if (abs(x) < c.tiny) | (x == T(np.inf)) else y
    y = -T(np.inf) if x == T(-1) else y
    return T(np.nan) if x < T(-1) else y


@_verb
def sigmoid(x):
    """Compute 1 / (1 + e^-x)."""
    T = type(x)
    e = _exp_negative(-abs(x))
    n = e if x < T(0) else T(1)
    return n - n * (e / (T(1) + e))


@_verb
def tanh(x):
    """Compute tanh."""
    c = _constants(x)
    T = type(x)
    a = abs(x)
    k, r = _reduce(T(-2) * (c.saturation if a > c.saturation else a))
    t = _scaled_exp(_float(x, (k - c.bias) << c.mantissa), r, T(1))
    return math.copysign(t / (t + T(2)), x)


@_verb
def softplus(x):
    """Compute log(1 + e^x)."""
    T = type(x)
    return (T(0) if x < T(0) else x) + _log1p_reduced(_exp_negative(-abs(x)))
