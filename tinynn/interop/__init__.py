"""Other libraries, each optional: scikit-learn, ONNX, PyTorch, Keras, MPI.

A file for each, which stands on that library and writes only the translation:

    pip install -e '.[sklearn]'     tinynn.interop.sklearn     estimators for pipelines and searches
    pip install -e '.[onnx]'        tinynn.interop.onnx        models as ONNX files, and back
    pip install -e '.[torch]'       tinynn.interop.torch       models as PyTorch modules, and back
    pip install -e '.[keras]'       tinynn.interop.keras       models as Keras models
    pip install -e '.[mpi]'         tinynn.interop.mpi         one training on several machines

Nothing here is loaded by ``import tinynn``, and no other file imports it.
"""
