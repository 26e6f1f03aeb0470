"""What an interrupted run needs to go on as if nothing had happened, and what must be the same.

    training_state(trainer)  ->  a checkpoint's file  ->  restore(trainer, path)

Random numbers are no part of it: each is a function of the seed, the epoch and the step.
"""

import copy
import json
import os
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from types import CodeType
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynn.configuration import Configured, differences, plain
from tinynn.npz import ModelFormatError, PathLike
from tinynn.parameters import Array
from tinynn.storage import load_checkpoint

STATE = {
    "epoch", "step", "sums", "history", "optimizer", "hyperparameters", "callbacks", "settings",
    "environment",
}  # fmt: skip
# what training writes into a row of the history; callbacks may add figures of their own
FIGURES = {"loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"}
# steps t whose learning rates a refusal can show; all rates up to the last must agree
PROBES = (1, 2, 3, 10, 100, 1_000, 10_000, 100_000)

if TYPE_CHECKING:  # for the annotations alone: these functions stand above the trainer
    from tinynn.callbacks import Callback
    from tinynn.optimizers import Optimizer
    from tinynn.trainer import Trainer


def training_state(trainer: "Trainer", settings: dict[str, Any]) -> dict[str, Any]:
    """Return all that goes into a checkpoint beside the model; see `run_settings`."""
    return {
        "epoch": trainer.epoch,
        "step": trainer.step,
        "sums": asdict(trainer.sums),
        "history": trainer.history.epochs,
        "optimizer": trainer.optimizer.state(),
        "hyperparameters": _numbers(trainer.optimizer),  # as they are now: a callback may set them
        "callbacks": [callback.state() for callback in _taking_part(trainer)],
        "settings": settings,
        "environment": _environment(),
    }


def restore(trainer: "Trainer", path: PathLike) -> None:
    """Set the trainer back to the checkpoint at `path`, or raise and leave it as it was.

    Raises ValueError, naming each difference, if the run that wrote it had other settings. Another
    NumPy, BLAS or number of threads is a warning: the last bits may differ then.
    """
    params, state = load_checkpoint(path, trainer.model)
    if not isinstance(state, dict) or set(state) != STATE:
        raise ModelFormatError(
            f"{path} should hold a training state of {', '.join(sorted(STATE))}."
        )
    try:
        json.dumps({name: state[name] for name in STATE - {"optimizer", "callbacks"}})
    except TypeError as error:
        raise ModelFormatError(
            f"{path} has an array that is no optimizer's and no callback's."
        ) from error
    unlike = differences(state["settings"], run_settings(trainer))
    if unlike:
        raise ValueError(
            "\n  ".join([f"{path} comes from a run with other settings (its own first):", *unlike])
        )
    unlike = differences(state["environment"], _environment())
    if unlike:
        warnings.warn(
            "\n  ".join(
                [f"{path} was written under other conditions; last bits may differ:", *unlike]
            ),
            stacklevel=3,
        )
    _check_state(trainer, state, params, path)
    if state["epoch"] > trainer.epochs:
        raise ValueError(
            f"{path} has come to epoch {state['epoch']} already, but epochs={trainer.epochs}. With "
            "resume_from, epochs is the total."
        )
    _restore_callbacks(trainer, state["callbacks"], path)
    trainer.model.params = params
    trainer.optimizer.load_state(state["optimizer"])
    for name, value in state["hyperparameters"].items():
        setattr(trainer.optimizer, name, value)
    trainer.sums = type(trainer.sums)(**state["sums"])
    trainer.epoch, trainer.step = state["epoch"], state["step"]
    trainer.history.epochs[:] = state["history"]
    trainer.settings = state["settings"]
    trainer.checkpoint = f"{path}, of epoch {trainer.epoch}, step {trainer.step}"
    trainer.own_files.add(os.path.realpath(path))


def _check_state(trainer: "Trainer", state: dict[str, Any], params: Array, path: PathLike) -> None:
    """Raise ModelFormatError unless a state fits this trainer in all that is not a callback's."""
    try:
        optimizer, sums = copy.deepcopy(trainer.optimizer), state["sums"]
        optimizer.load_state(state["optimizer"])
        for name, vector in optimizer.memory.items():
            if vector.shape != params.shape or vector.dtype != params.dtype:
                raise ValueError(f"{name} is {vector.dtype} {vector.shape}")
            if not np.isfinite(vector).all():
                raise ValueError(f"{name} holds NaN or infinity")
        if state["hyperparameters"].keys() != _numbers(trainer.optimizer).keys():
            raise ValueError(f"its hyper-parameters are {state['hyperparameters']}")
        if not all(isinstance(value, float) for value in state["hyperparameters"].values()):
            raise ValueError(f"its hyper-parameters are {state['hyperparameters']}")
        type(optimizer)(**{**optimizer.config(), **state["hyperparameters"]})  # refuses wrong ones
        if sums.keys() != asdict(trainer.sums).keys():
            raise ValueError(f"the sums have {', '.join(sums)}")
        numbers = (state["epoch"], state["step"], sums["samples"])
        if not all(_is_count(n) for n in numbers):
            raise ValueError(f"epoch, step and samples are {numbers}")
        if not _are_numbers(sums["loss"], sums["seconds"]) or sums["samples"] > trainer.samples:
            raise ValueError(f"the sums are {sums}")
        if not sums["samples"] and sums != asdict(type(trainer.sums)()):
            raise ValueError(f"the sums of no samples are {sums}")
        if sums["hits"] is not None and not _is_count(sums["hits"], most=sums["samples"]):
            raise ValueError(f"of {sums['samples']} samples {sums['hits']} were right")
        if sums["samples"] % trainer.batch_size and sums["samples"] != trainer.samples:
            raise ValueError(f"{sums['samples']} samples are no whole number of batches")
        for i, row in enumerate(state["history"], start=1):
            if row["epoch"] != i or not _is_count(row["epoch"]):
                raise ValueError("the history does not count its epochs from 1")
            if not {"loss", "learning_rate", "seconds"} <= row.keys():
                raise ValueError(f"the history's row {i} has {', '.join(row)}")
            if not _are_numbers(*(row[name] for name in row.keys() & FIGURES)):
                raise ValueError(f"the history's row {i} holds what is no number")
        if len(state["history"]) != state["epoch"] - bool(sums["samples"]):
            raise ValueError(f"it has {len(state['history'])} epochs' rows at {state['epoch']}")
        if len(state["callbacks"]) != len(_taking_part(trainer)):
            raise ValueError(f"it has {len(state['callbacks'])} callbacks' states")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelFormatError(f"{path} holds a training state that is unfit: {error}") from error


def _is_count(value: Any, most: float = 2**53) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def _are_numbers(*values: Any) -> bool:
    return all(isinstance(value, float) and np.isfinite(value) for value in values)


def _restore_callbacks(trainer: "Trainer", memories: list[Any], path: PathLike) -> None:
    """Give all callbacks their memories back; if one cannot take it, none is changed."""
    callbacks = _taking_part(trainer)
    before = [copy.deepcopy(callback.state()) for callback in callbacks]
    for i, (callback, memory) in enumerate(zip(callbacks, memories, strict=True)):
        try:
            callback.load_state(memory)
            callback.check(trainer)
        except Exception as error:
            for changed, old in zip(callbacks[: i + 1], before, strict=False):
                changed.load_state(old)
            name = type(callback).__name__
            raise ModelFormatError(f"{path}: {name} cannot take its state: {error!r}") from error


def _numbers(optimizer: "Optimizer") -> dict[str, float]:
    """Return the hyper-parameters that are numbers; a learning rate may be a function instead."""
    return {k: value for k, value in optimizer.config().items() if isinstance(value, float)}


def _taking_part(trainer: "Trainer") -> list["Callback"]:
    return [callback for callback in trainer.callbacks if not callback.observes]


def run_settings(trainer: "Trainer") -> dict[str, Any]:
    """Return what must be the same for the result to be the same; paths may differ.

    Reads all data once, for a checksum. Raises ValueError for a setting that cannot be saved.
    """
    return {
        "loss": _description(trainer.loss),
        "optimizer": {**_description(trainer.optimizer), **_learning_rates(trainer.optimizer)},
        "seed": trainer.seed,
        "batch_size": trainer.batch_size,
        "callbacks": [_description(callback) for callback in _taking_part(trainer)],
        "data": checksum(trainer.x, trainer.y, *(trainer.validation or ())),
    }


def _description(thing: Configured) -> dict[str, Any]:
    kind = type(thing).__name__
    config = {
        name: _function(value) if callable(value) else plain(value, kind)
        for name, value in thing.config().items()
        if name != "path"
    }
    return {"class": kind, **config}


def _learning_rates(optimizer: "Optimizer") -> dict[str, Any]:
    """Return what a learning rate that is a function gives: its code says nothing of a closure."""
    if not callable(optimizer.learning_rate):
        return {}
    rates = {f"t = {t}": optimizer.rate(t) for t in PROBES}
    all_rates = np.array([optimizer.rate(t) for t in range(1, PROBES[-1] + 1)])
    return {"learning rates": {**rates, "digest of all up to there": checksum(all_rates)[:16]}}


def _function(function: Any) -> dict[str, Any]:
    """Return a function's name and a digest of what it does, as far as that can be told."""
    import hashlib

    name = getattr(function, "__name__", type(function).__name__)
    text = repr(_told(function, depth=6))
    return {"function": name, "code": hashlib.sha256(text.encode()).hexdigest()[:16]}


def _told(thing: Any, depth: int) -> Any:
    """Return what can be told of a value, or of a function and all it holds, in texts that stay."""
    kind = type(thing).__name__
    if thing is None or isinstance(thing, (bool, int, float, str, bytes)):
        return thing
    if isinstance(thing, np.generic | np.ndarray):
        return kind, checksum(np.atleast_1d(thing))
    if not depth:
        return kind
    if isinstance(thing, (list, tuple)):
        return kind, [_told(item, depth - 1) for item in thing]
    if isinstance(thing, Mapping):
        return kind, [(str(key), _told(item, depth - 1)) for key, item in thing.items()]
    if isinstance(thing, CodeType):
        return thing.co_code.hex(), thing.co_names, _told(thing.co_consts, depth - 1)
    parts: list[Any] = [kind, getattr(thing, "__qualname__", "")]
    for name in ("__code__", "__defaults__", "__kwdefaults__", "__func__", "__self__"):
        parts.append(_told(getattr(thing, name, None), depth - 1))
    for name in ("func", "args", "keywords"):  # of functools.partial
        parts.append(_told(getattr(thing, name, None), depth - 1))
    cells = getattr(thing, "__closure__", None) or ()
    parts.append([_told(cell.cell_contents, depth - 1) for cell in cells])
    if not isinstance(thing, type):
        parts.append(_told(getattr(thing, "__dict__", None), depth - 1))
        parts.append(_told(vars(type(thing)).get("__call__"), depth - 1))
    return parts


def _environment() -> dict[str, Any]:
    """Return what decides how sums are rounded, beside the machine itself."""
    from threadpoolctl import threadpool_info

    build: Any = np.show_config(mode="dicts")
    blas = build["Build Dependencies"]["blas"]
    libraries = [library for library in threadpool_info() if library["user_api"] == "blas"]
    own = [library for library in libraries if "numpy" in library["filepath"]]  # not SciPy's
    return {
        "numpy": np.__version__,
        "blas": f"{blas['name']} {blas.get('version')}",
        "threads": [library["num_threads"] for library in own or libraries],
    }


def checksum(*arrays: Array) -> str:
    """Return a SHA-256 of shapes, dtypes and contents; reads in pieces, copies no whole array."""
    import hashlib

    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.shape} {array.dtype.str};".encode())
        for start in range(0, len(array), 4096):
            digest.update(np.ascontiguousarray(array[start : start + 4096]).data)
    return digest.hexdigest()
