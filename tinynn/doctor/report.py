"""What the doctor reports: findings, causes first, as a page and as a picture."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynn.doctor.record import TrainingRecord
from tinynn.doctor.rules import EXPLAINS, FINE, NOTE, PROBLEM, RULES, UNKNOWN, Finding
from tinynn.files.atomic import PathLike
from tinynn.plots.drawing import COLOURS, blank, literal, saved
from tinynn.reports import Report

if TYPE_CHECKING:  # matplotlib takes a second to import
    from matplotlib.figure import Figure


@dataclass(frozen=True, repr=False)
class HealthReport(Report):
    """The findings of all rules, causes first. Shows as a page; `figure()` draws it.

    findings: problems and notes, each with the findings that follow from it; then what is fine, and
    what is unknown. record: all the numbers.

    >>> fine = Finding("inputs", FINE, "the largest |x| is 1")
    >>> report = HealthReport((fine,), TrainingRecord())
    >>> print(report)
    HEALTHY   No problem was found.
    FINE      the largest |x| is 1
    """

    findings: tuple[Finding, ...]
    record: TrainingRecord

    @property
    def problems(self) -> list[Finding]:
        """The findings that keep the network from learning."""
        return [finding for finding in self.findings if finding.level == PROBLEM]

    @property
    def notes(self) -> list[Finding]:
        """The findings that are worth knowing, but are not problems."""
        return [finding for finding in self.findings if finding.level == NOTE]

    @property
    def healthy(self) -> bool:
        """Whether there is no problem, and the network is better than guessing."""
        return not self.problems and all(note.name != "at_chance" for note in self.notes)

    @property
    def headline(self) -> str:
        """The first thing to know, in a line."""
        return next((f.title for f in [*self.problems, *self.notes]), "No problem was found.")

    def __str__(self) -> str:
        from textwrap import wrap

        def wrapped(head: str, text: str) -> list[str]:
            lines = wrap(text, 88, break_long_words=False, break_on_hyphens=False)
            return [f"{h:<10}{line}" for h, line in zip([head, *[""] * 99], lines, strict=False)]

        lines = ["HEALTHY   No problem was found."] if self.healthy else []
        for finding in [*self.problems, *self.notes]:
            lines += wrapped(finding.level.upper(), finding.title)
            for head in ("seen", "cause", "remedy"):
                lines += wrapped(f"  {'try' if head == 'remedy' else head}", getattr(finding, head))
            for i, result in enumerate(finding.follows):
                lines += wrapped("  follows" if i == 0 else "", f"{result.title} ({result.seen})")
        for level, head in ((FINE, "FINE"), (UNKNOWN, "UNKNOWN")):
            titles = [finding.title for finding in self.findings if finding.level == level]
            if titles:
                lines += wrapped(head, "; ".join(titles))
        return "\n".join(lines)

    def figure(self, path: PathLike | None = None) -> "Figure":
        """Draw the loss, the updates, the layer statistics by depth, and the dead units.

        path: a file to save it to; default None. Returns the matplotlib Figure.
        """
        figure = blank(9, 6.4, to_show=path is None)
        panels = figure.subplots(2, 2).ravel()
        drawings = (_draw_loss, _draw_updates, _draw_depth, _draw_units)
        for panel, draw in zip(panels, drawings, strict=True):
            draw(panel, self.record)
            panel.grid(alpha=0.3)
        figure.suptitle(literal(self.headline))
        return saved(figure, path)


def _draw_loss(panel: Any, record: TrainingRecord) -> None:
    """Draw the loss of recorded steps, and of whole epochs."""
    losses = [step.loss for step in record.steps]
    numbers = [step.number for step in record.steps]
    panel.plot(numbers, losses, ".", c="#bbbbbb", label="recorded steps")
    per_epoch = record.steps_per_epoch
    ends = [row["epoch"] * per_epoch for row in record.epochs]
    for name, colour, label in (
        ("loss", COLOURS[0], "training"),
        ("val_loss", COLOURS[1], "validation"),
    ):
        if per_epoch and any(name in row for row in record.epochs):
            heights = [row.get(name, np.nan) for row in record.epochs]
            panel.plot(ends, heights, "o-", ms=3, c=colour, label=label)
    if np.isfinite(record.guessing_loss):
        panel.axhline(record.guessing_loss, ls=":", c="black", label="guessing")
    panel.set(title="Loss", xlabel="step", ylabel="loss")
    if max(losses) > 50 * min(losses):
        panel.set_yscale("log")
    panel.legend(fontsize=8)


def _draw_updates(panel: Any, record: TrainingRecord) -> None:
    """Draw the update-to-weight ratio of each matrix of weights."""
    panel.axhspan(1e-4, 1e-2, color="#eeeeee", label="usual")
    names = list(record.steps[-1].update_ratio)
    for i, name in enumerate(names):
        known = [step for step in record.steps if step.update_ratio.get(name)]
        if known:
            ratios = [step.update_ratio[name] for step in known]
            numbers = [step.number for step in known]
            panel.plot(numbers, ratios, c=COLOURS[i % len(COLOURS)], label=literal(name))
    panel.set(title="Update-to-weight ratio", xlabel="step", yscale="log")
    panel.set_ylabel("|update of W| / |W|")
    if len(names) <= 6:
        panel.legend(fontsize=8)


def _draw_depth(panel: Any, record: TrainingRecord) -> None:
    """Draw the statistics of each layer, at the first and at the last recorded step."""
    first, last = record.steps[0], record.steps[-1]
    for step, style, when in ((first, ":", "first step"), (last, "-", "last step")):
        for values, colour, what in (
            (step.output_std, COLOURS[0], "std of outputs"),
            (step.gradient, COLOURS[1], "gradient of loss"),
        ):
            names = [literal(name) for name in values][::-1]  # from the input up
            heights = [value or np.nan for value in values.values()][::-1]
            panel.plot(names, heights, f"o{style}", ms=3, c=colour, label=f"{what}, {when}")
    panel.set(title="Outputs and gradients by depth", yscale="log", xlabel="layer")
    panel.tick_params(axis="x", rotation=90 if len(first.output_std) > 5 else 0, labelsize=7)
    panel.margins(y=0.4)  # room for the legend
    panel.legend(fontsize=7, ncols=2, loc="upper center")


def _draw_units(panel: Any, record: TrainingRecord) -> None:
    """Draw the share of dead units; if that is not known, of inactive outputs in one batch."""
    shares = {name: dead / count for name, (dead, count) in record.dead.items()}
    title = "Units dead for all of up to 1,000 samples"
    if not shares:
        shares, title = record.steps[-1].inactive, "Inactive outputs in a batch"
    panel.bar([literal(name) for name in shares], list(shares.values()), color=COLOURS[0])
    for i, share in enumerate(shares.values() if len(shares) <= 8 else ()):
        panel.text(i, share, f"{share:.0%}", ha="center", va="bottom", fontsize=7)
    panel.set(title=title, ylim=(0, 1.1), ylabel="share of the layer")
    panel.tick_params(axis="x", rotation=90 if len(shares) > 5 else 0, labelsize=7)


def apply_rules(record: TrainingRecord) -> HealthReport:
    """Apply all rules to a record: causes first, and beneath each what it explains."""
    rest: list[Finding] = []
    causes: list[tuple[Finding, list[Finding]]] = []
    for finding in (rule(record) for rule in RULES):
        if finding.level in (FINE, UNKNOWN):
            rest.append(finding)
            continue
        for cause, follows in causes:
            if cause.level == PROBLEM and finding.name in EXPLAINS.get(cause.name, ()):
                follows.append(finding)
                break
        else:
            causes.append((finding, []))
    explained = (replace(cause, follows=tuple(follows)) for cause, follows in causes)
    return HealthReport((*explained, *rest), record)
