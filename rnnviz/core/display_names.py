"""Displayed names of engines."""

from pathlib import PurePath

from rnnviz.core.engine_spec import is_own, is_recording, recording_name


def display_name(engine: str) -> str:
    """The engine's name, or the file name of a custom step or a recording."""
    if is_recording(engine):
        path, chosen = recording_name(engine)
        return f"{PurePath(path).name}#{chosen}" if chosen else PurePath(path).name
    return PurePath(engine).name if is_own(engine) else engine
