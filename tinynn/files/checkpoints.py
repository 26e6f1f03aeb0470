"""Checkpoints on disk: a model's file with a training state in it.

training        JSON: epoch, totals, history, settings, callbacks
training.* ...  the arrays that belong to it, such as the optimizer's moments

A path with {step} in its name, such as run-{step}.npz, means a file for each checkpoint of a run.
"""

import copy
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from tinynn.architecture import with_gained
from tinynn.configuration_json import unequal
from tinynn.errors import InputError, of_file
from tinynn.files.atomic import PathLike, refuse_folder, refuse_no_file
from tinynn.files.models import (
    MOST_VALUES,
    architecture_in,
    fill,
    format_of,
    json_in,
    model_arrays,
)
from tinynn.files.nested import count_values, decode, encode, is_count
from tinynn.files.npz import ModelFormatError, NpzFile, write_npz
from tinynn.model import Sequential
from tinynn.parameters import Array

LONGEST_TRAINING = 2**22  # characters; arrays, and long lists of numbers, are not in this text
STEP = "{step}"  # in a file's name: the number of steps that the run had taken


def at_step(path: PathLike, step: int) -> Path:
    """Return the path of the checkpoint after a step.

    >>> at_step("run-{step}.npz", 500).name, at_step("run.npz", 500).name
    ('run-500.npz', 'run.npz')
    """
    return Path(path).with_name(Path(path).name.replace(STEP, str(step), 1))


def files_at(path: PathLike) -> list[Path]:
    """Return the files that stand at a path: one, or none; with {step} in its name, one a step."""
    path = Path(path)
    if STEP not in path.name:
        return [path] if path.exists() else []
    before, _, after = path.name.partition(STEP)
    form = re.compile(f"{re.escape(before)}([0-9]+){re.escape(after)}")
    found = [
        (match, file) for file in path.parent.iterdir() if (match := form.fullmatch(file.name))
    ]
    return [file for match, file in sorted(found, key=lambda pair: int(pair[0][1]))]


def checkpoints_by_step(paths: PathLike | Iterable[PathLike]) -> dict[int, Path]:
    """Return the files of checkpoints by the number of steps before each, in their order.

    paths: one path or several, each of a file or with {step} in its name. Raises an OSError if
    there is no file at one of them, ModelFormatError if a file is no checkpoint.
    """
    found = dict[int, Path]()
    for path in paths if isinstance(paths, Iterable) and not isinstance(paths, str) else [paths]:
        refuse_folder(path)
        files = files_at(path)
        if not files:
            refuse_no_file(path)  # names the files that are there
        found.update({_step_of(file): file for file in files})
    return dict(sorted(found.items()))


def _step_of(path: Path) -> int:
    with NpzFile(path) as file:
        refuse_no_training(file)
        training = json_in(file, "training", LONGEST_TRAINING)
    if not (isinstance(training, dict) and is_count(training.get("step"))):
        raise file.error("holds a training state that does not say how many steps it had taken.")
    return int(training["step"])


def save_checkpoint(model: Sequential, training: dict[str, Any], path: PathLike) -> None:
    """Write the model and a training state: nested dictionaries and lists of JSON types and arrays.

    The Checkpoint callback calls this; see there.
    """
    write_npz(path, {**model_arrays(model), **check_state(training)})


def check_state(training: dict[str, Any]) -> dict[str, Array]:
    """Return a training state as the arrays of a file; InputError if it could not be read again.

    >>> check_state({"epoch": 3, "best": {"params": np.ones(2)}})["training"]
    array('{"epoch": 3, "best": {"params": {"array": "training.best.params"}}}', dtype='<U67')
    """
    arrays: dict[str, Array] = {}
    text = json.dumps(encode(training, "training", arrays))
    if len(text) > LONGEST_TRAINING or count_values(text) > MOST_VALUES:
        raise InputError(
            f"The training state is too long: without its arrays it has {len(text):,} characters "
            f"and {count_values(text):,} values, but a file holds {LONGEST_TRAINING:,} and "
            f"{MOST_VALUES:,} at most. Are there very many epochs, or long lists in a callback's "
            "state()? Write such lists as arrays, which may be longer."
        )
    return {"training": np.array(text), **arrays}


def load_checkpoint(path: PathLike, model: Sequential) -> tuple[Sequential, dict[str, Any], int]:
    """Return a copy of `model` with the file's numbers, the training state, and the file's format.

    `model` itself does not change. Raises InputError if the checkpoint is of another architecture,
    ModelFormatError and OSError as `load_model` does.
    """
    with NpzFile(path) as file:
        architecture = architecture_in(file)
        refuse_no_training(file)
        differences = unequal(_as_now(architecture, model), structure(model))
        if differences:
            heading = f"{path} is of another model than this one (first the file's, then yours):"
            raise InputError(of_file("\n  ".join([heading, *differences])))
        loaded = copy.deepcopy(model)
        fill(file, loaded, [n for n in file.members if n.split(".")[0] != "training"])
        unread = {name for name in file.members if name.startswith("training.")}
        for name in unread:  # an optimizer's slots have the shape of the parameters
            member, shape = file.members[name], model.params.shape
            if name.startswith("training.optimizer.") and member.shape != shape:
                raise file.error(f"should hold {name} as {shape}, but has {member}.")

        def read(name: str) -> Array:
            if name not in unread:
                raise file.error(f"lacks the array {name}, which its training state names.")
            unread.remove(name)
            return file.read(name)

        try:
            text = json_in(file, "training", LONGEST_TRAINING)
            training = decode(text, "training", read)
        except ModelFormatError:
            raise
        except ValueError as error:
            raise file.error(str(error)) from error
        except RecursionError as error:
            raise file.error("holds a training state that is nested too deeply.") from error
        if unread:
            raise file.error(
                f"has the array {min(unread)}, which its training state does not name."
            )
        for layer, entry in zip(loaded.layers, architecture["layers"], strict=True):
            layer.trainable = entry.get("trainable", True)
        return loaded, training, format_of(file)


def refuse_no_training(file: NpzFile) -> None:
    """Raise ModelFormatError if a file is a model without a training state."""
    if "training" not in file.members:
        raise file.error(
            "is a model, not a checkpoint: it has no training state. Give resume_from the file "
            "that Checkpoint wrote; load_model reads this one."
        )


def structure(model: Sequential) -> dict[str, Any]:
    """Return a model's `config()` without `trainable`, which may change during training."""
    config = model.config()
    for entry in config["layers"]:
        entry.pop("trainable", None)
    return config


def _as_now(architecture: Any, model: Sequential) -> Any:
    """Return a file's architecture in the form in which `structure` returns a model's.

    Arguments that classes have gained since the file was written get their defaults.
    """
    try:
        entries = [{k: v for k, v in e.items() if k != "trainable"} for e in architecture["layers"]]
        return {**architecture, "layers": with_gained(entries, model.layers)}
    except (TypeError, KeyError, AttributeError):  # invalid: the comparison will show it
        return architecture
