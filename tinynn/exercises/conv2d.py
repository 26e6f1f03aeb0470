"""Exercise 10: Conv2D.

The numbers by hand: one image of 2 x 3 pixels, one kernel of 2 x 2, b = 10, no frame:

    x  1 2 0     W  1 2     out  1 + 4 + 0 + 3 + 10 = 18     2 + 0 + 4 + 9 + 10 = 25
       0 1 3        4 3

    dout  1 10   dx  1   2 + 10   20      dW  1 + 20   2 + 0      db  11
                     4   3 + 40   30          0 + 10   1 + 30

Two images of 1 x 2 pixels, one kernel of 1 x 2, so each image has one window:

    x  1 2   3 4     W  5 6     dout  1   10     dx  5 6   50 60     dW  1 + 30   2 + 40     db  11
"""

from typing import Any

import numpy as np

from tinynn.exercises.grading import Exercise, Part
from tinynn.exercises.words import shown
from tinynn.exercises.work import Work, Wrong
from tinynn.parameters import Array

X = np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 3.0]]).reshape(1, 2, 3, 1)
W = np.array([[1.0, 2.0], [4.0, 3.0]]).reshape(2, 2, 1, 1)
B = np.array([10.0])


def framed(x: Array, padding: int) -> Array:
    """The right frame."""
    sides = (padding, padding)
    return np.pad(x, ((0, 0), sides, sides, (0, 0)))


def conv(x: Array, W: Array, b: Array, padding: int) -> Array:
    """The right function, from whose differences the gradients are known: a weight at a time."""
    x = framed(x, padding)
    P, Q = x.shape[1] - W.shape[0] + 1, x.shape[2] - W.shape[1] + 1
    out: Any = b
    for i, j in np.ndindex(W.shape[:2]):
        out = out + x[:, i : i + P, j : j + Q] @ W[i, j]
    return np.asarray(out)


def table(value: Any) -> str:
    """Show an image with one channel as rows and columns: without axes of length 1."""
    if isinstance(value, tuple):
        return f"({', '.join(map(table, value))})"
    many = isinstance(value, np.ndarray) and value.ndim > 1
    return shown(np.squeeze(value) if many else value)


def frame(work: Work) -> None:
    """One image of 1 x 2 pixels; then no frame, and a wide one around several channels."""
    x = np.array([[1.0, 2.0]]).reshape(1, 1, 2, 1)
    right = np.array([[0.0, 0, 0, 0], [0, 1, 2, 0], [0, 0, 0, 0]])[None, :, :, None]
    work.by_hand((x, 1), right, {
        "The frame holds copies of the pixels at the edge. It must hold zeros.":
            np.array([[1.0, 1, 2, 2]] * 3)[None, :, :, None],
        "The frame holds ones. It must hold zeros.": np.where(right, right, 1),
        "The image is in the upper left corner. It belongs in the middle.":
            np.roll(right, (-1, -1), (1, 2)),
        "The image is in the lower right corner, or goes over the edge. It belongs in the middle.":
            np.roll(right, (1, 1), (1, 2)),
        "All numbers are 0: is x put into the middle?": 0 * right,
        "There are rows above and below, and no columns at the sides.": right[:, :, 1:3],
        "There are columns at the sides, and no rows above and below.": right[:, 1:2],
        "The frame is on one side alone: at the top and at the left.": right[:, :2, :3],
        "The frame is on one side alone: at the bottom and at the right.": right[:, 1:, 1:],
        "There is a frame along all four axes: a black image before and after, and channels of 0. "
        "Only rows and columns get one.": np.pad(x, 1),
        "The axes of images and rows have got the frame: which two are those of an image?":
            np.pad(x, ((1, 1), (1, 1), (0, 0), (0, 0))),
        "The last two axes have got the frame. The last one holds the channels.":
            np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))),
        "The last axis, that of the channels, is lost.": right[..., 0],
    }, as_text=table)  # fmt: skip
    try:
        work.by_hand((x, 0), x, as_text=table)
    except Wrong as wrong:
        raise Wrong(f"With padding 0: {wrong.sentence}", wrong.line) from wrong
    work.like(framed, (np.random.default_rng(0).normal(size=(3, 2, 4, 2)), 2))


def forward(work: Work) -> None:
    """The table above; then several of everything."""

    def image(*numbers: float) -> Array:
        return np.array(numbers).reshape(1, 1, 2, 1)

    work.by_hand((X, W, B, 0), image(18.0, 25.0), {
        "The bias is missing.": image(8.0, 15.0),
        "The kernel is turned by 180 degrees, as in mathematics. Here it is not.":
            image(22.0, 21.0),
        "The rows of the kernel lie over the columns of the window: i belongs to rows, j to "
        "columns.": image(22.0, 23.0),
        "It is the mean over the window. The equation has a sum.": image(12.0, 13.75),
        "It is the largest product of the window. The equation has a sum.": image(14.0, 19.0),
        "Each product overwrites the one before: the last one alone is left. Add them up.":
            image(13.0, 19.0),
        "Each product overwrites the one before, and the bias, too.": image(3.0, 9.0),
        "A window has the axes i, j and c, and W has one more. NumPy lays the last axes over each "
        "other: which are these?": image(30.0, 40.0),
        "The bias comes in once for each weight. It is added once to each number of out.":
            image(48.0, 55.0),
        "Both numbers are those of the first window: does it move with q?": image(18.0, 18.0),
        "Both numbers are those of the last window: is the result of each window kept in its own "
        "place?": image(25.0, 25.0),
        "The window is not multiplied by the kernel.": image(14.0, 16.0),
        "It is a matrix product of window and kernel, added up. Multiply number by number.":
            image(34.0, 40.0),
        "Only the first window is computed: where does the loop over q end?": image(18.0, 10.0),
        "Only the first window is computed: where does the loop over q end? And is b added "
        "everywhere?": image(18.0, 0.0),
        "There is a frame of 1 pixel, but padding is 0.": conv(X, W, B, 1),
        "A row and a column of windows are missing: how many are there?": np.zeros((1, 0, 1, 1)),
        "One window is missing: how many are there from left to right?":
            np.reshape(18.0, (1, 1, 1, 1)),
    }, as_text=table)  # fmt: skip
    _several(work)


def _several(work: Work) -> None:
    """Two images and channels, three kernels; then a frame, and a large kernel."""
    rng = np.random.default_rng(0)
    x, W_, b = rng.normal(size=(2, 4, 6, 2)), rng.normal(size=(2, 3, 2, 3)), rng.normal(size=3)
    work.like(conv, (x, W_, b, 0), {
        "Only the first channel of x is used.": lambda x, W, b, _: conv(x[..., :1], W[:, :, :1],
                                                                        b, 0),
        "Only the first image is used.": lambda x, W, b, _: conv(x[[0, 0]], W, b, 0),
        "All images are added up. Each has an output of its own.":
            lambda x, W, b, _: conv(x.sum(axis=0, keepdims=True), W, b, 0).repeat(2, axis=0),
        "All numbers of out have the bias of the first kernel.":
            lambda x, W, b, _: conv(x, W, b[[0, 0, 0]], 0),
        "The bias is missing.": lambda x, W, b, _: conv(x, W, 0 * b, 0),
        "It is the first kernel's result, for all kernels.":
            lambda x, W, b, _: conv(x, W[..., [0, 0, 0]], b, 0),
        "The results of all kernels are added up. Each has an output of its own.":
            lambda x, W, b, _: conv(x, W.sum(axis=3, keepdims=True).repeat(3, axis=3), b, 0),
        "All images are added up, by the first kernel. Each image has an output for each kernel.":
            lambda x, W, b, _: conv(x.sum(axis=0, keepdims=True), W[..., [0, 0, 0]], b, 0).repeat(
                2, axis=0),
    })  # fmt: skip
    work.like(conv, (x, W_, b, 2), {
        "There is no frame: is padding used?": lambda x, W, b, _: conv(x, W, b, 0),
        "The frame is 1 pixel wide, whatever padding is.": lambda x, W, b, _: conv(x, W, b, 1),
    }, where="padding 2")  # fmt: skip
    work.like(conv, (x[:, :2, :3], W_, b, 0), where="a kernel as large as the image")


def backward(work: Work) -> None:
    """The table above; then by finite differences, with a frame, and two of everything."""
    dout = np.array([1.0, 10.0]).reshape(1, 1, 2, 1)

    def grid(*rows: list[int]) -> Array:
        return np.array(rows, float)[..., None]

    dx, db = grid([1, 12, 20], [4, 43, 30])[None], np.array([11.0])
    dW = grid([21, 2], [10, 31])[..., None]
    work.by_hand((dout, X, W, 0), (dx, dW, db), {
        "It is right with the kernel turned by 180 degrees. Which weight stood over which pixel "
        "on the way forward?": (grid([3, 34, 40], [2, 21, 10])[None], dW[::-1, ::-1], db),
        "Each window overwrites what the one before has left. A pixel lies in several windows, "
        "and a weight is used in all of them.":
            (grid([1, 10, 20], [4, 40, 30])[None], grid([20, 0], [10, 30])[..., None], 10.0),
        "It is what the last window adds, alone.":
            (grid([0, 10, 20], [0, 40, 30])[None], grid([20, 0], [10, 30])[..., None], [10.0]),
        "It is empty. With padding 0, where does a slice end that ends at -padding?":
            (np.zeros((1, 0, 0, 1)), dW, db),
        "It is what the first window adds, alone. Does a line within the loops end it?":
            (grid([1, 2, 0], [4, 3, 0])[None], grid([1, 2], [0, 1])[..., None], [1.0]),
        "dout is not in it: it is as if dout were 1 everywhere.":
            (grid([1, 3, 2], [4, 7, 3])[None], grid([3, 2], [1, 4])[..., None], [2.0]),
        "All of dout is added up before the windows: each window has its own number of dout.":
            (grid([11, 33, 22], [44, 77, 33])[None], grid([33, 22], [11, 44])[..., None], db),
        "It is a mean over the places. The chain rule adds up.": (dx / 2, dW / 2, db / 2),
        "It is not summed. It has the shape of its array: b has one number for each kernel.":
            (dx, dW, dout),
        "It is one number, the sum of all. b has one number for each kernel.":
            (dx, dW, np.array(11.0)),
        "The gradients stand in another order: dx comes first, then dW and db.": (dW, db, dx),
        "The gradients stand in another order: dx comes first, then dW, then db.": (dW, dx, db),
    }, items="dx, dW, db", as_text=table)  # fmt: skip
    _two_images(work)
    rng = np.random.default_rng(0)
    arrays = rng.normal(size=(2, 2, 3, 2)), rng.normal(size=(2, 3, 2, 2)), rng.normal(size=2)
    words = {
        "turned": "It is right with the kernel turned by 180 degrees. Which weight stood over "
        "which pixel on the way forward?",
        "other": "It is none of the usual mistakes, and the small example is right. There padding "
        "was 0, with one image, channel and kernel; here padding is 1, and there are two of each.",
    }  # fmt: skip
    try:
        work.gradient(conv, (*arrays, 1), words)
    except Wrong as wrong:
        if "it raises" not in wrong.sentence:
            raise
        text = f"{wrong.sentence} Here padding is 1. Do the windows lie in x with its frame?"
        raise Wrong(text, wrong.line) from wrong


def _two_images(work: Work) -> None:
    """The second table: what the images add to dW and db is summed."""

    def pixels(*numbers: float) -> Array:
        return np.array(numbers).reshape(-1, 1, 2, 1)

    dout, x = np.array([1.0, 10.0]).reshape(2, 1, 1, 1), pixels(1.0, 2.0, 3.0, 4.0)
    kernel = np.array([5.0, 6.0]).reshape(1, 2, 1, 1)
    dx, dW, db = pixels(5.0, 6.0, 50.0, 60.0), kernel * 0 + [[[[31.0]], [[42.0]]]], np.array([11.0])
    work.by_hand((dout, x, kernel, 0), (dx, dW, db), {
        "It is a mean over the images. The 1 / B of a mean loss is in dout already.":
            (dx / 2, dW / 2, db / 2),
        "It is what the first image adds, alone.":
            (pixels(5, 6, 0, 0), [[[[1.0]], [[2.0]]]], [1.0]),
        "It is what the last image adds, alone.":
            (pixels(0, 0, 50, 60), [[[[30.0]], [[40.0]]]], [10.0]),
        "It has a number for each image. b has one number for each kernel: add up.":
            (dx, dW, np.array([1.0, 10.0])),
    }, items="dx, dW, db", as_text=table)  # fmt: skip


CONV2D = Exercise(
    "10_conv2d",
    "Conv2D",
    (
        Part("frame", "x, padding", 2, frame),
        Part("conv_forward", "x, W, b, padding", 3, forward),
        Part("conv_backward", "dout, x, W, padding", 5, backward),
    ),
)
