"""Names of a trace's arrays in files: recordings, archives of runs, and loss gradients."""

from itertools import chain

from rnnviz.cells.base import CellSpec

_OVER_TIME = {"h": "hidden", "c": "cell"}
_FINAL = {"h": "state", "c": "cell_state"}


def state_key(symbol: str) -> str:
    """The name of a final state, or of its gradient: "state" of h, "cell_state" of c, "m_state" of another m."""
    return _FINAL.get(symbol, f"{symbol}_state")


def file_names(cell: CellSpec) -> dict[str, str]:
    """The names in a file by those in a trace: "hidden" of "h", "output" of "out", "state" of "state.h", ..."""
    of_states = (((s, _OVER_TIME.get(s, s)), (f"state.{s}", state_key(s))) for s in cell.state_symbols)
    first, *others = chain.from_iterable(of_states)
    return dict([first, ("out", "output"), *others])
