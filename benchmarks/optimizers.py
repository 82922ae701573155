"""The update of every registered optimiser: in compiled code, from Python, on threads, and in PyTorch."""

import numpy as np

import fastgd
from benchmarks._timing import best_seconds, in_turns, median_ratio, median_seconds
from fastgd._registry import OptimizerKernels, registered

_OPTIMIZERS = registered(OptimizerKernels)
_NAMES = tuple(_OPTIMIZERS)
_WORK = 2_000_000  # parameters that are updated in one call


@fastgd.njit(nogil=True, error_model="numpy")
def _steps(optimizer, lr, grads, state, params, n_steps):
    for _ in range(n_steps):
        fastgd.update(optimizer, lr, grads, state, params)


def _start(name, n_params, dtype):
    rng = np.random.default_rng(0)
    params, grads = rng.normal(size=(2, n_params)).astype(dtype)
    optimizer = _OPTIMIZERS[name]()
    return optimizer, grads, fastgd.init_state(optimizer, params), params


class Update:
    """An update in compiled code, a parameter."""

    params = (_NAMES, (100, 100_000, 10_000_000), ("float32", "float64"))
    param_names = ("optimizer", "parameters", "dtype")
    unit = "ns"

    def track_parameter(self, name, n_params, dtype):
        optimizer, grads, state, params = _start(name, n_params, dtype)
        n_steps = max(1, _WORK // n_params)
        _steps(optimizer, 1e-6, grads, state, params, 1)  # compiles
        call = median_seconds(
            lambda: best_seconds(lambda: _steps(optimizer, 1e-6, grads, state, params, n_steps), repeat=5)
        )
        return 1e9 * call / (n_steps * n_params)


class Call:
    """A call of `update` from Python, at two parameters."""

    params = (_NAMES,)
    param_names = ("optimizer",)
    unit = "us"

    def track_call(self, name):
        optimizer, grads, state, params = _start(name, 2, "float64")
        n_calls = 10_000

        def calls():
            for _ in range(n_calls):
                fastgd.update(optimizer, 1e-6, grads, state, params)

        calls()  # compiles
        return 1e6 * median_seconds(lambda: best_seconds(calls)) / n_calls


class Denormal:
    """The time of a step after 100,000 with gradients of zero, over that of an ordinary one.

    Moments that only decay become denormal numbers, on which arithmetic takes many times as long on some processors.
    """

    params = (_NAMES, ("float32", "float64"))
    param_names = ("optimizer", "dtype")
    unit = "x"

    def track_ratio_after_zeros(self, name, dtype):
        optimizer, grads, state, params = _start(name, 1000, dtype)
        arrays = (grads, *state, params)  # the same places in memory for both, since these too make a difference

        def values():
            return [array.copy() for array in arrays]

        _steps(optimizer, 1e-6, grads, state, params, 1)
        ordinary = values()
        grads[:] = 0
        _steps(optimizer, 1e-6, grads, state, params, 100_000)
        decayed = values()

        def measure(start):
            for array, kept in zip(arrays, start, strict=True):
                array[:] = kept
            return best_seconds(lambda: _steps(optimizer, 1e-6, grads, state, params, 1000), repeat=10)

        return median_ratio(lambda: measure(decayed), lambda: measure(ordinary))


class Wrapped:
    """A call of `update` from Python, at two parameters, of wrappers around Adam, one within the other."""

    params = (0, 1, 2, 3)
    param_names = ("wrappers",)
    unit = "us"

    def track_call(self, n_wrappers):
        optimizer, params, grads = fastgd.Adam(), np.ones(2), np.ones(2)
        for wrap in (fastgd.EMA, fastgd.Lookahead, fastgd.SkipNonfinite)[:n_wrappers]:
            optimizer = wrap(optimizer)
        state = fastgd.init_state(optimizer, params)

        def calls():
            for _ in range(10_000):
                fastgd.update(optimizer, 1e-6, grads, state, params)

        calls()  # compiles
        return 1e6 * median_seconds(lambda: best_seconds(calls)) / 10_000


def _update_seconds(name, n_params, dtype="float32", threads=1):
    optimizer, grads, state, params = _start(name, n_params, dtype)
    n_steps = max(1, _WORK // n_params)

    def steps():
        for _ in range(n_steps):
            fastgd.update(optimizer, 1e-6, grads, state, params, threads=threads)

    steps()  # compiles
    return lambda: best_seconds(steps) / n_steps


class Threads:
    """How many times as fast two threads update a large vector."""

    params = (("SGD", "Adam"), (1_000_000, 10_000_000), ("float32", "float64"))
    param_names = ("optimizer", "parameters", "dtype")
    unit = "x"

    def track_ratio(self, name, n_params, dtype):
        return median_ratio(_update_seconds(name, n_params, dtype), _update_seconds(name, n_params, dtype, threads=2))


class BFloat16:
    """How many times as fast an update is with its moments in bfloat16, of float32 parameters."""

    params = (("Adam", "AdamW", "Lion"), (10_000_000, 30_000_000), (1, 2))
    param_names = ("optimizer", "parameters", "threads")
    unit = "x"

    def track_ratio(self, name, n_params, threads):
        full, half = (_update_seconds(each, n_params, threads=threads) for each in (name, name + "BF16"))
        return median_ratio(full, half)


class PyTorch:
    """How many times as long PyTorch's update takes (fused where it has that), both from Python, on so many threads."""

    params = (
        ("SGD", "Momentum", "Nesterov", "Adagrad", "Adadelta", "RMSProp", "Adam", "AdamW", "Adamax", "NAdam", "RAdam"),
        (1_000, 3_000, 10_000, 100_000, 10_000_000),
        (1, 2),
    )
    param_names = ("optimizer", "parameters", "threads")
    unit = "x"

    def setup(self, *_):
        try:
            import torch
        except ImportError:
            raise NotImplementedError("PyTorch is not installed") from None
        self.torch = torch

    def track_ratio(self, name, n_params, threads):
        ours, theirs = pytorch_seconds(self.torch, name, n_params, threads)
        return theirs / ours


def pytorch_seconds(torch, name, n_params, threads):
    """The seconds of a step by fastgd and by PyTorch: medians of alternating turns."""
    spelling = {"Momentum": "SGD", "Nesterov": "SGD", "RMSProp": "RMSprop"}
    options = {"Momentum": {"momentum": 0.9}, "Nesterov": {"momentum": 0.9, "nesterov": True}}.get(name, {})
    if spelling.get(name, name) in ("SGD", "Adagrad", "Adam", "AdamW"):
        options = {**options, "fused": True}
    _, grads, _, params = _start(name, n_params, "float32")
    weights = torch.from_numpy(params.copy()).requires_grad_()
    weights.grad = torch.from_numpy(grads.copy())
    peer = getattr(torch.optim, spelling.get(name, name))([weights], lr=1e-6, **options)
    n_steps = max(1, _WORK // 10 // max(n_params, 1_000))

    def steps():
        torch.set_num_threads(threads)
        for _ in range(n_steps):
            peer.step()

    steps()
    measures = [_update_seconds(name, n_params, threads=threads), lambda: best_seconds(steps) / n_steps]
    return np.median(in_turns(measures), axis=0)
