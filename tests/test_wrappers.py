"""Optimisers that hold another, around every optimiser, against what they do in plain NumPy."""

import copy
import pickle

import numpy as np
import pytest
from optimizer_table import REGISTERED, average_of, gradient, named_arrays, points_of, start, without_decay

import fastgd
from fastgd import (
    EMA,
    SGD,
    Accumulate,
    Adam,
    Freeze,
    Lookahead,
    Momentum,
    ParameterGroup,
    ParameterGroups,
    SkipNonfinite,
    init_state,
    update,
)
from fastgd._calls.states import is_elementwise

LR, STEPS = 0.01, 12
# Each wrapper around a few: without a state, with one, with an average.
INNER = [SGD(), Adam(amsgrad=True), fastgd.ASGD(t0=2)]
# With an average, with norms of parts, with moments of another type.
ONE_OF_A_KIND = {"ASGD", "Adafactor", "AdamBF16"}
by_name = {"ids": lambda optimizer: type(optimizer).__name__}


@pytest.mark.parametrize("inner", INNER, **by_name)
def test_ema(inner):
    params, plain = start(np.float64), points_of(inner, start(np.float64), STEPS, LR)
    optimizer = EMA(inner, decay=0.75)
    state = init_state(optimizer, params)
    np.testing.assert_array_equal(average_of(optimizer, state, params), params)
    average = plain[0]
    for k, point in enumerate(plain):
        update(optimizer, LR, gradient(params), state, params)
        np.testing.assert_array_equal(params, point)
        average = average if k == 0 else 0.75 * average + 0.25 * point
        np.testing.assert_allclose(average_of(optimizer, state, params), average, rtol=1e-14)


@pytest.mark.parametrize("inner", INNER, **by_name)
def test_lookahead(inner):
    params = start(np.float64)
    optimizer = Lookahead(inner, k=3, alpha=0.25)
    state = init_state(optimizer, params)
    fast, slow = params.copy(), params.copy()
    inner_state = init_state(inner, fast)
    for k in range(1, STEPS + 1):
        update(optimizer, LR, gradient(params), state, params)
        update(inner, LR, gradient(fast), inner_state, fast)
        if k % 3 == 0:
            slow = slow + 0.25 * (fast - slow)
            fast[:] = slow
        np.testing.assert_allclose(params, fast, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(average_of(optimizer, state, params), slow, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("inner", INNER, **by_name)
def test_accumulate(inner):
    rng = np.random.default_rng(3)
    params, expected = start(np.float64), start(np.float64)
    optimizer = Accumulate(inner, steps=3)
    state, inner_state = init_state(optimizer, params), init_state(inner, expected)
    for _ in range(4):
        grads = rng.normal(size=(3, params.size))
        for k, g in enumerate(grads):
            before = params.copy()
            update(optimizer, LR * (k + 1), g, state, params)
            if k < 2:
                np.testing.assert_array_equal(params, before)
        update(inner, 3 * LR, grads.mean(axis=0), inner_state, expected)
        np.testing.assert_allclose(params, expected, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(
        average_of(optimizer, state, params), average_of(inner, inner_state, expected), rtol=1e-11, atol=1e-12
    )


def test_accumulate_loses_no_digits():
    n, params = 100_000, np.zeros(1, np.float32)
    optimizer = Accumulate(SGD(), steps=n)

    @fastgd.njit(cache=False)
    def calls(optimizer, grads, state, params, n):
        for _ in range(n):
            fastgd.update(optimizer, 1.0, grads, state, params)

    calls(optimizer, np.full(1, 0.1, np.float32), init_state(optimizer, params), params, n)
    assert params[0] == -np.float32(0.1)  # by a plain sum -0.0999


@pytest.mark.parametrize("inner", INNER, **by_name)
def test_skip_nonfinite(inner):
    params = start(np.float64)
    optimizer = SkipNonfinite(inner)
    state = init_state(optimizer, params)
    for point in points_of(inner, start(np.float64), STEPS, LR):
        for bad in (np.nan, np.inf, -np.inf):
            g = gradient(params)
            g[5] = bad
            before = [array.copy() for _, array in named_arrays(state.inner)] + [params.copy()]
            update(optimizer, LR, g, state, params)
            after = [array for _, array in named_arrays(state.inner)] + [params]
            for pair in zip(before, after, strict=True):
                np.testing.assert_array_equal(*pair)
        update(optimizer, LR, gradient(params), state, params)
        np.testing.assert_array_equal(params, point)
    assert state.skipped.tolist() == [3 * STEPS]


def test_every_place_of_a_bad_gradient_is_seen():
    optimizer = SkipNonfinite(SGD())
    for dtype in (np.float32, np.float64):
        for size in (1, 7, 8, 33, 257):
            params = np.ones(size, dtype)
            state = init_state(optimizer, params)
            for i in range(size):
                g = np.full(size, np.finfo(dtype).max)
                g[i] = (np.nan, np.inf, -np.inf)[i % 3]
                update(optimizer, 0.1, g, state, params)
            assert state.skipped[0] == size
            np.testing.assert_array_equal(params, 1)


@pytest.mark.parametrize("inner", INNER, **by_name)
def test_groups_go_their_own_ways(inner):
    params = start(np.float64)
    n, middle = params.size, 20
    optimizer = ParameterGroups(
        (ParameterGroup(inner, 2, middle, lr_factor=0.5), ParameterGroup(inner, middle, n, weight_decay=0.2))
    )
    state = init_state(optimizer, params)
    first, second = params[2:middle].copy(), params[middle:].copy()
    states = init_state(inner, first), init_state(inner, second)
    for _ in range(STEPS):
        g = gradient(params)
        update(optimizer, LR, g, state, params)
        update(inner, LR * 0.5, g[2:middle], states[0], first)
        second *= 1 - LR * 0.2
        update(inner, LR, g[middle:], states[1], second)
        np.testing.assert_allclose(params[2:], np.concatenate([first, second]), rtol=1e-14, atol=1e-14)
        np.testing.assert_array_equal(params[:2], start(np.float64)[:2])
    expected = np.concatenate([params[:2], average_of(inner, states[0], first), average_of(inner, states[1], second)])
    np.testing.assert_allclose(average_of(optimizer, state, params), expected, rtol=1e-14, atol=1e-14)


def test_groups_of_several_kinds():
    params = np.ones(4)
    optimizer = ParameterGroups(
        (ParameterGroup(SGD(), 0, 1), ParameterGroup(Momentum(0.5), 1, 3, 2.0), ParameterGroup(Adam(), 3, 4))
    )
    state = init_state(optimizer, params)
    for _ in range(2):
        update(optimizer, 0.1, np.ones(4), state, params)
    np.testing.assert_allclose(params, [0.8, 0.5, 0.5, 0.8], rtol=1e-7)

    @fastgd.njit(cache=False)
    def compiled(optimizer, params):
        state = fastgd.init_state(optimizer, params)
        for _ in range(2):
            fastgd.update(optimizer, 0.1, np.ones(4), state, params)
        return state

    again = np.ones(4)
    states = compiled(optimizer, again)
    np.testing.assert_array_equal(again, params)
    assert [name for name, _ in named_arrays(states)] == [name for name, _ in named_arrays(state)]


@pytest.mark.parametrize("inner", INNER, **by_name)
@pytest.mark.parametrize(("low", "high"), [(0, 5), (5, 20), (30, 37)])
def test_freeze(inner, low, high):
    params = start(np.float64)
    optimizer = Freeze(inner, low, high)
    state = init_state(optimizer, params)
    before, behind = params[:low].copy(), params[high:].copy()
    states = init_state(inner, before), init_state(inner, behind)
    for _ in range(STEPS):
        g = gradient(params)
        g[low:high] = np.nan  # nobody looks
        update(optimizer, LR, g, state, params)
        update(inner, LR, g[:low], states[0], before)
        update(inner, LR, g[high:], states[1], behind)
    np.testing.assert_array_equal(params, np.concatenate([before, start(np.float64)[low:high], behind]))
    expected = np.concatenate(
        [average_of(inner, states[0], before), params[low:high], average_of(inner, states[1], behind)]
    )
    np.testing.assert_array_equal(average_of(optimizer, state, params), expected)


# All wrappers around every optimiser, in two nests. Each is a compilation of some seconds: by default of one of a kind.
EVERY_INNER = [
    pytest.param(cls, marks=() if cls.__name__ in ONE_OF_A_KIND else pytest.mark.sweep, id=cls.__name__)
    for cls in REGISTERED
]


@pytest.mark.parametrize("cls", EVERY_INNER)
def test_four_deep(cls):
    inner = cls()
    optimizer = SkipNonfinite(EMA(Accumulate(Lookahead(inner, k=2, alpha=0.25), steps=3), decay=0.75))
    rng = np.random.default_rng(3)
    params = start(np.float64)
    state = init_state(optimizer, params)
    fast, slow, average = params.copy(), params.copy(), None
    inner_state = init_state(inner, fast)
    for k in range(1, 4 + 1):
        grads = rng.normal(size=(3, params.size))
        for i, g in enumerate(grads):
            update(optimizer, LR, np.full(params.size, np.nan), state, params)
            update(optimizer, LR, g, state, params)
            if i < 2:
                average = fast.copy() if average is None else 0.75 * average + 0.25 * fast
        update(inner, LR, grads.mean(axis=0), inner_state, fast)
        if k % 2 == 0:
            slow += 0.25 * (fast - slow)
            fast[:] = slow
        average = 0.75 * average + 0.25 * fast
        np.testing.assert_allclose(params, fast, rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose(average_of(optimizer, state, params), average, rtol=1e-9, atol=1e-10)
    assert state.skipped[0] == 12


@pytest.mark.parametrize("cls", EVERY_INNER)
def test_ranges_of_every_optimizer(cls):
    inner = without_decay(cls())
    params = start(np.float64)
    optimizer = ParameterGroups(
        (ParameterGroup(inner, 2, 20, lr_factor=0.5), ParameterGroup(Freeze(inner, 3, 7), 20, 37, weight_decay=0.2))
    )
    state = init_state(optimizer, params)
    bounds = [(2, 20, 0.5, 0.0), (20, 23, 1.0, 0.2), (27, 37, 1.0, 0.2)]
    parts = [params[low:high].copy() for low, high, _, _ in bounds]
    states = [init_state(inner, part) for part in parts]
    for _ in range(STEPS):
        g = gradient(params)
        update(optimizer, LR, g, state, params)
        for (low, high, factor, decay), part, part_state in zip(bounds, parts, states, strict=True):
            part *= 1 - factor * LR * decay
            update(inner, factor * LR, g[low:high].copy(), part_state, part)
            np.testing.assert_allclose(params[low:high], part, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(params[:2], start(np.float64)[:2])
    np.testing.assert_allclose(params[23:27], start(np.float64)[23:27] * (1 - 0.2 * LR) ** STEPS, rtol=1e-12)
    average = average_of(optimizer, state, params)
    for (low, high, _, _), part, part_state in zip(bounds, parts, states, strict=True):
        np.testing.assert_allclose(average[low:high], average_of(inner, part_state, part), rtol=1e-12, atol=1e-12)


DEEP = SkipNonfinite(EMA(Accumulate(Lookahead(Adam(), k=2), steps=2), decay=0.5))
WRAPPERS = [
    EMA(Adam()),
    Lookahead(Momentum()),
    Accumulate(Adam(), 3),
    SkipNonfinite(SGD()),
    Freeze(Adam(), 3, 9),
    ParameterGroup(Adam(), 3, 9),
    ParameterGroups((ParameterGroup(Adam(), 0, 3), ParameterGroup(SGD(), 3, 9, 0.5))),
    DEEP,
]


@pytest.mark.parametrize("optimizer", WRAPPERS, ids=str)
def test_they_are_plain_values(optimizer):
    for twin in (pickle.loads(pickle.dumps(optimizer)), copy.deepcopy(optimizer), eval(repr(optimizer))):
        assert type(twin) is type(optimizer)
        assert twin == optimizer


@pytest.mark.parametrize("optimizer", WRAPPERS, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, pytest.param(np.float64, marks=pytest.mark.sweep)])
def test_saved_and_restored_they_go_on_bit_for_bit(optimizer, dtype):
    def run(params, state, n_steps):
        for _ in range(n_steps):
            update(optimizer, LR, gradient(params), state, params)

    params = start(dtype)
    state = init_state(optimizer, params)
    run(params, state, 5)
    saved_params, saved = params.copy(), pickle.loads(pickle.dumps(state))
    run(params, state, 8)
    run(saved_params, saved, 8)
    np.testing.assert_array_equal(saved_params, params)
    for (name, array), (other, again) in zip(named_arrays(state), named_arrays(saved), strict=True):
        assert name == other
        np.testing.assert_array_equal(array, again)


@pytest.mark.parametrize("optimizer", [EMA(Adam()), DEEP.inner], ids=str)
def test_threads_share_what_is_elementwise(optimizer, shared_from_the_start):
    assert is_elementwise(optimizer)
    assert not is_elementwise(DEEP)

    def run(threads):
        params = start(np.float32, 5000)
        state = init_state(optimizer, params)
        for _ in range(7):
            update(optimizer, LR, gradient(params), state, params, threads=threads)
        return [params, *(array for _, array in named_arrays(state))]

    for one, three in zip(run(1), run(3), strict=True):
        np.testing.assert_array_equal(one, three)


def test_inside_fit():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3)).astype(np.float32)
    y = (X @ np.array([1, -2, 0.5], np.float32) > 0).astype(np.float32)
    arguments = {"lr": 0.05, "batch_size": 20, "epochs": 3}
    neuron = fastgd.Neuron(3)
    frozen = fastgd.fit(neuron, X, y, optimizer=Freeze(Adam(), 1, 3), **arguments)
    first = fastgd.init_params(neuron)
    np.testing.assert_array_equal(frozen.params[1:3], first[1:3])
    assert (frozen.params[[0, 3]] != first[[0, 3]]).all()
    averaged = fastgd.fit(neuron, X, y, optimizer=EMA(Adam(), 0.9), **arguments)
    np.testing.assert_array_equal(averaged.params, averaged.state.average)
    plain = fastgd.fit(neuron, X, y, optimizer=Adam(), **arguments)
    assert (averaged.params != plain.params).all()
    assert averaged.loss == plain.loss  # of the batches, at the points where the gradients were taken


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: EMA(0.5), TypeError, "EMA: inner: expected an optimizer, got float"),
        (lambda: EMA(Adam), TypeError, r"EMA: inner: expected an optimizer, got the class Adam itself; write Adam\(\)"),
        (lambda: EMA(Adam(), 1.0), ValueError, r"EMA: decay must be a number in \[0, 1\), got 1.0"),
        (lambda: Lookahead(Adam(), 0), ValueError, "Lookahead: k must be an integer, 1 or larger, got 0"),
        (lambda: Lookahead(Adam(), 5, 1.5), ValueError, r"Lookahead: alpha must be a number in \[0, 1\], got 1.5"),
        (lambda: Accumulate(Adam(), 0), ValueError, "Accumulate: steps must be an integer, 1 or larger, got 0"),
        (lambda: Accumulate(Adam(), 2.5), TypeError, "Accumulate: steps must be an integer, got 2.5"),
        (lambda: ParameterGroup(Adam(), -1, 3), ValueError, "ParameterGroup: start must be an integer, 0 or larger"),
        (lambda: ParameterGroup(Adam(), 3, 3), ValueError, "ParameterGroup: start must be less than stop, 3, got 3"),
        (
            lambda: ParameterGroup(Adam(), 0, 3, -1),
            ValueError,
            "ParameterGroup: lr_factor must be a finite number, 0 or",
        ),
        (lambda: ParameterGroups(()), TypeError, "ParameterGroups: groups must be a tuple of one or more"),
        (lambda: ParameterGroups((Adam(),)), TypeError, "ParameterGroups: groups must be a tuple of one or more"),
        (
            lambda: ParameterGroups((ParameterGroup(Adam(), 0, 3), ParameterGroup(Adam(), 2, 4))),
            ValueError,
            "ParameterGroups: groups must follow one another",
        ),
        (
            lambda: ParameterGroup(Accumulate(Adam(), 2), 0, 3, weight_decay=0.1),
            ValueError,
            "ParameterGroup: weight_decay would be done at every call, where Accumulate does a step at some",
        ),
        (
            lambda: ParameterGroup(EMA(Accumulate(Adam(), 2), 0.9), 0, 3, weight_decay=0.1),
            ValueError,
            "ParameterGroup: weight_decay would be done at every call, where Accumulate does a step at some",
        ),
        (lambda: Freeze(Adam(), 4, 2), ValueError, "Freeze: start must be less than stop, 2, got 4"),
    ],
)
def test_what_they_cannot_be(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("optimizer", [ParameterGroup(SGD(), 1, 4), Freeze(SGD(), 1, 4)], ids=str)
def test_a_range_beyond_the_vector(optimizer):
    name = type(optimizer).__name__
    with pytest.raises(ValueError, match=f"^EMA: {name}: stop must be at most the number of parameters"):
        init_state(EMA(optimizer), np.ones(3))

    @fastgd.njit(cache=False)
    def compiled(optimizer, params):
        return fastgd.init_state(optimizer, params)

    with pytest.raises(ValueError, match="stop must be at most the number of parameters"):
        compiled(optimizer, np.ones(3))
    state = init_state(optimizer, np.ones(4))
    with pytest.raises(ValueError, match="stop must be at most the number of parameters"):
        update(optimizer, 0.1, np.ones(3), state, np.ones(3))
