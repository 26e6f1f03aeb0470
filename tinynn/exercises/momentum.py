"""Exercise 5: SGD with momentum.

train by hand, for one neuron, two samples, momentum 0.5 and the learning rate 0.1:

    step   w    b     errors        dw     db     velocities of w and b     w     b after it
    1      0    0     -2, -4       -10     -6     1, 0.6                    1     0.6
    2      1    0.6   -0.4, -1.4    -3.2   -1.8   0.82, 0.48                1.82  1.08
"""

from typing import Any

import numpy as np

from tinynn.exercises.grading import Exercise, Part
from tinynn.exercises.work import Work
from tinynn.parameters import Array

W, DW, V = np.array([1.0, -2.0]), np.array([4.0, 10.0]), np.array([2.0, -1.0])
RATE, MU = 0.1, 0.8  # MU: momentum
X, Y = np.array([[1.0], [2.0]]), np.array([2.0, 4.0])


def one_step(w: Any, dw: Any, v: Any, learning_rate: float, momentum: float) -> Any:
    """The right step."""
    v = momentum * v - learning_rate * dw
    return v, w + v


def descent(
    x: Array, y: Array, w: Any, b: Any, learning_rate: float, momentum: float, steps: int
) -> Any:
    """The right loop."""
    vw, vb = np.zeros_like(w), np.zeros(())
    for _ in range(steps):
        error = x @ w + b - y
        vw, w = one_step(w, 2 * x.T @ error / len(x), vw, learning_rate, momentum)
        vb, b = one_step(b, 2 * error.mean(), vb, learning_rate, momentum)
    return w, b


def moved(v: Array) -> tuple[Array, Array]:
    """A velocity, and where it takes w."""
    return v, W + v


def momentum_step(work: Work) -> None:
    """One step by hand; then the first step of a matrix, and one of a single number."""
    values, right = (W, DW, V, RATE, MU), ([1.2, -1.8], [2.2, -3.8])
    v = np.array(right[0])
    up = MU * V + RATE * DW
    sum_, mean = MU * V + DW, MU * V + (1 - MU) * DW
    work.by_hand(values, right, {
        "The gradient has the wrong sign: so the loss grows.": moved(up),
        "It is the velocity with the other sign, which some books subtract from w. Here v is "
        "added to w. Which sign must the gradient have in it?": (up, W - up),
        "The learning rate multiplies the whole velocity, as in some libraries. Here it "
        "multiplies the gradient alone, before that comes into v.": (sum_, W - RATE * sum_),
        "It is a moving average of the gradients, as in Adam. The equation of this exercise is "
        "another one.": (mean, W - RATE * mean),
        "The gradient has one more factor, 1 - momentum, as in a moving average.":
            moved(MU * V - (1 - MU) * RATE * DW),
        "The learning rate is missing.": moved(MU * V - DW),
        "The old velocity comes in whole. Only a part of it is kept.": moved(V - RATE * DW),
        "The old velocity is missing: it is plain gradient descent.": moved(-RATE * DW),
        "The gradient is missing.": moved(MU * V),
        "momentum multiplies the gradient, too. How much of the old velocity is kept, and how much "
        "of the gradient?": moved(MU * (V - RATE * DW)),
        "momentum is always 0.9, whatever the argument says.": moved(0.9 * V - RATE * DW),
        "momentum and the learning rate have changed places.": moved(RATE * V - MU * DW),
        "It is the old velocity. The next step needs the new one.": (V, right[1]),
        "v and w stand in the wrong order.": right[::-1],
        "w moves by the old velocity. Which of the two lines comes first?": (right[0], W + V),
        "It is the old w.": (right[0], W),
        "w moves along the gradient alone, and not by v.": (right[0], W - RATE * DW),
        "v is subtracted from w. The sign is already in v.": (right[0], W - v),
        "The gradient comes in twice: v has it already.": (right[0], W + v - RATE * DW),
        "v is multiplied by momentum once more, as in Nesterov's form.":
            (right[0], W + MU * v - RATE * DW),
        "w moves by the learning rate times v. The learning rate is already in v.":
            (right[0], W + RATE * v),
        "It is v itself. The new w begins at the old one.": (right[0], v),
    }, items="v, w")  # fmt: skip
    rng = np.random.default_rng(0)
    w, dw = rng.normal(size=(2, 3, 4))
    first = (w, dw, np.zeros((3, 4)), 0.3, 0.9)
    work.like(one_step, first, where="a first step, v = 0,", items="v, w")
    work.like(one_step, (w, dw, dw**2, 0.01, 0.0), where="momentum = 0", items="v, w")
    work.by_hand((3.0, 2.0, -1.0, 0.5, 0.5), (-1.5, 1.5), items="v, w",
                 where="a w that is one number")  # fmt: skip


def train(work: Work) -> None:
    """Two steps by hand, in the table above; then thirty steps of random samples, and none."""
    work.by_hand((X, Y, np.array([0.0]), 0.0, RATE, 0.5, 2), ([1.82], 1.08), {
        "The velocity is 0 at the begin of each step. Where in the code is it made?":
            ([1.32], 0.78),
        "w and b share a velocity. Each needs one of its own.": ([1.72], [1.54]),
        "w and b share a velocity. Each needs its own.": ([1.72], 1.54),
        "The velocity of b is not kept from step to step.": ([1.82], 0.78),
        "The velocity of w is not kept from step to step.": ([1.32], 1.08),
        "It is as if b stayed where it was.": ([2.0], 0.0),
        "It is as if w stayed where it was.": ([0.0], 1.38),
        "It is what w and b are at the start. Are the new ones kept?": ([0.0], 0.0),
        "It is what one step gives. Does each step end with its own velocity in w and b?":
            ([1.0], 0.6),
        "It is one step too many.": ([1.996], 1.158),
        "These are the velocities.": ([0.82], 0.48),
        "It is the velocity. In which order does momentum_step return the two?": ([0.82], 1.08),
        "b is one number, and its velocity an array.": ([1.82], [1.08]),
        "dw stands where db should: it moves by the gradient of w.": ([1.7], [1.7]),
        "dw and db have changed places: in which order does loss_and_gradients return them?":
            ([1.12], [1.9]),
        "The gradients are those of the start at each step. They change as w and b do.":
            ([2.5], 1.5),
        "db is computed after w has moved. Both gradients belong to the same w and b.":
            ([1.91], 0.417),
        "It goes up: the loss grows. Compare the signs in both lines of a step.":
            ([-3.18], -1.92),
        "momentum is always 0.9, whatever the argument says.": ([2.22], 1.32),
        "The learning rate is missing in the velocity.": ([-43.0], -27.0),
        "The old velocity comes into the new one whole.": ([2.32], 1.38),
        "A step is that of a moving average of the gradients.": ([1.08], 0.645),
        "A step is that of Nesterov's form.": ([1.72], 1.005),
        "They stand in the wrong order.": (1.08, [1.82]),
    }, items="w, b")  # fmt: skip
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 3)), rng.normal(size=20)
    work.like(descent, (x, y, rng.normal(size=3), 0.5, 0.05, 0.9, 30), items="w, b")
    none = (X, Y, np.array([0.0]), 0.0, RATE, 0.5, 0)
    work.by_hand(none, ([0.0], 0.0), items="w, b", where="0 steps")


def final_velocity(work: Work) -> None:
    """0.1 times the gradient, divided by 0.2; then a momentum of which more steps are felt."""
    values = (np.array([4.0, -10.0]), RATE, MU)
    step = RATE * values[0]
    work.by_hand(values, [-2.0, 5.0], {
        "Only the sign is wrong: which way does w go?": step / 0.2,
        "It is the velocity of the first step. It goes on to grow.": -step,
        "It is the velocity after two steps. It goes on to grow.": -1.8 * step,
        "It is divided by momentum. Write the equation with the same v on both sides, and solve "
        "it for v.": -step / 0.8,
        "It is smaller than the first step. The velocity grows while dw stays the same.":
            -0.2 * step,
        "A sign is wrong where you solved for v.": -step / 1.8,
        "A sign is wrong where you solved for v, and the sign of the gradient.": step / 1.8,
        "The learning rate is missing.": -values[0] / 0.2,
        "The gradient of the latest step is not in it.": -0.8 * step / 0.2,
    })  # fmt: skip
    few = "It is the velocity after some steps, and not yet the final one. With a larger momentum "
    few += "it grows for longer. On paper no loop is needed."
    work.like(lambda dw, rate, momentum: -rate * dw / (1 - momentum),
              (np.array([[1.0, -3.0], [0.5, 0.0]]), 0.3, 0.95), {
        few: lambda dw, rate, momentum: -rate * dw * (1 - momentum**100) / (1 - momentum),
    }, where="momentum = 0.95")  # fmt: skip


MOMENTUM = Exercise(
    "05_momentum",
    "SGD with momentum",
    (
        Part("momentum_step", "w, dw, v, learning_rate, momentum", 4, momentum_step),
        Part("train", "x, y, w, b, learning_rate, momentum, steps", 4, train),
        Part("final_velocity", "dw, learning_rate, momentum", 2, final_velocity),
    ),
)
