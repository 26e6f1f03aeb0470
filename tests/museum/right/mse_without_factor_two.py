import numpy as np


class MSELoss:
    def forward(self, p, y):
        self.p, self.y = p, y
        return np.mean((p - y) ** 2)

    def backward(self):
        return 2 * (self.p - self.y) / self.p.size
