"""What excites a class: which pixels raise its logit, and which lower it."""

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tinynn import checks
from tinynn.errors import InputError, as_label
from tinynn.files.atomic import PathLike
from tinynn.model import Sequential
from tinynn.parameters import Array
from tinynn.plots.drawing import LONGEST_ABOVE, blank, literal, saved

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BATCH = 100  # images whose gradients are computed at a time


@checks.short_traceback
def class_gradients(
    model: Sequential, images: npt.ArrayLike, names: Sequence[str], path: PathLike | None = None
) -> "Figure":
    """Draw for each class the image of which it is most sure, and the mean gradient of its logit.

    images: (N, H, W) or (N, H, W, 1), of the scale that the model was trained on; a hundred or more
    make the mean smooth. names: of the classes. path: a file to save to; default None. A blue pixel
    raises the logit of the class if it gets brighter, a red one lowers it, on average over all the
    images. Each class has its own scale. The gradient is that of prediction: nothing is dropped,
    and BatchNorm uses its running statistics; a Softmax at the end is left out. Raises InputError
    if samples are not images of one channel, if the model has not an output for each name, or if it
    gives NaN.
    (Simonyan, Vedaldi and Zisserman, Deep Inside Convolutional Networks, 2013, section 3.)

    >>> from tinynn import Dense, Flatten
    >>> model = Sequential([Flatten(), Dense(2)], input_shape=(4, 4))
    >>> figure = class_gradients(model, np.zeros((3, 4, 4)), ["cat", "dog"])
    >>> [panel.get_title() for panel in figure.axes]
    ['cat', 'dog', '', '']
    """
    images = checks.batch(images, model.input_shape, "class_gradients")
    if not len(images) or (images.ndim != 3 and images.shape[3:] != (1,)):
        raise InputError(
            "class_gradients needs images, 1 or more, of one channel, (N, H, W) or (N, H, W, 1); "
            f"got {images.shape}."
        )
    if len(model.output_shapes[-1]) != 1:
        raise InputError(
            f"class_gradients needs a model of classes; this one gives {model.output_shapes[-1]}."
        )
    names = checks.class_names(names, "class_gradients", model.output_shapes[-1][0])
    p = model.predict(images)
    checks.refuse_unscored(p, "class_gradients")
    surest = p.argmax(axis=0)  # of all images, for each class
    means = _mean_gradients(model, images)
    figure = blank(1.2 * len(names), 3.0, to_show=path is None)
    panels = figure.subplots(2, len(names), squeeze=False)
    for above, below, name, best, mean in zip(*panels, names, surest, means, strict=True):
        above.imshow(images[best], cmap="gray", vmin=0, vmax=images.max() or 1)
        above.set_title(literal(as_label(name, LONGEST_ABOVE)), fontsize=9)
        limit = np.abs(mean).max() or 1.0
        below.imshow(mean, cmap="RdBu", vmin=-limit, vmax=limit)
        for panel in (above, below):
            panel.set(xticks=[], yticks=[])
    panels[0, 0].set_ylabel("most sure", fontsize=9)
    panels[1, 0].set_ylabel("mean gradient", fontsize=9)
    figure.suptitle("What excites each class (blue: brighter raises its logit, red: lowers it)")
    return saved(figure, path)


def _mean_gradients(model: Sequential, images: Array) -> Array:
    """Return the gradient of each logit, its mean over the images: (classes, *input_shape)."""
    model = copy.deepcopy(model)  # forward keeps on its layers what the gradient needs
    for layer in model.layers:
        layer.trainable = False  # so that BatchNorm uses its running statistics
    layers = model.layers[:-1] if model.layers[-1].gives == "probabilities" else model.layers
    means = np.zeros((model.output_shapes[-1][0], *model.input_shape))
    for start in range(0, len(images), BATCH):
        out, used = images[start : start + BATCH].astype(model.dtype), []
        for layer in layers:
            unchanged = np.array_equal(layer.forward(out, training=False), out)
            if not unchanged:  # in prediction Dropout and others change nothing
                out = layer.forward(out)
                used.append(layer)
        for k, mean in enumerate(means):
            dout = np.zeros_like(out)
            dout[:, k] = 1
            for layer in reversed(used):
                dout = layer.input_gradient(dout)
            mean += dout.sum(axis=0) / len(images)
    return means
