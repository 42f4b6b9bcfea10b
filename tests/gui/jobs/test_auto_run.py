"""The size of a run, without reading its sequence."""

from pathlib import Path

import numpy as np
import pytest

from rnnviz.core.config import Config
from rnnviz.gui.jobs.run_control import AUTOMATIC_VALUES, run_size
from rnnviz.lessons.index import lessons

NETWORK = {"cell": "gru", "input_size": 2, "hidden_size": 3}


def size(path: Path) -> float:
    return run_size(Config.from_mapping({"network": NETWORK, "sequence": {"path": str(path)}}))


@pytest.mark.parametrize("ending", ["npy", "npz", "csv"])
def test_no_file_holds_more_than_is_reckoned_with(tmp_path, ending):
    path, x = tmp_path / f"x.{ending}", np.ones((5_000, 2), np.int8)
    if ending == "csv":
        np.savetxt(path, x, fmt="%d", delimiter=",")
    else:
        np.save(path, x) if ending == "npy" else np.savez_compressed(path, x)
    parameters = Config.from_mapping({"network": NETWORK}).network.parameter_count
    assert size(path) >= parameters + x.size + 2 * 5_000 * 3


def test_an_archive_that_unpacks_to_much_does_not_run_by_itself(tmp_path):
    path = tmp_path / "x.npz"
    np.savez_compressed(path, np.zeros((200_000, 2)))
    assert path.stat().st_size < AUTOMATIC_VALUES
    assert size(path) > AUTOMATIC_VALUES


def test_every_lesson_runs_by_itself():
    assert all(run_size(lesson.config) <= AUTOMATIC_VALUES for lesson in lessons())


def test_an_unreadable_file_is_left_to_the_run(tmp_path):
    (tmp_path / "x.npz").write_text("no archive", encoding="utf-8")
    assert size(tmp_path / "x.npz") == size(tmp_path / "missing.npy") < AUTOMATIC_VALUES


def test_the_named_array_of_an_archive_counts_alone(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, weights=np.zeros(200_000), input=np.zeros((4, 1, 2)))
    sequence = {"path": str(path), "array": "input"}
    assert run_size(Config.from_mapping({"network": NETWORK, "sequence": sequence})) < AUTOMATIC_VALUES < size(path)
