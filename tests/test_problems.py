"""The gallery of objectives: gradients, minima, curvatures, and what is said of them."""

import numpy as np
import pytest
import reference

import fastgd
from fastgd import problems
from fastgd.problems.rosenbrock import _second_minimum


def table():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(40, 2)), np.ones(40)])
    return X, (X[:, 0] + rng.normal(size=40) > 0).astype(float)


CASES = [
    (problems.Bowl(), 1),
    (problems.Bowl(), 3),
    (problems.IllConditioned(50.0), 1),
    (problems.IllConditioned(50.0), 4),
    (problems.IllConditioned(0.1), 2),
    (problems.Rosenbrock(), 2),
    (problems.Rosenbrock(a=2, b=5), 2),
    (problems.Rosenbrock(), 5),
    (problems.Beale(), 2),
    (problems.Himmelblau(), 2),
    (problems.Booth(), 2),
    (problems.Saddle(), 1),
    (problems.Saddle(), 3),
    (problems.Rastrigin(), 3),
    (problems.Ackley(), 3),
    (problems.StyblinskiTang(), 3),
    (problems.LogisticRegression(*table()), 3),
]


def value(problem, x):
    return fastgd.value_and_grad(problem, x, np.empty_like(x))


def gradient(problem, x):
    grads = np.empty_like(x)
    fastgd.value_and_grad(problem, x, grads)
    return grads


def test_all_are_tested():
    assert {type(problem) for problem, _ in CASES} == set(problems.GALLERY)
    assert len(problems.GALLERY) == 11


@pytest.mark.parametrize(("problem", "n"), CASES, ids=lambda case: f"{case}"[:20])
def test_gradients_and_facts(problem, n):
    facts = problems.facts(problem, n)
    assert facts.description
    assert facts.start.shape == (n,)
    assert facts.minima.shape[1:] == (n,)
    rng = np.random.default_rng(1)
    for x in [facts.start, *rng.uniform(*facts.bounds, (5, n))]:
        numeric = reference.central_differences(lambda x: value(problem, x), x, h=1e-6)
        np.testing.assert_allclose(gradient(problem, x), numeric, rtol=1e-6, atol=1e-6 * (1 + abs(value(problem, x))))
    for x in facts.minima:
        assert value(problem, x) == pytest.approx(facts.value, abs=1e-12)
        np.testing.assert_allclose(gradient(problem, x), 0, atol=1e-12)
        near = x + 1e-3 * rng.normal(size=(20, n))
        assert min(value(problem, point) for point in near) > facts.value
    if not np.isnan(facts.sharpness):
        at = facts.minima[0] if len(facts.minima) else np.zeros(n)
        hessian = np.array(
            [(gradient(problem, at + 1e-5 * e) - gradient(problem, at - 1e-5 * e)) / 2e-5 for e in np.eye(n)]
        )
        eigenvalues = np.linalg.eigvalsh((hessian + hessian.T) / 2)
        assert eigenvalues[-1] == pytest.approx(facts.sharpness, rel=1e-5)
        assert eigenvalues[0] == pytest.approx(facts.flatness, rel=1e-5)


def test_float32():
    problem, x = problems.Rosenbrock(), np.array([-1.2, 1.0, 0.5], np.float32)
    assert gradient(problem, x).dtype == np.float32
    np.testing.assert_allclose(gradient(problem, x), gradient(problem, x.astype(np.float64)), rtol=1e-6)


def test_logistic_regression_without_a_minimum():
    X = np.array([[1.0], [2.0], [-1.0]])
    separable = problems.LogisticRegression(X, np.array([1.0, 1.0, 0.0]), l2=0.0)
    assert problems.facts(separable).minima.size == 0
    assert problems.facts(separable).value == 0
    assert problems.facts(separable).description.endswith("the weights grow without end")
    in_part = problems.LogisticRegression(np.array([[1.0], [0.0], [0.0]]), np.array([1.0, 1.0, 0.0]), l2=0.0)
    assert problems.facts(in_part).minima.size == 0
    assert problems.facts(in_part).value == pytest.approx(2 / 3 * np.log(2))  # what the rows of zeros leave


def test_logistic_regression_with_columns_that_are_sums_of_others():
    X, y = table()
    X = np.column_stack([X, X.sum(axis=1), np.zeros(len(X))])
    problem, n = problems.LogisticRegression(X, y, l2=0.0), X.shape[1]
    facts, grads = problems.facts(problem, n), np.empty(n)
    assert facts.value == pytest.approx(problems.facts(problems.LogisticRegression(*table(), l2=0.0)).value)
    assert value(problem, facts.minima[0]) == pytest.approx(facts.value)
    fastgd.value_and_grad(problem, facts.minima[0], grads)
    np.testing.assert_allclose(grads, 0, atol=1e-12)
    assert facts.flatness == 0
    assert facts.description.endswith("one of many minima is given")
    nothing = problems.facts(problems.LogisticRegression(np.zeros((3, 2)), np.array([1.0, 1.0, 0.0]), l2=0.0))
    assert (nothing.minima.tolist(), nothing.value) == ([[0, 0]], pytest.approx(np.log(2)))


def test_rows_in_any_form_are_taken():
    X, y = table()
    facts = problems.facts(problems.LogisticRegression(X, y))
    read_only = X.copy()
    read_only.flags.writeable = False
    assert problems.LogisticRegression(X, y).X is X
    for rows, targets in ((read_only, y), (np.asfortranarray(X), y.astype(int)), (X.tolist(), y.astype(">f8"))):
        problem = problems.LogisticRegression(rows, targets)
        np.testing.assert_array_equal(problems.facts(problem).minima, facts.minima)
        assert value(problem, np.ones(3)) == value(problems.LogisticRegression(X, y), np.ones(3))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: problems.facts(problems.Beale(), 3), ValueError, "Beale has 2 variables, got n=3"),
        (lambda: problems.facts(problems.Rosenbrock(), 1), ValueError, "at least 2 variables"),
        (lambda: problems.facts(problems.Bowl), TypeError, "got the class Bowl itself"),
        (lambda: problems.facts(fastgd.Adam()), TypeError, "one of the gallery .*got Adam"),
        (lambda: problems.facts(problems.Bowl(), 0), ValueError, "n must be an integer, 1 or larger"),
        (lambda: problems.IllConditioned(-1), ValueError, "condition must be a positive"),
        (lambda: problems.Rosenbrock(b=0), ValueError, "b must be a positive"),
        (lambda: problems.LogisticRegression(np.ones(1), np.ones(1)), ValueError, "X must be a 2-D array"),
        (lambda: problems.LogisticRegression([[np.nan]], np.ones(1)), ValueError, "X must be finite .* got nan at"),
        (lambda: problems.LogisticRegression(np.ones((0, 1)), []), ValueError, "X must have at least one element"),
        (lambda: problems.LogisticRegression(np.ones((1, 1)), np.full(1, 2.0)), ValueError, "y must hold 0 and 1"),
        (lambda: problems.LogisticRegression(np.ones((2, 1)), np.ones(1)), ValueError, "y must have as many rows as X"),
    ],
)
def test_errors(call, error, words):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize(
    "problem",
    [problems.Beale(), problems.Himmelblau(), problems.Booth(), problems.LogisticRegression(*table())],
    ids=lambda problem: type(problem).__name__,
)
def test_a_wrong_number_of_variables(problem):
    for n in (1, 4):
        with pytest.raises(ValueError, match=f"{type(problem).__name__} has"):
            fastgd.value_and_grad(problem, np.ones(n), np.empty(n))
        with pytest.raises(ValueError, match=f"{type(problem).__name__} has"):
            fastgd.minimize(problem, np.ones(n))


def test_an_unknown_minimum_is_not_invented():
    facts = problems.facts(problems.Rosenbrock(a=2.0), 3)
    assert facts.minima.shape == (0, 3)
    assert np.isnan(facts.value)


@pytest.mark.parametrize(("b", "n", "second"), [(100, 4, True), (10, 4, False), (10, 5, True), (100, 3, False)])
def test_the_second_minimum_of_rosenbrock(b, n, second):
    words = problems.facts(problems.Rosenbrock(b=b), n).description
    assert ("a second, local minimum near" in words) == second
    start = np.ones(n)
    start[0] = -1.0
    found = fastgd.minimize(
        problems.Rosenbrock(b=b), start, optimizer=fastgd.SGD(), lr=5e-4, max_steps=10**6, gtol=1e-8
    )
    assert (found.x[0] < 0) == second
    if second:
        assert f"({found.x[0]:.2f}, {found.x[1]:.2f}, ..., {found.x[-1]:.2f})" in words


@pytest.mark.parametrize("scale", [1e-5, 1.0, 1e5, 1e8])
@pytest.mark.parametrize("separable", [False, True])
def test_logistic_regression_of_any_scale_has_its_minimum(scale, separable):
    rng = np.random.default_rng(0)
    X = scale * rng.normal(size=(60, 3))
    y = np.where(X[:, 0] > 0 if separable else rng.random(60) < 0.5, 1.0, 0.0)
    problem, grads = problems.LogisticRegression(X, y, l2=1e-6), np.empty(3)
    facts = problems.facts(problem, 3)
    assert fastgd.value_and_grad(problem, facts.minima[0], grads) == pytest.approx(facts.value, rel=1e-12)
    np.testing.assert_allclose(grads / scale, 0, atol=1e-14 * min(1, facts.value / 1e-3))
    without = problems.facts(problem._replace(l2=0.0), 3)
    assert len(without.minima) == (0 if separable else 1)


def test_the_gallery_is_found_in_compiled_code_at_its_first_use(python):
    code = "import numba, fastgd; print(numba.njit(lambda: fastgd.problems.Rosenbrock().b)())"
    assert python("-c", code).stdout.split() == ["100.0"]


def test_what_a_textbook_says_is_of_the_problem_at_hand():
    assert "second" not in problems.facts(problems.Rosenbrock(a=-1.0), 2).description
    assert problems.facts(problems.Saddle(), 1).minima.tolist() == [[0]]
    assert "from 1 to 30:" in problems.facts(problems.IllConditioned(30.0), 2).description
    assert problems.facts(problems.IllConditioned(30.0), 1).description == "convex, of curvature 30"


def test_a_second_minimum_is_claimed_only_where_there_is_one():
    """Newton's plain steps lead anywhere between walls of little height."""
    rng, claimed = np.random.default_rng(0), 0
    for n in range(4, 8):
        for b in (*np.geomspace(1.1, 8, 40), 100.0):
            problem = problems.Rosenbrock(1.0, float(b))
            if "second, local minimum" in problems.facts(problem, n).description:
                claimed += 1
                x, grads = _second_minimum(problem, n), np.empty(n)
                value = fastgd.value_and_grad(problem, x, grads)
                assert abs(grads).max() < 1e-8 * b
                for _ in range(20):
                    assert fastgd.value_and_grad(problem, x + 1e-4 * rng.normal(size=n), grads) > value
    assert claimed > 50


def test_logistic_regression_with_a_penalty_is_strictly_convex_at_any_scale():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 3))
    y = (X[:, 0] + rng.normal(size=100) > 0).astype(float)
    scaled = np.ascontiguousarray(X * [1e-6, 1, 1e6])
    for l2, least in ((1e-3, 1e-3), (0.0, 0.0)):
        known = problems.facts(problems.LogisticRegression(scaled, y, l2))
        assert "one of many" not in known.description
        assert known.flatness >= least
        assert len(known.minima) == 1
    repeated = np.ascontiguousarray(np.c_[X, X[:, :1]])
    assert "one of many" in problems.facts(problems.LogisticRegression(repeated, y, 0.0)).description
    X[0, 0] = np.nan
    with pytest.raises(ValueError, match=r"LogisticRegression: X must be finite .*, got nan at \[0, 0\]"):
        problems.LogisticRegression(X, y)
