"""Protects the splits: no sample is in two parts or lost; each part has its share of classes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinynn import InputError, k_fold, one_hot, train_validation_split

labels = st.lists(st.integers(0, 4), min_size=2, max_size=60).map(np.array)


def rng(seed=0):
    return np.random.default_rng(seed)


@given(labels, st.data())
def test_a_split_gives_every_sample_once_with_its_own_y_and_classes_their_share(y, data):
    size = data.draw(st.integers(1, len(y) - 1))
    x = np.arange(len(y))[:, None] * [1.0, -1.0]
    (x_train, y_train), (x_val, y_val) = train_validation_split(x, y, size, rng())
    assert len(x_val) == len(y_val) == size
    assert sorted([*x_train[:, 0], *x_val[:, 0]]) == list(range(len(y)))
    for part, answers in ((x_train, y_train), (x_val, y_val)):
        assert (np.diff(part[:, 0]) > 0).all()
        assert (answers == y[part[:, 0].astype(int)]).all()
    for c in range(5):
        assert abs((y_val == c).sum() - (y == c).sum() * size / len(y)) < 1 - 1e-9


@given(labels, st.data())
def test_folds_hold_every_sample_once_and_each_class_by_its_share(y, data):
    k = data.draw(st.integers(2, len(y)))
    pairs = k_fold(y, k, rng())
    assert len(pairs) == k
    assert sorted(i for _, part in pairs for i in part) == list(range(len(y)))
    sizes = [len(part) for _, part in pairs]
    assert max(sizes) - min(sizes) <= 1
    for train, part in pairs:
        assert sorted([*train, *part]) == list(range(len(y)))
        assert (np.diff(train) > 0).all()
        assert (np.diff(part) > 0).all()
    for c in range(5):
        counts = [(y[part] == c).sum() for _, part in pairs]
        assert max(counts) - min(counts) <= 1


FORMS = {
    "whole numbers": lambda y: y,
    "bytes": lambda y: y.astype(np.uint8),
    "texts": lambda y: np.array(["ant", "bee"])[y],
    "objects": lambda y: np.array(["ant", "bee"], object)[y],
    "bools": lambda y: y == 1,
    "one-hot": lambda y: one_hot(y, 2),
    "a column of floats": lambda y: y.astype(float)[:, None],
    "floats": lambda y: y.astype(float),
    "several classes at once": lambda y: np.column_stack([y, 1 - y, y]),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_classes_in_every_form_are_stratified(form):
    y = np.repeat([0, 1], [90, 10])
    for seed in range(5):
        (_, _), (held, _) = train_validation_split(np.arange(100), form(y), 0.2, rng(seed))
        assert np.bincount(y[held]).tolist() == [18, 2]
        for _, part in k_fold(form(y), 5, rng(seed)):
            assert np.bincount(y[part]).tolist() == [18, 2]


@pytest.mark.slow
@pytest.mark.parametrize("as_numbers", [np.arange, lambda n: np.arange(n) / 7])
def test_numbers_are_drawn_without_regard_to_their_size(as_numbers):
    """Also whole numbers that are all different: no class may be first only by its number."""
    times = np.zeros(10)
    for seed in range(600):
        (_, _), (held, _) = train_validation_split(np.arange(10), as_numbers(10), 0.2, rng(seed))
        times[held] += 1
    assert (abs(times - 120) < 50).all()  # 5 standard deviations
    folds = {tuple(part) for seed in range(20) for _, part in k_fold(as_numbers(10), 2, rng(seed))}
    assert len(folds) > 30


def test_images_as_answers_are_split_too():
    y = np.zeros((10, 4, 4, 1), np.uint8)
    assert train_validation_split(y, y, 3, rng())[1][0].shape == (3, 4, 4, 1)


def test_a_split_repeats_with_an_equal_rng_and_copies():
    x, y = np.arange(20), np.tile([0, 1], 10)
    first, again, other = (train_validation_split(x, y, 0.3, rng(s))[1][0] for s in (0, 0, 1))
    assert first.tolist() == again.tolist() != other.tolist()
    first[:] = -1
    assert x.min() == 0
    pairs, same, others = (k_fold(y, 4, rng(seed)) for seed in (0, 0, 1))
    assert str(pairs) == str(same) != str(others)


WRONG = {
    "share": (lambda: train_validation_split([1, 2], [0, 1], 0.1, rng()), "size=0.1 of 2 samples"),
    "all": (lambda: train_validation_split([1, 2], [0, 1], 2, rng()), "from 1 to 1, or a share"),
    "1.0": (lambda: train_validation_split([1, 2], [0, 1], 1.0, rng()), "got 1.0"),
    "True": (lambda: train_validation_split([1, 2, 3], [0, 1, 1], True, rng()), "got True"),
    "text": (lambda: train_validation_split([1, 2], [0, 1], "1", rng()), "got '1'"),
    "seed": (lambda: train_validation_split([1, 2], [0, 1], 1, 3), "np.random.default_rng(3)"),
    "lengths": (lambda: train_validation_split([1, 2], [0, 1, 2], 1, rng()), "(2,)"),
    "k": (lambda: k_fold([0, 1, 1], 1, rng()), "k must be a whole number from 2 to 3, got 1"),
    "k of N": (lambda: k_fold([0, 1, 1], 4, rng()), "from 2 to 3, got 4"),
    "N": (lambda: k_fold(30, 3, rng()), "give np.zeros(N)"),
    "k_fold of none": (lambda: k_fold([], 2, rng()), "of 2 samples or more, got shape (0,)"),
    "k_fold of one": (lambda: k_fold([0], 2, rng()), "of 2 samples or more, got shape (1,)"),
    "mixed": (
        lambda: train_validation_split([1, 2], np.array(["a", 1], object), 1, rng()),
        "The answers y must be classes, as numbers or texts",
    ),
    "k_fold of NaN": (lambda: k_fold([0, 1, np.nan, 1], 2, rng()), "NaN for 1 of 4 samples, the"),
    "NaN": (
        lambda: train_validation_split(
            np.eye(4), [[0.1, 2], [np.nan, 3], [4, 5], [6, 7]], 1, rng()
        ),
        "the first at 1: nothing can be learnt from a sample without an answer",
    ),
    "missing": (lambda: k_fold(np.array(["a", None], object), 2, rng()), "classes"),
}


@pytest.mark.parametrize(("call", "said"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_split_is_refused_with_a_message(call, said):
    with pytest.raises(InputError) as error:
        call()
    assert said in str(error.value)
