"""The explorer's HTML page: in a real browser, its numbers against Python's."""

import json
import os
import re

import numpy as np
import pytest
from browser import CHROMIUM, Browser

import fastgd
from fastgd import SGD, Adam, Momentum, Nesterov, problems
from fastgd.explorer import OBJECTIVES, Exploration
from fastgd.explorer_page import explorer_page

OPTIMIZERS = {"sgd": SGD(), "momentum": Momentum(), "nesterov": Nesterov(), "adam": Adam()}
STEPS = 120
pytestmark = pytest.mark.skipif(os.name != "posix", reason="the browser's pipes are those of a Unix shell")


def config_of(page):
    return json.loads(re.search(r"^const CONFIG = (.*);$", page, re.MULTILINE)[1])


CASES = [(entry["name"], entry["n"]) for entry in config_of(explorer_page())["objectives"]]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here: apt-get install chromium")
    try:
        browser = Browser(tmp_path_factory.mktemp("browser"))
    except (AssertionError, OSError) as error:
        pytest.skip(f"Chromium does not start here: {error}")
    yield browser
    browser.close()


@pytest.fixture
def page(browser, tmp_path):
    """Open the page of a run; return the browser."""

    def open_page(run=None, **options):
        file = tmp_path / "explorer.html"
        file.write_text(explorer_page(run, **options), encoding="utf-8")
        browser.open(file)
        return browser

    return open_page


def choose(browser, name, n, optimizer):
    """Choose an objective and an optimiser as a user does."""
    browser.evaluate(f"""{{
        const select = document.getElementById("objective");
        select.value = CONFIG.objectives.findIndex(each => each.name === "{name}" && each.n === {n});
        select.dispatchEvent(new Event("change", {{ bubbles: true }}));
        document.querySelector("[name=optimizer][value={optimizer}]").click();
    }}""")


def enter(browser, name, value):
    """Move a slider or write into a number field, as input events tell it."""
    browser.evaluate(f"""{{
        const field = document.getElementById("{name}");
        field.value = "{value}";
        field.dispatchEvent(new Event("input", {{ bubbles: true }}));
    }}""")


def click(browser, name, times=1):
    browser.evaluate(f'for (let i = 0; i < {times}; i++) document.getElementById("{name}").click()')


def text(browser, name):
    return as_written(browser.evaluate(f'document.getElementById("{name}").textContent'))


def as_written(text):
    """A text without the signs that keep a browser from breaking it."""
    return text.replace("\N{WORD JOINER}", "").replace("\N{NO-BREAK SPACE}", " ")


# --- the file


def test_it_is_one_file_that_names_no_other():
    page = explorer_page()
    assert "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'" in page
    for word in ("://", "src=", "href=", "@import", "url(", "fetch(", "import(", "XMLHttp", "WebSocket"):
        assert word not in page


def test_it_holds_every_objective_without_data():
    listed = {(entry["name"], entry["n"]): entry for entry in config_of(explorer_page())["objectives"]}
    assert {OBJECTIVES[name] for name, _ in listed} == set(problems.GALLERY) - {problems.LogisticRegression}
    assert {n for _, n in listed} == {1, 2}
    for (name, n), entry in listed.items():
        known = problems.facts(OBJECTIVES[name](), n)
        assert entry["start"] == known.start.tolist()
        assert entry["minima"] == known.minima.tolist()


def test_it_begins_as_it_is_asked_to():
    run = Exploration(problems.Rosenbrock(b=10.0), optimizer=Nesterov(0.5), lr=1e-3, start=[0.5, 0.25])
    config = config_of(explorer_page(run))
    chosen = config["objectives"][config["objective"]]
    assert (chosen["name"], chosen["params"]) == ("rosenbrock", [1.0, 10.0])
    assert chosen["formula"] == "f(x) = 10 (x₂ - x₁²)² + (1 - x₁)²"
    assert [config[name] for name in ("optimizer", "lr", "start", "momentum")] == ["nesterov", 1e-3, [0.5, 0.25], 0.5]
    assert config_of(explorer_page(momentum=0.7))["momentum"] == 0.7


@pytest.mark.parametrize(
    ("run", "options", "words"),
    [
        (
            lambda: Exploration(lambda x: x @ x, jac="3-point", start=1.0, compile=False),
            {},
            "must be one of bowl, .* got function",
        ),
        (lambda: Exploration(optimizer=fastgd.RMSProp()), {}, "must be SGD, Momentum, Nesterov, Adam.* got RMSProp"),
        (lambda: Exploration(optimizer=Momentum(dampening=0.5)), {}, "at most with another beta"),
        (Exploration, {"momentum": 1.0}, r"momentum must be a number in \[0, 1\), got 1.0"),
    ],
)
def test_what_the_page_does_not_have_is_an_error(run, options, words):
    with pytest.raises(ValueError, match=f"^explorer_page: .*{words}"):
        explorer_page(run(), **options)


# --- in the browser


def test_nothing_is_fetched_and_nothing_fails(page):
    browser = page()
    click(browser, "step", 3)
    for name, n in CASES:
        choose(browser, name, n, "adam")
    told = [event["method"] for event in browser.events]
    sent = [event for event in browser.events if event["method"] == "Network.requestWillBeSent"]
    assert len(sent) == 1, sent
    assert sent[0]["params"]["request"]["url"].endswith("/explorer.html")
    assert "Runtime.exceptionThrown" not in told
    assert "Log.entryAdded" not in told
    assert "Runtime.consoleAPICalled" not in told


def test_labels_of_ticks_are_short(browser):
    numbers = [-1200000, 1e5, 99999, 250, 0.25, 0.0001, 0]
    labels = ["-1.2e6", "1e5", "99999", "250", "0.25", "1e-4", "0"]
    assert browser.evaluate(f"{numbers}.map(tickLabel)") == labels


def test_a_fetch_from_outside_is_forbidden(page):
    browser = page()
    forbidden = 'fetch("https://example.invalid/").then(() => "fetched", () => "refused")'
    assert browser.evaluate(forbidden) == "refused"
    refusals = [event["params"]["entry"]["text"] for event in browser.events if event["method"] == "Log.entryAdded"]
    assert any("Content Security Policy" in refusal for refusal in refusals), refusals


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(("name", "n"), CASES)
def test_steps_are_those_of_python(browser, name, n, optimizer, opened):
    choose(browser, name, n, optimizer)
    run = Exploration(
        OBJECTIVES[name](), optimizer=OPTIMIZERS[optimizer], start=problems.facts(OBJECTIVES[name](), n).start
    )
    enter(browser, "rate-number", repr(run.lr))
    for steps in (0, 1, STEPS - 1):
        click(browser, "step", steps)
        for _ in range(steps):
            run.step()
        seen = browser.evaluate("""({
            path: s.path, losses: s.losses, next: s.next, g: s.g, curvature: [s.lowest, s.curvature], scale: scale(),
            status: status(), message: message(), lr: s.lr,
            equations: [...document.querySelectorAll("#equations div")].map(
                div => div.textContent),
        })""")
        assert seen["lr"] == run.lr
        close = {"rtol": 1e-9, "atol": 1e-9}
        for key in ("path", "losses", "next", "g", "curvature"):
            seen[key] = np.array(seen[key], float)  # what JSON has as null is NaN
        np.testing.assert_allclose(seen["path"], run.path, **close)
        np.testing.assert_allclose(seen["losses"], run.losses, **close)
        np.testing.assert_allclose(seen["g"], run.grads, **close)
        np.testing.assert_allclose(seen["next"], run.next_x, **close)
        size = max(1.0, abs(run.curvature))
        np.testing.assert_allclose(seen["curvature"], [run.lowest, run.curvature], rtol=1e-7, atol=1e-7 * size)
        assert (seen["status"], seen["scale"]["zone"]) == (run.status, run.scale.zone)
        assert len(seen["equations"]) == len(run.equations)
        for here, there in zip(seen["equations"], run.equations, strict=True):
            assert same_text(as_written(here), there)
        assert same_text(seen["message"], run.message)
        assert same_text(seen["scale"]["words"], run.scale.words)


@pytest.fixture(scope="module")
def plain_page(tmp_path_factory):
    file = tmp_path_factory.mktemp("page") / "explorer.html"
    file.write_text(explorer_page(), encoding="utf-8")
    return file


@pytest.fixture
def opened(browser, plain_page):
    """The page as it comes, opened anew only after a test that opened another."""
    if browser.evaluate("location.href") != plain_page.as_uri():
        browser.open(plain_page)


def same_text(here, there):
    """Whether two texts are the same but for the last digit of numbers: the languages round ties differently."""
    number = r"-?\d+\.?\d*(?:e[+-]\d+)?"
    numbers = [np.array(re.findall(number, text), float) for text in (here, there)]
    return re.sub(number, "#", here) == re.sub(number, "#", there) and np.allclose(*numbers, rtol=0.006, atol=1e-9)


def test_the_curvature_of_parameters_of_different_sizes(page):
    run = Exploration(problems.Rastrigin(), start=[1e4, 0.1])
    seen = page(run).evaluate("[s.lowest, s.curvature]")
    np.testing.assert_allclose(seen, [run.lowest, run.curvature], rtol=1e-7)


def test_the_worked_example(page):
    browser = page(Exploration(lr=0.1, start=4.0))
    assert text(browser, "equations") == "x_new = 4.00 - 0.1 (8.00) = 3.20"
    assert [text(browser, name) for name in ("x", "gradient", "loss", "next", "curvature")] == [
        "4.00", "8.00", "16.00", "3.20", "2.00",
    ]  # fmt: skip
    click(browser, "step")
    assert text(browser, "equations") == "x_new = 3.20 - 0.1 (6.40) = 2.56"
    assert text(browser, "message") == "Taking steps downhill: the loss fell from 16.00 to 10.24."
    assert text(browser, "n-steps") == "1"
    click(browser, "reset")
    assert [text(browser, name) for name in ("n-steps", "x")] == ["0", "4.00"]


def test_sliders_move(page):
    browser = page(Exploration(problems.Booth(), optimizer=Momentum()))
    click(browser, "step", 2)
    enter(browser, "rate", -2)
    assert browser.evaluate('[s.lr, Number(document.getElementById("rate-number").value)]') == [0.01, 0.01]
    assert text(browser, "n-steps") == "2"  # a new rate goes on from here
    enter(browser, "start-1", 2.5)
    assert browser.evaluate("[s.start, s.path, s.x]") == [[-5, 2.5], [[-5, 2.5]], [-5, 2.5]]
    click(browser, "step", 2)
    enter(browser, "momentum", 0.5)
    assert browser.evaluate("[s.beta, s.path.length]") == [0.5, 1]
    assert "0.5 (0.00)" in text(browser, "equations")
    run = Exploration(problems.Booth(), optimizer=Momentum(0.5), lr=0.01, start=[-5.0, 2.5])
    click(browser, "step", 20)
    run.run(20)
    np.testing.assert_allclose(browser.evaluate("s.path"), run.path, rtol=1e-9)


def test_keys_are_enough(page):
    browser = page()
    browser.evaluate('document.getElementById("rate").focus()')
    browser.press("ArrowRight")
    assert browser.evaluate("s.lr") == pytest.approx(10**-0.99, rel=5e-3)
    browser.evaluate('document.getElementById("step").focus()')
    browser.press(" ")
    assert text(browser, "n-steps") == "1"
    browser.press("Tab")
    assert browser.evaluate("document.activeElement.id") == "run"
    unnamed = """[...document.querySelectorAll("input, select, button")].filter(
        each => !each.labels?.length && !each.ariaLabel && !each.textContent).map(each => each.id)"""
    assert browser.evaluate(unnamed) == []


def test_run_ends_at_the_minimum(page):
    browser = page(Exploration(lr=0.1, start=4.0))
    click(browser, "run")
    assert text(browser, "run") == "pause"
    browser.wait_for("running === 0")
    run = Exploration(lr=0.1, start=4.0)
    assert text(browser, "n-steps") == str(run.run())
    assert text(browser, "message") == run.message
    assert text(browser, "run") == "run"


def test_run_is_paused(page):
    browser = page(Exploration(lr=1e-4, start=4.0))
    click(browser, "run", 2)
    assert browser.evaluate("[running, s.path.length]") == [0, 2]


def test_run_does_without_motion(page):
    browser = page(Exploration(lr=0.1, start=4.0))
    browser.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": "reduce"}])
    click(browser, "run")
    assert browser.evaluate("running") == 0
    assert text(browser, "message").startswith("At a minimum")
    browser.command("Emulation.setEmulatedMedia", features=[])


@pytest.mark.parametrize("lr", [1e-20, 1.0])
def test_a_loss_that_stays_is_told(page, lr):
    browser, run = page(Exploration(lr=lr, start=4.0)), Exploration(lr=lr, start=4.0)
    click(browser, "step", 1)
    run.step()
    assert run.loss == 16
    assert text(browser, "message") == run.message


def test_a_divergence_is_told(page):
    browser, run = page(Exploration(lr=3.0, start=4.0)), Exploration(lr=3.0, start=4.0)
    click(browser, "step", 50)
    run.run()
    assert text(browser, "message") == run.message
    assert run.message.startswith("Diverged after")
    assert browser.evaluate('document.getElementById("step").disabled')
    click(browser, "reset")
    assert not browser.evaluate('document.getElementById("step").disabled')


@pytest.mark.parametrize(
    ("field", "value"), [("rate-number", "-1"), ("rate-number", "0"), ("rate-number", ""), ("momentum-number", "1")]
)
def test_what_is_no_setting_changes_nothing(page, field, value):
    browser = page(Exploration(optimizer=Momentum(), lr=0.1))
    enter(browser, field, value)
    assert browser.evaluate("[s.lr, s.beta]") == [0.1, 0.9]
    assert not browser.evaluate(f'document.getElementById("{field}").checkValidity()')


@pytest.mark.parametrize("width", [320, 400, 800, 1280])
def test_it_fits_the_screen(page, width):
    browser = page(Exploration(problems.Rosenbrock(), optimizer=Adam()))
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.command("Emulation.setDeviceMetricsOverride", **metrics)
    click(browser, "step", 30)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    wide = """[...document.querySelectorAll("main *")].filter(each => each.scrollWidth > each.clientWidth + 1
        && getComputedStyle(each).display === "block").map(each => each.id || each.className || each.tagName)"""
    assert browser.evaluate(wide) == []
    browser.command("Emulation.clearDeviceMetricsOverride")


def test_it_has_a_dark_side(page):
    browser = page()
    shades = []
    for scheme in ("light", "dark"):
        browser.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        shades.append(browser.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert shades == ["rgb(246, 247, 249)", "rgb(21, 24, 28)"]
    browser.command("Emulation.setEmulatedMedia", features=[])
