"""Metrics of predicted classes: how often are they right, and which classes are mixed up?

The order of arguments is that of the losses: p, then y (scikit-learn and Keras have y first). p are
predictions: probabilities or logits (N, C), or classes (N,). y are the answers: classes (N,), or
one-hot rows (N, C). N samples, C classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tinynn import checks
from tinynn.errors import as_label
from tinynn.parameters import Array
from tinynn.reports import Report


@checks.short_traceback
def accuracy(p: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Return the share of samples, 0 to 1, whose most probable class is the right one.

    p: the prediction, first. y: the answer. Raises InputError if p and y have different numbers of
    samples, or none; if p has no column for a class of y; if p holds NaN; and if p and y are
    swapped, where that can be seen.

    >>> accuracy([[0.9, 0.1], [0.2, 0.8]], [0, 0])
    0.5
    """
    p, y = checks.compared(p, y, "accuracy")
    if p.ndim == 2 and y.ndim == 1 and y.dtype.kind in "iu":
        checks.labels(y, p.shape[1], "accuracy")
    return int(np.count_nonzero(classes_of(p) == classes_of(y))) / len(y)


@checks.short_traceback
def binary_accuracy(p: npt.ArrayLike, y: npt.ArrayLike, boundary: float = 0.5) -> float:
    """Return the share of numbers, 0 to 1, in which p and y are both yes or both no.

    p: probabilities of any shape, each of its own question; above the boundary they are a yes. y:
    the answers in the same shape, 1 for yes, 0 for no. boundary: default 0.5; for logits it is 0.
    Keras has the same. Raises InputError if the shapes differ, if p holds NaN, if y is not from 0
    to 1, and if the boundary is no finite number.

    >>> binary_accuracy([[0.9, 0.2], [0.6, 0.4]], [[1, 0], [0, 0]])
    0.75
    """
    p, _ = checks.targets(p, y, "binary_accuracy")
    y = checks.yes_or_no(p.shape, y, "binary_accuracy")
    checks.no_nan(p, "binary_accuracy")
    boundary = checks.check_finite("boundary", boundary)
    return int(np.count_nonzero(on_right_side(p, y, boundary))) / p.size


def on_right_side(p: Array, y: Array, boundary: float) -> Array:
    """Return, in p's shape, where p is above the boundary exactly if y is above 1/2."""
    right: Array = (p > boundary) == (y > 0.5)
    return right


def classes_of(rows: Array) -> Array:
    """Return classes (N,): of rows (N, C) the most probable ones; classes are returned unchanged.

    >>> classes_of(np.array([[0.9, 0.1], [0.2, 0.8]]))
    array([0, 1])
    """
    return rows if rows.ndim == 1 else rows.argmax(axis=1)


@checks.short_traceback
def confusion_matrix(p: npt.ArrayLike, y: npt.ArrayLike, classes: int) -> Array:
    """Return counts (C, C): row i, column j is how often class i was taken for class j.

    p: the prediction, first. y: the answer. (If they are swapped, the matrix is transposed.)
    classes: C, how many there are. Raises InputError for a class that is not below C, and as
    `accuracy` does.

    >>> confusion_matrix([0, 1, 1], [0, 1, 0], classes=2)
    array([[1, 1],
           [0, 1]])
    """
    p, y = _both_classes(p, y, classes, "confusion_matrix")
    return np.bincount(y * classes + p, minlength=classes**2).reshape(classes, classes)


@checks.short_traceback
def most_confused(matrix: npt.ArrayLike, names: Sequence[str], count: int = 5) -> list[str]:
    """Name the pairs of classes that are mixed up most often, in either direction, worst first.

    matrix: counts (C, C), from `confusion_matrix`. names: C of them. count: how many pairs at most,
    default 5; pairs that are never mixed up are left out. Raises InputError if matrix is not (C, C)
    or holds no counts, and if there are not C names.

    >>> most_confused(np.array([[5, 2, 0], [1, 9, 0], [0, 0, 3]]), ["cat", "dog", "cow"])
    ['cat and dog: 3 (cat taken for dog 2, dog taken for cat 1)']
    """
    names = [as_label(name) for name in checks.class_names(names, "most_confused")]
    matrix = checks.counts(matrix, len(names), "most_confused")
    count = checks.check_integer("count", count)
    both = np.triu(matrix + matrix.T, k=1)  # (C, C), each pair once
    pairs = [divmod(int(k), len(names)) for k in np.argsort(-both, axis=None, kind="stable")]
    return [
        f"{names[i]} and {names[j]}: {both[i, j]} ({names[i]} taken for {names[j]} "
        f"{matrix[i, j]}, {names[j]} taken for {names[i]} {matrix[j, i]})"
        for i, j in pairs[:count]
        if both[i, j]
    ]


@checks.short_traceback
def format_confusion(matrix: npt.ArrayLike, names: Sequence[str]) -> str:
    """Lay a confusion matrix out as text: rows are true classes, columns what they were taken for.

    matrix: counts (C, C). names: C of them. Raises InputError as `most_confused` does.

    >>> print(format_confusion(np.array([[5, 2], [1, 9]]), ["cat", "dog"]))
    true     0    1
    0 cat    5    2
    1 dog    1    9
    """
    names = [as_label(name) for name in checks.class_names(names, "format_confusion")]
    matrix = checks.counts(matrix, len(names), "format_confusion")
    labels = [f"{i} {name}" for i, name in enumerate(names)]
    width, cell = max(len(label) for label in labels), max(5, len(str(matrix.max())) + 1)
    head = "true".ljust(width) + "".join(f"{j:>{cell}}" for j in range(len(names)))
    rows = [
        label.ljust(width) + "".join(f"{count:>{cell}}" for count in row)
        for label, row in zip(labels, matrix, strict=True)
    ]
    return "\n".join([head, *rows])


@dataclass(frozen=True)
class ClassScore:
    """The scores of one class, from 0 to 1, and its number of samples, support.

    precision: the share of right answers among the samples that were predicted as this class.
    recall: the share of right answers among the samples that are of this class. f1: the harmonic
    mean of the two.
    """

    name: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, repr=False)
class ClassReport(Report):
    """What `per_class_report` returns: one score a class, in order. Shows as a table."""

    scores: tuple[ClassScore, ...]

    def __str__(self) -> str:
        names = [as_label(score.name) for score in self.scores]
        width = max(len("class"), *map(len, names))
        head = f"{'class':<{width}}  precision  recall     f1  samples"
        rows = (
            f"{name:<{width}}  {s.precision:9.3f}  {s.recall:6.3f}  {s.f1:5.3f}  {s.support:7}"
            for name, s in zip(names, self.scores, strict=True)
        )
        return "\n".join([head, *rows])


@checks.short_traceback
def per_class_report(p: npt.ArrayLike, y: npt.ArrayLike, names: Sequence[str]) -> ClassReport:
    """Return precision, recall and F1 of each class (van Rijsbergen, Information Retrieval, 1979).

    p: the prediction, first. y: the answer. names: one for each class. A quotient of 0 / 0, such as
    the precision of a class that was never predicted, counts as 0. Raises InputError as
    `confusion_matrix` does.

    >>> print(per_class_report([0, 1, 1, 1], [0, 1, 1, 0], ["cat", "dog"]))
    class  precision  recall     f1  samples
    cat        1.000   0.500  0.667        2
    dog        0.667   1.000  0.800        2
    """
    names = checks.class_names(names, "per_class_report")
    p, y = _both_classes(p, y, len(names), "per_class_report")
    counts = [np.bincount(c, minlength=len(names)).tolist() for c in (p[p == y], p, y)]  # C each
    scores = []
    for name, n_correct, n_predicted, n_samples in zip(names, *counts, strict=True):
        scores.append(
            ClassScore(
                name=name,
                precision=n_correct / max(n_predicted, 1),
                recall=n_correct / max(n_samples, 1),
                f1=2 * n_correct / max(n_predicted + n_samples, 1),
                support=n_samples,
            )
        )
    return ClassReport(tuple(scores))


def _both_classes(
    p: npt.ArrayLike, y: npt.ArrayLike, classes: int, caller: str
) -> tuple[Array, Array]:
    """Return predictions and answers as classes (N,), each below `classes`."""
    both = map(classes_of, checks.compared(p, y, caller))
    p, y = (checks.labels(each, classes, caller).astype(np.intp) for each in both)
    return p, y
