"""A model of an ONNX file that `export_onnx` wrote: of its metadata, and its initializers.

The nodes are not translated back. The architecture in the metadata says which layers they were, and
a checksum whether the nodes are still those that were written.
"""

import json
from collections.abc import Callable, Iterable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from tinynn import checks
from tinynn.architecture import layers_from_json
from tinynn.errors import InputError
from tinynn.files import kinds
from tinynn.files.atomic import PathLike, refuse_no_file
from tinynn.files.models import (
    FORMAT,
    LONGEST_ARCHITECTURE,
    MOST_VALUES,
    arrays_of,
    refuse_many,
)
from tinynn.files.nested import count_values
from tinynn.files.npz import ModelFormatError
from tinynn.interop.onnx.graph import as_in_onnx, as_in_tinynn, graph_of
from tinynn.interop.onnx.writing import checksum
from tinynn.interop.translation import library
from tinynn.model import Sequential, infer_shapes
from tinynn.parameters import Array

READABLE = "load_onnx reads the files that export_onnx wrote, and no others"


@checks.short_traceback
def load_onnx(path: PathLike, layers: Iterable[Callable[..., Any]] = ()) -> Sequential:
    """Return the model that `export_onnx` wrote to `path`: the same layers, the same bits.

    layers: a list of your own initializers that the model names; default none. Another program may
    have changed the weights in the file, which are then the model's; but neither its nodes nor the
    numbers that are arguments of layers, such as those of a Rescale.

    Needs the library onnx. Raises ModelFormatError if export_onnx did not write the file, or if its
    nodes were changed; OSError if it cannot be opened.

    >>> load_onnx("nowhere.onnx")
    Traceback (most recent call last):
        ...
    FileNotFoundError: [Errno 2] There is no such file; the .onnx files in ... 'nowhere.onnx'
    """
    onnx = library("onnx", "onnx")
    own = checks.own_classes(layers)
    refuse_no_file(path)
    whole = _read(onnx, path)
    metadata = {one.key: one.value for one in whole.metadata_props}
    _refuse_others(path, whole, metadata)
    try:
        return _build(
            onnx, path, whole.graph.initializer, json.loads(metadata["architecture"]), own
        )
    except ModelFormatError:
        raise
    except Exception as error:  # of any kind: the architecture may hold anything
        problem = error if isinstance(error, ValueError) else repr(error)
        raise ModelFormatError(
            f"{path} describes a model that cannot be built. {problem}"
        ) from error


def _read(onnx: Any, path: PathLike) -> Any:
    """Return the contents of a file, an onnx.ModelProto."""
    if not Path(path).is_file():
        raise ModelFormatError(f"{path} is not a file, but a pipe or a device.")
    data = Path(path).read_bytes()
    kind = kinds.kind_of(data[: kinds.LENGTH])
    try:
        whole = onnx.ModelProto.FromString(data)
    except Exception as error:  # DecodeError, whose module depends on the version of protobuf
        raise ModelFormatError(
            f"{path} is not an ONNX file{f', but {kind}' if kind else ', or is damaged'}."
        ) from error
    if any(not isinstance(one.value, str) for one in whole.metadata_props):  # no valid UTF-8
        raise ModelFormatError(f"{path} is damaged: its metadata are no text.")
    if not whole.graph.node:
        raise ModelFormatError(f"{path} is not an ONNX file: it has no nodes.")
    return whole


def _refuse_others(path: PathLike, whole: Any, metadata: dict[str, str]) -> None:
    """Refuse a file that export_onnx did not write, or whose nodes were changed since."""
    needed = ("architecture", "format", "graph_sha256")
    if any(name not in metadata for name in needed):
        operators = sorted({str(node.op_type) for node in whole.graph.node})  # bytes if damaged
        raise ModelFormatError(
            f"{path} was written by {whole.producer_name or 'an unknown program'}, with the "
            f"operators {', '.join(operators)}. {READABLE}; onnxruntime runs any."
        )
    if metadata["format"] != str(FORMAT):
        raise ModelFormatError(
            f"{path} has format {metadata['format']:.20}, but this version of tinynn reads format "
            f"{FORMAT}. If a newer tinynn wrote it, update tinynn."
        )
    if checksum(whole.graph) != metadata["graph_sha256"]:
        raise ModelFormatError(
            f"{path} was changed after export_onnx wrote it: its nodes are others (an optimizer's, "
            f"or those of lower precision). {READABLE}; onnxruntime runs any."
        )
    text = metadata["architecture"]
    if len(text) > LONGEST_ARCHITECTURE or count_values(text) > MOST_VALUES:
        raise ModelFormatError(f"{path} holds too long an architecture.")


def _build(
    onnx: Any, path: PathLike, initializers: Iterable[Any], architecture: Any, own: list[Any]
) -> Sequential:
    """Return the model. Memory is allocated only once the arrays are known to fit."""
    tensors = dict[str, Any]()
    for tensor in initializers:
        if tensors.setdefault(tensor.name, tensor) is not tensor:
            raise ModelFormatError(
                f"{path} holds two arrays with the name {tensor.name}, and only one can be meant."
            )
    refuse_many(architecture["layers"])
    built = layers_from_json(architecture["layers"], own)
    rest = (tuple(architecture["input_shape"]), architecture["seed"], architecture["dtype"])
    if rest[2] != "float32":
        raise InputError(f"Its dtype must be float32, but is {rest[2]!r}.")
    _, shapes, buffers = infer_shapes(built, rest[0])
    for name, shape in {**shapes, **buffers}.items():
        if name not in tensors:
            raise ModelFormatError(f"{path} lacks the array {name}.")
        _refuse_unfit(onnx, path, tensors[name], as_in_onnx(np.broadcast_to(0, shape)).shape)
    model = Sequential(built, *rest)
    for name, view in arrays_of(model).items():
        view[...] = as_in_tinynn(onnx.numpy_helper.to_array(tensors[name]))
        _refuse_unsound(path, name, view)
    _refuse_other_arguments(onnx, path, model, tensors)
    return model


def _refuse_other_arguments(
    onnx: Any, path: PathLike, model: Sequential, tensors: dict[str, Any]
) -> None:
    """Refuse a file whose numbers for an argument of a layer are not those of its architecture."""
    numbers, weights = onnx.numpy_helper.to_array, arrays_of(model)
    for tensor in graph_of(model).initializer:
        name = tensor.name
        if name not in weights and not (
            name in tensors and np.array_equal(numbers(tensors[name]), numbers(tensor))
        ):
            raise ModelFormatError(
                f"{path} holds other numbers in {name} than its architecture: they were changed "
                f"after export_onnx wrote it. {READABLE}; onnxruntime runs any."
            )


def _refuse_unfit(onnx: Any, path: PathLike, tensor: Any, shape: tuple[int, ...]) -> None:
    """Refuse a tensor in another file, of another type or shape, or without all its numbers."""
    kinds_of_data = onnx.TensorProto
    if tensor.data_location == kinds_of_data.EXTERNAL:
        raise ModelFormatError(f"{path} keeps {tensor.name} in another file. {READABLE}.")
    if tensor.data_type != kinds_of_data.FLOAT or tuple(tensor.dims) != shape:
        kind = kinds_of_data.DataType.Name(tensor.data_type)
        raise ModelFormatError(
            f"{path} should hold {tensor.name} as FLOAT {shape}, but has {kind} "
            f"{tuple(tensor.dims)}."
        )
    size = len(tensor.raw_data) / 4 if tensor.HasField("raw_data") else len(tensor.float_data)
    if size != prod(shape):
        raise ModelFormatError(
            f"{path} should hold {prod(shape):,} numbers in {tensor.name}, but has {size:,.0f}."
        )


def _refuse_unsound(path: PathLike, name: str, view: Array) -> None:
    if not np.isfinite(view).all():
        raise ModelFormatError(
            f"{path} holds NaN or infinity in {name}; export_onnx never writes such a model."
        )
