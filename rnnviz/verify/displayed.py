"""Results whose representations a higher layer provides."""

from collections.abc import Callable
from typing import Any, ClassVar


class Displayed:
    """A result whose arrays are too long for a representation; `rnnviz.text.repr_html` sets its text and HTML."""

    as_text: ClassVar[Callable[[Any], str]] = object.__repr__
    as_html: ClassVar[Callable[[Any], str]] = object.__repr__

    def __repr__(self) -> str:
        return type(self).as_text(self)

    def _repr_html_(self) -> str:
        return type(self).as_html(self)
