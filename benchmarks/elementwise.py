"""exp, sigmoid, tanh and softplus of arrays within the cache, beside NumPy's and PyTorch's."""

import importlib.util

import numpy as np

import fastgd
from benchmarks._timing import best_seconds, median_ratio, median_seconds

_SIZE, _CALLS = 50_000, 20
_NAMES = ("exp", "sigmoid", "tanh", "softplus")
_DTYPES = ("float32", "float64")


def _numpy(name):
    return {
        "exp": np.exp,
        "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
        "tanh": np.tanh,
        "softplus": lambda x: np.logaddexp(x.dtype.type(0), x),
    }[name]


def _torch(name):
    import torch

    torch.set_num_threads(1)
    return torch.nn.functional.softplus if name == "softplus" else getattr(torch, name)


def _numbers(dtype):
    return (4 * np.random.default_rng(0).normal(size=_SIZE)).astype(dtype)


def _seconds(function, x):
    """Return a function that measures a call."""

    def calls():
        for _ in range(_CALLS):
            function(x)

    calls()  # compiles
    return lambda: best_seconds(calls) / _CALLS


class Arrays:
    """From Python, an array of 50,000 numbers in, a new one out."""

    params = (_NAMES, _DTYPES)
    param_names = ("function", "dtype")

    def track_number(self, name, dtype):
        return 1e9 * median_seconds(_seconds(getattr(fastgd, name), _numbers(dtype))) / _SIZE

    track_number.unit = "ns"

    def track_ratio_numpy(self, name, dtype):
        x = _numbers(dtype)
        return median_ratio(_seconds(_numpy(name), x), _seconds(getattr(fastgd, name), x))

    track_ratio_numpy.unit = "x"


class BesideTorch:
    """The same against PyTorch on one thread."""

    params = (_NAMES, _DTYPES)
    param_names = ("function", "dtype")
    unit = "x"

    def setup(self, name, dtype):
        if importlib.util.find_spec("torch") is None:
            raise NotImplementedError("PyTorch is not installed")  # in the setup, where asv takes it for "n/a"

    def track_ratio(self, name, dtype):
        import torch

        x = _numbers(dtype)
        return median_ratio(_seconds(_torch(name), torch.from_numpy(x)), _seconds(getattr(fastgd, name), x))
