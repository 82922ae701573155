"""Vector intrinsics: the few primitives on rows of a matrix that the models' kernels are built on.

LLVM's own vectoriser takes 16 to 64 columns at a time, and one row; with few columns it leaves the vector units
mostly idle (15.6 ns a row of 32 columns, where 3.1 are possible). These primitives take TILE rows together, an
accumulator a row, so that each vector of weights is loaded once for all of them, and the chains of dependent
additions run side by side. Columns beyond a multiple of the lanes are loaded under a mask, so any number of
columns is taken, and nothing beyond a row's end is touched.

A vector is as wide as the machine's registers, and as many rows are taken together as there are registers for. Vectors
of 64 bytes everywhere, which LLVM splits where registers are narrower, needed 32 accumulators of the 16 registers of
AVX2: the products of rows of 32 columns in the nearest cache took 3.0 ns a row, where half as many rows in half
vectors take 1.0.
"""

from typing import NamedTuple

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.errors import TypingError
from numba.extending import intrinsic

TILE = 16  # rows whose places, products and factors lie side by side
_CACHE_LINE = 64
_COLUMNS_TO_ALIGN = 64  # fewer are not worth another, masked vector
_CHAINS = 4  # independent sums of a column's TILE products: one chain of 16 additions waits for its latencies

_i32, i64 = ir.IntType(32), ir.IntType(64)


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
        self.context, self.builder = context, builder
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
        return self._call(name, self.vector, [self.vector_at(pointer), _i32(self.itemsize), mask, self.zero])

    def store(self, value, pointer, mask=None):
        """Store a vector at a pointer to an element; memory outside the mask is left alone."""
        if mask is None:
            self.builder.store(value, self.vector_at(pointer), align=self.itemsize)
        else:
            name = f"llvm.masked.store.v{self.lanes}f{8 * self.itemsize}.p0"
            self._call(name, ir.VoidType(), [value, self.vector_at(pointer), _i32(self.itemsize), mask])

    def multiply_add(self, a, b, c):
        """a·b + c, in one rounding where the machine has the instruction."""
        name = f"llvm.fmuladd.v{self.lanes}f{8 * self.itemsize}"
        return self._call(name, self.vector, [a, b, c])

    def splat(self, scalar):
        one = self.builder.insert_element(ir.Constant(self.vector, ir.Undefined), scalar, _i32(0))
        return self.shuffle(one, one, [0] * self.lanes)

    def shuffle(self, a, b, lanes):
        return self.builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_i32, len(lanes)), list(lanes)))

    def sum_of_lanes(self, vector):
        """The lanes of a vector added up, halves first."""
        lanes = self.lanes
        while lanes > 1:
            lanes //= 2
            halves = [self.shuffle(vector, vector, range(start, start + lanes)) for start in (0, lanes)]
            vector = self.builder.fadd(*halves)
        return self.builder.extract_element(vector, _i32(0))

    def first_lanes(self, count):
        """The mask of so many lanes, an integer."""
        integer = ir.IntType(8 * self.itemsize)  # as wide as a number: one comparison is the mask, on AVX2 too
        indices = ir.VectorType(integer, self.lanes)
        count = self.builder.trunc(count, integer) if integer.width < count.type.width else count
        limit = self.builder.insert_element(ir.Constant(indices, ir.Undefined), count, _i32(0))
        every_limit = self.shuffle(limit, limit, [0] * self.lanes)
        return self.builder.icmp_signed("<", ir.Constant(indices, list(range(self.lanes))), every_limit)

    def prefetch(self, pointer):
        """Ask for the cache line of an element, without waiting.

        Into the second cache: the first has few places for what is under way.
        """
        pointer = self.builder.bitcast(pointer, ir.IntType(8).as_pointer())
        self._call("llvm.prefetch.p0", ir.VoidType(), [pointer, _i32(0), _i32(2), _i32(1)])

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

    def for_each_part_of_a_tile(self, start, emit):
        """Emit the work on a tile, as many rows together as there are registers for: `emit(first_row)`."""
        stop = self.builder.add(start, i64(TILE))
        with cgutils.for_range_slice(self.builder, start, stop, i64(self.rows_together), inc=True) as (first, _):
            emit(first)

    def for_each_vector(self, emit, align=True):
        """Emit a loop over the columns: `emit(first_column, mask)`, the mask None but at the ends of a row.

        To align, where all rows begin alike inside a cache line, the first vector ends with that line, so that no other
        crosses into a next one (24 became 19 ns a row of 256 columns in the cache).
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
            emit(i64(0), self.first_lanes(head))
        with cgutils.for_range_slice(builder, head, whole, lanes, inc=True) as (column, _):
            emit(column, None)
        with cgutils.if_unlikely(builder, builder.icmp_unsigned("!=", rest, i64(0))):
            emit(whole, self.first_lanes(rest))

    def for_each_vector_asking(self, pointers, asked, distance, later_type, later, start, emit):
        """Emit a loop over the columns in which rows that come later are asked for, those of a tile that a slice picks.

        They lie at later[start:], or, if that is empty, so many bytes after those at the pointers; at a distance of 0
        nothing is asked for. A vector of each comes with a vector of the rows that are worked on, half of the rows in
        either half of the work: asked for in one go they would wait for each other (256 columns, from memory, in order:
        71 instead of 45 ns a row).
        """
        builder = self.builder
        row_bytes = builder.mul(self.columns, i64(self.itemsize))

        def loop(ask=None):
            def ask_and_emit(column, mask):
                if ask is not None:
                    ask(column)
                emit(column, mask)

            self.for_each_vector(ask_and_emit)

        def by_distance(column):
            for pointer in pointers[asked]:
                self.prefetch(cgutils.pointer_add(builder, builder.gep(pointer, [column]), distance))

        def by_place(column):
            for pointer in places:
                self.prefetch(builder.gep(pointer, [column]))

        scattered = builder.icmp_unsigned("!=", contiguous(self.context, builder, later_type, later).nitems, i64(0))
        with builder.if_else(scattered) as (scattered_rows, others):
            with scattered_rows:
                places = row_pointers(self.context, builder, self, later_type, later, start)[asked]
                loop(by_place)
                past_line = builder.and_(builder.or_(builder.ptrtoint(self.data, i64), row_bytes), i64(_CACHE_LINE - 1))
                with builder.if_then(builder.icmp_unsigned("!=", past_line, i64(0))):
                    by_place(builder.sub(self.columns, i64(1)))  # the last vector may cross into another line
            with others, builder.if_else(builder.icmp_unsigned("!=", distance, i64(0))) as (in_order, none):
                with in_order:
                    loop(by_distance)
                with none:
                    loop()


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


@intrinsic
def locate_rows(typing_context, X, rows, first, places, start):
    """Write the addresses of TILE rows, once for both halves: places[start + r] = that of X[rows[first + r]].

    X : C-ordered (n, d); rows : uint32; first : uint64; places : uint64; start : uint64.
    """

    def emit(context, builder, signature, arguments):
        X_type, rows_type, _, places_type, _ = signature.args
        matrix = Matrix(context, builder, X_type, arguments[0])
        indices = builder.gep(data_pointer(context, builder, rows_type, arguments[1]), [arguments[2]])
        places = builder.gep(data_pointer(context, builder, places_type, arguments[3]), [arguments[4]])
        many_i32, many_i64 = ir.VectorType(_i32, TILE), ir.VectorType(i64, TILE)
        index = builder.load(builder.bitcast(indices, many_i32.as_pointer()), align=4)
        row_bytes = builder.trunc(builder.mul(matrix.columns, i64(matrix.itemsize)), _i32)

        def splat(scalar, kind):
            one = builder.insert_element(ir.Constant(kind, ir.Undefined), scalar, _i32(0))
            return matrix.shuffle(one, one, [0] * TILE)

        # Both factors have 32 bits, for which there is a fast vector multiplication.
        offset = builder.mul(builder.zext(index, many_i64), splat(builder.zext(row_bytes, i64), many_i64))
        address = builder.add(offset, splat(builder.ptrtoint(matrix.data, i64), many_i64))
        builder.store(address, builder.bitcast(places, many_i64.as_pointer()), align=8)
        return context.get_dummy_value()

    return types.none(X, rows, types.uint64, places, types.uint64), emit


def row_pointers(context, builder, matrix, places_type, places, start):
    places = builder.gep(data_pointer(context, builder, places_type, places), [start])
    addresses = [builder.load(builder.gep(places, [i64(r)])) for r in range(matrix.rows_together)]
    return [builder.inttoptr(address, matrix.element.as_pointer()) for address in addresses]


def _dot_rows(X, places, w, out, later, asked):
    """The signature and code of `dot_rows`; `asked`, a slice, picks the later rows of a tile that are asked for."""

    def emit(context, builder, signature, arguments):
        X_type, places_type, _, w_type, out_type, _, later_type = signature.args
        matrix = Matrix(context, builder, X_type, arguments[0])
        weights = data_pointer(context, builder, w_type, arguments[3], X_type.dtype)
        out = data_pointer(context, builder, out_type, arguments[4], X_type.dtype)
        sums = [cgutils.alloca_once_value(builder, matrix.zero) for _ in range(matrix.rows_together)]

        def tile_part(start):
            pointers = row_pointers(context, builder, matrix, places_type, arguments[1], start)
            for total in sums:  # the slot is made at the function's entry, but the tile begins here
                builder.store(matrix.zero, total)

            def add_products(column, mask):
                weight = matrix.load(builder.gep(weights, [column]), mask)
                for pointer, total in zip(pointers, sums, strict=True):
                    x = matrix.load(builder.gep(pointer, [column]), mask)
                    builder.store(matrix.multiply_add(x, weight, builder.load(total)), total)

            distance, later = arguments[5:]
            matrix.for_each_vector_asking(pointers, asked, distance, later_type, later, start, add_products)
            for lane in range(0, matrix.rows_together, matrix.lanes):
                vectors = [builder.load(total) for total in sums[lane : lane + matrix.lanes]]
                place = builder.gep(out, [builder.add(start, i64(lane))])
                matrix.store(_sums_of_lanes(builder, matrix, vectors), place)

        matrix.for_each_part_of_a_tile(arguments[2], tile_part)
        return context.get_dummy_value()

    return types.none(X, places, types.uint64, w, out, types.uint64, later), emit


@intrinsic
def dot_rows(typing_context, X, places, start, w, out, distance, later):
    """Write the products of TILE rows with a vector: out[start + r] = Σ_j w[j] · the row at places[start + r].

    X : C-ordered (n, d); places : of `locate_rows`; start : uint64; w : at least d; out : X's dtype;
    distance, later : every second one of the rows so many bytes on (uint64), or, if this is not empty (like places),
    at later[start + r], is asked for meanwhile. The others are left to `add_weighted_rows`.
    """
    return _dot_rows(X, places, w, out, later, slice(1, None, 2))


@intrinsic
def dot_rows_alone(typing_context, X, places, start, w, out, distance, later):
    """Do the same, and ask for every row that comes later: for work that ends with the products."""
    return _dot_rows(X, places, w, out, later, slice(None))


def _sums_of_lanes(builder, matrix, vectors):
    """One vector whose lane r is the sum of the lanes of vectors[r]: a transposing tree of additions."""
    width = 1
    while len(vectors) > 1:
        # Groups of `width` lanes: the even ones of two vectors side by side, plus the odd ones.
        low = [(lane & ~width) + (matrix.lanes if lane & width else 0) for lane in range(matrix.lanes)]
        high = [lane + width for lane in low]
        vectors = [
            builder.fadd(matrix.shuffle(a, b, low), matrix.shuffle(a, b, high))
            for a, b in zip(vectors[0::2], vectors[1::2], strict=True)
        ]
        width *= 2
    return vectors[0]


@intrinsic
def add_weighted_rows(typing_context, X, places, start, factors, first, out, distance, later):
    """Add TILE rows, each times its factor: out[j] += Σ_r factors[first + r] · column j of that at places[start + r].

    X : C-ordered (n, d); places : of `locate_rows`; start : uint64; factors : X's dtype; first : uint64;
    out : whole vectors, at least d (under a mask, a store of AVX2 takes ten times as long as any other);
    distance, later : of `dot_rows`: here the other rows are asked for.
    """

    def emit(context, builder, signature, arguments):
        X_type, places_type, _, factors_type, _, out_type, _, later_type = signature.args
        matrix = Matrix(context, builder, X_type, arguments[0])
        scalars = data_pointer(context, builder, factors_type, arguments[3], X_type.dtype)
        out = data_pointer(context, builder, out_type, arguments[5], X_type.dtype)
        to_factors = builder.sub(arguments[4], arguments[2])

        def tile_part(start):
            pointers = row_pointers(context, builder, matrix, places_type, arguments[1], start)
            first = builder.gep(scalars, [builder.add(start, to_factors)])
            factors = [matrix.splat(builder.load(builder.gep(first, [i64(r)]))) for r in range(len(pointers))]

            def add_products(column, mask):
                # What was there comes in last: the tile before may still be working on it.
                target = builder.gep(out, [column])
                sums = [matrix.zero] * _CHAINS
                for r, (pointer, factor) in enumerate(zip(pointers, factors, strict=True)):
                    x = matrix.load(builder.gep(pointer, [column]), mask)
                    chain, fresh = r % _CHAINS, r < _CHAINS
                    sums[chain] = builder.fmul(x, factor) if fresh else matrix.multiply_add(x, factor, sums[chain])
                while len(sums) > 1:
                    sums = [builder.fadd(a, b) for a, b in zip(sums[0::2], sums[1::2], strict=True)]
                matrix.store(builder.fadd(sums[0], matrix.load(target)), target)

            matrix.for_each_vector_asking(
                pointers, slice(0, None, 2), arguments[6], later_type, arguments[7], start, add_products
            )

        matrix.for_each_part_of_a_tile(arguments[2], tile_part)
        return context.get_dummy_value()

    return types.none(X, places, types.uint64, factors, types.uint64, out, types.uint64, later), emit


@intrinsic
def dot_row(typing_context, X, row, w):
    """The product of one row with a vector: Σ_j X[row, j] · w[j].

    X : C-ordered (n, d); row : uint64; w : at least d.
    """

    def emit(context, builder, signature, arguments):
        matrix = Matrix(context, builder, signature.args[0], arguments[0])
        pointer = matrix.row(arguments[1])
        weights = data_pointer(context, builder, signature.args[2], arguments[2], signature.args[0].dtype)
        total = cgutils.alloca_once_value(builder, matrix.zero)
        builder.store(matrix.zero, total)

        def add_products(column, mask):
            x = matrix.load(builder.gep(pointer, [column]), mask)
            weight = matrix.load(builder.gep(weights, [column]), mask)
            builder.store(matrix.multiply_add(x, weight, builder.load(total)), total)

        matrix.for_each_vector(add_products)
        return matrix.sum_of_lanes(builder.load(total))

    return X.dtype(X, types.uint64, w), emit


@intrinsic
def add_weighted_row(typing_context, X, row, factor, out):
    """Add one row times a factor: out[j] += factor · X[row, j].

    X : C-ordered (n, d); row : uint64; factor : X's dtype; out : at least d.
    """

    def emit(context, builder, signature, arguments):
        matrix = Matrix(context, builder, signature.args[0], arguments[0])
        pointer = matrix.row(arguments[1])
        factor = matrix.splat(arguments[2])
        out = data_pointer(context, builder, signature.args[3], arguments[3], signature.args[0].dtype)

        def add_product(column, mask):
            x = matrix.load(builder.gep(pointer, [column]), mask)
            target = builder.gep(out, [column])
            matrix.store(matrix.multiply_add(x, factor, matrix.load(target, mask)), target, mask)

        matrix.for_each_vector(add_product)
        return context.get_dummy_value()

    return types.none(X, types.uint64, X.dtype, out), emit


@intrinsic
def place_of_row(typing_context, X, row):
    """The address of one row: what `locate_rows` writes for many."""

    def emit(context, builder, signature, arguments):
        matrix = Matrix(context, builder, signature.args[0], arguments[0])
        return builder.ptrtoint(matrix.row(arguments[1]), i64)

    return types.uint64(X, types.uint64), emit


@intrinsic
def step_and_look_ahead(typing_context, X, place, following, after, later, factor, w):
    """Do w ← w + factor · x of the row x at `place`, and return four products of the row after the one that follows.

    They are x''·w with w as it was before the step, and (x'', 1)·(x, 1), (x'', 1)·(x', 1) and |(x'', 1)|²: from the
    first three comes the product with w as it will be after two more steps, without waiting for them.

    X : C-ordered (n, d); place, following, after : where rows x, x', x'' are; later : where a row is that is asked for
    meanwhile, or 0; factor : X's dtype; w : whole vectors, at least d.
    """

    def emit(context, builder, signature, arguments):
        matrix = Matrix(context, builder, signature.args[0], arguments[0])
        *rows, later = (builder.inttoptr(place, matrix.element.as_pointer()) for place in arguments[1:5])
        factor = matrix.splat(arguments[5])
        weights = data_pointer(context, builder, signature.args[6], arguments[6], signature.args[0].dtype)
        one = ir.Constant(matrix.vector, [1.0] + [0.0] * (matrix.lanes - 1))
        sums = [cgutils.alloca_once(builder, matrix.vector) for _ in range(4)]
        for total, start in zip(sums, (matrix.zero, one, one, one), strict=True):
            builder.store(start, total)

        def add_products(column, mask):
            target = builder.gep(weights, [column])
            x, following, after = (matrix.load(builder.gep(pointer, [column]), mask) for pointer in rows)
            weight = matrix.load(target)
            for total, other in zip(sums, (weight, x, following, after), strict=True):
                builder.store(matrix.multiply_add(after, other, builder.load(total)), total)
            matrix.store(matrix.multiply_add(x, factor, weight), target)

        def ask_and_add(column, mask):
            matrix.prefetch(builder.gep(later, [column]))
            add_products(column, mask)

        with builder.if_else(builder.icmp_unsigned("!=", arguments[4], i64(0))) as (asking, plainly):
            with asking:
                matrix.for_each_vector(ask_and_add, align=False)
                matrix.prefetch(builder.gep(later, [builder.sub(matrix.columns, i64(1))]))
            with plainly:
                matrix.for_each_vector(add_products, align=False)
        totals = _sums_of_four(builder, matrix, [builder.load(total) for total in sums])
        return context.make_tuple(builder, signature.return_type, totals)

    places = (types.uint64,) * 4
    return types.UniTuple(X.dtype, 4)(X, *places, X.dtype, w), emit


def _sums_of_four(builder, matrix, vectors):
    """The sums of four vectors' lanes: two in a vector of two lanes, else all four in one."""
    together = min(4, matrix.lanes)
    totals = []
    for first in range(0, 4, together):
        lanes = matrix.lanes
        summed = _sums_of_lanes(builder, matrix, vectors[first : first + together])
        while lanes > together:
            lanes //= 2
            summed = builder.fadd(*(matrix.shuffle(summed, summed, range(at, at + lanes)) for at in (0, lanes)))
        totals += [builder.extract_element(summed, _i32(lane)) for lane in range(together)]
    return totals


def _for_each_line(matrix, rows, first, count, emit):
    """Emit a loop over the cache lines of rows[first : first + count]: as one stretch if they are neighbours."""
    builder = matrix.builder
    stop = builder.add(first, count)

    def row_at(position):
        return builder.zext(builder.load(builder.gep(rows, [position])), i64)

    def lines_of(row, n_rows):
        begin = builder.ptrtoint(matrix.row(row), i64)
        n_bytes = builder.mul(builder.mul(n_rows, matrix.columns), i64(matrix.itemsize))
        line, end = builder.and_(begin, i64(-_CACHE_LINE)), builder.add(begin, n_bytes)
        with cgutils.for_range_slice(builder, line, end, i64(_CACHE_LINE), inc=True) as (address, _):
            emit(address)

    with builder.if_then(builder.icmp_unsigned(">", count, i64(0))):
        start, last = row_at(first), row_at(builder.sub(stop, i64(1)))
        neighbours = builder.icmp_unsigned("==", builder.sub(last, start), builder.sub(count, i64(1)))
        with builder.if_else(neighbours) as (together, singly):
            with together:
                lines_of(start, count)
            with singly, cgutils.for_range_slice(builder, first, stop, i64(1), inc=True) as (position, _):
                lines_of(row_at(position), i64(1))


@intrinsic
def prefetch_rows(typing_context, X, rows, first, count):
    """Ask for rows[first : first + count] of X to be brought into the cache, without waiting."""

    def emit(context, builder, signature, arguments):
        matrix = Matrix(context, builder, signature.args[0], arguments[0])

        def ask(address):
            matrix.prefetch(builder.inttoptr(address, ir.IntType(8).as_pointer()))

        rows_data = data_pointer(context, builder, signature.args[1], arguments[1])
        _for_each_line(matrix, rows_data, arguments[2], arguments[3], ask)
        return context.get_dummy_value()

    return types.none(X, rows, types.uint64, types.uint64), emit


@intrinsic
def scale_and_compare(typing_context, scale, params, previous, grads):
    """Scale a gradient in place; return its squared norm and its product with the one before, which it replaces.

    The third number returned is 0 where all parameters are finite, else NaN. All arrays : (n,), of one dtype.

    One pass in whole vectors, then in vectors of half, a quarter ... as many lanes: an update that follows reads
    the gradient in such pieces, and a processor hands a store on to a load only if it contains all of it. (LLVM's
    own loop stores half vectors here, and made a step of 32 parameters wait 10 ns.)
    """

    def emit(context, builder, signature, arguments):
        arrays = [
            contiguous(context, builder, kind, value)
            for kind, value in zip(signature.args[1:], arguments[1:], strict=True)
        ]
        params, previous, grads = (array.data for array in arrays)
        whole = Vectors(context, builder, signature.args[3].dtype)
        size = arrays[2].nitems
        sums = [cgutils.alloca_once_value(builder, whole.zero) for _ in range(3)]
        for total in sums:
            builder.store(whole.zero, total)

        def step(vectors, place):
            g = builder.fmul(vectors.load(builder.gep(grads, [place])), vectors.splat(arguments[0]))
            before = vectors.load(builder.gep(previous, [place]))
            parameter = vectors.load(builder.gep(params, [place]))
            vectors.store(g, builder.gep(grads, [place]))
            vectors.store(g, builder.gep(previous, [place]))
            factors = [(g, g), (g, before), (parameter, vectors.zero)]
            for total, (a, b) in zip(sums, factors, strict=True):
                if vectors.lanes == whole.lanes:
                    builder.store(whole.multiply_add(a, b, builder.load(total)), total)
                else:
                    padding = [vectors.lanes] * (whole.lanes - vectors.lanes)
                    wide = vectors.shuffle(builder.fmul(a, b), vectors.zero, [*range(vectors.lanes), *padding])
                    builder.store(builder.fadd(wide, builder.load(total)), total)

        rest = builder.and_(size, i64(whole.lanes - 1))
        with cgutils.for_range_slice(builder, i64(0), builder.sub(size, rest), i64(whole.lanes), inc=True) as (i, _):
            step(whole, i)
        lanes = whole.lanes // 2
        while lanes:
            with builder.if_then(builder.icmp_unsigned("!=", builder.and_(size, i64(lanes)), i64(0))):
                done = builder.and_(size, i64(-2 * lanes))
                step(Vectors(context, builder, signature.args[3].dtype, lanes), done)
            lanes //= 2
        return context.make_tuple(
            builder, signature.return_type, [whole.sum_of_lanes(builder.load(total)) for total in sums]
        )

    return types.UniTuple(grads.dtype, 3)(grads.dtype, params, previous, grads), emit
