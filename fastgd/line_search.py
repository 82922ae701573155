"""A line search in place of a learning rate."""

from typing import NamedTuple

from fastgd._check import interior, positive
from fastgd._registry import register_line_search


class Armijo(NamedTuple):
    """Armijo's backtracking: try a rate, and a smaller one until the value has fallen enough.

    A step from x to x⁺ (along -g, projected where there are bounds) is taken if f(x⁺) ≤ f(x) - c₁/rate · ‖x⁺ - x‖²,
    which without bounds is f(x - rate·g) ≤ f(x) - c₁·rate·‖g‖²; else the rate is multiplied by `shrink`. The next step
    begins at the rate of this one, divided by `shrink`, and never above `lr`. L. Armijo, Minimization of functions
    having Lipschitz continuous first partial derivatives, 1966.

    It is given to `minimize` and `gradient_descent` as `lr`, with ``optimizer=SGD()``: the methods that remember
    earlier gradients take steps that need not go down. Values must be comparable from step to step, so it is for whole
    objectives, or a model's full batch (`MeanLoss`), not for mini-batches.

    Parameters
    ----------
    lr : float
        The largest rate, tried first; positive.
    shrink : float
        Between 0 and 1.
    c1 : float
        Between 0 and 1: the share of the fall that the slope promises which is asked for.

    Examples
    --------
    >>> import fastgd
    >>> from fastgd.problems import IllConditioned
    >>> result = fastgd.minimize(IllConditioned(100), [1.0, 1.0], optimizer=fastgd.SGD(), lr=fastgd.Armijo())
    >>> result.success, bool(abs(result.x).max() < 1e-6)
    (True, True)
    """

    lr: float = 1.0
    shrink: float = 0.5
    c1: float = 1e-4


register_line_search(Armijo, lr=positive, shrink=interior, c1=interior)
