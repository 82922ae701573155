"""Vector intrinsics for many models at once: the models lie side by side in the lanes, a row serves all of them.

The parameters of `TILE` models or a multiple are a matrix of a parameter a row and a model a column. The products of
rows of X with all models are then a product of matrices, and so are the gradients. Each is done in pieces that fit the
registers: two vectors of models times half as many rows (or columns of X) as there are registers. An element of X
is loaded into all lanes at once, and each vector of parameters serves all rows of the piece.
"""

from numba.core import cgutils, types
from numba.extending import intrinsic

from fastgd._simd import TILE, Matrix, Vectors, contiguous, data_pointer, i64

_VECTORS_TOGETHER = 2  # of models


class _Models(Vectors):
    """Emits code on a C-ordered matrix whose columns are models."""

    def __init__(self, context, builder, matrix_type, matrix):
        super().__init__(context, builder, matrix_type.dtype)
        array = contiguous(context, builder, matrix_type, matrix)
        self.data = array.data
        self.n_rows, self.n_models = cgutils.unpack_tuple(builder, array.shape)

    def place(self, row, lane):
        """A pointer to an element."""
        return self.builder.gep(self.data, [self.builder.add(self.builder.mul(row, self.n_models), lane)])

    def load_vectors(self, row, lane, count):
        """So many neighbouring vectors of a row."""
        place = self.place(row, lane)
        return [self.load(self.builder.gep(place, [i64(v * self.lanes)])) for v in range(count)]

    def for_each_piece(self, emit):
        """Emit a loop over the lanes, as many vectors together as pay: `emit(first_lane, vectors)`."""
        builder = self.builder
        vectors = min(_VECTORS_TOGETHER, TILE // self.lanes)
        wide = i64(self.lanes * _VECTORS_TOGETHER)
        rest = builder.urem(self.n_models, wide)
        whole = builder.sub(self.n_models, rest)
        with cgutils.for_range_slice(builder, i64(0), whole, wide, inc=True) as (lane, _):
            emit(lane, _VECTORS_TOGETHER)
        if vectors < _VECTORS_TOGETHER:  # TILE models may be half a piece
            with builder.if_then(builder.icmp_unsigned("!=", rest, i64(0))):
                emit(whole, vectors)


class _Sums:
    """Vectors that are added up in registers."""

    def __init__(self, vectors, count):
        self.vectors = vectors
        self.slots = [cgutils.alloca_once_value(vectors.builder, vectors.zero) for _ in range(count)]

    def begin(self, values=None):
        """Set the sums, to zero by default: the slots are made at the function's entry, but the piece begins here."""
        for i, slot in enumerate(self.slots):
            self.vectors.builder.store(self.vectors.zero if values is None else values[i], slot)

    def add(self, i, value):
        builder = self.vectors.builder
        builder.store(builder.fadd(builder.load(self.slots[i]), value), self.slots[i])

    def add_product(self, i, a, b):
        builder = self.vectors.builder
        builder.store(self.vectors.multiply_add(a, b, builder.load(self.slots[i])), self.slots[i])

    def totals(self):
        return [self.vectors.builder.load(slot) for slot in self.slots]


@intrinsic
def dot_rows_with_many(typing_context, X, places, start, W, Z):
    """Write the products of TILE rows with many models: Z[start + r] = W[d] + Σ_j X[row r, j] · W[j].

    X : C-ordered (n, d); places : of `locate_rows`; start : uint64; W : C-ordered (at least d + 1, models);
    Z : C-ordered (at least start + TILE, models). The models are a multiple of TILE.
    """

    def emit(context, builder, signature, arguments):
        X_type, places_type, _, W_type, Z_type = signature.args
        matrix = Matrix(context, builder, X_type, arguments[0])
        weights = _Models(context, builder, W_type, arguments[3])
        out = _Models(context, builder, Z_type, arguments[4])
        n_rows = matrix.rows_together // _VECTORS_TOGETHER

        def piece(lane, n_vectors):
            sums = _Sums(weights, n_rows * n_vectors)
            stop = builder.add(arguments[2], i64(TILE))
            with cgutils.for_range_slice(builder, arguments[2], stop, i64(n_rows), inc=True) as (first, _):
                rows = matrix.scattered_rows(places_type, arguments[1], first)
                sums.begin(weights.load_vectors(matrix.columns, lane, n_vectors) * n_rows)
                with cgutils.for_range(builder, matrix.columns) as loop:
                    vectors = weights.load_vectors(loop.index, lane, n_vectors)
                    for r, pointer in enumerate(rows(loop.index)[:n_rows]):
                        x = weights.splat(builder.load(pointer))
                        for v, vector in enumerate(vectors):
                            sums.add_product(r * n_vectors + v, x, vector)
                for i, total in enumerate(sums.totals()):
                    row, v = divmod(i, n_vectors)
                    place = out.place(builder.add(first, i64(row)), builder.add(lane, i64(v * out.lanes)))
                    out.store(total, place)

        weights.for_each_piece(piece)
        return context.get_dummy_value()

    return types.none(X, places, types.uint64, W, Z), emit


@intrinsic
def add_weighted_rows_of_many(typing_context, X, places, count, factors, out):
    """Add rows, each times a factor a model: out[j] += Σ_r X[row r, j] · factors[r].

    X : C-ordered (n, d); places : of `locate_rows`; count : uint64, the number of rows; factors : C-ordered
    (at least count, models); out : C-ordered (at least d, models). The models are a multiple of TILE.
    """

    def emit(context, builder, signature, arguments):
        X_type, places_type, _, factors_type, out_type = signature.args
        matrix = Matrix(context, builder, X_type, arguments[0])
        places = data_pointer(context, builder, places_type, arguments[1])
        factors = _Models(context, builder, factors_type, arguments[3])
        out = _Models(context, builder, out_type, arguments[4])
        most = matrix.rows_together // _VECTORS_TOGETHER

        def columns_from(column, n_columns, lane, n_vectors):
            sums = _Sums(out, n_columns * n_vectors)
            sums.begin()
            with cgutils.for_range(builder, arguments[2]) as loop:
                address = builder.load(builder.gep(places, [loop.index]))
                row = builder.gep(builder.inttoptr(address, matrix.element.as_pointer()), [column])
                vectors = factors.load_vectors(loop.index, lane, n_vectors)
                for c in range(n_columns):
                    x = out.splat(builder.load(builder.gep(row, [i64(c)])))
                    for v, vector in enumerate(vectors):
                        sums.add_product(c * n_vectors + v, x, vector)
            for i, total in enumerate(sums.totals()):
                c, v = divmod(i, n_vectors)
                place = out.place(builder.add(column, i64(c)), builder.add(lane, i64(v * out.lanes)))
                out.store(builder.fadd(total, out.load(place)), place)

        def piece(lane, n_vectors):
            rest = builder.urem(matrix.columns, i64(most))
            whole = builder.sub(matrix.columns, rest)
            with cgutils.for_range_slice(builder, i64(0), whole, i64(most), inc=True) as (column, _):
                columns_from(column, most, lane, n_vectors)
            n_columns = most // 2
            while n_columns:
                with builder.if_then(builder.icmp_unsigned("!=", builder.and_(rest, i64(n_columns)), i64(0))):
                    done = builder.and_(matrix.columns, i64(-2 * n_columns))
                    columns_from(done, n_columns, lane, n_vectors)
                n_columns //= 2

        out.for_each_piece(piece)
        return context.get_dummy_value()

    return types.none(X, places, types.uint64, factors, out), emit


@intrinsic
def add_up_rows(typing_context, matrix, count, out, row):
    """Add up the first rows of a matrix of models: out[row] += Σ_r matrix[r].

    matrix, out : C-ordered (..., models), a multiple of TILE of them; count, row : uint64.
    """

    def emit(context, builder, signature, arguments):
        matrix_type, _, out_type, _ = signature.args
        source = _Models(context, builder, matrix_type, arguments[0])
        out = _Models(context, builder, out_type, arguments[2])
        chains = 4  # rows: one chain of additions would wait for its latencies

        def piece(lane, n_vectors):
            sums = _Sums(source, chains * n_vectors)
            sums.begin()
            rest = builder.and_(arguments[1], i64(chains - 1))
            whole = builder.sub(arguments[1], rest)

            def add(row, chain):
                for v, vector in enumerate(source.load_vectors(row, lane, n_vectors)):
                    sums.add(chain * n_vectors + v, vector)

            with cgutils.for_range_slice(builder, i64(0), whole, i64(chains), inc=True) as (first, _):
                for chain in range(chains):
                    add(builder.add(first, i64(chain)), chain)
            with cgutils.for_range_slice(builder, whole, arguments[1], i64(1), inc=True) as (last, _):
                add(last, 0)
            totals = sums.totals()
            for v in range(n_vectors):
                a, b, c, d = totals[v::n_vectors]
                total = builder.fadd(builder.fadd(a, b), builder.fadd(c, d))
                place = out.place(arguments[3], builder.add(lane, i64(v * out.lanes)))
                out.store(builder.fadd(total, out.load(place)), place)

        source.for_each_piece(piece)
        return context.get_dummy_value()

    return types.none(matrix, types.uint64, out, types.uint64), emit


@intrinsic
def transpose(typing_context, source, target):
    """Write a matrix with rows and columns exchanged: target[j, i] = source[i, j].

    Both C-ordered, of multiples of TILE rows and columns. In blocks of registers, an exchange of halves of pairs a
    level; element by element 32 by 48 numbers took 570 ns instead of 98 (float64: 650 instead of 218).
    """

    def emit(context, builder, signature, arguments):
        rows = _Models(context, builder, signature.args[0], arguments[0])
        columns = _Models(context, builder, signature.args[1], arguments[1])
        lanes = rows.lanes
        step = i64(lanes)
        with (
            cgutils.for_range_slice(builder, i64(0), rows.n_rows, step, inc=True) as (i, _),
            cgutils.for_range_slice(builder, i64(0), rows.n_models, step, inc=True) as (j, _),
        ):
            vectors = [rows.load(rows.place(builder.add(i, i64(r)), j)) for r in range(lanes)]
            width = 1
            while width < lanes:
                low = [(lane & ~width) + (lanes if lane & width else 0) for lane in range(lanes)]
                high = [lane + width for lane in low]
                exchanged = list(vectors)
                for r in range(lanes):
                    if not r & width:
                        pair = vectors[r], vectors[r + width]
                        exchanged[r], exchanged[r + width] = rows.shuffle(*pair, low), rows.shuffle(*pair, high)
                vectors = exchanged
                width *= 2
            for r, vector in enumerate(vectors):
                columns.store(vector, columns.place(builder.add(j, i64(r)), i))
        return context.get_dummy_value()

    return types.none(source, target), emit


@intrinsic
def scale_and_compare_many(typing_context, scale, n_params, previous, G, squares, products):
    """Scale the gradients of many models in place, and compare them with those before, which they replace.

    scale : a number; n_params : uint64; previous, G : C-ordered (n_params or more, models), models a multiple of TILE.
    Written, of `models` elements: squares, products: of each model's gradient with itself, and with the one before.
    """

    def emit(context, builder, signature, arguments):
        _, _, previous_type, G_type, squares_type, products_type = signature.args
        before = _Models(context, builder, previous_type, arguments[2])
        now = _Models(context, builder, G_type, arguments[3])
        out = [
            data_pointer(context, builder, kind, arguments[4 + i])
            for i, kind in enumerate((squares_type, products_type))
        ]
        factor = now.splat(arguments[0])

        def piece(lane, n_vectors):
            sums = _Sums(now, 2 * n_vectors)
            sums.begin()
            with cgutils.for_range(builder, arguments[1]) as loop:
                for v in range(n_vectors):
                    lane_of_vector = builder.add(lane, i64(v * now.lanes))
                    place, old_place = now.place(loop.index, lane_of_vector), before.place(loop.index, lane_of_vector)
                    g = builder.fmul(now.load(place), factor)
                    sums.add_product(2 * v, g, g)
                    sums.add_product(2 * v + 1, g, before.load(old_place))
                    now.store(g, place)
                    now.store(g, old_place)
            for i, total in enumerate(sums.totals()):
                v, which = divmod(i, 2)
                now.store(total, builder.gep(out[which], [builder.add(lane, i64(v * now.lanes))]))

        now.for_each_piece(piece)
        return context.get_dummy_value()

    return types.none(G.dtype, types.uint64, previous, G, squares, products), emit
