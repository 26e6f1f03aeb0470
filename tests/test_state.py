"""Protects what a layer keeps beside its parameters: buffers, random numbers, what is frozen.

What BatchNorm and Dropout compute is known from elsewhere: from NumPy's mean and variance, and from
the numbers that a seed, a position and a step draw.
"""

import collections
import copy
import itertools
import json
import pickle
import threading
import time

import numpy as np
import pytest

from tinynn import (
    SGD,
    Adam,
    AdamW,
    BatchNorm,
    Callback,
    Checkpoint,
    CrossEntropy,
    Dense,
    Doctor,
    Dropout,
    EarlyStopping,
    Flatten,
    GaussianNoise,
    Layer,
    MeanSquaredError,
    RandomFlip,
    RandomShift,
    ReLU,
    Reshape,
    RMSProp,
    Sequential,
    Softmax,
    Trainer,
    TrainingDiverged,
    check_gradients,
    compare_models,
    diagnose,
    explain_step,
    load_model,
    save_model,
)
from tinynn.doctor.statistics import dead_units


def network(seed=0, dtype=np.float32):
    layers = [Dense(6), BatchNorm(), ReLU(), Dropout(0.3), Dense(3), Softmax()]
    return Sequential(layers, input_shape=(4,), seed=seed, dtype=dtype)


def data(n=40, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    x = rng.normal(size=(n, 4)) / 3 + np.eye(4)[y]
    return x.astype(np.float32), y


def trained(model=None, epochs=3, **more):
    x, y = data()
    trainer = Trainer(model or network(), CrossEntropy(), Adam(0.01))
    trainer.fit(x, y, epochs, batch_size=7, **more)
    return trainer.model


def everything(model):
    return model.params.tobytes(), model.buffers.tobytes(), model.step


# Buffers


def test_buffers_are_one_vector_and_the_layers_views_of_it():
    model = network()
    layer = model.layers[1]
    assert model.buffers.tolist() == [0] * 6 + [1] * 6
    model.buffers = np.arange(12)
    assert layer.running_mean.tolist() == [0, 1, 2, 3, 4, 5]
    layer.running_var = np.full(6, 9)
    assert model.buffers[6:].tolist() == [9] * 6
    assert list(model.named_buffers()) == [
        "1.BatchNorm.running_mean",
        "1.BatchNorm.running_var",
    ]
    assert [*layer.buffers()] == ["running_mean", "running_var"]
    assert model.buffers.dtype == np.float32
    with pytest.raises(ValueError, match=r"1\.BatchNorm\.running_mean has shape \(6,\), .* \(5,\)"):
        layer.running_mean = np.zeros(5)
    with pytest.raises(ValueError, match=r"buffers has shape \(12,\)"):
        model.buffers = np.zeros(5)


def test_a_model_without_any_has_an_empty_vector():
    assert Sequential([Dense(2)], input_shape=(3,)).buffers.shape == (0,)


def test_the_running_mean_is_that_of_the_batches():
    model = Sequential([BatchNorm()], input_shape=(2,))
    batches = np.random.default_rng(0).normal(5, 3, size=(50, 20, 2)).astype(np.float32)
    expected = np.zeros(2)
    for batch in batches:
        model.forward(batch)
        expected = 0.9 * expected + 0.1 * batch.mean(axis=0)
    assert np.allclose(model.layers[0].running_mean, expected, rtol=1e-5)


def test_only_forward_of_training_writes_them():
    x, y = data()
    model = trained()
    before = everything(model)
    model.predict(x)
    model.forward(x, training=False)
    Trainer(model, CrossEntropy(), SGD()).evaluate(x, y)
    assert everything(model) == before
    model.forward(x)
    assert everything(model) != before


@pytest.mark.parametrize(
    "look",
    [
        lambda model, x, y: check_gradients(model, CrossEntropy(), x, y),
        lambda model, x, y: explain_step(model, CrossEntropy(), SGD(0.1), x, y),
        lambda model, x, y: diagnose(model, CrossEntropy(), x, y),
        lambda model, x, y: compare_models(model, model),
        lambda model, x, y: (copy.deepcopy(model).forward(x), model.astype(float).forward(x)),
        lambda model, x, y: model.summary(),
    ],
)
def test_no_checker_moves_them_nor_the_step(look):
    x, y = data()
    model = trained()
    before = everything(model)
    look(model, x[:9], y[:9])
    assert everything(model) == before


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, copy.copy, lambda model: pickle.loads(pickle.dumps(model))]
)
def test_a_copy_has_its_own(copied):
    model = trained()
    twin = copied(model)
    assert everything(twin) == everything(model)
    twin.layers[1].running_mean[:] = 7
    assert twin.buffers[0] == 7 != model.buffers[0]
    x, _ = data(seed=1)
    model.streams.go_to(5)
    twin = copied(model)
    assert model.forward(x).tobytes() == twin.forward(x).tobytes()


def test_another_precision_keeps_them():
    model = trained()
    twin = model.astype(np.float64)
    assert twin.buffers.dtype == np.float64
    assert np.array_equal(twin.buffers, model.buffers)
    assert twin.step == model.step


def test_a_file_keeps_them_and_their_difference_is_one(tmp_path):
    model = trained()
    save_model(model, tmp_path / "model.npz")
    twin = load_model(tmp_path / "model.npz")
    assert twin.buffers.tobytes() == model.buffers.tobytes()
    assert (twin.step, model.step) == (0, 17)  # 3 epochs of 6 steps, counted from 0
    x, _ = data()
    assert twin.predict(x).tobytes() == model.predict(x).tobytes()
    comparison = compare_models(model, twin)
    assert comparison.identical
    assert (comparison.arrays, comparison.values) == (8, model.params.size + 12)
    twin.layers[1].running_var[2] += 1
    assert "1.BatchNorm.running_var: 1 of 6 values, first at (2,)" in str(
        compare_models(model, twin)
    )
    with np.load(tmp_path / "model.npz") as arrays:
        assert arrays["format"] == 3
        assert arrays["1.BatchNorm.running_mean"].shape == (6,)


def test_a_file_with_other_buffers_is_refused(tmp_path):
    path = tmp_path / "model.npz"
    save_model(trained(), path)
    with np.load(path) as file:
        arrays = dict(file)
    without = {k: v for k, v in arrays.items() if k != "1.BatchNorm.running_mean"}
    np.savez(path, **without)
    with pytest.raises(ValueError, match=r"lacks the array 1\.BatchNorm\.running_mean"):
        load_model(path)
    np.savez(path, **{**arrays, "1.BatchNorm.running_mean": np.full(6, np.nan, np.float32)})
    with pytest.raises(ValueError, match=r"NaN or infinity in 1\.BatchNorm\.running_mean"):
        load_model(path)


def test_what_is_not_finite_is_not_saved(tmp_path):
    model = trained()
    model.layers[1].running_mean[3] = np.inf
    with pytest.raises(ValueError, match=r"1\.BatchNorm\.running_mean holds NaN or infinity"):
        save_model(model, tmp_path / "model.npz")


def test_a_file_of_the_first_version_is_read(tmp_path):
    model = Sequential([Flatten(), Dense(3), ReLU()], input_shape=(2, 2), seed=4)
    told = (
        '{"layers": [{"layer": "Flatten", "config": {}}, {"layer": "Dense", "config": {"units": 3, '
    )
    told += '"initializer": {"function": "he_normal"}}}, {"layer": "ReLU", "config": {}}], '
    told += '"input_shape": [2, 2], "seed": 4, "dtype": "float32"}'
    arrays = {"1.Dense.W": model.layers[1].W, "1.Dense.b": model.layers[1].b}
    np.savez(tmp_path / "old.npz", format=np.array(1), architecture=np.array(told), **arrays)
    assert compare_models(tmp_path / "old.npz", model).identical


def test_the_summary_has_a_column_for_them(capsys):
    model = network()
    model.layers[0].trainable = False
    model.summary()
    lines = capsys.readouterr().out.splitlines()
    heads = ["layer", "output", "shape", "parameters", "buffers", "multiplications"]
    assert lines[0].split() == heads
    assert lines[2].split() == ["0.Dense", "(6,)", "30", "0", "24", "frozen"]
    assert lines[3].split() == ["1.BatchNorm", "(6,)", "12", "12", "0"]
    assert lines[-1].split() == ["total", "63", "12", "42"]
    Sequential([Dense(2)], input_shape=(3,)).summary()
    assert "buffers" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (None, r"0\.Own\.buffer_shapes returned None; .*Forgot \"return\""),
        (
            {"n": 3},
            r"0\.Own\.buffer_shapes returned \{'n': 3\}; it must return the shape of each b",
        ),
        ({"W": (3,)}, r"0\.Own has a buffer 'W', but also another attribute of that name"),
        ({"dW": (3,)}, r"0\.Own has a buffer 'dW', but also another"),
        ({"forward": (3,)}, r"0\.Own has a buffer 'forward', but also another"),
    ],
)
def test_what_are_no_buffers_is_refused(told, said):
    class Own(Dense):
        def buffer_shapes(self, input_shape):
            return told

    with pytest.raises(ValueError, match=said):
        Sequential([Own(3)], input_shape=(3,))


def test_early_stopping_gives_back_those_of_the_best_epoch():
    x, y = data()
    seen = {}

    class Watch(Callback):
        def on_epoch_end(self, trainer):
            trainer.history.epochs[-1]["own_loss"] = abs(trainer.epoch - 2)
            seen[trainer.epoch] = trainer.model.params.copy(), trainer.model.buffers.copy()

    model = network()
    stopping = EarlyStopping("own_loss", patience=2)
    Trainer(model, CrossEntropy(), Adam(0.01)).fit(x, y, 9, callbacks=[stopping, Watch()])
    assert len(seen) == 4
    assert model.params.tobytes() == seen[2][0].tobytes()
    assert model.buffers.tobytes() == seen[2][1].tobytes() != seen[4][1].tobytes()


def test_a_buffer_that_leaves_the_numbers_is_named():
    class Grows(Layer):
        def buffer_shapes(self, input_shape):
            return {"total": ()}

        def forward(self, x, training=True):
            if training:
                self.total = np.float32(1e30) * (1 + self.total)
            return x

        def input_gradient(self, dout):
            return dout

    model = Sequential([Dense(3), Grows(), Softmax()], input_shape=(4,))
    with (
        np.errstate(all="ignore"),
        pytest.raises(TrainingDiverged, match=r"1\.Grows\.total, 1 of 1"),
    ):
        Trainer(model, CrossEntropy(), SGD(0.1)).fit(*data(), 9, batch_size=40)


def test_a_divergence_behind_a_random_layer_is_found_where_it_began():
    model = Sequential([Dense(3), Dropout(0.3), BatchNorm(), Softmax()], input_shape=(4,))
    x, y = data()
    x[5] = 3e38
    with pytest.raises(TrainingDiverged, match=r"the output of (0\.Dense|1\.Dropout)"):
        Trainer(model, CrossEntropy(), SGD(0.1)).fit(x, y, 1, batch_size=40)


# Random numbers


def mask_of(seed, position, step, shape, rate=0.3):
    """The factors by NumPy alone, as the design says them."""
    key = np.random.SeedSequence(seed, spawn_key=(2, position, step))
    return (np.random.default_rng(key).random(shape, dtype=np.float32) >= rate) / (1 - rate)


def test_what_is_drawn_follows_from_seed_position_and_step():
    x, y = data(9)
    model = network(seed=3)
    for step in range(4):
        p = model.forward(x)
        assert model.step == step
        assert np.allclose(model.layers[3].factor, mask_of(3, 3, step, (9, 6)))
        model.backward(CrossEntropy().backward(p, y))


def test_a_step_is_counted_by_the_first_forward_of_training_after_a_backward():
    x, y = data(9)
    model, steps = network(), []

    def forward(training=True):
        p = model.forward(x, training)
        steps.append(model.step)
        return p

    dp = CrossEntropy().backward(forward(), y)
    forward()  # no backward between: the same
    model.backward(dp)
    model.backward(dp)  # twice, as with two losses
    forward(training=False)
    forward()
    model.input_gradient(dp)  # of a discriminator, whose own gradients nobody asks for
    forward()
    model.step = 7
    forward()
    model.backward(dp)
    model.step = 7  # assigned after backward: the same numbers again
    forward()
    assert steps == [0, 0, 0, 1, 1, 7, 7]


@pytest.mark.parametrize("step", [-1, 1.5, "2", True, None])
def test_a_step_is_a_whole_number(step):
    model = network()
    with pytest.raises(ValueError, match="step"):
        model.step = step
    assert model.step == 0


def test_a_loop_by_hand_draws_as_the_trainer_does():
    x, y = data(8)
    by_hand, loss, adam = network(), CrossEntropy(), Adam(0.01)
    for _ in range(5):
        p = by_hand.forward(x)
        by_hand.backward(loss.backward(p, y))
        adam.step(by_hand.params, by_hand.grads)
    model = network()
    trainer = Trainer(model, CrossEntropy(), Adam(0.01))
    trainer.order_of = lambda epoch: np.random.default_rng(0)
    seen = []

    class Order(Callback):
        def on_step_end(self, trainer):
            seen.append(model.layers[3].factor.copy())

    trainer.fit(x, y, 5, batch_size=8, callbacks=[Order()])
    for step, factor in enumerate(seen):
        assert np.allclose(factor, mask_of(0, 3, step, (8, 6)))
    assert np.allclose(by_hand.layers[3].factor, seen[-1])


def test_gradients_added_up_over_batches_are_of_steps_of_their_own():
    x, y = data(12)
    model, total = network(), 0
    for part in (slice(0, 6), slice(6, 12)):
        p = model.forward(x[part])
        model.backward(CrossEntropy().backward(p, y[part]) / 2)
        total = total + model.grads.copy()
    assert model.step == 1
    assert np.isfinite(total).all()


def test_several_trainers_share_the_models_steps():
    x, y = data(20)
    model = network()
    first, second = (Trainer(model, CrossEntropy(), SGD(0.01)) for _ in range(2))
    first.fit(x, y, 1, batch_size=10)
    second.fit(x, y, 1, batch_size=10)
    first.fit(x, y, 1, batch_size=10)
    assert model.step == 5


@pytest.mark.slow
def test_predicting_in_other_threads_changes_nothing():
    x, _ = data()
    alone = trained()
    model, stop, failed = network(), threading.Event(), []

    def predict():
        while not stop.is_set():
            p = model.predict(x)
            if not np.isfinite(p).all():
                failed.append(p)

    threads = [threading.Thread(target=predict) for _ in range(3)]
    for thread in threads:
        thread.start()
    trained(model)
    stop.set()
    for thread in threads:
        thread.join()
    assert everything(model) == everything(alone)
    assert not failed


def test_a_random_layer_in_no_model_says_so():
    with pytest.raises(
        ValueError, match="Dropout is in no model, but it draws random numbers from"
    ):
        Dropout(0.5).forward(np.ones((2, 3)))


# Checkers see one function


@pytest.mark.first_cases(2)
@pytest.mark.parametrize("steps", [0, 3])
@pytest.mark.parametrize("frozen", [[], [1], [0, 1], [4]])
def test_gradients_are_right_with_nothing_skipped_and_nobody_accused(steps, frozen):
    model = trained(epochs=steps) if steps else network()
    for i in frozen:
        model.layers[i].trainable = False
    x, y = data(7)
    report = check_gradients(model, CrossEntropy(), x, y)
    assert report.ok, report
    assert (report.skipped, report.diagnosis, report.moved) == (0, "", None)
    told = {row.name for row in report.rows}
    assert ("1.BatchNorm.gamma" in told) == (1 not in frozen)
    assert {"0.Dense.x", "1.BatchNorm.x", "3.Dropout.x"} <= told


def test_along_directions_too():
    layers = [Dense(90), BatchNorm(), Dropout(0.5), Dense(90), ReLU(), Dense(3), Softmax()]
    model = Sequential(layers, input_shape=(30,))
    x = np.random.default_rng(0).normal(size=(8, 30))
    assert check_gradients(model, CrossEntropy(), x, np.arange(8) % 3).ok


class WrongDropout(Dropout):
    def input_gradient(self, dout):
        return dout * (self.factor > 0)  # forgets to scale up


@pytest.mark.slow
def test_a_wrong_gradient_of_a_random_layer_is_found():
    model = Sequential([Dense(6), WrongDropout(0.3), Dense(3), Softmax()], input_shape=(4,))
    report = check_gradients(model, CrossEntropy(), *data(7))
    assert report.culprit.name == "1.WrongDropout.x"


class Moving(Layer):
    """Adds a running mean that each forward moves: without care no two differences agree."""

    def buffer_shapes(self, input_shape):
        return {"mean": input_shape}

    def forward(self, x, training=True):
        out = x + self.mean
        if training:
            self.mean = 0.5 * self.mean + x.mean(axis=0)
        return out

    def input_gradient(self, dout):
        return dout


def test_a_layer_whose_output_depends_on_a_moving_buffer_is_checked_as_one_function():
    model = Sequential([Dense(3), Moving(), Softmax()], input_shape=(4,))
    x, y = data(7)
    model.forward(x)
    report = check_gradients(model, CrossEntropy(), x, y)
    assert report.ok, report


def test_explain_step_meets_the_same_network_again():
    x, y = data(7)
    model = trained()
    step = explain_step(model, CrossEntropy(), SGD(1e-3), x, y)
    assert step.again == "same batch"
    change = step.loss - step.loss_after
    assert change == pytest.approx(step.predicted_decrease, rel=0.1)
    twin = copy.deepcopy(model)
    p = twin.forward(x)
    assert step.loss == CrossEntropy().forward(p, y)  # the very step that training takes next


def test_the_doctor_looks_at_what_the_step_was():
    """The gradient at each output that the model's own backward gives, in root mean squares."""
    x, y = data(40)
    model = network()
    seen = {}

    class Ears(Callback):
        def on_gradients(self, trainer):
            if trainer.step == 4:
                batch, labels = trainer.batch
                twin = copy.deepcopy(model)
                twin.step = model.step
                dout = CrossEntropy().backward(twin.forward(batch), labels)
                for layer in reversed(twin.layers):
                    seen[layer.name] = len(batch) * np.sqrt(np.mean(np.square(dout)))
                    dout = layer.backward(dout)

    doctor = Doctor(every=4)
    trainer = Trainer(model, CrossEntropy(), SGD(0.01))
    trainer.fit(x, y, 2, batch_size=10, callbacks=[doctor, Ears()])
    step = next(step for step in doctor.record.steps if step.number == 4)
    for name, value in step.gradient.items():
        assert value == pytest.approx(seen[name], rel=1e-4), name
    assert step.loss == pytest.approx(trainer.recent_losses[-5], rel=1e-5)  # of 8 steps, the fourth


def test_the_doctor_changes_nothing():
    doctor = Doctor(every=1)
    with_doctor = trained(callbacks=[doctor])
    assert everything(with_doctor) == everything(trained())
    doctor.report()
    assert everything(with_doctor) == everything(trained())


@pytest.mark.parametrize("norm", [False, True])
def test_dead_units_are_those_of_predictions_and_do_not_depend_on_the_mask(norm):
    """Of eight samples: what dropout drops in a step would make other units seem dead."""
    x = data(8)[0]
    layers = [Dense(30), ReLU(), Dropout(0.8), Dense(40), *[BatchNorm()] * norm, ReLU()]
    model = Sequential([*layers, Dense(3), Softmax()], input_shape=(4,))
    trained(model, epochs=1)
    z = np.maximum(x @ model.layers[0].W + model.layers[0].b, 0)
    one, top = model.layers[3], model.layers[4 + norm].name
    scores = z @ one.W + one.b
    if norm:
        layer = model.layers[4]
        scores = (scores - layer.running_mean) / np.sqrt(layer.running_var + layer.epsilon)
        scores = layer.gamma * scores + layer.beta
    expected = {"1.ReLU": (int(np.sum((z == 0).all(axis=0))), 30)}
    expected[top] = (int(np.sum((scores <= 0).all(axis=0))), 40)
    before = everything(model)
    for step in (0, 1, 7):
        model.step = step
        assert dead_units(model, x) == expected
    model.step = before[-1]
    assert everything(model) == before


# What the doctor says of layers that are not trained


def watched(frozen, layers=None, epochs=12, callbacks=()):
    """Train with some layers frozen; return the doctor's report."""
    layers = layers or [Dense(16), BatchNorm(), ReLU(), Dense(16), ReLU(), Dense(3), Softmax()]
    model = Sequential(layers, input_shape=(4,))
    for i in frozen:
        model.layers[i].trainable = False
    doctor = Doctor(every=4)
    trainer = Trainer(model, CrossEntropy(), Adam(0.01))
    trainer.fit(*data(), epochs, batch_size=7, callbacks=[doctor, *callbacks])
    return doctor.report()


@pytest.mark.first_cases(1)
@pytest.mark.parametrize("frozen", [(0,), (0, 1), (3,), (0, 1, 3), (5,)])
def test_the_doctor_finds_no_fault_in_layers_that_are_not_trained(frozen):
    report = watched(frozen)
    assert report.problems == [], report
    assert report.figure().axes
    step = report.record.steps[-1]
    names = ["5.Dense", "3.Dense", "1.BatchNorm", "0.Dense"]
    assert list(step.output_std) == names
    lowest = next(i for i in (0, 1, 3, 5) if i not in frozen)
    assert list(step.gradient) == [name for name in names if int(name[0]) >= lowest]
    assert list(step.update_ratio) == [f"{i}.Dense.W" for i in (0, 3, 5) if i not in frozen]
    assert min(step.update_ratio.values()) > 1e-5


def test_units_below_all_that_is_trained_are_not_counted():
    """They may be dead for these data: no gradient would reach them anyway."""
    dead = Dense(40)
    layers = [dead, ReLU(), Dense(16), ReLU(), Dense(3), Softmax()]
    model = Sequential(layers, input_shape=(4,))
    dead.b[:36] = -90
    kept = dead.b.copy()
    dead.trainable = False
    x, y = data()
    assert diagnose(model, CrossEntropy(), x, y).problems == []
    assert list(dead_units(model, x)) == ["3.ReLU"]
    dead.trainable = True
    assert list(dead_units(model, x)) == ["1.ReLU", "3.ReLU"]
    assert dead_units(model, x)["1.ReLU"][0] >= 36
    assert np.array_equal(dead.b, kept)


@pytest.mark.filterwarnings("ignore:All layers are frozen")
def test_a_model_of_which_nothing_is_trained_gets_a_report_all_the_same():
    report = watched([0, 1, 3, 5])
    assert report.record.steps[-1].update_ratio == {}
    assert "small_steps" not in [finding.name for finding in report.problems]
    assert report.figure().axes


def test_a_layer_that_is_frozen_on_the_way_is_judged_by_what_all_steps_know():
    class Freeze(Callback):
        affects_training = False

        def on_step_end(self, trainer):
            trainer.model.layers[0].trainable = trainer.step < 66

    report = watched([], epochs=12, callbacks=[Freeze()])
    *_, before, _, last = report.record.steps
    assert (before.number, last.number) == (64, 72)
    assert "0.Dense" in before.gradient
    assert "0.Dense" not in last.gradient
    assert "vanishing_gradients" not in [finding.name for finding in report.problems]
    assert report.figure().axes


# Resuming


def with_one(kind):
    layers = [Dense(6), ReLU(), Dense(3), Softmax()]
    layers.insert(1, kind())
    return Sequential(layers, input_shape=(4,))


NETWORKS = {
    "both": network,
    "batch norm": lambda: with_one(BatchNorm),
    "dropout": lambda: with_one(lambda: Dropout(0.5)),
    "augmentation": lambda: Sequential(
        [
            Reshape((2, 2)),
            RandomFlip(),
            RandomShift(1),
            GaussianNoise(0.1),
            Flatten(),
            Dense(3),
            Softmax(),
        ],
        input_shape=(4,),
    ),
}


@pytest.mark.first_cases(1)
@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize(
    "stop",
    [
        pytest.param(stop, marks=pytest.mark.slow if n >= 2 else ())
        for n, stop in enumerate(np.random.default_rng(5).choice(35, 20, replace=False) + 1)
    ],
)
def test_a_run_that_is_stopped_anywhere_and_resumed_ends_with_the_same_bits(tmp_path, stop, make):
    x, y = data()

    class Stop(Callback):
        affects_training = False

        def on_step_end(self, trainer):
            if trainer.step == stop:
                trainer.stop = True

    def run(model, callbacks, **more):
        trainer = Trainer(model, CrossEntropy(), Adam(0.01))
        trainer.fit(x, y, 6, 7, callbacks=callbacks, validation_data=data(12, 1), **more)
        return trainer

    Stop.affects_training = False
    whole = run(make(), [EarlyStopping(patience=99)])
    path = tmp_path / "run.npz"
    run(make(), [EarlyStopping(patience=99), Checkpoint(path), Stop()])
    model = make()
    resumed = run(model, [EarlyStopping(patience=99), Checkpoint(path)], resume_from=path)
    assert everything(model) == everything(whole.model)
    rows = [[{k: v for k, v in row.items() if k != "seconds"} for row in t.history.epochs]
            for t in (resumed, whole)]  # fmt: skip
    assert rows[0] == rows[1]
    for a, b in zip(resumed.optimizer.slots.values(), whole.optimizer.slots.values(), strict=True):
        assert a.tobytes() == b.tobytes()


# Frozen layers


def test_what_is_frozen_does_not_move_whatever_the_optimizer():
    x, y = data()
    ours = (SGD(0.1, 0.9), SGD(0.1, 0.9, nesterov=True), RMSProp(0.01), Adam(0.01), AdamW(0.01))
    for optimizer in (*ours, Own(0.1), Rebinds(1e-3), OwnStep()):
        model = network()
        trainer = Trainer(model, CrossEntropy(), optimizer)
        trainer.fit(x, y, 1)  # so that moments would move it
        model.layers[0].trainable = model.layers[1].trainable = False
        before = model.params.copy(), model.buffers.copy()
        kept = {name: vector.copy() for name, vector in optimizer.slots.items()}
        trainer.fit(x, y, 3)
        frozen = slice(0, 30 + 12)
        assert model.params[frozen].tobytes() == before[0][frozen].tobytes()
        assert model.buffers.tobytes() == before[1].tobytes()
        assert (model.params[42:] != before[0][42:]).all()
        assert not model.grads[frozen].any()
        for name, vector in optimizer.slots.items():
            assert vector[frozen].tobytes() == kept[name][frozen].tobytes()
        model.layers[0].trainable = model.layers[1].trainable = True
        trainer.fit(x, y, 1)
        assert (model.params[frozen] != before[0][frozen]).any()


class Rebinds(SGD):
    """Momentum as many write it: the slot becomes another array."""

    def update(self, params, grads, rate):
        self.slots["velocity"] = 0.9 * self.slots["velocity"] - rate * grads - 1e-3
        params += self.slots["velocity"]


class OwnStep(SGD):
    def step(self, params, grads):
        params -= 0.1 * (grads + 0.01 * params)


def test_a_layer_that_fails_leaves_its_frozen_buffers():
    class Fails(Moving):
        def forward(self, x, training=True):
            self.mean = self.mean + 1
            raise ValueError("broken")

    model = Sequential([Fails()], input_shape=(4,))
    model.layers[0].trainable = False
    with pytest.raises(ValueError, match="broken"):
        model.forward(data(3)[0])
    assert not model.buffers.any()


def test_predicting_never_writes_buffers_not_even_the_same_again():
    class Reads(Moving):
        def forward(self, x, training=True):
            if not training:
                model.buffers[:] = 7  # as another thread might, in the middle of this
            return x

    model = Sequential([Reads()], input_shape=(4,))
    model.layers[0].trainable = False
    model.forward(data(3)[0], training=False)
    assert (model.buffers == 7).all()


def test_layers_that_share_an_object_are_diagnosed():
    class Box:
        a = d = None

    class Push(Layer):
        def __init__(self, box):
            self.box = box

        def forward(self, x, training=True):
            self.box.a = x
            return x.copy()

        def input_gradient(self, dout):
            return dout + self.box.d

    class Pop(Push):
        def forward(self, x, training=True):
            return x + self.box.a

        def input_gradient(self, dout):
            self.box.d = dout.copy()
            return dout

    box, (x, y) = Box(), data()
    layers = [Dense(5), Push(box), Dense(5), ReLU(), Pop(box), Dense(3), Softmax()]
    assert diagnose(Sequential(layers, input_shape=(4,)), CrossEntropy(), x, y).record


class Own(SGD):
    def update(self, params, grads, rate):
        params -= rate * np.sign(grads) + 0.001  # moves also where the gradient is 0


def test_backward_stops_above_what_is_frozen():
    class Deaf(Dense):
        def parameter_gradients(self, dout):
            raise AssertionError("nobody asked for these")

        def input_gradient(self, dout):
            raise AssertionError("nobody needs this")

    model = Sequential([Deaf(4), ReLU(), Dense(3), Softmax()], input_shape=(4,))
    model.layers[0].trainable = False
    assert model.first_trainable == 2
    model.backward(CrossEntropy().backward(model.forward(data(5)[0]), data(5)[1]))
    assert model.grads[20:].any()


def test_a_frozen_layer_between_passes_back_and_gets_no_gradients():
    model = Sequential([Dense(4), ReLU(), Dense(4), Dense(3), Softmax()], input_shape=(4,))
    twin = copy.deepcopy(model)
    model.layers[2].trainable = False
    x, y = data(5)
    for one in (model, twin):
        one.grads[:] = 9
        one.backward(CrossEntropy().backward(one.forward(x), y))
    assert np.array_equal(model.layers[0].dW, twin.layers[0].dW)
    assert not model.layers[2].dW.any()
    assert not model.layers[2].db.any()


def test_a_step_by_hand_moves_nothing_frozen_either():
    model = Sequential([Dense(4), ReLU(), Dense(3), Softmax()], input_shape=(4,))
    x, y = data(5)
    model.backward(CrossEntropy().backward(model.forward(x), y))
    model.layers[0].trainable = False
    before = model.layers[0].W.copy()
    model.backward(CrossEntropy().backward(model.forward(x), y))
    model.params -= 0.1 * model.grads
    assert np.array_equal(model.layers[0].W, before)


def test_a_buffer_does_not_move_though_its_layer_does_not_ask():
    model = Sequential([Moving(), Dense(3), Softmax()], input_shape=(4,))
    model.layers[0].trainable = False
    trained(model)
    assert not model.buffers.any()


@pytest.mark.parametrize("value", [0, 1, None, "no", np.True_])
def test_trainable_is_true_or_false(value):
    layer = network().layers[0]
    with pytest.raises(ValueError, match=r"0\.Dense\.trainable must be True or False, got"):
        layer.trainable = value
    assert layer.trainable is True


def test_a_step_of_a_model_that_is_frozen_is_not_explained():
    model, (x, y) = network(), data(5)
    for layer in model.layers:
        layer.trainable = False
    with pytest.raises(ValueError, match="all layers are frozen"):
        explain_step(model, CrossEntropy(), SGD(0.1), x, y)
    model.layers[4].trainable = True
    told = explain_step(model, CrossEntropy(), SGD(0.1), x, y)
    assert [update.name for update in told.updates] == ["4.Dense.W", "4.Dense.b"]


def test_files_and_copies_say_what_is_frozen(tmp_path):
    model = network()
    model.layers[1].trainable = False
    save_model(model, tmp_path / "model.npz")
    twin = load_model(tmp_path / "model.npz")
    for one in (twin, copy.deepcopy(model), pickle.loads(pickle.dumps(model)), model.astype(float)):
        assert [layer.trainable for layer in one.layers] == [True, False, True, True, True, True]
    twin.layers[1].trainable = True
    assert "layers[1].trainable: False against None" in str(compare_models(model, twin))
    assert [layer.trainable for layer in Sequential.from_config(model.config()).layers][1] is False


class Thaw(Callback):
    def on_epoch_begin(self, trainer):
        trainer.model.layers[0].trainable = trainer.epoch > 2


@pytest.mark.parametrize("stop", [3, 12, 13, 15])
def test_a_layer_that_a_callback_thaws_is_resumed_as_it_was(tmp_path, stop):
    x, y = data()

    class Stop(Callback):
        affects_training = False

        def on_step_end(self, trainer):
            trainer.stop = trainer.step == stop

    def run(callbacks, **more):
        model = network()
        Trainer(model, CrossEntropy(), Adam(0.01)).fit(x, y, 4, 7, callbacks=callbacks, **more)
        return model

    path = tmp_path / "run.npz"
    run([Thaw(), Checkpoint(path), Stop()])
    assert everything(run([Thaw()], resume_from=path)) == everything(run([Thaw()]))


def test_resuming_with_other_layers_frozen_is_refused(tmp_path):
    x, y = data()
    trained(callbacks=[Checkpoint(tmp_path / "run.npz")])
    model = network()
    model.layers[0].trainable = False
    with pytest.raises(
        ValueError, match=r"frozen: \[\] against \['0\.Dense'\]; set layer\.trainable"
    ):
        Trainer(model, CrossEntropy(), Adam(0.01)).fit(
            x, y, 4, batch_size=7, resume_from=tmp_path / "run.npz"
        )
    assert model.layers[0].trainable is False


def test_a_training_in_which_nothing_can_move_is_told():
    model = network()
    for layer in model.layers:
        layer.trainable = False
    with pytest.warns(UserWarning, match="All layers are frozen"):
        trained(model)


# State that would be lost


class RunningMean(Layer):
    """As many write it: the mean is a plain attribute."""

    def __init__(self):
        self.mean = 0.0

    def forward(self, x, training=True):
        if training:
            self.mean = 0.9 * self.mean + 0.1 * x.mean(axis=0)
        return x - self.mean

    def input_gradient(self, dout):
        return dout


class OwnGenerator(Layer):
    def __init__(self, seed=0):
        self.seed = seed
        self.rng = np.random.default_rng(seed)

    def forward(self, x, training=True):
        if not training:
            return x
        self.mask = self.rng.random(x.shape) > 0.5
        return x * self.mask.astype(x.dtype)

    def input_gradient(self, dout):
        return dout * self.mask.astype(dout.dtype)


class Counter(Layer):
    calls = 0

    def forward(self, x, training=True):
        if training:
            self.calls += 1
        return x

    def input_gradient(self, dout):
        return dout


class InADictionary(RunningMean):
    def __init__(self):
        self.kept = {"mean": [np.zeros(4)]}

    def forward(self, x, training=True):
        if training:
            self.kept["mean"][0] = self.kept["mean"][0] + x.mean(axis=0)
        return x


class InAnObject(InADictionary):
    class Kept:
        mean = 0.0

    def __init__(self):
        self.kept = self.Kept()

    def forward(self, x, training=True):
        if training:
            self.kept.mean = self.kept.mean + x.mean(axis=0)
        return x


class OldGenerator(OwnGenerator):
    def __init__(self, seed=0):
        self.seed = seed
        self.rng = np.random.RandomState(seed)


class Recent(Layer):
    """Keeps the last means, in whatever container."""

    kept = staticmethod(list)

    def __init__(self):
        self.recent = collections.deque(maxlen=10)

    def forward(self, x, training=True):
        if training:
            self.recent.append(x.mean(axis=0))
        return x

    def input_gradient(self, dout):
        return dout


class InSlots(Recent):
    class Kept:
        __slots__ = ("mean",)

    def __init__(self):
        self.recent = self.Kept()
        self.recent.mean = 0.0

    def forward(self, x, training=True):
        if training:
            self.recent.mean = self.recent.mean + x.mean(axis=0)
        return x


class BoundMethod(Recent):
    def __init__(self):
        self.recent = np.random.default_rng(0).normal

    def forward(self, x, training=True):
        return x + self.recent(size=x.shape).astype(x.dtype) if training else x


class Spawns(Recent):
    def __init__(self):
        self.recent = np.random.SeedSequence(3)

    def forward(self, x, training=True):
        if training:
            self.recent.spawn(1)
        return x


class CountsOn(Recent):
    def __init__(self):
        self.recent = itertools.count()

    def forward(self, x, training=True):
        if training:
            next(self.recent)
        return x


class Largest(Recent):
    """Of a quantised network: the largest number that was seen, 1 at most in the data here."""

    def __init__(self):
        self.recent = 0.0

    def forward(self, x, training=True):
        if training:
            self.recent = max(self.recent, float(abs(x).max(initial=0)))
        return x


class InGroups(Recent):
    """Takes whole groups of 7 samples alone."""

    def __init__(self):
        self.recent = 0.0

    def forward(self, x, training=True):
        if training:
            self.recent = self.recent + float(x.reshape(-1, 7, x.shape[1]).mean())
        return x


class Slowly(Recent):
    def __init__(self):
        self.recent = np.float64(1)

    def forward(self, x, training=True):
        if training:
            self.recent = self.recent * (1 - 1e-6)
        return x


STATEFUL = [
    *(
        (kind, "keeps recent ")
        for kind in (Recent, InSlots, BoundMethod, Spawns, CountsOn, Largest, Slowly)
    ),
    (RunningMean, r"keeps mean .*buffer_shapes\(self, input_shape\): return \{\"mean\": \(4,\)\}"),
    (OwnGenerator, r"keeps rng .*rng = self\.stream\(\)"),
    (OldGenerator, r"keeps rng .*rng = self\.stream\(\)"),
    (Counter, r"keeps calls .*return \{\"calls\": \(\)\}"),
    (InADictionary, r"keeps kept .*buffers"),
    (InAnObject, r"keeps kept .*buffers"),
]


@pytest.mark.parametrize(("kind", "said"), STATEFUL)
def test_a_model_whose_file_would_lack_state_is_not_saved(tmp_path, kind, said):
    model = Sequential([kind(), Dense(3), Softmax()], input_shape=(4,))
    x, _ = data()
    model.forward(x)
    with pytest.raises(ValueError, match=rf"(?s)0\.{kind.__name__} {said}"):
        save_model(model, tmp_path / "model.npz")
    assert not (tmp_path / "model.npz").exists()


@pytest.mark.parametrize(("kind", "said"), STATEFUL)
def test_a_checkpoint_refuses_it_before_the_first_step(tmp_path, kind, said):
    model = Sequential([kind(), Dense(3), Softmax()], input_shape=(4,))
    with pytest.raises(ValueError, match=rf"(?s)0\.{kind.__name__} {said}"):
        trained(model, callbacks=[Checkpoint(tmp_path / "run.npz")])
    assert model.step == 0
    assert not (tmp_path / "run.npz").exists()


def test_a_checkpoint_looks_with_whole_batches(tmp_path):
    model = Sequential([InGroups(), Dense(3), Softmax()], input_shape=(4,))
    x, y = data(42)
    with pytest.raises(ValueError, match="keeps recent"):
        Trainer(model, CrossEntropy(), Adam(0.01)).fit(
            x, y, 1, batch_size=14, callbacks=[Checkpoint(tmp_path / "run.npz")]
        )
    with pytest.warns(UserWarning, match=r"could not check whether 0\.InGroups has state"):
        save_model(model, tmp_path / "model.npz")  # batches that are made up have no 7 samples


class Harmless(Dense):
    """Caches of kinds that are made at other times than in forward of training."""

    def forward(self, x, training=True):
        if not training:
            self.table = np.arange(3)
        return super().forward(x, training)

    def parameter_gradients(self, dout):
        super().parameter_gradients(dout)
        self.norm = float(np.abs(self.dW).max())

    def input_gradient(self, dout):
        self.last = dout.copy()
        return super().input_gradient(dout)


class LeavesOut(Dense):
    """A cache for each size of batch, which its __getstate__ leaves out; and a lock, copied."""

    def __init__(self, units):
        super().__init__(units)
        self.tables = {}

    def forward(self, x, training=True):
        self.tables.setdefault(len(x), np.zeros(len(x)))
        return super().forward(x, training)

    def __getstate__(self):
        return {name: value for name, value in super().__getstate__().items() if name != "tables"}

    def __setstate__(self, state):
        vars(self).update(state, tables={})


@pytest.mark.slow
def test_caches_of_other_times_are_no_state(tmp_path):
    class Freeze(Callback):
        def on_epoch_end(self, trainer):
            trainer.model.layers[0].trainable = False

    x, y = data()
    for layer in (Harmless(5), LeavesOut(5)):
        model = Sequential([layer, Dense(3), Softmax()], input_shape=(4,))
        path = tmp_path / f"{type(layer).__name__}.npz"
        trained(model, callbacks=[Freeze(), Checkpoint(path)])
        model.predict(x)
        model.input_gradient(CrossEntropy().backward(model.forward(x), y))
        save_model(model, tmp_path / "model.npz")
        twin = load_model(tmp_path / "model.npz", [type(layer)])
        assert twin.predict(x).tobytes() == model.predict(x).tobytes()


def test_a_layer_that_cannot_be_copied_is_saved_with_a_warning(tmp_path):
    class Locked(Dense):
        def __init__(self, units):
            super().__init__(units)
            self.lock = threading.Lock()

    model = Sequential([Locked(5)], input_shape=(4,))
    with pytest.warns(UserWarning, match=r"could not check whether 0\.Locked"):
        save_model(model, tmp_path / "model.npz")
    assert load_model(tmp_path / "model.npz", [Locked]).params.tobytes() == model.params.tobytes()


def test_an_object_with_a_get_state_of_another_kind_is_compared_by_what_it_holds(tmp_path):
    class Table:
        rows = 3

        def get_state(self, which):
            return which

    class Holds(Dense):
        def __init__(self, units):
            super().__init__(units)
            self.table = Table()

    save_model(Sequential([Holds(3)], input_shape=(4,)), tmp_path / "model.npz")
    assert load_model(tmp_path / "model.npz", [Holds]).layers[0].table.rows == 3


@pytest.mark.slow
def test_a_long_list_costs_no_square_of_its_length(tmp_path):
    """20,000 numbers once took 14 seconds, so that these would have taken two minutes."""

    class Table(Dense):
        def initialize(self, rng):
            super().initialize(rng)
            self.numbers = [float(i) for i in range(60_000)]

    model = Sequential([Table(3)], input_shape=(4,))
    began = time.process_time()
    save_model(model, tmp_path / "model.npz")
    assert time.process_time() - began < 30


def test_a_generator_as_an_argument_is_told_of_the_stream(tmp_path):
    class Noise(Dropout):
        def __init__(self, rng):
            self.rng = rng

    with pytest.raises(ValueError, match=r"self\.stream\(\)"):
        save_model(Sequential([Noise(np.random.default_rng(0))], input_shape=(4,)), tmp_path / "m")


def test_what_is_set_on_a_layer_and_is_no_argument_is_not_lost_either(tmp_path):
    class Scale(Layer):
        by = 1.0

        def forward(self, x, training=True):
            return x * np.float32(self.by)

        def input_gradient(self, dout):
            return dout * np.float32(self.by)

    model = Sequential([Scale(), Dense(3)], input_shape=(4,))
    save_model(model, tmp_path / "as_made.npz")
    model.layers[0].by = 0.5
    with pytest.raises(ValueError, match=r"0\.Scale keeps by"):
        save_model(model, tmp_path / "model.npz")


class KeepsCaches(Dense):
    """All that a batch may leave behind, and what initialize draws: none of it is state."""

    def initialize(self, rng):
        super().initialize(rng)
        self.fixed = rng.normal(size=(4, 4)).astype(np.float32)
        self.activation = lambda x: np.tanh(x)

    def forward(self, x, training=True):
        out = super().forward(self.activation(x @ self.fixed), training)
        if training:
            self.cache, self.size, self.notes = {"x": [x, x.T]}, len(x), [x.mean(), "a", None]
            self.nan = np.full(3, np.nan)
        return out

    def parameter_gradients(self, dout):
        super().parameter_gradients(dout)
        self.norm = float(np.sqrt(np.sum(dout**2)))

    def input_gradient(self, dout):
        z = self.activation(self.cache["x"][0] @ self.fixed)
        return (super().input_gradient(dout) * (1 - z**2)) @ self.fixed.T


class Words(Layer):
    """Knows whole numbers of 0 to 4 alone."""

    def parameter_shapes(self, input_shape):
        return {"table": (5, 3)}

    def output_shape(self, input_shape):
        return (3 * input_shape[0],)

    def initialize(self, rng):
        self.table = rng.normal(size=(5, 3)) / 10

    def forward(self, x, training=True):
        at = x.astype(int)
        if (at != x).any():
            raise ValueError("words are numbers")
        if training:
            self.at = at
        return self.table[at].reshape(len(x), -1)

    def parameter_gradients(self, dout):
        self.dtable = np.zeros_like(self.table)
        np.add.at(self.dtable, self.at, dout.reshape(*self.at.shape, 3))

    def input_gradient(self, dout):
        return np.zeros(self.at.shape, dout.dtype)


def test_what_is_no_state_is_saved_and_resumed(tmp_path):
    x, y = data()
    caches = Sequential([KeepsCaches(5), Dense(3), Softmax()], input_shape=(4,))
    trained(caches, callbacks=[Checkpoint(tmp_path / "caches.npz")])
    save_model(caches, tmp_path / "a.npz")
    twin = load_model(tmp_path / "a.npz", [KeepsCaches])
    assert twin.predict(x).tobytes() == caches.predict(x).tobytes()
    words = Sequential([Words(), Dense(3), Softmax()], input_shape=(4,))
    numbers = np.abs(x).astype(int) % 5
    Trainer(words, CrossEntropy(), SGD(0.1)).fit(
        numbers, y, 2, callbacks=[Checkpoint(tmp_path / "words.npz")]
    )
    save_model(words, tmp_path / "b.npz")


# Classes that have gained an argument since a file was written


def test_files_of_a_class_before_it_gained_an_argument_stay_readable(tmp_path):
    x, y = data()

    def run(layer, optimizer, watcher, epochs, **more):
        model = Sequential([Dense(5), layer, Dense(3), Softmax()], input_shape=(4,))
        Trainer(model, CrossEntropy(), optimizer).fit(x, y, epochs, callbacks=[watcher], **more)
        return model

    class Leaky(ReLU):
        pass

    class Steps(SGD):
        pass

    class Watcher(Callback):
        def __init__(self, at=1):
            self.at = at

    path = tmp_path / "run.npz"
    straight = run(Leaky(), Steps(0.1), Watcher(), 4)
    model = Sequential([Dense(5), Leaky(), Dense(3), Softmax()], input_shape=(4,))
    Trainer(model, CrossEntropy(), Steps(0.1)).fit(x, y, 2, callbacks=[Watcher(), Checkpoint(path)])
    save_model(model, tmp_path / "model.npz")

    def leaky_init(self, slope=0.0, form=(1, 2)):
        self.slope, self.form = slope, form

    def steps_init(self, learning_rate=0.01, momentum=0.0, nesterov=False, decay=0.0):
        SGD.__init__(self, learning_rate, momentum, nesterov)
        self.decay = decay

    def watcher_init(self, at=1, every=None):
        self.at, self.every = at, every

    later_leaky = type("Leaky", (ReLU,), {"__init__": leaky_init, "__module__": __name__})
    later_steps = type("Steps", (SGD,), {"__init__": steps_init, "__module__": __name__})
    later_watcher = type("Watcher", (Callback,), {"__init__": watcher_init, "__module__": __name__})
    resumed = run(later_leaky(), later_steps(0.1), later_watcher(), 4, resume_from=path)
    assert everything(resumed) == everything(straight)
    loaded = load_model(tmp_path / "model.npz", [later_leaky])
    assert loaded.layers[1].form == (1, 2)
    for layer, steps, watcher in (
        (later_leaky(slope=0.1), later_steps(0.1), later_watcher()),
        (later_leaky(), later_steps(0.1, decay=0.5), later_watcher()),
        (later_leaky(), later_steps(0.1), later_watcher(every=3)),
    ):
        with pytest.raises(ValueError, match=r"slope|decay|every"):
            run(layer, steps, watcher, 4, resume_from=path)


def test_a_loss_that_has_gained_an_argument_goes_on_and_is_kept_again(tmp_path):
    x, y = data()
    path = tmp_path / "run.npz"

    class Own(CrossEntropy):
        pass

    class Once(Callback):
        affects_training = False

        def on_step_end(self, trainer):
            trainer.stop = True

    def run(loss, callbacks, **more):
        model = Sequential([Dense(3), Softmax()], input_shape=(4,))
        Trainer(model, loss, SGD(0.1)).fit(x, y, 2, callbacks=callbacks, **more)
        return model

    straight = run(Own(), [])
    run(Own(), [Checkpoint(path), Once()])

    def init(self, label_smoothing=0.0, class_weights=None, smooth=0.0):
        CrossEntropy.__init__(self, label_smoothing, class_weights)
        self.smooth = smooth

    later = type("Own", (CrossEntropy,), {"__init__": init, "__module__": __name__})
    resumed = run(later(), [Checkpoint(path)], resume_from=path)
    assert everything(resumed) == everything(straight)


def test_a_checkpoint_from_before_there_were_streams_goes_on(tmp_path):
    x, y = data()
    path = tmp_path / "run.npz"

    def model():
        return Sequential([Dense(5), ReLU(), Dense(3), Softmax()], input_shape=(4,))

    straight = model()
    Trainer(straight, CrossEntropy(), Adam(0.01)).fit(x, y, 4)
    Trainer(model(), CrossEntropy(), Adam(0.01)).fit(x, y, 2, callbacks=[Checkpoint(path)])
    with np.load(path) as file:
        arrays = dict(file)
    training = json.loads(str(arrays["training"]))
    del training["model"], training["settings"]["frozen"]
    totals = training.pop("totals")
    names = {"n_correct": "hits", "n_samples": "samples"}
    training["sums"] = {names.get(name, name): value for name, value in totals.items()}
    old = {**arrays, "training": np.array(json.dumps(training)), "format": np.array(1)}
    np.savez(path, **old)
    second = tmp_path / "second.npz"  # of the same run, which goes on with both
    np.savez(second, **old)
    resumed = model()
    Trainer(resumed, CrossEntropy(), Adam(0.01)).fit(
        x, y, 4, callbacks=[Checkpoint(path), Checkpoint(second)], resume_from=path
    )
    assert resumed.params.tobytes() == straight.params.tobytes()


def test_mean_squared_error_and_buffers_go_together():
    model = Sequential([BatchNorm(), Dense(1)], input_shape=(4,))
    x, _ = data()
    Trainer(model, MeanSquaredError(), SGD(0.01)).fit(x, x[:, :1], 2)
    assert model.buffers.any()


@pytest.mark.parametrize("file_format", [2, 3])
def test_a_checkpoint_from_before_label_smoothing_goes_on(tmp_path, file_format):
    x, y = data()
    path = tmp_path / "run.npz"

    def model():
        return Sequential([Dense(5), ReLU(), Dense(3), Softmax()], input_shape=(4,))

    straight, resumed = model(), model()
    Trainer(straight, CrossEntropy(), Adam(0.01)).fit(x, y, 4)
    Trainer(model(), CrossEntropy(), Adam(0.01)).fit(x, y, 2, callbacks=[Checkpoint(path)])
    with np.load(path) as file:
        arrays = dict(file)
    training = json.loads(str(arrays["training"]))
    for gained in ("label_smoothing", "class_weights"):
        del training["settings"]["loss"][gained]
    arrays |= {"training": np.array(json.dumps(training)), "format": np.array(file_format)}
    np.savez(path, **arrays)
    Trainer(resumed, CrossEntropy(), Adam(0.01)).fit(x, y, 4, resume_from=path)
    assert resumed.params.tobytes() == straight.params.tobytes()
    with pytest.raises(ValueError, match=r"loss\.label_smoothing: 0\.0 against 0\.1"):
        Trainer(model(), CrossEntropy(0.1), Adam(0.01)).fit(x, y, 4, resume_from=path)


@pytest.mark.parametrize(
    ("loss", "name", "value"),
    [
        (CrossEntropy(0.1), "label_smoothing", 0.2),
        (CrossEntropy(0, [1, 2, 3]), "class_weights", [1, 2, 4]),
    ],
)
def test_an_argument_of_a_loss_that_changes_in_training_is_not_lost_silently(
    tmp_path, loss, name, value
):
    class Change(Callback):
        affects_training = False

        def on_epoch_begin(self, trainer):
            setattr(trainer.loss, name, value)

    x, y = data()
    model = Sequential([Dense(3), Softmax()], input_shape=(4,))
    with pytest.raises(ValueError, match=name):
        Trainer(model, loss, SGD(0.1)).fit(
            x, y, 2, callbacks=[Change(), Checkpoint(tmp_path / "run.npz")]
        )
