"""`fit` and its input: what is right, what is refused and in which words; the user's arrays stay as they are."""

import tracemalloc
from typing import NamedTuple

import numpy as np
import pytest

import fastgd

N, D = 40, 3
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, D))
Y = RNG.integers(0, 2, N).astype(float)
NAN = np.nan


def fit(model=None, X=X, y=Y, **arguments):
    """A run with one compiled signature a dtype, unless a test says otherwise."""
    return fastgd.fit(
        fastgd.Neuron(D) if model is None else model, X, y, **{"optimizer": fastgd.SGD(), "batch_size": 8, **arguments}
    )


def changed(array, place, value):
    array = array.copy()
    array[place] = value
    return array


# What is right.


class WithGraph:
    """A tensor that another library does not hand out as an array."""

    def __array__(self, *arguments, **options):
        raise RuntimeError("detach it first")


def big_endian(array):
    return array.astype(array.dtype.newbyteorder(">"))


def strided(array):
    wide = np.zeros((2 * array.shape[0], *(3 * k for k in array.shape[1:])), array.dtype)
    view = wide[::2, 1::3] if array.ndim == 2 else wide[::2]
    view[...] = array
    return view


def backwards(array):
    return array[::-1].copy()[::-1]


def misaligned(array):
    memory = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype)
    memory[:] = array.ravel()
    return memory.reshape(array.shape)


def read_only(array):
    array = array.copy()
    array.setflags(write=False)
    return array


def broadcast(array):
    return np.broadcast_to(array, array.shape)


FORMS = [np.asfortranarray, big_endian, strided, backwards, misaligned, read_only, broadcast]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_forms_of_arrays(form, dtype):
    weight = RNG.random(N).astype(dtype)
    plain = {"X": X.astype(dtype), "y": Y.astype(dtype), "sample_weight": weight, "params": np.ones(D + 1, dtype)}
    given = {name: form(array) for name, array in plain.items()}
    kept = {name: np.array(array) for name, array in given.items()}
    result, expected = fit(**given), fit(**plain)
    np.testing.assert_array_equal(result.params, expected.params)
    assert result.params.dtype == dtype
    for name, array in given.items():
        np.testing.assert_array_equal(array, kept[name])
        assert array.dtype == kept[name].dtype
        assert array.flags.writeable == (form not in (read_only, broadcast))
    validated = fit(**given, validation=(given["X"], given["y"]))
    np.testing.assert_array_equal(
        validated.history["val_loss"], fit(**plain, validation=(plain["X"], plain["y"])).history["val_loss"]
    )


def test_lists():
    result = fit(X=X.tolist(), y=Y.tolist(), sample_weight=[1] * N, params=[0] * (D + 1))
    np.testing.assert_array_equal(result.params, fit(params=np.zeros(D + 1)).params)


def test_memory_map(tmp_path):
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    np.testing.assert_array_equal(fit(X=mapped).params, fit().params)


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int32, np.int64, np.uint64])
def test_integers_become_float64(dtype):
    whole = RNG.integers(0, 9, (N, D))
    result = fit(X=whole.astype(dtype), y=Y.astype(dtype), sample_weight=np.arange(N).astype(dtype))
    expected = fit(X=whole.astype(float), sample_weight=np.arange(N))
    np.testing.assert_array_equal(result.params, expected.params)
    assert result.params.dtype == np.float64


def test_float16_becomes_float32():
    half = X.astype(np.float16)
    result = fit(X=half)
    np.testing.assert_array_equal(result.params, fit(X=half.astype(np.float32)).params)
    assert result.params.dtype == np.float32


def test_targets_and_weights_follow_the_dtype_of_the_rows():
    result = fit(X=X.astype(np.float32), y=Y, sample_weight=np.ones(N))
    np.testing.assert_array_equal(result.params, fit(X=X.astype(np.float32), y=Y.astype(np.float32)).params)


@pytest.mark.parametrize("targets", [Y.astype(bool), Y.astype(int), Y.tolist(), Y.astype(np.uint8)])
def test_targets_of_two_classes(targets):
    np.testing.assert_array_equal(fit(y=targets).params, fit().params)


def test_one_row_in_odd_strides():
    # Such views are C-contiguous, whatever the stride of the axis that has one element.
    for row in (np.broadcast_to(X[0], (1, D)), X[:1][::-1], X[::N]):
        np.testing.assert_array_equal(fit(X=row, y=Y[:1]).params, fit(X=row.copy(), y=Y[:1]).params)


def test_batch_size_above_the_number_of_rows():
    for batch_size in (N, N + 1, 10**30, None):
        np.testing.assert_array_equal(fit(batch_size=batch_size).params, fit(batch_size=None).params)


def test_numbers_of_numpy():
    result = fit(
        lr=np.float32(0.5),
        batch_size=np.int8(4),
        epochs=np.uint64(3),
        seed=np.int32(2),
        threads=np.int64(1),
        progress=np.False_,
        tol=np.float64(0),
        gtol=np.array(0.0),
    )
    np.testing.assert_array_equal(result.params, fit(lr=0.5, batch_size=4, epochs=3, seed=2, tol=0, gtol=0).params)


def test_largest_numbers():
    seed = 2**63 - 1
    np.testing.assert_array_equal(fit(seed=seed).params, fit(seed=seed).params)
    assert fit(epochs=10**30, max_seconds=0.01).status == "max_seconds"
    assert fit(epochs=10**30, max_seconds=0.01, callback=lambda progress: None).status == "max_seconds"


# What is refused.

DATA = [
    ({"X": changed(X, (3, 2), NAN)}, ValueError, r"fit: X must be finite \(in float64\), got nan at \[3, 2\]"),
    ({"X": changed(X, (39, 0), np.inf)}, ValueError, r"fit: X must be finite \(in float64\), got inf at \[39, 0\]"),
    (
        {"X": changed(X, (0, 1), -np.inf).astype(np.float32)},
        ValueError,
        r"X must be finite \(in float32\), got -inf at \[0, 1\]",
    ),
    ({"y": changed(Y, 5, NAN)}, ValueError, r"fit: y must be finite \(in float64\), got nan at \[5\]"),
    (
        {"X": X.astype(np.float32), "y": changed(Y, 5, 1e300)},
        ValueError,
        r"y must be finite \(in float32\), got inf at \[5\]",
    ),
    (
        {"sample_weight": changed(np.ones(N), 7, NAN)},
        ValueError,
        r"sample_weight must be finite \(in float64\), got nan at \[7\]",
    ),
    ({"sample_weight": changed(np.ones(N), 7, -1)}, ValueError, "sample_weight must be 0 or larger, and not all 0"),
    ({"sample_weight": np.zeros(N)}, ValueError, "sample_weight must be 0 or larger, and not all 0"),
    (
        {"sample_weight": np.ones(N - 1)},
        ValueError,
        r"sample_weight must have as many rows as X \(40\), got 39",
    ),
    ({"sample_weight": np.ones((N, 1))}, ValueError, r"sample_weight must be a 1-D array, got shape \(40, 1\)"),
    ({"sample_weight": 2.0}, ValueError, r"sample_weight must be a 1-D array, got shape \(\)"),
    (
        {"sample_weight": (np.arange(N) == 0), "validation": 0.5},
        TypeError,
        "sample_weight must hold real numbers .*, got dtype bool",
    ),
    (
        {"sample_weight": (np.arange(N) == 0).astype(float), "validation": 0.5},
        ValueError,
        "sample_weight must not be 0 for all the 20 rows to (train on|hold out)",
    ),
    ({"X": np.empty((0, D)), "y": []}, ValueError, r"X must have at least one row and one column, got shape \(0, 3\)"),
    ({"X": np.empty((N, 0))}, ValueError, r"X must have at least one row and one column, got shape \(40, 0\)"),
    ({"y": Y[1:]}, ValueError, r"fit: y must have as many rows as X \(40\), got 39"),
    (
        {"X": X[:, 0]},
        ValueError,
        r"fit: X must be a 2-D array \(rows, columns\), got shape \(40,\); use X.reshape\(-1, 1\)",
    ),
    ({"X": X[None]}, ValueError, r"X must be a 2-D array \(rows, columns\), got shape \(1, 40, 3\)"),
    ({"X": 1.0}, ValueError, r"X must be a 2-D array \(rows, columns\), got shape \(\)"),
    ({"y": Y[:, None]}, ValueError, r"fit: y must be a 1-D array, a target a row, got shape \(40, 1\)"),
    ({"y": 1.0}, ValueError, r"fit: y must be a 1-D array, got shape \(\)"),
    ({"X": X[:, :2]}, ValueError, "fit: X must have 3 columns, as this Neuron has, got 2"),
    ({"X": X.astype(object)}, TypeError, r"fit: X must hold real numbers \(.*\), got dtype object"),
    ({"X": X.astype(complex)}, TypeError, "X must hold real numbers .*, got dtype complex128"),
    ({"X": X > 0}, TypeError, "X must hold real numbers .*, got dtype bool"),
    ({"X": X.astype(str)}, TypeError, "X must hold real numbers .*, got dtype <U"),
    ({"X": X.astype("datetime64[s]")}, TypeError, "X must hold real numbers .*, got dtype datetime64"),
    ({"y": Y.astype(object)}, TypeError, "fit: y must hold real numbers .*, got dtype object"),
    ({"y": Y + 0j}, TypeError, "y must hold real numbers .*, got dtype complex128"),
    ({"y": ["yes"] * N}, TypeError, "y must hold real numbers .*, got dtype <U3"),
    ({"y": None}, TypeError, "y must hold real numbers .*, got dtype object"),
    ({"X": [[1, 2, 3], [4, 5]]}, ValueError, "fit: X must be an array of real numbers"),
    ({"y": [[1], [4, 5]]}, ValueError, "fit: y must be an array of real numbers"),
    ({"X": WithGraph()}, ValueError, r"fit: X must be an array of real numbers \(detach it first\)"),
    ({"X": np.ma.masked_array(X, X > 1)}, ValueError, "fit: X must have no masked elements"),
    ({"y": np.ma.masked_array(Y, Y > 0)}, ValueError, "fit: y must have no masked elements"),
    ({"params": np.zeros(D)}, ValueError, r"fit: params must have 4 elements for Neuron\(.*\), got 3"),
    ({"params": np.zeros((1, D + 1))}, ValueError, "fit: params must be a 1-D array"),
    ({"params": [0, 0, 0, NAN]}, ValueError, r"fit: params must be finite \(in float64\)"),
    ({"params": "zeros"}, TypeError, "fit: params must hold real numbers"),
    (
        {"model": fastgd.Neuron(D, loss="binary_cross_entropy"), "y": 2 * Y},
        ValueError,
        r"fit: y must lie in \[0, 1\] for loss 'binary_cross_entropy', got values from 0 to 2",
    ),
    (
        {"model": fastgd.Neuron(D, loss="binary_cross_entropy"), "y": Y - 0.5},
        ValueError,
        r"y must lie in \[0, 1\] for loss 'binary_cross_entropy', got values from -0.5 to 0.5",
    ),
    (
        {"validation": (X[:, :2], Y)},
        ValueError,
        "fit: validation: X must have 3 columns, as this Neuron has, got 2",
    ),
    ({"validation": (X, Y[1:])}, ValueError, r"fit: validation: y must have as many rows as X \(40\), got 39"),
    ({"validation": (X[:0], Y[:0])}, ValueError, "fit: validation: X must have at least one row"),
    ({"validation": (X, changed(Y, 0, NAN))}, ValueError, "fit: validation: y must be finite"),
    ({"validation": (X, Y, Y)}, ValueError, r"fit: validation must be a pair \(X, y\) or a share, got 3 items"),
    ({"validation": X}, TypeError, r"fit: validation must be a pair \(X, y\) or a share between 0 and 1"),
    ({"validation": True}, TypeError, r"fit: validation must be a pair \(X, y\) or a share between 0 and 1, got True"),
    ({"validation": 0}, ValueError, r"fit: validation must be a pair \(X, y\) or a share between 0 and 1, got 0"),
    ({"validation": 1.0}, ValueError, "fit: validation must be"),
    ({"validation": NAN}, ValueError, "fit: validation must be"),
    ({"validation": 0.001}, ValueError, "fit: validation=0.001 of 40 rows leaves no rows to train on or to hold out"),
    ({"validation": 0.999}, ValueError, "fit: validation=0.999 of 40 rows leaves no rows to train on or to hold out"),
]

SETTINGS = [
    ("lr", -0.1, ValueError, "fit: lr must be a finite number, 0 or larger, got -0.1"),
    ("lr", NAN, ValueError, "fit: lr must be a finite number, 0 or larger, got nan"),
    ("lr", np.inf, ValueError, "fit: lr must be"),
    ("lr", "0.1", TypeError, "fit: lr must be a finite number, 0 or larger, got '0.1'"),
    ("lr", None, TypeError, "fit: lr must be"),
    ("lr", True, TypeError, "fit: lr must be"),
    ("lr", [0.1], TypeError, "fit: lr must be"),
    ("lr", 1j, TypeError, "fit: lr must be"),
    ("lr", (0.1, 0.2), TypeError, "fit: lr: expected a schedule, got tuple"),
    ("lr", fastgd.Adam(), TypeError, "fit: lr: expected a schedule, got Adam"),
    ("batch_size", 0, ValueError, "fit: batch_size must be an integer, 1 or larger, got 0"),
    ("batch_size", -4, ValueError, "fit: batch_size must be an integer, 1 or larger, got -4"),
    ("batch_size", 8.0, TypeError, "fit: batch_size must be an integer, 1 or larger, got 8.0"),
    ("batch_size", "full", TypeError, "fit: batch_size must be an integer, 1 or larger, got 'full'"),
    ("batch_size", True, TypeError, "fit: batch_size must be"),
    ("epochs", -1, ValueError, "fit: epochs must be an integer, 0 or larger, got -1"),
    ("epochs", 1.5, TypeError, "fit: epochs must be an integer, 0 or larger, got 1.5"),
    ("epochs", None, TypeError, "fit: epochs must be an integer"),
    (
        "order",
        "random",
        ValueError,
        "fit: order must be one of 'shuffled', 'block-shuffled', 'sequential', got 'random'",
    ),
    ("order", 0, ValueError, "fit: order must be one of"),
    ("seed", -1, ValueError, "fit: seed must be an integer, 0 or larger, at most 9223372036854775807, got -1"),
    ("seed", 2**63, ValueError, "fit: seed must be an integer, 0 or larger, at most 9223372036854775807, got 9223"),
    ("seed", 0.5, TypeError, "fit: seed must be an integer"),
    ("seed", None, TypeError, "fit: seed must be an integer"),
    ("clip", 1.0, TypeError, "fit: clip: expected a clipping rule, got float"),
    ("clip", fastgd.ClipByNorm, TypeError, r"fit: clip: expected a clipping rule, .*; write ClipByNorm\(\.\.\.\)"),
    ("on_nonfinite", "ignore", ValueError, "fit: on_nonfinite must be one of 'stop', 'raise', 'skip', got 'ignore'"),
    ("tol", -1e-3, ValueError, "fit: tol must be a finite number, 0 or larger, got -0.001"),
    ("tol", NAN, ValueError, "fit: tol must be a finite number"),
    ("patience", 0, ValueError, "fit: patience must be an integer, 1 or larger, got 0"),
    ("gtol", -1.0, ValueError, "fit: gtol must be a finite number, 0 or larger, got -1.0"),
    ("max_seconds", 0, ValueError, "fit: max_seconds must be a positive finite number, got 0"),
    ("max_seconds", NAN, ValueError, "fit: max_seconds must be a positive finite number"),
    ("callback", "print", TypeError, "fit: callback must be callable, got str"),
    ("progress", 1, TypeError, "fit: progress must be True or False, got 1"),
    ("threads", 0, ValueError, "fit: threads must be an integer, 1 or larger, got 0"),
    ("threads", -1, ValueError, "fit: threads must be an integer, 1 or larger, got -1"),
    ("threads", 2.0, TypeError, "fit: threads must be an integer"),
    ("optimizer", "adam", TypeError, "fit: optimizer: expected an optimizer, got str"),
    ("optimizer", fastgd.Adam, TypeError, r"fit: optimizer: .* got the class Adam itself; write Adam\(\)"),
    ("optimizer", None, TypeError, "fit: optimizer: expected an optimizer, got NoneType"),
    ("model", fastgd.Neuron, TypeError, r"fit: model: .* got the class Neuron itself; write Neuron\(\.\.\.\)"),
    ("model", fastgd.SGD(), TypeError, "fit: model: expected a model, got SGD"),
]


@pytest.fixture
def nothing_runs(monkeypatch):
    """Errors come before any kernel runs."""

    def run(*arguments):
        raise AssertionError("a run was begun")

    monkeypatch.setattr("fastgd._training.run.Run.advance", run)


@pytest.mark.parametrize(("arguments", "error", "message"), DATA)
def test_data_that_is_refused(arguments, error, message, nothing_runs):
    with pytest.raises(error, match=message):
        fit(**arguments)


@pytest.mark.parametrize(("name", "value", "error", "message"), SETTINGS)
def test_settings_that_are_refused(name, value, error, message, nothing_runs):
    with pytest.raises(error, match=message):
        fit(**{name: value})


def test_settings_are_looked_at_before_the_data():
    with pytest.raises(ValueError, match="fit: lr"):
        fit(X=changed(X, 0, NAN), lr=-1)


def test_schedule_longer_than_the_run():
    class Linear(NamedTuple):
        duration: float

    fastgd.register_schedule(Linear, lambda schedule, t: 0.1, duration=fastgd.positive)
    with pytest.warns(RuntimeWarning, match="fit: the schedule's duration is 5.0 epochs, the run has 3"):
        fit(lr=Linear(5), epochs=3)
    fit(lr=Linear(5), epochs=5)


class Constant(NamedTuple):
    """A model whose beginning a test chooses."""

    code: int


BEGINNINGS = [[0.5], np.zeros(2), np.full(1, NAN), "none", np.zeros(1, np.float32)]


def add_loss_and_grad(model, params, X, y, weight, rows, scratch, grads):
    loss = params.dtype.type(0)
    for row in rows:
        error = params[0] - y[row]
        loss += weight[row] * error * error
        grads[0] += weight[row] * (error + error)
    return loss


fastgd.register_model(
    Constant,
    n_params=lambda model: 1,
    init_params=lambda model, seed, dtype: BEGINNINGS[model.code],
    scratch=lambda model, params: np.zeros(0),
    add_loss_and_grad=add_loss_and_grad,
    predict=lambda model, params, X: np.full(len(X), params[0]),
)


@pytest.mark.parametrize("code", [0, 4])
def test_parameters_of_a_users_model_are_taken_over(code):
    result = fit(Constant(code), lr=0.25, batch_size=None, epochs=1)
    start = float(BEGINNINGS[code][0])
    assert result.params.tolist() == pytest.approx([start - 0.25 * 2 * (start - Y.mean())], rel=1e-12)
    assert result.params.dtype == np.float64
    assert float(BEGINNINGS[code][0]) == start


@pytest.mark.parametrize(
    ("code", "error", "message"),
    [
        (1, ValueError, r"fit: init_params of Constant: params must have 1 elements for Constant\(code=1\), got 2"),
        (2, ValueError, "fit: init_params of Constant: params must be finite"),
        (3, TypeError, "fit: init_params of Constant: params must hold real numbers"),
    ],
)
def test_parameters_of_a_users_model_that_are_refused(code, error, message):
    with pytest.raises(error, match=message):
        fit(Constant(code))


# Memory.


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("form", [np.array, read_only, "map"], ids=["plain", "read-only", "map"])
@pytest.mark.parametrize("setting", [{"order": "shuffled"}, {"batch_size": None}, {"order": "block-shuffled"}])
def test_rows_are_not_copied(setting, form, dtype, tmp_path):
    n = 300_000
    rows, targets = np.ones((n, D), dtype), np.ones(n, dtype)
    fit(X=rows[:20], y=targets[:20], **setting)
    if form == "map":
        np.save(tmp_path / "X.npy", rows)
        rows = np.load(tmp_path / "X.npy", mmap_mode="r")
    else:
        rows, targets = form(rows), form(targets)
    tracemalloc.start()
    fit(X=rows, y=targets, epochs=2, **setting)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6 * n + 2_000_000  # four bytes a row, and what does not depend on their number


def test_memory_beside_rows_that_are_held_out():
    n = 1_000_000
    rows, targets = np.ones((n, D), np.float32), np.ones(n, np.float32)
    fit(X=rows[:20], y=targets[:20], validation=0.5)
    tracemalloc.start()
    fit(X=rows, y=targets, epochs=2, validation=0.2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 * n + 2_000_000
