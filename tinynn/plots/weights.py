"""The weights of the first layer, as images."""

from typing import TYPE_CHECKING

import numpy as np

from tinynn import checks
from tinynn.errors import InputError
from tinynn.files.atomic import PathLike
from tinynn.model import Sequential
from tinynn.plots.drawing import blank, saved

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@checks.short_traceback
def first_layer(
    model: Sequential, count: int = 48, columns: int = 12, path: PathLike | None = None
) -> "Figure":
    """Draw the weights of the first Dense as images: one for each of its units.

    count: how many units, default 48; those with the largest weights come first. columns: default
    12. path: a file to save to; default None. Blue pixels have positive weights: they increase the
    unit's output. Red pixels have negative weights. Each unit has its own scale. Raises InputError
    if the model's samples are not images (height, width), if no layer has weights for them, or if
    the weights hold NaN.

    >>> from tinynn import Dense, Flatten
    >>> model = Sequential([Flatten(), Dense(3)], input_shape=(4, 4))
    >>> len(first_layer(model, count=2).axes)
    2
    """
    named = {name: a for name, a in model.named_parameters().items() if a.ndim == 2}
    name, weights = next(iter(named.items()), ("", None))
    if len(model.input_shape) != 2 or weights is None:
        raise InputError(
            "first_layer needs a model of images (height, width) that begins with Flatten and "
            f"Dense; this one has samples of {model.input_shape} and {[*model.layers]}."
        )
    checks.refuse_unsound(name, weights, "first_layer")
    order = np.argsort(-np.linalg.norm(weights, axis=0), kind="stable")[:count]
    rows = -(-len(order) // columns)
    figure = blank(0.9 * columns, 0.9 * rows + 0.6, to_show=path is None)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel in panels[len(order) :]:
        panel.remove()
    for panel, unit in zip(panels, order, strict=False):
        image = weights[:, unit].reshape(model.input_shape)
        limit = np.abs(image).max() or 1.0
        panel.imshow(image, cmap="RdBu", vmin=-limit, vmax=limit)
        panel.set_axis_off()
    figure.suptitle(
        f"The {len(order)} largest units of the first layer (blue: positive weights, red: negative)"
    )
    return saved(figure, path)
