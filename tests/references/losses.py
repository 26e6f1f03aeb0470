"""Compute the losses and their gradients with PyTorch, in float64; write them to losses.json.

Run it with a Python that has torch, in any folder: python tests/references/losses.py
"""

import json
from pathlib import Path

import torch
from torch.nn import functional

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
B, C = 6, 4
Z = 3 * torch.randn(B, C)
NUMBERS = 2 * torch.randn(B, C)
LABELS = torch.tensor([0, 3, 1, 1, 2, 0])
ROWS = torch.softmax(torch.randn(B, C), dim=1)
YES = (torch.rand(B, C) > 0.5).double()
SHARES = torch.rand(B, C)
W = torch.tensor([0.5, 2.0, 0.0, 1.0, 3.0, 0.25])
V = torch.tensor([0.5, 2.0, 0.0, 3.0])
CASES = []


def case(loss, arguments, p, y, each, weights=None):
    """Note one case. each: the losses of the samples (B,), or of all numbers (B, C)."""
    p = p.clone().requires_grad_()
    losses = each(p, y)
    losses = losses if losses.ndim == 1 else losses.mean(dim=1)
    value = (losses if weights is None else losses * weights).sum() / len(losses)  # by B
    (dp,) = torch.autograd.grad(value, p)
    CASES.append(
        {
            "loss": loss,
            "arguments": arguments,
            "p": p.tolist(),
            "y": y.tolist(),
            "weights": None if weights is None else weights.tolist(),
            "value": value.item(),
            "dp": dp.tolist(),
        }
    )


for w in (None, W):
    case(
        "MeanAbsoluteError",
        {},
        Z,
        NUMBERS,
        lambda p, y: functional.l1_loss(p, y, reduction="none"),
        w,
    )
    for delta in (1.0, 0.3, 5.0):
        case(
            "Huber", {"delta": delta}, Z, NUMBERS,
            lambda p, y, d=delta: functional.huber_loss(p, y, reduction="none", delta=d), w,
        )  # fmt: skip
    for y in (YES, SHARES):
        case(
            "BinaryCrossEntropy", {}, torch.sigmoid(Z), y,
            lambda p, y: functional.binary_cross_entropy(p, y, reduction="none"), w,
        )  # fmt: skip
        case(
            "SigmoidCrossEntropy", {}, Z, y,
            lambda p, y: functional.binary_cross_entropy_with_logits(p, y, reduction="none"), w,
        )  # fmt: skip
    for y in (YES, SHARES):
        for s, v in ((0.2, None), (0.0, V), (0.2, V)):
            arguments = {"label_smoothing": s, "class_weights": None if v is None else v.tolist()}

            def of_logits(z, y, s=s, v=v):
                q = y * (1 - s) + s / 2  # PyTorch has no smoothing here; this is that of Keras
                return functional.binary_cross_entropy_with_logits(
                    z, q, pos_weight=v, reduction="none"
                )

            case("SigmoidCrossEntropy", arguments, Z, y, of_logits, w)
            case(
                "BinaryCrossEntropy", arguments, torch.sigmoid(Z), y,
                lambda p, y, f=of_logits: f(torch.logit(p), y), w,
            )  # fmt: skip
    for y in (LABELS, ROWS):
        for s in (0.0, 0.1, 0.5):
            for v in (None, V):
                arguments = {
                    "label_smoothing": s,
                    "class_weights": None if v is None else v.tolist(),
                }

                def each(z, y, s=s, v=v):
                    return functional.cross_entropy(
                        z, y, weight=v, label_smoothing=s, reduction="none"
                    )

                case("SoftmaxCrossEntropy", arguments, Z, y, each, w)

path = Path(__file__).with_suffix(".json")
path.write_text(json.dumps({"torch": torch.__version__, "cases": CASES}) + "\n")
