"""`.safetensors` files: their header is checked by the library that defines them."""

import json
from pathlib import Path

from rnnviz.core.config import Network
from rnnviz.core.errors import InputError
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import Parameters
from rnnviz.io.bounded_read import reading
from rnnviz.io.model_formats.infer_network import IN_PYTORCH
from rnnviz.io.model_formats.model_file import ModelFile
from rnnviz.io.model_formats.named_arrays import read_tensor
from rnnviz.io.model_formats.rnn_entry import Tensor, TensorFile
from rnnviz.io.model_formats.shards import files_beside as files_beside
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
    return shard_or_whole(path, open_tensors)


def open_tensors(path: Path) -> TensorFile:
    from safetensors import SafetensorError, safe_open

    with reading(path, ".safetensors", (SafetensorError,)):
        with safe_open(path, framework="numpy") as file:
            parts = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - it is not a mapping
            tensors = {
                name: Tensor(tuple(part.get_shape()), _DTYPES.get(part.get_dtype(), part.get_dtype()))
                for name, part in parts.items()
            }
        # The library has checked the offsets of the numbers but does not report them.
        with path.open("rb") as opened:
            begin = 8 + int.from_bytes(opened.read(8), "little")
            header = json.loads(opened.read(begin - 8))

    def read(name: str) -> FloatArray:
        return read_tensor(path, ".safetensors", name, tensors[name], begin + header[name]["data_offsets"][0])

    return TensorFile(tensors, read)


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
