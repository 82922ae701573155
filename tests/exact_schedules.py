"""The schedules in exact arithmetic, slow and obvious: fractions for times, 50 digits for what is not rational."""

from fractions import Fraction

import mpmath

mpmath.mp.dps = 50


def number(value):
    if isinstance(value, mpmath.mpf):
        return value
    value = Fraction(value)
    return mpmath.mpf(value.numerator) / value.denominator


def wave(start, end, share):
    return number(end) + (number(start) - number(end)) * (1 + mpmath.cospi(number(share))) / 2


def line(start, end, share):
    return number(Fraction(start) + (Fraction(end) - Fraction(start)) * Fraction(share))


def passed(t, duration):
    return min(Fraction(1), Fraction(t) / Fraction(duration)) if duration else Fraction(1)


def rate(schedule, t):
    """The learning rate of a schedule at an exact time."""
    if not isinstance(schedule, tuple):
        return number(schedule)
    return globals()[type(schedule).__name__](schedule, Fraction(t))


def StepDecay(s, t):
    return number(s.lr) * number(s.factor) ** int(t // Fraction(s.every))


def MultiStepDecay(s, t):
    return number(s.lr) * number(s.factor) ** sum(t >= milestone for milestone in s.milestones)


def ExponentialDecay(s, t):
    return number(s.lr) * mpmath.exp(-number(s.k) * number(t))


def PolynomialDecay(s, t):
    left = number(1 - passed(t, s.duration))
    return number(s.lr_min) + (number(s.lr) - number(s.lr_min)) * left ** number(s.power)


def LinearRamp(s, t):
    return line(s.lr, s.lr_end, passed(t, s.duration))


def InverseTimeDecay(s, t):
    return number(s.lr) / (1 + number(s.k) * number(t)) ** number(s.power)


def CosineAnnealing(s, t):
    return wave(s.lr, s.lr_min, passed(t, s.duration))


def CosineRestarts(s, t):
    period, multiplier = Fraction(s.period), Fraction(s.multiplier)
    if multiplier == 1:
        return wave(s.lr, s.lr_min, t % period / period)
    t, period, multiplier = number(t), number(period), number(multiplier)
    while t >= period:
        t -= period
        period *= multiplier
    return wave(s.lr, s.lr_min, t / period)


def OneCycle(s, t):
    way = wave if s.anneal == 0 else line
    low = Fraction(s.lr) / Fraction(s.div_factor)
    end = low / Fraction(s.final_div_factor)
    rise, duration = Fraction(s.warmup) * Fraction(s.duration), Fraction(s.duration)
    if t < rise:
        return way(low, s.lr, t / rise)
    if not s.three_phase:
        return way(s.lr, end, passed(t - rise, duration - rise))
    if t < 2 * rise:
        return way(s.lr, low, t / rise - 1)
    return way(low, end, passed(t - 2 * rise, duration - 2 * rise))


def CyclicTriangular(s, t):
    n, since = divmod(t, Fraction(s.period))
    x, rise = since / Fraction(s.period), Fraction(s.rise)
    height = number(x / rise if x < rise else (1 - x) / (1 - rise))
    height *= (1, mpmath.mpf(0.5) ** int(n), number(s.gamma) ** number(t))[s.mode]
    return number(s.lr) + (number(s.lr_max) - number(s.lr)) * height


def Warmup(s, t):
    share = passed(t, s.duration)
    return rate(s.schedule, max(Fraction(0), t - Fraction(s.duration))) * line(s.start, 1, share)


def Sequence(s, t):
    turn = sum(t >= time for time in s.times)
    return rate(s.schedules[turn], t - Fraction((0.0, *s.times)[turn]))


def PiecewiseTable(s, t):
    row = sum(t >= time for time in s.times) - 1
    if row < 0:
        return number(s.rates[0])
    if s.interpolation == 0 or row == len(s.times) - 1:
        return number(s.rates[row])
    share = (t - Fraction(s.times[row])) / (Fraction(s.times[row + 1]) - Fraction(s.times[row]))
    return line(s.rates[row], s.rates[row + 1], share)


def ReduceOnPlateau(s, t):
    return rate(s.schedule, t)
