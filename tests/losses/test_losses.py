"""Protects the losses: their values, their gradients, and the exact gradient at any gap."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from oracles import numeric_gradient, worst_error
from tinynn import (
    BinaryCrossEntropy,
    CrossEntropy,
    Huber,
    Layer,
    MeanAbsoluteError,
    MeanSquaredError,
    SigmoidCrossEntropy,
    Softmax,
    SoftmaxCrossEntropy,
)
from tinynn.losses import Loss

LOSSES = [
    MeanSquaredError(), CrossEntropy(), SoftmaxCrossEntropy(),
    MeanAbsoluteError(), Huber(0.1), BinaryCrossEntropy(), SigmoidCrossEntropy(),
    CrossEntropy(0.1, [1, 2, 0.5, 3]), SoftmaxCrossEntropy(0.1, [1, 2, 0.5, 3]),
    CrossEntropy(0.2), SoftmaxCrossEntropy(0.2),
    BinaryCrossEntropy(0.1, [1, 2, 0.5, 3]), SigmoidCrossEntropy(0.1, [1, 2, 0.5, 3]),
]  # fmt: skip
CLASSIFIERS = [loss for loss in LOSSES if loss.classifies]
CAP = 30 * math.log(10)  # -log(1e-30) = 69.08


def probabilities(*shape, seed=0):
    p = np.random.default_rng(seed).uniform(0.2, 1, shape)
    return p / p.sum(axis=-1, keepdims=True)


def answers(kind, batch, classes=4):
    labels = np.random.default_rng(1).integers(0, classes, batch)
    return {
        "labels": labels,
        "one-hot": np.eye(classes)[labels],
        "soft": probabilities(batch, classes, seed=2),
    }[kind]


def through_softmax(z, y):
    """Return loss and gradient with respect to scores, through Softmax and CrossEntropy."""
    softmax, loss = Softmax(), CrossEntropy()
    p = softmax.forward(z)
    return loss.forward(p, y), softmax.backward(loss.backward(p, y))


# MeanSquaredError


def test_mean_squared_error_by_hand():
    p, y = np.array([[3.0, 1.0], [0.0, 2.0]]), [[1, 1], [2, 5]]
    # (2^2 + 0 + 2^2 + 3^2) / 4 = 17 / 4;  dp = 2 (p - y) / 4
    assert MeanSquaredError().forward(p, y) == 4.25
    assert MeanSquaredError().backward(p, y).tolist() == [[1, 0], [-1, -1.5]]


@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (5, 2), (4,), (2, 3, 4)])
def test_mean_squared_error_backward_agrees_with_finite_differences(shape):
    rng = np.random.default_rng(0)
    p, y, loss = rng.normal(size=shape), rng.normal(size=shape), MeanSquaredError()
    assert worst_error(loss.backward(p, y), numeric_gradient(lambda: loss.forward(p, y), p)) < 1e-6


@pytest.mark.parametrize("method", ["forward", "backward"])
def test_mean_squared_error_never_broadcasts_a_column_against_a_row(method):
    with pytest.raises(ValueError) as error:
        getattr(MeanSquaredError(), method)(np.zeros((4, 1)), np.zeros(4))
    assert str(error.value) == (
        "MeanSquaredError: p is (4, 1), y is (4,). NumPy would broadcast both to (4, 4), "
        "and the loss would be wrong. Use np.asarray(y)[:, None]."
    )


@pytest.mark.parametrize(("p", "y"), [((4, 3), (4,)), ((4, 3), (3,)), ((4, 3), ()), ((4,), (3,))])
def test_mean_squared_error_reports_no_broadcasting_where_none_would_happen(p, y):
    with pytest.raises(ValueError) as error:
        MeanSquaredError().forward(np.zeros(p), np.zeros(y))
    assert f"p is {p}, y is {y}." in str(error.value)
    assert "(4, 4)" not in str(error.value)
    assert "They must have the same shape." in str(error.value)
    classes = y == p[:1]
    assert (
        "If y are classes, use one_hot(y, 3), or a cross-entropy." in str(error.value)
    ) is classes


def test_mean_squared_error_does_not_round_targets_to_whole_predictions():
    p, y = np.array([[3]]), np.array([[0.5]])
    assert MeanSquaredError().forward(p, y) == 6.25
    assert MeanSquaredError().backward(p, y).tolist() == [[5]]


# CrossEntropy


def test_cross_entropy_by_hand_with_labels():
    p = np.array([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]])
    # -(log 0.5 + log 0.8) / 2;  dp = -1 / 0.5 / 2 and -1 / 0.8 / 2 at the right classes
    expected = -(math.log(0.5) + math.log(0.8)) / 2
    assert CrossEntropy().forward(p, [0, 1]) == pytest.approx(expected, rel=1e-14)
    assert CrossEntropy().backward(p, [0, 1]).tolist() == [[-1, 0, 0], [0, -0.625, 0]]


def test_cross_entropy_by_hand_with_soft_rows():
    p, y = np.array([[0.5, 0.25, 0.25]]), [[0.5, 0.5, 0]]
    # -(0.5 log 0.5 + 0.5 log 0.25) = 0.5 log 2 + log 2;  dp = -0.5 / [0.5, 0.25]
    assert CrossEntropy().forward(p, y) == pytest.approx(1.5 * math.log(2), rel=1e-14)
    assert CrossEntropy().backward(p, y).tolist() == [[-1, -2, 0]]


@pytest.mark.parametrize("p_right", [1e-30, 0.0])
def test_cross_entropy_of_a_sample_is_69_at_most(p_right):
    p = np.array([[p_right, 1.0]])
    assert CrossEntropy().forward(p, [0]) == pytest.approx(69.07755278982137, rel=1e-12)


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ([0.5, 0.6], r"row 1 of p sums to 1\.1 and its smallest number is 0\.5"),
        ([-0.5, 1.5], r"row 1 of p sums to 1 and its smallest number is -0\.5"),
        ([np.nan, 0.5], "row 1 of p sums to nan"),
        ([3.0, -7.0], r"End the model with Softmax\(\), or use SoftmaxCrossEntropy\(\)"),
    ],
)
def test_cross_entropy_refuses_rows_that_are_no_probabilities(row, text):
    with pytest.raises(ValueError, match=text):
        CrossEntropy().forward(np.array([[0.5, 0.5], row, [0.9, 0.1]]), [0, 0, 0])


# SoftmaxCrossEntropy


def test_softmax_cross_entropy_by_hand():
    z = np.array([[0.0, math.log(3)], [5.0, 5.0]])  # softmax: [1/4, 3/4] and [1/2, 1/2]
    expected = (math.log(4) + math.log(2)) / 2
    assert SoftmaxCrossEntropy().forward(z, [0, 1]) == pytest.approx(expected, rel=1e-14)
    dz = SoftmaxCrossEntropy().backward(z, [0, 1])
    assert dz == pytest.approx(np.array([[-0.375, 0.375], [0.25, -0.25]]), rel=1e-14)


def test_softmax_cross_entropy_by_hand_with_soft_rows():
    z, y = np.array([[0.0, math.log(3)]]), [[0.5, 0.5]]
    # -(log 1/4 + log 3/4) / 2 = log 4 - (log 3) / 2;  dz = [1/4, 3/4] - [1/2, 1/2]
    assert SoftmaxCrossEntropy().forward(z, y) == pytest.approx(math.log(4) - math.log(3) / 2)
    assert SoftmaxCrossEntropy().backward(z, y) == pytest.approx(np.array([[-0.25, 0.25]]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("gap", [100, 1e4, 1e30])
def test_softmax_cross_entropy_is_exact_at_any_gap(dtype, gap):
    z, gap = np.array([[0, gap], [gap, 0]], dtype), float(dtype(gap))
    # the first sample is wrong by the whole gap, the second right
    assert SoftmaxCrossEntropy().forward(z, [0, 0]) == gap / 2
    assert SoftmaxCrossEntropy().backward(z, [0, 0]) == pytest.approx(
        np.array([[-0.5, 0.5], [0, 0]]), abs=1e-43
    )


# Softmax and CrossEntropy, against SoftmaxCrossEntropy


def test_softmax_with_cross_entropy_gives_p_minus_y_at_gaps_of_1e4_in_float32():
    z = np.array([[0, 1e4, -1e4], [1e4, 0, 0], [-1e4, 1e4, 1e4], [1e4, 0, -1e4]], np.float32)
    p = np.array([[0, 1, 0], [1, 0, 0], [0, 0.5, 0.5], [1, 0, 0]])  # to 4,000 digits
    y = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    for answer in (y, y.argmax(axis=1)):
        loss, dz = through_softmax(z, answer)
        assert dz.dtype == np.float32
        assert dz == pytest.approx((p - y) / 4, rel=4e-7, abs=1e-29)
        # by sample: the cap; 0; log 2; the cap
        assert loss == pytest.approx((CAP + math.log(2) + CAP) / 4, rel=1e-6)


def test_softmax_with_cross_entropy_and_soft_rows_at_gaps_of_1e4_in_float32():
    z = np.array([[0, 1e4, -1e4]], np.float32)
    _, dz = through_softmax(z, [[0.25, 0.25, 0.5]])
    assert dz == pytest.approx(np.array([[-0.25, 0.75, -0.5]]), rel=4e-7)


@pytest.mark.slow
@given(
    arrays(np.float32, (3, 4), elements=st.floats(-1e4, 1e4, width=32)),
    st.lists(st.integers(0, 3), min_size=3, max_size=3),
)
def test_both_ways_give_the_same_gradient_at_any_scores(z, labels):
    _, dz = through_softmax(z, labels)
    # p and y are at most 1 and B is 3: a few roundings of 6e-8
    assert dz == pytest.approx(SoftmaxCrossEntropy().backward(z, labels), abs=2e-7)


@pytest.mark.slow
@given(
    arrays(np.float32, (3, 4), elements=st.floats(-34, 34, width=32)),
    st.lists(st.integers(0, 3), min_size=3, max_size=3),
)
def test_both_ways_give_the_same_loss_below_the_cap(z, labels):
    loss, _ = through_softmax(z, labels)
    assert loss == pytest.approx(SoftmaxCrossEntropy().forward(z, labels), rel=1e-6, abs=1e-6)


def test_the_losses_differ_only_above_the_cap():
    below, above = np.array([[0.0, 69.0]]), np.array([[0.0, 70.0]])
    assert through_softmax(below, [0])[0] == pytest.approx(69, rel=1e-12)
    assert through_softmax(above, [0])[0] == pytest.approx(CAP, rel=1e-12)
    assert SoftmaxCrossEntropy().forward(above, [0]) == 70


# All that tell classes


@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize("kind", ["labels", "one-hot", "soft"])
@pytest.mark.parametrize("loss", CLASSIFIERS)
def test_backward_agrees_with_finite_differences(loss, kind, batch):
    p, y = probabilities(batch, 4), answers(kind, batch)
    assert worst_error(loss.backward(p, y), numeric_gradient(lambda: loss.forward(p, y), p)) < 1e-6


@pytest.mark.parametrize("loss", CLASSIFIERS)
def test_labels_and_one_hot_rows_mean_the_same(loss):
    p = probabilities(5, 4).astype(np.float32)
    labels, rows = answers("labels", 5), answers("one-hot", 5)
    for y in (rows, rows.astype(int), rows.astype(bool), rows.astype(np.float32), rows.tolist()):
        assert loss.forward(p, y) == loss.forward(p, labels)
        assert np.array_equal(loss.backward(p, y), loss.backward(p, labels))


@pytest.mark.parametrize("method", ["forward", "backward"])
@pytest.mark.parametrize(
    ("y", "text"),
    [
        ([0, 1], r"for p of shape (3, 4) y must be classes (3,) or rows (3, 4), got (2,)."),
        (np.eye(3), "got (3, 3)"),
        ([[0], [1], [2]], "got (3, 1)"),
        (
            [0, 1, 4],
            "(0 to 3) but y contains 4. If there are 5 classes, end with Dense(5)",
        ),
        ([1, 2, 4], "Do your labels start at 1? Use np.asarray(y) - 1."),
        ([0, 1, -1], "classes count from 0, but y contains -1"),
        ([0.0, 1.0, 2.0], "expects one whole number for each sample"),
        (np.full((3, 4), "a"), "the rows of y must be numbers, got <U1"),
        (np.ones((3, 4), complex), "the rows of y must be numbers, got complex128"),
        ([[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]], "must sum to 1, but row 1 sums to 2 "),
        ([[1, 0, 0, 0], [0, 0, 0, 1], [np.nan, 0, 0, 1]], "row 2 sums to nan"),
        (np.full((3, 4), 0.5), "Pass classes as they are, shape (B,), or through one_hot"),
        (np.zeros((3, 4)), "use SigmoidCrossEntropy() and binary_accuracy(p, y). For one class"),
    ],
)
@pytest.mark.parametrize("loss", CLASSIFIERS)
def test_targets_that_do_not_fit_are_refused_in_the_name_of_the_loss(loss, y, text, method):
    with pytest.raises(ValueError) as error:
        getattr(loss, method)(probabilities(3, 4), y)
    assert text in str(error.value)
    assert str(error.value).startswith(f"{type(loss).__name__}")


@pytest.mark.parametrize("method", ["forward", "backward"])
@pytest.mark.parametrize("shape", [(4,), (0, 4), (3, 4, 1)])
@pytest.mark.parametrize("loss", CLASSIFIERS)
def test_predictions_that_are_not_a_batch_of_rows_are_refused(loss, shape, method):
    with pytest.raises(ValueError) as error:
        getattr(loss, method)(np.full(shape, 0.25), np.zeros(shape[:1], int))
    expected = f"expects a batch of rows (B, C), 1 sample or more, got {shape}."
    assert expected in str(error.value)


@pytest.mark.parametrize("method", ["forward", "backward"])
def test_mean_squared_error_refuses_an_empty_batch(method):
    with pytest.raises(ValueError, match="1 sample or more"):
        getattr(MeanSquaredError(), method)(np.zeros((0, 4)), np.zeros((0, 4)))


# All


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("loss", "kind"),
    [(loss, kind) for loss in CLASSIFIERS for kind in ("labels", "one-hot", "soft")]
    + [(LOSSES[0], "soft")],
)
def test_the_loss_is_a_float_and_dp_has_the_dtype_and_shape_of_p(loss, kind, dtype):
    p, y = probabilities(5, 4).astype(dtype), answers(kind, 5)  # rows of y are float64
    assert type(loss.forward(p, y)) is float
    assert loss.backward(p, y).dtype == dtype
    assert loss.backward(p, y).shape == p.shape


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_keep_no_state_and_change_nothing(loss):
    p, y = probabilities(5, 4), answers("one-hot", 5)
    p.flags.writeable = y.flags.writeable = False  # writing to them is an error now
    first, dp = loss.forward(p, y), loss.backward(p, y)
    kept = dp.copy()
    dp[...] = 99  # the caller's to change
    loss.forward(probabilities(3, 4, seed=7), answers("soft", 3))
    assert loss.forward(p, y) == first
    assert np.array_equal(loss.backward(p, y), kept)
    assert vars(loss) == loss.config()  # its arguments, and nothing else


@pytest.mark.parametrize("loss", LOSSES)
def test_the_loss_is_a_mean_so_that_repeating_the_batch_changes_nothing(loss):
    p, y = probabilities(3, 4), answers("one-hot", 3)
    twice_p, twice_y = np.concatenate([p, p]), np.concatenate([y, y])
    assert loss.forward(twice_p, twice_y) == pytest.approx(loss.forward(p, y), rel=1e-14)
    assert loss.backward(twice_p, twice_y)[:3] == pytest.approx(loss.backward(p, y) / 2, rel=1e-14)


@pytest.mark.parametrize(
    ("loss", "classifies"),
    [
        (MeanSquaredError(), False),
        (CrossEntropy(), True),
        (SoftmaxCrossEntropy(), True),
        (MeanAbsoluteError(), False),
        (Huber(), False),
        (BinaryCrossEntropy(), False),
        (SigmoidCrossEntropy(), False),
    ],
)
def test_losses_know_whether_they_are_for_classes_and_are_rebuilt_from_config(loss, classifies):
    assert isinstance(loss, Loss)
    assert loss.classifies is classifies
    assert type(loss)(**loss.config()).config() == loss.config()


@pytest.mark.parametrize("base", [Loss, Layer])
def test_a_class_that_lacks_a_method_of_the_contract_cannot_be_made(base):
    with pytest.raises(TypeError, match="abstract"):
        base()


# At the edges of what numbers can hold


def test_losses_are_exact_at_gaps_that_float32_cannot_hold():
    most, gap = np.float32(3e38), 2 * float(np.float32(3e38))  # 6e38 is infinity in float32
    p = np.array([[most, -most]])
    assert SoftmaxCrossEntropy().forward(p, [0]) == 0
    assert SoftmaxCrossEntropy().forward(p, [1]) == gap
    assert SoftmaxCrossEntropy().backward(p, [0]).tolist() == [[0, 0]]
    assert SoftmaxCrossEntropy().backward(p, [1]).tolist() == [[1, -1]]
    assert MeanSquaredError().forward(p, -p) == gap**2


@given(
    arrays(np.float32, (2, 3), elements=st.floats(width=32, allow_nan=False, allow_infinity=False)),
    st.lists(st.integers(0, 2), min_size=2, max_size=2),
)
def test_softmax_cross_entropy_is_right_at_any_finite_scores(z, labels):
    rows = z.astype(np.longdouble)
    exact = np.log(np.exp(rows - rows.max(axis=1, keepdims=True)).sum(axis=1))
    exact += rows.max(axis=1) - rows[np.arange(2), labels]
    expected = pytest.approx(float(exact.mean()), rel=1e-14, abs=1e-15)
    assert SoftmaxCrossEntropy().forward(z, labels) == expected
    dp = SoftmaxCrossEntropy().backward(z, labels)
    assert np.isfinite(dp).all()
    assert dp.sum(axis=1) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("method", ["forward", "backward"])
@pytest.mark.parametrize("loss", [loss for loss in CLASSIFIERS if loss.class_weights is None])
def test_labels_of_20000_classes_take_no_more_memory_than_the_predictions(loss, method):
    p = np.full((8, 20_000), 1 / 20_000, np.float32)  # 0.64 MB
    getattr(loss, method)(p, np.arange(8))  # once before, so that only its own memory is measured
    tracemalloc.start()
    getattr(loss, method)(p, np.arange(8))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * p.nbytes  # a square of classes would take 1.6 GB


# The order: the prediction first, then the answer

ORDER = "Are p and y swapped? The prediction comes first, then the answer."


@pytest.mark.parametrize("method", ["forward", "backward"])
@pytest.mark.parametrize("loss", CLASSIFIERS)
def test_classes_in_the_place_of_predictions_are_refused(loss, method):
    for y in (np.array([0, 1, 2]), np.array([0, 1, 2], np.uint8)):
        with pytest.raises(ValueError) as error:
            getattr(loss, method)(y, probabilities(3, 4))
        assert str(error.value).endswith(ORDER)


@pytest.mark.parametrize("method", ["forward", "backward"])
@pytest.mark.parametrize("loss", CLASSIFIERS)
@pytest.mark.parametrize("dtype", [bool, int, np.float32])
def test_scores_in_the_place_of_targets_are_refused_with_one_hot_rows(loss, dtype, method):
    scores = np.random.default_rng(0).normal(size=(3, 4))
    with pytest.raises(ValueError) as error:
        getattr(loss, method)(np.eye(4, dtype=dtype)[[0, 1, 3]], scores)
    assert str(error.value).endswith(ORDER)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_predictions_of_exactly_0_and_1_are_compared_with_soft_targets(dtype):
    """A user's own softmax without a floor returns 0 and 1; training must go on nevertheless."""
    sure, y = np.eye(2, dtype=dtype), [[0.9, 0.1], [0.25, 0.75]]
    expected = 0.35 / 2 * CAP  # what each target gives to the class that p excludes
    assert CrossEntropy().forward(sure, y) == pytest.approx(expected, rel=1e-6)
    expected = [[-0.45, -0.05e30], [-0.125e30, -0.375]]
    np.testing.assert_allclose(CrossEntropy().backward(sure, y), expected, rtol=1e-5)


def test_predictions_of_exactly_0_and_1_are_not_taken_for_targets():
    sure, labels = np.eye(3), np.array([0, 1, 1])
    expected = CAP / 3
    for y in (labels, np.eye(3)[labels], np.eye(3, dtype=int)[labels]):
        assert CrossEntropy().forward(sure, y) == pytest.approx(expected)
    nearly = np.array([[1.0, 0.0], [0.5, 0.5]])  # one row is one-hot, and one is not
    assert CrossEntropy().forward(nearly, [[0.5, 0.5], [0.5, 0.5]]) > 0


# By hand: lists, as they are typed


@pytest.mark.parametrize("form", [list, tuple, lambda rows: np.array(rows)])
def test_lists_are_taken_as_arrays(form):
    masked = form([[0, 1, -math.inf]])
    second = math.e / (1 + math.e)  # softmax of 0 and 1
    assert SoftmaxCrossEntropy().forward(masked, [0]) == pytest.approx(math.log(1 + math.e))
    assert SoftmaxCrossEntropy().backward(masked, [0])[0] == pytest.approx([-second, second, 0])
    assert CrossEntropy().forward(form([[0.5, 0.5]]), [0]) == pytest.approx(math.log(2))
    assert CrossEntropy().backward(form([[0.5, 0.5]]), [0]).tolist() == [[-2, 0]]
    assert MeanSquaredError().forward(form([[3], [1]]), [[1], [1]]) == 2
    assert MeanSquaredError().backward(form([[3], [1]]), [[1], [1]]).tolist() == [[2], [0]]


@pytest.mark.parametrize("y", [[1, 1, 1, 1], [[0, 1]] * 4])
def test_the_mean_of_losses_whose_sum_is_too_large_is_a_number(y):
    assert SoftmaxCrossEntropy().forward(np.array([[1e308, 0.0]] * 4), y) == 1e308
    assert MeanSquaredError().forward(np.full((4, 2), 1e154), np.zeros((4, 2))) == 1e154**2
