"""Files of rows and columns, opened: their names and width first, their cells when it is known which are numbers."""

import array
import csv
import os
from collections import Counter
from itertools import chain, islice
from operator import itemgetter

import numpy as np

from fastgd import _check


def open_table(path):
    """Open a file by its suffix: `.npy` and `.npz` as arrays, anything else as text."""
    suffix = os.path.splitext(path)[1].lower()
    return ArrayFile(path) if suffix in (".npy", ".npz") else TextFile(path)


class TextFile:
    """Rows of cells in text, with a delimiter and a header that are found out; read once from start to end."""

    target_index = None

    def __init__(self, path):
        self.path = path
        lines = self._lines()
        sample = list(islice(lines, 20))
        rows = self._split(chain(sample, lines), _delimiter(sample))
        first = next(rows, None)
        if first is None:
            raise ValueError(f"{path} has no rows")
        cells = [cell.strip() for cell in first[1]]
        self.width = len(cells)
        self.named = not any(is_number(cell) for cell in cells)
        given = set(cells) if self.named else set()
        self.names = [(cell if self.named else "") or _new_name(f"column_{j}", given) for j, cell in enumerate(cells)]
        self._first_line = first[0]
        self._rows = rows if self.named else chain([first], rows)

    def require_single(self, names):
        """Raise if the header has one of these columns more than once."""
        twice = next((name for name in names if self.names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(
                f"{self.path}, line {self._first_line}: the header has the column {twice!r} more than once"
            )

    def _lines(self):
        try:
            with open(self.path, newline="", encoding="utf-8-sig") as file:
                yield from file
        except UnicodeDecodeError:
            raise ValueError(f"{self.path} is not text in UTF-8") from None

    def _split(self, lines, delimiter):
        """Yield each row that is not blank, with the number of its first line."""
        # A space behind a delimiter may stand before a quote; of a tab it would eat the next one, an empty cell.
        reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=delimiter != "\t", strict=True)
        line = 1
        try:
            for row in reader:
                if len(row) > 1 or (row and row[0].strip()):
                    yield line, row
                line = reader.line_num + 1
        except csv.Error as error:
            raise ValueError(f"{self.path}, line {line}: {error}") from None

    def read(self, features, target_index):
        """Return the features as an array, and the target's cells as a list (None where it is not asked for)."""
        pick = itemgetter(*features) if len(features) > 1 else lambda row: [row[features[0]]]
        numbers, cells = array.array("d"), []
        self._line_numbers = array.array("q")
        for line, row in self._rows:
            if len(row) != self.width:
                raise ValueError(f"{self.path}, line {line}: expected {counted(self.width, 'cell')}, got {len(row)}")
            self._line_numbers.append(line)
            picked = pick(row)
            try:
                numbers.extend(map(float, picked))
                readable = "_" not in "".join(picked)  # float() takes 1_000 for a number
            except ValueError:
                readable = False
            if not readable:
                j, cell = next((j, cell) for j, cell in zip(features, picked, strict=True) if not is_number(cell))
                raise self.error(-1, j, cell)
            if target_index is not None:
                cells.append(row[target_index].strip())
        if not self._line_numbers:
            raise ValueError(f"{self.path} has no rows below its header")
        X = np.frombuffer(numbers).reshape(-1, len(features))
        _refuse_nonfinite(self, X, features)
        return X, None if target_index is None else cells

    def error(self, i, j, cell, expected="a finite number"):
        """Return the error of the cell in row i and column j."""
        line = self._line_numbers[i]
        hint = " (for a header, its cells must not be numbers)" if line == 1 else ""
        return ValueError(
            f"{self.path}, line {line}, column {self.names[j]!r}: expected {expected}, got {_got(cell)}{hint}"
        )


class ArrayFile:
    """A 2-D array from a file of NumPy's; or two arrays X and y, of which y is taken for the last column."""

    named = False

    def __init__(self, path):
        self.path = path
        self._X, self._y = self._load()
        if self._X.ndim != 2 or self._X.size == 0:
            raise ValueError(f"{path}: expected a 2-D array with rows and columns, got shape {self._X.shape}")
        if self._X.dtype.kind not in "fiub":
            raise ValueError(f"{path}: expected an array of real numbers, got dtype {self._X.dtype}")
        self.names = [f"column_{j}" for j in range(self._X.shape[1])]
        self.target_index = None
        if self._y is not None:
            self.target_index = len(self.names)
            self.names.append("y")
        self.width = len(self.names)

    def _load(self):
        with open(self.path, "rb") as file:
            try:
                loaded = np.load(file, allow_pickle=False)
                if isinstance(loaded, np.ndarray):
                    return loaded, None
                arrays = {name: loaded[name] for name in loaded.files}
            except Exception as error:  # NumPy and zipfile have a dozen kinds of them for damaged files
                # NumPy takes whatever it does not know for pickled objects, and says how to load them unsafely.
                reason = "it is no NumPy file, or holds Python objects" if "pickle" in str(error) else error
                raise ValueError(f"{self.path} cannot be read as arrays of numbers or text: {reason}") from None
        if len(arrays) == 1:
            return next(iter(arrays.values())), None
        if set(arrays) != {"X", "y"}:
            came = listed(list(arrays)) or "none"
            raise ValueError(f"{self.path}: expected the arrays X and y, or a single one, got {came}")
        X, y = arrays["X"], arrays["y"]
        if y.ndim == 2 and y.shape[1] == 1:
            y = y[:, 0]
        if y.shape != X.shape[:1]:
            raise ValueError(f"{self.path}: expected y of shape {X.shape[:1]}, as many as rows of X, got {y.shape}")
        if y.dtype.kind not in "fiubU":
            raise ValueError(f"{self.path}: expected y of real numbers or text, got dtype {y.dtype}")
        return X, y

    def read(self, features, target_index):
        """Return the features as an array, and the target as an array of float64 or as a list of texts."""
        X = self._X if len(features) == self._X.shape[1] else self._X[:, features]
        X = np.ascontiguousarray(X, _check.floating_dtype(X.dtype))
        _refuse_nonfinite(self, X, features)
        if target_index is None:
            return X, None
        y = self._y if target_index == self.target_index else self._X[:, target_index]
        return X, [str(cell).strip() for cell in y] if y.dtype.kind == "U" else y.astype(np.float64)

    def error(self, i, j, cell, expected="a finite number"):
        """Return the error of the cell in row i and column j."""
        return ValueError(f"{self.path}, row {i} (from 0), {self.names[j]}: expected {expected}, got {_got(cell)}")


def is_number(cell):
    """Whether a cell's text is a number, finite or not."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _new_name(name, given):
    """A name for a column without one, that no other has."""
    return name if name not in given else _new_name(f"{name}_", given)


def counted(count, word, plural=None):
    """Say a number of things."""
    return f"{count} {word if count == 1 else plural or word + 's'}"


def listed(names):
    """List names, the first twenty of many."""
    shown = ", ".join(repr(str(name)) for name in names[:20])
    return f"{shown} and {len(names) - 20} more" if len(names) > 20 else shown


def _delimiter(sample):
    """Return the tab, semicolon or comma that cuts the first lines into as many cells each, or most of them."""
    lines = [line for line in sample if line.strip()]
    share = {}
    for delimiter in "\t;,":
        try:
            widths = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
        except csv.Error:  # told when the rows are read
            return ","
        width, count = Counter(widths).most_common(1)[0] if widths else (1, 0)
        share[delimiter] = count / len(widths) if width > 1 else 0.0
    best = max(share, key=lambda delimiter: share[delimiter])  # the first of those that are as good
    return best if share[best] > 0.5 else ","


def _refuse_nonfinite(source, X, features):
    if not np.isfinite(X).all():
        i, k = np.argwhere(~np.isfinite(X))[0]
        raise source.error(i, features[k], X[i, k])


def _got(cell):
    if isinstance(cell, str):
        return repr(cell.strip()) if cell.strip() else "an empty cell"
    return str(cell)
