"""How good predictions are: the confusion matrix, and calibration."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tinynn import checks
from tinynn.errors import InputError, as_label
from tinynn.files.atomic import PathLike
from tinynn.metrics import ReliabilityCurve
from tinynn.plots.drawing import COLOURS, blank, literal, saved

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@checks.short_traceback
def confusion(
    matrix: npt.ArrayLike, names: Sequence[str], path: PathLike | None = None
) -> "Figure":
    """Draw a confusion matrix: a row for each true class, coloured by the share of that row.

    matrix: counts (C, C), from `tinynn.confusion_matrix`. names: C of them. path: a file to save
    to; default None. Raises InputError if matrix is not (C, C), or holds no counts.

    >>> figure = confusion(np.array([[9, 1], [2, 8]]), ["cat", "dog"])
    >>> figure.axes[0].get_xlabel()
    'predicted class'
    """
    names = checks.class_names(names, "confusion")
    matrix = checks.counts(matrix, len(names), "confusion")
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)  # (C, C)
    size = 2.5 + 0.62 * len(names)
    figure = blank(size + 0.8, size, to_show=path is None)
    panel = figure.subplots()
    image = panel.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    shown = [literal(as_label(name)) for name in names]
    panel.set_xticks(range(len(names)), shown, rotation=45, ha="right")
    panel.set_yticks(range(len(names)), shown)
    panel.set_xlabel("predicted class")
    panel.set_ylabel("true class")
    panel.set_title(f"Confusion matrix of {matrix.sum():,} images")
    for i, j in np.ndindex(matrix.shape):
        colour = "white" if shares[i, j] > 0.5 else "black" if matrix[i, j] else "#bbbbbb"
        panel.text(j, i, str(matrix[i, j]), ha="center", va="center", color=colour, fontsize=8)
    figure.colorbar(image, label="share of the true class", shrink=0.8)
    return saved(figure, path)


@checks.short_traceback
def calibration(curve: ReliabilityCurve, path: PathLike | None = None) -> "Figure":
    """Draw a reliability diagram: accuracy over confidence, and below it the samples of each bin.

    curve: from `tinynn.reliability_curve`. path: a file to save to; default None. Where the points
    are below the dashed line, the predictions are more confident than they are right. A point of
    few samples says little. (DeGroot and Fienberg, The Comparison and Evaluation of Forecasters,
    1983; Guo et al., On Calibration of Modern Neural Networks, 2017, figure 1.) Raises InputError
    for anything but such a curve.

    >>> from tinynn import reliability_curve
    >>> figure = calibration(reliability_curve([[0.8, 0.2], [0.3, 0.7]], [0, 0]))
    >>> figure.axes[0].get_title()
    'Expected calibration error 0.450\\n(2 samples, 10 bins)'
    """
    if not isinstance(curve, ReliabilityCurve):
        raise InputError(
            f"plots.calibration expects what reliability_curve(p, y) returns, got {curve!r:.100}. "
            "Call reliability_curve first, with the probabilities and the right answers."
        )
    figure = blank(5.2, 6.4, to_show=path is None)
    panel, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    filled = curve.count > 0
    panel.plot([0, 1], [0, 1], "--", c=COLOURS[-1], label="accuracy = confidence")
    panel.plot(
        curve.confidence[filled], curve.accuracy[filled], "o-", c=COLOURS[0], label="predictions"
    )
    panel.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))  # points at 0 and at 1 are seen whole
    panel.set_ylabel("accuracy (share of samples, 0 to 1)")
    panel.set_title(
        f"Expected calibration error {curve.expected_calibration_error:.3f}\n"
        f"({curve.count.sum():,} samples, {len(curve.count)} bins)"
    )
    panel.legend(loc="upper left")
    below.bar(
        curve.edges[:-1], curve.count, np.diff(curve.edges), align="edge", color=COLOURS[0],
        edgecolor="white",
    )  # fmt: skip
    below.set_ylabel("samples in the bin")
    below.set_xlabel("confidence (mean probability in the bin, 0 to 1)")
    for each in (panel, below):
        each.grid(alpha=0.3)
    return saved(figure, path)
