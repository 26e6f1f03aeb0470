"""Exercise 3: softmax and cross-entropy. (Lessons 2 and 4; 10 points.)

The last layer gives C logits z for each of B samples, one for each class. Softmax makes of each row
probabilities: positive, with the sum 1. y has a 1 at the right class of each row, and 0 elsewhere.

    p_nj = exp(z_nj) / sum over k of exp(z_nk)
    L    = mean over the samples n of  -log p_nj of the right class j

    z, y, p, dz  (B, C)        L  one number        dz is dL/dz

1. softmax. It must also work for logits such as 1000, where exp is infinite. (p does not change if
   one number is subtracted from all logits of a row. Try it on paper.)
2. cross_entropy. Where y is 0, p may be 0: such a term costs nothing, and must not make L NaN.
3. logits_gradient. Derive it on paper first, or read lesson 4. Then it is one or two lines.

Write the lines in NumPy, in place of the placeholders. Return new arrays, and leave those that you
are given as they were. Then, in the folder of this file:

    python -m tinynn.exercises .
"""

import numpy as np


def softmax(z):
    """Return p. (3 points.)"""
    raise NotImplementedError("your lines")


def cross_entropy(p, y):
    """Return L, one number. (3 points.)"""
    raise NotImplementedError("your lines")


def logits_gradient(z, y):
    """Return dz, the gradient of cross_entropy(softmax(z), y) with respect to z. (4 points.)"""
    raise NotImplementedError("your lines")


if __name__ == "__main__":
    z, y = np.array([[2.0, 0.0, -1.0], [0.0, 0.0, 0.0]]), np.array([[1, 0, 0], [0, 0, 1]])
    print(softmax(z))
    print(cross_entropy(softmax(z), y))
    print(logits_gradient(z, y))
