"""The examples in docstrings and in the README run, and print what they say."""

import doctest
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import fastgd

MODULES = ["fastgd", *(module.name for module in pkgutil.walk_packages(fastgd.__path__, "fastgd."))]
README = Path(__file__).parent.parent / "README.md"
PUBLIC = [name for name in fastgd.__all__ if callable(getattr(fastgd, name))]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert failed == 0


def test_examples_in_the_readme(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert examples
    names: dict = {}
    for example in examples:  # a tour: the later ones use what the earlier ones made
        exec(compile(example, "README.md", "exec"), names)
        printed = re.findall(r"^print\(.*\)  # (.*)$", example, re.MULTILINE)
        out = capsys.readouterr().out
        assert [words for words in printed if words not in out] == []


@pytest.mark.parametrize("name", PUBLIC)
def test_what_is_public_is_documented(name):
    text = getattr(fastgd, name).__doc__ or ""
    made_by_others = name == "Diagnosis" or name.endswith("Result")  # whose examples show them
    assert "Attributes" in text if made_by_others else ">>>" in text, f"{name} has no example"


@pytest.mark.parametrize("name", [name for name in PUBLIC if inspect.isfunction(getattr(fastgd, name))])
def test_what_is_public_is_typed(name):
    signature = inspect.signature(getattr(fastgd, name), follow_wrapped=False)
    given = {**{each.name: each.annotation for each in signature.parameters.values()}, "": signature.return_annotation}
    assert [argument for argument, annotation in given.items() if annotation is inspect.Signature.empty] == []


def test_the_modules_that_are_imported_when_asked_for():
    program = "import fastgd; fastgd.problems.Bowl(); fastgd.plots.PathDisplay; fastgd.tables; fastgd.explorer"
    subprocess.run([sys.executable, "-c", program], check=True)
    with pytest.raises(AttributeError, match="module 'fastgd' has no attribute 'nothing'"):
        fastgd.nothing  # noqa: B018 (to ask for it is the test)
