"""Trainings that the tests run on several ranks, and in one process to compare with.

    mpiexec -n 3 python scenes.py FOLDER NAME ...     writes FOLDER/NAME-0.json, -1 and -2

Each function trains, with DataParallel if `parallel` is given, and returns what it found on its
rank. All ranks run the same function; `rank` tells them apart where they should differ.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np

import tinynn
from tinynn import (
    SGD,
    Adam,
    BatchNorm,
    Callback,
    Checkpoint,
    ClipGradientNorm,
    Conv2D,
    CosineDecay,
    CSVLogger,
    Dense,
    Dropout,
    EarlyStopping,
    ExponentialMovingAverage,
    Flatten,
    Layer,
    LayerNorm,
    MaxPool2D,
    MeanSquaredError,
    PrintLog,
    ReduceOnPlateau,
    Replay,
    Sequential,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    Tanh,
    Trainer,
)
from tinynn.interop.mpi import DataParallel


def data(n=53, shape=(6,), classes=3):
    rng = np.random.default_rng(1)
    return rng.normal(size=(n, *shape)), rng.integers(0, classes, n)


def network(*layers, shape=(6,), outputs=3, seed=0, dtype=np.float64):
    return Sequential([*(layers or (Dense(8), Tanh())), Dense(outputs)], shape, seed, dtype)


def trained(parallel, model=None, loss=None, optimizer=None, x=None, y=None, callbacks=(), **named):
    """Train 13 epochs in batches of 13, of which the last of 53 samples has 1."""
    model = model or network()
    if x is None:
        x, y = data()
    named = {"epochs": 13, "batch_size": 13, "validation_data": (x[:9] + 0.1, y[:9]), **named}
    trainer = Trainer(
        model, loss or SoftmaxCrossEntropy(), optimizer or Adam(0.01), seed=named.pop("order", 0)
    )
    together = [*callbacks, *([parallel] if parallel else [])]
    trainer.fit(x, y, callbacks=together, **named)
    return trainer


def found(trainer):
    """Return what n ranks and one process must have alike."""
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in trainer.history.epochs]
    return {
        "params": trainer.model.params.tolist(),
        "buffers": trainer.model.buffers.tolist(),
        "rows": rows,
        "loss": trainer.batch_loss,
        "losses": trainer.recent_losses,
        "steps": trainer.step,
        "dtype": trainer.model.params.dtype.name,
    }


class Bits(Callback):
    """Keeps a checksum of the weights after every step, on each rank."""

    def __init__(self):
        self.sums = []

    def config(self):
        return {}

    def on_step_end(self, trainer):
        vectors = trainer.model.params.tobytes(), trainer.model.buffers.tobytes()
        self.sums.append(hashlib.sha256(b"".join(vectors)).hexdigest()[:12])


# What has the numbers of one process


def classes(parallel, rank):
    return found(trained(parallel))


def numbers_with_weights(parallel, rank):
    x, _ = data()
    weights = np.random.default_rng(2).uniform(0, 2, len(x))
    y = np.sin(x[:, :2])
    held_out = (x[:9] + 0.1, y[:9])
    named = {"sample_weight": weights, "validation_data": held_out}
    model = network(Dense(5), LayerNorm(), Tanh(), outputs=2)
    return found(trained(parallel, model, MeanSquaredError(), SGD(0.05, 0.9), x, y, **named))


def shares(parallel, rank):
    x, _ = data()
    y = (x[:, :3] > 0.3).astype(float)
    return found(trained(parallel, loss=SigmoidCrossEntropy(label_smoothing=0.1), x=x, y=y))


def clipped_and_averaged(parallel, rank):
    callbacks = [ClipGradientNorm(0.05), ExponentialMovingAverage(0.9)]
    loss = SoftmaxCrossEntropy(0.1, class_weights=[1, 2, 3])
    optimizer = SGD(CosineDecay(0.5, warmup=5))
    return found(trained(parallel, loss=loss, optimizer=optimizer, callbacks=callbacks))


def stopped_early(parallel, rank):
    x, y = data()
    callbacks = [EarlyStopping(patience=3), ReduceOnPlateau(patience=1)]
    held_out = x[:9] + 0.1, (y[:9] + 1) % 3  # other answers: this loss rises
    trainer = trained(
        parallel, optimizer=SGD(0.1), callbacks=callbacks, epochs=40, validation_data=held_out
    )
    assert trainer.epoch < 40
    return found(trainer)


def images(parallel, rank):
    x, y = data(shape=(4, 4, 1))
    model = network(Conv2D(2, 3), MaxPool2D(2), Flatten(), shape=(4, 4, 1))
    return found(trained(parallel, model, x=x, y=y, epochs=3))


def normalised_inputs(parallel, rank):
    """The buffers of a BatchNorm that sees the data themselves do not depend on the weights."""
    x, y = data()
    x = 3 * x + np.arange(6)
    return found(trained(parallel, network(BatchNorm(), Dense(4), Tanh()), x=x, y=y, epochs=4,
                         batch_size=17))  # fmt: skip


class NoMean(Exception):
    pass


class RunningMean(Layer):
    """A layer of the user's own, which says how its statistics combine."""

    def buffer_shapes(self, input_shape):
        return {"mean": input_shape}

    def forward(self, x, training=True):
        if training:
            self.batch_statistics = x.mean(axis=0), x.var(axis=0), len(x)
            self.update_running(*self.batch_statistics)
        return x.copy()

    def update_running(self, mean, var, n):
        self.mean = 0.5 * self.mean + 0.5 * mean + 0.01 * var * n

    def input_gradient(self, dout):
        return dout


def own_statistics(parallel, rank):
    return found(trained(parallel, network(RunningMean(), Dense(3)), epochs=3))


# What several ranks must keep


def same_bits(parallel, rank):
    """In float32, with Dropout and BatchNorm; B = 2 leaves all ranks but one without samples."""
    result = {}
    for batch_size in (16, 2):
        x, y = data(52)
        bits = Bits()
        model = network(Dense(7), BatchNorm(), Tanh(), Dropout(0.3), dtype=np.float32)
        trained(parallel, model, x=x, y=y, callbacks=[bits], epochs=2, batch_size=batch_size)
        result[str(batch_size)] = bits.sums
    return result


def masks(parallel, rank):
    """Return the masks of each step: where the output of Dropout is 0."""
    seen = []

    class Look(Callback):
        def on_step_end(self, trainer):
            seen.append((trainer.model.layers[1].factor[:4] == 0).astype(int).tolist())

    layers = Dense(6), Dropout(0.5), Dense(3)
    results = {}
    for name, seed in (("once", 0), ("again", 0), ("other seed", 1)):
        seen.clear()
        x, y = data(48)
        x = 0.1 * x
        model = network(*layers, seed=seed)
        trained(parallel, model, x=x, y=y, callbacks=[Look()], epochs=1, batch_size=24)
        results[name] = list(seen)
        layers = Dense(6), Dropout(0.5), Dense(3)
    return results


def one_asks_to_stop(parallel, rank):
    """The last rank asks in the middle of step 7, then after epoch 2; before fit ends: all."""
    last = parallel.ranks - 1

    class Ask(Callback):
        def __init__(self, event):
            self.event = event

        def on_gradients(self, trainer):
            if (self.event, trainer.step, rank) == ("step", 7, last):
                trainer.stop = True

        def on_epoch_end(self, trainer):
            if (self.event, trainer.epoch, rank) == ("epoch", 2, last):
                trainer.stop = True

    steps, stops = [], []
    for event in ("step", "epoch"):
        trainer = trained(parallel, callbacks=[Ask(event)])
        steps.append(trainer.step)
        stops.append(trainer.stop)
    return {"steps": steps, "stops": stops}


def one_changes_weights(parallel, rank):
    class Change(Callback):
        def on_step_end(self, trainer):
            if rank == parallel.ranks - 1 and trainer.step == 3:
                trainer.model.params += 1e-12

    often = DataParallel()
    often.check_every = 5
    try:
        trained(often, callbacks=[Change()])
    except RuntimeError as error:
        return {"error": str(error)}


def an_unknown_buffer(parallel, rank):
    class Own(RunningMean):
        def forward(self, x, training=True):
            if training:
                self.mean = x.mean(axis=0)
            return x.copy()

    try:
        trained(parallel, network(Own()))
    except ValueError as error:
        return {"error": str(error)}


def all_raise(parallel, rank):
    """An error that all ranks raise can be caught; then they train as if nothing had been."""

    class Fail(Callback):
        affects_training = True

        def on_step_end(self, trainer):
            if trainer.step == 4:
                raise NoMean

    for _ in range(2):
        try:
            trained(parallel, callbacks=[Fail()])
        except NoMean:
            pass
        else:
            return {}
    return found(trained(parallel))


def starts_with_rank_0(parallel, rank):
    model = network()
    model.params += rank
    return found(trained(parallel, model))


def replayed(parallel, rank):
    def begun():
        return Trainer(network(), SoftmaxCrossEntropy(), Adam(0.01))

    x, y = data()
    arguments = {"epochs": 3, "batch_size": 13, "callbacks": [parallel]}
    replay = Replay(begun(), x, y, **arguments)
    trainer = begun()
    trainer.fit(x, y, **arguments)
    same = replay.at(trainer.step).model.params.tobytes() == trainer.model.params.tobytes()
    return {"same": same, "loss of step 7": replay.at(7).loss}


def files(parallel, rank):
    """All ranks give the callbacks that write; the folder is one for all."""
    log, checkpoint = Path("log.csv"), Path("run-{step}.npz")
    trained(parallel, callbacks=[CSVLogger(log), Checkpoint(checkpoint), PrintLog()], epochs=2)
    return {}


def in_groups(parallel, rank):
    """Two groups of ranks train at once; then each rank by itself."""
    from mpi4py import MPI

    group = DataParallel(MPI.COMM_WORLD.Split(rank % 2))
    return {"group": classes(group, rank), "alone": classes(DataParallel(MPI.COMM_SELF), rank)}


# What must be the same on all ranks


def different(parallel, rank):
    """Let the last rank differ in one thing after another; return what each answer says."""
    x, y = data()
    other = rank == parallel.ranks - 1
    swapped = x.copy()
    swapped[[3, 4]] = x[[4, 3]]
    trials = {
        "x": lambda: trained(parallel, x=x + other * 1e-9, y=y),
        "order": lambda: trained(parallel, x=swapped if other else x, y=y),
        "length": lambda: trained(parallel, x=x[other:], y=y[other:]),
        "dtype": lambda: trained(parallel, x=x.astype(np.float32 if other else float), y=y),
        "y": lambda: trained(parallel, x=x, y=np.roll(y, other)),
        "validation": lambda: trained(parallel, validation_data=(x[:5] - 0.1 * other, y[:5])),
        "no validation": lambda: trained(
            parallel, validation_data=None if other else (x[:5] - 0.1, y[:5])
        ),
        "weights": lambda: trained(parallel, sample_weight=np.full(len(x), 1.0 + other)),
        "batch_size": lambda: trained(parallel, batch_size=13 + other),
        "epochs": lambda: trained(parallel, epochs=2 + other),
        "order of samples": lambda: trained(parallel, order=int(other)),
        "seed of the model": lambda: trained(parallel, network(seed=int(other))),
        "layers": lambda: trained(parallel, network(Dense(8 + other), Tanh())),
        "precision": lambda: trained(parallel, network(dtype=np.float32 if other else float)),
        "loss": lambda: trained(parallel, loss=SoftmaxCrossEntropy(0.1 * other)),
        "optimizer": lambda: trained(parallel, optimizer=SGD() if other else Adam()),
        "learning rate": lambda: trained(parallel, optimizer=SGD(0.1 + other)),
        "schedule": lambda: trained(parallel, optimizer=SGD(CosineDecay(0.1 + other))),
        "callbacks": lambda: trained(parallel, callbacks=[ClipGradientNorm(1 + other)]),
        "frozen": lambda: trained(parallel, frozen_if(other)),
        "version": lambda: trained_with_version(parallel, "0.0.9" if other else None),
    }
    said = {}
    for name, trial in trials.items():
        try:
            trial()
        except ValueError as error:
            said[name] = f"{type(error).__name__}: {error}"
    return said


def frozen_if(wanted):
    model = network()
    model.layers[0].trainable = not wanted
    return model


def trained_with_version(parallel, version):
    before = tinynn.__version__
    tinynn.__version__ = version or before
    try:
        trained(parallel)
    finally:
        tinynn.__version__ = before


def main():
    folder, *names = sys.argv[1:]
    parallel = DataParallel()
    for name in names:
        result = globals()[name](parallel, parallel.rank)
        path = Path(folder, f"{name}-{parallel.rank}.json")
        path.write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()
