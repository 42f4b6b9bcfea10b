"""Initial states from archives: the right arrays in the right shape, or a sentence."""

from pathlib import Path

import numpy as np
import pytest

from rnnviz.core.config import Config, Network
from rnnviz.core.errors import InputError
from rnnviz.io.inputs import load_inputs, read_state

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
    np.testing.assert_array_equal(state["h"], expected["h"].astype(np.float32))
    np.testing.assert_array_equal(state.get("c"), expected["c"].astype(np.float32))
    assert not state["h"].flags.writeable


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


def archive(path: Path, finals: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The archive of a run with an initial state, and final states of its engines."""
    begun = arrays()
    np.savez(path, **{f"initial_state.{name}": array for name, array in begun.items()}, **finals)
    return begun


def test_the_final_state_of_an_engine_is_read_where_it_is_named(tmp_path: Path) -> None:
    path, final = tmp_path / "run.npz", {name: 2.0 * array for name, array in arrays().items()}
    begun = archive(path, {"manual.state": final["h"], "manual.cell_state": final["c"], "torch.state": final["h"]})
    np.testing.assert_array_equal(read_state(path, NETWORK, 5)["h"], begun["h"].astype(np.float32))
    state = read_state(path, NETWORK, 5, "manual")
    np.testing.assert_array_equal(state["h"], final["h"].astype(np.float32))
    np.testing.assert_array_equal(state.get("c"), final["c"].astype(np.float32))
    with pytest.raises(InputError, match="lacks c"):
        read_state(path, NETWORK, 5, "torch")
    with pytest.raises(InputError, match="must be manual or torch"):
        read_state(path, NETWORK, 5, "gluon")
    archive(path, {})
    with pytest.raises(InputError, match="no final states"):
        read_state(path, NETWORK, 5, "manual")


def test_an_initial_state_of_a_run_that_has_a_final_one_is_an_assumption(tmp_path: Path) -> None:
    path, other = tmp_path / "run.npz", tmp_path / "state.npz"
    final = {"manual.state": arrays()["h"], "manual.cell_state": arrays()["c"], "input": np.zeros((5, 3, 3))}
    archive(path, final)
    archive(other, {})

    def assumptions(state: dict[str, str], sequence: dict[str, object]) -> tuple[str, ...]:
        network = {"cell": "lstm", "input_size": 3, "hidden_size": 4, "num_layers": 2, "bidirectional": True}
        tables = {"network": network, "sequence": sequence, "initial_state": state}
        return load_inputs(Config.from_mapping(tables)).assumptions

    drawn = {"timesteps": 3, "batch_size": 5}
    (clause,) = assumptions({"path": str(path)}, drawn)
    assert "initial_state.final_of" in clause
    assert assumptions({"path": str(path), "final_of": "manual"}, drawn) == ()
    assert assumptions({"path": str(path)}, {"path": str(path), "array": "input"}) == ()
    assert assumptions({"path": str(other)}, drawn) == ()
