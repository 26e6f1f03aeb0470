"""What the layers of a convolutional network make of one image, map by map."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tinynn import checks
from tinynn.errors import InputError
from tinynn.files.atomic import PathLike
from tinynn.model import Sequential
from tinynn.parameters import Array
from tinynn.plots.drawing import blank, saved

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@checks.short_traceback
def feature_maps(
    model: Sequential, image: npt.ArrayLike, count: int = 16, path: PathLike | None = None
) -> "Figure":
    """Draw one image as each layer returns it: a row for each layer, a panel for each channel.

    image: one sample of model.input_shape. count: how many channels, the first ones, default 16;
    so a map stands beneath the one that it was made from where a layer works channel by channel.
    path: a file to save to; default None. Maps that have negative numbers are drawn in colours,
    blue positive, red negative, white 0; others in grey, black 0. Each map has its own scale. So a
    layer that only multiplies each map by a number, and adds one, has no row: BatchNorm, Rescale,
    Dropout, which changes nothing in prediction. Raises InputError if the image has another shape,
    if no layer returns maps (H, W, C), or if the maps hold NaN.

    >>> from tinynn import Conv2D, MaxPool2D, ReLU, Sequential
    >>> layers = [Conv2D(3, 3), ReLU(), MaxPool2D(2)]
    >>> figure = feature_maps(Sequential(layers, input_shape=(8, 8, 1)), np.ones((8, 8, 1)))
    >>> [row.get_ylabel() for row in figure.axes if row.get_ylabel()]
    ['image\\n8 x 8 x 1', '0.Conv2D\\n8 x 8 x 3', '1.ReLU\\n8 x 8 x 3', '2.MaxPool2D\\n4 x 4 x 3']
    """
    checks.check_integer("count", count)
    image = checks.array(image, "image")
    if image.shape[1:] == model.input_shape:
        raise InputError(
            f"feature_maps draws one image, {model.input_shape}, got {len(image)}. Give one of "
            "them: images[0]."
        )
    batch = checks.batch(image[None], model.input_shape, "feature_maps")
    rows = _maps_of_layers(model, batch)
    if len(rows) < 2:
        raise InputError(
            "feature_maps needs a model with layers that return maps (H, W, C), such as Conv2D; "
            f"this one has {[*model.layers]}."
        )
    most = min(count, max(maps.shape[-1] for maps in rows.values()))
    figure = blank(0.62 * most + 1.1, 0.66 * len(rows) + 0.5, to_show=path is None)
    panels = figure.subplots(len(rows), most, squeeze=False)
    for row, (name, maps) in zip(panels, rows.items(), strict=True):
        height, width, channels = maps.shape
        for channel, panel in enumerate(row):
            if channel < channels:
                _draw_map(panel, maps[..., channel])
            else:
                panel.remove()
        row[0].set_ylabel(
            f"{name}\n{height} x {width} x {channels}",
            rotation=0, ha="right", va="center", fontsize=8,
        )  # fmt: skip
    figure.suptitle("One image after each layer (blue: positive, red: negative; grey: from 0 up)")
    return saved(figure, path)


def _maps_of_layers(model: Sequential, batch: Array) -> dict[str, Array]:
    """Return the image, then its maps (H, W, C) after each layer that changes how they look.

    In prediction, so that nothing is stored on a layer.
    """
    out = batch.astype(model.dtype)  # (1, H, W) or (1, H, W, C)
    rows = {"image": out[0] if out.ndim == 4 else out[0, ..., None]}
    for layer in model.layers:
        before, out = out, layer.forward(out, training=False)
        checks.refuse_unsound(f"the output of {layer.name}", out, "feature_maps")
        if out.ndim == 4 and not _only_scaled(before, out):
            rows[layer.name] = out[0]
    return rows


def _only_scaled(before: Array, after: Array) -> bool:
    """Whether each map of a batch (1, H, W, C) is the one before, times a number, plus a number."""
    if before.size != after.size:
        return False
    channels = after.shape[-1]
    a, b = (x.astype(np.float64).reshape(-1, channels) for x in (before, after))
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    alike = np.sum(a * b, axis=0) ** 2 >= (1 - 1e-6) * np.sum(a * a, axis=0) * np.sum(b * b, axis=0)
    return bool(alike.all())


def _draw_map(panel: Any, image: Array) -> None:
    """Draw a map (H, W) in its own scale: in colours if a number is negative."""
    limit = np.abs(image).max() or 1.0
    signed = image.min() < 0
    panel.imshow(image, cmap="RdBu" if signed else "gray", vmin=-limit if signed else 0, vmax=limit)
    panel.set(xticks=[], yticks=[])
