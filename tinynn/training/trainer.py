"""The training loop, written once for all models. examples/xor.py writes it by hand: read it first.

epoch:  shuffle -> [ batch -> forward -> loss -> backward -> on_gradients -> optimizer ] ...
        -> validation -> one row of the History -> callbacks
"""

from collections.abc import Iterable
from time import perf_counter

import numpy as np
import numpy.typing as npt

from tinynn import checks
from tinynn.files.atomic import PathLike
from tinynn.losses import Loss
from tinynn.parameters import Array
from tinynn.training.baseline import constant_baseline
from tinynn.training.checkpoint import Checkpoint
from tinynn.training.divergence import all_finite, diverged
from tinynn.training.history import History, RunningTotals
from tinynn.training.resume import Restored, restore
from tinynn.training.run import Callback, Run
from tinynn.training.run_state import note_optimizer, note_settings, tell_schedule


class Trainer(Run):
    """Trains a model: `fit` repeats the step over batches and epochs, and calls the callbacks.

    seed: 0 or more, default 0. The order of the samples in each epoch depends on it alone.
    metrics: a list of functions (p, y) -> number, such as tinynn.roc_auc; default none. `evaluate`
    calls each with the predictions (N, ...) and targets of all samples at once, since most metrics
    are not the mean of those of batches; sample weights do not reach them. They are the columns
    val_<name> of the history. A function's name is its `name` if it has one, or its `__name__`; a
    functools.partial without one has that of its function.

    A callback is given the Trainer, and may read these attributes:

        model, loss, optimizer  the objects that the Trainer was made with
        epoch, epochs           number of the current epoch, counted from 1; number of the last one
        step                    number of the current step, counted from 1 over all epochs
        batch                   arrays of this step: (x, y), or (x, y, weights) with sample_weight;
                                x (B, *input_shape), y (B, ...), weights (B,)
        batch_loss              the mean loss of this batch, a float
        n_samples               number of training samples, N
        totals                  sums over the epoch so far: totals.n_samples, .loss, .n_correct;
                                totals.means() returns the mean loss (and accuracy)
        history                 the History; history.epochs[-1] is the row of the last whole epoch
        columns                 names of the metrics that training writes into each row
        baseline                the best constant prediction; baseline.loss is its loss
        resumed                 True if fit was given resume_from
        finished                True after the last epoch
        stop                    False; set it to True to end training after this step

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
        """Train for some epochs. Return the History: the metrics of each epoch.

        x: samples (N, *input_shape).
        y: targets (N, ...), in a shape that the loss accepts: classes (N,), or numbers.
        epochs: how many more, 1 or more; with resume_from, how many in all.
        batch_size: samples per step, default 32. The last batch of an epoch may be smaller.
        validation_data: (x, y) or (x, y, sample_weight), scored after each epoch and not trained
            on; default None.
        callbacks: a list; default none. They are called in this order, except that a callback that
            reads a row of the history comes after those that may write into it; Checkpoint is last.
        resume_from: the path of a checkpoint from which training goes on; default None. The result
            has the same bits as that of a training that never stopped.
        sample_weight: the weight of each sample (N,), 0 or more, not all 0; default None. The loss
            is then (1/N) sum_n w_n l_n, and likewise for a batch; the accuracy ignores weights.

        Raises InputError before the first step if data do not fit, or if settings are not those of
        the checkpoint. Raises TrainingDiverged if the loss or a parameter becomes NaN or infinite.
        Warns if x holds unscaled bytes, if validation data are training data or have another scale,
        and if the loss is over twice that of guessing the class, or of predicting the mean of y.
        """
        checks.no_fit_within(self._told_now)
        before = dict(vars(self))
        try:
            self.x, self.y, *self.weights = checks.data(self.model, self.loss, x, y, sample_weight)
            restored = self._prepare(epochs, batch_size, validation_data, callbacks, resume_from)
        except BaseException:  # fit was refused: the trainer stays as it was
            vars(self).clear()
            vars(self).update(before)
            raise
        with self.told():  # on_train_begin, and then on_train_end or on_train_error
            if restored is not None:
                restored.put_back(self)
                restored = None  # frees its vectors
            if self.settings is not None:
                note_optimizer(self)
            while not (self.stop or self.finished):
                with np.errstate(all="ignore"):  # each step looks for NaN and infinity by itself
                    self._run_epoch()
        return self.history

    def _prepare(
        self, epochs: int, batch_size: int, validation_data: tuple[npt.ArrayLike, ...] | None,
        callbacks: Iterable[Callback], resume_from: PathLike | None,
    ) -> Restored | None:  # fmt: skip
        """Check fit's arguments, and set the run to its beginning, or to that of the checkpoint."""
        checks.something_trainable(self.model)
        self.validation = checks.held_out(self.model, self.loss, validation_data, self.x, self.y)
        checks.metrics_have_data(self.metrics, self.validation)
        self.baseline = constant_baseline(self.model, self.loss, self.y, *self.weights)
        checks.check_integer("epochs", epochs)
        self.batch_size = checks.batch_size(self.model, batch_size, len(self.x))
        self.n_samples, self.recent_losses = len(self.x), []
        self.begin(epochs, callbacks, resumed=resume_from is not None)
        if resume_from is not None:
            return restore(self, resume_from)
        self.optimizer.refuse_another_model(self.model.params)
        tell_schedule(self)
        if any(isinstance(callback, Checkpoint) for callback in self.callbacks):
            note_settings(self)
        return None

    @np.errstate(all="ignore")  # NaN and infinity raise an InputError instead
    @checks.short_traceback
    def evaluate(
        self, x: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> dict[str, float]:
        """Return the mean loss on (x, y); the accuracy, for classes and yes or no; and each metric.

        Label smoothing belongs to training: the loss is scored without it, also in validation.
        x, y: as in `fit`. sample_weight: the weight of each sample in the loss (N,); default None.
        The metrics of the Trainer get the predictions and y of all samples at once, and no weights.
        Raises InputError if data do not fit, if the model returns NaN, if the loss is infinite, or
        if a metric does not return a finite number.
        """
        x, *targets = checks.fitting_samples(self.model, self.loss, x, y, sample_weight, "evaluate")
        totals, outputs = RunningTotals(), []
        for part in checks.prediction_batches(self.model, len(x)):  # the data may be large
            p = self.model.predict(x[part])
            batch_y, *weights = (each[part] for each in targets)
            loss = self._loss_of(self.loss.for_evaluation(), p, batch_y, *weights)
            if not np.isfinite(loss):
                checks.refuse_no_loss(self.model, self.loss, x, targets[0], "evaluate")
            totals.add(loss, p, batch_y, self.loss)
            outputs += [p] if self.metrics else []
        return {**totals.means(), **checks.measured(self.metrics, outputs, targets[0])}

    def _run_epoch(self) -> None:
        began = perf_counter() - self.totals.seconds  # as if it had not been interrupted
        if not self.totals.n_samples:  # otherwise the run was resumed in mid-epoch
            self.epoch += 1
            self.tell("on_epoch_begin")
        # steps already taken; rounded up, as the last batch may be smaller
        done = -(-self.totals.n_samples // self.batch_size)
        for batch in self.batches(done):
            self._run_step(*batch)
            self.totals.seconds = perf_counter() - began
            self.tell("on_step_end")
            if self.stop and self.totals.n_samples < self.n_samples:
                return  # an unfinished epoch gets no row
        row = {"epoch": self.epoch, **self.totals.means()}
        rows, left = [*self.history.epochs, row], self.epochs - self.epoch
        checks.warn_if_worse_than_baseline(rows, self.baseline, self.step, left)
        if self.validation is not None:
            row.update(self._validated(*self.validation))
        if not (all_finite(self) and np.isfinite(row.get("val_loss", 0))):
            raise diverged(self)
        row["learning_rate"] = self.optimizer.rate(self.optimizer.t)
        row["seconds"] = perf_counter() - began
        self.history.epochs.append(row)
        self.totals = RunningTotals()
        self.tell("on_epoch_end")

    def _validated(self, *data: Array) -> dict[str, float]:
        with self.validating():
            try:
                return {f"val_{name}": value for name, value in self.evaluate(*data).items()}
            except checks.NoNumbers:
                raise diverged(self) from None

    def _run_step(self, x: Array, y: Array, *weights: Array) -> None:
        """Do one step, as examples/xor.py does, and stop if the loss is not finite."""
        self.batch = x, y, *weights
        self.step += 1
        p = self.model.forward(x)  # (B, ...)
        self.batch_loss = self._loss_of(self.loss, p, y, *weights)
        if not np.isfinite(self.batch_loss):
            raise diverged(self)
        self.recent_losses = [*self.recent_losses[-4:], self.batch_loss]
        self.model.backward(self.loss.backward(p, y, *weights))
        self.tell("on_gradients")
        self.optimizer.step(self.model.params, self.model.grads)
        self.totals.add(self.batch_loss, p, y, self.loss)

    def _loss_of(self, loss: Loss, p: Array, *y: Array) -> float:
        """Return the loss of a batch as a Python float, or NaN if p cannot be scored.

        y: the targets, then the weights if there are any.
        """
        if not checks.scored(p, loss.classifies):
            return np.nan
        return checks.loss_value(loss.forward(p, *y), loss)
