"""Pictures that the subcommands write to files."""

from fastgd.commands import _arguments

_SIZE = 5.6, 4.4  # inches, of one


def check_png(path):
    """Raise, before the work, if no picture can be drawn or no file made at this path; None is no picture."""
    if path is None:
        return
    _arguments.check_writable("--png", path, ".png")
    try:
        import matplotlib  # noqa: F401  # an extra, and slow to import
    except ImportError:
        raise ValueError("--png needs matplotlib: pip install matplotlib") from None


def draw(path, *displays):
    """Draw displays side by side into a PNG file."""
    from matplotlib.figure import Figure  # without pyplot, which would look for a screen

    width, height = _SIZE
    figure = Figure(figsize=(width * len(displays), height), layout="constrained")
    for ax, display in zip(figure.subplots(1, len(displays), squeeze=False)[0], displays, strict=True):
        display.plot(ax)
    save(figure, path)


def save(figure, path):
    """Write a figure into a PNG file."""
    with _arguments.writing_to(path):
        figure.savefig(path, dpi=150)
