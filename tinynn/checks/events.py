"""What callbacks may change of a training: what fit needs as it is, they may not.

Each error names the callback and the event, such as Mine.on_epoch_end.
"""

import os
from collections.abc import Iterable
from numbers import Real
from typing import Any

from tinynn.checks.arrays import shortened
from tinynn.errors import InputError
from tinynn.origin import is_own


def files_of_their_own(callbacks: Iterable[Any]) -> None:
    """Callbacks of which no two write the same file: one would replace what the other wrote.

    >>> from tinynn import Checkpoint, RunPage
    >>> files_of_their_own([Checkpoint("run"), RunPage("./run")])
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: Checkpoint and RunPage would both write run. Give each a path of its
        own.
    """
    writers: dict[str, Any] = {}
    for callback in callbacks:
        path = getattr(callback, "path", None)
        if isinstance(path, (str, os.PathLike)) and not is_own(type(callback)):
            other = writers.setdefault(os.path.realpath(path), callback)
            if other is not callback:
                raise InputError(
                    f"{type(other).__name__} and {type(callback).__name__} would both write "
                    f"{other.path}. Give each a path of its own."
                )


def not_a_callbacks(name: str, event: str) -> InputError:
    """The error for an attribute of the Trainer that a callback sets, though fit needs it as it is.

    >>> print(not_a_callbacks("epoch", "Mine.on_epoch_end"))
    Mine.on_epoch_end sets trainer.epoch, which only fit sets. To end training, write trainer.stop =
        True.
    """
    remedy = "To end training, write trainer.stop = True."
    if name in ("x", "y", "weights", "validation", "n_samples"):
        remedy = (
            "To choose the samples of a step, set trainer.samples in on_step_begin; for other data "
            "call fit again."
        )
    elif name in ("history", "totals"):
        remedy = "To add a metric, write trainer.history.epochs[-1]['name'] = ..."
    elif name in ("seed", "callbacks"):
        remedy = "Give it before training begins."
    return InputError(f"{event} sets trainer.{name}, which only fit sets. {remedy}")


def fit_within_fit(event: str) -> InputError:
    """The error for a callback that calls fit of the Trainer that is training."""
    return InputError(
        f"{event} calls trainer.fit, which is still running. To score data, write "
        "trainer.evaluate(x, y). For another training, make another Trainer of another model."
    )


def epoch_rows(rows: Any, epoch: int, needed: Iterable[str], event: str) -> None:
    """The history after an event of a callback, which may only add metrics to its last row.

    needed: the names of the metrics that each row has.

    >>> epoch_rows([{"epoch": 1}, {"epoch": 2, "loss": "low"}], 2, ["loss"], "Mine.on_epoch_end")
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: Mine.on_epoch_end has changed the history so that nothing can go on
        from it: 'loss' of epoch 2 is 'low', not a number. A callback may only add metrics to the
        last row: trainer.history.epochs[-1]['name'] = ...
    """
    wrong = _wrong_rows(rows, epoch) or _wrong_row(rows[-1], epoch, needed)
    if wrong:
        raise InputError(
            f"{event} has changed the history so that nothing can go on from it: {wrong}. A "
            "callback may only add metrics to the last row: trainer.history.epochs[-1]['name'] ="
            " ..."
        )


def _wrong_rows(rows: Any, epoch: int) -> str:
    if not isinstance(rows, list):
        return f"its epochs are {shortened(rows)}, not a list"
    return f"it has {len(rows)} rows after {epoch} epochs" if len(rows) != epoch else ""


def _wrong_row(row: Any, epoch: int, needed: Iterable[str]) -> str:
    if not isinstance(row, dict) or row.get("epoch") != epoch:
        return f"the row of epoch {epoch} is {shortened(row)}"
    nameless = [name for name in row if not isinstance(name, str) or not name]
    if nameless:
        return f"a metric has the name {nameless[0]!r}, not a text"
    lost = sorted(name for name in needed if not isinstance(row.get(name), Real))
    return f"{lost[0]!r} of epoch {epoch} is {row.get(lost[0])!r:.60}, not a number" if lost else ""
