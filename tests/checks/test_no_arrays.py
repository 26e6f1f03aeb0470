"""Protects every function from objects that NumPy would misread as an array or a single object."""

import traceback
from pathlib import Path

import numpy as np
import pytest

import tinynn
from tinynn import (
    SGD,
    CrossEntropy,
    Dense,
    MeanSquaredError,
    Sequential,
    Softmax,
    SoftmaxCrossEntropy,
    Trainer,
    accuracy,
    check_gradients,
    confusion_matrix,
    diagnose,
    explain_step,
    log_softmax,
    minibatches,
    one_hot,
    per_class_report,
    plots,
    scale_pixels,
    softmax,
    stratified_split,
)

X = np.random.default_rng(0).random((12, 2))
Y = np.arange(12) % 3
RNG = np.random.default_rng(0)
MODEL = Sequential([Dense(3), Softmax()], input_shape=(2,))
P = MODEL.predict(X)
RUN = Trainer(MODEL, CrossEntropy(), SGD())
LINE = Trainer(Sequential([Dense(2)], input_shape=(2,)), MeanSquaredError(), SGD())


class Sparse:
    """Like SciPy's sparse arrays: it has a shape, and NumPy cannot read it."""

    shape = (12, 2)

    def toarray(self):
        return X


class Table:
    """Like a table of pandas: columns with names."""

    columns = ("height", "name")

    def __init__(self, name):
        self.name = name

    def __array__(self, dtype=None, copy=None):
        rows = [[1.5, self.name]] * 12
        return np.array(rows, object)


CALLS = {
    "fit x": lambda thing: RUN.fit(thing, Y, 1),
    "fit y": lambda thing: RUN.fit(X, thing, 1),
    "fit y of numbers": lambda thing: LINE.fit(X, thing, 1),
    "fit, validation x": lambda thing: RUN.fit(X, Y, 1, validation_data=(thing, Y)),
    "fit, validation y": lambda thing: RUN.fit(X, Y, 1, validation_data=(X, thing)),
    "evaluate x": lambda thing: RUN.evaluate(thing, Y),
    "evaluate y": lambda thing: RUN.evaluate(X, thing),
    "predict": MODEL.predict,
    "forward": MODEL.forward,
    "accuracy p": lambda thing: accuracy(thing, Y),
    "accuracy y": lambda thing: accuracy(P, thing),
    "confusion_matrix p": lambda thing: confusion_matrix(thing, Y, 3),
    "per_class_report y": lambda thing: per_class_report(P, thing, "abc"),
    "loss y": lambda thing: CrossEntropy().forward(P, thing),
    "loss of numbers, y": lambda thing: MeanSquaredError().backward(P, thing),
    "check_gradients x": lambda thing: check_gradients(MODEL, CrossEntropy(), thing, Y),
    "check_gradients y": lambda thing: check_gradients(MODEL, CrossEntropy(), X, thing),
    "explain_step x": lambda thing: explain_step(MODEL, CrossEntropy(), SGD(), thing, Y),
    "diagnose y": lambda thing: diagnose(MODEL, CrossEntropy(), X, thing),
    "minibatches x": lambda thing: minibatches(thing, Y, 4, RNG),
    "minibatches y": lambda thing: minibatches(X, thing, 4, RNG),
    "stratified_split": lambda thing: stratified_split(thing, 3, RNG),
    "one_hot": lambda thing: one_hot(thing, 3),
    "scale_pixels": scale_pixels,
    "prediction_grid images": lambda thing: plots.prediction_grid(thing, P, "abc"),
    "prediction_grid p": lambda thing: plots.prediction_grid(np.zeros((12, 2, 2)), thing, "abc"),
    "prediction_grid y": lambda thing: plots.prediction_grid(
        np.zeros((12, 2, 2)), P, "abc", y=thing
    ),
    "confusion": lambda thing: plots.confusion(thing, "abc"),
    "loss p": lambda thing: SoftmaxCrossEntropy().forward(thing, Y),
    "loss of numbers, p": lambda thing: MeanSquaredError().forward(thing, X),
    "softmax": softmax,
    "log_softmax": log_softmax,
}
THINGS = {
    "masked": (
        lambda: np.ma.array(X, mask=np.arange(24).reshape(12, 2) < 3),
        "is a masked array: 3 of its 24",
        "filled(",
    ),
    "masked rows": (
        lambda: [np.ma.masked_equal([0, 1], 1)] * 12,
        "[0] is a masked array",
        "filled(",
    ),
    "sparse": (Sparse, "is a sparse Sparse", ".toarray()"),
    "sparse rows": (
        lambda: [Sparse()] * 12,
        "[0] is a sparse Sparse",
        "Write np.vstack([row.toarray() for row in ",
    ),
    "dictionary": (lambda: {"x": X, "y": Y}, "is a dict with the keys 'x', 'y'", ".values())"),
    "set": (lambda: {1, 2}, "is a set, which has no order", "list("),
    "generator": (lambda: (row for row in X), "is a generator", "Write list("),
    "iterator": (lambda: map(list, X), "is a map", "Write list("),
    "nothing": (lambda: None, "is None", 'Forgot "return"'),
    "file's name": (lambda: "data.npy", "is 'data.npy'", "np.load"),
    "path": (lambda: Path("data.npy"), "Path('data.npy')", "np.load"),
    "ragged": (lambda: [[1, 2]] * 11 + [[1]], "differ in shape ((2,) at 0, (1,) at 11)", ""),
    "table of texts": (
        lambda: Table("cat"),
        "columns that are not numbers: 'name'",
        ".drop(columns=",
    ),
    "table with gaps": (lambda: Table(None), "missing: column 'name'", ".astype(float).fillna("),
    "table of kinds": (lambda: Table(True), "numbers of several types", ".astype(float)"),
}


@pytest.mark.first_cases(160)
@pytest.mark.parametrize("thing", THINGS)
@pytest.mark.parametrize("call", CALLS)
def test_what_is_not_an_array_is_refused_with_the_line_to_write(call, thing):
    if (call, thing) == ("prediction_grid y", "nothing"):
        return  # None: nobody knows the classes
    make, said, remedy = THINGS[thing]
    before = MODEL.params.tobytes()
    with pytest.raises(ValueError) as error:
        CALLS[call](make())
    assert said in str(error.value)
    assert remedy in str(error.value)
    assert MODEL.params.tobytes() == before


@pytest.mark.parametrize("call", ["fit x", "accuracy p", "loss p", "softmax", "prediction_grid p"])
def test_the_traceback_ends_at_the_call(call):
    with pytest.raises(ValueError) as error:
        CALLS[call](Sparse())
    package = Path(tinynn.__file__).parent
    found = traceback.extract_tb(error.value.__traceback__)
    assert sum(package in Path(frame.filename).parents for frame in found) <= 2


@pytest.mark.parametrize("thing", THINGS)
def test_the_line_to_write_for_validation_data_is_valid_python(thing):
    """`validation x` is a name for readers; Python knows x."""
    make, _, remedy = THINGS[thing]
    with pytest.raises(ValueError) as error:
        CALLS["fit, validation x"](make())
    said, rest = str(error.value).split("validation x", 1)
    assert (said, "validation" in rest) == ("", False)
    assert remedy in rest


def test_of_many_bytes_a_few_are_shown():
    for y in (bytes(10_000), "7" * 10_000):
        with pytest.raises(ValueError) as error:
            RUN.fit(X, y, 1)
        assert len(str(error.value)) < 200
        assert "..." in str(error.value)


@pytest.mark.parametrize("loss", [CrossEntropy(), MeanSquaredError()])
def test_masked_predictions_are_refused_by_losses_and_matrices_too(loss):
    with pytest.raises(ValueError, match="p is a masked array: 1 of its 36"):
        loss.forward(np.ma.masked_equal(P, P.max()), one_hot(Y, 3))


def test_a_masked_array_that_hides_nothing_is_its_numbers():
    assert np.array_equal(MODEL.predict(np.ma.array(X)), MODEL.predict(X))
    assert accuracy(np.ma.array(P), np.ma.array(Y)) == accuracy(P, Y)
    loss = CrossEntropy()
    assert loss.forward(np.ma.array(P), np.ma.array(Y)) == loss.forward(P, Y)
    assert type(loss.backward(np.ma.array(P), Y)) is np.ndarray


def test_what_becomes_an_array_with_nothing_lost_passes():
    class Tensor:
        def __array__(self, dtype=None, copy=None):
            return X

    for x in (Tensor(), X.tolist(), tuple(X), list(X)):
        assert np.array_equal(MODEL.predict(x), MODEL.predict(X))


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (
            np.array([[1.0, "7"]] * 12, object),
            "The first entry that is not a number is '7', at (0, 1)",
        ),
        (
            np.array([[1.0, None]] * 12, object),
            "The first entry that is not a number is None, at (0, 1)",
        ),
        (X.astype(object), "All entries are numbers: write .astype(float)"),
        (np.zeros(12, [("a", "f4"), ("b", "f4")]), "np.column_stack("),
        (np.array([*X, None], object)[:12], "write np.stack("),
    ],
)
def test_each_kind_of_array_without_numbers_gets_a_message_of_its_own(x, said):
    with pytest.raises(ValueError) as error:
        MODEL.predict(x)
    assert said in str(error.value)


def test_labels_that_cannot_be_sorted_are_refused_by_stratified_split():
    with pytest.raises(ValueError, match=r"The first entry that is not a number is 'b', at 1"):
        stratified_split(np.array([1, "b", 2], object), 1, RNG)
    with pytest.raises(ValueError, match="that of sample 2 is NaN"):
        stratified_split([0.0, 1.0, np.nan], 1, RNG)
    assert len(stratified_split(np.array(["a", "b", "a", "b"], object), 2, RNG)[0]) == 2


# A table with the label in it, as from a CSV


def table(label, place, pixels=4):
    numbers = np.random.default_rng(1).random((30, pixels))
    return np.insert(numbers, 0 if place == "first" else pixels, label, axis=1)


LABELS = np.arange(30) * 7 % 10
USES = {
    "predict": lambda model, x: model.predict(x),
    "forward": lambda model, x: model.forward(x),
    "fit": lambda model, x: Trainer(model, MeanSquaredError(), SGD()).fit(x, np.zeros((30, 2)), 1),
    "evaluate": lambda model, x: Trainer(model, MeanSquaredError(), SGD()).evaluate(
        x, np.zeros((30, 2))
    ),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize(
    ("place", "column", "lines"),
    [
        ("first", 0, "x = table[:, 1:], y = table[:, 0].astype(int)"),
        ("last", 4, "x = table[:, :-1], y = table[:, -1].astype(int)"),
    ],
)
def test_a_label_among_the_columns_is_seen_and_no_network_is_built_on_it(use, place, column, lines):
    x = table(LABELS, place)
    with pytest.raises(ValueError) as error:
        USES[use](Sequential([Dense(2)], input_shape=(4,)), x)
    assert str(error.value) == (
        "x has 5 columns, one more than the 4 numbers of a sample: column "
        f"{column} holds whole numbers from 0 to 9: is it the label? Then "
        f"table = np.asarray(x), {lines}. Only if all are inputs: input_shape=(5,)."
    )
    names = {"table": x}
    exec(lines.replace(", y =", "; y ="), names)  # the lines are right
    assert names["y"].tolist() == LABELS.tolist()
    USES[use](Sequential([Dense(2)], input_shape=(4,)), names["x"])


def test_a_column_that_counts_the_rows_and_one_that_says_nothing():
    model = Sequential([Dense(2)], input_shape=(4,))
    with pytest.raises(
        ValueError, match=r"column 0 counts the rows: leave it out, x = np.asarray\(x\)\[:, 1"
    ):
        model.predict(table(np.arange(1, 31), "first"))
    with pytest.raises(ValueError, match="one of them the answer, or a number of the row"):
        model.predict(table(np.full(30, 0.5), "first"))


def test_bytes_with_the_label_first_for_a_model_of_images():
    pixels = np.random.default_rng(0).integers(0, 256, (30, 4))
    model = Sequential([tinynn.Flatten(), Dense(2)], input_shape=(2, 2))
    with pytest.raises(
        ValueError, match=r"column 0 holds .* Then x = np.reshape\(x, \(-1, 2, 2\)\)"
    ):
        model.predict(np.insert(pixels, 0, LABELS, axis=1))
