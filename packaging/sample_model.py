"""Writes resources/models/sample-lstm.safetensors, the model file that comes with the program.

Run it as `python packaging/sample_model.py`. The weights are random and not zero: with zeros many bugs change nothing.
"""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

TARGET = Path(__file__).parents[1] / "resources" / "models" / "sample-lstm.safetensors"
INPUT_SIZE, HIDDEN_SIZE, LAYERS = 8, 6, 2
_SEED = 3


def lstm_weights(prefix: str, input_size: int, hidden_size: int, layers: int) -> dict[str, np.ndarray]:
    """Weights and biases of a PyTorch LSTM by the names of its `state_dict`, drawn from PyTorch's default distribution.

    `weight_ih_l{k}` (4·H, I or H), `weight_hh_l{k}` (4·H, H), `bias_ih_l{k}` and `bias_hh_l{k}` (4·H,), all float32.
    """
    generator = np.random.default_rng(_SEED)
    edge = hidden_size**-0.5
    weights = {}
    for layer in range(layers):
        for name, shape in (
            ("weight_ih", (4 * hidden_size, hidden_size if layer else input_size)),
            ("weight_hh", (4 * hidden_size, hidden_size)),
            ("bias_ih", (4 * hidden_size,)),
            ("bias_hh", (4 * hidden_size,)),
        ):
            weights[f"{prefix}{name}_l{layer}"] = generator.uniform(-edge, edge, shape).astype(np.float32)
    return weights


if __name__ == "__main__":
    TARGET.parent.mkdir(exist_ok=True)
    save_file(lstm_weights("", INPUT_SIZE, HIDDEN_SIZE, LAYERS), str(TARGET))
