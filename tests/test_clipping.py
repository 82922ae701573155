"""Clipping against plain NumPy, PyTorch and optax: the verbs, and the rules that `fit` takes."""

import importlib.util
import math
import re

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from numba.core.errors import TypingError

import fastgd
from fastgd import ClipAdaptively, ClipByNorm, ClipByValue, clip_adaptively, clip_by_norm, clip_by_value
from fastgd.clipping import NoClipping, adaptive, by_norm, norms
from fastgd.verbs import clip

DTYPES = [np.float32, np.float64]
RTOL = {np.float32: 1e-6, np.float64: 1e-13}
NOTHING = np.empty((0, 3), np.int64)  # the layout of a model that has none: the whole vector


@fastgd.njit
def norm_compiled(max_norm, grads, norm=2.0, layout=NOTHING):
    return fastgd.clip_by_norm(max_norm, grads, norm, layout)


@fastgd.njit
def value_compiled(limit, grads):
    fastgd.clip_by_value(limit, grads)


@fastgd.njit
def adaptively_compiled(clipping, params, grads, eps=1e-3, layout=NOTHING):
    return fastgd.clip_adaptively(clipping, params, grads, eps, layout)


@fastgd.njit
def by_rule(rule, norm, params, grads):
    return clip(rule, norm, params, grads)


@fastgd.njit
def with_every_form(n, params, grads):
    """Defaults, keywords, integers, tuples and a model's layout."""
    return (
        fastgd.clip_by_norm(9, grads),
        fastgd.clip_by_norm(9, grads, norm=np.inf),
        fastgd.clip_by_norm(2, grads, layout=((0, 1, n), (n, 1, 1))),
        fastgd.clip_by_norm(2, grads, layout=fastgd.layout(fastgd.Neuron(n))),
        fastgd.clip_adaptively(1, params, grads),
        fastgd.clip_adaptively(0.5, params, grads, layout=((0, 1, n), (n, 1, 1))),
    )


NORM_VERBS = [clip_by_norm, norm_compiled]
VALUE_VERBS = [clip_by_value, value_compiled]
ADAPTIVE_VERBS = [clip_adaptively, adaptively_compiled]


@st.composite
def layouts(draw):
    """Matrices, rows and columns, one after the other; or none."""
    shapes = draw(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 40)), max_size=4))
    starts = np.cumsum([0, *(rows * columns for rows, columns in shapes)]).tolist()
    return tuple((start, *shape) for start, shape in zip(starts, shapes, strict=False))


def vectors(dtype, layout, size, seed):
    """Parameters and a gradient, of sizes that differ from unit to unit."""
    size = sum(rows * columns for _, rows, columns in layout) or size
    rng = np.random.default_rng(seed)
    scales = np.ones(size)
    for unit in reference.units(layout, size):
        scales[unit] = 10.0 ** rng.uniform(-4, 3)
    params, g = rng.normal(size=(2, size))
    return (0.1 * params).astype(dtype), (g * scales).astype(dtype)


def part_norms(g, order, layout):
    return [
        reference.norm(g[start : start + rows * columns], order) for start, rows, columns in layout or [(0, 1, g.size)]
    ]


@pytest.mark.parametrize("dtype", DTYPES)
@settings(deadline=None)
@given(
    layout=layouts(),
    size=st.integers(0, 70),
    seed=st.integers(0, 1000),
    order=st.sampled_from([2, math.inf]),
    limit=st.floats(1e-4, 1e4),
)
def test_norms_against_numpy(dtype, layout, size, seed, order, limit):
    g = vectors(dtype, layout, size, seed)[1]
    before = part_norms(g, order, layout)
    for verb in NORM_VERBS:
        clipped = g.copy()
        largest = verb(limit, clipped, float(order), np.array(layout).reshape(-1, 3).astype(int))
        assert largest == pytest.approx(max(before), rel=0 if order == math.inf else 1e-14)
        assert clipped.dtype == dtype
        np.testing.assert_allclose(clipped, reference.clip_by_norm(limit, g, order, layout), rtol=RTOL[dtype])
        if largest <= limit:
            np.testing.assert_array_equal(clipped, g)
        assert max(part_norms(clipped, order, layout)) <= limit * (1 + RTOL[dtype])


def test_compiled_code_may_clip_a_column():
    layout = np.array([[0, 2, 2], [4, 1, 3]])
    params, g = vectors(np.float64, layout.tolist(), 7, 0)
    for stride in (3, -1):
        for verb, read in ((norm_compiled, ()), (adaptively_compiled, (np.repeat(params, 3)[::3],))):
            table, expected = np.ones((7, 3)), g.copy()
            column = table[:, 1] if stride == 3 else table.ravel()[6::-1]
            column[:] = g
            assert verb(1e-3, *read, column, layout=layout) == verb(1e-3, *read, expected, layout=layout)
            np.testing.assert_array_equal(column, expected)
            column[:] = 1
            np.testing.assert_array_equal(table, 1)


@pytest.mark.parametrize("dtype", DTYPES)
@settings(deadline=None)
@given(size=st.integers(0, 70), seed=st.integers(0, 1000), limit=st.floats(1e-4, 1e4))
def test_values_against_numpy(dtype, size, seed, limit):
    g = vectors(dtype, (), size, seed)[1]
    for verb in VALUE_VERBS:
        clipped = g.copy()
        assert verb(limit, clipped) is None
        np.testing.assert_array_equal(clipped, reference.clip_by_value(dtype(limit), g))


@pytest.mark.parametrize("dtype", DTYPES)
@settings(deadline=None)
@given(
    layout=layouts(),
    size=st.integers(0, 70),
    seed=st.integers(0, 1000),
    eps=st.sampled_from([1e-3, 0.5]),
    limit=st.floats(1e-4, 1e4),
)
def test_adaptive_against_numpy(dtype, layout, size, seed, eps, limit):
    params, g = vectors(dtype, layout, size, seed)
    units = list(reference.units(layout, g.size))
    ratios = [reference.norm(g[unit]) / max(reference.norm(params[unit]), eps) for unit in units]
    for verb in ADAPTIVE_VERBS:
        clipped = g.copy()
        largest = verb(limit, params, clipped, eps, np.array(layout).reshape(-1, 3).astype(int))
        assert largest == pytest.approx(max(ratios), rel=1e-13)
        assert clipped.dtype == dtype
        expected = reference.clip_adaptively(limit, params, g, eps, layout)
        np.testing.assert_allclose(clipped, expected, rtol=RTOL[dtype])
        if largest <= limit:
            np.testing.assert_array_equal(clipped, g)


@pytest.mark.parametrize("dtype", DTYPES)
def test_by_hand(dtype):
    g = np.array([3, 0, -4], dtype)
    assert clip_by_norm(5, g) == 5
    np.testing.assert_array_equal(g, np.array([3, 0, -4], dtype))
    assert clip_by_norm(2.5, g) == 5
    np.testing.assert_array_equal(g, np.array([1.5, 0, -2], dtype))
    clip_by_value(1.75, g)
    np.testing.assert_array_equal(g, np.array([1.5, 0, -1.75], dtype))
    assert clip_by_norm(0.875, g, norm=math.inf) == 1.75
    np.testing.assert_array_equal(g, np.array([0.75, 0, -0.875], dtype))
    # Two rows of two, and a column of two, which is one unit: ratios 5 / 5, 2 / 1 and 10 / (least) 4.
    params, g = np.array([3, 4, 0, 1, 0, 0], dtype), np.array([4, 3, 0, 2, 6, 8], dtype)
    assert clip_adaptively(1.5, params, g, eps=4, layout=((0, 2, 2), (4, 2, 1))) == 2.5
    np.testing.assert_allclose(g, np.array([4, 3, 0, 2, 3.6, 4.8], dtype), rtol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_in_compiled_code(dtype):
    g, params = np.array([6, 8, 1], dtype), np.array([0.3, 0.4, 0.5], dtype)
    norms = with_every_form(2, params, g)
    np.testing.assert_allclose(norms, [math.sqrt(101), 8 * 9 / math.sqrt(101), *norms[2:]], rtol=1e-6)
    assert norms[2] == pytest.approx(90 / math.sqrt(101), rel=1e-6)
    assert norms[3] == pytest.approx(2, rel=1e-6)
    np.testing.assert_allclose(g[:2] / g[0], [1, 4 / 3], rtol=1e-6)
    assert np.hypot(*g[:2]) == pytest.approx(0.25, rel=1e-6)
    assert g[2] == pytest.approx(0.25, rel=1e-6)


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
@pytest.mark.parametrize("order", [2.0, math.inf])
@pytest.mark.parametrize("dtype", DTYPES)
def test_norms_are_those_of_pytorch(dtype, order):
    import torch

    layout = ((0, 5, 7), (35, 5, 1), (40, 1, 5))
    g = vectors(dtype, layout, 0, 3)[1]

    def in_torch(parts, max_norm):
        tensors = [torch.zeros(part.size, dtype=torch.from_numpy(part).dtype) for part in parts]
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.grad = torch.from_numpy(part.copy())
        norm = torch.nn.utils.clip_grad_norm_(tensors, max_norm, norm_type=order).item()
        return norm, [tensor.grad.numpy() for tensor in tensors]

    parts = [g[start : start + rows * columns] for start, rows, columns in layout]
    for max_norm in (1e-2, 1.0, 1e5):
        # PyTorch divides by the norm + 1e-6.
        norm, peers = in_torch(parts, max_norm)
        clipped = g.copy()
        assert clip_by_norm(max_norm, clipped, order) == pytest.approx(norm, rel=1e-6)
        clipped *= norm / (norm + 1e-6) if norm > max_norm else 1
        np.testing.assert_allclose(clipped, np.concatenate(peers), rtol=RTOL[dtype])

        peers = [in_torch([part], max_norm) for part in parts]
        clipped = g.copy()
        largest = clip_by_norm(max_norm, clipped, order, layout)
        assert largest == pytest.approx(max(norm for norm, _ in peers), rel=1e-6)
        for (start, rows, columns), (norm, peer) in zip(layout, peers, strict=True):
            part = clipped[start : start + rows * columns]
            part *= norm / (norm + 1e-6) if norm > max_norm else 1
            np.testing.assert_allclose(part, peer[0], rtol=2 * RTOL[dtype])


@pytest.mark.skipif(importlib.util.find_spec("optax") is None, reason="optax is not installed")
@pytest.mark.parametrize("limit", [1e-2, 1.0, 1e5])
def test_rules_are_those_of_optax(limit):
    import optax

    layout = ((0, 5, 7), (35, 5, 1), (40, 1, 5))
    params, g = vectors(np.float32, layout, 0, 3)

    def in_optax(method):
        """Its matrices are the other way round: inputs by outputs."""
        trees = [
            [v[start : start + rows * columns].reshape(rows, columns).T for start, rows, columns in layout]
            for v in (g, params)
        ]
        updates, _ = method.update(trees[0], method.init(trees[1]), trees[1])
        return np.concatenate([np.asarray(part).T.ravel() for part in updates])

    for method, ours in [
        (optax.clip(limit), lambda v: clip_by_value(limit, v)),
        (optax.clip_by_global_norm(limit), lambda v: clip_by_norm(limit, v)),
        (optax.adaptive_grad_clip(limit), lambda v: clip_adaptively(limit, params, v, layout=layout)),
        (optax.adaptive_grad_clip(limit, 0.5), lambda v: clip_adaptively(limit, params, v, 0.5, layout)),
    ]:
        clipped = g.copy()
        ours(clipped)
        np.testing.assert_allclose(clipped, in_optax(method), rtol=1e-6)


def test_no_square_overflows_or_vanishes_in_float32():
    for size in (1e30, 1e-30, 2e37):
        g = np.array([3 * size, 4 * size], np.float32)
        assert clip_by_norm(size, g) == pytest.approx(5 * size, rel=1e-6)
        np.testing.assert_allclose(g, [0.6 * size, 0.8 * size], rtol=1e-6)
        params = np.array([6 * size, 8 * size], np.float32)
        g = params / 2
        assert clip_adaptively(0.25, params, g, eps=1e-40) == pytest.approx(0.5, rel=1e-6)
        np.testing.assert_allclose(g, params / 4, rtol=1e-6)
    # The factor is less than any float32, what comes out is not.
    g = np.array([3e38, -3e38], np.float32)
    assert clip_by_norm(1e-8, g) == pytest.approx(3e38 * math.sqrt(2), rel=1e-6)
    np.testing.assert_allclose(g, [1e-8 / math.sqrt(2), -1e-8 / math.sqrt(2)], rtol=1e-6)


@pytest.mark.parametrize(("size", "limit"), [(1e180, 1.0), (1e-200, 1e-210), (1e-320, 1e-323)])
def test_no_square_overflows_or_vanishes_in_float64(size, limit):
    grads = np.array([3.0, 4.0]) * size
    assert clip_by_norm(limit, grads) == pytest.approx(5 * size, rel=1e-3)
    np.testing.assert_allclose(grads, np.array([0.6, 0.8]) * limit, rtol=1e-12, atol=1e-323)


def test_sums_lose_no_digits_in_float32():
    g = np.random.default_rng(0).uniform(0.5, 1, 3_000_000).astype(np.float32)
    assert clip_by_norm(1e9, g) == pytest.approx(np.linalg.norm(g.astype(float)), rel=1e-13)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_largest_component_is_exact(dtype):
    info = np.finfo(dtype)
    for value in (info.max, info.tiny, info.smallest_subnormal, dtype(0.1), dtype(0)):
        for sign in (-1, 1):
            g = np.array([0, sign * value, -0.0, value / 2], dtype)
            assert norm_compiled(1e300, g, np.inf) == float(value)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_not_finite_is_never_hidden(dtype, bad):
    g = np.array([3, bad, 4, 100, 5], dtype)
    params = np.ones(5, dtype)
    for layout in (NOTHING, np.array([(0, 1, 2), (2, 3, 1)]), np.array([(0, 1, 3), (3, 1, 2)])):
        for verb in NORM_VERBS:
            for order in (2.0, np.inf):
                clipped = g.copy()
                assert not math.isfinite(verb(1.0, clipped, order, layout))
                np.testing.assert_array_equal(clipped, g)
        for verb in ADAPTIVE_VERBS:
            clipped = g.copy()
            assert not math.isfinite(verb(1.0, params, clipped, 1e-3, layout))
            np.testing.assert_array_equal(clipped, g)
    for verb in VALUE_VERBS:
        clipped = g.copy()
        verb(1.0, clipped)
        np.testing.assert_array_equal(clipped, np.clip(g, -1, 1))  # NaN stays NaN


@pytest.mark.parametrize("dtype", DTYPES)
def test_parameters_that_are_not_finite(dtype):
    for verb in ADAPTIVE_VERBS:
        g = np.array([3, 4], dtype)
        assert math.isnan(verb(1.0, np.array([np.nan, 1], dtype), g))
        assert verb(1.0, np.array([np.inf, 1], dtype), g) == 0
        np.testing.assert_array_equal(g, np.array([3, 4], dtype))


LAYOUT = ((0, 1, 2), (2, 1, 1))


@pytest.mark.parametrize("dtype", DTYPES)
def test_rules_tell_whether_they_changed_anything(dtype):
    g = np.array([3, -4, 0.5], dtype)
    params = np.array([0.06, 0.08, 1], dtype)
    norm = float(np.linalg.norm(g.astype(float)))
    for rule, expected in [
        (NoClipping(), None),
        (ClipByNorm(5.1), None),
        (ClipByNorm(500.0), None),
        (ClipByNorm(1.0), [3 / norm, -4 / norm, 0.5 / norm]),
        (ClipByNorm(4, math.inf), None),
        (ClipByNorm(2, math.inf), [1.5, -2, 0.25]),
        (ClipByNorm(5, layout=LAYOUT), None),
        (ClipByNorm(1, layout=LAYOUT), [0.6, -0.8, 0.5]),
        (ClipByNorm(0.25, math.inf, LAYOUT), [0.1875, -0.25, 0.25]),
        (ClipByValue(4.0), None),
        (ClipByValue(3.5), [3, -3.5, 0.5]),
        (ClipAdaptively(6), None),
        (ClipAdaptively(norm / 2 / math.hypot(0.1, 1)), [1.5, -2, 0.25]),
        (ClipAdaptively(51, layout=LAYOUT), None),
        (ClipAdaptively(10, layout=LAYOUT), [0.6, -0.8, 0.5]),
        (ClipAdaptively(1, eps=4, layout=LAYOUT), [2.4, -3.2, 0.5]),
    ]:
        clipped = g.copy()
        changed = by_rule(rule, norm, params, clipped)
        assert changed == (expected is not None), rule
        np.testing.assert_allclose(clipped, g if expected is None else expected, rtol=3e-7, err_msg=repr(rule))


@pytest.mark.parametrize("rule", [ClipByNorm(1e-3, math.inf, LAYOUT), ClipAdaptively(1e-3, layout=LAYOUT)], ids=repr)
def test_a_run_whose_gradient_is_not_finite(rule):
    """The policy decides before the rule is asked."""
    X, y = np.ones((40, 2)), np.ones(40)
    y[9] = 1e200  # its loss overflows
    arguments = {"batch_size": 8, "epochs": 2, "order": "sequential", "optimizer": fastgd.SGD(), "clip": rule}
    model = fastgd.Neuron(2, "identity")
    result = fastgd.fit(model, X, y, on_nonfinite="skip", **arguments)
    assert result.history["skipped"].tolist() == [1, 1]
    assert result.history["clipped"].tolist() == [4, 4]  # once a step, though both parts are clipped
    assert np.isfinite(result.params).all()
    with pytest.warns(RuntimeWarning, match="at step 1 the loss or gradient stopped being finite"):
        result = fastgd.fit(model, X, y, **arguments)
    assert (result.status, result.n_steps) == ("diverged", 1)
    with pytest.raises(FloatingPointError, match="at step 1 the loss or gradient"):
        fastgd.fit(model, X, y, on_nonfinite="raise", **arguments)


@pytest.mark.parametrize("rule", [ClipByNorm, ClipAdaptively])
def test_a_layout_that_does_not_suit_the_model(rule):
    for layout, covers in [(LAYOUT, 3), (((0, 1, 5),), 5)]:
        with pytest.raises(ValueError, match=f"fit: clip: layout must cover the 4 parameters, .*, got {covers}"):
            fastgd.fit(fastgd.Neuron(3), np.ones((4, 3)), np.ones(4), clip=rule(1.0, layout=layout))


ONES = np.ones(2)
LIMITS = [
    (ClipByNorm, "ClipByNorm", "max_norm"),
    (ClipByValue, "ClipByValue", "limit"),
    (ClipAdaptively, "ClipAdaptively", "clipping"),
    (lambda v: ClipAdaptively(eps=v), "ClipAdaptively", "eps"),
    (lambda v: clip_by_norm(v, np.ones(2)), "clip_by_norm", "max_norm"),
    (lambda v: clip_by_value(v, np.ones(2)), "clip_by_value", "limit"),
    (lambda v: clip_adaptively(v, ONES, np.ones(2)), "clip_adaptively", "clipping"),
    (lambda v: clip_adaptively(1, ONES, np.ones(2), eps=v), "clip_adaptively", "eps"),
]
COMPILED_LIMITS = [
    (lambda v: norm_compiled(v, np.ones(2)), "clip_by_norm", "max_norm"),
    (lambda v: value_compiled(v, np.ones(2)), "clip_by_value", "limit"),
    (lambda v: adaptively_compiled(v, ONES, np.ones(2)), "clip_adaptively", "clipping"),
    (lambda v: adaptively_compiled(1.0, ONES, np.ones(2), v), "clip_adaptively", "eps"),
]


@pytest.mark.parametrize("limit", [0.0, -1.0, math.nan, math.inf])
def test_limits_are_positive(limit):
    for call, owner, name in LIMITS:
        with pytest.raises(ValueError, match=f"{owner}: {name} must be a positive finite number, got"):
            call(limit)
    for call, owner, name in COMPILED_LIMITS:
        with pytest.raises(ValueError, match=f"{owner}: {name} must be a positive finite number"):
            call(limit)


@pytest.mark.parametrize("limit", ["1", None, True, [1.0], 1j])
def test_limits_are_numbers(limit):
    for call, _, _ in LIMITS:
        with pytest.raises(TypeError, match="must be a positive finite number, got"):
            call(limit)


@pytest.mark.parametrize("norm", [1, 0, -math.inf, math.nan, 3])
def test_norms_are_2_or_infinity(norm):
    for call, owner in [
        (lambda: ClipByNorm(1, norm), "ClipByNorm"),
        (lambda: clip_by_norm(1, np.ones(2), norm), "clip_by_norm"),
        (lambda: norm_compiled(1.0, np.ones(2), float(norm)), "clip_by_norm"),
    ]:
        with pytest.raises(ValueError, match=f"{owner}: norm must be 2 or math.inf"):
            call()


def test_layouts_are_checked():
    calls = {
        "ClipByNorm": lambda layout: ClipByNorm(1, layout=layout),
        "ClipAdaptively": lambda layout: ClipAdaptively(layout=layout),
        "clip_by_norm": lambda layout: clip_by_norm(1, np.ones(6), layout=layout),
        "clip_adaptively": lambda layout: clip_adaptively(1, np.ones(6), np.ones(6), layout=layout),
    }
    for owner, call in calls.items():
        for layout in ([(0, 1)], 3, "w", [(0.0, 1, 6)]):
            with pytest.raises(TypeError, match=f"{owner}: layout must be rows of"):
                call(layout)
        for layout in ([(1, 1, 5)], [(0, 1, 2), (3, 1, 3)], [(0, 0, 6)], [(0, -1, 6)]):
            with pytest.raises(ValueError, match=f"{owner}: layout must be "):
                call(layout)
        if owner.startswith("clip"):
            for layout in ([(0, 1, 5)], [(0, 2, 2), (4, 1, 3)]):
                with pytest.raises(ValueError, match=f"{owner}: layout must cover the 6 parameters, .*, got [57]"):
                    call(layout)
    for layout in ([(0, 1, 5)], [(0, 2, 2), (4, 1, 3)], [(1, 1, 5)], [(0, 1, 7), (7, 1, -1)], [(0, 1, 2), (0, 1, 4)]):
        with pytest.raises(ValueError, match="clip_by_norm: layout must cover the gradient, part after part"):
            norm_compiled(1.0, np.ones(6), 2.0, np.array(layout))
        with pytest.raises(ValueError, match="clip_adaptively: layout must cover the gradient, part after part"):
            adaptively_compiled(1.0, np.ones(6), np.ones(6), 1e-3, np.array(layout))
    for layout in (np.ones((1, 3)), np.array([0, 1, 6]), np.array([(0, 6)]).T, (0, 1, 6), ((0.0, 1.0, 6.0),)):
        with pytest.raises((TypingError, ValueError), match="layout must"):
            norm_compiled(1.0, np.ones(6), 2.0, layout)


VERBS = {
    "clip_by_norm": lambda grads: clip_by_norm(1.0, grads),
    "clip_by_value": lambda grads: clip_by_value(1.0, grads),
    "clip_adaptively": lambda grads: clip_adaptively(1.0, np.ones(np.size(grads)), grads),
}


@pytest.mark.parametrize("name", VERBS)
def test_gradients_are_checked(name):
    verb = VERBS[name]
    locked = np.ones(3)
    locked.flags.writeable = False
    for bad in ([1.0, 2.0], np.arange(3), np.ones(3, np.float16), np.ones(3, ">f8"), np.ones(3, complex)):
        with pytest.raises(TypeError, match=f"{name}: grads must be a float32 or float64 array, got"):
            verb(bad)
    for bad, came in [
        (np.ones((2, 2)), "shape (2, 2)"),
        (np.ones(()), "shape ()"),
        (np.ones(6)[::2], "a strided one"),
        (locked, "a read-only one"),
        (np.frombuffer(bytearray(25), np.uint8)[1:].view(float), "a misaligned one"),
    ]:
        message = f"{name}: grads must be a 1-D, contiguous, writable array, got {came}"
        with pytest.raises(ValueError, match=re.escape(message)):
            verb(bad)
    assert verb(np.empty(0)) in (0.0, None)


def test_parameters_are_checked():
    g = np.array([3.0, 4.0])
    with pytest.raises(ValueError, match=r"clip_adaptively: params must have as many elements as grads \(2\), got 3"):
        clip_adaptively(1, np.ones(3), g)
    with pytest.raises(ValueError, match="clip_adaptively: params must have as many elements as grads"):
        adaptively_compiled(1.0, np.ones(3), g)
    with pytest.raises(ValueError, match="clip_adaptively: params and grads must not share memory"):
        clip_adaptively(1, g, g)
    with pytest.raises(ValueError, match="clip_adaptively: params must be a 1-D array"):
        clip_adaptively(1, np.ones((1, 2)), g)
    with pytest.raises(TypeError, match="clip_adaptively: params must hold real numbers"):
        clip_adaptively(1, ["a", "b"], g)
    np.testing.assert_array_equal(g, [3, 4])
    # They are only read: lists, strided and locked arrays, other dtypes.
    locked = np.array([6.0, 8.0])
    locked.flags.writeable = False
    for params in ([6, 8], locked, np.array([6.0, 0, 8, 0])[::2], np.array([6, 8], np.float32)):
        assert clip_adaptively(1, params, g) == 0.5


def test_another_layout_compiles_nothing():
    clip_by_norm(1, np.ones(6), layout=((0, 1, 6),))
    clip_adaptively(1, np.ones(6), np.ones(6), layout=((0, 1, 6),))
    kernels = [by_norm._clip_by_norm, by_norm.clip_parts, adaptive._clip_adaptively, adaptive.clip_units, norms.norm]
    before = [list(kernel.signatures) for kernel in kernels]
    clip_by_norm(1, np.ones(6), math.inf, layout=[(0, 2, 2), (4, 1, 1), (5, 1, 1)])
    clip_adaptively(1, np.ones(6), np.ones(6), 1, layout=[(0, 2, 2), (4, 1, 1), (5, 1, 1)])
    assert [list(kernel.signatures) for kernel in kernels] == before
