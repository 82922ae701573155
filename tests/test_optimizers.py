"""Every optimiser against its equation in plain NumPy, and against what all of them promise."""

import copy
import math
import pickle

import numpy as np
import pytest
import reference
from user_program import descend, go_on

import fastgd
from fastgd import (
    ASGD,
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    Momentum,
    NAdam,
    Nesterov,
    RAdam,
    RMSProp,
    Rprop,
    init_state,
    update,
)

DTYPES = [np.float32, np.float64]
# Every optimiser with the choices that change its equation; `reference` finds them by name and fields.
TABLE = [
    SGD(),
    SGD(weight_decay=0.3, maximize=True),
    Momentum(),
    Momentum(beta=0.0, dampening=0.5),
    Momentum(0.99, dampening=0.25, weight_decay=0.3, maximize=True),
    Nesterov(),
    Nesterov(beta=0.5, weight_decay=0.3, maximize=True),
    ASGD(),
    ASGD(lambd=0.1, alpha=0.5, t0=20, weight_decay=0.3, maximize=True),
    Adagrad(),
    Adagrad(eps=0.1, lr_decay=0.5, initial_accumulator_value=0.25, weight_decay=0.3, maximize=True),
    Adadelta(),
    Adadelta(rho=0.5, eps=1e-3, weight_decay=0.3, maximize=True),
    RMSProp(),
    RMSProp(alpha=0.9, eps=0.1, centered=True),
    RMSProp(momentum=0.9, weight_decay=0.3, maximize=True),
    RMSProp(alpha=0.9, eps=0.1, centered=True, momentum=0.5),
    Rprop(),
    Rprop(etaminus=0.25, etaplus=2, step_size_min=1e-3, step_size_max=0.1, maximize=True),
    Adam(),
    Adam(amsgrad=True),
    Adam(beta1=0.0, beta2=0.5, eps=0.1, weight_decay=0.3, maximize=True),
    Adam(beta1=0.8, beta2=0.9, eps=1e-3, amsgrad=True),
    AdamW(),
    AdamW(beta2=0.5, eps=0.1, amsgrad=True, weight_decay=0.3, maximize=True),
    Adamax(),
    Adamax(beta1=0.5, beta2=0.9, eps=0.1, weight_decay=0.3, maximize=True),
    NAdam(),
    NAdam(beta1=0.5, beta2=0.9, eps=0.1, momentum_decay=0.5, weight_decay=0.3, maximize=True),
    NAdam(decoupled_weight_decay=True, weight_decay=0.3),
    RAdam(),
    RAdam(beta1=0.5, beta2=0.9, eps=0.1, weight_decay=0.3, maximize=True),
    RAdam(decoupled_weight_decay=True, weight_decay=0.3),
]
# Every loop that is written out, without decay.
KINDS = [
    SGD(),
    Momentum(),
    Nesterov(),
    ASGD(lambd=0),
    ASGD(lambd=0, t0=2),
    Adagrad(),
    Adadelta(),
    RMSProp(),
    RMSProp(centered=True),
    RMSProp(momentum=0.5),
    RMSProp(centered=True, momentum=0.5),
    Rprop(),
    Adam(),
    Adam(amsgrad=True),
    AdamW(weight_decay=0),
    Adamax(),
    NAdam(),
    RAdam(),
]
by_repr = {"ids": repr}


@pytest.fixture(params=DTYPES, ids=lambda dtype: dtype.__name__)
def dtype(request):
    return request.param


def gradient(params):
    """Of a convex function, with components of very different sizes, and curved so that Adam's v_max matters."""
    scale = 2.0 ** -np.arange(params.size)
    return (scale * (np.asarray(params, np.float64) - 0.5) + np.sin(3 * np.asarray(params, np.float64))).astype(
        params.dtype
    )


def start(dtype, size=37):
    return np.random.default_rng(1).normal(size=size).astype(dtype)


def run(optimizer, params, n_steps, lr=0.01, state=None, of=gradient):
    """The parameters after each step, and the state."""
    params = params.copy()
    state = init_state(optimizer, params) if state is None else state
    points = []
    for _ in range(n_steps):
        update(optimizer, lr, of(params), state, params)
        points.append(params.copy())
    return np.array(points), state


def arrays_of(state):
    return {name: np.array(value) for name, value in state._asdict().items()}


@pytest.mark.parametrize("optimizer", TABLE, **by_repr)
def test_trajectories(optimizer, dtype):
    points, _ = run(optimizer, start(dtype), 60)
    expected = reference.trajectory(type(optimizer).__name__, optimizer._asdict(), 0.01, gradient, start(dtype), 60)
    assert points.dtype == dtype
    tolerance = {np.float64: 1e-12, np.float32: 2e-5}[dtype]
    np.testing.assert_allclose(points, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("optimizer", KINDS, **by_repr)
@pytest.mark.parametrize("size", [0, 1, 2, 7, 8, 15, 16, 17, 33, 1000])
def test_every_size(optimizer, size):
    points, _ = run(optimizer, start(np.float64, size), 3)
    expected = reference.trajectory(
        type(optimizer).__name__, optimizer._asdict(), 0.01, gradient, start(np.float64, size), 3
    )
    np.testing.assert_allclose(points, expected, rtol=1e-12, atol=1e-12)


def test_by_hand():
    # f = x², so the gradient is 2x, from 4 with rate 0.1.
    def points(optimizer):
        return run(optimizer, np.array([4.0]), 2, 0.1, of=lambda x: 2 * x)[0][:, 0]

    np.testing.assert_allclose(points(SGD()), [3.2, 2.56], rtol=1e-15)
    np.testing.assert_allclose(points(Momentum(0.5)), [3.2, 3.2 - 0.1 * (4 + 6.4)], rtol=1e-15)
    # v = 8, then 4 + 5.6 = 9.6 at x = 2.8.
    np.testing.assert_allclose(points(Nesterov(0.5)), [4 - 0.1 * 12, 2.8 - 0.1 * (5.6 + 4.8)], rtol=1e-15)
    # m̂ = 8 and v̂ = 64; then m = 7.6 / 1.9 · ... for β₁ = β₂ = 0.9 and gradients 8, 7.8.
    m_hat, v_hat = (0.9 * 0.8 + 0.1 * 7.8) / 0.19, (0.9 * 6.4 + 0.1 * 7.8**2) / 0.19
    expected = [3.9, 3.9 - 0.1 * m_hat / math.sqrt(v_hat)]
    np.testing.assert_allclose(points(Adam(0.9, 0.9)), expected, rtol=1e-8)


@pytest.mark.parametrize(
    "optimizer", [SGD(), Momentum(), ASGD(t0=2), Adam(), Adam(amsgrad=True), RMSProp(centered=True)], **by_repr
)
def test_inside_a_users_function(optimizer, dtype):
    params, by_hand = start(dtype), start(dtype)
    factors = np.arange(1, params.size + 1).astype(dtype)
    state = descend(optimizer, 0.01, params, 12)
    points, expected = run(optimizer, by_hand, 12, of=lambda x: 2 * factors * x)
    tolerance = 1e-13 if dtype == np.float64 else 1e-5
    np.testing.assert_allclose(params, points[-1], rtol=tolerance, atol=tolerance)
    assert type(state) is type(expected)
    for name, value in arrays_of(expected).items():
        np.testing.assert_allclose(arrays_of(state)[name], value, rtol=tolerance, atol=tolerance)
    # And a state that Python has kept.
    whole = start(dtype)
    descend(optimizer, 0.01, whole, 20)
    go_on(optimizer, 0.01, params, state, 8)
    np.testing.assert_array_equal(params, whole)


def test_nan_stays_visible(dtype):
    for optimizer in KINDS:
        g = np.ones(20, dtype)
        g[3], g[11] = np.nan, np.inf
        params = np.ones(20, dtype)
        update(optimizer, 0.1, g, init_state(optimizer, params), params)
        expected = [3] if isinstance(optimizer, Rprop) else [3, 11]  # infinity has a sign, and Rprop takes no more
        assert np.flatnonzero(~np.isfinite(params)).tolist() == expected, optimizer


# The tuples.


@pytest.mark.parametrize(
    ("kind", "field", "value", "words"),
    [
        *((Momentum, "beta", value, "a number in [0, 1)") for value in (-0.1, 1, 1.5, math.nan, math.inf)),
        *((Nesterov, "beta", value, "a number in [0, 1)") for value in (-1e-9, 1.0, math.nan)),
        *((Adam, "beta1", value, "a number in [0, 1)") for value in (-0.1, 1, math.nan)),
        *((Adam, "beta2", value, "a number in [0, 1)") for value in (-0.1, 1, math.inf)),
        *((Adam, "eps", value, "a positive finite number") for value in (0, -1e-8, math.nan, math.inf)),
        *((AdamW, "weight_decay", value, "a finite number, 0 or larger") for value in (-0.1, math.nan, math.inf)),
        *((Rprop, "etaminus", value, "a number in (0, 1)") for value in (0, 1, math.nan)),
        *((Rprop, "etaplus", value, "a finite number larger than 1") for value in (1, math.inf, math.nan)),
        *((ASGD, "alpha", value, "a finite number") for value in (math.inf, math.nan)),
    ],
)
def test_hyperparameters_are_checked(kind, field, value, words):
    with pytest.raises(ValueError) as caught:
        kind(**{field: value})
    assert str(caught.value) == f"{kind.__name__}: {field} must be {words}, got {value!r}"
    with pytest.raises(ValueError, match=f"{kind.__name__}: {field} must be"):
        kind()._replace(**{field: value})
    with pytest.raises(ValueError, match=f"{kind.__name__}: {field} must be"):
        kind._make(value if name == field else default for name, default in kind()._asdict().items())


def test_hyperparameters_are_of_their_type():
    for bad in ("0.9", None, True, [0.9], 1j):
        with pytest.raises(TypeError, match=r"Momentum: beta must be a number in \[0, 1\), got"):
            Momentum(bad)
    for bad in (1, 0.0, "yes", None):
        with pytest.raises(TypeError, match="Adam: amsgrad must be True or False, got"):
            Adam(amsgrad=bad)
    with pytest.raises(TypeError, match="unexpected keyword argument 'lr'"):
        Adam(lr=0.1)
    with pytest.raises(TypeError, match="positional argument"):
        SGD(0.1, False, 0.1)


def test_integers_are_fine():
    optimizer = Adam(0, np.float32(0.5), eps=1)
    assert optimizer == Adam(0.0, 0.5, 1.0)
    assert [type(value) for value in optimizer] == [float, float, float, bool, float, bool]
    assert type(Adam(amsgrad=np.True_).amsgrad) is bool


@pytest.mark.parametrize("optimizer", TABLE, **by_repr)
def test_the_tuples_are_plain_values(optimizer):
    for twin in (pickle.loads(pickle.dumps(optimizer)), copy.deepcopy(optimizer), eval(repr(optimizer))):
        assert type(twin) is type(optimizer)
        assert twin == optimizer
        assert hash(twin) == hash(optimizer)
    assert type(optimizer)._make(list(optimizer)) == optimizer
    assert optimizer._replace() == optimizer
    assert isinstance(optimizer, tuple)


def test_defaults():
    assert SGD() == (0.0, False)
    assert Momentum() == (0.9, 0.0, 0.0, False)
    assert Nesterov() == (0.9, 0.0, False)
    assert ASGD() == (1e-4, 0.75, 1e6, 0.0, False)
    assert Adagrad() == (1e-10, 0.0, 0.0, 0.0, False)
    assert Adadelta() == (0.9, 1e-6, 0.0, False)
    assert RMSProp() == (0.99, 1e-8, False, 0.0, 0.0, False)
    assert Rprop() == (0.5, 1.2, 1e-6, 50.0, False)
    assert Adam() == (0.9, 0.999, 1e-8, False, 0.0, False)
    assert AdamW() == (0.9, 0.999, 1e-8, False, 0.01, False)
    assert Adamax() == (0.9, 0.999, 1e-8, 0.0, False)
    assert NAdam() == (0.9, 0.999, 1e-8, 4e-3, False, 0.0, False)
    assert RAdam() == (0.9, 0.999, 1e-8, False, 0.0, False)
    assert repr(Rprop()) == "Rprop(etaminus=0.5, etaplus=1.2, step_size_min=1e-06, step_size_max=50.0, maximize=False)"


# What `update` says about its arguments, before it changes anything.


@pytest.mark.parametrize("lr", [-0.1, math.nan, math.inf, -math.inf])
def test_the_rate_is_checked(lr):
    params = np.ones(3)
    with pytest.raises(ValueError, match="update: lr must be a finite number, 0 or larger, got"):
        update(SGD(), lr, np.ones(3), init_state(SGD(), params), params)
    np.testing.assert_array_equal(params, 1)


@pytest.mark.parametrize("lr", ["0.1", None, True, [0.1], fastgd.ExponentialDecay(0.1, 1)])
def test_the_rate_is_a_number(lr):
    with pytest.raises(TypeError, match="update: lr must be a finite number, 0 or larger, got"):
        update(SGD(), lr, np.ones(3), init_state(SGD(), np.ones(3)), np.ones(3))


def test_the_arrays_are_checked():
    state = init_state(SGD(), np.ones(3))
    locked = np.ones(3)
    locked.flags.writeable = False
    for grads, params, error, message in [
        (np.ones(3), [1.0, 2.0, 3.0], TypeError, "params must be a float32 or float64 array, got list"),
        (np.ones(3), np.ones(3, int), TypeError, "params must be a float32 or float64 array, got dtype int64"),
        (np.ones(3), np.ones(3, ">f8"), TypeError, "params must be a float32 or float64 array, got dtype >f8"),
        (np.ones(3), np.ones((3, 1)), ValueError, "params must be a 1-D, contiguous, writable array, got shape"),
        (np.ones(3), np.ones(6)[::2], ValueError, "params must be a 1-D, contiguous, writable array, got a strided"),
        (np.ones(3), locked, ValueError, "params must be a 1-D, contiguous, writable array, got a read-only"),
        ([1.0, 2.0, 3.0], np.ones(3), TypeError, "grads must be an array of the dtype of params, float64, got list"),
        (np.ones(3, "f4"), np.ones(3), TypeError, "grads must be an array of the dtype of params, float64, got dtype"),
        (np.ones(2), np.ones(3), ValueError, r"grads must be a contiguous array of the shape of params, \(3,\), got"),
        (np.ones(6)[::2], np.ones(3), ValueError, "grads must be a contiguous array of the shape of params"),
    ]:
        with pytest.raises(error, match=f"update: {message}"):
            update(SGD(), 0.1, grads, state, params)
    for params in ([1.0], np.ones(3, int), np.ones((3, 1)), np.ones(6)[::2]):
        with pytest.raises((TypeError, ValueError), match="init_state: params must be"):
            init_state(Adam(), params)


def test_a_gradient_that_may_only_be_read():
    params, grads = np.ones(3), np.ones(3)
    grads.flags.writeable = False
    update(SGD(), 0.5, grads, init_state(SGD(), params), params)
    np.testing.assert_array_equal(params, 0.5)


def test_what_is_no_optimizer():
    for other, name in [(0.1, "float"), (None, "NoneType"), (fastgd.ExponentialDecay(0.1, 1), "ExponentialDecay")]:
        with pytest.raises(TypeError, match=f"expected an optimizer, got {name}, which is not registered as one"):
            init_state(other, np.ones(3))
        with pytest.raises(TypeError, match=r"see fastgd.register_optimizer"):
            update(other, 0.1, np.ones(3), (), np.ones(3))
    with pytest.raises(
        TypeError, match=r"init_state: expected an optimizer, got the class Adam itself; write Adam\(\)"
    ):
        init_state(Adam, np.ones(3))


def test_moments_keep_nan():
    params = np.ones(1)
    state = fastgd.init_state(Adam(), params)
    fastgd.update(Adam(), 1e-3, np.array([np.nan]), state, params)
    assert np.isnan(params[0])


LAYOUT = [(0, 2, 2), (4, 1, 3)]
BY_RANGES = [
    fastgd.LAMB(layout=LAYOUT),
    fastgd.LARS(layout=LAYOUT),
    fastgd.Adafactor(layout=LAYOUT),
    fastgd.Freeze(SGD(), 2, 3),
    fastgd.ParameterGroups((fastgd.ParameterGroup(SGD(), 1, 4),)),
]


@pytest.mark.parametrize("optimizer", BY_RANGES, ids=lambda optimizer: type(optimizer).__name__)
def test_compiled_code_may_step_a_column(optimizer):
    @fastgd.njit(cache=False)
    def compiled(optimizer, grads, params):
        state = fastgd.init_state(optimizer, params)
        for _ in range(2):
            fastgd.update(optimizer, 0.1, grads, state, params)

    table, gradients = np.ones((7, 3)), np.full((7, 3), np.nan)
    column, grads, expected = table[::-1, 1], gradients[:, 1], np.arange(1.0, 8)
    column[:], grads[:] = expected, np.cos(expected)
    state = init_state(optimizer, expected)
    for _ in range(2):
        update(optimizer, 0.1, np.cos(np.arange(1.0, 8)), state, expected)
    compiled(optimizer, grads, column)
    np.testing.assert_allclose(column, expected, rtol=1e-14)
    column[:] = 1
    np.testing.assert_array_equal(table, 1)
