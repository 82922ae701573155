"""What the annotations of public functions name; their docstrings tell shapes and units."""

from collections.abc import Callable
from typing import Any, TypeAlias

Rule: TypeAlias = tuple[Any, ...]  # an instance of a registered NamedTuple: an optimiser, a schedule, a model, ...
Rate: TypeAlias = float | Rule  # a number, or a schedule
Function: TypeAlias = Callable[..., Any]
Objective: TypeAlias = Function | Rule
