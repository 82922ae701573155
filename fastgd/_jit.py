"""The house decorators: compile flags, and a disk cache that never serves stale machine code.

Numba's own disk cache looks at the source file of the cached function alone. A training loop, though, contains
the machine code of every rule, model and helper that it calls, so editing one of these would leave the loop
running yesterday's code. The cache of this module adds to Numba's key a digest of everything that can be
reached from the function: the bytecode of every compiled function that it names, the constants that they
read, the kernels that are registered for the types it is given or constructs, and the source files of the
Python code that generates machine code (intrinsics and overloads).
"""

import contextlib
import glob
import hashlib
import os
import pickle
import sys
import types
import warnings
from typing import NamedTuple

import numba
import numpy as np
from numba.core import types as numba_types
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.dispatcher import CompilingCounter, Dispatcher
from numba.core.serialize import dumps
from numba.core.sigutils import normalize_signature
from numba.core.typing.templates import builtin_registry
from numba.extending import is_jitted

from fastgd import _compiler

# Compiled functions keep NaN and infinity visible: `nnan`, `ninf` and `afn` are never among the flags.
# Element-wise code takes no `reassoc`: it would fold away the range reduction in `exp` (2.7 became 5.3 ULP).
_ELEMENTWISE = {"contract"}
_SUMS = {"contract", "reassoc", "nsz"}

# What a class answers for: class -> the kernels registered for it, and what its constructor is made from in compiled
# code (filled by the registry).
kernels_of: dict[type, tuple] = {}

# Modules whose contents never change under a cache: Numba and Python versions are in Numba's own key.
_FOREIGN = {"numba", "numpy", "scipy", "llvmlite", *sys.stdlib_module_names} - {"__main__"}


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
            pipeline_class=_compiler.HouseCompiler,
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


def njit(function=None, *, cache=True, **options):
    """`numba.njit` with fastgd's cache key, for functions that call fastgd's verbs.

    A function cached by Numba's own decorator keeps the machine code of the rules and models it was compiled
    with, even after they are edited. Decorated by this one, it is compiled anew whenever anything that it
    reaches has changed: a kernel of the package, a registered rule of the user's, or a helper that it calls.

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
        compiled = numba.njit(**options)(function)
        if isinstance(compiled, Dispatcher):  # a plain function where NUMBA_DISABLE_JIT is set
            compiled._compiling_counter = _RecursiveSinceAVerb()
            if cache:
                compiled._cache = _LazyCache(compiled)
            for signature in signatures:
                compiled.compile(signature)
            compiled.disable_compile(bool(signatures))
        return compiled

    return decorate(function) if callable(function) else decorate


class _LazyCache:
    """A dispatcher's disk cache, opened at the first compilation rather than at import.

    A folder that cannot be written means no cache and one warning. A function without a file (of a prompt, of
    `python -c`) has no cache either: no later process would find it.
    """

    def __init__(self, dispatcher):
        self._dispatcher = dispatcher
        self._opened = None
        self._enabled = True

    def _open(self):
        if self._opened is None:
            try:
                self._opened = _ReachableCodeCache(self._dispatcher)
            except (RuntimeError, OSError) as error:
                self._enabled = False
                if os.path.exists(self._dispatcher.py_func.__code__.co_filename):
                    _warn_once(error)
        return self._opened

    def _disable(self, error):
        self._enabled = False
        _warn_once(error)

    def load_overload(self, sig, target_context):
        cache = self._open() if self._enabled and _importable(_arguments(sig)) else None
        if cache is None:
            return None
        try:
            return cache.load_overload(sig, target_context)
        except OSError as error:
            self._disable(error)
        except Exception:  # a damaged file raises anything: it is compiled and written anew
            pass
        return None

    def save_overload(self, sig, data):
        kinds = (*_arguments(sig), data.signature.return_type)
        cache = self._open() if self._enabled and _importable(kinds) else None
        if cache is not None:
            try:
                cache.save_overload(sig, data)
            except OSError as error:
                self._disable(error)
            except _RecursionError:
                pass

    @property
    def cache_path(self):
        return self._opened and self._opened.cache_path

    def flush(self):
        cache = self._open()
        if cache is not None:
            cache.flush()


class _ReachableCodeCache(FunctionCache):
    """Numba's cache of one function, with everything that the function reaches in its key."""

    def __init__(self, dispatcher):
        super().__init__(dispatcher.py_func)
        self._dispatcher = dispatcher
        self._cache_file = _EntryFiles(self._cache_path, self._impl.filename_base)

    def _index_key(self, sig, codegen):
        captured = _captured(self._dispatcher)
        return _Key(
            name=repr((*map(described, _arguments(sig)), codegen.magic_tuple(), captured, numba.__version__)),
            digest=reachable_code_digest(self._dispatcher, _arguments(sig)),
        )


def _captured(value, within=()):
    """What tells functions of one name apart, the same in every process: a pickled compiled function is not."""
    if isinstance(value, tuple):
        return [_captured(item, within) for item in value]
    function = value.py_func if is_jitted(value) else value
    if not isinstance(function, types.FunctionType):
        return hashlib.sha256(dumps(value)).hexdigest()
    name = [function.__module__, function.__qualname__, hashlib.sha256(function.__code__.co_code).hexdigest()]
    if function in within:  # which calls itself
        return name
    cells = tuple(cell.cell_contents for cell in function.__closure__ or ())
    return [*name, _captured(cells, (*within, function))]


class _RecursionError(Exception):
    """A function calls itself: Numba does not find it again when its machine code comes from a file, and crashes."""


class _Key(NamedTuple):
    """What names an entry of the cache: text only, which can be read whatever modules are at hand."""

    name: str  # signature, machine, closure and version
    digest: str  # the code


class _EntryFiles(IndexDataCacheFile):
    """A file for each signature of a function, with its key in front.

    Numba's index of numbered files gives one number to two signatures that two processes compile at the same
    time, and then serves the machine code of one for the other. It also cannot be read where one of the types
    in it comes from a module that is not there.
    """

    def __init__(self, cache_path, filename_base):
        super().__init__(cache_path, filename_base, source_stamp=None)
        self._filename_base = filename_base

    def _path(self, key):
        short = hashlib.sha256(key.name.encode()).hexdigest()[:16]
        return os.path.join(self._cache_path, f"{self._filename_base}.{short}.nbc")

    def save(self, key, data):
        with self._open_for_write(self._path(key)) as file:
            pickle.dump(tuple(key), file)
            file.write(self._dump(data))

    def load(self, key):
        try:
            with open(self._path(key), "rb") as file:
                stored = pickle.load(file)
                return pickle.load(file) if stored == key else None
        except FileNotFoundError:
            return None

    def flush(self):
        for path in glob.glob(glob.escape(os.path.join(self._cache_path, self._filename_base)) + ".*.nbc"):
            os.unlink(path)


_warned = False


def _warn_once(error):
    global _warned
    if not _warned:
        _warned = True
        warnings.warn(
            f"fastgd compiles without a disk cache in this process ({error}); "
            "set NUMBA_CACHE_DIR to a folder that can be written to keep machine code between runs",
            RuntimeWarning,
            stacklevel=2,
        )


def _arguments(sig):
    return normalize_signature(sig)[0]


def described(kind):
    """A Numba type in words that tell it from any other, in every process: Numba's own have no modules in them."""
    if not isinstance(kind, numba_types.BaseTuple):
        return str(kind)
    cls = getattr(kind, "instance_class", tuple)
    return f"{cls.__module__}.{cls.__qualname__}.{cls.__name__}({', '.join(map(described, kind.types))})"


def _importable(argument_types):
    """Whether a later process can find these types again.

    Not those of a script, of a function's inside, or of a module that was imported twice and is the other one now; nor
    that of a compiled function that is passed as a value, which is known by its address.
    """
    for kind in argument_types:
        if isinstance(kind, numba_types.Dispatcher):
            return False
        if isinstance(kind, numba_types.BaseNamedTuple):
            cls = kind.instance_class
            found = sys.modules.get(cls.__module__)
            for name in cls.__qualname__.split("."):
                found = getattr(found, name, None)
            if cls.__module__ == "__main__" or found is not cls:
                return False
        if isinstance(kind, numba_types.BaseTuple) and not _importable(kind.types):
            return False
    return True


def reachable_code_digest(dispatcher, argument_types=()):
    """Hash what a compiled function is made of, so that an edit anywhere in it gives another digest.

    Parameters
    ----------
    dispatcher : Dispatcher
        The compiled function.
    argument_types : sequence of Numba types
        The signature; the kernels registered for its named tuples are part of the code.

    Returns
    -------
    str
        The digest, in hexadecimal digits.

    Raises
    ------
    _RecursionError
        Where a compiled function calls itself.
    """
    walk = _Walk()
    walk.visit(dispatcher)
    walk.visit_types(argument_types)
    return walk.hash.hexdigest()


class _Walk:
    """A walk over code objects, the globals that they name, and the values of those."""

    def __init__(self):
        self.hash = hashlib.sha256(_file_digest(__file__) + _file_digest(_compiler.__file__))
        self.seen = set()
        self.callers: list[int] = []  # compiled functions, each named in the one before
        self.overloads_of_attributes = _overloads_of_attributes()

    def add(self, *items):
        for item in items:
            words = repr(item).encode()
            self.hash.update(b"%d:" % len(words))  # 2, 22 is not 22, 2
            self.hash.update(words)

    def visit_types(self, kinds):
        for kind in kinds:
            if isinstance(kind, numba_types.BaseNamedTuple):
                self.visit(kind.instance_class)
            if isinstance(kind, numba_types.BaseTuple):
                self.visit_types(kind.types)
            if isinstance(kind, numba_types.Dispatcher):
                self.visit(kind.dispatcher)

    def visit(self, value):
        if isinstance(value, int | float | complex | str | bytes | np.generic | np.dtype | None):
            self.add(value)
        elif isinstance(value, tuple):
            self.visit(type(value))
            self.add(len(value))
            for item in value:
                self.visit(item)
        elif isinstance(value, np.ndarray):  # a global array is a constant of the compiled code
            self.add(value.dtype, value.shape, hashlib.sha256(value.tobytes()).digest())
        elif id(value) not in self.seen:
            self.seen.add(id(value))
            self._visit_once(value)
        elif id(value) in self.callers:
            raise _RecursionError

    def _visit_once(self, value):
        if is_jitted(value):
            self.callers.append(id(value))
            for option, setting in sorted(value.targetoptions.items()):
                self.add(option, sorted(setting) if isinstance(setting, set) else setting)
            self.add(sorted((name, str(kind)) for name, kind in value.locals.items()))
            self.visit(value._compiler.pipeline_class)
            self.visit_code(value.py_func)
            self.callers.pop()
            return
        callers, self.callers = self.callers, []
        self._visit_other(value)
        self.callers = callers

    def _visit_other(self, value):
        if isinstance(value, type):
            self.visit_class(value)
        elif isinstance(value, types.FunctionType) and not _foreign(value.__module__):
            # Not compiled itself: an overload or a generator of code, with its helpers around it in the file.
            self.add(_file_digest(value.__code__.co_filename))
            self.visit_code(value)
            for overload in _overloads_of(value):
                self.visit_code(overload)
        elif hasattr(value, "_defn"):  # a Numba intrinsic
            self.visit(value._defn)
        elif hasattr(value, "__wrapped__"):  # what `vectorize`, `guvectorize` and `cfunc` make
            self.visit(value.__wrapped__)

    def visit_class(self, cls):
        self.add(cls.__module__, cls.__qualname__)
        if issubclass(cls, tuple):
            self.add(getattr(cls, "_fields", None))
            for default in getattr(cls, "_field_defaults", {}).values():
                self.visit(default)
            for compiled in kernels_of.get(cls, ()):
                self.visit(compiled)
        elif not _foreign(cls.__module__):  # an enumeration, a `jitclass`, a generator of code
            self.add(_file_digest(getattr(sys.modules.get(cls.__module__), "__file__", None)))

    def visit_code(self, function):
        codes = [function.__code__]
        for code in codes:
            self.add(code.co_code, code.co_varnames, code.co_names, code.co_flags, code.co_argcount)
            self.add(code.co_kwonlyargcount, len(code.co_consts))
            for constant in code.co_consts:
                if isinstance(constant, types.CodeType):
                    codes.append(constant)
                elif isinstance(constant, frozenset):
                    self.add(sorted(constant, key=repr))
                else:
                    self.add(constant)
        self.visit(function.__defaults__ or ())
        for name, default in (function.__kwdefaults__ or {}).items():
            self.add(name)
            self.visit(default)
        names = [name for code in codes for name in code.co_names]
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            self.add(name)
            self.visit_named(cell.cell_contents, names)
        for name in names:
            if name in function.__globals__:
                self.add(name)
                self.visit_named(function.__globals__[name], names)
            for overload in self.overloads_of_attributes.get(name, ()):
                self.visit(overload)

    def visit_named(self, value, names):
        """Visit a global; of a module, the members whose names stand in the code."""
        if not isinstance(value, types.ModuleType):
            self.visit(value)
        elif not _foreign(value.__name__):
            for name in names:
                member = value.__dict__.get(name)
                if member is not None and member is not value:
                    self.visit_named(member, [other for other in names if other != name])


def _overloads_of(function):
    """The functions that type a plain function in compiled code."""
    return [
        template._overload_func
        for overloaded, kind in builtin_registry.globals
        if overloaded is function
        for template in kind.templates
        if hasattr(template, "_overload_func")
    ]


def _overloads_of_attributes():
    """The users' functions that type an attribute or a method in compiled code, by its name."""
    found: dict[str, list] = {}
    for template in builtin_registry.attributes:
        overload = getattr(template, "_overload_func", None)
        if overload is not None and not _foreign(overload.__module__):
            found.setdefault(template._attr, []).append(overload)
    return found


def _foreign(module_name):
    return (module_name or "").partition(".")[0] in _FOREIGN


_file_digests: dict[str, bytes] = {}


def _file_digest(path):
    """The hash of a source file as it was when first asked for; empty where there is no such file."""
    if path not in _file_digests:
        content = b""
        if path and os.path.isfile(path):
            with open(path, "rb") as file:
                content = file.read()
        _file_digests[path] = hashlib.sha256(content).digest()
    return _file_digests[path]
