"""Models on disk: one uncompressed .npz each, which plain NumPy can open too.

    format          the version of this layout, a whole number
    architecture    JSON: the config() from which Sequential.from_config rebuilds the model; the
                    names of the user's own classes and functions begin with "own."
    1.Dense.W ...   the parameters and buffers, by name

Nothing is pickled, so a file cannot contain a program. Writing is atomic: a program that opens the
path finds the whole old file or the whole new one.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
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
READABLE = (1, 2, 3)  # format 1 has no buffers
MARKED = 3  # from this format on, the names of the user's own classes begin with "own."
MODEL_TEXTS = ("format", "architecture")
LONGEST_ARCHITECTURE = 2**22  # characters: Rescale with two arrays for images of 128 x 128 x 3
MOST_LAYERS = 2**12
MOST_VALUES = 2**18  # in a JSON text: a parsed value takes 30 times as much memory as its text


@checks.short_traceback
def save_model(model: Sequential, path: PathLike) -> None:
    """Write the model's architecture, parameters and buffers to `path`; replaces an older file.

    Raises OSError if the path cannot be written. Raises InputError if `model` is not a Sequential,
    if `path` is not a path, if a layer's arguments cannot be written or would make another layer,
    or if a layer of your own has state that files do not keep.

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
    """Return the model that was saved at `path`, with the same bits.

    layers: a list of your own Layer classes and initializers that the model uses; default none.
    Raises ModelFormatError if the file is not a model that tinynn saved, OSError if it cannot be
    opened.

    >>> load_model("nowhere.npz")
    Traceback (most recent call last):
        ...
    FileNotFoundError: [Errno 2] There is no such file; the .npz files in ... 'nowhere.npz'
    """
    layers = checks.own_classes(layers)
    with NpzFile(path) as file:
        if "training" in file.members:
            raise file.error(
                "is a checkpoint, not a model. Resume it with Trainer.fit(..., "
                "resume_from=path), then save_model(trainer.model, ...)."
            )
        return _build(file, architecture_in(file), layers)


def arrays_of(model: Sequential) -> dict[str, Array]:
    """Return a model's parameters and buffers by name: the arrays that a file keeps."""
    return {**model.named_parameters(), **model.named_buffers()}


def model_arrays(model: Sequential) -> dict[str, Array]:
    """Return the contents of a file of this model, by name; InputError if it cannot be written."""
    refuse_many(model.layers)
    architecture = json.dumps(model.config())
    if len(architecture) > LONGEST_ARCHITECTURE or count_values(architecture) > MOST_VALUES:
        raise InputError(
            f"The architecture is too long: it takes {len(architecture):,} characters and "
            f"{count_values(architecture):,} values, and a file holds {LONGEST_ARCHITECTURE:,} and "
            f"{MOST_VALUES:,} at most. Nothing was written. Long arrays as arguments of layers, as "
            "those of Rescale, can be applied to the data before the model."
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


def refuse_many(layers: Sequence[Any]) -> None:
    """Refuse more layers than a file holds: to build them could take minutes."""
    if len(layers) > MOST_LAYERS:
        raise InputError(
            f"A file holds {MOST_LAYERS:,} layers at most, and these are {len(layers):,}."
        )


def architecture_in(file: NpzFile) -> Any:
    """Return the architecture that the file describes, in the present format."""
    version = format_of(file)
    architecture = json_in(file, "architecture", LONGEST_ARCHITECTURE)
    if version >= MARKED:
        return architecture
    try:
        return {**architecture, "layers": of_older_format(architecture["layers"])}
    except (
        TypeError,
        KeyError,
        AttributeError,
        RecursionError,
    ):  # invalid: its reader will refuse it
        return architecture


def format_of(file: NpzFile) -> int:
    """Return the version of a file's layout, or raise if this version of tinynn cannot read it."""
    for name in MODEL_TEXTS:
        if name not in file.members:
            raise file.error(f"is not a model of tinynn: it has no {name!r}.")
    declared = file.members["format"]
    if declared.shape or declared.dtype.kind not in "iu":
        raise file.error(f"should give its format as one whole number, but holds {declared}.")
    version = int(file.read("format"))
    if version not in READABLE:
        raise file.error(
            f"has format {version}, but this version of tinynn reads formats {READABLE[0]} to "
            f"{FORMAT}. If a newer tinynn saved it, update tinynn."
        )
    return version


def _build(file: NpzFile, architecture: Any, layers: Iterable[Callable[..., Any]]) -> Sequential:
    """Return the model in a file. Memory is allocated only once its arrays are known to fit."""
    try:
        refuse_many(architecture["layers"])
        built = layers_from_json(architecture["layers"], layers)
        rest = (tuple(architecture["input_shape"]), architecture["seed"], architecture["dtype"])
        if rest[2] not in ("float32", "float64"):
            raise InputError(f"Its dtype must be float32 or float64, but is {rest[2]!r}.")
        _, shapes, buffers = infer_shapes(built, rest[0])
        _check_members(file, shapes | buffers, np.dtype(rest[2]), file.members)
        model = Sequential(built, *rest)
    except ModelFormatError:
        raise
    except Exception as error:  # of any kind: it may come from a user's own layer
        problem = error if isinstance(error, ValueError) else repr(error)
        raise file.error(f"describes an architecture that cannot be built. {problem}") from error
    fill(file, model, file.members)
    return model


def fill(file: NpzFile, model: Sequential, names: Iterable[str]) -> None:
    """Fill a model from a file, after a check that `names` are exactly those of its arrays."""
    arrays = arrays_of(model)
    shapes = {name: view.shape for name, view in arrays.items()}
    _check_members(file, shapes, model.dtype, names)
    for name, view in arrays.items():
        file.read_into(name, view)
        if not np.isfinite(view).all():
            raise file.error(f"holds NaN or infinity in {name}; tinynn never saves such a model.")


def _check_members(
    file: NpzFile, shapes: Mapping[str, Shape], dtype: np.dtype[Any], names: Iterable[str]
) -> None:
    """Compare the names, shapes and dtypes that a file declares with those of an architecture."""
    declared = {name: None for name in names if name not in MODEL_TEXTS}  # in the file's order
    for name in shapes:
        if name not in declared:
            raise file.error(f"lacks the array {name}.")
    for name in declared:
        if name not in shapes:
            raise file.error(f"has the array {name}, which is not in its architecture.")
        member = file.members[name]
        if member.shape != shapes[name] or member.dtype != dtype:
            raise file.error(f"should hold {name} as {dtype} {shapes[name]}, but has {member}.")


def json_in(file: NpzFile, name: str, longest: int) -> Any:
    """Return the value of a JSON text in the file. longest: how many characters it may have."""
    member = file.members[name]
    if member.shape or member.dtype.kind != "U" or member.dtype.itemsize > 4 * longest:
        raise file.error(
            f"should hold {name} as one text of {longest:,} characters at most, but has {member}."
        )
    text = str(file.read(name))
    if not text.isascii():
        raise file.error(f"should hold {name} as JSON in ASCII, as tinynn writes it.")
    if count_values(text) > MOST_VALUES:
        raise file.error(f"holds over {MOST_VALUES:,} values in its text {name}.")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise file.error(f"should hold {name} as JSON: {error}") from error
