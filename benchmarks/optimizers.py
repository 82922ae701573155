"""The update of every registered optimiser."""

import numpy as np

import fastgd
from benchmarks._timing import best_seconds, median_ratio, median_seconds
from fastgd._registry import OptimizerKernels, _registered

_OPTIMIZERS = {cls.__name__: cls for cls, kernels in _registered.items() if isinstance(kernels, OptimizerKernels)}
_NAMES = tuple(sorted(_OPTIMIZERS))
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
