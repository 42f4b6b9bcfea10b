"""The cells that a config can name, by their specifications in `rnnviz.cells`."""

from dataclasses import dataclass
from functools import cached_property

from rnnviz.cells import GRU, LSTM, RNN_RELU, RNN_TANH, CellSpec
from rnnviz.cells.graph import Graph, trace
from rnnviz.cells.symbols import equations_of_all_units


@dataclass(frozen=True)
class Gate:
    """One block of H rows in a layer's weights: its symbol in the equations and its activation."""

    symbol: str
    name: str
    activation: str


@dataclass(frozen=True)
class Cell:
    """One kind of recurrent cell.

    G below is the number of gates: a layer's `i2h_weight` has shape (G·H, I), and its rows are the gates' rows in the
    order of `gates`.
    """

    spec: CellSpec

    @property
    def name(self) -> str:
        """Its name in a config."""
        return self.spec.name

    @property
    def title(self) -> str:
        """Its name in words."""
        return self.spec.title

    @property
    def graph(self) -> Graph:
        """The operations of its step."""
        return trace(self.spec)

    @cached_property
    def gates(self) -> tuple[Gate, ...]:
        """The gates in the order of their rows."""
        activations = {name: node.activation for name, node in self.graph.values.items()}
        return tuple(
            Gate(gate.symbol, gate.name, activation.name)
            for gate in self.spec.gates
            if (activation := activations[gate.symbol]) is not None
        )

    @property
    def gate_count(self) -> int:
        """G: how many blocks of H rows the weights have."""
        return len(self.spec.gates)

    @property
    def has_cell_state(self) -> bool:
        """Whether it has c beside h."""
        return "c" in self.spec.state_symbols

    @property
    def state_names(self) -> tuple[str, ...]:
        """("h",), or ("h", "c") for an LSTM."""
        return self.spec.state_symbols

    @cached_property
    def equations(self) -> tuple[str, ...]:
        """The lines of its step, with u = W_i2h x_t + b_i2h and v = W_h2h h_{t-1} + b_h2h."""
        return equations_of_all_units(self.spec)


CELLS: dict[str, Cell] = {spec.name: Cell(spec) for spec in (RNN_RELU, RNN_TANH, LSTM, GRU)}
