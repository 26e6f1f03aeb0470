"""Exercise 8: Dropout. (Lesson 11; 10 points.)

In training each number of x is set to 0 with the probability rate: each by itself, and anew at each
step. The others are divided by 1 - rate, so that the mean of out is x:

    out = x mask / (1 - rate)      each number of mask is 0 with the probability rate, else 1
    out = x                        in prediction: nothing is dropped

x may have any shape, such as (B, U), B samples in rows. mask, out, dout and dx have the shape of x.
rate is a number, at least 0 and below 1. (Srivastava, Hinton, Krizhevsky, Sutskever and
Salakhutdinov, Dropout: A Simple Way to Prevent Neural Networks from Overfitting, 2014, sections 4
and 10. In their equations training does not divide, and prediction multiplies. Today's libraries
divide in training, as here: "inverted" dropout.)

1. dropout_forward: in training. rng is a random Generator, as np.random.default_rng(0) makes one:
   draw all numbers from it. rng.random(x.shape) gives numbers from 0 to 1, all equally probable.
   Which share of them is below rate?
2. dropout_backward: L is the loss, dout is dL/dout, and dx is dL/dx. The mask is that of forward:
   what was dropped must not get a gradient.
3. dropout_predict: in prediction.
4. noise: dropout makes out differ from x by chance. Let one number of x be given. What is the
   standard deviation of its out? (It is the root of the mean of (out - x)^2. Two cases can happen:
   with which probability does each, and what is (out - x)^2 then? Work it out on paper.)

Write the lines of the four functions in place of the placeholders. Return new arrays, and leave
those that you are given as they were. Then, in the folder of this file:

    python -m tinynn.exercises .
"""

import numpy as np


def dropout_forward(x, rate, rng):
    """Return out and mask, in this order. mask holds 1 where x is kept, else 0. (4 points.)"""
    raise NotImplementedError("your lines")


def dropout_backward(dout, mask, rate):
    """Return dx. mask: 1.0 and 0.0, as dropout_forward returned it. (2 points.)"""
    raise NotImplementedError("your lines")


def dropout_predict(x, rate):
    """Return out. (1 point.)"""
    raise NotImplementedError("your lines")


def noise(x, rate):
    """Return the standard deviation of each number of out, in the shape of x. (3 points.)"""
    raise NotImplementedError("your lines")


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    x = np.array([[1.0, -2.0, 3.0]])
    outs = np.array([dropout_forward(x, 0.2, rng)[0] for _ in range(10_000)])
    print("mean of out", outs.mean(axis=0), "in prediction", dropout_predict(x, 0.2))
    print("standard deviation of out", outs.std(axis=0), "by noise", noise(x, 0.2))
