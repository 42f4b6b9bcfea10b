"""Edits of a config as the window's menus name them, and the keys that they change."""

from collections import Counter
from pathlib import PurePath
from typing import Any

from rnnviz.core.config import SECTIONS, Config
from rnnviz.core.schema import declarations
from rnnviz.core.words import join_words

_TIMES_USED = Counter(key for section in SECTIONS.values() for key in declarations(section))
_FOLLOWING = {"network.input_size", "sequence.batch_size", "sequence.timesteps"}
_LONGEST, _NAMED = 20, 3


def changed_keys(wanted: Config, present: Config) -> tuple[str, ...]:
    before, after = wanted.to_mapping(), present.to_mapping()
    return tuple(
        f"{section}.{key}"
        for section in SECTIONS
        for key in dict.fromkeys((*before.get(section, ()), *after.get(section, ())))
        if getattr(getattr(wanted, section), key) != getattr(getattr(present, section), key)
    )


def edit_in_words(old: Config, new: Config) -> str:
    """The change as a menu names it: "hidden size 10 → 12"; of several keys only their names."""
    changed = changed_keys(old, new)
    # The sizes of a text follow from it and are not a separate change.
    keys = [key for key in changed if key not in _FOLLOWING] if len(changed) > 1 else list(changed)
    if len(keys) == 1:
        section, _, key = keys[0].partition(".")
        kind = declarations(SECTIONS[section])[key].kind
        before, after = (_short(getattr(getattr(config, section), key), kind) for config in (old, new))
        return f"{_key_in_words(keys[0])} {before} → {after}"
    if not keys or len(keys) > _NAMED:
        return f"{len(changed)} changes"
    return join_words(map(_key_in_words, keys))


def _key_in_words(dotted: str) -> str:
    """ "hidden size"; with the section's name where another has a key of that name: "sequence seed"."""
    section, _, key = dotted.partition(".")
    words = key.replace("_", " ")
    return words if _TIMES_USED[key] == 1 else f"{section.replace('_', ' ')} {words}"


def _short(value: Any, kind: str) -> str:
    """A value in few characters; of a path the file's name."""
    if value is None and kind == "names":
        return "default"
    if value in (None, ()):
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if kind == "texts":
        return _cut(" | ".join(value))
    if kind in ("names", "paths"):
        return _cut(", ".join(PurePath(name).name for name in value))
    if kind == "path":
        return _cut(PurePath(value).name or value)
    return _cut(" ".join(str(value).split()))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
