"""Numba's compiler as it is used here: with names that stay apart, and for the kernels with whole registers."""

import gc
import os

from numba.core.compiler import Compiler
from numba.core.compiler_machinery import register_pass
from numba.core.lowering import Lower
from numba.core.typed_passes import NativeLowering


class _Lower(Lower):
    """Lets LLVM's vectors be as wide as the registers.

    Of processors that once slowed down under wide vectors it uses half of the registers, beside primitives (`_simd`)
    that use all. Then a sigmoid takes a third longer, and parameters are stored in two halves where the next products
    wait for one whole vector: epochs of 32 columns in the cache took 1.1 (batches of 32) to 1.18 (128) times as long on
    an Intel Xeon. Updates of 1,000 to 10,000 parameters take the same time either way.
    """

    def setup_function(self, fndesc):
        super().setup_function(fndesc)
        # `add` takes only the attributes that llvmlite knows by name.
        set.add(self.function.attributes, '"prefer-vector-width"="512"')


@register_pass(mutates_CFG=True, analysis_only=False)
class _Lowering(NativeLowering):
    _name = "fastgd_lowering"

    @property
    def lowering_class(self):
        return _Lower


class NamesApart(Compiler):
    """Numba's own, with names of machine code that no other process gives to another function.

    Numba tells functions of one name and signature by a count of the process's compilations. Code from the disk cache
    has the number of the process that wrote it: where it met another function of that number, a caller of both called
    one of them twice.
    """

    def _compile_bytecode(self):
        identity = self.state.func_id
        identity.unique_id = int.from_bytes(os.urandom(8), "little")
        identity.unique_name = f"{identity.func_qualname}${identity.unique_id}"
        return super()._compile_bytecode()


class HouseCompiler(NamesApart):
    """The same, with another lowering, and Python's search for reference cycles put off until it has done its work.

    It makes hundreds of thousands of objects, and each search goes through all that Numba is made of: a first `fit`
    took 6.4 s with them and 5.9 without, and 40 MB more.
    """

    def define_pipelines(self):
        pipelines = super().define_pipelines()
        for pipeline in pipelines:
            pipeline.passes = [
                (_Lowering if step is NativeLowering else step, words) for step, words in pipeline.passes
            ]
            pipeline.finalize()
        return pipelines

    def compile_extra(self, func):
        enabled = gc.isenabled()
        gc.disable()
        try:
            return super().compile_extra(func)
        finally:
            if enabled:
                gc.enable()
