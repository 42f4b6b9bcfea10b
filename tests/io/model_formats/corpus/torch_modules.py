"""Modules of PyTorch with random weights, and their outputs on the inputs of a run of the file that holds them."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnviz.core.errors import InputError
from rnnviz.io.model_formats.load import config_of, entries_of
from tests.io.model_formats.corpus.cases import Computed, run_of
from tests.oracles.computed import assert_near

torch = pytest.importorskip("torch")
nn = torch.nn

Networks = Mapping[str, Any]
"""By the name of each entry the module that it computes, or a word of the reason why it is unsupported."""


def seeded(module: Any, seed: int = 1) -> Any:
    """The module with random weights, biases and buffers of floats, in eval mode."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in module.parameters():
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.5)
    return module.eval()


def lstm(**options: Any) -> Any:
    return seeded(nn.LSTM(3, 4, **options))


def gru(**options: Any) -> Any:
    return seeded(nn.GRU(3, 4, **options), 2)


def rnn(**options: Any) -> Any:
    return seeded(nn.RNN(3, 4, **options), 3)


def expected(module: Any, ran: Computed) -> tuple[Any, tuple[Any, ...]]:
    """out and the final states of the module on the inputs of a run."""
    sequence = torch.tensor(np.array(ran.inputs.sequence))
    states = tuple(torch.tensor(np.array(state)) for state in ran.inputs.initial_state.values())
    dtype = next(module.parameters()).dtype
    sequence, states = sequence.to(dtype), tuple(state.to(dtype) for state in states)
    with torch.no_grad():
        if isinstance(module, nn.RNNBase):
            module.batch_first = False
            with warnings.catch_warnings():
                # With a projection PyTorch warns that oneDNN has none.
                warnings.simplefilter("ignore", UserWarning)
                out, final = module(sequence, states if len(states) == 2 else states[0])
            return out, final if len(states) == 2 else (final,)
        rows = []
        states = tuple(state[0] for state in states)
        for x in sequence:
            states = module(x, states) if len(states) == 2 else (module(x, states[0]),)
            rows.append(states[0])
        return torch.stack(rows), tuple(state[None] for state in states)


def cell_of(module: Any) -> str:
    if isinstance(module, nn.LSTM | nn.LSTMCell):
        return "lstm"
    return "gru" if isinstance(module, nn.GRU | nn.GRUCell) else f"rnn_{module.nonlinearity}"


def check(path: Path, networks: Networks | str) -> None:
    """Compare each network of a file with its module; a text is a word of the reason why it cannot be run."""
    if isinstance(networks, str):
        with pytest.raises(InputError) as refused:
            entries_of(path)
        assert networks in str(refused.value)
        assert "is not a valid" not in str(refused.value)
        return
    entries = {entry.name: entry for entry in entries_of(path)}
    assert set(entries) == set(networks)
    for key, module in networks.items():
        entry = entries[key]
        if isinstance(module, str):
            assert not entry.supported
            assert module in entry.reason
            continue
        assert entry.supported, entry.reason
        ran = run_of(config_of(path, entry, None if entry.cell else cell_of(module), "normal"))
        out, states = expected(module, ran)
        tolerance = 1e-12 if entry.dtype == "float64" else 2e-6
        assert_near(ran.out, out.numpy(), tolerance)
        for ours, theirs in zip(ran.states, states, strict=True):
            assert_near(ours, theirs.numpy(), tolerance)
