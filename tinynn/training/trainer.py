"""The loop, so that nobody writes it twice. examples/xor.py writes it by hand: read that first.

epoch:  shuffle -> [ batch -> forward -> loss -> backward -> on_gradients -> optimizer ] ...
        -> validation -> one row of the History -> callbacks
"""

from collections.abc import Iterable
from time import perf_counter

import numpy as np
import numpy.typing as npt

from tinynn import checks
from tinynn.batches import minibatches
from tinynn.files.atomic import PathLike
from tinynn.parameters import Array
from tinynn.training.baseline import constant_baseline
from tinynn.training.checkpoint import Checkpoint
from tinynn.training.divergence import all_finite, diverged
from tinynn.training.resume import Restored, restore
from tinynn.training.run import Callback, History, Run, RunningTotals
from tinynn.training.run_state import note_optimizer, note_settings


class Trainer(Run):
    """Trains a model: `fit` repeats the step over batches and epochs, and tells the callbacks.

    seed: 0 or more, default 0; it alone decides the order of the samples in each epoch.

    Callbacks find here: model, loss, optimizer; epoch, counted from 1, and epochs, the last one;
    step, counted from 1 over all epochs; batch, the arrays (x, y) of this step, and third their
    weights where there are such; batch_loss; totals, of this epoch so far; n_samples, how many an
    epoch has; baseline, what the best constant answer scores; columns; history; resumed; finished;
    and stop, which ends training after this step when set to True.

    >>> from tinynn import SGD, Dense, MeanSquaredError, Sequential
    >>> x = np.linspace(-1, 1, 50)[:, None]
    >>> model = Sequential([Dense(1)], input_shape=(1,))
    >>> history = Trainer(model, MeanSquaredError(), SGD(0.1)).fit(x, 3 * x + 1, epochs=60)
    >>> model.layers[0].W.round(2), model.layers[0].b.round(2)
    (array([[3.]], dtype=float32), array([1.], dtype=float32))
    """

    @checks.short_traceback
    def fit(
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        epochs: int,
        batch_size: int = 32,
        validation_data: tuple[npt.ArrayLike, ...] | None = None,
        callbacks: Iterable[Callback] = (),
        resume_from: PathLike | None = None,
        sample_weight: npt.ArrayLike | None = None,
    ) -> History:
        """Train for some epochs and return what was measured.

        x: (N, *input_shape). y: (N, ...), as the loss wants it. epochs: how many more, 1 or more;
        with resume_from, how many in all. batch_size: 32. validation_data: None, or (x, y), or
        (x, y, sample_weight), held out of training, scored after each epoch. callbacks: none;
        called in the given order, but what reads a row of the history after what may write into
        it, and Checkpoint last. resume_from: None, or a checkpoint's path; training goes on from
        there, to the same bits as if it had never stopped. sample_weight: None,
        or how much each sample counts (N,): numbers, 0 or more, not all 0. The loss is then (1/N)
        sum_n w_n l_n, and so is each batch's; the accuracy is of all samples alike.

        Raises InputError before the first step for data that do not fit, or settings other than
        those of the checkpoint; TrainingDiverged when the loss or a parameter is no finite number.
        Warns of bytes that were not scaled, of validation data that are training data or on another
        scale, and of a loss over twice that of guessing among the classes, or the mean of y.
        """
        before = dict(vars(self))
        try:
            self.x, self.y, *self.weights = checks.data(self.model, self.loss, x, y, sample_weight)
            restored = self._prepare(epochs, batch_size, validation_data, callbacks, resume_from)
        except BaseException:  # what is refused leaves the trainer as it was
            vars(self).clear()
            vars(self).update(before)
            raise
        self._tell("on_train_begin")
        if restored is not None:
            restored.put_back(self)
            restored = None  # its vectors need not live on
        if self.settings is not None:
            note_optimizer(self)
        while not (self.stop or self.finished):
            with np.errstate(all="ignore"):  # each step looks for NaN and infinity by itself
                self._run_epoch()
        self._tell("on_train_end")
        return self.history

    def _prepare(
        self, epochs: int, batch_size: int, validation_data: tuple[npt.ArrayLike, ...] | None,
        callbacks: Iterable[Callback], resume_from: PathLike | None,
    ) -> Restored | None:  # fmt: skip
        """Check what fit is given, and set all to the beginning, or to where a checkpoint was."""
        checks.something_trainable(self.model)
        self.validation = checks.held_out(self.model, self.loss, validation_data, self.x, self.y)
        self.baseline = constant_baseline(self.model, self.loss, self.y, *self.weights)
        checks.check_integer("epochs", epochs)
        self.batch_size = checks.check_integer("batch_size", batch_size)
        self.n_samples, self.recent_losses = len(self.x), []
        callbacks = checks.instances(callbacks, Callback, "callbacks")
        self.callbacks = sorted(callbacks, key=lambda callback: callback.order(self))
        self.totals, self.epoch, self.stop = RunningTotals(), len(self.history.epochs), False
        self.resumed, self.checkpoint, self.settings = resume_from is not None, "", None
        self.epochs = epochs if self.resumed else self.epoch + epochs
        if resume_from is not None:
            return restore(self, resume_from)
        self.optimizer.refuse_another_model(self.model.params)
        if any(isinstance(callback, Checkpoint) for callback in self.callbacks):
            note_settings(self)
        return None

    @np.errstate(all="ignore")  # what is no number is refused in words
    @checks.short_traceback
    def evaluate(
        self, x: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> dict[str, float]:
        """Return the loss on (x, y), and the accuracy if the loss is one of classes.

        sample_weight: None, or (N,), which counts in the loss as in `fit`.
        Raises InputError for data that do not fit, and where the model gives NaN, or the loss is
        infinite.
        """
        x, *targets = checks.fitting_samples(self.model, self.loss, x, y, sample_weight, "evaluate")
        totals = RunningTotals()
        for start in range(0, len(x), 1024):  # in batches: the data may be large
            p = self.model.predict(x[start : start + 1024])
            batch_y, *weights = (each[start : start + 1024] for each in targets)
            loss = self._loss_of(p, batch_y, *weights)
            if not np.isfinite(loss):
                checks.refuse_no_loss(self.model, self.loss, x, targets[0], "evaluate")
            totals.add(loss, p, batch_y, self.loss.classifies)
        return totals.means()

    def _run_epoch(self) -> None:
        began = perf_counter() - self.totals.seconds  # as if it had not been interrupted
        if not self.totals.n_samples:  # otherwise a checkpoint left it in the middle
            self.epoch += 1
            self._tell("on_epoch_begin")
        # steps already taken; rounded up, as the last batch may be smaller
        done = -(-self.totals.n_samples // self.batch_size)
        order = self.order_of(self.epoch)
        for batch in minibatches(self.x, self.y, self.batch_size, order, done, *self.weights):
            self._run_step(*batch)
            self.totals.seconds = perf_counter() - began
            self._tell("on_step_end")
            if self.stop and self.totals.n_samples < self.n_samples:
                return  # in mid-epoch, which gets no row
        row = {"epoch": self.epoch, **self.totals.means()}
        rows, left = [*self.history.epochs, row], self.epochs - self.epoch
        checks.warn_if_worse_than_baseline(rows, self.baseline, self.step, left)
        if self.validation is not None:
            try:
                row.update({f"val_{k}": v for k, v in self.evaluate(*self.validation).items()})
            except checks.NoNumbers:
                raise diverged(self) from None
        if not (all_finite(self) and np.isfinite(row.get("val_loss", 0))):
            raise diverged(self)
        row["learning_rate"] = self.optimizer.rate(self.optimizer.t)
        row["seconds"] = perf_counter() - began
        self.history.epochs.append(row)
        self.totals = RunningTotals()
        self._tell("on_epoch_end")

    def _run_step(self, x: Array, y: Array, *weights: Array) -> None:
        """Do what the loop of examples/xor.py does, and stop where the loss is no number."""
        self.batch = x, y, *weights
        self.step += 1
        p = self.model.forward(x)  # (B, ...)
        self.batch_loss = self._loss_of(p, y, *weights)
        if not np.isfinite(self.batch_loss):
            raise diverged(self)
        self.recent_losses = [*self.recent_losses[-4:], self.batch_loss]
        self.model.backward(self.loss.backward(p, y, *weights))
        self._tell("on_gradients")
        self.optimizer.step(self.model.params, self.model.grads)
        self.totals.add(self.batch_loss, p, y, self.loss.classifies)

    def _loss_of(self, p: Array, *y: Array) -> float:
        """Return the loss of a batch, as a Python float; NaN where p cannot be scored.

        y: the answers, and weights if there are any.
        """
        if not checks.scored(p, self.loss.classifies):
            return np.nan
        return checks.loss_value(self.loss.forward(p, *y), self.loss)

    def _tell(self, event: str) -> None:
        for callback in self.callbacks:
            getattr(callback, event)(self)
