"""What the doctor says: findings, causes first, as a page and as a picture."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynn.doctor.record import Chart
from tinynn.doctor.rules import EXPLAINS, FINE, JUDGEMENTS, NOTE, PROBLEM, UNKNOWN, Finding
from tinynn.files.atomic import PathLike
from tinynn.plots import COLOURS, blank, saved

if TYPE_CHECKING:  # matplotlib takes a second to import
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class HealthReport:
    """What the doctor says: findings, the cause first. Prints as a page; `figure()` draws it.

    findings: problems and notes, with what follows from each; then what was judged fine, and what
    could not be judged. chart: all the numbers.

    >>> report = HealthReport((Finding("inputs", FINE, "inputs of size 1 at most"),), Chart())
    >>> print(report)
    HEALTHY   No problem was found.
    FINE      inputs of size 1 at most
    """

    findings: tuple[Finding, ...]
    chart: Chart

    @property
    def problems(self) -> list[Finding]:
        """Those findings that keep the network from learning."""
        return [finding for finding in self.findings if finding.level == PROBLEM]

    @property
    def notes(self) -> list[Finding]:
        """Those that are worth knowing, and no fault."""
        return [finding for finding in self.findings if finding.level == NOTE]

    @property
    def healthy(self) -> bool:
        """Whether there is no problem, and the network does not merely do as well as guessing."""
        return not self.problems and all(note.name != "stuck" for note in self.notes)

    @property
    def headline(self) -> str:
        """The first thing to know, in a line."""
        return next((f.title for f in [*self.problems, *self.notes]), "No problem was found.")

    def __str__(self) -> str:
        from textwrap import wrap

        def told(head: str, text: str) -> list[str]:
            lines = wrap(text, 88, break_long_words=False, break_on_hyphens=False)
            return [f"{h:<10}{line}" for h, line in zip([head, *[""] * 99], lines, strict=False)]

        lines = ["HEALTHY   No problem was found."] if self.healthy else []
        for finding in [*self.problems, *self.notes]:
            lines += told(finding.level.upper(), finding.title)
            for head in ("seen", "cause", "remedy"):
                lines += told(f"  {'try' if head == 'remedy' else head}", getattr(finding, head))
            for i, result in enumerate(finding.follows):
                lines += told("  follows" if i == 0 else "", f"{result.title} ({result.seen})")
        for level, head in ((FINE, "FINE"), (UNKNOWN, "UNKNOWN")):
            titles = [finding.title for finding in self.findings if finding.level == level]
            if titles:
                lines += told(head, "; ".join(titles))
        return "\n".join(lines)

    __repr__ = __str__

    def figure(self, path: PathLike | None = None) -> "Figure":
        """Draw the loss, the size of the steps, the signal by depth and the units never open.

        path: where to save it, too. Returns the matplotlib Figure.
        """
        figure = blank(9, 6.4)
        panels = figure.subplots(2, 2).ravel()
        drawings = (_draw_loss, _draw_steps, _draw_signal, _draw_units)
        for panel, draw in zip(panels, drawings, strict=True):
            draw(panel, self.chart)
            panel.grid(alpha=0.3)
        figure.suptitle(self.headline)
        return saved(figure, path)


def _draw_loss(panel: Any, chart: Chart) -> None:
    """Draw the loss of the batches looked at, and of whole epochs."""
    steps = [look.step for look in chart.looks]
    panel.plot(
        steps, [look.loss for look in chart.looks], ".", c="#bbbbbb", label="batches looked at"
    )
    per_epoch = chart.steps_per_epoch
    ends = [row["epoch"] * per_epoch for row in chart.epochs]
    for name, colour, label in (
        ("loss", COLOURS[0], "training"),
        ("val_loss", COLOURS[1], "validation"),
    ):
        if per_epoch and any(name in row for row in chart.epochs):
            heights = [row.get(name, np.nan) for row in chart.epochs]
            panel.plot(ends, heights, "o-", ms=3, c=colour, label=label)
    if np.isfinite(chart.guessing):
        panel.axhline(chart.guessing, ls=":", c="black", label="guessing")
    panel.set(title="Loss", xlabel="step", ylabel="loss")
    if max(look.loss for look in chart.looks) > 50 * min(look.loss for look in chart.looks):
        panel.set_yscale("log")
    panel.legend(fontsize=8)


def _draw_steps(panel: Any, chart: Chart) -> None:
    """Draw the size of the steps against that of the weights."""
    panel.axhspan(1e-4, 1e-2, color="#eeeeee", label="usual")
    for i, name in enumerate(chart.looks[-1].update):
        seen = [(look.step, look.update[name]) for look in chart.looks if look.update.get(name)]
        if seen:
            panel.plot(*zip(*seen, strict=True), c=COLOURS[i % len(COLOURS)], label=name)
    panel.set(title="How far a step moves weights", xlabel="step", yscale="log")
    panel.set_ylabel("share of their own size")
    if len(chart.looks[-1].update) <= 6:
        panel.legend(fontsize=8)


def _draw_signal(panel: Any, chart: Chart) -> None:
    """Draw what gets through, forward and back, at the first and at the last look."""
    for look, style, when in ((chart.looks[0], ":", "first look"), (chart.looks[-1], "-", "last")):
        names = list(look.spread)[::-1]  # from the input up
        for values, colour, what in (
            (look.spread, COLOURS[0], "spread of outputs"),
            (look.slope, COLOURS[1], "slope of the loss"),
        ):
            heights = [values[name] or np.nan for name in names]
            panel.plot(names, heights, f"o{style}", ms=3, c=colour, label=f"{what}, {when}")
    panel.set(title="What gets through, by depth", yscale="log", xlabel="layer")
    panel.tick_params(axis="x", rotation=90 if len(chart.looks[0].spread) > 5 else 0, labelsize=7)
    panel.margins(y=0.4)  # room for what the lines are
    panel.legend(fontsize=7, ncols=2, loc="upper center")


def _draw_units(panel: Any, chart: Chart) -> None:
    """Draw the share of units that are open for none of the samples asked, or closed in a batch."""
    shares = {name: closed / count for name, (closed, count) in chart.never_open.items()}
    title = "Units open for none of up to 1,000 samples" if shares else "Outputs closed in a batch"
    shares = shares or chart.looks[-1].closed
    panel.bar(list(shares), list(shares.values()), color=COLOURS[0])
    for i, share in enumerate(shares.values() if len(shares) <= 8 else ()):
        panel.text(i, share, f"{share:.0%}", ha="center", va="bottom", fontsize=7)
    panel.set(title=title, ylim=(0, 1.1), ylabel="share of the layer")
    panel.tick_params(axis="x", rotation=90 if len(shares) > 5 else 0, labelsize=7)


def judged(chart: Chart) -> HealthReport:
    """Judge a chart: causes first, and what each explains beneath it."""
    kept: list[Finding] = []
    causes: list[tuple[Finding, list[Finding]]] = []
    for finding in (judgement(chart) for judgement in JUDGEMENTS):
        if finding.level in (FINE, UNKNOWN):
            kept.append(finding)
            continue
        for cause, follows in causes:
            if cause.level == PROBLEM and finding.name in EXPLAINS.get(cause.name, ()):
                follows.append(finding)
                break
        else:
            causes.append((finding, []))
    told = (replace(cause, follows=tuple(follows)) for cause, follows in causes)
    return HealthReport((*told, *kept), chart)
