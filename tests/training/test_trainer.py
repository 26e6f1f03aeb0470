"""Protects the loop: the order in a step, its metrics, its refusals, and the same bits again."""

import csv
import tracemalloc
import warnings

import numpy as np
import pytest

from tinynn import (
    SGD,
    Adam,
    Callback,
    CrossEntropy,
    CSVLogger,
    Dense,
    Flatten,
    MeanSquaredError,
    ReLU,
    Sequential,
    Softmax,
    SoftmaxCrossEntropy,
    Trainer,
    minibatches,
)

PROMISED = (
    "model",
    "loss",
    "optimizer",
    "epoch",
    "step",
    "batch",
    "batch_loss",
    "history",
    "stop",
)
NO_STEP = 1e-30  # a learning rate too small to change a float32 near 1


def data(n=50, seed=0):
    """Three clouds of points, one for each class."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    x = 0.2 * rng.normal(size=(n, 4)) + 0.4 * np.eye(3, 4)[y]
    return x.astype(np.float32), y


def network(seed=0):
    return Sequential([Dense(8), ReLU(), Dense(3), Softmax()], input_shape=(4,), seed=seed)


def trainer(seed=0, rate=0.01):
    return Trainer(network(), CrossEntropy(), Adam(rate), seed)


class Spy(Callback):
    """Calls a function with the event's name and the trainer at each event."""

    EVENTS = (
        "on_train_begin",
        "on_epoch_begin",
        "on_gradients",
        "on_step_end",
        "on_epoch_end",
        "on_train_end",
    )

    def __init__(self, tell):
        self.tell = tell

    def on_train_begin(self, trainer):
        self.tell("on_train_begin", trainer)

    def on_epoch_begin(self, trainer):
        self.tell("on_epoch_begin", trainer)

    def on_gradients(self, trainer):
        self.tell("on_gradients", trainer)

    def on_step_end(self, trainer):
        self.tell("on_step_end", trainer)

    def on_epoch_end(self, trainer):
        self.tell("on_epoch_end", trainer)

    def on_train_end(self, trainer):
        self.tell("on_train_end", trainer)


def at(event, act):
    """Return a callback that acts at one event."""
    return Spy(lambda name, trainer: act(trainer) if name == event else None)


def without_seconds(history):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in history.epochs]


def batches_of(x, y, size, seed, epoch):
    """The batches of an epoch, by the rule that docs/design.md states."""
    order = np.random.SeedSequence(seed, spawn_key=(1, epoch))
    return minibatches(x, y, size, np.random.default_rng(order))


@pytest.mark.outcome
def test_xor_is_learned():
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    model = Sequential([Dense(8), ReLU(), Dense(2), Softmax()], input_shape=(2,), seed=1)
    history = Trainer(model, CrossEntropy(), Adam(0.02)).fit(x, [0, 1, 1, 0], 300, batch_size=4)
    assert model.predict(x).argmax(axis=1).tolist() == [0, 1, 1, 0]
    assert history["accuracy"][-1] == 1
    assert history["loss"][-1] < 0.05 < history["loss"][0]


@pytest.mark.parametrize("make", [lambda: SGD(0.05, momentum=0.9), lambda: Adam(0.01)])
def test_the_trainer_is_the_loop_by_hand_bit_for_bit(make):
    x, y = data()
    model, loss, optimizer = network(), CrossEntropy(), make()
    for epoch in (1, 2, 3):
        for xb, yb in batches_of(x, y, 8, 5, epoch):
            p = model.forward(xb)
            model.backward(loss.backward(p, yb))
            optimizer.step(model.params, model.grads)
    trained = Trainer(network(), CrossEntropy(), make(), seed=5)
    trained.fit(x, y, epochs=3, batch_size=8)
    assert trained.model.params.tobytes() == model.params.tobytes()
    assert trained.step == optimizer.t == 21


def test_a_step_goes_forward_loss_backward_gradients_step_end(monkeypatch):
    x, y = data(4)
    run, events = trainer(), []

    def spy_on(thing, method, name):
        original = getattr(thing, method)

        def spied(*args):
            events.append(name)
            return original(*args)

        monkeypatch.setattr(thing, method, spied)

    def begin(run):  # only now: the checks before training call forward and loss too
        spy_on(run.model, "forward", "forward")
        spy_on(run.loss, "forward", "loss")
        spy_on(run.loss, "backward", "loss.backward")
        spy_on(run.model, "backward", "backward")
        spy_on(run.optimizer, "step", "step")

    told = Spy(lambda name, run: events.append(name))
    run.fit(x, y, epochs=1, batch_size=2, callbacks=[at("on_train_begin", begin), told])
    step = ["forward", "loss", "loss.backward", "backward", "on_gradients", "step", "on_step_end"]
    assert events == [
        "on_train_begin", "on_epoch_begin", *step, *step, "on_epoch_end", "on_train_end",
    ]  # fmt: skip


def test_no_parameter_changes_before_backward_has_ended():
    x, y = data()
    run, kept = trainer(), []
    keep = at("on_step_end", lambda run: kept.append(run.model.params.tobytes()))
    kept.append(run.model.params.tobytes())

    def compare(run):
        assert run.model.params.tobytes() == kept[-1]

    run.fit(x, y, epochs=2, batch_size=8, callbacks=[at("on_gradients", compare), keep])
    assert len(set(kept)) == len(kept) == 15  # and every step changes some


def test_during_on_gradients_the_gradients_are_of_this_batch():
    x, y = data()

    def compare(run):
        twin = network()
        twin.params = run.model.params
        xb, yb = run.batch
        twin.backward(CrossEntropy().backward(twin.forward(xb), yb))
        assert twin.grads.tobytes() == run.model.grads.tobytes()

    trainer().fit(x, y, epochs=1, batch_size=8, callbacks=[at("on_gradients", compare)])


def test_on_gradients_can_clip():
    x, y = data()

    def clip(run):
        np.clip(run.model.grads, -1e-3, 1e-3, out=run.model.grads)

    run = Trainer(network(), CrossEntropy(), SGD(1.0))
    before = run.model.params.copy()
    run.fit(x, y, epochs=1, batch_size=50, callbacks=[at("on_gradients", clip)])
    largest = np.abs(run.model.params - before).max()
    assert largest == pytest.approx(1e-3, rel=1e-3)  # the clipped step, and not one further


@pytest.mark.parametrize("event", Spy.EVENTS)
def test_hooks_find_the_promised_attributes(event):
    x, y = data(8)

    def look(run):
        for name in PROMISED:
            assert hasattr(run, name), name

    trainer().fit(x, y, epochs=1, batch_size=4, callbacks=[at(event, look)])


def test_hooks_see_epoch_step_batch_and_loss_of_the_moment():
    x, y = data(10)
    seen = []

    def look(run):
        xb, yb = run.batch
        seen.append((run.epoch, run.step, len(xb), run.totals.n_samples))
        assert any(np.array_equal(xb[0], row) for row in x)
        assert len(yb) == len(xb)
        assert run.batch_loss > 0
        assert run.n_samples == 10
        assert run.epochs == 2
        assert run.stop is False
        assert len(run.history.epochs) == run.epoch - 1

    run = trainer()
    run.fit(x, y, epochs=2, batch_size=4, callbacks=[at("on_step_end", look)])
    assert seen == [
        (1, 1, 4, 4), (1, 2, 4, 8), (1, 3, 2, 10), (2, 4, 4, 4), (2, 5, 4, 8), (2, 6, 2, 10),
    ]  # fmt: skip


def test_during_on_gradients_step_is_the_current_step():
    x, y = data(10)
    seen = []
    watch = at("on_gradients", lambda run: seen.append((run.epoch, run.step)))
    trainer().fit(x, y, epochs=2, batch_size=5, callbacks=[watch])
    assert seen == [(1, 1), (1, 2), (2, 3), (2, 4)]  # "step, counted from 1"


def test_batch_loss_is_that_of_the_batch_before_its_step():
    x, y = data(20)
    run, told = trainer(), []
    run.fit(
        x, y, 1, batch_size=8, callbacks=[at("on_gradients", lambda r: told.append(r.batch_loss))]
    )
    twin, expected = network(), []
    adam = Adam(0.01)
    for xb, yb in batches_of(x, y, 8, 0, 1):
        p = twin.forward(xb)
        expected.append(-np.log(p[np.arange(len(yb)), yb].astype(float)).mean())
        twin.backward(CrossEntropy().backward(p, yb))
        adam.step(twin.params, twin.grads)
    assert told == pytest.approx(expected, rel=1e-6)


def test_every_sample_comes_once_an_epoch_in_an_order_of_its_own():
    x, y = np.arange(10.0)[:, None], np.zeros((10, 1))
    model = Sequential([Dense(1)], input_shape=(1,))
    seen = []
    watch = at("on_step_end", lambda run: seen.append(run.batch[0].ravel().tolist()))
    Trainer(model, MeanSquaredError(), SGD(1e-3)).fit(x, y, 3, batch_size=4, callbacks=[watch])
    assert [len(batch) for batch in seen] == [4, 4, 2] * 3  # the last, smaller batch is kept
    orders = [(*seen[i], *seen[i + 1], *seen[i + 2]) for i in (0, 3, 6)]
    assert all(sorted(order) == list(range(10)) for order in orders)
    assert len({*orders, tuple(range(10))}) == 4


def test_labels_stay_with_their_samples():
    x = np.arange(30.0)[:, None]

    def compare(run):
        xb, yb = run.batch
        assert np.array_equal(2 * xb, yb)

    model = Sequential([Dense(1)], input_shape=(1,))
    run = Trainer(model, MeanSquaredError(), SGD(1e-9))
    run.fit(x, 2 * x, 2, batch_size=7, callbacks=[at("on_gradients", compare)])


def test_epoch_means_are_weighted_by_samples():
    # a model that always says 0: the squared errors are y^2, and their mean is 285 / 10 whatever
    # the batches; the mean of the batches' means, of 4, 4 and 2, would be another
    x, y = np.zeros((10, 1)), np.arange(10.0)[:, None]
    model = Sequential([Dense(1)], input_shape=(1,))
    history = Trainer(model, MeanSquaredError(), SGD(NO_STEP)).fit(x, y, 2, batch_size=4)
    assert history["loss"] == pytest.approx([28.5, 28.5], rel=1e-6)


def test_epoch_accuracy_counts_samples():
    # x is the class that this model will name; 7 of 10 labels agree
    model = Sequential([Dense(2), Softmax()], input_shape=(2,))
    model.layers[0].W = np.eye(2)
    x = np.eye(2)[[0, 1, 0, 1, 0, 1, 0, 1, 0, 1]]
    y = np.array([0, 1, 0, 1, 0, 1, 0, 0, 1, 0])
    run = Trainer(model, CrossEntropy(), SGD(NO_STEP))
    history = run.fit(x, y, epochs=1, batch_size=4)
    assert history["accuracy"] == [0.7]
    assert run.fit(x, np.eye(2)[y], epochs=1, batch_size=3)["accuracy"][-1] == 0.7


def test_metrics_of_an_epoch_are_computed_before_each_step():
    x, y = data(20)
    history = trainer(rate=0.5).fit(x, y, epochs=1, batch_size=20)
    p = network().predict(x)
    assert history["loss"][0] == pytest.approx(-np.log(p[np.arange(20), y]).mean(), rel=1e-5)
    assert history["accuracy"][0] == (p.argmax(axis=1) == y).mean()


def test_validation_is_scored_after_the_epoch():
    x, y = data(40)
    run = trainer(rate=0.05)
    held_out = data(15, seed=1)
    row = run.fit(x, y, epochs=1, validation_data=held_out).epochs[-1]
    p = run.model.predict(held_out[0])
    expected = -np.log(p[np.arange(15), held_out[1]].astype(float)).mean()
    assert row["val_loss"] == pytest.approx(expected, rel=1e-6)
    assert row["val_accuracy"] == pytest.approx((p.argmax(axis=1) == held_out[1]).mean())


def test_validation_data_change_no_weight():
    x, y = data()
    with_it, without = trainer(), trainer()
    with_it.fit(x, y, epochs=2, validation_data=data(9, seed=1))
    without.fit(x, y, epochs=2)
    assert with_it.model.params.tobytes() == without.model.params.tobytes()


def test_the_rows_hold_all_metrics_in_the_order_of_the_csv():
    x, y = data()
    history = trainer().fit(x, y, epochs=2, validation_data=(x[::-1], y[::-1]))
    columns = ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"]
    assert [list(row) for row in history.epochs] == [columns, columns]
    assert history["epoch"] == [1, 2]
    assert history["learning_rate"] == [0.01, 0.01]
    assert all(0 < seconds < 60 for seconds in history["seconds"])


def test_without_validation_its_columns_are_missing():
    x, y = data()
    run = trainer()
    run.fit(x, y, epochs=1)
    assert run.columns == list(run.history.epochs[0])
    assert run.columns == ["epoch", "loss", "accuracy", "learning_rate", "seconds"]


def test_accuracy_is_only_for_losses_of_classes():
    x, y = data()
    model = Sequential([Dense(3)], input_shape=(4,))
    run = Trainer(model, MeanSquaredError(), SGD(0.01))
    targets = np.eye(3)[y]
    row = run.fit(x, targets, epochs=1, validation_data=(x[::-1], targets[::-1])).epochs[0]
    assert list(row) == ["epoch", "loss", "val_loss", "learning_rate", "seconds"]
    assert list(run.evaluate(x, targets)) == ["loss"]


def test_accuracy_comes_with_softmax_cross_entropy_too():
    x, y = data()
    model = Sequential([Dense(3)], input_shape=(4,))
    row = Trainer(model, SoftmaxCrossEntropy(), SGD(0.01)).fit(x, y, epochs=1).epochs[0]
    assert 0 <= row["accuracy"] <= 1


def test_the_learning_rate_column_is_the_last_steps():
    x, y = data(10)
    run = Trainer(network(), CrossEntropy(), SGD(lambda t: 1 / (10 + t)))
    history = run.fit(x, y, epochs=2, batch_size=5)
    assert history["learning_rate"] == [1 / 12, 1 / 14]


def test_evaluate_is_worked_by_hand():
    model = Sequential([Dense(2), Softmax()], input_shape=(2,))
    model.layers[0].W = np.diag([np.log(3), np.log(3)])  # a 1 in x: 3 to 1 for that class
    run = Trainer(model, CrossEntropy(), SGD())
    scores = run.evaluate([[1, 0], [0, 1], [1, 0]], [0, 1, 1])
    assert scores["loss"] == pytest.approx((2 * np.log(4 / 3) + np.log(4)) / 3, rel=1e-6)
    assert scores["accuracy"] == pytest.approx(2 / 3)
    assert run.step == 0


def log_and_weights(path, seed=0, model_seed=0):
    x, y = data()
    model = network(model_seed)
    run = Trainer(model, CrossEntropy(), Adam(0.01), seed)
    run.fit(x, y, 3, 8, validation_data=data(9, seed=1), callbacks=[CSVLogger(path)])
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return model.params.tobytes(), [{**row, "seconds": None} for row in rows]


def test_the_same_seed_gives_the_same_bits(tmp_path):
    assert log_and_weights(tmp_path / "a.csv") == log_and_weights(tmp_path / "b.csv")


@pytest.mark.parametrize("seeds", [{"seed": 1}, {"model_seed": 1}])
def test_another_seed_gives_other_bits(tmp_path, seeds):
    params, rows = log_and_weights(tmp_path / "a.csv")
    other_params, other_rows = log_and_weights(tmp_path / "b.csv", **seeds)
    assert params != other_params
    assert rows != other_rows


def test_global_randomness_is_neither_used_nor_touched():
    np.random.seed(1)  # noqa: NPY002 the global generator is what this is about
    before = np.random.get_state()[1].tobytes()  # noqa: NPY002
    first = trainer()
    first.fit(*data(), epochs=1)
    assert np.random.get_state()[1].tobytes() == before  # noqa: NPY002
    np.random.seed(2)  # noqa: NPY002
    second = trainer()
    second.fit(*data(), epochs=1)
    assert first.model.params.tobytes() == second.model.params.tobytes()


@pytest.mark.filterwarnings("ignore:The loss of epoch")  # the labels are random
@pytest.mark.parametrize("kind", [np.float64, np.float32, np.uint8])
def test_every_array_of_the_loop_is_float32(kind):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 2, (20, 2, 2)).astype(kind), np.eye(3)[rng.integers(0, 3, 20)]
    layers = [Flatten(), Dense(8), ReLU(), Dense(3), Softmax()]
    model = Sequential(layers, input_shape=(2, 2))
    outputs = []

    def look(run):
        remembered = [a for layer in layers for a in vars(layer).values()]
        outputs.extend(a for a in remembered if isinstance(a, np.ndarray) and a.dtype != bool)
        p = model.forward(run.batch[0])
        outputs.extend([p, run.loss.backward(p, run.batch[1])])
        outputs.append(model.input_gradient(outputs[-1]))
        outputs.extend([model.params, model.grads])
        outputs.extend(run.optimizer.slots.values())

    run = Trainer(model, CrossEntropy(), Adam(np.float64(0.01)))
    run.fit(x, y, 2, batch_size=8, callbacks=[at("on_step_end", look)])
    assert len(outputs) > 60
    assert {a.dtype for a in outputs} == {np.dtype(np.float32)}


def test_a_step_allocates_no_array_as_large_as_the_largest_weight_matrix():
    rng = np.random.default_rng(0)
    x, y = rng.random((128, 784), np.float32), rng.integers(0, 10, 128)
    layers = [Dense(512), ReLU(), Dense(256), ReLU(), Dense(10), Softmax()]
    model = Sequential(layers, input_shape=(784,))
    peaks = []

    def look(run):
        if run.step > 2:  # warmed up: 3 and 4 are steps of the same epoch
            peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        tracemalloc.start()

    try:
        Trainer(model, CrossEntropy(), Adam()).fit(x, y, 1, callbacks=[at("on_step_end", look)])
    finally:
        tracemalloc.stop()
    assert len(peaks) == 2
    assert max(peaks) < layers[0].W.nbytes / 2


def test_no_epoch_copies_what_grows_with_the_data():
    x = np.random.default_rng(0).normal(size=(20_000, 100))  # 16 MB, in float64
    y = np.zeros(len(x), int)
    model = Sequential([Dense(3), Softmax()], input_shape=(100,))
    run = Trainer(model, CrossEntropy(), SGD(0.1))
    run.fit(x[:64], y[:64], epochs=1)  # so that imports and the like are done
    tracemalloc.start()
    run.fit(x, y, epochs=2, batch_size=500, validation_data=(x[::-1], y[::-1]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < x.nbytes / 8


def test_x_and_y_are_never_changed():
    x, y = data()
    targets = np.eye(3)[y]
    kept = x.copy(), targets.copy()
    x.flags.writeable = targets.flags.writeable = False  # writing raises
    trainer().fit(x, targets, epochs=2, batch_size=8, validation_data=(x[::-1], targets[::-1]))
    assert np.array_equal(x, kept[0])
    assert np.array_equal(targets, kept[1])


def test_lists_are_accepted():
    x, y = data(12)
    with_lists, with_arrays = trainer(), trainer()
    with_lists.fit(x.tolist(), y.tolist(), epochs=1, batch_size=4)
    with_arrays.fit(x, y, epochs=1, batch_size=4)
    assert with_lists.model.params.tobytes() == with_arrays.model.params.tobytes()


def test_a_second_fit_goes_on_where_the_first_ended():
    x, y = data()
    once, twice = trainer(), trainer()
    once.fit(x, y, epochs=5, batch_size=8)
    twice.fit(x, y, epochs=2, batch_size=8)
    history = twice.fit(x, y, epochs=3, batch_size=8)
    assert history["epoch"] == [1, 2, 3, 4, 5]
    assert twice.model.params.tobytes() == once.model.params.tobytes()
    assert without_seconds(history) == without_seconds(once.history)


@pytest.mark.parametrize(("stop_at", "epochs"), [(1, 0), (4, 0), (7, 1), (8, 1), (14, 2)])
def test_stop_ends_training_after_the_step(stop_at, epochs):
    x, y = data()  # 7 steps an epoch
    run, events = trainer(), []

    def stop(run):
        run.stop = run.step == stop_at

    told = Spy(lambda name, run: events.append(name))
    history = run.fit(x, y, 9, batch_size=8, callbacks=[at("on_step_end", stop), told])
    assert run.step == run.optimizer.t == stop_at
    assert len(history.epochs) == epochs
    assert events[-1] == "on_train_end"
    assert events.count("on_step_end") == stop_at
    assert events.count("on_epoch_end") == epochs


def test_stop_at_an_epochs_end_starts_no_other():
    x, y = data()
    run, events = trainer(), []

    def stop(run):
        run.stop = run.epoch == 2

    told = Spy(lambda name, run: events.append(name))
    history = run.fit(x, y, epochs=9, callbacks=[at("on_epoch_end", stop), told])
    assert history["epoch"] == [1, 2]
    assert events[-2:] == ["on_epoch_end", "on_train_end"]


def test_a_stopped_trainer_can_be_fitted_again():
    x, y = data()
    run = trainer()
    run.fit(x, y, 9, callbacks=[at("on_epoch_end", lambda run: setattr(run, "stop", True))])
    assert run.fit(x, y, epochs=2)["epoch"] == [1, 2, 3]


X, Y = data(6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y": Y[:5]}, r"the same number of samples.*\(6, 4\) and \(5,\)"),
        ({"x": X[:0], "y": Y[:0]}, r"1 or more; got shapes \(0, 4\) and \(0,\)"),
        ({"x": 1.0, "y": 1.0}, "the same number of samples"),
        ({"x": X[:, :3]}, r"built for samples of shape \(4,\), x has samples of \(3,\)"),
        ({"x": X[:, :, None]}, r"samples of \(4, 1\)"),
        ({"x": X.astype(str)}, "expects numbers"),
        ({"y": np.array([3, 0, 0, 0, 0, 0])}, "3 classes .0 to 2. but y contains 3"),
        ({"y": np.array([-1, 0, 0, 0, 0, 0])}, "y contains -1"),
        ({"y": Y.astype(float)}, "one whole number for each sample"),
        ({"y": np.eye(4)[Y]}, r"y must be classes \(6,\) or rows \(6, 3\), got \(6, 4\)"),
        ({"y": np.zeros((6, 3))}, "rows of y must not be negative and must sum to 1"),
        ({"epochs": 0}, "epochs must be .* 1 or more, got 0"),
        ({"epochs": -1}, "epochs must be .* 1 or more, got -1"),
        ({"epochs": 1.5}, "epochs must be a whole number"),
        ({"batch_size": 0}, "batch_size must be .* 1 or more, got 0"),
        ({"batch_size": 2.5}, "batch_size must be a whole number"),
        (
            {"validation_data": (X, Y[:5])},
            "validation x and y must have the same number of samples",
        ),
        (
            {"validation_data": (X[:0], Y[:0])},
            "validation x and y must have the same number of samples",
        ),
        ({"validation_data": (X[:, :3], Y)}, "built for samples of shape"),
        ({"validation_data": (X, np.eye(4)[Y])}, r"got \(6, 4\)"),
    ],
)
def test_what_does_not_fit_is_refused_before_the_first_step(arguments, message):
    run = trainer()
    before = run.model.params.tobytes()
    told = []
    arguments = {
        "x": X, "y": Y, "epochs": 1, "batch_size": 2,
        "callbacks": [Spy(lambda name, run: told.append(name))], **arguments,
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        run.fit(**arguments)
    assert run.model.params.tobytes() == before
    assert run.step == run.optimizer.t == 0
    assert run.history.epochs == told == []


def test_mean_squared_error_refuses_targets_that_numpy_would_broadcast():
    run = Trainer(Sequential([Dense(1)], input_shape=(4,)), MeanSquaredError(), SGD())
    with pytest.raises(ValueError, match=r"Use np\.asarray\(y\)\[:, None\]"):
        run.fit(X, Y.astype(float), epochs=1, batch_size=2)
    assert run.step == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"epochs": 1, "batch_size": 0},
        {"epochs": 1, "callbacks": [3]},
        {"epochs": 1, "validation_data": (1, 2, 3, 4)},
        {"epochs": 1, "resume_from": "nowhere.npz"},
    ],
)
def test_a_fit_that_is_refused_leaves_the_trainer_as_it_was(wrong):
    x = np.linspace(-1, 1, 8)[:, None]
    trainer = Trainer(Sequential([Dense(1)], (1,)), MeanSquaredError(), SGD(0.1))
    fresh = set(vars(trainer))
    with pytest.raises((ValueError, OSError)):
        trainer.fit(x, x, **wrong)
    assert set(vars(trainer)) == fresh
    trainer.fit(x, 2 * x, epochs=1)
    before = dict(vars(trainer))
    with pytest.raises((ValueError, OSError)):
        trainer.fit(x + 1, x, **wrong)
    assert all(vars(trainer)[name] is value for name, value in before.items())
    assert vars(trainer).keys() == before.keys()


def test_warnings_point_at_the_line_that_called_fit():
    x = np.linspace(0, 1, 40)[:, None]
    model = Sequential([Dense(1)], (1,))
    model.layers[0].trainable = False
    trainer = Trainer(model, MeanSquaredError(), SGD(0.1))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer.fit(x, x, 1, validation_data=(x * 999, x))
        trainer.fit(x, x, 1, validation_data=(x, x))
        trainer.fit((x * 255).astype(np.uint8), x, 1)
    told = [str(warning.message) for warning in caught]
    for words in ("frozen", "validation x from", "validation data are", "bytes"):
        assert any(words in text for text in told), words
    assert {warning.filename for warning in caught} == {__file__}
