import numpy as np


def svm_loss_vectorized(W, X, y, reg):
    num_train = X.shape[0]
    scores = X.dot(W)
    correct = scores[range(num_train), y][:, None]
    margin = np.maximum(0, scores - correct + 1)
    margin[range(num_train), y] = 0
    loss = margin.sum() / num_train + reg * np.sum(W * W)
    m = (margin > 0).astype(float)
    m[range(num_train), y] = -m.sum(axis=1)
    dW = X.T.dot(m) / num_train + 2 * reg * W
    return loss, dW
