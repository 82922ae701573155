"""`diagnose` on runs whose verdict theory gives: a step multiplies the error along an eigenvector by 1 - lr·λ."""

import warnings

import numpy as np
import pytest

import fastgd
from fastgd import SGD, Adam, ClipByNorm, Momentum, Nesterov, Neuron, diagnose, fit, minimize, sweep
from fastgd._rates.judgement import VERDICTS
from fastgd.problems import Bowl, IllConditioned
from fastgd.tables import find_scaling, load_breast_cancer, standardize

SMALL, RIGHT, SWINGS, DIVERGED, STUCK, NOISY = VERDICTS[:6]


def quadratic(curvatures, start, rate, steps, noise, seed):
    """f = Σ λ_i x_i² / 2 by plain descent at rate/λ_max, noise in the gradient."""
    curvatures, rng = np.asarray(curvatures, float), np.random.default_rng(seed)

    def fun(x, grad):
        grad[:] = curvatures * x + noise * rng.standard_normal(x.size)
        return float(0.5 * (curvatures * x**2).sum())

    return minimize(
        fun, start, optimizer=SGD(), lr=rate / curvatures.max(), max_steps=steps, compile=False, record=True
    )


def regression(d, rate, epochs, batch_size, label_noise, seed, n=512, dtype=np.float64, optimizer=None):
    """Linear regression on white features: the Hessian is 2·E[x xᵀ], with a column of ones for the bias."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)).astype(dtype)
    y = (X @ rng.normal(size=d) + label_noise * rng.normal(size=n)).astype(dtype)
    ones = np.column_stack([X, np.ones(n)])
    sharpest = np.linalg.eigvalsh(2 * ones.T @ ones / n)[-1]
    start = rng.normal(size=d + 1).astype(dtype) * 2
    return fit(
        Neuron(d, "identity"), X, y, optimizer=optimizer or SGD(), lr=float(rate / sharpest), batch_size=batch_size,
        epochs=epochs, params=start, seed=seed,
    )  # fmt: skip


def neuron(activation, optimizer, lr, epochs, batch_size=32, seed=0, bias=None):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(256, 3))
    z = X @ np.array([1.0, -1.0, 0.5]) + 0.3 * rng.normal(size=256)
    y = np.tanh(z) if activation == "tanh" else (z > 0).astype(float)
    params = None if bias is None else np.array([0.1, 0.1, 0.1, bias])
    return fit(
        Neuron(3, activation), X, y, optimizer=optimizer, lr=lr, batch_size=batch_size, epochs=epochs, params=params
    )


# By theory. 0.01/λ leaves 0.99^(2·50) = 37 % of the loss after 50 steps; 5,000 leave nothing. 0.5 and 1 arrive within
# 60 steps at condition numbers up to 5. 1.9 and 1.99 alternate, and have kept a share of 0.9^60 and 0.99^60 of the
# error after 60 steps, far above gtol. 2.01 grows by 1.01^200 = 7.3, 3 doubles at each step.
STEPS = {0.01: 50, 0.5: 60, 1.0: 60, 1.9: 60, 1.99: 200, 2.01: 200, 3.0: 40}
BY_RATE = {0.01: SMALL, 0.5: RIGHT, 1.0: RIGHT, 1.9: SWINGS, 1.99: SWINGS, 2.01: DIVERGED, 3.0: DIVERGED}


def first_table():
    for condition in (1.0, 5.0):
        for d in (1, 2, 5):
            curvatures = 3.0 * np.geomspace(1, 1 / condition, d)
            for rate, verdict in BY_RATE.items():
                # Noise of 0.01 leaves a floor of some 1e-5 of the first loss: all is as without it.
                for noise in (0.0, 0.01):
                    name = f"quadratic d={d} condition={condition} rate={rate} noise={noise}"
                    yield name, verdict, quadratic(curvatures, np.full(d, 2.0), rate, STEPS[rate], noise, d)
            # 1.99 with noise: it comes to rest swinging, at a mean cosine near -1, in one direction of d.
            for noise in (0.1, 4.0):
                name = f"quadratic d={d} condition={condition} rate=1.99 noise={noise}"
                yield name, SWINGS, quadratic(curvatures, np.full(d, 2.0), 1.99, 400, noise, d)
            # Noise of 4: the excess lr·|g|²/4 at the floor is of the size of the first loss.
            for rate in (0.5, 1.0):
                name = f"quadratic d={d} condition={condition} rate={rate} noise=4"
                yield name, NOISY, quadratic(curvatures, np.full(d, 2.0), rate, 400, 4.0, d)
            name = f"quadratic d={d} condition={condition} rate=0.01 steps=5000"
            yield name, RIGHT, quadratic(curvatures, np.full(d, 2.0), 0.01, 5000, 0.0, d)
    for d in (1, 4, 10):
        for rate, verdict in BY_RATE.items():
            yield f"full batch d={d} rate={rate}", verdict, regression(d, rate, STEPS[rate], None, 0.3, d)
        # 8 batches of 64 an epoch, excess lr·tr(H)/(2·64) ≈ 2 % a dimension of the floor at most: just right.
        for rate, epochs in ((0.5, 30), (0.2, 30)):
            yield f"batches d={d} rate={rate}", RIGHT, regression(d, rate, epochs, 64, 0.3, d)
        # Two, four and eight batches an epoch at 1.9/λ: in the steepest direction a cosine of -0.95.
        for batch_size in (64, 128, 256):
            yield f"batches of {batch_size} d={d} rate=1.9", SWINGS, regression(d, 1.9, 40, batch_size, 0.3, d)
        yield f"batches d={d} rate=0.0005", SMALL, regression(d, 0.0005, 30, 64, 0.3, d)  # 0.9995^480 = 79 % left
        yield f"batches d={d} rate=3", DIVERGED, regression(d, 3.0, 30, 64, 0.3, d)
    # Batches of 2 at 0.3/λ in 4 and 10 dimensions: lr·tr(H)/(2·2) = 0.3·5/4, 0.3·11/4 of the floor, and more.
    for d in (4, 10):
        yield f"noisy d={d}", NOISY, regression(d, 0.3 if d == 4 else 0.15, 30, 2, 1.0, d)
    # The sigmoid's derivative at z = ±12 is 6e-6, that of tanh at 25 is 0: no step gets anywhere.
    for bias in (-12.0, 12.0, 25.0):
        yield f"saturated sigmoid {bias}", STUCK, neuron("sigmoid", SGD(), 0.1, 20, bias=bias)
        yield f"saturated tanh {bias}", STUCK, neuron("tanh", SGD(), 0.1, 20, bias=bias)
    yield "tanh Adam", RIGHT, neuron("tanh", Adam(), 0.03, 60)
    yield "tanh SGD", RIGHT, neuron("tanh", SGD(), 0.3, 60)
    yield "tanh Momentum", RIGHT, neuron("tanh", Momentum(), 0.03, 60)
    yield "tanh too small", SMALL, neuron("tanh", SGD(), 1e-3, 20)
    yield "sigmoid Adam", RIGHT, neuron("sigmoid", Adam(), 0.1, 100)
    yield "sigmoid Adam too small", SMALL, neuron("sigmoid", Adam(), 1e-4, 20)
    yield "identity Adam", RIGHT, regression(4, 1.0, 60, 32, 0.3, 4, optimizer=Adam())
    yield "identity Momentum", RIGHT, regression(4, 0.1, 60, 64, 0.3, 4, optimizer=Momentum())


def second_table():
    """Other dimensions, spectra, starts, rates between the cells, both dtypes: nothing was chosen by its results."""
    rng = np.random.default_rng(2026)
    # As above; 1.85 to 1.98 keep more than 0.8 of the error a step.
    cells = [(0.005, 0.02, 40, SMALL), (0.4, 1.3, 100, RIGHT), (1.85, 1.98, 60, SWINGS), (2.03, 3.5, 150, DIVERGED)]
    for k in range(30):
        d, condition = int(rng.integers(1, 12)), rng.uniform(1, 4)
        curvatures = 10 ** rng.uniform(-2, 2) * np.sort(rng.uniform(1 / condition, 1, d))
        for low, high, steps, verdict in cells:
            rate = rng.uniform(low, high)
            start = rng.normal(size=d) + np.sign(rng.normal(size=d))
            yield f"#{k} d={d} rate={rate:.3g}", verdict, quadratic(curvatures, start, rate, steps, 0.0, k)
    for k in range(8):
        d, dtype = int(rng.integers(1, 9)), (np.float32, np.float64)[k % 2]
        for low, high, steps, verdict in cells:
            rate = rng.uniform(low, high)
            name = f"fit #{k} d={d} {dtype.__name__} rate={rate:.3g}"
            yield name, verdict, regression(d, rate, steps, None, rng.uniform(0, 1), k, dtype=dtype)
        rate = rng.uniform(0.2, 0.6)
        yield f"batches #{k} d={d} rate={rate:.3g}", RIGHT, regression(d, rate, 25, 64, 0.5, k, dtype=dtype)


@pytest.mark.parametrize("table", [first_table, second_table])
def test_right_on_what_theory_knows(table):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.filterwarnings("ignore", "fit: the run diverged", RuntimeWarning)
        rows = [(name, verdict, diagnose(run)) for name, verdict, run in table()]
    misses = [(name, verdict, found) for name, verdict, found in rows if found.verdict != verdict]
    for name, verdict, found in misses:
        print(f"{name}: expected {verdict!r}\n{found}")
    print(f"{len(rows) - len(misses)} of {len(rows)} right")
    assert len(misses) <= 0.05 * len(rows)


def test_a_fall_known_by_theory():
    # 0.98 a row; a thousandth of the fall to 1.5 is left after ln(1000) / -ln(0.98) rows.
    for rows in (12, 50, 100):
        found = diagnose({"loss": (1.5 + 3 * 0.98 ** np.arange(rows)).tolist()})
        assert found.verdict == SMALL
        assert found.needed == pytest.approx(np.log(1000) / -np.log(0.98), rel=1e-6)
        assert f"about {found.needed:.0f} epochs" in str(found)


@pytest.mark.parametrize("loss", [[1.0, 0.9, 0.8, 0.7, 0.6], 10 - np.arange(30) * 0.1, np.linspace(1, 0.5, 20)])
def test_a_straight_fall_has_no_floor_in_sight(loss):
    found = diagnose({"loss": loss})
    assert (found.verdict, found.needed) == (SMALL, None)
    assert "no floor is in sight" in str(found)


def test_the_same_losses_told_apart_by_the_cosine():
    losses = 0.81 ** np.arange(25)
    norms = 0.9 ** np.arange(25)
    cosine = np.r_[np.nan, np.ones(24)]
    assert diagnose({"loss": losses, "grad_norm": norms, "grad_cosine": -cosine}).verdict == SWINGS
    assert diagnose({"loss": losses, "grad_norm": norms, "grad_cosine": cosine}).verdict in (SMALL, RIGHT)


@pytest.mark.parametrize("lr", [1e3, 1e4, 1e5])
def test_a_neuron_that_its_steps_have_saturated_is_stuck(lr):
    X = np.random.default_rng(0).normal(size=(2000, 4))
    found = diagnose(fit(Neuron(4), X, X.sum(1) > 0, optimizer=Adam(), lr=lr, epochs=40))
    assert found.verdict == "stuck"
    assert "no batch has a gradient left" in found.evidence[0]


@pytest.mark.parametrize("batch_size", [32, 1000])
@pytest.mark.parametrize("loss", ["mse", "binary_cross_entropy"])
@pytest.mark.parametrize("optimizer", [SGD(), Momentum(), Adam()], ids=["SGD", "Momentum", "Adam"])
def test_rates_far_too_large_for_a_neuron(optimizer, loss, batch_size):
    """The labels are drawn, so that the floor is high: of MSE 0.14, of cross-entropy 0.43."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 5))
    y = rng.random(1000) < 1 / (1 + np.exp(-X @ rng.normal(size=5)))
    found = {
        lr: diagnose(fit(Neuron(5, loss=loss), X, y, optimizer=optimizer, lr=lr, epochs=20, batch_size=batch_size))
        for lr in (0.1, 1e3, 1e4, 1e6)
    }
    assert found.pop(0.1).verdict in (SMALL, RIGHT)
    assert {report.verdict for report in found.values()} <= {SWINGS, DIVERGED, STUCK}
    assert (found[1e6].verdict == STUCK) == (loss == "mse")  # whose gradient goes when the sigmoid saturates


@pytest.mark.parametrize("optimizer", [SGD(), Momentum(), Adam()], ids=["SGD", "Momentum", "Adam"])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_rows_one_by_one_at_rates_far_too_large(optimizer, batch_size):
    """Whatever it begins with, no good run of cross-entropy ends above twice a coin's loss, ln 2."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 4))
    y = X @ [1, -2, 0.5, 1.0] + rng.logistic(size=400) > 0
    model = Neuron(4, loss="binary_cross_entropy")
    for lr in (30.0, 1e3, 1e5):
        run = fit(model, X, y, optimizer=optimizer, lr=lr, batch_size=batch_size, epochs=20)
        assert run.loss > 2 * np.log(2)
        assert diagnose(run).verdict in (SWINGS, DIVERGED, NOISY)
    slow = fit(model, X, y, optimizer=SGD(), lr=1e-5, batch_size=batch_size, epochs=20, params=[9.0, 9, 9, 9, 0])
    assert diagnose(slow).verdict == SMALL


@pytest.mark.parametrize("batch_size", [1, 32, 256, None])
@pytest.mark.parametrize("loss", ["mse", "binary_cross_entropy"])
@pytest.mark.parametrize("optimizer", [SGD(), Momentum(), Adam()], ids=["SGD", "Momentum", "Adam"])
def test_what_ended_far_above_its_start_is_neither_right_nor_too_small(optimizer, loss, batch_size):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 5))
    targets = {"coins": rng.random(600) < 0.5, "separable": X @ rng.normal(size=5) > 0, "rare": rng.random(600) < 0.05}
    model, bad = Neuron(5, loss=loss), 0
    for y in targets.values():
        begins = fit(model, X, y, epochs=1, optimizer=SGD(), lr=0, batch_size=None).loss
        for lr in np.geomspace(1e-3, 1e4, 8):
            run = fit(model, X, y, optimizer=optimizer, lr=lr, batch_size=batch_size, epochs=15)
            ends = fastgd.value_and_grad(model, run.params, X, y.astype(float), np.empty(6))
            assert ends < 1.3 * begins or diagnose(run).verdict in (SWINGS, DIVERGED, STUCK, NOISY)
            bad += ends >= 1.3 * begins
    assert bad >= 2


def test_features_that_saturate_the_neuron():
    X = 10 * np.random.default_rng(0).normal(size=(600, 5)) + 30
    y = X[:, 0] > 30
    for optimizer, lr in [(SGD(), 10.0), (Momentum(), 4.64), (fastgd.RMSProp(), 0.0464)]:
        run = fit(Neuron(5), X, y, optimizer=optimizer, lr=lr, batch_size=None, epochs=20)
        assert run.loss > run.history["loss"][0]
        assert diagnose(run).verdict in (STUCK, SWINGS)


@pytest.mark.parametrize(
    ("loss", "verdicts"),
    [
        (np.exp(np.arange(40) / 200), (SWINGS, DIVERGED)),
        (np.r_[1, np.full(39, 1.19)], (SWINGS,)),
        (np.r_[np.linspace(1, 0.5, 20), np.linspace(0.5, 1.9, 20)], (DIVERGED,)),
        ([1, 2], (DIVERGED,)),
        ([1, 0.5, 0.25], (SMALL,)),
        ([10, 9, 7], (SMALL,)),
        ([10, 8, 6.5, 5], (SMALL,)),
        ([1, 0.8, 0.65, 0.5, 0.41], (SMALL,)),
        ([10, 8, 6.5, 5, 4.2, 3.3, 2.7], (SMALL,)),
        ([0.69, 0.6, 0.55, 0.48, 0.45, 0.41, 0.39], (SMALL,)),
        ([2.3, 1.9, 1.9, 1.7, 1.6], (VERDICTS[6],)),
        ([1, 0.3, 0.1, 0.1, 0.1], (RIGHT,)),
        ([1, 0.9, 1.1, 0.95, 1.05], (VERDICTS[6],)),
        ([1, 1.94, 1.608, 1.381, 1.231, 1.155, 1.097, 1.062, 1.037], (VERDICTS[6],)),
        ([2.5, 1.2, 0.9, 0.85, 0.9, 1.0, 1.2], (DIVERGED,)),
    ],
)
def test_losses_alone(loss, verdicts):
    found = diagnose({"loss": loss})
    assert found.verdict in verdicts
    assert "before any step" not in str(found)  # of which epochs' means do not tell


def test_a_rise_after_a_fall_within_the_first_epoch():
    epochs = np.arange(1, 13)
    found = diagnose({"loss": np.r_[0.5, np.linspace(0.62, 0.56, 11)], "epoch": epochs, "step": 16 * epochs})
    assert found.verdict == SWINGS
    assert "from 0.5 in the first epoch" in found.evidence[0]


@pytest.mark.parametrize("epochs", range(2, 13))
def test_a_short_smooth_fall_is_still_a_fall(epochs):
    table = load_breast_cancer()
    X = standardize(table.X, find_scaling(table.X))
    assert diagnose(fit(Neuron(30), X, table.y, lr=0.002, epochs=epochs)).verdict == SMALL


@pytest.mark.parametrize("epochs", [3, 4, 5, 6, 7, 8, 10, 12, 15])
def test_short_records_of_losses_alone(epochs):
    """That fall by 1 % a row or more with 1 % of noise; that are over with it; that never moved."""
    found = {"slow": [], "fast": [], "none": []}
    t = np.arange(epochs)
    for seed in range(60):
        rng = np.random.default_rng(seed)
        noise = 1 + 0.01 * rng.normal(size=epochs)
        slow = 0.2 + np.exp(-t / rng.uniform(epochs, 3 * epochs))
        fast = 0.2 + np.exp(-t / rng.uniform(0.1, epochs / 16))
        for name, loss in (("slow", slow * noise), ("fast", fast * noise), ("none", noise)):
            found[name].append(diagnose({"loss": loss}))
            half = loss[-(epochs // 2 + 1) :]
            is_flat = name == "none" or abs(half[0] - half[-1]) <= 0.03 * np.ptp(loss)
            assert is_flat or "flat in the" not in str(found[name][-1])
    verdicts = {name: [report.verdict for report in reports] for name, reports in found.items()}
    assert verdicts["slow"].count(SMALL) >= 57
    assert set(verdicts["slow"]) <= {SMALL, VERDICTS[6]}
    assert verdicts["fast"].count(RIGHT) >= 57
    if epochs > 4:  # in which three rows or four are sorted by chance once in 6 or 24 times
        assert verdicts["none"].count(SMALL) <= 3


def test_a_rate_that_decayed_too_soon():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(512, 4))
    y = X @ rng.normal(size=4) + 0.3 * rng.normal(size=512)
    decays = fastgd.ExponentialDecay(0.05, 3.0)
    run = fit(Neuron(4, "identity"), X, y, optimizer=SGD(), lr=decays, batch_size=None, epochs=30)
    found = diagnose(run)
    assert found.verdict == SMALL
    assert found.advice[-1] == "a schedule that falls more slowly"


def test_no_larger_rate_is_advised_beyond_the_stable_limit():
    run = minimize(IllConditioned(1000.0), [1.0, 1e-3], optimizer=SGD(), lr=1e-3, max_steps=300, record=True)
    assert "ten times as large" in diagnose(run, lr=1e-3).advice[0]
    found = diagnose(run, sharpness=1000.0, lr=1e-3)
    assert found.advice == ("more steps, or features of one scale: three times the rate is beyond the stable limit",)


def test_full_batches_begin_with_the_loss_before_any_step():
    epochs = np.arange(1, 21)
    history = {"loss": np.r_[1, 5, np.full(18, 0.9)], "epoch": epochs, "step": epochs}
    found = diagnose(history)
    assert found.verdict == SWINGS
    assert found.evidence[0].startswith("before any step the loss was 1; the mean of epoch 2 is 5")
    assert diagnose(history | {"step": 16 * epochs}).verdict == RIGHT  # the first epoch's mean may be of any height


def test_what_the_first_step_promises_is_not_known_of_one_that_was_clipped():
    X = np.random.default_rng(0).normal(size=(512, 5))
    clipped = fit(Neuron(5), X, X[:, 0] > 0, lr=1e3, batch_size=512, epochs=20, clip=ClipByNorm(1e-4), optimizer=SGD())
    assert diagnose(clipped).verdict in (SMALL, RIGHT)


def test_one_perfect_step_on_a_bowl_is_no_saturation():
    x = np.array([[-1.0], [1.0]] * 50)
    run = fit(Neuron(1, "identity"), x, x[:, 0] + np.repeat([0.5, -0.5], 50), optimizer=SGD(), lr=0.5, batch_size=100)
    assert run.history["grad_norm"][1] < 1e-12 < run.loss  # the Hessian is 2 in all directions
    assert diagnose(run).verdict == RIGHT


@pytest.mark.parametrize("optimizer", [SGD(), Momentum(), Adam()], ids=["SGD", "Momentum", "Adam"])
def test_an_epoch_of_steps_that_are_far_too_large_hides_where_the_loss_began(optimizer):
    """The history begins with the mean of the first epoch, from which it falls; before any step it was ln 2."""
    table = load_breast_cancer()
    X = standardize(table.X, find_scaling(table.X))
    model = Neuron(X.shape[1], loss="binary_cross_entropy")
    right = {"SGD": 1.0, "Momentum": 0.1, "Adam": 0.1}[type(optimizer).__name__]
    for epochs in (10, 40):
        found = diagnose(fit(model, X, table.y, optimizer=optimizer, lr=1e3, epochs=epochs))
        assert found.verdict == DIVERGED
        assert "before any step the loss was 0.6" in found.evidence[0]
        assert diagnose(fit(model, X, table.y, optimizer=optimizer, lr=right, epochs=epochs)).verdict in (SMALL, RIGHT)


def test_the_loss_before_any_step_goes_on_with_a_run():
    X = np.random.default_rng(0).normal(size=(640, 4))
    model = Neuron(4, loss="binary_cross_entropy")
    whole = fit(model, X, X.sum(1) > 0, lr=1e3, epochs=4)
    part = fit(model, X, X.sum(1) > 0, lr=1e3, epochs=2)
    assert str(diagnose(fit(model, X, X.sum(1) > 0, lr=1e3, epochs=4, resume=part))) == str(diagnose(whole))


def test_no_loss_at_all_is_just_right():
    assert diagnose({"loss": [0, 0, 0]}).verdict == "just right"


def test_a_gradient_of_zero_is_just_right():
    for rate in (0.1, 1.0, 1.9):
        assert diagnose(quadratic([2.0, 2.0], [1.0, -1.0], rate, 10_000, 0.0, 0)).verdict == RIGHT
    assert diagnose(quadratic([2.0], [0.0], 0.1, 10, 0.0, 0)).verdict == RIGHT


@pytest.mark.parametrize(
    ("optimizer", "limit"), [(SGD(), 2.0), (Momentum(0.9), 3.8), (Nesterov(0.9), 3.8 / 2.8), (Adam(), None)]
)
def test_against_the_stable_limit(optimizer, limit):
    if limit is None:
        run = quadratic([4.0], [1.0], 0.1, 20, 0.0, 0)
        assert "not known" in str(diagnose(run, sharpness=4.0, lr=0.1, optimizer=optimizer))
        return
    for share, side in ((0.98, "below"), (1.02, "above")):
        run = regression(1, share * limit, 400, None, 0.0, 0, optimizer=optimizer)
        rng = np.random.default_rng(0)
        ones = np.column_stack([rng.normal(size=(512, 1)), np.ones(512)])
        text = str(diagnose(run, sharpness=np.linalg.eigvalsh(2 * ones.T @ ones / 512)[-1]))
        assert f"is {side} the stable limit" in text
        assert f"{share:.3g} of it" in text
        assert (run.loss < 1) == (side == "below")  # the limit is what it is said to be


def test_a_curvature_that_is_lost_in_rounding_is_not_taken_for_small():
    lost = fastgd.sharpness(lambda x: (x**2).sum(), [1e5, 0.2], jac="2-point", compile=False)
    run = minimize(Bowl(), [1e5, 0.2], optimizer=SGD(), lr=0.1, record=True)
    found = diagnose(run, lr=0.1, optimizer=SGD(), sharpness=lost)
    assert f"above the stable limit {lost.largest_stable_rate:.4g} (2/λ, plain descent's)" in str(found)
    hill = fastgd.sharpness(lambda x: -(x**2).sum(), [1.0, 0.2], jac="2-point", compile=False)
    assert "the largest curvature is -2" in str(diagnose(run, lr=0.1, optimizer=SGD(), sharpness=hill))


def test_a_schedule_s_largest_rate_is_held_against_the_stable_limit_too():
    X = np.random.default_rng(0).normal(size=(512, 2))
    cosine = fastgd.CosineAnnealing(0.19, 10)
    run = fit(Neuron(2, "identity"), X, X[:, 0], optimizer=SGD(), lr=cosine, batch_size=None, epochs=11)
    assert diagnose(run, sharpness=10.0).evidence[-1].endswith(": 0 of it; the largest, 0.19, was 0.95 of it")
    assert "the largest" not in str(diagnose(run, sharpness=10.0, lr=0.1))


def test_validation_is_told_of():
    text = str(diagnose({"loss": [3.0, 2.0, 1.0], "val_loss": [3.0, 2.0, 2.5]}))
    assert "the validation loss was least in epoch 2: 2; it ended at 2.5" in text


def test_honest_about_little():
    assert diagnose({"loss": [1.0]}).verdict == VERDICTS[6]
    assert diagnose({"loss": [1.0] * 20}).verdict == STUCK
    assert diagnose({"loss": [3.0, None, None]}).verdict == DIVERGED
    assert "no loss is finite" in str(diagnose({"loss": [np.nan] * 5}))
    for wrong, error, words in (
        ({"loss": []}, ValueError, "at least one row"),
        ({}, ValueError, "must have 'loss', it has none"),
        ({"loss": [1.0, 2.0], "lr": [0.1]}, ValueError, "as many rows"),
        (3, TypeError, "result must be"),
        (minimize(Bowl(), [0.0]), ValueError, "record=True"),
    ):
        with pytest.raises(error, match=words):
            diagnose(wrong)
    with pytest.raises(ValueError, match="sharpness"):
        diagnose({"loss": [1.0, 0.5]}, sharpness=np.nan)
    for optimizer, words in (("sgd", "got str"), (Momentum, r"write Momentum\(\)")):
        with pytest.raises(TypeError, match=f"^diagnose: optimizer: .*{words}"):
            diagnose({"loss": [1.0, 0.5]}, optimizer=optimizer)
    with pytest.raises(ValueError, match="lr must be"):
        diagnose({"loss": [1.0, 0.5]}, lr=-1)


def test_prints_itself_and_nothing_else(capsys):
    history = {"loss": [1.0, 0.9, 0.81, 0.729]}
    found = diagnose(history)
    assert capsys.readouterr().out == ""
    assert history == {"loss": [1.0, 0.9, 0.81, 0.729]}
    assert str(found) == repr(found)
    assert str(found).startswith("The learning rate: too small\n")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300, 0.0])
def test_any_record_has_a_verdict_without_a_warning(bad):
    rng = np.random.default_rng(0)
    for rows in (1, 2, 3, 5, 20):
        history = {
            name: np.where(rng.random(rows) < 0.4, bad, rng.random(rows))
            for name in ("loss", "grad_norm", "grad_cosine", "lr", "val_loss", "step")
        }
        assert diagnose(history).verdict in VERDICTS


def test_a_run_of_a_sweep_ends_where_it_has_no_more_steps():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    options = {"optimizer": SGD(), "epochs": 40, "tol": 1e-3, "patience": 3}
    swept = sweep(Neuron(3, "identity"), X, X @ [1.0, 2.0, 3.0], lrs=[1e-3, 0.1], **options)
    assert swept.n_epochs[1] < swept.n_epochs[0]
    assert diagnose({name: rows[1] for name, rows in swept.history.items()}).verdict == RIGHT
    history = {"loss": [3.0, 2.0, 1.0, np.nan], "step": [1, 2, 3, np.nan]}
    assert diagnose(history) == diagnose({name: column[:3] for name, column in history.items()})


def test_epochs_without_a_loss_are_passed_over():
    loss = np.exp(-np.arange(40.0))
    with_gaps = np.insert(loss, [3, 20], np.nan)
    assert diagnose({"loss": with_gaps}).verdict == diagnose({"loss": loss}).verdict == "just right"
    assert diagnose({"loss": np.append(loss, np.inf)}).verdict == "too large: diverged"


@pytest.mark.parametrize(("epochs", "share"), [(3, 0.5), (5, 1.0), (10, 0.5), (10, 1.0), (15, 1.0)])
def test_chance_in_a_short_record_is_no_fall(epochs, share):
    """At 1/λ noise adds as much to the floor as it is itself."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(512, 3))
    y = X.sum(axis=1) + 0.3 * rng.normal(size=512)
    with_bias = np.c_[X, np.ones(512)]
    steepest = np.linalg.eigvalsh(2 * with_bias.T @ with_bias / 512).max()
    options = {"optimizer": SGD(), "lr": share / steepest, "batch_size": 8, "epochs": epochs}
    verdicts = [diagnose(fit(Neuron(3, "identity"), X, y, seed=seed, **options)).verdict for seed in range(20)]
    assert verdicts.count("noisy" if share == 1 else "just right") >= 19


def test_noise_in_a_record_of_losses_alone():
    rng = np.random.default_rng(0)
    loss = 5 * np.exp(-np.arange(200) / 3) + rng.uniform(0.2, 2, 200)
    assert diagnose({"loss": loss}).verdict == "noisy"
    x = rng.normal(size=(300, 1))
    y = x[:, 0] + rng.normal(size=300)
    options = {"optimizer": SGD(), "lr": 0.25, "batch_size": 1, "epochs": 100}
    runs = [fit(Neuron(1, "identity"), x, y, seed=seed, **options) for seed in range(20)]
    assert [diagnose({"loss": run.history["loss"]}).verdict for run in runs].count("noisy") >= 19


@pytest.mark.parametrize("lr", [10.0, 30.0])
def test_a_path_that_went_up_before_it_came_down_is_not_too_slow(lr):
    run = minimize(Bowl(), [1.0], optimizer=Adam(), lr=lr, max_steps=60, record=True)
    assert run.path_fun.max() > 5
    assert diagnose(run).verdict == SWINGS


@pytest.mark.parametrize("lr", [0.05, 0.1, 0.3])
def test_momentum_s_long_steps_are_no_noise(lr):
    run = minimize(Bowl(), [4.0], optimizer=Momentum(), lr=lr, max_steps=30, record=True)
    assert diagnose(run).verdict == diagnose(run, lr=lr, optimizer=Momentum()).verdict == "just right"


@pytest.mark.parametrize(
    ("optimizer", "d", "rate", "verdict"),
    [
        (SGD(), 20, 0.5, NOISY),
        (Momentum(), 20, 0.05, RIGHT),
        (Momentum(), 20, 0.125, NOISY),
        (Momentum(), 5, 0.15, RIGHT),
        (Adam(), 5, 0.3, RIGHT),
        (Adam(), 20, 0.3, NOISY),
    ],
)
def test_what_noise_adds_is_what_a_smaller_rate_would_not(optimizer, d, rate, verdict):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60_000, d))
    y = X @ rng.normal(size=d) + 0.5 * rng.normal(size=len(X))
    result = fit(Neuron(d, "identity"), X, y, optimizer=optimizer, lr=rate, epochs=20, seed=1)
    least = np.linalg.lstsq(np.column_stack([X, np.ones(len(X))]), y, rcond=None)[1][0] / len(X)
    added = result.history["loss"][-10:].mean() - least
    found = diagnose(result)
    assert found.verdict == verdict
    assert (added > 0.25 * result.history["loss"][-10:].mean()) == (verdict == NOISY)
    if verdict == NOISY:
        assert float(str(found).partition("adds about ")[2].split()[0]) == pytest.approx(added, rel=0.2)


def test_losses_alone_that_fell_and_climb_again_are_too_large():
    down, up = np.geomspace(1, 0.1, 30), np.geomspace(0.1, 0.9, 30)
    assert diagnose({"loss": np.r_[down, up]}).verdict == "too large: diverged"

    def valley(x, grad):
        grad[0], grad[1] = 100 * x[0], x[1]
        return 0.5 * (100 * x[0] ** 2 + x[1] ** 2)

    for rate, steps in ((2.02, 250), (2.05, 100)):
        options = {"optimizer": SGD(), "lr": rate / 100, "max_steps": steps, "gtol": 0, "compile": False}
        path = minimize(valley, [1e-3, 2.0], record=True, **options).path_fun
        assert diagnose({"loss": path}).verdict == "too large: diverged"


def test_a_record_is_called_flat_only_where_it_is():
    t = np.arange(1000)
    steep_and_slow = 400 * np.exp(-t / 3) + 4 * np.exp(-t / 400)  # most of the fall is over at once
    found = diagnose({"loss": steep_and_slow})
    assert found.verdict == "just right"
    assert "flat" not in str(found)
    assert "of it in the last half" in str(found)
    assert "flat in the last half" in str(diagnose({"loss": 400 * np.exp(-t / 3) + 4}))


def test_momentum_that_swings_is_not_sent_on_to_larger_rates():
    """On a bowl its swing dies away by √β a step, whatever the rate: three times this one is beyond the limit."""

    def bowl(x, grad):
        grad[:] = x
        return float(0.5 * (x * x).sum())

    for optimizer in (Momentum(0.9), Nesterov(0.9)):
        lr = 1.9 if type(optimizer) is Momentum else 0.5
        result = minimize(bowl, [2.0], optimizer=optimizer, lr=lr, max_steps=30, compile=False, record=True)
        found = diagnose(result, lr=lr, optimizer=optimizer)
        assert found.verdict != "too small"
        assert not any("times as large" in advice for advice in found.advice)


def test_a_run_that_has_arrived_needs_no_more():
    late = np.r_[np.ones(20), np.exp(-np.arange(40) / 5.0)]
    found = diagnose({"loss": late})
    assert found.verdict == "just right"
    assert found.needed is None


def test_a_data_frame_is_a_history():
    class Frame:
        """What a data frame is here: its columns by name, but no Mapping."""

        def __init__(self, columns):
            self.columns = columns

        def keys(self):
            return self.columns.keys()

        def __iter__(self):
            return iter(self.columns)

        def __getitem__(self, name):
            return self.columns[name]

    X = np.random.default_rng(0).normal(size=(100, 2))
    result = fastgd.fit(fastgd.Neuron(2, "identity"), X, X.sum(axis=1), lr=0.1, epochs=5)
    assert fastgd.diagnose(Frame(result.history)) == fastgd.diagnose(result.history)
