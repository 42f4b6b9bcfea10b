"""Commands that run a known bug as a candidate."""

from dataclasses import replace

from PySide6.QtCore import QObject

from rnnviz.gui.app_state import Session
from rnnviz.gui.document import Document
from rnnviz.gui.jobs.run_control import RunControl


class KnownBugCommands(QObject):
    """Adds a known bug to the candidates, runs, and selects it as the candidate."""

    def __init__(self, session: Session, document: Document, control: RunControl, parent: QObject) -> None:
        super().__init__(parent)
        self._session = session
        self._document = document
        self._control = control

    def compute(self, engine: str) -> None:
        """Run the engine of a known bug. It replaces another known bug among the candidates."""
        # The registry is imported only after the first paint.
        from rnnviz.engines.registry import is_known_bug

        self._session.set_candidate(engine)
        compare = self._session.config.compare
        if engine not in compare.engines:
            others = (name for name in compare.candidates if not is_known_bug(name))
            changed = replace(compare, candidates=(*others, engine))
            name = f"comparing with {engine}"
            self._document.edit(replace(self._session.config, compare=changed), name)
        self._control.run()
