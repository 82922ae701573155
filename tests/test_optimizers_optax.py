"""The optimisers that PyTorch lacks, and Adafactor: against optax or PyTorch, and against the paper in plain NumPy."""

import importlib.util

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st

import fastgd
from fastgd import (
    LAMB,
    LARS,
    AdaBelief,
    Adafactor,
    Adan,
    Lion,
    ScheduleFreeAdamW,
    ScheduleFreeSGD,
    SignSGD,
    Yogi,
    eval_params,
    init_state,
    update,
)

SIZE, STEPS = 23, 60
LAYOUT = ((0, 3, 4), (12, 1, 5), (17, 2, 3))
betas = st.floats(0.1, 0.999)
decay = st.sampled_from([0.0, 0.3]) | st.floats(0, 1)
layouts = st.sampled_from([(), LAYOUT])
averaging = {"warmup_steps": st.integers(0, 80), "r": st.floats(0, 2), "weight_lr_power": st.floats(0, 3)}
# Every field of every method. (Small betas make AdaBelief's s a difference of equal numbers.)
FIELDS = {
    SignSGD: {"beta": st.just(0.0) | betas},
    Lion: {"beta1": betas, "beta2": betas, "weight_decay": decay},
    AdaBelief: {
        "beta1": st.floats(0.5, 0.999),
        "beta2": betas,
        "eps": st.floats(1e-16, 1e-2),
        "eps_root": st.floats(1e-16, 1e-2),
    },
    Yogi: {"beta1": betas, "beta2": betas, "eps": st.floats(1e-8, 1), "initial_accumulator": st.floats(1e-9, 1)},
    Adan: {
        "beta1": betas,
        "beta2": betas,
        "beta3": betas,
        "eps": st.floats(1e-8, 1),
        "eps_root": st.floats(0, 1),
        "weight_decay": decay,
    },
    LAMB: {"beta1": betas, "beta2": betas, "eps": st.floats(1e-8, 1), "weight_decay": decay, "layout": layouts},
    LARS: {
        "momentum": st.just(0.0) | betas,
        "trust_coefficient": st.floats(1e-3, 1),
        "eps": st.floats(0, 1),
        "weight_decay": decay,
        "layout": layouts,
    },
    Adafactor: {
        "beta2_decay": st.just(0.0) | st.floats(-1, -0.1),
        "eps1": st.just(0.0) | st.floats(1e-6, 1),
        "eps2": st.floats(0, 2),
        "d": st.floats(1, 2),
        "weight_decay": decay,
        "maximize": st.booleans(),
        "layout": layouts,
    },
    ScheduleFreeSGD: {"beta": betas, "weight_decay": decay, **averaging},
    ScheduleFreeAdamW: {
        "beta1": betas,
        "beta2": betas,
        "eps": st.floats(1e-8, 1),
        "weight_decay": decay,
        **averaging,
    },
}
METHODS = [cls() for cls in FIELDS]
AVERAGING = [ScheduleFreeSGD(), ScheduleFreeAdamW()]
IN_PARTS = [LAMB(layout=LAYOUT), LARS(layout=LAYOUT), Adafactor(layout=LAYOUT)]
by_class = {"ids": lambda value: type(value).__name__}
rates = st.floats(1e-6, 0.1)
seeds = st.integers(0, 2**32 - 1)


def fields_of(optimizer, **instead):
    return st.fixed_dictionaries({**FIELDS[type(optimizer)], **instead})


def start(seed, dtype=np.float64):
    """Parameters, and a gradient for each step: of all sizes, so that parts and components differ."""
    rng = np.random.default_rng(seed)
    scale = np.exp(rng.normal(size=SIZE))
    params, grads = rng.normal(size=SIZE), scale * (rng.normal(size=(STEPS, SIZE)) + rng.normal(size=SIZE))
    return params.astype(dtype), grads.astype(dtype)


def run(optimizer, lr, params, grads):
    """The parameters after each step, and the state."""
    params, state, points = params.copy(), init_state(optimizer, params), []
    for g in grads:
        update(optimizer, lr, g, state, params)
        points.append(params.copy())
    return np.array(points), state


def by_the_paper(optimizer, lr, params, grads):
    """The same in plain NumPy, and what it remembers at the end."""
    step, memory, points = reference.OPTIMIZERS[type(optimizer).__name__], {}, []
    for t, g in enumerate(grads, start=1):
        params = step(t, lr, g, memory, params, **optimizer._asdict())
        points.append(params)
    return np.array(points), memory


@pytest.mark.parametrize("optimizer", METHODS, **by_class)
@settings(deadline=None, max_examples=25)
@given(data=st.data(), lr=rates, seed=seeds)
def test_trajectories_are_the_papers(optimizer, data, lr, seed):
    optimizer = type(optimizer)(**data.draw(fields_of(optimizer)))
    points, _ = run(optimizer, lr, *start(seed))
    np.testing.assert_allclose(points, by_the_paper(optimizer, lr, *start(seed))[0], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("optimizer", AVERAGING, **by_class)
@settings(deadline=None, max_examples=25)
@given(data=st.data(), lr=rates, seed=seeds)
def test_the_average_is_the_papers(optimizer, data, lr, seed):
    optimizer = type(optimizer)(**data.draw(fields_of(optimizer)))
    points, state = run(optimizer, lr, *start(seed))
    x = np.empty(SIZE)
    eval_params(optimizer, state, points[-1], x)
    _, memory = by_the_paper(optimizer, lr, *start(seed))
    np.testing.assert_allclose(x, memory["x"], rtol=1e-10, atol=1e-10)


def in_optax(optimizer, lr):
    """The transformation, and its state from the state that optax makes."""
    import optax

    fields = optimizer._asdict()
    fields.pop("layout", None)
    fields |= {f"b{i}": fields.pop(f"beta{i}") for i in (1, 2, 3) if f"beta{i}" in fields}
    if isinstance(optimizer, SignSGD):
        return optax.signum(lr, fields["beta"]) if fields["beta"] > 0 else optax.sign_sgd(lr)
    if isinstance(optimizer, Yogi):
        rule = optax.scale_by_yogi(
            fields["b1"], fields["b2"], fields["eps"], initial_accumulator_value=fields["initial_accumulator"]
        )

        def init(params):
            state = rule.init(params)
            return state._replace(mu=[0 * m for m in state.mu])

        return optax.chain(optax.GradientTransformation(init, rule.update), optax.scale_by_learning_rate(lr))
    if isinstance(optimizer, tuple(map(type, AVERAGING))):
        del fields["warmup_steps"], fields["r"]  # it starts its warmup at a rate of 0, and has no r
        if isinstance(optimizer, ScheduleFreeAdamW):
            return optax.contrib.schedule_free_adamw(lr, **fields)
        return optax.contrib.schedule_free_sgd(lr, b1=fields.pop("beta"), **fields)
    return getattr(optax, type(optimizer).__name__.lower())(lr, **fields)


@pytest.mark.skipif(importlib.util.find_spec("optax") is None, reason="optax is not installed")
@pytest.mark.filterwarnings("default")  # JAX's own
@pytest.mark.parametrize("optimizer", [one for one in METHODS if not isinstance(one, Adafactor)], **by_class)
@settings(deadline=None, max_examples=8)
@given(data=st.data(), lr=rates, seed=seeds)
def test_trajectories_are_those_of_optax(optimizer, data, lr, seed):
    import jax
    import optax

    plain = {"warmup_steps": st.just(0), "r": st.just(0.0)} if optimizer in AVERAGING else {}
    optimizer = type(optimizer)(**data.draw(fields_of(optimizer, **plain)))
    params, grads = start(seed)
    points, state = run(optimizer, lr, params, grads)
    layout = getattr(optimizer, "layout", ())

    def leaves(vector):
        return [jax.numpy.asarray(vector[where]) for where, _ in reference.parts(layout, vector)]

    with jax.enable_x64(True):
        rule = in_optax(optimizer, lr)
        theirs = leaves(params)
        their_state = rule.init(theirs)
        for point, g in zip(points, grads, strict=True):
            steps, their_state = rule.update(leaves(g), their_state, theirs)
            theirs = optax.apply_updates(theirs, steps)
            np.testing.assert_allclose(point, np.concatenate(theirs), rtol=1e-10, atol=1e-10)
        if isinstance(optimizer, tuple(map(type, AVERAGING))):
            x = np.empty(SIZE)
            eval_params(optimizer, state, points[-1], x)
            theirs = optax.contrib.schedule_free_eval_params(their_state, theirs)
            np.testing.assert_allclose(x, np.concatenate(theirs), rtol=1e-10, atol=1e-10)


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
@pytest.mark.filterwarnings("default")  # PyTorch's own
@settings(deadline=None, max_examples=25)
@given(fields=fields_of(Adafactor()), lr=rates, seed=seeds)
def test_adafactor_is_that_of_pytorch(fields, lr, seed):
    import torch

    params, grads = start(seed)
    points, _ = run(Adafactor(**fields), lr, params, grads)
    layout = fields.pop("layout")

    def leaves(vector):
        for where, shape in reference.parts(layout, vector):
            leaf = torch.from_numpy(vector[where].copy())
            yield leaf.reshape(shape) if min(shape) > 1 else leaf

    theirs = [leaf.requires_grad_() for leaf in leaves(params)]
    rule = torch.optim.Adafactor(theirs, lr=lr, eps=(fields.pop("eps1") or None, fields.pop("eps2")), **fields)
    for point, g in zip(points, grads, strict=True):
        for leaf, grad in zip(theirs, leaves(g), strict=True):
            leaf.grad = grad
        rule.step()
        theirs_now = np.concatenate([leaf.detach().numpy().ravel() for leaf in theirs])
        np.testing.assert_allclose(point, theirs_now, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("optimizer", [*METHODS[:5], *AVERAGING, *IN_PARTS], **by_class)
def test_float32_is_nearly_as_exact(optimizer):
    if isinstance(optimizer, Adafactor):
        optimizer = optimizer._replace(eps1=1e-6)  # its default is the dtype's
    single = start(3, np.float32)
    points, state = run(optimizer, 0.01, *single)
    assert points.dtype == np.float32
    exact, exact_state = run(optimizer, 0.01, *(array.astype(np.float64) for array in single))
    np.testing.assert_allclose(points, exact, rtol=2e-5, atol=2e-5)
    for array, exact_array in zip(state, exact_state, strict=True):
        np.testing.assert_allclose(array, exact_array, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("optimizer", [*METHODS, *IN_PARTS], **by_class)
def test_zero_gradients_change_nothing(optimizer):
    if "weight_decay" in optimizer._fields:
        optimizer = optimizer._replace(weight_decay=0)
    params, grads = start(4)
    np.testing.assert_array_equal(run(optimizer, 0.1, params, 0 * grads)[0], np.tile(params, (STEPS, 1)))


@pytest.mark.parametrize("optimizer", [SignSGD(0.5), *METHODS[1:], *IN_PARTS, Adafactor(beta2_decay=-0.1)], ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_moment_ends_as_a_denormal_number(optimizer, dtype):
    if "layout" in optimizer._fields and not optimizer.layout and dtype == np.float32:
        pytest.skip("one layout is enough")
    params = np.ones(SIZE, dtype)
    state = init_state(optimizer, params)
    update(optimizer, 1e-3, np.full(SIZE, np.finfo(dtype).tiny ** 0.5 * 8, dtype), state, params)
    for _ in range(2_000):
        update(optimizer, 1e-3, np.zeros(SIZE, dtype), state, params)
        for array in state:
            if array.dtype.kind == "f":
                assert not ((array != 0) & (abs(array) < np.finfo(array.dtype).tiny)).any()


def test_nan_and_infinity_stay_visible():
    for optimizer in METHODS:
        params, grads = np.ones(SIZE), np.ones(SIZE)
        grads[3] = np.nan
        update(optimizer, 0.1, grads, init_state(optimizer, params), params)
        assert np.isnan(params[3]), optimizer
    # A step that does not depend on a gradient's size is finite for an infinite one.
    params, grads = np.ones(2), np.array([np.inf, -np.inf])
    update(SignSGD(), 0.25, grads, init_state(SignSGD(), params), params)
    np.testing.assert_array_equal(params, [0.75, 1.25])


# By hand: f = x² from 4 with rate 0.25 where nothing else is said.


def test_by_hand():
    def points(optimizer, n_steps=2):
        params, state, points = np.array([4.0]), init_state(optimizer, np.array([4.0])), []
        for _ in range(n_steps):
            update(optimizer, 0.25, 2 * params, state, params)
            points.append(params[0])
        return points

    assert points(SignSGD()) == [3.75, 3.5]
    assert points(Lion(weight_decay=1)) == [4 - 0.25 * (1 + 4), 2.75 - 0.25 * (1 + 2.75)]
    # LAMB's first step is u = 1, times the norm 4; LARS's has the gradient's length 8 made 4.
    np.testing.assert_allclose(points(LAMB()), [3, 3 - 0.25 * 3], rtol=0.01)
    np.testing.assert_allclose(points(LARS(0.5, trust_coefficient=1)), [3, 3 - 0.5 - 0.75], rtol=1e-15)
    # Adafactor's is U = 1, times RMS(θ) = 4; then V = (8² + 6²)/2 at t = 2 with τ = -1.
    expected = [3, 3 - 3 * 0.25 * 6 / np.sqrt(50)]
    np.testing.assert_allclose(points(Adafactor(beta2_decay=-1)), expected, rtol=1e-15)
    # z = 4 - 2 and x = z; then z = 2 - 1 and x = 1.5, and y in between.
    assert points(ScheduleFreeSGD(beta=0.5)) == [2, 1.25]


# The fields.


@pytest.mark.parametrize(
    ("cls", "field", "value", "words"),
    [
        (SignSGD, "beta", 1, r"a number in \[0, 1\)"),
        (Lion, "beta1", -0.1, r"a number in \[0, 1\)"),
        (Lion, "beta2", np.nan, r"a number in \[0, 1\)"),
        (Lion, "weight_decay", -1, "a finite number, 0 or larger"),
        (AdaBelief, "eps", 0, "a positive finite number"),
        (AdaBelief, "eps_root", -1e-16, "a finite number, 0 or larger"),
        (Yogi, "initial_accumulator", np.inf, "a finite number, 0 or larger"),
        (Adan, "beta3", 1.5, r"a number in \[0, 1\)"),
        (LAMB, "eps", np.nan, "a positive finite number"),
        (LARS, "trust_coefficient", 0, "a positive finite number"),
        (LARS, "momentum", 1, r"a number in \[0, 1\)"),
        (Adafactor, "beta2_decay", 0.1, "a finite number, 0 or smaller"),
        (Adafactor, "d", 0.5, "a finite number, 1 or larger"),
        (Adafactor, "eps1", -1, "a finite number, 0 or larger"),
        (ScheduleFreeSGD, "beta", 0, r"a number in \(0, 1\)"),
        (ScheduleFreeSGD, "warmup_steps", -1, "an integer, 0 or larger"),
        (ScheduleFreeAdamW, "beta1", 1, r"a number in \(0, 1\)"),
        (ScheduleFreeAdamW, "r", -0.5, "a finite number, 0 or larger"),
    ],
)
def test_hyperparameters_are_checked(cls, field, value, words):
    with pytest.raises(ValueError, match=f"^{cls.__name__}: {field} must be {words}, got"):
        cls(**{field: value})


def test_defaults():
    assert SignSGD() == (0.0,)
    assert Lion() == (0.9, 0.99, 1e-3)
    assert AdaBelief() == (0.9, 0.999, 1e-16, 1e-16)
    assert Yogi() == (0.9, 0.999, 1e-3, 1e-6)
    assert Adan() == (0.98, 0.92, 0.99, 1e-8, 1e-8, 0.0)
    assert LAMB() == (0.9, 0.999, 1e-6, 0.0, ())
    assert LARS() == (0.9, 1e-3, 0.0, 0.0, ())
    assert Adafactor() == (-0.8, 0.0, 1e-3, 1.0, 0.0, False, ())
    assert ScheduleFreeSGD() == (0.9, 0, 0.0, 2.0, 0.0)
    assert ScheduleFreeAdamW() == (0.9, 0.999, 1e-8, 0, 0.0, 2.0, 0.0)


# Layouts.


@pytest.mark.parametrize("cls", [LAMB, LARS, Adafactor])
def test_layouts_that_are_none(cls):
    words = r"rows of \(start, rows, columns\) that follow one another from 0 on, got"
    for wrong in (3, "abc", [(0, 1)], [0, 1, 2], [(0, 1.5, 2)], None):
        with pytest.raises(TypeError, match=f"^{cls.__name__}: layout must be"):
            cls(layout=wrong)
    for wrong in ([(1, 1, 2)], [(0, 1, 2), (3, 1, 1)], [(0, 2, 2), (2, 1, 1)], [(0, 0, 2)]):
        with pytest.raises(ValueError, match=f"^{cls.__name__}: layout must be {words}"):
            cls(layout=wrong)


@pytest.mark.parametrize("optimizer", IN_PARTS, **by_class)
def test_a_layout_of_another_vector(optimizer):
    with pytest.raises(ValueError, match="layout must cover the 24 parameters, all of them and no more, got 23"):
        init_state(optimizer, np.ones(24))
    state = init_state(optimizer, np.ones(23))
    with pytest.raises(ValueError, match="layout must cover the 24 parameters"):
        update(optimizer, 0.1, np.ones(24), state, np.ones(24))


@fastgd.njit
def in_compiled_code(layout, params, grads):
    optimizer = LARS(trust_coefficient=0.5, layout=layout)
    state = fastgd.init_state(optimizer, params)
    for k in range(grads.shape[0]):
        fastgd.update(optimizer, 0.01, grads[k], state, params)


def test_layouts_in_compiled_code():
    params, grads = start(5)
    expected = run(LARS(trust_coefficient=0.5, layout=LAYOUT), 0.01, params, grads)[0][-1]
    for layout in (LAYOUT, np.array(LAYOUT)):  # a tuple of tuples, or the array that the verb `layout` returns
        theta = params.copy()
        in_compiled_code(layout, theta, grads)
        np.testing.assert_allclose(theta, expected, rtol=1e-13)
    for wrong in (
        (*LAYOUT[:2], (17, 2, 2)),
        (*LAYOUT[:2], (18, 1, 5)),
        ((0, 4, 4), *LAYOUT[1:]),
        np.array(LAYOUT)[:0],
        np.array([(0, 23)]),
    ):
        with pytest.raises(ValueError, match="layout must cover the parameters, all of them and no more, part after"):
            in_compiled_code(wrong, params.copy(), grads)
    for wrong in (3, (0, 1, 23), ((0, 23),), np.ones((1, 3)), np.arange(3)):
        with pytest.raises(fastgd._parts.TypingError, match="layout must be rows of"):
            in_compiled_code(wrong, params.copy(), grads)


def test_adafactor_keeps_rows_plus_columns():
    params = np.ones(300 * 200 + 50 + 1, np.float32)
    state = init_state(Adafactor(layout=[(0, 300, 200), (60_000, 50, 1), (60_050, 1, 1)]), params)
    assert state.factors.size == 500
    assert state.v.size == 51
    assert sum(array.nbytes for array in state) < 4 * 51 + 8 * 500 + 1000


@pytest.mark.parametrize("cls", [LAMB, LARS, Adafactor])
def test_norms_of_large_vectors_lose_no_digits(cls):
    # The norm of 3·10⁶ float32 numbers; in float32 one after the other it would be off by a third.
    rng, shape = np.random.default_rng(6), (3, 1_000_000)
    optimizer = cls(layout=[(0, *shape)] if cls is Adafactor else ())
    single = rng.normal(size=(2, 3_000_000)).astype(np.float32)
    moved = []
    for dtype in (np.float32, np.float64):
        params, grads = single.astype(dtype)
        update(optimizer, 0.5, grads, init_state(optimizer, params), params)
        moved.append(params - single[0])
    np.testing.assert_allclose(moved[0], moved[1], rtol=1e-5, atol=1e-6)
    assert abs(np.linalg.norm(moved[0].astype(np.float64)) / np.linalg.norm(moved[1]) - 1) < 1e-6
