"""The settings that decide how a training ends. A resumed run must have those of its checkpoint.

Data are compared by their numbers, a schedule by the rates that it returns, other settings by their
values. fingerprints.py says how data and functions are compared.
"""

import platform
from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

import numpy as np

from tinynn import checks
from tinynn.configuration import Configured, with_defaults
from tinynn.configuration_json import to_json, unequal
from tinynn.optimizers import Optimizer
from tinynn.origin import OWN, is_own, marked_name
from tinynn.parameters import Array
from tinynn.threads import blas_pools
from tinynn.training.fingerprints import (
    checksum,
    data_differences,
    data_fingerprint,
    function_fingerprint,
)
from tinynn.training.run import Callback, Run

SCHEDULE = "a function of t"
# tinynn's classes in checkpoints of formats 1 and 2, which did not mark the user's own classes
IN_OLD_FORMATS = {"MeanSquaredError", "CrossEntropy", "SoftmaxCrossEntropy", "SGD", "Adam"}
IN_OLD_FORMATS |= {"EarlyStopping"}
ONLY_WATCHES = (
    "If your callback only watches, write affects_training = False in its class: then it is not "
    "compared."
)


def run_settings(run: Run) -> dict[str, Any]:
    """Return all settings on which the result depends. Paths of files are not among them.

    Reads all data once, for a checksum. Raises InputError if a setting cannot be saved.
    """
    data = {name: data_fingerprint(array) for name, array in _data(run).items()}
    return {**_descriptions(run), "data": data}


def settings_differences(theirs: dict[str, Any], run: Run, same_python: bool) -> list[str]:
    """Return a line for each setting that differs between a checkpoint's run and this one.

    same_python: whether the byte code of functions can be compared.
    """
    pair = settings_as_now(_without_data(theirs), run), _descriptions(run)
    differences = unequal(*pair) if same_python else unequal(*map(_without_code, pair))
    ours = _data(run)
    for name in [*theirs["data"], *(name for name in ours if name not in theirs["data"])]:
        differences += data_differences(name, theirs["data"].get(name), ours.get(name))
    differences += _hint(differences, *(settings["callbacks"] for settings in pair))
    remedy = "; set layer.trainable as it was when that run began, before you call fit"
    return [line + remedy if line.startswith("frozen") else line for line in differences]


def changed_settings(run: Run, settings: dict[str, Any]) -> list[str]:
    """Return a line for each setting that has changed since training began and would be lost.

    Two kinds of changes are not lost, so they are not compared: an optimizer's numbers, which
    checkpoints keep, and the arguments of a callback with `state` of its own. Nor are lists and the
    variables that functions hold: most of them are records, and may grow.
    """
    rate = run.optimizer.learning_rate
    if callable(rate) and run.schedule is None:
        return [
            f"optimizer.learning_rate: {settings['optimizer']['learning_rate']} against {SCHEDULE}"
        ]
    for name, function in run.functions.items():  # as they were after on_train_begin
        now = getattr(run.optimizer, name)
        if callable(now) and now is not function:
            return [f"optimizer.{name}: a function of t against another one"]
    then, now = _without_data(settings), _descriptions(run)
    callbacks, described = affecting_callbacks(run), (then["callbacks"], now["callbacks"])
    for one in (then, now):
        one["frozen"] = []  # may change: checkpoints keep which layers are frozen
        one["optimizer"] = one["optimizer"]["class"]
        one["loss"] = _numbers_and_texts(one["loss"]) if is_own(type(run.loss)) else one["loss"]
        one["callbacks"] = [
            description["class"] if callback.state() else _numbers_and_texts(description)
            for callback, description in zip(callbacks, one["callbacks"], strict=False)
        ]
    differences = unequal(then, now)
    return differences + _hint(differences, *described)


def _hint(differences: list[str], *described: list[dict[str, Any]]) -> list[str]:
    """Return a line about callbacks that only watch, if one of the user's own may have changed."""
    changed = any(line.startswith("callbacks") for line in differences)
    own = any(one["class"].startswith(OWN) for callbacks in described for one in callbacks)
    return [ONLY_WATCHES] if changed and own else []


def _numbers_and_texts(description: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in description.items() if not isinstance(v, (dict, list))}


def functions_of(optimizer: Optimizer) -> dict[str, Any]:
    """Return the hyper-parameters of an optimizer that are functions."""
    return {name: value for name, value in optimizer.config().items() if callable(value)}


def numbers_of(optimizer: Optimizer) -> dict[str, Any]:
    """Return the hyper-parameters of an optimizer that are not functions."""
    return {name: value for name, value in optimizer.config().items() if not callable(value)}


def unsaved_numbers(run: Run) -> dict[str, Any]:
    """Return the numbers that no checkpoint keeps, of the optimizer and of own callbacks.

    The keys are such as "Mu.mu". A class that overrides `state` may keep its numbers there, so it
    has none here. Arrays and generators of random numbers are told by a checksum. Lists are not
    looked at: most of them are records.
    """
    callbacks = [each for each in affecting_callbacks(run) if is_own(type(each))]
    return {
        f"{type(thing).__name__}.{name}": number
        for thing in (run.optimizer, *callbacks)
        if type(thing).state in (Optimizer.state, Callback.state)
        for name, value in vars(thing).items()
        if name not in {"t", "slots", "_unpickled", *thing.config()}
        and (number := _as_number(value)) is not None
    }


def _as_number(value: Any) -> str | None:
    """Return a text that tells whether a number has changed; None for other objects."""
    if isinstance(value, np.ndarray):
        return checksum(np.atleast_1d(value)) if value.dtype.kind in "biufc" else None
    if isinstance(value, np.random.Generator):
        return str(value.bit_generator.state)
    return repr(value) if isinstance(value, (int, float, np.number, np.bool_)) else None


def affecting_callbacks(run: Run) -> list[Any]:
    """Return the callbacks that may change something in training."""
    return [callback for callback in run.callbacks if callback.affects_training]


def _descriptions(run: Run) -> dict[str, Any]:
    optimizer = describe(run.optimizer)
    if callable(run.optimizer.learning_rate):
        optimizer["learning_rate"] = SCHEDULE  # compared by its rates, in a ScheduleTable
    return {
        "loss": describe(run.loss),
        "optimizer": optimizer,
        "seed": run.seed,
        "batch_size": run.batch_size,
        "callbacks": [describe(callback) for callback in affecting_callbacks(run)],
        "frozen": [layer.name for layer in run.model.layers if not layer.trainable],
    }


def describe(thing: Configured) -> dict[str, Any]:
    """Return the class of a loss, an optimizer, a callback or a schedule, and its arguments."""
    kind = type(thing).__name__
    config = {
        name: _argument(value, kind) for name, value in thing.config().items() if name != "path"
    }
    return {"class": marked_name(type(thing)), **config}


def settings_as_now(settings: dict[str, Any], run: Run) -> dict[str, Any]:
    """Return a checkpoint's settings, with defaults for arguments that its classes lacked."""
    callbacks = zip(settings["callbacks"], affecting_callbacks(run), strict=False)
    filled = [_with_gained(description, callback) for description, callback in callbacks]
    return {
        "frozen": [],
        **settings,
        "loss": _with_gained(settings["loss"], run.loss),
        "optimizer": _with_gained(settings["optimizer"], run.optimizer),
        "callbacks": [*filled, *settings["callbacks"][len(filled) :]],
    }


def with_marked_classes(settings: Any, run: Run) -> Any:
    """Return the settings of a checkpoint of format 1 or 2 with OWN before the user's classes.

    If tinynn had a class of that name then, the class of that name in this run decides.
    """

    def marked(description: dict[str, Any], thing: Configured | None) -> dict[str, Any]:
        name, kind = description["class"], type(thing)
        now = marked_name(kind) if kind.__name__ == name else name
        return {**description, "class": now if name in IN_OLD_FORMATS else OWN + name}

    try:
        callbacks = settings["callbacks"]
        pairs = zip_longest(callbacks, affecting_callbacks(run)[: len(callbacks)])
        return {
            **settings,
            "loss": marked(settings["loss"], run.loss),
            "optimizer": marked(settings["optimizer"], run.optimizer),
            "callbacks": [marked(description, callback) for description, callback in pairs],
        }
    except (TypeError, KeyError, AttributeError):  # not settings: the comparison will refuse them
        return settings


def without_watchers(state: dict[str, Any], run: Run) -> dict[str, Any]:
    """Return a training state without the callbacks that only watch in this run.

    It has some if their classes did not set `affects_training = False` when it was written.
    """
    watchers = (c for c in run.callbacks if not type(c).affects_training)  # by its class: another
    # object of the class may be what affected training, such as a FunctionCallback
    names = {marked_name(type(callback)) for callback in watchers}
    names -= {marked_name(type(callback)) for callback in affecting_callbacks(run)}
    try:
        pairs = zip(state["settings"]["callbacks"], state["callbacks"], strict=True)
        kept = [pair for pair in pairs if pair[0]["class"] not in names]
    except (ValueError, TypeError, KeyError):  # invalid: check_run_state will refuse it
        return state
    settings = {**state["settings"], "callbacks": [description for description, _ in kept]}
    return {**state, "settings": settings, "callbacks": [of_callback for _, of_callback in kept]}


def _with_gained(description: Any, thing: Configured) -> Any:
    kind = type(thing)
    if not isinstance(description, dict) or description.get("class") != marked_name(kind):
        return description
    now = with_defaults(description, kind)
    now.pop("path", None)
    return {k: v if k in description else _argument(v, kind.__name__) for k, v in now.items()}


def _argument(value: Any, kind: str) -> Any:
    """Describe an argument: an array by a checksum, an object by its class."""
    if isinstance(value, np.ndarray) and value.ndim:
        return data_fingerprint(value)
    if checks.can_be_called(value):
        return function_fingerprint(value)
    if isinstance(value, (list, tuple)):
        return {type(value).__name__: [_argument(item, kind) for item in value]}
    if type(value) is dict and all(type(key) is str for key in value):
        return {key: _argument(item, kind) for key, item in value.items()}
    try:
        return to_json(value, kind)
    except ValueError:
        return {"object": type(value).__name__}


def _without_data(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name != "data"}


def _without_code(value: Any) -> Any:
    """Return settings without the byte code of functions, which depends on Python's version."""
    if isinstance(value, list):
        return [_without_code(item) for item in value]
    if not isinstance(value, dict):
        return value
    names = value.keys() - ({"code"} if value.keys() == {"function", "code", "holds"} else set())
    return {name: _without_code(item) for name, item in value.items() if name in names}


def _data(run: Run) -> dict[str, Array]:
    names = ("x", "y", "sample_weight")
    data = dict(zip(names, (run.x, run.y, *run.weights), strict=False))
    held_out = [f"validation {name}" for name in names]
    return {**data, **dict(zip(held_out, run.validation or (), strict=False))}


# The machine


def environment() -> dict[str, Any]:
    """Return the versions and the kinds of machine code on which the rounding of sums depends."""
    build: Any = np.show_config(mode="dicts")
    pools = blas_pools()
    blas = build["Build Dependencies"]["blas"]
    return {
        "python": ".".join(platform.python_version_tuple()[:2]),
        "numpy": np.__version__,
        "blas": f"{blas['name']} {blas.get('version')}",
        "kernel": [pool.get("architecture") for pool in pools],
        "threads": [pool["num_threads"] for pool in pools],
        "instructions": " ".join(build.get("SIMD Extensions", {}).get("found", [])),
    }
