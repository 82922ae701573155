"""What a compiled function is made of: everything that can be reached from it, hashed.

The bytecode of every compiled function that it names, the constants that they read, the kernels that are registered
for the types it is given or constructs, and the source files of the Python code that generates machine code
(intrinsics and overloads).
"""

import hashlib
import os
import sys
import types

import numpy as np
from numba.core import types as numba_types
from numba.core.typing.templates import builtin_registry
from numba.extending import is_jitted

from fastgd._compile import compiler

# What a class answers for: class -> the kernels registered for it, and what its constructor is made from in compiled
# code (filled by the registry).
kernels_of: dict[type, tuple] = {}

# Modules whose contents never change under a cache: Numba and Python versions are in Numba's own key.
_FOREIGN = {"numba", "numpy", "scipy", "llvmlite", *sys.stdlib_module_names} - {"__main__"}


class CallsItselfError(Exception):
    """A function calls itself: Numba does not find it again when its machine code comes from a file, and crashes."""


def described(kind):
    """A Numba type in words that tell it from any other, in every process: Numba's own have no modules in them."""
    if not isinstance(kind, numba_types.BaseTuple):
        return str(kind)
    cls = getattr(kind, "instance_class", tuple)
    return f"{cls.__module__}.{cls.__qualname__}.{cls.__name__}({', '.join(map(described, kind.types))})"


def importable(argument_types):
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
        if isinstance(kind, numba_types.BaseTuple) and not importable(kind.types):
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
    CallsItselfError
        Where a compiled function calls itself.
    """
    walk = _Walk()
    walk.visit(dispatcher)
    walk.visit_types(argument_types)
    return walk.hash.hexdigest()


class _Walk:
    """A walk over code objects, the globals that they name, and the values of those."""

    def __init__(self):
        self.hash = hashlib.sha256(_file_digest(__file__) + _file_digest(compiler.__file__))
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
            raise CallsItselfError

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
