"""One thread for PyTorch: beside other busy programs several would wait for each other."""

import torch

torch.set_num_threads(1)
