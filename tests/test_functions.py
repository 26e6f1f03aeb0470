"""Protects the stateless maths: right numbers, right dtypes, and errors that say what to do."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from tinynn import log_softmax, one_hot, scale_pixels, softmax

SCORES = arrays(
    np.float32,
    array_shapes(min_dims=1, max_dims=3, max_side=6),
    elements=st.floats(-1e4, 1e4, width=32),
)


def test_scale_pixels_divides_bytes_by_255():
    images = np.arange(256, dtype=np.uint8).reshape(4, 8, 8)
    scaled = scale_pixels(images)
    assert scaled.dtype == np.float32
    assert scaled.shape == (4, 8, 8)
    for byte in range(256):  # the float32 nearest to the true quotient
        assert scaled.flat[byte] == np.float32(byte / 255)


def test_scale_pixels_leaves_the_bytes_as_they_are():
    images = np.array([0, 128, 255], np.uint8)
    scale_pixels(images)
    assert images.tolist() == [0, 128, 255]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.int8, bool])
def test_scale_pixels_refuses_numbers_other_than_bytes(dtype):
    with pytest.raises(ValueError, match=r"expects bytes.*Have they been scaled already\?"):
        scale_pixels(np.zeros(3, dtype))


def test_one_hot_puts_a_1_at_the_class():
    rows = one_hot(np.array([2, 0, 3], np.uint8), 4)
    assert rows.tolist() == [[0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]]
    assert rows.dtype == np.float32


def test_one_hot_of_no_labels_has_no_rows():
    assert one_hot(np.zeros(0, int), 3).shape == (0, 3)


@given(st.lists(st.integers(0, 9), max_size=20))
def test_one_hot_is_undone_by_argmax(labels):
    rows = one_hot(np.array(labels, int), 10)
    assert rows.argmax(axis=1).tolist() == labels
    assert rows.sum() == len(labels)


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ([1, 2, 3], "there are 3 classes (0 to 2) but y contains 3. Do your labels start at 1?"),
        ([1, 2, 3], "Use np.asarray(y) - 1. If there are 4 classes, say classes=4."),
        ([0, 5], "y contains 5. If there are 6 classes, say classes=6."),
        ([0, -1], "classes count from 0, but y contains -1"),
        (
            [0.0, 1.0],
            "expects one whole number for each sample, shape (N,), got shape (2,) of float64",
        ),
        ([[0], [1]], "got shape (2, 1) of int64"),
        ([True, False], "of bool"),
        (["0", "1"], "of <U1"),
        (1, "got shape () of int64"),
    ],
)
def test_one_hot_says_why_labels_do_not_fit(labels, text):
    with pytest.raises(ValueError) as error:
        one_hot(labels, 3)
    assert text in str(error.value)
    assert str(error.value).startswith("one_hot")


def test_softmax_by_hand():
    # exp: [1, 3, 4] / 8 and [2, 2] / 4, whatever constant the row has on top
    z = np.log([[1.0, 3.0, 4.0], [2.0, 2.0, 4.0]])
    z[1] += 700
    assert softmax(z) == pytest.approx(np.array([[0.125, 0.375, 0.5], [0.25, 0.25, 0.5]]), 1e-12)


def test_log_softmax_by_hand():
    z = np.log([[1.0, 3.0]]) + 5
    assert log_softmax(z) == pytest.approx(np.array([[-math.log(4), math.log(0.75)]]), 1e-14)


def test_softmax_and_log_softmax_work_along_the_last_axis():
    z = np.zeros((2, 3, 4))
    assert softmax(z) == pytest.approx(np.full((2, 3, 4), 0.25))
    assert log_softmax(z) == pytest.approx(np.full((2, 3, 4), -math.log(4)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("gap", [1e3, 1e4, 1e30])
def test_softmax_is_finite_at_a_huge_gap(dtype, gap):
    z = np.array([[gap, 0, -gap], [-gap, gap, gap]], dtype)
    assert softmax(z).tolist() == [[1, 0, 0], [0, 0.5, 0.5]]


def test_log_softmax_is_exact_at_a_huge_gap():
    # next to exp(0) = 1 the other terms are 0 to rounding, so log p_j is the gap itself
    assert log_softmax(np.array([[1e4, 0, -1e4]], np.float32)).tolist() == [[0, -1e4, -2e4]]


def test_log_softmax_keeps_its_digits_where_the_probability_is_nearly_1():
    # log p_0 = -log(1 + exp(-20)), which log1p gives to the last digit
    found = log_softmax(np.array([[20.0, 0.0]]))[0, 0]
    assert found == pytest.approx(-math.log1p(math.exp(-20)), abs=3e-16)


@given(SCORES)
def test_softmax_rows_are_probabilities_that_sum_to_1_in_float32(z):
    before = z.copy()
    p = softmax(z)
    assert p.dtype == np.float32
    assert p.shape == z.shape
    assert ((p >= 0) & (p <= 1)).all()
    assert p.sum(axis=-1) == pytest.approx(1, abs=1e-6)
    assert np.array_equal(z, before)


@given(SCORES)
def test_log_softmax_agrees_with_math_and_stays_float32(z):
    before = z.copy()
    log_p = log_softmax(z)
    assert log_p.dtype == np.float32
    assert log_p.shape == z.shape
    assert np.array_equal(z, before)
    row, found = z.reshape(-1, z.shape[-1])[0].tolist(), log_p.reshape(-1, z.shape[-1])[0]
    top = max(row)
    total = math.log(math.fsum(math.exp(score - top) for score in row))
    expected = [score - top - total for score in row]
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8])
def test_softmax_of_whole_numbers_is_right(dtype):
    e = math.exp(10)
    z = np.array([[0, 10]], dtype)  # a difference of bytes would wrap round: 0 - 10 is 246
    assert softmax(z) == pytest.approx(np.array([[1 / (1 + e), e / (1 + e)]]), rel=1e-6)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8])
def test_log_softmax_of_whole_numbers_is_right(dtype):
    e = math.exp(10)
    expected = np.array([[-math.log1p(e), -math.log1p(1 / e)]])
    assert log_softmax(np.array([[0, 10]], dtype)) == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_score_of_minus_infinity_is_a_class_that_cannot_be(dtype):
    z = np.array([[0, -np.inf, math.log(3)]], dtype)
    assert softmax(z) == pytest.approx(np.array([[0.25, 0, 0.75]]), rel=1e-6)
    assert softmax(z)[0, 1] == 0
    expected = np.array([[-math.log(4), -np.inf, math.log(0.75)]])
    assert log_softmax(z) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scores_at_the_ends_of_their_range_have_a_softmax(dtype):
    """Their difference is too large for the type; its exponential is 0 nevertheless."""
    most = np.finfo(dtype).max
    z = np.array([[most, -most, most], [-most, -most, -most]], dtype)
    assert softmax(z) == pytest.approx(np.array([[0.5, 0, 0.5], [1 / 3, 1 / 3, 1 / 3]]))
    log_half = -math.log(2)
    assert log_softmax(z)[0] == pytest.approx(np.array([log_half, -np.inf, log_half]))


@pytest.mark.parametrize("row", [[-np.inf, -np.inf], [np.inf, 0], [np.nan, 0]])
@pytest.mark.parametrize("function", [softmax, log_softmax])
@pytest.mark.filterwarnings("ignore:invalid value")
def test_rows_without_a_largest_number_have_no_softmax_and_become_nan(function, row):
    found = function(np.array([row, [0.0, 0.0]]))
    assert np.isnan(found[0]).all()
    assert np.isfinite(found[1]).all()


@pytest.mark.parametrize("function", [softmax, log_softmax])
@pytest.mark.parametrize("z", [3.0, [], np.zeros((2, 0)), ["a", "b"], np.array([1j, 2])])
def test_logits_that_are_not_in_rows_are_refused_with_a_message(function, z):
    with pytest.raises(ValueError, match=f"^{function.__name__} expects .*logits"):
        function(z)
