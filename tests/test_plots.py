"""Pictures: what they show is what the results say, and nothing of it is cut off or written over."""

import copy
import dataclasses
import re
import sys
import warnings
from functools import cache

import matplotlib as mpl
import numpy as np
import plot_results
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from matplotlib import pyplot as plt
from matplotlib.collections import PolyCollection
from pictures import misplaced
from plot_results import SGD, found, rows, swept

import fastgd
from fastgd import plots, problems
from fastgd.plots import (
    GradientNormsDisplay,
    GraphDisplay,
    LearningCurvesDisplay,
    LRFinderDisplay,
    NeuronDisplay,
    PathDisplay,
    ScheduleDisplay,
    SweepCurvesDisplay,
    SweepDisplay,
    _style,
)

mpl.use("Agg")

CLIP = fastgd.ClipByNorm(1.0)
LINE = fastgd.Neuron(4, "identity")


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


@cache
def run(**options):
    X, y = rows()
    defaults = {"lr": 0.02, "epochs": 12, "batch_size": 16, "optimizer": SGD}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # one of them diverges
        return fastgd.fit(LINE, X, 3 * y, **{**defaults, **options})


@cache
def diverged():
    return run(lr=3.0, epochs=60)


@cache
def sweep_of(n, most=8.0, **options):
    return swept(np.geomspace(1e-3, most, n), **options)


@cache
def paths(problem, start, *rates):
    how = {"optimizer": SGD, "max_steps": 60, "record": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return {f"rate {lr:g}": fastgd.minimize(problem, np.array(start), lr=lr, **how) for lr in rates}


MANY = {"grid": {"beta": [0.5, 0.9]}, "seeds": [0, 1, 2]}
LONG = [fastgd.Warmup(2, fastgd.CosineAnnealing(0.1, k)) for k in range(10, 24)]
DISPLAYS = {
    "learning curves": lambda: LearningCurvesDisplay(run(validation=0.25, lr=fastgd.ExponentialDecay(0.05, 0.4))),
    "of one epoch": lambda: LearningCurvesDisplay(run(epochs=1)),
    "of a run that diverged": lambda: LearningCurvesDisplay(diverged()),
    "finder": lambda: LRFinderDisplay(found()),
    "finder, a band": lambda: LRFinderDisplay(found(explosion=30, band=0.05, none=("slide",))),
    "finder, no suggestion": lambda: LRFinderDisplay(found(explosion=1e6, none=tuple(plot_results.REASONS))),
    "finder, one point": lambda: LRFinderDisplay(found(n=1, none=tuple(plot_results.REASONS))),
    "sweep": lambda: SweepDisplay(sweep_of(12, epochs=40)),
    "sweep over methods and seeds": lambda: SweepDisplay(swept(np.geomspace(1e-3, 1, 5), **MANY)),
    "sweep, all diverged": lambda: SweepDisplay(swept([3.0, 5.0], epochs=60)),
    "sweep of one": lambda: SweepDisplay(sweep_of(1)),
    "curves": lambda: SweepCurvesDisplay(sweep_of(12, epochs=40)),
    "curves, all diverged": lambda: SweepCurvesDisplay(swept([3.0, 5.0], epochs=60)),
    "curves of one": lambda: SweepCurvesDisplay(sweep_of(1)),
    "paths": lambda: PathDisplay(paths(problems.Rosenbrock(), (-1.2, 1.0), 1e-3, 5e-4), problems.Rosenbrock()),
    "paths, diverged": lambda: PathDisplay(paths(problems.Booth(), (-4.0, 4.0), 0.3, 0.1), problems.Booth()),
    "paths, one parameter": lambda: PathDisplay(paths(problems.Bowl(), (4.0,), 0.1, 0.9), problems.Bowl()),
    "paths, many": lambda: PathDisplay([[[k, 3.0], [k / 2, 1]] for k in range(15)], problems.Himmelblau()),
    "path of one point": lambda: PathDisplay([[1.0, 2.0]], problems.Ackley()),
    "schedules": lambda: ScheduleDisplay([fastgd.StepDecay(0.1, 0.5, 4), fastgd.CosineAnnealing(0.1, 20)], 20),
    "schedules, many": lambda: ScheduleDisplay(LONG),
    "schedules, steep": lambda: ScheduleDisplay(fastgd.ExponentialDecay(1.0, 0.5), 100, unit="step"),
    "neuron": lambda: NeuronDisplay(fastgd.derive()),
    "neuron, tanh": lambda: NeuronDisplay("tanh", 0.7),
    "neuron, far out": lambda: NeuronDisplay("sigmoid", -1e6),
    "neuron, rows": lambda: NeuronDisplay(LINE, rows()[0] @ np.ones(4)),
    "graph": lambda: GraphDisplay(fastgd.derive()),
    "graph of vectors": lambda: GraphDisplay(fastgd.derive([1, -1.1e-7, 3], [-0.512, 0.5, 2.23], -1.2e-5, -1e100)),
    "graph of a large loss": lambda: GraphDisplay(fastgd.derive(2.0, 0.5, -1.0, y_true=-123456.0)),
    "norms": lambda: GradientNormsDisplay(run(clip=CLIP), CLIP),
    "norms, diverged": lambda: GradientNormsDisplay(diverged()),
}
every_display = pytest.mark.parametrize("display", DISPLAYS.values(), ids=DISPLAYS)


@every_display
def test_nothing_is_cut_off_or_written_over(display, monkeypatch):
    assert misplaced(display().plot().figure_, monkeypatch) == ([], [])


@every_display
def test_small_axes_of_the_users(display, monkeypatch):
    figure, ax = plt.subplots(figsize=(4, 3), layout="constrained")
    assert display().plot(ax).figure_ is figure
    assert misplaced(figure, monkeypatch) == ([], [])


@every_display
def test_the_users_axes_among_others(display):
    settings_before = copy.deepcopy(dict(mpl.rcParams))
    figure, (_, ax) = plt.subplots(1, 2, figsize=(9, 4))
    drawn = display()
    assert drawn.plot(ax=ax) is drawn
    assert drawn.ax_ is ax
    assert drawn.figure_ is figure
    assert plt.get_fignums() == [figure.number]
    assert plt.gca() is ax
    assert dict(mpl.rcParams) == settings_before
    figure.canvas.draw()


@every_display
def test_axes_are_labelled(display):
    drawn = display().plot()
    assert plt.get_fignums() == [drawn.figure_.number]
    if isinstance(drawn, GraphDisplay):
        return
    for ax in drawn.figure_.axes:
        assert ax.get_ylabel()
        assert ax.get_xlabel() or ax.get_label() == "<colorbar>" or (ax is drawn.ax_ and hasattr(drawn, "rate_ax_"))
        for axis in (ax.xaxis, ax.yaxis):
            words = axis.get_label_text()
            if words:
                assert ("(log scale)" in words.replace("\n", " ")) == (axis.get_scale() == "log")


@pytest.mark.parametrize("name", ["learning curves", "finder", "curves", "paths", "graph"])
def test_part_of_a_figure(name):
    _, right = plt.figure(figsize=(9, 4), layout="constrained").subfigures(1, 2)
    drawn = DISPLAYS[name]().plot(right.subplots())
    assert drawn.figure_ is right
    right.figure.canvas.draw()


def test_every_display_is_here_and_documented():
    drawn = {type(display()).__name__ for display in DISPLAYS.values()}
    assert drawn == {name for name in plots.__all__ if name.endswith("Display")}
    for name in plots.__all__:
        assert ">>>" in getattr(plots, name).__doc__


# What is drawn is what the results say.


def xy(line):
    return np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)


def drawable(values):
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(values) < 1e100, values, np.nan)


def equal(line, x, y):
    np.testing.assert_array_equal(xy(line)[0], x)
    np.testing.assert_array_equal(xy(line)[1], y)


def test_learning_curves():
    result = run(validation=0.25, lr=fastgd.ExponentialDecay(0.05, 0.4))
    history = result.history
    display = LearningCurvesDisplay(result).plot()
    training, validation = display.lines_
    equal(training, history["epoch"], history["loss"])
    equal(validation, history["epoch"], history["val_loss"])
    equal(display.rate_line_, history["epoch"], history["lr"])
    best = history["val_loss"].argmin()
    equal(display.best_, [best + 1], [history["val_loss"][best]])
    assert display.rate_ax_.get_yscale() == "log"
    assert display.end_ is None
    assert display.ax_.get_xlim() == display.rate_ax_.get_xlim()


def test_learning_curves_of_a_history_and_of_a_run_that_diverged():
    display = LearningCurvesDisplay(diverged()).plot()
    loss = diverged().history["loss"]
    equal(display.lines_[0], diverged().history["epoch"], drawable(loss))
    assert len(display.lines_) == 1
    assert display.end_.get_xdata()[0] == diverged().history["epoch"][-1]
    history = {"epoch": [1, 2, 3], "loss": [1.0, np.inf, np.nan], "lr": [0.1, 0.1, 0.1]}
    display = LearningCurvesDisplay(history).plot()
    equal(display.lines_[0], [1, 2, 3], [1.0, np.nan, np.nan])
    assert history["loss"][1] == np.inf


def test_learning_curves_in_axes_without_a_place_in_a_grid():
    figure = plt.figure()
    with pytest.raises(ValueError, match=r"ax must have a place in a grid"):
        LearningCurvesDisplay(run()).plot(figure.add_axes((0.1, 0.1, 0.8, 0.8)))


def test_finder():
    result = found(band=0.05, none=("slide",))
    display = LRFinderDisplay(result).plot()
    equal(display.line_, result.lrs, result.smoothed)
    equal(display.raw_, result.lrs, result.losses)
    assert display.ax_.get_xscale() == "log"
    assert set(display.marks_) == {"steepest", "minimum", "valley"}
    for method, mark in display.marks_.items():
        lr = result.suggestion(method).lr
        loss = np.interp(np.log(lr), np.log(result.lrs), result.smoothed)
        equal(mark, [lr], [loss])
        assert mark.get_label() == f"{method}: {lr:g}"
    assert "slide" in display.notes_.get_text()
    assert plot_results.REASONS["slide"] in " ".join(display.notes_.get_text().split())
    assert isinstance(display.band_, PolyCollection)
    ys = display.band_.get_paths()[0].vertices[:, 1]
    assert (ys.min(), ys.max()) == (result.lower.min(), result.upper.max())


def test_finder_shows_its_losses_where_nothing_exploded():
    X, y = rows()
    for end in (1e-4, 10.0):
        result = fastgd.lr_find(fastgd.Neuron(4), X, y > 0, end=end)
        low, high = LRFinderDisplay(result).plot().ax_.get_ylim()
        assert ((low <= result.losses) & (result.losses <= high)).all()


def test_finder_of_one_run_has_no_band_and_shows_its_fall():
    result = found(explosion=30)
    display = LRFinderDisplay(result, methods=("valley",)).plot()
    assert display.band_ is None
    assert display.notes_ is None
    assert list(display.marks_) == ["valley"]
    low, high = display.ax_.get_ylim()
    fall = result.smoothed[0] - result.smoothed.min()
    assert fall > 0.25 * (high - low)
    assert low < result.smoothed.min()


def test_sweep():
    result = sweep_of(12, epochs=40)
    lost = result.status == "diverged"
    assert 0 < lost.sum() < 12
    display = SweepDisplay(result).plot()
    (line,) = display.lines_
    equal(line, result.lrs, np.where(lost, np.nan, drawable(result.loss)))
    equal(display.best_, [result.lrs[result.best]], [result.loss[result.best]])
    (cross,) = display.crosses_
    np.testing.assert_array_equal(cross.get_xdata(), result.lrs[lost])
    (shade,) = display.shades_
    first = np.flatnonzero(lost)[0]
    left, right = shade.get_path().get_extents(shade.get_patch_transform()).intervalx
    assert left == pytest.approx(np.sqrt(result.lrs[first] * result.lrs[first - 1]))
    assert right > display.ax_.get_xlim()[1]


def test_sweep_over_methods_and_seeds():
    result = swept(np.geomspace(1e-3, 8, 5), epochs=60, **MANY)
    display = SweepDisplay(result).plot()
    assert [line.get_label() for line in display.lines_] == ["Momentum(beta=0.5)", "Momentum"]
    assert len(display.bands_) == 2
    for beta, line in zip([0.5, 0.9], display.lines_, strict=True):
        chosen = [i for i in range(len(result.lrs)) if result.optimizers[i].beta == beta]
        losses = np.where(result.status == "diverged", np.nan, drawable(result.loss))[chosen].reshape(3, 5)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a rate at which all diverged
            equal(line, result.lrs[:5], np.nanmedian(losses, axis=0))


def test_rates_at_which_some_runs_diverge_are_not_shaded():
    result = sweep_of(3)
    status = np.array(["diverged", "max_epochs", "diverged"])
    some = {"lrs": np.tile(result.lrs, 2), "loss": np.ones(6), "optimizers": (SGD,) * 6}
    some["status"] = np.append(status, ["max_epochs"] * 3)
    assert SweepDisplay(dataclasses.replace(result, **some)).plot().shades_ == []
    assert len(SweepDisplay(dataclasses.replace(result, status=status)).plot().shades_) == 2


def test_the_best_of_several_settings_is_named():
    X, y = rows()
    result = fastgd.sweep(LINE, X, y, lrs=[0.01, 0.1], grid={"beta1": [0.8, 0.9]}, seeds=[0, 1], epochs=2)
    name = re.escape(_style.name_of(result.optimizers[result.best]))
    display = SweepDisplay(result).plot()
    assert re.fullmatch(f"best: {name}, rate .*, training loss .*", display.best_.get_label())
    assert [band.get_label() for band in display.bands_] == ["range of the seeds (line: median)", "_band"]
    line = SweepCurvesDisplay(result).plot().lines_[result.lrs.argsort(kind="stable").tolist().index(result.best)]
    assert re.fullmatch(f"best: {name}, rate .*", line.get_label())


def test_the_best_run_says_by_what_it_is_best():
    result = sweep_of(3, validation=0.25)
    label = SweepDisplay(result).plot().best_.get_label()
    assert re.fullmatch("best on validation rows: rate .*, training loss .*", label)
    (line,) = [line for line in SweepCurvesDisplay(result).plot().lines_ if line.get_label()[0] != "_"]
    assert line.get_label().startswith("best on validation rows: rate ")


def test_a_run_that_ended_beyond_what_can_be_drawn_is_a_triangle():
    result = sweep_of(3)
    status, loss = np.full(3, "max_epochs"), np.array([0.5, 0.4, 1e266])
    display = SweepDisplay(dataclasses.replace(result, status=status, loss=loss, best=1)).plot()
    (triangle,) = display.triangles_
    np.testing.assert_array_equal(triangle.get_xdata(), result.lrs[2:])


def test_every_run_diverged():
    display = SweepDisplay(swept([3.0, 5.0], epochs=60)).plot()
    assert display.best_ is None
    assert np.isnan(display.loss).all()
    assert any("every run diverged" in text.get_text() for text in display.ax_.texts)


def test_sweep_curves():
    result = sweep_of(12, epochs=40)
    display = SweepCurvesDisplay(result).plot()
    assert len(display.lines_) == 12
    losses = drawable(result.history["loss"])
    for i, line in enumerate(display.lines_):  # by rate, as they are here
        equal(line, result.history["epoch"][i], losses[i])
    light = [sum(line.get_color()[:3]) for i, line in enumerate(display.lines_) if i != result.best]
    assert light == sorted(light)
    assert display.lines_[result.best].get_color() == "#000000"
    dashed = [line.get_linestyle() == "--" for line in display.lines_]
    assert dashed == list(result.status == "diverged")
    assert len(display.ends_) == sum(dashed)
    low, high = display.ax_.get_ylim()
    best = result.history["loss"][result.best]
    assert low < best.min() < best.max() < high < 100


def test_paths():
    results = paths(problems.Rosenbrock(), (-1.2, 1.0), 1e-3, 5e-4)
    display = PathDisplay(results, problems.Rosenbrock()).plot()
    for result, line in zip(results.values(), display.lines_, strict=True):
        equal(line, *result.path.T)
    assert [line.get_label() for line in display.lines_] == list(results)
    equal(display.minima_, [1.0], [1.0])
    levels = display.contours_.levels
    assert levels[0] >= 0
    assert (np.diff(levels) > 0).all()
    (xlow, xhigh), (ylow, yhigh) = display.ax_.get_xlim(), display.ax_.get_ylim()
    assert xlow < -1.2 < 1 < xhigh
    assert ylow < 1 < yhigh


def test_paths_of_one_parameter():
    results = paths(problems.Bowl(), (4.0,), 0.1, 0.9)
    display = PathDisplay(results, problems.Bowl()).plot()
    for result, line in zip(results.values(), display.lines_, strict=True):
        equal(line, result.path[:, 0], result.path[:, 0] ** 2)
        np.testing.assert_array_equal(xy(line)[1], result.path_fun)
    xs, ys = xy(display.curve_)
    np.testing.assert_array_equal(ys, xs**2)
    assert display.contours_ is None


def test_a_path_that_diverged_does_not_make_a_speck_of_the_others():
    display = PathDisplay(paths(problems.Booth(), (-4.0, 4.0), 0.3, 0.1), problems.Booth()).plot()
    assert np.ptp(display.ax_.get_xlim()) < 40
    nowhere = PathDisplay([[0.0, 0.0], [1e300, -1e300], [np.inf, np.nan]], problems.Bowl()).plot()
    assert np.ptp(nowhere.ax_.get_xlim()) < 10
    assert np.isnan(nowhere.paths[0][2]).all()


def test_a_path_that_diverges_far_stays_on_its_line():
    """From 1e23 back to the frame no digit is left: such steps are not drawn."""
    result = fastgd.minimize(problems.Bowl(), [4.0, 1.0], optimizer=SGD, lr=1.1, max_steps=300, record=True)
    assert abs(result.path).max() > 1e20
    xs, ys = PathDisplay(result, problems.Bowl()).plot().lines_[0].get_data()
    assert np.isnan(xs).any()
    there = ~np.isnan(xs)
    np.testing.assert_allclose(ys[there], xs[there] / 4, rtol=1e-9)
    np.testing.assert_array_equal(xs[:20], result.path[:20, 0])
    # A visit far away: of both ways the parts near by are left.
    xs, ys = PathDisplay([[0.0, 0.0], [1e20, 1e20], [2.0, 1.0]], problems.Bowl()).plot().lines_[0].get_data()
    assert (xs[0], ys[0], xs[-1], ys[-1]) == (0, 0, 2, 1)
    np.testing.assert_allclose(ys[1], xs[1])
    assert 1e3 < xs[1] < 1e6


def _written(x, grad, a):
    grad[0], grad[1] = 2 * a * x[0], 2 * x[1]
    return a * x[0] ** 2 + x[1] ** 2


def _returned(x, a):
    return a * x[0] ** 2 + x[1] ** 2


def _pair(x, a):
    return a * x[0] ** 2 + x[1] ** 2, np.array([2 * a * x[0], 2 * x[1]])


@pytest.mark.parametrize(
    ("fun", "how"),
    [(_written, {}), (_returned, {"jac": "2-point"}), (_pair, {"jac": True})],
    ids=["written", "returned", "pair"],
)
def test_objectives_of_every_form(fun, how):
    bounds = [[-1, 1], [-2, 2]]
    display = PathDisplay([[0.5, 1.0]], fun, args=(3.0,), compile=False, bounds=bounds, **how).plot()
    assert display.ax_.get_xlim() == (-1, 1)
    assert display.ax_.get_ylim() == (-2, 2)
    assert display.contours_.levels[-1] == pytest.approx(7)


def test_an_objective_that_is_not_defined_everywhere():
    def log(x):
        return np.log(x[0]) ** 2 + x[1]

    display = PathDisplay([[0.5, 0.0], [0.01, 1.0]], log, jac="2-point", compile=False).plot()
    assert np.isfinite(display.contours_.levels).all()
    with pytest.raises(ValueError, match="finite somewhere"):
        PathDisplay([[-2.0, 0]], log, jac="2-point", compile=False, bounds=[[-3, -2], [0, 1]]).plot()


def test_schedules():
    schedules = {"steps": fastgd.StepDecay(0.1, 0.5, 4), "constant": 0.05}
    display = ScheduleDisplay(schedules, 15, unit="step").plot()
    for line, (label, schedule) in zip(display.lines_, schedules.items(), strict=True):
        equal(line, display.times, fastgd.schedule_values(schedule, display.times))
        assert line.get_label() == label
    assert display.times[[0, -1]].tolist() == [0, 15]
    assert display.ax_.get_xlabel() == "step"
    assert display.ax_.get_ylim()[0] == 0
    assert ScheduleDisplay(fastgd.ExponentialDecay(1.0, 0.5), 100).plot().ax_.get_yscale() == "log"


@pytest.mark.parametrize("z", [0.0, -0.7, 7.0, 40.0])
def test_neuron(z):
    display = NeuronDisplay(fastgd.derive(x=1.0, w=z, b=0.0)).plot()
    derived = fastgd.derive(x=1.0, w=z, b=0.0)
    curve, slope = display.lines_
    xs = curve.get_xdata()
    np.testing.assert_allclose(curve.get_ydata(), 1 / (1 + np.exp(-xs)), rtol=1e-14)
    np.testing.assert_allclose(slope.get_ydata(), np.exp(-abs(xs)) / (1 + np.exp(-abs(xs))) ** 2, rtol=1e-13)
    point, on_slope = display.points_
    equal(point, [z], [pytest.approx(derived.a, rel=1e-14)])
    equal(on_slope, [z], [pytest.approx(derived.da_dz, rel=1e-13)])
    (x0, x1), (y0, y1) = xy(display.tangent_)
    assert (y1 - y0) / (x1 - x0) == pytest.approx(derived.da_dz, rel=1e-6, abs=1e-15)
    assert xs[0] < z < xs[-1]


def test_neuron_tanh_identity_and_rows():
    X, _ = rows()
    z = X @ np.ones(4)
    display = NeuronDisplay(fastgd.Neuron(4, "tanh"), z).plot()
    np.testing.assert_allclose(display.lines_[0].get_ydata(), np.tanh(display.lines_[0].get_xdata()), rtol=1e-13)
    np.testing.assert_allclose(display.points_[1].get_ydata(), 1 - np.tanh(z) ** 2, atol=1e-14)
    assert display.tangent_ is None
    display = NeuronDisplay("identity").plot()
    equal(display.lines_[0], *[display.lines_[0].get_xdata()] * 2)
    assert set(display.lines_[1].get_ydata()) == {1.0}
    assert display.points_ == []


def test_graph():
    of = fastgd.derive(x=2.0, w=0.5, b=-0.3, y_true=1.0)
    display = GraphDisplay(of).plot()
    texts = {name: text.get_text() for name, text in display.values_.items()}
    assert texts == {
        "w": "w = 0.5", "x": "x = 2", "b": "b = -0.3", "y": "y = 1", "w·x": "w·x = 1", "z": "z = 0.7",
        "a": f"a = {of.a:.3g}", "L": f"L = {of.loss:.3g}",
    }  # fmt: skip
    dL_dz = of.dL_da * of.da_dz
    for name, value in {"w": of.dL_dw, "b": dL_dz, "w·x": dL_dz, "z": dL_dz, "a": of.dL_da, "L": 1}.items():
        assert display.gradients[name] == pytest.approx(value, rel=1e-15)
        assert display.gradients_[name].get_text().endswith(f"\n{value:.3g}")
        (_, y), (_, below) = display.values_[name].get_position(), display.gradients_[name].get_position()
        assert below < y
    assert set(display.nodes_) == {"w", "x", "b", "y", "×", "+", "σ", "(a - y)²"}
    vector = GraphDisplay(fastgd.derive([1.0, 2.0, 3.0], [0.1, 0.2, 0.3]))
    assert vector.plot().values_["x"].get_text() == "x = [1, …, 3]"


def test_norms_without_clipping():
    result = run()
    display = GradientNormsDisplay(result).plot()
    gradients, updates = display.lines_
    equal(gradients, result.history["epoch"], result.history["grad_norm"])
    equal(updates, result.history["epoch"], 0.02 * result.history["grad_norm"])
    assert display.clip_line_ is None
    assert display.band_ is None


@pytest.mark.parametrize("level", [1e-3, 1.0, 1e3])
def test_norms_of_updates_are_within_what_is_said_of_them(level):
    """Against the mean norm of the updates that a run by hand makes, in order of the rows."""
    X, y = rows()
    clip = fastgd.ClipByNorm(level)
    how = {"optimizer": SGD, "lr": 0.02, "batch_size": 16, "order": "sequential", "clip": clip}
    params, norms, share = np.zeros(5), [], []
    for _ in range(4):
        steps, clipped = [], 0
        for start in range(0, len(X), 16):
            before, grads = params.copy(), np.empty(5)
            fastgd.value_and_grad(LINE, params, X[start : start + 16], 3 * y[start : start + 16], grads)
            clipped += fastgd.clip_by_norm(level, grads) > level
            params -= 0.02 * grads
            steps.append(np.linalg.norm(params - before))
        norms.append(np.mean(steps))
        share.append(clipped / len(steps))
    display = GradientNormsDisplay(fastgd.fit(LINE, X, 3 * y, params=np.zeros(5), epochs=4, **how), clip).plot()
    np.testing.assert_allclose(display.clipped, share, atol=1e-12)
    assert (display.update_lower <= np.array(norms) * (1 + 1e-9)).all()
    assert (np.array(norms) <= display.update_upper * (1 + 1e-9)).all()
    known = np.isfinite(display.update_norms)
    np.testing.assert_allclose(display.update_norms[known], np.array(norms)[known], rtol=1e-9)
    assert known.all() == (level != 1.0)
    assert (display.band_ is None) == known.all()
    assert display.clip_line_.get_ydata()[0] == level
    some = np.array(share) > 0
    assert (display.clipped_ is None) == (not some.any())


@pytest.mark.parametrize(
    ("options", "clip"),
    [
        ({"optimizer": fastgd.Adam()}, None),
        ({"optimizer": fastgd.SGD(weight_decay=0.1)}, None),
        ({"clip": CLIP}, fastgd.ClipByValue(0.1)),
        ({"clip": fastgd.ClipByNorm(0.1, norm=np.inf)}, fastgd.ClipByNorm(0.1, norm=np.inf)),
        ({"clip": CLIP}, None),  # not told of
    ],
    ids=str,
)
def test_norms_of_updates_that_are_not_known_are_not_drawn(options, clip):
    display = GradientNormsDisplay(run(**options), clip).plot()
    assert display.update_norms is None
    assert display.clip_line_ is None
    assert len(display.lines_) == 1
    assert GradientNormsDisplay(run(**options).history, clip).update_norms is None


# Whatever comes.


values = st.one_of(st.floats(0, 10), st.floats(allow_nan=True, allow_infinity=True), st.just(np.nan))


@settings(max_examples=25, deadline=None, phases=(Phase.explicit, Phase.generate))  # to shrink takes minutes
@given(st.lists(st.tuples(values, values, st.floats(0, 1e308)), min_size=1, max_size=6))
@example([(1e-40, np.nan, 1e-149), (1.0, np.nan, 3e238), (0.0, np.nan, 5e307)])  # whose ticks would be beyond float64
def test_any_history(table):
    loss, val_loss, lr = np.array(table).T
    history = {"epoch": np.arange(1, len(loss) + 1), "loss": loss, "val_loss": val_loss, "lr": lr}
    if np.isnan(drawable([loss, val_loss])).all():
        with pytest.raises(ValueError, match="at least one finite value"):
            LearningCurvesDisplay(history)
        return
    try:
        LearningCurvesDisplay(history).plot().figure_.draw_without_rendering()
    finally:
        plt.close("all")


# Bad input.

NAN = np.full(3, np.nan)


def unrecorded():
    return fastgd.minimize(problems.Bowl(), [1.0], optimizer=SGD)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: LearningCurvesDisplay(3), TypeError, "what fit returns, or its history, got int"),
        (lambda: LearningCurvesDisplay({"loss": [1.0]}), ValueError, "must have 'epoch', it has 'loss'"),
        (lambda: LearningCurvesDisplay({"epoch": [], "loss": [], "lr": []}), ValueError, "history is empty"),
        (lambda: LearningCurvesDisplay({"epoch": [1], "loss": [1, 2], "lr": [1]}), ValueError, "one length"),
        (lambda: LearningCurvesDisplay({"epoch": [1, 2, 3], "loss": NAN, "lr": [1, 1, 1]}), ValueError, "all 3 are"),
        (lambda: LearningCurvesDisplay(run()).plot(ax=3), TypeError, "ax must be matplotlib axes or None, got int"),
        (lambda: LRFinderDisplay(run()), TypeError, "what lr_find returns, got FitResult"),
        (lambda: LRFinderDisplay(found(), methods=("deepest",)), ValueError, "one of 'steepest'"),
        (lambda: LRFinderDisplay(found(), methods="valley"), TypeError, r"such as \['valley'\], got 'valley'"),
        (lambda: LRFinderDisplay(plot_results.Found(*[NAN] * 5, {})), ValueError, "at least one finite value"),
        (lambda: LRFinderDisplay(plot_results.Found(*[[]] * 5, {})), ValueError, "is empty"),
        (lambda: SweepDisplay(run()), TypeError, "what sweep returns, got FitResult"),
        (lambda: SweepCurvesDisplay([1.0]), TypeError, "what sweep returns, got list"),
        (lambda: PathDisplay(unrecorded(), problems.Bowl()), ValueError, "record=True"),
        (lambda: PathDisplay(run(), problems.Bowl()), TypeError, "arrays of points, got FitResult"),
        (lambda: PathDisplay([], problems.Bowl()), ValueError, "must not be empty"),
        (lambda: PathDisplay([[1.0, 2.0, 3.0]], problems.Bowl()), ValueError, "one or two parameters, got 3"),
        (lambda: PathDisplay([[np.nan, 1.0]], problems.Bowl()), ValueError, "at least one point that is finite"),
        (lambda: PathDisplay([[[1.0]], [[1.0, 2.0]]], problems.Bowl()), ValueError, "must all have 1 parameters"),
        (lambda: PathDisplay([[1.0]], "bowl"), TypeError, "fun must be an objective, got str"),
        (lambda: PathDisplay([[1.0]], problems.Bowl(), labels=["a", "b"]), ValueError, "labels must be 1 names"),
        (lambda: PathDisplay([[1.0]], problems.Bowl(), bounds=[[1, 0]]), ValueError, "low < high"),
        (lambda: ScheduleDisplay(0.1), ValueError, "duration must be given"),
        (lambda: ScheduleDisplay(0.1, duration=-1), ValueError, "duration must be a positive finite number"),
        (lambda: ScheduleDisplay("cosine", 1), TypeError, r"schedules\[0\]"),
        (lambda: ScheduleDisplay([fastgd.Adam()], 1), TypeError, r"schedules\[0\]"),
        (lambda: ScheduleDisplay(0.1, 1, unit="year"), ValueError, "unit must be one of 'epoch', 'step'"),
        (lambda: NeuronDisplay("relu"), ValueError, "one of 'sigmoid', 'tanh', 'identity'"),
        (lambda: NeuronDisplay(run()), TypeError, "the name of an activation, got FitResult"),
        (lambda: NeuronDisplay("tanh", np.nan), ValueError, "z must be finite, got nan"),
        (lambda: NeuronDisplay(fastgd.derive(), 1.0), TypeError, "z is that of the derivation"),
        (lambda: GraphDisplay(run()), TypeError, "what derive returns, got FitResult"),
        (lambda: GradientNormsDisplay(None), TypeError, "what fit returns, or its history, got NoneType"),
        (lambda: GradientNormsDisplay(run(), clip=1.0), TypeError, "clip must be what fit was given"),
    ],
)  # fmt: skip
def test_bad_input(make, error, words):
    with pytest.raises(error, match=words):
        make()
    assert plt.get_fignums() == []


# matplotlib is imported when a picture is drawn, not before, and is not needed for anything else.


def test_importing_does_not_import_matplotlib(python):
    python("-c", "import sys, fastgd, fastgd.plots; assert 'matplotlib' not in sys.modules")


@every_display
def test_without_matplotlib(display, monkeypatch):
    made = display()
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install matplotlib \(or fastgd's extra \[plots\]\)"):
        made.plot()


@pytest.mark.parametrize("n", [0, 1, 40, 41, 1000, 5001])
def test_a_long_curve_has_few_markers(n):
    (line,) = plt.figure().add_subplot().plot(np.arange(n), np.zeros(n), "o-", **_style.marked(n))
    markers = len(range(0, n, line.get_markevery()))
    assert markers == n if n <= 40 else 20 <= markers <= 40


@pytest.mark.parametrize("display", [plots.LearningCurvesDisplay, plots.GradientNormsDisplay])
def test_what_is_too_large_to_draw_is_told(display):
    X = np.random.default_rng(0).normal(size=(500, 3))
    with pytest.warns(RuntimeWarning, match="diverged"):
        result = fastgd.fit(fastgd.Neuron(3, "identity"), X, X.sum(axis=1), optimizer=fastgd.SGD(), lr=10.0, epochs=50)
    labels = [text.get_text() for text in display(result).plot().ax_.get_legend().get_texts()]
    assert "not drawn: beyond 1e+100" in labels
