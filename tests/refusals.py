"""Refusals of files and configs, each in one sentence."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rnnviz.core.errors import ConfigError, InputError


def refused(read: Callable[..., object], path: Path, *arguments: object) -> str:
    """The sentence that refuses a file, and names it."""
    with pytest.raises(InputError) as caught:
        read(path, *arguments)
    sentence = str(caught.value)
    assert str(path) in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


def refused_key(load: Callable[..., object], *arguments: Any, **keys: Any) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(*arguments, **keys)
    error = caught.value
    assert str(error) == error.sentence
    assert "\n" not in error.sentence
    assert error.sentence.endswith((".", "?"))
    return error


def written(path: Path | str, text: str) -> Path:
    path = Path(path)
    path.write_text(text, encoding="utf-8", newline="")
    return path
