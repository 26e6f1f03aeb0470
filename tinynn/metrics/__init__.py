"""How good predictions are: of classes, of probabilities, and of numbers.

A metric is a function of p, the prediction, and y, the answer, in the order of the losses.
"""

from tinynn.metrics.calibration import ReliabilityCurve, reliability_curve
from tinynn.metrics.classes import (
    ClassReport,
    ClassScore,
    accuracy,
    binary_accuracy,
    classes_of,
    confusion_matrix,
    format_confusion,
    most_confused,
    on_right_side,
    per_class_report,
)
from tinynn.metrics.numbers import mean_absolute_error, r2_score
from tinynn.metrics.probabilities import log_loss, roc_auc, top_k_accuracy

__all__ = [
    "ClassReport",
    "ClassScore",
    "ReliabilityCurve",
    "accuracy",
    "binary_accuracy",
    "classes_of",
    "confusion_matrix",
    "format_confusion",
    "log_loss",
    "mean_absolute_error",
    "most_confused",
    "on_right_side",
    "per_class_report",
    "r2_score",
    "reliability_curve",
    "roc_auc",
    "top_k_accuracy",
]
