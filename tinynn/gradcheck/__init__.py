"""Finite differences against backward; where they disagree, which usual mistake it is."""

from tinynn.gradcheck.check import GradientReport, check_gradients
from tinynn.gradcheck.rows import GradientRow

__all__ = ["GradientReport", "GradientRow", "check_gradients"]
