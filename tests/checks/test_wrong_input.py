"""Protects the learner's first hour: wrong input works rightly or gets a clear message."""

import re
import tracemalloc

import numpy as np
import pytest

from tinynn import (
    Adam,
    CosineDecay,
    CrossEntropy,
    CSVLogger,
    Dense,
    EarlyStopping,
    Flatten,
    InputError,
    Layer,
    Loss,
    MeanSquaredError,
    Optimizer,
    PiecewiseConstant,
    ReduceOnPlateau,
    ReLU,
    Sequential,
    Softmax,
    Trainer,
    TrainingDiverged,
    load_model,
    one_hot,
    save_model,
    scale_pixels,
    stratified_split,
)

X = np.random.default_rng(0).random((20, 3, 2), np.float32)
Y = np.arange(20) % 4


def trainer(loss=None, dtype=np.float32):
    model = Sequential([Flatten(), Dense(5), ReLU(), Dense(4), Softmax()], (3, 2), dtype=dtype)
    return Trainer(model, loss or CrossEntropy(), Adam())


def with_nan(array, sample):
    array = array.astype(np.float32)
    array[sample] = np.nan
    return array


def far_wrong(labels):
    labels = labels.copy()
    labels[-1] = 9  # not in the first batch
    return labels


with np.errstate(divide="ignore"):
    WITH_INFINITY = X / (np.arange(20) != 3)[:, None, None]

REFUSED = {
    "true and false": ({"y": Y > 1}, r"Use np.asarray\(y\).astype"),
    "strings": ({"x": np.full((20, 3, 2), "a")}, "expects numbers, got an array of <U1"),
    "objects": ({"x": np.full((20, 3, 2), None)}, "expects numbers, got an array of object"),
    "complex": ({"x": X + 0j}, "expects numbers, got an array of complex"),
    "no samples": ({"x": X[:0], "y": Y[:0]}, "1 or more; got shapes"),
    "one number": ({"x": np.float32(1), "y": np.float32(1)}, "1 or more; got shapes"),
    "lengths": ({"x": X[:19]}, r"the same number of samples.*\(19, 3, 2\) and \(20,\)"),
    "transposed": ({"x": X.transpose(0, 2, 1)}, r"samples of shape \(3, 2\).*samples of \(2, 3\)"),
    "one sample": (
        {"x": X[0], "y": Y[:3]},
        r"got one sample.* Give it np.asarray\(x\)\[None\]",
    ),
    "NaN": ({"x": with_nan(X, 7)}, "x holds NaN or infinity, first in sample 7"),
    "infinity": ({"x": WITH_INFINITY}, "NaN or infinity, .* sample 3"),
    "label": ({"y": far_wrong(Y)}, r"4 classes \(0 to 3\) but y contains 9"),
    "labels from 1": ({"y": Y + 1}, "Do your labels start at 1"),
    "float labels": ({"y": Y.astype(float)}, "whole number for each sample"),
    "string labels": ({"y": np.array(list("abcd") * 5)}, "whole number for each sample"),
    "wide rows": ({"y": one_hot(Y, 5)}, r"rows \(20, 4\), got \(20, 5\)"),
    "no shares": ({"y": one_hot(Y, 4) * 2}, "must sum to 1, but row 0 sums to 2"),
    "late row": ({"y": one_hot(Y, 4) - 2 * (np.arange(20) == 19)[:, None]}, "row 19"),
    "NaN rows": ({"y": with_nan(one_hot(Y, 4), 11)}, "y holds NaN or infinity, .* sample 11"),
    "batch size 0": ({"batch_size": 0}, "batch_size must be a whole number of 1 or more, got 0"),
    "batch size 1.5": ({"batch_size": 1.5}, "batch_size must be a whole number"),
    "epochs 0": ({"epochs": 0}, "epochs must be a whole number of 1 or more, got 0"),
    "epochs -1": ({"epochs": -1}, "epochs must be a whole number of 1 or more, got -1"),
    "one validation array": ({"validation_data": X}, r"must be \(x, y\) or"),
    "validation label": ({"validation_data": (X, far_wrong(Y))}, "y contains 9"),
    "validation NaN": ({"validation_data": (with_nan(X, 2), Y)}, "validation x holds NaN"),
    "a class for a callback": ({"callbacks": [Adam]}, r"callbacks\[0\] must be a Callback"),
    "no list of callbacks": ({"callbacks": 3}, "callbacks must be a list"),
}


@pytest.mark.parametrize(("changed", "said"), REFUSED.values(), ids=REFUSED)
def test_wrong_input_is_refused_before_the_first_step(changed, said):
    run = trainer()
    before = run.model.params.tobytes()
    with pytest.raises(ValueError, match=said):
        run.fit(**{"x": X, "y": Y, "epochs": 1, **changed})
    assert run.model.params.tobytes() == before
    assert (run.step, run.optimizer.t, run.history.epochs) == (0, 0, [])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((None, CrossEntropy(), Adam()), "model must be a Sequential, got None"),
        ((trainer().model, CrossEntropy, Adam()), r"loss must be a Loss.*Write CrossEntropy\(\)"),
        (
            (trainer().model, CrossEntropy(), Adam),
            r"optimizer must be an Optimizer.*Write Adam\(\)",
        ),
        ((trainer().model, "mse", Adam()), "loss must be a Loss, got 'mse'"),
    ],
)
def test_a_trainer_takes_objects_not_classes_or_names(arguments, said):
    with pytest.raises(ValueError, match=said):
        Trainer(*arguments)


def fitted(x, y, **arguments):
    run = trainer()
    run.fit(x, y, epochs=2, batch_size=8, **arguments)
    return run.model.params.tobytes()


def memory_mapped(tmp_path):
    np.save(tmp_path / "x.npy", X)
    return np.load(tmp_path / "x.npy", mmap_mode="r")


def read_only():
    x = X.copy()
    x.setflags(write=False)
    return x


SAME = {
    "float64": lambda tmp_path: X.astype(np.float64),
    "every second": lambda tmp_path: np.repeat(X, 2, axis=0)[::2],
    "Fortran order": lambda tmp_path: np.asfortranarray(X),
    "big-endian": lambda tmp_path: X.astype(">f4"),
    "read-only": lambda tmp_path: read_only(),
    "memory-mapped": memory_mapped,
    "list": lambda tmp_path: X.tolist(),
}


@pytest.mark.parametrize("kind", SAME)
def test_the_same_numbers_in_another_form_train_to_the_same_bits(tmp_path, kind):
    assert fitted(SAME[kind](tmp_path), Y) == fitted(X, Y)


def test_one_hot_rows_and_labels_train_to_the_same_bits():
    assert fitted(X, one_hot(Y, 4)) == fitted(X, Y)
    assert fitted(X, Y.astype(np.uint8)) == fitted(X, Y.tolist())


def test_a_batch_larger_than_the_data_is_all_of_it():
    run, whole = trainer(), trainer()
    run.fit(X, Y, epochs=3, batch_size=1000)
    whole.fit(X, Y, epochs=3, batch_size=20)
    assert run.step == 3
    assert run.model.params.tobytes() == whole.model.params.tobytes()


def test_bytes_are_trained_on_with_a_warning_that_names_scale_pixels():
    run = trainer()
    with pytest.warns(UserWarning, match="holds bytes|guessing") as caught:
        run.fit(np.full((20, 3, 2), 254, np.uint8), Y, epochs=1)
    assert "x holds bytes, 0 to 254" in str(caught[0].message)
    assert "scale_pixels(x)" in str(caught[0].message)
    assert run.step == 1


def test_inputs_are_never_modified():
    x, y = X.copy(), one_hot(Y, 4)
    x_before, y_before = x.tobytes(), y.tobytes()
    run = trainer()
    run.fit(x, y, epochs=2, validation_data=(x[::-1], y[::-1]))
    run.evaluate(x, y)
    run.model.predict(x)
    assert (x.tobytes(), y.tobytes()) == (x_before, y_before)


@pytest.mark.parametrize(
    "kind",
    [str, object, complex, "M8[s]", "S3"],
    ids=["texts", "objects", "complex", "dates", "bytes"],
)
def test_targets_that_are_not_numbers_are_refused_by_mean_squared_error(kind):
    y = one_hot(Y, 4).astype(int).astype(kind)
    with pytest.raises(ValueError, match="MeanSquaredError expects numbers, got y of"):
        trainer(MeanSquaredError()).fit(X, y, epochs=1)


def test_numbers_beyond_the_models_precision_are_reported_as_too_large_not_as_infinity():
    x = X.astype(np.float64)
    x[5, 1, 1] = -1e300
    with pytest.raises(ValueError) as error:
        trainer().fit(x, Y, epochs=1)
    assert str(error.value) == (
        "x holds -1e+300, first in sample 5. This is too large for the model's float32 (3.4e+38 "
        "at most). Scale x to about 0 to 1, or build the model with dtype=np.float64."
    )
    trainer(dtype=np.float64).fit(np.where(x < 0, -1e30, x), Y, epochs=1)


class Series:
    """Like one of pandas: neither takes a second axis."""

    def __init__(self, values):
        self.values = values
        self.shape = self.values.shape

    def __array__(self, dtype=None, copy=None):
        return self.values

    def __getitem__(self, index):
        raise TypeError("no tuple of indices")


COLUMN = np.zeros((20, 1), int)
REMEDIES = {  # what is done, and the names in it
    "a row for a column": (
        lambda y: MeanSquaredError().forward(np.zeros((20, 1)), y), np.zeros(20)
    ),
    "a column for a row": (lambda y: CrossEntropy().forward(np.full((20, 2), 0.5), y), COLUMN),
    "a row for samples of one number": (
        lambda x: Sequential([Dense(1)], input_shape=(1,)).predict(x), np.zeros(20)
    ),
    "one-hot rows to split": (
        lambda y: stratified_split(y, 5, np.random.default_rng(0)), np.eye(2, dtype=int)[Y % 2]
    ),
}  # fmt: skip


@pytest.mark.parametrize(("use", "values"), REMEDIES.values(), ids=REMEDIES)
@pytest.mark.parametrize("kind", [np.asarray, Series, lambda values: values.tolist()])
def test_the_remedy_works_for_what_was_given(use, values, kind):
    with pytest.raises(ValueError) as caught:
        use(kind(values))
    remedy = re.search(r"np\.asarray\(([xy])\)(\[:, \w+\]|\.argmax\(axis=1\))", str(caught.value))
    use(eval(remedy[0], {"np": np, remedy[1]: kind(values)}))


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (np.arange(17), "write np.asarray(images) / 16."),
        (np.arange(17.0), "write np.asarray(images) / 16."),
        (np.arange(256), "write np.asarray(images).astype(np.uint8)"),
        (np.arange(512) / 2, "write np.asarray(images) / 255."),
        (np.arange(65_536), "write np.asarray(images) / 65535."),
        (np.arange(256) - 1, "Have they been scaled already?"),
        (np.arange(17) / 16, "Have they been scaled already?"),
        (np.array([np.nan, 3]), "Have they been scaled already?"),
    ],
)
def test_numbers_of_another_range_are_not_told_to_become_bytes(images, said):
    with pytest.raises(ValueError) as caught:
        scale_pixels(images)
    assert said in str(caught.value)


@pytest.mark.parametrize("layers", [[Dense(3)], [Flatten(), Dense(3)]])
def test_the_shape_of_a_table_for_that_of_a_sample_is_seen(layers):
    x = np.zeros((150, 4))
    with pytest.raises(ValueError, match=r"150 samples\? .*input_shape=np\.shape\(x\)\[1:\]"):
        Sequential(layers, input_shape=x.shape).predict(x)


def test_a_missing_label_is_named():
    class NAType:
        """As pandas writes what is missing."""

    for missing in (None, NAType()):
        with pytest.raises(ValueError, match="sample 3 is missing: leave out such samples"):
            trainer().fit(X, np.array([0, 1, 2, missing] * 5, object), 1)


def test_targets_of_another_shape_are_refused_by_mean_squared_error():
    with pytest.raises(ValueError, match=r"p is \(20, 4\), y is \(20,\)"):
        trainer(MeanSquaredError()).fit(X, Y.astype(float), epochs=1)


@pytest.mark.parametrize("rows", [0, 1])
def test_predict_takes_zero_rows_and_one_row(rows):
    assert trainer().model.predict(X[:rows]).shape == (rows, 4)


def test_predict_on_a_million_rows_needs_little_more_memory_than_its_answer():
    model = trainer().model
    x = np.broadcast_to(X[:1], (10**6, 3, 2))  # a million rows in the memory of one
    tracemalloc.start()
    p = model.predict(x)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert p.shape == (10**6, 4)
    assert (p == p[0]).all()
    assert peak < p.nbytes + 10**6


class DoublesInPlace(Layer):
    """A user's own layer with a common mistake: it writes into its input."""

    def forward(self, x, training=True):
        x *= 2
        return x

    def input_gradient(self, dout):
        return 2 * dout


def test_a_layer_that_works_in_place_cannot_change_the_data():
    model = Sequential([DoublesInPlace(), Flatten(), Dense(4), Softmax()], (3, 2))
    x = X.copy()
    for use in (model.forward, model.predict, lambda x: Trainer(
        model, CrossEntropy(), Adam()).fit(x, Y, 1, validation_data=(x, Y))):  # fmt: skip
        with pytest.raises(ValueError, match="read-only"):
            use(x)
    assert x.tobytes() == X.tobytes()


class Scale(Layer):
    def parameter_shapes(self, input_shape):
        return {"scale": ()}

    def forward(self, x, training=True):
        self.x = x
        return x * self.scale

    def parameter_gradients(self, dout):
        self.dscale = (dout * self.x).sum()

    def input_gradient(self, dout):
        return dout * self.scale


def test_a_sample_may_be_a_single_number():
    model = Sequential([Scale()], input_shape=())
    model.params = [1.0]
    x = np.linspace(-1, 1, 20)
    Trainer(model, MeanSquaredError(), Adam(0.1)).fit(x, 3 * x, 200, batch_size=20)
    assert model.params[0] == pytest.approx(3, abs=0.01)


# Numbers that are none, and numbers out of range: each was a bare error, or an answer without words


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: EarlyStopping(min_delta=10**400), "min_delta must be a number, 0 or more"),
        (lambda: EarlyStopping(mode=np.array([1, 2])), 'mode must be "min"'),
        (lambda: ReduceOnPlateau(factor=10**400), "factor must be above 0 and below 1"),
        (lambda: ReduceOnPlateau(least=10**400), "least must be"),
        (lambda: CosineDecay(0.1, final=10**400), "final must be a number from 0"),
        (lambda: PiecewiseConstant(0.1, [5], [np.ones(2)]), "each of rates must be a positive"),
        (lambda: CSVLogger("log.csv", if_exists=np.ones(2)), "if_exists must be 'error'"),
        (lambda: Sequential([Dense(2)], (3,), dtype=None), "dtype must be float32 or float64"),
        (lambda: Sequential([Dense(2)], (3,)).astype(None), "dtype must be float32 or float64"),
        (lambda: Sequential(np.array(2), (3,)), "expects a list of layers"),
        (lambda: Adam(np.ma.masked), "learning_rate must be a positive number, got masked"),
        (lambda: save_model(trainer().model, "a\0b.npz"), r"holds a NUL.*forward slashes"),
        (lambda: load_model("a\0b.npz"), "holds a NUL"),
    ],
)
def test_an_argument_that_is_no_such_number_or_text(make, words):
    with pytest.raises(InputError, match=words):
        make()


@pytest.mark.parametrize("value", [10**400, np.ma.masked, np.ma.masked_array(0.5, True)])
def test_a_metric_that_returns_no_finite_number(value):
    def own(p, y):
        return value

    measuring = Trainer(trainer().model, CrossEntropy(), Adam(), metrics=[own])
    with pytest.raises(InputError, match="The metric own must return"):
        measuring.evaluate(X, Y)


def test_a_loss_beyond_all_floats_is_divergence_and_not_a_bare_error():
    class Huge(CrossEntropy):
        def forward(self, p, y):
            return 10**400

    with pytest.raises(TrainingDiverged, match="the loss itself"):
        trainer(Huge()).fit(X, Y, 1)


@pytest.mark.parametrize(
    ("numbers", "of"), [([1e300, 1, 1, 1], "class 0"), ([1, 1, 1e-300, 1], "class 2")]
)
def test_class_weights_that_would_become_infinite_or_nothing(numbers, of):
    with pytest.raises(InputError, match=f", that of {of}, is out of the range of float32. Divide"):
        CrossEntropy(class_weights=numbers)


@pytest.mark.parametrize(("number", "at"), [(1e308, 3), (1e-300, 0)])
def test_sample_weights_that_would_become_infinite_or_nothing(number, at):
    given = np.full(20, number) if at == 0 else np.r_[np.ones(3), number, np.ones(16)]
    with pytest.raises(InputError, match=f"e.3[0-9]+, that of sample {at}, is out of the range"):
        trainer().fit(X, Y, 1, sample_weight=given)


def test_hidden_numbers_are_not_put_into_weights():
    model = trainer().model
    before = model.params.copy()
    with pytest.raises(InputError, match=r"1\.Dense\.W takes .* under a mask: write \.filled"):
        model.layers[1].W = np.ma.masked_array(np.ones((6, 5)), mask=np.eye(6, 5))
    assert np.array_equal(model.params, before)
    model.layers[1].W = np.ma.masked_array(np.ones((6, 5)))  # nothing is hidden
    assert model.layers[1].W.sum() == 30


@pytest.mark.parametrize(
    ("values", "remedy"),
    [
        (np.full((20, 3, 2), "1.5"), "All entries are numbers: write .astype(float)."),
        (np.full((20, 3, 2), b"1.5"), "All entries are numbers: write .astype(float)."),
        (np.full((20, 3, 2), "red"), "numbers = np.unique(column, return_inverse=True)."),
        (X + 0j, "Take .real, or stack .real and .imag."),
        (X.astype("M8[D]"), "(x - x.min()) / np.timedelta64(1, 'D')."),
        (X.astype("m8[s]"), "x / np.timedelta64(1, 'D')."),
    ],
)
def test_texts_dates_and_complex_numbers_are_told_how_to_become_numbers(values, remedy):
    with pytest.raises(InputError) as refused:
        trainer().fit(values, Y, 1)
    assert str(refused.value).endswith(remedy)
    with pytest.raises(InputError) as refused:
        MeanSquaredError().forward(X, values)
    assert str(refused.value).endswith(remedy)


def test_negative_classes_are_told_what_to_become():
    with pytest.raises(InputError, match=r"contains -1\. Use \(y \+ 1\) // 2\.$"):
        CrossEntropy().forward([[0.5, 0.5]] * 2, [-1, 1])
    with pytest.raises(InputError, match=r"contains -1\. Leave out .*: x\[y >= 0\], y\[y >= 0\]"):
        CrossEntropy().forward([[0.5, 0.5]] * 3, [-1, 0, 1])


class Usual(Loss):
    """The cross-entropy, and a gradient in place, as in many courses: p[range(B), y] -= 1."""

    takes, classifies = "probabilities", True

    def forward(self, p, y):
        return CrossEntropy().forward(p, y)

    def backward(self, p, y):
        p[np.arange(len(y)), y] -= 1 / p[np.arange(len(y)), y]
        return p


class ChangesAnswers(Usual):
    def forward(self, p, y):
        y *= 0
        return CrossEntropy().forward(p, y)


class Likely(CrossEntropy):
    takes = "probs"


@pytest.mark.parametrize("kind", [Usual, ChangesAnswers])
def test_a_loss_that_changes_what_it_is_given_is_refused_and_nothing_is_lost(kind):
    given, labels = X.copy(), Y.copy()
    with pytest.raises(InputError, match=f"{kind.__name__} changes p or y in place.*p = p.copy"):
        trainer(kind()).fit(given, labels, 1)
    if kind is ChangesAnswers:
        with pytest.raises(ValueError, match="read-only"):
            trainer(kind()).evaluate(given, labels)
    assert np.array_equal(labels, Y)
    assert np.array_equal(given, X)


def test_what_a_loss_or_layer_takes_is_said_in_known_words():
    with pytest.raises(InputError, match=r"Likely\.takes must be one of 'logits', .* got 'probs'"):
        trainer(Likely())


def test_an_optimizer_without_the_start_of_its_base_class():
    class Bare(Optimizer):
        def __init__(self):
            self.size = 1

        def update(self, params, grads, rate):
            params -= grads

    with pytest.raises(AttributeError, match=r"write super\(\).__init__\(...\) in Bare.__init__"):
        Trainer(trainer().model, CrossEntropy(), Bare()).fit(X, Y, 1)
