"""NeuralNetClassifier and NeuralNetRegressor train as a Trainer does by hand."""

import os
import pickle
import subprocess
import sys
import tracemalloc

import joblib
import numpy as np
import pytest
from scipy.sparse import coo_array, csr_array, csr_matrix, random_array
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from threadpoolctl import ThreadpoolController, threadpool_limits

from tinynn import (
    GELU,
    SGD,
    Adam,
    BatchNorm,
    BinaryCrossEntropy,
    Callback,
    CosineDecay,
    CrossEntropy,
    Dense,
    Dropout,
    EarlyStopping,
    FunctionCallback,
    InputError,
    MeanSquaredError,
    ReLU,
    Sequential,
    SigmoidCrossEntropy,
    Softmax,
    SoftmaxCrossEntropy,
    Trainer,
    softmax,
)
from tinynn.interop.sklearn import NeuralNetClassifier, NeuralNetRegressor

SEED = np.random.RandomState(3).randint(2**31 - 1)  # what random_state=3 means
NAMES = np.array(["ant", "bee", "cat"])


def samples(count=50, dtype=np.float64):
    """X (N, 4), scaled, and classes 0, 1, 2 of it."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(count, 4)).astype(dtype)
    return X, (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)


def by_hand(layers, loss, X, y, **fit):
    """A Sequential that was trained on X and y as random_state=3 asks for."""
    model = Sequential(layers, input_shape=X.shape[1:], seed=SEED, dtype=X.dtype)
    history = Trainer(model, loss, Adam(), seed=SEED).fit(X, y, epochs=3, **fit)
    return model, history


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_classifier_has_the_bits_of_a_trainer_by_hand(dtype):
    X, y = samples(dtype=dtype)
    net = NeuralNetClassifier((5,), epochs=3, random_state=3).fit(X, NAMES[y])
    model, history = by_hand([Dense(5), ReLU(), Dense(3)], SoftmaxCrossEntropy(), X, y)
    assert np.array_equal(net.model_.params, model.params)
    assert net.model_.params.dtype == dtype
    assert np.array_equal(net.predict_proba(X), softmax(model.predict(X)))
    assert np.array_equal(net.predict(X), NAMES[model.predict(X).argmax(axis=1)])
    assert net.score(X, NAMES[y]) == np.mean(net.predict(X) == NAMES[y])
    assert net.loss_curve_ == net.history_["loss"] == history["loss"]
    assert list(net.classes_) == list(NAMES)
    assert net.n_features_in_ == 4


def test_a_regressor_has_the_bits_of_a_trainer_by_hand():
    X, _ = samples()
    y = X @ np.array([1.0, -2.0, 0.5, 0.0])
    net = NeuralNetRegressor((5,), epochs=3, random_state=3).fit(X, y)
    model, _ = by_hand([Dense(5), ReLU(), Dense(1)], MeanSquaredError(), X, y[:, None])
    assert np.array_equal(net.predict(X), model.predict(X)[:, 0])
    several = NeuralNetRegressor((5,), epochs=3, random_state=3).fit(X, np.stack([y, -y], axis=1))
    assert several.predict(X).shape == (50, 2)


@pytest.mark.parametrize("loss", [CrossEntropy, CrossEntropy(label_smoothing=0.1)])
def test_layers_and_loss_of_ones_own_are_copied_and_completed(loss):
    X, y = samples()
    layers = [Dense(6), BatchNorm(), GELU(), Dropout(0.3)]
    net = NeuralNetClassifier(layers, loss=loss, epochs=3, random_state=3).fit(X, y)
    own = [Dense(6), BatchNorm(), GELU(), Dropout(0.3), Dense(3), Softmax()]
    model, _ = by_hand(own, loss() if isinstance(loss, type) else loss, X, y)
    assert np.array_equal(net.predict_proba(X), model.predict(X))
    assert not any(layer.built for layer in layers)
    assert net.layers is layers
    assert net.loss is loss


def test_layers_of_a_trained_model_are_made_anew_and_stay_as_they_are():
    X, y = samples()
    own = [Dense(6), BatchNorm(), ReLU(), Dropout(0.3)]
    trained, _ = by_hand([*own, Dense(3)], SoftmaxCrossEntropy(), X, y)
    trained.layers[0].trainable = False
    before = trained.params.copy()
    for layers in (trained.layers[:-1], [*trained.layers[:-1]]):
        net = clone(NeuralNetClassifier(layers, epochs=3, random_state=3)).fit(X, y)
        hidden = [Dense(6), BatchNorm(), ReLU(), Dropout(0.3)]
        hidden[0].trainable = False
        model, _ = by_hand([*hidden, Dense(3)], SoftmaxCrossEntropy(), X, y)
        assert np.array_equal(net.model_.params, model.params)
        assert [one.trainable for one in net.model_.layers] == [False, True, True, True, True]
    assert np.array_equal(trained.params, before)


@pytest.mark.parametrize("loss", [SigmoidCrossEntropy(), BinaryCrossEntropy])
def test_a_loss_of_yes_or_no_predicts_two_classes(loss):
    X, y = samples()
    answers = np.where(y > 0, "yes", "no")
    net = NeuralNetClassifier((20,), loss=loss, optimizer=Adam(0.02), random_state=0)
    p = net.fit(X, answers).predict_proba(X)
    assert p.shape == (50, 2)
    assert np.allclose(p.sum(axis=1), 1)
    assert net.score(X, answers) == 1.0
    with pytest.raises(InputError, match="Only binary classification is supported"):
        net.fit(X, y)


@pytest.mark.parametrize("sparse", [False, True])
def test_labels_of_which_a_sample_has_several(sparse):
    X, _ = samples(200)
    y = np.stack([X[:, 0] > 0, X[:, 1] > 0, X[:, 2] > 0], axis=1).astype(int)
    net = NeuralNetClassifier((30,), optimizer=Adam(0.02), random_state=0)
    net.fit(X, csr_matrix(y) if sparse else y)
    p = net.predict_proba(X)
    assert p.shape == (200, 3)
    assert not np.allclose(p.sum(axis=1), 1)
    assert net.predict(X).dtype == int
    assert (net.predict(X) == y).mean() > 0.97
    assert list(net.classes_) == [0, 1, 2]


def test_sample_weights_and_class_weights_multiply():
    X, y = samples()
    drawn = np.random.default_rng(1).uniform(0.5, 2, 50)
    net = NeuralNetClassifier((5,), epochs=3, random_state=3, class_weight={"bee": 4.0, "cat": 0.5})
    net.fit(X, NAMES[y], sample_weight=drawn)
    of_samples = drawn * np.array([1.0, 4.0, 0.5])[y]
    hidden = [Dense(5), ReLU(), Dense(3)]
    model, _ = by_hand(hidden, SoftmaxCrossEntropy(), X, y, sample_weight=of_samples)
    assert np.array_equal(net.model_.params, model.params)

    net.set_params(class_weight="balanced").fit(X, NAMES[y])
    of_samples = 50 / (3 * np.bincount(y))[y]
    hidden = [Dense(5), ReLU(), Dense(3)]
    model, _ = by_hand(hidden, SoftmaxCrossEntropy(), X, y, sample_weight=of_samples)
    assert np.array_equal(net.model_.params, model.params)


@pytest.mark.parametrize(
    "layers", [(5,), [Dense(8), BatchNorm(), ReLU(), Dropout(0.5)]], ids=["widths", "layers"]
)
def test_epochs_by_partial_fit_have_the_bits_of_fit(layers):
    X, y = samples()
    whole = NeuralNetClassifier(layers, epochs=4, random_state=3).fit(X, y)
    net = NeuralNetClassifier(layers, random_state=3).partial_fit(X, y, classes=[2, 1, 0])
    for _ in range(3):
        net = pickle.loads(pickle.dumps(net)).partial_fit(X, y)
    assert np.array_equal(net.model_.params, whole.model_.params)
    assert net.loss_curve_ == whole.loss_curve_
    assert len(net.history_.epochs) == 4

    y = X[:, :1] - X[:, 1:2]
    numbers = NeuralNetRegressor(layers, epochs=2, random_state=3).fit(X, y[:, 0])
    parts = NeuralNetRegressor(layers, random_state=3).partial_fit(X, y[:, 0])
    assert np.array_equal(parts.partial_fit(X, y[:, 0]).predict(X), numbers.predict(X))


def test_partial_fit_learns_from_parts_that_lack_classes():
    X, y = samples(300)
    net = NeuralNetClassifier(
        (20,), optimizer=Adam(0.02), random_state=0, class_weight={"cat": 3.0}
    )
    net.partial_fit(X[y == 0], NAMES[y[y == 0]], classes=NAMES)
    assert list(net.classes_) == list(NAMES)
    for _ in range(10):
        for i in range(0, 300, 30):
            net.partial_fit(X[i : i + 30], NAMES[y[i : i + 30]])
    assert net.score(X, NAMES[y]) > 0.9


def test_partial_fit_takes_weights_of_a_part_that_lacks_classes():
    X, y = samples()
    plain, weighted = (NeuralNetClassifier((5,), random_state=3) for _ in range(2))
    for rows in (y == 0, y == 2):
        plain.partial_fit(X[rows], y[rows], classes=[0, 1, 2])
        weights = np.ones(rows.sum())
        weighted.partial_fit(X[rows], y[rows], classes=[0, 1, 2], sample_weight=weights)
    np.testing.assert_allclose(weighted.model_.params, plain.model_.params, rtol=1e-12)


def test_partial_fit_refuses_what_does_not_fit_the_first_call():
    X, y = samples()
    net = NeuralNetClassifier((5,), random_state=0)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        net.partial_fit(X, y)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        net.partial_fit(X, y[:, None])
    net.partial_fit(X, y, classes=[0, 1, 2])
    before = net.model_.params.copy()
    with pytest.raises(ValueError, match=r"classes were \[0 1 2\] at first, and are now \[0 1\]"):
        net.partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match="y has 8, which is not in classes"):
        net.partial_fit(X, y + 7)
    with pytest.raises(ValueError, match="does not fit the classes"):
        net.partial_fit(X, np.eye(3, dtype=int)[y])
    with pytest.raises(ValueError, match="3 features"):
        net.partial_fit(X[:, :3], y)
    assert np.array_equal(net.model_.params, before)


def test_validation_data_are_held_out_of_training_class_by_class():
    X, y = samples(100)
    seen = []
    watch = FunctionCallback(
        affects_training=False,
        on_train_begin=lambda trainer: seen.append((trainer.x, trainer.y, trainer.validation)),
    )
    net = NeuralNetClassifier(
        (5,), epochs=2, validation_fraction=0.2, callbacks=[watch], random_state=3
    ).fit(X, y)
    x_train, y_train, (x_held, y_held) = seen[0]
    assert len(x_held) == 20
    rows = {tuple(row) for row in x_train} | {tuple(row) for row in x_held}
    assert rows == {tuple(row) for row in X}
    share = np.bincount(y_held) - np.bincount(y) * 0.2
    assert (np.abs(share) < 1).all()
    assert "val_loss" in net.history_.epochs[-1]
    assert len(y_train) == 80


def test_callbacks_optimizer_and_layers_are_fresh_in_each_fit():
    X, y = samples(100)
    stop, optimizer = EarlyStopping(patience=1, monitor="loss"), SGD(CosineDecay(0.1))
    net = NeuralNetClassifier((5,), optimizer=optimizer, callbacks=[stop], epochs=5, random_state=3)
    first = net.fit(X, y).model_.params.copy()
    assert (stop.best_epoch, optimizer.t) == (0, 0)
    assert net.callbacks_[0].best_epoch > 0
    assert np.array_equal(net.fit(X, y).model_.params, first)
    assert np.array_equal(clone(net).fit(X, y).model_.params, first)


def test_a_stopped_optimizer_of_another_model_can_be_given():
    X, y = samples()
    used = Adam()
    Trainer(Sequential([Dense(3)], (4,)), SoftmaxCrossEntropy(), used).fit(X, y, epochs=1)
    a, b = (NeuralNetClassifier((5,), optimizer=o, random_state=3).fit(X, y) for o in (used, Adam))
    assert np.array_equal(a.model_.params, b.model_.params)


def test_random_state():
    X, y = samples()
    net = NeuralNetClassifier((5,), epochs=2)
    a, b = (clone(net).fit(X, y).predict_proba(X) for _ in range(2))
    assert not np.array_equal(a, b)
    state = np.random.RandomState(3)
    a, b = (clone(net).set_params(random_state=state).fit(X, y) for _ in range(2))
    by_number = NeuralNetClassifier((5,), epochs=2, random_state=3).fit(X, y)
    assert np.array_equal(a.model_.params, by_number.model_.params)


def test_the_number_of_blas_threads_changes_no_bits():
    """joblib gives processes fewer threads; without the limit these bits differ."""
    X = np.random.default_rng(0).normal(size=(400, 64))
    y = (X[:, 0] > 0).astype(int)
    bits = []
    for threads in (1, 2):
        with threadpool_limits(threads, "blas"):
            net = NeuralNetClassifier((100, 50), epochs=2, batch_size=200, random_state=0)
            bits.append(net.fit(X, y).predict_proba(X).tobytes())
            pools = ThreadpoolController().select(user_api="blas").info()
            assert {pool["num_threads"] for pool in pools} == {threads}
    assert bits[0] == bits[1]


BITS = """
import hashlib
import numpy as np
from tinynn.interop.sklearn import NeuralNetClassifier

X = np.random.default_rng(0).normal(size=(400, 64))
y = (X[:, 0] > 0).astype(int)
for dtype in (np.float32, np.float64):
    net = NeuralNetClassifier((100, 50), epochs=2, batch_size=200, random_state=0)
    p = net.fit(X.astype(dtype), y).predict_proba(X.astype(dtype))
    print(hashlib.sha256(p.tobytes()).hexdigest())
"""


@pytest.mark.slow
def test_processes_with_one_and_two_blas_threads_have_the_same_bits():
    printed = [
        subprocess.run(
            [sys.executable, "-c", BITS],
            env={**os.environ, "OPENBLAS_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in "12"
    ]
    assert printed[0] == printed[1]


def test_sparse_data_have_the_bits_of_dense_data():
    X, y = samples(80)
    X[X < 0.3] = 0
    for layers in ((5,), [Dropout(0.2), Dense(5), BatchNorm(), ReLU()]):
        net = NeuralNetClassifier(layers, epochs=3, validation_fraction=0.25, random_state=3)
        dense = net.fit(X, y).predict_proba(X)
        for form in (csr_array, csr_matrix, coo_array):
            assert np.array_equal(clone(net).fit(form(X), y).predict_proba(form(X)), dense)
    part = NeuralNetRegressor((5,), random_state=3).partial_fit(csr_array(X), X[:, 0])
    assert np.array_equal(
        part.partial_fit(csr_array(X), X[:, 0]).predict(csr_array(X)),
        NeuralNetRegressor((5,), epochs=2, random_state=3).fit(X, X[:, 0]).predict(X),
    )


def sparse_task(rows, columns):
    """A sparse X in float32 whose first ten columns tell y, which is 0 or 1."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, rows)
    noise = random_array((rows, columns), density=5 / columns, rng=rng, dtype=np.float32).tocoo()
    cells = np.arange(rows), rng.integers(0, 5, rows) + 5 * y
    values = np.concatenate([noise.data, np.ones(rows, np.float32)])
    where = tuple(np.concatenate(pair) for pair in zip(noise.coords, cells, strict=True))
    return coo_array((values, where), shape=(rows, columns)).tocsr(), y


def peak_of_training(rows, columns):
    """Train on such data and predict; return the largest memory in bytes, and the accuracy."""
    X, y = sparse_task(rows, columns)
    net = NeuralNetClassifier(
        (), epochs=1, batch_size=50, optimizer=Adam(0.05), validation_fraction=0.1, random_state=0
    )
    tracemalloc.start()
    score = net.fit(X, y).score(X, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak, score


def test_sparse_data_are_made_dense_batch_by_batch():
    peak, score = peak_of_training(rows=2_000, columns=20_000)  # 160 MB if dense
    assert peak < 80e6
    assert score > 0.9


@pytest.mark.slow
def test_sparse_data_that_would_not_fit_are_trained_on():
    peak, score = peak_of_training(rows=20_000, columns=100_000)  # 8 GB if dense
    assert peak < 400e6
    assert score > 0.95


def test_pickle_and_joblib_keep_predictions_and_training(tmp_path):
    X, y = samples()
    net = NeuralNetClassifier((5,), epochs=3, random_state=3).fit(X, y)
    joblib.dump(net, tmp_path / "net.joblib")
    copies = [
        pickle.loads(pickle.dumps(net)),
        joblib.load(tmp_path / "net.joblib"),
        joblib.load(tmp_path / "net.joblib", mmap_mode="r"),
    ]
    for each in copies:
        assert np.array_equal(each.predict_proba(X), net.predict_proba(X))
    net.partial_fit(X, y)
    for each in copies:
        assert np.array_equal(each.partial_fit(X, y).predict_proba(X), net.predict_proba(X))
    assert len(pickle.dumps(net)) < 10_000  # no training data in it


def test_a_search_sets_the_arguments_of_optimizer_and_loss():
    net = NeuralNetClassifier(loss=CrossEntropy)
    assert net.get_params()["optimizer__learning_rate"] == 1e-3
    net.set_params(optimizer__learning_rate=0.5, loss__label_smoothing=0.1, epochs=7)
    assert (net.optimizer.learning_rate, net.loss.label_smoothing, net.epochs) == (0.5, 0.1, 7)
    before = SGD(0.1, momentum=0.9)
    net.set_params(optimizer=before, optimizer__learning_rate=0.2)
    assert (net.optimizer.learning_rate, net.optimizer.momentum) == (0.2, 0.9)
    assert before.learning_rate == 0.1
    assert clone(net).get_params()["optimizer__momentum"] == 0.9
    with pytest.raises(ValueError, match="SGD has no argument lr"):
        net.set_params(optimizer__lr=0.2)
    with pytest.raises(ValueError, match="loss__delta cannot be set, as loss is None"):
        NeuralNetRegressor().set_params(loss__delta=2.0)
    with pytest.raises(ValueError, match="Invalid parameter 'width'"):
        net.set_params(width=3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layers": 100}, "layers must be widths"),
        ({"layers": "relu"}, "layers must be widths"),
        ({"layers": (10, ReLU())}, "layers must be widths"),
        ({"layers": [Dense(3), Softmax()]}, "these are the hidden layers only"),
        ({"layers": (0,)}, "units of Dense must be a whole number"),
        ({"layers": (True,)}, r"layers must be widths, .* got \(True,\)"),
        ({"layers": [8, np.True_]}, "layers must be widths"),
        ({"optimizer": "adam"}, "optimizer must be"),
        ({"loss": "mse"}, "loss must be"),
        ({"loss": MeanSquaredError()}, "is no loss of classes"),
        ({"epochs": 0}, "epochs must be"),
        ({"batch_size": 0}, "batch_size must be"),
        ({"validation_fraction": 1.0}, "validation_fraction must be"),
        ({"validation_fraction": 0.99}, "leaves none to train on"),
        ({"callbacks": [EarlyStopping]}, "callbacks"),
        ({"class_weight": "equal"}, "class_weight"),
        ({"random_state": "x"}, "seed"),
    ],
    ids=lambda each: str(each)[:30],
)
def test_wrong_arguments_are_refused_by_fit(arguments, message):
    X, y = samples(20)
    net = NeuralNetClassifier(**arguments)
    with pytest.raises(ValueError, match=message):
        net.fit(X, y)
    with pytest.raises(NotFittedError):
        net.predict(X)


def test_wrong_data_are_refused():
    X, y = samples(20)
    net = NeuralNetClassifier((5,), epochs=2, random_state=0)
    for bad, message in (
        (y.astype(float) + 0.5, "Unknown label type"),
        (np.zeros(20, int), "y has 1 class"),
        (np.stack([y, y], axis=1), "multiclass-multioutput"),
    ):
        with pytest.raises(ValueError, match=message):
            net.fit(X, bad)
    for weights, message in (
        (np.zeros(20), "zero for all samples"),
        (-np.ones(20), "0 or more"),
        (np.ones(19), "shape"),
        ((y == 0) * 1.0, "Only one class"),
    ):
        with pytest.raises(ValueError, match=message):
            net.fit(X, y, sample_weight=weights)
    with pytest.raises(ValueError, match="is no loss of numbers"):
        NeuralNetRegressor(loss=SigmoidCrossEntropy()).fit(X, y)
    with pytest.raises(ValueError, match="does not fit labels"):
        NeuralNetClassifier(loss=CrossEntropy()).fit(X, np.eye(3, dtype=int)[y])


def test_an_estimator_whose_second_fit_fails_is_not_fitted():
    X, y = samples(20)
    net = NeuralNetClassifier((5,), epochs=2).fit(X, y)
    with pytest.raises(ValueError, match="NaN"):
        net.fit(np.full_like(X, np.nan), y)
    with pytest.raises(NotFittedError):
        net.predict(X)


def test_an_error_in_a_callback_leaves_the_estimator_unfitted():
    class Fails(Callback):
        def on_epoch_end(self, trainer):
            raise RuntimeError("a mistake")

    X, y = samples(20)
    net = NeuralNetClassifier((5,), epochs=2, callbacks=[Fails()])
    with pytest.raises(RuntimeError, match="a mistake"):
        net.fit(X, y)
    assert not hasattr(net, "model_")
