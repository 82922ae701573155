"""The gradient on its way from a model to an optimiser, in loops that hand it on in the same pieces."""

from numba.core import cgutils, types
from numba.extending import intrinsic

from fastgd._simd import Vectors, contiguous, data_pointer


@intrinsic
def move_sums(typing_context, sums, count, out):
    """Add the first numbers of an array to those of another, and leave 0 behind. Of one dtype; count : uint64.

    In pieces: LLVM's own loop stored 16 numbers in quarters of a vector, and `scale_and_compare` waited for all of them
    (7 of 160 ns a step).
    """

    def emit(context, builder, signature, arguments):
        whole = Vectors(context, builder, signature.args[0].dtype)
        sums = data_pointer(context, builder, signature.args[0], arguments[0])
        out = data_pointer(context, builder, signature.args[2], arguments[2], signature.args[0].dtype)

        def step(vectors, place):
            source, target = (builder.gep(array, [place]) for array in (sums, out))
            vectors.store(builder.fadd(vectors.load(target), vectors.load(source)), target)
            vectors.store(vectors.zero, source)

        whole.in_halving_vectors(arguments[1], step)
        return context.get_dummy_value()

    return types.none(sums, types.uint64, out), emit


@intrinsic
def scale_and_compare(typing_context, scale, params, previous, grads):
    """Scale a gradient in place; return its squared norm and its product with the one before, which it replaces.

    The third number returned is 0 where all parameters are finite, else NaN. All arrays : (n,), of one dtype.

    In pieces: an update that follows reads the gradient in such. (LLVM's own loop made a step of 32 parameters wait
    10 ns.)
    """

    def emit(context, builder, signature, arguments):
        arrays = [
            contiguous(context, builder, kind, value)
            for kind, value in zip(signature.args[1:], arguments[1:], strict=True)
        ]
        params, previous, grads = (array.data for array in arrays)
        whole = Vectors(context, builder, signature.args[3].dtype)
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

        whole.in_halving_vectors(arrays[2].nitems, step)
        return context.make_tuple(
            builder, signature.return_type, [whole.sum_of_lanes(builder.load(total)) for total in sums]
        )

    return types.UniTuple(grads.dtype, 3)(grads.dtype, params, previous, grads), emit
