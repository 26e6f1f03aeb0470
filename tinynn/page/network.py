"""The network, to try: the bytes of model.npz within the page, pictures, and what the scripts need.

    model.npz -> base64          -> npz.js: arrays -> network.js, layers.js: forward, gradient
    images    -> base64 of uint8 -> gallery.js -> |
              what one draws        pad.js     -> | try.js: probabilities, reasons, activations
              a file                picture.js -> |

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
from tinynn.layers import Rescale
from tinynn.model import Sequential
from tinynn.page.facts import RunFacts
from tinynn.page.part import Part, text
from tinynn.parameters import Array

FOLDER = Path(__file__).parent
TITLE = "The network, to try"
IMAGES = 200  # to choose from, the first of those given
LAYERS = ("layers.js", "convolution.js", "activations.js")
NETWORK = ("npz.js", *LAYERS, "network.js")
SCRIPTS = (*NETWORK, "picture.js", "pad.js", "paint.js", "gallery.js", "try.js")
SIDES = (4, 128)  # pixels: the smallest and the largest picture that one can draw


def part_of_run(facts: RunFacts, limit: int) -> Part | None:
    """Return the network of a run, with its test images if the run has left such.

    None if the run has left no network, or, without test images, none of grey images (H, W).
    """
    test = facts.test
    if facts.model is None:
        return None
    if test is not None and test.images is not None:
        return network_part(facts.model, test.images, test.labels, test.names, limit, test.p)
    drawn = _input_shape(facts.model)
    if not (len(drawn) == 2 or drawn[2:] == (1,)) or not _can_be_drawn(drawn):
        return None
    none = np.zeros((0, *drawn[:2]), np.uint8)
    return network_part(facts.model, none, (), None if test is None else test.names, limit)


def network_part(
    model_path: PathLike,
    images: npt.ArrayLike,
    labels: npt.ArrayLike,
    names: Sequence[str] | None,
    limit: int,
    p: Array | None = None,
) -> Part:
    """Return the part of the page in which a reader tries the network of a run.

    model_path: the file of save_model. images: uint8 (N, H, W) or (N, H, W, 1), such as the test
    images; the first 200 can be chosen; with none of them one can still draw. labels: the class of
    each, whole numbers (N,). names: of the classes; None: they are not known, and get numbers.
    limit: the size in bytes up to which a file is put into the page. p: what the run's test says of
    the images, (N, C), default None. It shows whether the network takes pixels from 0 to 1, or
    bytes; if its answers are others even so, the part says so. Without p, a network that begins
    with a Rescale by less than 1/20 is taken to take bytes.

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
        if names is None:
            names = [f"class {k}" for k in range(model.output_shapes[-1][-1])]
        _refuse_other_samples(model, images, names)
        content = Path(model_path).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        said = f"<p>The network cannot be tried here. {text(reason)}</p>"
        return Part("network", TITLE, said + _saved(Path(model_path), limit))
    for layer in model.layers:
        layer.trainable = False  # BatchNorm then tells the equation of prediction
    shown = np.ascontiguousarray(images[:IMAGES])
    white, differs = _scale_of(model, shown, p)
    data = {
        "file": Path(model_path).name,
        "model": b64encode(content).decode(),
        "white": white,
        "height": images.shape[1],
        "width": images.shape[2],
        "images": b64encode(shown.tobytes()).decode(),
        "labels": [int(label) for label in labels[:IMAGES]],
        "names": [str(name) for name in names],
        "equations": [layer.equations[0] for layer in model.layers],
    }
    html = _markup(Path(model_path).name, len(content), model, shown, white, differs)
    return Part("network", TITLE, html, SCRIPTS, ("try.css",), data)


def _input_shape(path: PathLike) -> tuple[int, ...]:
    """Return the shape of a sample that a file declares; () if it cannot be read."""
    try:
        with NpzFile(path) as file:
            return tuple(map(int, architecture_in(file)["input_shape"]))
    except (OSError, ValueError, TypeError, KeyError):
        return ()


def _can_be_drawn(shape: tuple[int, ...]) -> bool:
    """Whether an image (H, W, ...) is neither too small to draw, nor too large."""
    return all(SIDES[0] <= side <= SIDES[1] for side in shape[:2])


def _markup(
    name: str, size: int, model: Sequential, images: Array, white: float, differs: int
) -> str:
    """Return the markup of the part.

    white: what a white pixel is to it. differs: for how many images its answer is not that of p.
    """
    others = ""
    if not len(images):
        others = (
            "<p>The run has left no test images to choose from, and nothing that tells how its "
            f"pictures were scaled: here black is 0 to the network, and white is {white:g}.</p>"
        )
    if differs:
        others = (
            f"<p>For {differs} of these {len(images)} test images it says another class than the "
            "run's test does, which scales pictures otherwise, or takes the mean of several "
            "answers.</p>"
        )
    template = Template((FOLDER / "try.html").read_text(encoding="utf-8"))
    return template.substitute(
        others=others,
        ways="Draw, drop a picture, or choose a test image"
        if len(images)
        else "Draw or drop a picture",
        gallery="" if len(images) else "hidden",
        file=text(name),
        bytes=f"{size:,}",
        parameters=f"{model.params.size:,}",
        height=images.shape[1],
        width=images.shape[2],
    )


def _scale_of(model: Sequential, images: Array, p: Array | None) -> tuple[float, int]:
    """Return what a white pixel is to the network, and how many answers differ from p even so."""
    if p is None:
        return (255.0 if _takes_bytes(model) else 1.0), 0
    found = []
    for white in (1.0, 255.0):
        x = np.divide(images, 255 / white, dtype=np.float32).reshape(-1, *model.input_shape)
        ours = model.predict(x)
        theirs = p[: len(ours)]
        differs = int((ours.argmax(axis=1) != theirs.argmax(axis=1)).sum())
        found.append((float(abs(ours - theirs).sum()), white, differs))
    return min(found)[1:]


def _takes_bytes(model: Sequential) -> bool:
    """Whether a Rescale stands before all weights, and by a small factor, as from bytes.

    >>> _takes_bytes(Sequential([Rescale(1 / 255)], (4, 4)))
    True
    """
    for layer in model.layers:
        if isinstance(layer, Rescale):
            return float(np.median(np.abs(layer.scale))) < 1 / 20
        if layer.parameters():
            break
    return False


def known_layers() -> list[str]:
    """Return the names of the layers that the page can compute: those that its scripts have.

    >>> {"Dense", "ReLU", "Conv2D"} <= {*known_layers()}
    True
    """
    scripts = [(FOLDER / name).read_text(encoding="utf-8") for name in LAYERS]
    return re.findall(r"^    ([A-Z]\w+): \(", "\n".join(scripts), re.MULTILINE)


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
    if not grey or not _can_be_drawn(images.shape[1:]):
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
