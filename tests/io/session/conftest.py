"""Shared fixtures."""

import numpy as np
import pytest

from rnnviz.io.config_toml import parse_config
from tests.io.session.session_factories import TEXT, X


@pytest.fixture
def config(tmp_path):
    """A config that reads files, in a separate folder."""
    folder = tmp_path / "here"
    (folder / "data").mkdir(parents=True)
    np.save(folder / "data" / "x.npy", X)
    (folder / "data" / "days: a?.txt").write_text("mon\ntue\n")
    np.savez(folder / "h0.npz", h=X[:1, :1, :3].repeat(3, axis=1))
    np.savez(folder / "data" / "golden.npz", hidden=X)
    (folder / "mine.py").write_text("def step(x, state, p):\n    return state\n")
    return parse_config(TEXT, folder)
