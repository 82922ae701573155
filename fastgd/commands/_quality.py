"""How good outputs are, in words."""

import numpy as np


def describe_quality(outputs, y, columns):
    """Say the accuracy for two classes, or the error and R² for real numbers.

    Parameters
    ----------
    outputs, y : ndarray of shape (n,)
        The model's outputs, and what they should have been.
    columns : Columns
        Tells whether the target is of two classes.
    """
    if columns.class_names:
        right = int(((outputs >= 0.5) == (y == 1)).sum())
        return f"accuracy {100 * right / len(y):.1f} % ({right} of {len(y)})"
    y = y.astype(np.float64)
    unit = max(abs(y).max(), abs(outputs).max()) or 1.0  # so that no square overflows, or vanishes
    error = float(np.mean((outputs / unit - y / unit) ** 2))
    variance = float(np.var(y / unit)) if y.min() < y.max() else 0.0  # of equal numbers it need not be 0
    explained = f", R² {1 - error / variance:.4g}" if variance > 0 else ""
    return f"root mean square error {unit * error**0.5:.4g}{explained} ({len(y)} rows)"
