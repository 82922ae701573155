"""Schedules of fields and times that cannot be: which errors name them."""

import math

import numpy as np
import pytest

import fastgd
from fastgd import (
    CosineAnnealing,
    CosineRestarts,
    CyclicTriangular,
    ExponentialDecay,
    InverseTimeDecay,
    LinearRamp,
    MultiStepDecay,
    OneCycle,
    PiecewiseTable,
    PolynomialDecay,
    ReduceOnPlateau,
    Sequence,
    StepDecay,
    Warmup,
    learning_rate,
)

COSINE = CosineAnnealing(0.5, 8, lr_min=0.01)

NUMBER = "must be a finite number, 0 or larger, got"
SHARE = r"must be a number in \[0, 1\], got"


@pytest.mark.parametrize("value", [-1, -1e-300, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda v: ExponentialDecay(v, 1), "ExponentialDecay: lr"),
        (lambda v: ExponentialDecay(1, v), "ExponentialDecay: k"),
        (lambda v: StepDecay(v, 0.5, 1), "StepDecay: lr"),
        (lambda v: StepDecay(1, v, 1), "StepDecay: factor"),
        (lambda v: StepDecay(1, 0.5, v), "StepDecay: every"),
        (lambda v: MultiStepDecay(v, 0.5, (1,)), "MultiStepDecay: lr"),
        (lambda v: MultiStepDecay(1, v, (1,)), "MultiStepDecay: factor"),
        (lambda v: MultiStepDecay(1, 0.5, (v, 2)), r"MultiStepDecay: milestones\[0\]"),
        (lambda v: PolynomialDecay(v, 1), "PolynomialDecay: lr"),
        (lambda v: PolynomialDecay(1, v), "PolynomialDecay: duration"),
        (lambda v: PolynomialDecay(1, 1, v), "PolynomialDecay: power"),
        (lambda v: PolynomialDecay(1, 1, 1, v), "PolynomialDecay: lr_min"),
        (lambda v: LinearRamp(v, 1), "LinearRamp: lr"),
        (lambda v: LinearRamp(1, v), "LinearRamp: duration"),
        (lambda v: LinearRamp(1, 1, v), "LinearRamp: lr_end"),
        (lambda v: InverseTimeDecay(v, 1), "InverseTimeDecay: lr"),
        (lambda v: InverseTimeDecay(1, v), "InverseTimeDecay: k"),
        (lambda v: InverseTimeDecay(1, 1, v), "InverseTimeDecay: power"),
        (lambda v: CosineAnnealing(v, 1), "CosineAnnealing: lr"),
        (lambda v: CosineAnnealing(1, v), "CosineAnnealing: duration"),
        (lambda v: CosineAnnealing(1, 1, v), "CosineAnnealing: lr_min"),
        (lambda v: CosineRestarts(v, 1), "CosineRestarts: lr"),
        (lambda v: CosineRestarts(1, v), "CosineRestarts: period"),
        (lambda v: CosineRestarts(1, 1, v), "CosineRestarts: multiplier"),
        (lambda v: CosineRestarts(1, 1, 1, v), "CosineRestarts: lr_min"),
        (lambda v: OneCycle(v, 1), "OneCycle: lr"),
        (lambda v: OneCycle(1, v), "OneCycle: duration"),
        (lambda v: OneCycle(1, 1, v), "OneCycle: warmup"),
        (lambda v: OneCycle(1, 1, 0.5, v), "OneCycle: div_factor"),
        (lambda v: OneCycle(1, 1, 0.5, 2, v), "OneCycle: final_div_factor"),
        (lambda v: CyclicTriangular(v, 1, 1), "CyclicTriangular: lr"),
        (lambda v: CyclicTriangular(0, v, 1), "CyclicTriangular: lr_max"),
        (lambda v: CyclicTriangular(0, 1, v), "CyclicTriangular: period"),
        (lambda v: CyclicTriangular(0, 1, 1, v), "CyclicTriangular: rise"),
        (lambda v: CyclicTriangular(0, 1, 1, gamma=v), "CyclicTriangular: gamma"),
        (lambda v: Warmup(v, 1), "Warmup: duration"),
        (lambda v: Warmup(1, v), "Warmup: schedule"),
        (lambda v: Warmup(1, 1, v), "Warmup: start"),
        (lambda v: Sequence((1, v), (1,)), r"Sequence: schedules\[1\]"),
        (lambda v: Sequence((1, 1), (v,)), r"Sequence: times\[0\]"),
        (lambda v: PiecewiseTable((v, 1), (1, 1)), r"PiecewiseTable: times\[0\]"),
        (lambda v: PiecewiseTable((0, 1), (1, v)), r"PiecewiseTable: rates\[1\]"),
        (lambda v: ReduceOnPlateau(v), "ReduceOnPlateau: schedule"),
        (lambda v: ReduceOnPlateau(1, v), "ReduceOnPlateau: factor"),
        (lambda v: ReduceOnPlateau(1, threshold=v), "ReduceOnPlateau: threshold"),
        (lambda v: ReduceOnPlateau(1, lr_min=v), "ReduceOnPlateau: lr_min"),
    ],
)
def test_fields_are_checked(make, field, value):
    with pytest.raises(ValueError, match=f"{field} must be .*number.*, got {value}"):
        make(value)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: StepDecay(1, 1.5, 1), ValueError, f"StepDecay: factor {SHARE} 1.5"),
        (lambda: StepDecay(1, 0.5, 0), ValueError, "StepDecay: every must be a positive finite number, got 0"),
        (lambda: MultiStepDecay(1, 0.5, ()), ValueError, "MultiStepDecay: milestones must have at least one number"),
        (lambda: MultiStepDecay(1, 0.5, (2, 1)), ValueError, r"milestones must be increasing, got \(2.0, 1.0\)"),
        (lambda: MultiStepDecay(1, 0.5, (2, 2)), ValueError, "MultiStepDecay: milestones must be increasing"),
        (lambda: MultiStepDecay(1, 0.5, 3), TypeError, "MultiStepDecay: milestones must be a tuple of numbers, got 3"),
        (lambda: MultiStepDecay(1, 0.5, np.array(3)), TypeError, "milestones must be a tuple of numbers, got array"),
        (lambda: MultiStepDecay(1, 0.5, np.ones((1, 2))), TypeError, "milestones must be a tuple of numbers, got"),
        (lambda: MultiStepDecay(1, 0.5, "12"), TypeError, "milestones must be a tuple of numbers, got '12'"),
        (lambda: MultiStepDecay(1, 0.5, {1, 2}), TypeError, "milestones must be a tuple of numbers, got {1, 2}"),
        (lambda: MultiStepDecay(1, 0.5, ("1", 2)), TypeError, rf"milestones\[0\] {NUMBER} '1'"),
        (lambda: MultiStepDecay(1, 0.5, [[1, 2]]), TypeError, rf"milestones\[0\] {NUMBER} \[1, 2\]"),
        (lambda: MultiStepDecay(1, 0.5, [[1], [1, 2]]), TypeError, rf"milestones\[0\] {NUMBER} \[1\]"),
        (lambda: CosineAnnealing(0.1, 1, 0.2), ValueError, "CosineAnnealing: lr_min must be at most lr, 0.1, got 0.2"),
        (lambda: CosineRestarts(0.1, 1, lr_min=0.2), ValueError, "CosineRestarts: lr_min must be at most lr, 0.1"),
        (lambda: CosineRestarts(0.1, 0), ValueError, "CosineRestarts: period must be a positive finite number"),
        (lambda: CosineRestarts(0.1, 1, 0.5), ValueError, "multiplier must be a finite number, 1 or larger, got 0.5"),
        (lambda: PolynomialDecay(0.1, 1, 0), ValueError, "PolynomialDecay: power must be a positive finite number"),
        (lambda: PolynomialDecay(0.1, 1, 1, 0.2), ValueError, "PolynomialDecay: lr_min must be at most lr, 0.1"),
        (lambda: CyclicTriangular(1, 0.5, 1), ValueError, "CyclicTriangular: lr must be at most lr_max, 0.5, got 1.0"),
        (lambda: CyclicTriangular(0, 1, 1, mode="square"), ValueError, "mode must be one of 'triangular', "),
        (lambda: OneCycle(1, 1, anneal="cos"), ValueError, "anneal must be one of 'cosine', 'linear', got 'cos'"),
        (lambda: OneCycle(1, 1, 0.6, three_phase=True), ValueError, "warmup must be at most 0.5 with three_phase=True"),
        (lambda: OneCycle(1, 1, three_phase=1), TypeError, "OneCycle: three_phase must be True or False, got 1"),
        (lambda: OneCycle(1, 1, 1.5), ValueError, f"OneCycle: warmup {SHARE} 1.5"),
        (lambda: Warmup(1, 1, 0), ValueError, r"Warmup: start must be a number in \(0, 1\], got 0"),
        (lambda: Warmup(1, "cosine"), TypeError, "Warmup: schedule must be a schedule, or a finite number, 0"),
        (lambda: Warmup(1, None), TypeError, "Warmup: schedule must be a schedule, or a finite number"),
        (lambda: Warmup(1, fastgd.SGD()), TypeError, "Warmup: schedule: expected a schedule, got SGD, which is not"),
        (lambda: Warmup(1, StepDecay), TypeError, "Warmup: schedule: .*got the class StepDecay itself"),
        (lambda: Warmup(1, (0.1, 0.2)), TypeError, "Warmup: schedule: expected a schedule, got tuple"),
        (lambda: Warmup(1, ReduceOnPlateau(1)), ValueError, "Warmup: schedule cannot be a ReduceOnPlateau, which goes"),
        (lambda: ReduceOnPlateau(ReduceOnPlateau(1)), ValueError, "schedule cannot be a ReduceOnPlateau"),
        (lambda: Sequence((1, ReduceOnPlateau(1)), (1,)), ValueError, r"Sequence: schedules\[1\] cannot be a Reduce"),
        (lambda: Sequence((1, fastgd.SGD()), (1,)), TypeError, r"schedules\[1\]: expected a schedule, got SGD"),
        (lambda: Sequence(0.1, (1,)), TypeError, "Sequence: schedules must be a tuple of schedules, got 0.1"),
        (lambda: Sequence(COSINE, (1,)), TypeError, "Sequence: schedules must be a tuple of schedules, got CosineAnn"),
        (lambda: Sequence((1, 2), (1, 2)), ValueError, "times must have one number fewer than there are"),
        (lambda: Sequence((1,), ()), ValueError, "Sequence: times must have at least one number"),
        (lambda: Sequence((1, 2), (0,)), ValueError, r"Sequence: times\[0\] must be a positive finite number, got 0"),
        (lambda: PiecewiseTable((0, 1), (1,)), ValueError, "rates must have as many numbers as times, 2, got 1"),
        (lambda: PiecewiseTable((1, 0), (1, 2)), ValueError, "PiecewiseTable: times must be increasing"),
        (lambda: PiecewiseTable((0,), (1,), "cubic"), ValueError, "interpolation must be one of 'constant', 'linear'"),
        (lambda: ReduceOnPlateau(1, 1), ValueError, r"ReduceOnPlateau: factor must be a number in \[0, 1\), got 1"),
        (lambda: ReduceOnPlateau(1, patience=-1), ValueError, f"ReduceOnPlateau: patience {NUMBER} -1"),
        (lambda: ReduceOnPlateau(1, patience=1.5), TypeError, "ReduceOnPlateau: patience must be an integer, got 1.5"),
        (lambda: ReduceOnPlateau(1, cooldown=-1), ValueError, f"ReduceOnPlateau: cooldown {NUMBER} -1"),
    ],
)  # fmt: skip
def test_what_cannot_be(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("value", ["0.1", None, [0.1], True, 1j, np.ones(2)])
def test_fields_are_numbers(value):
    with pytest.raises(TypeError, match="ExponentialDecay: lr must be a finite number"):
        ExponentialDecay(value, 1)


def test_fields_have_no_defaults():
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'k'"):
        ExponentialDecay(0.1)


def test_integers_are_the_same_schedule():
    schedule = ExponentialDecay(1, np.int32(2))
    assert [type(field) for field in schedule] == [float, float]
    assert schedule == ExponentialDecay(1.0, 2.0)
    assert repr(schedule) == "ExponentialDecay(lr=1.0, k=2.0)"
    assert schedule._replace(k=0).k == 0
    with pytest.raises(ValueError, match="k must be"):
        schedule._replace(k=-1)
    for milestones in ([1, 2], (1, 2), np.array([1, 2]), np.array([1, 2], np.float32), range(1, 3)):
        made = MultiStepDecay(1, 0.5, milestones)
        assert made.milestones == (1.0, 2.0)
        assert [type(item) for item in made.milestones] == [float, float]
    assert type(Warmup(1, np.int8(1)).schedule) is float
    assert type(Sequence([1, 2], [3]).schedules[0]) is float


def test_what_is_no_schedule():
    for other, name in [("0.1", "str"), (None, "NoneType"), (True, "bool"), (fastgd.SGD(), "SGD")]:
        with pytest.raises(TypeError, match=f"learning_rate: expected a schedule, got {name}"):
            learning_rate(other, 0)
    with pytest.raises(TypeError, match=r"got the class ExponentialDecay itself; write ExponentialDecay\(\.\.\.\)"):
        learning_rate(ExponentialDecay, 0)


@pytest.mark.parametrize("t", [-1, math.nan, math.inf])
def test_what_is_no_time(t):
    with pytest.raises(ValueError, match=f"learning_rate: t must be a finite number, 0 or larger, got {t}"):
        learning_rate(COSINE, t)
    with pytest.raises(TypeError, match="learning_rate: t must be a finite number"):
        learning_rate(COSINE, "now")


def test_a_constant_rate_is_checked():
    for bad in (-0.1, math.nan, math.inf, np.float32(-1)):
        with pytest.raises(ValueError, match=r"^learning_rate: schedule must be a finite number, 0 or larger, got"):
            learning_rate(bad, 0)
    with pytest.raises(TypeError, match=r"^learning_rate: t must be a finite number, 0 or larger, got 'x'"):
        learning_rate(0.1, "x")
    with pytest.raises(ValueError, match=r"^learning_rate: t must be a finite number, 0 or larger, got -1"):
        learning_rate(0.1, -1)
