"""A session that the tests save, with the files that its config reads."""

from pathlib import Path

import numpy as np

from rnnviz.core.config import Config
from rnnviz.io.session import SavedDocument, SavedSession, SavedViewState

X = np.random.default_rng(1).normal(size=(3, 2, 4)).astype(np.float32)
TEXT = """
network = { cell = "rnn_tanh", input_size = 4, hidden_size = 3 }
sequence = { path = "data/x.npy", labels = "data/days: a?.txt", seams = [1] }
initial_state = { path = "h0.npz" }
compare = { candidates = ["onnx", "mine.py", "recording:data/golden.npz#torch"] }
"""
LOOK = SavedViewState(
    *(1, 1, 2, 1, 2, "change", "activity", "onnx", "mine.py", True),
    *(-0.5, 3.0, 1.5, 0.5, "Checks", 0.25, 0.5, 0.75, 0.125, 1200, 800),
)
"""Of every key another value than a new window has."""


def saved(config: Config) -> SavedSession:
    return SavedSession(config, SavedDocument("mine.toml", modified=True), LOOK)


def never() -> Path:
    raise AssertionError("nothing is to be unpacked")
