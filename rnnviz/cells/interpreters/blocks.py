"""The named values of a cell over a block of time steps, on values of any type."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Generic, TypeVar

from rnnviz.cells.interpreters.graph import LEAVES, Graph, Node, evaluate, ordered
from rnnviz.frozen import dataclass

T = TypeVar("T")


class StepBlock(ABC, Generic[T]):
    """A block of time steps B of one layer in one direction, in the order of time.

    Hidden values are read from a trace, so that what depends on them alone is computed for all steps at once. A state
    besides h, such as an LSTM's c, is carried from step to step.
    """

    def __init__(self, graph: Graph, steps: int) -> None:
        self.graph, self.steps = graph, steps
        self.known: dict[Node, T] = {}
        self.computed: Mapping[Node, T] = self.known
        """The values over time of the nodes that `follow` met, if all were wanted, from which others follow."""

    @abstractmethod
    def leaf(self, node: Node) -> T:
        """The value of a leaf over time, (B, ...); of a number or a parameter (...)."""

    @abstractmethod
    def apply(self, node: Node, args: Sequence[T]) -> T:
        """The operation of a node on its operands."""

    @abstractmethod
    def room(self, value: T) -> Any:
        """Room for a value (...) at every time step of the block: (B, ...), not yet filled."""

    def narrowed(self, symbol: str, t: int, value: T) -> T:
        """A state that is passed on from step t of the block."""
        return value

    def value(self, node: Node) -> T:
        """A value over time that depends on no carried state."""
        self.known = evaluate([node], self.leaf, self.apply, self.known)
        return self.known[node]

    def follow(
        self, carried: Mapping[str, T], names: Sequence[str] = (), *, backward: bool = False, whole: bool = False
    ) -> tuple[dict[str, T], dict[str, T]]:
        """Compute named values from step to step."""
        carried, values_of = dict(carried), self.graph.values
        plan = _plan(self.graph, tuple(carried), tuple(names or self.graph.cell.state_symbols))
        self.known = known = evaluate(plan.at_once, self.leaf, self.apply, self.known)
        wanted = {name: values_of[name] for name in names or self.graph.cell.state_symbols}
        self.computed = known
        if not carried:
            return {name: known[node] for name, node in wanted.items()}, {}
        values = {node: known[node] if node in known else self.leaf(node) for node in plan.constant}
        before = {symbol: self.room(carried[symbol]) for symbol in (carried if whole else plan.kept)}
        after = {symbol: self.room(value) for symbol, value in carried.items()}
        carried = self._carry(plan, values, carried, before, after, backward=backward)
        new = {symbol: values_of[symbol] for symbol in carried}
        final = evaluate(
            list(wanted.values()),
            lambda node: before[node.name] if node.op == "state" and node.name in before else self.leaf(node),
            self.apply,
            known | {node: after[symbol] for symbol, node in new.items()},
        )
        self.computed = final | {n: before[n.name] for n in self.graph.nodes if n.op == "state" and n.name in before}
        return {name: final[node] for name, node in wanted.items()}, carried

    def _carry(
        self,
        plan: "Plan",
        values: dict[Node, T],
        carried: dict[str, T],
        before: Mapping[str, Any],
        after: Mapping[str, Any],
        *,
        backward: bool,
    ) -> dict[str, T]:
        """Fill the room for the carried states, and return those after the last step; `values` are constants."""
        over_time: dict[Node, Any] = {node: self.known[node] for node in plan.over_time}
        for t in reversed(range(self.steps)) if backward else range(self.steps):
            for node, value in over_time.items():
                values[node] = value[t]
            for node in plan.states:
                values[node] = carried[node.name]
            for node in plan.loop:
                values[node] = self.apply(node, [values[arg] for arg in node.args])
            for symbol, room in before.items():
                room[t] = carried[symbol]
            for symbol, room in after.items():
                value = values[self.graph.values[symbol]]
                room[t] = value
                carried[symbol] = self.narrowed(symbol, t, value)
        return carried


@dataclass(frozen=True)
class Plan:
    """The order of computation for some carried states and wanted values.

    `at_once` depends on no carried state, and is wanted or read by what does. `loop` has the operations of a time step
    that give the new carried states; it reads `states`, which are carried, values of every time step (`over_time`) and
    others (`constant`). `kept` are the states whose previous value is read by what is computed after the loop.
    """

    at_once: list[Node]
    loop: list[Node]
    states: list[Node]
    over_time: list[Node]
    constant: list[Node]
    kept: set[str]


@lru_cache(maxsize=256)
def _plan(graph: Graph, carried: tuple[str, ...], names: tuple[str, ...]) -> Plan:
    wanted = {graph.values[name] for name in names}
    new = {graph.values[symbol] for symbol in carried}
    every = ordered([*wanted, *new])
    late = {node for node in every if graph.depends(node, lambda n: n.op == "state" and n.name in carried)}
    read_late = {arg for node in late for arg in node.args}
    loop = [node for node in ordered(new) if node in late and node.op not in LEAVES]
    # A new state may depend on no carried one.
    read = {arg for node in loop for arg in node.args if arg not in late} | (new - late)
    over_time = [node for node in read if graph.depends(node, lambda n: n.op in ("u", "v", "state"))]
    return Plan(
        at_once=[n for n in every if n not in late and n in wanted | read_late | new and len(n.shape) < 2],
        loop=loop,
        states=[node for node in late if node.op == "state"],
        over_time=over_time,
        constant=[node for node in read if node not in over_time],
        kept={node.name for node in above(wanted, new | ({*every} - late)) if node.op == "state"},
    )


def above(roots: Iterable[Node], stops: set[Node]) -> set[Node]:
    """The nodes on which some others depend, as far as the way there meets no stop."""
    met: set[Node] = set()
    waiting = [node for node in roots if node not in stops]
    while waiting:
        node = waiting.pop()
        met.add(node)
        waiting += [arg for arg in node.args if arg not in stops and arg not in met]
    return met
