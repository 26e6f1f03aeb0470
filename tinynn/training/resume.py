"""What an interrupted run needs to go on as if nothing had happened.

    training_state(run)  ->  a checkpoint's file  ->  restore(run, path)

Random numbers are no part of it: each is a function of the seed, the epoch and the step. Before a
state is written it is held against the same checks as one that is read: what could not be resumed
is refused while the run that wrote it still goes on.
"""

import copy
import json
import os
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tinynn import checks
from tinynn.batches import minibatches
from tinynn.configuration import unequal
from tinynn.errors import InputError
from tinynn.files.atomic import PathLike
from tinynn.files.checkpoints import load_checkpoint, structure
from tinynn.files.models import MARKED
from tinynn.files.nested import are_numbers, comes_back, is_count
from tinynn.files.npz import ModelFormatError
from tinynn.model import Sequential
from tinynn.parameters import Array
from tinynn.streams import Streams
from tinynn.training.asked_schedule import AskedSchedule
from tinynn.training.run import History, Run, RunningTotals
from tinynn.training.settings import (
    SCHEDULE,
    changed_settings,
    environment,
    functions_of,
    loose_state,
    numbers_of,
    run_settings,
    schedule_of,
    settings_as_now,
    taking_part,
    unlike_settings,
    with_marked_classes,
)

STATE = {
    "epoch", "step", "totals", "recent_losses", "grads", "history", "optimizer", "hyperparameters",
    "schedule", "callbacks", "settings", "environment", "model",
}  # fmt: skip
HAVE_ARRAYS = {"optimizer", "hyperparameters", "callbacks", "grads"}


def begin(run: Run) -> None:
    """Note what a run begins with, for its checkpoints; before any callback can change it."""
    run.settings = run_settings(run)
    run.schedule = schedule_of(run, None)
    run.architecture = structure(run.model)
    run.functions, run.loose = {}, None


def begun(run: Run) -> None:
    """Note what callbacks have set when training began, and set again when it is resumed."""
    run.functions = functions_of(run.optimizer)
    run.loose = loose_state(run.optimizer)


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
        "callbacks": [_state_of(callback) for callback in taking_part(run)],
        "settings": run.settings,
        "environment": environment(),
        "model": model.streams.state(),
    }
    _check_state(run, comes_back(state, "the training state"), model.params)
    return state


def _state_of(callback: Any) -> dict[str, Any]:
    """Return what a callback keeps, in a form that comes back as it was."""
    kind, state = type(callback).__name__, callback.state()
    if type(state) is not dict:
        raise InputError(f"{kind}.state() returned {state!r:.100}; it must return a dictionary.")
    comes_back(state, f"{kind}.state()")
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
    unlike = unequal(run.architecture, structure(run.model), "model")
    unlike += changed_settings(run, run.settings or {})
    if unlike:
        told = (
            "Settings have changed since training began, and a checkpoint could not keep that (at "
            "the start against now). Of an optimizer numbers are kept, of a callback what its "
            "state() returns; a loss' and a layer's arguments, and functions, have to stay:"
        )
        raise InputError("\n  ".join([told, *unlike]))
    if run.loose is not None and loose_state(run.optimizer) != run.loose:
        kind = type(run.optimizer).__name__
        warnings.warn(
            f"{kind} has numbers of its own that change in training, and no checkpoint keeps them: "
            "a run that is resumed may end with other bits. Keep vectors in self.slots, by the "
            "names in `state_names`, or return all that matters in state() and load_state().",
            stacklevel=2,
        )
        run.loose = None  # it is said once


@dataclass(frozen=True)
class Restored:
    """What of a checkpoint is put in place again after callbacks have been told of the beginning.

    In the run that it goes on with they were told too, and what they then did is in the checkpoint.
    """

    model: Sequential
    optimizer: Mapping[str, Any]
    hyperparameters: Mapping[str, Any]

    def put_back(self, run: Run) -> None:
        """Set the model and the optimizer as they were."""
        model, now = run.model, self.model
        model.params, model.buffers = now.params, now.buffers
        model.streams.go_to(**now.streams.state())
        for layer, twin in zip(model.layers, now.layers, strict=True):
            layer.trainable = twin.trainable
        run.optimizer.load_state(self.optimizer)
        for name, value in self.hyperparameters.items():
            setattr(run.optimizer, name, value)


def restore(run: Run, path: PathLike) -> Restored:
    """Set the run back to the checkpoint at `path`, or raise and leave it as it was.

    Raises InputError, naming each difference, if the run that wrote it had other settings. Another
    Python, NumPy, BLAS, processor or number of threads is a warning: the last bits may differ.
    """
    model, state = _read(run, path)
    _refuse_other_settings(_unlike(run, state, path), path)
    _warn_of_other_conditions(state, path)
    _complete(run, model, state, path)
    if state["epoch"] > run.epochs:
        raise InputError(
            f"{path} has come to epoch {state['epoch']} already, but epochs={run.epochs}. With "
            "resume_from, epochs is the total."
        )
    schedule = schedule_of(run, state["schedule"])
    _refuse_other_settings(schedule.unlike(state["schedule"]) if schedule else [], path)
    _restore_callbacks(run, state["callbacks"], path)  # from here on the run changes
    restored = Restored(model, state["optimizer"], state["hyperparameters"])
    restored.put_back(run)
    if state["grads"] is not None:
        run.model.grads = state["grads"]
    _set_back(run, state)
    run.settings, run.schedule = settings_as_now(state["settings"], run), schedule
    run.architecture = structure(run.model)
    run.checkpoint = f"{path}, of epoch {run.epoch}, step {run.step}"
    run.own_files.add(os.path.realpath(path))
    return restored


def _read(run: Run, path: PathLike) -> tuple[Sequential, dict[str, Any]]:
    """Return the model and the training state in a file that holds all parts of one."""
    model, state, version = load_checkpoint(path, run.model)
    state = _with_names_of_now(state)
    if not isinstance(state, dict) or set(state) != STATE:
        raise ModelFormatError(
            f"{path} should hold a training state of {', '.join(sorted(STATE))}. If another "
            "version of tinynn wrote it, go on with that."
        )
    try:
        json.dumps({name: state[name] for name in STATE - HAVE_ARRAYS})
    except TypeError as error:
        raise ModelFormatError(
            f"{path} has an array that is no optimizer's and no callback's."
        ) from error
    if version < MARKED:
        state["settings"] = with_marked_classes(state["settings"], run)
    return model, state


def _with_names_of_now(state: Any) -> Any:
    """Return a state as this version writes it: before format 2 no layer drew random numbers."""
    if isinstance(state, dict) and isinstance(state.get("sums"), dict):
        names = {"hits": "n_correct", "samples": "n_samples"}
        totals = {names.get(name, name): value for name, value in state.pop("sums").items()}
        return {"model": Streams(0).state(), "totals": totals, **state}
    return state


def _unlike(run: Run, state: Mapping[str, Any], path: PathLike) -> list[str]:
    """Return a line for each setting of the checkpoint's run that is another in this one."""
    try:
        same_python = state["environment"]["python"] == environment()["python"]
        return unlike_settings(state["settings"], run, same_python)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise ModelFormatError(f"{path} holds settings that are unfit: {error!r}") from error


def _refuse_other_settings(unlike: list[str], path: PathLike) -> None:
    """Raise InputError if there is a difference."""
    if unlike:
        raise InputError(
            "\n  ".join([f"{path} comes from a run with other settings (its own first):", *unlike])
        )


def _warn_of_other_conditions(state: Mapping[str, Any], path: PathLike) -> None:
    """Warn, at the line that called fit, of what may change the last bits."""
    unlike = unequal(state["environment"], environment())
    if unlike:
        told = f"{path} was written under other conditions; last bits may differ:"
        warnings.warn("\n  ".join([told, *unlike]), stacklevel=6)


def _complete(run: Run, model: Sequential, state: dict[str, Any], path: PathLike) -> None:
    """Give state and model what they lack; ModelFormatError if no training could be there."""
    try:
        state["hyperparameters"] = _with_gained(run, state)
        _check_state(run, state, model.params)
        model.streams.go_to(**state["model"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelFormatError(f"{path} holds a training state that is unfit: {error}") from error


def _with_gained(run: Run, state: Mapping[str, Any]) -> dict[str, Any]:
    """Return a state's hyper-parameters, and those that the optimizer's class has gained since."""
    then, now = state["settings"]["optimizer"], run.optimizer.config()
    gained = {k: v for k, v in now.items() if k not in then and not callable(v)}
    return {**gained, **state["hyperparameters"]}


def _restore_callbacks(run: Run, memories: list[Any], path: PathLike) -> None:
    """Give all callbacks their memories back; if one cannot take it, none is changed."""
    callbacks = taking_part(run)
    before = [copy.deepcopy(callback.state()) for callback in callbacks]
    for i, (callback, memory) in enumerate(zip(callbacks, memories, strict=True)):
        try:
            callback.load_state(memory)
            callback.check(run)
        except Exception as error:
            for changed, old in zip(callbacks[: i + 1], before, strict=False):
                changed.load_state(old)
            name = type(callback).__name__
            raise ModelFormatError(f"{path}: {name} cannot take its state: {error!r}") from error


def _set_back(run: Run, state: Mapping[str, Any]) -> None:
    """Set what the run knows of its own course."""
    run.totals = RunningTotals.from_state(state["totals"])
    run.epoch, run.step = state["epoch"], state["step"]
    run.history.epochs[:] = _history(state).epochs
    run.recent_losses = state["recent_losses"]
    run.batch_loss = (run.recent_losses or [np.nan])[-1]


def batch_before(run: Run) -> tuple[Array, ...]:
    """Return the batch of the last step taken, as the run that never stopped has it at hand."""
    epoch, done = run.epoch, run.totals.n_samples or run.n_samples
    rng = run.order_of(epoch)
    size = run.batch_size
    return next(minibatches(run.x, run.y, size, rng, (done - 1) // size, *run.weights))


def is_of_this_run(run: Run, path: PathLike) -> bool:
    """Whether a checkpoint is of the run that is resumed: its settings are, and its model is."""
    try:
        state = _read(run, path)[1]
        return settings_as_now(state["settings"], run) == run.settings
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return False


def _check_state(run: Run, state: Mapping[str, Any], params: Array) -> None:
    """Raise an error, InputError for one, unless a training could have had this state.

    Whose part it is, checks it.
    """
    run.optimizer.check_state(state["optimizer"], state["hyperparameters"], params)
    totals = RunningTotals.from_state(state["totals"])
    totals.check(run.n_samples, run.batch_size)
    _check_place(state, params)
    _history(state).check(epochs=state["epoch"] - bool(totals.n_samples))
    if len(state["callbacks"]) != len(taking_part(run)):
        raise InputError(f"it has {len(state['callbacks'])} callbacks' states")
    scheduled = state["settings"]["optimizer"]["learning_rate"] == SCHEDULE
    AskedSchedule.check(state["schedule"], scheduled)


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


def _history(state: Mapping[str, Any]) -> History:
    """Return the history that a state holds."""
    return History(
        [{_unescaped(name): metric for name, metric in row.items()} for row in state["history"]]
    )
