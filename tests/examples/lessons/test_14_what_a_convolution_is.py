"""Lesson 14: a convolution is a Dense layer with zeros and repeated weights."""

import numpy as np
import pytest

PREWITT = np.array([[-1, 0, 1]] * 3)


def correlated(image, kernel):
    """Return the sum over a kernel's places of the shifted images: not the lesson's way."""
    side = len(kernel) // 2
    framed, (height, width) = np.pad(image, side), image.shape
    return sum(
        kernel[i, j] * framed[i : i + height, j : j + width] for i, j in np.ndindex(kernel.shape)
    )


def test_the_loops_the_layer_and_the_dense_layer_give_the_same_numbers(lesson):
    fourteen = lesson("14")
    for k, (name, kernel) in enumerate(fourteen.kernels.items()):
        expected = correlated(fourteen.x[0].astype(float), kernel)
        np.testing.assert_allclose(fourteen.edges[name], expected, atol=1e-6)
        np.testing.assert_allclose(fourteen.maps[0, ..., k], expected, atol=1e-5)
    for image, row in zip(fourteen.x, fourteen.flat, strict=True):
        expected = correlated(image.astype(float), PREWITT)
        np.testing.assert_allclose(row.reshape(28, 28), expected, atol=1e-5)
    assert np.abs(fourteen.flat).max() > 1


def test_the_counts_of_weights_are_those_that_it_prints(lesson):
    """A window in a corner has 4 pixels of the image, one at an edge 6, others 9."""
    fourteen = lesson("14")
    in_windows = 4 * 4 + 4 * 26 * 6 + 26 * 26 * 9
    assert "Conv2D has 27 weights" in fourteen.text
    assert f"Dense has {784 * 784:,} weights, {in_windows:,} of them" in fourteen.text
    assert f"{784 * 784 // 9:,} times as many" in fourteen.text


def test_the_gradient_of_a_kernel_is_the_sum_over_all_places_of_a_number(lesson):
    """In float64, by finite differences of sum(dout out), which is linear in the kernel."""
    fourteen = lesson("14")
    dout = fourteen.dout.reshape(-1, 28, 28)
    for k, (i, j) in enumerate(np.ndindex(3, 3)):
        unit = np.zeros((3, 3))
        unit[i, j] = 1
        derivative = sum(
            np.sum(d * correlated(image.astype(float), unit))
            for d, image in zip(dout, fourteen.x, strict=True)
        )
        assert fourteen.one.dW[i, j, 0, 0] == pytest.approx(derivative, abs=1e-2)
        assert fourteen.summed[k] == pytest.approx(derivative, abs=1e-2)
    assert np.abs(fourteen.summed).max() > 5


def test_the_strongest_edge_is_the_window_that_it_prints(lesson):
    fourteen = lesson("14")
    edge = correlated(fourteen.x[0].astype(float), PREWITT)
    row, column = np.unravel_index(edge.argmax(), edge.shape)
    assert f"is at row {row}, column {column}; its window" in fourteen.text
    assert f"right column minus left column: {edge.max():.2f}" in fourteen.text


def test_the_picture_shows_the_image_the_edges_and_a_corner_of_the_table(lesson):
    fourteen = lesson("14")
    image, *edges, table = (panel.axes.images[0].get_array() for panel in fourteen.drawn[:5])
    np.testing.assert_array_equal(image, fourteen.x[0])
    for shown, out in zip(edges, fourteen.edges.values(), strict=True):
        np.testing.assert_array_equal(shown, out)
    np.testing.assert_array_equal(table, fourteen.dense.W[:84, :84])


def test_the_answer_to_the_first_question(lesson):
    """The kernel with 1 in the middle of its left column; zeros come in at the left edge."""
    fourteen = lesson("14")
    right = np.array([[0, 0, 0], [1, 0, 0], [0, 0, 0]])
    image = fourteen.x[0].astype(float)
    moved = np.zeros((28, 28))
    moved[:, 1:] = image[:, :-1]
    np.testing.assert_array_equal(fourteen.by_hand(image, right), moved)
    there = fourteen.by_hand(moved, PREWITT)
    back = fourteen.by_hand(image, PREWITT)
    np.testing.assert_allclose(there[:, 1:-1], back[:, :-2], atol=1e-12)
    assert np.abs(there[:, -1] - back[:, -2]).max() > 0.1  # but for the edges: a frame of zeros


def test_the_answer_to_the_second_question(lesson):
    fourteen = lesson("14")
    point = np.zeros((28, 28))
    point[14, 14] = 1
    first, second = fourteen.kernels["left to right"], fourteen.kernels["top to bottom"]
    both = fourteen.by_hand(fourteen.by_hand(point, first), second)
    answer = both[12:17, 12:17]
    assert np.abs(both).sum() == np.abs(answer).sum()  # nothing outside of 5 x 5
    v = [-1, -1, 0, 1, 1]  # 1 1 1 moved over -1 0 1: along the rows, and along the columns
    kernel = np.outer(v, v)  # it stays the same if it is turned by 180 degrees, as a point turns it
    np.testing.assert_array_equal(answer, kernel)
    image = fourteen.x[0].astype(float)
    two = fourteen.by_hand(fourteen.by_hand(image, first), second)
    np.testing.assert_allclose(
        two[2:-2, 2:-2], correlated(image, kernel)[2:-2, 2:-2], atol=1e-12
    )  # at the edges the first output is cut off
