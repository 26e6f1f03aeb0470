"""Models on disk: one uncompressed .npz each, which plain NumPy can open too.

    format          the version of this layout, a whole number
    architecture    JSON: what Sequential.from_config rebuilds the model from; "own." stands before
                    the names of the user's own classes and functions
    1.Dense.W ...   the parameters and buffers, by name

Nothing is pickled, so a file can hold no program. Writing is atomic: whoever opens the path finds
the old file or the new one, whole.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from tinynn import checks
from tinynn.architecture import layers_from_json, of_older_format
from tinynn.configuration import refuse_not_rebuildable
from tinynn.errors import InputError
from tinynn.files.atomic import PathLike
from tinynn.files.lost_state import refuse_lost_state
from tinynn.files.nested import count_values
from tinynn.files.npz import ModelFormatError, NpzFile, write_npz
from tinynn.model import Sequential, infer_shapes
from tinynn.parameters import Array, Shape

FORMAT = 3
READABLE = (1, 2, 3)  # 1 knew no buffers, 1 and 2 did not mark the names of the user's own classes
MARKED = 3  # from this format on
MODEL_TEXTS = ("format", "architecture")
LONGEST_ARCHITECTURE = 2**17  # characters: a model of over a thousand layers
MOST_VALUES = 2**18  # in a JSON text: a parsed value takes 30 times its text


@checks.short_traceback
def save_model(model: Sequential, path: PathLike) -> None:
    """Write the model's architecture and weights to `path`, replacing what stood there.

    Raises OSError if the path cannot be written, InputError if a layer's configuration cannot, or
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
        refuse_not_rebuildable(layer, layer.name)
    refuse_lost_state(model)
    write_npz(path, model_arrays(model))


@checks.short_traceback
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
        return _build(file, architecture_in(file), layers)


def arrays_of(model: Sequential) -> dict[str, Array]:
    """Return all arrays of a model that a file keeps, by name."""
    return {**model.named_parameters(), **model.named_buffers()}


def model_arrays(model: Sequential) -> dict[str, Array]:
    """Return what a file of this model holds, by name, or raise InputError if it cannot be."""
    architecture = json.dumps(model.config())
    if len(architecture) > LONGEST_ARCHITECTURE:
        raise InputError(
            f"The architecture takes {len(architecture):,} characters; a file holds "
            f"{LONGEST_ARCHITECTURE:,} at most. Nothing was written."
        )
    arrays = arrays_of(model)
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise InputError(
                f"{name} holds NaN or infinity: training has diverged, and nothing was written. Go "
                "back to the last file that was saved, and try a smaller learning rate."
            )
    texts = {"format": np.array(FORMAT), "architecture": np.array(architecture)}
    return {**texts, **arrays}


def architecture_in(file: NpzFile) -> Any:
    """Return what the file says of the model's structure, as one of today's format says it."""
    version = format_of(file)
    architecture = json_in(file, "architecture", LONGEST_ARCHITECTURE)
    if version >= MARKED:
        return architecture
    try:
        return {**architecture, "layers": of_older_format(architecture["layers"])}
    except (TypeError, KeyError, AttributeError, RecursionError):  # whoever needs it says so
        return architecture


def format_of(file: NpzFile) -> int:
    """Return the version of a file's layout, if this version of tinynn can read it."""
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
    return version


def _build(file: NpzFile, architecture: Any, layers: Iterable[Callable[..., Any]]) -> Sequential:
    """Make the model that a file holds; nothing is allocated before its arrays are known to fit."""
    try:
        built = layers_from_json(architecture["layers"], layers)
        rest = (tuple(architecture["input_shape"]), architecture["seed"], architecture["dtype"])
        if rest[2] not in ("float32", "float64"):
            raise InputError(f"Its dtype should be float32 or float64, but is {rest[2]!r}.")
        _, shapes, buffers = infer_shapes(built, rest[0])
        _check_members(file, shapes | buffers, np.dtype(rest[2]), file.members)
        model = Sequential(built, *rest)
    except ModelFormatError:
        raise
    except Exception as error:  # of any kind: a layer of the caller's own meets the file's values
        problem = error if isinstance(error, ValueError) else repr(error)
        raise file.error(f"describes an architecture that cannot be built. {problem}") from error
    fill(file, model, file.members)
    return model


def fill(file: NpzFile, model: Sequential, names: Iterable[str]) -> None:
    """Read a model's arrays, after making sure that `names` are exactly its own."""
    arrays = arrays_of(model)
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
    declared = {name: None for name in names if name not in MODEL_TEXTS}  # in the file's order
    for name in shapes:
        if name not in declared:
            raise file.error(f"lacks the array {name}.")
    for name in declared:
        if name not in shapes:
            raise file.error(f"has an array that is not in its architecture: {name}.")
        member = file.members[name]
        if member.shape != shapes[name] or member.dtype != dtype:
            raise file.error(f"should hold {name} as {dtype} {shapes[name]}, but has {member}.")


def json_in(file: NpzFile, name: str, longest: int) -> Any:
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
