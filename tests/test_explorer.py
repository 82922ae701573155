"""The explorer: its numbers against minimize and theory; its window by events of the mouse."""

import gc
import itertools
import math
import sys
import warnings

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import pyplot as plt
from matplotlib.backend_bases import MouseEvent
from matplotlib.figure import Figure
from matplotlib.text import Text
from pictures import misplaced

import fastgd
from fastgd import SGD, Adam, Momentum, Nesterov, RMSProp, problems
from fastgd._rates.written_updates import fmt, fmt_setting
from fastgd.explorer import OBJECTIVES, Exploration
from fastgd.plots import Explorer

mpl.use("Agg")

OPTIMIZERS = [SGD(), Momentum(), Nesterov(), Adam()]


def valley(x, grad, steepness):
    grad[0], grad[1] = x[0], steepness * x[1]
    return 0.5 * (x[0] ** 2 + steepness * x[1] ** 2)


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


# --- the run


@pytest.mark.parametrize(
    ("objective", "optimizer"),
    [*((problems.Himmelblau(), optimizer) for optimizer in [*OPTIMIZERS, RMSProp()]), (problems.Bowl(), SGD())],
)
def test_its_path_is_that_of_minimize(objective, optimizer):
    run = Exploration(objective, optimizer=optimizer, lr=0.01)
    ahead = []
    for _ in range(30):
        ahead.append(run.next_x)
        assert run.step()
    found = fastgd.minimize(objective, run.start, optimizer=optimizer, lr=0.01, max_steps=30, gtol=0, record=True)
    np.testing.assert_array_equal(run.path, found.path)
    np.testing.assert_array_equal(run.path[1:], ahead)
    np.testing.assert_array_equal(run.losses, found.path_fun)


def test_the_worked_example():
    run = Exploration(lr=0.1, start=4)
    assert run.equations == ["x_new = 4.00 - 0.1 (8.00) = 3.20"]
    assert (run.loss, run.grads, run.next_x, run.lowest, run.curvature) == (16.0, [8.0], [3.2], 2.0, 2.0)
    assert run.step()
    assert run.equations == ["x_new = 3.20 - 0.1 (6.40) = 2.56"]


@pytest.mark.parametrize(
    ("optimizer", "first", "second"),
    [
        (
            Momentum(0.5),
            ["v_new = 0.5 (0.00) + (8.00) = 8.00", "x_new = 4.00 - 0.1 (8.00) = 3.20"],
            ["v_new = 0.5 (8.00) + (6.40) = 10.40", "x_new = 3.20 - 0.1 (10.40) = 2.16"],
        ),
        (
            Nesterov(0.5),
            ["v_new = 0.5 (0.00) + (8.00) = 8.00", "x_new = 4.00 - 0.1 (8.00 + 0.5 (8.00)) = 2.80"],
            ["v_new = 0.5 (8.00) + (5.60) = 9.60", "x_new = 2.80 - 0.1 (5.60 + 0.5 (9.60)) = 1.76"],
        ),
        (
            Adam(),
            [
                "m = (0.9 (0.00) + 0.1 (8.00)) / (1 - 0.9^1) = 8.00",
                "v = (0.999 (0.00) + 0.001 (8.00)²) / (1 - 0.999^1) = 64.00",
                "x_new = 4.00 - 0.1 (8.00) / (√64.00 + 1e-8) = 3.90",
            ],
            [  # m = (0.72 + 0.78) / 0.19, v = (0.063936 + 0.06084) / 0.001999
                "m = (0.9 (0.800) + 0.1 (7.80)) / (1 - 0.9^2) = 7.89",
                "v = (0.999 (0.0640) + 0.001 (7.80)²) / (1 - 0.999^2) = 62.42",
                "x_new = 3.90 - 0.1 (7.89) / (√62.42 + 1e-8) = 3.80",
            ],
        ),
        (RMSProp(), ["x_new = 4.00 - (1.000) = 3.00"], None),
        (SGD(weight_decay=1.0), ["x_new = 4.00 - (1.20) = 2.80"], ["x_new = 2.80 - (0.840) = 1.96"]),
    ],
)
def test_updates_written_out(optimizer, first, second):
    run = Exploration(optimizer=optimizer, lr=0.1, start=4.0)
    assert [line.replace("(1.00)", "(1.000)") for line in run.equations] == first
    run.step()
    assert second is None or run.equations == second


def test_two_parameters_written_out():
    run = Exploration(problems.Booth(), optimizer=Momentum(), lr=0.01)
    assert run.equations == [
        "v1_new = 0.9 (0.00) + (-124.00) = -124.00",
        "x1_new = -5.00 - 0.01 (-124.00) = -3.76",
        "v2_new = 0.9 (0.00) + (-128.00) = -128.00",
        "x2_new = -5.00 - 0.01 (-128.00) = -3.72",
    ]


def test_adam_where_the_gradient_is_zero():
    run = Exploration(problems.Saddle(), optimizer=Adam(), lr=0.1, start=[1.0, 0.0])
    for _ in range(2):
        assert run.equations[4].startswith("v2 = (0.999 (0.00) + 0.001 (0.00)²)")
        assert run.equations[4].endswith(" = 0.00")
        run.step()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_curvature_at_a_minimum(name):
    known = problems.facts(OBJECTIVES[name](), 2)
    if not len(known.minima) or math.isnan(known.sharpness):
        pytest.skip("has no minimum with a Hessian")
    run = Exploration(OBJECTIVES[name](), start=known.minima[0])
    np.testing.assert_allclose([run.lowest, run.curvature], [known.flatness, known.sharpness], rtol=1e-6, atol=1e-6)
    assert run.status == "minimum"


# --- the scale


def contraction(optimizer, lr, curvature):
    """How much nearer a bowl's bottom a step leads in the long run: the largest eigenvalue of this linear map."""
    columns = []
    for x, velocity in ((1.0, 0.0), (0.0, 1.0)):
        x, state = np.array([x]), fastgd.init_state(optimizer, np.zeros(1))
        moving = hasattr(state, "velocity")
        if moving:
            state.velocity[:] = velocity
        fastgd.update(optimizer, lr, curvature * x, state, x)
        columns.append([x[0], state.velocity[0] if moving else 0.0])
    return np.abs(np.linalg.eigvals(np.array(columns).T)).max()


@pytest.mark.parametrize("curvature", [0.5, 20.0])
@pytest.mark.parametrize("optimizer", [SGD(), Momentum(), Momentum(0.5), Nesterov(), Nesterov(0.5), Nesterov(0.0)])
def test_the_limit_is_where_steps_begin_to_grow(optimizer, curvature):
    run = Exploration(lambda x, grad, a: _parabola(x, grad, a), args=(curvature,), start=1.0, compile=False)
    run.optimizer = optimizer
    limit, optimal = run.scale.limit, run.scale.optimal
    assert contraction(optimizer, 0.98 * limit, curvature) < 1 < contraction(optimizer, 1.02 * limit, curvature)
    fastest = contraction(optimizer, optimal, curvature)
    for share in (0.5, 0.9, 1.1, 1.3):
        assert contraction(optimizer, share * optimal, curvature) > fastest - 1e-6
    assert contraction(optimizer, 0.9 * optimal, curvature) > fastest + 1e-3


def _parabola(x, grad, a):
    grad[:] = a * x
    return 0.5 * a * float(x @ x)


@pytest.mark.parametrize(
    ("lr", "zone"), [(0.01, "slow"), (0.2, "optimal"), (0.5, "optimal"), (0.9, "oscillating"), (1.0, "explosive")]
)
def test_zones_of_plain_descent(lr, zone):
    scale = Exploration(lr=lr).scale
    assert (scale.zone, scale.optimal, scale.limit) == (zone, 0.5, 1.0)


def test_adam_has_no_limit():
    scale = Exploration(optimizer=Adam(), lr=100.0).scale
    assert (scale.zone, scale.limit, scale.optimal) == ("oscillating", math.inf, 4.0)
    assert "No rate explodes" in scale.words


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"optimizer": RMSProp()}, "No rule from the curvature is known for RMSProp."),
        ({"optimizer": Momentum(dampening=0.1)}, "known for Momentum with these options"),
        ({"objective": problems.StyblinskiTang(), "start": 0.0}, "does not bend up here"),
        ({"optimizer": Adam(), "start": 0.0}, "about |g|/λ = 0.00"),
    ],
)
def test_an_honest_answer_where_the_curvature_tells_nothing(options, words):
    scale = Exploration(**options).scale
    assert scale.zone == "unknown"
    assert words in scale.words


# --- what is going on


@pytest.mark.parametrize(
    ("options", "steps", "status", "words"),
    [
        ({"lr": 0.1}, 0, "ready", "At the start, where the loss is 16.00"),
        ({"lr": 0.1}, 1, "downhill", "the loss fell from 16.00 to 10.24"),
        ({"lr": 1e-7}, 1, "downhill", "the loss fell by 6.40e-6 to 16.00"),
        ({"lr": 1e-300}, 1, "downhill", "too small to change the loss of 16.00: raise the rate."),
        ({"lr": 1.0}, 1, "overshooting", "the loss stayed at 16.00."),
        ({"lr": 0.9}, 1, "overshooting", "still the loss fell from 16.00 to 10.24"),
        ({"lr": 1.1}, 1, "overshooting", "the loss rose from 16.00 to 23.04"),
        ({"lr": 0.5}, 1, "minimum", "the gradient is 0 to six digits, and the curvature is positive"),
        ({"lr": 3.0}, 200, "diverged", "Diverged after 13 steps: the rate is too large"),
        ({"objective": problems.Saddle(), "start": [1.0, 0.0], "lr": 0.1}, 200, "saddle", "the curve bends down"),
        ({"objective": problems.Saddle(), "lr": 0.1}, 200, "diverged", "the loss falls without end"),
        ({"objective": problems.Beale(), "lr": 1e300}, 5, "diverged", "Diverged after 1 step:"),
    ],
)
def test_what_is_going_on(options, steps, status, words):
    run = Exploration(**options)
    run.run(steps)
    assert run.status == status
    assert words in run.message
    assert run.step() == (status != "diverged")


def saturated(x, grad):
    a = 1 / (1 + np.exp(-x[0]))
    grad[0] = 2 * (a - 1) * a * (1 - a)
    return (a - 1) ** 2


def cube(x, grad):
    grad[0] = 3 * x[0] ** 2
    return x[0] ** 3


def hill(x, grad):
    grad[0] = -4 * x[0] ** 3
    return -(x[0] ** 4)


@pytest.mark.parametrize(("objective", "start"), [(saturated, -20.0), (cube, 0.0), (hill, 0.0)])
def test_a_flat_place_is_not_called_a_minimum(objective, start):
    run = Exploration(objective, start=start, lr=0.1, compile=False)
    assert run.status == "flat"
    assert "At rest, as on a plateau: the gradient is 0" in run.message
    assert run.run() == 0


def test_a_function_of_plain_python_that_overflows_has_diverged():
    def quartic(x, grad):
        grad[0] = 4 * float(x[0]) ** 3
        return float(x[0]) ** 4

    run = Exploration(quartic, start=1.0, lr=1e100, compile=False)
    run.run()
    assert run.status == "diverged"


@pytest.mark.parametrize("start", [1e300, -1e308])
def test_a_start_as_large_as_numbers_get(start):
    run = Exploration(start=start)
    run.run()
    assert run.status in ("downhill", "diverged")


# --- settings


def test_a_new_rate_goes_on_and_other_settings_start_again():
    run = Exploration(optimizer=Momentum(), lr=0.1)
    run.run(3)
    run.lr = 0.2
    assert run.n_steps == 3
    for name, value in (("start", 3.0), ("momentum", 0.5), ("optimizer", Adam())):
        run.run(3)
        setattr(run, name, value)
        assert run.n_steps == 0, name
    assert (run.x, run.lr, run.optimizer) == ([3.0], 0.2, Adam())
    run.momentum = 0.7
    assert run.optimizer == Adam(beta1=0.7)
    run.optimizer = SGD()
    assert run.momentum is None


def test_the_start_is_the_callers_own():
    start = np.array([4.0])
    run = Exploration(start=start, lr=0.1)
    run.run(3)
    run.path[0][0] = 17.0
    run.reset()
    assert (start, run.x, run.start) == ([4.0], [4.0], [4.0])


def test_the_suggested_rate_suits_every_objective():
    for name, n in itertools.product(OBJECTIVES, (1, 2)):
        try:
            known = problems.facts(OBJECTIVES[name](), n)
        except ValueError:
            continue
        run = Exploration(OBJECTIVES[name](), start=known.start)
        before = run.loss
        run.run()
        assert run.loss < before, name
    assert Exploration(valley, args=(100.0,), start=[1.0, 1.0]).lr == 0.002


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"lr": 0.0}, ValueError, "lr must be a positive finite number, got 0.0"),
        ({"lr": math.inf}, ValueError, "lr must be a positive finite number, got inf"),
        ({"lr": "fast"}, TypeError, "lr must be a positive finite number, got 'fast'"),
        ({"start": [1.0, 2.0, 3.0]}, ValueError, "start must have one or two elements, got 3"),
        ({"start": math.nan}, ValueError, "start must be finite"),
        ({"objective": problems.Booth(), "start": 1.0}, ValueError, "Booth has 2 variables, got 1"),
        ({"objective": problems.Rosenbrock(), "start": 1.0}, ValueError, "Rosenbrock has at least 2 variables, got 1"),
        ({"objective": valley, "args": (1.0,)}, TypeError, "start must be given with an objective of your own"),
        ({"objective": problems.Booth}, TypeError, r"got the class Booth itself; write Booth\(\)"),
        ({"objective": "bowl", "start": 1.0}, TypeError, "fun must be an objective, got str"),
        ({"optimizer": SGD}, TypeError, "optimizer"),
    ],
)
def test_bad_input(options, error, words):
    with pytest.raises(error, match=f"^Exploration: .*{words}"):
        Exploration(**options)


def test_bad_settings():
    run = Exploration(optimizer=Momentum())
    for name, value, error in (
        ("lr", -1.0, ValueError),
        ("start", [1.0, 2.0], ValueError),
        ("momentum", 1.0, ValueError),
    ):
        with pytest.raises(error, match=f"^Exploration: {name} must"):
            setattr(run, name, value)
    with pytest.raises(ValueError, match=r"^Exploration: max_steps must"):
        run.run(-1)


@given(st.floats(allow_nan=False))
def test_numbers_are_written_to_three_digits(value):
    text = fmt(value)
    assert len(text) <= 10
    if abs(value) < 1.79e308 and value:  # not what is rounded to infinity
        assert float(text) == pytest.approx(value, rel=0.0051, abs=0)
    if abs(value) < 1.79e308:
        assert float(fmt_setting(value)) == pytest.approx(value, rel=1e-5, abs=0)


# --- the window


def drawn(*arguments, **options):
    explorer = Explorer(*arguments, **options).plot()
    explorer.figure_.canvas.draw()
    return explorer


def click(explorer, ax, across=0.5, up=0.5):
    """Press and release the mouse at a place of axes, in shares of their size."""
    canvas = explorer.figure_.canvas
    canvas.draw()
    x, y = ax.transAxes.transform((across, up))
    for name in ("button_press_event", "button_release_event"):
        MouseEvent(name, canvas, x, y, button=1)._process()


def press(explorer, name):
    click(explorer, explorer.buttons_[name].ax)


def words_of(explorer):
    return " ".join(text.get_text() for text in explorer.figure_.findobj(Text) if text.get_visible())


def test_buttons():
    explorer = drawn(lr=0.1, start=4.0)
    assert "x_new = 4.00 - 0.1 (8.00) =\N{NO-BREAK SPACE}3.20" in words_of(explorer)
    press(explorer, "step")
    assert "Taking steps downhill: the loss fell from 16.00 to 10.24." in words_of(explorer)
    np.testing.assert_allclose(explorer._line.get_xdata(), [4.0, 3.2])
    np.testing.assert_allclose(explorer._ahead.get_xdata(), [3.2, 2.56])
    press(explorer, "run")
    assert "At a minimum" in words_of(explorer)
    press(explorer, "reset")
    assert explorer.exploration.n_steps == 0
    assert "At the start" in words_of(explorer)


def test_a_small_start_is_shown_as_it_is():
    texts = {name: slider.valtext.get_text() for name, slider in Explorer(problems.Saddle()).plot().sliders_.items()}
    assert (texts["start x1"], texts["start x2"]) == ("1", "1e-6")


def test_a_place_that_is_no_figure():
    for place in (3, plt.figure().add_subplot()):
        with pytest.raises(TypeError, match=r"Explorer: figure must be a matplotlib figure or None, got (int|Axes)"):
            Explorer().plot(place)


def test_steps_before_it_is_drawn():
    explorer = Explorer(lr=0.1, start=4.0)
    explorer.run(3)
    explorer.reset()
    explorer.step()
    assert explorer.exploration.x == pytest.approx(3.2)
    assert explorer.plot().exploration.n_steps == 1


def test_sliders():
    explorer = drawn(problems.Booth(), optimizer=Momentum(), lr=0.01)
    run = explorer.exploration
    press(explorer, "step")
    click(explorer, explorer.sliders_["rate"].ax, across=0.5)  # from 1e-6 to 10: the middle
    assert (run.lr, run.n_steps) == (pytest.approx(10**-2.5, rel=0.03), 1)
    click(explorer, explorer.sliders_["start x2"].ax, across=0.75)
    np.testing.assert_allclose(run.x, [-5.0, 5.0], atol=0.1)
    click(explorer, explorer.sliders_["momentum"].ax, across=0.5)
    assert run.momentum == pytest.approx(0.495, abs=0.01)
    assert f"rate {fmt_setting(run.lr)}: " in words_of(explorer)


def test_a_slider_moves_its_own_parameter_alone():
    explorer = drawn(problems.Rosenbrock(), start=[5.0, 5.0], bounds=[[-2, 2], [-2, 2]])
    explorer.sliders_["start x2"].set_val(1.0)
    np.testing.assert_array_equal(explorer.exploration.start, [5.0, 1.0])


def test_a_figure_that_nobody_else_holds_is_alive():
    explorer = drawn(lr=0.1, start=4.0)
    run, figure, place = explorer.exploration, explorer.figure_, explorer.buttons_["step"].ax
    del explorer
    gc.collect()
    x, y = place.transAxes.transform((0.5, 0.5))
    for name in ("button_press_event", "button_release_event"):
        MouseEvent(name, figure.canvas, x, y, button=1)._process()
    assert run.n_steps == 1


def test_the_choice_of_optimiser_keeps_momentum():
    explorer = drawn(optimizer=Momentum(0.5), lr=0.1)
    labels = [label.get_text() for label in explorer.choice_.labels]
    assert labels == ["SGD", "Momentum", "Nesterov", "Adam"]
    for name, optimizer in (("SGD", SGD()), ("Nesterov", Nesterov(0.5)), ("Adam", Adam(beta1=0.5))):
        explorer.choice_.set_active(labels.index(name))
        assert explorer.exploration.optimizer == optimizer
    click(explorer, explorer.choice_.ax, across=0.147, up=0.8)
    assert type(explorer.exploration.optimizer) in (SGD, Adam)


def test_any_optimiser_and_any_objective():
    explorer = drawn(valley, args=(9.0,), start=[1.0, 1.0], optimizer=RMSProp(), lr=0.01)
    assert [label.get_text() for label in explorer.choice_.labels][-1] == "RMSProp"
    explorer.step()
    assert explorer.exploration.n_steps == 1
    plain = drawn(lambda x: math.sin(x[0]), jac=lambda x: np.cos(x), start=2.0, compile=False, bounds=[(-5, 5)])
    plain.run(5)
    assert plain.ax_.get_xlim() == (-5, 5)


PICTURES = {
    "bowl": lambda: (drawn(lr=0.1, start=4.0), 3),
    "explosive": lambda: (drawn(lr=1.05, start=4.0), 6),
    "diverged": lambda: (drawn(lr=30.0, start=4.0), 100),
    "adam": lambda: (drawn(problems.Himmelblau(), optimizer=Adam()), 30),
    "rosenbrock": lambda: (drawn(problems.Rosenbrock(), optimizer=Nesterov(), start=[-1.234567, 1.987654]), 200),
    "other": lambda: (drawn(problems.Booth(), optimizer=RMSProp()), 5),
    "far": lambda: (drawn(problems.Bowl(), optimizer=Adam(), lr=1e-5, start=[12345.678, -98765.432]), 5),
}


@pytest.mark.parametrize("picture", PICTURES.values(), ids=PICTURES)
def test_nothing_is_cut_off_or_written_over(picture, monkeypatch):
    explorer, steps = picture()
    explorer.run(steps)
    assert misplaced(explorer.figure_, monkeypatch) == ([], [])
    boxes = [text.get_window_extent() for text in (explorer._text, explorer._message)]
    for ax in [*(slider.ax for slider in explorer.sliders_.values()), explorer.ax_, explorer.choice_.ax]:
        assert not any(ax.get_window_extent().overlaps(box) for box in boxes)


def test_it_says_where_x_is_beyond_the_frame():
    explorer = drawn(lr=1.05, start=4.0)
    assert "beyond the frame" not in words_of(explorer)
    explorer.run(6)
    assert "x is beyond the frame" in words_of(explorer)


def test_it_draws_into_a_figure_without_a_screen():
    figure = Figure(figsize=(11, 7.5))
    assert Explorer().plot(figure).figure_ is figure


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"momentum": 1.0}, r"^Explorer: momentum must be a number in \[0, 1\), got 1.0"),
        ({"bounds": [(1, 0)]}, r"^Explorer: bounds must be 1 pairs"),
        ({"bounds": 5}, r"^Explorer: bounds must be 1 pairs \(low, high\) with low < high, got 5"),
        ({"bounds": (3, 1)}, r"^Explorer: bounds must be 1 pairs"),
        ({"lr": -1.0}, r"lr must be a positive finite number"),
    ],
)
def test_bad_input_of_the_window(options, words):
    with pytest.raises(ValueError, match=words):
        Explorer(**options)


def test_without_matplotlib(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    explorer = Explorer()  # the run itself needs none
    with pytest.raises(ImportError, match=r"^Explorer: pictures need matplotlib: pip install matplotlib"):
        explorer.plot()


def test_no_warning_on_the_way_to_infinity():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for optimizer in OPTIMIZERS:
            explorer = drawn(problems.Beale(), optimizer=optimizer, lr=1e3)
            explorer.run()
            explorer.figure_.canvas.draw()
