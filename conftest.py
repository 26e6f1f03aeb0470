"""Tests of what needs an optional library are collected only where that library is installed.

Each of these libraries has a job of its own in .ci/run, which fails if it collects no test.
"""

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")  # what the extra "keras" installs

NEEDED = {
    "sklearn": ["sklearn", "pandas"],
    "onnx": ["onnx", "onnxruntime"],
    "torch": ["torch"],
    "keras": ["keras", "torch"],
    "mpi": ["mpi4py"],
}
MISSING = {
    subject: [library for library in libraries if find_spec(library) is None]
    for subject, libraries in NEEDED.items()
}

LEFT_OUT = [
    Path(__file__).parent / path
    for subject, missing in MISSING.items()
    if missing
    for path in (f"tinynn/interop/{subject}", f"tests/interop/{subject}")
]


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Collect nothing of a subject whose library is missing; no list, for tests/ has one too."""
    return True if collection_path in LEFT_OUT else None


def pytest_report_header() -> str | None:
    """Say in the head of a report what is left out."""
    left_out = [
        f"{name} (no {' and '.join(missing)})" for name, missing in MISSING.items() if missing
    ]
    return (
        f"left out, as optional libraries are missing: {', '.join(left_out)}" if left_out else None
    )


def pytest_configure(config: pytest.Config) -> None:
    """Say of each test in a browser that is skipped why it is."""
    if "browser" in config.option.markexpr and "not browser" not in config.option.markexpr:
        config.option.reportchars += "s"
