"""Checkpoints on disk: a model's file, and in it all that a training needs to go on.

training        JSON: epoch, totals, history, settings, callbacks
training.* ...  the arrays that belong to it, such as the optimizer's moments
"""

import copy
import json
from typing import Any

import numpy as np

from tinynn.architecture import with_gained
from tinynn.configuration_json import unequal
from tinynn.errors import InputError, of_file
from tinynn.files.atomic import PathLike
from tinynn.files.models import (
    MOST_VALUES,
    architecture_in,
    fill,
    format_of,
    json_in,
    model_arrays,
)
from tinynn.files.nested import count_values, decode, encode
from tinynn.files.npz import ModelFormatError, NpzFile, write_npz
from tinynn.model import Sequential
from tinynn.parameters import Array

LONGEST_TRAINING = 2**22  # characters, without arrays, in which long lists of numbers lie


def save_checkpoint(model: Sequential, training: dict[str, Any], path: PathLike) -> None:
    """Write the model and a training state: nested dictionaries and lists of JSON types and arrays.

    The Checkpoint callback calls this; see there.
    """
    write_npz(path, {**model_arrays(model), **check_state(training)})


def check_state(training: dict[str, Any]) -> dict[str, Array]:
    """Return a training state as the arrays of a file, or raise InputError if it could not be read.

    >>> check_state({"epoch": 3, "best": {"params": np.ones(2)}})["training"]
    array('{"epoch": 3, "best": {"params": {"array": "training.best.params"}}}', dtype='<U67')
    """
    arrays: dict[str, Array] = {}
    text = json.dumps(encode(training, "training", arrays))
    if len(text) > LONGEST_TRAINING or count_values(text) > MOST_VALUES:
        raise InputError(
            f"The training state has {len(text):,} characters and {count_values(text):,} values, "
            f"beside its arrays; a file holds {LONGEST_TRAINING:,} and {MOST_VALUES:,} at most. "
            "Are there very many epochs, or long lists in a callback's state()? Arrays hold more."
        )
    return {"training": np.array(text), **arrays}


def load_checkpoint(path: PathLike, model: Sequential) -> tuple[Sequential, dict[str, Any], int]:
    """Return a copy of `model` with the file's numbers, the training state, and the format.

    The model itself is left as it is. Raises InputError if the checkpoint is of another
    architecture, ModelFormatError and OSError as `load_model` does.
    """
    with NpzFile(path) as file:
        architecture = architecture_in(file)
        if "training" not in file.members:
            raise file.error(
                "is a model, not a checkpoint: it holds no training state. Go on from the file "
                "that Checkpoint wrote; this one is for load_model."
            )
        differences = unequal(_as_now(architecture, model), structure(model))
        if differences:
            lines = [f"{path} is of another model than this one (its own first):", *differences]
            raise InputError(of_file("\n  ".join(lines)))
        loaded = copy.deepcopy(model)
        fill(file, loaded, [n for n in file.members if n.split(".")[0] != "training"])
        unread = {name for name in file.members if name.startswith("training.")}
        for name in unread:  # an optimizer remembers vectors like the parameters
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
            raise file.error("holds a training state nested too deep.") from error
        if unread:
            raise file.error(f"has an array that its training state does not name: {min(unread)}.")
        for layer, entry in zip(loaded.layers, architecture["layers"], strict=True):
            layer.trainable = entry.get("trainable", True)
        return loaded, training, format_of(file)


def structure(model: Sequential) -> dict[str, Any]:
    """Return a model's `config()`, whichever of its layers are trained at the moment."""
    config = model.config()
    for entry in config["layers"]:
        entry.pop("trainable", None)
    return config


def _as_now(architecture: Any, model: Sequential) -> Any:
    """Return a file's architecture as `structure` would tell it of the classes as they are now.

    They may have gained arguments since it was written; which layers are trained does not matter.
    """
    try:
        entries = [{k: v for k, v in e.items() if k != "trainable"} for e in architecture["layers"]]
        return {**architecture, "layers": with_gained(entries, model.layers)}
    except (TypeError, KeyError, AttributeError):  # it is none: the comparison says so
        return architecture
