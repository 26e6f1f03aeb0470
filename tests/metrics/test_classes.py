"""Protects the metrics of a classifier, and the texts that show them."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinynn import accuracy, confusion_matrix, one_hot, per_class_report, plots
from tinynn.metrics import format_confusion, most_confused

# Eight samples, worked by hand: class 2 is never predicted, class 3 never occurs.
Y = [0, 0, 0, 1, 1, 1, 2, 2]
P = [0, 0, 1, 1, 1, 3, 0, 1]
MATRIX = [[2, 1, 0, 0], [0, 2, 0, 1], [1, 1, 0, 0], [0, 0, 0, 0]]
NAMES = ["ant", "bee", "cat", "dog"]


def scores(classes):
    """Rows whose largest number is at the class, but which are not one-hot."""
    rows = np.tile([0.25, 0.2, 0.15, 0.1], (len(classes), 1))
    rows[np.arange(len(classes)), classes] = 0.3
    return rows


FORMS_OF_P = [P, np.array(P, "u1"), scores(P), scores(P).tolist(), one_hot(P, 4)]
FORMS_OF_Y = [Y, np.array(Y, "u1"), np.array(Y, "i8"), one_hot(Y, 4)]
each_form = pytest.mark.parametrize(
    ("p", "y"), [(p, y) for p in FORMS_OF_P for y in FORMS_OF_Y], ids=range(20)
)


@each_form
def test_accuracy_by_hand_in_every_form_of_input(p, y):
    result = accuracy(p, y)
    assert type(result) is float
    assert result == 4 / 8


@each_form
def test_confusion_matrix_by_hand_in_every_form_of_input(p, y):
    assert confusion_matrix(p, y, classes=4).tolist() == MATRIX


@pytest.mark.parametrize(("p", "expected"), [([1, 0], 1.0), ([0, 1], 0.0), ([1, 1], 0.5)])
def test_accuracy_from_0_to_1(p, expected):
    assert accuracy(p, [1, 0]) == expected


def test_many_classes_in_one_byte_do_not_overflow():
    y, p = np.array([255, 250], "u1"), np.array([254, 250], "u1")
    matrix = confusion_matrix(p, y, classes=256)
    assert matrix[255, 254] == matrix[250, 250] == 1
    assert matrix.sum() == 2


def test_per_class_report_by_hand():
    ant, bee, cat, dog = per_class_report(P, Y, NAMES).scores
    assert [score.name for score in (ant, bee, cat, dog)] == NAMES
    assert (ant.precision, ant.recall, ant.f1, ant.support) == (2 / 3, 2 / 3, 2 / 3, 3)
    assert (bee.precision, bee.recall, bee.f1, bee.support) == (2 / 4, 2 / 3, 4 / 7, 3)
    assert (cat.precision, cat.recall, cat.f1, cat.support) == (0, 0, 0, 2)
    assert (dog.precision, dog.recall, dog.f1, dog.support) == (0, 0, 0, 0)


def share(hits, of):
    return sum(hits) / len(of) if of else 0.0


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60))
def test_precision_recall_and_f1_agree_with_counting_one_by_one(pairs):
    p, y = zip(*pairs, strict=True)
    for c, score in enumerate(per_class_report(p, y, list("abcde")).scores):
        precision = share(*[[answer == c for taken, answer in pairs if taken == c]] * 2)
        recall = share(*[[taken == c for taken, answer in pairs if answer == c]] * 2)
        both = precision + recall
        assert score.precision == precision
        assert score.recall == recall
        assert score.f1 == pytest.approx(2 * precision * recall / both if both else 0, rel=1e-12)
        assert score.support == sum(answer == c for answer in y)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60))
def test_the_matrix_counts_every_pair(pairs):
    p, y = zip(*pairs, strict=True)
    matrix = confusion_matrix(p, y, classes=4)
    assert all(matrix[i, j] == pairs.count((j, i)) for i in range(4) for j in range(4))
    assert accuracy(p, y) == sum(a == b for a, b in pairs) / len(pairs)


def test_the_report_prints_as_a_table():
    assert str(per_class_report(P, Y, ["an ant", "b", "c", "d"])).splitlines() == [
        "class   precision  recall     f1  samples",
        "an ant      0.667   0.667  0.667        3",
        "b           0.500   0.667  0.571        3",
        "c           0.000   0.000  0.000        2",
        "d           0.000   0.000  0.000        0",
    ]


def test_confusion_as_text_by_hand():
    assert format_confusion(np.array(MATRIX), ["ant", "b", "c", "d"]).splitlines() == [
        "true     0    1    2    3",
        "0 ant    2    1    0    0",
        "1 b      0    2    0    1",
        "2 c      1    1    0    0",
        "3 d      0    0    0    0",
    ]


def test_large_counts_stay_apart_in_the_text():
    text = format_confusion(np.array([[60000, 12345], [123456, 7]]), ["a", "b"])
    rows = [line.split() for line in text.splitlines()[1:]]
    assert rows == [["0", "a", "60000", "12345"], ["1", "b", "123456", "7"]]


def test_most_confused_adds_both_directions_and_starts_with_the_worst():
    matrix = np.array([[9, 1, 0, 4], [2, 9, 5, 0], [0, 1, 9, 0], [1, 0, 0, 9]])
    assert most_confused(matrix, NAMES) == [
        "bee and cat: 6 (bee taken for cat 5, cat taken for bee 1)",
        "ant and dog: 5 (ant taken for dog 4, dog taken for ant 1)",
        "ant and bee: 3 (ant taken for bee 1, bee taken for ant 2)",
    ]


def test_most_confused_stops_at_count_and_takes_ties_in_order():
    lines = most_confused(np.ones((10, 10), int), list("abcdefghij"), count=4)
    assert [line.split(":")[0] for line in lines] == ["a and b", "a and c", "a and d", "a and e"]


def test_most_confused_finds_nothing_where_all_is_right():
    assert most_confused(np.diag([3, 4]), ["a", "b"]) == []


BAD_INPUTS = {
    "lengths": ([0, 1], [0], "(2,) and (1,)"),
    "no samples": ([], [], "1 sample or more"),
    "no rows": (np.empty((0, 3)), [], "1 sample or more"),
    "numbers": (1, 1, "()"),
    "images": (np.zeros((2, 2, 2)), [0, 1], "(2, 2, 2)"),
}


@pytest.mark.parametrize(("p", "y", "words"), BAD_INPUTS.values(), ids=BAD_INPUTS)
@pytest.mark.parametrize(
    ("metric", "more"), [(accuracy, ()), (confusion_matrix, (2,)), (per_class_report, ("ab",))]
)
def test_inputs_that_do_not_fit_are_refused_with_a_reason(p, y, words, metric, more):
    with pytest.raises(ValueError) as caught:
        metric(p, y, *more)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("p", "y", "words"),
    [
        ([0, 2], [0, 1], "2 classes (0 to 1) but y contains 2"),
        ([0, 1], [0, 2], "2 classes (0 to 1) but y contains 2"),
        ([0, -1], [0, 1], "contains -1"),
        ([0.0, 1.0], [0, 1], "float64"),
        ([0, 1], np.array([0, 255], "u1"), "If there are 256 classes, "),
        (np.eye(3), [0, 1, 0], "2 classes (0 to 1) but y contains 2"),
    ],
)
def test_classes_out_of_range_are_refused(p, y, words):
    for call in (lambda: confusion_matrix(p, y, 2), lambda: per_class_report(p, y, "ab")):
        with pytest.raises(ValueError) as caught:
            call()
        assert words in str(caught.value)


@pytest.mark.parametrize(("p", "y"), [(scores(Y), np.array(Y)[:, None]), (np.array(P)[:, None], Y)])
def test_classes_in_a_column_are_not_silently_taken_for_class_0(p, y):
    with pytest.raises(ValueError):
        accuracy(p, y)


# Predictions that are NaN or infinite

METRICS = {
    "accuracy": accuracy,
    "confusion_matrix": lambda p, y: confusion_matrix(p, y, 4),
    "per_class_report": lambda p, y: per_class_report(p, y, NAMES),
}


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("number", "said"),
    [
        (
            np.nan,
            "row 2 of p holds NaN; 3 of its 8 rows have no most probable class. ",
        ),
        (np.inf, "row 2 of p holds infinity; 3 of its 8 rows"),
        (-np.inf, "row 2 of p is -inf for every class; 3 of its 8 rows"),
    ],
)
def test_predictions_that_are_not_finite_are_not_taken_for_class_0(metric, number, said):
    p = scores(P)
    p[[2, 5, 7]] = number
    for y in FORMS_OF_Y:
        with pytest.raises(ValueError) as error:
            METRICS[metric](p, y)
        assert said in str(error.value)
        assert str(error.value).startswith(metric)


@pytest.mark.parametrize("metric", METRICS)
def test_one_nan_is_refused_and_the_minus_infinity_of_a_masked_class_is_not(metric):
    p = scores(P)
    p[4, 0] = -np.inf  # P[4] is class 1
    assert str(METRICS[metric](p, Y)) == str(METRICS[metric](P, Y))
    p[4, 0] = np.nan
    with pytest.raises(ValueError, match="row 4 of p holds NaN; 1 of its 8 rows"):
        METRICS[metric](p, Y)


@pytest.mark.parametrize("metric", METRICS)
def test_nan_in_the_targets_is_refused(metric):
    y = one_hot(Y, 4)
    y[3, 2] = np.nan
    for p in (P, scores(P)):
        with pytest.raises(ValueError, match="y"):
            METRICS[metric](p, y)


# The order: p, then y

REAL = np.random.default_rng(0).dirichlet(np.ones(4), 8)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("p", "y"),
    [
        (Y, REAL),
        (np.array(Y), REAL.astype(np.float32)),
        (Y, np.log(REAL)),  # scores
        (one_hot(Y, 4), np.log(REAL)),
        (one_hot(Y, 4).astype(int), REAL),
    ],
)
def test_targets_and_predictions_in_exchanged_places_are_refused_where_it_can_be_seen(metric, p, y):
    with pytest.raises(ValueError) as error:
        METRICS[metric](p, y)
    assert "Are p and y swapped? The prediction comes first, then the answer." in str(error.value)
    METRICS[metric](y, p)  # the right way


def test_the_remedy_for_shares_of_classes_against_classes_works():
    soft = 0.9 * one_hot(Y, 4) + 0.025
    with pytest.raises(ValueError, match=r"give np.asarray\(y\).argmax\(axis=1\)"):
        accuracy(P, soft)
    assert accuracy(P, soft.argmax(axis=1)) == accuracy(scores(P), soft) == 4 / 8


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_prediction_of_exactly_0_and_1_is_compared_with_shares(dtype):
    """A softmax may round to 0 and 1: floats, as of a model, are not taken for targets."""
    sure = np.eye(2, dtype=dtype)
    assert accuracy(sure, [[0.95, 0.05], [0.05, 0.95]]) == 1
    assert accuracy(sure, [[0.95, 0.05], [0.95, 0.05]]) == 0.5
    assert confusion_matrix(sure, [[0.95, 0.05], [0.95, 0.05]], 2).tolist() == [[1, 1], [0, 0]]


def test_scores_are_not_taken_for_targets_and_other_widths_are_not_compared():
    with pytest.raises(ValueError, match="rows of y must not be negative and must sum to 1"):
        accuracy(REAL, 2 * REAL)
    for several in ([[1, 1, 0], [0, 1, 0]], [[False, False, False], [True, False, False]]):
        with pytest.raises(ValueError, match=r"several labels .* binary_accuracy\(p, y\)"):
            accuracy([[0.9, 0.8, 0.1], [0.2, 0.6, 0.3]], several)
    with pytest.raises(ValueError, match="p is for 4 classes, y for 5"):
        accuracy(REAL, one_hot(Y, 5))


def test_a_report_on_5000_classes_takes_no_memory_for_5000_squared():
    names = [str(i) for i in range(5_000)]
    tracemalloc.start()
    report = per_class_report([0, 4_999, 5], [0, 4_999, 6], names)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50e6  # a matrix of 5,000 by 5,000 counts takes 200 MB
    assert [report.scores[i].f1 for i in (0, 5, 6, 4_999)] == [1, 0, 0, 1]


# Names and counts that do not fit

NAMED = {
    "most_confused": lambda names: most_confused(np.eye(2, dtype=int), names),
    "format_confusion": lambda names: format_confusion(np.eye(2, dtype=int), names),
    "per_class_report": lambda names: per_class_report([0, 1], [0, 1], names),
    "confusion": lambda names: plots.confusion(np.eye(2, dtype=int), names),
    "prediction_grid": lambda names: plots.prediction_grid(np.zeros((2, 4, 4)), np.eye(2), names),
}


@pytest.mark.parametrize("caller", NAMED)
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: None, "got None."),
        (lambda: 2, "got 2."),
        (lambda: {0: "a", 1: "b"}, "got dict. Write list(names) for its keys, list(names.value"),
        (lambda: {"a", "b"}, "got set. It has no order"),
        (lambda: (name for name in "ab"), "got generator. Write list(names)."),
        (lambda: b"ab", "got bytes."),
        (lambda: range(2), "but names[0] is 0. Write [str(name) for name in names]."),
        (lambda: ["a", 1], "but names[1] is 1. Write [str(name) for name in names]."),
        (lambda: np.array([["a", "b"]]), "got an array of shape (1, 2). Write names.ravel()."),
        (lambda: [], "and 0 names."),
    ],
)
def test_invalid_names_are_refused_with_a_message(caller, make, said):
    with pytest.raises(ValueError) as error:
        NAMED[caller](make())
    assert str(error.value).startswith(f"{caller} expects names, a list of texts, one for each")
    assert said in str(error.value)


@pytest.mark.first_cases(5)
@pytest.mark.parametrize("caller", NAMED)
@pytest.mark.parametrize("names", ["ab", ("a", "b"), np.array(["a", "b"])])
def test_names_are_any_sequence_of_texts(caller, names):
    NAMED[caller](names)


@pytest.mark.parametrize("function", [most_confused, format_confusion])
@pytest.mark.parametrize(
    ("matrix", "said"),
    [
        (np.eye(3, dtype=int), "for 2 names; got (3, 3) of int64."),
        ([1, 2], "for 2 names; got (2,) of int64."),
        ([[1, -1], [0, 1]], "got (2, 2) of int64, some below 0."),
        ([[0.5, 0.5], [0, 1]], "got (2, 2) of float64."),
        ([[1, math.nan], [0, 1]], "got (2, 2) of float64, some NaN or infinite."),
        (None, "matrix is None."),
    ],
)
def test_a_matrix_that_does_not_hold_counts_is_refused_with_a_message(function, matrix, said):
    with pytest.raises(ValueError) as error:
        function(matrix, ["a", "b"])
    assert said in str(error.value)


def test_counts_may_be_lists_and_small_integers():
    assert format_confusion([[5, 2], [1, 9]], "ab").splitlines()[1].split() == ["0", "a", "5", "2"]
    small = np.array([[0, 200], [100, 0]], np.uint8)  # whose sum no byte holds
    assert most_confused(small, "ab") == ["a and b: 300 (a taken for b 200, b taken for a 100)"]
    with pytest.raises(ValueError, match="count must be a whole number of 1 or more, got 0"):
        most_confused(small, "ab", count=0)


@pytest.mark.parametrize("metric", METRICS)
def test_a_target_that_is_nan_is_named(metric):
    with pytest.raises(ValueError, match=r"y\[1\] is nan\.$"):
        METRICS[metric]([0, 1], [0, math.nan])
    with pytest.raises(ValueError, match=r"p\[0\] is inf\.$"):
        METRICS[metric]([math.inf, 1], [0, 1])
    with pytest.raises(
        ValueError, match=r"p\[0\] is 0\.9\..* give \(np\.asarray\(p\) > 0\.5\)\.astype\(int\)\.$"
    ):
        METRICS[metric]([0.9, 0.2], [1, 0])  # cut to whole numbers, all would be 0
    with pytest.raises(ValueError, match=r"Use np\.asarray\(p\)\.astype\(int\)\.$"):
        METRICS[metric]([1.0, 0.0], [1, 0])


@pytest.mark.parametrize("kind", [float, object])
def test_fractional_labels_are_refused_and_not_truncated(kind):
    with pytest.raises(ValueError, match=r"y\[1\] is nan\.$"):
        one_hot(np.array([0, math.nan], kind), 2)
    with pytest.raises(ValueError, match=r"y\[0\] is 0\.5\.$"):
        one_hot(np.array([0.5, 1], kind), 2)
    with pytest.raises(ValueError, match=r"Use np\.asarray\(y\)\.astype\(int\)\.$"):
        one_hot(np.array([0, 1], kind).astype(kind), 2)


ODD = ["two\nlines", "\x1b[31mred", "\udce9", "great white shark, " * 9]


def test_no_name_of_a_class_breaks_a_table_or_steers_a_terminal():
    y = np.arange(4)
    matrix = confusion_matrix([1, 0, 3, 2], y, 4)
    report = per_class_report(y, y, ODD)
    tables = str(report), format_confusion(matrix, ODD), "\n".join(most_confused(matrix, ODD))
    assert [len(table.splitlines()) for table in tables] == [5, 5, 2]
    for table in tables:
        assert all(line.isprintable() and len(line) < 160 for line in table.splitlines())
        assert "two\\nlines" in table
        assert "great white shark" in table
    assert [score.name for score in report.scores] == ODD  # whole, for a program
