"""MXNet's `.params` by Gluon's names, such as `l0_i2h_weight`, as a layer's own `load_parameters` takes them.

The format is described in `rnnviz.io.model_formats.mxnet_params`; arrays are written as MXNet 1.0 and later write them.
"""

import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np

from rnnviz.core.config import Network
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import Parameters

_LIST, _ARRAY = 0x112, 0xF993FAC9
_DENSE, _CPU, _FIRST_DEVICE = 0, 1, 0
_TYPES = {"float32": 0, "float64": 1}


def write_weights(_network: Network, parameters: Parameters, path: Path) -> None:
    """Write the arrays, byte for byte as MXNet's `nd.save` does; raises an OSError if the disk is full."""
    with path.open("wb") as file:
        file.write(struct.pack("<QQQ", _LIST, 0, len(parameters)))
        for array in parameters.values():
            _write_array(file, array)
        file.write(struct.pack("<Q", len(parameters)))
        for name in parameters:
            file.write(struct.pack("<Q", len(name)) + name.encode("ascii"))


def _write_array(file: BinaryIO, array: FloatArray) -> None:
    file.write(struct.pack("<Iii", _ARRAY, _DENSE, array.ndim))
    file.write(struct.pack(f"<{array.ndim}q", *array.shape))
    file.write(struct.pack("<iii", _CPU, _FIRST_DEVICE, _TYPES[array.dtype.name]))
    file.write(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data)
