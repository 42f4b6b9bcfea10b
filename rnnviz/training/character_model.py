"""A trained character model: a network, its linear layer and its characters, in one file; and the text it generates."""

from collections.abc import Mapping
from dataclasses import field, replace
from pathlib import Path

import numpy as np

from rnnviz.core.config import Config, Network, ParameterSource
from rnnviz.core.errors import InputError
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import Parameters, pytorch_name
from rnnviz.core.resources import resource_path
from rnnviz.core.schema import display_value
from rnnviz.core.sequence import SequenceSource, indices, one_hot
from rnnviz.core.trace import trace_in_memory
from rnnviz.core.trace_index import Places
from rnnviz.engines.manual import ManualEngine
from rnnviz.frozen import dataclass
from rnnviz.io.model_formats.formats import open_tensors
from rnnviz.io.model_formats.load import check_values, choose, config_of, entries_of, read_network
from rnnviz.io.model_formats.torch_files import CHARACTERS, read_characters, write_tensors
from rnnviz.io.outputs import atomic_write
from rnnviz.training.learner import zero_state
from rnnviz.training.model import LINEAR_BIAS, LINEAR_WEIGHT, softmax

_LINEAR_WEIGHT, _LINEAR_BIAS = "linear.weight", "linear.bias"
_LAYERS = "rnn."

_COLDEST = 1e-9
"""The temperature below which the most probable character is drawn: logits divided by less may overflow."""


@dataclass(frozen=True, eq=False)
class CharacterModel:
    """A network that predicts the next of V characters, with its linear layer: weight (V, H) and bias (V,)."""

    network: Network
    parameters: Parameters
    weight: FloatArray = field(repr=False)
    bias: FloatArray = field(repr=False)
    characters: str
    path: Path

    def config(self, text: str) -> Config:
        """A run of the network on a text, one time step for each character."""
        sequence = SequenceSource("text", text=text, vocabulary=str(self.path))
        weights = ParameterSource("file", path=str(self.path))
        return Config(self.network, sequence.sized_by_text(), weights).checked()

    def check(self, text: str) -> None:
        """Check that the model knows each character of a text. Raises InputError if it does not know one."""
        for place, character in enumerate(text):
            if character not in self.characters:
                known = display_value(self.characters)
                raise InputError(
                    f"The text has {display_value(character)} at position {place + 1}, which {self.path.name} lacks: "
                    f"use only characters of {known}."
                )


class Generator:
    """Text that grows by one character after the other, with the prediction after each of them.

    `temperature` is the divisor of the logits, with 0 the most probable character is drawn; `seed` starts the
    random numbers, one for each drawn character.
    """

    def __init__(self, model: CharacterModel, prefix: str = "", *, seed: int = 0, temperature: float = 1.0) -> None:
        """Begin with a prefix; raises as `read` does."""
        self.model = model
        self.seed = seed
        self.temperature = temperature
        self.text = ""
        network = model.network
        self._engine = ManualEngine()
        self._trace = trace_in_memory("manual", network, Places.of(network, 1, 1), network.kind.state_symbols)
        self._state = zero_state(network, 1)
        self._config = Config(network, SequenceSource(batch_size=1, timesteps=1))
        # Before the first character the output is 0.
        self._logits = [model.bias]
        self._drawn = 0
        self.read(prefix)

    @property
    def prefix(self) -> str:
        """The text that was read, before the characters that were drawn."""
        return self.text[: len(self.text) - self._drawn]

    def read(self, text: str) -> None:
        """Add a text to the prefix, as long as nothing is drawn. Raises InputError if the model lacks a character."""
        self.model.check(text)
        for character in text:
            self._read(character)

    def probabilities(self, count: int | None = None) -> FloatArray:
        """(V,): the probability of each character to come next after the first `count`, or all, at the temperature."""
        logits = self._logits[-1 if count is None else count].astype(np.float64)
        if self.temperature < _COLDEST:
            chosen = np.zeros(len(logits))
            chosen[logits.argmax()] = 1.0
            return chosen
        return softmax(logits / self.temperature)

    def draw(self) -> str:
        bounds = self.probabilities().cumsum()
        number = np.random.default_rng((self.seed, self._drawn)).random()
        return self.model.characters[int(np.searchsorted(bounds, number * bounds[-1], side="right"))]

    def step(self) -> str:
        character = self.draw()
        self._read(character)
        self._drawn += 1
        return character

    def generate(self, length: int) -> None:
        for _ in range(length):
            self.step()

    def _read(self, character: str) -> None:
        network, model = self.model.network, self.model
        x = one_hot([indices(character, model.characters)], len(model.characters), network.dtype)
        self._engine.run(Inputs(self._config, x, model.parameters, self._state), self._trace, lambda _: None)
        self._state = {symbol: np.array(self._trace[f"state.{symbol}"]) for symbol in self._state}
        self._logits.append(self._trace.output[0, 0] @ model.weight.T + model.bias)
        self.text += character


def entropy(probabilities: FloatArray) -> float:
    """The entropy of probabilities (V,), in bits."""
    present = probabilities[probabilities > 0]
    return float(-(present * np.log2(present)).sum()) + 0.0


def save_character_model(path: Path, network: Network, parameters: Mapping[str, FloatArray], characters: str) -> None:
    """Write a model with PyTorch's names: `rnn.weight_ih_l0`, ..., `linear.weight` and `linear.bias`."""
    layers = {f"{_LAYERS}{pytorch_name(name)}": parameters[name] for name in network.parameter_shapes()}
    linear = {_LINEAR_WEIGHT: parameters[LINEAR_WEIGHT], _LINEAR_BIAS: parameters[LINEAR_BIAS]}
    with atomic_write(path) as temporary:
        write_tensors(temporary, layers | linear, {CHARACTERS: characters})


def load_character_model(path: Path) -> CharacterModel:
    """Read a model that `save_character_model` wrote, or one like it. Raises an InputError."""
    if path.suffix.lower() != ".safetensors":
        raise InputError(f"{path} is not a character model: give a .safetensors file that rnnviz train wrote.")
    characters = read_characters(path)
    config = config_of(path, choose(entries_of(path), None, path), initial_state="zeros")
    network = replace(config.network, layout="TNC")
    tensors = open_tensors(path)
    shapes = {_LINEAR_WEIGHT: (len(characters), network.output_size), _LINEAR_BIAS: (len(characters),)}
    for name, shape in shapes.items():
        found = tensors.tensors[name].shape if name in tensors.tensors else None
        if found != shape:
            has = f"{name} has the shape {found}" if found else f"{name} is missing"
            raise InputError(f"{path} is not a character model: {has}, and it must have the shape {shape}.")
    if network.input_size != len(characters) or network.directions == 2:
        raise InputError(
            f"{path} is not a character model: it reads {network.input_size} features in {network.directions} "
            f"directions, and it must read one for each of its {len(characters)} characters, in one direction."
        )
    parameters = read_network(path, None, network).parameters
    linear = {name: tensors.read(name) for name in shapes}
    for name, array in linear.items():
        check_values(f"{path}: {name}", array, network, rounded=True)
    weight, bias = (array.astype(network.dtype) for array in linear.values())
    return CharacterModel(network, parameters, weight, bias, characters, path)


def shipped_model() -> Path:
    """The model that the program ships with, trained on its guide."""
    return resource_path("models", "guide-lstm.safetensors")
