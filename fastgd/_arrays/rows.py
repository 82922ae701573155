"""Intrinsics on rows of a matrix: the few primitives that the models' kernels are built on.

LLVM's own vectoriser takes 16 to 64 columns at a time, and one row; with few columns it leaves the vector units
mostly idle (15.6 ns a row of 32 columns, where 3.1 are possible). These primitives take TILE rows together, an
accumulator a row, so that each vector of weights is loaded once for all of them, and the chains of dependent
additions run side by side. Columns beyond a multiple of the lanes are loaded under a mask, so any number of
columns is taken, and nothing beyond a row's end is touched.
"""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastgd._simd import CACHE_LINE, TILE, Matrix, data_pointer, i32, i64

_CHAINS = 4  # independent sums of a column's TILE products: one chain of 16 additions waits for its latencies


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
        many_i32, many_i64 = ir.VectorType(i32, TILE), ir.VectorType(i64, TILE)
        index = builder.load(builder.bitcast(indices, many_i32.as_pointer()), align=4)
        row_bytes = builder.trunc(builder.mul(matrix.columns, i64(matrix.itemsize)), i32)

        def splat(scalar, kind):
            one = builder.insert_element(ir.Constant(kind, ir.Undefined), scalar, i32(0))
            return matrix.shuffle(one, one, [0] * TILE)

        # Both factors have 32 bits, for which there is a fast vector multiplication.
        offset = builder.mul(builder.zext(index, many_i64), splat(builder.zext(row_bytes, i64), many_i64))
        address = builder.add(offset, splat(builder.ptrtoint(matrix.data, i64), many_i64))
        builder.store(address, builder.bitcast(places, many_i64.as_pointer()), align=8)
        return context.get_dummy_value()

    return types.none(X, rows, types.uint64, places, types.uint64), emit


def _dot_rows(X, where, w, out, later, asked):
    """The signature and code of `dot_rows`; `asked`, a slice, picks the later rows of a tile that are asked for."""

    def emit(context, builder, signature, arguments):
        X_type, where_type, _, w_type, out_type, later_type = signature.args
        matrix = Matrix(context, builder, X_type, arguments[0])
        weights = data_pointer(context, builder, w_type, arguments[3], X_type.dtype)
        out = data_pointer(context, builder, out_type, arguments[4], X_type.dtype)
        sums = [cgutils.alloca_once_value(builder, matrix.zero) for _ in range(matrix.rows_together)]
        _, where, start, _, _, later = arguments

        def tile_part(first):
            rows = matrix.part_of_a_tile(where_type, where, start, first)
            for total in sums:  # the slot is made at the function's entry, but the tile begins here
                builder.store(matrix.zero, total)

            def add_products(column, pointers, mask):
                weight = matrix.load(builder.gep(weights, [column]), mask)
                for pointer, total in zip(pointers, sums, strict=True):
                    x = matrix.load(pointer, mask)
                    builder.store(matrix.multiply_add(x, weight, builder.load(total)), total)

            matrix.for_each_vector_asking(rows, asked, later_type, later, start, first, add_products, summed=True)
            for lane in range(0, matrix.rows_together, matrix.lanes):
                vectors = [builder.load(total) for total in sums[lane : lane + matrix.lanes]]
                place = builder.gep(out, [builder.add(first, i64(lane))])
                matrix.store(matrix.sums_of_lanes(vectors), place)

        matrix.for_each_part_of_a_tile(start, tile_part)
        return context.get_dummy_value()

    return types.none(X, where, types.uint64, w, out, later), emit


@intrinsic
def dot_rows(typing_context, X, where, start, w, out, later):
    """Write the products of TILE rows with a vector: out[start + r] = Σ_j w[j] · row r.

    X : C-ordered (n, d); where : of `locate_rows`, where row r is at where[start + r], or one address, from which on
    the rows follow one another (uint64); start : uint64; w : at least d; out : X's dtype;
    later : where rows are that come later, every second one of which is asked for meanwhile, none if it is empty; or,
    beside one address, how many bytes on they are, none at 0. The others are left to `add_weighted_rows`.
    """
    return _dot_rows(X, where, w, out, later, slice(1, None, 2))


@intrinsic
def dot_rows_alone(typing_context, X, where, start, w, out, later):
    """Do the same, and ask for every row that comes later: for work that ends with the products."""
    return _dot_rows(X, where, w, out, later, slice(None))


@intrinsic
def add_weighted_rows(typing_context, X, where, start, factors, first, out, later):
    """Add TILE rows, each times its factor: out[j] += Σ_r factors[first + r] · column j of row r.

    X : C-ordered (n, d); where, start, later : of `dot_rows`: here the other rows are asked for;
    factors : X's dtype; first : uint64; out : whole vectors, at least d (under a mask, a store of AVX2 takes ten times
    as long as any other).
    """

    def emit(context, builder, signature, arguments):
        X_type, where_type, _, factors_type, _, out_type, later_type = signature.args
        matrix = Matrix(context, builder, X_type, arguments[0])
        scalars = data_pointer(context, builder, factors_type, arguments[3], X_type.dtype)
        out = data_pointer(context, builder, out_type, arguments[5], X_type.dtype)
        _, where, start, _, first_factor, _, later = arguments
        to_factors = builder.sub(first_factor, start)

        def tile_part(first):
            rows = matrix.part_of_a_tile(where_type, where, start, first)
            scalar = builder.gep(scalars, [builder.add(first, to_factors)])
            places = [builder.gep(scalar, [i64(r)]) for r in range(matrix.rows_together)]
            factors = [matrix.splat(builder.load(place)) for place in places]

            def add_products(column, pointers, mask):
                # What was there comes in last: the tile before may still be working on it.
                target = builder.gep(out, [column])
                sums = [matrix.zero] * _CHAINS
                for r, (pointer, factor) in enumerate(zip(pointers, factors, strict=True)):
                    x = matrix.load(pointer, mask)
                    chain, fresh = r % _CHAINS, r < _CHAINS
                    sums[chain] = builder.fmul(x, factor) if fresh else matrix.multiply_add(x, factor, sums[chain])
                while len(sums) > 1:
                    sums = [builder.fadd(a, b) for a, b in zip(sums[0::2], sums[1::2], strict=True)]
                matrix.store(builder.fadd(sums[0], matrix.load(target)), target)

            matrix.for_each_vector_asking(rows, slice(0, None, 2), later_type, later, start, first, add_products)

        matrix.for_each_part_of_a_tile(start, tile_part)
        return context.get_dummy_value()

    return types.none(X, where, types.uint64, factors, types.uint64, out, later), emit


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

        matrix.for_each_vector(add_products, summed=True)
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
        summed = matrix.sums_of_lanes(vectors[first : first + together])
        lanes = range(0, matrix.lanes, matrix.lanes // together)
        totals += [builder.extract_element(summed, i32(lane)) for lane in lanes]
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
        line, end = builder.and_(begin, i64(-CACHE_LINE)), builder.add(begin, n_bytes)
        with cgutils.for_range_slice(builder, line, end, i64(CACHE_LINE), inc=True) as (address, _):
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
