"""The page of a run while it trains: written anew after each epoch."""

import json
import sys
import warnings
from pathlib import Path
from time import perf_counter
from typing import IO, TYPE_CHECKING, Any

from tinynn.checks import python_number
from tinynn.doctor import Doctor
from tinynn.errors import InputError
from tinynn.files.atomic import PathLike, refuse_no_place
from tinynn.page.notes import ENDED, FAILED, STOPPED, TRAINING, note, now, open_notes, read_notes
from tinynn.page.write import refuse_no_page, refuse_own_file, save_page
from tinynn.training.early_stopping import EarlyStopping
from tinynn.training.run import Callback, Run

if TYPE_CHECKING:  # what a page is made of is imported when one is made
    from tinynn.page.facts import RunFacts
    from tinynn.page.steps import StepMeans


MOST_SHARE = 0.02  # of the time of training; where epochs are so short, not each has its page
LEAST_SECONDS = 1.0  # that pages may take in any case


class RunPage(Callback):
    """Write the run as one HTML file after each epoch: it opens in any browser, without a network.

    path: of the page, replaced each time; an open page reads itself anew. Beside it RunPage leaves
    run.jsonl, a note of how the run came about and how it ended, and, if there is a Doctor among
    the callbacks, at the end health.json, what it says: `write_page` reads them later. about: more
    to note, a dictionary by name, of texts, numbers, lists and dictionaries; default None.

    `reason`, a text that a program may set before training ends, says why it was stopped. If the
    page cannot be written, a warning says so once, and training goes on. Raises an OSError at the
    start of training if there is no folder for the path.

    >>> RunPage("runs/first/report.html")
    RunPage(path='runs/first/report.html', about=None)
    """

    affects_training = False
    reason = ""
    facts: "RunFacts | None" = None  # of the run that is under way
    notes: IO[bytes] | None = None  # open, and locked, as long as this process trains
    steps: "StepMeans | None" = None
    folder = Path()  # where path led when training began: the program may change its folder
    warned = False
    began = spent = 0.0  # when training began, and the seconds spent on pages of it

    def __init__(self, path: PathLike, about: dict[str, Any] | None = None) -> None:
        self.path = path
        self.about = about
        if about is not None and not isinstance(about, dict):
            raise InputError(
                f"about of RunPage must be a dictionary, what to note by name, got {about!r:.100}."
            )

    def __getstate__(self) -> dict[str, Any]:
        """A copy is of no run that is under way: it has no open file."""
        return {name: value for name, value in vars(self).items() if name != "notes"}

    def order(self, trainer: Run) -> int:
        return 1  # after whoever writes into the history

    def on_train_begin(self, trainer: Run) -> None:
        refuse_no_place(self.path)
        refuse_own_file(self.path, [Path(self.path).parent])
        refuse_no_page(self.path)
        self.folder, self.warned, self.reason = Path(self.path).resolve().parent, False, ""
        self.began, self.spent = perf_counter(), 0.0
        self._safely(self._begin, trainer)

    def on_step_end(self, trainer: Run) -> None:
        if self.steps is not None:
            self.steps.add(trainer)

    def on_epoch_end(self, trainer: Run) -> None:
        began = perf_counter()
        if self.spent < LEAST_SECONDS or self.spent < MOST_SHARE * (began - self.began):
            self._safely(self._write, trainer)
            self.spent += perf_counter() - began

    def on_train_end(self, trainer: Run) -> None:
        if trainer.finished:
            self._safely(self._end, trainer, ENDED, "")
            return
        stoppers = [one for one in trainer.callbacks if isinstance(one, EarlyStopping)]
        waited = next((one for one in stoppers if one.waited >= one.patience), None)
        because = (
            f"{waited.monitor} has not improved for {waited.patience} epochs" if waited else ""
        )
        where = f"the last step was {trainer.step:,}, in epoch {trainer.epoch}"
        self._safely(self._end, trainer, STOPPED, self.reason or because or where)

    def on_train_error(self, trainer: Run) -> None:
        error = sys.exc_info()[1]
        kind, said = type(error).__name__, str(error).strip()
        if isinstance(error, KeyboardInterrupt):
            self._safely(self._end, trainer, STOPPED, self.reason or "it was interrupted (Ctrl-C)")
        else:
            self._safely(self._end, trainer, FAILED, f"{kind}: {said}" if said else kind)

    def _begin(self, trainer: Run) -> None:
        """Note what the run is made of, and write its page before the first step."""
        from tinynn.page.facts import RunFacts
        from tinynn.page.provenance import about_training
        from tinynn.page.steps import StepMeans

        if self.notes is not None:  # of a training that ended by an error in on_train_begin
            self.notes.close()
        goes_on = trainer.resumed or bool(trainer.history.epochs)
        self.facts = self.steps = None
        self.notes = open_notes(self.folder, goes_on)
        about = {**about_training(trainer), **(self.about or {})}
        about = json.loads(json.dumps(about, default=str))  # as the notes will give it back
        note(self.notes, {"began": now(), "epochs": trainer.epochs, "about": about})
        self.facts = RunFacts(self.folder.name, [], TRAINING, epochs=trainer.epochs, about=about)
        self.steps = StepMeans(trainer)
        self._write(trainer)

    def _end(self, trainer: Run, state: str, why: str) -> None:
        """Note how the run ended, leave what the doctor says, and write the last page."""
        from tinynn.page.health import health_data, write_health

        if self.facts is None:
            return
        facts, doctor = self.facts, self._doctor(trainer)
        facts.state, facts.why, facts.when = state, why, now()
        self._note_steps()
        if self.notes is not None:
            note(self.notes, {"ended": facts.when, "state": state, "why": why})
            self.notes.close()
            self.notes = None
        report = doctor.report() if doctor is not None else None
        if report is not None:
            write_health(self.folder, report)
        facts.health = health_data(report) if report is not None else None
        self._save(trainer)
        self.facts = self.steps = None  # what a later fit does before it begins is not of this run

    def _write(self, trainer: Run) -> None:
        """Write the page of a run that goes on: training and validation, no test."""
        if self.facts is not None:
            self._note_steps()
            self._save(trainer)

    def _note_steps(self) -> None:
        """Note the means over steps since the last epoch; the page shows what the notes have."""
        from tinynn.page.steps import noted_steps

        steps, facts = self.steps, self.facts
        if facts is not None and self.notes is not None and steps is not None and steps.rows:
            note(self.notes, {"steps": steps.rows})
            steps.rows = []
            facts.steps = noted_steps(read_notes(self.folder))

    def _save(self, trainer: Run) -> None:
        assert self.facts is not None
        self.facts.rows = [_numbers(row) for row in trainer.history.epochs]
        save_page([self.facts], self.folder / Path(self.path).name)

    def _doctor(self, trainer: Run) -> Doctor | None:
        """Return the doctor among the callbacks, if it has recorded a step."""
        doctors = [one for one in trainer.callbacks if isinstance(one, Doctor)]
        return next((one for one in doctors if one.record.steps), None)

    def _safely(self, act: Any, *arguments: Any) -> None:
        """Act; whatever fails is a warning, and training goes on."""
        try:
            act(*arguments)
        except Exception as error:  # a disk can be full, and a user's object can have any repr
            if not self.warned:
                self.warned = True
                warnings.warn(
                    f"RunPage could not write {self.path}: {type(error).__name__}: {error}. "
                    "Training goes on.",
                    stacklevel=2,
                )


def _numbers(row: dict[str, Any]) -> dict[str, float]:
    """Return the numbers of a row of the history; a callback may have added other things."""
    known = {name: python_number(value) for name, value in row.items()}
    return {name: value for name, value in known.items() if isinstance(value, (int, float))}
