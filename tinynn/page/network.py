"""The network, to try: the bytes of model.npz within the page, pictures, and what the scripts need.

    model.npz  -> base64            -> npz.js: arrays -> layers.js, network.js: forward, gradient
    images     -> base64 of uint8   -> try.js: draw, drop or choose one; probabilities, activations

The page computes in JavaScript from the very weights of the file. What it cannot compute, a layer
of the user's own or a file above the limit, is said where the network would stand.
"""

import re
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from string import Template

import numpy as np
import numpy.typing as npt

from tinynn.errors import InputError
from tinynn.files.atomic import PathLike
from tinynn.files.models import architecture_in, load_model
from tinynn.files.npz import NpzFile
from tinynn.functions import softmax
from tinynn.layers import Sigmoid, Softmax
from tinynn.model import Sequential
from tinynn.page.facts import RunFacts
from tinynn.page.part import Part, text
from tinynn.parameters import Array

FOLDER = Path(__file__).parent
TITLE = "The network, to try"
IMAGES = 200  # to choose from, the first of those given
TOLERANCE = 1e-3  # of probabilities; pixels of another scale change them more
SIDES = (4, 128)  # pixels: the smallest and the largest picture that one can draw


def part_of_run(facts: RunFacts, limit: int) -> Part | None:
    """Return the network of a run, with its test images; None if the run has left no such."""
    test = facts.test
    if facts.model is None or test is None or test.images is None:
        return None
    return network_part(facts.model, test.images, test.labels, test.names, limit, p=test.p)


def network_part(
    model_path: PathLike,
    images: npt.ArrayLike,
    labels: npt.ArrayLike,
    names: Sequence[str],
    limit: int,
    white: float = 1.0,
    p: Array | None = None,
) -> Part:
    """Return the part of the page in which a reader tries the network of a run.

    model_path: the file of save_model. images: uint8 (N, H, W) or (N, H, W, 1), such as the test
    images; the first 200 can be chosen. labels: the class of each, whole numbers (N,). names: of
    the classes. limit: the size in bytes up to which a file is put into the page. white: what the
    network gets for a white pixel, default 1.0, as scale_pixels makes it; 255 for a network that
    takes bytes. p: what the network said of the images when the run was tested, (N, C): then white
    is found out, and a network whose answers are others is refused.

    If the network cannot be tried, because its file is missing, damaged or above the limit, or
    because the page does not know its layers or its samples, the part says so, and why.
    """
    images, labels = np.asarray(images), np.asarray(labels)
    try:
        size = Path(model_path).stat().st_size
        if size > limit:
            raise InputError(
                f"{Path(model_path).name} has {size:,} bytes, and the limit for this page is "
                f"{limit:,}. write_page(..., network_limit={size}) puts it in."
            )
        model = _known_model(model_path)
        _refuse_other_samples(model, images, names)
        white = white if p is None else _white_of(model, images[:IMAGES], p[:IMAGES])
        content = Path(model_path).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        said = f"<p>The network cannot be tried here. {text(reason)}</p>"
        return Part("network", TITLE, said + _saved(Path(model_path), limit))
    for layer in model.layers:
        layer.trainable = False  # BatchNorm then tells the equation of prediction
    shown = np.ascontiguousarray(images[:IMAGES])
    template = Template((FOLDER / "try.html").read_text(encoding="utf-8"))
    height, width = images.shape[1:3]
    html = template.substitute(
        file=text(Path(model_path).name),
        bytes=f"{len(content):,}",
        parameters=f"{model.params.size:,}",
        height=height,
        width=width,
    )
    data = {
        "file": Path(model_path).name,
        "model": b64encode(content).decode(),
        "white": float(white),
        "height": height,
        "width": width,
        "images": b64encode(shown.tobytes()).decode(),
        "labels": [int(label) for label in labels[:IMAGES]],
        "names": [str(name) for name in names],
        "equations": [layer.equations[0] for layer in model.layers],
    }
    scripts = ("npz.js", "layers.js", "network.js", "picture.js", "pad.js", "try.js")
    return Part("network", TITLE, html, scripts, ("try.css",), data)


def known_layers() -> list[str]:
    """Return the names of the layers that the page can compute: those that layers.js has.

    >>> {"Dense", "ReLU", "Conv2D"} <= {*known_layers()}
    True
    """
    script = (FOLDER / "layers.js").read_text(encoding="utf-8")
    return re.findall(r"^    ([A-Z]\w+): \(", script, re.MULTILINE)


def _white_of(model: Sequential, images: Array, p: Array) -> float:
    """Return what a white pixel was for the network; InputError if its answers were never p."""
    x = images.reshape(-1, *model.input_shape).astype(np.float32)
    for white in (1.0, 255.0):
        with np.errstate(all="ignore"):
            out = model.predict(x * np.float32(white / 255))
            if not isinstance(model.layers[-1], (Softmax, Sigmoid)):
                out = softmax(out)
        if np.allclose(out, p, rtol=0, atol=TOLERANCE):
            return white
    raise InputError(
        "What it says of the test images is not what the run has left in test.npz: either it is "
        "another network, or it got the images in a form that this page cannot make, such as "
        "standardised ones."
    )


def _saved(path: Path, limit: int) -> str:
    """Return a link that saves a file again, byte for byte; nothing for one above the limit."""
    try:
        content = path.read_bytes() if path.stat().st_size <= limit else b""
    except OSError:
        content = b""
    address = f"data:application/octet-stream;base64,{b64encode(content).decode()}"
    name = text(path.name)
    link = f'<p><a class="button" download="{name}" href="{address}">Save {name}</a></p>'
    return link if content else ""


def _known_model(path: PathLike) -> Sequential:
    """Return the model in a file; InputError if the page does not know one of its layers."""
    with NpzFile(path) as file:
        kinds = [entry["layer"] for entry in architecture_in(file)["layers"]]
    unknown = sorted({*kinds} - {*known_layers()})
    if unknown:
        names = ", ".join(name.removeprefix("own.") for name in unknown)
        raise InputError(
            f"It has layers that this page does not know: {names}. The page repeats tinynn's own "
            "layers; model.predict, in Python, has all."
        )
    return load_model(path)


def _refuse_other_samples(model: Sequential, images: Array, names: Sequence[str]) -> None:
    """Raise InputError unless the model maps grey images, as those given, to these classes."""
    shapes = images.shape[1:3], (*images.shape[1:3], 1), (int(np.prod(images.shape[1:3])),)
    grey = images.dtype == np.uint8 and (images.ndim == 3 or images.shape[3:] == (1,))
    if not grey or not all(SIDES[0] <= side <= SIDES[1] for side in images.shape[1:3]):
        raise InputError(
            f"The page draws grey pictures in bytes, of {SIDES[0]} to {SIDES[1]} pixels a side; "
            f"the samples of this run are {images.dtype} {images.shape[1:]}."
        )
    if model.input_shape not in shapes:
        raise InputError(
            f"It takes samples of shape {model.input_shape}; the pictures of this run have "
            f"{images.shape[1:]}."
        )
    if model.output_shapes[-1] != (len(names),):
        raise InputError(
            f"It returns numbers of shape {model.output_shapes[-1]} for a sample; the page shows "
            f"one for each class, and the classes are {len(names)}."
        )
