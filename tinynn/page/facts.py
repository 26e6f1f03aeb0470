"""What is known of a run: what its folder holds. The page is made of this alone.

    log.csv       the metrics of each epoch (CSVLogger)
    run.jsonl     when it began and ended, and what it was made of (notes.py, by RunPage)
    metrics.json  its settings and figures (the programs that train on Fashion-MNIST)
    health.json   what the doctor found, with its measurements (health.py)
    test.npz      what the network says of the test data (scored.py)
    model.npz     the network (save_model)

All but log.csv may be missing; the page then says what it lacks.
"""

import json
import os
import sys
from dataclasses import dataclass, field
from math import nan
from pathlib import Path
from typing import Any

from tinynn.errors import InputError
from tinynn.files.atomic import PathLike, refuse_no_file
from tinynn.page.notes import (
    ENDED,
    FAILED,
    KILLED,
    NAME,
    STOPPED,
    TRAINING,
    UNKNOWN,
    is_held,
    moment,
    read_notes,
)
from tinynn.page.scored import TestData, read_test_data
from tinynn.page.steps import noted_steps
from tinynn.training.csv_log import read_log

MOST_SECONDS = 1e9  # of an epoch, thirty years
LOCK = "lock"  # which a program may hold as long as it works in the folder of a run


@dataclass
class RunFacts:
    """What a page tells of one run.

    name: of its folder. rows: the metrics of each epoch. state: "training", "ended", "stopped" (a
    callback or a signal ended it early), "failed" (an exception did), "killed" (its process is
    gone), or "unknown"; why: in words, of the others than "ended". when: the time of the last
    change of this state. epochs: how many were planned, or None. about: what it was made of, by
    name. steps: means over some steps, by column.
    """

    name: str
    rows: list[dict[str, float]]
    state: str = UNKNOWN
    why: str = ""
    when: str = ""
    epochs: int | None = None
    about: dict[str, Any] = field(default_factory=dict)
    steps: dict[str, list[float]] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    health: dict[str, Any] | None = None
    test: TestData | None = None
    log: bytes = b""
    model: Path | None = None

    def column(self, name: str) -> list[float]:
        """Return a metric of all epochs, NaN where a row lacks it."""
        return [row.get(name, float("nan")) for row in self.rows]


def read_run(folder: PathLike) -> RunFacts:
    """Read a run's folder. Raises an OSError without log.csv, InputError for other contents."""
    if not isinstance(folder, (str, os.PathLike)):
        raise InputError(
            f"write_page needs the folder of a run, or a list of them; got {folder!r}."
        )
    folder = Path(folder)
    log, model = folder / "log.csv", folder / "model.npz"
    if not folder.is_dir():
        raise InputError(
            f"write_page needs the folder of a run, with a log.csv in it; {folder} is no folder."
        )
    refuse_no_file(log)
    rows = [row for row in map(_numbers, read_log(log)) if abs(row.get("epoch", nan)) < 1e15]
    facts = RunFacts(
        name=folder.resolve().name,
        rows=rows,
        metrics=read_json(folder / "metrics.json"),
        health=read_json(folder / "health.json") or None,
        test=read_test_data(folder),
        log=log.read_bytes(),
        model=model if model.is_file() else None,
    )
    _read_state(facts, folder)
    return facts


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file, or none of it, {}, if there is no file."""
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not the JSON that a run leaves: {error}.") from error
    if not isinstance(found, dict):
        raise InputError(f"{path} should hold an object of JSON, but holds {found!r:.80}.")
    return found


def number(value: Any) -> float | None:
    """Return a number that a file gave, or None for what is none."""
    known = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if known and abs(value) <= sys.float_info.max else None


def epoch_times(facts: RunFacts) -> list[float]:
    """Return the seconds of the epochs, as far as they can be times."""
    return [value for value in facts.column("seconds") if 0 <= value < MOST_SECONDS]


def part_of(facts: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a dictionary within one that a file gave; {} for anything else."""
    found = facts.get(name)
    return found if isinstance(found, dict) else {}


def _read_state(facts: RunFacts, folder: Path) -> None:
    """Find out whether the run is alive, how it ended, and of what it was made."""
    notes = read_notes(folder)
    facts.steps = noted_steps(notes)
    began = [i for i, line in enumerate(notes) if "began" in line]
    last = notes[began[-1] :] if began else []
    planned = last[0].get("epochs") if last else None
    facts.epochs = int(number(planned) or 0) or None
    facts.about = part_of(last[0], "about") if last else {}
    ends = [line for line in last if "ended" in line]
    held = is_held(folder / NAME), is_held(folder / LOCK)
    if ends:
        state = ends[-1].get("state")
        facts.state = state if state in (ENDED, STOPPED, FAILED) else UNKNOWN
        facts.why, facts.when = str(ends[-1].get("why", "")), str(ends[-1]["ended"])
        if len(began) > 1:
            _leave_out_what_is_earlier(facts, folder, str(last[0]["began"]))
    elif facts.metrics and not last:
        facts.state = ENDED
    elif True in held:
        facts.state = TRAINING  # figures of a test are of an earlier end, before it was resumed
        facts.metrics, facts.health, facts.test, facts.model = {}, None, None, None
    elif None in held:
        facts.why = "nobody can tell here whether a process still works in its folder"
    elif last or (folder / LOCK).exists():
        facts.state = KILLED
        if last:  # what there is of a test is of an earlier end, as above
            facts.metrics, facts.health, facts.test, facts.model = {}, None, None, None
        facts.why = (
            "no process works in its folder any more, and it has left no note of an end: it was "
            "killed, or the machine went down"
        )


def _leave_out_what_is_earlier(facts: RunFacts, folder: Path, began: str) -> None:
    """Leave out what an earlier end of a run has left that was resumed since, at this time."""
    start = moment(began)
    for name, file in (("metrics", "metrics.json"), ("test", "test.npz"), ("model", "model.npz")):
        path = folder / file
        if start is not None and path.is_file() and path.stat().st_mtime < start:
            setattr(facts, name, {} if name == "metrics" else None)


def _numbers(row: dict[str, str]) -> dict[str, float]:
    """Return the cells of a row of the log that are numbers."""
    numbers = {}
    for name, cell in row.items():
        try:
            numbers[name] = float(cell)
        except (TypeError, ValueError):
            continue
    return numbers
