"""Learning curves: the metrics of one run or several, over the epochs."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinynn import checks
from tinynn.errors import InputError
from tinynn.files.atomic import PathLike
from tinynn.plots.drawing import COLOURS, HEIGHT, WIDTH, blank, literal, saved
from tinynn.training.csv_log import DRAWN, read_log
from tinynn.training.history import History

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKERS = "os^Dv"  # of runs beyond the seventh: colours come again, in another form


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
