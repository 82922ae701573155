"""A disk cache that never serves stale machine code.

Numba's own disk cache looks at the source file of the cached function alone. A training loop, though, contains
the machine code of every rule, model and helper that it calls, so editing one of these would leave the loop
running yesterday's code. This cache adds to Numba's key a digest of all that can be reached from the function.
"""

import glob
import hashlib
import os
import pickle
import types
import warnings
from typing import NamedTuple

import numba
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.serialize import dumps
from numba.core.sigutils import normalize_signature
from numba.extending import is_jitted

from fastgd._compile.reachable_code import CallsItselfError, described, importable, reachable_code_digest


class DiskCache:
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
        cache = self._open() if self._enabled and importable(_arguments(sig)) else None
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
        cache = self._open() if self._enabled and importable(kinds) else None
        if cache is not None:
            try:
                cache.save_overload(sig, data)
            except OSError as error:
                self._disable(error)
            except CallsItselfError:
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
