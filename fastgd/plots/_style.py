"""The house style of the pictures, and what all of them need: axes to draw on, scales, names, legends.

Colours are those of Okabe and Ito (2008), told apart by the colour-blind; line styles and markers differ as well, so
that a picture can be read in grey. Nothing here changes matplotlib's settings: font and size are the user's own.
"""

import math
import re

import numpy as np

from fastgd._rates.written_updates import fmt_setting

BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000",
)  # fmt: skip
GREY = "#595959"
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
DASHES = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

_NARROW = 260.0  # the width in points below which axes are small
_MANY = 8  # entries of a legend, beyond which it is written smaller
LETTER = 0.52  # the mean width of a letter, in font sizes
LARGEST = 1e100  # of numbers that are drawn: ticks of logarithmic axes lie up to a span beyond them
_LOG_FROM = 30.0  # the ratio of the largest to the smallest value from which a logarithmic axis shows more


def pyplot(owner):
    """Return matplotlib.pyplot, or say what to install."""
    try:
        from matplotlib import pyplot as plt  # an extra, and slow to import
    except ImportError as error:
        raise ImportError(
            f"{owner}: pictures need matplotlib: pip install matplotlib (or fastgd's extra [plots])"
        ) from error
    return plt


def axes(owner, ax, **options):
    """Return the axes to draw on: the user's own, or those of a new figure."""
    plt = pyplot(owner)
    if ax is None:
        return plt.subplots(layout="constrained", **options)[1]
    from matplotlib.axes import Axes

    if not isinstance(ax, Axes):
        raise TypeError(f"{owner}: ax must be matplotlib axes or None, got {type(ax).__name__}")
    return ax


def axes_and_below(owner, ax, heights=(2.2, 1)):
    """Return two axes, one above the other, that share x: in a new figure, or in the place of the user's axes."""
    if ax is None:
        grid = {"height_ratios": heights}
        return pyplot(owner).subplots(2, sharex=True, layout="constrained", gridspec_kw=grid)[1]
    upper = axes(owner, ax)
    place = upper.get_subplotspec()
    if place is None:
        raise ValueError(f"{owner}: ax must have a place in a grid, as pyplot.subplots makes them, to be divided")
    grid = place.subgridspec(2, 1, height_ratios=heights, hspace=0.08)
    upper.set_subplotspec(grid[0])
    lower = upper.figure.add_subplot(grid[1], sharex=upper)
    upper.figure.sca(upper)  # the current axes stay the user's
    upper.tick_params(labelbottom=False)
    return upper, lower


def line_style(i, marker=False):
    """Return the colour, dashes and perhaps the marker of the i-th of several lines; the first 35 all differ."""
    style = {"color": COLOURS[i % len(COLOURS)], "linestyle": DASHES[(i + i // len(COLOURS)) % len(DASHES)]}
    return {**style, "marker": MARKERS[i % len(MARKERS)], "markersize": 4} if marker else style


def marked(n, most=40):
    """Return how a line of n points is marked: at every point, or at every so many where these would drown it."""
    return {"markevery": max(1, -(-n // most))}


def scale_of(*values):
    """Return "log" where all finite values are positive and they cover more than a decade and a half."""
    every = np.concatenate([np.ravel(part) for part in values])
    every = every[np.isfinite(every)]
    return "log" if every.size and every.min() > 0 and every.max() / _LOG_FROM > every.min() else "linear"


def set_scale(axis, scale, words):
    """Set the scale of an axis and its label, which names a logarithmic scale."""
    axis.axes.set(**{f"{axis.axis_name}scale": scale})
    axis.set_label_text(f"{words} (log scale)" if scale == "log" else words)
    if scale == "log":
        few_decades(axis)


def set_scale_by(axis, words, *values):
    """Set the scale of an axis and its label by the values on it."""
    set_scale(axis, scale_of(*values), words)


def set_limits(axis, low, high):
    """Set the limits of an axis to a range and some room beside it."""
    if axis.get_scale() == "log":
        room = max(high**0.06 / low**0.06, 1.05)
        limits = low / room, high * room
    else:
        room = 0.06 * (high - low) or 0.06 * abs(high) or 1.0
        limits = low - room, high + room
    axis.axes.set(**{f"{axis.axis_name}lim": limits})


def few_decades(axis):
    """Label a logarithmic axis at a few powers of ten, where it covers less than one and a half at 2 and 5 too.

    Where it covers less than one, at a few round numbers.
    """
    from matplotlib.ticker import LogFormatterSciNotation, LogLocator, MaxNLocator

    class Ticks(LogLocator):
        def tick_values(self, vmin, vmax):
            narrow = 0 < vmax < 10 * vmin
            return MaxNLocator(nbins=4).tick_values(vmin, vmax) if narrow else super().tick_values(vmin, vmax)

    class Labels(LogFormatterSciNotation):
        def __call__(self, x, pos=None):
            low, high = sorted(axis.get_view_interval())
            if high < 10 * low:  # with the digits that tell one tick from the next
                digits = 3 + max(0, math.ceil(math.log10(high / (high - low))))
                return fmt(x, digits) if self.labelOnlyBase else ""
            if not self.labelOnlyBase and f"{x:.0e}"[0] not in "25":
                return ""  # labels of all nine run into one another
            return super().__call__(x, pos)

    axis.set_major_locator(Ticks(numticks=7))
    axis.set_major_formatter(Labels(labelOnlyBase=True))
    axis.set_minor_formatter(Labels(labelOnlyBase=False, minor_thresholds=(1.5, 1.5)))


def whole_numbers(axis):
    """Put the ticks of an axis at whole numbers."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))


def grid(ax):
    """Draw a faint grid behind everything."""
    ax.grid(True, which="major", color="#d9d9d9", linewidth=0.6)
    ax.set_axisbelow(True)


def legend(ax, most=0.45):
    """Draw a legend: within the axes if it takes no more of their height, else above them where there can be room."""
    handles, labels = ax.get_legend_handles_labels()
    if not labels:
        return None
    width, height = size_of(ax)
    size = "small" if width > _NARROW and len(labels) <= _MANY else "x-small"
    em = points_of(size)
    widest, line = (LETTER * max(map(len, labels)) + 3.5) * em, 1.35 * em
    style = {"fontsize": size, "framealpha": 0.85, "labelspacing": 0.3, "handlelength": 2.2}
    fits = widest < 0.6 * width and line * len(labels) < most * height
    if not fits and ax.figure.get_layout_engine() is not None:
        style.update(loc="lower left", bbox_to_anchor=(0, 1.02), borderaxespad=0, ncols=max(1, int(width / widest)))
    drawn = ax.legend(handles, labels, **style)
    for handle in drawn.legend_handles:
        if hasattr(handle, "get_marker"):  # a point, as dark as many are together
            handle.set_alpha(1)
    return drawn


def size_of(ax):
    """Return the width and height of axes in points, as fonts are measured."""
    box = ax.get_window_extent()
    return box.width / ax.figure.dpi * 72, box.height / ax.figure.dpi * 72


def points_of(size):
    """Return a named font size in points."""
    from matplotlib.font_manager import FontProperties

    return FontProperties(size=size).get_size_in_points()


def fmt(value, digits=3):
    """Return a number as it is written in a picture: up to three digits, or so many.

    >>> fmt(1.66e-6), fmt(100000.0), fmt(0.25)
    ('1.66e-6', '1e+5', '0.25')
    """
    return fmt_setting(value + 0.0, digits)  # 0 for -0


def name_of(thing):
    """Return how an optimiser, a schedule or another NamedTuple is written, without what is at its default.

    >>> from fastgd import Momentum, StepDecay
    >>> name_of(Momentum()), name_of(Momentum(beta=0.5)), name_of(StepDecay(0.1, 0.5, 10))
    ('Momentum', 'Momentum(beta=0.5)', 'StepDecay(0.1, 0.5, 10)')
    """
    if isinstance(thing, float | int | np.number) and not isinstance(thing, bool):
        return fmt(thing)
    if not hasattr(thing, "_field_defaults"):
        return str(thing)
    defaults, shown = thing._field_defaults, []
    for field, value in zip(thing._fields, thing, strict=True):
        if field in defaults and thing._replace(**{field: defaults[field]}) == thing:
            continue
        chosen = re.search(rf"\b{field}=('[^']*')", repr(thing))  # a name that is held as its position
        text = chosen[1] if chosen else name_of(value)
        shown.append(f"{field}={text}" if field in defaults else text)
    return f"{type(thing).__name__}({', '.join(shown)})" if shown else type(thing).__name__


def shades():
    """Return a colour map from dark to light, all dark enough for paper."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    return ListedColormap(colormaps["viridis"](np.linspace(0, 0.92, 256)))


def finite(values):
    """Return numbers as they can be drawn: NaN, which leaves a gap, for what is infinite or all but; 0 for all but 0.

    matplotlib's margins and logarithms overflow near the largest and smallest float64.
    """
    size = np.abs(values)
    drawable = np.where(size < LARGEST, values, np.nan)
    return np.where(size < 1 / LARGEST, 0.0, drawable)


def tell_of_the_rest(ax, *values):
    """Say in the legend that some finite values are not drawn, if there are any."""
    if any((np.isfinite(part) & (np.abs(part) >= LARGEST)).any() for part in values):
        ax.plot([], [], linestyle="", label=f"not drawn: beyond {fmt(LARGEST)}")


def star(ax, x, y, label):
    """Mark points that are the best."""
    style = {"linestyle": "", "marker": "*", "markersize": 14, "color": "white", "mec": "black", "mew": 0.9}
    return ax.plot(np.atleast_1d(x), np.atleast_1d(y), label=label, zorder=2.5, **style)[0]
