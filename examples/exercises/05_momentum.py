"""Exercise 5: SGD with momentum. (Lesson 8; 10 points.)

Gradient descent forgets each step as soon as it is made. With momentum there is a velocity v, of
the shape of w, which keeps a part of all earlier steps. One step is

    v <- momentum v - learning_rate dw         dw is dL/dw. momentum is one number, at least 0 and
    w <- w + v                                 below 1, such as 0.9. v is 0 before the first step.

in this order: w moves by the new velocity. (Polyak, Some methods of speeding up the convergence of
iteration methods, 1964; in this form Sutskever, Martens, Dahl and Hinton, On the importance of
initialization and momentum in deep learning, 2013, equations 1 and 2. Other books and libraries
give v another sign, or another factor. Their steps may be the same, but their v is not.)

1. momentum_step: one step of one array, or of one number, such as b.
2. train: so many steps of the neuron of exercise 4, whose loss and gradients are given below. All
   parameters move at the same time, and each has a velocity of its own.
3. final_velocity: let dw be the same at each step. Then v gets larger from step to step, but less
   and less. Which v would one more step leave as it is? (Work it out on paper.)

Write the lines of the three functions in place of the placeholders. Leave the arrays that you are
given as they were: make new ones. Then, in the folder of this file:

    python -m tinynn.exercises .
"""

import numpy as np


def loss_and_gradients(x, y, w, b):
    """Return L, dw (D,) and db, one number. x: (B, D). y: (B,). (Given.)"""
    error = x @ w + b - y  # (B,)
    return np.mean(error**2), 2 * x.T @ error / len(x), 2 * np.mean(error)


def momentum_step(w, dw, v, learning_rate, momentum):
    """Return the new v and the new w, in this order. (4 points.)"""
    raise NotImplementedError("your lines")


def train(x, y, w, b, learning_rate, momentum, steps):
    """Return w, b: the parameters after so many steps with momentum from w and b. (4 points.)"""
    raise NotImplementedError("your lines")


def final_velocity(dw, learning_rate, momentum):
    """Return the v that no longer changes while dw stays the same. (2 points.)"""
    raise NotImplementedError("your lines")


if __name__ == "__main__":
    x, y = np.array([[1.0], [2.0]]), np.array([2.0, 4.0])
    for momentum in (0.0, 0.2, 0.4, 0.6, 0.8):
        w, b = train(x, y, np.zeros(1), 0.0, 0.1, momentum, 40)
        print(f"momentum {momentum}: loss after 40 steps {loss_and_gradients(x, y, w, b)[0]:.2g}")
