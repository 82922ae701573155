"""A step of an optimiser written out in numbers, as a textbook would: x_new = 4.00 - 0.1 (8.00) = 3.20."""

import math
import re
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any, NamedTuple

import numpy as np

from fastgd.optimizers import SGD, Adam, Momentum, Nesterov


class Step(NamedTuple):
    """What a step is written from."""

    optimizer: Any
    plain: bool  # whether the optimiser has no options that add terms to its update
    lr: float
    number: int  # 1 of the first
    x: np.ndarray
    grads: np.ndarray
    x_after: np.ndarray
    state: Any
    state_after: Any


def fmt(value):
    """Return a number as the explorer writes it: three digits, and two decimals at least, a tie away from 0.

    >>> fmt(4.0), fmt(0.5), fmt(0.01234), fmt(1234.5678), fmt(1.5e-7), fmt(123456.0), fmt(1.125)
    ('4.00', '0.500', '0.0123', '1234.57', '1.50e-7', '1.23e+5', '1.13')
    """
    size = abs(value)
    if size == 0:
        return "0.00"
    if not math.isfinite(value):
        return f"{value}"
    number = Decimal(float(value))
    with localcontext(rounding=ROUND_HALF_UP):  # as JavaScript has it, so that the page writes the same
        rounded = f"{number:.2e}"
        if not 1e-4 <= size < 1e5:
            return rounded
        exponent = int(rounded.partition("e")[2])  # of the rounded number: 0.9999 is written as 1.00
        return f"{number:.{max(2, 2 - exponent)}f}"


def fmt_setting(value, digits=6):
    """Return a setting as it was chosen, up to six digits or so many: 0.1, 1e-5.

    >>> fmt_setting(0.1), fmt_setting(1e-5), fmt_setting(0.999)
    ('0.1', '1e-5', '0.999')
    """
    return re.sub(r"(e[+-])0+", r"\1", f"{value:.{digits}g}")


def written_update(step, i, name):
    """Return the lines in which a step of coordinate i is written out."""
    write = _WRITTEN.get(type(step.optimizer), _write_other) if step.plain else _write_other
    return write(step, i, name)


def _write_sgd(step, i, name):
    return [_subtraction(step, i, name, f"{fmt_setting(step.lr)} ({fmt(step.grads[i])})")]


def _write_momentum(step, i, name):
    velocity = fmt(step.state_after.velocity[i])
    return [_written_velocity(step, i), _subtraction(step, i, name, f"{fmt_setting(step.lr)} ({velocity})")]


def _write_nesterov(step, i, name):
    velocity, g, beta = fmt(step.state_after.velocity[i]), fmt(step.grads[i]), fmt_setting(step.optimizer.beta)
    ahead = f"{fmt_setting(step.lr)} ({g} + {beta} ({velocity}))"
    return [_written_velocity(step, i), _subtraction(step, i, name, ahead)]


def _write_adam(step, i, name):
    optimizer, t, g = step.optimizer, step.number, fmt(step.grads[i])
    beta1, beta2, eps = (fmt_setting(value) for value in optimizer[:3])
    rest1, rest2 = (fmt_setting(1 - value) for value in optimizer[:2])
    # A second moment of 0 is held at ten times the least number that is not denormal.
    m, v, new_m, new_v = (
        float(moment[i]) if abs(moment[i]) > 1e-300 else 0.0 for moment in (*step.state[:2], *step.state_after[:2])
    )
    m_hat, v_hat = new_m / (1 - optimizer.beta1**t), new_v / (1 - optimizer.beta2**t)
    number = _number(step, i)
    return [
        f"m{number} = ({beta1} ({fmt(m)}) + {rest1} ({g})) / (1 - {beta1}^{t}) = {fmt(m_hat)}",
        f"v{number} = ({beta2} ({fmt(v)}) + {rest2} ({g})²) / (1 - {beta2}^{t}) = {fmt(v_hat)}",
        _subtraction(step, i, name, f"{fmt_setting(step.lr)} ({fmt(m_hat)}) / (√{fmt(v_hat)} + {eps})"),
    ]


def _write_other(step, i, name):
    return [_subtraction(step, i, name, f"({fmt(step.x[i] - step.x_after[i])})")]


def _written_velocity(step, i):
    beta, before = fmt_setting(step.optimizer.beta), fmt(step.state.velocity[i])
    after = fmt(step.state_after.velocity[i])
    return f"v{_number(step, i)}_new = {beta} ({before}) + ({fmt(step.grads[i])}) = {after}"


def _subtraction(step, i, name, change):
    return f"{name}_new = {fmt(step.x[i])} - {change} = {fmt(step.x_after[i])}"


def _number(step, i):
    return "" if step.x.size == 1 else f"{i + 1}"


_WRITTEN = {SGD: _write_sgd, Momentum: _write_momentum, Nesterov: _write_nesterov, Adam: _write_adam}
