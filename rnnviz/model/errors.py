"""The errors that a person can act on: one sentence each, naming the thing, its value and what is allowed.

What they name, such as a path or a key, may come out of a file that somebody else wrote. A sentence stays in its line
and does nothing to a terminal, whatever that is.
"""

from pathlib import Path

_LONGEST_REASON = 200


def printable(text: str) -> str:
    """A text as it can be printed in a line: what is not printable is escaped."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class InputError(ValueError):
    """What the user gave is wrong: a config, a file or a command. Its text is one plain sentence."""

    def __init__(self, sentence: str) -> None:
        super().__init__(printable(sentence))


class ConfigError(InputError):
    """One key of a config is wrong.

    `key` is the dotted key ("network.hidden_size"), so that a window can show the sentence at the field.
    """

    def __init__(self, key: str, sentence: str) -> None:
        super().__init__(sentence)
        self.key = key
        self.sentence = str(self)

    def __reduce__(self) -> tuple[type["ConfigError"], tuple[str, str]]:
        return type(self), (self.key, self.sentence)


def damaged(path: Path, kind: str, why: str) -> InputError:
    """The error of a file that is not what its format says; `why` has no full stop, and is cut where it is long."""
    # What a library says may hold as much of the file as it took for a name.
    said = " ".join(why[: 4 * _LONGEST_REASON].split()).rstrip(".")
    said = said if len(said) <= _LONGEST_REASON else f"{said[:_LONGEST_REASON]} …"
    return InputError(f"{path} is no {kind} file, or a damaged one: {said}.")


class EngineError(RuntimeError):
    """An engine is missing, failed or died. Its text is one plain sentence."""

    def __init__(self, sentence: str) -> None:
        super().__init__(printable(sentence))
