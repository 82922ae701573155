"""σ of a single number, for a loop in which every step waits for it.

`elementwise.sigmoid` is made for vectors, many of which are under way together. Of a number that the next step
waits for, what counts is its latency: some ninety cycles there, a third of them for the quotient. A polynomial about
the nearest of many points on the axis needs a third of that, and no quotient.
"""

from decimal import Context, Decimal, localcontext

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastgd._jit import kernel
from fastgd._numbers.arithmetic import bits, constants, polynomial
from fastgd.elementwise import sigmoid

_REACH = 16  # the points lie from -_REACH to _REACH; beyond, few numbers are met
_PER_UNIT = 16
_POINTS = 2 * _REACH * _PER_UNIT + 1
_MASK = (1 << _POINTS.bit_length()) - 1
_DEGREES = {types.float32: 3, types.float64: 7}  # errors of 2e-9 and 5e-19 with points a sixteenth apart


def _coefficients(x, degree):
    """σ(x + r) in powers of r up to r^degree, for |r| ≤ h, half the distance between points.

    Taylor's series, from σ' = σ - σ². Its next term is spread over these, by what a Chebyshev polynomial says that its
    power is on the interval: 2^-degree remains of the error.
    """
    with localcontext(Context(prec=40)):
        terms = [1 / (1 + (-Decimal(x)).exp())]
        for n in range(degree + 1):
            square = sum(terms[i] * terms[n - i] for i in range(n + 1))
            terms.append((terms[n] - square) / (n + 1))
        *powers, highest = np.polynomial.chebyshev.cheb2poly([0] * (degree + 1) + [1]).astype(int).tolist()
        h, next_term = Decimal(1) / (2 * _PER_UNIT), terms.pop()
        return [
            float(term - next_term * power * h ** (degree + 1 - n) / highest)
            for n, (term, power) in enumerate(zip(terms, powers, strict=True))
        ]


@intrinsic
def _polynomial_about(typing_context, x, k):
    """The coefficients about point k, from 0 on: a cache line, or part of one, of a table that is part of the code."""
    n_terms = _DEGREES[x] + 1
    row = types.UniTuple(x, n_terms)

    def emit(context, builder, signature, arguments):
        line = ir.ArrayType(context.get_value_type(x), n_terms)
        name = f"fastgd_sigmoid_table_{x}"
        table = builder.module.globals.get(name)
        if table is None:
            points = [Decimal(k) / _PER_UNIT - _REACH for k in range(_POINTS)]
            lines = [ir.Constant(line, _coefficients(point, n_terms - 1)) for point in points]
            table = cgutils.global_constant(builder, name, ir.Constant(ir.ArrayType(line, _POINTS), lines))
            table.align = 64
        terms = [builder.load(cgutils.gep_inbounds(builder, table, 0, arguments[1], i)) for i in range(n_terms)]
        return context.make_tuple(builder, row, terms)

    return row(x, k), emit


@kernel(inline=True)
def quick_sigmoid(x):
    """σ(x), within 2 ULP."""
    T = type(x)
    if not abs(x) <= T(_REACH):
        return sigmoid(x)
    shifter = constants(x).shifter + T(_REACH * _PER_UNIT)
    shifted = x * T(_PER_UNIT) + shifter
    r = x - (shifted - shifter) * T(1 / _PER_UNIT)
    return polynomial(r, _polynomial_about(x, np.uint64(bits(shifted)) & np.uint64(_MASK)))
