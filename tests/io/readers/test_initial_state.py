"""Initial states from archives: the right arrays in the right shape, or a sentence."""

from pathlib import Path

import numpy as np
import pytest

from rnnviz.core.config import Network
from rnnviz.core.errors import InputError
from rnnviz.io.inputs import read_state

NETWORK = Network("lstm", 3, 4, num_layers=2, bidirectional=True)
SHAPE = (4, 5, 4)


def arrays() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(11)
    return {name: generator.normal(size=SHAPE) for name in ("h", "c")}


@pytest.mark.parametrize("prefix", ["", "initial_state."])
def test_h_and_c_are_read_alone_and_from_the_export_of_a_run(tmp_path: Path, prefix: str) -> None:
    expected = arrays()
    others = {"gluon.state": np.zeros(2), "config": np.array("x")} if prefix else {}
    np.savez(tmp_path / "s.npz", **{f"{prefix}{name}": array for name, array in expected.items()}, **others)
    state = read_state(tmp_path / "s.npz", NETWORK, 5)
    assert state.c is not None
    np.testing.assert_array_equal(state.h, expected["h"].astype(np.float32))
    np.testing.assert_array_equal(state.c, expected["c"].astype(np.float32))
    assert not state.h.flags.writeable


def test_a_state_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.npz"
    np.savez(path, **{f"initial_state.{name}": array for name, array in arrays().items()})
    with pytest.raises(InputError, match=r"h of the initial state has the shape \(4, 5, 4\), but the network needs"):
        read_state(path, NETWORK, 6)
    with pytest.raises(InputError, match="holds c, but the cell gru has only h"):
        read_state(path, Network("gru", 3, 4, num_layers=2, bidirectional=True), 5)
    np.savez(path, h=arrays()["h"])
    with pytest.raises(InputError, match="lacks c"):
        read_state(path, NETWORK, 5)
    np.savez(path, h=arrays()["h"], c=np.full(SHAPE, "a"))
    with pytest.raises(InputError, match="they must be real numbers"):
        read_state(path, NETWORK, 5)
