"""Names of a trace's arrays in files: recordings, archives of runs, and loss gradients."""

from rnnviz.cells.base import CellSpec

_OVER_TIME = {"h": "hidden", "c": "cell"}
_FINAL = {"h": "state", "c": "cell_state"}


def state_key(symbol: str) -> str:
    """The name of a final state, or of its gradient: "state" of h, "cell_state" of c, "m_state" of another m."""
    return _FINAL.get(symbol, f"{symbol}_state")


def file_names(cell: CellSpec) -> dict[str, str]:
    """The names in a file by those in a trace: "hidden" of "h", "output" of "out", "state" of "state.h", ..."""
    states = [(name, key) for s in cell.state_symbols for name, key in _of_state(s)]
    return dict([states[0], ("out", "output"), *states[1:]])


def _of_state(symbol: str) -> tuple[tuple[str, str], tuple[str, str]]:
    return (symbol, _OVER_TIME.get(symbol, symbol)), (f"state.{symbol}", state_key(symbol))
