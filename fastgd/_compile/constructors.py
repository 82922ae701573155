"""What registration makes of a NamedTuple's constructor: it checks, and works in compiled code, defaults included."""

import functools
import typing
from types import UnionType

import numpy as np
from numba.core import types
from numba.core.errors import TypingError
from numba.core.imputils import lower_cast
from numba.core.typing.templates import AbstractTemplate, AttributeTemplate, Signature, infer_getattr
from numba.core.utils import pysignature
from numba.extending import models, register_model

from fastgd import _check
from fastgd._class_names import plain_name


class Thing(tuple):
    """What every registered class is.

    Numba's array analysis, under ``parallel=True``, takes the call of a class whose one base is `tuple` for a tuple of
    just the arguments that are written, and fails where others are left to their defaults or given by name.
    """

    __slots__ = ()


# What a field holds in compiled code, by the types in its annotation.
_NUMBERS = {
    types.boolean: {bool, np.bool_},
    types.int64: {int, np.int64},
    types.float64: {float, int, np.float64, np.int64},
}


class Field:
    """One field of a registered type: how its values are checked, and which Numba type holds them."""

    def __init__(self, cls, name, within):
        self.owner, self.name, self.within = plain_name(cls), name, within
        if within is not None and not (hasattr(within, "convert") or hasattr(within, "contains")):
            raise TypeError(
                f"{self.owner}: {name} must be registered with a range, such as fastgd.positive, got {within!r}"
            )
        annotation = typing.get_type_hints(cls).get(name)
        union = typing.get_origin(annotation) in (typing.Union, UnionType)
        numbers = set(typing.get_args(annotation)) if union else {annotation}
        self.numba_type = next((kind for kind, named in _NUMBERS.items() if numbers <= named), None)
        if isinstance(within, _check.OneOf):
            self.numba_type = types.int64

    def convert(self, value):
        """Return a value as the field holds it, checked."""
        if hasattr(self.within, "convert"):
            return self.within.convert(self.owner, self.name, value)
        if self.numba_type is types.boolean:
            return _check.boolean(self.owner, self.name, value)
        if self.numba_type is types.int64:
            value = _check.integer(self.owner, self.name, value)
            if not -(1 << 63) <= value < 1 << 63:
                raise ValueError(f"{self.owner}: {self.name} must be an integer of 64 bits, got {value}")
        elif self.numba_type is types.float64:
            within = self.within or _check.Range("a number", lambda v: v == v)
            return _check.number(self.owner, self.name, value, within)
        if self.within is not None and not self.within.contains(value):
            raise ValueError(f"{self.owner}: {self.name} must be {self.within.words}, got {value!r}")
        return value

    def type_in_compiled_code(self, given):
        """The Numba type of the field, where a value of this one is given."""
        if self.numba_type is None and hasattr(self.within, "convert") and not isinstance(self.within, _check.Layout):
            return _with_floats(types.unliteral(given))
        return self.numba_type or types.unliteral(given)

    def in_compiled_code(self):
        """All that compiled code knows of the field, in words."""
        names = tuple(self.within) if isinstance(self.within, _check.OneOf) else ()
        return str(self.numba_type), names, hasattr(self.within, "convert")

    def shown(self, value):
        """A value as it is printed."""
        return repr(self.within[value] if isinstance(self.within, _check.OneOf) else value)


def _with_floats(kind):
    """The type of a number, or of a tuple of them, once its numbers are floats."""
    if isinstance(kind, types.Number):
        return types.float64
    if isinstance(kind, types.UniTuple | types.Tuple):
        return types.BaseTuple.from_types([_with_floats(types.unliteral(item)) for item in kind.types])
    return kind


def check_on_construction(cls, fields, check):
    """Let the constructor in Python check and convert what it is given."""
    plain_new, name = cls.__new__, plain_name(cls)

    def checked_new(klass, *args, **kwargs):
        given = plain_new(klass, *args, **kwargs)
        thing = plain_new(klass, *(field.convert(value) for field, value in zip(fields, given, strict=True)))
        if check is not None:
            check(thing)
        return thing

    def replace(self, **changes):
        return type(self)(**{**self._asdict(), **changes})

    def shown(self):
        parts = (f"{field.name}={field.shown(value)}" for field, value in zip(fields, self, strict=True))
        return f"{name}({', '.join(parts)})"

    functools.update_wrapper(checked_new, plain_new)  # the signature that help() and editors show
    cls.__new__, cls._replace, cls.__repr__ = checked_new, replace, shown
    cls._make = classmethod(lambda klass, values: klass(*values))


class _Code(types.Type):
    """The type of a name that is known at compile time, on its way to becoming its code."""

    def __init__(self, code):
        self.code = code
        super().__init__(f"Code({code})")


register_model(_Code)(models.OpaqueModel)


@lower_cast(types.StringLiteral, _Code)
def _name_to_code(context, builder, from_type, to_type, value):
    return context.get_dummy_value()


@lower_cast(_Code, types.Integer)
def _code_to_integer(context, builder, from_type, to_type, value):
    return context.get_constant(to_type, from_type.code)


def construct_in_compiled_code(cls, fields, defaults):
    """Type calls of the class inside compiled functions: defaults, keywords, integers to floats, names to codes.

    Numba's own typing of a NamedTuple's constructor knows neither defaults nor keywords; this one, keyed by the
    class, takes precedence over it. (Ranges are checked in Python only.)
    """
    python_signature = pysignature(cls.__new__.__wrapped__)
    parameters = list(python_signature.parameters.values())[1:]
    python_signature = python_signature.replace(
        parameters=[p.replace(default=defaults.get(p.name, p.default)) for p in parameters]
    )

    def argument_type(context, field, given):
        if field.name not in given:
            return context.resolve_value_type(defaults[field.name])
        if isinstance(field.within, _check.OneOf) and isinstance(given[field.name], types.StringLiteral):
            try:
                return _Code(field.convert(given[field.name].literal_value))
            except ValueError as error:
                raise TypingError(str(error)) from None
        if isinstance(field.within, _check.OneOf) and not isinstance(given[field.name], types.Integer):
            raise TypingError(f"{plain_name(cls)}: inside compiled code {field.name} must be a name written out")
        return given[field.name]

    class Constructor(AbstractTemplate):
        key = types.NamedTupleClass

        def generic(self, args, kws):
            try:
                given = python_signature.bind(*args, **kws).arguments
            except TypeError as error:
                raise TypingError(f"{plain_name(cls)}: {error}") from None
            arguments = [argument_type(self.context, field, given) for field in fields]
            result = types.BaseTuple.from_types(
                [field.type_in_compiled_code(kind) for field, kind in zip(fields, arguments, strict=True)], cls
            )
            return Signature(result, tuple(arguments), None, pysig=python_signature)

    @infer_getattr
    class ConstructorAttribute(AttributeTemplate):
        key = types.NamedTupleClass(cls)

        def resolve___call__(self, class_type):
            return types.Function(Constructor)
