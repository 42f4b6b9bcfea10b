"""Writing a run as an HTML file that needs nothing beside it: no script, no font, no network."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.io.atomic import atomic_write
from rnnviz.io.config_toml import dump_config
from rnnviz.io.export.json_summary import versions
from rnnviz.io.export.png import ReportPicture
from rnnviz.io.export.report.error_chart import error_chart
from rnnviz.io.export.report.tables import ALLOWED_BOUNDS, audit_rows, comparison_rows, first_disagreement
from rnnviz.io.resources import resource_path
from rnnviz.text.config_diff import network_in_words
from rnnviz.text.verdict_text import verdict_sentence
from rnnviz.verify.result import RunResult

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
"""Characters that HTML does not permit; names and program output may contain them."""
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

_OPEN_ROWS = 40
"""Tables of terms with more rows than these are closed until they are clicked."""


def write_report(result: RunResult, path: Path, pictures: Sequence[ReportPicture] = ()) -> int:
    """Write the HTML report of a run, with pictures of its network, and return the size of the file in bytes."""
    content = report_html(result, pictures, datetime.now(UTC)).encode("utf-8", "backslashreplace")
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)
    return len(content)


def report_html(result: RunResult, pictures: Sequence[ReportPicture], written: datetime) -> str:
    """The report as text: every value in it is escaped by the template's environment."""
    verdicts = [verdict_sentence(result, comparison.candidate) for comparison in result.comparisons]
    return (
        _environment()
        .get_template("report.html")
        .render(
            title=_title(result),
            written=written,
            verdict=result.verdict,
            verdicts=[(str(words), words) for words in verdicts],
            pictures=pictures,
            reference=display_name(result.reference.engine),
            candidates=[display_name(c.candidate) for c in result.comparisons],
            comparison=comparison_rows(result),
            charts=[error_chart(result, comparison) for comparison in result.comparisons],
            audits=audit_rows(result),
            allowed=ALLOWED_BOUNDS,
            checks=[(display_name(check.engine), check) for check in result.checks],
            arithmetics=[(display_name(c.candidate), first_disagreement(result, c)) for c in result.comparisons],
            open_rows=_OPEN_ROWS,
            printed=[(display_name(engine), text) for engine, text in result.printed.items()],
            sources=[(display_name(path), text) for path, text in result.sources.items()],
            config=dump_config(result.config),
            versions={display_name(name): version for name, version in versions(result).items()},
            seconds={display_name(name): number_format.duration(seconds) for name, seconds in result.seconds.items()},
        )
    )


def _title(result: RunResult) -> str:
    """The network in words, after the name of its model file if it has one."""
    network, path = network_in_words(result.config.network), result.config.parameters.path
    return network if path is None else f"{Path(path).name}: {network}"


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(resource_path("report")),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_allowed,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _allowed(value: Any) -> Any:
    """The text without characters that HTML forbids; markup of the template is unchanged."""
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return _FORBIDDEN.sub(_REPLACEMENT, value)
