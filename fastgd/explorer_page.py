"""The explorer as one HTML file, which computes in any browser and fetches nothing."""

import json
from importlib import resources
from typing import Any

from fastgd import _check, problems
from fastgd.explorer import OBJECTIVES, TEXTBOOK, Exploration

_FORMULAS = {
    "bowl": ("f(x) = x²", "f(x) = x₁² + x₂²"),
    "ill-conditioned": ("f(x) = ½ {condition:g} x²", "f(x) = ½ (x₁² + {condition:g} x₂²)"),
    "rosenbrock": ("", "f(x) = {b:g} (x₂ - x₁²)² + ({a:g} - x₁)²"),
    "beale": ("", "f(x) = (1.5 - x₁ + x₁x₂)² + (2.25 - x₁ + x₁x₂²)² + (2.625 - x₁ + x₁x₂³)²"),
    "himmelblau": ("", "f(x) = (x₁² + x₂ - 11)² + (x₁ + x₂² - 7)²"),
    "booth": ("", "f(x) = (x₁ + 2x₂ - 7)² + (2x₁ + x₂ - 5)²"),
    "saddle": ("f(x) = x²", "f(x) = x₁² - x₂²"),
    "rastrigin": ("f(x) = x² + 10 - 10 cos 2πx", "f(x) = Σ xᵢ² + 10 - 10 cos 2πxᵢ"),
    "ackley": (
        "f(x) = 20 + e - 20 exp(-|x|/5) - exp(cos 2πx)",
        "f(x) = 20 + e - 20 exp(-r/5) - exp(mean of cos 2πxᵢ), r² = mean of xᵢ²",
    ),
    "styblinski-tang": ("f(x) = ½ (x⁴ - 16x² + 5x)", "f(x) = ½ Σ xᵢ⁴ - 16xᵢ² + 5xᵢ"),
}


def explorer_page(run=None, *, momentum=None):
    """Write the explorer as an HTML page, for the objectives of `fastgd.problems` that have no data.

    The page needs no other file and no network. It holds all of these objectives with one and two parameters, `SGD`,
    `Momentum`, `Nesterov` and `Adam`, computed by JavaScript in float64 with fastgd's formulas.

    Parameters
    ----------
    run : Exploration, optional
        With what the page begins: objective, optimiser, rate and start. By default J(x) = x² and `SGD`.
    momentum : float, optional
        With what the page's slider begins; by default the optimiser's own, or 0.9.

    Returns
    -------
    str
        The page, to be written in UTF-8.

    Raises
    ------
    ValueError
        For an objective or an optimiser that the page does not have.

    Examples
    --------
    >>> from fastgd.explorer import Exploration
    >>> from fastgd.explorer_page import explorer_page
    >>> page = explorer_page(Exploration(lr=0.1, start=4.0))
    >>> page.startswith("<!DOCTYPE html>"), "://" in page
    (True, False)
    """
    owner = "explorer_page"
    run = Exploration() if run is None else run
    if type(run.objective) not in OBJECTIVES.values():
        names = ", ".join(OBJECTIVES)
        raise ValueError(f"{owner}: the objective must be one of {names}, got {type(run.objective).__name__}")
    if type(run.optimizer) not in TEXTBOOK or not run.is_plain:
        names = ", ".join(cls.__name__ for cls in TEXTBOOK)
        raise ValueError(f"{owner}: the optimizer must be {names}, at most with another beta, got {run.optimizer}")
    if momentum is None:
        momentum = 0.9 if run.momentum is None else run.momentum
    objectives = [entry for name in OBJECTIVES for n in (1, 2) if (entry := _objective(name, n, run))]
    chosen = next(
        i
        for i, entry in enumerate(objectives)
        if OBJECTIVES[entry["name"]] is type(run.objective) and entry["n"] == run.start.size
    )
    config = {
        "objectives": objectives,
        "objective": chosen,
        "optimizer": type(run.optimizer).__name__.lower(),
        "lr": run.lr,
        "start": run.start.tolist(),
        "momentum": _check.number(owner, "momentum", momentum, _check.unit_interval),
    }
    template = (resources.files("fastgd") / "data" / "explorer.html").read_text(encoding="utf-8")
    return template.replace("{/*config*/}", json.dumps(config, ensure_ascii=False).replace("<", "\\u003c"))


def _objective(name, n, run):
    """What the page knows about an objective of n parameters; None where there is none."""
    cls = OBJECTIVES[name]
    problem: Any = run.objective if type(run.objective) is cls else cls()
    try:
        known = problems.facts(problem, n)
    except ValueError:
        return None
    title = name.replace("-", " ").capitalize()
    return {
        "name": name,
        "n": n,
        "params": list(problem),
        "title": f"{title}, {n} parameter{'s' * (n > 1)}",
        "formula": _FORMULAS[name][n - 1].format(**problem._asdict()),
        "words": known.description,
        "start": known.start.tolist(),
        "bounds": known.bounds.tolist(),
        "minima": known.minima.tolist(),
        "lr": Exploration(problem, start=known.start).lr,
    }
