"""Pictures that the subcommands write to files."""

import os

_SIZE = 5.6, 4.4  # inches, of one


def check_png(path):
    """Raise, before the work, if no picture can be drawn or no file made at this path; None is no picture."""
    if path is None:
        return
    folder = os.path.dirname(path) or "."
    if not path.lower().endswith(".png"):
        raise ValueError(f"--png: a name that ends in .png is expected, got {path!r}")
    if not os.path.isdir(folder):
        raise ValueError(f"--png: there is no folder {folder!r}")
    if os.path.isdir(path) or not os.access(path if os.path.exists(path) else folder, os.W_OK):
        raise ValueError(f"--png: {path!r} cannot be written")
    try:
        import matplotlib  # noqa: F401  # an extra, and slow to import
    except ImportError:
        raise ValueError('--png needs matplotlib: pip install "fastgd[plots]"') from None


def draw(path, *displays):
    """Draw displays side by side into a PNG file."""
    from matplotlib.figure import Figure  # without pyplot, which would look for a screen

    width, height = _SIZE
    figure = Figure(figsize=(width * len(displays), height), layout="constrained")
    for ax, display in zip(figure.subplots(1, len(displays), squeeze=False)[0], displays, strict=True):
        display.plot(ax)
    figure.savefig(path, dpi=150)
