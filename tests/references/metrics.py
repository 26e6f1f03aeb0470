"""Writes metrics.json: what scikit-learn gives for random predictions with many ties.

Run it where scikit-learn is installed; the tests read metrics.json and need no scikit-learn.
"""

import json
from pathlib import Path

import numpy as np
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    log_loss,
    mean_absolute_error,
    r2_score,
    roc_auc_score,
    top_k_accuracy_score,
)

rng = np.random.default_rng(7)


def rounded_rows(n, classes):
    """Rows of probabilities in steps of 1/16, so that many are equal; sums are exactly 1."""
    return rng.multinomial(16, np.ones(classes) / classes, n) / 16


def two_classes(n):
    p, y = rng.integers(0, 21, n) / 20, rng.integers(0, 2, n)
    mean, share = np.full((2, 10), np.nan)
    filled = np.unique(np.searchsorted(np.linspace(0, 1, 11)[1:-1], p))
    share[filled], mean[filled] = calibration_curve(y, p, n_bins=10)
    inside = np.clip(p, 0.05, 0.95)
    return {
        "p": p.tolist(), "y": y.tolist(), "auc": roc_auc_score(y, p),
        "inside": inside.tolist(), "log_loss": log_loss(y, inside),
        "bins": filled.tolist(), "confidence": mean[filled].tolist(),
        "accuracy": share[filled].tolist(),
    }  # fmt: skip


def many_classes(n, classes):
    p, y = rounded_rows(n, classes), rng.integers(0, classes, n)
    y[:classes] = range(classes)
    different = rng.dirichlet(np.ones(classes), n)  # no ties, where scikit-learn breaks them
    top = {k: top_k_accuracy_score(y, different, k=k) for k in range(1, classes)}
    return {
        "p": p.tolist(), "y": y.tolist(), "auc": roc_auc_score(y, p, multi_class="ovr"),
        "different": different.tolist(), "log_loss": log_loss(y, different), "top": top,
    }  # fmt: skip


def numbers(shape):
    y = rng.normal(3, 2, shape)
    p = y + rng.normal(size=shape)
    return {
        "p": p.tolist(), "y": y.tolist(), "r2": r2_score(y, p), "mae": mean_absolute_error(y, p),
    }  # fmt: skip


found = {
    "two classes": [two_classes(n) for n in (12, 60)],
    "many classes": [many_classes(40, 3), many_classes(50, 6)],
    "numbers": [numbers((20,)), numbers((20, 1)), numbers((15, 3))],
}
Path(__file__).with_suffix(".json").write_text(f"{json.dumps(found)}\n", encoding="utf-8")
