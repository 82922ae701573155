"""The machine code of the hot kernels: vectors, everything inlined, and no reference counted inside a loop."""

import importlib
import pkgutil
import re

import llvmlite.binding as llvm
import numba
import numpy as np
import pytest
import user_minimization
import user_program
from numba.core.registry import cpu_target
from numba.extending import is_jitted
from user_rules import PlainSGD

import fastgd
from fastgd import SGD, Adam, ClipByNorm, Momentum, Nesterov, Neuron, gradients, init_state
from fastgd._arrays import finite as _finite
from fastgd._compile.compiler import HouseCompiler
from fastgd._registry import OptimizerKernels, kernels_for
from fastgd._simd import machine_vectors
from fastgd._training import loop as _loop
from fastgd._training import single_rows
from fastgd.clipping import adaptive, by_norm
from fastgd.clipping.norms import norm

DTYPES = [np.float32, np.float64]
LLVM_TYPES = {np.float32: "float", np.float64: "double"}


@pytest.fixture(params=DTYPES, ids=lambda dtype: dtype.__name__)
def dtype(request):
    return request.param


def compiled_for(dispatcher, *words):
    """The signature, among those compiled in this process, that has all these words in it."""
    return next(s for s in reversed(dispatcher.signatures) if all(word in str(s) for word in words))


def llvm_function(dispatcher, signature):
    """The optimised LLVM code of a kernel, compiled anew, since the cache keeps none."""
    options = {name: value for name, value in dispatcher.targetoptions.items() if name != "nopython"}
    fresh = numba.njit(**options, pipeline_class=HouseCompiler)(dispatcher.py_func)
    fresh.compile(signature)
    module = llvm.parse_assembly(fresh.inspect_llvm(fresh.signatures[0]))
    name = fresh.overloads[fresh.signatures[0]].fndesc.mangled_name
    return module.get_function(name)


def vector_operations(function, element):
    """How often each arithmetic operation is done on whole vectors."""
    counts = {}
    for match in re.finditer(rf"\b(fadd|fsub|fmul|fdiv)\b[^\n]*<\d+ x {element}>", str(function)):
        counts[match[1]] = counts.get(match[1], 0) + 1
    for match in re.finditer(r"@llvm\.(\w+)\.v\d+[fi]\d+\(", str(function)):
        counts[match[1]] = counts.get(match[1], 0) + 1
    return counts


def calls_in_loops(function):
    """The names of the functions that are called from blocks which can come round to themselves."""
    followers, calls = {}, {}
    for block in function.blocks:
        name = str(block).lstrip().partition(":")[0].strip()
        followers[name], calls[name] = [], []
        for instruction in block.instructions:
            text = str(instruction)
            if instruction.opcode in ("br", "switch", "invoke"):
                followers[name] += re.findall(r"label %([\w.\"$-]+)", text)
            elif instruction.opcode == "call":
                calls[name] += re.findall(r"@([\w.$]+)\(", text)[:1]

    def comes_round(start):
        seen, waiting = set(), list(followers[start])
        while waiting:
            name = waiting.pop()
            if name == start:
                return True
            if name not in seen:
                seen.add(name)
                waiting += followers[name]
        return False

    return {call for name in followers if calls[name] and comes_round(name) for call in calls[name]}


def counted(calls):
    """Those of the calls that count references, make or free memory."""
    return {call for call in calls if call.startswith("NRT_")}


def test_the_tools_of_this_file():
    @numba.njit(cache=False)
    def sloppy(rows):
        total = 0.0
        for i in range(rows.shape[0]):
            row = rows[i].copy()
            total += row[0]
        return total

    sloppy(np.ones((3, 3)))
    function = llvm_function(sloppy, sloppy.signatures[0])
    assert "NRT_decref" in calls_in_loops(function)
    assert not vector_operations(function, "double")


@pytest.mark.parametrize("optimizer", [SGD(), Momentum(), Nesterov(), Adam(), Adam(amsgrad=True)], ids=repr)
def test_updates(optimizer, dtype):
    params = np.ones(4, dtype)
    arguments = optimizer, 0.1, params, init_state(optimizer, params), params
    kernel = kernels_for("update", OptimizerKernels, optimizer).update
    function = llvm_function(kernel, tuple(map(numba.typeof, arguments)))
    operations = vector_operations(function, LLVM_TYPES[dtype])
    assert {"fmul", "fsub"} <= operations.keys()
    if isinstance(optimizer, Adam):
        assert {"fdiv", "sqrt", "fadd"} <= operations.keys()
    assert not counted(calls_in_loops(function))


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "exp", "softplus"])
def test_functions_of_numbers_become_vectors_in_a_loop(name, dtype):
    verb = getattr(fastgd, name)

    @numba.njit
    def fill(x, out):
        for i in range(x.size):
            out[i] = verb(x[i])

    fill(np.ones(3, dtype), np.ones(3, dtype))
    function = llvm_function(fill, fill.signatures[0])
    assert {"fmul", "fadd"} <= vector_operations(function, LLVM_TYPES[dtype]).keys()
    assert not [call for call in calls_in_loops(function) if not call.startswith("llvm.")]


@pytest.mark.parametrize("optimizer", [SGD(), Adam()], ids=lambda optimizer: type(optimizer).__name__)
def test_a_user_s_own_loop(optimizer):
    user_program.descend(optimizer, 0.1, np.ones(3), 1)
    signature = compiled_for(user_program.descend, type(optimizer).__name__, "float64, Array(float64")
    calls = calls_in_loops(llvm_function(user_program.descend, signature))
    assert not counted(calls)
    assert not [call for call in calls if not call.startswith(("llvm.", "sqrt"))]


def bytes_of_a_vector():
    _, _, features = cpu_target.target_context.codegen().magic_tuple()
    return machine_vectors(features).n_bytes


def test_gradient_descent_in_a_user_s_function():
    x0, centre = np.zeros(2), np.ones(2)
    user_minimization.minimize_ellipse(x0, Adam(), 0.1, 1, 0.0, centre)
    minimize_ellipse = user_minimization.minimize_ellipse
    calls = calls_in_loops(llvm_function(minimize_ellipse, compiled_for(minimize_ellipse, "Adam")))
    assert not counted(calls)
    assert not [call for call in calls if not call.startswith(("llvm.", "sqrt")) and "ellipse" not in call]


def train_function(optimizer, dtype):
    X = np.ones((8, 3), dtype)
    fastgd.fit(Neuron(3), X, X[:, 0] / 2, optimizer=optimizer, epochs=1, batch_size=4)
    words = (
        "Neuron",
        type(optimizer).__name__,
        "NoClipping",
        f"array({dtype.__name__}, 2d, C), array({dtype.__name__}",
    )
    return llvm_function(_loop.train, compiled_for(_loop.train, *words))


@pytest.mark.parametrize("optimizer", [Adam(), PlainSGD()], ids=lambda optimizer: type(optimizer).__name__)
def test_the_training_loop(optimizer):
    for dtype in DTYPES if isinstance(optimizer, Adam) else DTYPES[:1]:
        function = train_function(optimizer, dtype)
        lanes = bytes_of_a_vector() // np.dtype(dtype).itemsize
        element = LLVM_TYPES[dtype]
        assert f"load <{lanes} x {element}>" in str(function)  # rows, in whole vectors,
        assert f"@llvm.masked.load.v{lanes}f" in str(function)  # and what is left of them
        assert re.search(rf"\bfdiv\b[^\n]*<{lanes} x {element}>", str(function))  # the sigmoids too, by LLVM itself
        operations = vector_operations(function, element)
        assert {"fmul", "fadd", "fsub", "fdiv", "fmuladd"} <= operations.keys()  # fdiv is the sigmoid's
        if isinstance(optimizer, Adam):
            assert "sqrt" in operations
        calls = calls_in_loops(function)
        assert not counted(calls)
        # Left to call are the order of an epoch, its row of history, norms out of range, and C's root for the numbers
        # beside the vectors.
        seldom = "settle_order", "write_history", "norms4norm"
        others = {call for call in calls if not call.startswith("llvm.") and call not in ("sqrt", "sqrtf")}
        assert not [call for call in others if not any(name in call for name in seldom)], others


def test_steps_of_one_row(dtype):
    train_function(SGD(), dtype)
    kernel = single_rows._steps_of_a_group
    calls = calls_in_loops(llvm_function(kernel, compiled_for(kernel, "Neuron", "SGD", f"Array({dtype.__name__}, 2")))
    assert not [call for call in calls if not call.startswith(("llvm.", "sqrt"))], calls


def test_vectors_fill_the_machine_s_registers():
    assert machine_vectors("+avx,+avx2,+avx512f,-avx512bw") == (64, 16)
    assert machine_vectors("+avx,+avx2,-avx512f") == (32, 8)
    assert machine_vectors("+sse2,-avx,-avx2") == (16, 8)
    assert machine_vectors("+neon,+fp-armv8") == (16, 8)


def test_the_gradient(dtype):
    X, grads = np.ones((8, 3), dtype), np.empty(4, dtype)
    fastgd.value_and_grad(Neuron(3), np.ones(4, dtype), X, X[:, 0], grads)
    kernel = gradients._value_and_grad
    function = llvm_function(kernel, compiled_for(kernel, "Neuron", f"Array({dtype.__name__}"))
    operations = vector_operations(function, LLVM_TYPES[dtype])
    assert {"fmul", "fadd", "fsub", "fdiv", "fmuladd"} <= operations.keys()


def kernels_of_the_package():
    for module in pkgutil.walk_packages(fastgd.__path__, "fastgd."):
        if not module.name.endswith("__main__"):
            for name, value in vars(importlib.import_module(module.name)).items():
                if is_jitted(value):
                    yield f"{module.name}.{name}", value.targetoptions


def test_flags_that_leave_nan_and_infinity_visible():
    kernels = dict(kernels_of_the_package())
    assert {
        "fastgd._training.loop.train",
        "fastgd.optimizers.adam.update",
        "fastgd.elementwise._reduce",
    } <= kernels.keys()
    for name, options in kernels.items():
        assert options["fastmath"] <= {"reassoc", "contract", "arcp", "nsz"}, name
        assert options["nogil"], name
        assert options["error_model"] == "numpy", name
        if "elementwise" in name:
            assert "reassoc" not in options["fastmath"], name


def test_clipping(dtype):
    vector, parts, float64 = numba.typeof(np.ones(4, dtype)), numba.int64[:, ::1], numba.float64
    function = llvm_function(by_norm.clip_parts, (float64, float64, parts, float64, vector))
    assert re.search(r"<\d+ x i(32|64)>", str(function))  # the largest component
    assert "fmul" in vector_operations(function, "double")
    assert not counted(calls_in_loops(function))
    function = llvm_function(adaptive.clip_units, (float64, float64, parts, float64, vector, vector))
    assert "fmul" in vector_operations(function, "double")
    assert not counted(calls_in_loops(function))


def test_clipping_in_the_training_loop():
    X, rule = np.ones((8, 3)), ClipByNorm(1.0, layout=((0, 1, 3), (3, 1, 1)))
    fastgd.fit(Neuron(3), X, X[:, 0] / 2, optimizer=SGD(), epochs=1, batch_size=4, clip=rule)
    signature = compiled_for(_loop.train, "Neuron", "SGD", "ClipByNorm", "array(float64, 2d, C), array(float64")
    assert not counted(calls_in_loops(llvm_function(_loop.train, signature)))


def test_searches_and_norms(dtype):
    fastgd.clip_by_norm(1.0, np.ones(4, dtype))
    function = llvm_function(norm, (numba.typeof(np.ones(4, dtype)),))
    assert {"fmul", "fadd"} <= vector_operations(function, "double").keys()
    bits = numba.uint32 if dtype == np.float32 else numba.uint64
    function = llvm_function(_finite.all_finite, (bits[::1], bits))
    assert re.search(r"<\d+ x i(32|64)>", str(function))
