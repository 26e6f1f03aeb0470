"""A callback made of functions, for what needs no class."""

from collections.abc import Callable
from difflib import get_close_matches
from inspect import signature
from typing import Any

from tinynn import checks
from tinynn.errors import InputError
from tinynn.training.run import Callback, Run

EVENTS = [event for event in vars(Callback) if event.startswith("on_")]


class FunctionCallback(Callback):
    """Call a function at an event of training: FunctionCallback(on_epoch_end=f) calls f(trainer).

    affects_training: False if the functions only watch; default True. A resumed run must have the
    same functions then: their code and the values that they hold are compared. With False they are
    not. events: for each event (`Callback` names them) a function of one argument, the Trainer.

    A checkpoint keeps no state of functions: if it must, write a class. (Keras has the same as
    LambdaCallback.) Raises InputError if there is no such event, for anything but a function of one
    argument, and if no function is given.

    >>> show = FunctionCallback(on_epoch_end=lambda trainer: print(trainer.epoch))
    >>> FunctionCallback(on_epoch_ends=print)
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: FunctionCallback: there is no event on_epoch_ends. Did you mean
        on_epoch_end?
    """

    @checks.short_traceback
    def __init__(self, affects_training: bool = True, **events: Callable[[Run], Any]) -> None:
        self.affects_training = affects_training
        self._events = events
        if not isinstance(affects_training, bool):
            raise InputError(
                f"affects_training must be True or False, got {affects_training!r:.100}. Give a "
                "function by the name of its event: FunctionCallback(on_epoch_end=f)."
            )
        if not events:
            raise InputError(
                "FunctionCallback without a function does nothing. Write "
                "FunctionCallback(on_epoch_end=f)."
            )
        for event, function in events.items():
            _refuse_unfit(event, function)
            setattr(self, event, function)

    def config(self) -> dict[str, Any]:
        return {"affects_training": self.affects_training, **self._events}


def _refuse_unfit(event: str, function: Any) -> None:
    """Raise InputError unless there is such an event, and a function of one argument for it."""
    if event not in EVENTS:
        close = get_close_matches(event, EVENTS, n=1)
        hint = f"Did you mean {close[0]}?" if close else f"The events are {', '.join(EVENTS)}."
        raise InputError(f"FunctionCallback: there is no event {event}. {hint}")
    if not checks.can_be_called(function):
        hint = " Write f, not f(...)." if function is None else ""
        raise InputError(f"{event} must be a function of the trainer, got {function!r:.100}.{hint}")
    checks.works_when_called(event, function)
    try:
        signature(function).bind(None)
    except TypeError as error:
        raise InputError(
            f"{event} must be a function of one argument, the trainer, but {function!r:.100} "
            f"cannot be called so: {error}. Write def f(trainer): ..."
        ) from error
    except ValueError:  # of some built-in functions nobody knows the arguments
        return
