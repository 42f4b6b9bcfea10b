"""A picture in a report."""

from base64 import b64encode
from dataclasses import dataclass

LANES_IN_WORDS = "Every hidden value as a color: a lane for each layer and direction, and time from left to right."
"""The text alternative of a picture of the lanes."""


@dataclass(frozen=True)
class ReportPicture:
    """`png` is a PNG file's bytes, and `dark_png` the same drawn for a dark page, if there is one.

    `caption` is the text below it, and `description` its text alternative. It is shown `width` pixels wide,
    or as wide as the page.
    """

    caption: str
    description: str
    width: int
    png: bytes
    dark_png: bytes | None = None

    @property
    def source(self) -> str:
        """The picture as an address that holds it."""
        return _data_uri(self.png)

    @property
    def dark_source(self) -> str | None:
        """The same of the dark one."""
        return None if self.dark_png is None else _data_uri(self.dark_png)


def _data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{b64encode(png).decode('ascii')}"
