"""Tables of a result: rows of the step audit and of tolerances, and the HTML and text of a run in a notebook.

Text and background have the colors of the page, so dark pages stay legible. Only the bar at the verdict is colored, and
the verdict is a word, too.
"""

from collections.abc import Iterable, Sequence
from html import escape

from rnnviz.core.config import Config
from rnnviz.core.engine_spec import display_name, is_recording
from rnnviz.core.words import join_words, plural
from rnnviz.results.columns import COMPARED, DIFFERENCES, FIRST_MISMATCH, MISMATCHES, Column, filled
from rnnviz.text import verdict_details
from rnnviz.text.verdict_details import say
from rnnviz.text.verdict_text import (
    MARKS,
    Text,
    TextPart,
    VerdictWords,
    gradient_words,
    verdict_sentence,
    without_gradients,
)
from rnnviz.verify.compare import ArrayComparison
from rnnviz.verify.result import RunResult
from rnnviz.verify.verdict import AuditVerdict, Verdict

AUDIT_WORDS = {
    AuditVerdict.RIGHT: "no errors",
    AuditVerdict.WRONG: "wrong",
    AuditVerdict.UNDETERMINED: "undetermined",
    AuditVerdict.NOT_AUDITED: "not audited",
}
"""The shown word of each audit verdict."""


def headline(result: RunResult) -> str:
    """How many of several engines are wrong, or of several candidates do not agree; "" where all do."""
    wrong = [engine for engine in result.traces if result.wrong(engine) or result.wrong(engine, "backward")]
    verdict, reference = result.overall_verdict, display_name(result.reference.engine)
    if len(result.comparisons) < 2 or (not wrong and verdict is Verdict.AGREE):
        return ""
    blamed = [engine for engine in wrong if not is_recording(engine)]
    named = blamed or wrong or [c.candidate for c in result.comparisons if result.candidate_verdict(c) is verdict]
    all_of = f"{len(result.traces)} engines" if wrong else f"{len(result.comparisons)} candidates"
    if blamed:
        one, several = "is wrong", "are wrong"
    elif wrong:
        one, several = (f"{differ} from what these weights and this input give" for differ in ("differs", "differ"))
    elif verdict is Verdict.DRIFT:
        one, several = (f"{drift} from {reference}" for drift in ("drifts", "drift"))
    else:
        one, several = (f"{differ} from {reference}" for differ in ("differs", "differ"))
    engines = join_words(map(display_name, named))
    return f"{MARKS[verdict]} {len(named)} of {all_of} {one if len(named) == 1 else several}: {engines}."


def _first(result: RunResult) -> tuple[str, ...]:
    line = headline(result)
    return (line,) if line else ()


def verdicts(result: RunResult) -> list[VerdictWords]:
    """The verdict on each candidate, or on the only engine, the worst first, each before that on its gradients."""
    candidates: list[str | None] = [c.candidate for c in result.by_importance]
    each = ((verdict_sentence(result, name), gradient_words(result, name)) for name in candidates or [None])
    return [words for pair in each for words in pair if words is not None]


def report(result: RunResult) -> str:
    """The verdicts of a run with all details, as the command line prints them."""
    lines = [line for words in verdicts(result) for line in (str(words), *(f"  {note}" for note in words.notes))]
    lacking = () if result.has_gradients else without_gradients(result, tuple(result.traces))
    return "\n".join((*_first(result), *lines, *lacking))


def run_in_words(result: RunResult) -> str:
    lines = map(str, verdicts(result))
    return "\n".join((network_in_words(result.config), *_first(result), *lines, *verdict_details.assumptions(result)))


def comparison_in_words(comparison: ArrayComparison) -> str:
    values = (verdict_details.error_size if comparison.mismatched else verdict_details.values_and_error)(comparison)
    return say(
        "{of}{own.candidate:name} compared with {own.reference:name}: {values}{within}",
        own=comparison,
        of="" if comparison.name == "h" else f"{comparison.name} of ",
        values=values,
        within="" if comparison.mismatched else ", all within the tolerance",
    )


def network_in_words(config: Config) -> str:
    """The network in a line: "lstm: 3 features, 4 units, 2 layers in both directions, float32"."""
    network = config.network
    features, units = plural(network.input_size, "feature"), plural(network.hidden_size, "unit")
    layers = plural(network.num_layers, "layer")
    directions = " in both directions" if network.bidirectional else ", backward" if network.reverse else ""
    return f"{display_name(network.cell)}: {features}, {units}, {layers}{directions}, {network.dtype}"


_COLORS = {Verdict.AGREE: "#2f9e5f", Verdict.DRIFT: "#c98a1b", Verdict.DISAGREE: "#dc4c4c"}
_LINE = "1px solid rgba(128, 128, 128, 0.35)"
_CELL = f"text-align: left; padding: 2px 16px 2px 0; border: 0; border-bottom: {_LINE}; background: none"
_OF_COMPARISONS = (
    COMPARED,
    MISMATCHES,
    Column("Tolerance (atol, rtol)", lambda own: say("{own.atol:full}, {own.rtol:full}", own=own)),
    *DIFFERENCES,
    FIRST_MISMATCH[0],
)
"""The figures of the table of a run in a notebook; a first mismatch adds its own."""


def run_html(result: RunResult) -> str:
    """A run: each candidate's verdict with details, and a table with a column for each."""
    return whole_html([verdict_html(result), figures_html(result.comparisons)])


def comparison_html(comparison: ArrayComparison) -> str:
    sentence = (TextPart(comparison_in_words(comparison)),)
    return whole_html([_bar(comparison.verdict, sentence), figures_html([comparison])])


def verdict_html(result: RunResult) -> str:
    """The network, and each candidate's verdict with details."""
    lines = network_in_words(result.config), *verdict_details.assumptions(result)
    parts = [f"<div>{escape(line)}</div>" for line in lines]
    parts += [f"<div><strong>{escape(line)}</strong></div>" for line in _first(result)]
    for words in verdicts(result):
        listed = "".join(f"<li>{escape(note)}</li>" for note in words.notes)
        parts.append(_bar(words.verdict, words.sentence))
        parts.append(f"<details><summary>Details</summary><ul>{listed}</ul></details>")
    return "".join(parts)


def _bar(verdict: Verdict, sentence: Text) -> str:
    text = "".join(f"<strong>{escape(part.text)}</strong>" if part.strong else escape(part.text) for part in sentence)
    style = f"border-left: 4px solid {_COLORS[verdict]}; padding: 2px 0 2px 8px; margin: 6px 0"
    return f'<div style="{style}">{MARKS[verdict]} {text}</div>'


def figures_html(comparisons: Sequence[ArrayComparison]) -> str:
    """A table with a row for each figure, and a column for each candidate; "" without one."""
    if not comparisons:
        return ""
    corner = f"compared with {display_name(comparisons[0].reference)}"
    head = "".join(_cell("th", name, "col") for name in (corner, *(display_name(c.candidate) for c in comparisons)))
    rows = (
        _cell("th", column.title, "row") + "".join(_cell("td", column.text(own)) for own in comparisons)
        for column in (*_OF_COMPARISONS, *filled(FIRST_MISMATCH[1:], comparisons))
    )
    body = "".join(f'<tr style="background: none">{row}</tr>' for row in rows)
    style = "border-collapse: collapse; border: 0; margin: 6px 0; font-size: inherit; color: inherit"
    return f'<table style="{style}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _cell(tag: str, text: str, scope: str = "") -> str:
    of = f' scope="{scope}"' if scope else ""
    weight = "600" if scope == "col" else "400"
    return f'<{tag}{of} style="{_CELL}; font-weight: {weight}">{escape(text)}</{tag}>'


def whole_html(parts: Iterable[str]) -> str:
    return f'<div style="font-family: sans-serif; color: inherit">{"".join(parts)}</div>'


# Lower layers import no text, so their classes get it here.
RunResult.as_text, RunResult.as_html = run_in_words, run_html
ArrayComparison.as_text, ArrayComparison.as_html = comparison_in_words, comparison_html
