"""Emitters of vector operations, which the intrinsics on rows of data and on models side by side are written with.

A vector is as wide as the machine's registers, and as many rows are taken together as there are registers for. Vectors
of 64 bytes everywhere, which LLVM splits where registers are narrower, needed 32 accumulators of the 16 registers of
AVX2: the products of rows of 32 columns in the nearest cache took 3.0 ns a row, where half as many rows in half
vectors take 1.0.
"""

from typing import NamedTuple

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.errors import TypingError

TILE = 16  # rows whose places, products and factors lie side by side
CACHE_LINE = 64
_STRIDES = 4  # rows that one pointer stands for, where they follow one another
_COLUMNS_TO_ALIGN = 64  # fewer are not worth another, masked vector

i32, i64 = ir.IntType(32), ir.IntType(64)


class MachineVectors(NamedTuple):
    """What the machine's vector registers have room for."""

    n_bytes: int  # of a register
    rows_together: int  # rows that have an accumulator or a factor each


def machine_vectors(features):
    """The vectors of a machine with these features, as LLVM lists them ("+avx2,-avx512f,...").

    A vector wider than a register is split by LLVM, and counts as often against the registers.
    """
    if "+avx512f" in features:
        return MachineVectors(64, 16)  # 32 registers
    return MachineVectors(32 if "+avx" in features else 16, 8)  # 16 registers, or no fewer


class Vectors:
    """Emits operations on vectors of so many numbers."""

    def __init__(self, context, builder, dtype, lanes=None):
        self.context, self.builder, self.dtype = context, builder, dtype
        self.element = context.get_data_type(dtype)
        self.itemsize = context.get_abi_sizeof(self.element)
        machine = machine_vectors(context.codegen().magic_tuple()[2])
        self.lanes = lanes or machine.n_bytes // self.itemsize
        self.rows_together = machine.rows_together
        self.vector = ir.VectorType(self.element, self.lanes)
        self.zero = ir.Constant(self.vector, None)

    def vector_at(self, pointer):
        return self.builder.bitcast(pointer, self.vector.as_pointer())

    def load(self, pointer, mask=None):
        """Load the vector at a pointer to an element; lanes outside the mask are zero."""
        if mask is None:
            return self.builder.load(self.vector_at(pointer), align=self.itemsize)
        name = f"llvm.masked.load.v{self.lanes}f{8 * self.itemsize}.p0"
        return self._call(name, self.vector, [self.vector_at(pointer), i32(self.itemsize), mask, self.zero])

    def store(self, value, pointer, mask=None):
        """Store a vector at a pointer to an element; memory outside the mask is left alone."""
        if mask is None:
            self.builder.store(value, self.vector_at(pointer), align=self.itemsize)
        else:
            name = f"llvm.masked.store.v{self.lanes}f{8 * self.itemsize}.p0"
            self._call(name, ir.VoidType(), [value, self.vector_at(pointer), i32(self.itemsize), mask])

    def multiply_add(self, a, b, c):
        """a·b + c, in one rounding where the machine has the instruction."""
        name = f"llvm.fmuladd.v{self.lanes}f{8 * self.itemsize}"
        return self._call(name, self.vector, [a, b, c])

    def splat(self, scalar):
        one = self.builder.insert_element(ir.Constant(self.vector, ir.Undefined), scalar, i32(0))
        return self.shuffle(one, one, [0] * self.lanes)

    def shuffle(self, a, b, lanes):
        return self.builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(i32, len(lanes)), list(lanes)))

    def sum_of_lanes(self, vector):
        """The lanes of a vector added up, halves first."""
        lanes = self.lanes
        while lanes > 1:
            lanes //= 2
            halves = [self.shuffle(vector, vector, range(start, start + lanes)) for start in (0, lanes)]
            vector = self.builder.fadd(*halves)
        return self.builder.extract_element(vector, i32(0))

    def sums_of_lanes(self, vectors):
        """One vector with the sums of the lanes of each; that of vectors[r] in lane r · lanes / len(vectors).

        Halves are added first, as in `sum_of_lanes`: sums that differ by where in a vector they began to be made (of an
        array that begins elsewhere in a cache line) have the same bits. Two vectors of halves become one, which has
        room for half as many lanes of each.
        """
        width, rows = self.lanes // 2, [[r] for r in range(len(vectors))]
        while len(rows) > 1:
            rows, width = (
                [self._side_by_side(width, *pair) for pair in zip(rows[0::2], rows[1::2], strict=True)],
                width // 2,
            )
        given, vectors = vectors, [None] * len(vectors)
        for lane, place in enumerate(rows[0]):
            vectors[place] = given[lane]
        width = self.lanes // 2
        while len(vectors) > 1:
            starts = [range(first, first + self.lanes, 2 * width) for first in (0, self.lanes)]
            low = [lane + i for lane in self._side_by_side(width, *starts) for i in range(width)]
            vectors = [self._add_lanes(a, b, low, width) for a, b in zip(vectors[0::2], vectors[1::2], strict=True)]
            width //= 2
        total = vectors[0]
        while width:
            total = self._add_lanes(total, total, [lane & ~width for lane in range(self.lanes)], width)
            width //= 2
        return total

    def _side_by_side(self, width, a, b):
        """Blocks of so many lanes of one vector and of another, in an order that one fast shuffle has for them.

        Whole units of 16 bytes one after the other; else within such units.
        """
        together = max(1, 8 // (width * self.itemsize)) if width * self.itemsize < 16 else len(a)
        return [block for i in range(0, len(a), together) for side in (a, b) for block in side[i : i + together]]

    def _add_lanes(self, a, b, lanes, distance):
        return self.builder.fadd(self.shuffle(a, b, lanes), self.shuffle(a, b, [lane + distance for lane in lanes]))

    def in_halving_vectors(self, size, emit):
        """Emit a loop in whole vectors, then in vectors of half, a quarter ... as many lanes: `emit(vectors, place)`.

        What such loops store to each other's arrays they also load from them: a processor hands a store on to a load
        only if it contains all of it. LLVM's own loops take whole vectors, halves or quarters as they see fit.
        """
        builder, lanes = self.builder, self.lanes // 2
        rest = builder.and_(size, i64(self.lanes - 1))
        with cgutils.for_range_slice(builder, i64(0), builder.sub(size, rest), i64(self.lanes), inc=True) as (i, _):
            emit(self, i)
        while lanes:
            with builder.if_then(builder.icmp_unsigned("!=", builder.and_(size, i64(lanes)), i64(0))):
                done = builder.and_(size, i64(-2 * lanes))
                emit(Vectors(self.context, builder, self.dtype, lanes), done)
            lanes //= 2

    def first_lanes(self, count):
        """The mask of so many lanes, an integer."""
        integer = ir.IntType(8 * self.itemsize)  # as wide as a number: one comparison is the mask, on AVX2 too
        indices = ir.VectorType(integer, self.lanes)
        count = self.builder.trunc(count, integer) if integer.width < count.type.width else count
        limit = self.builder.insert_element(ir.Constant(indices, ir.Undefined), count, i32(0))
        every_limit = self.shuffle(limit, limit, [0] * self.lanes)
        return self.builder.icmp_signed("<", ir.Constant(indices, list(range(self.lanes))), every_limit)

    def prefetch(self, pointer):
        """Ask for the cache line of an element, without waiting.

        Into the second cache: the first has few places for what is under way.
        """
        pointer = self.builder.bitcast(pointer, ir.IntType(8).as_pointer())
        self._call("llvm.prefetch.p0", ir.VoidType(), [pointer, i32(0), i32(2), i32(1)])

    def _call(self, name, result, arguments):
        kind = ir.FunctionType(result, [argument.type for argument in arguments])
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, name), arguments)


class Matrix(Vectors):
    """Emits code that reads rows of a C-ordered matrix, a vector of columns at a time."""

    def __init__(self, context, builder, X_type, X):
        super().__init__(context, builder, X_type.dtype)
        array = contiguous(context, builder, X_type, X)
        self.data = array.data
        self.columns = cgutils.unpack_tuple(builder, array.shape)[1]

    def row(self, index):
        """A pointer to a row's first element."""
        return self.builder.gep(self.data, [self.builder.mul(index, self.columns)])

    def part_of_a_tile(self, where_type, where, start, first):
        """The rows first, first + 1 ... of the tile that begins at `start`: as many as are taken together.

        where : the rows' addresses, an array; or the address of row `start`, from which on they follow one another.
        Returns a function that emits the pointers to a column's elements.
        """
        if isinstance(where_type, types.Array):
            return self.scattered_rows(where_type, where, first)
        skipped = self.builder.mul(self.builder.sub(first, start), self._row_bytes())
        return self._neighbours(self.builder.add(where, skipped))

    def _row_bytes(self):
        return self.builder.mul(self.columns, i64(self.itemsize))

    def scattered_rows(self, places_type, places, first):
        """As many rows as are taken together, whose addresses stand at places[first:], as `part_of_a_tile` has them."""
        places = self.builder.gep(data_pointer(self.context, self.builder, places_type, places), [first])
        addresses = [self.builder.load(self.builder.gep(places, [i64(r)])) for r in range(self.rows_together)]
        pointers = [self.builder.inttoptr(address, self.element.as_pointer()) for address in addresses]
        return lambda column: [self.builder.gep(pointer, [column]) for pointer in pointers]

    def _neighbours(self, address):
        """Every fourth row has a pointer, and those between are one, two or three rows on.

        So all that a loop over columns needs is in registers. LLVM, where it sees how the pointers are made, makes
        sixteen of them, which are not (1 to 6 % longer, batches of 32 to 128 rows of 16 to 256 columns).
        """
        builder, row_bytes = self.builder, self._row_bytes()
        starts = [builder.add(address, builder.mul(row_bytes, i64(r))) for r in range(0, self.rows_together, _STRIDES)]
        strides = [self._opaque(builder.mul(row_bytes, i64(k))) for k in range(1, _STRIDES)]

        def pointers(column):
            past_start, found = builder.mul(column, i64(self.itemsize)), []
            for start in starts:
                pointer = builder.inttoptr(self._opaque(builder.add(start, past_start)), self.element.as_pointer())
                found += [pointer, *(cgutils.pointer_add(builder, pointer, stride) for stride in strides)]
            return found

        return pointers

    def _opaque(self, value):
        """The same integer, as an empty piece of assembler returns it: LLVM does not know what it is made of."""
        return self.builder.asm(ir.FunctionType(i64, [i64]), "", "=r,0", [value], side_effect=False)

    def for_each_part_of_a_tile(self, start, emit):
        """Emit the work on a tile, as many rows together as there are registers for: `emit(first_row)`."""
        stop = self.builder.add(start, i64(TILE))
        with cgutils.for_range_slice(self.builder, start, stop, i64(self.rows_together), inc=True) as (first, _):
            emit(first)

    def for_each_vector(self, emit, align=True, summed=False):
        """Emit a loop over the columns: `emit(first_column, mask)`, the mask None but at the ends of a row.

        To align, where all rows begin alike inside a cache line, the first vector ends with that line, so that no other
        crosses into a next one (24 became 19 ns a row of 256 columns in the cache). Where vectors are summed, columns
        that are `lanes` apart have one lane: the first vector then begins before the row, and has its columns in the
        last lanes. By how much moves all sums from lane to lane, and changes none.
        """
        builder = self.builder
        lanes, line = i64(self.lanes), i64(self.lanes * self.itemsize)
        row_bytes = builder.mul(self.columns, i64(self.itemsize))
        past_line = builder.and_(builder.ptrtoint(self.data, i64), i64(self.lanes * self.itemsize - 1))
        uneven = builder.icmp_unsigned("!=", builder.urem(row_bytes, line), i64(0))
        short = builder.icmp_unsigned("<", self.columns, i64(_COLUMNS_TO_ALIGN))
        before_line = builder.udiv(builder.sub(line, past_line), i64(self.itemsize))
        aligned = builder.icmp_unsigned("==", past_line, i64(0))
        head = (
            builder.select(builder.or_(aligned, builder.or_(uneven, short)), i64(0), before_line) if align else i64(0)
        )
        rest = builder.urem(builder.sub(self.columns, head), lanes)
        whole = builder.sub(self.columns, rest)
        with cgutils.if_unlikely(builder, builder.icmp_unsigned("!=", head, i64(0))):
            if summed:
                missing = builder.sub(lanes, head)
                emit(builder.neg(missing), builder.not_(self.first_lanes(missing)))
            else:
                emit(i64(0), self.first_lanes(head))
        with cgutils.for_range_slice(builder, head, whole, lanes, inc=True) as (column, _):
            emit(column, None)
        with cgutils.if_unlikely(builder, builder.icmp_unsigned("!=", rest, i64(0))):
            emit(whole, self.first_lanes(rest))

    def for_each_vector_asking(self, rows, asked, later_type, later, start, first, emit, summed=False):
        """Emit a loop over the columns in which rows that come later are asked for, those of a tile that a slice picks.

        rows : of `part_of_a_tile`, as are start and first. later : where the other rows are, an array like that of
        these, or so many bytes after these; if it is empty, or 0, nothing is asked for. `emit(column, pointers, mask)`.
        A vector of each comes with a vector of the rows that are worked on, half of the rows in either half of the
        work: asked for in one go they would wait for each other (256 columns, from memory, in order: 71 instead of
        45 ns a row).
        """
        builder, scattered = self.builder, isinstance(later_type, types.Array)

        def later_rows():
            if scattered:
                return self.part_of_a_tile(later_type, later, start, first)
            return lambda column: [cgutils.pointer_add(builder, pointer, later) for pointer in rows(column)]

        def plainly(column, mask):
            emit(column, rows(column), mask)

        size = contiguous(self.context, builder, later_type, later).nitems if scattered else later
        with builder.if_else(builder.icmp_unsigned("!=", size, i64(0))) as (asking, silent):
            with asking:
                pointers = later_rows()

                def ask(column):
                    for pointer in pointers(column)[asked]:
                        self.prefetch(pointer)

                def ask_and_emit(column, mask):
                    ask(column)
                    plainly(column, mask)

                self.for_each_vector(ask_and_emit, summed=summed)
                if scattered:
                    begin = builder.or_(builder.ptrtoint(self.data, i64), self._row_bytes())
                    past_line = builder.and_(begin, i64(CACHE_LINE - 1))
                    with builder.if_then(builder.icmp_unsigned("!=", past_line, i64(0))):
                        ask(builder.sub(self.columns, i64(1)))  # the last vector may cross into another line
            with silent:
                self.for_each_vector(plainly, summed=summed)


def contiguous(context, builder, array_type, array):
    """What an array is made of. One of users' compiled code may have any strides, which nothing here looks at."""
    if array_type.layout != "C":
        raise TypingError(f"a model's arrays must be contiguous and C-ordered, got {array_type}")
    return context.make_array(array_type)(context, builder, array)


def data_pointer(context, builder, array_type, array, dtype=None):
    """A pointer to the first element; of numbers of this dtype, if one is given."""
    if dtype is not None and array_type.dtype != dtype:
        raise TypingError(f"a model's arrays must be of one dtype, got {array_type.dtype} beside X of {dtype}")
    return contiguous(context, builder, array_type, array).data
