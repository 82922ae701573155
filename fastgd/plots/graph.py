"""The computation graph of one neuron under squared error, with the numbers of `derive` on its edges."""

import numpy as np

from fastgd.derivation import Derivation
from fastgd.plots import _style

# In units of which the axes are 11.7 wide and 6 high.
_WIDTH, _HEIGHT = 11.7, 6.0
_TOP, _MAIN, _THIRD, _LOWEST = 4.95, 3.4, 1.9, 0.75
_OPERATIONS = {"×": (3.3, _MAIN), "+": (5.55, _MAIN), "σ": (7.75, _MAIN), "(a - y)²": (9.85, _MAIN)}
_INPUTS = {"w": (0.4, _TOP), "x": (0.4, _MAIN), "b": (0.4, _THIRD), "y": (0.4, _LOWEST)}
# Of each edge: from where, into which operation, the middle of its text (of the last one, the end).
_EDGES = {
    "w": ("w", "×", 1.8), "x": ("x", "×", 1.8), "b": ("b", "+", 1.8), "y": ("y", "(a - y)²", 1.8),
    "w·x": ("×", "+", 4.4), "z": ("+", "σ", 6.6), "a": ("σ", "(a - y)²", 8.6), "L": ("(a - y)²", "", 11.65),
}  # fmt: skip
_LONG = 19  # letters, from which a text is written smaller, to end before the box that its edge begins at
_LONG_AT_END = 11  # the same, to begin behind the box that the last edge comes from
_WIDE = 460.0  # points: axes of this width have the text in the size "medium"


class GraphDisplay:
    """The graph z = w·x + b, a = σ(z), L = (a - y)²: values on its edges, and under them the gradients of L.

    From left to right it is the forward pass, from right to left the backward pass: the gradient under an edge is that
    to its right times the derivative of the operation between. The gradient goes through a sum unchanged, through the
    product with w times x, and through σ times da/dz, which stands below it.

    Parameters
    ----------
    derivation : Derivation
        What `derive` returned.

    Attributes
    ----------
    values, gradients : dict
        What is written: by the name of the edge, "w", "x", "b", "y", "w·x", "z", "a", "L". The data, x and y, have
        no gradient.
    ax_, figure_ : matplotlib axes and figure
        What `plot` drew on.
    nodes_ : dict of Text
        The inputs and operations.
    edges_ : dict of Line2D
        The edges.
    values_, gradients_ : dict of Text
        What is written on and under them.

    Examples
    --------
    >>> import fastgd
    >>> from fastgd.plots import GraphDisplay
    >>> display = GraphDisplay(fastgd.derive(x=2.0, w=0.5, b=-1.0, y_true=1.0))
    >>> display.values["a"], display.gradients["w"]  # display.plot() draws it
    (0.5, -0.5)
    """

    def __init__(self, derivation):
        if not isinstance(derivation, Derivation):
            raise TypeError(f"GraphDisplay: derivation must be what derive returns, got {type(derivation).__name__}")
        of = derivation
        dL_dz = of.dL_da * of.da_dz
        self.values = {
            "w": of.w, "x": of.x, "b": of.b, "y": of.y_true, "w·x": float(np.dot(of.w, of.x)), "z": of.z, "a": of.a,
            "L": of.loss,
        }  # fmt: skip
        self.gradients = {"w": of.dL_dw, "b": of.dL_db, "w·x": dL_dz, "z": dL_dz, "a": of.dL_da, "L": 1.0}
        self._slope = of.da_dz

    def plot(self, ax=None):
        """Draw the graph.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to; by default in a new figure. They lose their frame.

        Returns
        -------
        GraphDisplay
            This display, with what was drawn in its attributes.
        """
        self.ax_ = ax = _style.axes("GraphDisplay", ax)
        self.figure_ = ax.figure
        ax.set_axis_off()
        ax.set(xlim=(0, _WIDTH), ylim=(0, _HEIGHT))
        self._size = _style.points_of("medium") * min(1.0, _style.size_of(ax)[0] / _WIDE)
        self.edges_, self.values_, self.gradients_ = {}, {}, {}
        for name in _EDGES:
            self._edge(name)
        box = {"boxstyle": "circle,pad=0.35", "fc": "white", "ec": _style.BLACK, "lw": 1.1}
        of_inputs = {**box, "boxstyle": "square,pad=0.35", "fc": "#e8e8e8"}
        of_loss = {**box, "boxstyle": "round,pad=0.4"}
        self.nodes_ = {name: self._text(*place, name, bbox=of_inputs) for name, place in _INPUTS.items()}
        for name, place in _OPERATIONS.items():
            shown = "•" if name == "×" and not isinstance(self.values["x"], float) else name
            self.nodes_[name] = self._text(*place, shown, bbox=box if len(name) == 1 else of_loss)
        slope = f"da/dz\n{_style.fmt(self._slope)}"
        self.slope_ = self._text(_OPERATIONS["σ"][0], _MAIN - 0.45, slope, va="top", color=_style.GREY)
        self._text(_WIDTH / 2, _HEIGHT - 0.15, "values on the edges", ha="right", va="top", color=_style.BLUE)
        under = "  gradients of L under them"
        self._text(_WIDTH / 2, _HEIGHT - 0.15, under, ha="left", va="top", color=_style.VERMILION)
        return self

    def _text(self, x, y, text, **options):
        options = {"ha": "center", "va": "center", "fontsize": self._size, "zorder": 3, **options}
        return self.ax_.text(x, y, text, **options)

    def _edge(self, name):
        beginning, end, middle = _EDGES[name]
        x, y = {**_INPUTS, **_OPERATIONS}[beginning]
        to_x, to_y = _OPERATIONS.get(end, (_WIDTH - 0.05, y))
        line = {"color": _style.BLACK, "linewidth": 1.1, "zorder": 1, "label": f"_{name}"}
        self.edges_[name] = self.ax_.plot([x, to_x, to_x], [y, y, to_y], **line)[0]
        # The head of the arrow, which ends at the operation's frame.
        up = np.sign(y - to_y)  # -1 from below, 0 from the left, 1 from above
        short = 0.0 if end == "" else 0.13 if up else 0.2 if len(end) == 1 else 0.45
        tip = (to_x, to_y + short * up) if up else (to_x - short, to_y)
        back = (tip[0], tip[1] + 0.3 * up) if up else (tip[0] - 0.3, tip[1])
        head = {"arrowstyle": "-|>", "color": _style.BLACK, "lw": 1.1, "shrinkA": 0, "shrinkB": 0}
        self.ax_.annotate("", tip, back, arrowprops=head, zorder=2)
        value = f"{name} = {_number(self.values[name])}"
        long = _LONG if end else _LONG_AT_END
        style = {"ha": "center" if end else "right", "fontsize": self._size * min(1, long / len(value))}
        self.values_[name] = self._text(middle, y + 0.1, value, va="bottom", color=_style.BLUE, **style)
        if name in self.gradients:
            below = f"dL/d{name if len(name) == 1 else f'({name})'}\n{_number(self.gradients[name])}"
            style["fontsize"] = self._size * min(1, long / max(map(len, below.split("\n"))))
            self.gradients_[name] = self._text(middle, y - 0.1, below, va="top", color=_style.VERMILION, **style)


def _number(value):
    """Return a number, or the first and the last component of a vector."""
    if np.ndim(value) == 0:
        return _style.fmt(value)
    shown = [_style.fmt(component) for component in value]
    return f"[{', '.join(shown if len(shown) <= 2 else [shown[0], '…', shown[-1]])}]"
