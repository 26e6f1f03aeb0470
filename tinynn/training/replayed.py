"""What Replay returns: a training at one moment, and two trainings that part after a step."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinynn.model import Sequential
from tinynn.optimizers import Optimizer
from tinynn.parameters import Array
from tinynn.reports import Report
from tinynn.schedules import Schedule
from tinynn.training.history import History, metric_text
from tinynn.training.run import Callback

LATEST = 100  # steps, at most, whose mean loss a WhatIf shows


@dataclass(frozen=True, repr=False)
class Moment(Report):
    """A training after a step, as `Replay.at` found it again. All of it belongs to the caller.

    step: how many steps had been taken. epoch: that of the last of them, counted from 1; 0 before
    the first. model: after the step's update; its gradients are set to 0. optimizer: with its
    vectors, t and hyper-parameters. batch: (x, y), or (x, y, weights), on which the step had
    trained; empty, (), before the first step. loss: of that batch, before the update; NaN before
    the first step. next_batch: what the next step trains on; () after the last. history: of the
    epochs so far. callbacks: copies of those that affect training, as they were then.
    """

    step: int
    epoch: int
    model: Sequential
    optimizer: Optimizer
    batch: tuple[Array, ...]
    loss: float
    next_batch: tuple[Array, ...]
    history: History
    callbacks: list[Callback]

    def __str__(self) -> str:
        if not self.step:
            return "The beginning of the training: no step has been taken."
        loss, size = metric_text("loss", self.loss), len(self.batch[0])
        where = f"After step {self.step:,}, in epoch {self.epoch}"
        return f"{where}: the loss of its {size} samples was {loss}."


@dataclass(repr=False)
class Course(Report):
    """What one of the two trainings of a WhatIf did, from the checkpoint on.

    first_step: the number of the first step. losses: that of each step's batch, a list. rows: of
    the history, for each epoch that ended here, by the step at which it ended. diverged: the text
    of the error, if the training diverged; else empty. model, optimizer: at the end.
    """

    first_step: int = 1
    losses: list[float] = field(default_factory=list)
    rows: dict[int, dict[str, Any]] = field(default_factory=dict)
    diverged: str = ""
    model: Any = None
    optimizer: Any = None

    @property
    def last_step(self) -> int:
        """The number of the last step that was taken."""
        return self.first_step + len(self.losses) - 1

    def scores(self, after: int = 0) -> dict[str, float]:
        """Return the mean loss of the latest steps, and the metrics of the last epoch's end.

        after: steps up to this one do not count.
        """
        latest = self.losses[max(after + 1 - self.first_step, 0) :][-LATEST:]
        scores = {f"loss of the last {len(latest)} steps": float(np.mean(latest))} if latest else {}
        last = self.rows[max(self.rows)] if max(self.rows, default=0) > after else {}
        held_out = {k: v for k, v in last.items() if k.startswith("val_")}
        return {**scores, **held_out}

    def __str__(self) -> str:
        end = self.diverged.partition(".")[0] or f"It ended with step {self.last_step:,}"
        return f"{end}: " + ", ".join(f"{k} {metric_text(k, v)}" for k, v in self.scores().items())


@dataclass(frozen=True, repr=False)
class WhatIf(Report):
    """Two trainings that part after a step: as it was, and with a change. Shows as a table.

    from_step: the last step that both have. changes: the new hyper-parameters by name; before:
    what each of them was at the next step. as_it_was, changed: a Course each.

    >>> before, after = Course(1, [3.0, 2.0, 1.5]), Course(1, [3.0, 2.0, 1.0])
    >>> WhatIf(1, {"momentum": 0.0}, {"momentum": 0.9}, before, after)
    From step 2 on:
                             as it was  changed
    momentum                         0      0.9
    loss of the last 2 steps    1.7500   1.5000
    """

    from_step: int
    before: dict[str, Any]
    changes: dict[str, Any]
    as_it_was: Course
    changed: Course

    def named(self, numbers: Mapping[str, Any]) -> str:
        """Return hyper-parameters, those before or those changed, in words for a legend."""
        return ", ".join(f"{name} {_text(value)}" for name, value in numbers.items())

    def __str__(self) -> str:
        both = [course.scores(self.from_step) for course in (self.as_it_was, self.changed)]
        names = dict.fromkeys(name for scores in both for name in scores)
        rows = [("", "as it was", "changed")]
        rows += [(name, _text(self.before[name]), _text(new)) for name, new in self.changes.items()]
        for name in names:
            cells = [metric_text(name, s[name]) if name in s else "" for s in both]
            rows.append((name, cells[0], cells[1]))
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        lines = [f"From step {self.from_step + 1:,} on:"]
        for name, *cells in rows:
            padded = (f"{c:>{w}}" for c, w in zip(cells, widths[1:], strict=True))
            lines.append("  ".join([f"{name:<{widths[0]}}", *padded]).rstrip())
        for label, course in (("as it was", self.as_it_was), ("changed", self.changed)):
            if course.diverged:
                lines.append(f"{label}: {course.diverged.splitlines()[0]}")
        return "\n".join(lines)


def _text(value: Any) -> str:
    if isinstance(value, Schedule):
        return f"{type(value).__name__}({value.learning_rate:g})"
    return f"{value:g}" if isinstance(value, float) else getattr(value, "__name__", repr(value))
