"""`.safetensors` by the names of PyTorch's state_dicts, such as `weight_ih_l0_reverse`.

PyTorch orders gates as Gluon does, and has the same two biases, so that the arrays stay as they are.
"""

from pathlib import Path

from rnnviz.core.config import Network
from rnnviz.core.errors import InputError
from rnnviz.core.parameters import Parameters
from rnnviz.io.model_formats.infer_network import IN_PYTORCH


def write_weights(_network: Network, parameters: Parameters, path: Path) -> None:
    """Write the arrays as `nn.RNN`, `nn.LSTM` and `nn.GRU` load them.

    Raises
    ------
    InputError
        If the library cannot write the file.
    """
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
