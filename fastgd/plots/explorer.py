"""The explorer: a window in which gradient descent is taken step by step."""

import functools
import math
import re
import textwrap
from typing import Any

import numpy as np

from fastgd import _check, problems
from fastgd._rates.written_updates import fmt, fmt_setting
from fastgd.explorer import MOST_STEPS, TEXTBOOK, Exploration, with_momentum
from fastgd.optimizers import SGD
from fastgd.plots import _style
from fastgd.plots._landscape import Landscape
from fastgd.plots.paths import checked_bounds

_SHOWN = 2000  # points of a path that are drawn
_ZONES = {"slow": _style.SKY, "optimal": _style.GREEN, "oscillating": _style.ORANGE, "explosive": _style.VERMILION}
_MOMENTUM = 0.9  # where the slider begins under an optimiser that has none
_RATES = -6.0, 1.0  # powers of ten


class Explorer:
    """An interactive figure of gradient descent on an objective of one or two parameters.

    It shows the curve (or contours) and the path so far, sliders for the rate, the start and momentum, buttons to step,
    to run and to reset, and a choice of optimiser; beside them the point, its gradient and loss, and the next step
    written out in numbers; below a scale from slow to explosive with the rate on it, and what is going on. In a window
    (``matplotlib.pyplot.show()``), or in a notebook with ``%matplotlib widget``; without that, the figure is a picture,
    which `step`, `run` and `reset` change.

    Parameters
    ----------
    objective : callable or NamedTuple
        In one of the forms that `minimize` takes; by default J(x) = x².
    optimizer, lr, start, args, jac, compile
        As `fastgd.explorer.Exploration` takes them.
    momentum : float, optional
        Where the slider begins; by default at the optimiser's own, or at 0.9.
    bounds : array_like of shape (n, 2), optional
        The range of each parameter that is drawn: low, high.

    Attributes
    ----------
    exploration : Exploration
        The run, with all numbers.
    ax_, figure_ : matplotlib axes and figure
        What `plot` drew on.
    sliders_, buttons_ : dict of matplotlib widgets
        By name: "rate", "start" (of two parameters "start x1", "start x2"), "momentum"; "step", "run", "reset".
    choice_ : matplotlib.widgets.RadioButtons
        The choice of optimiser.

    Examples
    --------
    >>> import fastgd
    >>> from fastgd.plots import Explorer
    >>> explorer = Explorer(lr=0.1, start=4.0)  # explorer.plot() draws it
    >>> explorer.exploration.equations
    ['x_new = 4.00 - 0.1 (8.00) = 3.20']
    """

    def __init__(
        self,
        objective=None,
        *,
        optimizer=None,
        lr=None,
        start=None,
        momentum=None,
        args=(),
        jac=None,
        compile=True,
        bounds=None,
    ):
        owner = "Explorer"
        objective = problems.Bowl() if objective is None else objective
        optimizer = SGD() if optimizer is None else optimizer
        if momentum is not None:
            momentum = _check.number(owner, "momentum", momentum, _check.unit_interval)
            optimizer = with_momentum(optimizer, momentum)
        how = {"args": args, "jac": jac, "compile": compile}
        self.exploration = Exploration(objective, optimizer=optimizer, lr=lr, start=start, **how)
        own = self.exploration.momentum
        self._momentum = own if own is not None else _MOMENTUM if momentum is None else momentum
        n = self.exploration.x.size
        self._landscape = Landscape(owner, objective, self.exploration.x.copy(), **how)
        self._view = view_of(self.exploration) if bounds is None else checked_bounds(owner, bounds, n)
        kinds = TEXTBOOK if type(optimizer) in TEXTBOOK else (*TEXTBOOK, type(optimizer))
        self._choices = {kind.__name__: optimizer if kind is type(optimizer) else kind() for kind in kinds}
        self.figure_: Any = None

    def plot(self, figure=None):
        """Draw the explorer, in a new figure or in an empty one.

        Parameters
        ----------
        figure : matplotlib.figure.Figure, optional
            Where to; some 11 x 7.5 inches are needed. By default a new figure of pyplot's.

        Returns
        -------
        Explorer
            This explorer, with what was drawn in its attributes.
        """
        plt = _style.pyplot("Explorer")
        if figure is not None and not hasattr(figure, "add_axes"):
            raise TypeError(f"Explorer: figure must be a matplotlib figure or None, got {type(figure).__name__}")
        self.figure_ = plt.figure(figsize=(11, 7.5)) if figure is None else figure
        self.figure_.explorer = self  # matplotlib keeps no widgets: they live as long as the figure
        self._draw_landscape()
        self._make_widgets()
        place = self.figure_.add_axes((0.615, 0.30, 0.375, 0.66))
        place.axis("off")
        self._text = place.text(0, 1, "", va="top", family="monospace", fontsize=9, linespacing=1.35)
        self._scale_ax = self.figure_.add_axes((0.615, 0.215, 0.355, 0.035))
        self._message = self.figure_.text(0.03, 0.022, "", fontsize=10, weight="bold", va="center")
        self._show()
        return self

    def step(self):
        """Take a step, and show it."""
        self.exploration.step()
        self._show()

    def run(self, max_steps=MOST_STEPS):
        """Take steps until the gradient is 0, the run has diverged or so many are taken, and show them."""
        self.exploration.run(max_steps)
        self._show()

    def reset(self):
        """Go back to the start."""
        self.exploration.reset()
        self._show()

    def _draw_landscape(self):
        self.ax_ = ax = self.figure_.add_axes((0.07, 0.37, 0.50, 0.58))
        flat = len(self._view) == 2
        if flat:
            self._landscape.contours(ax, self._view, colourbar=False)
            ax.set(xlabel="$x_1$", ylabel="$x_2$", ylim=self._view[1])
        else:
            self._landscape.curve(ax, self._view)
            _style.grid(ax)
            ax.set(xlabel="x", ylabel="objective f(x)", ylim=ax.get_ylim())
        ax.set_xlim(self._view[0])
        ax.ticklabel_format(scilimits=(-3, 4))
        minima = self._landscape.minima
        minima = minima[((minima >= self._view[:, 0]) & (minima <= self._view[:, 1])).all(1)]
        if len(minima):
            xs, ys = self._coordinates(minima)
            _style.star(ax, xs, ys, "minimum")
        style = {"color": _style.BLUE, "marker": "o", "markersize": 3.5, "linewidth": 1.3, "zorder": 3}
        (self._line,) = ax.plot([], [], label="path", **style)
        (self._ahead,) = ax.plot([], [], color=_style.VERMILION, linestyle="--", marker="o", markersize=7,
                                 fillstyle="none", markevery=[1], label="next step", zorder=4)  # fmt: skip
        (self._here,) = ax.plot([], [], color=_style.BLUE, marker="o", markersize=9, mec="white", linestyle="",
                                label="x", zorder=5)  # fmt: skip
        (self._tangent,) = ax.plot([], [], color=_style.GREY, linewidth=1, linestyle=":", zorder=2)
        edge = {"boxstyle": "round", "facecolor": "white", "edgecolor": _style.BLUE}
        self._beyond = ax.text(0.02, 0.97, "", transform=ax.transAxes, va="top", fontsize=9, bbox=edge, zorder=6)
        ax.legend(loc="lower left", bbox_to_anchor=(0.07, 1.005), ncols=5, frameon=False, fontsize="small",
                  borderaxespad=0, handlelength=1.8)  # fmt: skip

    def _make_widgets(self):
        from matplotlib.widgets import Button, RadioButtons, Slider

        run, figure = self.exploration, self.figure_
        self.sliders_ = {}
        names = ["start"] if run.x.size == 1 else ["start x1", "start x2"]
        low, high = min(_RATES[0], math.log10(run.lr)), max(_RATES[1], math.log10(run.lr))
        rows = [("rate", low, high, math.log10(run.lr), self._set_rate)]
        rows += [
            (name, *view, value, functools.partial(self._set_start, i))
            for i, (name, view, value) in enumerate(zip(names, self._view, run.start, strict=True))
        ]
        rows.append(("momentum", 0.0, max(0.99, self._momentum), self._momentum, self._set_momentum))
        for i, (name, low, high, value, change) in enumerate(rows):
            place = figure.add_axes((0.13, 0.275 - 0.037 * i, 0.36, 0.03))
            self.sliders_[name] = slider = Slider(place, name, low, high, valinit=value, color=_style.BLUE)
            slider.valtext.set_x(1.035)  # clear of the handle at the right end
            slider.on_changed(change)
        self.buttons_ = {}
        for i, (name, press) in enumerate({"step": self.step, "run": self.run, "reset": self.reset}.items()):
            button = Button(figure.add_axes((0.13 + 0.125 * i, 0.065, 0.11, 0.045)), name)
            button.on_clicked(_pressed(press))
            self.buttons_[name] = button
        place = figure.add_axes((0.615, 0.045, 0.16, 0.032 * len(self._choices)))
        active = list(self._choices).index(type(run.optimizer).__name__)
        self.choice_ = RadioButtons(place, list(self._choices), active=active, activecolor=_style.BLUE)
        self.choice_.on_clicked(self._set_optimizer)
        place.set_frame_on(False)

    # What the widgets do.

    def _set_rate(self, power):
        self.exploration.lr = float(f"{10**power:.3g}")
        self._show()

    def _set_start(self, i, value):
        start = self.exploration.start  # whose other element may lie beyond its slider
        start[i] = value
        self.exploration.start = start
        self._show()

    def _set_momentum(self, momentum):
        self._momentum = float(f"{momentum:.3g}")
        if self.exploration.momentum is not None:
            self.exploration.momentum = self._momentum
        self._show()

    def _set_optimizer(self, name):
        self.exploration.optimizer = with_momentum(self._choices[name], self._momentum)
        self._show()

    # What is shown.

    def _coordinates(self, points):
        return points.T if points.shape[1] == 2 else (points[:, 0], self._landscape.values(points))

    def _show(self):
        if self.figure_ is None:  # not drawn yet
            return
        run = self.exploration
        path = _style.finite(np.array(run.path[-_SHOWN:]))
        self._line.set_data(*self._coordinates(path))
        here, ahead = path[-1:], _style.finite(run.next_x[None])
        self._here.set_data(*self._coordinates(here))
        self._ahead.set_data(*self._coordinates(np.vstack([here, ahead])))
        place = np.array([self.ax_.get_xlim(), self.ax_.get_ylim()])
        here = np.ravel(self._coordinates(here))
        inside = ((place[:, 0] <= here) & (here <= place[:, 1])).all()
        self._beyond.set_text("" if inside else "x is beyond the frame")
        if run.x.size == 1:
            reach = 0.12 * np.ptp(self._view[0]) * np.array([-1, 1]) / math.hypot(1, self._slope())
            self._tangent.set_data(run.x[0] + reach, run.loss + reach * run.grads[0])
        self._text.set_text("\n".join(self._lines()))
        self._message.set_text(run.message)
        self._message.set_color(_COLOURS.get(run.status, _style.BLACK))
        starts = [name for name in self.sliders_ if name.startswith("start")]
        for name, value in zip(["rate", *starts], [run.lr, *run.start], strict=True):
            self.sliders_[name].valtext.set_text(fmt_setting(value))
        used = run.momentum is not None
        self.sliders_["momentum"].label.set_color(_style.BLACK if used else "#9a9a9a")
        self._draw_scale()
        self.figure_.canvas.draw_idle()

    def _slope(self):
        """The slope of the tangent as it is seen, in shares of the axes."""
        low, high = self.ax_.get_ylim()
        return float(self.exploration.grads[0]) * np.ptp(self._view[0]) / (high - low)

    def _lines(self):
        """The numbers beside the picture."""
        run = self.exploration
        yield f"step      {run.n_steps}"
        for name, values in (("x", run.x), ("gradient", run.grads)):
            yield f"{name:<9} {', '.join(map(fmt, values))}"
        yield f"loss      {fmt(run.loss)}"
        yield f"next x    {', '.join(map(fmt, run.next_x))}"
        yield f"curvature {fmt(run.curvature)}" + (f" (lowest {fmt(run.lowest)})" if run.x.size == 2 else "")
        yield ""
        yield "The update"
        for equation in run.equations:
            yield from _wrapped(equation)
        yield ""
        yield "The rate"
        yield from _wrapped(run.scale.words)

    def _draw_scale(self):
        """The zones, all of one width: on a logarithmic axis that of oscillation would be too narrow to be seen."""
        ax, run, scale = self._scale_ax, self.exploration, self.exploration.scale
        ax.clear()
        ax.set(yticks=[], xticks=[])
        if scale.zone == "unknown":
            ax.axis("off")
            ax.set_title(f"rate {fmt_setting(run.lr)}: the curvature tells nothing", fontsize=9)
            return
        ax.axis("on")
        edges, names = zones(scale)
        ax.set_xlim(0, len(names))
        for i, name in enumerate(names):
            ax.axvspan(i, i + 1, color=_ZONES[name], alpha=0.75, lw=0)
            ax.text(i + 0.5, 0.5, name, ha="center", va="center", fontsize=8.5, transform=ax.get_xaxis_transform())
        inner = range(1, len(names))
        ax.set_xticks(inner, labels=[fmt(edges[i]) for i in inner], fontsize=8)
        at = np.interp(math.log(run.lr), np.log(edges), range(len(edges)))
        ax.plot([at], [1.3], marker="v", color=_style.BLACK, markersize=9, clip_on=False,
                transform=ax.get_xaxis_transform())  # fmt: skip
        ax.set_title(f"rate {fmt_setting(run.lr)}: {scale.zone}", fontsize=9, pad=14)


_COLOURS = {
    "overshooting": "#9a6a00",
    "minimum": "#006b4f",
    "diverged": "#b34700",
    "saddle": "#9a6a00",
    "flat": "#9a6a00",
}


def _pressed(press):
    return lambda event: press()


def zones(scale):
    """Return the edges of the zones of a scale, and their names."""
    if math.isinf(scale.limit):
        edges = [scale.optimal / 100, scale.optimal / 4, scale.swing, scale.swing * 30]
        return edges, ["slow", "optimal", "oscillating"]
    edges = [scale.optimal / 100, scale.optimal / 4, scale.swing, scale.limit, scale.limit * 10]
    return edges, ["slow", "optimal", "oscillating", "explosive"]


def view_of(run):
    """Return the range of each parameter that is worth seeing, an array (n, 2)."""
    start = run.start
    if type(run.objective) in problems.GALLERY:
        low, high = problems.facts(run.objective, start.size).bounds
    else:
        high = 1.25 * max(1.0, np.abs(start).max())
        low = -high
    return np.array([[min(low, 1.1 * x), max(high, 1.1 * x)] for x in start])


def _wrapped(text, width=50):
    """Break a text into lines; an equation between its parts, not within 1 - β^t nor before its result."""
    text = re.sub(r"(?<=\(1) - (?=[\d.]+\^)", "\N{NO-BREAK SPACE}-\N{NO-BREAK SPACE}", text)
    text = re.sub(r" = (?=\S+$)", " =\N{NO-BREAK SPACE}", text)
    return textwrap.wrap(text, width, subsequent_indent="    " if "_new" in text or text[1:5].find("=") >= 0 else "")
