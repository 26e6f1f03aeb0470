"""What callbacks may change of a training: what fit needs as it is, they may not.

Each error names the callback and the event, such as Mine.on_epoch_end.
"""

import os
from collections.abc import Iterable
from numbers import Real
from typing import Any

import numpy as np

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


def order_of(callback: Any, trainer: Any) -> int:
    """What a callback's `order` returned: a whole number."""
    order = callback.order(trainer)
    if not isinstance(order, (int, np.integer)):
        raise InputError(
            f"{type(callback).__name__}.order returned {order!r:.60}; it must return a whole "
            "number: the lowest come first."
        )
    return int(order)


def state_and_load_state(callback: Any, base: Any) -> None:
    """A callback whose state comes back: a class with `state` has `load_state` too.

    base: the class Callback.
    """
    kind = type(callback)
    if kind.state is not base.state and kind.load_state is base.load_state:
        raise InputError(
            f"{kind.__name__} has state(), but no load_state(self, state), so a resumed run would "
            "not get back what a checkpoint keeps. Define it, as what sets these values."
        )


def event_method(kind: str, event: str, method: Any) -> None:
    """A method of a callback that is called with the trainer, and then does its work.

    >>> event_method("Mine", "on_epoch_end", lambda self: None)
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: Mine.on_epoch_end is called with the trainer. Write def
        on_epoch_end(self, trainer).
    """
    from inspect import isfunction, signature

    works_when_called(f"{kind}.{event}", getattr(method, "__func__", method))
    if not callable(method) and not hasattr(method, "__get__"):
        raise InputError(f"{kind}.{event} must be a method, got {method!r:.60}. Leave it out.")
    if isfunction(method):
        try:
            signature(method).bind(None, None)
        except TypeError:
            raise InputError(
                f"{kind}.{event} is called with the trainer. Write def {event}(self, trainer)."
            ) from None


def works_when_called(name: str, function: Any) -> None:
    """A function whose call does its work: one with async or yield in it only prepares it."""
    from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction

    if isasyncgenfunction(function) or iscoroutinefunction(function):
        raise InputError(f"{name} is async, and nobody awaits it. Write def instead of async def.")
    if isgeneratorfunction(function):
        raise InputError(f"{name} has a yield in it, so a call would do nothing. Leave it out.")


def not_a_callbacks(name: str, event: str) -> InputError:
    """The error for an attribute of the Trainer that a callback sets, though fit needs it as it is.

    >>> print(not_a_callbacks("epoch", "Mine.on_epoch_end"))
    Mine.on_epoch_end sets trainer.epoch, which only fit sets. To end training, write trainer.stop =
        True.
    """
    remedy = "To end training, write trainer.stop = True."
    if name in ("batch_size", "epochs"):
        remedy = f"For another {name} call fit again."
    elif name in ("model", "loss", "optimizer", "metrics"):
        remedy = (
            f"For another {name} make another Trainer. Hyper-parameters may be set: "
            "trainer.optimizer.learning_rate = ..."
        )
    elif name in ("x", "y", "weights", "validation", "n_samples"):
        remedy = (
            "To choose the samples of a step, set trainer.samples in on_step_begin; for other data "
            "call fit again."
        )
    elif name in ("history", "totals"):
        remedy = "To add a metric, write trainer.history.epochs[-1]['name'] = ..."
    elif name in ("seed", "callbacks"):
        remedy = "Give it before training begins."
    return InputError(f"{event} sets trainer.{name}, which only fit sets. {remedy}")


def no_fit_within(event: str) -> None:
    """No fit of a Trainer that is training: event is that of which it tells a callback, or ""."""
    if event:
        raise InputError(
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
