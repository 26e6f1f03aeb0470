"""Exercise 11: minibatches. (Lessons 5 and 9; 10 points.)

A data set has N samples: x[i] belongs to y[i], for each i. Before each epoch the samples are
shuffled; then the first batch_size of them are the first batch, the next ones the second, and so
on. In an epoch each sample comes once (Goodfellow, Bengio and Courville, Deep Learning, 2016,
section 8.1.3; Bottou, Stochastic Gradient Descent Tricks, 2012, section 4.1).

    x  (N, ...), such as images (N, 28, 28)        y  (N, ...), such as labels (N,)

    5 samples      shuffled  3 0 4 1 2      in batches of 2  3 0 | 4 1 | 2 (the last one is smaller)

rng, a random generator of NumPy (np.random.default_rng(seed)), decides all that is random here.
Whoever gives an rng with the same seed gets the same result: so a training can be repeated.

1. shuffled: the samples in a random order. Each order must be possible.
2. minibatches: the batches of one epoch.
3. hold_out: of each class k samples are held out of training, for validation, drawn at random. Both
   results are arrays of indices i into y, in any order, and together each i comes once.

Write the lines in NumPy, in place of the placeholders. Leave the arrays that you are given as they
were: they belong to the caller, and will be needed in the next epoch. Then, in the folder of this
file:

    python -m tinynn.exercises .
"""

import numpy as np


def shuffled(x, y, rng):
    """Return x and y, new arrays in which the samples stand in a random order. (3 points.)"""
    raise NotImplementedError("your lines")


def minibatches(x, y, batch_size, rng):
    """Return the batches of one epoch, a list of pairs (x, y). (4 points.)"""
    raise NotImplementedError("your lines")


def hold_out(y, k, rng):
    """Return rest, held: indices of the samples to train with, and of those held out. (3 points.)

    y: a class for each sample (N,), a whole number. Each class has k samples or more.
    """
    raise NotImplementedError("your lines")


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    x, y = np.arange(10.0).reshape(5, 2), np.array([0, 1, 0, 1, 1])
    print(shuffled(x, y, rng))
    for x_batch, y_batch in minibatches(x, y, 2, rng):
        print(x_batch, y_batch)
    print(hold_out(y, 1, rng))
