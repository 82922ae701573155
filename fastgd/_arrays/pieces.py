"""A vector that threads share, with an optimiser's state: which piece is next, and what of the state goes with it.

Threads agree by numbers in memory that are read and written at once for all of them (atomically): no lock, no Python.
"""

import functools

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastgd._arrays.views import leaves

_I64 = ir.IntType(64)


def _place(context, builder, signature, arguments):
    data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
    return builder.gep(data, [arguments[1]])


@intrinsic
def shared(typing_context, numbers, k):
    """numbers[k] of a uint64 array, as another thread may just have written it, and all that it wrote before."""

    def emit(context, builder, signature, arguments):
        return builder.load_atomic(_place(context, builder, signature, arguments), "acquire", 8)

    return types.uint64(numbers, types.int64), emit


@intrinsic
def share(typing_context, numbers, k, value):
    """Write numbers[k]: a thread that reads it sees all that was written before."""

    def emit(context, builder, signature, arguments):
        builder.store_atomic(arguments[2], _place(context, builder, signature, arguments), "release", 8)
        return context.get_dummy_value()

    return types.none(numbers, types.int64, types.uint64), emit


@intrinsic
def count_one(typing_context, numbers, k):
    """Make numbers[k] one larger; return what it was: no two threads are given the same."""

    def emit(context, builder, signature, arguments):
        place = _place(context, builder, signature, arguments)
        return builder.atomic_rmw("add", place, ir.Constant(_I64, 1), "acq_rel")

    return types.uint64(numbers, types.int64), emit


@intrinsic
def replace(typing_context, numbers, k, old, new):
    """Make numbers[k] another if it still is the old one; return whether it was."""

    def emit(context, builder, signature, arguments):
        place = _place(context, builder, signature, arguments)
        outcome = builder.cmpxchg(place, arguments[2], arguments[3], "acq_rel", "acquire")
        return builder.extract_value(outcome, 1)

    return types.boolean(numbers, types.int64, types.uint64, types.uint64), emit


def _arrays(context, builder, kind, *values):
    """The arrays of nested tuples of one type, side by side, with their type and name."""
    for leaf_kind, name, *parts in leaves(builder, kind, *values):
        yield leaf_kind, name, *(context.make_array(leaf_kind)(context, builder, part) for part in parts)


def _itemsize(context, kind):
    return context.get_abi_sizeof(context.get_data_type(kind.dtype))


@intrinsic
def copy_uncut(typing_context, source, target, n_params):
    """Copy the arrays of a state that are not as long as the vector of parameters into those of another."""

    def emit(context, builder, signature, arguments):
        for kind, _, array, copy in _arrays(context, builder, source, *arguments[:2]):
            length = cgutils.unpack_tuple(builder, array.shape)[0]
            with builder.if_then(builder.icmp_unsigned("!=", length, arguments[2])):
                cgutils.raw_memcpy(builder, copy.data, array.data, array.nitems, _itemsize(context, kind))
        return context.get_dummy_value()

    return types.none(source, target, types.uint64), emit


@intrinsic
def copy_arrays(typing_context, source, target, message):
    """Copy the arrays of a tuple, nested ones included, into those of another; a ValueError where their shapes differ.

    As numbers in memory, where both lie in it alike. (As assignments, for which a tuple was taken apart by overloads,
    it took Numba 6 s to compile.)
    """
    if not isinstance(message, types.StringLiteral):
        return None  # then Numba asks again, with the literal

    def assign(source, target):
        target[...] = source

    def emit(context, builder, signature, arguments):
        sides = zip(signature.args[:2], arguments[:2], strict=True)
        sources, targets = (leaves(builder, *side) for side in sides)
        for (kind, _, value), (wanted, _, place) in zip(sources, targets, strict=True):
            array = context.make_array(kind)(context, builder, value)
            copy = context.make_array(wanted)(context, builder, place)
            lengths = zip(*(cgutils.unpack_tuple(builder, side.shape) for side in (array, copy)), strict=True)
            differ = [builder.icmp_unsigned("!=", length, other) for length, other in lengths]
            with builder.if_then(functools.reduce(builder.or_, differ, ir.Constant(ir.IntType(1), 0)), likely=False):
                context.call_conv.return_user_exc(builder, ValueError, (message.literal_value,))
            if kind.layout == wanted.layout == "C" and kind.dtype == wanted.dtype:
                cgutils.raw_memcpy(builder, copy.data, array.data, array.nitems, _itemsize(context, kind))
            else:
                context.compile_internal(builder, assign, types.none(kind, wanted), (value, place))
        return context.get_dummy_value()

    return types.none(source, target, message), emit


@intrinsic
def piece_of(typing_context, state, own, n_params, start, count):
    """The state of the parameters [start : start + count], as views without owners.

    Of the arrays of `state` that are as long as the vector it is a range. The others are those of `own`, copies that
    one thread has to itself; of these an integer named `first` becomes the number of the first parameter.
    """

    def emit(context, builder, signature, arguments):
        n_params, start, count = arguments[2:]
        views = []
        for kind, name, array, copy in _arrays(context, builder, state, *arguments[:2]):
            length, *others = cgutils.unpack_tuple(builder, array.shape)
            is_cut = builder.icmp_unsigned("==", length, n_params)
            if name == "first" and isinstance(kind.dtype, types.Integer):
                with builder.if_then(builder.not_(is_cut)):
                    offset = context.cast(builder, start, types.uint64, kind.dtype)
                    builder.store(builder.add(builder.load(array.data), offset), copy.data)
            view = context.make_array(kind)(context, builder)
            context.populate_array(
                view,
                data=builder.select(
                    is_cut, builder.gep(array.data, [functools.reduce(builder.mul, others, start)]), copy.data
                ),
                shape=cgutils.pack_array(builder, [builder.select(is_cut, count, length), *others]),
                strides=array.strides,
                itemsize=ir.Constant(_I64, _itemsize(context, kind)),
                meminfo=None,
            )
            views.append(view._getvalue())
        return _like(context, builder, state, iter(views))

    return state(state, own, types.uint64, types.uint64, types.uint64), emit


def _like(context, builder, kind, values):
    """A nested tuple of this type of the values that come next."""
    if isinstance(kind, types.BaseTuple):
        return context.make_tuple(builder, kind, [_like(context, builder, part, values) for part in kind.types])
    return next(values)
