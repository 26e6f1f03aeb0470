"""The estimators within scikit-learn: pipelines, searches, cross-validation, calibration."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_transformer
from sklearn.ensemble import BaggingClassifier, VotingClassifier
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from tinynn import GELU, Adam, Dense
from tinynn.interop.sklearn import NeuralNetClassifier, NeuralNetRegressor


def animals(count=90):
    """X (N, 3), not scaled, of which the first two columns tell y, a text."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(count, 3))
    y = np.array(["ant", "bee", "cat"])[(X[:, 0] > 0).astype(int) + (X[:, 1] > 0)]
    return X * [1, 10, 1000] + 50, y


def small_net(**arguments):
    chosen = {"optimizer": Adam(0.02), "epochs": 40, "random_state": 0, **arguments}
    return NeuralNetClassifier((20,), **chosen)


def searched(n_jobs):
    X, y = animals()
    pipeline = make_pipeline(StandardScaler(), small_net(epochs=10))
    grid = {
        "neuralnetclassifier__layers": [(4,), (20, 10), [Dense(20), GELU()]],
        "neuralnetclassifier__optimizer__learning_rate": [1e-4, 0.03],
    }
    return GridSearchCV(pipeline, grid, cv=3, n_jobs=n_jobs, error_score="raise").fit(X, y), X, y


def test_a_search_over_widths_and_learning_rate_in_two_processes_has_the_bits_of_one():
    (alone, X, y), (two, _, _) = searched(n_jobs=None), searched(n_jobs=2)
    assert alone.best_params_["neuralnetclassifier__optimizer__learning_rate"] == 0.03
    assert alone.score(X, y) > 0.9
    columns = [f"split{i}_test_score" for i in range(3)]
    assert all(np.array_equal(alone.cv_results_[c], two.cv_results_[c]) for c in columns)
    assert np.array_equal(alone.predict_proba(X), two.predict_proba(X))
    assert alone.best_estimator_[-1].optimizer.learning_rate == 0.03


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_cross_validation(n_jobs):
    X, y = animals()
    pipeline = make_pipeline(StandardScaler(), small_net())
    scores = cross_val_score(pipeline, X, y, cv=3, n_jobs=n_jobs)
    assert scores.min() > 0.75
    p = cross_val_predict(pipeline, X, y, cv=3, method="predict_proba")
    assert p.shape == (90, 3)


def test_calibration():
    X, y = animals()
    X = StandardScaler().fit_transform(X)
    for method in ("sigmoid", "isotonic"):
        calibrated = CalibratedClassifierCV(small_net(), method=method, cv=3).fit(X, y)
        assert calibrated.score(X, y) > 0.85
        assert np.allclose(calibrated.predict_proba(X).sum(axis=1), 1)


def test_permutation_importance_finds_the_column_that_tells_nothing():
    X, y = animals()
    net = make_pipeline(StandardScaler(), small_net()).fit(X, y)
    importance = permutation_importance(net, X, y, n_repeats=3, random_state=0).importances_mean
    assert importance.argmin() == 2
    assert importance[:2].min() > 0.2


def test_columns_of_a_table():
    X, y = animals()
    table = pd.DataFrame({"size": X[:, 0], "colour": np.where(X[:, 1] > 50, "red", "blue")})
    table["use"] = X[:, 2]
    columns = make_column_transformer(
        (StandardScaler(), ["size", "use"]), (OneHotEncoder(), ["colour"])
    )
    net = make_pipeline(columns, small_net()).fit(table, pd.Series(y))
    assert net.score(table, y) > 0.9
    texts = ColumnTransformer([("colour", OneHotEncoder(), ["colour"])], sparse_threshold=1.0)
    assert make_pipeline(texts, small_net()).fit(table, y).score(table, y) > 0.5  # sparse columns


def test_a_table_gives_names_and_other_names_are_refused():
    X, y = animals()
    table = pd.DataFrame((X - 50) / [1, 10, 1000], columns=["a", "b", "c"])
    net = small_net().fit(table, y)
    assert list(net.feature_names_in_) == ["a", "b", "c"]
    with pytest.raises(ValueError, match="feature names should match"):
        net.predict(table[["c", "b", "a"]])


def test_in_ensembles():
    X, y = animals()
    X = StandardScaler().fit_transform(X)
    bagged = BaggingClassifier(small_net(), n_estimators=3, random_state=0).fit(X, y)
    assert bagged.score(X, y) > 0.85
    pair = [("net", small_net()), ("line", LogisticRegression())]
    assert VotingClassifier(pair, voting="soft").fit(X, y).score(X, y) > 0.8


def test_targets_that_are_not_scaled():
    X, _ = animals()
    y = 1e6 + X @ [1e4, 1e3, 0]
    net = NeuralNetRegressor((20,), optimizer=Adam(0.02), epochs=60, random_state=0)
    scaled = TransformedTargetRegressor(
        make_pipeline(StandardScaler(), net), transformer=StandardScaler()
    )
    assert scaled.fit(X, y).score(X, y) > 0.95


def test_sample_weights_reach_the_network_through_a_pipeline():
    X, y = animals()
    weights = np.where(y == "ant", 1.0, 1e-6)
    net = make_pipeline(StandardScaler(), small_net())
    net.fit(X, y, neuralnetclassifier__sample_weight=weights)
    assert (net.predict(X) == "ant").all()


def test_the_program_of_the_page_runs():
    page = (Path(__file__).parents[3] / "docs/interop.md").read_text(encoding="utf-8")
    section = page[page.index("## scikit-learn") :]
    names = {}
    exec(section.split("```py\n")[1].split("```")[0], names)
    assert names["search"].score(names["X"], names["y"]) > 0.9
