"""Equal numbers in x: a maximum of several equal numbers must not give each the whole dout.

At such an x the output has kinks, and a difference along one entry means nothing. But along a
direction that keeps equal numbers equal there is no kink, and the gradient must agree there.
"""

import numpy as np

from tinynn.clinic.case import FunctionCase
from tinynn.gradcheck.finite_differences import Probe, derivatives


def wrong_where_equal(case: FunctionCase) -> bool:
    """Whether the gradient of x is wrong where numbers of x are equal."""
    subject, name = case.subject, case.x
    if not name or case.of_loss or name not in case.step.gradients or case.size != 1:
        return False
    arrays = {n: a.copy() for n, a in subject.arrays.items()}
    tied = arrays[name] = np.floor(arrays[name]) + 0.5  # no 0, where ReLU has its kink
    values, places = np.unique(tied, return_inverse=True)
    try:
        with subject.alike():
            step = subject.begun(arrays).step(arrays, case.dout)
        gradient = np.asarray(step.gradients[name], np.float64).reshape(tied.shape)
        if not np.isfinite(step.out).all() or not np.isfinite(gradient).all():
            return False
        found = []
        for k in range(4):
            unit = np.random.default_rng(k).normal(size=values.size)[places].reshape(tied.shape)
            probe = Probe("equal numbers", ..., unit, 1e-5)
            here = np.array([probe.derivative(gradient)])
            measured = case.measured(arrays)
            there = derivatives(tied, [probe], here, case.tolerance, case.noise, measured)
            found.append((float(here[0]), float(there[0])))
    except Exception:  # code of others may refuse such an x: then nothing is known
        return False
    return any(abs(a - n) > 1e-5 * max(abs(a), abs(n), 1.0) for a, n in found)
