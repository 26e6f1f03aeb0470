import numpy as np

EPS = 0.1


def batchnorm_forward(x, gamma, beta):
    mean = x.mean(axis=0)
    var = x.var(axis=0)
    std = np.sqrt(var + EPS)
    normalised = (x - mean) / std
    return gamma * normalised + beta, (x, normalised, gamma, var, std)


def batchnorm_backward(dout, cache):
    x, normalised, gamma, var, std = cache
    dgamma = (dout * normalised).sum(axis=0)
    dbeta = dout.sum(axis=0)
    g = dout * gamma
    dx = (g - g.mean(axis=0) - normalised * (g * normalised).mean(axis=0)) / (np.sqrt(var) + EPS)
    return dx, dgamma, dbeta
