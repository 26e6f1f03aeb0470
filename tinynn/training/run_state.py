"""The state of a run that a checkpoint holds beside the model: `training_state`.

Random numbers are not part of it: each one is a function of the seed, the epoch and the step. A
state is checked in the same way before it is written and after it is read. So state that could not
be resumed is refused while the run that has it is still there.
"""

import warnings
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from tinynn import checks
from tinynn.configuration import Configured
from tinynn.configuration_json import unequal
from tinynn.errors import InputError
from tinynn.files.checkpoints import structure
from tinynn.files.lost_state import kept_by_loss
from tinynn.files.nested import are_numbers, is_count, round_trip
from tinynn.origin import is_own
from tinynn.parameters import Array
from tinynn.schedules import Schedule
from tinynn.training.history import History, RunningTotals
from tinynn.training.run import Run
from tinynn.training.schedule_table import ScheduleTable
from tinynn.training.settings import (
    SCHEDULE,
    affecting_callbacks,
    changed_settings,
    describe,
    environment,
    functions_of,
    numbers_of,
    run_settings,
    unsaved_numbers,
)

STATE = {
    "epoch", "step", "totals", "recent_losses", "grads", "history", "optimizer", "hyperparameters",
    "schedule", "callbacks", "settings", "environment", "model",
}  # fmt: skip
WITH_ARRAYS = {"optimizer", "hyperparameters", "callbacks", "grads"}


def note_settings(run: Run) -> None:
    """Record a run's settings for its checkpoints, before any callback can change them."""
    run.settings = run_settings(run)
    run.schedule = schedule_of(run, None)
    run.architecture = structure(run.model)
    run.functions, run.unsaved = {}, None


def note_optimizer(run: Run) -> None:
    """Record the optimizer's functions, and all unsaved numbers, as on_train_begin has set them."""
    run.functions = functions_of(run.optimizer)
    run.unsaved = unsaved_numbers(run)


def schedule_of(run: Run, theirs: Mapping[str, Any] | None) -> ScheduleTable | None:
    """Return the table of a run's schedule, or None. theirs: the record of the run it resumes."""
    function = run.optimizer.learning_rate
    if not callable(function):
        return None
    first, last = tell_schedule(run, theirs)
    described = describe(function) if isinstance(function, Configured) else None
    return ScheduleTable(function, first, last, run.epochs, described)


def tell_schedule(run: Run, theirs: Mapping[str, Any] | None = None) -> tuple[int, int]:
    """Return the first and the last step of a run; tell them to its schedule, if it is tinynn's."""
    per_epoch = -(-run.n_samples // run.batch_size)
    if theirs is None:
        first = run.optimizer.t + 1
        last = first - 1 + (run.epochs - run.epoch) * per_epoch
    else:
        first = theirs["first"]
        last = theirs["last"] + (run.epochs - theirs["epochs"]) * per_epoch
    if isinstance(run.optimizer.learning_rate, Schedule):
        run.optimizer.learning_rate.begin(first, last)
        vars(run.optimizer).pop("_asked", None)  # its answer from before it was told
        checks.warn_if_mostly_zero(run.optimizer.learning_rate, first, last)
    return first, last


def training_state(run: Run) -> dict[str, Any]:
    """Return the training state of a checkpoint.

    Raises InputError, with the reason, if a run could not be resumed from it.
    """
    model, optimizer = run.model, run.optimizer
    refuse_what_would_be_lost(run)
    state = {
        "epoch": run.epoch,
        "step": run.step,
        "totals": asdict(run.totals),
        "recent_losses": run.recent_losses,
        # after an epoch's last step, on_epoch_end is still to come, and a callback may read these
        "grads": model.grads.copy() if run.totals.n_samples == run.n_samples else None,
        "history": [
            {_escaped(name): checks.python_number(metric) for name, metric in row.items()}
            for row in run.history.epochs
        ],
        "optimizer": optimizer.state(),
        "hyperparameters": numbers_of(optimizer),  # the present ones: a callback may have set them
        "schedule": run.schedule.record() if run.schedule else None,
        "callbacks": [_state_of(callback) for callback in affecting_callbacks(run)],
        "settings": run.settings,
        "environment": environment(),
        "model": model.streams.state(),
    }
    check_run_state(run, round_trip(state, "the training state"), model.params)
    return state


def _state_of(callback: Any) -> dict[str, Any]:
    """Return a callback's state. Raises InputError if a file would not give it back unchanged."""
    kind, state = type(callback).__name__, callback.state()
    if type(state) is not dict:
        raise InputError(f"{kind}.state() returned {state!r:.100}; it must return a dictionary.")
    round_trip(state, f"{kind}.state()")
    return state


def _escaped(name: str) -> str:
    """Return a metric's name, such as top.5, without dots: a file's keys have none."""
    return name.replace("%", "%25").replace(".", "%2E")


def _unescaped(name: str) -> str:
    return name.replace("%2E", ".").replace("%25", "%")


def refuse_what_would_be_lost(run: Run) -> None:
    """Raise InputError if something was set since training began that could not be resumed."""
    for row in run.history.epochs[-1:]:
        for name, metric in row.items():
            if not isinstance(metric, (bool, int, float, str, np.number, np.bool_)):
                raise InputError(
                    f"history.epochs[-1][{name!r}] is {metric!r:.100}, but the history holds only "
                    "numbers and texts. Keep anything else in the callback's state()."
                )
    differences = unequal(run.architecture, structure(run.model), "model")
    differences += changed_settings(run, run.settings or {})
    if differences:
        message = (
            "Settings have changed since training began, and a checkpoint cannot keep such a "
            "change. It keeps an optimizer's numbers and what a callback's state() returns. The "
            "arguments of losses and layers, and functions, must stay (at the start against now):"
        )
        raise InputError("\n  ".join([message, *differences]))
    if run.unsaved is not None:
        _warn_of_unsaved(run, run.unsaved)


def _warn_of_unsaved(run: Run, before: Mapping[str, Any]) -> None:
    """Warn, once, if something has changed in training that no checkpoint keeps."""
    now, kind = unsaved_numbers(run), type(run.loss).__name__
    changed = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    if changed:
        kind, remedy = changed[0].split(".")[0], "define state() and load_state() so that they keep"
        remedy += " these numbers"
        if kind == type(run.optimizer).__name__:
            remedy = f"Keep vectors in self.slots, under the names in `state_names`; or {remedy}"
        else:
            remedy = f"D{remedy[1:]}; or, if it only watches, write affects_training = False"
    elif is_own(type(run.loss)) and len(run.batch[0]):
        p, targets = run.model.predict(run.batch[0]), run.batch[1:]
        changed = [f"{kind}.{name}" for name in kept_by_loss(run.loss, p, *targets)]
        remedy = "A loss must depend on p, y and its arguments alone"
    if changed:
        warnings.warn(
            f"{kind} has numbers of its own that change in training, and no checkpoint keeps them "
            f"({', '.join(changed)}): a resumed run may end with other bits. {remedy}.",
            stacklevel=3,
        )
        run.unsaved = None


def check_run_state(run: Run, state: Mapping[str, Any], params: Array) -> None:
    """Raise InputError, or another error, unless a training could have had this state.

    The optimizer, the totals, the history and the schedule check their own parts. The callbacks
    check theirs in `load_state`.
    """
    run.optimizer.check_state(state["optimizer"], state["hyperparameters"], params)
    totals = RunningTotals.from_state(state["totals"])
    totals.check(run.n_samples, run.batch_size, whole=run.loss.boundary is None)
    _check_place(state, params)
    history_of(state).check(epochs=state["epoch"] - bool(totals.n_samples))
    if len(state["callbacks"]) != len(affecting_callbacks(run)):
        raise InputError(f"it has the states of {len(state['callbacks'])} callbacks")
    scheduled = state["settings"]["optimizer"]["learning_rate"] == SCHEDULE
    ScheduleTable.check(state["schedule"], scheduled)


def _check_place(state: Mapping[str, Any], params: Array) -> None:
    """Raise InputError unless epoch, step, losses and gradients of a state are plausible."""
    if not all(is_count(state[name]) for name in ("epoch", "step")):
        raise InputError(f"its epoch and step are {state['epoch']} and {state['step']}")
    streams = state["model"]
    if not (is_count(streams["step"]) and type(streams["stepped"]) is bool and len(streams) == 2):
        raise InputError(f"its model's step is {streams}")
    losses = state["recent_losses"]
    if not isinstance(losses, list) or not are_numbers(*losses) or len(losses) > 5:
        raise InputError(f"its recent losses are {losses}")
    if not (state["grads"] is None or getattr(state["grads"], "shape", None) == params.shape):
        raise InputError("its gradients have another shape than the parameters")


def history_of(state: Mapping[str, Any]) -> History:
    """Return the history that a state holds."""
    return History(
        [{_unescaped(name): metric for name, metric in row.items()} for row in state["history"]]
    )
