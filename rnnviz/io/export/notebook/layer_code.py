"""One layer in one direction with NumPy: its first steps spelled out, then every step of every sample."""

from collections.abc import Iterator
from dataclasses import dataclass

from rnnviz.cells.interpreters.symbols import code_lines
from rnnviz.core.config import Network
from rnnviz.core.trace_index import ARROWS, DIRECTIONS
from rnnviz.io.export.notebook.cell_code import state_variables
from rnnviz.io.export.notebook.expected import Recorded
from rnnviz.io.export.notebook.ipynb import NotebookCell, assignment, code, prose

_SPELLED_OUT = 2
"""How many steps get a separate cell: the one from the initial state, and one from a previous step."""


@dataclass(frozen=True)
class Lane:
    """A layer and a direction, under the names that the notebook gives their arrays."""

    network: Network
    layer: int
    direction: int

    @property
    def side(self) -> str:
        """As Gluon's names of parameters begin: "l0", "r1"."""
        return f"{'lr'[self.direction]}{self.layer}"

    @property
    def backward(self) -> bool:
        """Whether it reads the sequence from its end."""
        return self.network.backward(self.direction)

    @property
    def row(self) -> int:
        """Its index in a state: layer·D + direction."""
        return self.layer * self.network.directions + self.direction

    @property
    def on_top(self) -> bool:
        """Whether its hidden states are part of out."""
        return self.layer == self.network.num_layers - 1

    def timestep(self, step: int) -> str:
        """The time step of its first step, 0, or of a later one."""
        return f"T - {step + 1}" if self.backward else str(step)

    @property
    def last(self) -> str:
        """The time step at which it ends."""
        return "0" if self.backward else "T - 1"

    @property
    def name(self) -> str:
        """ "layer 0, forward"."""
        return f"layer {self.layer}, {DIRECTIONS[self.backward]}"

    @property
    def part_of_out(self) -> str:
        """Its part of out's last axis, as an index after the others."""
        if self.network.directions == 1:
            return ""
        return f"[{self.units}:]" if self.direction else f"[:{self.units}]"

    @property
    def units(self) -> str:
        """The name of the number of units of h: "P" with a projection."""
        return units_name(self.network)


def units_name(network: Network) -> str:
    """ "H", or "P" of an LSTM with a projection."""
    return network.kind.states[0].size


def lanes_of(network: Network) -> list[Lane]:
    """Every lane in the order of computation."""
    return [Lane(network, k, d) for k in range(network.num_layers) for d in range(network.directions)]


def lane_cells(lane: Lane, timesteps: int, known: Recorded) -> Iterator[NotebookCell]:
    """Compute a lane with NumPy; compare it with Gluon's output, and below the top layer with the run."""
    yield prose(
        f"## Layer {lane.layer}, {DIRECTIONS[lane.backward]} {ARROWS[lane.backward]}",
        f"It reads {_read(lane)}, from $t = {lane.timestep(0)}$ to $t = {lane.last}$.",
    )
    for step in range(min(timesteps, _SPELLED_OUT)):
        before = "the initial state" if step == 0 else f"the state at $t = {lane.timestep(step - 1)}$"
        yield prose(f"### $t = {lane.timestep(step)}$", f"From {before}, for sample 0.")
        yield code(*_spelled_step(lane, step))
    yield prose("### Every step", "The same for every sample.")
    yield code(*_every_step(lane))
    final = lane.network.kind.state_symbols
    yield prose(
        f"> NOTE: the final state is the last computed hidden state, at $t = {lane.last}$"
        + (", and for an LSTM its cell state." if lane.network.kind.has_cell_state else ".")
    )
    held = "compare" if known.insists_on_gluon else "print_difference"
    yield code(
        f"print(h_{lane.side}[{lane.last}][0])  # NumPy",
        f"print(state[0][{lane.row}][0])  # Gluon",
        *(
            f"{held}('final {name} of {lane.name}', {_final(lane, name)}, state[{place}][{lane.row}])"
            for place, name in enumerate(final)
        ),
    )
    if not lane.on_top:
        yield prose("Gluon returns only the final state of a layer below the top. The run has every hidden state.")
        yield code(
            assignment(f"recorded_{lane.side}", known.trace.hidden[lane.layer, lane.direction]),
            f"{'compare' if known.insists else 'print_difference'}("
            f"'h of {lane.name}', h_{lane.side}, recorded_{lane.side})",
        )


def _read(lane: Lane) -> str:
    if lane.layer == 0:
        return "`dat`"
    below = "both directions" if lane.network.directions == 2 else "the hidden states"
    return f"{below} of layer {lane.layer - 1}"


def _final(lane: Lane, name: str) -> str:
    return f"h_{lane.side}[{lane.last}]" if name == "h" else f"{name}_{lane.side}"


def _spelled_step(lane: Lane, step: int) -> Iterator[str]:
    at = lane.timestep(step)
    yield f"x = x{lane.layer}[{at}][0]"
    if step == 0:
        states = lane.network.kind.state_symbols
        initial = ", ".join(f"initial_state[{place}][{lane.row}][0]" for place in range(len(states)))
        yield f"{', '.join(states)} = {initial}"
    yield from code_lines(lane.network.kind, f"{lane.side}_")
    yield "print(h)  # NumPy"
    if lane.on_top:
        index = f"[0][{at}]" if lane.network.layout == "NTC" else f"[{at}][0]"
        yield f"print(out{index}{lane.part_of_out})  # Gluon"


def _every_step(lane: Lane) -> Iterator[str]:
    states = state_variables(lane.network.kind)
    initial = ", ".join(f"initial_state[{k}][{lane.row}]" for k in range(len(lane.network.kind.state_symbols)))
    parameters = ", ".join(f"{lane.side}_{kind}" for kind in lane.network.kind.initializers())
    yield f"h_{lane.side} = np.zeros((T, N, {lane.units}), {lane.network.dtype!r})"
    yield f"{states} = {initial}"
    yield f"for t in {'reversed(range(T))' if lane.backward else 'range(T)'}:"
    yield f"    {states} = step(x{lane.layer}[t], {states}, {parameters})"
    yield f"    h_{lane.side}[t] = h"
    for symbol in lane.network.kind.state_symbols[1:]:
        yield f"{symbol}_{lane.side} = {symbol}"
