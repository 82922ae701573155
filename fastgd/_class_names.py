"""The names of NamedTuple classes, by which Numba tells them apart."""

import weakref

_told_apart: weakref.WeakSet = weakref.WeakSet()
_names: set[tuple] = set()  # with their fields, of the classes told apart


def tell_apart(cls):
    """Give a NamedTuple class a `__name__` of its own, if another has the same name and fields.

    Numba's dispatcher knows a named tuple by the ASCII of these and by the types in it (so that it need not call
    `typeof`): a class that a notebook's cell has defined anew, or one with the name of a built-in one, would run the
    machine code of the first. Its `__qualname__`, and how it prints itself, stay.
    """
    if cls in _told_apart:
        return
    plain, count = cls.__name__, 1
    while (cls.__name__.encode("ascii", "ignore"), *cls._fields) in _names:
        count += 1
        cls.__name__ = f"{plain}_{count}"
    _names.add((cls.__name__.encode("ascii", "ignore"), *cls._fields))
    _told_apart.add(cls)


def plain_name(cls):
    """The name that a class was written with."""
    return cls.__qualname__.rpartition(".")[2]


def with_classes_told_apart(value):
    """Return a value after a look at the named tuples in it, which are not registered."""
    if isinstance(value, tuple):
        if hasattr(value, "_fields"):
            tell_apart(type(value))
        for part in value:
            with_classes_told_apart(part)
    return value
