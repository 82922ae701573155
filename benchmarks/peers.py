"""The same training in PyTorch, JAX, scikit-learn and NumPy: how many times as long as fastgd they take.

``python -m benchmarks.peers`` prints it as tables. Libraries that are not installed are left out.

A sigmoid neuron learns under mean squared error with Adam in mini-batches, its parameters in one vector that begins
at zero, in float32. Before anything is timed, every library trains for two epochs over the same rows in the same
order as fastgd, and has to end at the same loss within 1e-5 of it. What is timed is an epoch, marginally: the time
of many less the time of few. In shuffled epochs each library shuffles anew as it does that fastest, the time of the
shuffle included.

Each library does the work in its fastest form of those tried:

- JAX: one jitted `lax.scan` over the epoch's batches, data on the device once. Rows in a shuffled order, which NumPy
  draws (JAX's own permutation takes 0.4 µs a row), are gathered for the whole epoch or batch by batch, whichever is
  faster. (Unrolling the scan, the gradient by hand, and one thread alone were faster for some shapes and slower
  for others; optax's Adam was slower.)
- PyTorch: eager, the fused Adam, one or two threads, whichever is faster; with autograd, and with the gradient by hand.
  A step takes so long that 200 are timed, over the first rows, and counted by the row.
- NumPy: a plain loop over the batches; 200 steps are timed as well.

scikit-learn has no batches in its SGD, so one row a step is compared, with the plain method, at 30 columns.
"""

import argparse
import functools
import importlib.util
import sys
from typing import NamedTuple

import numpy as np

import fastgd
from benchmarks._timing import best_seconds, epoch_seconds, in_turns, median_ratio, rows
from fastgd.batches import SHUFFLED, fill_order

_LR = 1e-2
_SGD_LR = 1e-3
_CHECKED_EPOCHS = 2
_TOLERANCE = 1e-5  # of the loss, relative: sums in float32 differ by 3e-6 at most, another order of rows by 7e-4
_TIMED_STEPS = 200
_ORDERS = ("sequential", "shuffled")
_ESTIMATORS = ("SGDRegressor", "SGDClassifier")
_DTYPES = ("float32", "float64")


class Shape(NamedTuple):
    """Of the data, and of a batch."""

    n_rows: int
    n_columns: int
    batch_size: int

    def __str__(self):
        return f"{self.n_rows} x {self.n_columns}, batches of {self.batch_size}"


SHAPES = {
    str(shape): shape
    for shape in (
        Shape(100_000, 16, 32),
        Shape(100_000, 32, 32),
        Shape(100_000, 32, 128),
        Shape(400_000, 32, 128),
        Shape(100_000, 256, 64),
        Shape(20_000, 784, 128),
    )
}


# A trainer is made of X, y and a batch size, and called with the epochs' orders: arrays of row numbers, or None for
# the rows as they stand. It returns the parameters.


def _numpy_trainer(X, y, batch_size):
    def train(orders):
        n_rows, n_columns = X.shape
        params, m, v, grads = np.zeros((4, n_columns + 1), X.dtype)
        step = 0
        for order in orders:
            for low in range(0, n_rows, batch_size):
                batch = slice(low, low + batch_size) if order is None else order[low : low + batch_size]
                x, target = X[batch], y[batch]
                a = 1 / (1 + np.exp(-(x @ params[:-1] + params[-1])))
                delta = (2 / len(a)) * (a - target) * a * (1 - a)
                np.dot(delta, x, out=grads[:-1])
                grads[-1] = delta.sum()
                step += 1
                m *= 0.9
                m += 0.1 * grads
                v *= 0.999
                v += 0.001 * grads * grads
                params -= (_LR / (1 - 0.9**step)) * m / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
        return params

    return train


def _torch_trainer(X, y, batch_size, n_threads, by_hand):
    import torch

    X, y = torch.from_numpy(X), torch.from_numpy(y)

    def batches(order):
        if order is None:
            return zip(X.split(batch_size), y.split(batch_size), strict=True)
        parts = torch.from_numpy(order.astype(np.int64)).split(batch_size)
        return ((X.index_select(0, part), y.index_select(0, part)) for part in parts)

    def train_with_autograd(orders):
        w, b = torch.zeros(X.shape[1], requires_grad=True), torch.zeros(1, requires_grad=True)
        optimizer = torch.optim.Adam([w, b], lr=_LR, fused=True)
        for order in orders:
            for x, target in batches(order):
                loss = torch.nn.functional.mse_loss(torch.sigmoid(torch.addmv(b, x, w)), target)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        return torch.cat([w, b]).detach().numpy()

    def train_by_hand(orders):
        params = torch.zeros(X.shape[1] + 1)
        grads = params.grad = torch.zeros_like(params)
        w, b, grad_w, grad_b = params[:-1], params[-1], grads[:-1], grads[-1]
        optimizer = torch.optim.Adam([params], lr=_LR, fused=True)
        for order in orders:
            for x, target in batches(order):
                a = torch.sigmoid(torch.addmv(b, x, w))
                delta = (a - target).mul_(a).mul_(1 - a).mul_(2 / len(a))
                torch.mv(x.T, delta, out=grad_w)
                torch.sum(delta, 0, out=grad_b)
                optimizer.step()
        return params.numpy()

    def train(orders):
        torch.set_num_threads(n_threads)
        return (train_by_hand if by_hand else train_with_autograd)(orders)

    return train


def _jax_trainer(X, y, batch_size, gather_all):
    import jax
    import jax.numpy as jnp

    n_rows, n_columns = X.shape
    n_whole = n_rows // batch_size * batch_size

    def loss(params, x, target):
        return jnp.mean((jax.nn.sigmoid(x @ params[:-1] + params[-1]) - target) ** 2)

    def step(state, batch):
        params, m, v, power1, power2 = state
        grads = jax.grad(loss)(params, *batch)
        power1, power2 = 0.9 * power1, 0.999 * power2
        m, v = 0.9 * m + 0.1 * grads, 0.999 * v + 0.001 * grads * grads
        params -= _LR * (m / (1 - power1)) / (jnp.sqrt(v / (1 - power2)) + 1e-8)
        return (params, m, v, power1, power2), None

    def in_batches(array):
        return array[:n_whole].reshape(-1, batch_size, *array.shape[1:])

    def short_batch(state, x, target):
        return step(state, (x, target))[0] if len(x) else state

    @jax.jit
    def epoch_as_they_stand(state, X, y, X_rest, y_rest):
        return short_batch(jax.lax.scan(step, state, (X, y))[0], X_rest, y_rest)

    @jax.jit
    def shuffled_epoch(state, X, y, order):
        def gathering_step(state, rows):
            return step(state, (X[rows], y[rows]))

        last = order[n_whole:]
        if gather_all:
            batches = in_batches(X[order[:n_whole]]), in_batches(y[order[:n_whole]])
            state = jax.lax.scan(step, state, batches)[0]
        else:
            state = jax.lax.scan(gathering_step, state, in_batches(order))[0]
        return short_batch(state, X[last], y[last])

    X, y = jax.device_put(X), jax.device_put(y)
    batches = [jax.block_until_ready(part) for part in (in_batches(X), in_batches(y), X[n_whole:], y[n_whole:])]

    def train(orders):
        zeros, one = jnp.zeros(n_columns + 1, jnp.float32), jnp.float32(1)
        state = zeros, zeros, zeros, one, one
        for order in orders:
            if order is None:
                state = epoch_as_they_stand(state, *batches)
            else:
                state = shuffled_epoch(state, X, y, order.astype(np.int32))
        return np.asarray(state[0])

    return train


class Library(NamedTuple):
    """How a library is asked to train."""

    module: str
    forms: tuple  # makers of trainers, of which the fastest is taken,
    forms_if_shuffled: tuple = ()  # and more of them that differ only there
    epochs: tuple = (1, 3)  # few and many
    n_steps: float = _TIMED_STEPS  # that are timed


def _torch_forms(by_hand):
    return tuple(functools.partial(_torch_trainer, n_threads=n, by_hand=by_hand) for n in (1, 2))


LIBRARIES = {
    "JAX": Library(
        "jax",
        (functools.partial(_jax_trainer, gather_all=True),),
        (functools.partial(_jax_trainer, gather_all=False),),
        epochs=(1, 4),
        n_steps=np.inf,
    ),
    "PyTorch": Library("torch", _torch_forms(by_hand=False)),
    "PyTorch by hand": Library("torch", _torch_forms(by_hand=True)),
    "NumPy": Library("numpy", (_numpy_trainer,)),
}


def _require(module):
    if importlib.util.find_spec(module) is None:
        raise NotImplementedError(f"{module} is not installed")


def _fastgd_train(X, y, batch_size, order, epochs):
    n_columns = X.shape[1]
    return fastgd.fit(
        fastgd.Neuron(n_columns), X, y, lr=_LR, batch_size=batch_size, epochs=epochs, order=order,
        params=np.zeros(n_columns + 1, X.dtype),
    ).params  # fmt: skip


def _fastgd_orders(n_rows, order, epochs):
    """The orders in which `fit` takes the rows with its default seed."""
    for epoch in range(epochs):
        if order == "sequential":
            yield None
        else:
            numbers = np.empty(n_rows, np.uint32)
            fill_order(numbers, np.empty(0, np.uint32), SHUFFLED, 0, epoch, 1, 1)
            yield numbers


def _new_orders(n_rows, order, epochs, rng):
    """Orders of a library's own, each made when its epoch begins."""
    for _ in range(epochs):
        yield None if order == "sequential" else rng.permutation(n_rows)


def _mean_loss(params, X, y):
    a = 1 / (1 + np.exp(-(X @ params[:-1] + params[-1])))
    return np.mean((a - y) ** 2, dtype=np.float64)


def _check_equal(name, loss, fastgd_loss):
    if not abs(loss - fastgd_loss) <= _TOLERANCE * fastgd_loss:
        raise AssertionError(f"{name} ends at a loss of {loss:.7g}, fastgd at {fastgd_loss:.7g}")


def _fastest(library, X, y, batch_size, order):
    """Return the maker of a library's fastest trainer, and a function that measures it, in seconds a row."""
    n_rows = int(min(len(X), library.n_steps * batch_size))
    rng = np.random.default_rng(0)

    def trainer(make):
        train = make(X[:n_rows], y[:n_rows], batch_size)
        return lambda epochs: train(_new_orders(n_rows, order, epochs, rng))

    forms = library.forms + (library.forms_if_shuffled if order == "shuffled" else ())
    trainers = [trainer(make) for make in forms]
    for train in trainers:
        train(1)  # compiles
    seconds = [best_seconds(lambda train=train: train(1), repeat=2) for train in trainers]
    fastest = int(np.argmin(seconds))
    return forms[fastest], lambda: epoch_seconds(trainers[fastest], *library.epochs) / n_rows


def compare(shape, order, names, turns=5):
    """Return seconds a row, an array (turns, 1 + libraries): fastgd first. Fail where the final losses differ."""
    X, y = rows(shape.n_rows, shape.n_columns)
    batch_size = shape.batch_size
    fastgd_loss = _mean_loss(_fastgd_train(X, y, batch_size, order, _CHECKED_EPOCHS), X, y)
    if not fastgd_loss < 0.2:  # that of the start is 0.25
        raise AssertionError(f"fastgd has learned nothing: its loss is {fastgd_loss:.7g}")
    measures = [lambda: epoch_seconds(lambda n: _fastgd_train(X, y, batch_size, order, n)) / len(X)]
    for name in names:
        make, measure = _fastest(LIBRARIES[name], X, y, batch_size, order)
        params = make(X, y, batch_size)(_fastgd_orders(len(X), order, _CHECKED_EPOCHS))
        _check_equal(name, _mean_loss(params, X, y), fastgd_loss)
        measures.append(measure)
    return in_turns(measures, turns)


class Epoch:
    """How many times as long as in fastgd an epoch takes, in order. The tables have all shapes and orders."""

    params = (("JAX", "PyTorch", "NumPy"), tuple(SHAPES)[1::2])
    param_names = ("library", "shape")
    unit = "x"
    timeout = 300

    def setup(self, name, shape):
        _require(LIBRARIES[name].module)

    def track_ratio_epoch(self, name, shape):
        seconds = compare(SHAPES[shape], "sequential", [name], turns=3)
        return float(np.median(seconds[:, 1] / seconds[:, 0]))


def compare_one_row_a_step(estimator, order, dtype):
    """Return a function that measures an epoch of scikit-learn's, and one that measures fastgd's."""
    from sklearn.linear_model import SGDClassifier, SGDRegressor

    X, y = rows(100_000, 30, dtype)
    plain = {"penalty": None, "learning_rate": "constant", "shuffle": order == "shuffled", "tol": None}
    if estimator == "SGDRegressor":
        model = fastgd.Neuron(30, "identity")
        # Its squared error is (a - y)² / 2.
        peer = SGDRegressor(loss="squared_error", eta0=2 * _SGD_LR, random_state=0, **plain)
    else:
        model = fastgd.Neuron(30, loss="binary_cross_entropy")
        peer = SGDClassifier(loss="log_loss", eta0=_SGD_LR, random_state=0, **plain)

    def fit(epochs):
        return fastgd.fit(
            model, X, y, optimizer=fastgd.SGD(), lr=_SGD_LR, batch_size=1, epochs=epochs, order=order,
            params=np.zeros(31, dtype),
        )  # fmt: skip

    def fit_peer(epochs):
        return peer.set_params(max_iter=epochs).fit(X, y)

    ours, theirs = fit(_CHECKED_EPOCHS), fit_peer(_CHECKED_EPOCHS)
    if theirs.coef_.dtype != X.dtype:
        raise AssertionError(f"scikit-learn computes in {theirs.coef_.dtype}")
    if order == "sequential":  # shuffled orders are each library's own
        grads = np.empty(31, dtype)
        params = np.append(theirs.coef_, theirs.intercept_).astype(dtype)
        losses = [fastgd.value_and_grad(model, each, X, y, grads) for each in (params, ours.params)]
        _check_equal("scikit-learn", *losses)
    return lambda: epoch_seconds(fit_peer, 1, 4, 2), lambda: epoch_seconds(fit)


class OneRowAStep:
    """How many times as long as in fastgd an epoch of 100,000 rows of 30 columns takes, in order."""

    params = (_ESTIMATORS, _DTYPES)
    param_names = ("estimator", "dtype")
    unit = "x"
    timeout = 300

    def setup(self, estimator, dtype):
        _require("sklearn")

    def track_ratio_epoch(self, estimator, dtype):
        return median_ratio(*compare_one_row_a_step(estimator, "sequential", dtype), turns=3)


def _geometric_mean(ratios):
    return np.exp(np.mean(np.log(ratios), axis=0))


def _print_epochs(names, order, turns):
    print(f"\nAn epoch of the neuron with Adam, {order}, float32: ns a row, and times fastgd's\n")
    print(f"{'':36}{'fastgd':>8}" + "".join(f"{name:>22}" for name in names))
    ratios = []
    for title, shape in SHAPES.items():
        seconds = compare(shape, order, names, turns)
        nanoseconds = 1e9 * np.median(seconds, axis=0)
        ratios.append(np.median(seconds[:, 1:] / seconds[:, :1], axis=0))
        pairs = zip(nanoseconds[1:], ratios[-1], strict=True)
        cells = "".join(f"{time:>13.1f} ({ratio:5.1f})" for time, ratio in pairs)
        print(f"{title:36}{nanoseconds[0]:>8.2f}{cells}", flush=True)
    for title, summary in (("geometric mean", _geometric_mean(ratios)), ("least", np.min(ratios, axis=0))):
        print(f"{title:44}" + "".join(f"{'':>13} ({ratio:5.1f})" for ratio in summary))


def _print_one_row_a_step(turns):
    print("\nOne row a step with plain gradient descent, 100000 x 30: ns a row, and times fastgd's\n")
    print(f"{'':36}{'fastgd':>8}{'scikit-learn':>22}")
    for estimator in _ESTIMATORS:
        for order in _ORDERS:
            for dtype in _DTYPES:
                seconds = in_turns(compare_one_row_a_step(estimator, order, dtype), turns)
                theirs, ours = 1e9 * np.median(seconds, axis=0) / 100_000
                ratio = np.median(seconds[:, 0] / seconds[:, 1])
                title = f"{estimator}, {order}, {dtype}"
                print(f"{title:36}{ours:>8.2f}{theirs:>13.1f} ({ratio:5.1f})", flush=True)


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=5, help="how often each library is measured (5)")
    turns = parser.parse_args().turns
    names = []
    for name, library in LIBRARIES.items():
        try:
            _require(library.module)
            names.append(name)
        except NotImplementedError as reason:
            print(f"{name} is left out: {reason}", file=sys.stderr)
    for order in _ORDERS:
        _print_epochs(names, order, turns)
    try:
        _require("sklearn")
        _print_one_row_a_step(turns)
    except NotImplementedError as reason:
        print(f"scikit-learn is left out: {reason}", file=sys.stderr)


if __name__ == "__main__":
    main()
