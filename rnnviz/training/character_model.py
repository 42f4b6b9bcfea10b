"""A trained character model: a network, its linear layer and its characters, in one file; and the text it generates."""

from collections.abc import Mapping
from dataclasses import field, replace
from pathlib import Path

import numpy as np

from rnnviz.core.config import Config, Network, ParameterSource
from rnnviz.core.errors import InputError
from rnnviz.core.inputs import Inputs, State
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import Parameters
from rnnviz.core.sequence import SequenceSource
from rnnviz.core.trace import Trace, array_shapes
from rnnviz.engines.manual import ManualEngine
from rnnviz.frozen import dataclass
from rnnviz.io.model_formats.formats import format_of
from rnnviz.io.model_formats.load import choose, config_of, entries_of, read_network
from rnnviz.io.model_formats.safetensors import CHARACTERS, in_pytorch, read_characters, write_tensors
from rnnviz.io.resources import resource_path
from rnnviz.training.model import LINEAR_BIAS, LINEAR_WEIGHT, softmax
from rnnviz.training.problems import indices_of, one_hot

_LINEAR_WEIGHT, _LINEAR_BIAS = "linear.weight", "linear.bias"
_LAYERS = "rnn."


@dataclass(frozen=True, eq=False)
class CharacterModel:
    """A network that predicts the next character.

    Attributes
    ----------
    network, parameters:
        The network, with one input feature for each character.
    weight, bias:
        (V, H) and (V,): the linear layer, whose softmax has the probability of each character.
    characters:
        The V characters.
    path:
        The file.
    """

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


@dataclass(frozen=True, eq=False)
class NextCharacter:
    """The prediction after some text.

    Attributes
    ----------
    probabilities:
        (V,): of each character, at the temperature.
    character:
        The one that was drawn.
    """

    probabilities: FloatArray
    character: str


class Generator:
    """Generates text, one character after the other, from the state after the text so far."""

    def __init__(self, model: CharacterModel, seed: int = 0, temperature: float = 1.0) -> None:
        """With a temperature of 0 the most probable character is taken."""
        self.model = model
        self.temperature = temperature
        self._random = np.random.default_rng(seed)
        network, engine_arrays = model.network, ("h", "c")
        shapes = array_shapes(network, 1, 1, engine_arrays)
        self._engine = ManualEngine()
        self._trace = Trace("manual", {name: np.zeros(shape, network.dtype) for name, shape in shapes.items()})
        self._state = {s: np.zeros(network.state_shape(1, s), network.dtype) for s in network.kind.state_symbols}
        self._config = Config(network, SequenceSource(batch_size=1, timesteps=1))
        self._read = False

    def read(self, text: str) -> None:
        """Read characters, which changes the state.

        Raises
        ------
        InputError
            If the model does not know a character.
        """
        for index in indices_of(text, self.model.characters):
            x = one_hot(np.array([[index]]), len(self.model.characters)).astype(self.model.network.dtype)
            inputs = Inputs(self._config, x, self.model.parameters, State.of(self._state))
            self._engine.run(inputs, self._trace, lambda _: None)
            self._state = {s: np.array(self._trace[f"state.{s}"]) for s in self._state}
            self._read = True

    def probabilities(self) -> FloatArray:
        """(V,): the probability of each character to be the next one, at the temperature; equal before any text."""
        size = len(self.model.characters)
        if not self._read:
            return np.full(size, 1.0 / size)
        logits = self._trace.output[0, 0].astype(np.float64) @ self.model.weight.T + self.model.bias
        if self.temperature == 0:
            return one_hot(np.array(logits.argmax()), size)
        return softmax(logits / self.temperature)

    def next(self) -> NextCharacter:
        """Draw the next character and read it."""
        probabilities = self.probabilities()
        character = self.model.characters[int(self._random.choice(len(probabilities), p=probabilities))]
        self.read(character)
        return NextCharacter(probabilities, character)

    def text(self, length: int) -> str:
        """The next characters."""
        return "".join(self.next().character for _ in range(length))


def save_character_model(path: Path, network: Network, parameters: Mapping[str, FloatArray], characters: str) -> None:
    """Write a model with PyTorch's names: `rnn.weight_ih_l0`, ..., `linear.weight` and `linear.bias`.

    Parameters
    ----------
    path : Path
        A `.safetensors` file.
    network : Network
        The network; a cell that PyTorch has.
    parameters : mapping of str to ndarray
        Its parameters by Gluon's names, and the linear layer's.
    characters : str
        The V characters.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    layers = {f"{_LAYERS}{in_pytorch(name)}": parameters[name] for name in network.parameter_shapes()}
    linear = {_LINEAR_WEIGHT: parameters[LINEAR_WEIGHT], _LINEAR_BIAS: parameters[LINEAR_BIAS]}
    write_tensors(path, layers | linear, {CHARACTERS: characters})


def load_character_model(path: Path) -> CharacterModel:
    """Read a model that `save_character_model` wrote, or one like it.

    Raises
    ------
    InputError
        If the file cannot be read, has several networks, or lacks the linear layer or the characters.
    """
    characters = read_characters(path)
    config = config_of(path, choose(entries_of(path), None, path))
    network = replace(config.network, layout="TNC")
    tensors = format_of(path).open_tensors(path)
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
    weight, bias = (tensors.read(name).astype(network.dtype) for name in shapes)
    return CharacterModel(network, parameters, weight, bias, characters, path)


def shipped_model() -> Path:
    """The model that the program ships with, trained on its guide."""
    return resource_path("models", "guide-lstm.safetensors")
