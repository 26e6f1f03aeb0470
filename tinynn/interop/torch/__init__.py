"""A model as a PyTorch module, and a PyTorch module as a model.

    model -> to_torch -> nn.Sequential -> from_torch -> the same model, bit for bit

outward.py makes modules of layers, inward.py layers of modules; _modules.py has the few modules
that PyTorch does not have.
"""

from tinynn.interop.torch.inward import from_torch
from tinynn.interop.torch.outward import to_torch

__all__ = ["from_torch", "to_torch"]
