"""What the subcommands that train have in common: their arguments, the data made ready, the model and the method."""

from typing import NamedTuple

import numpy as np

import fastgd
from fastgd._check import unit_interval
from fastgd._registry import OptimizerKernels, registered
from fastgd.activations import ACTIVATIONS
from fastgd.commands import _arguments
from fastgd.losses import LOSSES
from fastgd.tables import (
    Columns,
    Scaling,
    find_scaling,
    load_breast_cancer,
    read_table,
    split_rows,
    standardize,
)

OPTIMIZERS = {
    name.lower(): cls for name, cls in sorted(registered(OptimizerKernels).items(), key=lambda item: item[0].lower())
}


class Setup(NamedTuple):
    """Data and model, ready to train; d features, n rows to train on, m held out."""

    source: str
    columns: Columns
    scaling: Scaling
    X: np.ndarray  # (n, d), standardised
    y: np.ndarray  # (n,)
    X_test: np.ndarray  # (m, d), standardised as X
    y_test: np.ndarray  # (m,)
    model: fastgd.Neuron


def add_data_arguments(parser):
    """Declare which data are read, and how they are parted."""
    parser.add_argument(
        "data",
        nargs="?",
        metavar="DATA",
        help="a CSV (its first line is a header if none of its cells is a number), .npy or .npz file (default: the "
        "bundled breast cancer table)",
    )
    parser.add_argument(
        "--target",
        metavar="COLUMN",
        help="its name, or its place from 0, from the end if negative (default: the last); two words, or 0 and 1, are "
        "classes, other numbers real targets",
    )
    parser.add_argument(
        "--test-share",
        type=_arguments.number(unit_interval),
        default=0.2,
        metavar="SHARE",
        help="share of rows held out (default: 0.2)",
    )
    parser.add_argument(
        "--seed", type=_arguments.integer(0), default=0, help="for the rows held out, the parameters, the order"
    )


def add_model_arguments(parser):
    """Declare the neuron."""
    parser.add_argument(
        "--activation", choices=ACTIVATIONS, help="(default: sigmoid for two classes, identity for real numbers)"
    )
    parser.add_argument("--loss", choices=LOSSES, default="mse", help="(default: mse)")


def add_method_arguments(parser, epochs=100):
    """Declare how the neuron is trained, by default for so many epochs."""
    parser.add_argument(
        "--epochs", type=_arguments.integer(0), default=epochs, metavar="N", help=f"(default: {epochs})"
    )
    add_step_arguments(parser)
    parser.add_argument("--threads", type=_arguments.integer(1), default=1, metavar="N", help="(default: 1)")


def add_step_arguments(parser):
    """Declare what a step is."""
    parser.add_argument(
        "--batch-size", type=_arguments.integer(1), default=32, metavar="N", help="rows a step (default: 32)"
    )
    parser.add_argument(
        "--optimizer",
        type=str.lower,
        choices=OPTIMIZERS,
        default="adam",
        metavar="NAME",
        help=f"{', '.join(OPTIMIZERS)}, each with its defaults (default: adam)",
    )
    parser.add_argument(
        "--order", choices=("shuffled", "block-shuffled", "sequential"), default="shuffled", help="(default: shuffled)"
    )


def prepare(arguments):
    """Read the data, hold out a share of the rows, standardise the features, and choose the model.

    Means and deviations are those of the rows to train on.
    """
    if arguments.data is None:
        if arguments.target not in (None, "diagnosis"):
            raise ValueError(f"--target {arguments.target}: the bundled table's target is diagnosis; DATA is missing")
        X, y, columns = load_breast_cancer()
    else:
        X, y, columns = read_table(arguments.data, arguments.target)
    if len(X) == 1 and arguments.test_share > 0:
        raise ValueError(f"{arguments.data} has a single row, and none to hold out: --test-share 0 trains on it")
    train, test = split_rows(len(X), arguments.test_share, arguments.seed)
    scaling = find_scaling(X[train], columns.feature_names)
    X = standardize(X, scaling)
    activation = arguments.activation or ("sigmoid" if columns.class_names else "identity")
    return Setup(
        source="the bundled breast cancer table" if arguments.data is None else str(arguments.data),
        columns=columns,
        scaling=scaling,
        X=X[train],
        y=y[train],
        X_test=X[test],
        y_test=y[test],
        model=fastgd.Neuron(X.shape[1], activation=activation, loss=arguments.loss),
    )


def target_shift_and_unit(setup):
    """Find how the target is standardised: not at all, unless it is real numbers and the output linear.

    Rates that suit outputs of size 1 then suit prices in thousands too.
    """
    linear = ACTIVATIONS[setup.model.activation] == "identity" and LOSSES[setup.model.loss] == "mse"
    if setup.columns.class_names or not linear:
        return 0.0, 1.0
    mean, scale = find_scaling(setup.y.reshape(-1, 1), [setup.columns.target_name])
    return float(mean[0]), float(scale[0])


def target_to_compare_rates(setup):
    """The target, standardised where it should be, and words for that."""
    shift, unit = target_shift_and_unit(setup)
    return (setup.y - shift) / unit, "" if unit == 1 else ", target standardised"
