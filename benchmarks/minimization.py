"""Minimisation: a step in compiled code, beside torch.optim and JAX; small fits, beside SciPy's BFGS.

``python -m benchmarks.minimization`` prints all of it.
"""

import importlib.util
import time

import numpy as np

import fastgd
from benchmarks._timing import best_seconds, median_ratio, median_seconds
from fastgd.problems import Bowl, Rosenbrock

_PROBLEMS = {"bowl": Bowl(), "Rosenbrock": Rosenbrock()}
_OPTIMIZERS = {"SGD": (fastgd.SGD(), 1e-7), "Adam": (fastgd.Adam(), 1e-7)}  # rates at which a long run never arrives
_STEPS = 50_000


@fastgd.njit(nogil=True)
def _descend(problem, x0, optimizer, lr, n_steps):
    return fastgd.gradient_descent(problem, x0, optimizer, lr, n_steps, 0.0)


def _run(problem, n, optimizer, n_steps=_STEPS):
    rule, lr = _OPTIMIZERS[optimizer]
    x0 = np.full(n, 0.7)
    assert _descend(_PROBLEMS[problem], x0, rule, lr, 10).nit == 10  # compiles
    return lambda: _descend(_PROBLEMS[problem], x0, rule, lr, n_steps)


class Step:
    """A step of `gradient_descent` in a user's compiled code."""

    params = (tuple(_PROBLEMS), (2, 4, 10), tuple(_OPTIMIZERS))
    param_names = ("problem", "variables", "optimizer")
    unit = "ns"

    def track_step(self, problem, n, optimizer):
        run = _run(problem, n, optimizer)
        return 1e9 * median_seconds(lambda: best_seconds(run), turns=5) / _STEPS


def _torch_run(problem, n, optimizer, n_steps):
    import torch

    torch.set_num_threads(1)
    x = torch.full((n,), 0.7, dtype=torch.float64, requires_grad=True)
    cls = {"SGD": torch.optim.SGD, "Adam": torch.optim.Adam}[optimizer]
    method = cls([x], lr=_OPTIMIZERS[optimizer][1], fused=True)

    def value():
        if problem == "bowl":
            return (x * x).sum()
        return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()

    def run():
        for _ in range(n_steps):
            method.zero_grad()
            value().backward()
            method.step()

    return run


def _jax_run(problem, n, optimizer, n_steps):
    import jax
    import optax

    jax.config.update("jax_enable_x64", True)
    cls = {"SGD": optax.sgd, "Adam": optax.adam}[optimizer]
    method = cls(_OPTIMIZERS[optimizer][1])

    def value(x):
        if problem == "bowl":
            return (x * x).sum()
        return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()

    def step(carry):
        k, x, state, _ = carry
        grads = jax.grad(value)(x)
        updates, state = method.update(grads, state, x)
        return k + 1, optax.apply_updates(x, updates), state, abs(grads).max()

    @jax.jit
    def whole(x):
        return jax.lax.while_loop(lambda c: (c[0] < n_steps) & (c[3] > 0), step, (0, x, method.init(x), np.inf))

    x0 = jax.numpy.full(n, 0.7)
    whole(x0)[1].block_until_ready()
    return lambda: whole(x0)[1].block_until_ready()


_PEERS = {"torch": (_torch_run, 200), "jax": (_jax_run, 5000)}  # and the steps to time


class Peers:
    """How many times as long as a step of `gradient_descent` the same step takes there."""

    params = (tuple(_PEERS), tuple(_PROBLEMS), (2, 10), tuple(_OPTIMIZERS))
    param_names = ("peer", "problem", "variables", "optimizer")
    unit = "x"

    def setup(self, peer, *parameters):
        if importlib.util.find_spec(peer) is None or (peer == "jax" and importlib.util.find_spec("optax") is None):
            raise NotImplementedError(f"{peer} is not installed")

    def track_ratio(self, peer, problem, n, optimizer):
        make, n_steps = _PEERS[peer]
        theirs, ours = make(problem, n, optimizer, n_steps), _run(problem, n, optimizer)
        theirs()
        return median_ratio(lambda: best_seconds(theirs) / n_steps, lambda: best_seconds(ours) / _STEPS)


# Two-parameter exponential fits of 20 points.

_TIMES = np.linspace(0, 3, 20)


@fastgd.njit
def decay_error(x, grad, y):
    """The mean squared error of x₀·e^(-x₁t), and its gradient."""
    value, n = 0.0, y.size
    grad[0] = grad[1] = 0.0
    for i in range(n):
        e = np.exp(-x[1] * _TIMES[i])
        error = x[0] * e - y[i]
        value += error * error / n
        grad[0] += 2 * error * e / n
        grad[1] -= 2 * error * x[0] * _TIMES[i] * e / n
    return value


@fastgd.njit
def _decay_pair(x, y):
    grad = np.empty(2)
    return decay_error(x, grad, y), grad


def _curves(n):
    rng = np.random.default_rng(0)
    true = np.column_stack([rng.uniform(0.5, 2, n), rng.uniform(0.5, 2, n)])
    return true[:, :1] * np.exp(-true[:, 1:] * _TIMES) + 0.01 * rng.normal(size=(n, 20))


# The fastest of those that were tried (with which all curves converge): some hundred evaluations, Adam takes twice as
# many. Ten times as strict as for BFGS, whose last steps go farther: both then end equally near (see `accuracy`).
FIT = {"optimizer": fastgd.Momentum(beta=0.8), "lr": 0.8, "gtol": 1e-7}


def _fit(Y, threads):
    return fastgd.minimize_many(decay_error, np.ones((len(Y), 2)), args=(Y,), threads=threads, **FIT)


def _scipy_fits(Y):
    from scipy.optimize import minimize

    return [minimize(_decay_pair, np.ones(2), args=(y,), jac=True, method="BFGS", options={"gtol": 1e-6}) for y in Y]


class Many:
    """Fits a second, and how many times those of SciPy's BFGS with the same compiled objective, each on one core."""

    params = ((1, 2),)
    param_names = ("threads",)

    def setup(self, threads):
        if importlib.util.find_spec("scipy") is None:
            raise NotImplementedError("scipy is not installed")

    def track_fits(self, threads):
        Y = _curves(20_000)
        _fit(Y[:10], threads)
        return len(Y) / median_seconds(lambda: best_seconds(lambda: _fit(Y, threads), repeat=1), turns=5)

    track_fits.unit = "1/s"

    def track_ratio(self, threads):
        Y = _curves(20_000)
        few = Y[:100]
        _fit(Y[:10], threads), _scipy_fits(Y[:2])
        return median_ratio(
            lambda: best_seconds(lambda: _scipy_fits(few), repeat=1) / len(few),
            lambda: best_seconds(lambda: _fit(Y, threads), repeat=1) / len(Y),
        )

    track_ratio.unit = "x"


class Calls:
    """What calling from Python costs, once compiled."""

    unit = "us"

    def track_minimize(self):
        """Ten steps on a registered objective."""
        return self._call(lambda: fastgd.minimize(Rosenbrock(), [0.7, 0.7], max_steps=10))

    def track_sharpness(self):
        """Of Rosenbrock's function at its minimum."""
        return self._call(lambda: fastgd.sharpness(Rosenbrock(), [1.0, 1.0]))

    def _call(self, call):
        call()
        return 1e6 * median_seconds(lambda: best_seconds(call, repeat=20))


def accuracy():
    """How far from the minimum both end, at most: |x - x*|."""
    Y = _curves(300)
    ours, theirs = _fit(Y, 1), _scipy_fits(Y)
    tight = fastgd.minimize_many(
        decay_error, ours.x, args=(Y,), optimizer=FIT["optimizer"], lr=FIT["lr"], gtol=1e-12, max_steps=100_000
    ).x
    return abs(ours.x - tight).max(), max(abs(t.x - x).max() for t, x in zip(theirs, tight, strict=True)), ours.nfev


def main():
    """Print all of it."""
    step, peers, many = Step(), Peers(), Many()
    for problem in _PROBLEMS:
        for n in (2, 4, 10):
            for optimizer in _OPTIMIZERS:
                words = f"{problem}, {n} variables, {optimizer}: {step.track_step(problem, n, optimizer):.1f} ns a step"
                for peer in _PEERS if n != 4 else ():
                    words += f"; {peer} {peers.track_ratio(peer, problem, n, optimizer):.0f} times as long"
                print(words, flush=True)
    ours, theirs, nfev = accuracy()
    print(f"fits: off the minimum by at most {ours:.1e} and {theirs:.1e} (SciPy); {nfev.mean():.0f} evaluations each")
    for threads in (1, 2):
        print(
            f"{threads} threads: {many.track_fits(threads):,.0f} fits a second, {many.track_ratio(threads):.0f} times "
            "SciPy's BFGS on one core",
            flush=True,
        )


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"({time.perf_counter() - started:.0f} s)")
