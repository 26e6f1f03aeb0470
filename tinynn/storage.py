"""Models and checkpoints on disk: one uncompressed .npz each, which plain NumPy can open too.

    format          the version of this layout, a whole number
    architecture    JSON: what Sequential.from_config rebuilds the model from
    1.Dense.W ...   the parameters and buffers, by name
    training        JSON, in a checkpoint only: epoch, sums, history, settings, callbacks
    training.* ...  the arrays that belong to it, such as the optimizer's moments

Nothing is pickled, so a file can hold no program. Writing is atomic: whoever opens the path finds
the old file or the new one, whole.
"""

import copy
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinynn import checks
from tinynn.atomic import PathLike
from tinynn.configuration import (
    differences,
    plain,
    printable,
    refuse_other_twin,
    with_defaults,
)
from tinynn.lost_state import refuse_lost_state
from tinynn.model import Sequential, layers_of_config, walk_shapes
from tinynn.nested import count_values, decode, encode
from tinynn.npz import ModelFormatError, NpzFile, write_npz
from tinynn.parameters import Array, Shape

FORMAT = 2
READABLE = (1, 2)  # 1 knew no buffers
MODEL_TEXTS = ("format", "architecture")
LONGEST_ARCHITECTURE = 2**17  # characters: a model of over a thousand layers
LONGEST_TRAINING = 2**22  # characters, without arrays, in which long lists of numbers lie
MOST_VALUES = 2**18  # in a JSON text: a parsed value takes 30 times its text


@checks.door
def save_model(model: Sequential, path: PathLike) -> None:
    """Write the model's architecture and weights to `path`, replacing what stood there.

    Raises OSError if the path cannot be written, ValueError if a layer's configuration cannot, or
    would make another layer, if a layer of your own has state that no file would keep, and for what
    is no model or no path.

    >>> import tempfile
    >>> from tinynn import Dense
    >>> model = Sequential([Dense(2)], input_shape=(3,))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(model, f"{folder}/model.npz")
    ...     bool((load_model(f"{folder}/model.npz").params == model.params).all())
    True
    """
    checks.instance(model, Sequential, "model", "The model comes first: save_model(model, path).")
    for layer in model.layers:
        refuse_other_twin(layer, layer.name)
    refuse_lost_state(model)
    write_npz(path, _model_arrays(model))


@checks.door
def load_model(path: PathLike, layers: Iterable[Callable[..., Any]] = ()) -> Sequential:
    """Build the model that was saved at `path`, bit for bit.

    layers: the Layer classes (and initializers) of your own that it uses. Raises ModelFormatError
    for a file that is no such model, OSError for a path that cannot be opened.

    >>> load_model("nowhere.npz")
    Traceback (most recent call last):
        ...
    FileNotFoundError: [Errno 2] There is no such file; the .npz files in ... 'nowhere.npz'
    """
    layers = checks.own_classes(layers)
    with NpzFile(path) as file:
        if "training" in file.members:
            raise file.error(
                "is a checkpoint, not a model. Go on with it by Trainer.fit(..., "
                "resume_from=path), then save_model(trainer.model, ...)."
            )
        return _build(file, _architecture(file), layers)


def save_checkpoint(model: Sequential, training: dict[str, Any], path: PathLike) -> None:
    """Write the model and a training state: nested dictionaries and lists of JSON types and arrays.

    The Checkpoint callback calls this; see there.
    """
    write_npz(path, {**_model_arrays(model), **check_state(training)})


def check_state(training: dict[str, Any]) -> dict[str, Array]:
    """Return a training state as the arrays of a file, or raise ValueError if it could not be read.

    >>> check_state({"epoch": 3, "best": {"params": np.ones(2)}})["training"]
    array('{"epoch": 3, "best": {"params": {"array": "training.best.params"}}}', dtype='<U67')
    """
    arrays: dict[str, Array] = {}
    text = json.dumps(encode(training, "training", arrays))
    if len(text) > LONGEST_TRAINING or count_values(text) > MOST_VALUES:
        raise ValueError(
            f"The training state has {len(text):,} characters and {count_values(text):,} values, "
            f"beside its arrays; a file holds {LONGEST_TRAINING:,} and {MOST_VALUES:,} at most. "
            "Are there very many epochs, or long lists in a callback's state()? Arrays hold more."
        )
    return {"training": np.array(text), **arrays}


def load_checkpoint(path: PathLike, model: Sequential) -> tuple[Sequential, dict[str, Any]]:
    """Return a copy of `model` with the file's numbers, and the training state beside them.

    The model itself is left as it is. Raises ValueError if the checkpoint is of another
    architecture, ModelFormatError and OSError as `load_model` does.
    """
    with NpzFile(path) as file:
        architecture = _architecture(file)
        if "training" not in file.members:
            raise file.error(
                "is a model, not a checkpoint: it holds no training state. Go on from the file "
                "that Checkpoint wrote; this one is for load_model."
            )
        unlike = differences(_as_now(architecture, model), structure(model))
        if unlike:
            lines = [f"{path} is of another model than this one (its own first):", *unlike]
            raise ValueError(printable("\n  ".join(lines)))
        twin = copy.deepcopy(model)
        _fill(file, twin, [n for n in file.members if n.split(".")[0] != "training"])
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
            text = _json(file, "training", LONGEST_TRAINING)
            training = decode(text, "training", read)
        except ModelFormatError:
            raise
        except ValueError as error:
            raise file.error(str(error)) from error
        except RecursionError as error:
            raise file.error("holds a training state nested too deep.") from error
        if unread:
            raise file.error(f"has an array that its training state does not name: {min(unread)}.")
        for layer, entry in zip(twin.layers, architecture["layers"], strict=True):
            layer.trainable = entry.get("trainable", True)
        return twin, training


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
        for entry, layer in zip(entries, model.layers, strict=False):
            if entry["layer"] == type(layer).__name__:
                then, now = entry["config"], with_defaults(entry["config"], type(layer))
                gained = {k: plain(now[k], layer.name) for k in now if k not in then}
                entry["config"] = {**then, **gained}
        return {**architecture, "layers": entries}
    except (TypeError, KeyError, AttributeError):  # it is none: the comparison says so
        return architecture


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
        """Whether structure and every byte of every parameter and buffer are the same."""
        return not self.differences

    def __str__(self) -> str:
        compared = f"structure, and {self.values:,} values in {self.arrays} arrays, byte by byte"
        if self.identical:
            return f"identical: compared {compared}"
        return "\n  ".join([f"DIFFERENT: compared {compared}", *self.differences])


@checks.door
def compare_models(
    a: Sequential | PathLike,
    b: Sequential | PathLike,
    layers: Iterable[Callable[..., Any]] = (),
) -> ModelComparison:
    """Compare structure and all weights of two models, each given as a model or as a file's path.

    layers: classes and initializers of your own that files need, as in `load_model`. Weights are
    compared as bytes, and so are buffers: -0.0 differs from 0.0. The seed that once drew them is
    not compared. Raises
    what `load_model` raises.

    >>> from tinynn import Dense
    >>> a, b = (Sequential([Dense(2)], input_shape=(3,)) for _ in range(2))
    >>> print(compare_models(a, b))
    identical: compared structure, and 8 values in 2 arrays, byte by byte
    >>> b.layers[0].W[1, 0] = 7
    >>> compare_models(a, b).identical
    False
    """
    layers = checks.own_classes(layers)
    a = a if isinstance(a, Sequential) else load_model(a, layers)
    b = b if isinstance(b, Sequential) else load_model(b, layers)
    unlike = differences({**a.config(), "seed": None}, {**b.config(), "seed": None})
    weights, others = _arrays(a), _arrays(b)
    for name in [*weights, *(name for name in others if name not in weights)]:
        unlike += _difference(name, weights.get(name), others.get(name))
    return ModelComparison(len(weights), a.params.size + a.buffers.size, tuple(unlike))


def _arrays(model: Sequential) -> dict[str, Array]:
    """Return all arrays of a model that a file keeps, by name."""
    return {**model.named_parameters(), **model.named_buffers()}


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
    if len(architecture) > LONGEST_ARCHITECTURE:
        raise ValueError(
            f"The architecture takes {len(architecture):,} characters; a file holds "
            f"{LONGEST_ARCHITECTURE:,} at most. Nothing was written."
        )
    arrays = _arrays(model)
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ValueError(
                f"{name} holds NaN or infinity: training has diverged, and nothing was written. Go "
                "back to the last file that was saved, and try a smaller learning rate."
            )
    texts = {"format": np.array(FORMAT), "architecture": np.array(architecture)}
    return {**texts, **arrays}


def _architecture(file: NpzFile) -> Any:
    """Return what the file says of the model's structure, if this version can read it."""
    for name in MODEL_TEXTS:
        if name not in file.members:
            raise file.error(f"is no model of tinynn: it holds no {name!r}.")
    declared = file.members["format"]
    if declared.shape or declared.dtype.kind not in "iu":
        raise file.error(f"should give its format as one whole number, but holds {declared}.")
    version = int(file.read("format"))
    if version not in READABLE:
        raise file.error(
            f"has format {version}, this version of tinynn reads {READABLE[0]} to {FORMAT}. "
            "If a newer tinynn saved it, update."
        )
    return _json(file, "architecture", LONGEST_ARCHITECTURE)


def _build(file: NpzFile, architecture: Any, layers: Iterable[Callable[..., Any]]) -> Sequential:
    """Make the model that a file holds; nothing is allocated before its arrays are known to fit."""
    try:
        built = layers_of_config(architecture, layers)
        rest = (tuple(architecture["input_shape"]), architecture["seed"], architecture["dtype"])
        if rest[2] not in ("float32", "float64"):
            raise ValueError(f"Its dtype should be float32 or float64, but is {rest[2]!r}.")
        _, shapes, buffers = walk_shapes(built, rest[0])
        _check_members(file, shapes | buffers, np.dtype(rest[2]), file.members)
        model = Sequential(built, *rest)
    except ModelFormatError:
        raise
    except Exception as error:  # of any kind: a layer of the caller's own meets the file's values
        told = error if isinstance(error, ValueError) else repr(error)
        raise file.error(f"describes an architecture that cannot be built. {told}") from error
    _fill(file, model, file.members)
    return model


def _fill(file: NpzFile, model: Sequential, names: Iterable[str]) -> None:
    """Read a model's arrays, after making sure that `names` are exactly its own."""
    arrays = _arrays(model)
    shapes = {name: view.shape for name, view in arrays.items()}
    _check_members(file, shapes, model.dtype, names)
    for name, view in arrays.items():
        file.read_into(name, view)
        if not np.isfinite(view).all():
            raise file.error(f"holds NaN or infinity in {name}: a model that diverged is no model.")


def _check_members(
    file: NpzFile, shapes: Mapping[str, Shape], dtype: np.dtype[Any], names: Iterable[str]
) -> None:
    """Hold the names, shapes and dtypes that a file declares against those of an architecture."""
    given = {name: None for name in names if name not in MODEL_TEXTS}  # in the file's order
    for name in shapes:
        if name not in given:
            raise file.error(f"lacks the array {name}.")
    for name in given:
        if name not in shapes:
            raise file.error(f"has an array that is not in its architecture: {name}.")
        member = file.members[name]
        if member.shape != shapes[name] or member.dtype != dtype:
            raise file.error(f"should hold {name} as {dtype} {shapes[name]}, but has {member}.")


def _json(file: NpzFile, name: str, longest: int) -> Any:
    """Return a text of the file, parsed."""
    member = file.members[name]
    if member.shape or member.dtype.kind != "U" or member.dtype.itemsize > 4 * longest:
        raise file.error(
            f"should hold {name} as one text, {longest:,} characters at most: {member}."
        )
    text = str(file.read(name))
    if not text.isascii():
        raise file.error(f"should hold {name} as JSON in ASCII, as tinynn writes it.")
    if count_values(text) > MOST_VALUES:
        raise file.error(f"holds over {MOST_VALUES:,} values in its text {name}.")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise file.error(f"should hold {name} as JSON. {error}") from error
