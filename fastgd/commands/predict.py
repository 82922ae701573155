"""Predict the rows of a table with a saved model."""

import contextlib
import csv
import sys

import numpy as np

import fastgd
from fastgd.activations import ACTIVATIONS
from fastgd.commands import _arguments, _saved_model
from fastgd.commands._quality import describe_quality
from fastgd.tables import read_matching, standardize


def add_arguments(parser):
    """Declare the model, the data, and where the predictions go."""
    parser.add_argument("model", metavar="MODEL.npz", help="a file that fastgd train --save has written")
    parser.add_argument("data", metavar="DATA", help="a CSV, .npy or .npz file, with the target or without it")
    parser.add_argument("--output", metavar="FILE.csv", help="where the predictions go (default: standard output)")


def run(arguments):
    """Write a line for each row: the output, and the class where there are two."""
    if arguments.output is not None:
        _arguments.check_writable("--output", arguments.output, inputs=(arguments.model, arguments.data))
    model, params, scaling, columns = _saved_model.load(arguments.model)
    X, y = read_matching(arguments.data, columns)
    with np.errstate(over="ignore", invalid="ignore"):
        rows = standardize(X, scaling).astype(params.dtype)
    outputs = fastgd.predict(model, params, rows)
    wrong = np.flatnonzero(~(np.isfinite(rows).all(axis=1) & np.isfinite(outputs)))
    if wrong.size:
        row = wrong[0]
        j = int(np.argmax(np.where(np.isfinite(rows[row]), abs(rows[row]), np.inf)))
        raise ValueError(
            f"{arguments.data}: row {row + 1}, column {columns.feature_names[j]!r}: {X[row, j]:g} is too large for the "
            f"model, in {params.dtype}"
        )
    where = arguments.output or "standard output"
    with _arguments.writing_to(where), _open_output(arguments.output) as file:
        writer = csv.writer(file, lineterminator="\n")
        if columns.class_names:
            probability = ACTIVATIONS[model.activation] == "sigmoid"
            writer.writerow([f"probability_{columns.class_names[1]}" if probability else "output", "class"])
            writer.writerows((f"{output:.9g}", columns.class_names[int(output >= 0.5)]) for output in outputs)
        else:
            writer.writerow([f"predicted_{columns.target_name}"])
            writer.writerows([str(output)] for output in outputs)  # with all digits that its dtype has
    if y is not None:
        print(describe_quality(outputs, y, columns), file=sys.stderr)
    return 0


def _open_output(path):
    if path is None:
        return contextlib.nullcontext(sys.stdout)
    return open(path, "w", encoding="utf-8", newline="")
