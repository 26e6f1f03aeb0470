"""Which training images taught the network its answer for one image, and which taught otherwise."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tinynn import checks
from tinynn.errors import InputError, as_label
from tinynn.files.atomic import PathLike
from tinynn.metrics import classes_of
from tinynn.parameters import Array
from tinynn.plots.drawing import COLOURS, LONGEST_ABOVE, blank, literal, saved
from tinynn.training.influence import Influence

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HELPFUL, HARMFUL = COLOURS[0], COLOURS[1]


@checks.short_traceback
def influence(
    result: Influence, names: Sequence[str], count: int = 6, path: PathLike | None = None
) -> "Figure":
    """Draw the image asked about, and the training images with the largest influence on it.

    result: of `tinynn.influence`, of images (N, H, W), (N, H, W, 1) or (N, H, W, 3) and classes.
    names: of the classes. count: how many images of each kind, default 6. path: a file to save to;
    default None. Above, framed in blue: those that push most towards the answer; below, in orange:
    those that push most away from it; each with its class and its influence, as a share of the
    largest. Raises InputError if samples are no images, or names do not fit.

    >>> import numpy as np
    >>> from tinynn import CrossEntropy, Dense, Flatten, Sequential, Softmax
    >>> from tinynn.training.influence import influence as of
    >>> model = Sequential([Flatten(), Dense(2), Softmax()], input_shape=(4, 4))
    >>> x = np.ones((2, 4, 4))
    >>> figure = influence(of(model, CrossEntropy(), x, [0, 1], x[0], 0), ["cat", "dog"])
    >>> [panel.get_title().partition("\\n")[0] for panel in figure.axes[1:]]
    ['cat', 'dog']
    """
    if not isinstance(result, Influence):
        raise InputError(
            "plots.influence draws what tinynn.influence returns, got an object of type "
            f"{type(result).__name__}."
        )
    shape = result.one_x.shape[1:]
    if not result.classifies or not (len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3))):
        raise InputError(
            "plots.influence needs images, (N, H, W), (N, H, W, 1) or (N, H, W, 3), and classes; "
            f"got samples of shape {shape} and y of shape {result.y.shape}."
        )
    names = checks.class_names(names, "plots.influence", result.p.shape[1])
    names = [as_label(name, LONGEST_ABOVE) for name in names]
    figure = blank(1.35 * (count + 2), 3.7, to_show=path is None)
    grid: Any = figure.add_gridspec(2, count + 2)
    largest = abs(result.values).max() or 1.0
    rows = (
        (result.most_helpful(count), HELPFUL, "towards it"),
        (result.most_harmful(count), HARMFUL, "away from it"),
    )
    shown = [result.one_x, *(result.x[samples] for samples, *_ in rows)]
    highest = max(images.max(initial=0) for images in shown) or 1
    _draw_one(figure.add_subplot(grid[:, :2]), result, names, highest)
    for row, (samples, colour, words) in enumerate(rows):
        for column, n in enumerate(samples):
            panel = figure.add_subplot(grid[row, 2 + column])
            share = f"{100 * result.values[n] / largest:+.0f} %"
            _draw(panel, result.x[n], highest, colour)
            panel.set_title(
                literal(f"{names[result.answers[n]]}\n{share}"), fontsize=8, color=colour
            )
            if not column:
                panel.set_ylabel(words, fontsize=10, color=colour)
    figure.suptitle("Which training images push the network towards this answer, and away from it")
    return saved(figure, path)


def _draw_one(panel: Any, result: Influence, names: Sequence[str], highest: float) -> None:
    """Draw the image asked about, with the answer asked about and what the network predicts."""
    answer, predicted = (int(classes_of(one)[0]) for one in (result.one_y, result.p))
    _draw(panel, result.one_x[0], highest, COLOURS[-1])
    text = f"answer: {names[answer]}\npredicted: {names[predicted]}"
    panel.set_title(literal(text), fontsize=10)


def _draw(panel: Any, image: Array, highest: float, colour: str) -> None:
    if image.shape[2:] == (3,):
        panel.imshow(image / highest)
    else:
        panel.imshow(image, cmap="gray", vmin=0, vmax=highest)
    panel.set(xticks=[], yticks=[])
    panel.spines[:].set(color=colour, linewidth=2)
