"""Exercise 4: the training loop.

The numbers by hand: x = 1, 2 and y = 2, 4, from w = b = 0, with learning rate 0.1.

    step   w      b      z            z - y         L        dw     db
    0      0      0      0, 0         -2, -4        10       -10    -6
    1      1      0.6    1.6, 2.6     -0.4, -1.4    1.06     -3.2   -1.8
    2      1.32   0.78   2.1, 3.42    0.1, -0.58    0.1732   -1.06  -0.48
    3      1.426  0.828
"""

from typing import Any

import numpy as np

from tinynn.exercises.grading import Exercise, Part
from tinynn.exercises.work import Work
from tinynn.parameters import Array

X, Y, W, RATE = np.array([[1.0], [2.0]]), np.array([2.0, 4.0]), np.array([0.0]), 0.1


def descent(x: Array, y: Array, w: Array, b: float, learning_rate: float, steps: int) -> Any:
    """The right loop."""
    losses = []
    for _ in range(steps):
        error = x @ w + b - y
        losses.append(np.mean(error**2))
        w, b = (
            w - learning_rate * 2 * x.T @ error / len(x),
            b - learning_rate * 2 * float(np.mean(error)),
        )
    return w, b, losses


def update(work: Work) -> None:
    """Two numbers by hand; then a single number, as b is."""
    w, dw = np.array([1.0, -2.0]), np.array([4.0, 10.0])
    work.by_hand((w, dw, 0.5), [-1.0, -7.0], {
        "It goes up: the loss grows along its gradient.": w + 0.5 * dw,
        "The learning rate is missing.": w - dw,
        "It is the step alone. The new w begins at the old one.": 0.5 * dw,
        "It is the step alone, with its sign. The new w begins at the old one.": -0.5 * dw,
        "It is divided by the learning rate. A small one must give a small step.": w - dw / 0.5,
        "Only the sign of the gradient is used. A steeper place gives a longer step.":
            w - 0.5 * np.sign(dw),
        "The difference of w and dw is multiplied as a whole. Only dw has this factor.":
            0.5 * (w - dw),
        "It is the old w.": w,
        "w is a factor of the step. The step depends on dw and the learning rate alone.":
            w - 0.5 * dw * w,
        "It is the difference with the wrong sign.": dw * 0.5 - w,
        "It is averaged. Each number of w moves by its own gradient.": w - 0.5 * dw.mean(),
    })  # fmt: skip
    work.by_hand((3.0, 2.0, 0.1), 2.8, where="a w that is one number")


def train(work: Work) -> None:
    """Three steps by hand, in the table above; then thirty of random samples, and none."""
    values = (X, Y, W, 0.0, RATE, 3)
    losses = [10.0, 1.06, 0.1732]
    work.by_hand(values, ([1.426], 0.828, losses), {
        "It goes up: the loss grows along its gradient.":
            ([-5.506], -3.348, [10.0, 28.26, 80.1252]),
        "The gradients are those of the start at each step. They change as w and b do.":
            ([3.0], 1.8, [10.0, 10.0, 10.0]),
        "It is what w and b are at the start. Are the new ones kept?":
            ([0.0], 0.0, [10.0, 10.0, 10.0]),
        "It is what one step gives. Does return stand within the loop?": ([1.0], 0.6, [10.0]),
        "It is one step too few.": ([1.32], 0.78, [10.0, 1.06]),
        "It is one step too many.": ([1.4646], 0.8346, [*losses, 0.083458]),
        "It is as if b stayed where it was.": ([1.75], 0.0, [10.0, 2.5, 0.625]),
        "It is as if w stayed where it was.": ([0.0], 1.464, [10.0, 6.76, 4.6864]),
        "dw stands where db should: it moves by the gradient of w.":
            ([1.24], [1.24], [10.0, 0.5, 0.16]),
        "db stands where dw should: it moves by the gradient of b.":
            ([1.05], 1.05, [10.0, 2.74, 0.865]),
        "dw and db have changed places: in which order does loss_and_gradients return them?":
            ([0.894], [1.57], [10.0, 1.7, 0.485]),
        "db is computed after w has moved. Both gradients belong to the same w and b.":
            ([1.5799], 0.45963, [10.0, 1.69, 0.306049]),
        "The losses are those after the steps, and not those that the steps began with.":
            ([1.426], 0.828, [1.06, 0.1732, 0.083458]),
        "The loss after the last step is in it. There is one for each step.":
            ([1.426], 0.828, [*losses, 0.083458]),
        "It is the last loss alone.": ([1.426], 0.828, [0.1732]),
        "It is the last loss alone, and no list.": ([1.426], 0.828, 0.1732),
        "It is the first loss, again and again. Is the loss computed within the loop?":
            ([1.426], 0.828, [10.0, 10.0, 10.0]),
        "The learning rate is missing.": ([292.0], 180.0, [10.0, 340.0, 11650.0]),
        "These are the losses alone. w and b are asked for, too.": (*losses,),
        "They stand in the wrong order.": ([1.426], 0.828, losses[::-1]),
    }, items="w, b, losses")  # fmt: skip
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 3)), rng.normal(size=20)
    work.like(descent, (x, y, rng.normal(size=3), 0.5, 0.05, 30), items="w, b, losses")
    none = (X, Y, W, 0.0, RATE, 0)
    work.by_hand(none, ([0.0], 0.0, []), items="w, b, losses", where="0 steps")


def steps_until(work: Work) -> None:
    """The losses by hand are 10, 1.06, 0.1732: limits between them, at one, and never reached."""
    for limit, right in ((0.5, 2), (5.0, 1), (20.0, 0)):
        work.by_hand((X, Y, W, 0.0, RATE, limit), right, {
            "One too many. Is the loss looked at before a step is counted?": right + 1,
            "One too few.": right - 1,
            "It is the loss. Return the number of steps.": [10.0, 1.06, 0.1732][right],
            "It is always 1000: is the loss ever compared with limit?": 1000,
        })  # fmt: skip
    work.by_hand((X, Y, W, 0.0, RATE, 10.0), 1, {
        "A loss of exactly limit is not below it.": 0,
    })  # fmt: skip
    work.by_hand((X, Y, W, 0.0, RATE, 0.0), 1000, {
        "One too few: after 1000 steps it ends.": 999,
        "One too many: after 1000 steps it ends.": 1001,
    })  # fmt: skip


LOOP = Exercise(
    "04_the_loop",
    "The training loop",
    (
        Part("update", "w, dw, learning_rate", 2, update),
        Part("train", "x, y, w, b, learning_rate, steps", 5, train),
        Part("steps_until", "x, y, w, b, learning_rate, limit", 3, steps_until),
    ),
)
