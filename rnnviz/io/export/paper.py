"""Options of a figure for a paper, which is drawn by `rnnviz.gui.export.paper`."""

import re
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rnnviz.core.config import Network
from rnnviz.core.errors import InputError
from rnnviz.core.schema import display_value
from rnnviz.core.trace_index import DIRECTIONS, Location
from rnnviz.core.words import suggest
from rnnviz.frozen import dataclass

VIEWS = ("lanes", "units", "error", "histogram", "gradient-flow")
"""The kinds of figures."""
PAPERS = ("print", "light", "dark")
"""The names of the colors."""
ENDINGS = (".pdf", ".svg", ".png")

MM = 7200 / 254
"""Tenths of a point in a millimeter."""
_UNITS = {"mm": MM, "cm": 10 * MM, "in": 720.0, "pt": 10.0, "px": 7.5}
_LENGTH = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([a-z]+)\s*")


@dataclass(frozen=True)
class PaperFigure:
    """Content and size of a figure, in tenths of a point.

    `times` are the shown time steps, None for all. `dashes` come before an option in sentences about it.
    """

    view: str = "lanes"
    width: float = 85 * MM
    height: float | None = None
    quantity: str | None = None
    engine: str | None = None
    theme: str = "print"
    resolution: int = 300
    title: str = ""
    caption: str = ""
    legend: bool = True
    times: range | None = None
    where: Location | None = None
    dashes: str = ""

    def refused(self, option: str, allowed: str, got: object, hint: str = "") -> InputError:
        return InputError(f"{self.dashes}{option} must be {allowed} (got {display_value(got)}).{hint}")

    def chosen(self, option: str, choices: tuple[str, ...], got: str) -> None:
        if got not in choices:
            raise self.refused(option, f"one of {', '.join(choices)}", got, suggest(got, choices))


def paper_figure(path: Path, width: str = "85mm", height: str | None = None, **options: Any) -> PaperFigure:
    """Check the options of a figure, and that it can be drawn here; a length has a unit: mm, cm, in, pt or px."""
    figure = PaperFigure(**options)
    if find_spec("PySide6") is None:
        raise InputError('A figure is drawn by PySide6, which is not installed: run pip install "rnnviz[window]".')
    if path.suffix.lower() not in ENDINGS:
        name = "-o" if figure.dashes else "path"
        raise InputError(f"{name} must end in .pdf, .svg or .png (got {display_value(str(path))}).")
    figure.chosen("view", VIEWS, figure.view)
    figure.chosen("theme", PAPERS, figure.theme)
    if not 72 <= figure.resolution <= 1200:
        raise figure.refused("resolution", "from 72 to 1,200", figure.resolution)
    sides = {"width": width} | ({} if height is None else {"height": height})
    lengths: dict[str, Any] = {name: _length(figure, name, text) for name, text in sides.items()}
    return replace(figure, **lengths)


def _length(figure: PaperFigure, option: str, text: str) -> float:
    found = _LENGTH.fullmatch(text)
    if found is None or found[2] not in _UNITS:
        raise figure.refused(option, "a length such as 85mm, 3.3in or 1000px", text)
    length = float(found[1]) * _UNITS[found[2]]
    if not 30 * MM <= length <= 1000 * MM + 0.5:
        raise figure.refused(option, "from 30 mm to 1,000 mm", text)
    return length


def figure_place(network: Network, layer: int, direction: str | None, sample: int, unit: int) -> Location:
    backward = int(direction == DIRECTIONS[1] and network.bidirectional)
    return Location(layer, backward, 0, sample, unit, reverse=network.reverse)
