"""The rounding of another processor, for tests: new weights are multiplied by 1 + 1e-6 * noise.

Other processors add in another order, so that a training differs after some hundred steps.
What a test says of the outcome of a training should hold for all of them. `pytest --rounding=N`
runs this file, and Python does when a program starts that finds this folder on its PYTHONPATH.
"""

import importlib.machinery
import importlib.util
import os
import sys
from functools import wraps
from pathlib import Path

SIZE = 1e-6  # of the noise; the numbers of float32 lie a tenth of that apart


def disturb(module, number):
    """Let every Sequential start a little beside the weights that its seed draws.

    The same model gets the same noise. load_model fills in what its file holds, after this.
    """
    import numpy as np  # not sooner: programs import tinynn before NumPy

    # the constructor that explains a call with wrong arguments; xdist's workers come here twice
    build = getattr(module.Sequential.__init__, "undisturbed", module.Sequential.__init__)

    @wraps(build)
    def disturbed(self, *args, **kwargs):
        build(self, *args, **kwargs)
        noise = np.random.default_rng((number, self.params.size)).standard_normal(self.params.size)
        self.params[:] *= 1 + SIZE * noise

    # checks.short_traceback keeps tracebacks short where all of it happened in tinynn
    disturbed.__code__ = disturbed.__code__.replace(co_filename=module.__file__)
    module.Sequential.__init__ = module.checks.short_traceback(disturbed)
    module.Sequential.__init__.undisturbed = build


class WhenImported:
    """Disturbs tinynn.model as soon as a program has imported it."""

    def __init__(self, number):
        self.number = number

    def find_spec(self, name, path=None, target=None):
        if name != "tinynn.model":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def executed(module):
            execute(module)
            disturb(module, self.number)

        spec.loader.exec_module = executed
        return spec


def run_the_one_that_this_hides():
    """Python runs only the first sitecustomize on its path; there may be another behind it."""
    here = Path(__file__).parent
    others = [folder for folder in sys.path if Path(folder).resolve() != here.resolve()]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", others)
    if spec:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


number = int(os.environ.get("TINYNN_TESTS_ROUNDING", "0"))
if number:
    if "tinynn.model" in sys.modules:
        disturb(sys.modules["tinynn.model"], number)
    else:
        sys.meta_path.insert(0, WhenImported(number))
if __name__ == "sitecustomize":
    run_the_one_that_this_hides()
