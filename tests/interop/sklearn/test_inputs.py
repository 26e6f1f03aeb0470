"""What X and y of an estimator may not be, and the words that say what to write instead."""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import coo_array, csr_array, csr_matrix
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from tinynn import Adam, InputError
from tinynn.interop.sklearn import NeuralNetClassifier, NeuralNetRegressor

X = np.random.default_rng(0).normal(size=(30, 3))
CLASSES = np.arange(30) % 3
NUMBERS = X[:, 0]
MASK = np.arange(30) > 27
DAYS = pd.date_range("2026-01-01", periods=30)


def classifier():
    return NeuralNetClassifier((3,), optimizer=Adam(0.02), epochs=1, random_state=0)


def regressor():
    return NeuralNetRegressor((3,), optimizer=Adam(0.02), epochs=1, random_state=0)


def table(added):
    return pd.DataFrame(X, columns=["a", "b", "c"]).assign(d=added)


def gap(dtype, texts=False):
    """A column with a gap in its sample 3."""
    values = [*("ant", "bee", "cat") * 10] if texts else [*map(float, CLASSES)]
    values[3] = None
    return pd.Series(values, dtype=dtype)


REFUSED_Y = {
    "sparse numbers": (regressor, csr_matrix(NUMBERS[:, None]), r"\(30, 1\).*y.toarray\(\).ravel"),
    "sparse rows": (
        regressor,
        csr_array(X[:, :2]),
        r"csr_array of shape \(30, 2\).*y.toarray\(\)\.",
    ),
    "a sparse row": (regressor, coo_array(NUMBERS), r"shape \(30,\).*y.toarray\(\)\."),
    "sparse classes": (classifier, csr_matrix(CLASSES[:, None]), r"only labels .* may be sparse"),
    "a sparse row of classes": (classifier, coo_array(CLASSES), r"y.toarray\(\)\."),
    "masked numbers": (regressor, np.ma.array(NUMBERS, mask=MASK), "y is a masked array: 2 of"),
    "masked classes": (classifier, np.ma.array(CLASSES, mask=MASK), r"y.filled\(\.\.\.\)"),
    "gap in texts": (classifier, gap("string", texts=True), "missing .* 1 of 30 .* sample 3"),
    "gap in objects": (classifier, gap(object, texts=True), "first in sample 3"),
    "gap in booleans": (classifier, pd.Series([True, False, None] * 10, dtype="boolean"), "10 of"),
    "gap in numbers": (regressor, gap("Float64"), "NaN"),
    "gap in numbers as objects": (regressor, gap(object), "first in sample 3"),
    "objects": (classifier, CLASSES.astype(object), r"objects, such as 0, .*y.astype\(int\)"),
    "a mixture": (classifier, np.array([1, "b"] * 15, object), r"y.astype\(str\)"),
    "texts for numbers": (regressor, np.array(["a"] * 30), "texts, such as 'a'. For classes use"),
    "a category": (regressor, pd.Series(["a"] * 30, dtype="category"), "NeuralNetClassifier"),
    "no y": (regressor, None, "requires y"),
}
REFUSED_X = {
    "masked": (np.ma.array(X, mask=X > 1), "X is a masked array: 18 of its 90"),
    "texts": (
        table(["red"] * 30),
        r"columns .*: 'd' \('red'\)\. Put make_column_transformer\(\(One",
    ),
    "a category": (table(pd.Categorical(["red"] * 30)), r"OneHotEncoder\(\), \['d'\]\)"),
    "a text type": (table(pd.Series(["red"] * 30, dtype="string")), r"'d' \('red'\)"),
    "one text": (table([1] * 29 + ["?"]), r"'d' \('\?'\)"),
    "objects": (np.array([[1, "red", 2.0]] * 30, object), r"numbers: 1 \('red'\)"),
    "dates": (table(DAYS), "numbers, such as the days since a date"),
    "durations": (table(DAYS - DAYS[0]), "'d' .*, or leave them out"),
    "NaN": (np.where(X > 1, np.nan, X), "X contains NaN"),
    "sparse NaN": (csr_matrix(np.where(X > 1, np.nan, X)), "X contains NaN"),
    "gap": (table(gap("Int64")), "X contains NaN"),
    "a column": (X[:, 0], "Reshape your data"),
}


@pytest.mark.parametrize(("make", "y", "said"), REFUSED_Y.values(), ids=REFUSED_Y)
def test_a_y_that_would_be_read_wrongly_is_refused(make, y, said):
    for train in ("fit", "partial_fit"):
        net = make()
        more = {"classes": [0, 1, 2]} if train == "partial_fit" and make is classifier else {}
        with pytest.raises(ValueError, match=said):
            getattr(net, train)(X, y, **more)
        assert not hasattr(net, "model_")


@pytest.mark.parametrize(("bad", "said"), REFUSED_X.values(), ids=REFUSED_X)
def test_an_x_that_would_be_read_wrongly_is_refused_to_train_and_to_predict(bad, said):
    like = table(NUMBERS) if hasattr(bad, "columns") else X
    fitted = regressor().fit(like, NUMBERS)
    for call in (lambda: classifier().fit(bad, CLASSES), lambda: fitted.predict(bad)):
        with pytest.raises(ValueError, match=said):
            call()


ACCEPTED_X = {
    "a mask that hides nothing": np.ma.array(X),
    "objects": X.astype(object),
    "nullable numbers": pd.DataFrame(X).convert_dtypes(),
    "nullable whole numbers": pd.DataFrame(X, columns=["a", "b", "c"]).assign(
        d=pd.Series(CLASSES, dtype="Int64")
    ),
    "sparse columns": pd.DataFrame.sparse.from_spmatrix(csr_matrix(X)),
    "yes and no": pd.DataFrame(X, columns=["a", "b", "c"]).assign(d=X[:, 0] > 0),
    "a list": X.tolist(),
}


@pytest.mark.parametrize("given", ACCEPTED_X.values(), ids=ACCEPTED_X)
def test_an_x_that_holds_numbers_is_taken_as_their_array(given):
    plain = np.array(given, dtype=float)
    p = [classifier().fit(x, CLASSES).predict_proba(x) for x in (given, plain)]
    assert np.array_equal(*p)


ACCEPTED_Y = {
    "nullable": (regressor, pd.Series(NUMBERS, dtype="Float64"), NUMBERS),
    "numbers as objects": (regressor, NUMBERS.astype(object), NUMBERS),
    "classes in a nullable column": (classifier, pd.Series(CLASSES, dtype="Int64"), CLASSES),
    "booleans": (classifier, pd.Series(CLASSES > 0, dtype="boolean"), CLASSES > 0),
    "a category": (classifier, pd.Series(CLASSES, dtype="category"), CLASSES),
}


@pytest.mark.parametrize(("make", "y", "plain"), ACCEPTED_Y.values(), ids=ACCEPTED_Y)
def test_a_y_that_holds_numbers_or_classes_is_taken_as_their_array(make, y, plain):
    assert np.array_equal(*(make().fit(X, each).predict(X) for each in (y, plain)))


@pytest.mark.parametrize(("make", "y"), [(classifier, CLASSES), (regressor, NUMBERS)])
def test_y_as_a_column_is_taken_as_a_row_with_a_warning(make, y):
    for column in (y[:, None], pd.DataFrame({"y": y})):
        with pytest.warns(UserWarning, match="column-vector y"):
            p = make().fit(X, column).predict(X)
        assert np.array_equal(p, make().fit(X, y).predict(X))


def test_the_remedy_for_a_column_of_texts_works():
    colours = table(np.where(X[:, 0] > 0, "red", "blue"))
    with pytest.raises(InputError) as error:
        classifier().fit(colours, CLASSES)
    remedy = str(error.value).partition("Put ")[2].partition(" before")[0]
    names = {"make_column_transformer": make_column_transformer, "OneHotEncoder": OneHotEncoder}
    encoded = make_pipeline(eval(remedy, names), classifier()).fit(colours, CLASSES)
    assert encoded[-1].n_features_in_ == 3 + 2
