"""What is wrong with a training: statistics of it, rules that judge them, and a report."""

from tinynn.doctor.report import HealthReport
from tinynn.doctor.watch import Doctor, diagnose

__all__ = ["Doctor", "HealthReport", "diagnose"]
