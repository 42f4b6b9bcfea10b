"""Train the character model that the program ships with, on the prose of its guide.

Run: python packaging/character_model.py [STEPS]. It writes resources/models/guide-lstm.safetensors.
"""

import sys
from dataclasses import replace

import numpy as np

from rnnviz.core.resources import resource_path
from rnnviz.training.character_model import Generator, load_character_model, save_character_model
from rnnviz.training.learner import ManualLearner
from rnnviz.training.model import initial_parameters
from rnnviz.training.problems import batches_of
from rnnviz.training.task import TrainingTask

TASK = {
    "problem": {"kind": "characters", "timesteps": 80, "batch_size": 32},
    "network": {"cell": "lstm", "hidden_size": 92},
    "training": {"steps": 12_000, "learning_rate": 0.006, "clip_norm": 1.0},
}
LAST_RATE = 0.0003
"""The learning rate at the end; it falls exponentially."""

OUTPUT = resource_path("models") / "guide-lstm.safetensors"


def main(arguments: list[str]) -> None:
    task = TrainingTask.from_mapping(TASK)
    source = batches_of(task)
    steps = int(arguments[0]) if arguments else task.training.steps
    task = task.with_input_size(source.input_size)
    learner = ManualLearner(task, initial_parameters(task, source), classes=True)
    losses = []
    for step in range(steps):
        rate = task.training.learning_rate * (LAST_RATE / task.training.learning_rate) ** (step / steps)
        learner.training = replace(task.training, learning_rate=rate)
        losses.append(learner.step(source.batch(step)).loss)
        if (step + 1) % 500 == 0:
            print(f"{step + 1} of {steps} steps: loss {np.mean(losses[-500:]):.3f}", flush=True)
            save_character_model(OUTPUT, task.network, learner.parameters, "".join(source.names))
    save_character_model(OUTPUT, task.network, learner.parameters, "".join(source.names))
    generator = Generator(load_character_model(OUTPUT), "The ", temperature=0.5)
    generator.generate(600)
    print(generator.text)


if __name__ == "__main__":
    main(sys.argv[1:])
