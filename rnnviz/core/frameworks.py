"""Frameworks that write model files: the engine of each, and the names that it gives to parameters."""

import os
import re
from contextlib import suppress

from rnnviz.frozen import dataclass


@dataclass(frozen=True)
class Framework:
    """A framework by its names of parameters, the engine for the networks of its files, and the endings of these."""

    names: str
    engine: str
    endings: tuple[str, ...]


GLUON = Framework("gluon", "gluon", (".params",))
PYTORCH = Framework(
    "pytorch",
    "torch",
    (".safetensors", ".index.json", ".pt", ".pth", ".bin", ".ckpt", ".pt2", ".ptl", ".pte"),
)
ONNX = Framework("onnx", "onnx", (".onnx",))
# No engine is Keras; most of its networks exist in ONNX.
KERAS = Framework("keras", "onnx", (".keras", ".h5", ".hdf5"))
FRAMEWORKS = (GLUON, PYTORCH, ONNX, KERAS)

# Variants of shards have their names within it, as in model.safetensors.index.fp16.json.
_VARIANT = re.compile(r"\.index\.\w+\.json$")


def framework_of(path: str | None) -> Framework:
    """The framework that wrote a model file, or the first model file of a folder; Gluon if nothing says another."""
    if path is None:
        return GLUON
    names = [os.path.basename(path)]
    if os.path.isdir(path):
        with suppress(OSError):
            names = sorted(os.listdir(path))
    for name in names:
        ending = _VARIANT.sub(".index.json", name.lower())
        for framework in FRAMEWORKS:
            if ending.endswith(framework.endings):
                return framework
    return GLUON
