"""The figure of a step: the output of each layer, and below it the loss's gradient of that."""

from typing import TYPE_CHECKING, Any

import numpy as np

from tinynn.explain.record import StepRecord
from tinynn.files.atomic import PathLike
from tinynn.parameters import Array
from tinynn.plots.drawing import blank, literal, saved

if TYPE_CHECKING:  # matplotlib takes a second to import
    from matplotlib.figure import Figure

CELLS = 4  # rows, and columns, up to which a picture has room for digits


def draw(step: StepRecord, path: PathLike | None) -> "Figure":
    """Return the figure, saved if there is a path: a column for x and for each layer."""
    outputs, gradients = step.forward, {row.name: row.array for row in step.backward}
    sources = [*(row.name for row in outputs[1:]), "loss"]  # whose backward gave the gradient
    figure = blank(max(6.4, 1.9 * len(outputs)), 4.6, to_show=path is None)
    panels = figure.subplots(2, len(outputs), squeeze=False)
    for column, (row, source) in enumerate(zip(outputs, sources, strict=True)):
        _heat_map(panels[0, column], row.array, row.name)
        if source in gradients:
            _heat_map(panels[1, column], gradients[source], f"d {row.name}")
        else:
            panels[1, column].axis("off")
    panels[0, 0].set_ylabel("samples, forward")
    next(panel for panel in panels[1] if panel.axison).set_ylabel("samples, backward")
    figure.suptitle(
        f"One training step: loss {step.loss:.4f} -> {step.loss_after:.4f}\n"
        "above: the output of each layer; below: the gradient of the loss with respect to it\n"
        "(red: positive, blue: negative, white: 0)",
        fontsize=11,
    )
    return saved(figure, path)


def _heat_map(panel: Any, array: Array, title: str) -> None:
    """Draw an array (B, ...) as a picture, one sample a row; with digits where there is room."""
    rows = array.reshape(len(array), -1)
    limit = float(np.abs(rows).max()) or 1.0
    panel.imshow(rows, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    panel.set_title(literal(title), fontsize=9)
    panel.set_xticks([])
    panel.set_yticks([])
    if max(rows.shape) <= CELLS:
        for (i, j), value in np.ndenumerate(rows):
            colour = "white" if abs(value) > 0.6 * limit else "black"
            panel.text(
                j, i, f"{value + 0.0:.2f}", ha="center", va="center", fontsize=8, color=colour
            )
