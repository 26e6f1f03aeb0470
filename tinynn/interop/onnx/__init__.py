"""A model as an ONNX file, which many programs run; and back, from such a file.

    model -> export_onnx -> model.onnx -> onnxruntime, a browser, a phone, another library
                                `------> load_onnx -> the same model, bit for bit

ONNX (onnx.ai) is a file format for trained networks: a graph of operators with their weights.
writing.py makes the graph, and reading.py a model of a file that writing.py has written.
"""

from tinynn.interop.onnx.reading import load_onnx
from tinynn.interop.onnx.writing import export_onnx

__all__ = ["export_onnx", "load_onnx"]
