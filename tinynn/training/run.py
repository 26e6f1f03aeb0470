"""A training while it runs, and the contract of callbacks, which are given it.

Run and Callback stand together because each names the other.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from tinynn import checks
from tinynn.batches import minibatches
from tinynn.configuration import Configured, Guarded
from tinynn.errors import InputError
from tinynn.losses import Loss
from tinynn.model import Sequential
from tinynn.optimizers import Optimizer
from tinynn.parameters import Array, Generator
from tinynn.training.baseline import Baseline
from tinynn.training.history import ALWAYS, History, RunningTotals
from tinynn.training.schedule_table import ScheduleTable

# what no callback may set: training would go on with wrong data or a wrong count, or a resumed run
# with what the callback had replaced
OF_FIT = {"x", "y", "weights", "validation", "n_samples", "seed", "epoch", "step"}
OF_FIT |= {"history", "totals", "callbacks", "batch_size", "epochs"}
OF_FIT |= {"model", "loss", "optimizer", "metrics"}


class Run(Guarded):
    """What is known of a training while it runs. The Trainer is a Run; callbacks are given it."""

    x: Array
    y: Array
    n_samples: int
    batch_size: int
    _telling: tuple["Callback", str] | None = None  # the callback and its event, while it is told

    def __init__(
        self, model: Sequential, loss: Loss, optimizer: Optimizer, seed: int = 0,
        metrics: Iterable[Callable[..., Any]] = (),
    ) -> None:  # fmt: skip
        self.model: Sequential = checks.instance(model, Sequential, "model")
        self.loss: Loss = checks.instance(loss, Loss, "loss")
        checks.softmax_once(model, loss)
        self.optimizer: Optimizer = checks.instance(optimizer, Optimizer, "optimizer")
        self.seed = checks.check_integer("seed", seed, least=0)
        self.metrics = checks.named_metrics(metrics, self.has_accuracy)
        self.history, self.totals, self.baseline = History(), RunningTotals(), Baseline()
        self.epoch = self.epochs = self.step = 0
        self.weights = list[Array]()  # the samples' weights: one array, or an empty list
        self.samples = np.empty(0, int)
        self.batch: tuple[Array, ...] = (np.empty(0), np.empty(0))
        self.recent_losses: list[float] = []  # the last five
        self.batch_loss, self.resumed = np.nan, False
        self.stop_asked = False
        self.stop_agreed: bool | None = None  # of several processes; None: this one decides
        # for checkpoints: what the run began with; a resumed run takes it over: see run_state.py
        self.settings: dict[str, Any] | None = None
        self.schedule: ScheduleTable | None = None
        self.architecture: dict[str, Any] = {}
        self.functions: dict[str, Any] = {}
        self.unsaved: dict[str, Any] | None = None
        self.checkpoint = ""  # the last one, in words for the user
        self.own_files = set[str]()  # paths of all checkpoints of this run
        self.validation: tuple[Array, ...] | None = None
        self.callbacks: list[Callback] = []

    def begin(self, epochs: int, callbacks: Iterable["Callback"], resumed: bool) -> None:
        """Set the run to its beginning. epochs: how many more, or in all if it is resumed."""
        callbacks = checks.instances(callbacks, Callback, "callbacks")
        checks.files_of_their_own(callbacks)
        checks.moving_update(self.optimizer)
        for callback in callbacks:
            checks.state_and_load_state(callback, Callback)
        self.callbacks = sorted(callbacks, key=lambda callback: checks.order_of(callback, self))
        self.totals, self.epoch, self.stop = RunningTotals(), len(self.history.epochs), False
        self.resumed, self.checkpoint, self.settings, self.unsaved = resumed, "", None, None
        self.epochs = epochs if resumed else self.epoch + epochs

    def tell(self, event: str) -> None:
        """Call all callbacks, in their order."""
        own = vars(self)  # directly: this is done for each callback in each step
        try:
            for callback in self.callbacks:
                own["_telling"] = callback, event
                getattr(callback, event)(self)
                if event == "on_epoch_end":
                    checks.epoch_rows(self.history.epochs, self.epoch, ALWAYS, self._told_now)
        finally:
            own.pop("_telling", None)

    @property
    def _told_now(self) -> str:
        """The callback and the event that it is told now, such as Mine.on_epoch_end; "" if none."""
        return "" if self._telling is None else "{.__class__.__name__}.{}".format(*self._telling)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in OF_FIT and self._telling is not None:
            raise checks.not_a_callbacks(name, self._told_now)
        super().__setattr__(name, value)

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes of a copy, of which nobody is told: a callback may make one."""
        return {name: value for name, value in vars(self).items() if name != "_telling"}

    def told(self) -> "Told":
        """Around a training: tell on_train_begin before it, then on_train_end or on_train_error."""
        return Told(self)

    def batches(self, start: int) -> Iterator[tuple[Array, ...]]:
        """Yield the batches of this epoch from number `start` on, as on_step_begin leaves them."""
        order = self.order_of(self.epoch)
        return minibatches(
            self.x, self.y, self.batch_size, order, start, *self.weights, part=self._part
        )

    def _part(self, samples: Array) -> Array:
        self.samples = samples
        self.tell("on_step_begin")
        return self.samples

    @property
    def stop(self) -> bool:
        """Whether training ends after this step, as was asked or, by several processes, agreed."""
        return self.stop_asked if self.stop_agreed is None else self.stop_agreed

    @stop.setter
    def stop(self, value: bool) -> None:
        self.stop_asked = value

    @contextmanager
    def validating(self) -> Iterator[None]:
        """Call on_validation_begin before, and on_validation_end after, in the reverse order.

        After an error, too, each callback whose begin has been called gets its end: one of them may
        have put other weights into the model.
        """
        with ExitStack() as ends:
            for callback in self.callbacks:
                callback.on_validation_begin(self)
                ends.callback(callback.on_validation_end, self)
            yield

    def order_of(self, epoch: int) -> Generator:
        """Return the Generator that shuffles the samples of an epoch, and does nothing else."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(1, epoch)))

    @property
    def finished(self) -> bool:
        """Whether the last epoch has ended."""
        return self.epoch >= self.epochs and not self.totals.n_samples

    @property
    def has_accuracy(self) -> bool:
        """Whether the accuracy is measured: for a loss of classes, or of yes or no."""
        return self.loss.classifies or self.loss.boundary is not None

    @property
    def columns(self) -> list[str]:
        """The names of the metrics in a row of the history."""
        scores = ["loss", "accuracy"] if self.has_accuracy else ["loss"]
        names = [*scores, *self.metrics] if self.validation is not None else []
        held_out = [f"val_{name}" for name in names]
        return ["epoch", *scores, *held_out, "learning_rate", "seconds"]


class Told:
    """Tells a run's callbacks of the begin and the end of a training that stands in its block."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def __enter__(self) -> None:
        try:
            self.run.tell("on_train_begin")
        except BaseException:
            self.run.tell("on_train_error")
            raise

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self.run.tell("on_train_end" if kind is None else "on_train_error")


class Callback(Configured):
    """The contract: one method for each event of a training. By default they do nothing.

    Each method gets the Trainer, whose docstring lists the attributes that a callback may read.
    A callback may set the optimizer's hyper-parameters and `trainer.stop`, and may add metrics to
    the last row of `trainer.history.epochs`. Checkpoints keep all of these. InputError if it sets
    what only fit sets (trainer.epoch, trainer.x, ...), calls fit, or spoils the history.
    A callback with state of its own also defines `state()` and `load_state()`: a resumed run gets
    this state back; Checkpoint warns of numbers that change and are not in it. A callback that only
    watches sets `affects_training = False`: a run may then be resumed with or without it.
    A class with a method such as `on_batch` raises InputError, as there is no such event.

    >>> class ClipGradients(Callback):
    ...     def on_gradients(self, trainer):
    ...         np.clip(trainer.model.grads, -1, 1, out=trainer.model.grads)
    """

    affects_training = True

    def __init_subclass__(cls) -> None:
        """Refuse a method for an event that does not exist: nothing would ever call it."""
        super().__init_subclass__()
        for name, method in vars(cls).items():
            if name.startswith("on_") and hasattr(Callback, name):
                checks.event_method(cls.__name__, name, method)
            elif name.startswith("on_"):
                events = ", ".join(event for event in vars(Callback) if event.startswith("on_"))
                raise InputError(
                    f"{cls.__name__}.{name} would never be called: there is no such event. The "
                    f"events are {events}."
                )

    def on_train_begin(self, trainer: Run) -> None:
        """Before the first step of each `fit`, also if it resumes a run (trainer.resumed is True).

        Then the checkpoint's values replace all changes that this method makes to the model and the
        optimizer: the interrupted run made these changes already.
        """

    def on_epoch_begin(self, trainer: Run) -> None:
        """Before an epoch's first step. A run resumed in mid-epoch does not call it again."""

    def on_step_begin(self, trainer: Run) -> None:
        """Before each step: `trainer.samples` are the numbers of its batch's samples in x, (B,).

        Set `trainer.samples` to train on others, such as this process's part of them. If they are
        more or fewer, bring `trainer.totals` to the whole batch in on_step_end: an epoch ends when
        all samples are counted.
        """

    def on_gradients(self, trainer: Run) -> None:
        """In each step, after backward wrote `model.grads` and before the optimizer uses them."""

    def on_step_end(self, trainer: Run) -> None:
        """After each step."""

    def on_validation_begin(self, trainer: Run) -> None:
        """Before the validation data are scored; not called if there are none.

        A callback may put other weights into the model here. Its `order` should then be below 0, so
        that others find these weights in both events.
        """

    def on_validation_end(self, trainer: Run) -> None:
        """After the validation data were scored, also by an error: put the weights back here.

        The callbacks are called in reverse order: who came first in on_validation_begin is last.
        """

    def on_epoch_end(self, trainer: Run) -> None:
        """After each epoch. Its row is by now the last of `history.epochs`."""

    def on_train_end(self, trainer: Run) -> None:
        """After the last step, unless an exception ended training."""

    def on_train_error(self, trainer: Run) -> None:
        """After an exception ended training: sys.exc_info() has it, and it is raised again.

        It may be TrainingDiverged, KeyboardInterrupt, or one of a callback: also in on_train_begin,
        even before that of this one. on_train_end is not called then. A method that raises hides
        the reason, and those after it are not called.
        """

    def order(self, trainer: Run) -> int:
        """Return a whole number: the lowest come first, and equals keep their order. Default 0."""
        return 0

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint should keep: a dictionary by name.

        Values may be numbers, texts, arrays, and lists, tuples and dictionaries of these. They come
        back with the same types. Anything else raises InputError, when training begins or when the
        first checkpoint with it is written.
        """
        return {}

    def load_state(self, state: dict[str, Any]) -> None:
        """Set this callback to what `state` once returned."""

    def check(self, trainer: Run) -> None:
        """Raise InputError if the state that `load_state` has set does not fit this training."""
