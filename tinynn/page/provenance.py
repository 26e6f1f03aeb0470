"""How a run came about: seed, versions, settings, command, data and commit, to repeat it."""

import platform
import re
import subprocess
import sys
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tinynn.page.facts import RunFacts
from tinynn.page.part import Part, text
from tinynn.schedules import Schedule
from tinynn.training.fingerprints import data_fingerprint
from tinynn.training.run import Run
from tinynn.training.settings import environment

CHECKSUM = re.compile(r"\b[0-9a-f]{40,64}\b")
FIRST = (  # names that come first; all others follow in the order of the files
    "command", "commit", "data_source", "data_sha256", "data", "samples", "seed", "epochs",
    "batch_size", "loss", "optimizer", "learning_rate", "schedule", "label_smoothing", "network",
    "parameters",
)  # fmt: skip
SHOWN_ELSEWHERE = {"test_accuracy", "test_loss", "train", "val", "test", "problems", "notes"}


def about_training(trainer: Run) -> dict[str, Any]:
    """Return what a training is made of, as data that JSON knows: enough to repeat it."""
    rate = trainer.optimizer.learning_rate
    rate = rate.learning_rate if isinstance(rate, Schedule) else rate  # the highest
    held_out = trainer.validation
    system = f"{platform.system()} {platform.release()}, {platform.machine()}"
    return {
        "command": command_line(),
        "commit": commit(),
        "data": _data(trainer),
        "samples": {
            "training": trainer.n_samples,
            **({"validation": len(held_out[0])} if held_out is not None else {}),
        },
        "seed": trainer.seed,
        "epochs": trainer.epochs,
        "batch_size": trainer.batch_size,
        "loss": repr(trainer.loss),
        "optimizer": repr(trainer.optimizer),
        "learning_rate": "a function of the step" if callable(rate) else rate,
        "network": [repr(layer) for layer in trainer.model.layers],
        "parameters": trainer.model.params.size,
        "callbacks": [repr(one) for one in trainer.callbacks if one.affects_training],
        "versions": {
            "tinynn": sys.modules["tinynn"].__version__,  # which imports this file
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "machine": {"system": system, **environment()},
    }  # fmt: skip


def command_line() -> str:
    """Return the command that started this program, as a shell takes it."""
    import shlex

    words = sys.orig_argv or sys.argv
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)


@cache  # a program runs as it was when it began
def commit() -> str:
    """Return the commit of the folder of the program, "-dirty" if files differ; "" without one."""
    program = getattr(sys.modules.get("__main__"), "__file__", None)
    folder = Path(program).resolve().parent if program else Path.cwd()
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        done = subprocess.run(
            [*command, "--exclude=*"], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.SubprocessError):  # there is no git, or it takes long
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def provenance_part(runs: list[RunFacts]) -> Part:
    """Return how each run came about, with its log to be saved again."""
    blocks = []
    for facts in runs:
        head = f"<h3>{text(facts.name)}</h3>\n" if len(runs) > 1 else ""
        blocks.append(head + _listed(_known(facts)) + _log(facts))
    return Part("provenance", "How it came about", "\n".join(blocks))


def _known(facts: RunFacts) -> dict[str, Any]:
    both = {**facts.about, **facts.metrics}
    order = [*(name for name in FIRST if name in both), *(n for n in both if n not in FIRST)]
    kept = {name: both[name] for name in order if name not in SHOWN_ELSEWHERE}
    return {name: value for name, value in kept.items() if value not in ("", None, {}, [])}


def _listed(known: Mapping[str, Any]) -> str:
    """Return names and values; of a dictionary or a list within, a list within."""
    if not known:
        return "<p>This run has left no note of how it came about: RunPage leaves one.</p>"
    entries = "\n".join(
        f"<div><dt>{text(name.replace('_', ' '))}</dt><dd>{_value(name, value)}</dd></div>"
        for name, value in known.items()
    )
    return f'<dl class="facts">\n{entries}\n</dl>\n'


def _value(name: str, value: Any) -> str:
    if name == "command":
        return f"<pre><code>{text(value)}</code></pre>"
    if isinstance(value, Mapping):
        items = (f"<li>{text(key)}: {_plain(item)}</li>" for key, item in value.items())
        return f'<ul class="plain">{"".join(items)}</ul>'
    if isinstance(value, list):
        return f'<ol class="plain">{"".join(f"<li>{_plain(item)}</li>" for item in value)}</ol>'
    return _plain(value)


def _plain(value: Any) -> str:
    """Return a number or a text; checksums and commits in type of one width."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, (int, float)):
        shown = text(value if not isinstance(value, (list, tuple)) else ", ".join(map(str, value)))
        return CHECKSUM.sub(r"<code>\g<0></code>", shown)
    return f"{value:,}" if isinstance(value, int) and abs(value) > 9_999 else f"{value}"


def _data(trainer: Run) -> dict[str, Any]:
    """Return shape, dtype and checksum of the training data, as checkpoints have them."""
    if trainer.settings is not None:
        prints = trainer.settings["data"]
    else:
        prints = {"x": data_fingerprint(trainer.x), "y": data_fingerprint(trainer.y)}
    return {
        name: f"{np.dtype(one['dtype'])} {tuple(one['shape'])}, {one['sha256']}"
        for name, one in prints.items()
    }


def _log(facts: RunFacts) -> str:
    """Return a link that saves log.csv again, byte for byte."""
    if not facts.log:
        return ""
    content = b64encode(facts.log).decode()
    return (
        f'<p><a class="button" download="log.csv" href="data:text/csv;base64,{content}">'
        f"Save log.csv</a></p>"
    )
