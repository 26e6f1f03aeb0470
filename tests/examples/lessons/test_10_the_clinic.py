"""Lesson 10: each run has the fault that the lesson says, and the doctor names this fault."""

import warnings

import numpy as np
import pytest

import tinynn

FAULTS = {
    "bytes, 0 to 255": "inputs",
    "a learning rate of 1": "large_steps",
    "all weights zero": "symmetric_units",
    "20 layers, tiny weights": "signal_propagation",
    "labels in another order": "at_chance",
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_doctor_names_each_fault_and_no_other(lesson, name):
    ten = lesson("10")
    (problem,) = ten.reports[name].problems
    assert problem.name == FAULTS[name]
    assert problem.title in ten.text


def test_a_sound_run_is_called_healthy(lesson):
    assert not lesson("10").run().problems


def test_the_faults_are_those_that_are_said(lesson):
    """Each is found again without the doctor, and without training."""
    ten = lesson("10")
    assert (ten.images.max(), ten.x.max()) == (255, 1)
    zero = ten.network(initializer=tinynn.zeros)
    assert not zero.params.any()
    deep = ten.network([32] * 19, ten.tiny_weights).named_parameters()
    matrices = [W for name, W in deep.items() if name.endswith("W")]
    assert len(matrices) == 20
    assert all(0.04 < W.std() < 0.06 for W in matrices)

    def by_the_nearest_mean(labels):
        """Return the share of images whose nearest class mean is that of their label."""
        x, labels = ten.x[ten.rest].reshape(-1, 784), labels[ten.rest]
        means = np.array([x[labels == c].mean(axis=0) for c in range(10)])
        nearest = ((x[:, None] - means) ** 2).sum(axis=-1).argmin(axis=1)
        return np.mean(nearest == labels)

    assert by_the_nearest_mean(ten.y) > 0.6
    assert by_the_nearest_mean(ten.mixed) < 0.25
    assert sorted(ten.mixed) == sorted(ten.y)


def test_tiny_weights_shrink_the_standard_deviation_by_the_factor_of_lesson_7(lesson):
    """Each layer of 32: sqrt(32 / 2) times 0.05, so 20 layers leave 1e-13 or so."""
    stds = lesson("10").reports["20 layers, tiny weights"].record.steps[0].output_std
    top, *_, bottom = stds.values()
    per_layer = (top / bottom) ** (1 / 19)
    assert per_layer == pytest.approx(0.05 * np.sqrt(32 / 2), rel=0.3)


def test_three_losses_stay_at_the_loss_of_guessing(lesson):
    ten = lesson("10")
    for name in list(FAULTS)[2:]:
        losses = [step.loss for step in ten.reports[name].record.steps if step.number > 40]
        assert np.mean(losses) == pytest.approx(np.log(10), abs=0.05)


def test_the_remedy_helps(lesson):
    ten = lesson("10")
    first, *_, last = ten.course.values()
    assert [bool(report.problems) for report in ten.course.values()][-2:] == [True, False]
    assert first.record.epochs[-1]["val_accuracy"] < 0.25
    assert last.record.epochs[-1]["val_accuracy"] == pytest.approx(0.75, abs=0.05)


def test_the_answer_to_the_first_question(lesson):
    """The second fault was there from the beginning, among what follows from the first."""
    ten = lesson("10")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        both = ten.run(x=ten.images, y=ten.mixed)
    (problem,) = both.problems
    assert problem.name == FAULTS["bytes, 0 to 255"]
    assert FAULTS["labels in another order"] in [result.name for result in problem.follows]
    (left,) = ten.run(y=ten.mixed).problems
    assert left.name == FAULTS["labels in another order"]


def test_the_answer_to_the_second_question(lesson):
    ten, doctor = lesson("10"), tinynn.Doctor(every=20)
    trainer = tinynn.Trainer(ten.network(), tinynn.CrossEntropy(), tinynn.Adam())
    few, others = ten.rest[:200], ten.held_out[:500]
    validation = ten.x[others], ten.y[others]
    trainer.fit(ten.x[few], ten.mixed[few], 60, 32, validation, [doctor])
    assert trainer.history["accuracy"][-1] > 0.9
    assert [problem.name for problem in doctor.report().problems] == ["validation"]


def steps_of(record):
    return [step for step in record.steps if step.update_ratio]


def by_layer(step):
    return list(enumerate(reversed(step.output_std.values()), start=1))


CLUES = {  # what is drawn, as it is read off the record of a run
    "bytes, 0 to 255": lambda record: [(step.number, step.input_max) for step in steps_of(record)],
    "a learning rate of 1": lambda record: [
        (step.number, max(step.update_ratio.values())) for step in steps_of(record)
    ],
    "all weights zero": lambda record: by_layer(record.steps[-1]),
    "20 layers, tiny weights": lambda record: by_layer(record.steps[0]),
    "labels in another order": lambda record: [
        (row["epoch"], row["loss"]) for row in record.epochs
    ],
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_picture_shows_each_patient_beside_a_sound_run(lesson, name):
    ten = lesson("10")
    panel, read = ten.drawn[list(FAULTS).index(name)], CLUES[name]
    sound = ten.deep if name == "20 layers, tiny weights" else ten.healthy
    assert not sound.problems
    np.testing.assert_array_equal(panel.curves["without the fault"], read(sound.record))
    np.testing.assert_array_equal(panel.curves["patient"], read(ten.reports[name].record))


def test_each_number_shown_tells_the_patient_from_a_sound_run(lesson):
    """The limits are those of the lesson's table, and of what was done to the patient."""
    pairs = [
        [panel.curves[run][:, 1] for run in ("without the fault", "patient")]
        for panel in lesson("10").drawn[:5]
    ]
    pixels, steps, zero, tiny, labels = pairs
    for sound, patient in pairs:
        assert ((patient < sound.min()) | (patient > sound.max())).mean() > 0.6
    assert pixels[0].max() == 1
    assert pixels[1].min() > 200
    assert 1e-4 < steps[0].min() < steps[0].max() < 0.05
    assert steps[1][0] > 1
    assert zero[0].min() > 0.5
    assert not zero[1].any()
    assert tiny[0].max() < 10 * tiny[0].min()
    assert tiny[1] == pytest.approx(tiny[1][0] * 0.2 ** np.arange(20), rel=0.9)
    assert labels[0][-1] < 0.6
    assert labels[1] == pytest.approx(np.log(10), abs=0.06)


def test_the_picture_shows_the_losses_of_the_remedy(lesson):
    ten = lesson("10")
    panel = ten.drawn[5]
    assert panel.axes.get_yscale() == "log"
    for rate, report in ten.course.items():
        losses = [(step.number, step.loss) for step in steps_of(report.record)]
        np.testing.assert_array_equal(panel.curves[f"rate {rate:g}"], losses)
    assert panel.curves["rate 0.01"][-1, 1] < 1
