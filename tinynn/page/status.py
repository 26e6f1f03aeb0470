"""The head of the page: what became of the run, in a sentence and in its most important figures."""

from collections.abc import Sequence
from time import time

from tinynn.page.facts import RunFacts, epoch_times, number, part_of
from tinynn.page.notes import ENDED, FAILED, KILLED, STOPPED, TRAINING, now
from tinynn.page.part import Part, text
from tinynn.page.quality import Figure, figure_list, test_figures

SHORTEST, LONGEST = 2, 15  # seconds until a live page is read anew
SILENT = 60  # seconds, at least, after which a live page says that it has no news
AWAITS = 300  # seconds after the end of training in which figures of the test may still come

COLOUR = {TRAINING: "accent", ENDED: "good", STOPPED: "warn", FAILED: "bad", KILLED: "bad"}


def reload_seconds(facts: RunFacts) -> int:
    """Return after how many seconds a page of this run is read anew; 0: never."""
    if facts.state != TRAINING:
        return 0
    return int(min(LONGEST, max(SHORTEST, epoch_seconds(facts))))


def status_part(runs: Sequence[RunFacts]) -> Part:
    """Return the head of the page of one run, or of several."""
    if len(runs) > 1:
        return _of_several(runs)
    facts = runs[0]
    colour = COLOUR.get(facts.state, "")
    progress = ""
    if facts.epochs and facts.state != ENDED:
        progress = (
            f'<progress value="{len(facts.rows)}" max="{max(facts.epochs, len(facts.rows), 1)}" '
            'aria-label="Epochs that have ended"></progress>'
        )
    html = f"""<p class="kind">A training of tinynn</p>
<h1>{text(facts.name)}</h1>
<p class="status" id="status"><span class="lamp {colour}" aria-hidden="true"></span>
<span>{text(sentence(facts))}</span></p>
{progress}
<p class="beside">Page written {now()}. <span id="silence"></span>
<button type="button" class="button" id="pause" hidden>Stop reloading</button></p>
{figure_list(_figures(facts))}"""
    words = {TRAINING: f"Epoch {len(facts.rows)} of {facts.epochs}: ", STOPPED: "Stopped: "}
    words |= {FAILED: "Broke off: ", KILLED: "Broke off: "}
    return Part(
        "status", words.get(facts.state, "") + facts.name, html, scripts=("live.js",),
        data={
            "reload": reload_seconds(facts),
            "written": round(time()),
            "silent": max(SILENT, round(10 * epoch_seconds(facts))),
            "awaits": AWAITS if facts.state == ENDED and facts.test is None else 0,
        },
    )  # fmt: skip


def sentence(facts: RunFacts) -> str:
    """Return what became of the run.

    >>> sentence(RunFacts("a", [], "failed", "TrainingDiverged: NaN", epochs=3))
    'Training broke off after 0 of 3 epochs. TrainingDiverged: NaN.'
    """
    done, planned = len(facts.rows), facts.epochs
    of = f" of {planned}" if planned else ""
    epochs = f"{done}{of} epoch{'' if done == 1 and not of else 's'}"
    at = f", {facts.when}" if facts.when else ""
    why = f" {facts.why[:1].upper()}{facts.why[1:].removesuffix('.')}." if facts.why else ""
    if facts.state == TRAINING:
        return f"Training. {epochs[:1].upper()}{epochs[1:]} done{_speed(facts)}."
    if facts.state == ENDED:
        return f"Training ended after {done} epoch{'' if done == 1 else 's'}{at}.{why}"
    if facts.state == STOPPED:
        return f"Training was stopped after {epochs}{at}.{why}"
    if facts.state in (FAILED, KILLED):
        return f"Training broke off after {epochs}{at}.{why}"
    return (
        f"The log has {done} epoch{'' if done == 1 else 's'}. No note tells how the run ended.{why}"
    )


def epoch_seconds(facts: RunFacts) -> float:
    """Return the mean time of an epoch; 0.0 before the first has ended."""
    known = epoch_times(facts)
    return sum(known) / len(known) if known else 0.0


def duration(seconds: float) -> str:
    """Return a time for people.

    >>> duration(7.25), duration(95), duration(7300)
    ('7.2 s', '1 min 35 s', '2 h 1 min')
    """
    if round(seconds) < 60:
        return f"{seconds:.{int(seconds < 10)}f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _speed(facts: RunFacts) -> str:
    """Return how fast training goes, and how long it still takes."""
    seconds = epoch_seconds(facts)
    samples = number(part_of(facts.about, "samples").get("training"))
    if not seconds or not samples or not facts.epochs:
        return ""
    left = (facts.epochs - len(facts.rows)) * seconds
    return f", {samples / seconds:,.0f} samples a second, about {duration(left)} left"


def _figures(facts: RunFacts) -> list[Figure]:
    """Return the figures of the head; those of the test only once training has ended."""
    figures = test_figures(facts) if facts.state != TRAINING else []
    last = facts.rows[-1] if facts.rows else {}
    for name, title in (
        ("val_accuracy", "Validation accuracy"),
        ("val_loss", "Validation loss"),
        ("accuracy", "Training accuracy"),
        ("loss", "Training loss"),
    ):
        if name in last:
            figures.append((title, f"{last[name]:.4f}", "last epoch"))
    figures = figures[:4] if len(figures) > 4 else figures
    seconds = sum(epoch_times(facts))
    figures += [("Training time", duration(seconds), "")] if seconds else []
    parameters = number(facts.metrics.get("parameters") or facts.about.get("parameters"))
    return figures + ([("Parameters", f"{parameters:,.0f}", "")] if parameters else [])


def _of_several(runs: Sequence[RunFacts]) -> Part:
    items = "\n".join(
        f'<li><span class="lamp {COLOUR.get(run.state, "")}" aria-hidden="true"></span>'
        f"<span><b>{text(run.name)}</b> {text(sentence(run))}</span></li>"
        for run in runs
    )
    html = f"""<p class="kind">Trainings of tinynn</p>
<h1>{len(runs)} runs</h1>
<ul class="status-list">
{items}
</ul>
<p class="beside">Page written {now()}.</p>"""
    return Part("status", f"{len(runs)} runs", html, scripts=("live.js",), data={"reload": 0})
