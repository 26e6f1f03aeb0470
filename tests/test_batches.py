"""Protects the way from a data set to batches: no sample is lost, doubled or mixed up."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinynn import minibatches, stratified_split


def rng(seed=0):
    return np.random.default_rng(seed)


@st.composite
def labels_and_size(draw):
    """Classes in any order, with gaps, of any size; and how many to hold out."""
    counts = draw(st.lists(st.integers(1, 12), min_size=1, max_size=6))
    if sum(counts) < 2:
        counts.append(1)
    labels = np.repeat(draw(st.permutations(range(0, 30, 3)))[: len(counts)], counts)
    order = np.random.default_rng(draw(st.integers(0, 99))).permutation(len(labels))
    return labels[order], draw(st.integers(1, len(labels) - 1))


@given(labels_and_size())
def test_split_gives_the_exact_size_and_every_sample_once(case):
    labels, size = case
    rest, drawn = stratified_split(labels, size, rng())
    assert len(drawn) == size
    assert sorted([*rest, *drawn]) == list(range(len(labels)))
    assert list(rest) == sorted(rest)
    assert list(drawn) == sorted(drawn)


@given(labels_and_size())
def test_every_class_has_its_share_to_less_than_one_sample(case):
    labels, size = case
    _, drawn = stratified_split(labels, size, rng())
    for label in set(labels.tolist()):
        fair = (labels == label).sum() * size / len(labels)
        assert abs((labels[drawn] == label).sum() - fair) < 1 - 1e-9


def test_shares_are_exact_where_they_come_out_even():
    labels = np.tile(np.arange(10), 600)
    rest, drawn = stratified_split(labels, 500, rng())
    assert np.bincount(labels[drawn]).tolist() == [50] * 10
    assert np.bincount(labels[rest]).tolist() == [550] * 10


def test_what_is_missing_comes_from_the_largest_remainders():
    labels = [0] * 5 + [1] * 3 + [2] * 2  # of 4: shares 2, 1.2 and 0.8
    _, drawn = stratified_split(labels, 4, rng())
    assert np.bincount(np.array(labels)[drawn]).tolist() == [2, 1, 1]


def test_split_repeats_with_the_same_rng_and_differs_with_another():
    labels = np.tile([0, 1], 50)
    first, again, other = (stratified_split(labels, 30, rng(seed))[1] for seed in (0, 0, 1))
    assert first.tolist() == again.tolist()
    assert first.tolist() != other.tolist()


def test_every_sample_has_the_same_chance_to_be_drawn():
    generator, times = rng(), np.zeros(6)
    for _ in range(600):
        times[stratified_split([0, 0, 0, 1, 1, 1], 2, generator)[1]] += 1
    assert (abs(times - 200) < 60).all()  # 5 standard deviations


def test_split_does_not_touch_the_labels():
    labels = np.array([1, 0, 1, 0])
    labels.flags.writeable = False
    stratified_split(labels, 2, rng())


@pytest.mark.parametrize(
    ("labels", "size", "words"),
    [
        ([0, 1, 2], 0, ["from 1 to 2", "got 0"]),
        ([0, 1, 2], 3, ["from 1 to 2", "got 3"]),
        ([0, 1, 2], -1, ["got -1"]),
        ([], 1, ["size"]),
        ([[1, 0], [0, 1]], 1, ["(N,)", "(2, 2)"]),
        (5, 1, ["(N,)", "()"]),
    ],
)
def test_split_refuses_what_it_cannot_split(labels, size, words):
    with pytest.raises(ValueError) as caught:
        stratified_split(labels, size, rng())
    for word in words:
        assert word in str(caught.value)


def data(n):
    """Samples that say where they stand: x[i] is full of i, y[i] is 10 i."""
    return np.arange(n)[:, None, None] * np.ones((1, 2, 2)), 10 * np.arange(n)


@given(n=st.integers(1, 40), batch_size=st.integers(1, 40), seed=st.integers(0, 99))
def test_an_epoch_has_every_sample_once_with_its_own_y(n, batch_size, seed):
    x, y = data(n)
    batch_size = min(batch_size, n)
    batches = list(minibatches(x, y, batch_size, rng(seed)))
    for xb, yb in batches:
        assert xb.shape == (len(yb), 2, 2)
        assert (10 * xb == yb[:, None, None]).all()
    assert sorted(int(i) for _, yb in batches for i in yb) == y.tolist()
    sizes = [len(yb) for _, yb in batches]
    whole, left = divmod(n, batch_size)
    assert sizes == [batch_size] * whole + [left] * (left > 0)  # the smaller one is kept, and last


@given(n=st.integers(1, 30), batch_size=st.integers(1, 30), seed=st.integers(0, 99))
def test_start_goes_on_where_an_epoch_was_left(n, batch_size, seed):
    x, y = data(n)
    batch_size = min(batch_size, n)
    whole = [yb.tolist() for _, yb in minibatches(x, y, batch_size, rng(seed))]
    for k in range(len(whole) + 3):  # beyond the end nothing is left
        tail = [yb.tolist() for _, yb in minibatches(x, y, batch_size, rng(seed), start=k)]
        assert tail == whole[k:]


def test_order_is_shuffled_by_rng_and_by_nothing_else():
    def order(seed):
        return [i for _, yb in minibatches(*data(50), 8, rng(seed)) for i in yb]

    assert order(0) == order(0)
    assert order(0) != order(1)
    assert order(0) != sorted(order(0))


def test_samples_are_shuffled_not_only_where_batches_start():
    batches = [yb.tolist() for _, yb in minibatches(*data(60), 10, rng())]
    assert not any(sorted(b) == list(range(min(b), min(b) + 100, 10)) for b in batches)


def test_an_epoch_takes_one_draw_from_rng_before_iteration_starts():
    ours, plain = rng(), rng()
    batches = minibatches(*data(20), 6, ours)
    plain.permutation(20)
    assert ours.random() == plain.random()
    list(batches)
    assert ours.random() == plain.random()


def test_batches_are_copies_that_a_step_may_change():
    x, y = data(12)
    kept = x.copy(), y.copy()
    for xb, yb in minibatches(x, y, 12, rng()):
        xb[:] = -1
        yb[:] = -1
    assert np.array_equal(x, kept[0])
    assert np.array_equal(y, kept[1])


def test_the_data_set_itself_is_never_copied():
    x, y = np.zeros((20_000, 100), np.float32), np.zeros(20_000, np.uint8)  # 8 MB
    tracemalloc.start()
    for _ in minibatches(x, y, 32, rng()):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < x.nbytes / 10


def test_batches_keep_their_dtypes():
    x, y = np.zeros((4, 3), np.float32), np.zeros(4, np.uint8)
    xb, yb = next(minibatches(x, y, 2, rng()))
    assert (xb.dtype, yb.dtype) == (np.float32, np.uint8)


@pytest.mark.parametrize(
    ("n", "m", "batch_size", "words"),
    [
        (3, 4, 1, ["(3, 2)", "(4,)"]),
        (3, 3, 0, ["batch_size", "1 or more", "got 0"]),
        (3, 3, -1, ["got -1"]),
        (3, 3, 1.5, ["whole number", "1.5"]),
        (0, 0, 1, ["(0, 2)"]),
    ],
)
def test_errors_come_before_iteration_starts(n, m, batch_size, words):
    with pytest.raises(ValueError) as caught:
        minibatches(np.zeros((n, 2)), np.zeros(m), batch_size, rng())  # nobody asks for a batch
    for word in words:
        assert word in str(caught.value)


def test_a_negative_start_is_refused():
    with pytest.raises(ValueError):
        list(minibatches(*data(6), 2, rng(), start=-1))
