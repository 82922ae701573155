"""Views that count no references.

Numba counts a reference for every array that is passed, taken from a tuple or sliced: atomic additions by calls
into its runtime, some twenty in one step of Adam, 100 ns where the arithmetic of a small step takes 10. A view
without an owner has nothing to count, and LLVM drops the calls. Such a view must not outlive the array it was
taken from: it is made on the way into a kernel, whose caller holds the array.
"""

import functools

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic


@intrinsic
def borrowed(typing_context, value):
    """The same array, or tuple of arrays, without its owner; other values as they are."""

    def emit(context, builder, signature, arguments):
        lent = without_owner(context, builder, signature.args[0], arguments[0])
        _count_others(context, builder, signature.args[0], lent)
        return lent

    return value(value), emit


def _count_others(context, builder, kind, value):
    """Emit a reference to whatever counts them beside arrays (a Generator, a typed list): the caller gives one back."""
    if isinstance(kind, types.BaseTuple):
        for part in zip(kind.types, cgutils.unpack_tuple(builder, value, len(kind)), strict=True):
            _count_others(context, builder, *part)
    elif not isinstance(kind, types.Array):
        context.nrt.incref(builder, kind, value)


def without_owner(context, builder, kind, value):
    """Emit the value of an array, or of a tuple of arrays, without its owner; other values as they are."""
    if isinstance(kind, types.Array):
        view = context.make_array(kind)(context, builder, value)
        view.meminfo = cgutils.get_null_value(view.meminfo.type)
        view.parent = cgutils.get_null_value(view.parent.type)
        return view._getvalue()
    if isinstance(kind, types.BaseTuple):
        items = cgutils.unpack_tuple(builder, value, len(kind))
        return context.make_tuple(
            builder, kind, [without_owner(context, builder, *item) for item in zip(kind.types, items, strict=True)]
        )
    return value


def leaves(builder, kind, *values, name=""):
    """The parts of nested tuples of one type, side by side: the type of each, its field's name and its values."""
    if not isinstance(kind, types.BaseTuple):
        return [(kind, name, *values)]
    names = getattr(kind, "fields", [""] * len(kind))
    parts = zip(kind.types, names, *(cgutils.unpack_tuple(builder, value, len(kind)) for value in values), strict=True)
    return [leaf for part, field, *of_part in parts for leaf in leaves(builder, part, *of_part, name=field)]


@intrinsic
def borrowed_slice(typing_context, array, start, size):
    """The view array[start : start + size] of a 1-D array, without its owner.

    Users' compiled code may step arrays of any stride; where the type tells the stride, it is a constant.
    """

    def emit(context, builder, signature, arguments):
        source = context.make_array(array)(context, builder, arguments[0])
        view = context.make_array(array)(context, builder)
        itemsize = ir.Constant(ir.IntType(64), context.get_abi_sizeof(context.get_data_type(array.dtype)))
        if array.layout == "C":
            data, stride = builder.gep(source.data, [arguments[1]]), itemsize
        else:
            (stride,) = cgutils.unpack_tuple(builder, source.strides)
            data = cgutils.pointer_add(builder, source.data, builder.mul(arguments[1], stride))
        context.populate_array(
            view,
            data=data,
            shape=cgutils.pack_array(builder, [arguments[2]]),
            strides=cgutils.pack_array(builder, [stride]),
            itemsize=itemsize,
            meminfo=None,
        )
        return view._getvalue()

    return array(array, types.uint64, types.uint64), emit


@intrinsic
def repeated(typing_context, array, size):
    """A 1-D view of this size: of an array as long, or of a single number, again and again (a stride of 0).

    Both have one type, so that code that takes them is compiled once.
    """
    result = array.copy(layout="A", readonly=False)

    def emit(context, builder, signature, arguments):
        source = context.make_array(array)(context, builder, arguments[0])
        view = context.make_array(result)(context, builder)
        itemsize = ir.Constant(ir.IntType(64), context.get_abi_sizeof(context.get_data_type(array.dtype)))
        single = builder.icmp_signed("==", source.nitems, ir.Constant(ir.IntType(64), 1))
        stride = builder.select(single, ir.Constant(ir.IntType(64), 0), itemsize)
        context.populate_array(
            view,
            data=source.data,
            shape=cgutils.pack_array(builder, [arguments[1]]),
            strides=cgutils.pack_array(builder, [stride]),
            itemsize=itemsize,
            meminfo=None,
        )
        return view._getvalue()

    return result(array, types.int64), emit


@intrinsic
def borrowed_row(typing_context, arrays, index):
    """`array[index]` of a C-ordered array, or of each array of a tuple, nested ones included, without its owner.

    arrays : of two or more dimensions; index : uint64.
    """

    def row_type(kind):
        if isinstance(kind, types.Array):
            return kind.copy(ndim=kind.ndim - 1)
        return types.BaseTuple.from_types(
            [row_type(item) for item in kind.types], getattr(kind, "instance_class", None)
        )

    def row(context, builder, kind, value, index):
        if isinstance(kind, types.BaseTuple):
            items = zip(kind.types, cgutils.unpack_tuple(builder, value, len(kind)), strict=True)
            return context.make_tuple(builder, row_type(kind), [row(context, builder, *item, index) for item in items])
        source = context.make_array(kind)(context, builder, value)
        view = context.make_array(row_type(kind))(context, builder)
        shape = cgutils.unpack_tuple(builder, source.shape)[1:]
        context.populate_array(
            view,
            data=builder.gep(source.data, [functools.reduce(builder.mul, shape, index)]),
            shape=cgutils.pack_array(builder, shape),
            strides=cgutils.pack_array(builder, cgutils.unpack_tuple(builder, source.strides)[1:]),
            itemsize=ir.Constant(ir.IntType(64), context.get_abi_sizeof(context.get_data_type(kind.dtype))),
            meminfo=None,
        )
        return view._getvalue()

    def emit(context, builder, signature, arguments):
        return row(context, builder, signature.args[0], *arguments)

    return row_type(arrays)(arrays, types.uint64), emit


@intrinsic
def from_numbers(typing_context, like, numbers):
    """A tuple of the type of `like`, nested ones included, whose numbers are those of an array of float64, in order."""

    def emit(context, builder, signature, arguments):
        place = context.make_array(signature.args[1])(context, builder, arguments[1]).data
        count = 0

        def build(kind):
            nonlocal count
            if isinstance(kind, types.BaseTuple):
                return context.make_tuple(builder, kind, [build(item) for item in kind.types])
            value = builder.load(builder.gep(place, [ir.Constant(ir.IntType(64), count)]))
            count += 1
            return context.cast(builder, value, types.float64, kind)

        return build(signature.args[0])

    return like(like, numbers), emit
