"""What an engine is called where people read it."""

from pathlib import PurePath


def shown_name(engine: str) -> str:
    """The engine's name; of a user's recurrence, which is named by its path, the file's."""
    return PurePath(engine).name if engine.endswith(".py") else engine
