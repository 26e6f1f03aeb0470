"""All that a checkpoint holds of a run beside the model: `training_state`.

Random numbers are no part of it: each is a function of the seed, the epoch and the step. Before a
state is written it is held against the same checks as one that is read: what could not be resumed
is refused while the run that wrote it still goes on.
"""

import warnings
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from tinynn import checks
from tinynn.configuration_json import unequal
from tinynn.errors import InputError
from tinynn.files.checkpoints import structure
from tinynn.files.nested import are_numbers, is_count, round_trip
from tinynn.parameters import Array
from tinynn.training.run import History, Run, RunningTotals
from tinynn.training.schedule_table import ScheduleTable
from tinynn.training.settings import (
    SCHEDULE,
    affecting_callbacks,
    changed_settings,
    environment,
    functions_of,
    numbers_of,
    run_settings,
    schedule_of,
    unsaved_numbers,
)

STATE = {
    "epoch", "step", "totals", "recent_losses", "grads", "history", "optimizer", "hyperparameters",
    "schedule", "callbacks", "settings", "environment", "model",
}  # fmt: skip
WITH_ARRAYS = {"optimizer", "hyperparameters", "callbacks", "grads"}


def note_settings(run: Run) -> None:
    """Note what a run begins with, for its checkpoints; before any callback can change it."""
    run.settings = run_settings(run)
    run.schedule = schedule_of(run, None)
    run.architecture = structure(run.model)
    run.functions, run.unsaved = {}, None


def note_optimizer(run: Run) -> None:
    """Note what callbacks have set when training began, and set again when it is resumed."""
    run.functions = functions_of(run.optimizer)
    run.unsaved = unsaved_numbers(run.optimizer)


def training_state(run: Run) -> dict[str, Any]:
    """Return all that goes into a checkpoint beside the model.

    Raises InputError if a run could not be resumed from it, with the reason.
    """
    model, optimizer = run.model, run.optimizer
    refuse_what_would_be_lost(run)
    state = {
        "epoch": run.epoch,
        "step": run.step,
        "totals": asdict(run.totals),
        "recent_losses": run.recent_losses,
        # at an epoch's last step callbacks are still to be told of its end, and look at these
        "grads": model.grads.copy() if run.totals.n_samples == run.n_samples else None,
        "history": [
            {_escaped(name): checks.python_number(metric) for name, metric in row.items()}
            for row in run.history.epochs
        ],
        "optimizer": optimizer.state(),
        "hyperparameters": numbers_of(optimizer),  # as they are now: a callback may set them
        "schedule": run.schedule.record() if run.schedule else None,
        "callbacks": [_state_of(callback) for callback in affecting_callbacks(run)],
        "settings": run.settings,
        "environment": environment(),
        "model": model.streams.state(),
    }
    check_run_state(run, round_trip(state, "the training state"), model.params)
    return state


def _state_of(callback: Any) -> dict[str, Any]:
    """Return what a callback keeps, in a form that comes back as it was."""
    kind, state = type(callback).__name__, callback.state()
    if type(state) is not dict:
        raise InputError(f"{kind}.state() returned {state!r:.100}; it must return a dictionary.")
    round_trip(state, f"{kind}.state()")
    return state


def _escaped(name: str) -> str:
    """Return the name of a metric, such as top.5, as a key that a file can have."""
    return name.replace("%", "%25").replace(".", "%2E")


def _unescaped(name: str) -> str:
    return name.replace("%2E", ".").replace("%25", "%")


def refuse_what_would_be_lost(run: Run) -> None:
    """Raise InputError for what has been set since training began and could not be resumed."""
    for row in run.history.epochs[-1:]:
        for name, metric in row.items():
            if not isinstance(metric, (bool, int, float, str, np.number, np.bool_)):
                raise InputError(
                    f"history.epochs[-1][{name!r}] is {metric!r:.100}: the history holds numbers "
                    "and texts. Keep anything else in the callback's state()."
                )
    differences = unequal(run.architecture, structure(run.model), "model")
    differences += changed_settings(run, run.settings or {})
    if differences:
        message = (
            "Settings have changed since training began, and a checkpoint could not keep that (at "
            "the start against now). Of an optimizer numbers are kept, of a callback what its "
            "state() returns; a loss' and a layer's arguments, and functions, have to stay:"
        )
        raise InputError("\n  ".join([message, *differences]))
    if run.unsaved is not None and unsaved_numbers(run.optimizer) != run.unsaved:
        kind = type(run.optimizer).__name__
        warnings.warn(
            f"{kind} has numbers of its own that change in training, and no checkpoint keeps them: "
            "a run that is resumed may end with other bits. Keep vectors in self.slots, by the "
            "names in `state_names`, or return all that matters in state() and load_state().",
            stacklevel=2,
        )
        run.unsaved = None  # it is said once


def check_run_state(run: Run, state: Mapping[str, Any], params: Array) -> None:
    """Raise an error, InputError for one, unless a training could have had this state.

    Whose part it is, checks it.
    """
    run.optimizer.check_state(state["optimizer"], state["hyperparameters"], params)
    totals = RunningTotals.from_state(state["totals"])
    totals.check(run.n_samples, run.batch_size)
    _check_place(state, params)
    history_of(state).check(epochs=state["epoch"] - bool(totals.n_samples))
    if len(state["callbacks"]) != len(affecting_callbacks(run)):
        raise InputError(f"it has {len(state['callbacks'])} callbacks' states")
    scheduled = state["settings"]["optimizer"]["learning_rate"] == SCHEDULE
    ScheduleTable.check(state["schedule"], scheduled)


def _check_place(state: Mapping[str, Any], params: Array) -> None:
    """Raise InputError unless a training can be where this state says it is."""
    if not all(is_count(state[name]) for name in ("epoch", "step")):
        raise InputError(f"epoch and step are {state['epoch']} and {state['step']}")
    drawn = state["model"]
    if not (is_count(drawn["step"]) and type(drawn["stepped"]) is bool and len(drawn) == 2):
        raise InputError(f"the model's step is {drawn}")
    losses = state["recent_losses"]
    if not isinstance(losses, list) or not are_numbers(*losses) or len(losses) > 5:
        raise InputError(f"the losses before are {losses}")
    if not (state["grads"] is None or getattr(state["grads"], "shape", None) == params.shape):
        raise InputError("the gradients are no vector like the parameters")


def history_of(state: Mapping[str, Any]) -> History:
    """Return the history that a state holds."""
    return History(
        [{_unescaped(name): metric for name, metric in row.items()} for row in state["history"]]
    )
