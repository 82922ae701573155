"""Backpropagation by hand: every value of the chain rule of one sigmoid neuron under squared error."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fastgd import _check

# Beyond |z| = 5 the slope of the sigmoid is below 1/37 of its largest value, 1/4.
_SATURATED = 5.0


class Derivation(NamedTuple):
    """What `derive` returns: the values of the forward and of the backward pass. Printed, it shows its working.

    With d the number of inputs, `x`, `w`, `dz_dw` and `dL_dw` are float64 arrays of shape (d,) where `derive` was
    given vectors, and floats where it was given numbers; all other fields are floats.
    """

    x: float | np.ndarray
    w: float | np.ndarray
    b: float
    y_true: float
    z: float
    a: float
    loss: float
    dL_da: float  # noqa: N815  # the derivatives are named as they are written
    da_dz: float
    dz_dw: float | np.ndarray
    dz_db: float
    dL_dw: float | np.ndarray  # noqa: N815  # likewise
    dL_db: float  # noqa: N815  # likewise

    def __str__(self):
        """Return the derivation as a textbook would print it."""
        return _textbook(self)


def derive(
    x: ArrayLike = 2.0,
    w: ArrayLike = 3.0,
    b: float = 1.0,
    y_true: float = 1.0,
) -> Derivation:
    """Work out the gradients of one sigmoid neuron under squared error, step by step.

    Forward::

        z = w·x + b        a = σ(z) = 1/(1 + e^-z)        L = (a - y)²

    Backward, by the chain rule::

        dL/da = 2(a - y)        da/dz = a(1 - a)        dz/dw = x        dz/db = 1
        dL/dw = dL/da · da/dz · dz/dw                   dL/db = dL/da · da/dz · dz/db

    Computed in float64. Where the sigmoid saturates, a rounds to 1 and the formulas above would give differences
    of nearly equal numbers; the equal forms a(1 - a) = σ(z)σ(-z) and a - y = (1 - y) - σ(-z) keep their digits.

    Parameters
    ----------
    x : float or array_like of shape (d,)
        The input.
    w : float or array_like of shape (d,)
        The weight, or the weights: as many as there are inputs.
    b : float
        The bias.
    y_true : float
        The target y: any finite number.

    Returns
    -------
    Derivation
        A NamedTuple of all the values. `print` shows the derivation: formula, the numbers put in, the result.

    Raises
    ------
    TypeError
        If an argument is not a real number, or an array of real numbers.
    ValueError
        If a number is not finite, x and w differ in shape, have more than one dimension or hold nothing, or if
        z, the loss or dL/dw is beyond the largest float64.

    References
    ----------
    D. E. Rumelhart, G. E. Hinton and R. J. Williams, "Learning representations by back-propagating errors",
    Nature 323 (1986), equations 1 to 6 (with an error that is half of this one).

    Examples
    --------
    >>> import fastgd
    >>> steps = fastgd.derive(x=2.0, w=3.0, b=1.0, y_true=0.0)
    >>> print(f"{steps.a:.6f} {steps.loss:.6f} {steps.dL_dw:.6f}")
    0.999089 0.998179 0.003638
    >>> fastgd.derive(x=[1.0, -1.0], w=[0.5, 0.5], b=0.0, y_true=1.0).dL_dw
    array([-0.25,  0.25])
    """
    x, w = _input("x", x), _input("w", w)
    if np.shape(x) != np.shape(w):
        raise ValueError(f"derive: w must have the shape of x, {np.shape(x)}, got {np.shape(w)}")
    b, y_true = _check.number("derive", "b", b), _check.number("derive", "y_true", y_true)

    with np.errstate(over="ignore", invalid="ignore"):
        z = float(np.dot(w, x)) + b
    if not math.isfinite(z):
        raise ValueError("derive: x and w are too large: w·x + b goes beyond the largest float64")
    a = _sigmoid(z)
    a_minus_y = a - y_true if z < 0 else (1 - y_true) - _sigmoid(-z)
    loss = a_minus_y * a_minus_y
    if not math.isfinite(loss):
        raise ValueError(f"derive: y_true is too large: (a - y)² is beyond the largest float64, got {y_true!r}")

    dL_da = 2 * a_minus_y
    da_dz = a * _sigmoid(-z)
    dz_dw = x if isinstance(x, float) else x.copy()
    dz_db = 1.0
    with np.errstate(over="ignore"):
        dL_dw = _product(dL_da, da_dz, dz_dw)
    if not np.isfinite(dL_dw).all():
        raise ValueError("derive: x and y_true are too large: dL/dw is beyond the largest float64")
    return Derivation(
        x=x,
        w=w,
        b=b,
        y_true=y_true,
        z=z,
        a=a,
        loss=loss,
        dL_da=dL_da,
        da_dz=da_dz,
        dz_dw=dz_dw,
        dz_db=dz_db,
        dL_dw=dL_dw,
        dL_db=dL_da * da_dz * dz_db,
    )


def _input(name, value):
    """Return a number as a float, or a vector as a float64 array of its own."""
    try:
        scalar = np.ndim(value) == 0
    except ValueError:  # ragged lists, which the check of arrays explains
        scalar = False
    if scalar:
        return _check.number("derive", name, value)
    vector = np.array(_check.array("derive", name, value, 1, np.float64))
    if vector.size == 0 or not np.isfinite(vector).all():
        raise ValueError(f"derive: {name} must be a finite number or a 1-D array of them, got {value!r}")
    return vector


def _sigmoid(z):
    if z < 0:
        power = math.exp(z)
        return power / (1 + power)
    return 1 / (1 + math.exp(-z))


def _product(*factors):
    """The product of numbers or arrays, however small that of some of them may be."""
    mantissas, exponents = zip(*map(np.frexp, factors), strict=True)
    product = np.ldexp(math.prod(mantissas), sum(exponents))
    return product if isinstance(product, np.ndarray) else float(product)


def _textbook(steps):
    x, w, b, y, z, dL_da, da_dz = (getattr(steps, name) for name in ("x", "w", "b", "y_true", "z", "dL_da", "da_dz"))
    a = _output(steps)
    chain = f"{_factor(dL_da)} · {_factor(da_dz)}"
    forward = [
        ("z", "w·x + b", _weighted_sum(w, x, b), _number(z)),
        ("a", "σ(z) = 1/(1 + e^-z)", f"1/(1 + e^{_number(-z)})", a),
        ("L", "(a - y)²", f"({_factor(a)} - {_factor(y)})²", _number(steps.loss)),
    ]
    backward = [
        ("dL/da", "2(a - y)", f"2 · ({_factor(a)} - {_factor(y)})", _number(dL_da)),
        ("da/dz", "a(1 - a)", f"{_factor(steps.a)} · {_factor(_sigmoid(-z))}", _number(da_dz)),
        ("dz/dw", "x", "", _value(steps.dz_dw)),
        ("dz/db", "1", "", _number(steps.dz_db)),
        ("dL/dw", "dL/da · da/dz · dz/dw", f"{chain} · {_factor(steps.dz_dw)}", _value(steps.dL_dw)),
        ("dL/db", "dL/da · da/dz · dz/db", f"{chain} · {_factor(steps.dz_db)}", _number(steps.dL_db)),
    ]
    symbol, formula, numbers = (max(len(row[i]) for row in forward + backward) for i in range(3))

    def table(rows):
        for row in rows:
            middle = f"= {row[2]:<{numbers}}  " if row[2] else " " * (numbers + 4)
            yield f"  {row[0]:<{symbol}} = {row[1]:<{formula}}  {middle}= {row[3]}"

    lines = [
        "Backpropagation by hand: one sigmoid neuron under squared error",
        "",
        f"  x = {_value(x)}   w = {_value(w)}   b = {_number(b)}   y = {_number(y)}{_size(x)}",
        "",
        "Forward pass",
        *table(forward),
        "",
        "Backward pass",
        *table(backward),
        *_remark(steps),
    ]
    return "\n".join(lines)


def _remark(steps):
    """Return a paragraph on the vanishing gradient, where the sigmoid saturates."""
    if abs(steps.z) <= _SATURATED:
        return []
    lines = [
        "",
        f"Saturation: at z = {_number(steps.z)} the sigmoid is almost flat. Its slope a(1 - a) is",
        f"{100 * steps.da_dz / 0.25:.2g} % of the largest possible, 1/4. It is a factor of dL/dw and of dL/db,",
        "and makes the gradient vanish.",
    ]
    if abs(steps.dL_da) < 0.1:
        return [*lines, "Here that does no harm: the output a is close to y already."]
    return [
        *lines,
        "Here it does harm: a is far from y, and yet a step of gradient descent hardly moves w and b.",
        "What helps: standardised inputs and small initial weights, which keep |z| small; or, for y from 0",
        "to 1, binary cross-entropy in place of squared error: its dL/dz = a - y is without that slope.",
    ]


def _number(value):
    return f"{value + 0.0:.6g}"  # + 0.0 turns -0.0 into 0.0


def _output(steps):
    """Return the output; where it rounds to 1, as its distance from 1, so that the reader can follow a - y."""
    rest = _sigmoid(-steps.z)
    return f"1 - {_number(rest)}" if 0 < rest < 1e-6 else _number(steps.a)


def _value(value):
    """Return a number, or the components of a vector, abbreviated where there are many."""
    if isinstance(value, float):
        return _number(value)
    return f"[{', '.join(_listing(value.size, lambda i: _number(value[i])))}]"


def _listing(size, text):
    """Return the texts of all components, or of the first two and the last."""
    if size <= 4:
        return [text(i) for i in range(size)]
    return [text(0), text(1), "…", text(size - 1)]


def _size(x):
    return "" if isinstance(x, float) else f"   ({x.size} component{'s' * (x.size != 1)})"


def _factor(value):
    """Return a value as it stands in a product: in brackets where it has a sign or is a difference."""
    text = value if isinstance(value, str) else _value(value)
    return f"({text})" if text.startswith("-") or " - " in text else text


def _weighted_sum(w, x, b):
    w, x = np.atleast_1d(w), np.atleast_1d(x)
    products = _listing(w.size, lambda i: f"{_factor(float(w[i]))}·{_factor(float(x[i]))}")
    return f"{' + '.join(products)} {'-' if b < 0 else '+'} {_number(abs(b))}"
