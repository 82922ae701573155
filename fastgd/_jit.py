"""The house decorators: compile flags, and a disk cache whose key covers all code that a function reaches."""

import contextlib
import warnings
from typing import Any

import numba
from numba.core.dispatcher import CompilingCounter, Dispatcher

from fastgd._compile import compiler
from fastgd._compile.disk_cache import DiskCache

# Compiled functions keep NaN and infinity visible: `nnan`, `ninf` and `afn` are never among the flags.
# Element-wise code takes no `reassoc`: it would fold away the range reduction in `exp` (2.7 became 5.3 ULP).
_ELEMENTWISE = {"contract"}
_SUMS = {"contract", "reassoc", "nsz"}


if numba.config.DISABLE_JIT:
    warnings.warn(
        "NUMBA_DISABLE_JIT is set: fastgd's kernels exist in compiled code only, and most of its functions will fail",
        RuntimeWarning,
        stacklevel=2,
    )


def kernel(function=None, *, reassoc=False, inline=False, merge=False):
    """Compile a function of the package: no GIL, IEEE special values, cached on disk.

    Parameters
    ----------
    function : callable
        Python code that Numba compiles.
    reassoc : bool
        Let sums be reordered, so that they are vectorised. For loops that add up, never for `exp` and its kin.
    inline : bool
        Paste the function into its compiled callers (LLVM's `alwaysinline`).
    merge : bool
        Read the function as a part of its callers, under their flags: for what is called in a place or two, and
        would take 60 to 100 ms to compile by itself first.
    """

    def decorate(function):
        compiled = njit(
            function,
            error_model="numpy",
            nogil=True,
            fastmath=_SUMS if reassoc else _ELEMENTWISE,
            forceinline=inline,
            inline="always" if merge else "never",
            no_cfunc_wrapper=True,
            pipeline_class=compiler.HouseCompiler,
            cache=not merge,
        )
        if isinstance(compiled, Dispatcher):
            compiled._compiling_counter = _NeverRecursive()
        return compiled

    return decorate(function) if function else decorate


class _NeverRecursive:
    """Says of a function that it is not being compiled: what Numba asks before it takes a call for a recursion.

    A rule in a rule of its kind meets its own helpers again, with other types. A call that Numba takes for a recursion
    is of a name, which it looks for when it is run: in code that came from the disk cache it was not there, and the
    process crashed.
    """

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def __bool__(self):
        return False


class _RecursiveSinceAVerb:
    """Says the same of users' functions, which may call themselves: but not by way of a verb, with other types."""

    verbs = 0  # that are being typed

    def __init__(self):
        self._entered: list[int] = []

    def __enter__(self):
        self._entered.append(self.verbs)

    def __exit__(self, *exception):
        self._entered.pop()

    def __bool__(self):
        return bool(self._entered) and self._entered[-1] == self.verbs


@contextlib.contextmanager
def typing_a_verb(callers):
    """Take no function that is being compiled, Numba's frames of which are given, for one that calls itself."""
    for function in (frame.func_id.func for frame in callers):
        helper = function.__globals__.get(function.__name__)  # by Numba's own decorator, perhaps
        if isinstance(helper, Dispatcher) and type(helper._compiling_counter) is CompilingCounter:
            helper._compiling_counter = _RecursiveSinceAVerb()
    _RecursiveSinceAVerb.verbs += 1
    try:
        yield
    finally:
        _RecursiveSinceAVerb.verbs -= 1


def njit(function: Any = None, *, cache: bool = True, **options: Any) -> Any:
    """`numba.njit` with fastgd's cache key, for functions that call fastgd's verbs.

    A function cached by Numba's own decorator keeps the machine code of the rules and models it was compiled
    with, even after they are edited. Decorated by this one, it is compiled anew whenever anything that it
    reaches has changed: a kernel of the package, a registered rule of the user's, or a helper that it calls. And two
    functions of one name in a module stay apart, of which Numba's cache may have a caller of both call one twice.

    Parameters
    ----------
    function : callable
        The function to compile; or, as `numba.njit` takes them, a signature or a list of signatures to compile it
        for at once.
    cache : bool
        Keep the machine code on disk.
    **options
        Anything that `numba.njit` takes.

    Returns
    -------
    callable
        The compiled function.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd
    >>> @fastgd.njit(cache=False)
    ... def descend(x, steps):
    ...     optimizer = fastgd.SGD()
    ...     state = fastgd.init_state(optimizer, x)
    ...     for _ in range(steps):
    ...         fastgd.update(optimizer, 0.1, 2 * x, state, x)
    ...     return x
    >>> descend(np.array([1.0]), 2)
    array([0.64])
    """
    if function is None or callable(function):
        signatures = []
    else:
        signatures = function if isinstance(function, list) else [function]

    def decorate(function):
        compiled = numba.njit(**{"pipeline_class": compiler.NamesApart, **options})(function)
        if isinstance(compiled, Dispatcher):  # a plain function where NUMBA_DISABLE_JIT is set
            compiled._compiling_counter = _RecursiveSinceAVerb()
            if cache:
                compiled._cache = DiskCache(compiled)
            for signature in signatures:
                compiled.compile(signature)
            compiled.disable_compile(bool(signatures))
        return compiled

    return decorate(function) if callable(function) else decorate
