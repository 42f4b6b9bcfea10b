"""Test cases as JUnit XML, which services of continuous integration show."""

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from rnnviz.frozen import dataclass
from rnnviz.io.outputs import write_text

_SUITE = "rnnviz"


@dataclass(frozen=True)
class Case:
    """A test case: it passed if none of the texts says that it failed, could not be run, or was skipped."""

    name: str
    seconds: float = 0.0
    failure: str = ""
    error: str = ""
    skipped: str = ""


def write_junit(path: Path, cases: Sequence[Case]) -> None:
    """Write a suite of test cases. Raises an InputError if the file cannot be written."""
    counts = {
        "tests": len(cases),
        "failures": sum(bool(case.failure) for case in cases),
        "errors": sum(bool(case.error) for case in cases),
        "skipped": sum(bool(case.skipped) for case in cases),
        "time": f"{sum(case.seconds for case in cases):.3f}",
    }
    suites = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(suites, "testsuite", {"name": _SUITE} | {k: str(v) for k, v in counts.items()})
    for case in cases:
        room, _, name = case.name.rpartition(".")
        at = ElementTree.SubElement(
            suite, "testcase", {"classname": f"{_SUITE}.{room}", "name": name, "time": f"{case.seconds:.3f}"}
        )
        for kind in ("failure", "error", "skipped"):
            text = getattr(case, kind)
            if text:
                # Characters that XML cannot hold come from what a program printed.
                shown = "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text)
                ElementTree.SubElement(at, kind, {"message": shown.splitlines()[0]}).text = shown
    ElementTree.indent(suites)
    write_text(path, ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n")
