"""The named values of a cell over a block of time steps, on values of any type."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, Self, TypeVar

from rnnviz.cells.base import Value
from rnnviz.cells.graph import LEAVES, Graph, Node, Op, apply, evaluate, ordered


class ValueOverTime(Value):
    """A value of every time step of a block (B, ...), or of one of them (...)."""

    @abstractmethod
    def at(self, index: Any) -> Self:
        """Some of the numbers: those of one time step, if `index` is its place."""

    @abstractmethod
    def room(self, steps: int) -> Self:
        """Room for this value at every time step of a block: (B, ...), not yet filled."""

    @abstractmethod
    def put(self, t: int, value: Self) -> None:
        """Fill the room of one time step."""


T = TypeVar("T", bound=ValueOverTime)

_OVER_TIME: frozenset[Op] = frozenset({"u", "v", "state"})
"""The leaves that each time step has its own values of."""


class StepBlock(ABC, Generic[T]):
    """A block of time steps B of one layer in one direction, in the order of time.

    Hidden values are read from a trace, so that no time step waits for another: what depends on them alone is computed
    at once, and kept. A state beside h, such as an LSTM's c, is carried from step to step.
    """

    def __init__(self, graph: Graph, steps: int) -> None:
        """Begin with nothing computed."""
        self.graph, self.steps = graph, steps
        self.known: dict[Node, T] = {}

    @abstractmethod
    def leaf(self, node: Node) -> T:
        """The value of a leaf over time, (B, ...); of a number or a parameter (...)."""

    def narrowed(self, symbol: str, t: int, value: T) -> T:
        """A state that is passed on from step t of the block."""
        return value

    def value(self, node: Node) -> T:
        """A value over time that depends on no carried state."""
        self._compute([node])
        return self.known[node]

    def _compute(self, nodes: Sequence[Node]) -> None:
        self.known = evaluate(nodes, self.leaf, self.known)

    def follow(
        self, carried: Mapping[str, T], names: Sequence[str] = (), *, backward: bool = False
    ) -> tuple[dict[str, T], dict[str, T]]:
        """Compute named values from step to step.

        Parameters
        ----------
        carried:
            The states beside h before the block's first computed step, which is its last time step if `backward`.
        names:
            The named values that are wanted; by default the states.
        backward:
            Whether the last time step is computed first.

        Returns
        -------
        values
            The wanted values over time (B, ...) by name.
        carried
            The states beside h after the last computed step.
        """
        graph, carried = self.graph, dict(carried)
        wanted = {name: graph.values[name] for name in names or graph.cell.state_symbols}
        new = {symbol: graph.values[symbol] for symbol in carried}
        every = ordered([*wanted.values(), *new.values()])
        late = {node for node in every if graph.depends(node, lambda n: n.op == "state" and n.name in carried)}
        read_late = {arg for node in late for arg in node.args}
        at_once = [n for n in every if n not in late and (n in read_late or n in wanted.values()) and len(n.shape) < 2]
        self._compute(at_once)
        known = self.known
        if not carried:
            return {name: known[node] for name, node in wanted.items()}, {}
        loop = [node for node in ordered(new.values()) if node in late and node.op not in LEAVES]
        read = {arg for node in loop for arg in node.args if arg not in late}
        over_time = {node: known[node] for node in read if graph.depends(node, lambda n: n.op in _OVER_TIME)}
        values = {node: known[node] if node in known else self.leaf(node) for node in read if node not in over_time}
        states = {node: node.name for node in late if node.op == "state"}
        # Where a wanted value beside the states reads the previous state itself, that is kept for it.
        stops = {*new.values()} | ({*every} - late)
        again = {node.name for node in _above(wanted.values(), stops) if node.op == "state"}
        before = {symbol: carried[symbol].room(self.steps) for symbol in again}
        after = {symbol: value.room(self.steps) for symbol, value in carried.items()}
        for t in reversed(range(self.steps)) if backward else range(self.steps):
            for node, value in over_time.items():
                values[node] = value.at(t)
            for node, symbol in states.items():
                values[node] = carried[symbol]
            for node in loop:
                values[node] = apply(node, [values[arg] for arg in node.args])
            for symbol, node in new.items():
                if symbol in again:
                    before[symbol].put(t, carried[symbol])
                after[symbol].put(t, values[node])
                carried[symbol] = self.narrowed(symbol, t, values[node])
        final = evaluate(
            list(wanted.values()),
            lambda node: before[node.name] if node.op == "state" and node.name in before else self.leaf(node),
            known | {node: after[symbol] for symbol, node in new.items()},
        )
        return {name: final[node] for name, node in wanted.items()}, carried


def _above(roots: Iterable[Node], stops: set[Node]) -> set[Node]:
    """The nodes on which some others depend, as far as the way there meets no stop."""
    met: set[Node] = set()
    waiting = [node for node in roots if node not in stops]
    while waiting:
        node = waiting.pop()
        met.add(node)
        waiting += [arg for arg in node.args if arg not in stops and arg not in met]
    return met
