"""Modules that PyTorch does not have, each for a layer or an order of axes of tinynn.

This file needs PyTorch when it is imported. So only functions import it, and its name begins with
an underscore, which leaves it out of the reference.
"""

import torch
from torch import nn

from tinynn import checks
from tinynn.layers.rescale import Numbers
from tinynn.parameters import Shape


class ChannelsFirst(nn.Module):
    """(B, H, W, C) becomes (B, C, H, W), as PyTorch's layers of images need it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.permute(0, 3, 1, 2)


class ChannelsLast(nn.Module):
    """(B, C, H, W) becomes (B, H, W, C), as tinynn's layers of images have it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.permute(0, 2, 3, 1)


class Column(nn.Module):
    """(B,) becomes (B, 1): what nn.Flatten does not do for samples that are one number each."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, None]


class Reshape(nn.Module):
    """Give each sample another shape."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = tuple(shape)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(x.shape[0], *self.shape)

    def extra_repr(self) -> str:
        return f"shape={self.shape}"


class Rescale(nn.Module):
    """x * scale + offset, with fixed numbers: arguments of the module, not in its state_dict."""

    def __init__(self, scale: Numbers, offset: Numbers) -> None:
        super().__init__()
        self.scale, self.offset = checks.own_numbers(scale), checks.own_numbers(offset)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        like = {"dtype": x.dtype, "device": x.device}
        return x * torch.as_tensor(self.scale, **like) + torch.as_tensor(self.offset, **like)

    def extra_repr(self) -> str:
        return f"scale={self.scale}, offset={self.offset}"


class RandomFlip(nn.Module):
    """In training: flip each image (B, H, W) or (B, H, W, C) left to right with probability 1/2."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return x
        flipped = torch.rand(x.shape[0], device=x.device) < 0.5
        return torch.where(flipped.reshape(-1, *[1] * (x.ndim - 1)), x.flip(2), x)


class RandomShift(nn.Module):
    """In training: shift each image (B, H, W) or (B, H, W, C) by at most so many pixels."""

    def __init__(self, pixels: int) -> None:
        super().__init__()
        self.pixels = int(pixels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return x
        (size, height, width), p, like = x.shape[:3], self.pixels, {"device": x.device}
        framed = nn.functional.pad(x, (*[0] * 2 * (x.ndim - 3), p, p, p, p))
        down, right = torch.randint(0, 2 * p + 1, (2, size, 1), **like)  # where to cut it out
        rows = down + torch.arange(height, **like)  # (B, H)
        columns = right + torch.arange(width, **like)  # (B, W)
        samples = torch.arange(size, **like)
        return framed[samples[:, None, None], rows[:, :, None], columns[:, None, :]]

    def extra_repr(self) -> str:
        return f"pixels={self.pixels}"


class GaussianNoise(nn.Module):
    """In training: add normal noise, with mean 0."""

    def __init__(self, std: float) -> None:
        super().__init__()
        self.std = float(std)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.std * torch.randn_like(x) if self.training else x

    def extra_repr(self) -> str:
        return f"std={self.std}"


class BatchNormLast(nn.BatchNorm1d):
    """BatchNorm1d of samples (B, ..., C) with any number of axes, the channels last."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.reshape(-1, x.shape[-1])).reshape(x.shape)


class Frozen(nn.Sequential):
    """Holds modules that act in training as in prediction: a frozen BatchNorm of tinynn."""

    def train(self, mode: bool = True) -> "Frozen":
        super().train(False)
        return self
