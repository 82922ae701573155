"""Gradient descent step by step with the numbers behind each step: what the explorer shows, without any drawing."""

import copy
import math
import re

import numpy as np

from fastgd import _check, problems
from fastgd._rates.rate_scale import AT_REST, rate_scale
from fastgd._rates.written_updates import Step, fmt, written_update
from fastgd._registry import ObjectiveKernels, OptimizerKernels, kernels_for
from fastgd.curvature import hessian
from fastgd.objectives import checked_args, prepare
from fastgd.optimizers import SGD, Adam, Momentum, Nesterov
from fastgd.updates import update
from fastgd.verbs import init_state

TEXTBOOK = SGD, Momentum, Nesterov, Adam  # the methods to choose from in the window and in the page
FAR = 1e9  # times the start's size (at least 1): beyond it a run has diverged
MOST_STEPS = 200  # of one `run`
_SHARE = 0.2  # of 1 / curvature: the rate that is suggested
_STEEPEST = 1e100  # curvatures beyond it are called infinite

OBJECTIVES = {  # by the names that the command line and the page give them
    re.sub(r"\B([A-Z])", r"-\1", cls.__name__).lower(): cls
    for cls in problems.GALLERY
    if cls is not problems.LogisticRegression  # which needs data
}

_BOWL, _SGD = problems.Bowl(), SGD()


class Exploration:
    """A run of gradient descent that is taken step by step, and can be asked at each what is going on.

    All numbers are the library's: the objective's value and gradient, and the optimiser's own `update`.

    Parameters
    ----------
    objective : callable or NamedTuple
        In one of the forms that `minimize` takes; of one or two parameters. By default J(x) = x².
    optimizer : NamedTuple
        A registered optimiser. The update is written out in full for `SGD`, `Momentum`, `Nesterov` and `Adam`.
    lr : float, optional
        The learning rate, positive. By default what `suggested_lr` says.
    start : float or array_like of shape (n,), optional
        The starting point. By default the one that `fastgd.problems` knows.
    args, jac, compile
        As `minimize` takes them.

    Attributes
    ----------
    x, grads, next_x : ndarray of shape (n,)
        The point, the gradient there, and the point to which the next step leads.
    loss : float
        The objective at x.
    lowest, curvature : float
        The smallest and the largest eigenvalue of the Hessian at x, by differences of gradients: of one parameter both
        are the second derivative. NaN where the gradient near by is not finite.
    path : list of ndarray, losses : list of float
        All points so far and the objective there, the start included.
    scale : Scale
        Where the rate lies between slow and explosive.
    equations : list of str
        The next step written out in numbers.
    status : str
        "ready", "downhill", "overshooting", "minimum", "saddle", "flat" or "diverged".
    message : str
        The same in a sentence.

    Examples
    --------
    >>> from fastgd.explorer import Exploration
    >>> run = Exploration(lr=0.1, start=4)
    >>> run.equations
    ['x_new = 4.00 - 0.1 (8.00) = 3.20']
    >>> run.scale.zone, run.scale.optimal, run.scale.limit
    ('slow', 0.5, 1.0)
    >>> run.step(), run.x, run.message
    (True, array([3.2]), 'Taking steps downhill: the loss fell from 16.00 to 10.24.')
    >>> run.run(), run.message
    (71, 'At a minimum: the gradient is 0 to six digits, and the curvature is positive.')
    """

    def __init__(self, objective=_BOWL, *, optimizer=_SGD, lr=None, start=None, args=(), jac=None, compile=True):
        owner = "Exploration"
        compile = _check.boolean(owner, "compile", compile)
        self.args = checked_args(owner, args, compile)
        self.objective = objective
        self._start = _start(owner, objective, start)
        self._prepared = prepare(owner, objective, jac, self.args, self._start, compile)
        kernels_for(f"{owner}: optimizer", OptimizerKernels, optimizer)
        self._optimizer = optimizer
        self.reset()
        self.lr = self.suggested_lr() if lr is None else lr

    # The settings.

    @property
    def lr(self):
        """The learning rate; to set it changes the steps to come."""
        return self._lr

    @lr.setter
    def lr(self, lr):
        self._lr = _check.number("Exploration", "lr", lr, _check.positive)

    @property
    def start(self):
        """The starting point; to set it starts again."""
        return self._start.copy()

    @start.setter
    def start(self, start):
        start = _point("Exploration", start)
        if start.size != self._start.size:
            raise ValueError(f"Exploration: start must have {self._start.size} elements, got {start.size}")
        self._start = start
        self.reset()

    @property
    def optimizer(self):
        """The optimiser; to set it starts again."""
        return self._optimizer

    @optimizer.setter
    def optimizer(self, optimizer):
        kernels_for("Exploration: optimizer", OptimizerKernels, optimizer)
        self._optimizer = optimizer
        self.reset()

    @property
    def momentum(self):
        """β of the optimiser, β₁ of Adam; None where it has none. To set it starts again."""
        field = _momentum_field(self._optimizer)
        return None if field is None else getattr(self._optimizer, field)

    @momentum.setter
    def momentum(self, momentum):
        self.optimizer = with_momentum(self._optimizer, momentum)

    def suggested_lr(self):
        """A rate at which to begin: 0.1 of Adam, else a fifth of 1 / curvature, to one digit.

        The curvature is the largest in size at the start and, of an objective in `fastgd.problems`, on the way to the
        nearest minimum.
        """
        if isinstance(self._optimizer, Adam):
            return 0.1
        sizes = [abs(eigenvalue) for x in self._way() for eigenvalue in self._eigenvalues(x)]
        if type(self.objective) in problems.GALLERY:
            sizes.append(problems.facts(self.objective, self._start.size).sharpness)
        sizes = [size for size in sizes if size > AT_REST]  # and no NaN
        return float(f"{_SHARE / max(sizes):.0e}") if sizes else 0.1

    def _way(self):
        """Points from the start to the nearest minimum that is known, itself left out: it may be a corner."""
        if type(self.objective) not in problems.GALLERY:
            return [self._start]
        minima = problems.facts(self.objective, self._start.size).minima
        if not len(minima):
            return [self._start]
        nearest = minima[np.abs(minima - self._start).max(axis=1).argmin()]  # a square could overflow
        return [self._start + share * (nearest - self._start) for share in np.linspace(0, 1, 8, endpoint=False)]

    # The run.

    def reset(self):
        """Go back to the start."""
        self._state = init_state(self._optimizer, self._start)
        self.path, self.losses = [], []
        self._arrive(self._start.copy())

    def step(self):
        """Take a step; return whether there was one to take: not after a divergence."""
        if self.diverged:
            return False
        x = self.x.copy()
        update(self._optimizer, self._lr, self.grads, self._state, x)
        self._arrive(x)
        return True

    def run(self, max_steps=MOST_STEPS):
        """Take steps until the gradient is 0, the run has diverged, or so many are taken; return how many."""
        max_steps = _check.integer("Exploration", "max_steps", max_steps, least=0)
        taken = 0
        while taken < max_steps and not self.at_rest and self.step():
            taken += 1
        return taken

    def _arrive(self, x):
        self.x = x
        self.loss, self.grads = self._evaluate(x)
        self.lowest, self.curvature = self._eigenvalues(x)
        self.path.append(x.copy())
        self.losses.append(self.loss)

    def _evaluate(self, x):
        grads = np.empty_like(x)
        try:
            with np.errstate(all="ignore"):
                return self._prepared.at(x, grads, self.args), grads
        except (ArithmeticError, ValueError):  # plain Python's x**2 of a point that has run away, math.log of one
            return math.nan, np.full_like(x, math.nan)

    def _eigenvalues(self, x):
        try:
            with np.errstate(all="ignore"):
                eigenvalues = np.linalg.eigvalsh(hessian(lambda at: self._evaluate(at)[1], x))
        except np.linalg.LinAlgError:
            return math.nan, math.nan
        if not (np.abs(eigenvalues) < _STEEPEST).all():
            return math.nan, math.nan
        lowest, highest = (float(f"{eigenvalue:.8g}") for eigenvalue in eigenvalues[[0, -1]])  # what differences give
        return lowest, highest

    # What is shown.

    @property
    def n_steps(self):
        """The steps taken."""
        return len(self.path) - 1

    @property
    def next_x(self):
        """The point to which the next step leads."""
        return self._ahead()[0]

    def _ahead(self):
        x, state = self.x.copy(), copy.deepcopy(self._state)
        update(self._optimizer, self._lr, self.grads, state, x)
        return x, state

    @property
    def is_plain(self):
        """Whether nothing but the β of the optimiser differs from its defaults: else the update has more terms."""
        fields = self._optimizer._field_defaults
        chosen = {field for field in fields if getattr(self._optimizer, field) != fields[field]}
        return chosen <= {"beta", "beta1"}

    @property
    def diverged(self):
        """Whether the run has left all bounds: no step follows."""
        far = FAR * max(1.0, float(np.abs(self._start).max()))
        finite = math.isfinite(self.loss) and np.isfinite(self.grads).all()
        return not (finite and np.abs(self.x).max() <= far)

    @property
    def at_rest(self):
        """Whether the gradient is 0, to six digits."""
        return bool(np.abs(self.grads).max() <= AT_REST)

    @property
    def status(self):
        """What is going on, in a word."""
        if self.diverged:
            return "diverged"
        if self.at_rest:
            return "saddle" if self.lowest < -AT_REST else "minimum" if self.lowest > AT_REST else "flat"
        if self.n_steps == 0:
            return "ready"
        over = (self.x - self.path[-2]) @ self.grads > 0 or self.loss > self.losses[-2]
        return "overshooting" if over else "downhill"

    @property
    def message(self):
        """What is going on, in a sentence."""
        status, now = self.status, fmt(self.loss)
        if status == "diverged":
            if self.n_steps == 0:
                return "The loss or its gradient is not finite at the start. Choose another start."
            if self.loss < self.losses[0]:
                return (
                    f"Diverged after {_steps(self.n_steps)}: the loss falls without end, there is no minimum this way."
                )
            return f"Diverged after {_steps(self.n_steps)}: the rate is too large here. Lower it and reset."
        if status == "minimum":
            return "At a minimum: the gradient is 0 to six digits, and the curvature is positive."
        if status == "flat":
            return "At rest, as on a plateau: the gradient is 0 to six digits, and not every curvature is positive."
        if status == "saddle":
            return "At a saddle or a maximum: the gradient is 0 to six digits, but the curve bends down."
        if status == "ready":
            return f"At the start, where the loss is {now}. Take a step."
        before = self.losses[-2]
        change = f"from {fmt(before)} to {now}" if fmt(before) != now else f"by {fmt(abs(self.loss - before))} to {now}"
        if self.loss == before:
            if status == "downhill":
                return f"Taking steps downhill, too small to change the loss of {now}: raise the rate."
            return f"Overshooting: the step led past the low point, and the loss stayed at {now}."
        if status == "downhill":
            return f"Taking steps downhill: the loss fell {change}."
        if self.loss > before:
            return f"Overshooting: the step led past the low point, and the loss rose {change}."
        return f"Overshooting: the step led past the low point; still the loss fell {change}."

    @property
    def equations(self):
        """The next step written out in numbers, a list of lines."""
        x, state = self._ahead()
        names = ["x"] if x.size == 1 else [f"x{i + 1}" for i in range(x.size)]
        step = Step(
            self._optimizer, self.is_plain, self._lr, self.n_steps + 1, self.x, self.grads, x, self._state, state
        )
        return [line for i, name in enumerate(names) for line in written_update(step, i, name)]

    @property
    def scale(self):
        """Where the rate lies between slow and explosive."""
        return rate_scale(self._optimizer, self.is_plain, self._lr, self.curvature, self.grads)


def with_momentum(optimizer, momentum):
    """Return an optimiser with another β, of Adam β₁; one that has none as it is."""
    field = _momentum_field(optimizer)
    if field is None:
        return optimizer
    momentum = _check.number("Exploration", "momentum", momentum, _check.unit_interval)
    return optimizer._replace(**{field: momentum})


def _momentum_field(optimizer):
    return next((field for field in ("beta", "beta1") if field in optimizer._fields), None)


def _steps(n):
    return "1 step" if n == 1 else f"{n} steps"


# Checks.


def _point(owner, start):
    point = np.atleast_1d(_check.array(owner, "start", np.atleast_1d(start), 1, np.dtype(np.float64))).copy()
    if point.size not in (1, 2):
        raise ValueError(f"{owner}: start must have one or two elements, got {point.size}")
    if not np.isfinite(point).all():
        raise ValueError(f"{owner}: start must be finite, got {point}")
    return point


def _start(owner, objective, start):
    """Return where to begin: the user's point, or of the gallery's objectives the known one."""
    if isinstance(objective, type) and objective in problems.GALLERY:
        kernels_for(f"{owner}: objective", ObjectiveKernels, objective)  # which says what to write
    known = type(objective) in problems.GALLERY
    if start is None:
        if not known:
            if not callable(objective):
                kernels_for(f"{owner}: objective", ObjectiveKernels, objective)  # which says what it must be
            raise TypeError(f"{owner}: start must be given with an objective of your own")
        return problems.facts(objective, default_size(objective)).start.copy()
    point = _point(owner, start)
    if known:
        try:
            problems.facts(objective, point.size)
        except ValueError as error:
            words = str(error).removeprefix("facts: ").rpartition(",")[0]
            raise ValueError(f"{owner}: start must have as many elements: {words}, got {point.size}") from None
    return point


def default_size(objective):
    """Return the number of parameters at which an objective of the gallery begins: 1 of the bowl, 2 of all others."""
    return 1 if isinstance(objective, problems.Bowl) else 2
