"""When a checkpoint is written, and what is refused before. run_state.py says what it holds."""

import os
import warnings
from pathlib import Path

from tinynn import checks
from tinynn.files.atomic import PathLike, refuse_no_place
from tinynn.files.checkpoints import STEP, at_step, check_state, files_at, save_checkpoint
from tinynn.files.earlier import check_if_exists, make_way
from tinynn.files.lost_state import refuse_lost_state, refuse_stateful
from tinynn.training.divergence import all_finite, diverged
from tinynn.training.resume import is_of_this_run
from tinynn.training.run import Callback, Run
from tinynn.training.run_state import refuse_what_would_be_lost, training_state


class Checkpoint(Callback):
    """Keep all that an interrupted run needs to go on as if nothing had happened, in one file.

    path: replaced, atomically, at each checkpoint. With {step} in the file's name, such as
    "run-{step}.npz", each checkpoint has a file of its own, and the first, run-0.npz, is of the
    beginning; with them, Replay finds any step of a training again. every_epochs: 1. every_steps:
    None (only at the ends of epochs), or a number of steps. A run that is told to stop in mid-epoch
    writes one more.
    if_exists: what to do with another run's file there: "error", the default, raises
    FileExistsError; "replace" overwrites it, with the first checkpoint of this run (and deletes
    those of other steps, if the name has {step}); "backup" renames it when training begins, run.npz
    to run.1.npz. Go on with `Trainer.fit(..., resume_from=path)`, the path of one file.

    Raises InputError for numbers under 1; OSError at the start of training if the folder is
    missing, or later if writing fails; InputError, at the start or when it appears, for what could
    not be resumed: settings that change in mid-training, a callback's state that could not come
    back as it was, a schedule with a memory. If another program holds the file for longer than
    locks.PATIENCE_SECONDS, this is a warning: the old checkpoint stands, and training goes on.

    >>> Checkpoint("run.npz", every_steps=500)
    Checkpoint(path='run.npz', every_epochs=1, every_steps=500, if_exists='error')
    """

    affects_training = False
    file = Path()  # where path led when training began

    def __init__(
        self,
        path: PathLike,
        every_epochs: int = 1,
        every_steps: int | None = None,
        if_exists: str = "error",
    ) -> None:
        checks.check_integer("every_epochs", every_epochs)
        if every_steps is not None:
            checks.check_integer("every_steps", every_steps)
        self.path = path
        self.every_epochs = every_epochs
        self.every_steps = every_steps
        self.if_exists = check_if_exists(if_exists)

    def order(self, trainer: Run) -> int:
        return 2  # it saves what the others did

    def on_train_begin(self, trainer: Run) -> None:
        refuse_no_place(self.path)
        self.file = Path(self.path).absolute()
        others = [file for file in files_at(self.path) if not self._is_ours(file, trainer)]
        for file in others:
            make_way(file, self.if_exists, "Checkpoint")
        check_state(training_state(trainer))  # now, not after hours of training
        refuse_stateful(trainer.model, trainer.x, trainer.batch_size)
        if STEP in self.file.name:
            for file in others:  # no later checkpoint would overwrite these
                file.unlink(missing_ok=True)
            if not trainer.resumed:
                self._write(trainer)

    def _is_ours(self, file: Path, trainer: Run) -> bool:
        own = os.path.realpath(file) in trainer.own_files
        return own or (trainer.resumed and is_of_this_run(trainer, file))

    def on_step_end(self, trainer: Run) -> None:
        if trainer.schedule:
            trainer.schedule.refuse_other_answer(trainer.optimizer)
        if self.every_steps and trainer.step % self.every_steps == 0:
            self._save(trainer)

    def on_epoch_end(self, trainer: Run) -> None:
        if trainer.epoch % self.every_epochs == 0 or trainer.stop or trainer.finished:
            self._save(trainer)
        else:
            refuse_what_would_be_lost(trainer)  # now, and not when the next one is due

    def on_train_end(self, trainer: Run) -> None:
        if trainer.totals.n_samples:  # stopped in the middle of an epoch
            self._save(trainer)

    def _save(self, trainer: Run) -> None:
        if not all_finite(trainer):
            raise diverged(trainer)  # rather than replace a good checkpoint by this
        refuse_lost_state(trainer.model, trainer.batch[0])
        self._write(trainer)

    def _write(self, trainer: Run) -> None:
        now = f"epoch {trainer.epoch}, step {trainer.step}"
        path, file = (at_step(one, trainer.step) for one in (self.path, self.file))
        try:
            save_checkpoint(trainer.model, training_state(trainer), file)
        except OSError as error:
            kept = f"kept is {trainer.checkpoint}" if trainer.checkpoint else "there is none yet"
            told = f"the checkpoint of {now} could not be written to {path}; {kept}"
            if not isinstance(error, PermissionError):
                raise OSError(error.errno, f"{error.strerror}: {told}") from error
            warnings.warn(
                f"{error.strerror}: {told}. The model keeps what it has learned, and the next "
                "checkpoint tries again.",
                stacklevel=3,
            )
            return
        trainer.checkpoint = f"{path}, of {now}"
        trainer.own_files.add(os.path.realpath(file))
