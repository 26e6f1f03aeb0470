"""Exercise 7: the first weights. (Lesson 7; 10 points.)

A layer with fan_in inputs and fan_out units has the weights W (fan_in, fan_out). At first they are
drawn at random around 0. What matters is their size: too small, and the signal vanishes in a deep
network; too large, and it explodes. Var is the variance, the square of the standard deviation:

    He      Var(W) = 2 / fan_in               normal. For a layer that ReLU follows: the 2 makes up
                                              for the half that ReLU sets to 0.
    Glorot  Var(W) = 2 / (fan_in + fan_out)   uniform from -a to a: all numbers there are equally
                                              probable, and their variance is a^2 / 3. What is a?

(He, Zhang, Ren and Sun, Delving Deep into Rectifiers, 2015, section 2.2; Glorot and Bengio,
Understanding the difficulty of training deep feedforward neural networks, 2010, equation 16.)

rng is a random Generator of NumPy, as np.random.default_rng(0) makes one. Draw all numbers from it,
for instance with rng.normal or rng.uniform: then another person with the same seed gets the same
network.

1. he_normal and 2. glorot_uniform: draw W. Look up what the functions of rng take as arguments.
3. standard_deviation: let the activation be out = z where z > 0, and out = slope z where not. With
   slope 0 it is ReLU. Of the mean square of z, which share is left in out? (Half of the z are
   negative.) Which standard deviation of W keeps that of z the same from layer to layer? Work it
   out on paper as lesson 7 does for ReLU.
4. network: W and b of all layers. A ReLU follows each layer but the last one.

Write the lines of the four functions in place of the placeholders. Then, in the folder of this
file:

    python -m tinynn.exercises .
"""

import numpy as np


def he_normal(fan_in, fan_out, rng):
    """Return W (fan_in, fan_out), normal, by He's rule. (3 points.)"""
    raise NotImplementedError("your lines")


def glorot_uniform(fan_in, fan_out, rng):
    """Return W (fan_in, fan_out), uniform, by Glorot's rule. (3 points.)"""
    raise NotImplementedError("your lines")


def standard_deviation(fan_in, slope):
    """Return the standard deviation of W that suits this slope, one number. (2 points.)"""
    raise NotImplementedError("your lines")


def network(sizes, rng):
    """Return two lists, W and b, with an array for each layer. (2 points.)

    sizes: [784, 100, 10] means 784 inputs, a hidden layer of 100 units and a last one of 10. W by
    he_normal, but of the last layer by glorot_uniform. Each b (fan_out,) is 0.
    """
    raise NotImplementedError("your lines")


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 200))
    for layer in range(20):  # does the signal get through twenty layers?
        x = np.maximum(x @ he_normal(200, 200, rng), 0)
        print(f"layer {layer}: mean square {np.mean(x**2):.3g}")
