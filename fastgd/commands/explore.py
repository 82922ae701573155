"""Explore gradient descent step by step: in a window, as an HTML page or as a picture."""

import numpy as np

from fastgd import explorer, problems
from fastgd._check import positive, unit_interval
from fastgd._rates.written_updates import fmt_setting
from fastgd.commands import _arguments, _pictures
from fastgd.explorer_page import explorer_page

_OPTIMIZERS = {cls.__name__.lower(): cls for cls in explorer.TEXTBOOK}
_STEPS = 8  # of the table


def add_arguments(parser):
    """Declare objective, method and what is made."""
    parser.add_argument(
        "--objective", default="bowl", metavar="NAME", help=f"{', '.join(explorer.OBJECTIVES)} (default: bowl)"
    )
    parser.add_argument("--optimizer", choices=_OPTIMIZERS, default="sgd", help="(default: sgd)")
    parser.add_argument(
        "--lr",
        type=_arguments.number(positive),
        metavar="LR",
        help="the learning rate (default: one that suits the start)",
    )
    parser.add_argument(
        "--start",
        type=_arguments.numbers,
        metavar="X[,X]",
        help="one number or two (default: where the literature begins)",
    )
    parser.add_argument(
        "--momentum",
        type=_arguments.number(unit_interval),
        default=0.9,
        metavar="BETA",
        help="of momentum, Nesterov and Adam (default: 0.9)",
    )
    parser.add_argument("--html", metavar="FILE.html", help="write a page for any browser, without a network")
    parser.add_argument("--png", metavar="FILE.png", help="draw the window into a file (needs matplotlib)")


def run(arguments):
    """Print the first steps; write the page, the picture, or open the window."""
    objective = _objective(arguments.objective)
    _check_start(objective, arguments)
    _pictures.check_png(arguments.png)
    if arguments.html is not None:
        _arguments.check_writable("--html", arguments.html, ".html", ".htm")
    window = arguments.html is None and arguments.png is None
    if window:
        _check_display()
    optimizer = explorer.with_momentum(_OPTIMIZERS[arguments.optimizer](), arguments.momentum)
    exploration = explorer.Exploration(objective, optimizer=optimizer, lr=arguments.lr, start=arguments.start)
    if arguments.html is not None:  # before anything is printed, to a pipe that may be closed
        page = explorer_page(exploration, momentum=arguments.momentum)
        with _arguments.writing_to(arguments.html), open(arguments.html, "w", encoding="utf-8") as file:
            file.write(page)
    print("\n".join(_summary(arguments, exploration)))
    if arguments.html is not None:
        print(f"written: {arguments.html} (open it in any browser)")
    if arguments.png is not None or window:
        _draw(arguments, exploration)
    return 0


def _objective(name):
    if name not in explorer.OBJECTIVES:
        raise ValueError(f"--objective must be one of {', '.join(explorer.OBJECTIVES)}, got {name!r}")
    return explorer.OBJECTIVES[name]()


def _check_start(objective, arguments):
    if arguments.start is None:
        return
    n = len(arguments.start)
    fitting = []
    for size in (1, 2):
        try:
            problems.facts(objective, size)
        except ValueError:
            continue
        fitting.append(size)
    if n not in fitting:
        wanted = " or ".join({1: "one number", 2: "two numbers"}[size] for size in fitting)
        raise ValueError(f"--start must be {wanted} for {arguments.objective}, got {n}")
    if not np.isfinite(arguments.start).all():
        raise ValueError(f"--start must be finite, got {','.join(f'{x:g}' for x in arguments.start)}")


def _check_display():
    try:
        import matplotlib  # an extra, and slow to import
        from matplotlib import pyplot as plt
    except ImportError:
        raise ValueError("the window needs matplotlib: pip install matplotlib; --html needs nothing") from None
    error = ValueError("there is no display for a window: write --html explorer.html or --png explorer.png")
    try:
        plt.close(plt.figure())  # makes matplotlib choose how to show windows
    except ImportError:  # of what the user's settings ask for, and this machine cannot show
        raise error from None
    if matplotlib.get_backend().lower() in ("agg", "cairo", "pdf", "pgf", "ps", "svg", "template"):
        raise error


def _draw(arguments, exploration):
    from fastgd.plots import Explorer

    how = {"optimizer": exploration.optimizer, "lr": exploration.lr, "start": exploration.start}
    shown = Explorer(exploration.objective, momentum=arguments.momentum, **how)
    if arguments.png is None:
        from matplotlib import pyplot as plt

        shown.plot()
        plt.show()
        return
    from matplotlib.figure import Figure  # without pyplot, which would look for a screen

    figure = Figure(figsize=(11, 7.5))
    shown.plot(figure).run(_STEPS)
    _pictures.save(figure, arguments.png)
    print(f"drawn: {arguments.png}")


def _summary(arguments, exploration):
    """The setting, the first steps, the update written out, and what is going on."""
    write, run = explorer.fmt, exploration
    start = ", ".join(map(write, run.start))
    yield f"{arguments.objective}, {arguments.optimizer}, rate {fmt_setting(run.lr)}, from x = {start}"
    yield "the first update:"
    yield from (f"  {equation}" for equation in run.equations)
    scale = run.scale
    yield f"the rate here: {scale.zone}. {scale.words}"
    names = ["x"] if run.x.size == 1 else ["x1", "x2"]
    yield "".join(f"{name:>12}" for name in ("step", *names, *(f"d/d{name}" for name in names), "loss"))
    while True:
        yield f"{run.n_steps:>12}" + "".join(f"{write(value):>12}" for value in (*run.x, *run.grads, run.loss))
        if run.n_steps == _STEPS or not run.run(1):
            break
    yield run.message
