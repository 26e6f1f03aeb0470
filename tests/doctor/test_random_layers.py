"""What the doctor says of real trainings with Dropout: nothing, a note, a problem."""

import warnings

import pytest

from tinynn import (
    Adam,
    CrossEntropy,
    Dense,
    Doctor,
    Dropout,
    Flatten,
    ReLU,
    Sequential,
    Softmax,
    Trainer,
    datasets,
    scale_pixels,
)


def causes(report):
    return [(finding.level, finding.name) for finding in [*report.problems, *report.notes]]


def trained(rate):
    (x, y), (x_test, y_test) = datasets.load_sample()
    x, held_out = scale_pixels(x[:3000]), (scale_pixels(x_test), y_test)
    layers = [Dense(128), ReLU(), Dropout(rate), Dense(64), ReLU(), Dropout(rate)]
    model = Sequential([Flatten(), *layers, Dense(10), Softmax()], input_shape=(28, 28))
    doctor = Doctor()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = Trainer(model, CrossEntropy(), Adam())
        trainer.fit(x, y[:3000], 4, validation_data=held_out, callbacks=[doctor])
    before = model.params.tobytes(), model.step
    report = doctor.report()
    assert (model.params.tobytes(), model.step) == before
    return report


@pytest.mark.slow
@pytest.mark.outcome
def test_real_trainings_with_no_usual_and_too_high_rate():
    assert causes(trained(0.0)) == []
    usual = trained(0.5)
    assert causes(usual) == [("note", "training_mode")], usual
    assert usual.notes[0].title.endswith("because of 3.Dropout, 6.Dropout.")
    assert causes(trained(0.95))[0] == ("problem", "dropout_rate")
