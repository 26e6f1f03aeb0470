"""scikit-learn's own checks of an estimator, all of them, over several constructions."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from tinynn import (
    GELU,
    Adam,
    AdamW,
    BatchNorm,
    BinaryCrossEntropy,
    CosineDecay,
    CrossEntropy,
    Dense,
    Dropout,
    EarlyStopping,
    Huber,
    LayerNorm,
    ReLU,
)
from tinynn.interop.sklearn import NeuralNetClassifier, NeuralNetRegressor

# A weight of 2 is not two samples: the batches are drawn otherwise, as in scikit-learn's SGD.
WEIGHTS_ARE_NOT_REPETITIONS = {
    f"check_sample_weight_equivalence_on_{kind}_data": "minibatches are drawn otherwise"
    for kind in ("dense", "sparse")
}
# their data are not scaled, which tinynn warns of
pytestmark = pytest.mark.filterwarnings("ignore")


def expected(estimator):
    return WEIGHTS_ARE_NOT_REPETITIONS


@parametrize_with_checks(
    [NeuralNetClassifier(), NeuralNetRegressor()], expected_failed_checks=expected
)
def test_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(
    [
        NeuralNetClassifier(
            [Dense(32), BatchNorm(), ReLU(), Dropout(0.1)], optimizer=Adam(0.01), epochs=30
        ),
        NeuralNetClassifier(
            (20, 10),
            loss=CrossEntropy(label_smoothing=0.05),
            optimizer=AdamW,
            validation_fraction=0.2,
            callbacks=[EarlyStopping(patience=20)],
            class_weight="balanced",
            epochs=60,
        ),
        NeuralNetClassifier(
            (20,), loss=BinaryCrossEntropy, optimizer=Adam(0.01), batch_size=20, epochs=60
        ),
        NeuralNetRegressor(
            [Dense(32), LayerNorm(), GELU()],
            loss=Huber(),
            optimizer=Adam(CosineDecay(0.01)),
            validation_fraction=0.1,
            epochs=60,
        ),
    ],
    expected_failed_checks=expected,
)
def test_the_checks_of_scikit_learn_for_other_arguments(estimator, check):
    check(estimator)
