"""An nn.Sequential of PyTorch as a model."""

from collections.abc import Iterator, Sequence
from typing import Any

from tinynn import checks
from tinynn.errors import InputError
from tinynn.interop.torch.outward import MARK
from tinynn.interop.torch.readers import READERS
from tinynn.interop.torch.walk import Piece, Walk, refuse_changed, refused
from tinynn.interop.translation import library
from tinynn.model import Sequential


@checks.short_traceback
def from_torch(module: Any, input_shape: Sequence[int], seed: int = 0) -> Sequential:
    """Return a model with the layers of an nn.Sequential of PyTorch, and copies of its weights.

    module: an nn.Sequential, also of others, of Linear, Conv2d, BatchNorm1d, BatchNorm2d,
    LayerNorm, ReLU, LeakyReLU, ELU, GELU, Sigmoid, Tanh, Softmax, Dropout, MaxPool2d, AvgPool2d,
    AdaptiveAvgPool2d(1), Flatten, Unflatten, Identity, ZeroPad2d before a Conv2d, and of what
    `to_torch` returns. Its dtype, float32 or float64, is that of the model (without any weights,
    float32).

    input_shape: of one sample as the model will take it: images (H, W, C), the channels last. If
    the module takes images (C, H, W), then model.predict(x.transpose(0, 2, 3, 1)) is what
    module.eval() returns for x, up to rounding; if it also returns images, the model's have the
    channels last. Weights after a Flatten of images are permuted, as tinynn flattens (H, W, C).

    seed: of the model's random layers, default 0. A layer whose weights have requires_grad=False
    becomes a frozen one; a frozen BatchNorm of tinynn uses its running statistics in training.

    Needs the library torch. Raises InputError, with the module's place, for whatever has no
    counterpart: other modules; dilation, groups, other paddings, ceil_mode; BatchNorm or LayerNorm
    without weights; hooks, weights that two modules share, or numbers of another dtype.

    >>> from torch import nn
    >>> module = nn.Sequential(nn.Conv2d(1, 8, 3, padding="same"), nn.ReLU(), nn.Flatten())
    >>> from_torch(nn.Sequential(module, nn.Linear(8 * 4 * 4, 2)), input_shape=(4, 4, 1)).layers
    (Conv2D(filters=8, size=3, stride=1, padding='same', initializer=he_normal, bias=True),
     ReLU(), Flatten(), Dense(units=2, initializer=he_normal, bias=True))
    """
    torch = library("torch", "torch")
    from tinynn.interop.torch import _modules

    shape = checks.sample_shape(input_shape)
    if not isinstance(module, torch.nn.Sequential):
        raise InputError(
            "from_torch translates an nn.Sequential, whose modules run one after the other, got "
            f"{type(module).__name__}: what another module does between its parts is not known."
        )
    pieces = [*_pieces(torch.nn, Piece("module", module, False))]
    dtype = _dtype_of(pieces)
    walk = Walk(pieces, shape)
    while walk.rest:
        piece = walk.rest.pop(0)
        name = type(piece.module).__name__
        known = (getattr(torch.nn, name, None), getattr(_modules, name, None))
        if name not in READERS or type(piece.module) not in known:
            raise refused(piece, "has no counterpart in tinynn")
        refuse_changed(piece)
        if walk.frame is not None and name != "Conv2d":
            raise refused(piece, "comes after a ZeroPad2d; tinynn pads only for a Conv2D")
        READERS[name](walk, piece)
    if walk.order is not None or walk.frame is not None:
        raise InputError(
            "The module ends with rows in the order (C, H, W), or with padding; tinynn flattens "
            "(H, W, C). End it with a Linear, or leave out the last Flatten."
        )
    model = Sequential(walk.layers, shape, seed, dtype)
    for layer, arrays in zip(model.layers, walk.arrays, strict=True):
        for name, array in arrays.items():
            setattr(layer, name, array)
    return model


def _pieces(nn: Any, piece: Piece) -> Iterator[Piece]:
    """Yield the modules within one, in order, each with its place."""
    from tinynn.interop.torch import _modules

    module = piece.module
    if type(module).forward is not nn.Sequential.forward:
        yield piece
        return
    refuse_changed(piece)
    frozen = piece.frozen or isinstance(module, _modules.Frozen)
    for name, child in module._modules.items():  # not children(), which leaves out repetitions
        place = name if piece.place == "module" else f"{piece.place}.{name}"
        yield from _pieces(nn, Piece(place, child, frozen))


def _dtype_of(pieces: list[Piece]) -> str:
    """Return the one dtype of all weights, and refuse weights that cannot be copied."""
    owners, dtypes = dict[int, Piece](), {"float32": False, "float64": False}
    marks = [getattr(piece.module, MARK, {}) for piece in pieces]
    for piece in pieces:
        for tensor in (*piece.module.parameters(), *piece.module.buffers()):
            name = str(tensor.dtype).removeprefix("torch.")
            counts = not (tensor.is_floating_point() or tensor.is_complex())  # num_batches_tracked
            if tensor.is_meta or not (counts or name in dtypes):
                kind = "no numbers yet (device meta)" if tensor.is_meta else f"numbers of {name}"
                raise refused(piece, f"has {kind}; tinynn has float32 and float64")
            if owners.setdefault(id(tensor), piece) is not piece:
                raise refused(piece, f"shares its weights with {owners[id(tensor)]}")
            dtypes[name] = True
    if dtypes["float32"] and dtypes["float64"]:
        raise InputError("The module has weights of float32 and of float64. Write module.float().")
    if not owners:  # no weights at all
        return next((str(mark["dtype"]) for mark in marks if mark), "float32")
    return "float64" if dtypes["float64"] else "float32"
