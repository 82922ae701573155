"""What the noise of batches adds to the loss at a floor, by the rate, the gradients and how they follow each other."""

import math
from functools import lru_cache

import numpy as np

from fastgd.optimizers import SGD, Momentum, Nesterov

_RATES = np.geomspace(1e-4, 1, 200)  # times the curvature: those at which a floor's gradients are worked out


def added_by_noise(run, square, cosine):
    """What is added; NaN where the rate or the gradients are not known, and of an optimiser that holds another.

    Along a direction of curvature λ, with gradients λx + n of noise n, plain descent comes to rest where the loss is
    lr·E|g|²/4 above its minimum. Momentum does so at lr / (1 - β) in place of lr, less what E|g|² has of x rather than
    n: x swings slowly, and successive gradients agree by it. A method that makes all steps of one size goes by
    lr·Σ|g_i|/4, at most √d·|g|.

    Parameters
    ----------
    run : RunRecord
        Its rate, optimiser and number of parameters.
    square : float
        The mean square of the gradients' norms at the floor.
    cosine : float
        The mean cosine of successive ones; NaN where none is known.
    """
    kind = run.optimizer
    if hasattr(kind, "inner"):
        return math.nan
    if kind is None or isinstance(kind, SGD | Momentum | Nesterov):
        beta = getattr(kind, "beta", 0.0)
        estimate = run.lr * (1 - getattr(kind, "dampening", 0.0)) / (1 - beta) * square / 4
    else:
        beta = getattr(kind, "beta1", 0.0)
        estimate = run.lr * math.sqrt(run.n_params * square) / 4
    cosines, excesses = _at_floors(beta, isinstance(kind, Nesterov))
    return estimate / float(np.interp(0.0 if math.isnan(cosine) else cosine, cosines, excesses))


@lru_cache
def _at_floors(beta, is_nesterov):
    """The cosines of successive gradients at floors, in rising order, and by how much lr·E|g|²/4(1 - β) is too large.

    A step is (x, v) ← A(x, v) + b·n in units of λ = 1 and noise of variance 1, and P = APAᵀ + bbᵀ is the covariance at
    rest. The cosine rises with the rate, up to where the swings are as quick as the steps: of Nesterov's momentum
    early, beyond which what is told may be twice too large.
    """
    cosines, excesses = np.empty((2, _RATES.size))
    own, of_v = (1 + beta, beta**2) if is_nesterov else (1.0, beta)  # v ← βv + g and x ← x - lr·(g + βv), or x - lr·v
    for i, lr in enumerate(_RATES):
        A, b = np.array([[1 - lr * own, -lr * of_v], [1, beta]]), np.array([-lr * own, 1])
        P = np.linalg.solve(np.eye(4) - np.kron(A, A), np.outer(b, b).ravel()).reshape(2, 2)
        square = P[0, 0] + 1
        cosines[i] = (A[0] @ P[0] + b[0]) / square
        excesses[i] = lr / (1 - beta) * square / 4 / (P[0, 0] / 2)
    rising = slice(0, int(np.argmax(cosines)) + 1)
    return cosines[rising], excesses[rising]
