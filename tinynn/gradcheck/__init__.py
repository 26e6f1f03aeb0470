"""Finite differences against backward; where they disagree, which of the usual mistakes it is."""

from tinynn.gradcheck.check import GradientReport, check_gradients
from tinynn.gradcheck.rows import GradientRow

__all__ = ["GradientReport", "GradientRow", "check_gradients"]
