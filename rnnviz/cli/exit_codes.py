"""Exit codes."""

from typing import TypeAlias

Answer: TypeAlias = tuple[int, str]
"""The exit code of a command, and its text for standard output, which is written last."""

AGREE, DISAGREE, WRONG_INPUT, ENGINE_FAILED, INTERRUPTED = 0, 1, 2, 3, 130
