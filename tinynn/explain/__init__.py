"""One training step, explained: all numbers of forward, loss, backward and update on one page."""

from tinynn.explain.step import StepExplanation, explain_step

__all__ = ["StepExplanation", "explain_step"]
