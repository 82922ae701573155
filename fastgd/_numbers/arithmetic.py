"""What the elementary functions are made of: constants of each precision, bits, powers of two, polynomials.

The primitives are intrinsics, which cost nothing to compile: as functions they took 0.3 s of every first run.
"""

import math
from functools import reduce
from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import typeof, types
from numba.core import cgutils
from numba.extending import intrinsic


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


@intrinsic
def constants(typing_context, x):
    """The constants of x's precision."""
    c = _SINGLE if x == types.float32 else _DOUBLE
    kind = typeof(c)
    return kind(x), lambda context, builder, signature, args: context.get_constant_generic(builder, kind, c)


@intrinsic
def bits(typing_context, x):
    """The integer that has the bits of x."""
    kind = types.int32 if x == types.float32 else types.int64
    return kind(x), lambda context, builder, signature, args: builder.bitcast(args[0], context.get_value_type(kind))


@intrinsic
def power_of_two(typing_context, x, k):
    """2^k in x's type; only the last bits of k count."""
    c, integer = (_SINGLE, ir.IntType(32)) if x == types.float32 else (_DOUBLE, ir.IntType(64))

    def generate(context, builder, signature, args):
        biased = builder.add(builder.trunc(args[1], integer), integer(c.bias))
        return builder.bitcast(builder.shl(biased, integer(c.mantissa)), args[0].type)

    return x(x, k), generate


@intrinsic
def polynomial(typing_context, x, coefficients):
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


@intrinsic
def add_in_any_order(typing_context, a, b):
    """Add to a sum that vectors may make, in a function that is compiled without `reassoc` for another's sake."""
    return a(a, a), lambda context, builder, signature, args: builder.fadd(*args, flags=["reassoc", "nsz"])
