"""What from_torch carries from module to module: the layers so far, and the order of numbers.

PyTorch has images as (B, C, H, W), tinynn as (B, H, W, C). Where PyTorch flattens an image, the
numbers of a row lie in another order than here, until the weights of a Linear put them right.
"""

from typing import Any, NamedTuple

import numpy as np

from tinynn.errors import InputError
from tinynn.initializers import he_normal
from tinynn.interop.torch.outward import MARK
from tinynn.layers import Conv2D, Dense, Layer
from tinynn.layers.windows import Frame, pair
from tinynn.parameters import Array, Shape

# modules that treat each number alone, and those that want the channels of images first
OF_NUMBERS = {"ReLU", "LeakyReLU", "ELU", "GELU", "Sigmoid", "Tanh"}
OF_NUMBERS |= {"Dropout", "GaussianNoise", "Identity"}
OF_IMAGES = {"Conv2d", "ZeroPad2d", "MaxPool2d", "AvgPool2d", "AdaptiveAvgPool2d", "BatchNorm2d"}


class Piece(NamedTuple):
    """A module, its place in the whole, as PyTorch writes it, and whether it is within Frozen."""

    place: str
    module: Any
    frozen: bool

    def __str__(self) -> str:
        return f"{self.place} ({type(self.module).__name__})"


class Walk:
    """The layers that have been made so far, and what the next module would get.

    rest: the modules that are left. shape: of a sample, as in tinynn. channels_first: whether the
    module at this place gets (B, C, H, W). order: if rows are in PyTorch's order (C, H, W), the
    place there of each number of a row here. frame: the zeros that a ZeroPad2d has put around.
    """

    def __init__(self, pieces: list[Piece], shape: Shape) -> None:
        self.rest, self.shape = pieces, shape
        self.layers, self.arrays = list[Layer](), list[dict[str, Array]]()
        self.channels_first = self.next_is_of_images()
        self.order: Array | None = None
        self.frame: Frame | None = None

    def next_is_of_images(self) -> bool:
        """Whether, of the modules that are left, the first that minds the order is of images."""
        names = (type(piece.module).__name__ for piece in self.rest)
        minding = next((name for name in names if name not in OF_NUMBERS), "")
        return len(self.shape) == 3 and minding in OF_IMAGES

    def add(
        self, piece: Piece, kind: type[Any], arrays: dict[str, Array], **arguments: Any
    ) -> None:
        """Add the layer of a module, with its arrays."""
        given = getattr(piece.module, MARK, {})
        arguments = _as_given(arguments, given)
        if kind in (Dense, Conv2D):
            arguments["initializer"] = given.get("initializer", he_normal)
        try:
            layer = kind(**arguments)
            layer.position = len(self.layers)
            self.shape = layer.output_shape(self.shape)
        except InputError as error:
            raise InputError(f"{piece} has no counterpart: {error}") from None
        flags = {parameter.requires_grad for parameter in piece.module.parameters()}
        if len(flags) > 1:
            raise refused(piece, "has a part of its weights frozen; tinynn freezes whole layers")
        layer.trainable = not piece.frozen and (flags or {given.get("trainable", True)}) == {True}
        self.layers.append(layer)
        self.arrays.append(arrays)

    def rows(self, array: Array) -> Array:
        """Return what has an entry for each number of a row, in tinynn's order of these."""
        return array if self.order is None else array[self.order]


def numbers(tensor: Any) -> Array:
    """Return the numbers of a tensor, which may lie on a graphics card."""
    return np.asarray(tensor.detach().cpu().numpy())


def refused(piece: Piece, problem: str) -> InputError:
    """Return an error about a module, for the caller to raise."""
    return InputError(f"{piece} {problem}.")


def refuse_changed(piece: Piece) -> None:
    """Refuse a module that does more than its class says."""
    module = piece.module
    if "forward" in vars(module) or module._forward_hooks or module._forward_pre_hooks:
        raise refused(piece, "has a hook, or a forward of its own, which tinynn would not run")


def _as_given(arguments: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Return a layer's arguments as its maker wrote them, where they mean the same.

    >>> _as_given({"size": 3, "stride": 1}, {"size": (3, 3), "stride": 2})
    {'size': (3, 3), 'stride': 1}
    """
    here, there = _meaning(arguments), _meaning(given)
    return arguments | {name: given[name] for name in here if here[name] == there.get(name)}


def _meaning(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return arguments in one form: pairs, and momentum without the rounding of 1 - momentum."""
    means = dict[str, Any]()
    if "size" in arguments:
        size, stride = arguments["size"], arguments["stride"]
        means = {"size": pair(size), "stride": pair(size if stride is None else stride)}
    if "momentum" in arguments:
        means["momentum"] = round(float(arguments["momentum"]), 12)
    return means
