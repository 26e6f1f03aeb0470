"""Protects the metrics of probabilities and of numbers: scikit-learn's values, and by hand."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinynn import (
    CrossEntropy,
    InputError,
    accuracy,
    binary_accuracy,
    log_loss,
    mean_absolute_error,
    one_hot,
    r2_score,
    reliability_curve,
    roc_auc,
    softmax,
    top_k_accuracy,
)

KNOWN = json.loads(
    (Path(__file__).parents[1] / "references/metrics.json").read_text(encoding="utf-8")
)
each_binary = pytest.mark.parametrize("known", KNOWN["two classes"], ids=[12, 60])
each_multiple = pytest.mark.parametrize("known", KNOWN["many classes"], ids=[3, 6])
each_of_numbers = pytest.mark.parametrize("known", KNOWN["numbers"], ids=["N", "N1", "N3"])
near = {"rel": 1e-12, "abs": 1e-14}


@each_binary
def test_of_two_classes_area_and_log_loss_are_scikit_learns_in_every_form(known):
    p, y, inside = (np.array(known[name]) for name in ("p", "y", "inside"))
    for answers in (y, y == 1, y[:, None], y.astype(float)[:, None]):
        for form in (lambda v: v, lambda v: v[:, None], lambda v: v.tolist()):
            assert roc_auc(form(p), answers) == pytest.approx(known["auc"], **near)
            assert log_loss(form(inside), answers) == pytest.approx(known["log_loss"], **near)
    rows, inside_rows = (np.column_stack([1 - v, v]) for v in (p, inside))
    for answers in (y, one_hot(y, 2)):
        assert roc_auc(rows, answers) == pytest.approx(known["auc"], **near)
    assert log_loss(inside_rows, y) == pytest.approx(known["log_loss"], **near)


@each_binary
def test_the_reliability_curve_of_two_classes_is_scikit_learns(known):
    curve = reliability_curve(known["p"], known["y"])
    assert np.flatnonzero(curve.count).tolist() == known["bins"]
    for name in ("confidence", "accuracy"):
        assert getattr(curve, name)[known["bins"]] == pytest.approx(known[name], **near)
        assert np.isnan(getattr(curve, name)[curve.count == 0]).all()


@each_multiple
def test_of_many_classes_metrics_are_scikit_learns(known):
    p, y, different = (np.array(known[name]) for name in ("p", "y", "different"))
    for answers in (y, one_hot(y, p.shape[1])):
        assert roc_auc(p, answers) == pytest.approx(known["auc"], **near)
        assert log_loss(different, answers) == pytest.approx(known["log_loss"], rel=1e-7)
        for k, share in known["top"].items():
            assert top_k_accuracy(different, answers, k=int(k)) == pytest.approx(share, **near)
            assert top_k_accuracy(np.log(different), answers, int(k)) == pytest.approx(share)
    assert log_loss(different, y) == CrossEntropy().forward(different, y)
    assert log_loss(different, y) == pytest.approx(known["log_loss"], **near)


@each_of_numbers
def test_of_numbers_metrics_are_scikit_learns(known):
    assert r2_score(known["p"], known["y"]) == pytest.approx(known["r2"], **near)
    assert mean_absolute_error(known["p"], known["y"]) == pytest.approx(known["mae"], **near)


def test_all_results_are_python_floats():
    rows, y = softmax(np.eye(3, dtype=np.float32)), [0, 1, 2]
    of_classes = [top_k_accuracy(rows, y, 2), roc_auc(rows, y), log_loss(rows, y)]
    of_numbers = [r2_score(np.float32([1, 2]), [1, 3]), mean_absolute_error([1], [2])]
    curve = reliability_curve(rows, y)
    values = [*of_classes, *of_numbers, curve.expected_calibration_error]
    assert {type(value) for value in values} == {float}


# Area under the ROC curve


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=40))
def test_the_area_is_the_share_of_pairs_in_the_right_order(samples):
    ones = [p for p, y in samples if y]
    zeros = [p for p, y in samples if not y]
    p, y = zip(*samples, strict=True)
    if not (ones and zeros):
        with pytest.raises(InputError, match="compares samples of a class with samples of others"):
            roc_auc(p, y)
        return
    pairs = [1 if a > b else 0.5 if a == b else 0 for a in ones for b in zeros]
    assert roc_auc(p, y) == pytest.approx(sum(pairs) / len(pairs), rel=1e-14)
    assert roc_auc([-value for value in p], y) == pytest.approx(1 - roc_auc(p, y), abs=1e-14)


def test_the_area_depends_on_the_order_alone_at_any_size_of_the_numbers():
    y = [0, 1, 0, 1, 1]
    assert roc_auc([1, 2, 3, 4, 5], y) == roc_auc([-1e300, -1e-300, 0, 1e-300, 1e300], y) == 5 / 6


@pytest.mark.slow
def test_a_sample_of_a_million_is_ranked_without_rounding():
    y = np.arange(1_000_000) % 2
    assert roc_auc(np.zeros(1_000_000), y) == 0.5
    assert roc_auc(np.arange(1_000_000) // 2, y) == 0.5
    assert roc_auc(y, y) == 1


# Top k


@given(
    st.lists(st.lists(st.integers(0, 3), min_size=4, max_size=4), min_size=1, max_size=20),
    st.integers(0, 99),
)
def test_the_right_class_is_among_the_first_k_with_ties_in_order(rows, seed):
    y = np.random.default_rng(seed).integers(0, 4, len(rows))
    for k in range(1, 5):
        first = [sorted(range(4), key=lambda c, row=row: -row[c])[:k] for row in rows]
        hits = sum(c in some for c, some in zip(y, first, strict=True))
        assert top_k_accuracy(rows, y, k) == hits / len(rows)
    assert top_k_accuracy(rows, y, 1) == accuracy(rows, y)
    assert top_k_accuracy(rows, y, 4) == 1


# Reliability curve


def test_confidences_on_an_edge_belong_to_the_bin_below_as_guo_et_al_have_it():
    curve = reliability_curve([0, 0.25, 0.5, 0.5000001, 1], [0, 0, 1, 1, 1], bins=2)
    assert curve.count.tolist() == [3, 2]
    assert curve.accuracy.tolist() == [1 / 3, 1]
    assert curve.confidence == pytest.approx([0.25, 0.75], abs=1e-6)
    assert curve.edges.tolist() == [0, 0.5, 1]


def test_the_calibration_error_by_hand():
    rows = [[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.15, 0.15, 0.7], [0.55, 0.25, 0.2]]
    curve = reliability_curve(rows, [0, 0, 2, 0], bins=5)
    assert curve.count.tolist() == [0, 0, 1, 2, 1]
    assert curve.accuracy[2:].tolist() == [1, 0.5, 1]
    assert curve.confidence[2:] == pytest.approx([0.55, 0.75, 0.9])
    assert curve.expected_calibration_error == pytest.approx((0.45 + 2 * 0.25 + 0.1) / 4)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1), st.integers(1, 30))
def test_no_sample_is_lost_and_with_one_bin_the_error_is_that_of_the_means(samples, bins):
    p, y = zip(*samples, strict=True)
    curve = reliability_curve(p, y, bins)
    assert curve.count.sum() == len(p)
    assert len(curve.edges) - 1 == len(curve.count) == len(curve.confidence) == bins
    filled = curve.count > 0
    assert (curve.confidence[filled] >= curve.edges[:-1][filled] - 1e-12).all()
    assert (curve.confidence[filled] <= curve.edges[1:][filled] + 1e-12).all()
    one = reliability_curve(p, y, bins=1).expected_calibration_error
    assert one == pytest.approx(abs(sum(p) - sum(y)) / len(p), abs=1e-12)
    assert one <= curve.expected_calibration_error + 1e-12


# R^2


@given(st.lists(st.integers(-50, 50), min_size=2, max_size=20), st.sampled_from([1e-200, 1, 1e200]))
def test_r2_is_1_for_the_answers_and_0_for_their_mean_in_any_unit(y, unit):
    y = np.array(y) * unit
    if (y == y[0]).all():
        with pytest.raises(InputError, match="no variance to explain"):
            r2_score(y, y)
        return
    assert r2_score(y, y) == 1
    assert r2_score(np.full(len(y), (y / len(y)).sum()), y) == pytest.approx(0, abs=1e-12)


def test_many_equal_numbers_whose_mean_is_rounded_are_constant():
    with pytest.raises(InputError, match=r"y is 0\.1 for each of the 10 samples"):
        r2_score(np.arange(10.0), np.full(10, 0.1))


def test_predictions_in_float32_do_not_round_the_answers():
    y = np.array([16777217.0, 16777219.0])
    assert mean_absolute_error(np.float32([16777216, 16777216]), y) == 2
    assert r2_score(np.float32([16777218, 16777218]), y) == 0


# What does not fit

ROWS = [[0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [0.2, 0.6, 0.2]]
WRONG = {
    "logits of two classes": (roc_auc, [[3.0, 2.0], [1, 2]], [0, 1], "tinynn.softmax(p)"),
    "logits of many": (log_loss, [[3.0, 2.0, 0], [1, 2, 0]], [0, 1], "tinynn.softmax(p)"),
    "logits, curve": (reliability_curve, [[3.0, 2.0, 0]], [0], "tinynn.softmax(p)"),
    "logits of class 1": (log_loss, [0.2, -3.0], [0, 1], "p[1] is -3. If these are logits"),
    "curve of logits of class 1": (reliability_curve, [0.2, 3.0], [0, 1], "p[1] is 3."),
    "a class without samples": (roc_auc, ROWS, [0, 1, 1], "no sample is of class 2"),
    "one class": (roc_auc, [0.1, 0.2], [1, 1], "all 2 samples are of class 1"),
    "a third class": (roc_auc, [0.1, 0.2], [0, 2], "y[1] is 2. For more classes give p as rows"),
    "swapped": (roc_auc, [0, 1], [0.5, 0.2], "Are p and y swapped?"),
    "swapped rows": (top_k_accuracy, [0, 1], [[0.5, 0.5], [0.2, 0.8]], "Are p and y swapped?"),
    "NaN in p": (roc_auc, [0.1, math.nan], [0, 1], "p[1] is nan"),
    "NaN in y": (log_loss, [0.1, 0.2], [0, math.nan], "y[1] is nan"),
    "NaN in rows": (reliability_curve, [[math.nan, 0.5]], [0], "row 0 of p holds NaN"),
    "lengths": (roc_auc, [0.1, 0.2], [0], "got (2,) and (1,)"),
    "no samples": (log_loss, [], [], "1 sample or more; got (0,)"),
    "texts": (roc_auc, ["a", "b"], [0, 1], "p as numbers"),
    "k above C": (top_k_accuracy, ROWS, [0, 1, 2], "k must be a whole number from 1 to 3, got 5"),
    "classes for top k": (top_k_accuracy, [0, 1], [0, 1], "expects p as rows (N, C)"),
    "a class beyond": (top_k_accuracy, ROWS * 2, [0, 1, 3] * 2, "y contains 3"),
    "bins": (lambda p, y: reliability_curve(p, y, 0), [0.5], [0], "bins must be"),
    "broadcast": (mean_absolute_error, [[1.0], [2.0]], [1.0, 2.0], "np.asarray(y)[:, None]"),
    "one number": (r2_score, 1.0, 2.0, "r2_score expects p (N, ...), got one number"),
    "NaN, yes or no": (binary_accuracy, [0.9, math.nan], [1, 0], "p[1] is nan; 1 of the 2"),
    "boundary": (lambda p, y: binary_accuracy(p, y, math.nan), [0.5], [0], "boundary must be a f"),
    "boundary of text": (lambda p, y: binary_accuracy(p, y, "0"), [0.5], [0], "boundary must be"),
    "infinite": (mean_absolute_error, [1.0, math.inf], [1.0, 2.0], "p[1] is inf; 1 of the 2"),
    "NaN in answers": (r2_score, [[1.0], [2]], [[1.0], [math.nan]], "y[1, 0] is nan"),
    "constant column": (r2_score, ROWS, [[0, 1, 5], [1, 2, 5], [2, 3, 5]], "5 for each of the 3"),
}


@pytest.mark.parametrize(("metric", "p", "y", "said"), WRONG.values(), ids=WRONG)
def test_what_does_not_fit_is_refused_with_a_message(metric, p, y, said):
    with pytest.raises(InputError) as error:
        metric(p, y)
    assert said in str(error.value)
