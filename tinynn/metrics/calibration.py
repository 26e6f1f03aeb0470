"""Calibration: of the predictions with probability 0.8, are 80 % right?

N samples, C classes, M bins.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tinynn import checks
from tinynn.metrics.classes import classes_of
from tinynn.parameters import Array
from tinynn.reports import Report


@dataclass(frozen=True, repr=False, eq=False)
class ReliabilityCurve(Report):
    """What `reliability_curve` returns, for each of M bins. Shows as a table.

    edges: (M + 1,), from 0 to 1; bin m is for confidences above edges[m], up to edges[m + 1].
    confidence: (M,), the mean confidence of the samples in the bin. accuracy: (M,), the share of
    them that is right. Both are NaN in a bin without samples. count: (M,), how many samples.
    expected_calibration_error: the mean over all samples of |accuracy - confidence| of their bin.

    >>> reliability_curve([0.25, 0.75], [0, 1], bins=2).count
    array([1, 1])
    """

    edges: Array
    confidence: Array
    accuracy: Array
    count: Array
    expected_calibration_error: float

    def __str__(self) -> str:
        lines = ["bin             samples  confidence  accuracy"]
        for m, count in enumerate(self.count):
            both = f"{self.confidence[m]:10.3f}  {self.accuracy[m]:8.3f}" if count else ""
            lines.append(f"{self.edges[m]:.3f} to {self.edges[m + 1]:.3f}  {count:7}  {both}")
        lines.append(f"expected calibration error: {self.expected_calibration_error:.4f}")
        return "\n".join(line.rstrip() for line in lines)


@checks.short_traceback
def reliability_curve(p: npt.ArrayLike, y: npt.ArrayLike, bins: int = 10) -> ReliabilityCurve:
    """Sort predictions into bins by confidence, and compare confidence with accuracy in each.

    p: probabilities. Of rows (N, C) a sample's confidence is its largest probability, and it is
    right if that is the probability of its class (Guo et al., On Calibration of Modern Neural
    Networks, 2017, section 2). Of numbers (N,) or (N, 1), the probability of class 1, confidence is
    that number, and accuracy the share of samples of class 1 (Niculescu-Mizil and Caruana,
    Predicting Good Probabilities with Supervised Learning, 2005, section 4). y: classes (N,), or
    one-hot rows. bins: M, of equal width, default 10. Bin m holds confidences above m / M, up to
    (m + 1) / M; 0 is in the first. Expected calibration error, with n_m samples in bin m:

        ECE = sum_m (n_m / N) |accuracy_m - confidence_m|

    It depends on the number of bins: compare values of equal M only. plots.calibration draws the
    curve. Raises InputError if p are no probabilities, or if y does not fit p.

    >>> reliability_curve([[0.8, 0.2], [0.3, 0.7], [0.1, 0.9]], [0, 0, 1], bins=4)
    bin             samples  confidence  accuracy
    0.000 to 0.250        0
    0.250 to 0.500        0
    0.500 to 0.750        1       0.700     0.000
    0.750 to 1.000        2       0.850     1.000
    expected calibration error: 0.3333
    """
    if checks.of_class_1(p):
        confidence, right = checks.binary_probabilities(p, y, "reliability_curve")
    else:
        p, y = checks.class_probabilities(p, y, "reliability_curve")
        confidence, right = p.max(axis=1), classes_of(p) == classes_of(y)  # (N,) each
    bins = checks.check_integer("bins", bins)
    confidence = confidence.astype(np.float64)
    edges = np.linspace(0, 1, bins + 1)
    bin_of = np.searchsorted(edges[1:-1], confidence)  # (N,), 0 to M - 1
    count = np.bincount(bin_of, minlength=bins)  # (M,)
    sums = [np.bincount(bin_of, each, bins) for each in (confidence, right)]  # (M,) each
    filled = np.where(count, count, np.nan)  # so that 0 / 0 needs no warning
    error = np.abs(sums[1] - sums[0]).sum() / len(confidence)
    return ReliabilityCurve(edges, sums[0] / filled, sums[1] / filled, count, float(error))
