"""The programs in `examples/` do what they say, here in a smaller size."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
TESTED = {"oscillator", "agents", "curves", "control"}


@pytest.fixture
def main(request):
    name = request.node.name.removeprefix("test_")
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


def test_oscillator(main):
    true, found = main(n=150, noise=0.02)
    assert found.success
    np.testing.assert_allclose(found.x, true, rtol=0.05)


def test_agents(main):
    right = main(n_agents=500, n_ticks=150)
    assert right[-10:].mean() > 0.93 > right[:5].mean() + 0.05


def test_curves(main):
    true, result = main(n_curves=500)
    assert result.success.all()
    np.testing.assert_allclose(result.x, true, atol=0.1)


def test_control(main):
    (plain, learning), seconds = main(n_ticks=2000)
    assert learning < plain / 10
    assert np.median(seconds) < 1e-3  # microseconds, on any machine


def test_all_are_run():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == TESTED
