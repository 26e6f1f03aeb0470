"""The weights of the first layer, as images."""

from typing import TYPE_CHECKING

import numpy as np

from tinynn import checks
from tinynn.errors import InputError
from tinynn.files.atomic import PathLike
from tinynn.model import Sequential
from tinynn.parameters import Array
from tinynn.plots.drawing import blank, saved

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@checks.short_traceback
def first_layer(
    model: Sequential, count: int = 48, columns: int = 12, path: PathLike | None = None
) -> "Figure":
    """Draw the weights of the first Dense, or of the first Conv2D, as images.

    There is one for each unit of Dense, of the size of a sample, and one for each kernel of Conv2D.
    (If an image has several channels, a kernel's weights for them stand side by side.)

    count: how many units, default 48; those with the largest weights come first. columns: default
    12. path: a file to save to; default None. Blue pixels have positive weights: they increase the
    unit's output. Red pixels have negative weights. Each unit has its own scale. Raises InputError
    if count or columns is no whole number of 1 or more, if the model's samples are not images, if
    no layer has weights for them, or if the weights hold NaN.

    >>> from tinynn import Dense, Flatten
    >>> model = Sequential([Flatten(), Dense(3)], input_shape=(4, 4))
    >>> len(first_layer(model, count=2).axes)
    2
    """
    checks.check_integer("count", count)
    checks.check_integer("columns", columns)
    images = _weights_as_images(model)  # (units, height, width)
    norms = np.linalg.norm(images.reshape(len(images), -1), axis=1)
    order = np.argsort(-norms, kind="stable")[:count]
    rows = -(-len(order) // columns)
    figure = blank(0.9 * columns, 0.9 * rows + 0.6, to_show=path is None)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel in panels[len(order) :]:
        panel.remove()
    for panel, unit in zip(panels, order, strict=False):
        image = images[unit]
        limit = np.abs(image).max() or 1.0
        panel.imshow(image, cmap="RdBu", vmin=-limit, vmax=limit)
        panel.set_axis_off()
    figure.suptitle(
        f"The {len(order)} largest units of the first layer (blue: positive weights, red: negative)"
    )
    return saved(figure, path)


def _weights_as_images(model: Sequential) -> Array:
    """Return the first layer's weights, an image for each unit or kernel."""
    named = {name: a for name, a in model.named_parameters().items() if a.ndim in (2, 4)}
    name, weights = next(iter(named.items()), ("", None))
    if weights is not None and weights.ndim == 4:  # (kh, kw, C, F), of Conv2D
        images = weights.transpose(3, 0, 2, 1)  # (F, kh, C, kw)
        images = images.reshape(*images.shape[:2], -1)
    elif weights is not None and len(model.input_shape) == 2:  # (H W, units), of Dense
        images = weights.T.reshape(-1, *model.input_shape)
    else:
        raise InputError(
            "first_layer needs a model of images that begins with Conv2D, or with Flatten and "
            "Dense for samples (height, width); this one has samples of "
            f"{model.input_shape} and {[*model.layers]}."
        )
    checks.refuse_unsound(name, weights, "first_layer")
    return images
