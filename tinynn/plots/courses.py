"""What a change would have done: the losses of two trainings that part after a step."""

from typing import TYPE_CHECKING, Any

import numpy as np

from tinynn import checks
from tinynn.errors import InputError
from tinynn.files.atomic import PathLike
from tinynn.plots.drawing import COLOURS, HEIGHT, WIDTH, blank, literal, saved
from tinynn.training.replayed import Course, WhatIf

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PARTS = 40  # the bold line is the mean over so many parts of all steps
HEADROOM = 1.1  # a training that diverges must not press the other one flat


@checks.short_traceback
def what_if(result: WhatIf, path: PathLike | None = None) -> "Figure":
    """Draw both trainings of `Replay.what_if`, over the steps from the checkpoint on.

    Above: the loss of each batch, pale, and its mean over some steps, bold. Below, with validation
    data: the accuracy, or, without one, the loss, at the end of each epoch. A dotted line marks the
    step of the change, a cross the step at which a training diverged. path: a file to save to;
    default None. Raises InputError for anything else than a WhatIf.

    >>> before, after = Course(1, [3.0, 2.0, 1.5]), Course(1, [3.0, 2.0, 1.0])
    >>> figure = what_if(WhatIf(2, {"momentum": 0.0}, {"momentum": 0.9}, before, after))
    >>> [line.get_label() for line in figure.axes[0].get_lines() if line.get_label()[0] != "_"]
    ['as it was: momentum 0', 'changed: momentum 0.9']
    """
    if not isinstance(result, WhatIf):
        raise InputError(
            "plots.what_if draws what Replay.what_if returns, got an object of type "
            f"{type(result).__name__}."
        )
    courses = {
        f"as it was: {result.named(result.before)}": result.as_it_was,
        f"changed: {result.named(result.changes)}": result.changed,
    }
    metric = _validation_metric(result.as_it_was, result.changed)
    figure = blank(WIDTH, HEIGHT * (1 + bool(metric)), to_show=path is None)
    panels = figure.subplots(1 + bool(metric), 1, squeeze=False, sharex=True).ravel()
    size = max(1, max(len(course.losses) for course in courses.values()) // PARTS)
    top = HEADROOM * min(max(course.losses) for course in courses.values())
    panels[0].set_ylim(0, top if top > 0 else None)
    for colour, (label, course) in zip(COLOURS, courses.items(), strict=False):
        begin = course.first_step if course is result.as_it_was else result.from_step + 1
        _draw_losses(panels[0], course, begin, result.from_step, size, literal(label), colour)
        for panel in panels[1:]:
            _draw_metric(panel, course, metric, begin, colour)
    panels[0].set_ylabel("loss of a batch")
    panels[0].legend(loc="upper right")
    for panel in panels:
        panel.axvline(result.from_step + 0.5, linestyle=":", color=COLOURS[-1])
        panel.grid(alpha=0.3)
    panels[-1].set_xlabel("step")
    figure.suptitle(
        literal(f"With {result.named(result.changes)} from step {result.from_step + 1:,} on")
    )
    return saved(figure, path)


def _validation_metric(*courses: Course) -> str:
    """Return the name of the metric of the second panel; "" if there is none."""
    names = {name for course in courses for row in course.rows.values() for name in row}
    return next((name for name in ("val_accuracy", "val_loss") if name in names), "")


def _draw_losses(
    panel: Any, course: Course, begin: int, split: int, size: int, label: str, colour: str
) -> None:
    """Draw losses from a step on, and their means over parts of so many steps.

    A part ends with the step `split`, so that no mean mixes what was before and after the change.
    """
    steps = np.arange(begin, course.last_step + 1)
    losses = np.array(course.losses)[steps - course.first_step]
    panel.plot(steps, losses, color=colour, alpha=0.3, linewidth=0.6)
    part = (steps - split - 1) // size  # the number of each step's part
    points = [(steps[part == n].mean(), losses[part == n].mean()) for n in np.unique(part)]
    panel.plot(*np.transpose(points), color=colour, label=label)
    if course.diverged:
        end = min(losses[-1], 0.95 * panel.get_ylim()[1])
        panel.plot(steps[-1:], [end], "x", color=colour, ms=10, mew=3, label="diverged")


def _draw_metric(panel: Any, course: Course, metric: str, begin: int, colour: str) -> None:
    """Draw a metric from the last end of an epoch before a step on."""
    first = max((step for step in course.rows if step < begin), default=0)
    ends = {k: row[metric] for k, row in course.rows.items() if k >= first and metric in row}
    panel.plot([*ends], [*ends.values()], "o-", ms=3, color=colour)
    panel.set_ylabel(metric)
