"""Engine names: the user's code by its path, exec:COMMAND of a program, recording:FILE, model:FILE, bug:NAME, and
unknown:DIGEST of a bug in a quiz."""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import PurePath
from typing import NamedTuple

from rnnviz.core.errors import printable

RECORDING, MODEL, CODE, UNKNOWN, EXEC, LIBRARY = "recording:", "model:", ".py", "unknown:", "exec:", "lib:"

UNKNOWN_ENGINE = "unknown engine"
"""The display name of an engine whose known bug a quiz asks for."""

CAPTURE = ".capture.npz"
"""The ending of the archives in captures, which are shown by the names of the recorded layers. The ending of the
framework's model files is before it."""

_OF_CAPTURE = re.compile(rf"(\.(pt|params|keras|onnx))?{re.escape(CAPTURE)}$")
_CHOSEN = re.compile(r"(?P<path>.*?\.(npz|csv|rnnviz))#(?P<engine>.+)", re.DOTALL | re.IGNORECASE)
_ENTRY = re.compile(r"(?P<path>.*?\.\w+)#(?P<entry>.+)", re.DOTALL)


class RecordingName(NamedTuple):
    """Name of a recording: its file, and `engine`, whose arrays to read; "" where the file has one engine's only."""

    path: str
    engine: str = ""

    def __str__(self) -> str:
        return f"{RECORDING}{self.path}#{self.engine}" if self.engine else f"{RECORDING}{self.path}"


class ModelName(NamedTuple):
    """Name of the manual engine with other weights: their file, and the `entry` there; "" for its only one."""

    path: str
    entry: str = ""

    def __str__(self) -> str:
        return f"{MODEL}{self.path}#{self.entry}" if self.entry else f"{MODEL}{self.path}"


def is_own(name: str) -> bool:
    """Whether the name of an engine or a cell is the path of a user's file of code."""
    return name.endswith(CODE) and not name.startswith((RECORDING, MODEL, EXEC, LIBRARY))


def is_recording(name: str) -> bool:
    return name.startswith(RECORDING)


def has_weights(name: str) -> bool:
    """Whether the engine computes with the weights of another file than the config's."""
    return name.startswith(MODEL)


def is_program(name: str) -> bool:
    """Whether the engine is a program of the user, run by a command, or a shared library."""
    return name.startswith((EXEC, LIBRARY))


def is_users(name: str) -> bool:
    """Whether the engine is the user's implementation: a custom step, a program or a library, or what one recorded."""
    return is_own(name) or is_program(name) or is_recording(name)


def is_library(name: str) -> bool:
    return name.startswith(LIBRARY)


def command_of(name: str) -> str:
    """The command of a program, or the path of a library."""
    return name.removeprefix(EXEC).removeprefix(LIBRARY)


def is_unknown(name: str) -> bool:
    """Whether the name refers to a known bug that a quiz asks for."""
    return name.startswith(UNKNOWN)


def recording_name(name: str) -> RecordingName:
    rest = name.removeprefix(RECORDING)
    chosen = _CHOSEN.fullmatch(rest)
    return RecordingName(rest) if chosen is None else RecordingName(chosen["path"], chosen["engine"])


def model_name(name: str) -> ModelName:
    rest = name.removeprefix(MODEL)
    chosen = _ENTRY.fullmatch(rest)
    return ModelName(rest) if chosen is None else ModelName(chosen["path"], chosen["entry"])


_AT_PLACE = re.compile(r"bug:[^@]*@.*", re.DOTALL)


def listed_engines(text: str) -> tuple[str, ...]:
    """The engines of a list with commas, which the place of a bug has, too: "bug:no-h2h-bias@layer=1,gate=n"."""
    names: list[str] = []
    for piece in (part.strip() for part in text.split(",")):
        if names and _AT_PLACE.fullmatch(names[-1]) and re.fullmatch(r"[a-z]+=.*", piece):
            names[-1] += f",{piece}"
        else:
            names.append(piece)
    return tuple(names)


def engine_file(name: str) -> str | None:
    """Path of a file engine, else None."""
    if is_recording(name):
        return recording_name(name).path
    if has_weights(name):
        return model_name(name).path
    if is_library(name):
        return command_of(name)
    return name if is_own(name) else None


def with_file(name: str, change: Callable[[str], str]) -> str:
    """The name with another path in it, if it has one."""
    if is_recording(name):
        recording = recording_name(name)
        return str(recording._replace(path=change(recording.path)))
    if has_weights(name):
        model = model_name(name)
        return str(model._replace(path=change(model.path)))
    if is_library(name):
        return f"{LIBRARY}{change(command_of(name))}"
    return change(name) if is_own(name) else name


BACKWARD = ".backward"
"""The end of the name of the time that an engine's backward pass takes, such as "gluon.backward"."""


def display_name(engine: str) -> str:
    """The engine's name, the file of a custom step or recording, a capture's layer; a time keeps ".backward"."""
    if engine.endswith(BACKWARD):
        return display_name(engine.removesuffix(BACKWARD)) + BACKWARD
    if is_unknown(engine):
        return UNKNOWN_ENGINE
    if is_recording(engine) or has_weights(engine):
        path, chosen = model_name(engine) if has_weights(engine) else recording_name(engine)
        name = _OF_CAPTURE.sub("", PurePath(path).name)
        return printable(f"{name}#{chosen}" if chosen else name)
    if engine_file(engine):
        return printable(PurePath(command_of(engine)).name)
    words = (PurePath(word).name if PurePath(word).is_absolute() else word for word in command_of(engine).split(" "))
    return printable(" ".join(words) if is_program(engine) else engine)


def distinct_names(engines: Iterable[str]) -> dict[str, str]:
    """The display name of each engine; files of the same name also have their folders, as far as they differ."""
    names = {engine: display_name(engine) for engine in engines}
    depth = max((len(PurePath(engine_file(engine) or "").parts) for engine in names), default=0)
    for parts in range(2, depth + 1):
        taken = Counter(names.values())
        names = {engine: name if taken[name] == 1 else _tail(engine, parts) for engine, name in names.items()}
    taken = Counter(names.values())
    return {engine: name if taken[name] == 1 else printable(engine) for engine, name in names.items()}


def _tail(engine: str, parts: int) -> str:
    """The display name with the last folders of its path; `parts` counts the file, too."""
    tail = with_file(engine, lambda path: "/".join(PurePath(path).parts[-parts:]))
    return printable(tail.removeprefix(RECORDING).removeprefix(MODEL).removeprefix(LIBRARY))
