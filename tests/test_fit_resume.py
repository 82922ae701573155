"""`fit` that goes on where another run ended: bit for bit, and with something else where that has a meaning."""

import pickle
from typing import NamedTuple

import numpy as np
import pytest
import reference
from fit_runs import assert_same_bits, assert_same_run, drawn, stop_at_call, table

import fastgd

OPTIMIZERS = [fastgd.SGD(), fastgd.Momentum(), fastgd.Nesterov(), fastgd.Adam()]


@pytest.mark.parametrize("order", ["shuffled", "sequential"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: type(o).__name__)
def test_going_on_after_whole_epochs(optimizer, order):
    X, y = table(101, 5, np.float32)
    arguments = {
        "optimizer": optimizer,
        "batch_size": 16,
        "order": order,
        "seed": 3,
    }
    whole = fastgd.fit(fastgd.Neuron(5), X, y, epochs=7, **arguments)
    part = fastgd.fit(fastgd.Neuron(5), X, y, epochs=3, **arguments)
    kept = pickle.loads(pickle.dumps(part))
    for resumed in (part, part, kept):  # going on changes nothing in what it goes on from
        assert_same_bits(fastgd.fit(fastgd.Neuron(5), X, y, epochs=7, resume=resumed, **arguments), whole)
    assert_same_bits(part, kept)


@pytest.mark.parametrize("stop", [1, 2, 6, 7, 8, 17, 20, 27, 30])
@pytest.mark.parametrize(("batch_size", "order"), [(None, "sequential"), (5000, "shuffled"), (1000, "block-shuffled")])
def test_going_on_from_anywhere(batch_size, order, stop, small_chunks, small_windows):
    X, y = table(7001, 3)
    arguments = {
        "optimizer": fastgd.Momentum(),
        "lr": fastgd.ExponentialDecay(0.5, 0.2),
        "batch_size": batch_size,
        "order": order,
        "epochs": 9,
    }
    whole = fastgd.fit(fastgd.Neuron(3), X, y, **arguments)
    part = fastgd.fit(fastgd.Neuron(3), X, y, callback=stop_at_call(stop), **arguments)
    assert part.status == "stopped"
    assert part.n_epochs < 9
    further = fastgd.fit(fastgd.Neuron(3), X, y, resume=part, callback=stop_at_call(3), **arguments)
    assert further.n_epochs >= part.n_epochs
    assert_same_bits(fastgd.fit(fastgd.Neuron(3), X, y, resume=further, **arguments), whole)


def test_going_on_with_more_epochs_than_the_shuffle_of_one(small_chunks):
    # Chunks that hold several steps of several epochs, stopped in the middle of one.
    X, y = table(50, 3)
    arguments = {"batch_size": 7, "epochs": 5}
    whole = fastgd.fit(fastgd.Neuron(3), X, y, **arguments)
    part = whole
    for stop in (11, 3, 6):
        part = fastgd.fit(
            fastgd.Neuron(3), X, y, callback=stop_at_call(stop), resume=None if part is whole else part, **arguments
        )
        assert part.status == "stopped"
    assert part.n_steps == 20
    assert_same_bits(fastgd.fit(fastgd.Neuron(3), X, y, resume=part, **arguments), whole)


def test_going_on_after_the_time_is_up():
    X, y = table(3000, 3)
    arguments = {"batch_size": 2, "epochs": 40}
    whole = fastgd.fit(fastgd.Neuron(3), X, y, **arguments)
    part = fastgd.fit(fastgd.Neuron(3), X, y, max_seconds=1e-9, **arguments)
    assert part.status == "max_seconds"
    assert part.n_steps > 0
    while part.status == "max_seconds":
        part = fastgd.fit(fastgd.Neuron(3), X, y, max_seconds=0.005, resume=part, **arguments)
    assert part.status == "max_epochs"
    assert_same_bits(part, whole)


def test_going_on_with_fewer_epochs_than_were_run():
    X, y = table(30, 3)
    part = fastgd.fit(fastgd.Neuron(3), X, y, epochs=5)
    same = fastgd.fit(fastgd.Neuron(3), X, y, epochs=2, resume=part)
    assert_same_bits(part, same)


def test_losses_of_other_rows_are_not_compared():
    """On rows that are far worse, the best loss of the run so far is no measure."""
    X, y = table(200, 3)
    far = (3 * X[:100], y[:100] + 5)
    other = (X[:100], y[:100] - 5)
    model, options = fastgd.Neuron(3, "identity"), {"lr": 0.003, "tol": 1e-4, "patience": 3}
    close = (far[0].copy(), far[1])
    close[0][1::3] -= 50  # in every third row
    for before, after in [(None, far), (other, far), (far, None), (close, far)]:
        part = fastgd.fit(model, X, y, epochs=20, validation=before, **options)
        whole = fastgd.fit(model, X, y, epochs=40, validation=after, resume=part, **options)
        assert (whole.status, whole.n_epochs) == ("max_epochs", 40)
        np.testing.assert_array_equal(whole.params, fastgd.fit(model, X, y, epochs=40, lr=0.003).params)
    plateau = fastgd.ReduceOnPlateau(0.003, patience=2)
    part = fastgd.fit(model, X, y, epochs=20, lr=plateau)
    whole = fastgd.fit(model, X, y, epochs=40, lr=plateau, validation=far, resume=part)
    assert set(whole.history["lr"]) == {0.003}


def test_rates_that_are_none():
    X, y = table(100, 3)
    for slope, ends, epoch in [(-0.01, 10, "5"), (-1.0, 10, "0.5"), (0.0, 2, "2")]:
        words = rf"fit: lr: the rates of a schedule must be finite, 0 or larger, got .* at epoch {epoch}"
        with pytest.raises(ValueError, match=words):
            fastgd.fit(fastgd.Neuron(3), X, y, lr=Sloping(slope, ends), batch_size=50, epochs=10)
    assert fastgd.fit(fastgd.Neuron(3), X, y, lr=Sloping(-0.01, 10), batch_size=50, epochs=5).n_epochs == 5
    stopped = fastgd.fit(fastgd.Neuron(3), X, y, lr=Sloping(-0.01, 10), batch_size=None, epochs=10, gtol=1.0)
    assert stopped.status == "converged"  # long before
    with pytest.raises(TypeError, match=r"fit: lr: expected a schedule, got the class .* write CosineAnnealing\(...\)"):
        fastgd.fit(fastgd.Neuron(3), X, y, lr=fastgd.CosineAnnealing)


class Sloping(NamedTuple):
    """A schedule that falls below 0, and is infinite from some time on."""

    slope: float
    ends: float


fastgd.register_schedule(Sloping, lambda schedule, t: 0.0475 + schedule.slope * t if t < schedule.ends else np.inf)


def test_history_of_an_epoch_cut_short(small_chunks):
    X, y = table(50, 3)
    part = fastgd.fit(fastgd.Neuron(3), X, y, batch_size=7, epochs=5, callback=stop_at_call(10))
    assert part.history["epoch"].tolist() == [1, 2]
    assert part.history["step"].tolist() == [8, 10]
    assert (part.n_epochs, part.n_steps) == (1, 10)
    start = fastgd.init_params(fastgd.Neuron(3), 0, np.float64)
    orders = drawn(X, 7, "shuffled", 0, 2)
    params, history = reference.train(start, X, y, [orders[0], orders[1][:14]], 7, optimizer="Adam", lr=1e-3)
    assert_same_run(part, params, history)


@pytest.mark.parametrize("validation", [0.3, "pair"])
def test_going_on_with_validation_and_patience(validation):
    X, y = table(90, 3)
    arguments = {
        "lr": fastgd.ExponentialDecay(0.3, 0.0),
        "optimizer": fastgd.Momentum(),
        "batch_size": 8,
        "epochs": 30,
        "tol": 1e-4,
        "patience": 3,
        "validation": table(30, 3, seed=5) if validation == "pair" else validation,
    }
    whole = fastgd.fit(fastgd.Neuron(3), X, y, **arguments)
    assert whole.status == "converged"
    for epochs in range(1, whole.n_epochs):
        part = fastgd.fit(fastgd.Neuron(3), X, y, **{**arguments, "epochs": epochs})
        assert part.status == "max_epochs"
        assert_same_bits(fastgd.fit(fastgd.Neuron(3), X, y, resume=part, **arguments), whole)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 8}, "to resume, batch_size must be what it was, 16, got 8"),
        ({"seed": 1}, "to resume, seed must be what it was, 0, got 1"),
        ({"order": "sequential"}, "to resume, order must be what it was, 'shuffled', got 'sequential'"),
        ({"optimizer": fastgd.SGD()}, r"to resume, optimizer must be what it was, Adam\(.*\), got SGD\(.*\)"),
        ({"optimizer": fastgd.Adam(amsgrad=True)}, "to resume, optimizer must be what it was"),
        ({"X": np.zeros((10, 3)), "y": np.zeros(10)}, "to resume, the number of rows must be what it was, 30, got 10"),
        ({"validation": 0.5}, "to resume, the number of rows must be what it was, 30, got 15"),
        ({"model": fastgd.Neuron(3, "tanh")}, "to resume, the model must be what it was, .*'sigmoid'.*, got .*'tanh'"),
        (
            {"X": np.zeros((30, 3), np.float32)},
            "to resume, the dtype of X must be what it was, 'float64', got 'float32'",
        ),
        ({"params": np.zeros(4)}, "params and resume do not go together"),
    ],
)
def test_going_on_with_something_else(change, message):
    X, y = table(30, 3)
    arguments = {"model": fastgd.Neuron(3), "X": X, "y": y, "batch_size": 16}
    part = fastgd.fit(**arguments, epochs=1)
    with pytest.raises(ValueError, match=message):
        fastgd.fit(**{**arguments, **change}, epochs=2, resume=part)


def test_going_on_with_another_method_of_the_same_numbers_inside_a_wrapper():
    model, X, y = fastgd.Neuron(3), np.ones((30, 3)), np.ones(30)
    result = fastgd.fit(model, X, y, optimizer=fastgd.EMA(fastgd.Adam(weight_decay=0.1)), epochs=1)
    with pytest.raises(ValueError, match=r"to resume, optimizer must be what it was, EMA\(.*Adam\(.*got EMA\(.*AdamW"):
        fastgd.fit(model, X, y, optimizer=fastgd.EMA(fastgd.AdamW(weight_decay=0.1)), epochs=2, resume=result)


def test_going_on_with_another_clipping_rule():
    """What is given to the run that goes on holds from there: plain steps, then clipped ones."""
    X, y = table(40, 3)
    arguments = {"optimizer": fastgd.SGD(), "lr": 0.5, "batch_size": 8, "order": "sequential"}
    part = fastgd.fit(fastgd.Neuron(3), X, y, epochs=1, **arguments)
    clipped = fastgd.fit(
        fastgd.Neuron(3), X, y, params=part.params, clip=fastgd.ClipByNorm(0.01), epochs=2, **arguments
    )
    assert clipped.history["clipped"].tolist() == [5, 5]
    rest = fastgd.fit(fastgd.Neuron(3), X, y, resume=part, clip=fastgd.ClipByNorm(0.01), epochs=3, **arguments)
    np.testing.assert_array_equal(rest.params, clipped.params)
    assert rest.history["clipped"].tolist() == [0, 5, 5]
    with pytest.raises(ValueError, match=r"fit: clip: layout must cover the 4 parameters, .* got 3"):
        fastgd.fit(fastgd.Neuron(3), X, y, resume=part, clip=fastgd.ClipByNorm(1, layout=((0, 1, 3),)), epochs=3)


def test_going_on_with_another_clipping_rule_within_an_epoch(small_chunks):
    X, y = table(40, 3)
    arguments = {"optimizer": fastgd.SGD(), "lr": 0.5, "batch_size": 8, "epochs": 3}
    part = fastgd.fit(fastgd.Neuron(3), X, y, callback=stop_at_call(3), **arguments)
    assert part.n_steps % 5 > 0
    rest = fastgd.fit(fastgd.Neuron(3), X, y, resume=part, clip=fastgd.ClipByNorm(0.01), **arguments)
    assert sum(rest.history["clipped"]) == 15 - part.n_steps
    assert rest.history["clipped"].tolist()[1:] == [5, 5] or part.n_steps > 5


def test_going_on_from_something_else():
    X, y = table(30, 3)
    with pytest.raises(TypeError, match="fit: resume must be a FitResult, got dict"):
        fastgd.fit(fastgd.Neuron(3), X, y, resume={})


def test_losses_of_other_targets_or_weights_are_not_compared():
    """They are not, whether or not the rows that are watched are arrays that are trained on."""
    X, y = table(200, 3)
    worse = y.copy()
    worse[np.arange(200) % 3 != 0] += 5
    model, options = fastgd.Neuron(3, "identity"), {"optimizer": fastgd.SGD(), "lr": 0.02, "batch_size": 16}
    ends = []
    for rows in (X, X.copy()):
        part = fastgd.fit(model, X, y, epochs=5, validation=(rows, y), **options)
        ends.append(fastgd.fit(model, X, y, epochs=8, validation=(rows, worse), resume=part, **options))
    np.testing.assert_array_equal(ends[0].params, ends[1].params)
    assert not np.array_equal(ends[0].params, part.params)
    weights = np.where(abs(X[:, 0]) > 1, 1000.0, 1.0), np.where(np.arange(200) % 9, 1e-3, 1.0)
    part = fastgd.fit(model, X, y, epochs=20, validation=0.2, sample_weight=weights[0], **options)
    whole = fastgd.fit(model, X, y, epochs=21, validation=0.2, sample_weight=weights[1], resume=part, **options)
    assert not np.array_equal(whole.params, part.params)  # of the only epoch under these weights
