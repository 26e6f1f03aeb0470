"""Images with what the network predicts for them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from tinynn import checks
from tinynn.errors import InputError, as_label
from tinynn.files.atomic import PathLike
from tinynn.metrics import classes_of
from tinynn.parameters import Array
from tinynn.plots.drawing import COLOURS, LONGEST_ABOVE, blank, literal, saved

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RIGHT, WRONG = COLOURS[0], COLOURS[1]


@checks.short_traceback
def prediction_grid(
    images: Array,
    p: Array,
    names: Sequence[str],
    y: npt.ArrayLike | None = None,
    title: str = "",
    columns: int = 6,
    path: PathLike | None = None,
) -> "Figure":
    """Draw images with the predicted class and its probability; wrong predictions are marked.

    images: (N, height, width), large numbers are white. p: probabilities (N, C). names: C of them.
    y: true classes (N,) or one-hot rows (N, C); default None: not known. title: default none.
    columns: default 6. path: a file to save to; default None. Raises InputError if there are no
    images, if lengths differ, if p are classes, or hold NaN, and if columns is no whole number of 1
    or more.

    >>> import numpy as np
    >>> figure = prediction_grid(np.zeros((2, 4, 4)), np.eye(2), ["cat", "dog"], y=[0, 0])
    >>> [panel.get_title() for panel in figure.axes]
    ['cat > 99.9 %\\ntrue: cat', '\u2717 dog > 99.9 %\\ntrue: cat']
    """
    checks.check_integer("columns", columns)
    images, p, names, answers = _fitting(images, p, names, y)
    rows = -(-len(images) // columns)
    height = 2.15 * rows + (0.5 if title else 0)
    figure = blank(1.75 * columns, height, to_show=path is None)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel in panels[len(images) :]:
        panel.remove()
    for i, (panel, image) in enumerate(zip(panels, images, strict=False)):
        panel.imshow(image, cmap="gray", vmin=0, vmax=images.max() or 1)
        _label_image(panel, p[i], names, None if answers is None else int(answers[i]))
    if title:
        figure.suptitle(literal(title))
    return saved(figure, path)


def _fitting(
    images: npt.ArrayLike, p: npt.ArrayLike, names: Sequence[str], y: npt.ArrayLike | None
) -> tuple[Array, Array, list[str], Array | None]:
    """Return images, probabilities, names and true classes (N,), if they fit each other."""
    answers = None if y is None else checks.array(y, "y")
    images, p = checks.array(images, "images"), checks.array(p, "p")
    if p.ndim != 2:
        raise InputError(
            f"prediction_grid expects p as probabilities (N, C), got {p.shape}. Give it what "
            "model.predict returns."
        )
    names = checks.class_names(names, "prediction_grid", p.shape[1])
    names = [as_label(name, LONGEST_ABOVE) for name in names]
    if not len(images):
        raise InputError("prediction_grid needs 1 image or more, got none.")
    if len(images) != len(p) or (answers is not None and len(answers) != len(p)):
        raise InputError(
            f"prediction_grid: {len(images)} images, {len(p)} predictions"
            + ("." if answers is None else f", {len(answers)} true classes.")
        )
    if answers is not None:
        p, answers = checks.compared(p, answers, "prediction_grid")
        answers = checks.labels(classes_of(answers), p.shape[1], "prediction_grid")
    checks.refuse_unscored(p, "prediction_grid")
    return images, p, names, answers


def _label_image(panel: Any, p: Array, names: Sequence[str], answer: int | None) -> None:
    """Write above an image the predicted class, its probability, and the true class if known."""
    best = int(p.argmax())
    right = answer is None or best == answer
    highest = p[best]  # never written as 100 %: float32 rounds numbers near 1 to 1
    text = f"{names[best]} {'> 99.9' if highest > 0.999 else f'{100 * highest:.1f}'} %"
    mark = "" if right else "\u2717 "
    panel.set_xticks([])
    panel.set_yticks([])
    panel.set_title(
        literal(text if answer is None else f"{mark}{text}\ntrue: {names[answer]}"),
        color=RIGHT if right else WRONG,
        fontsize=9,
    )
    panel.spines[:].set(color=RIGHT if right else WRONG, linewidth=1 if right else 3)
