"""Find a learning rate: let it rise over a hundred steps, show the loss, and suggest rates."""

import math
import textwrap

import numpy as np

import fastgd
from fastgd._check import positive
from fastgd.commands import _arguments, _pictures, _setup

_MARKS = {"valley": "V", "steepest": "S", "minimum": "M", "slide": "L"}
_WIDTH, _HEIGHT = 64, 12  # of the curve, in characters
_LINE = 100  # of the whole


def add_arguments(parser):
    """Declare data, model and method, the rates, and the picture."""
    _setup.add_data_arguments(parser)
    _setup.add_model_arguments(parser)
    _setup.add_step_arguments(parser)
    rate, count = _arguments.number(positive), _arguments.integer
    parser.add_argument("--start", type=rate, default=1e-7, metavar="LR", help="the smallest rate (default: 1e-7)")
    parser.add_argument("--end", type=rate, default=10.0, metavar="LR", help="the largest rate (default: 10)")
    parser.add_argument("--steps", type=count(10), default=100, metavar="N", help="rates to try (default: 100)")
    parser.add_argument("--repeats", type=count(1), default=1, metavar="N", help="runs to average over (default: 1)")
    parser.add_argument("--png", metavar="FILE.png", help="draw the curve (needs matplotlib)")


def run(arguments):
    """Find, print the curve and a table, draw."""
    _pictures.check_png(arguments.png)
    setup = _setup.prepare(arguments)
    y, standardised = _setup.target_to_compare_rates(setup)
    result = fastgd.lr_find(
        setup.model,
        setup.X,
        y,
        optimizer=_setup.OPTIMIZERS[arguments.optimizer](),
        start=arguments.start,
        end=arguments.end,
        num_steps=arguments.steps,
        repeats=arguments.repeats,
        batch_size=arguments.batch_size,
        order=arguments.order,
        seed=arguments.seed,
    )
    suggestions = {method: result.suggestion(method) for method in _MARKS}
    found = {method: suggestion.lr for method, suggestion in suggestions.items() if suggestion.lr is not None}
    print(
        f"{setup.source}: {len(setup.X)} rows{standardised}, {arguments.optimizer}, batches of {arguments.batch_size}"
    )
    print(result.message)
    if result.lrs.size > 1:
        print("\n".join(["", *_curve(result, found), ""]))
    print("\n".join(_table(suggestions)))
    if arguments.png and np.isfinite(result.smoothed).any():
        _pictures.draw(arguments.png, fastgd.plots.LRFinderDisplay(result))
        print(f"drawn: {arguments.png}")
    elif arguments.png:
        print(f"not drawn: {arguments.png}, for there is no loss to draw")
    return 130 if result.status == "interrupted" else 0 if found else 1


def _curve(result, found):
    """Draw the smoothed loss against the logarithm of the rate, in plain characters."""
    seen = np.isfinite(result.smoothed)
    losses, low = result.smoothed[seen], result.smoothed[seen].min()
    first = losses[: max(1, losses.size // 10)].max()
    high = min(losses.max(), first + max(0.5 * (first - low), 0.25 * abs(first)))  # what shot up at the end is cut off
    x = _columns(result.lrs[seen], result.lrs)
    depths = (high - np.minimum(losses, high)) / (high - low) if high > low else np.full(x.size, 0.5)
    rows = np.round(depths * (_HEIGHT - 1)).astype(int)
    cells = np.full((_HEIGHT, _WIDTH), " ")
    for column, row, loss in zip(x, rows, losses, strict=True):
        cells[row, column] = "^" if loss > high else "*"
    for row, characters in enumerate(cells):
        label = {0: f"{high:.4g}", _HEIGHT - 1: f"{low:.4g}"}.get(row, "loss" if row == _HEIGHT // 2 else "")
        yield f"{label:>10} |{''.join(characters)}".rstrip()
    yield f"{'':>10} +{'-' * _WIDTH}"
    waiting = dict(found)
    while waiting:  # marks at the same place go below one another
        marks, waiting = waiting, {}
        line = [" "] * _WIDTH
        for method, lr in marks.items():
            column = int(_columns(np.array([lr]), result.lrs)[0])
            if line[column] == " ":
                line[column] = _MARKS[method]
            else:
                waiting[method] = lr
        yield f"{'':>10}  {''.join(line)}".rstrip()
    left, middle, right = f"{result.lrs[0]:.3g}", "learning rate", f"{result.lrs[-1]:.3g}"
    yield f"{'':>10}  {left}{middle:^{_WIDTH - len(left) - len(right)}}{right}"


def _columns(lrs, all_lrs):
    """The place of each rate in the plot; those beyond its ends at the ends."""
    first, last = math.log(all_lrs[0]), math.log(all_lrs[-1])
    share = (np.log(lrs) - first) / (last - first)
    return np.clip(np.round(share * (_WIDTH - 1)), 0, _WIDTH - 1).astype(int)


def _table(suggestions):
    """A line for each method, with the reason beside it; or why no method suggests a rate."""
    reasons = {reason for lr, reason in suggestions.values()}
    if len(reasons) == 1:
        yield from textwrap.wrap(f"no rate is suggested: {reasons.pop()}", _LINE)
        return
    yield f"{'method':<12}  {'rate':>8}  why"
    for method, (lr, reason) in suggestions.items():
        rate = "none" if lr is None else f"{lr:.3g}"
        first, *others = textwrap.wrap(reason, _LINE - 24)
        yield f"{_MARKS[method]} {method:<10}  {rate:>8}  {first}"
        for other in others:
            yield f"{'':24}{other}"
