"""Users' files: right recurrences in other code than the program's, and the known bugs planted in them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.cases import cases

CASES = cases(__file__)
_CODE, _ACTIVATIONS = CASES["right"], CASES["rnn_activations"]
RIGHT = {
    "rnn_relu": _CODE["rnn"].replace("ACTIVATION", _ACTIVATIONS["relu"]),
    "rnn_tanh": _CODE["rnn"].replace("ACTIVATION", _ACTIVATIONS["tanh"]),
    "lstm": _CODE["lstm"],
    "gru": _CODE["gru"],
}


@dataclass(frozen=True)
class Planted:
    """A user's file that makes a known bug in one way."""

    cell: str
    bug: str
    way: int
    code: str

    def __str__(self) -> str:
        return f"{self.cell}-{self.bug}-{self.way}"

    def written(self, folder: Path) -> Path:
        """The file, under a neutral name."""
        path = folder / "mine.py"
        path.write_text(self.code, encoding="utf-8")
        return path


def planted() -> Iterator[Planted]:
    """Every known bug that a step can make, for every cell that can have it, in every variant."""
    for cell, code in RIGHT.items():
        changes = CASES["planted"][cell.partition("_")[0]]
        if cell.startswith("rnn"):
            own = cell.removeprefix("rnn_")
            others = [[_ACTIVATIONS[own], code] for name, code in _ACTIVATIONS.items() if name != own]
            changes = {**changes, "wrong-activation": others}
        for bug, ways in changes.items():
            for way, (old, new) in enumerate(ways):
                assert old in code, (cell, bug, old)
                yield Planted(cell, bug, way, code.replace(old, new))
