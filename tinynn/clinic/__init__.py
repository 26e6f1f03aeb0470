"""The gradient check for anyone's code: which array is wrong, by which mistake, in which line."""

from tinynn.clinic.check import check_function
from tinynn.clinic.command import FileReport, check_file
from tinynn.clinic.report import Finding, FunctionReport

__all__ = ["FileReport", "Finding", "FunctionReport", "check_file", "check_function"]
