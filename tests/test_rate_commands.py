"""The commands about the learning rate: `sweep`, `lr-find`, `explore`."""

import sys

import pytest
from command_line import assert_error, prices, write_table

# --- sweep


def test_sweep_shows_each_rate_and_the_best(run):
    code, out, err = run(
        "sweep", "--rates", "4", "--start", "0.001", "--end", "1", "--epochs", "5", "--optimizer", "sgd"
    )
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "the bundled breast cancer table: 455 rows, sgd, 5 epochs, 4 rates"
    assert [line.split()[0] for line in lines[2:6]] == ["0.001", "0.01", "0.1", "1"]
    losses = [float(line.split()[1]) for line in lines[2:6]]
    assert losses == sorted(losses, reverse=True)
    assert lines[5].endswith("<- best")
    assert lines[6] == f"best rate 1, loss {losses[3]:.4g}; it is at the edge, so try a higher --end too"


def test_sweep_tells_of_divergence_and_of_a_target_that_it_standardised(run, tmp_path):
    X, y = prices()
    path = write_table(tmp_path / "prices.csv", X, y)
    arguments = ["sweep", path, "--optimizer", "sgd", "--rates", "4", "--epochs", "20"]
    code, out, _ = run(*arguments, "--start", "1e-2", "--end", "1e4")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines() if "diverged in epoch" in line] == ["100", "1e+04"]
    assert "rows, target standardised, sgd, 20 epochs" in out
    assert float(out.splitlines()[-1].split()[-1].rstrip(";")) < 1
    best = out.splitlines()[-1]
    write_table(path, X, y * 1e200)
    code, out, _ = run(*arguments, "--start", "1e-2", "--end", "1e4")
    assert (code, out.splitlines()[-1]) == (0, best)
    write_table(path, X, y)
    code, out, _ = run(*arguments, "--start", "1e3", "--end", "1e5")
    assert code == 1
    assert out.splitlines()[-1] == "training blew up at all rates: try a lower --start"


def test_sweep_without_a_step_says_so(run):
    code, out, _ = run("sweep", "--rates", "2", "--epochs", "0")
    assert code == 1
    assert [line.split()[1:] for line in out.splitlines()[2:]] == [
        ["no", "step"],
        ["no", "step"],
        ["step", "was", "taken"],
    ]


def test_sweep_s_help_tells_its_own_default(run, capsys):
    with pytest.raises(SystemExit):
        run("sweep", "--help")
    with_help = capsys.readouterr().out
    assert "--epochs N" in with_help
    assert "(default: 30)" in with_help
    assert "(default: 100)" not in with_help


def test_sweep_draws(run, tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "sweep.png"
    code, out, _ = run("sweep", "--rates", "3", "--epochs", "2", "--optimizer", "sgd", "--png", path)
    assert code == 0
    assert out.splitlines()[-1] == f"drawn: {path}"
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--start", "0"], ["argument --start: must be a positive finite number, got 0"]),
        (["--end", "inf"], ["argument --end: must be a positive finite number, got inf"]),
        (["--start", "1", "--end", "1"], ["--start must be below --end, got 1 and 1"]),
        (["--rates", "9" * 15], ["there is not enough memory"]),
        (["--rates", "1"], ["argument --rates: must be an integer, 2 or larger, got 1"]),
        (["--epochs", "-1"], ["argument --epochs: must be an integer, 0 or larger, got -1"]),
        (["--png", "a.jpg"], ["--png", ".png", "a.jpg"]),
        (["--png", "nowhere/a.png"], ["--png", "there is no folder 'nowhere'"]),
        (["missing.csv"], ["missing.csv"]),
    ],
)
def test_sweep_refuses_bad_input(run, arguments, words):
    assert_error(run("sweep", *arguments), *words)


# --- lr-find


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_lr_find_shows_the_curve_and_rates_that_train(run, optimizer):
    code, out, err = run("lr-find", "--optimizer", optimizer)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[:2] == [
        f"the bundled breast cancer table: 455 rows, {optimizer}, batches of 32", "all 100 rates were tried, up to 10",
    ]  # fmt: skip
    assert out.isascii()
    assert max(map(len, lines)) <= 100
    curve = [line for line in lines if " |" in line]
    assert len(curve) == 12
    assert "*" in curve[0]
    assert "*" in curve[-1]
    assert float(curve[-1].split("|")[0]) < float(curve[0].split("|")[0])
    rates = {line.split()[1]: line.split()[2] for line in lines if line[:2] in ("V ", "S ", "M ", "L ")}
    assert list(rates) == ["valley", "steepest", "minimum", "slide"]
    _, trained, _ = run("train", "--quiet", "--epochs", "30", "--optimizer", optimizer, "--lr", rates["valley"])
    assert float(trained.split("accuracy")[1].split()[0]) >= 95


def test_lr_find_says_why_there_is_no_rate(run, tmp_path):
    code, out, _ = run("lr-find", "--start", "1e-9", "--end", "1e-8")
    assert code == 1
    assert "no rate is suggested: flat: the loss stayed near" in out
    path = write_table(tmp_path / "prices.csv", *prices())
    code, out, _ = run("lr-find", path, "--optimizer", "sgd", "--start", "1e3", "--end", "1e5")
    assert code == 1
    assert out.splitlines()[0].endswith("rows, target standardised, sgd, batches of 32")
    assert "no rate is suggested: diverged at once" in out
    assert run("lr-find", path, "--optimizer", "sgd", "--repeats", "3")[0] == 0


def test_lr_find_draws(run, tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "finder.png"
    code, out, _ = run("lr-find", "--png", path)
    assert code == 0
    assert out.splitlines()[-1] == f"drawn: {path}"
    assert path.read_bytes().startswith(b"\x89PNG")


def test_lr_find_without_a_picture_does_not_import_matplotlib(python):
    code = "import sys; from fastgd.__main__ import main; main(['lr-find']); assert 'matplotlib' not in sys.modules"
    assert "valley" in python("-c", code).stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--start", "0"], ["argument --start: must be a positive finite number, got 0"]),
        (["--end", "inf"], ["argument --end: must be a positive finite number, got inf"]),
        (["--start", "1", "--end", "1"], ["lr_find: start must be smaller than end, 1, got 1"]),
        (["--steps", "9"], ["argument --steps: must be an integer, 10 or larger, got 9"]),
        (["--repeats", "0"], ["argument --repeats: must be an integer, 1 or larger, got 0"]),
        (["--png", "a.jpg"], ["--png", ".png", "a.jpg"]),
        (["--png", "nowhere/a.png"], ["--png", "there is no folder 'nowhere'"]),
        (["missing.csv"], ["missing.csv"]),
    ],
)
def test_lr_find_refuses_bad_input(run, arguments, words):
    assert_error(run("lr-find", *arguments), *words)


def test_lr_find_says_what_to_install_for_pictures(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert_error(run("lr-find", "--png", "a.png"), "--png needs matplotlib: pip install matplotlib")


# --- explore


def test_explore_writes_a_page_and_shows_the_first_steps(run, tmp_path):
    path = tmp_path / "explorer.html"
    code, out, err = run("explore", "--lr", "0.1", "--start", "4", "--html", path)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[:3] == [
        "bowl, sgd, rate 0.1, from x = 4.00",
        "the first update:",
        "  x_new = 4.00 - 0.1 (8.00) = 3.20",
    ]
    assert lines[3].startswith("the rate here: slow.")
    assert [line.split() for line in lines[4:7]] == [
        ["step", "x", "d/dx", "loss"],
        ["0", "4.00", "8.00", "16.00"],
        ["1", "3.20", "6.40", "10.24"],
    ]
    assert lines[-3].split()[:2] == ["8", "0.671"]  # 4 · 0.8⁸
    assert lines[-2] == "Taking steps downhill: the loss fell from 0.704 to 0.450."
    assert lines[-1] == f"written: {path} (open it in any browser)"
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_explore_begins_as_it_is_told_to(run, tmp_path):
    path = tmp_path / "explorer.html"
    arguments = ["--objective", "rosenbrock", "--optimizer", "nesterov", "--momentum", "0.5", "--start", "-0.5,0.25"]
    code, out, _ = run("explore", *arguments, "--lr", "1e-3", "--html", path)
    assert code == 0
    assert out.startswith("rosenbrock, nesterov, rate 0.001, from x = -0.500, 0.250\n")
    page = path.read_text(encoding="utf-8")
    assert '"optimizer": "nesterov", "lr": 0.001, "start": [-0.5, 0.25], "momentum": 0.5' in page


def test_explore_stops_at_a_divergence(run, tmp_path):
    code, out, _ = run("explore", "--lr", "1e5", "--html", tmp_path / "explorer.html")
    assert code == 0
    assert "Diverged after 2 steps: the rate is too large here." in out


def test_explore_draws(run, tmp_path):
    pytest.importorskip("matplotlib")
    path, page = tmp_path / "explorer.png", tmp_path / "explorer.html"
    code, out, _ = run("explore", "--objective", "himmelblau", "--optimizer", "adam", "--png", path, "--html", page)
    assert code == 0
    assert out.splitlines()[-2:] == [f"written: {page} (open it in any browser)", f"drawn: {path}"]
    assert path.read_bytes().startswith(b"\x89PNG")


def test_explore_without_a_display_says_what_to_do(run, monkeypatch):
    mpl = pytest.importorskip("matplotlib")
    mpl.use("Agg")
    assert_error(run("explore"), "there is no display for a window", "--html explorer.html", "--png explorer.png")
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert_error(run("explore"), "pip install matplotlib")


def test_explore_with_a_display_that_is_asked_for_in_vain(run, monkeypatch):
    plt = pytest.importorskip("matplotlib.pyplot")

    def fails():
        raise ImportError("Cannot load backend 'TkAgg'")

    monkeypatch.setattr(plt, "figure", fails)
    assert_error(run("explore"), "there is no display for a window")


def test_explore_opens_a_window(run, monkeypatch):
    plt = pytest.importorskip("matplotlib.pyplot")
    shown = []
    monkeypatch.setattr("matplotlib.get_backend", lambda: "TkAgg")
    monkeypatch.setattr(plt, "show", lambda: shown.extend(plt.get_fignums()))
    assert run("explore", "--objective", "booth", "--optimizer", "momentum")[0] == 0
    assert len(shown) == 1
    plt.close("all")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--objective", "banana"], ["--objective must be one of bowl, ill-conditioned, rosenbrock", "got 'banana'"]),
        (["--lr", "0"], ["argument --lr: must be a positive finite number, got 0"]),
        (["--lr", "-0.1"], ["argument --lr: must be a positive finite number, got -0.1"]),
        (["--lr", "nan"], ["argument --lr: must be a positive finite number, got nan"]),
        (["--lr", "inf"], ["argument --lr: must be a positive finite number, got inf"]),
        (["--momentum", "1"], ["argument --momentum: must be a number in [0, 1), got 1"]),
        (["--start", "1,2,3"], ["--start must be one number or two numbers for bowl, got 3"]),
        (["--start", ","], ["--start must be one number or two numbers for bowl, got 0"]),
        (["--objective", "booth", "--start", "1"], ["--start must be two numbers for booth, got 1"]),
        (["--objective", "rosenbrock", "--start", "1"], ["--start must be two numbers for rosenbrock, got 1"]),
        (["--start", "inf"], ["--start must be finite, got inf"]),
        (["--start", "four"], ["argument --start: expected numbers separated by commas or spaces, got 'four'"]),
        (["--optimizer", "newton"], ["argument --optimizer: invalid choice: 'newton'"]),
        (["--html", "a.txt"], ["--html", ".html", "a.txt"]),
        (["--html", "nowhere/a.html"], ["--html", "there is no folder 'nowhere'"]),
        (["--png", "a.jpg"], ["--png", ".png", "a.jpg"]),
    ],
)
def test_explore_refuses_bad_input(run, arguments, words):
    assert_error(run("explore", *arguments), *words)
