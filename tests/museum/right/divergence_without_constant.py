import numpy as np


def vae_kl_loss(mu, logvar):
    kl = -0.5 * np.sum(1 + logvar - mu**2 - np.exp(logvar)) / mu.shape[0]
    dmu = mu / mu.shape[0]
    dlogvar = 0.5 * (np.exp(logvar) - 1) / mu.shape[0]
    return kl, dmu, dlogvar
