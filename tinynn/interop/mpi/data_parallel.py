"""One training on several machines: each computes the gradient of its part of each batch.

    mpiexec -n 4 python program.py      starts the program four times: ranks 0, 1, 2 and 3

    the same shuffled batch on all -> on_step_begin: each keeps its part -> forward, loss, backward
      -> on_gradients: Allreduce of model.grads -> the same step of the optimizer on all

mpi4py and an MPI library (MPICH, Open MPI, or that of your cluster) move the numbers. Here stands
only what a training needs beside that: which samples, which weights, which averages, what must be
the same, and that no rank waits for one that failed.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from tinynn import checks
from tinynn.errors import InputError
from tinynn.interop.mpi.buffers import RunningStatistics
from tinynn.interop.mpi.job import (
    abort_with_traceback,
    all_are_here,
    is_launched,
    load_mpi,
    numbers_of_all,
    texts_of_all,
    wait_for_all,
    watch,
)
from tinynn.interop.mpi.settings import described, refuse_different
from tinynn.training.fingerprints import checksum
from tinynn.training.history import RunningTotals
from tinynn.training.replay_callbacks import FIRST, Arrival, Watch
from tinynn.training.run import Callback, Run

if is_launched():  # already here: an error of the program before DataParallel() ends the job, too
    watch()


class DataParallel(Callback):
    """Train one model on all ranks of an MPI job: give it to fit on each of them.

    The program runs on all ranks, and each has all the data. In each step rank r of n trains on its
    part of the batch of B samples, about B / n, and all add up their gradients:

        g = sum_r (B_r / B) g_r         B_r: the samples of rank r; g_r: the mean of their gradients

    So n ranks compute what one process would with the same batch_size, to rounding; sums in another
    order round otherwise. (Goyal and others, Accurate, Large Minibatch SGD: Training ImageNet in 1
    Hour, 2017, sections 3 and 4.) A last batch that is smaller may leave ranks without samples.
    More ranks shorten a step only if batch_size is large enough; with a larger one, the learning
    rate must be chosen anew (section 2 there).

    comm: a communicator of mpi4py; default None, all ranks of the job. After the first step, after
    each hundredth (the attribute check_every = 100) and after the last, a checksum compares the
    weights of all ranks.

    What is as in one process: totals, batch_loss and history are those of all samples, on all
    ranks. Callbacks see the gradient of the whole batch (clipping too). Training stops on all ranks
    after the same step if `trainer.stop` is set on one of them, at any time. The weights at the
    start are those of rank 0.

    What is not: callbacks that only watch (affects_training = False), so all that write files or
    print, act on rank 0 alone. trainer.batch is the rank's own part. Random layers draw other
    numbers on each rank, a function of the model's seed, the layer's position, the step and the
    rank. BatchNorm normalises each rank's part by itself; its running mean and variance are those
    of all samples together. Another layer with buffers of its own must say how they combine: see
    `Layer`. Validation data are scored by each rank as a whole; the row of rank 0 counts.

    Raises ImportError if mpi4py or an MPI library is missing. At the start of fit, on all ranks,
    InputError that names what differs between them: data, settings, versions, checkpoints. Later
    RuntimeError if weights differ, as when a callback changes them on one rank alone. An exception
    on one rank ends the job, with its traceback; one that all ranks raise can be caught. A run is
    resumed with as many ranks, and then ends with the same bits; with another number it is refused,
    because sums would round otherwise. The path in resume_from is read on each rank.

    >>> from tinynn import SGD, Dense, MeanSquaredError, Sequential, Trainer
    >>> x = np.linspace(-1, 1, 50)[:, None]
    >>> model = Sequential([Dense(1)], input_shape=(1,))
    >>> trainer = Trainer(model, MeanSquaredError(), SGD(0.1))
    >>> parallel = DataParallel()
    >>> history = trainer.fit(x, 3 * x + 1, epochs=60, callbacks=[parallel])
    >>> if parallel.rank == 0:
    ...     print(model.layers[0].W.round(2))
    [[3.]]
    """

    check_every = 100
    _all: Any = None  # in training: a communicator for its own messages
    _failing: Any = None  # and one for exceptions
    _own = _whole = 0  # samples of this rank and of all in this step
    _before: RunningTotals  # the totals of all before this step
    _statistics: RunningStatistics
    _first = 0  # the first step of this fit

    @checks.short_traceback
    def __init__(self, comm: Any = None) -> None:
        self.comm = comm
        self._mpi = load_mpi()
        self._world = self._mpi.COMM_WORLD if comm is None else comm
        for name in ("Allreduce", "Ibarrier", "Dup"):
            if not hasattr(self._world, name):
                raise InputError(
                    f"comm must be a communicator of mpi4py, such as MPI.COMM_WORLD, got {comm!r}."
                )
        if self.ranks > 1:
            watch()

    @property
    def rank(self) -> int:
        """The number of this process, from 0."""
        return int(self._world.rank)

    @property
    def ranks(self) -> int:
        """How many processes train together."""
        return int(self._world.size)

    def wait(self) -> None:
        """Wait until all ranks have called this; the job ends if one of them has left it.

        So the others may wait while rank 0 does what only one should do: downloads, makes a folder.
        """
        wait_for_all(self._world)

    def config(self) -> dict[str, Any]:
        """Return no argument: `comm` belongs to a job, and not to the training."""
        return {}

    def __deepcopy__(self, memo: dict[int, Any]) -> "DataParallel":
        """For Replay: a communicator cannot be copied."""
        twin = DataParallel(self.comm)
        twin.check_every = self.check_every
        return twin

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickle, which needs a `comm` that mpi4py can pickle."""
        return type(self), (self.comm,), {"check_every": self.check_every}

    def order(self, trainer: Run) -> int:
        return FIRST  # the others find the gradient and the totals of all ranks

    def state(self) -> dict[str, Any]:
        return {"ranks": self.ranks}

    def load_state(self, state: dict[str, Any]) -> None:
        if state["ranks"] != self.ranks:
            raise InputError(
                f"it was trained on {state['ranks']} ranks, and these are {self.ranks}: sums would "
                "round otherwise, and layers draw other numbers, so the run would not end as it "
                f"would have. Write mpiexec -n {state['ranks']}; or load the weights, and begin a "
                "new fit"
            )

    def on_train_begin(self, trainer: Run) -> None:
        if sum(isinstance(callback, DataParallel) for callback in trainer.callbacks) > 1:
            raise InputError("fit needs one DataParallel: two would add up the gradients twice.")
        checks.check_integer("check_every", self.check_every)
        wait_for_all(self._world)
        self._all, self._failing = self._world.Dup(), self._world.Dup()
        texts = texts_of_all(self._all, described(trainer, mpi4py=self._version()))
        refuse_different(texts)
        model, optimizer = trainer.model, trainer.optimizer
        if not trainer.resumed:  # otherwise they are equal already: `described` has a checksum
            for name in sorted(optimizer.slots):
                self._all.Bcast(optimizer.slots[name])
            self._all.Bcast(model.params)
            self._all.Bcast(model.buffers)
        model.streams.rank = self.rank
        self._statistics, self._first = RunningStatistics(model), trainer.step + 1
        trainer.stop_agreed = False
        self._change_callbacks(trainer)

    def _version(self) -> str:
        import mpi4py

        return str(mpi4py.__version__)

    def _change_callbacks(self, trainer: Run) -> None:
        """Leave out those that only watch, but on rank 0; let _StopTogether have the last word."""
        affecting = [
            callback
            for callback in trainer.callbacks
            if callback.affects_training or self.rank == 0 or isinstance(callback, (Arrival, Watch))
        ]
        last = _StopTogether(self._all)
        later = (
            i for i, each in enumerate(affecting) if each.order(trainer) >= last.order(trainer)
        )
        affecting.insert(next(later, len(affecting)), last)
        trainer.callbacks[:] = affecting

    def on_step_begin(self, trainer: Run) -> None:
        """Keep this rank's part; without one, train on the first samples, which do not count."""
        samples = trainer.samples
        least = max(1, *(layer.least_samples() for layer in trainer.model.layers))
        parts = max(1, min(self.ranks, len(samples) // least))
        self._whole, self._own, self._before = len(samples), 0, replace(trainer.totals)
        if self.rank < parts:
            first, stop = (len(samples) * r // parts for r in (self.rank, self.rank + 1))
            trainer.samples, self._own = samples[first:stop], stop - first
        else:
            trainer.samples = samples[:least]

    def on_gradients(self, trainer: Run) -> None:
        grads = trainer.model.grads
        if not self._own:
            grads[:] = 0  # also where they are not finite
        elif self._own != self._whole:
            grads *= self._own / self._whole
        self._all.Allreduce(self._mpi.IN_PLACE, grads)

    def on_step_end(self, trainer: Run) -> None:
        """Bring loss, totals and running statistics to those of all ranks' samples."""
        totals, before = trainer.totals, self._before
        n_correct = (totals.n_correct or 0) - (before.n_correct or 0)
        own = [self._own, trainer.batch_loss, n_correct]
        of_all = numbers_of_all(self._all, np.concatenate([own, self._statistics.own()]))
        of_all = of_all[of_all[:, 0] > 0]  # without ranks that had no samples
        shares = of_all[:, 0] / self._whole

        trainer.batch_loss = float((shares * of_all[:, 1]).sum())
        trainer.recent_losses[-1] = trainer.batch_loss
        totals.n_samples = before.n_samples + self._whole
        totals.loss = before.loss + trainer.batch_loss * self._whole
        if totals.n_correct is not None:  # a whole number of classes, or a sum of shares
            kind = type(totals.n_correct)
            totals.n_correct = (before.n_correct or 0) + kind(of_all[:, 2].sum())
        self._statistics.update(shares, of_all[:, 3:], self._whole / len(trainer.batch[0]))
        if trainer.step == self._first or trainer.step % self.check_every == 0:
            self._compare(trainer)

    def on_epoch_end(self, trainer: Run) -> None:
        """Give all ranks the row of rank 0, so that all decide alike by it."""
        row = trainer.history.epochs[-1]
        numbers = np.array([float(number) for number in row.values()])
        self._all.Bcast(numbers)
        for name, number in zip(row, numbers.tolist(), strict=True):
            row[name] = type(row[name])(number)

    def on_train_end(self, trainer: Run) -> None:
        try:
            self._compare(trainer)
        finally:
            self._end(trainer)

    def on_train_error(self, trainer: Run) -> None:
        """Let an exception that all ranks raise go on; another one ends the job."""
        if self._failing is None:  # it was raised before this callback had begun
            return
        if not all_are_here(self._failing):
            abort_with_traceback(self.rank)
        self._end(trainer)

    def _end(self, trainer: Run) -> None:
        trainer.stop, trainer.stop_agreed = trainer.stop, None
        trainer.model.streams.rank = 0
        trainer.callbacks[:] = [c for c in trainer.callbacks if not isinstance(c, _StopTogether)]
        self._all.Free()
        self._failing.Free()
        self._all = self._failing = None

    def _compare(self, trainer: Run) -> None:
        """Raise RuntimeError, on all ranks, unless their weights and buffers are the same bits."""
        own = checksum(trainer.model.params, trainer.model.buffers)
        first, *others = texts_of_all(self._all, own)
        different = [str(rank) for rank, one in enumerate(others, start=1) if one != first]
        if different:
            raise RuntimeError(
                f"After step {trainer.step} the weights of rank {', '.join(different)} are not "
                "those of rank 0. Does a callback change them on one rank alone, or otherwise than "
                "on the others? If not, the machines round otherwise, or one has a fault."
            )


class _StopTogether(Callback):
    """The last word before those that save: all stop after a step if one rank asks for it."""

    affects_training = False

    def __init__(self, comm: Any) -> None:
        self.comm = comm

    def order(self, trainer: Run) -> int:
        return 2  # and before others of this order, such as Checkpoint

    def on_train_begin(self, trainer: Run) -> None:
        asked = numbers_of_all(self.comm, np.array([trainer.stop_asked]))
        trainer.stop_agreed = bool(asked.any())

    def on_step_end(self, trainer: Run) -> None:
        self.on_train_begin(trainer)

    def on_epoch_end(self, trainer: Run) -> None:
        self.on_train_begin(trainer)
