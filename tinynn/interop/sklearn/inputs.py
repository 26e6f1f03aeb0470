"""X and y that would be read wrongly, or be refused in words that say no remedy.

scikit-learn checks the data; these are the cases that it leaves: masks (NumPy reads what lies
below them), a sparse y, gaps and mixtures in a y of objects, and columns that are not numbers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinynn import checks
from tinynn.errors import InputError
from tinynn.parameters import Array

TOLD = (str, np.datetime64, np.timedelta64)  # of other objects Python's own error says what it is


@contextmanager
def readable(X: Any, y: Any = None, numbers: bool = False) -> Iterator[None]:
    """Refuse X and y that would be read wrongly; let an error within name columns of texts.

    numbers: whether y are numbers; otherwise they are classes, or labels.

    >>> with readable([[1, "red"]]):
    ...     np.array([[1, "red"]]).astype(float)
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: X has columns that are not numbers: 1 ('red'). Put
        make_column_transformer((OneHotEncoder(), [1]), remainder="passthrough") before the network,
        in a pipeline, or leave them out.
    """
    checks.refuse_masked(X, "X")
    checks.refuse_masked(y, "y")
    _refuse_sparse(y, numbers)
    _refuse_objects(y, numbers)
    try:
        yield
    except (TypeError, ValueError) as error:
        odd = {name: cell for name, cell in _columns(X) if cell is not None}
        if not odd or not all(isinstance(cell, TOLD) for cell in odd.values()):
            raise
        raise InputError(_not_numbers(odd)) from error


def _refuse_sparse(y: Any, numbers: bool) -> None:
    """Refuse a sparse y, but for labels (N, K)."""
    if hasattr(y, "toarray") and (numbers or np.shape(y)[1:] in ((), (1,))):
        flat = ".ravel()" if np.shape(y)[1:] == (1,) else ""
        raise InputError(
            f"y is a sparse {type(y).__name__} of shape {np.shape(y)}, but only labels of a "
            f"classifier, (N, K), may be sparse. Write y.toarray(){flat}."
        )


def _refuse_objects(y: Any, numbers: bool) -> None:
    """Refuse objects as y (N,) if some are missing, or are neither texts nor numbers alone."""
    given: Array = np.asarray(y) if hasattr(y, "dtype") else np.zeros(0)
    if given.dtype.kind not in ("OU" if numbers else "O") or given.ndim != 1:
        return
    gaps = [i for i, each in enumerate(given) if checks.is_missing(each) or each != each]
    if gaps:
        raise InputError(
            f"y holds NaN or another missing value in {len(gaps):,} of {len(given):,} samples, "
            f"first in sample {gaps[0]} ({given[gaps[0]]}). Leave these samples out of X and y."
        )
    texts = [isinstance(each, str) for each in given]
    if numbers and any(texts):
        text = str(given[texts.index(True)])
        raise InputError(
            f"y must be numbers, but holds texts, such as {checks.shortened(text)}. For classes "
            "use NeuralNetClassifier; for numbers that were read as texts write y.astype(float)."
        )
    if not numbers and not all(texts):
        other = given[texts.index(False)]
        kind = "str" if any(texts) else "int"
        raise InputError(
            f"Unknown label type: y is an array of objects, such as {checks.shortened(other)}, not "
            f"of texts or of whole numbers. Write y.astype({kind})."
        )


def _columns(X: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each column of X by its name or number, and its first cell that is no number."""
    try:
        table = X if hasattr(X, "iloc") and hasattr(X, "columns") else np.asarray(X)
    except ValueError:  # rows of several lengths
        return
    if table.ndim != 2:
        return
    for i in range(table.shape[1]):
        column = table.iloc[:, i] if table is X and hasattr(X, "iloc") else table[:, i]
        name = X.columns[i] if hasattr(X, "columns") else i
        cells = () if column.dtype.kind in "biufc" else np.asarray(column)
        yield name, next((cell for cell in cells if not _is_number(cell)), None)


def _is_number(cell: Any) -> bool:
    """Whether scikit-learn makes a number of it; NaN of a missing one, which it refuses itself.

    >>> [_is_number(cell) for cell in (2, "2.5", None, "red", np.datetime64(0, "D"))]
    [True, True, True, False, False]
    """
    if checks.is_missing(cell):
        return True
    if isinstance(cell, (np.datetime64, np.timedelta64)):
        return False
    try:
        float(cell)
    except (TypeError, ValueError):
        return False
    return True


def _not_numbers(odd: dict[Any, Any]) -> str:
    """The message for columns that are not numbers."""
    shown = ", ".join(f"{_shown(name)} ({_shown(odd[name])})" for name in [*odd][:5])
    named = ", ".join(map(_shown, [*odd][:5]))
    more = ", ..." if len(odd) > 5 else ""
    if all(isinstance(cell, str) for cell in odd.values()):
        remedy = (
            f"Put make_column_transformer((OneHotEncoder(), [{named}{more}]), "
            'remainder="passthrough") before the network, in a pipeline, or leave them out.'
        )
    else:
        remedy = "Replace them by numbers, such as the days since a date, or leave them out."
    return f"X has columns that are not numbers: {shown}{more}. {remedy}"


def _shown(thing: Any) -> str:
    return checks.shortened(thing.item() if isinstance(thing, np.generic) else thing)
