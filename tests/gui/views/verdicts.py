"""Results for the verdict strip, and what is read in it."""

from dataclasses import replace

from PySide6.QtWidgets import QLabel, QToolButton

from rnnviz.core.trace_index import Location
from rnnviz.gui.views.verdict_bar import VerdictBar
from rnnviz.verify.audit import audit
from rnnviz.verify.result import Judgment, RunResult

PLACE = Location(0, 1, 3, 1, 2)
CAUSES = {"no-h2h-bias": "hidden-to-hidden bias missing", "h2h-transposed": "hidden-to-hidden weight transposed"}


def evaluated(result: RunResult, *, coverage: float = 1.0, blind: bool = False, cure: bool = True) -> RunResult:
    """Audited in full, whatever `coverage` says; blind or not by decree."""
    audits = {name: audit(result.inputs, trace, full=True) for name, trace in result.traces.items()}
    audits = {name: replace(a, audited=round(coverage * a.elements)) for name, a in audits.items()}
    diagnoses = {name: (("no-h2h-bias",),) for name, found in audits.items() if found.wrong}
    remedy = replace(result.config, parameters=replace(result.config.parameters, bias="zeros"))
    names = ("h2h-transposed", "no-h2h-bias") if blind else ()
    return replace(
        result, judgment=Judgment(audits, diagnoses, names, CAUSES, remedy=remedy if blind and cure else None)
    )


def button(line: VerdictBar, name: str) -> QToolButton:
    return next(b for b in line.findChildren(QToolButton) if b.accessibleName() == name)


def shown(line: VerdictBar) -> str:
    """Every text that can be seen."""
    return "\n".join(label.text() for label in line.findChildren(QLabel) if label.isVisible())
