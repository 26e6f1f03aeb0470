"""Lesson 17: dot products of gradients find the images that taught the network a mistake."""

import numpy as np
import pytest

import tinynn


@pytest.fixture(scope="module")
def files(lesson, tmp_path_factory):
    """The checkpoints of the lesson's training, which is repeated."""
    it, path = lesson("17"), tmp_path_factory.mktemp("again") / "step-{step}.npz"
    it.train(it.everything, tinynn.Checkpoint(path))
    return str(path)


def weights_of(model):
    return model.named_parameters().values()


def gradient(model, x, y):
    """Of one image's loss by all parameters, written out: Flatten, Dense, ReLU, Dense, softmax."""
    W1, b1, W2, b2 = (array.astype(np.float64) for array in model)
    x = x.reshape(1, -1).astype(np.float64)
    h = np.maximum(x @ W1 + b1, 0)
    e = np.exp(h @ W2 + b2 - (h @ W2 + b2).max())
    dz = e / e.sum() - np.eye(10)[[y]]
    da = dz @ W2.T * (h > 0)
    parts = (x.T @ da, da.sum(axis=0), h.T @ dz, dz.sum(axis=0))
    return np.concatenate([part.ravel() for part in parts])


def test_the_boot_is_taken_for_a_sneaker(lesson):
    it = lesson("17")
    assert it.boot[1].tolist() == [it.BOOT]
    p = it.model.predict(it.boot[0])[0]
    assert p.argmax() == it.SNEAKER
    assert p[it.SNEAKER] > 0.7
    assert 1 <= len(it.wrong) <= 10


def test_a_step_lowers_the_loss_by_rate_times_the_dot_product(lesson):
    it = lesson("17")
    weights = weights_of(it.model)
    g = gradient(weights, it.boot[0], it.BOOT)
    assert len(it.tried) == 2
    for n, (product, fall) in it.tried.items():
        assert product == pytest.approx(gradient(weights, it.x[n], it.y[n]) @ g, rel=1e-6)
        assert fall == pytest.approx(product, rel=0.01)
        assert it.at_the_end.values[n] == pytest.approx(product, rel=1e-9)


def test_over_checkpoints_it_is_the_sum_of_rate_times_dot_product(lesson, files):
    """The rates are half a cosine from 0.05 over 564 steps."""
    it = lesson("17")
    chosen, total = [*it.helpful[:2], *it.harmful[:2]], np.zeros(4)
    for step in (0, 188, 376, 564):
        with np.load(files.format(step=step)) as file:
            weights = [file[name] for name in it.model.named_parameters()]
        taken = max(step, 1) - 1  # steps before the one whose rate counts
        rate = 0.05 * 0.5 * (1 + np.cos(np.pi * taken / 564))
        g = gradient(weights, it.boot[0], it.BOOT)
        total += [rate * (gradient(weights, it.x[n], it.y[n]) @ g) for n in chosen]
    np.testing.assert_allclose(it.result.values[chosen], total, rtol=1e-3)


def test_the_most_harmful_are_sneakers_and_the_most_helpful_boots(lesson):
    it = lesson("17")
    assert np.mean(it.y[it.harmful[:50]] == it.SNEAKER) > 0.8
    assert np.mean(it.y[it.helpful[:50]] == it.BOOT) > 0.9


def test_what_is_left_out_decides_the_answer(lesson):
    it = lesson("17")
    with_all, no_harmful, others, no_helpful = it.ends.values()
    assert no_harmful < 1.0 < 1.2 < others < 3.0
    assert 1.5 < with_all < 3.5
    assert no_helpful > 4.5
    assert len(it.drawn) == 8
    assert np.bincount(it.y[it.harmful]).tolist() == np.bincount(it.y[it.drawn_at_random]).tolist()
    assert not set(it.harmful) & set(it.drawn_at_random)


def test_the_answer_to_the_first_question(lesson, files):
    """The network at the beginning names them, and it knows nothing."""
    it = lesson("17")
    counts, sizes = {}, {}
    for step in (0, 188, 376, 564):
        asked = it.model, it.loss, it.x, it.y, *it.boot
        result = tinynn.influence(*asked, checkpoints=files.format(step=step))
        counts[step] = np.bincount(it.y[result.most_harmful(300)], minlength=10)
        sizes[step] = abs(result.values).mean()
    assert counts[0][0] > 200
    assert max(counts[step][0] for step in (188, 376, 564)) < 30
    assert sizes[0] > sizes[188] > sizes[376] > 100 * sizes[564]


def test_the_answer_to_the_second_question(lesson, files):
    it = lesson("17")
    asked = it.model, it.loss, it.x, it.y, it.boot[0], it.SNEAKER
    helped = tinynn.influence(*asked, checkpoints=files).most_helpful(50)
    assert np.mean(it.y[helped] == it.SNEAKER) > 0.9
    assert 10 < len(set(helped) & set(it.harmful[:50])) < 42


def test_the_picture_shows_the_images_and_the_losses(lesson):
    it = lesson("17")
    boot, *others, bars = it.drawn
    np.testing.assert_array_equal(boot.axes.images[0].get_array(), it.boot[0][0])
    for i in range(3):
        for row, chosen in enumerate((it.helpful, it.harmful)):
            panel = others[2 * i + row]
            np.testing.assert_array_equal(panel.axes.images[0].get_array(), it.x[chosen[i]])
            assert panel.axes.get_title().endswith(it.names[it.y[chosen[i]]])
    widths = [bar.get_width() for bar in bars.axes.patches]
    assert widths == [*it.ends.values()]
