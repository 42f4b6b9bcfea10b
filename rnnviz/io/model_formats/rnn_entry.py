"""The common records of all formats: a recurrent layer, or a stack of them, and the named arrays in a model file."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells import CELLS
from rnnviz.cells.activations import Activation
from rnnviz.core.config import Network
from rnnviz.core.errors import InputError, printable
from rnnviz.core.mmap_arrays import FloatArray


@dataclass(frozen=True)
class Tensor:
    """The shape of an array in a file, and its type by numpy's name, or "bfloat16".

    `scope` is the name of the dict or list in the file that holds it. `unreadable` is why its numbers cannot be read,
    and empty where they can; `assumption` is what reading them takes for granted. Both are worded like `Entry.reason`.
    """

    shape: tuple[int, ...]
    dtype: str
    scope: str = ""
    unreadable: str = ""
    assumption: str = ""


@dataclass(frozen=True)
class TensorFile:
    """The arrays of a file by name, in its order.

    `read` gives the numbers of one of a type in DTYPES, as `widened` does. `texts` are those that a file has of
    PyTorch's modules, as `torch_names.find` says.
    """

    tensors: Mapping[str, Tensor]
    read: Callable[[str], FloatArray]
    texts: Mapping[str, str] = field(default_factory=dict)


DTYPES = ("float16", "bfloat16", "float32", "float64")
"""The types of weights that are read; the first two are widened to float32, which is exact."""

RNN_CELLS = ("rnn_tanh", "rnn_relu")
"""The cells of a network with a single gate."""

OWN_PARAMETERS = frozenset(name for cell in CELLS.values() for name in cell.own_parameters)
"""The parameters that only some cells have."""


def cells_of_arrays(gates: int, own: Collection[str]) -> tuple[str, ...]:
    """The cells with `gates` blocks of recurrent rows and the parameters `own`, and as few others as any have.

    The first of them is the cell of a file that does not name it.
    """
    fitting = [c for c in CELLS.values() if len(c.recurrent_gates) == gates and set(own) <= set(c.own_parameters)]
    if not fitting:
        return ()
    least = min(len(cell.own_parameters) for cell in fitting)
    fitting = [cell for cell in fitting if len(cell.own_parameters) == least]
    if fitting[0].name in RNN_CELLS:
        return RNN_CELLS
    return tuple(c.name for c in sorted(fitting, key=lambda c: c.gate_symbols != fitting[0].gate_symbols))


ASK_FOR_ACTIVATION = 'the file does not contain the activation: give cell = "rnn_tanh" or cell = "rnn_relu"'
"""The reason of a supported entry whose cell is None."""


def named_activations(cell: str, activations: Sequence[Activation]) -> tuple[str, ...] | None:
    """The activations of a cell's roles as a config names them; None if they are the cell's own."""
    own = [activation for _, activation in CELLS[cell].activations]
    return None if list(activations) == own else tuple(activation.key for activation in activations)


def ask_for_cell(cells: tuple[str, ...]) -> str:
    """The reason of a supported entry of one of `cells` whose activations are not in its file."""
    if cells == RNN_CELLS:
        return "the file does not say its activation: choose the cell rnn_tanh or rnn_relu"
    if len(cells) > 1:
        return "the file does not say reset_after: choose the cell gru if it is set, else gru_reset_before"
    return f"the file does not say its activations: choose the cell {cells[0]} if they are sigmoid and tanh"


INITIAL_STATES = ("unknown", "zeros", "stored", "input", "computed")
"""Where a model's own run starts from: the file cannot say; zeros; numbers in the file (`ModelFile.initial_state`
reads them); numbers that the caller of the model gives; or numbers that another part of the model computes."""


@dataclass(frozen=True)
class Entry:
    """A recurrent network that a model file holds.

    `name` is unique in its file. `cell` is None if the file does not distinguish tanh from relu; other fields
    are None only where an unsupported entry leaves them open. `dtype` is how the weights are stored. `reason` says why
    an entry is not supported, or what else must be known of one that is; it is empty where there is nothing to say,
    begins in lower case and has no full stop, so that it can end a sentence.

    `cells` are the cells that the file admits: the user chooses one where `cell` is None, and may choose another one
    than `cell`. `biases` is whether the layers have biases, None where that is not known. `initial_state` is one of
    INITIAL_STATES. `masking` describes the time steps that the model skips, and is empty where it skips none.
    `assumptions` are conditions of a run of this entry that the file does not state; each is worded like `reason`, and
    inspect, config --from, run, the banner and convert repeat them. `batch_size` is N of a stored initial state, None
    where every sample starts from the same numbers; `load.entries_of` fills it in. `reverse` is whether the only
    direction reads the sequence from its end. `projection_size`, `clip` and `activations` are the keys of a config;
    None where the file does not give them.
    """

    name: str
    cell: str | None = None
    input_size: int | None = None
    hidden_size: int | None = None
    num_layers: int | None = None
    bidirectional: bool | None = None
    dtype: str | None = None
    supported: bool = True
    reason: str = ""
    cells: tuple[str, ...] = ()
    biases: bool | None = None
    initial_state: str = "unknown"
    masking: str = ""
    assumptions: tuple[str, ...] = ()
    batch_size: int | None = None
    reverse: bool = False
    projection_size: int | None = None
    clip: float | None = None
    activations: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Escape the texts of a file, which could break a line, control a terminal, or be invalid Unicode."""
        for name in ("name", "reason", "masking"):
            object.__setattr__(self, name, printable(getattr(self, name)))
        object.__setattr__(self, "assumptions", tuple(map(printable, self.assumptions)))
        assert self.initial_state in INITIAL_STATES

    def to_json(self) -> dict[str, Any]:
        """The entry under the names of its fields."""
        return asdict(self)

    @property
    def directions(self) -> str:
        """The directions as tables of entries show them: forward, backward, both, or "?"."""
        if self.bidirectional is None:
            return "?"
        return "both" if self.bidirectional else "backward" if self.reverse else "forward"

    @property
    def choice(self) -> str:
        """The property of the network that the user chooses by its cell: "activation" or "cell"."""
        return "cell" if len(self.cells) > 1 and self.cells != RNN_CELLS else "activation"

    @property
    def settings(self) -> tuple[str, ...]:
        """The keys of a config that change the cell, such as "clip = 3.0"."""
        keys = {"projection_size": self.projection_size, "clip": self.clip}
        listed = {} if self.activations is None else {"activations": json.dumps(self.activations)}
        return tuple(f"{key} = {value}" for key, value in (keys | listed).items() if value is not None)

    @property
    def leaves_initial_state_open(self) -> bool:
        """Whether the model's own initial state is not in the file, so that the user must choose one."""
        return self.initial_state in ("input", "computed")

    def network(self, cell: str | None = None) -> Network:
        """The network of the entry; `cell` is needed if the file does not name it."""
        inputs, hidden, layers, both = self.input_size, self.hidden_size, self.num_layers, self.bidirectional
        if not self.supported or inputs is None or hidden is None or layers is None or both is None:
            raise InputError(f"{self.name} cannot be run: {self.reason}.")
        chosen = cell or self.cell
        if chosen is None:
            raise InputError(f"{self.name} cannot be run as it is: {self.reason}.")
        admitted = self.cells or (self.cell,)
        if chosen not in admitted:
            allowed = " or ".join(f'"{name}"' for name in admitted)
            raise InputError(f'{self.name} can be run as the cell {allowed}, not as "{chosen}".')
        dtype = "float64" if self.dtype == "float64" else "float32"
        return Network(
            *(chosen, inputs, hidden, layers, both, self.reverse),
            dtype=dtype,
            projection_size=self.projection_size,
            clip=self.clip,
            activations=self.activations,
        )


def widened(array: NDArray[np.generic], dtype: str) -> FloatArray:
    """Values as float32, or as float64 if that is their type; `dtype` is one of DTYPES.

    bfloat16, which numpy has no type for, comes as its bits in uint16.
    """
    if dtype == "bfloat16":
        return (array.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return array.astype(np.float64 if dtype == "float64" else np.float32, copy=False)


def stored_dtype(dtype: str) -> np.dtype[np.generic]:
    """The little-endian type of numbers in a file; that of bfloat16 is uint16, as `widened` takes it."""
    return np.dtype("uint16" if dtype == "bfloat16" else dtype).newbyteorder("<")
