"""Exercise 12: saving and loading. (After lesson 5; 10 points.)

The weights of a network are a dictionary here: a name for each array, such as {"W1": ..., "b1":
...}. A training may take hours, so they are saved to a file, and loaded from it: the same names,
shapes and dtypes, and the same numbers to the last bit.

NumPy has a format for it, .npz: a zip file in which each array stands under its name. np.savez
writes it, and np.load reads it: read in their help how to give each array its name, and what a file
is in which np.load finds objects of Python. (A function that takes its arguments by names, f(a=1,
b=2), may also be called with a dictionary, f(**{"a": 1, "b": 2}).)

1. save. A program may be killed while it writes. If it wrote over the old file, the old weights and
   the new ones would be lost. So write the new file beside the old one first, under another name,
   and when it is whole give it the old one's name: Path(a).replace(b) takes the file a to the place
   of b in one move. At each moment b is the old file or the new one, and at the end there is no
   other. (np.savez adds .npz to a name that does not end so.)
2. load. A file from somebody else may hold objects of Python, pickled. To unpickle them runs code
   that stands in the file! Such a file must be refused: raise a ValueError, and load nothing.
3. restore. A file may be one of another network. If a name is missing in it, or one is too many, or
   a shape or a dtype is another one than in weights: raise a ValueError whose text holds the name
   of such an array. Compare exactly: by a shape of (1, 3) in place of (3,), NumPy would compute
   something else, without an error.

Write the lines in place of the placeholders. Then, in the folder of this file:

    python -m tinynn.exercises .
"""

from pathlib import Path

import numpy as np


def save(weights, path):
    """Write the arrays to a file, whole or not at all. Return path. (4 points.)

    path: a text that ends in .npz. If a file stands there already, the new one replaces it.
    """
    raise NotImplementedError("your lines")


def load(path):
    """Return a dictionary with the arrays of a file that save has written. (2 points.)"""
    raise NotImplementedError("your lines")


def restore(weights, path):
    """Return the arrays of a file, if they fit to those in weights, as load does. (4 points.)

    weights: a dictionary of arrays, whose numbers do not matter. It stays as it is.
    """
    raise NotImplementedError("your lines")


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    weights = {"W1": rng.normal(size=(4, 3)), "b1": np.zeros(3, np.float32)}
    save(weights, "weights.npz")
    print(load("weights.npz"))
    print(restore({"W1": np.zeros((4, 3)), "b1": np.ones(3, np.float32)}, "weights.npz"))
    Path("weights.npz").unlink()
