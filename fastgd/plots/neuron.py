"""A neuron's activation and its derivative, and where on them it works."""

import numpy as np

from fastgd import _check
from fastgd.activations import ACTIVATIONS, activate, derivative
from fastgd.derivation import Derivation
from fastgd.models import Neuron
from fastgd.plots import _style

_FORMULAS = {"sigmoid": "σ(z)", "tanh": "tanh(z)", "identity": "z"}
_SIDE = {"sigmoid": 8.0, "tanh": 4.0, "identity": 4.0}  # from where the curve is all but flat
_POINTS = 801


class NeuronDisplay:
    """The curve a = f(z), its derivative f'(z), and the working point z = w·x + b of a neuron, or of many rows.

    Of a single point the tangent is drawn too, whose slope is the factor da/dz of the chain rule. Where the derivative
    is small, far from 0, the gradient vanishes.

    Parameters
    ----------
    neuron : Derivation, Neuron or str
        What `derive` returned, with its working point; a model; or the name of an activation: "sigmoid", "tanh",
        "identity".
    z : float or array_like of shape (n,), optional
        The working point, or those of many rows: ``X @ params[:-1] + params[-1]``. None draws the curves alone.

    Attributes
    ----------
    activation : str
        f.
    z, a, da_dz : ndarray of shape (n,)
        The working points, the outputs and the slopes there.
    ax_, figure_ : matplotlib axes and figure
        What `plot` drew on.
    lines_ : list of matplotlib.lines.Line2D
        The curve and its derivative.
    points_ : list of Line2D
        The working points on both; empty where there are none.
    tangent_ : Line2D or None
        At a single point.

    Examples
    --------
    >>> import fastgd
    >>> from fastgd.plots import NeuronDisplay
    >>> display = NeuronDisplay(fastgd.derive(x=2.0, w=0.5, b=-1.0))
    >>> display.z, display.da_dz  # display.plot() draws it
    (array([0.]), array([0.25]))
    """

    def __init__(self, neuron, z=None):
        owner = "NeuronDisplay"
        if isinstance(neuron, Derivation):
            if z is not None:
                raise TypeError(f"{owner}: z is that of the derivation, {neuron.z:g}, got z={z!r}")
            self.activation, z = "sigmoid", neuron.z
        elif isinstance(neuron, Neuron):
            self.activation = ACTIVATIONS[int(neuron.activation)]
        elif isinstance(neuron, str):
            self.activation = ACTIVATIONS[_check.choice(owner, "neuron", neuron, ACTIVATIONS)]
        else:
            raise TypeError(
                f"{owner}: neuron must be what derive returns, a Neuron or the name of an activation, "
                f"got {type(neuron).__name__}"
            )
        z = [] if z is None else z
        self.z = np.array(_check.array(owner, "z", np.atleast_1d(z), 1, np.float64))
        if not np.isfinite(self.z).all():
            raise ValueError(f"{owner}: z must be finite, got {self.z[~np.isfinite(self.z)][0]}")
        self.a, self.da_dz = self._curves(self.z)

    def plot(self, ax=None):
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to; by default in a new figure.

        Returns
        -------
        NeuronDisplay
            This display, with what was drawn in its attributes.
        """
        self.ax_ = ax = _style.axes("NeuronDisplay", ax)
        self.figure_ = ax.figure
        side = _SIDE[self.activation]
        low, high = min([-side, *(1.15 * self.z)]), max([side, *(1.15 * self.z)])
        zs = np.unique(np.concatenate([np.linspace(low, high, _POINTS), np.linspace(-side, side, _POINTS)]))
        formula = _FORMULAS[self.activation]
        self.lines_ = [
            ax.plot(zs, ys, label=label, linewidth=1.8, **_style.line_style(i))[0]
            for i, (ys, label) in enumerate(zip(self._curves(zs), (f"a = {formula}", "da/dz"), strict=True))
        ]
        limits = ax.get_ylim()
        self.points_, self.tangent_ = [], None
        if self.z.size == 1:
            self._working_point(high - low)
        elif self.z.size:
            self._working_points()
        ax.set_ylim(*limits)
        ax.set_xlim(low, high)
        ax.set(xlabel="z = w·x + b", ylabel="output a, slope da/dz")
        _style.grid(ax)
        _style.legend(ax)
        return self

    def _curves(self, zs):
        """Return the outputs and the slopes."""
        code = ACTIVATIONS.index(self.activation)
        # The slopes are even functions: of -|z| the sigmoid is not near 1, and keeps its digits in a(1 - a).
        left = activate.py_func(code, -np.abs(zs))
        return activate.py_func(code, zs), np.array([derivative.py_func(code, a) for a in left.tolist()])

    def _working_point(self, width):
        z, a, slope = self.z[0], self.a[0], self.da_dz[0]
        reach = 0.12 * width
        line = {"color": _style.BLACK, "linewidth": 1, "label": "_tangent", "zorder": 1.5}
        self.tangent_ = self.ax_.plot([z - reach, z + reach], [a - slope * reach, a + slope * reach], **line)[0]
        self.ax_.axvline(z, color=_style.GREY, linewidth=0.9, linestyle=":", label="_at")
        label = f"z = {_style.fmt(z)}, a = {_style.fmt(a)}"
        for y, marker, text in ((a, "o", label), (slope, "s", f"da/dz = {_style.fmt(slope)}")):
            style = {"marker": marker, "markersize": 8, "mec": "white", "linestyle": "", "zorder": 3}
            self.points_ += self.ax_.plot([z], [y], color=_style.BLACK, label=text, **style)

    def _working_points(self):
        alpha = max(0.1, min(0.7, 40 / self.z.size))
        for y, marker, text in ((self.a, "o", f"{self.z.size} working points"), (self.da_dz, "s", "_slopes")):
            style = {"marker": marker, "markersize": 5, "mec": "none", "linestyle": "", "zorder": 3, "alpha": alpha}
            self.points_ += self.ax_.plot(self.z, y, color=_style.BLACK, label=text, **style)
