"""How a run learned: its metrics over epochs and steps, of one run or of several together."""

from collections.abc import Iterator, Sequence
from math import isfinite

from tinynn.page.charts import Axis, Line, chart, linear_axis
from tinynn.page.facts import RunFacts, epoch_times, number
from tinynn.page.notes import TRAINING
from tinynn.page.part import Part, text
from tinynn.page.quality import accuracy_with_error
from tinynn.page.tables import Cell, Column, details, figure_text, table
from tinynn.training.history import FORMATS

FIRST = ("loss", "accuracy")
OTHERS = ("epoch", "learning_rate", "seconds")
TITLES = {"loss": "Loss", "accuracy": "Accuracy", "learning_rate": "Learning rate"}


def curves_part(runs: Sequence[RunFacts]) -> Part:
    """Return the curves of one run or several, with all numbers in tables."""
    known = [run for run in runs if run.rows]
    if not known:
        return Part("curves", "How it learned", "<p>No epoch has ended yet.</p>")
    several, charts = len(runs) > 1, list[str]()
    data: dict[str, object] = {}
    for title, lines, x_title, x_axis, form in _drawn(runs):
        id = f"curve-{len(charts)}"
        markup, data[id] = chart(id, title, lines, x_title, x_axis=x_axis, form=form)
        charts.append(markup)
    head = f"{_choices(runs)}\n{compared(runs)}\n" if several else ""
    tables = "\n".join(_epochs(run, several) for run in known)
    return Part(
        "curves",
        "How they learned" if several else "How it learned",
        f'{head}<div class="charts">\n{"".join(charts)}\n</div>\n{tables}',
        scripts=("charts.js", "tables.js"),
        data=data,
    )


def compared(runs: Sequence[RunFacts]) -> str:
    """Return a table of several runs, which can be sorted by any column."""
    titles = (
        "Epochs", "Accuracy", "Validation accuracy", "Best validation accuracy", "Validation loss",
        "Lowest validation loss", "Test accuracy", "± standard error", "Learning rate", "Batch",
        "Seed", "Parameters", "Seconds",
    )  # fmt: skip
    numbers = (Column(title, numbers=True) for title in titles)
    columns = [Column("Run"), *numbers, Column("State")]
    return table("The runs", columns, [_compared(run) for run in runs], sortable=True)


def _compared(run: RunFacts) -> list[Cell]:
    def last(name: str) -> float | None:
        return next((value for value in run.column(name)[::-1] if isfinite(value)), None)

    test, error = None, None
    if run.test is not None:
        test, error = accuracy_with_error(run.test)
    elif number(run.metrics.get("test_accuracy")) is not None:
        test = number(run.metrics["test_accuracy"])
    settings = {**run.about, **run.metrics}
    accuracies = [value for value in run.column("val_accuracy") if isfinite(value)]
    losses = [value for value in run.column("val_loss") if isfinite(value)]
    seconds = sum(epoch_times(run))
    return [
        (0.0, run.name),
        figure_text(len(run.rows), ","),
        figure_text(last("accuracy"), ".4f"),
        figure_text(last("val_accuracy"), ".4f"),
        figure_text(max(accuracies, default=None), ".4f"),
        figure_text(last("val_loss"), ".4f"),
        figure_text(min(losses, default=None), ".4f"),
        figure_text(test, ".4f"),
        figure_text(error, ".4f"),
        *(
            figure_text(number(settings.get(name)), form)
            for name, form in (
                ("learning_rate", ".3g"), ("batch_size", ",.0f"), ("seed", ".0f"),
                ("parameters", ",.0f"),
            )
        ),
        figure_text(seconds, ",.1f"),
        (0.0, run.state),
    ]  # fmt: skip


def _drawn(runs: Sequence[RunFacts]) -> Iterator[tuple[str, list[Line], str, Axis, str]]:
    """Yield title, lines, title and axis of x, and the form of numbers, of each chart."""
    epochs = [epoch for run in runs for epoch in (run.epochs or 0, *run.column("epoch"))]
    axis = linear_axis([float(epoch) for epoch in epochs], 9, whole=True)
    steps_axis = linear_axis([0.0, *map(_planned_steps, runs)], whole=True)
    for name in _metrics(runs):
        title, form = TITLES.get(name, name), FORMATS.get(name, ".4f")
        lines, steps = _lines(runs, name), _step_lines(runs, name)
        if name == "learning_rate" and steps:
            lines = []  # the steps show more of it
        if any(isfinite(y) for line in lines for y in line.ys):
            yield title, lines, "epoch", axis, form
        if steps:
            yield f"{title} over steps", steps, "step", steps_axis, form


def _metrics(runs: Sequence[RunFacts]) -> list[str]:
    """Return the metrics that get a chart: loss, accuracy, the others, and the learning rate."""
    found = dict.fromkeys(name for run in runs for row in run.rows for name in row)
    others = [name.removeprefix("val_") for name in found if name not in OTHERS]
    return list(dict.fromkeys([*FIRST, *others, "learning_rate"]))


def _lines(runs: Sequence[RunFacts], name: str) -> list[Line]:
    """Return the lines of a metric, training and validation.

    They differ by colour; where there are several runs, whose colours differ, by stroke.
    """
    lines = []
    for i, run in enumerate(runs):
        epochs = run.column("epoch")
        for column, said in ((name, "training"), (f"val_{name}", "validation")):
            if not any(column in row for row in run.rows):
                continue
            of_data = name != "learning_rate"
            label = said if of_data else ""
            colour, dashed = int(said == "validation"), False
            if len(runs) > 1:
                label = f"{run.name}, {said}" if of_data else run.name
                colour, dashed = i, of_data and said == "training"
            lines.append(Line(label, colour, epochs, run.column(column), dashed, i))
    return lines


def _step_lines(runs: Sequence[RunFacts], name: str) -> list[Line]:
    """Return the lines of a metric over steps."""
    lines = []
    for i, run in enumerate(runs):
        values = run.steps.get(name, [])
        if any(map(isfinite, values)):
            label = run.name if len(runs) > 1 else ""
            lines.append(Line(label, i, run.steps["step"], values, run=i))
    return lines


def _planned_steps(run: RunFacts) -> float:
    """Return how many steps a run has in all; while it trains, as many as its epochs will have."""
    steps, epochs = max(run.steps.get("step", ()), default=0.0), len(run.rows)
    whole = steps / epochs * (run.epochs or epochs) if epochs else steps
    return max(steps, whole) if run.state == TRAINING else steps


def _choices(runs: Sequence[RunFacts]) -> str:
    """Return a box for each run, which shows or hides its curves; charts.js makes it work."""
    boxes = "".join(
        f'<label><input type="checkbox" id="show-run-{i}" data-run="{i}" checked> '
        f'<svg class="stroke" viewBox="0 0 24 8" aria-hidden="true"><path class="series s{i % 7} '
        f'k{i // 7 % 3}" d="M2 4H22"/></svg>{text(run.name)}</label>'
        for i, run in enumerate(runs)
    )
    return f'<fieldset class="choices scripted-only"><legend>Show</legend>{boxes}</fieldset>'


def _epochs(run: RunFacts, several: bool) -> str:
    """Return the log as a table, behind a line that opens it."""
    names = list(dict.fromkeys(name for row in run.rows for name in row))
    rows = [
        [
            figure_text(row.get(name), FORMATS.get(name, ",.0f" if name == "epoch" else ".4f"))
            for name in names
        ]
        for row in run.rows
    ]
    caption = f"The epochs of {run.name}" if several else "The epochs"
    columns = [Column(name.replace("_", " "), numbers=True) for name in names]
    return details(table(caption, columns, rows, sortable=True), f"{caption} as a table")
