"""The request that is sent to the worker process."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from rnnviz.core.config import Config
from rnnviz.core.inputs import Load

AuditMode: TypeAlias = Literal["off", "auto", "full"]
"""Whether steps are audited: not at all, a sample of a large run, or every one."""


@dataclass(frozen=True)
class RunRequest:
    """One run. `id` grows with every request, so that answers to older requests are recognized and dropped.

    `trusted` names the user's files that may be run: those that the user asked for, not those that a config names.
    """

    id: int
    config: Config
    load: Load
    audit: AuditMode = "auto"
    trusted: frozenset[str] = frozenset()
