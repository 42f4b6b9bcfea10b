"""A model of PyTorch to be exported to ONNX, and its export without the noise of exporters."""

import contextlib
import io
import logging
import warnings
from pathlib import Path
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

SAMPLES, FEATURES, H = 2, 3, 4
CELLS = {
    "lstm": torch.nn.LSTM,
    "gru": torch.nn.GRU,
    "rnn_tanh": torch.nn.RNN,
    "rnn_relu": lambda *sizes, **options: torch.nn.RNN(*sizes, nonlinearity="relu", **options),
}


class Module(torch.nn.Module):
    """A recurrent network behind a linear layer, with learned initial states, given ones or none."""

    def __init__(self, cell: str, layers: int, states: str = "none", **options: Any) -> None:
        super().__init__()
        self.before = torch.nn.Linear(FEATURES, FEATURES)
        self.rnn = CELLS[cell](FEATURES, H, layers, dropout=0.3 if layers > 1 else 0.0, **options)
        rows = layers * (2 if options.get("bidirectional") else 1)
        self.kinds = "hc" if cell == "lstm" else "h"
        self.states = states
        for kind in self.kinds if states == "learned" else "":
            setattr(self, f"{kind}0", torch.nn.Parameter(torch.randn(rows, 1, H)))
        self.given = [torch.randn(rows, SAMPLES, H) for _ in self.kinds] if states == "given" else []

    def forward(self, x: Any, *given: Any) -> Any:
        x = torch.tanh(self.before(x))
        if self.states == "learned":
            samples = x.shape[0] if self.rnn.batch_first else x.shape[1]
            given = tuple(getattr(self, f"{kind}0").expand(-1, samples, -1).contiguous() for kind in self.kinds)
        return self.rnn(x, *([given[0] if self.kinds == "h" else given] if given else []))[0]


def export(module: Any, path: Path, *args: Any, **options: Any) -> None:
    quiet = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
    with warnings.catch_warnings(), quiet[0], quiet[1]:
        warnings.simplefilter("ignore")  # exporters warn about themselves
        logging.disable(logging.CRITICAL)
        try:
            torch.onnx.export(module, args, str(path), **options)
        finally:
            logging.disable(logging.NOTSET)
