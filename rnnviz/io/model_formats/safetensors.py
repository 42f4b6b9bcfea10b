"""`.safetensors` files: their header is checked by the library that defines them."""

import json
from pathlib import Path

from rnnviz.core.config import Network
from rnnviz.core.errors import InputError
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import Parameters
from rnnviz.io.bounded_read import reading
from rnnviz.io.model_formats.infer_network import IN_PYTORCH
from rnnviz.io.model_formats.named_arrays import NamedArrays, read_tensor
from rnnviz.io.model_formats.rnn_entry import ModelFile, Tensor, TensorFile
from rnnviz.io.model_formats.shards import shard_or_whole

_DTYPES = {
    **{f"{kind}{bits}": f"{name}{bits}" for kind, name in (("I", "int"), ("U", "uint")) for bits in (8, 16, 32, 64)},
    **{f"F{bits}": f"float{bits}" for bits in (16, 32, 64)},
    "BF16": "bfloat16",
    "BOOL": "bool",
    "C64": "complex64",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E8M0": "float8_e8m0fnu",
    "F4": "float4_e2m1fn_x2",
}


def open_model(path: Path) -> ModelFile:
    return shard_or_whole(path, open_tensors, lambda file, incomplete: NamedArrays(file, incomplete=incomplete))


def open_tensors(path: Path) -> TensorFile:
    return SafeTensors(path)


class SafeTensors:
    """The arrays of a `.safetensors` file by name."""

    def __init__(self, path: Path) -> None:
        from safetensors import SafetensorError, safe_open

        self._path = path
        with reading(path, ".safetensors", (SafetensorError,)):
            with safe_open(path, framework="numpy") as file:
                parts = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - it is not a mapping
                self.tensors = {
                    name: Tensor(tuple(part.get_shape()), _DTYPES.get(part.get_dtype(), part.get_dtype()))
                    for name, part in parts.items()
                }
            self._begins = self._read_begins()

    def read(self, name: str) -> FloatArray:
        return read_tensor(self._path, ".safetensors", name, self.tensors[name], self._begins[name])

    def _read_begins(self) -> dict[str, int]:
        """The offset of each array's values; the library has checked it but does not report it."""
        with self._path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length))
        return {name: 8 + length + header[name]["data_offsets"][0] for name in self.tensors}


def write_weights(_network: Network, parameters: Parameters, path: Path) -> None:
    """Write the arrays as `nn.RNN`, `nn.LSTM` and `nn.GRU` load them."""
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    arrays = {torch_name(name): array for name, array in parameters.items()}
    try:
        # What reads a file for PyTorch looks for this word.
        save_file(arrays, path, metadata={"format": "pt"})
    except SafetensorError as error:
        raise InputError(f"{path} cannot be written: {' '.join(str(error).split()).rstrip('.')}.") from error


def torch_name(name: str) -> str:
    """PyTorch's name for Gluon's: `r1_h2h_bias` is `bias_hh_l1_reverse`."""
    place, _, kind = name.partition("_")
    return f"{IN_PYTORCH[kind]}_l{place[1:]}{'_reverse' if place[0] == 'r' else ''}"
