"""What code does in its own way, which is no mistake: where the samples are, sum or mean."""

from dataclasses import replace

import numpy as np

from tinynn.clinic.subject import Subject
from tinynn.parameters import Array

NOT_ROWS = (  # what the patterns say of samples in rows, and how it is for samples in columns
    ("dout @ W.T", "W.T @ dout"),
    ("dout.sum(axis=0)", "dout.sum(axis=1, keepdims=True)"),
    ("over a row, axis -1", "over a column, axis 0"),
    ("over the samples, axis 0", "over the samples, axis 1"),
    ("of its row", "of its column"),
)


def of_columns(text: str) -> str:
    """Return what a pattern says of samples in rows as it is for samples in columns.

    >>> of_columns("In softmax it is over a row, axis -1")
    'In softmax it is over a column, axis 0'
    """
    for rows, columns in NOT_ROWS:
        text = text.replace(rows, columns)
    return text


def are_columns(subject: Subject, x: str, out: Array) -> bool | None:
    """Whether the samples are the columns of x; None if nothing tells (each number by itself).

    Samples are independent: a change of one changes only its own output. A layer that normalises
    over the samples, as BatchNorm, has independent columns too. So they must also be columns by
    the shape of W, or by outputs whose columns sum to 1.
    """
    array = subject.arrays[x]
    if array.ndim != 2 or out.ndim != 2 or 1 in array.shape:
        return None
    own = [_only_own(subject, x, out, axis) for axis in (0, 1)]
    if own[0] or not own[1]:
        return None if all(own) else False
    of_weights = any(
        subject.arrays[name].shape == (len(out), len(array)) for name in subject.parameters
    )
    return of_weights or bool(np.allclose(out.sum(axis=0), 1))


def _only_own(subject: Subject, x: str, out: Array, axis: int) -> bool:
    """Whether a change of one row (axis 0) or column of x changes only this one of out."""
    array = subject.arrays[x].copy()
    if array.shape[axis] != out.shape[axis]:
        return False
    np.moveaxis(array, axis, 0)[1] *= np.linspace(0.8, 0.95, array.shape[1 - axis])
    other = np.asarray(subject.out({**subject.arrays, x: array}))
    return bool(np.array_equal(np.delete(other, 1, axis), np.delete(out, 1, axis)))


def loss_reduction(subject: Subject, x: str, loss: float, columns: bool) -> str:
    """Return "mean", "sum", or "" if neither: by a batch in which each sample comes twice."""
    axis = 1 if columns else 0
    arguments = getattr(subject, "arguments", None)
    if arguments is None or subject.arrays[x].ndim <= axis:
        return ""
    size = subject.arrays[x].shape[axis]

    def twice(value: object) -> object:
        if not isinstance(value, np.ndarray) or not value.ndim:
            return value
        here = axis if value.ndim > axis else 0
        return np.concatenate([value, value], here) if value.shape[here] == size else value

    names, values = arguments.names, arguments.values
    try:
        doubled = type(arguments)(names, tuple(
            v if n in subject.parameters else twice(v) for n, v in zip(names, values, strict=True)
        ))  # fmt: skip
        with subject.alike():
            arrays = {**subject.arrays, **doubled.arrays()}
            copy = replace(subject, arguments=doubled)  # type: ignore[call-arg]
            ratio = float(copy.begun(arrays).run(arrays)[0]) / loss
    except Exception:  # code of others may refuse such a batch: then nothing is known
        return ""
    return "mean" if np.isclose(ratio, 1) else "sum" if np.isclose(ratio, 2) else ""
