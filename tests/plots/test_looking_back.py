"""Protects the pictures of what_if and influence: they show the numbers that they are given."""

import numpy as np
import pytest

from tinynn import Dense, Flatten, InputError, Sequential, SoftmaxCrossEntropy, WhatIf, influence
from tinynn.plots import influence as draw_influence
from tinynn.plots import what_if
from tinynn.training.replayed import Course

LOSSES = [float(n) for n in range(200, 0, -1)]  # of steps 11 to 210


def two(diverged="", **metrics):
    """Two courses that part after step 110."""
    rows = {step: {name: v[i] for name, v in metrics.items()} for i, step in enumerate((60, 160))}
    was = Course(11, [*LOSSES], rows)
    changed = Course(11, [*LOSSES[:100], *([900.0] * 5 if diverged else [50.0] * 100)], rows)
    changed.diverged = diverged
    return WhatIf(110, {"momentum": 0.0}, {"momentum": 0.9}, was, changed)


def lines(panel):
    return {line.get_label(): line.get_xydata() for line in panel.get_lines()}


@pytest.mark.slow
def test_each_training_is_drawn_as_it_was(tmp_path):
    figure = what_if(two(val_accuracy=[0.5, 0.6], val_loss=[2.0, 1.0]), tmp_path / "a.png")
    losses, accuracy = figure.axes
    raw = [line.get_xydata() for line in losses.get_lines() if len(line.get_xydata()) >= 100]
    assert raw[0].tolist() == [[11 + i, loss] for i, loss in enumerate(LOSSES)]
    assert raw[1].tolist() == [[111 + i, 50.0] for i in range(100)]  # before, they are one
    was = lines(losses)["as it was: momentum 0"]
    assert len(was) == 40
    assert was[0].tolist() == [13.0, 198.0]  # the mean of steps 11 to 15
    assert (lines(losses)["changed: momentum 0.9"][:, 1] == 50).all()
    assert accuracy.get_ylabel() == "val_accuracy"
    assert accuracy.get_lines()[0].get_xydata().tolist() == [[60, 0.5], [160, 0.6]]
    assert figure.get_suptitle() == "With momentum 0.9 from step 111 on"
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_no_mean_mixes_what_was_before_and_after_the_change():
    result = two()
    result.as_it_was.losses[:100] = [100.0] * 100
    result.as_it_was.losses[100:] = [7.0] * 100
    means = lines(what_if(result).axes[0])["as it was: momentum 0"]
    assert {*means[:, 1]} == {7.0, 100.0}
    assert ((means[:, 0] > 110) == (means[:, 1] == 7)).all()


def test_a_training_that_diverged_is_marked_and_presses_nothing_flat():
    figure = what_if(two("Training diverged in epoch 2."))
    (panel,) = figure.axes
    assert 200 < panel.get_ylim()[1] < 250
    ((step, height),) = lines(panel)["diverged"]
    assert step == 115
    assert 200 < height < panel.get_ylim()[1]


def test_what_is_no_result_is_refused():
    with pytest.raises(InputError, match=r"what Replay\.what_if returns, got .* Course"):
        what_if(Course())
    with pytest.raises(InputError, match=r"what tinynn\.influence returns, got .* ndarray"):
        draw_influence(np.zeros(3), ["a", "b"])


@pytest.mark.first_cases(1)
@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 1), (4, 4, 3)])
def test_the_images_with_the_largest_influence_are_drawn_in_their_order(shape, tmp_path):
    x, y = np.random.default_rng(0).random((8, *shape)), np.arange(8) % 2
    model = Sequential([Flatten(), Dense(2)], shape)
    result = influence(model, SoftmaxCrossEntropy(), x, y, x[3], 1)
    figure = draw_influence(result, ["cat", "d$g"], count=3, path=tmp_path / "i.png")
    one, *others = figure.axes
    assert one.get_title().startswith("answer: d\\$g\npredicted: ")
    shown = [*result.most_helpful(3), *result.most_harmful(3)]
    largest = abs(result.values).max()
    for panel, n in zip(others, shown, strict=True):
        name = ["cat", r"d\$g"][y[n]]
        assert panel.get_title() == f"{name}\n{100 * result.values[n] / largest:+.0f} %"
        drawn = np.squeeze(panel.get_images()[0].get_array())
        assert np.corrcoef(drawn.ravel(), x[n].ravel())[0, 1] > 0.999
    assert [p.get_ylabel() for p in others if p.get_ylabel()] == ["towards it", "away from it"]


def test_samples_that_are_no_images_are_refused():
    x = np.random.default_rng(0).random((6, 4))
    result = influence(Sequential([Dense(2)], (4,)), SoftmaxCrossEntropy(), x, [0, 1] * 3, x[0], 0)
    with pytest.raises(InputError, match=r"plots\.influence needs images, .* got samples of shape"):
        draw_influence(result, ["a", "b"])
    x, model = x.reshape(6, 2, 2), Sequential([Flatten(), Dense(2)], (2, 2))
    result = influence(model, SoftmaxCrossEntropy(), x, [0, 1] * 3, x[0], 0)
    with pytest.raises(InputError, match="names"):
        draw_influence(result, ["only one"])
