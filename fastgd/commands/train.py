"""Train a neuron on a table and report how good it is on rows held out."""

import math
import time

import numpy as np

import fastgd
from fastgd._check import nonnegative
from fastgd.activations import ACTIVATIONS
from fastgd.commands import _arguments, _saved_model, _setup
from fastgd.commands._quality import describe_quality
from fastgd.losses import LOSSES

# Stable on up to a hundred standardised features, even if all of them say the same.
_RATES = {"adam": 0.01, "sgd": 0.01, "momentum": 0.001, "nesterov": 0.001}


def add_arguments(parser):
    """Declare data, model and method, and what becomes of the result."""
    _setup.add_data_arguments(parser)
    _setup.add_model_arguments(parser)
    _setup.add_method_arguments(parser)
    parser.add_argument(
        "--lr",
        type=_arguments.number(nonnegative),
        metavar="LR",
        help="learning rate (default: 0.01 for adam and sgd, 0.001 for momentum and nesterov; for others it has to be "
        "given, or found by fastgd lr-find)",
    )
    parser.add_argument(
        "--decay",
        type=_arguments.number(nonnegative),
        metavar="K",
        help="let the rate fall as LR·e^(-K·epoch) (default: it is constant)",
    )
    parser.add_argument("--save", metavar="MODEL.npz", help="write the model to this file, for fastgd predict")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, and of the report the last result only")


def run(arguments):
    """Train, report, save."""
    if arguments.save is not None:
        _arguments.check_writable("--save", arguments.save, inputs=filter(None, [arguments.data]))
    if arguments.lr is None and arguments.optimizer not in _RATES:
        raise ValueError(f"--lr: {arguments.optimizer} has no default rate; fastgd lr-find suggests one")
    setup = _setup.prepare(arguments)
    shift, unit = _setup.target_shift_and_unit(setup)
    optimizer = _setup.OPTIMIZERS[arguments.optimizer]()
    lr = _RATES[arguments.optimizer] if arguments.lr is None else arguments.lr
    options = {
        "optimizer": optimizer,
        "batch_size": arguments.batch_size,
        "order": arguments.order,
        "seed": arguments.seed,
        "threads": arguments.threads,
    }
    schedule = _schedule(lr, arguments.decay)
    y = (setup.y - shift) / unit

    say = _say_nothing if arguments.quiet else _say
    _report_plan(say, arguments, setup, unit, optimizer, lr)
    preparation = _prepare_machine_code(setup, y, arguments, options)
    result = fastgd.fit(
        setup.model, setup.X, y, lr=schedule, epochs=arguments.epochs, progress=not arguments.quiet, **options
    )
    # With a linear output, the target's scaling is taken back in the parameters themselves.
    params = result.params * unit
    params[-1] += shift

    try:
        if arguments.save:  # before the report, whose reader may be gone
            saved = _saved_model.SavedModel(setup.model, params, setup.scaling, setup.columns)
            with _arguments.writing_to(arguments.save):
                _saved_model.save(arguments.save, saved, fastgd.__version__)
    finally:  # and the report where the disk is full
        _report_course(say, setup, arguments.batch_size, result, unit, preparation)
        _report_quality(setup, params)
    if arguments.save:
        say("saved", arguments.save)
    return {"interrupted": 130, "diverged": 1}.get(result.status, 0)


def _schedule(lr, decay):
    return lr if decay is None else fastgd.ExponentialDecay(lr, decay)


def _prepare_machine_code(setup, y, arguments, options):
    """Run one step at rate 0, so that the time reported is that of training; return the seconds it took."""
    start = time.perf_counter()
    rows = slice(arguments.batch_size)
    lr = _schedule(0.0, arguments.decay)
    result = fastgd.fit(setup.model, setup.X[rows], y[rows], lr=lr, epochs=1, **options)
    if result.status == "interrupted":
        raise KeyboardInterrupt
    if not arguments.quiet:
        import tqdm.auto  # noqa: F401  # for the progress bar; it takes longer to import than a short run
    return time.perf_counter() - start


def _say(label, text):
    print(f"{label:<10}{text}", flush=True)  # before the progress bar, which is on another stream


def _say_nothing(label, text):
    pass


def _report_plan(say, arguments, setup, unit, optimizer, lr):
    model, columns = setup.model, setup.columns
    n_train, n_test = len(setup.X), len(setup.X_test)
    say("data", f"{setup.source}: {n_train + n_test} rows, {model.n_features} features, standardised")
    say("", f"{n_train} rows to train on, {n_test} held out")
    if columns.class_names:
        say("target", f"{columns.target_name}: two classes, 0 = {columns.class_names[0]}, 1 = {columns.class_names[1]}")
    else:
        chosen = "" if arguments.activation else ", so the activation is identity"
        standardised = "" if unit == 1 else " (the progress bar's loss is of the standardised ones)"
        say("target", f"{columns.target_name}: real numbers{chosen}{standardised}")
    say("model", f"{ACTIVATIONS[model.activation]} neuron, {LOSSES[model.loss]} loss")
    say("optimizer", f"{optimizer}, batches of {arguments.batch_size}, {arguments.order}, seed {arguments.seed}")
    say("schedule", f"constant rate {lr:g}" if arguments.decay is None else f"{lr:g}·e^(-{arguments.decay:g}·epoch)")


def _report_course(say, setup, batch_size, result, unit, preparation):
    if len(result.history["loss"]):
        for line, text in enumerate(_losses_by_epoch(result.history, unit * unit)):
            say("" if line else "loss", text)
    say("ended", result.message)
    if len(result.history["loss"]) > 1 or result.status == "diverged":
        found = fastgd.diagnose(result)
        if found.verdict.startswith("too large"):
            say("rate", f"{found.verdict}; try {found.advice[0]}")
    n_rows = len(setup.X)
    rows = result.n_steps * n_rows / math.ceil(n_rows / batch_size)
    say("time", f"{result.seconds:.3g} s, {rows / result.seconds:.3g} rows a second")
    say("", f"(and {preparation:.2g} s before, to compile or to load what was compiled)")


def _report_quality(setup, params):
    label, X, y = ("held out", setup.X_test, setup.y_test) if len(setup.X_test) else ("on train", setup.X, setup.y)
    loss = fastgd.value_and_grad(setup.model, params, X, y, np.empty_like(params))
    outputs = fastgd.predict(setup.model, params, X)
    _say(label, f"loss {loss:.4g}, {describe_quality(outputs, y, setup.columns)}")


def _losses_by_epoch(history, unit):
    """Pick epochs 1, 2, 5, 10, 20, 50, ... and the last, and put their losses under them."""
    epochs = np.asarray(history["epoch"])
    steps = {k * 10**power for k in (1, 2, 5) for power in range(10)}
    shown = [i for i, epoch in enumerate(epochs) if round(epoch) in steps or i == len(epochs) - 1]
    cells = [(f"{round(epochs[i])}", f"{history['loss'][i] * unit:.4g}") for i in shown]
    widths = [max(map(len, cell)) for cell in cells]
    for row, name in enumerate(("epoch", "loss")):
        yield "  ".join([f"{name:<5}", *(f"{cell[row]:>{width}}" for cell, width in zip(cells, widths, strict=True))])
