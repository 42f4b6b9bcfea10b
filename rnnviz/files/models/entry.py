"""The common record of all formats: a recurrent layer, or a stack of them, in a model file."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from rnnviz.model.arrays import FloatArray
from rnnviz.model.config import Network
from rnnviz.model.errors import InputError, printable

DTYPES = ("float16", "bfloat16", "float32", "float64")
"""The types of weights that are read; the first two are widened to float32, which is exact."""

ASK_FOR_ACTIVATION = 'the file does not tell the activation: say cell = "rnn_tanh" or cell = "rnn_relu"'
"""The reason of a supported entry whose cell is None."""


@dataclass(frozen=True)
class Entry:
    """A recurrent network that a model file holds.

    `name` is unique in its file. `cell` is None where the file does not tell tanh from relu; other fields
    are None only where an unsupported entry leaves them open. `dtype` is how the weights are stored. `reason` says why
    an entry is not supported, or what else must be known of one that is; it is empty where there is nothing to say,
    begins in lower case and has no full stop, so that it can end a sentence.
    """

    name: str
    cell: str | None
    input_size: int | None
    hidden_size: int | None
    num_layers: int | None
    bidirectional: bool | None
    dtype: str | None
    supported: bool = True
    reason: str = ""

    def __post_init__(self) -> None:
        """What a file says must not be able to break a line, to colour a terminal, or to be no text at all."""
        object.__setattr__(self, "name", printable(self.name))
        object.__setattr__(self, "reason", printable(self.reason))

    def to_json(self) -> dict[str, Any]:
        """The entry under the names of its fields."""
        return asdict(self)

    def network(self, cell: str | None = None) -> Network:
        """The network that the entry is; `cell` where the file does not tell it.

        Raises
        ------
        InputError
            If the entry is not supported, or `cell` is missing or another one than the file holds.
        """
        inputs, hidden, layers, both = self.input_size, self.hidden_size, self.num_layers, self.bidirectional
        if not self.supported or inputs is None or hidden is None or layers is None or both is None:
            raise InputError(f"{self.name} cannot be run: {self.reason}.")
        chosen = self.cell or cell
        if chosen is None:
            raise InputError(f"{self.name} cannot be run as it is: {self.reason}.")
        if cell is not None and self.cell is not None and cell != self.cell:
            raise InputError(f'{self.name} is of the cell "{self.cell}": it cannot be run as "{cell}".')
        if self.cell is None and not chosen.startswith("rnn_"):
            raise InputError(
                f'{self.name} has a single gate: its cell must be "rnn_tanh" or "rnn_relu", not "{chosen}".'
            )
        dtype = "float64" if self.dtype == "float64" else "float32"
        return Network(chosen, inputs, hidden, layers, both, dtype=dtype)


class ModelFile(Protocol):
    """An open model file: what it holds is known, and no weight has been read, where the format allows that."""

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Every recurrent layer in the order of the file; those that cannot be run with the reason."""
        ...

    def parameters(self, name: str) -> Mapping[str, FloatArray]:
        """The weights of the supported entry `name`, by Gluon's names and in Gluon's order of gates.

        Biases that the layer does not have are zeros. Arrays are float32 or float64; `weights.read_weights` checks
        their names, shapes and values against the network that they are for.

        Raises
        ------
        InputError
            If the file is damaged; the sentence names the file.
        """
        ...
