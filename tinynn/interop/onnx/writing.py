"""A model as an ONNX file."""

import hashlib
import json
import sys
from collections.abc import Sequence
from typing import Any

from tinynn import checks
from tinynn.errors import InputError
from tinynn.files.atomic import PathLike, refuse_no_place, whole_file
from tinynn.files.models import model_arrays
from tinynn.interop.onnx.graph import graph_of
from tinynn.interop.translation import library, refuse_untranslatable
from tinynn.model import Sequential

OPERATOR_SET, IR_VERSION = 20, 9  # of ONNX 1.15: Gelu came with it
LARGEST = 2**31 - 2**20  # bytes of weights: the file's format counts to 2^31


@checks.short_traceback
def export_onnx(
    model: Sequential, path: PathLike, class_names: Sequence[str] | None = None
) -> None:
    """Write a model as an ONNX file; it replaces an older one, whole or not at all.

    The graph has one input, "input", float32 (batch, *model.input_shape), for any number of
    samples, images (H, W, C) as in tinynn; and one output, "output", which is what model.predict
    returns, up to rounding. Dropout and the other random layers do nothing in prediction, so the
    graph does not have them. What predict does before the layers is left to the caller: bytes, for
    a model that begins with Rescale(1 / 255), become float32 first.

    class_names: a name for each number of the output; default none. The file's metadata holds them
    as JSON under "class_names", and "input_shape" (JSON), "tinynn_version", and what `load_onnx`
    needs: "architecture" (JSON), its "format", and "graph_sha256", a checksum of the nodes.

    Needs the library onnx. Raises InputError if the model is of float64 (the file would not hold
    its numbers: export model.astype(np.float32)), has a layer of your own, holds NaN or infinity,
    or takes 2 GB; OSError if the path cannot be written.

    >>> import tempfile
    >>> from tinynn import Dense, ReLU, Sequential
    >>> from tinynn.interop.onnx import load_onnx
    >>> model = Sequential([Dense(4), ReLU(), Dense(2)], input_shape=(3,))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     export_onnx(model, f"{folder}/model.onnx", class_names=["no", "yes"])
    ...     back = load_onnx(f"{folder}/model.onnx")
    >>> bool((back.params == model.params).all())
    True
    """
    onnx = library("onnx", "onnx")
    refuse_untranslatable(model, "export_onnx")
    refuse_no_place(path)
    if class_names is not None:
        classes = model.output_shapes[-1][-1] if model.output_shapes[-1] else 1
        class_names = checks.class_names(class_names, "export_onnx", classes)
    if model.dtype.name != "float32":
        raise InputError(
            f"export_onnx writes float32, and this model is of {model.dtype.name}: its numbers "
            "would be rounded. Write export_onnx(model.astype(np.float32), path)."
        )
    size = model.params.nbytes + model.buffers.nbytes
    if size > LARGEST:
        raise InputError(
            f"The model's numbers take {size:,} bytes, and an ONNX file holds {LARGEST:,} at most. "
            "Nothing was written."
        )
    whole = _with_metadata(onnx, model, class_names)
    onnx.checker.check_model(whole, full_check=True)
    with whole_file(path) as file:
        file.write(whole.SerializeToString())


def _with_metadata(onnx: Any, model: Sequential, class_names: Sequence[str] | None) -> Any:
    """Return the whole contents of a file, an onnx.ModelProto."""
    described, graph = model_arrays(model), graph_of(model)
    version = sys.modules["tinynn"].__version__
    whole = onnx.helper.make_model(
        graph,
        opset_imports=[onnx.helper.make_opsetid("", OPERATOR_SET)],
        ir_version=IR_VERSION,
        producer_name="tinynn",
        producer_version=version,
    )
    metadata = {
        "input_shape": json.dumps(model.input_shape),
        "tinynn_version": version,
        "format": str(described["format"]),
        "architecture": str(described["architecture"]),
        "graph_sha256": checksum(graph),
    }
    if class_names is not None:
        metadata["class_names"] = json.dumps(class_names)
    onnx.helper.set_model_props(whole, metadata)
    return whole


def checksum(graph: Any) -> str:
    """Return a checksum of what a graph computes, all but the numbers in its initializers."""
    hashed = hashlib.sha256()
    for part in (*graph.input, *graph.node, *graph.output):
        text = part.SerializeToString(deterministic=True)
        hashed.update(len(text).to_bytes(8, "little") + text)
    return hashed.hexdigest()
