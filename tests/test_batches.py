"""Orders of rows: permutations, named by seed and epoch alone, uniform, and in blocks where that is asked for."""

import itertools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fastgd.batches import BLOCK_SHUFFLED, ORDERS, SEQUENTIAL, SHUFFLED, fill_order, go_on_filling

EVERYTHING = np.empty(0, np.uint32)


def order(n, kind, seed=0, epoch=0, block=1, window=1, pool=EVERYTHING):
    result = np.full(n, 2**32 - 1, np.uint32)
    fill_order(result, pool, kind, seed, epoch, block, window)
    return result


def test_the_names_are_those_of_the_codes():
    assert [ORDERS[code] for code in (SHUFFLED, BLOCK_SHUFFLED, SEQUENTIAL)] == [
        "shuffled",
        "block-shuffled",
        "sequential",
    ]


@settings(deadline=None)
@given(
    n=st.integers(0, 300),
    kind=st.sampled_from(range(len(ORDERS))),
    seed=st.integers(0, 2**63 - 1),
    epoch=st.integers(0, 2**40),
    block=st.integers(1, 40),
    blocks=st.integers(1, 10),
)
@example(n=1, kind=BLOCK_SHUFFLED, seed=0, epoch=0, block=1, blocks=1)
@example(n=0, kind=BLOCK_SHUFFLED, seed=0, epoch=0, block=3, blocks=2)
def test_every_row_is_taken_once(n, kind, seed, epoch, block, blocks):
    rows = order(n, kind, seed, epoch, block, block * blocks)
    np.testing.assert_array_equal(np.sort(rows), np.arange(n))
    np.testing.assert_array_equal(rows, order(n, kind, seed, epoch, block, block * blocks))
    pool = np.sort(np.random.default_rng(n).permutation(1000)[:n].astype(np.uint32))
    if n:
        np.testing.assert_array_equal(order(n, kind, seed, epoch, block, block * blocks, pool), pool[rows])
    if kind == SEQUENTIAL:
        np.testing.assert_array_equal(rows, np.arange(n))


@pytest.mark.parametrize("kind", [SHUFFLED, BLOCK_SHUFFLED])
def test_seed_and_epoch_name_the_order(kind):
    orders = {
        order(100, kind, seed, epoch, 2, 20).tobytes() for seed in [*range(40), 2**31, 2**62] for epoch in range(40)
    }
    assert len(orders) == 42 * 40


@settings(deadline=None)
@given(blocks=st.integers(1, 30), block=st.integers(1, 12), per_window=st.integers(1, 6), short=st.integers(0, 11))
def test_blocks_stay_together_within_a_window(blocks, block, per_window, short):
    short %= block
    n, window = blocks * block + short, block * per_window
    rows = order(n, BLOCK_SHUFFLED, 3, 1, block, window)
    of_window = np.empty(n, np.int64)
    of_window[rows] = np.arange(n) // window
    for first in range(0, n, block):
        windows = set(of_window[first : first + block])
        # A last, short block moves those behind it off the windows' borders.
        assert len(windows) == 1 or (short and max(windows) - min(windows) == 1)


def test_a_window_is_shuffled_through():
    block, window, n = 5, 50, 500
    rows = order(n, BLOCK_SHUFFLED, 0, 0, block, window)
    runs = np.diff(rows.astype(np.int64)) == 1  # neighbours that came out as neighbours
    assert runs.mean() < 0.1
    of_window = rows.reshape(-1, window) // block
    assert all(len(set(blocks)) == window // block for blocks in of_window)
    assert (np.diff([blocks.mean() for blocks in of_window]) < 0).any()  # and the blocks are far apart


def chi_square(counts):
    """Pearson's statistic against equal counts, in standard deviations from what is expected."""
    counts = np.asarray(counts, float)
    expected, freedom = counts.mean(), counts.size - 1
    return (((counts - expected) ** 2 / expected).sum() - freedom) / np.sqrt(2 * freedom)


@pytest.mark.parametrize("by", ["epoch", "seed"])
def test_all_permutations_are_equally_frequent(by):
    counts = dict.fromkeys(itertools.permutations(range(4)), 0)
    for k in range(24 * 500):
        rows = order(4, SHUFFLED, **{"seed": 11, "epoch": 5, by: k})
        counts[tuple(rows.tolist())] += 1
    assert abs(chi_square(list(counts.values()))) < 4


@pytest.mark.parametrize(("kind", "n"), [(SHUFFLED, 10), (SHUFFLED, 37), (BLOCK_SHUFFLED, 12), (BLOCK_SHUFFLED, 36)])
def test_every_row_is_as_likely_at_every_place(kind, n):
    counts = np.zeros((n, n))
    for epoch in range(20_000):
        counts[np.arange(n), order(n, kind, 1, epoch, 2, 4)] += 1
    assert abs(chi_square(counts)) < 4


def test_successive_epochs_are_unrelated():
    orders = np.array([order(1000, SHUFFLED, 0, epoch) for epoch in range(50)], float)
    correlations = [np.corrcoef(a, b)[0, 1] for a, b in itertools.combinations(orders, 2)]
    assert np.abs(correlations).max() < 0.16  # five standard deviations of 1 / √1000


@pytest.mark.parametrize("count", [2, 10, 38, 1000])
@pytest.mark.parametrize("with_pool", [False, True])
def test_an_order_filled_in_parts_is_the_same(count, with_pool):
    n = 101
    pool = np.arange(0, 2 * n, 2, dtype=np.uint32) if with_pool else np.empty(0, np.uint32)
    whole, parts, filled = np.empty(n, np.uint32), np.empty(n, np.uint32), 0
    fill_order(whole, pool, SHUFFLED, 3, 5, 1, 1)
    while filled < n:
        filled = go_on_filling(parts, pool, SHUFFLED, 3, 5, 1, 1, filled, count)
    np.testing.assert_array_equal(parts, whole)
