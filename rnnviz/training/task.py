"""A training task and its TOML file: what is learned, the network, and how it is trained."""

from collections.abc import Mapping
from dataclasses import field, fields, replace
from pathlib import Path
from typing import Any

import tomli_w

from rnnviz.cells import CELLS
from rnnviz.core.config import Config, Network, ParameterSource, check_tables
from rnnviz.core.errors import ConfigError, InputError
from rnnviz.core.schema import LARGEST_SEED, config_field, section_from_mapping, section_to_mapping
from rnnviz.engines.registry import ENGINES
from rnnviz.frozen import dataclass
from rnnviz.io.config_toml import read_toml
from rnnviz.io.outputs import write_text

PROBLEMS = {
    "adding": "Add the two marked numbers of a sequence.",
    "copy": "Repeat the first symbols after a mark.",
    "parity": "Say after each bit whether the number of ones is odd.",
    "sine": "Predict the next value of a wave of unknown length.",
    "brackets": "Predict the next bracket of a balanced word.",
    "characters": "Predict the next character of a text.",
}
"""Each problem in one sentence."""
LIBRARIES = ("gluon", "torch")
"""Libraries whose own training can be compared with the manual one."""
_EACH_STEP = ("parity", "sine", "brackets", "characters")
_LARGEST = 1e6
"""Of a number that an optimizer computes with: the libraries convert it to float32."""


@dataclass(frozen=True)
class Problem:
    """The problem that is learned, and its batches."""

    kind: str = config_field("choice", "The problem that is learned.", "adding", choices=tuple(PROBLEMS))
    timesteps: int = config_field("int", "Number of time steps of each sequence (T).", 50, minimum=1, maximum=100_000)
    batch_size: int = config_field("int", "Number of sequences in each batch (N).", 32, minimum=1, maximum=100_000)
    seed: int = config_field("int", "Seed of the batches.", 0, minimum=0, maximum=LARGEST_SEED)
    symbols: int = config_field("int", "Number of symbols to remember in the copy problem.", 5, minimum=1, maximum=1000)
    path: str | None = config_field(
        "path", "Text file whose characters are learned; empty: the program's own guide.", None
    )


@dataclass(frozen=True)
class Training:
    """The optimizer and the number of steps."""

    steps: int = config_field("int", "Number of training steps, one batch each.", 1500, minimum=1, maximum=10_000_000)
    optimizer: str = config_field("choice", "Optimizer.", "adam", choices=("sgd", "adam"))
    learning_rate: float = config_field("float", "Learning rate.", 0.01, above=0.0, maximum=_LARGEST)
    momentum: float = config_field("float", "Momentum of SGD.", 0.9, minimum=0.0, maximum=1.0)
    clip_norm: float = config_field(
        "float",
        "Largest norm of all gradients together; larger ones are scaled down. 0: not clipped.",
        1.0,
        minimum=0.0,
        maximum=_LARGEST,
    )
    truncate: int | None = config_field(
        "int",
        "Truncated backpropagation: no gradient passes from one chunk of this many time steps to the one before; "
        "empty: not truncated.",
        None,
        minimum=1,
    )
    forget_bias: float = config_field(
        "float", "First bias of the forget gate of an LSTM.", 1.0, minimum=-_LARGEST, maximum=_LARGEST
    )
    library: str | None = config_field(
        "choice", "Library that trains on the same batches; empty: none.", None, choices=LIBRARIES
    )
    checkpoint_every: int = config_field(
        "int", "Number of steps from one checkpoint to the next.", 100, minimum=1, maximum=10_000_000
    )


@dataclass(frozen=True)
class TrainingTask:
    """One training, a table of its TOML file for each attribute. The problem determines I and the layer above h."""

    problem: Problem
    network: Network
    parameters: ParameterSource = ParameterSource()
    training: Training = field(default_factory=Training)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "TrainingTask":
        """Validate the tables of a task. Raises ConfigError on the first key that is not possible."""
        check_tables(values, "training task", [section.name for section in fields(cls)])
        network = values.get("network", {})
        if isinstance(network, Mapping):
            if "input_size" in network:
                raise ConfigError(
                    "network.input_size",
                    "network.input_size is not read here: the problem determines the input size; leave it out.",
                )
            network = {"cell": "lstm", "hidden_size": 64, **network, "input_size": 1}
        return cls(
            section_from_mapping(Problem, "problem", values.get("problem", {})),
            section_from_mapping(Network, "network", network),
            section_from_mapping(ParameterSource, "parameters", values.get("parameters", {})),
            section_from_mapping(Training, "training", values.get("training", {})),
        ).checked()

    def checked(self) -> "TrainingTask":
        problem, network = self.problem, self.network
        kind, shortest = f'problem.kind = "{problem.kind}"', 2 * problem.symbols + 1
        if network.cell.endswith(".py"):
            raise ConfigError.of("network.cell", f'= "{network.cell}" cannot be trained: it must be a built-in cell.')
        if problem.path is not None and problem.kind != "characters":
            raise ConfigError.of(
                "problem.path", f'is not read with {kind}: it must be "characters", or the path left out.'
            )
        if problem.kind == "copy" and problem.timesteps < shortest:
            short = f"= {problem.timesteps} is too short to copy {problem.symbols} symbols"
            raise ConfigError.of("problem.timesteps", f"{short}: it must be at least {shortest}.")
        if problem.kind in _EACH_STEP and (network.bidirectional or network.reverse):
            reason = f"{kind}, whose target at each time step a backward direction reads beforehand"
            rest = f"is not possible with {reason}: set it and network.reverse to false."
            raise ConfigError.of("network.bidirectional", rest)
        if self.parameters.initializer == "file" or self.parameters.path is not None:
            raise ConfigError.of(
                "parameters.initializer", '= "file" is not possible here: training starts from random weights.'
            )
        Config(network, parameters=self.parameters).checked()
        self._check_library(f'training.library = "{self.training.library}"')
        return self

    def _check_library(self, named: str) -> None:
        """Refuse networks that the library has no layer for; `named` is the setting in the sentence."""
        library, network = self.training.library, self.network
        if library is None:
            return
        title = ENGINES[library].title
        has_layer = getattr(network.kind, library) in ("RNN", "LSTM", "GRU") and network.kind == CELLS[network.cell]
        if not has_layer or network.reverse:
            what = "a network with network.reverse = true" if has_layer else network.cell_title
            raise ConfigError(
                "training.library",
                f"{named} cannot train {what}, for which {title} has no layer: leave the library out, or use the cell "
                "rnn_tanh, rnn_relu, lstm or gru with its defaults.",
            )
        if self.training.truncate is not None and network.bidirectional:
            raise ConfigError(
                "training.truncate",
                f"{named} cannot train a bidirectional network with training.truncate, as {title} cuts gradients "
                "between calls only: leave the library out, or set network.bidirectional = false.",
            )

    def to_mapping(self) -> dict[str, dict[str, Any]]:
        """Tables of a TOML file with the same settings; keys that are None are left out, and so is the input size."""
        tables = {section.name: section_to_mapping(getattr(self, section.name)) for section in fields(self)}
        del tables["network"]["input_size"]
        return tables

    def with_library(self, library: str) -> "TrainingTask":
        """The task with the library of --library; the sentence of a ConfigError names the option."""
        task = replace(self, training=replace(self.training, library=library))
        task._check_library(f"--library {library}")
        return task

    def with_input_size(self, input_size: int) -> "TrainingTask":
        return replace(self, network=replace(self.network, input_size=input_size))


def save_task(task: TrainingTask, path: Path) -> None:
    """Write a task as a TOML file, with a path in its folder relative to it."""
    text, folder = task.problem.path, path.parent.absolute()
    if text is not None and Path(text).is_relative_to(folder):
        task = replace(task, problem=replace(task.problem, path=str(Path(text).relative_to(folder))))
    write_text(path, tomli_w.dumps(task.to_mapping()))


def is_task(path: Path) -> bool:
    """Whether a file is a training task, as opposed to a config; a file that cannot be read is neither."""
    try:
        return path.suffix.lower() == ".toml" and "problem" in read_toml(path, "training task")
    except InputError:
        return False


def load_task(path: Path) -> TrainingTask:
    """Read and validate the TOML file of a task; paths in it are relative to its folder."""
    task = TrainingTask.from_mapping(read_toml(path, "training task"))
    if task.problem.path is None:
        return task
    return replace(task, problem=replace(task.problem, path=str(path.parent.absolute() / task.problem.path)))
