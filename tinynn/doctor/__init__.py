"""What is wrong with a training: its statistics, rules that find the cause, and a report."""

from tinynn.doctor.report import HealthReport
from tinynn.doctor.watch import Doctor, diagnose

__all__ = ["Doctor", "HealthReport", "diagnose"]
