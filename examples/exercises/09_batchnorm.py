"""Exercise 9: batch normalisation. (Lesson 12; 10 points.)

B samples stand in the rows of x, each with D numbers, one for each unit. Each unit is normalised
over the samples of the batch, and then scaled and shifted (Ioffe and Szegedy, Batch Normalization,
2015, Algorithm 1). For each unit by itself, with sums over the samples n:

    mean = sum of x_n / B                        normalised_n = (x_n - mean) / std
    var  = sum of (x_n - mean)^2 / B             out_n        = gamma normalised_n + beta
    std  = sqrt(var + epsilon)

    x, normalised, out, dout, dx  (B, D)         mean, var, gamma, beta, dgamma, dbeta  (D,)

1. batchnorm_forward: these equations. epsilon is a small number, so that std is never 0.
2. batchnorm_backward. dout is dL/dout. gamma and beta act on all samples of their unit. x_n acts on
   the loss in three ways: directly, through mean, and through var. dx is the sum of three terms, by
   the chain rule. The derivatives in between (which of them depend on n?):

       d mean / d x_n = 1 / B     d var / d x_n = 2 (x_n - mean) / B     d std / d var = 1 / (2 std)

   Work them out on paper first; section 3 of the paper has them, too. Much of it cancels.
3. update_running: an answer must not depend on the other samples of its batch. So training keeps
   averages over the batches for prediction. The variance for them is divided by B - 1, and not by
   B: the samples are close to their own mean, so var is too small on average (Algorithm 2).

       running_mean <- momentum running_mean + (1 - momentum) mean
       running_var  <- momentum running_var  + (1 - momentum) var B / (B - 1)

4. batchnorm_predict: as forward, with these two in place of mean and var.

Write the lines in NumPy, in place of the placeholders. Return new arrays, and leave those that you
are given as they were. Then, in the folder of this file:

    python -m tinynn.exercises .
"""

import numpy as np


def batchnorm_forward(x, gamma, beta, epsilon):
    """Return out. (3 points.)"""
    raise NotImplementedError("your lines")


def batchnorm_backward(dout, x, gamma, epsilon):
    """Return dx, dgamma, dbeta, in this order. (4 points.)"""
    raise NotImplementedError("your lines")


def update_running(running_mean, running_var, x, momentum):
    """Return the new running_mean and the new running_var after a batch x. (2 points.)"""
    raise NotImplementedError("your lines")


def batchnorm_predict(x, gamma, beta, running_mean, running_var, epsilon):
    """Return out for prediction. x may be a single sample. (1 point.)"""
    raise NotImplementedError("your lines")


if __name__ == "__main__":
    x, gamma, beta = np.array([[1.0, 10.0], [9.0, 2.0], [5.0, 3.0]]), np.ones(2), np.zeros(2)
    out = batchnorm_forward(x, gamma, beta, 1e-5)
    print(out, out.mean(axis=0), out.std(axis=0))  # mean 0, standard deviation 1
    print(batchnorm_backward(np.eye(3)[:, :2], x, gamma, 1e-5))
    mean, var = update_running(np.zeros(2), np.ones(2), x, 0.9)
    print(batchnorm_predict(x[:1], gamma, beta, mean, var, 1e-5))
