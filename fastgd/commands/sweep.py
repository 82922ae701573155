"""Train with many learning rates at once, and show which is best and which diverge."""

import numpy as np

import fastgd
from fastgd._check import positive
from fastgd.commands import _arguments, _pictures, _setup

_WIDTH = 30  # of the longest bar


def add_arguments(parser):
    """Declare data, model, method and rates."""
    _setup.add_data_arguments(parser)
    _setup.add_model_arguments(parser)
    _setup.add_method_arguments(parser, epochs=30)
    rate = _arguments.number(positive)
    parser.add_argument("--start", type=rate, default=1e-4, metavar="LR", help="the lowest rate (default: 0.0001)")
    parser.add_argument("--end", type=rate, default=10.0, metavar="LR", help="the highest rate (default: 10)")
    parser.add_argument(
        "--rates",
        type=_arguments.integer(2),
        default=16,
        metavar="N",
        help="how many, evenly on a log scale (default: 16)",
    )
    parser.add_argument(
        "--png", metavar="FILE.png", help="draw the final losses and the loss curves (needs matplotlib)"
    )


def run(arguments):
    """Train all, print a table, draw."""
    lrs = _rates(arguments)
    _pictures.check_png(arguments.png)
    setup = _setup.prepare(arguments)
    y, standardised = _setup.target_to_compare_rates(setup)
    result = fastgd.sweep(
        setup.model,
        setup.X,
        y,
        lrs=lrs,
        optimizer=_setup.OPTIMIZERS[arguments.optimizer](),
        batch_size=arguments.batch_size,
        epochs=arguments.epochs,
        order=arguments.order,
        seed=arguments.seed,
        threads=arguments.threads,
    )
    how = f"{arguments.optimizer}, {arguments.epochs} epochs, {lrs.size} rates"
    print(f"{setup.source}: {len(setup.X)} rows{standardised}, {how}")
    print("\n".join(_table(result)))
    print(_verdict(result))
    if arguments.png and np.isfinite(result.history["loss"]).any():
        displays = fastgd.plots.SweepDisplay(result), fastgd.plots.SweepCurvesDisplay(result)
        _pictures.draw(arguments.png, *displays)
        print(f"drawn: {arguments.png}")
    elif arguments.png:
        print(f"not drawn: {arguments.png}, for there is no loss to draw")
    interrupted = (result.status == "interrupted").any()
    return 130 if interrupted else 1 if result.best is None else 0


def _rates(arguments):
    start, end = arguments.start, arguments.end
    if not start < end:
        raise ValueError(f"--start must be below --end, got {start:g} and {end:g}")
    return np.geomspace(start, end, arguments.rates)


def _table(result):
    """A line for each rate: the loss, a bar as long as it on a log scale, what became of the run."""
    ended, exploded = result.status != "diverged", result.exploded
    losses = np.where(ended, result.loss, np.nan)
    shown = losses[ended & ~exploded & np.isfinite(losses) & (losses > 0)]
    low, high = (np.log(shown.min()), np.log(shown.max())) if shown.size else (0.0, 0.0)
    yield f"{'rate':>10}  {'loss':>10}"
    for k, (lr, loss) in enumerate(zip(result.lrs, losses, strict=True)):
        if not ended[k]:
            yield f"{lr:>10.4g}  {'':>10}  diverged in epoch {result.n_epochs[k] + 1}"
            continue
        if result.n_steps[k] == 0:
            yield f"{lr:>10.4g}  {'':>10}  no step"
            continue
        if exploded[k]:
            yield f"{lr:>10.4g}  {loss:>10.4g}  exploded"
            continue
        share = (np.log(loss) - low) / (high - low) if high > low and loss > 0 else 0.0
        bar = "#" * (1 + round(share * (_WIDTH - 1)))
        yield f"{lr:>10.4g}  {loss:>10.4g}  {bar}{'  <- best' if k == result.best else ''}"


def _verdict(result):
    if result.best is None:
        lost = ((result.status == "diverged") | result.exploded).all()
        return "training blew up at all rates: try a lower --start" if lost else result.message
    at_edge = {0: "a lower --start", result.lrs.size - 1: "a higher --end"}.get(result.best)
    advice = f"; it is at the edge, so try {at_edge} too" if at_edge else ""
    lost = (result.status == "diverged") | result.exploded
    limit = f"training blows up from a rate of {result.lrs[lost.argmax()]:.4g} on\n"
    best = f"best rate {result.best_lr:.4g}, loss {result.loss[result.best]:.4g}{advice}"
    return limit + best if lost.any() and lost[lost.argmax() :].all() else best
