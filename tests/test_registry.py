"""Registration: a user's own rules work like the built-in ones, and what cannot work says why."""

import copy
import functools
import json
import pickle
import re
from collections import namedtuple
from typing import NamedTuple

import numba
import numpy as np
import pytest
import reference
import user_program
import user_rules
from numba.core.errors import TypingError
from user_rules import Averaged, Linear, PlainSGD, Rosenbrock, SoftSign, Staircase, ZeroSmall

import fastgd
from fastgd import SGD, Adam, CosineAnnealing, ExponentialDecay, Momentum, Nesterov, Neuron, fit, init_state, update
from fastgd._registry import ModelKernels, kernels_for

REGISTER = {
    "optimizer": lambda cls, **ranges: fastgd.register_optimizer(cls, nothing, nothing, **ranges),
    "schedule": lambda cls, **ranges: fastgd.register_schedule(cls, nothing, **ranges),
    "objective": lambda cls, **ranges: fastgd.register_objective(cls, nothing, **ranges),
    "clipping": lambda cls, **ranges: fastgd.register_clipping(cls, nothing, **ranges),
    "model": lambda cls, **ranges: fastgd.register_model(
        cls,
        n_params=nothing,
        init_params=nothing,
        scratch=nothing,
        add_loss_and_grad=nothing,
        predict=nothing,
        **ranges,
    ),
}
registrations = pytest.mark.parametrize("register", REGISTER.values(), ids=REGISTER)


def nothing(*arguments):
    return None


# A user's own rules, trained.


def table(n=64, d=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    return X, X @ np.arange(1.0, d + 1) + 0.5


def test_an_optimizer_with_a_helper():
    X, y = table()
    start = np.zeros(4)
    result = fit(
        Neuron(3, "identity"), X, y, optimizer=SoftSign(softness=1), lr=0.1, batch_size=None, epochs=20, params=start
    )
    params = start.copy()
    for step in range(1, 21):
        residual = X @ params[:-1] + params[-1] - y
        g = 2 * np.append(residual @ X, residual.sum()) / len(X)
        params = params - 0.1 * (1 + 1 / step) * g / (np.abs(g) + 1 + user_rules.FLOOR)
    np.testing.assert_allclose(result.params, params, rtol=1e-10)
    assert result.state.step == [20]


def test_an_optimizer_that_holds_another_and_keeps_an_average():
    X, y = table()
    neuron, start = Neuron(3, "identity"), np.zeros(4)
    result = fit(neuron, X, y, optimizer=Averaged(Momentum(0.8), 2), lr=0.05, batch_size=None, epochs=12, params=start)
    points = reference.trajectory(
        "Momentum", {"beta": 0.8}, 0.05, lambda at: reference.loss_and_grad(at, X, y, "identity")[1], start, 12
    )
    np.testing.assert_allclose(result.params, points[2:].mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(result.loss, reference.loss_and_grad(points[-2], X, y, "identity")[0], rtol=1e-10)


def test_an_optimizer_that_holds_another_of_its_own_class():
    once, twice = np.ones(3), np.ones(3)
    state = user_program.descend(Averaged(SGD()), 0.1, once, 5)
    nested = user_program.descend(Averaged(Averaged(SGD())), 0.1, twice, 5)
    np.testing.assert_array_equal(twice, once)
    np.testing.assert_array_equal(nested.inner.mean, state.mean)


def test_a_schedule():
    X, y = table()
    result = fit(Neuron(3, "identity"), X, y, optimizer=SGD(), lr=Staircase(0.2, every=2), batch_size=16, epochs=6)
    assert result.history["lr"].tolist() == [0.2, 0.2, 0.1, 0.1, 0.05, 0.05]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_model_of_several_outputs(dtype):
    rng = np.random.default_rng(0)
    X, W = rng.normal(size=(80, 3)).astype(dtype), rng.normal(size=(2, 3))
    y = X @ W.T
    model = Linear(3)
    result = fit(model, X, y, optimizer=SGD(), lr=0.05, batch_size=16, epochs=60)
    assert result.params.dtype == dtype
    np.testing.assert_allclose(result.params.reshape(2, 3), W, rtol=1e-3)
    np.testing.assert_allclose(result.predict(X), y, rtol=1e-2, atol=1e-3)
    assert result.loss < 1e-5
    grads = np.empty(6, dtype)
    assert fastgd.value_and_grad(model, np.zeros(6, dtype), X, y, grads) == pytest.approx((y**2).sum() / 80, rel=1e-5)
    np.testing.assert_allclose(grads.reshape(2, 3), -2 * y.T @ X / 80, rtol=1e-4)
    assert kernels_for("layout", ModelKernels, model).layout(model).tolist() == [[0, 2, 3]]


def test_a_model_s_own_check():
    with pytest.raises(ValueError, match="Linear: at most 5 outputs with link 'exponential'"):
        Linear(2, 6, "exponential")
    with pytest.raises(ValueError, match="y must have 2 columns, got shape"):
        fit(Linear(3), np.ones((4, 3)), np.ones((4, 3)))
    with pytest.raises(ValueError, match="X must have 3 columns, got 2"):
        fit(Linear(3), np.ones((4, 2)), np.ones((4, 2)))


def test_an_objective():
    x, grads = np.array([-1.2, 1.0]), np.empty(2)
    assert fastgd.value_and_grad(Rosenbrock(), x, grads) == pytest.approx(24.2)
    np.testing.assert_allclose(grads, [-215.6, -88])
    assert fastgd.value_and_grad(Rosenbrock(b=1), x, grads=grads) == pytest.approx(2.2**2 + 0.44**2)
    single = np.empty(2, np.float32)
    assert fastgd.value_and_grad(Rosenbrock(), [-1.2, 1], single) == pytest.approx(24.2, rel=1e-5)
    end = np.array([-1.0, 1.0])
    value = user_program.minimize_rosenbrock(end, 3000)
    assert value < 1e-3
    np.testing.assert_allclose(end, 1, atol=0.05)


def test_an_objective_s_errors():
    x = np.zeros(2)
    for arguments, error, message in [
        ((x, np.empty(3)), ValueError, "value_and_grad: grads must have 2 elements, as x has, got 3"),
        ((x, np.empty(2, int)), TypeError, "value_and_grad: grads must be a float32 or float64 array"),
        ((np.zeros((1, 2)), np.empty(2)), ValueError, "value_and_grad: x must be a 1-D array, got shape"),
        ((["a", "b"], np.empty(2)), TypeError, "value_and_grad: x must hold real numbers"),
        ((x, x), ValueError, "value_and_grad: grads must not share memory with x or"),
        ((x,), TypeError, "value_and_grad: with an objective it is .*, got 2 arguments"),
        ((x, x, x, np.empty(2)), TypeError, "value_and_grad: with an objective it is .*, got 5 arguments"),
    ]:
        with pytest.raises(error, match=message):
            fastgd.value_and_grad(Rosenbrock(), *arguments)


def test_a_clipping_rule():
    X, y = table()
    options = {"optimizer": SGD(), "lr": 0.1, "batch_size": None, "epochs": 1, "params": np.zeros(4)}
    plain = fit(Neuron(3, "identity"), X, y, **options)
    clipped = fit(Neuron(3, "identity"), X, y, clip=ZeroSmall(0.5), **options)
    small = np.abs(plain.params) < 0.5 * np.linalg.norm(plain.params)
    assert 0 < small.sum() < 4
    np.testing.assert_array_equal(clipped.params, np.where(small, 0, plain.params))
    assert clipped.history["clipped"].tolist() == [1]


@pytest.mark.parametrize("batch_size", [1, 2])  # single rows take the model's shorter way, which any plain rule may
def test_a_rule_of_one_s_own_is_what_a_built_in_one_is(batch_size):
    X, y = table(2_000)
    options = {"batch_size": batch_size, "epochs": 1, "params": np.zeros(4)}
    own, built_in = (fit(Neuron(3), X, y, optimizer=optimizer, **options) for optimizer in (PlainSGD(), SGD()))
    assert own.params.tobytes() == built_in.params.tobytes()


SECOND_PROCESS = """
import json
import numpy as np
import fastgd
from numba.core import event
from fastgd._training.loop import train
from user_rules import Averaged, Linear, Rosenbrock, SoftSign, Staircase, ZeroSmall

with event.install_recorder("numba:compile") as compiled:
    X = np.random.default_rng(0).normal(size=(50, 3))
    result = fastgd.fit(
        Linear(3), X, X[:, :2], optimizer=Averaged(SoftSign()), lr=Staircase(0.1), clip=ZeroSmall(), batch_size=16
    )
    grads = np.empty(2)
    value = fastgd.value_and_grad(Rosenbrock(), np.ones(2), grads)
    fastgd.minimize(Rosenbrock(), np.zeros(2), optimizer=Averaged(SoftSign()), max_steps=5)
names = {recorded[1].data["dispatcher"].__name__ for recorded in compiled.buffer if recorded[1].is_start}
print(json.dumps({
    "loss": result.loss,
    "value": value,
    "hits": train.stats.cache_hits.total(),
    "misses": train.stats.cache_misses.total(),
    "compiled": sorted(names),
}))
"""


def test_a_second_process_finds_them_in_the_cache(python):
    first, second = (json.loads(python("-c", SECOND_PROCESS).stdout) for _ in range(2))
    assert (first["hits"], first["misses"]) == (0, 1)
    assert "train" in first["compiled"]
    assert second == first | {"hits": 1, "misses": 0, "compiled": []}


# What cannot be registered.


@registrations
def test_only_named_tuples_are_registered(register):
    class Plain:
        pass

    class Bare(tuple):
        __slots__ = ()

    for bad in (Plain, Bare, dict, SGD(), "SGD", None, NamedTuple):
        with pytest.raises(TypeError, match="expected a NamedTuple class to register, got"):
            register(bad)


@registrations
def test_a_class_is_registered_once(register):
    class Rule(NamedTuple):
        pass

    register(Rule)
    for again in REGISTER.values():
        with pytest.raises(TypeError, match="Rule is registered already"):
            again(Rule)
    with pytest.raises(TypeError, match="SGD is registered already"):
        register(SGD)


@registrations
def test_a_range_names_a_field(register):
    class Rule(NamedTuple):
        beta: float = 0.5

    with pytest.raises(TypeError, match=re.escape("Rule has no field betta; its fields: ('beta',)")):
        register(Rule, betta=fastgd.unit_interval)
    with pytest.raises(TypeError, match="Rule has no field a, z;"):
        register(Rule, z=fastgd.positive, a=fastgd.positive)
    assert Rule(7.0).beta == 7  # nothing was changed
    register(Rule, beta=fastgd.unit_interval)
    with pytest.raises(ValueError, match=r"Rule: beta must be a number in \[0, 1\), got 7.0"):
        Rule(7.0)


def test_a_default_that_is_out_of_its_range():
    class Rule(NamedTuple):
        beta: float = 2.0

    with pytest.raises(ValueError, match=r"Rule: beta must be a number in \[0, 1\), got 2.0"):
        fastgd.register_schedule(Rule, nothing, beta=fastgd.unit_interval)
    assert Rule().beta == 2  # nothing was changed


# What is not registered.


class ByHand(namedtuple("ByHand", ["lr", "power"], defaults=[1])):
    """A named tuple by another name."""

    __slots__ = ()


class Wide(NamedTuple):
    exponent: int | float = 1
    shift: np.float64 = 0


def test_classes_that_extend_a_named_tuple():
    fastgd.register_schedule(ByHand, lambda schedule, t: schedule.lr / (1 + t) ** schedule.power, lr=fastgd.positive)
    assert repr(ByHand(0.5)) == "ByHand(lr=0.5, power=1)"
    assert fastgd.learning_rate(ByHand(0.5), 1) == 0.25
    assert fastgd.njit(lambda t: fastgd.learning_rate(ByHand(lr=0.5), t), cache=False)(1.0) == 0.25
    with pytest.raises(ValueError, match="ByHand: lr must be a positive"):
        ByHand(-1)


def test_numbers_of_several_types_become_floats():
    fastgd.register_schedule(Wide, lambda schedule, t: schedule.exponent + schedule.shift)
    assert [type(value) for value in Wide(2)] == [float, float]
    assert fastgd.njit(lambda: Wide(2).exponent, cache=False)() == 2.0


@pytest.mark.parametrize("function", [None, 3, functools.partial(print)])
def test_what_is_registered_is_a_function(function):
    class Rule(NamedTuple):
        lr: float = 0.1

    with pytest.raises(TypeError, match=r"Rule: rate must be a plain or a compiled function, got "):
        fastgd.register_schedule(Rule, function)
    with pytest.raises(TypeError, match=r"Rule: lr must be registered with a range, .* got \(0, 1\)"):
        fastgd.register_schedule(Rule, lambda rule, t: rule.lr, lr=(0, 1))
    assert Rule.__bases__ == (tuple,)


def test_what_is_registered_takes_the_arguments_that_it_is_given():
    class Rule(NamedTuple):
        lr: float = 0.1

    wrong = [
        (lambda: fastgd.register_schedule(Rule, lambda t: 0.1), r"rate is called as rate\(schedule, t\), got .*\(t\)"),
        (lambda: fastgd.register_objective(Rule, lambda o, x: 0.0), r"value_and_grad is called as value_and_grad\(obj"),
        (
            lambda: fastgd.register_optimizer(Rule, lambda o: (), lambda *a: None),
            r"init is called as init\(optimizer",
        ),
        (
            lambda: fastgd.register_clipping(Rule, numba.njit(lambda rule, grads: True)),
            r"clip is called as clip\(rule",
        ),
    ]
    for register, words in wrong:
        with pytest.raises(TypeError, match=f"Rule: {words}"):
            register()
    assert Rule.__bases__ == (tuple,)


class Counting(NamedTuple):
    """A rule whose state is not made of arrays alone."""

    counts: bool = True


class CountState(NamedTuple):
    steps: int
    sums: np.ndarray


fastgd.register_optimizer(
    Counting,
    lambda optimizer, params: CountState(0, params.copy()) if optimizer.counts else params.copy(),
    lambda optimizer, lr, grads, state, params: None,
)


@pytest.mark.parametrize(
    ("counts", "what"),
    [(True, re.escape("state.steps is int")), (False, "state is ndarray")],
)
@pytest.mark.parametrize(
    "use",
    [
        lambda rule: init_state(rule, np.ones(3)),
        lambda rule: update(rule, 0.1, np.ones(3), CountState(0, np.ones(3)), np.ones(3)),
        lambda rule: fit(Neuron(2), np.ones((4, 2)), np.ones(4), optimizer=rule),
        lambda rule: fastgd.minimize(fastgd.problems.Bowl(), [1.0], optimizer=rule),
    ],
    ids=["init_state", "update", "fit", "minimize"],
)
def test_a_state_is_made_of_arrays(use, counts, what):
    with pytest.raises(TypeError, match=f"state that Counting makes must be a named tuple of arrays, but {what}"):
        use(Counting(counts))


class Stranger(NamedTuple):
    beta: float = 0.5


VECTOR = np.ones(2)
CALLS = {
    "init_state": ("an optimizer", lambda thing: init_state(thing, VECTOR)),
    "update": ("an optimizer", lambda thing: update(thing, 0.1, VECTOR, init_state(SGD(), VECTOR), VECTOR)),
    "eval_params": ("an optimizer", lambda thing: fastgd.eval_params(thing, (VECTOR,), VECTOR, VECTOR)),
    "learning_rate": ("a schedule", lambda thing: fastgd.learning_rate(thing, 0)),
    "predict": ("a model", lambda thing: fastgd.predict(thing, VECTOR, VECTOR.reshape(2, 1))),
    "n_params": ("a model", lambda thing: fastgd.n_params(thing)),
    "value_and_grad": (
        "a model or an objective",
        lambda thing: fastgd.value_and_grad(thing, VECTOR, VECTOR.reshape(2, 1), VECTOR, VECTOR),
    ),
}


@pytest.mark.parametrize("verb", [*CALLS, "init_params"])
def test_in_python(verb):
    what, call = CALLS.get(verb, ("a model", fastgd.init_params))
    with pytest.raises(TypeError, match=f"{verb}: expected {what}, got Stranger, which is not registered as one"):
        call(Stranger())
    with pytest.raises(TypeError, match=f"{verb}: expected {what}, got ClipByNorm, which is not registered as one"):
        call(fastgd.ClipByNorm(1))
    with pytest.raises(TypeError, match=f"{verb}: expected {what}, got str"):
        call("adam")
    right = {"an optimizer": Adam, "a schedule": ExponentialDecay}.get(what, Neuron)
    with pytest.raises(TypeError, match=rf"got the class {right.__name__} itself; write {right.__name__}\("):
        call(right)


@pytest.mark.parametrize("verb", CALLS)
def test_in_compiled_code(verb):
    what, call = CALLS[verb]
    compiled = numba.njit(call)
    message = rf"{verb}: expected {what}, got Stranger\(float64( x 1)?\), which is not registered as one \(see fastgd\."
    with pytest.raises(TypingError, match=message):
        compiled(Stranger())
    with pytest.raises(TypingError, match=rf"{verb}: expected {what}, got ClipByNorm\(float64, float64, Tuple\(\)\)"):
        compiled(fastgd.ClipByNorm(1))


def test_in_fit():
    X, y = np.ones((4, 1)), np.ones(4)
    for changes, what in [
        ({"model": Adam()}, "a model, got Adam"),
        ({"model": "neuron"}, "a model, got str"),
        ({"optimizer": Stranger()}, "an optimizer, got Stranger"),
        ({"optimizer": ExponentialDecay(1, 1)}, "an optimizer, got ExponentialDecay"),
        ({"lr": Stranger()}, "a schedule, got Stranger"),
        ({"clip": SGD()}, "a clipping rule, got SGD"),
        ({"clip": 1.0}, "a clipping rule, got float"),
    ]:
        with pytest.raises(TypeError, match=f"fit: .*expected {what}, which is not registered as one"):
            fit(**{"model": Neuron(1), "X": X, "y": y} | changes)
    with pytest.raises(TypeError, match=r"got the class Adam itself; write Adam\(\)"):
        fit(Neuron(1), X, y, optimizer=Adam)


# Constructors, in Python and inside compiled functions.


def test_constructors_in_compiled_code():
    expected = user_program.constructed.py_func(3)
    made = user_program.constructed(3)
    assert made == expected
    for one, other in zip(made, expected, strict=True):
        assert type(one) is type(other)
        assert [type(field) for field in one] == [type(field) for field in other]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Nesterov(0.5, 0.5, False, 0.5), "Nesterov: too many positional arguments"),
        (lambda: Momentum(gamma=0.5), "Momentum: got an unexpected keyword argument 'gamma'"),
        (lambda: Neuron(), "Neuron: missing a required argument: 'n_features'"),
        (lambda: Neuron(2, "relu"), "Neuron: activation must be one of 'sigmoid', 'tanh', 'identity', got 'relu'"),
        (lambda: Neuron(2, 0.5), "Neuron: inside compiled code activation must be a name written out"),
    ],
)
def test_constructors_that_fail_in_compiled_code(build, message):
    with pytest.raises(TypingError, match=re.escape(message)):
        numba.njit(build)()


def test_a_name_must_be_known_when_the_code_is_compiled():
    @numba.njit
    def build(name):
        return Neuron(2, name)

    with pytest.raises(TypingError, match="inside compiled code activation must be a name written out"):
        build("tanh")


def test_ranges_are_checked_again_on_the_way_out():
    @numba.njit
    def build(beta):
        return Momentum(beta)

    assert build(1 / 4) == Momentum(0.25)
    assert build(0) == Momentum(0.0)
    with pytest.raises(ValueError, match="Momentum: beta must be"):
        build(1.5)


@pytest.mark.parametrize(
    "thing",
    [
        SoftSign(fast_start=False),
        Averaged(Averaged(Adam()), 2),
        Staircase(1),
        Linear(3, link="exponential"),
        Rosenbrock(),
    ],
    ids=lambda thing: type(thing).__name__,
)
def test_a_user_s_tuples_are_plain_values(thing):
    for twin in (pickle.loads(pickle.dumps(thing)), copy.deepcopy(thing), thing._replace(), type(thing)._make(thing)):
        assert twin == thing
        assert type(twin) is type(thing)
    assert eval(repr(thing)) == thing
    assert type(thing)(**thing._asdict()) == thing


def test_fields_take_the_type_that_is_written():
    soft, linear = SoftSign(softness=1, fast_start=np.False_), Linear(np.int8(3), n_outputs=np.uint16(2))
    assert [type(field) for field in soft] == [float, bool]
    assert [type(field) for field in linear] == [int, int, int]
    assert Averaged(SGD(), np.int64(3)).start == 3
    with pytest.raises(TypeError, match="SoftSign: fast_start must be True or False, got 1"):
        SoftSign(1.0, 1)
    with pytest.raises(TypeError, match=r"Linear: n_features must be an integer, got 1\.5"):
        Linear(1.5)
    with pytest.raises(ValueError, match="Averaged: start must be a finite number, 0 or larger, got -1"):
        Averaged(SGD(), -1)
    with pytest.raises(ValueError, match="Linear: link must be one of 'identity', 'exponential', got 'log'"):
        Linear(1, link="log")


def test_the_signature_is_that_of_the_fields():
    import inspect

    assert list(inspect.signature(Adam).parameters) == list(Adam._fields)
    assert list(inspect.signature(Linear).parameters) == ["n_features", "n_outputs", "link"]
    assert inspect.signature(Adam).parameters["beta1"].default == 0.9


def test_kernels_that_are_compiled_already_stay_as_they_are():
    class Rule(NamedTuple):
        pass

    @numba.njit(fastmath=False)
    def rate(schedule, t):
        return 2.0 * t

    fastgd.register_schedule(Rule, rate)
    assert fastgd.learning_rate(Rule(), 4) == 8
    assert len(rate.signatures) == 1


def rule_of_the_same_name(factor):
    """As a notebook's cell that is run again: the classes of rule and state are new ones of the old names."""

    class Scaled(NamedTuple):
        share: float = 1.0

    class ScaledState(NamedTuple):
        last: np.ndarray

    def init(optimizer, params):
        return ScaledState(np.zeros_like(params))

    def step(optimizer, lr, grads, state, params):
        for i in range(params.size):
            state.last[i] = factor * optimizer.share * lr * grads[i]
            params[i] -= state.last[i]

    fastgd.register_optimizer(Scaled, init, step)
    return Scaled()


def test_classes_of_one_name_have_their_own_kernels():
    X, y = np.random.default_rng(0).normal(size=(64, 3)), np.zeros(64)
    for factor, optimizer in [(1, rule_of_the_same_name(1)), (2, rule_of_the_same_name(2))] * 2:
        params = np.zeros(5)
        state = fastgd.init_state(optimizer, params)
        for _ in range(2):
            fastgd.update(optimizer, 0.25, np.ones(5), state, params)
        np.testing.assert_array_equal(params, -0.5 * factor)
        result = fastgd.fit(fastgd.Neuron(3), X, y, optimizer=optimizer, lr=0.1, epochs=2)
        expected = fastgd.fit(fastgd.Neuron(3), X, y, optimizer=fastgd.SGD(), lr=0.1 * factor, epochs=2)
        np.testing.assert_allclose(result.params, expected.params, rtol=1e-12)
        assert repr(optimizer) == "Scaled(share=1.0)"


def test_constructors_with_defaults_in_parallel_code():
    @numba.njit(parallel=True)
    def compiled(n):
        rates = np.zeros(n)
        for i in numba.prange(n):
            schedule = CosineAnnealing(0.5, duration=4)
            params = np.full(1, fastgd.learning_rate(schedule, float(i)))
            optimizer = Momentum(0.5)
            fastgd.update(optimizer, 0.5, np.ones(1), fastgd.init_state(optimizer, params), params)
            rates[i] = params[0]
        return rates

    expected = [fastgd.learning_rate(CosineAnnealing(0.5, duration=4), i) - 0.5 for i in range(3)]
    np.testing.assert_allclose(compiled(3), expected)


def test_a_schedule_of_a_built_in_one_s_name():
    class ExponentialDecay(NamedTuple):
        lr: float
        k: float

    fastgd.register_schedule(ExponentialDecay, lambda schedule, t: schedule.lr * 2.0 ** (-schedule.k * t))
    for cls, base in ((fastgd.ExponentialDecay, np.e), (ExponentialDecay, 2)):
        schedule = cls(0.1, 1.0)
        assert fastgd.learning_rate(schedule, 1.0) == pytest.approx(0.1 / base)
        np.testing.assert_allclose(fastgd.schedule_values(schedule, [0.0, 1.0]), [0.1, 0.1 / base])
        assert repr(schedule) == "ExponentialDecay(lr=0.1, k=1.0)"
