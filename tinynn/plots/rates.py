"""The learning rate of each step, as a schedule gives it."""

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tinynn import checks
from tinynn.files.atomic import PathLike
from tinynn.plots.drawing import COLOURS, HEIGHT, WIDTH, blank, literal, saved
from tinynn.schedules import Schedule

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
