"""The doctor: watches a run for what goes wrong, and names one cause, not ten symptoms.

    Doctor, at some steps -> looks -> chart -> judgements, causes first -> HealthReport
    diagnose, just once   -> a look -'                                     a page, a picture

What is measured stands in vitals.py, what is kept of it in chart.py, what is made of it in
judgements/; here is who asks when, and how the answer is told.
"""

import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tinynn import checks
from tinynn.atomic import PathLike
from tinynn.callbacks import Callback
from tinynn.chart import FEW, Chart
from tinynn.divergence import all_finite
from tinynn.guessing import Guess, best_guess, cost
from tinynn.judgements import EXPLAINS, FINE, JUDGEMENTS, NOTE, PROBLEM, UNKNOWN, Finding
from tinynn.losses import Loss
from tinynn.metrics import classes_of
from tinynn.model import Sequential
from tinynn.parameters import Array
from tinynn.plots import COLOURS, blank, saved
from tinynn.vitals import first_with_parameters, look_at, never_open, weights

if TYPE_CHECKING:  # matplotlib takes a second to import
    from matplotlib.figure import Figure

    from tinynn.trainer import Trainer

EVERY = 100  # steps between looks; more often at the start
MOST_LOOKS = 400  # then every second one is forgotten
SAMPLES = 1000  # that the model is asked about


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


def _some(data: Array) -> Array:
    """Return every so many of the samples: SAMPLES of them at most, from all over the data."""
    return data[:: -(-len(data) // SAMPLES)]


def _constant_columns(x: Array) -> bool:
    """Whether x is a table (N, D) of which a column says the same of all, two or more."""
    return x.ndim == 2 and len(x) > 1 and bool((x == x[0]).all(axis=0).any())


def _counts(model: Sequential, x: Array, y: Array) -> tuple[list[int], list[int]]:
    """Count how often each class is right, and how often it is predicted."""
    p = model.predict(x)
    right, said = (np.bincount(classes_of(a), minlength=p.shape[1]).tolist() for a in (y, p))
    return right, said


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


def diagnose(
    model: Sequential, loss: Loss, x: npt.ArrayLike, y: npt.ArrayLike, batch_size: int = 32
) -> HealthReport:
    """Look once at a model and its data, before or after training; nothing that is passed changes.

    x: (N, *input_shape), y: (N, ...), as for Trainer.fit; at most 1,000 samples of it are used.
    batch_size: 32; samples that are neighbours in y are taken to come in one batch. Raises
    ValueError for data that do not fit.

    >>> from tinynn import CrossEntropy, Dense, Softmax, zeros
    >>> model = Sequential([Dense(3, zeros), Dense(2, zeros), Softmax()], input_shape=(1,))
    >>> report = diagnose(model, CrossEntropy(), [[0.0], [1.0]], [0, 1])
    >>> [problem.title for problem in report.problems]
    ['All units of a layer are the same.']
    """
    x, y = checks.one_step(model, Sequential, loss, Loss, x, y, "diagnose")
    checks.count("batch_size", batch_size)
    chosen = np.unique(np.linspace(0, len(x) - 1, min(len(x), SAMPLES)).astype(int))
    model = copy.deepcopy(model)
    p = model.forward(x[chosen])
    chart = Chart([look_at(model, loss, x[chosen], y[chosen], step=1)], watched=False)
    chart.guess, chart.constant_columns = best_guess(model, loss, y), _constant_columns(x[chosen])
    if loss.classifies:
        chart.classes = p.shape[1]
        labels = classes_of(y)
        chart.shares = (np.bincount(labels, minlength=chart.classes) / len(labels)).tolist()
        batch = labels[: batch_size if len(labels) > batch_size else 0]
        chart.looks[0].labels = np.bincount(batch, minlength=chart.classes).tolist()
    return judged(chart)


class Doctor(Callback):
    """Watch a training, and say what is wrong with it.

    every: 100, the steps between two looks; at first there are more, at steps 1, 2, 4, 8 and so on.
    The main job takes 1.3 to 1.6 % longer with it; a run of a few hundred steps, in which more of
    them are looked at, up to a tenth. Ask `report()` at any time, also after training has broken
    off. A resumed run is watched from where it goes on.

    >>> from tinynn import SGD, CrossEntropy, Dense, Softmax, Trainer
    >>> model = Sequential([Dense(2), Softmax()], input_shape=(1,), seed=1)
    >>> doctor = Doctor()
    >>> x = np.linspace(-1, 1, 40)[:, None]
    >>> y = (x[:, 0] > 0).astype(int)
    >>> _ = Trainer(model, CrossEntropy(), SGD(0.3)).fit(x, y, 9, callbacks=[doctor])
    >>> doctor.report().problems
    []
    """

    observes = True

    def __init__(self, every: int = EVERY) -> None:
        checks.count("every", every)
        self.every = every
        self.trainer: Trainer | None = None
        self._forget()

    def _forget(self) -> None:
        self.chart = Chart()
        self.apart = self.every  # steps between looks, by now
        self.before: dict[str, Array] = {}  # the weights, where this step is looked at

    def report(self) -> HealthReport:
        """Judge what has been seen so far; of the data, up to 1,000 samples are asked for anew.

        Raises ValueError before the first step.
        """
        trainer, chart = self.trainer, self.chart
        if trainer is None or not chart.looks:
            raise ValueError("The doctor has seen nothing yet: give it to Trainer.fit(callbacks=).")
        chart.constant_columns = _constant_columns(_some(trainer.x))
        if not (np.isfinite(trainer.batch_loss) and all_finite(trainer)):
            chart.broke_off = trainer.step
        else:
            some = _some(trainer.x)
            chart.never_open = never_open(trainer.model, some)
            if chart.classes:
                chart.asked = _counts(trainer.model, some, _some(trainer.y))
            if chart.epochs and trainer.validation is not None:
                self._ask(trainer, *map(_some, trainer.validation))
        return judged(chart)

    def _ask(self, trainer: "Trainer", x: Array, y: Array, weights: Array | None = None) -> None:
        """See of validation data how they are scaled, what guessing scores, what is predicted."""
        model, chart, given = trainer.model, self.chart, x
        for layer in model.layers[: first_with_parameters(model)]:
            given = layer.forward(given, training=False)
        size, apart = float(given.std(dtype=float)), np.abs(given - np.median(given))
        usual = float(given[apart <= np.quantile(apart, 0.95)].std(dtype=float))
        chart.held_out_size = usual if size > 5 * usual > 0 else size  # a few outliers may rule it
        if chart.guess.answer is not None:
            own = best_guess(model, trainer.loss, y, weights) if len(y) >= FEW else Guess()
            own = replace(own, loss=cost(trainer.loss, chart.guess.answer, y, weights))
            if own.std > 0:  # of numbers, which a few outliers may rule
                apart = np.abs(y - np.median(y, axis=0)).reshape(len(y), -1)
                usual = y[(apart <= np.quantile(apart, 0.95, axis=0)).all(axis=1)]
                without = best_guess(model, trainer.loss, usual) if len(usual) >= FEW else own
                own = replace(without, loss=np.inf) if own.std > 5 * without.std else own
            chart.held_out_guess = own
        if chart.classes:
            chart.held_out = _counts(model, x, y)

    def on_train_begin(self, trainer: "Trainer") -> None:
        if not trainer.resumed:
            self._forget()
        self.trainer = trainer
        rate = trainer.optimizer.learning_rate
        self.chart.rate = None if callable(rate) else rate
        self.chart.epochs, self.chart.guess = trainer.history.epochs, trainer.guess
        if trainer.loss.classifies:
            self.chart.classes = trainer.model.output_shapes[-1][-1]
            counts = np.bincount(classes_of(trainer.y), minlength=self.chart.classes)
            self.chart.shares = (counts / counts.sum()).tolist()

    def on_gradients(self, trainer: "Trainer") -> None:
        self.before = {}
        t = trainer.step
        early = t < self.every and t & (t - 1) == 0  # a power of 2
        if not early and t % self.apart:
            return
        self.chart.looks.append(look_at(trainer.model, trainer.loss, *trainer.batch, step=t))
        self.before = {name: W.copy() for name, W in weights(trainer.model).items()}
        if len(self.chart.looks) > MOST_LOOKS:
            self.apart *= 2
            self.chart.looks = [
                look for look in self.chart.looks if look.step < self.every
                or look.step % self.apart == 0
            ]  # fmt: skip

    def on_step_end(self, trainer: "Trainer") -> None:
        for name, before in self.before.items():
            W = trainer.model.named_parameters()[name]
            size = max(float(np.linalg.norm(before)), 1e-30)
            self.chart.looks[-1].update[name] = float(np.linalg.norm(W - before)) / size

    def on_epoch_end(self, trainer: "Trainer") -> None:
        self.chart.steps_per_epoch = trainer.step // trainer.epoch
