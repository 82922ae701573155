"""Vector intrinsics: the few primitives on rows of a matrix that the models' kernels are built on.

LLVM's own vectoriser takes 16 to 64 columns at a time, and one row; with few columns it leaves the vector units
mostly idle (15.6 ns a row of 32 columns, where 3.1 are possible). These primitives take TILE rows together, an
accumulator a row, so that each vector of weights is loaded once for all of them, and the chains of dependent
additions run side by side. Columns beyond a multiple of the lanes are loaded under a mask, so any number of
columns is taken, and nothing beyond a row's end is touched.

A vector has 64 bytes; LLVM splits it where the machine's are narrower.
"""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

TILE = 16  # rows that are taken together
_VECTOR_BYTES = 64
_CACHE_LINE = 64
_CHAINS = 4  # independent sums of a column's TILE products: one chain of 16 additions waits for its latencies

_i1, _i32, _i64 = ir.IntType(1), ir.IntType(32), ir.IntType(64)


class _Matrix:
    """Emits code that reads rows of a C-ordered matrix, a vector of columns at a time."""

    def __init__(self, context, builder, X_type, X):
        array = context.make_array(X_type)(context, builder, X)
        self.builder = builder
        self.element = context.get_data_type(X_type.dtype)
        self.itemsize = context.get_abi_sizeof(self.element)
        self.lanes = _VECTOR_BYTES // self.itemsize
        self.vector = ir.VectorType(self.element, self.lanes)
        self.zero = ir.Constant(self.vector, None)
        self.data = array.data
        self.columns = cgutils.unpack_tuple(builder, array.shape)[1]

    def row(self, index):
        """A pointer to a row's first element."""
        return self.builder.gep(self.data, [self.builder.mul(index, self.columns)])

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

    def for_each_vector(self, emit):
        """Emit a loop over the columns: `emit(first_column, mask)`, the mask None but for the last few columns."""
        builder = self.builder
        lanes = _i64(self.lanes)
        rest = builder.urem(self.columns, lanes)
        whole = builder.sub(self.columns, rest)
        with cgutils.for_range_slice(builder, _i64(0), whole, lanes, inc=True) as (column, _):
            emit(column, None)
        with cgutils.if_unlikely(builder, builder.icmp_unsigned("!=", rest, _i64(0))):
            indices = ir.Constant(ir.VectorType(_i64, self.lanes), list(range(self.lanes)))
            limit = builder.insert_element(ir.Constant(ir.VectorType(_i64, self.lanes), ir.Undefined), rest, _i32(0))
            mask = builder.icmp_unsigned("<", indices, self.shuffle(limit, limit, [0] * self.lanes))
            emit(whole, mask)

    def _call(self, name, result, arguments):
        kind = ir.FunctionType(result, [argument.type for argument in arguments])
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, name), arguments)


def _data(context, builder, array_type, array):
    return context.make_array(array_type)(context, builder, array).data


def _pointers_to_tile(context, builder, matrix, rows_type, rows, first):
    indices = builder.gep(_data(context, builder, rows_type, rows), [first])
    pointers = []
    for r in range(TILE):
        index = builder.load(builder.gep(indices, [_i64(r)]))
        pointers.append(matrix.row(builder.zext(index, _i64)))
    return pointers


@intrinsic
def dot_rows(typing_context, X, rows, first, w, out):
    """Write the products of TILE rows with a vector: out[r] = Σ_j X[rows[first + r], j] · w[j].

    X : C-ordered (n, d); rows : uint32; first : uint64; w : at least d; out : at least TILE, X's dtype.
    """

    def emit(context, builder, signature, arguments):
        X_type, rows_type, _, w_type, out_type = signature.args
        matrix = _Matrix(context, builder, X_type, arguments[0])
        pointers = _pointers_to_tile(context, builder, matrix, rows_type, arguments[1], arguments[2])
        weights = _data(context, builder, w_type, arguments[3])
        sums = [cgutils.alloca_once_value(builder, matrix.zero) for _ in range(TILE)]
        for total in sums:  # the slot is made at the function's entry, but the tile begins here
            builder.store(matrix.zero, total)

        def add_products(column, mask):
            weight = matrix.load(builder.gep(weights, [column]), mask)
            for pointer, total in zip(pointers, sums, strict=True):
                x = matrix.load(builder.gep(pointer, [column]), mask)
                builder.store(matrix.multiply_add(x, weight, builder.load(total)), total)

        matrix.for_each_vector(add_products)
        out = _data(context, builder, out_type, arguments[4])
        for start in range(0, TILE, matrix.lanes):
            vectors = [builder.load(total) for total in sums[start : start + matrix.lanes]]
            matrix.store(_sums_of_lanes(builder, matrix, vectors), builder.gep(out, [_i64(start)]))
        return context.get_dummy_value()

    return types.none(X, rows, types.uint64, w, out), emit


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
def add_weighted_rows(typing_context, X, rows, first, factors, start, out):
    """Add TILE rows, each times its factor: out[j] += Σ_r factors[start + r] · X[rows[first + r], j].

    X : C-ordered (n, d); rows : uint32; first : uint64; factors : X's dtype; start : uint64; out : at least d.
    """

    def emit(context, builder, signature, arguments):
        X_type, rows_type, _, factors_type, _, out_type = signature.args
        matrix = _Matrix(context, builder, X_type, arguments[0])
        pointers = _pointers_to_tile(context, builder, matrix, rows_type, arguments[1], arguments[2])
        scalars = builder.gep(_data(context, builder, factors_type, arguments[3]), [arguments[4]])
        factors = [matrix.splat(builder.load(builder.gep(scalars, [_i64(r)]))) for r in range(TILE)]
        out = _data(context, builder, out_type, arguments[5])

        def add_products(column, mask):
            target = builder.gep(out, [column])
            sums = [matrix.load(target, mask)] + [matrix.zero] * (_CHAINS - 1)
            for r, (pointer, factor) in enumerate(zip(pointers, factors, strict=True)):
                x = matrix.load(builder.gep(pointer, [column]), mask)
                sums[r % _CHAINS] = matrix.multiply_add(x, factor, sums[r % _CHAINS])
            while len(sums) > 1:
                sums = [builder.fadd(a, b) for a, b in zip(sums[0::2], sums[1::2], strict=True)]
            matrix.store(sums[0], target, mask)

        matrix.for_each_vector(add_products)
        return context.get_dummy_value()

    return types.none(X, rows, types.uint64, factors, types.uint64, out), emit


@intrinsic
def dot_row(typing_context, X, row, w):
    """The product of one row with a vector: Σ_j X[row, j] · w[j].

    X : C-ordered (n, d); row : uint64; w : at least d.
    """

    def emit(context, builder, signature, arguments):
        matrix = _Matrix(context, builder, signature.args[0], arguments[0])
        pointer = matrix.row(arguments[1])
        weights = _data(context, builder, signature.args[2], arguments[2])
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
        matrix = _Matrix(context, builder, signature.args[0], arguments[0])
        pointer = matrix.row(arguments[1])
        factor = matrix.splat(arguments[2])
        out = _data(context, builder, signature.args[3], arguments[3])

        def add_product(column, mask):
            x = matrix.load(builder.gep(pointer, [column]), mask)
            target = builder.gep(out, [column])
            matrix.store(matrix.multiply_add(x, factor, matrix.load(target, mask)), target, mask)

        matrix.for_each_vector(add_product)
        return context.get_dummy_value()

    return types.none(X, types.uint64, X.dtype, out), emit


@intrinsic
def prefetch_rows(typing_context, X, rows, first, count):
    """Ask for rows[first : first + count] of X to be brought into the cache."""

    def emit(context, builder, signature, arguments):
        X_type, rows_type, _, _ = signature.args
        matrix = _Matrix(context, builder, X_type, arguments[0])
        indices = _data(context, builder, rows_type, arguments[1])
        line = _i64(_CACHE_LINE // matrix.itemsize)
        stop = builder.add(arguments[2], arguments[3])
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer(), _i32, _i32, _i32])
        prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        with cgutils.for_range_slice(builder, arguments[2], stop, _i64(1), inc=True) as (position, _):
            index = builder.load(builder.gep(indices, [position]))
            row = matrix.row(builder.zext(index, _i64))

            def ask(column, row=row):
                address = builder.bitcast(builder.gep(row, [column]), ir.IntType(8).as_pointer())
                builder.call(prefetch, [address, _i32(0), _i32(3), _i32(1)])

            with cgutils.for_range_slice(builder, _i64(0), matrix.columns, line, inc=True) as (column, _):
                ask(column)
            ask(builder.sub(matrix.columns, _i64(1)))  # a row that starts inside a line ends in one line more
        return context.get_dummy_value()

    return types.none(X, rows, types.uint64, types.uint64), emit
