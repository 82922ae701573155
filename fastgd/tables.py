"""Tables of numbers from files: CSV, .npy and .npz; and what is done to them before training."""

import math
import re
from importlib import resources
from typing import NamedTuple

import numpy as np

from fastgd import _check
from fastgd._table_files import TextFile, counted, is_number, listed, open_table


class Columns(NamedTuple):
    """What the columns of a table mean.

    Parameters
    ----------
    feature_names : tuple of str
        The features in order; ``column_0``, ``column_1``, ... where the file has no header.
    target_name : str
        The target.
    target_index : int
        The target's place in the file, counted from 0.
    class_names : tuple of str
        The two classes, of which the first is 0 and the second 1; empty for a target of real numbers.
    named : bool
        Whether the names are from the file.
    """

    feature_names: tuple[str, ...]
    target_name: str
    target_index: int
    class_names: tuple[str, ...]
    named: bool


class Table(NamedTuple):
    """A table to learn from.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        The features: float64, or float32 from a file of such an array.
    y : ndarray of shape (n,)
        The target, in the dtype of X.
    columns : Columns
        What the columns mean.
    """

    X: np.ndarray
    y: np.ndarray
    columns: Columns


class Scaling(NamedTuple):
    """What standardising subtracts from each feature, and divides it by; float64 arrays of shape (d,)."""

    mean: np.ndarray
    scale: np.ndarray


def load_breast_cancer():
    """Return the bundled table: 569 tumours, 30 measurements each, malignant (1) or benign (0).

    Returns
    -------
    Table
        X of shape (569, 30) and y of shape (569,), float64, and their columns.

    References
    ----------
    W. Wolberg, O. Mangasarian, N. Street and W. Street, Breast Cancer Wisconsin (Diagnostic), UCI Machine Learning
    Repository (1993), https://doi.org/10.24432/C5DW2B, CC BY 4.0.

    Examples
    --------
    >>> from fastgd.tables import load_breast_cancer
    >>> X, y, columns = load_breast_cancer()
    >>> X.shape, int(y.sum()), columns.class_names
    ((569, 30), 212, ('benign', 'malignant'))
    """
    with resources.as_file(resources.files("fastgd") / "data" / "breast_cancer.csv") as path:
        return read_table(path, "diagnosis")


def read_table(path, target=None):
    r"""Read a table to learn from.

    A `.npy` file holds one 2-D array; a `.npz` file one 2-D array, or the arrays ``X`` and ``y``. Any other file
    is read as text in UTF-8 with columns separated by commas, semicolons or tabs, cells in double quotes or not.
    Its first line is a header if none of its cells is a number. Blank lines are passed over.

    The target may be two classes, in text: the first in alphabetical order becomes 0, the second 1. All other
    cells are finite numbers.

    Parameters
    ----------
    path : str or path
        The file.
    target : str or int, optional
        The target's name, or its place from 0, from the end where negative; by default the last column.

    Returns
    -------
    Table
        Features, target, and what the columns mean.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If the table is empty, has rows of different lengths, lacks the target, or has a cell that is not a finite
        number: the message names the line and the column.

    Examples
    --------
    >>> import os, tempfile
    >>> from fastgd.tables import read_table
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "fruit.csv")
    ...     with open(path, "w") as file:
    ...         _ = file.write("weight,kind,length\n150,apple,7\n120,banana,18\n")
    ...     table = read_table(path, target="kind")
    >>> table.X
    array([[150.,   7.],
           [120.,  18.]])
    >>> table.y, table.columns.class_names
    (array([0., 1.]), ('apple', 'banana'))
    """
    source = open_table(path)
    if source.named:
        source.require_single(source.names)
    target_index = source.width - 1 if target is None else _position(source, target)
    if source.target_index not in (None, target_index):
        raise ValueError(f"{path}: the target is the array y, and cannot be {target!r}")
    features = [j for j in range(source.width) if j != target_index]
    if not features:
        parted = " (commas, semicolons or tabs part cells)" if isinstance(source, TextFile) else ""
        raise ValueError(f"{path}: expected a target and at least one feature, got a single column{parted}")
    X, cells = source.read(features, target_index)
    y, class_names = _target(source, cells, target_index)
    feature_names = tuple(source.names[j] for j in features)
    columns = Columns(feature_names, source.names[target_index], target_index, class_names, source.named)
    return Table(X, _as_target(path, y, X.dtype), columns)


def read_matching(path, columns):
    r"""Read a table with the columns of another one, to predict from.

    If both tables have a header, columns are found by name, in any order, and further ones are passed over.
    Otherwise they are taken by place: all of them, or all but the target.

    Parameters
    ----------
    path : str or path
        The file.
    columns : Columns
        The columns of the table that was learned from.

    Returns
    -------
    X : ndarray of shape (n, d)
        The features in the order of `columns`.
    y : ndarray of shape (n,) or None
        The target; None where the file has none, or has nothing in it.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        As `read_table`; if columns are missing; or if the target holds a class that `columns` does not name.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from fastgd.tables import read_matching, read_table
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     old, new = pathlib.Path(folder, "old.csv"), pathlib.Path(folder, "new.csv")
    ...     _ = old.write_text("a,b,y\n1,2,3\n4,5,6\n"), new.write_text("b,a\n8,7\n")
    ...     read_matching(new, read_table(old, "y").columns)
    (array([[7., 8.]]), None)
    """
    source = open_table(path)
    n_features = len(columns.feature_names)
    if source.named and columns.named:
        missing = [name for name in columns.feature_names if name not in source.names]
        if missing:
            raise ValueError(f"{path} lacks {counted(len(missing), 'column')}: {listed(missing)}")
        source.require_single([*columns.feature_names, columns.target_name])
        features = [source.names.index(name) for name in columns.feature_names]
        target_index = source.names.index(columns.target_name) if columns.target_name in source.names else None
    else:
        with_target = source.width == n_features + 1
        target_index = columns.target_index if source.target_index is None and with_target else source.target_index
        features = [j for j in range(source.width) if j != target_index]
        if len(features) != n_features:
            raise ValueError(
                f"{path}: expected {counted(n_features, 'column')}, or {n_features + 1} with the target, "
                f"got {source.width}"
            )
    X, cells = source.read(features, target_index)
    if cells is None or (isinstance(cells, list) and not any(cells)):
        return X, None
    y, _ = _target(source, cells, target_index, columns.class_names)
    return X, _as_target(path, y, X.dtype)


def _as_target(path, y, dtype):
    """The target in the dtype of X."""
    with np.errstate(over="ignore"):
        target = y.astype(dtype)
    if (np.isinf(target) & ~np.isinf(y)).any():
        raise ValueError(f"{path}: the target must be numbers that {dtype} holds, the dtype of X, got {abs(y).max():g}")
    return target


def split_rows(n_rows, test_share, seed=0):
    """Choose at random which rows are held out for a test.

    Parameters
    ----------
    n_rows : int
        The number of rows.
    test_share : float
        The share to hold out, in [0, 1): in whole rows, at least one where it is above 0, and never all.
    seed : int
        The same seed gives the same choice.

    Returns
    -------
    train, test : ndarray of int64
        The places of the rows, ascending.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its range, or there are too few rows.

    Examples
    --------
    >>> from fastgd.tables import split_rows
    >>> train, test = split_rows(10, 0.2)
    >>> len(train), len(test)
    (8, 2)
    """
    n_rows = _check.integer("split_rows", "n_rows", n_rows, least=1)
    test_share = _check.number("split_rows", "test_share", test_share, _check.unit_interval)
    seed = _check.integer("split_rows", "seed", seed, least=0)
    n_test = max(round(n_rows * test_share), 1) if test_share else 0
    if test_share and n_rows < 2:
        raise ValueError(f"split_rows: holding out a share of {test_share} needs at least 2 rows, got {n_rows}")
    order = np.random.default_rng(seed).permutation(n_rows)
    n_test = min(n_test, n_rows - 1)
    return np.sort(order[n_test:]), np.sort(order[:n_test])


def find_scaling(X, names=None):
    """Find the mean and the standard deviation of each feature.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        The rows to learn from.
    names : sequence of str, optional
        The features' names, for error messages.

    Returns
    -------
    Scaling
        Means, and standard deviations (of the n values, without Bessel's correction); 1 for a constant feature.

    Raises
    ------
    ValueError
        If there are no numbers, or a feature holds NaN, infinity or numbers whose differences no float64 holds.

    Examples
    --------
    >>> import numpy as np
    >>> from fastgd.tables import find_scaling, standardize
    >>> X = np.array([[1.0, 7.0], [3.0, 7.0]])
    >>> scaling = find_scaling(X)
    >>> scaling
    Scaling(mean=array([2., 7.]), scale=array([1., 1.]))
    >>> standardize(X, scaling)
    array([[-1.,  0.],
           [ 1.,  0.]])
    """
    X = _check.array("find_scaling", "X", X, 2)
    if X.size == 0:
        raise ValueError(f"find_scaling: X must have at least one row and one column, got shape {X.shape}")
    highest, lowest = X.max(axis=0).astype(np.float64), X.min(axis=0).astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        wrong = ~np.isfinite(highest - lowest)
    if wrong.any():
        j = np.argmax(wrong)
        name = j if names is None else repr(names[j])
        finite = np.isfinite([highest[j], lowest[j]]).all()
        what = "numbers too large to standardise" if finite else "NaN or infinity"
        raise ValueError(f"column {name} holds {what}")
    # By a power of two to numbers of size 1, whose squares neither overflow nor vanish: it changes no bit of theirs.
    _, exponent = np.frexp(np.maximum(abs(highest), abs(lowest)))
    unit = np.ldexp(X.astype(np.float64), -exponent)
    mean, scale = np.ldexp(unit.mean(axis=0), exponent), np.ldexp(unit.std(axis=0), exponent)
    # The mean of equal numbers is rounded, and their computed deviation need not be 0.
    constant = highest == lowest
    return Scaling(np.where(constant, X[0], mean), np.where(constant | (scale == 0), 1.0, scale))


def standardize(X, scaling):
    """Return (X - mean)/scale, in the dtype of X (float64 of integers).

    Parameters
    ----------
    X : ndarray of shape (n, d)
        The rows.
    scaling : Scaling
        What `find_scaling` found.

    Returns
    -------
    ndarray of shape (n, d)
        A new array.

    Examples
    --------
    >>> from fastgd.tables import find_scaling, standardize
    >>> learned_from = [[1.0], [3.0]]
    >>> standardize([[2.0], [5.0]], find_scaling(learned_from))
    array([[0.],
           [3.]])
    """
    X = _check.array("standardize", "X", X, 2)
    return ((X - scaling.mean) / scaling.scale).astype(X.dtype)


def _position(source, target):
    """Where the target is in the file."""
    if target in source.names:
        return source.names.index(target)
    if isinstance(target, str):
        index = int(target) if re.fullmatch(r"-?\d+", target.strip()) else source.width
    else:
        index = _check.integer("read_table", "target", target)
    if -source.width <= index < source.width:
        return index % source.width
    where = f"are {listed(source.names)}" if source.named else f"have no names, but places from 0 to {source.width - 1}"
    raise ValueError(f"{source.path} has no column {target!r}; its columns {where}")


def _target(source, cells, target_index, class_names=None):
    """Return the target as float64, and the names of its classes: those given, or those found in the cells."""
    if isinstance(cells, np.ndarray):
        y, text = cells, []
    else:
        text = [i for i, cell in enumerate(cells) if not is_number(cell)]
        y = np.array([float(cell) if is_number(cell) else math.nan for cell in cells])
    if class_names is None:
        class_names = _find_classes(source, cells, y, text, target_index)
    for i in text:
        if cells[i] in class_names:
            y[i] = class_names.index(cells[i])
    wrong = ~np.isin(y, (0, 1)) if class_names else ~np.isfinite(y)
    if wrong.any():
        first = int(np.argmax(wrong))
        expected = f"one of the classes {listed(class_names)}" if class_names else "a finite number"
        raise source.error(first, target_index, cells[first], expected)
    return y, class_names


def _find_classes(source, cells, y, text, target_index):
    if not text:
        return ("0", "1") if np.isin(y, (0, 1)).all() else ()
    classes = sorted({cells[i] for i in text})
    if "" in classes:
        raise source.error(cells.index(""), target_index, "", "a number or a class")
    if len(text) < len(cells):  # text among numbers
        raise source.error(text[0], target_index, cells[text[0]])
    if len(classes) != 2:
        raise ValueError(
            f"{source.path}, column {source.names[target_index]!r}: expected numbers or two classes, "
            f"got {counted(len(classes), 'class', 'classes')}: {listed(classes)}"
        )
    return tuple(classes)
