"""What a session holds, and what each of it may be."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from rnnviz.analysis.lane_quantities import Quantity
from rnnviz.analysis.ordering import ORDERS
from rnnviz.model.config import Config
from rnnviz.model.fields import LARGEST_SIZE, declared
from rnnviz.model.location import Location

ENDING = ".rnnviz"
_PLACE = {"minimum": 0, "maximum": LARGEST_SIZE}
_SHARE = {"minimum": 0.0, "maximum": 1.0, "optional": True}


@dataclass(frozen=True)
class Look:
    """What the window shows of a run, and how it is arranged. None: as a new window does it.

    The part of the lanes in view is `span` columns of time from `start` on, of lanes that are `zoom` times as tall as
    when all of them fit and scrolled by `scroll` pixels. Of each divided part of the window the share of its first half
    is given, `width` and `height` are the window's in pixels.
    """

    layer: int = declared("int", "The cursor's layer.", 0, **_PLACE)
    direction: int = declared("int", "0 is forward, 1 backward.", 0, minimum=0, maximum=1)
    timestep: int = declared("int", "The cursor's timestep.", 0, **_PLACE)
    sample: int = declared("int", "The cursor's sample.", 0, **_PLACE)
    unit: int = declared("int", "The cursor's unit.", 0, **_PLACE)
    colours: str = declared("choice", "What the lanes show.", "value", choices=get_args(Quantity))
    order: str = declared("choice", "The order of the units.", "index", choices=tuple(ORDERS))
    engine: str | None = declared("text", "Whose values are drawn.", None, optional=True)
    candidate: str | None = declared("text", "Who is held against the reference.", None, optional=True)
    swiping: bool = declared("bool", "Whether two engines share the lanes.", False)
    start: float | None = declared("float", "The first column of time in view.", None, optional=True)
    span: float | None = declared("float", "How many columns of time are in view.", None, above=0.0, optional=True)
    zoom: float | None = declared("float", "How tall the lanes are.", None, above=0.0, optional=True)
    scroll: float | None = declared("float", "How far the lanes are scrolled.", None, minimum=0.0, optional=True)
    tab: str | None = declared("text", "The view in front.", None, optional=True)
    whole: float | None = declared("float", "The share of the left column.", None, **_SHARE)
    upper: float | None = declared("float", "The share above the tabs.", None, **_SHARE)
    middle: float | None = declared("float", "The share of the lanes.", None, **_SHARE)
    side: float | None = declared("float", "The share of the vector.", None, **_SHARE)
    width: int | None = declared("int", "The window's width.", None, minimum=1, maximum=100_000, optional=True)
    height: int | None = declared("int", "The window's height.", None, minimum=1, maximum=100_000, optional=True)

    @property
    def location(self) -> Location:
        """The cursor."""
        return Location(self.layer, self.direction, self.timestep, self.sample, self.unit)


@dataclass(frozen=True)
class Document:
    """Where the config came from: what it is called, and the user's file, if it was in one and that is to be known."""

    title: str = declared("text", "What the window calls the config.")
    path: str | None = declared("path", "The user's file.", None, optional=True)
    modified: bool = declared("bool", "Whether the config is another one than that file's.", False)


@dataclass(frozen=True)
class StoredFile:
    """A file, or a folder, that the config names.

    `path` is what stands in the stored config: where a copy is in the archive, or how the file is reached from the
    session's folder. `absolute` is where it was when the session was written, and is given of a reference alone.
    """

    path: str = declared("path", "How the stored config names it.")
    copied: bool = declared("bool", "Whether the session holds a copy.", False)
    absolute: str | None = declared("path", "Where it was.", None, optional=True)


@dataclass(frozen=True)
class SavedSession:
    """One session; the paths in the config are absolute. `unpacked` is the folder of the copies, if there are any.

    `choices` are what was chosen in single views, in the views' own words, by the views' titles.
    """

    config: Config
    document: Document
    look: Look = field(default_factory=Look)
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unpacked: Path | None = None
