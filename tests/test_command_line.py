"""The command line: in this process, and in processes of its own."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from command_line import assert_error, classes, prices, write_table

import fastgd
from fastgd.__main__ import main
from fastgd.commands._setup import OPTIMIZERS
from fastgd.tables import load_breast_cancer


def report_of(out):
    """Collect the lines of a report by their labels; lines without a label belong to the one above."""
    report = {}
    for line in out.splitlines():
        label = line[:10].strip() or label  # noqa: F821 (of the line before)
        report.setdefault(label, []).append(line[10:])
    return {label: "\n".join(lines) for label, lines in report.items()}


# --- derive


def test_derive_prints_the_worked_example(run):
    code, out, err = run("derive", "--x", "2", "--w", "3", "--b", "1", "--y", "1")
    assert (code, err) == (0, "")
    assert out == str(fastgd.derive(2.0, 3.0, 1.0, 1.0)) + "\n"
    assert out == run("derive")[1]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--x", "-1e-3,2", "--w", "-.5,-3", "--b", "-1"],
        ["--x", "-1e-3", "2", "--w", "-0.5", "-3", "--b", "-1"],
        ["--x", "-1e-3, 2", "--w=-.5,-3", "--b=-1.0"],
    ],
)
def test_derive_takes_vectors_and_negative_numbers(run, arguments):
    assert run("derive", *arguments) == (0, f"{fastgd.derive([-1e-3, 2.0], [-0.5, -3.0], -1.0, 1.0)}\n", "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--x", "two"], "argument --x: expected numbers separated by commas or spaces, got 'two'"),
        (["--x", "1,2"], "derive: w must have the shape of x, (2,), got ()"),
        (["--x", "nan"], "derive: x must be a finite number, got nan"),
        (["--x", ","], "derive: x must be a finite number or a 1-D array of them, got []"),
        (["--b", "one"], "argument --b: must be a finite number, got one"),
        (["--b"], "argument --b: expected one argument"),
        (["--z", "1"], "unrecognized arguments: --z 1"),
    ],
)
def test_derive_refuses_bad_input(run, arguments, words):
    assert_error(run("derive", *arguments), words)


def test_derive_does_not_fail_where_there_is_no_sigma(spawn):
    process = spawn("derive", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert r"\u03c3(z)" in out


# --- the frame


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--version"], f"fastgd {fastgd.__version__}"),
        (["--help"], "backpropagation by hand"),
        (["train", "--help"], "--test-share"),
        (["predict", "--help"], "MODEL.npz"),
        (["derive", "--help"], "--x"),
    ],
)
def test_version_and_help(capsys, arguments, words):
    with pytest.raises(SystemExit, match="0"):
        main(arguments)
    assert words in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [([], "required: COMMAND"), (["fly"], "invalid choice: 'fly'"), (["train", "a", "b"], "unrecognized arguments: b")],
)
def test_bad_usage_is_one_line(run, arguments, words):
    assert_error(run(*arguments), words, "--help)")


def test_derive_starts_without_compiling_anything():
    code = (
        "import sys; from fastgd.__main__ import main; main(['derive']); print('fastgd.commands.train' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=True)
    assert done.stdout.endswith("False\n")


# --- train


def test_the_defaults_reach_95_percent_on_the_bundled_table(run):
    code, out, err = run("train")
    report = report_of(out)
    assert code == 0
    assert "569 rows, 30 features" in report["data"]
    assert "455 rows to train on, 114 held out" in report["data"]
    assert "0 = benign, 1 = malignant" in report["target"]
    assert report["model"] == "sigmoid neuron, mse loss"
    assert "Adam(" in report["optimizer"]
    assert report["schedule"] == "constant rate 0.01"
    assert "rows a second" in report["time"]
    accuracy = float(report["held out"].partition("accuracy ")[2].partition(" %")[0])
    assert accuracy >= 95
    assert "100%" in err  # the progress bar


@pytest.mark.parametrize("seed", range(1, 6))
def test_so_they_do_with_other_seeds(run, seed):
    code, out, err = run("train", "--quiet", "--seed", seed)
    assert (code, err) == (0, "")
    assert float(out.partition("accuracy ")[2].partition(" %")[0]) >= 94


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "momentum", "nesterov"])
@pytest.mark.parametrize("loss", ["mse", "binary_cross_entropy"])
def test_every_optimizer_learns_with_its_own_rate(run, optimizer, loss):
    code, out, _ = run("train", "--optimizer", optimizer, "--loss", loss)
    report = report_of(out)
    assert code == 0
    assert report["optimizer"].lower().startswith(optimizer)
    assert f"{loss} loss" in report["model"]
    assert float(report["held out"].partition("accuracy ")[2].partition(" %")[0]) >= 93


@pytest.mark.parametrize("optimizer", ["AdamW", "lion"])
def test_any_optimizer_learns_with_a_given_rate(run, optimizer):
    code, out, _ = run("train", "--optimizer", optimizer, "--lr", "0.003")
    assert code == 0
    report = report_of(out)
    assert report["optimizer"].lower().startswith(f"{optimizer.lower()}(")
    assert float(report["held out"].partition("accuracy ")[2].partition(" %")[0]) >= 93


def test_the_optimizers_are_those_of_the_package():
    assert {"adam", "rprop", "lamb", "schedulefreeadamw"} <= set(OPTIMIZERS)
    assert all(isinstance(fastgd.init_state(cls(), np.zeros(3, np.float32)), tuple) for cls in OPTIMIZERS.values())


def test_no_epochs_give_no_table(run):
    code, out, _ = run("train", "--epochs", "0")
    report = report_of(out)
    assert code == 0
    assert "loss" not in report
    assert report["ended"].startswith("ran all its epochs: after 0 epochs and 0 steps")
    assert "accuracy" in report["held out"]


def test_the_loss_by_epoch_is_a_short_table(run):
    report = report_of(run("train", "--epochs", "30")[1])
    epochs, losses = report["loss"].splitlines()
    assert epochs.split() == ["epoch", "1", "2", "5", "10", "20", "30"]
    values = [float(value) for value in losses.split()[1:]]
    assert values[0] > values[2] > values[-1] > 0


def test_the_schedule_and_the_method_are_passed_on(run):
    code, out, _ = run(
        "train", "--lr", "0.1", "--decay", "0.05", "--batch-size", "7", "--order", "block-shuffled",
        "--threads", "2", "--epochs", "3", "--seed", "5", "--test-share", "0.5",
    )  # fmt: skip
    report = report_of(out)
    assert code == 0
    assert report["schedule"] == "0.1·e^(-0.05·epoch)"
    assert "batches of 7, block-shuffled, seed 5" in report["optimizer"]
    assert "285 rows to train on, 284 held out" in report["data"]
    assert "3 epochs and 123 steps" in report["ended"]  # 285 rows are 41 batches of 7, the last of them short


def test_the_same_seed_trains_the_same_again(run):
    first, second, other = (run("train", "--quiet", "--epochs", "5", "--seed", seed)[1] for seed in (3, 3, 4))
    assert first == second != other


def test_nothing_held_out(run):
    report = report_of(run("train", "--test-share", "0", "--epochs", "20")[1])
    assert "held out" not in report
    assert "of 569" in report["on train"]


def test_real_numbers_are_predicted_in_their_own_unit(run, tmp_path):
    X, y = prices()
    data = write_table(tmp_path / "prices.csv", X, y.tolist(), ["area", "tax"], "price")
    code, out, _ = run("train", data, "--target", "price", "--save", tmp_path / "model.npz")
    report = report_of(out)
    assert code == 0
    bar = "(the progress bar's loss is of the standardised ones)"
    assert report["target"] == f"price: real numbers, so the activation is identity {bar}"
    # The noise of the data, and as much of the variance as a least-squares line explains.
    error = float(report["held out"].partition("error ")[2].partition(",")[0])
    assert 35 < error < 70
    assert float(report["held out"].partition("R² ")[2].partition(" ")[0]) > 0.98
    # The last loss is a squared price too.
    assert 35**2 < float(report["loss"].split()[-1]) < 70**2

    code, out, err = run("predict", tmp_path / "model.npz", data)
    assert out.startswith("predicted_price\n")
    predicted = np.array([float(line) for line in out.splitlines()[1:]])
    design = np.column_stack([X, np.ones(len(X))])
    line = design @ np.linalg.lstsq(design, y, rcond=None)[0]
    assert np.abs(predicted - line).max() < 30
    assert "root mean square error" in err


def test_a_target_without_variance_has_no_share_of_it_explained(run, tmp_path):
    X, _ = prices()
    data = write_table(tmp_path / "same.csv", X, [0.1] * len(X), ["area", "tax"], "price")
    _, out, _ = run("train", data, "--epochs", "2", "--save", tmp_path / "model.npz")
    _, _, err = run("predict", tmp_path / "model.npz", data)
    assert "root mean square error" in out
    assert "root mean square error" in err
    assert "R²" not in out + err


def test_large_numbers_are_predicted_to_their_last_digits(run, tmp_path):
    when = 1700000000 + np.arange(50) % 10
    data = write_table(tmp_path / "times.csv", np.arange(50.0)[:, None] % 10, when.tolist(), ["x"], "when")
    run("train", data, "--epochs", 300, "--lr", 0.05, "--save", tmp_path / "model.npz")
    out = run("predict", tmp_path / "model.npz", data)[1]
    np.testing.assert_allclose([float(line) for line in out.splitlines()[1:]], when, rtol=0, atol=0.1)


def test_a_chosen_activation_stands(run, tmp_path):
    X, y = prices()
    data = write_table(tmp_path / "prices.csv", X, (y > y.mean()) * 0.5 + 0.25, ["area", "tax"], "share")
    report = report_of(run("train", data, "--activation", "tanh", "--epochs", "5")[1])
    assert report["model"] == "tanh neuron, mse loss"
    assert report["target"] == "share: real numbers"


@pytest.mark.parametrize("kind", ["csv", "plain.csv", "npy", "npz"])
def test_every_kind_of_file_trains_and_predicts(run, tmp_path, kind):
    X, y = classes()
    data, model = tmp_path / f"data.{kind}", tmp_path / "model.npz"
    if kind == "npy":
        np.save(data, np.column_stack([X, y]))
    elif kind == "npz":
        np.savez(data, X=X, y=y)
    else:
        write_table(data, X, y.tolist(), ["a", "b", "c"] if kind == "csv" else None)
    code, out, _ = run("train", data, "--quiet", "--lr", "0.05", "--save", model)
    assert code == 0
    assert float(out.partition("accuracy ")[2].partition(" %")[0]) >= 95

    code, out, err = run("predict", model, data)
    rows = list(csv.reader(out.splitlines()))
    assert code == 0
    assert rows[0] == ["probability_1", "class"]
    assert len(rows) == 201
    right = sum(row[1] == str(int(value)) for row, value in zip(rows[1:], y, strict=True))
    assert right >= 190
    assert err == f"accuracy {right / 2:.1f} % ({right} of 200)\n"


def test_float32_stays_float32(run, tmp_path):
    X, y = classes()
    np.savez(tmp_path / "data.npz", X=X.astype(np.float32), y=y)
    assert run("train", tmp_path / "data.npz", "--quiet", "--save", tmp_path / "model.npz")[0] == 0
    with np.load(tmp_path / "model.npz", allow_pickle=False) as saved:
        assert saved["params"].dtype == np.float32
    assert run("predict", tmp_path / "model.npz", tmp_path / "data.npz")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.csv"], "nowhere.csv: No such file or directory"),
        (["--epochs", "-1"], "argument --epochs: must be an integer, 0 or larger, got -1 (see fastgd train --help)"),
        (["--batch-size", "0"], "argument --batch-size: must be an integer, 1 or larger, got 0"),
        (["--batch-size", "1.5"], "argument --batch-size: must be an integer, 1 or larger, got 1.5"),
        (["--lr", "-1"], "argument --lr: must be a finite number, 0 or larger, got -1"),
        (["--lr", "nan"], "argument --lr: must be a finite number, 0 or larger, got nan"),
        (["--decay", "-1"], "argument --decay: must be a finite number, 0 or larger, got -1"),
        (["--threads", "0"], "argument --threads: must be an integer, 1 or larger, got 0"),
        (["--seed", "-1"], "argument --seed: must be an integer, 0 or larger, got -1"),
        (["--seed", str(1 << 63)], "argument --seed: must be below 2^63, got 9223372036854775808"),
        (["--test-share", "1"], "argument --test-share: must be a number in [0, 1), got 1"),
        (["--optimizer", "sgdd"], "argument --optimizer: invalid choice: 'sgdd'"),
        (["--optimizer", "lion"], "--lr: lion has no default rate; fastgd lr-find suggests one"),
        (["--target", "price"], "--target price: the bundled table's target is diagnosis"),
        (["--activation", "tanh", "--loss", "binary_cross_entropy"], "sigmoid"),
        (["--save", "no/such/folder/model.npz"], "--save: there is no folder 'no/such/folder'"),
        (["--save", "."], "--save: '.' is a folder"),
        (["--save", ""], "--save: a file name is expected, got ''"),
        (["--target", "-5"], "--target -5: the bundled table's target is diagnosis"),
    ],
)
def test_train_refuses_bad_input(run, arguments, words):
    assert_error(run("train", *arguments), words)


@pytest.mark.parametrize(
    ("content", "arguments", "words"),
    [
        ("a,y\n1,2\n3,x\n", [], "table.csv, line 3, column 'y': expected a finite number, got 'x'"),
        ("a,y\n1,2\nb,3\n", [], "table.csv, line 3, column 'a': expected a finite number, got 'b'"),
        ("a,y\n1,2\n1\n", [], "table.csv, line 3: expected 2 cells, got 1"),
        ("a,y\n", [], "table.csv has no rows"),
        ("a,y\n1,2\n", ["--target", "z"], "has no column 'z'; its columns are 'a', 'y'"),
        ("a,y\n1,2\n", [], "table.csv has a single row, and none to hold out: --test-share 0"),
        ("a,y\n1,2\n2,3\n3,5\n", ["--loss", "binary_cross_entropy", "--activation", "sigmoid"], "[0, 1]"),
    ],
)
def test_train_refuses_bad_tables(run, tmp_path, content, arguments, words):
    (tmp_path / "table.csv").write_text(content)
    code, _, err = run("train", tmp_path / "table.csv", "--quiet", *arguments)
    assert_error((code, "", err), words)


@pytest.mark.filterwarnings("default")
def test_a_divergence_is_told(run, tmp_path):
    X, y = prices()
    data = write_table(tmp_path / "prices.csv", X, y.tolist(), ["area", "tax"], "price")
    code, out, err = run("train", data, "--optimizer", "sgd", "--lr", "1e6", "--epochs", "50")
    assert code == 1
    assert "fastgd: warning: " in err
    assert "diverged" in err
    assert "held out" in out


# --- saved models


@pytest.fixture
def model(tmp_path):
    """A hand-made model: the probability of `rotten` is σ(2·(weight - 150)/30 - 1·(age - 4)/2 + 0.5)."""
    content = {
        "format": 1,
        "fastgd_version": "0",
        "model": "Neuron",
        "n_features": 2,
        "activation": "sigmoid",
        "loss": "mse",
        "params": np.array([2.0, -1.0, 0.5]),
        "mean": np.array([150.0, 4.0]),
        "scale": np.array([30.0, 2.0]),
        "feature_names": ["weight", "age"],
        "target_name": "state",
        "target_index": 2,
        "class_names": ["fresh", "rotten"],
        "named": True,
    }

    def write(name="model.npz", without=(), **changes):
        path = tmp_path / name
        np.savez(path, **{key: value for key, value in {**content, **changes}.items() if key not in without})
        return path

    return write


def test_predict_scales_and_orders_the_columns(run, model, tmp_path):
    (tmp_path / "new.csv").write_text("note,age,state,weight\nx,4,fresh,150\ny,6,rotten,120\nz,4,rotten,180\n")
    code, out, err = run("predict", model(), tmp_path / "new.csv")
    # z = 0.5; 2·(-1) - 1·1 + 0.5 = -2.5; 2 + 0.5 = 2.5
    expected = [1 / (1 + np.exp(-z)) for z in (0.5, -2.5, 2.5)]
    rows = list(csv.reader(out.splitlines()))
    assert code == 0
    assert rows[0] == ["probability_rotten", "class"]
    np.testing.assert_allclose([float(row[0]) for row in rows[1:]], expected, rtol=1e-8)
    assert [row[1] for row in rows[1:]] == ["rotten", "fresh", "rotten"]
    assert err == "accuracy 33.3 % (1 of 3)\n"


def test_predict_without_the_target_to_a_file(run, model, tmp_path):
    (tmp_path / "new.csv").write_text("weight,age\n150,4\n")
    code, out, err = run("predict", model(), tmp_path / "new.csv", "--output", tmp_path / "out.csv")
    assert (code, out, err) == (0, "", "")
    assert (tmp_path / "out.csv").read_bytes() == b"probability_rotten,class\n0.622459331,rotten\n"  # σ(0.5)


def test_an_output_that_is_no_probability_is_not_called_one(run, model, tmp_path):
    (tmp_path / "new.csv").write_text("weight,age\n150,4\n")
    out = run("predict", model(activation="identity"), tmp_path / "new.csv")[1]
    assert out == "output,class\n0.5,rotten\n"
    out = run("predict", model(activation="identity", class_names=np.array([], str)), tmp_path / "new.csv")[1]
    assert out == "predicted_state\n0.5\n"


def test_what_train_saves(run, tmp_path):
    path = tmp_path / "a model"  # no suffix: the name is taken as it is
    assert run("train", "--epochs", "3", "--save", path)[0] == 0
    X, _, columns = load_breast_cancer()
    with np.load(path, allow_pickle=False) as saved:
        assert int(saved["format"]) == 1
        assert str(saved["fastgd_version"]) == fastgd.__version__
        assert (str(saved["model"]), int(saved["n_features"])) == ("Neuron", 30)
        assert (str(saved["activation"]), str(saved["loss"])) == ("sigmoid", "mse")
        assert saved["params"].shape == (31,)
        # Scaled by the rows trained on, four fifths of all.
        np.testing.assert_allclose(saved["mean"], X.mean(axis=0), rtol=0.1)
        np.testing.assert_allclose(saved["scale"], X.std(axis=0), rtol=0.3)
        assert tuple(saved["feature_names"]) == columns.feature_names
        assert (str(saved["target_name"]), int(saved["target_index"])) == ("diagnosis", 30)
        assert tuple(saved["class_names"]) == ("benign", "malignant")
        assert bool(saved["named"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"without": ["format"]}, "is not a model saved by fastgd train"),
        ({"format": 2}, "has format 2; this version of fastgd reads format 1"),
        ({"without": ["mean"]}, "is a damaged model: 'mean"),
        ({"params": np.ones(5)}, "is a damaged model: its arrays do not fit together"),
        ({"feature_names": ["weight"]}, "is a damaged model: its arrays do not fit together"),
        ({"params": np.array([1.0, np.nan, 0.0])}, "is a damaged model: its numbers are not all real and finite"),
        ({"params": np.array([1.0, 2.0j, 0.0])}, "is a damaged model: its numbers are not all real and finite"),
        ({"scale": np.array([1.0, 0.0])}, "is a damaged model: the scale of a feature is not positive"),
        ({"model": "Network"}, "is a damaged model: its model is Network, which this version of fastgd does not know"),
        ({"n_features": 2.5}, "is a damaged model: Neuron: n_features must be an integer"),
        ({"target_index": 9}, "is a damaged model: its columns or its classes are not told apart"),
        ({"class_names": np.array(["x", "x"])}, "is a damaged model: its columns or its classes are not told apart"),
        ({"class_names": np.array([["x", "y"]])}, "is a damaged model: its arrays do not fit together"),
        ({"feature_names": ["weight", "weight"]}, "is a damaged model: its columns or its classes are not told apart"),
        ({"activation": "step"}, "is a damaged model: Neuron: activation must be one of"),
        ({"params": np.array([1, None, 0])}, "is not a model saved by fastgd train"),
    ],
)
def test_predict_refuses_other_models(run, model, tmp_path, changes, words):
    (tmp_path / "new.csv").write_text("weight,age\n150,4\n")
    assert_error(run("predict", model(**changes), tmp_path / "new.csv"), "model.npz", words)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("weight,state\n150,fresh\n", "new.csv lacks 1 column: 'age'"),
        ("150\n", "new.csv: expected 2 columns, or 3 with the target, got 1"),
        ("weight,age\n150,old\n", "new.csv, line 2, column 'age': expected a finite number, got 'old'"),
        ("weight,age,state\n150,4,ripe\n", "expected one of the classes 'fresh', 'rotten', got 'ripe'"),
    ],
)
def test_predict_refuses_other_tables(run, model, tmp_path, content, words):
    (tmp_path / "new.csv").write_text(content)
    assert_error(run("predict", model(), tmp_path / "new.csv"), words)


def test_predict_has_no_class_for_numbers_beyond_the_model_s(run, tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 2)).astype(np.float32)
    np.save(tmp_path / "data.npy", np.c_[X, X[:, 0] > 0].astype(np.float32))
    run("train", tmp_path / "data.npy", "--save", tmp_path / "model.npz", "--epochs", "1")
    (tmp_path / "large.csv").write_text("1,2\n1,1e300\n")
    words = "row 2, column 'column_1': 1e+300 is too large for the model, in float32"
    assert_error(run("predict", tmp_path / "model.npz", tmp_path / "large.csv"), words)


def test_predict_refuses_files_that_are_not_there(run, model, tmp_path):
    (tmp_path / "new.csv").write_text("weight,age\n150,4\n")
    assert_error(run("predict", tmp_path / "none.npz", tmp_path / "new.csv"), "none.npz: No such file")
    assert_error(run("predict", model(), tmp_path / "none.csv"), "none.csv: No such file")
    assert_error(run("predict", tmp_path / "new.csv", tmp_path / "new.csv"), "new.csv is not a model saved by fastgd")
    output = tmp_path / "none" / "out.csv"
    assert_error(run("predict", model(), tmp_path / "new.csv", "--output", output), "--output: there is no folder")


def test_what_is_read_is_not_written_over(run, model, tmp_path):
    data, saved = tmp_path / "new.csv", model()
    data.write_text("weight,age\n150,4\n")
    before = data.read_bytes(), saved.read_bytes()
    for output in (data, saved):
        words = f"--output: {str(output)!r} is read from, and would be lost"
        assert_error(run("predict", saved, data, "--output", output), words)
    assert_error(run("train", data, "--save", data), f"--save: {str(data)!r} is read from, and would be lost")
    assert (data.read_bytes(), saved.read_bytes()) == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full here")
def test_a_full_disk_is_named(run, model, tmp_path):
    (tmp_path / "new.csv").write_text("weight,age\n150,4\n")
    full = "/dev/full: No space left on device"
    assert_error(run("predict", model(), tmp_path / "new.csv", "--output", "/dev/full"), full)
    code, _, err = run("train", "--quiet", "--epochs", "1", "--save", "/dev/full")
    assert (code, err) == (2, f"fastgd: error: {full}\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full here")
@pytest.mark.parametrize(
    ("command", "option", "suffix"),
    [("explore", "--html", ".html"), ("explore", "--png", ".png"), ("lr-find", "--png", ".png")],
)
def test_a_full_disk_is_named_by_what_draws(run, tmp_path, command, option, suffix):
    if suffix == ".png":
        pytest.importorskip("matplotlib")
    path = tmp_path / f"full{suffix}"
    path.symlink_to("/dev/full")
    code, _, err = run(command, option, path)  # what was found is printed before it is drawn
    assert (code, err) == (2, f"fastgd: error: {path}: No space left on device\n")


def test_a_rate_that_is_too_large_is_told_of(run, tmp_path):
    X = np.random.default_rng(0).normal(size=(60, 3))
    np.savetxt(tmp_path / "data.csv", np.c_[X, X @ [1, 2, 3]], delimiter=",")
    options = ("--optimizer", "sgd", "--lr", "1e3", "--epochs", "3")
    assert "\nrate      too large: diverged; try " in run("train", tmp_path / "data.csv", *options)[1]


# --- processes


def test_the_whole_way_in_processes_of_its_own(spawn, tmp_path):
    X, y = classes()
    data = write_table(tmp_path / "data.csv", X, ["up" if value else "down" for value in y], ["a", "b", "c"])
    process = spawn("train", data, "--lr", "0.05", "--save", tmp_path / "model.npz")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "0 = down, 1 = up" in out
    assert "Traceback" not in err
    process = spawn("predict", tmp_path / "model.npz", data)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0
    assert out.startswith("probability_up,class\n")
    assert out.count("\n") == 201
    assert err.startswith("accuracy 9") or err.startswith("accuracy 100")


@pytest.mark.skipif(os.name != "posix", reason="pipes end otherwise on this system")
def test_a_reader_that_stops_is_no_error(spawn, model, tmp_path):
    np.save(tmp_path / "new.npy", np.ones((200_000, 2)))
    process = spawn("predict", model(), tmp_path / "new.npy")
    assert process.stdout.readline() == "probability_rotten,class\n"
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(timeout=60) == 141


def test_the_model_is_saved_though_nobody_reads_the_report(spawn, tmp_path):
    process = spawn("train", "--epochs", "2", "--quiet", "--save", tmp_path / "model.npz")
    process.stdout.close()
    process.wait(timeout=120)
    assert (tmp_path / "model.npz").exists()


@pytest.mark.skipif(os.name != "posix", reason="signals are sent otherwise on this system")
def test_ctrl_c_reports_and_saves_what_was_reached(spawn, tmp_path):
    process = spawn("train", "--epochs", "1000000000", "--save", tmp_path / "model.npz")
    while process.stderr.read(1) not in "1":  # the progress bar has begun
        pass
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "held out" in out
    assert "accuracy" in out
    with np.load(tmp_path / "model.npz", allow_pickle=False) as saved:
        assert np.isfinite(saved["params"]).all()


def test_an_interrupt_outside_of_training_is_no_traceback(run, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("fastgd.commands.derive.derive", interrupted)
    assert run("derive") == (130, "", "fastgd: interrupted\n")
