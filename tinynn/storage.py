"""Models and checkpoints on disk: one uncompressed .npz each, which plain NumPy can open too.

    format          the version of this layout, a whole number
    architecture    JSON: what Sequential.from_config rebuilds the model from
    1.Dense.W ...   the parameters, by name
    training        JSON, in a checkpoint only: epoch, sums, history, settings, callbacks
    training.* ...  the arrays that belong to it, such as the optimizer's moments

Nothing is pickled, so a file can hold no program. Writing is atomic: whoever opens the path finds
the old file or the new one, whole.
"""

import copy
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from tinynn.configuration import differences
from tinynn.model import Sequential
from tinynn.parameters import Array

FORMAT = 1
PathLike: TypeAlias = str | os.PathLike[str]


class ModelFormatError(ValueError):
    """A file that is not what tinynn saved: it says which file, and what is wrong with it.

    >>> load_model(__file__)
    Traceback (most recent call last):
        ...
    tinynn.storage.ModelFormatError: ...storage.py is no .npz file: it begins with ...
    """


def save_model(model: Sequential, path: PathLike) -> None:
    """Write the model's architecture and weights to `path`, replacing what stood there.

    Raises OSError if the path cannot be written, ValueError if a layer's configuration cannot.

    >>> import tempfile
    >>> from tinynn import Dense
    >>> model = Sequential([Dense(2)], input_shape=(3,))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(model, f"{folder}/model.npz")
    ...     bool((load_model(f"{folder}/model.npz").params == model.params).all())
    True
    """
    _write_npz(path, _model_arrays(model))


def load_model(path: PathLike, layers: Iterable[Callable[..., Any]] = ()) -> Sequential:
    """Build the model that was saved at `path`, bit for bit.

    layers: the Layer classes (and initializers) of your own that it uses. Raises ModelFormatError
    for a file that is no such model, OSError for a path that cannot be opened.

    >>> load_model("nowhere.npz")
    Traceback (most recent call last):
        ...
    FileNotFoundError: [Errno 2] No such file or directory: 'nowhere.npz'
    """
    arrays = _read_npz(path)
    if "training" in arrays:
        raise ModelFormatError(
            f"{path} is a checkpoint, not a model. Go on with it by Trainer.fit(..., "
            "resume_from=path), then save_model(trainer.model, ...)."
        )
    architecture = _architecture(path, arrays)
    try:
        model = Sequential.from_config(architecture, layers)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelFormatError(f"{path}: its architecture cannot be built. {error}") from error
    _fill(path, model, arrays)
    return model


def save_checkpoint(model: Sequential, training: Mapping[str, Any], path: PathLike) -> None:
    """Write the model and a training state: nested dictionaries and lists of JSON types and arrays.

    The Checkpoint callback calls this; see there.
    """
    arrays: dict[str, Array] = {}
    text = json.dumps(_without_arrays(training, "training", arrays))
    _write_npz(path, {**_model_arrays(model), "training": np.array(text), **arrays})


def load_checkpoint(path: PathLike, model: Sequential) -> tuple[Array, dict[str, Any]]:
    """Return the parameters, for `model`, and the training state that `save_checkpoint` wrote.

    The model itself is left as it is. Raises ValueError if the checkpoint is of another
    architecture, ModelFormatError and OSError as `load_model` does.
    """
    arrays = _read_npz(path)
    if "training" not in arrays:
        raise ModelFormatError(f"{path} is a model, not a checkpoint: it holds no training state.")
    parameters = {name: a for name, a in arrays.items() if not name.startswith("training")}
    unlike = differences(_architecture(path, parameters), model.config())
    if unlike:
        raise ValueError("\n  ".join([f"{path} is of another model than this one:", *unlike]))
    twin = copy.deepcopy(model)
    _fill(path, twin, parameters)
    return twin.params, _with_arrays(_json(path, arrays, "training"), arrays, path)


@dataclass(frozen=True)
class ModelComparison:
    """What `compare_models` found. Prints as a report; `identical` is the answer in one word.

    >>> print(ModelComparison(arrays=2, values=8, differences=("input_shape[0]: 3 against 4",)))
    DIFFERENT: compared structure, and 8 values in 2 arrays, byte by byte
      input_shape[0]: 3 against 4
    """

    arrays: int
    values: int
    differences: tuple[str, ...]

    @property
    def identical(self) -> bool:
        """Whether structure and every byte of every parameter are the same."""
        return not self.differences

    def __str__(self) -> str:
        compared = f"structure, and {self.values:,} values in {self.arrays} arrays, byte by byte"
        if self.identical:
            return f"identical: compared {compared}"
        return "\n  ".join([f"DIFFERENT: compared {compared}", *self.differences])


def compare_models(a: Sequential | PathLike, b: Sequential | PathLike) -> ModelComparison:
    """Compare structure and all weights of two models, each given as a model or as a file's path.

    Weights are compared as bytes: -0.0 differs from 0.0. The seed that once drew them is not
    compared. Raises what `load_model` raises.

    >>> from tinynn import Dense
    >>> a, b = (Sequential([Dense(2)], input_shape=(3,)) for _ in range(2))
    >>> print(compare_models(a, b))
    identical: compared structure, and 8 values in 2 arrays, byte by byte
    >>> b.layers[0].W[1, 0] = 7
    >>> compare_models(a, b).identical
    False
    """
    a = a if isinstance(a, Sequential) else load_model(a)
    b = b if isinstance(b, Sequential) else load_model(b)
    unlike = differences({**a.config(), "seed": None}, {**b.config(), "seed": None})
    weights, others = a.named_parameters(), b.named_parameters()
    for name in [*weights, *(name for name in others if name not in weights)]:
        unlike += _difference(name, weights.get(name), others.get(name))
    return ModelComparison(len(weights), a.params.size, tuple(unlike))


def _difference(name: str, a: Array | None, b: Array | None) -> list[str]:
    """Say in at most one line how two arrays of the same name differ."""
    if a is None or b is None:
        return [f"{name}: only in the {'second' if a is None else 'first'}"]
    if a.shape != b.shape or a.dtype != b.dtype:
        return [f"{name}: {a.dtype} {a.shape} against {b.dtype} {b.shape}"]
    bits = f"u{a.itemsize}"
    unequal = np.argwhere(np.ascontiguousarray(a).view(bits) != np.ascontiguousarray(b).view(bits))
    if not len(unequal):
        return []
    at = tuple(map(int, unequal[0]))
    share = f"{len(unequal):,} of {a.size:,} values"
    return [f"{name}: {share}, first at {at}: {a[at]} against {b[at]}"]


def _model_arrays(model: Sequential) -> dict[str, Array]:
    architecture = json.dumps(model.config())
    return {
        "format": np.array(FORMAT),
        "architecture": np.array(architecture),
        **model.named_parameters(),
    }


def _architecture(path: PathLike, arrays: Mapping[str, Array]) -> Any:
    """Return what the file says of the model's structure, if this version can read it."""
    for name in ("format", "architecture"):
        if name not in arrays:
            raise ModelFormatError(f"{path} is no model of tinynn: it holds no {name!r}.")
    if arrays["format"].tolist() != FORMAT:
        raise ModelFormatError(
            f"{path} has format {arrays['format'].tolist()}, this version of tinynn reads "
            f"{FORMAT}. If a newer tinynn saved it, update."
        )
    return _json(path, arrays, "architecture")


def _fill(path: PathLike, model: Sequential, arrays: Mapping[str, Array]) -> None:
    """Copy the arrays of a file into a model, after making sure that they are exactly its own."""
    parameters = model.named_parameters()
    given = {name: a for name, a in arrays.items() if name not in ("format", "architecture")}
    for name in [*parameters, *given]:
        if name not in given:
            raise ModelFormatError(f"{path} misses the array {name}.")
        if name not in parameters:
            raise ModelFormatError(f"{path} has an array that its architecture has not: {name}.")
        ours, theirs = parameters[name], given[name]
        if (ours.shape, ours.dtype) != (theirs.shape, theirs.dtype):
            raise ModelFormatError(
                f"{path}: {name} should be {ours.dtype} {ours.shape}, "
                f"but is {theirs.dtype} {theirs.shape}."
            )
    for name, view in parameters.items():
        view[...] = given[name]


def _json(path: PathLike, arrays: Mapping[str, Array], name: str) -> Any:
    try:
        return json.loads(str(arrays[name]))
    except ValueError as error:
        raise ModelFormatError(f"{path}: {name} is not JSON. {error}") from error


def _without_arrays(value: Any, name: str, arrays: dict[str, Array]) -> Any:
    """Return `value` with each array moved to `arrays` and {"array": its name} in its place."""
    if isinstance(value, np.ndarray):
        arrays[name] = value
        return {"array": name}
    if isinstance(value, Mapping):
        return {k: _without_arrays(item, f"{name}.{k}", arrays) for k, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_arrays(item, f"{name}.{i}", arrays) for i, item in enumerate(value)]
    return value


def _with_arrays(value: Any, arrays: Mapping[str, Array], path: PathLike) -> Any:
    """Undo `_without_arrays`."""
    if isinstance(value, dict):
        if value.keys() == {"array"}:
            if value["array"] not in arrays:
                raise ModelFormatError(f"{path} misses the array {value['array']}.")
            return arrays[value["array"]]
        return {key: _with_arrays(item, arrays, path) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_arrays(item, arrays, path) for item in value]
    return value


def _read_npz(path: PathLike) -> dict[str, Array]:
    import zipfile
    import zlib

    with Path(path).open("rb") as file:
        start = file.read(4)
        if start != b"PK\x03\x04":
            raise ModelFormatError(f"{path} is no .npz file: it begins with {start!r}.")
        file.seek(0)
        try:
            with np.load(file, allow_pickle=False) as archive:
                members = {name: archive[name] for name in archive.files}
        except (
            ValueError, KeyError, EOFError, OSError, NotImplementedError, RuntimeError,
            zipfile.BadZipFile, zlib.error,
        ) as error:  # fmt: skip
            raise ModelFormatError(f"{path} is no model of tinynn, or damaged: {error}") from error
    for name, member in members.items():
        if not isinstance(member, np.ndarray):
            raise ModelFormatError(f"{path} is no model of tinynn: its part {name} is no array.")
    return members


def _write_npz(path: PathLike, arrays: dict[str, Array]) -> None:
    """Write to a temporary file beside `path`, see it safely on the disk, put it in place."""
    path = Path(path).resolve()  # a link stays a link, and its target is what is replaced
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]  # dtypes of the stubs
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    if os.name == "posix":  # the new name is on the disk only when its folder is
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
