"""The disk cache: found again by another process, and never stale, whatever is edited."""

import importlib
import json
import shutil
import sys

import numba
import numpy as np
import pytest
from conftest import PACKAGE

import fastgd
from fastgd._compile import disk_cache as _disk_cache
from fastgd._compile.reachable_code import reachable_code_digest

RULES = """
from typing import NamedTuple
import fastgd
import my_helpers
from my_helpers import halve

FACTOR = 2.0

class Rule(NamedTuple):
    scale: float = 1.0

class RuleState(NamedTuple):
    pass

def init(optimizer, params):
    return RuleState()

def update(optimizer, lr, grads, state, params):
    for i in range(params.size):
        params[i] -= lr * optimizer.scale * FACTOR * my_helpers.GAIN * halve(grads[i])

fastgd.register_optimizer(Rule, init, update)
"""
HELPERS = """
import numba
GAIN = 1.0

@numba.njit
def halve(g):
    return 0.5 * g
"""
PROGRAM = """
import json
import numpy as np
from numba.core import event
import fastgd
from my_rules import Rule

@fastgd.njit
def by_hand(x):
    optimizer = Rule()
    fastgd.update(optimizer, 0.25, x, fastgd.init_state(optimizer, x), x)
    return x[0]

def train(optimizer):
    neuron = fastgd.Neuron(1, "identity")
    result = fastgd.fit(
        neuron, np.ones((4, 1)), np.zeros(4), params=[1.0, 0.0], optimizer=optimizer, lr=0.125, epochs=1
    )
    return result.params[0]

with event.install_recorder("numba:compile") as compiled:
    steps = {"SGD": train(fastgd.SGD()), "Rule": train(Rule()), "by_hand": by_hand(np.ones(1))}
names = {recorded[1].data["dispatcher"].__name__ for recorded in compiled.buffer if recorded[1].is_start}
print(json.dumps({"steps": steps, "compiled": sorted(names)}))
"""
# Two loss gradients of 2 each, times the rate 0.125, are taken from 1; by hand, a quarter of 1 from 1.
STEPS = {"SGD": 0.75, "Rule": 0.75, "by_hand": 0.75}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory, python):
    """A copy of the package, a user's program, and its cache, warm."""
    root = tmp_path_factory.mktemp("workspace")
    shutil.copytree(PACKAGE, root / "fastgd", ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in [("my_rules", RULES), ("my_helpers", HELPERS), ("program", PROGRAM)]:
        (root / f"{name}.py").write_text(text)

    def run():
        return json.loads(python(root / "program.py", path=[root], cache=root / "cache").stdout)

    first = run()
    assert first["steps"] == STEPS
    assert {"train", "by_hand"} <= set(first["compiled"])
    return root, run


@pytest.fixture
def edit(workspace):
    """Replace words in a file, until the end of the test."""
    root, _ = workspace
    originals = {}

    def edit(name, old, new):
        path = root / name
        text = originals.setdefault(path, path.read_text())
        assert text.count(old) == 1, f"{name} has no {old!r} to edit"
        path.write_text(text.replace(old, new))

    yield edit
    for path, text in originals.items():
        path.write_text(text)


def test_a_second_process_compiles_nothing(workspace):
    _, run = workspace
    assert run() == {"steps": STEPS, "compiled": []}


def test_an_edit_elsewhere_compiles_nothing(workspace, edit):
    _, run = workspace
    edit("my_helpers.py", "import numba\n", "import numba\n\n# A remark.\nUNUSED = 1\n")
    edit("fastgd/derivation.py", "import math\n", "import math\n\nUNUSED = 1\n")
    assert run() == {"steps": STEPS, "compiled": []}


EDITS = {
    "a kernel of the package": ("fastgd/optimizers/sgd.py", "-= lr * g", "-= 2 * lr * g", {"SGD": 0.5}),
    "a kernel deep inside a model": ("fastgd/losses.py", "error + error", "3 * error", {"SGD": 0.625, "Rule": 0.625}),
    "a user's rule": ("my_rules.py", "lr * optimizer.scale", "2 * lr * optimizer.scale", {"Rule": 0.5, "by_hand": 0.5}),
    "a helper in another file": ("my_helpers.py", "0.5 * g", "0.25 * g", {"Rule": 0.875, "by_hand": 0.875}),
    "a constant in another file": ("my_helpers.py", "GAIN = 1.0", "GAIN = 2.0", {"Rule": 0.5, "by_hand": 0.5}),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_takes_effect_at_once(workspace, edit, name):
    _, run = workspace
    file, old, new, changed = EDITS[name]
    edit(file, old, new)
    assert run()["steps"] == STEPS | changed


# What the key covers, without compiling: each source is loaded as it was and as edited, under one name.

SOURCES = {
    "body": ("@numba.njit\ndef f(x):\n    return x + 1", "x + 1", "x + 2"),
    "operator": ("@numba.njit\ndef f(x):\n    return x + 1", "x + 1", "x - 1"),
    "default": ("@numba.njit\ndef f(x, y=1):\n    return x + y", "y=1", "y=2"),
    "option": ("@numba.njit(fastmath=False)\ndef f(x):\n    return x", "False", "True"),
    "flags": ("@numba.njit(fastmath={'nsz', 'arcp'})\ndef f(x):\n    return x", "arcp", "reassoc"),
    "constant": ("C = 1\n@numba.njit\ndef f(x):\n    return x + C", "C = 1", "C = 2"),
    "kind of constant": ("C = 1\n@numba.njit\ndef f(x):\n    return x + C", "C = 1", "C = 1.0"),
    "array": ("A = np.ones(3)\n@numba.njit\ndef f(x):\n    return A[x]", "np.ones(3)", "np.zeros(3)"),
    "dtype": ("T = np.float32\n@numba.njit\ndef f(x):\n    return T(x)", "np.float32", "np.float64"),
    "tuple": ("P = (1, (2, 3))\n@numba.njit\ndef f(x):\n    return P[1][0]", "3", "4"),
    "closure": (
        "def make(k):\n    @numba.njit\n    def f(x):\n        return x + k\n    return f\nf = make(1)",
        "make(1)",
        "make(2)",
    ),
    "inner function": (
        "@numba.njit\ndef f(x):\n    def g(y):\n        return y + 1\n    return g(x)",
        "y + 1",
        "y + 2",
    ),
    "constants that run together": ("@numba.njit\ndef f(x):\n    return 2 * x + 22", "2 * x + 22", "22 * x + 2"),
    "numbers that run together": ("P = (1.0, 23.0)\n@numba.njit\ndef f(x):\n    return P", "1.0, 23.0", "1.02, 3.0"),
    "keyword's default": ("@numba.njit\ndef f(x, *, s=1):\n    return x + s", "s=1", "s=2"),
    "set of constants": ("@numba.njit\ndef f(x):\n    return x in {1, 2}", "{1, 2}", "{1, 3}"),
    "helper's helper": (
        "@numba.njit\ndef h(x):\n    return 2 * x\n@numba.njit\ndef g(x):\n    return h(x)\n"
        "@numba.njit\ndef f(x):\n    return g(x)",
        "2 * x",
        "3 * x",
    ),
    "enumeration": (
        "import enum\nclass Mode(enum.IntEnum):\n    FAST = 1\n@numba.njit\ndef f(x):\n    return x == Mode.FAST",
        "FAST = 1",
        "FAST = 2",
    ),
    "vectorize": (
        "@numba.vectorize\ndef g(x):\n    return x + 1\n@numba.njit\ndef f(x):\n    return g(x)",
        "x + 1",
        "x + 2",
    ),
    "intrinsic": (
        "from numba.extending import intrinsic\n@intrinsic\ndef g(context, x):\n"
        "    return x(x), lambda context, builder, signature, arguments: emit(arguments)\n"
        "def emit(arguments):\n    return arguments[0]\n@numba.njit\ndef f(x):\n    return g(x)",
        "return arguments[0]",
        "return arguments[-1]",
    ),
    "overload": (
        "from numba.extending import overload\ndef g(x):\n    pass\n@overload(g)\ndef _(x):\n"
        "    return lambda x: x + 1\n@numba.njit\ndef f(x):\n    return g(x)",
        "x + 1",
        "x + 2",
    ),
    "default of a named tuple": (
        "from typing import NamedTuple\nclass P(NamedTuple):\n    a: int\n    b: int = 1\n"
        "@numba.njit\ndef f(x):\n    return P(x, x)",
        "b: int = 1",
        "b: int = 2",
    ),
    "named tuple": (
        "from typing import NamedTuple\nclass P(NamedTuple):\n    a: int\n    b: int = 1\n"
        "@numba.njit\ndef f(x):\n    return P(x, x)",
        "b: int = 1",
        "c: int = 1",
    ),
}


@pytest.fixture
def digest(tmp_path, monkeypatch):
    """Load a source as a module, and return the digest of its function f."""
    count = iter(range(100))

    def digest(source, **others):
        folder = tmp_path / str(next(count))
        folder.mkdir()
        monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
        for name, text in {"edited": source, **others}.items():
            (folder / f"{name}.py").write_text(f"import numba\nimport numpy as np\n{text}\n")
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        result = reachable_code_digest(importlib.import_module("edited").f)
        for name in ("edited", *others):
            sys.modules.pop(name, None)
        return result

    return digest


@pytest.mark.parametrize("name", SOURCES)
def test_the_key_covers(digest, name):
    source, old, new = SOURCES[name]
    assert digest(source) == digest(source)
    assert old in source
    assert digest(source) != digest(source.replace(old, new))


@pytest.mark.parametrize("how", ["name", "module", "package", "module in a closure"])
def test_the_key_covers_helpers_in_other_files(digest, how):
    source = {
        "name": "from other import g\n@numba.njit\ndef f(x):\n    return g(x)",
        "module": "import other\n@numba.njit\ndef f(x):\n    return other.g(x)",
        "package": "import outer\n@numba.njit\ndef f(x):\n    return outer.other.g(x)",
        "module in a closure": "import other\ndef make(m):\n    @numba.njit\n    def f(x):\n        return m.g(x)\n"
        "    return f\nf = make(other)",
    }[how]
    helper = "@numba.njit\ndef g(x):\n    return x + 1"
    digests = {digest(source, other=text, outer="import other") for text in (helper, helper.replace("1", "2"))}
    assert len(digests) == 2


def test_the_key_covers_an_overload_s_helpers_in_other_files(digest):
    source = (
        "from numba.extending import overload\nimport other\ndef g(x):\n    pass\n@overload(g)\ndef _(x):\n"
        "    return lambda x: other.h(x)\n@numba.njit\ndef f(x):\n    return g(x)"
    )
    helper = "@numba.njit\ndef h(x):\n    return x + 1"
    assert digest(source, other=helper) != digest(source, other=helper.replace("1", "2"))


@pytest.mark.parametrize("kind", ["method", "attribute"])
def test_the_key_covers_a_method_that_compiled_code_gives_a_type(tmp_path, python, kind):
    call = "x.twice()" if kind == "method" else "x.twice"
    (tmp_path / "show.py").write_text(
        "import edited; from fastgd._compile.reachable_code import reachable_code_digest as digest\n"
        "print(digest(edited.f))"
    )
    shown = []
    for body in ("2 * x", "2 * x", "3 * x"):
        (tmp_path / "edited.py").write_text(
            f"import numba\nfrom numba.extending import overload_{kind}\n@overload_{kind}(numba.types.Float, 'twice')\n"
            f"def _(x):\n    return lambda x: {body}\n@numba.njit\ndef f(x):\n    return {call}\n"
        )
        shown.append(python(tmp_path / "show.py").stdout)
    assert shown[0] == shown[1] != shown[2]


def test_remarks_and_names_elsewhere_are_no_part_of_the_key(digest):
    source = "@numba.njit\ndef f(x):\n    return x + 1"
    assert digest(source) == digest(f"# A remark.\nUNUSED = 1\n{source}  # another\n")


def test_the_key_is_the_same_in_every_process(python):
    code = (
        "from fastgd._compile.reachable_code import reachable_code_digest as digest; "
        "from fastgd._training.loop import train; print(digest(train))"
    )
    assert len({python("-c", code).stdout for _ in range(3)}) == 1  # Python's hash seeds differ


def test_a_closure_over_a_compiled_function_is_found_again(tmp_path, python):
    (tmp_path / "made.py").write_text(
        "import numba, fastgd\ndef make(k):\n    @numba.njit\n    def f(x):\n        return k * x\n"
        "    @fastgd.njit\n    def g(x):\n        return f(x)\n    return g\n"
    )
    script = tmp_path / "count.py"
    script.write_text(
        "import made\nfrom numba.core import event\n"
        "with event.install_recorder('numba:compile') as compiled:\n    results = made.make(2)(3), made.make(5)(3)\n"
        "print(*results, len(compiled.buffer))"
    )
    shown = [python(script, cache=tmp_path / "cache").stdout.split() for _ in range(2)]
    assert [line[:2] for line in shown] == [["6", "15"]] * 2
    assert int(shown[0][2]) > 0 == int(shown[1][2])
    assert len(list(tmp_path.rglob("made.*.nbc"))) == 2


def test_functions_of_one_name_do_not_take_each_other_s_place(tmp_path, python):
    """One comes from the disk, another is the first that its process compiles: Numba's own count gives both a 1."""
    (tmp_path / "made.py").write_text(
        "import fastgd\ndef small():\n    @fastgd.njit\n    def f(x):\n        for i in range(x.size):\n"
        "            x[i] += 1\n        return x.sum()\n    return f\nfirst = small()\n"
        "def small():\n    @fastgd.njit\n    def f(x):\n        for i in range(x.size):\n"
        "            x[i] += 10\n        return x.sum()\n    return f\nsecond = small()\n"
        "@fastgd.njit(cache=False)\ndef both(x, y):\n    return first(x), second(y)\n"
    )
    python("-c", "import made, numpy as np; made.first(np.zeros(3))", path=(tmp_path, PACKAGE.parent))
    code = "import made, numpy as np; made.first(np.zeros(3)); print(*made.both(np.zeros(3), np.zeros(3)))"
    for _ in range(2):
        assert python("-c", code, path=(tmp_path, PACKAGE.parent)).stdout.split() == ["3.0", "30.0"]


@pytest.mark.parametrize("decorator", ["fastgd.njit", "numba.njit"])
def test_a_function_that_calls_itself_is_compiled_in_every_process(tmp_path, python, decorator):
    """Numba's own cache crashes the second."""
    script = program(
        tmp_path,
        f"import fastgd, numba\n@{decorator}\ndef f(x):\n    return 2 * x if x < 9 else f(8)\n"
        "@fastgd.njit\ndef g(x):\n    return f(x)\nprint(g(12))\n",
    )
    assert [python(script, cache=tmp_path / "cache").stdout for _ in range(2)] == ["16\n", "16\n"]


# Faults.


def program(tmp_path, text):
    path = tmp_path / "script.py"
    path.write_text(text)
    return path


COUNT = """
import numpy as np
import fastgd

@fastgd.njit
def count(x):
    return x + 1

@fastgd.njit
def twice(x):
    return 2 * count(x)

print(count(1), twice(2.0), count.stats.cache_hits.total() + twice.stats.cache_hits.total())
"""


def test_damaged_files_are_written_anew(tmp_path, python):
    script = program(tmp_path, COUNT)
    cache = tmp_path / "cache"

    def run():
        return python(script, cache=cache).stdout.split()

    def files():
        return sorted(cache.rglob("*.nbc"))

    assert run() == ["2", "6.0", "0"]
    assert run() == ["2", "6.0", "2"]
    for damage in (
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: b"nonsense" + content,
    ):
        for path in files():
            path.write_bytes(damage(path.read_bytes()))
        assert run() == ["2", "6.0", "0"]
        assert run() == ["2", "6.0", "2"]
    for path in files():
        path.unlink()
    assert run() == ["2", "6.0", "0"]


def test_classes_of_one_name_in_two_modules_have_their_own_entries(tmp_path, python):
    (tmp_path / "shared.py").write_text("import fastgd\n\n@fastgd.njit\ndef value(p):\n    return p.v\n")
    for name in ("one", "two"):
        (tmp_path / f"{name}.py").write_text("from typing import NamedTuple\n\nclass P(NamedTuple):\n    v: float\n")
    script = program(
        tmp_path,
        "import importlib, sys\nimport shared\n"
        "print(shared.value(importlib.import_module(sys.argv[1]).P(2.0)), shared.value.stats.cache_hits.total())\n",
    )
    runs = [python(script, name, cache=tmp_path / "cache").stdout.split() for name in ("one", "two", "one", "two")]
    assert runs == [["2.0", "0"], ["2.0", "0"], ["2.0", "1"], ["2.0", "1"]]


def test_no_files_pile_up(tmp_path, python):
    script = program(tmp_path, COUNT)
    cache = tmp_path / "cache"
    python(script, cache=cache)
    before = sorted(cache.rglob("*.nb*"))
    script.write_text(COUNT.replace("x + 1", "x + 2"))
    assert python(script, cache=cache).stdout.split() == ["3", "8.0", "0"]
    assert sorted(cache.rglob("*.nb*")) == before


def test_two_processes_that_compile_at_once_do_not_mix_up(tmp_path):
    # Both look for a free name before either of them writes.
    keys = [_disk_cache._Key(f"signature {k}", "digest") for k in range(2)]
    files = [_disk_cache._EntryFiles(str(tmp_path), "function") for _ in keys]
    assert [file.load(key) for file, key in zip(files, keys, strict=True)] == [None, None]
    for file, key in zip(files, keys, strict=True):
        file.save(key, {"machine code of": key.name})
    for key in keys:
        assert _disk_cache._EntryFiles(str(tmp_path), "function").load(key) == {"machine code of": key.name}
    assert files[0].load(keys[0]._replace(digest="of an edited function")) is None
    files[0].flush()
    assert files[1].load(keys[1]) is None


@pytest.fixture
def unwritable(tmp_path):
    """A copy of the package without a folder for a cache; even the administrator cannot make one in a file."""
    shutil.copytree(PACKAGE, tmp_path / "fastgd", ignore=shutil.ignore_patterns("__pycache__"))
    file = tmp_path / "file"
    file.touch()
    for folder in [tmp_path, *(path for path in (tmp_path / "fastgd").rglob("*") if path.is_dir())]:
        (folder / "__pycache__").touch()
    (tmp_path / "fastgd" / "__pycache__").touch()
    return tmp_path, {"HOME": str(file), "XDG_CACHE_HOME": str(file / "cache"), "LOCALAPPDATA": str(file / "cache")}


def test_without_a_folder_there_is_no_cache_and_one_warning(unwritable, python, monkeypatch):
    root, homes = unwritable
    for name, value in homes.items():
        monkeypatch.setenv(name, value)
    script = program(root, COUNT)
    for cache in (None, root / "file" / "cache"):
        done = python(script, path=[root], cache=cache, warnings="always")
        assert done.stdout.split() == ["2", "6.0", "0"]
        assert done.stderr.count("Warning") == 1
        assert "RuntimeWarning: fastgd compiles without a disk cache" in done.stderr
        assert "NUMBA_CACHE_DIR" in done.stderr


def test_a_folder_that_can_no_longer_be_written(tmp_path, monkeypatch):
    monkeypatch.setattr(_disk_cache, "_warned", False)
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))

    def full(*arguments):
        raise OSError("no space left on device")

    monkeypatch.setattr(_disk_cache._EntryFiles, "save", full)

    @fastgd.njit
    def add(x):
        return x + 1

    with pytest.warns(RuntimeWarning, match="no space left"):
        assert add(1) == 2
    assert add(1.5) == 2.5


def test_code_without_a_file_is_not_cached(python):
    code = COUNT.replace("\n\n", "\n")
    for _ in range(2):
        done = python("-c", code)
        assert done.stdout.split() == ["2", "6.0", "0"]
        assert done.stderr == ""


OWN_TYPES = """
from typing import NamedTuple
import numpy as np
import fastgd
from fastgd._training.loop import train

class Rule(NamedTuple):
    scale: float = 1.0

class RuleState(NamedTuple):
    pass

def init(optimizer, params):
    return RuleState()

def update(optimizer, lr, grads, state, params):
    for i in range(params.size):
        params[i] -= FACTOR * grads[i]

fastgd.register_optimizer(Rule, init, update)

class Pair(NamedTuple):
    a: float
    b: float

@fastgd.njit
def pair(x):
    return Pair(x, x)

assert isinstance(pair(1.0), Pair)
result = fastgd.fit(
    fastgd.Neuron(1, "identity"), np.ones((4, 1)), np.zeros(4), params=[1.0, 0.0], optimizer=Rule(), epochs=1
)
print(result.params[0], train.stats.cache_hits.total())
"""


def test_types_of_a_script_are_not_cached_but_work(tmp_path, python):
    first, second = tmp_path / "first.py", tmp_path / "second.py"
    first.write_text(OWN_TYPES.replace("FACTOR", "0.125"))
    second.write_text(OWN_TYPES.replace("FACTOR", "0.25"))
    assert python(first).stdout.split() == ["0.75", "0"]
    assert python(second).stdout.split() == ["0.5", "0"]


CONSTRUCTORS = """
from typing import NamedTuple
import numba
import fastgd

class Steps(NamedTuple):
    lr: float
    kind: str | int = "flat"

fastgd.register_schedule(Steps, lambda steps, t: steps.lr, kind=fastgd.one_of("flat", "falling"))

class Power(NamedTuple):
    k: int = 2

fastgd.register_schedule(Power, lambda power, t: power.k)

@numba.njit(locals={"kept": numba.int64})
def helper(x):
    kept = x
    return kept

@fastgd.njit
def look(x):
    return Steps(0.5, "falling").kind, Steps(0.5).kind, Power(x).k, helper(x)
"""


def test_the_key_covers_what_constructors_and_locals_are_made_of(tmp_path, python):
    module, program = tmp_path / "constructors.py", ("-c", "import constructors; print(*constructors.look(2.75))")
    edits = ('"flat", "falling")', '"falling", "flat")'), ("k: int", "k: float"), ("numba.int64}", "numba.float64}")
    outcomes = {"": "1 0 2 2", edits[0]: "0 1 2 2", edits[1]: "1 0 2.75 2", edits[2]: "1 0 2 2.75"}
    for edit, expected in outcomes.items():
        module.write_text(CONSTRUCTORS.replace(*edit) if edit else CONSTRUCTORS)
        done = python(*program, path=(PACKAGE.parent, tmp_path), cache=tmp_path / "cache")
        assert done.stdout.split() == expected.split()


def test_signatures():
    @fastgd.njit(["float64(float64)", numba.int64(numba.int64)], cache=False)
    def add(x):
        return x + 1

    assert [add(1), add(1.5)] == [2, 2.5]
    assert len(add.signatures) == 2
    with pytest.raises(TypeError, match="No matching definition"):
        add("text")
    one = fastgd.njit("float32(float32)", cache=False, fastmath=True)(lambda x: x)
    assert one.nopython_signatures[0].return_type == numba.float32


def test_options_and_plain_functions():
    @fastgd.njit(cache=False, fastmath=False)
    def add(x):
        return x + 1

    assert add(1) == 2
    assert add.py_func(1) == 2
    assert add.stats.cache_path is None
    assert np.isnan(fastgd.njit(lambda x: x, cache=False)(np.nan))


NESTED = """
from typing import NamedTuple
import numba
import numpy as np
import fastgd
from fastgd import ParameterGroup, ParameterGroups, SGD

class Inside(NamedTuple):
    inner: NamedTuple

class Beside(NamedTuple):
    inner: NamedTuple

class InsideState(NamedTuple):
    inner: NamedTuple

@fastgd.njit
def pass_on(optimizer, lr, grads, state, params):
    fastgd.update(optimizer, lr, grads, state, params)

@numba.njit
def hand_on(optimizer, lr, grads, state, params):
    fastgd.update(optimizer, lr, grads, state, params)

def init(optimizer, params):
    return InsideState(fastgd.init_state(optimizer.inner, params))

def update(optimizer, lr, grads, state, params):
    pass_on(optimizer.inner, lr, grads, state.inner, params)

def update_beside(optimizer, lr, grads, state, params):
    hand_on(optimizer.inner, lr, grads, state.inner, params)

fastgd.register_optimizer(Inside, init, update)
fastgd.register_optimizer(Beside, init, update_beside)

def group(inner):
    return ParameterGroup(inner, 2, 9, lr_factor=0.5)

TWICE = [
    ParameterGroups((group(ParameterGroups((group(SGD())._replace(start=0, stop=4),))),)),
    Inside(Inside(Inside(SGD()))),
    Beside(Beside(Beside(SGD()))),
]
SCHEDULE = fastgd.Warmup(4.0, fastgd.Warmup(3.0, fastgd.Warmup(2.0, fastgd.ExponentialDecay(0.1, 0.5))))

if __name__ == "__main__":
    import my_nested  # a script's own types are not kept on disk
    for optimizer in my_nested.TWICE:
        params, out = np.arange(10.0), np.empty(10)
        state = fastgd.init_state(optimizer, params)
        for _ in range(7):
            fastgd.update(optimizer, 0.1, np.ones(10), state, params)
        fastgd.eval_params(optimizer, state, params, out)
        print(params.tolist(), out.tolist())
    print(fastgd.schedule_values(SCHEDULE, [0.5, 3.0, 9.0]).tolist())
"""


def test_nested_rules_are_the_same_in_a_second_process(tmp_path, python):
    """A function that is met again within itself, with other types, once crashed when it came from the cache."""
    (tmp_path / "my_nested.py").write_text(NESTED)
    first, second = (
        python(tmp_path / "my_nested.py", path=[PACKAGE.parent, tmp_path], cache=tmp_path / "cache").stdout
        for _ in range(2)
    )
    assert first == second
    lines = [json.loads(f"[{line.replace('] [', '], [')}]") for line in first.splitlines()]
    plain = (np.arange(10) - 0.7).tolist()
    for line in lines[1:3]:
        np.testing.assert_allclose(line, [plain, plain], rtol=1e-14)
    in_groups = np.arange(10.0)
    in_groups[2:6] -= 0.7 / 4
    np.testing.assert_allclose(lines[0], [in_groups, in_groups], rtol=1e-14)


def test_without_numba_s_compiler_it_says_so_at_once(python):
    code = "import os; os.environ['NUMBA_DISABLE_JIT'] = '1'; import fastgd"
    assert "NUMBA_DISABLE_JIT is set" in python("-c", code, warnings="default").stderr
