"""Files that a user may open or drop: valid ones, invalid ones, and unrelated ones."""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

_LSTM = '[network]\ncell = "lstm"\ninput_size = 3\nhidden_size = 4\n'
_GRU = '[network]\ncell = "gru"\ninput_size = 2\nhidden_size = 5\n'
_CONFIGS = {
    "small": _LSTM,
    "bidirectional": _GRU + "num_layers = 2\nbidirectional = true\n[sequence]\ntimesteps = 12\nbatch_size = 3\n",
    "mismatch": _GRU
    + '[initial_state]\nsource = "normal"\n[compare]\ncandidates = ["manual", "bug:reset-before-matmul"]\n',
    "text": _LSTM + '[sequence]\nsource = "text"\ntext = "hello"\n',
    "wide": _GRU.replace("= 5", "= 200") + "[sequence]\ntimesteps = 400\nbatch_size = 2\n",
    "wrong-key": _LSTM.replace("hidden_size", "hidden_sise"),
    "wrong-value": _LSTM.replace("= 3", "= 0"),
    "no-toml": "[[[",
    "missing-file": _LSTM + '[sequence]\nsource = "file"\npath = "none.npy"\n',
    "sweep": _LSTM.replace("= 4", "= [2, 3]"),
}


def things(folder: Path) -> list[Path]:
    generator = np.random.default_rng(5)
    for name, text in _CONFIGS.items():
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    np.save(folder / "sequence.npy", generator.standard_normal((6, 3)))
    np.save(folder / "other-width.npy", generator.standard_normal((2, 6, 7)))
    np.savetxt(folder / "sequence.csv", generator.standard_normal((5, 3)), delimiter=",")
    weights = {
        "weight_ih_l0": generator.standard_normal((16, 3)),
        "weight_hh_l0": generator.standard_normal((16, 4)),
        "bias_ih_l0": generator.standard_normal(16),
        "bias_hh_l0": generator.standard_normal(16),
    }
    save_file(
        {f"encoder.{name}": value.astype(np.float32) for name, value in weights.items()}, folder / "one.safetensors"
    )
    (folder / "broken.safetensors").write_bytes((folder / "one.safetensors").read_bytes()[:90])
    (folder / "broken.onnx").write_bytes(generator.bytes(300))
    (folder / "broken.params").write_bytes(generator.bytes(300))
    (folder / "broken.rnnviz").write_bytes(b"PK\x03\x04" + generator.bytes(300))
    (folder / "empty.toml").write_bytes(b"")
    (folder / "picture.png").write_bytes(b"\x89PNG\r\n")
    return sorted(folder.iterdir())
