"""The cache key of a row: a hash of everything that its result depends on."""

import hashlib
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from rnnviz import __version__
from rnnviz.core.config import SECTIONS, Config
from rnnviz.core.engine_spec import engine_file
from rnnviz.core.errors import InputError
from rnnviz.core.regular_file import check_regular
from rnnviz.core.schema import declarations
from rnnviz.engines.registry import find_engine

_MISSING = "missing"


class Identities:
    """Computes keys from config, audit, the content of the files that a config names, and the engines' versions.

    Each file is read once, so that one of these belongs to one start of a sweep.
    """

    def __init__(self, audit: str) -> None:
        self._audit = audit
        self._digest = cache(_digest)
        self._version = cache(_version)

    def of(self, config: Config) -> str:
        """The key of a row."""
        engines = config.compare.engines
        content = {
            "config": config.to_mapping(),
            "audit": self._audit,
            "files": {path: self._digest(path) for path in _files(config)},
            "versions": {"rnnviz": __version__, **{name: self._version(name) for name in engines}},
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _files(config: Config) -> Iterator[str]:
    for name, section in SECTIONS.items():
        for key, config_field in declarations(section).items():
            path = getattr(getattr(config, name), key)
            if config_field.is_path(path):
                yield path
    yield from (path for path in map(engine_file, config.compare.engines) if path is not None)


def _digest(path: str) -> str:
    try:
        check_regular(path)
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, InputError):
        # The row says so itself when it is computed.
        return _MISSING


def _version(engine: str) -> str | None:
    try:
        return find_engine(engine).version
    except InputError:
        return None
