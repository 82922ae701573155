"""How the package is laid out: imports run downhill only."""

import ast
from pathlib import Path

import fastgd

PACKAGE = Path(fastgd.__file__).parent


def part_of(path):
    """A module at the top, or a folder: what stands beside it in the package's own folder."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports():
    """For each part, the parts that its files import, when they are loaded or later."""
    found: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        part = part_of(path)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "fastgd":
                _, _, module = node.module.partition(".")
                names = [module.partition(".")[0]] if module else [each.name for each in node.names]
                found.setdefault(part, set()).update(names)
    return {part: {name for name in names if name != part} for part, names in found.items()}


def test_no_part_imports_what_imports_it():
    graph = imports()
    assert "training" in graph["__init__"]
    done: set[str] = set()
    while ready := [part for part in graph if part not in done and graph[part] & graph.keys() <= done]:
        done.update(ready)
    assert graph.keys() - done == set()
