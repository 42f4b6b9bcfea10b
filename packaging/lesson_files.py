"""Write the weights, sequences and states that the lessons on learning and on chunks read.

Run: python packaging/lesson_files.py. It trains the two networks of the adding problem, which takes two minutes.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

import rnnviz
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import draw_parameters
from rnnviz.core.sequence import draw_sequence
from rnnviz.training.loop import Checkpoint, TrainingLoop
from rnnviz.training.model import LINEAR_BIAS, LINEAR_WEIGHT
from rnnviz.training.problems import BatchSource, batches_of
from rnnviz.training.task import TrainingTask, load_task

RESOURCES = Path(__file__).parents[1] / "resources"
LESSONS = RESOURCES / "lessons"
HIDDEN_SIZE = 16
LEARNED = 0.002
"""Test loss of the adding problem at which its training ends."""
SHOWN_SAMPLES = 2
CHUNK = 8


def forget_bias() -> dict[str, FloatArray]:
    """The weights of the lesson on the forget bias, with a bias of 1."""
    config = rnnviz.load_config(LESSONS / "forget-bias.toml")
    arrays = {name: np.array(array) for name, array in draw_parameters(config.network, config.parameters).items()}
    size = config.network.hidden_size
    arrays["l0_i2h_bias"][size : 2 * size] = 1
    return arrays


def chunks() -> dict[str, FloatArray]:
    """A sequence of two chunks, then each chunk as a sample, padded; and an initial state, which the second needs."""
    config = rnnviz.load_config(LESSONS / "stateful-chunks.toml")
    source = replace(config.sequence, source="normal", path=None, array=None, lengths=None, batch_size=1)
    long = draw_sequence(source, config.network.input_size, config.network.dtype)[:, 0]
    batch = np.zeros((3, *long.shape), long.dtype)
    batch[0], batch[1, :CHUNK], batch[2, :CHUNK] = long, long[:CHUNK], long[CHUNK:]
    compare = replace(config.compare, reference="manual", candidates=("torch",))
    found = rnnviz.run(replace(config, sequence=source, compare=compare))["manual"]
    states = {symbol: np.zeros(config.network.state_shape(3), long.dtype) for symbol in "hc"}
    for symbol, array in (("h", found.hidden), ("c", found.cell)):
        states[symbol][0, 2] = array[0, 0, CHUNK - 1, 0]
    return {"input": batch, **{f"initial_state.{symbol}": state for symbol, state in states.items()}}


def adding(name: str) -> dict[str, dict[str, FloatArray]]:
    """Files of a training task of the adding problem, before and after: input, weights, and the loss gradient.

    The loss is the prediction itself, whose gradient with respect to the last hidden state is the linear weight.
    """
    task = load_task(RESOURCES / "training" / f"{name}.toml")
    task = replace(task, network=replace(task.network, hidden_size=HIDDEN_SIZE))
    source = batches_of(task)
    x = source.test.x[:, :SHOWN_SAMPLES].astype(task.network.dtype)
    found = list(_checkpoints(task, source))
    files = {}
    for when, checkpoint in (("before", found[0]), ("after", found[-1])):
        print(name, when, checkpoint.step, checkpoint.loss, checkpoint.parameters[LINEAR_BIAS])
        output = np.zeros((len(x), SHOWN_SAMPLES, HIDDEN_SIZE), x.dtype)
        output[-1] = checkpoint.parameters[LINEAR_WEIGHT]
        weights = {f"parameters.{key}": value for key, value in checkpoint.parameters.items() if key.startswith("l0_")}
        files[f"{name}-{when}"] = {"input": x, **weights}
        files[f"{name}-{when}-loss"] = {"output": output}
    return files


def _checkpoints(task: TrainingTask, source: BatchSource) -> Iterator[Checkpoint]:
    """Checkpoints of a training, up to the first one that has learned the problem."""
    for event in TrainingLoop(task, source):
        if isinstance(event, Checkpoint):
            yield event
            if event.loss < LEARNED:
                return


def main() -> None:
    files = {"lstm-forget-bias-1": forget_bias(), "stateful-chunks": chunks()}
    for name in ("adding", "adding-tanh"):
        files |= adding(name)
    for name, arrays in files.items():
        np.savez_compressed(LESSONS / f"{name}.npz", **arrays)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
