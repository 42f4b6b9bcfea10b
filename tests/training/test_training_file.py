"""Files of trainings: damaged, of another text, and of other sizes."""

from pathlib import Path

import numpy as np
import pytest

from rnnviz.core.errors import InputError
from rnnviz.training.history import TrainingHistory, TrainingStart
from rnnviz.training.loop import TrainingLoop
from rnnviz.training.task import TrainingTask
from rnnviz.training.training_file import load_training, save_training
from tests.training.tasks import task_of


def saved(path: Path, task: TrainingTask) -> dict[str, np.ndarray]:
    """Train a few steps, save them, and return the arrays of the file."""
    loop = TrainingLoop(task)
    history = TrainingHistory(TrainingStart.of(task, loop.source))
    history.add(loop)
    save_training(path, history, loop.checkpoint(), loop.source)
    with np.load(path) as arrays:
        return dict(arrays)


def test_a_file_without_an_array_or_with_one_of_another_shape_is_refused(tmp_path):
    path = tmp_path / "run.npz"
    arrays = saved(path, task_of("characters", steps=2))
    optional = {name for name in arrays if any(part in name for part in (".velocity.", ".second.", ".final."))}
    for name, array in arrays.items():
        rest = {other: values for other, values in arrays.items() if other != name}
        np.savez(path, **rest, **{name: np.zeros((*array.shape, 3), array.dtype)})
        with pytest.raises(InputError, match=r"run\.npz"):
            load_training(path)
        np.savez(path, **rest)
        if name not in optional:
            with pytest.raises(InputError, match=r"run\.npz"):
                load_training(path)


def test_a_training_of_a_text_that_was_edited_is_not_continued(tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("abc def " * 100, encoding="utf-8")
    saved(tmp_path / "run.npz", task_of("characters", problem={"path": str(text)}, steps=1))
    load_training(tmp_path / "run.npz")
    text.write_text("abc dfe " * 100, encoding="utf-8")
    with pytest.raises(InputError, match="has changed"):
        load_training(tmp_path / "run.npz")
