"""Pictures: learning curves, predictions, a confusion matrix, the weights of the first layer.

Each function returns a matplotlib Figure, and saves it if it gets a path. No function needs a
display. How a picture is shown:

    in a notebook    the cell shows it: at once as its last value, or where plt.show() stands,
                     or when the cell ends
    in a program     import matplotlib.pyplot as plt, first; plt.show() then opens a window for each
    with a path      it is saved; only a notebook shows it, and only as the last value of a cell

The colours are those of Okabe and Ito, which colour-blind people can tell apart, too.
"""

import copy
import io
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tinynn import checks
from tinynn.errors import InputError, escape_control
from tinynn.files.atomic import PathLike, refuse_no_place, whole_file
from tinynn.metrics import classes_of
from tinynn.model import Sequential
from tinynn.parameters import Array
from tinynn.schedules import Schedule
from tinynn.training.csv_log import DRAWN, read_log
from tinynn.training.run import History

if TYPE_CHECKING:  # matplotlib takes a second to import: each function does so when it is called
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "os^Dv"  # of runs beyond the seventh: colours come again, in another form
RIGHT, WRONG = COLOURS[0], COLOURS[1]
WIDTH, HEIGHT = 6.4, 3.6  # inches, of a panel of curves


@checks.short_traceback
def learning_curves(
    *runs: History | PathLike,
    labels: Sequence[str] | None = None,
    kept: int | None = None,
    path: PathLike | None = None,
) -> "Figure":
    """Draw accuracy and loss over the epochs, training and validation, of one run or several.

    runs: each a History, or the path of a CSVLogger's file. labels: a name for each run; default
    None: then several runs are named by their files' folders, or "run 1" and so on. kept: an epoch
    to mark because its weights were kept; default None. path: a file to save to; default None.
    Metrics that a run does not have are left out; other columns val_... of numbers get a panel of
    their own. Raises InputError if there is no run, or a run has no epoch.

    >>> history = History([{"epoch": 1, "loss": 0.5, "val_loss": 0.6}])
    >>> [panel.get_ylabel() for panel in learning_curves(history).axes]
    ['loss']
    """
    return saved(draw_curves(runs, labels, kept, to_show=path is None), path)


def draw_curves(
    runs: Sequence[History | PathLike],
    labels: Sequence[str] | None = None,
    kept: int | None = None,
    to_show: bool = False,
) -> "Figure":
    """Return the figure that `learning_curves` describes; to_show: see `blank`."""
    columns = [_columns(run) for run in runs]
    if not columns or not all(run.get("epoch") for run in columns):
        raise InputError("learning_curves needs one run or more, each with an epoch or more.")
    if labels is not None and (isinstance(labels, str) or len(labels) != len(runs)):
        raise InputError(
            f"learning_curves expects labels, a list with a text for each of the {len(runs)} runs, "
            f"got {labels!r}."
        )
    names = labels or [_label(run, i, len(runs)) for i, run in enumerate(runs)]
    metrics = [name for name in ("accuracy", "loss") if any(name in run for run in columns)]
    held_out = [name.removeprefix("val_") for run in columns for name in run if name not in DRAWN]
    metrics += dict.fromkeys(held_out)
    figure = blank(WIDTH, HEIGHT * len(metrics), to_show)
    panels = figure.subplots(len(metrics), 1, squeeze=False).ravel()
    beside = {"loc": "upper left", "bbox_to_anchor": (1, 1)} if names[0] else {}
    legends = []
    for panel, name in zip(panels, metrics, strict=True):
        for i, (run, label) in enumerate(zip(columns, names, strict=True)):
            parts = ((name, "training", "--"), (f"val_{name}", "validation", "-"))
            for k, (column, part, style) in enumerate(parts):
                if column in run:
                    again, colour = divmod(i if label else k, len(COLOURS))
                    form = f"{MARKERS[again % len(MARKERS)]}{style}"
                    text = f"{label}, {part}" if label else part
                    panel.plot(run["epoch"], run[column], form, ms=3, c=COLOURS[colour], label=text)
        if kept is not None:
            panel.axvline(kept, linestyle=":", color=COLOURS[-1], label=f"kept: epoch {kept}")
        panel.set_xlabel("epoch")
        panel.set_ylabel(name)
        panel.set_title(f"{name.capitalize()} over the epochs")
        panel.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        panel.grid(alpha=0.3)
        lines = panel.get_lines()
        # labels are set later: legend hides those that begin with "_"
        legends.append(panel.legend(lines, ["to come"] * len(lines), **beside))
        for line, text in zip(lines, legends[-1].get_texts(), strict=True):
            text.set_text(literal(str(line.get_label())))
    if beside:
        _make_room(figure, legends)
    return figure


def _make_room(figure: "Figure", legends: list[Any]) -> None:
    """Make a figure larger by the legends beside its panels, so that the panels keep their size."""
    boxes = [legend.get_window_extent() for legend in legends]
    width, height = (max(getattr(box, side) for box in boxes) for side in ("width", "height"))
    tallest = max(HEIGHT, height / figure.dpi + 0.5)
    figure.set_size_inches(WIDTH + width / figure.dpi + 0.2, tallest * len(legends))


@checks.short_traceback
def schedule(
    *schedules: Callable[[int], float],
    steps: int | None = None,
    labels: Sequence[str] | None = None,
    path: PathLike | None = None,
) -> "Figure":
    """Draw the learning rate of each step, of one schedule or several.

    schedules: each a schedule, such as CosineDecay, or another function of the step t. steps: how
    many steps to draw, 1 or more, which a schedule with steps=None then takes as all of its steps;
    default None: as many as the schedules themselves were given. labels: a name for each; default
    None: then several have the names of their classes or functions. path: a file to save to;
    default None. Raises InputError if there is no schedule, or no number of steps.

    >>> from tinynn import CosineDecay
    >>> schedule(CosineDecay(1e-3, warmup=0.1), steps=200).axes[0].get_ylabel()
    'learning rate'
    """
    checks.drawn_schedules(schedules, labels)
    given = [one.steps for one in schedules if isinstance(one, Schedule) and one.steps]
    steps = checks.steps_to_draw(steps, given)
    figure = blank(WIDTH, HEIGHT, to_show=path is None)
    panel = figure.subplots()
    t = np.arange(1, steps + 1)
    for i, one in enumerate(schedules):
        told = copy.copy(one)  # the caller's own is told nothing
        if isinstance(told, Schedule):
            told.begin(1, steps)
        rates = [checks.scheduled_rate(told, int(step)) for step in t]
        again, colour = divmod(i, len(COLOURS))
        style = ("-", "--", ":")[again % 3]
        panel.plot(t, rates, style, c=COLOURS[colour])
    panel.set_xlabel("step")
    panel.set_ylabel("learning rate")
    panel.set_title("The learning rate over the steps")
    panel.set_ylim(bottom=0)
    panel.grid(alpha=0.3)
    if len(schedules) > 1 or labels is not None:
        names = labels or [getattr(one, "__name__", type(one).__name__) for one in schedules]
        legend = panel.legend(panel.get_lines(), ["to come"] * len(names))
        for name, text in zip(names, legend.get_texts(), strict=True):
            text.set_text(literal(name))  # later: legend hides names that begin with "_"
    return saved(figure, path)


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
    images, if lengths differ, and if p are classes, or hold NaN.

    >>> figure = prediction_grid(np.zeros((2, 4, 4)), np.eye(2), ["cat", "dog"], y=[0, 0])
    >>> [panel.get_title() for panel in figure.axes]
    ['cat > 99.9 %\\ntrue: cat', '\u2717 dog > 99.9 %\\ntrue: cat']
    """
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
    shown = [literal(name) for name in names]
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


def _columns(run: History | PathLike) -> dict[str, list[float]]:
    """Return the metrics of a run, column by column: those of training, and others of val_."""
    rows = run.epochs if isinstance(run, History) else read_log(run)
    names = dict.fromkeys(name for row in rows for name in row)
    others = [name for name in names if name.startswith("val_") and name not in DRAWN]
    columns = {}
    for name in [*(name for name in DRAWN if name in names), *others]:
        with suppress(ValueError, TypeError):  # a callback may write what is no number
            cells = ["nan" if row.get(name) in (None, "") else row[name] for row in rows]
            columns[name] = [float(cell) for cell in cells]
    return columns


def _label(run: History | PathLike, i: int, runs: int) -> str:
    """Return a name for a run among several; a single run needs none."""
    if runs == 1:
        return ""
    return f"run {i + 1}" if isinstance(run, History) else Path(run).resolve().parent.name


def literal(text: str) -> str:
    r"""Return a text as matplotlib draws it letter by letter: for it "$" begins a formula.

    >>> literal("a$b$ \udce9")
    'a\\$b\\$ \\udce9'
    """
    return escape_control(text).replace("$", r"\$")


def blank(width: float, height: float, to_show: bool = False) -> "Figure":
    """Return an empty Figure of this size in inches, which leaves room for titles and labels.

    to_show: whether plt.show(), or the end of a notebook's cell, shows it; default False.
    """
    from tinynn.picture import new_picture

    return new_picture((width, height), to_show)


@checks.short_traceback
def saved(figure: "Figure", path: PathLike | None) -> "Figure":
    """Return the Figure; save it if there is a path, whose ending decides the format (none: PNG).

    If the picture cannot be drawn or written, the file that was there stays as it was.
    """
    if path is not None:
        refuse_no_place(path)
        drawn = io.BytesIO()
        figure.savefig(drawn, format=Path(path).suffix.removeprefix(".") or "png", dpi=120)
        with whole_file(path) as file:
            file.write(drawn.getvalue())
    return figure
