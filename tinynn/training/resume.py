"""Resuming from a checkpoint: an interrupted run goes on as if nothing had happened.

    a checkpoint's file  ->  restore(run, path)  ->  the run as it was

Before anything changes, each difference from the run that wrote the file raises an error or warns.
"""

import copy
import json
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinynn.batches import minibatches
from tinynn.configuration_json import unequal
from tinynn.errors import InputError, of_file
from tinynn.files.atomic import PathLike
from tinynn.files.checkpoints import load_checkpoint, structure
from tinynn.files.models import MARKED
from tinynn.files.npz import ModelFormatError
from tinynn.model import Sequential
from tinynn.parameters import Array
from tinynn.streams import Streams
from tinynn.training.history import RunningTotals
from tinynn.training.run import Run
from tinynn.training.run_state import STATE, WITH_ARRAYS, check_run_state, history_of, schedule_of
from tinynn.training.settings import (
    affecting_callbacks,
    environment,
    settings_as_now,
    settings_differences,
    with_marked_classes,
    without_watchers,
)


@dataclass(frozen=True)
class Restored:
    """The parts of a checkpoint that are set once more after the callbacks' on_train_begin.

    The interrupted run called on_train_begin too, and the checkpoint holds what it changed.
    """

    model: Sequential
    optimizer: Mapping[str, Any]
    hyperparameters: Mapping[str, Any]

    def put_back(self, run: Run) -> None:
        """Set the model and the optimizer as they were."""
        model, now = run.model, self.model
        model.params, model.buffers = now.params, now.buffers
        model.streams.go_to(**now.streams.state())
        for layer, loaded in zip(model.layers, now.layers, strict=True):
            layer.trainable = loaded.trainable
        run.optimizer.load_state(self.optimizer)
        for name, value in self.hyperparameters.items():
            setattr(run.optimizer, name, value)


def restore(run: Run, path: PathLike) -> Restored:
    """Set the run to the checkpoint at `path`, or raise an error and leave the run as it was.

    Raises InputError, which names each difference, if the run that wrote it had other settings.
    Warns of another Python, NumPy, BLAS, processor or number of threads: last bits may differ.
    """
    model, state = _read(run, path)
    _refuse_other_settings(_differences(run, state, path), path)
    _warn_of_other_conditions(state, path)
    _complete(run, model, state, path)
    if state["epoch"] > run.epochs:
        raise InputError(
            f"{path} is of epoch {state['epoch']}, but epochs={run.epochs}. With resume_from, "
            "epochs is the total."
        )
    schedule = schedule_of(run, state["schedule"])
    _refuse_other_settings(schedule.differences(state["schedule"]) if schedule else [], path)
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
    """Return a file's model and its training state, if no part of the state is missing."""
    model, state, version = load_checkpoint(path, run.model)
    state = _with_names_of_now(state)
    if not isinstance(state, dict) or set(state) != STATE:
        raise ModelFormatError(
            f"{path} should hold a training state with {', '.join(sorted(STATE))}. If another "
            "version of tinynn wrote it, resume it with that version."
        )
    try:
        json.dumps({name: state[name] for name in STATE - WITH_ARRAYS})
    except TypeError as error:
        raise ModelFormatError(
            f"{path} has an array where neither an optimizer nor a callback keeps one."
        ) from error
    if version < MARKED:
        state["settings"] = with_marked_classes(state["settings"], run)
    return model, without_watchers(state, run)


def _with_names_of_now(state: Any) -> Any:
    """Return a state with the names of this version. In format 1 no layer drew random numbers."""
    if isinstance(state, dict) and isinstance(state.get("sums"), dict):
        names = {"hits": "n_correct", "samples": "n_samples"}
        totals = {names.get(name, name): value for name, value in state.pop("sums").items()}
        return {"model": Streams(0).state(), "totals": totals, **state}
    return state


def _differences(run: Run, state: Mapping[str, Any], path: PathLike) -> list[str]:
    """Return a line for each setting that differs between the checkpoint's run and this one."""
    try:
        same_python = state["environment"]["python"] == environment()["python"]
        return settings_differences(state["settings"], run, same_python)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise ModelFormatError(f"{path} holds invalid settings: {error!r}") from error


def _refuse_other_settings(differences: list[str], path: PathLike) -> None:
    """Raise InputError if there are any differences."""
    if differences:
        heading = f"{path} comes from a run with other settings (first the file's, then yours):"
        raise InputError(of_file("\n  ".join([heading, *differences])))


def _warn_of_other_conditions(state: Mapping[str, Any], path: PathLike) -> None:
    """Warn, at the line that called fit, of differences that may change the last bits."""
    differences = unequal(state["environment"], environment())
    if differences:
        message = (
            f"{path} was written under other conditions, so last bits may differ (first the "
            "file's, then yours):"
        )
        warnings.warn("\n  ".join([message, *differences]), stacklevel=6)


def _complete(run: Run, model: Sequential, state: dict[str, Any], path: PathLike) -> None:
    """Complete the state, check it, and give the model its streams; or raise ModelFormatError."""
    try:
        state["hyperparameters"] = _with_gained(run, state)
        check_run_state(run, state, model.params)
        model.streams.go_to(**state["model"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelFormatError(f"{path} holds an invalid training state: {error}") from error


def _with_gained(run: Run, state: Mapping[str, Any]) -> dict[str, Any]:
    """Return a state's hyper-parameters, and those that are new in the optimizer's class."""
    then, now = state["settings"]["optimizer"], run.optimizer.config()
    gained = {k: v for k, v in now.items() if k not in then and not callable(v)}
    return {**gained, **state["hyperparameters"]}


def _restore_callbacks(run: Run, states: list[Any], path: PathLike) -> None:
    """Give all callbacks their states back; if one refuses its state, none is changed."""
    callbacks = affecting_callbacks(run)
    before = [copy.deepcopy(callback.state()) for callback in callbacks]
    for i, (callback, state) in enumerate(zip(callbacks, states, strict=True)):
        try:
            callback.load_state(state)
            callback.check(run)
        except Exception as error:
            for changed, old in zip(callbacks[: i + 1], before, strict=False):
                changed.load_state(old)
            name = type(callback).__name__
            raise ModelFormatError(f"{path}: {name} cannot take its state: {error!r}") from error


def _set_back(run: Run, state: Mapping[str, Any]) -> None:
    """Set the run's totals, history, epoch, step and last batch."""
    run.totals = RunningTotals.from_state(state["totals"])
    run.epoch, run.step = state["epoch"], state["step"]
    run.history.epochs[:] = history_of(state).epochs
    run.recent_losses = state["recent_losses"]
    run.batch_loss = (run.recent_losses or [np.nan])[-1]
    run.batch = _batch_before(run) if run.step else run.batch


def _batch_before(run: Run) -> tuple[Array, ...]:
    """Return the batch of the last step: it is `run.batch` in a run that never stopped."""
    epoch, done = run.epoch, run.totals.n_samples or run.n_samples
    rng = run.order_of(epoch)
    size = run.batch_size
    return next(minibatches(run.x, run.y, size, rng, (done - 1) // size, *run.weights))


def is_of_this_run(run: Run, path: PathLike) -> bool:
    """Whether a checkpoint was written by the run that is resumed: same settings, same model."""
    try:
        state = _read(run, path)[1]
        return settings_as_now(state["settings"], run) == run.settings
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return False
