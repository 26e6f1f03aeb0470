"""Handwritten digits with scikit-learn's tools: a pipeline, a grid search, cross-validation.

    pip install -e '.[sklearn]'
    python examples/sklearn_digits.py

scikit-learn comes with 1,797 images of digits, 8 x 8 pixels. A grid search chooses the width of the
hidden layer and the learning rate of tinynn's NeuralNetClassifier. Then scikit-learn's own
MLPClassifier gets the same architecture, learning rate, batches and number of epochs, and both are
scored on the same five folds. Takes about a minute.
"""

import argparse
import warnings
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_validate, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler

from tinynn import Adam
from tinynn.interop.sklearn import NeuralNetClassifier

WIDTHS = [(32,), (100,)]
RATES = [1e-3, 3e-3]
BATCH = 32


def pipeline_of(classifier: Any) -> Pipeline:
    """Scale the pixels from 0..16 to 0..1 as the training data show them, then classify."""
    return make_pipeline(MinMaxScaler(), classifier)


def search(x: Any, y: Any, epochs: int, jobs: int) -> GridSearchCV:
    """Try each width with each learning rate, by cross-validation within the training data."""
    net = NeuralNetClassifier(optimizer=Adam(), epochs=epochs, batch_size=BATCH, random_state=0)
    grid = {
        "neuralnetclassifier__layers": WIDTHS,
        "neuralnetclassifier__optimizer__learning_rate": RATES,
    }
    return GridSearchCV(pipeline_of(net), grid, cv=3, n_jobs=jobs).fit(x, y)


def of_scikit_learn(net: NeuralNetClassifier) -> MLPClassifier:
    """Return scikit-learn's network with the same architecture, which trains as long."""
    return MLPClassifier(
        net.layers,
        learning_rate_init=net.optimizer.learning_rate,
        batch_size=BATCH,
        max_iter=net.epochs,
        n_iter_no_change=net.epochs,  # no early end
        alpha=0,  # no weight decay
        random_state=0,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--epochs", type=int, default=30, help="default 30")
    parser.add_argument("--jobs", type=int, default=2, help="processes of the search, default 2")
    arguments = parser.parse_args()

    x, y = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(x, y, stratify=y, random_state=0)

    print(f"A search over {len(WIDTHS)} widths and {len(RATES)} learning rates, three folds each:")
    found = search(x_train, y_train, arguments.epochs, arguments.jobs)
    for tried, score in zip(
        found.cv_results_["params"], found.cv_results_["mean_test_score"], strict=True
    ):
        (widths, rate) = tried.values()
        print(f"  {widths[0]:4} units, learning rate {rate:g}: accuracy {score:.3f}")
    net = found.best_estimator_[-1]
    print(
        f"The best, on {len(x_test)} images that it never saw: {found.score(x_test, y_test):.3f}\n"
    )

    warnings.simplefilter("ignore", ConvergenceWarning)  # both stop after the same epochs
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    single = x.astype(np.float32)  # tinynn computes in the precision of X
    rows = [
        ("MLPClassifier (scikit-learn)", of_scikit_learn(net), x),
        ("NeuralNetClassifier (tinynn)", net, x),
        ("NeuralNetClassifier, float32", net, single),
    ]
    architecture = f"64-{net.layers[0]}-10"
    print(f"Five folds, {architecture}, {arguments.epochs} epochs in batches of {BATCH}:")
    print(f"  {'':30}  accuracy (std)   seconds")
    for name, classifier, data in rows:
        measured = cross_validate(pipeline_of(classifier), data, y, cv=folds)
        scores, seconds = measured["test_score"], np.median(measured["fit_time"])
        print(f"  {name:30}  {scores.mean():.4f} ({scores.std():.4f})  {seconds:7.2f}")


if __name__ == "__main__":
    main()
