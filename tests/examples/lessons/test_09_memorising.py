"""Lesson 9: shuffled labels are memorised as well as true ones, and do not help in validation."""

import numpy as np
import pytest

from tinynn import Adam, CrossEntropy, Dense, Flatten, ReLU, Sequential, Softmax, Trainer


def right(model, x, y):
    """Return the accuracy of a model, from its weights and without other code of tinynn."""
    W1, b1, W2, b2 = model.named_parameters().values()
    hidden = np.maximum(x.reshape(len(x), 784) @ W1 + b1, 0)
    return np.mean((hidden @ W2 + b2).argmax(axis=1) == y)


def test_both_memorise_and_only_one_generalizes(lesson):
    nine = lesson("09")
    true, shuffled = (nine.runs[f"{name} labels"].model for name in ("true", "shuffled"))
    assert right(true, nine.few, nine.truth) == 1.0
    assert right(shuffled, nine.few, nine.shuffled) == 1.0
    assert right(true, *nine.validation) == pytest.approx(0.74, abs=0.03)
    assert right(shuffled, *nine.validation) < 0.16  # guessing: 0.10, give or take 0.01
    for name, (_, accuracy) in nine.results.items():
        measured = right(nine.runs[name].model, *nine.validation)
        assert accuracy == pytest.approx(measured, abs=0.003)


def test_the_images_are_the_same_and_none_of_them_is_held_out(lesson):
    nine = lesson("09")
    assert sorted(nine.shuffled) == sorted(nine.truth)
    assert np.bincount(nine.truth).tolist() == [20] * 10
    assert np.bincount(nine.validation[1]).tolist() == [100] * 10
    rows = {image.tobytes() for image in nine.validation[0]}
    assert not any(image.tobytes() in rows for image in nine.some(3200)[0])


def test_more_images_narrow_the_gap(lesson):
    nine = lesson("09")
    few, more, most = nine.gaps
    assert few - more > 0.03
    assert more - most > 0.01  # 0.03 to 0.05, by rounding


def test_stopping_early_keeps_validation_loss_low(lesson):
    nine = lesson("09")
    for name, (epoch, _, best) in nine.stops.items():
        losses = nine.runs[name].history["val_loss"]  # of the same run, not cut short
        kept = next(e for e in range(57) if losses[e] <= min(losses[: e + 4]))
        assert (epoch, best) == (kept + 1, pytest.approx(losses[kept], rel=1e-3))
        assert losses[-1] > 1.05 * best
    epoch, learnt, _ = nine.stops["shuffled labels"]
    assert epoch <= 6
    assert learnt < 0.6


def test_it_stops_after_three_epochs_that_are_not_better(lesson):
    """The lesson's training is repeated; its patience is seen from the epochs, not read from it."""
    nine = lesson("09")
    for labels in (nine.truth, nine.shuffled):
        losses = nine.train(nine.few, labels, nine.stopper).history["val_loss"]
        best = int(np.argmin(losses))
        assert nine.stopper.best_epoch == best + 1
        assert len(losses) == best + 1 + 3


def train(nine, labels, units):
    layers = [Flatten(), Dense(units), ReLU(), Dense(10), Softmax()]
    model = Sequential(layers, input_shape=(28, 28), seed=0)
    Trainer(model, CrossEntropy(), Adam(1e-3)).fit(nine.few, labels, 60, batch_size=20)
    return model


def test_the_answer_to_the_first_question(lesson):
    """Half of it is memorised, and validation ends in between."""
    nine = lesson("09")
    labels = nine.truth.copy()
    labels[::2] = np.random.default_rng(3).permutation(labels[::2])
    model = train(nine, labels, units=128)
    assert right(model, nine.few, labels) >= 0.98
    assert 0.25 < right(model, *nine.validation) < 0.6


def test_the_answer_to_the_second_question(lesson):
    """Two units are not well chosen: the theorem's network has one for each image."""
    nine = lesson("09")
    model = train(nine, nine.shuffled, units=2)
    assert model.params.size == 1600
    assert right(model, nine.few, nine.shuffled) < 0.5


def test_the_picture_shows_what_both_networks_learn(lesson):
    nine = lesson("09")
    for panel, (name, labels) in zip(
        nine.drawn, (("true labels", nine.truth), ("shuffled labels", nine.shuffled)), strict=False
    ):
        assert panel.curves["guessing"][:, 1].tolist() == [0.1, 0.1]
        trainer = nine.runs[name]
        for curve, column in (("training", "accuracy"), ("validation", "val_accuracy")):
            epochs, shares = panel.curves[curve].T
            assert epochs.tolist() == list(range(1, 61))
            np.testing.assert_array_equal(shares, trainer.history[column])
        ends = [panel.curves[curve][-1, 1] for curve in ("training", "validation")]
        measured = [right(trainer.model, x, y) for x, y in ((nine.few, labels), nine.validation)]
        assert ends == pytest.approx(measured, abs=0.02)  # in training each is taken before a step


def test_the_picture_shows_which_epoch_is_kept_and_how_the_gap_shrinks(lesson):
    nine = lesson("09")
    losses, gaps = nine.drawn[2:]
    assert losses.curves["guessing, ln 10"][:, 1] == pytest.approx(np.log(10))
    dots = [points for label, points in losses.curves.items() if label.startswith("kept")]
    for name, dot in zip(nine.runs, dots, strict=True):
        curve = losses.curves[name]
        np.testing.assert_array_equal(curve[:, 1], nine.runs[name].history["val_loss"])
        epoch = next(e for e in range(57) if curve[e, 1] <= curve[: e + 4, 1].min())
        np.testing.assert_allclose(dot, curve[[epoch]], rtol=1e-3)

    heights = [bar.get_height() for bar in gaps.axes.patches]
    assert heights == nine.gaps
    model = nine.runs["true labels"].model
    gap = right(model, nine.few, nine.truth) - right(model, *nine.validation)
    assert heights[0] == pytest.approx(gap, abs=0.003)
