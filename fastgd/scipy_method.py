"""`scipy_method`: an optimiser as a method of `scipy.optimize.minimize`."""

import inspect

from numba.extending import is_jitted

from fastgd._descent.setup import checked_rules
from fastgd._types import Function, Rate, Rule
from fastgd.minimization import minimize
from fastgd.optimizers import Adam


def scipy_method(optimizer: Rule = Adam(), lr: Rate = 1e-2) -> Function:
    """Return a method for ``scipy.optimize.minimize(fun, x0, jac=..., method=...)``.

    Compiled functions (`fun` and `jac` both) run in compiled code, others as the Python that they are. Without `jac`
    forward differences are taken, as SciPy's own methods do. Of SciPy's arguments it takes `args`, `jac`, `bounds`,
    `tol` (as gtol) and `callback`, which is called as SciPy does, with the point that a step has led to (after every
    step of Python functions, and between chunks of about 40 ms of compiled ones); `options` may have `gtol`, `ftol`,
    `xtol` and `maxiter`, with the defaults of `minimize`, and `disp`: whether to print how the run ended.

    Parameters
    ----------
    optimizer : NamedTuple
        A registered optimiser.
    lr : float or NamedTuple
        The learning rate, a schedule (its time measured in steps), or with ``SGD()`` the line search `Armijo`.

    Returns
    -------
    callable
        What SciPy calls with the problem; it returns a `scipy.optimize.OptimizeResult`.

    Examples
    --------
    >>> import fastgd
    >>> def bowl(x):
    ...     return (x**2).sum()
    >>> def slope(x):
    ...     return 2 * x
    >>> from scipy.optimize import minimize  # doctest: +SKIP
    >>> method = fastgd.scipy_method(fastgd.SGD(), lr=0.25)
    >>> minimize(bowl, [1.0, 2.0], jac=slope, method=method).success  # doctest: +SKIP
    True
    """
    lr, _ = checked_rules("scipy_method", optimizer, lr, 0, 0, 0, 0)

    def method(
        fun, x0, args=(), jac=None, bounds=None, constraints=(), callback=None, hess=None, hessp=None, **options
    ):
        from scipy.optimize import OptimizeResult

        if constraints:
            raise ValueError("scipy_method: constraints must be empty; only bounds are taken")
        settings = {"gtol": options.pop("tol", 1e-6), "ftol": 0, "xtol": 0, "maxiter": 10_000, "disp": False}
        unknown = set(options) - set(settings)
        if unknown:
            raise TypeError(f"scipy_method: options must be among {', '.join(settings)}, got {', '.join(unknown)}")
        settings |= options
        shown = settings.pop("disp")
        result = minimize(
            fun, x0, optimizer=optimizer, lr=lr, max_steps=settings.pop("maxiter"), **settings, args=args,
            jac=jac or "2-point", bounds=bounds, callback=callback and _scipys(callback, OptimizeResult),
            compile=is_jitted(fun) and (is_jitted(jac) or jac is None),
        )  # fmt: skip
        if shown:
            print(f"{result.message}\n  value: {result.fun:g}\n  steps: {result.nit}\n  evaluations: {result.nfev}")
        names = ("x", "fun", "jac", "nit", "nfev", "njev", "success", "status", "message")
        return OptimizeResult({name: getattr(result, name) for name in names})

    return method


def _scipys(callback, result_class):
    """A callback of SciPy's, as one of `minimize`'s: it hears of steps alone, not of the start or a shortened step."""
    takes_result = set(inspect.signature(callback).parameters) == {"intermediate_result"}
    heard = 0

    def tell(progress):
        nonlocal heard
        if progress.step > heard:
            heard = progress.step
            if takes_result:
                callback(intermediate_result=result_class(x=progress.last_x, fun=progress.last_fun))
            else:
                callback(progress.last_x)

    return tell
