"""Protects the answer to who calls a translation whose library is not installed."""

import subprocess
import sys

import pytest

from tinynn import Dense, Sequential
from tinynn.interop.keras import to_keras
from tinynn.interop.onnx import export_onnx, load_onnx
from tinynn.interop.torch import from_torch, to_torch

MODEL = Sequential([Dense(1)], input_shape=(2,))
CALLS = {
    "export_onnx": ("onnx", lambda folder: export_onnx(MODEL, folder / "model.onnx")),
    "load_onnx": ("onnx", lambda folder: load_onnx(folder / "model.onnx")),
    "to_torch": ("torch", lambda folder: to_torch(MODEL)),
    "from_torch": ("torch", lambda folder: from_torch(None, (2,))),
    "to_keras": ("keras", lambda folder: to_keras(MODEL)),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_missing_library_is_told_with_the_line_that_installs_it(name, tmp_path, monkeypatch):
    extra, call = CALLS[name]
    monkeypatch.setitem(sys.modules, extra, None)  # as if it were not installed
    with pytest.raises(ImportError) as caught:
        call(tmp_path)
    text = str(caught.value)
    assert f"tinynn.interop.{extra} needs the library {extra}" in text
    assert f"pip install -e '.[{extra}]'" in text
    assert ("KERAS_BACKEND" in text) == (extra == "keras")
    assert not [*tmp_path.iterdir()]


@pytest.mark.slow
def test_tinynn_and_the_translations_load_none_of_these_libraries():
    program = """
import sys, tinynn, tinynn.interop.onnx, tinynn.interop.torch, tinynn.interop.keras
print([name for name in ("onnx", "onnxruntime", "torch", "keras") if name in sys.modules])
"""
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert process.stdout.strip() == "[]", process.stderr
