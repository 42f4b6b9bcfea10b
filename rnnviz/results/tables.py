"""A run in words: the verdicts on all of its candidates, and its network."""

from rnnviz.core.config import Config
from rnnviz.core.engine_spec import display_name, is_recording
from rnnviz.core.words import join_words, plural
from rnnviz.text import verdict_details
from rnnviz.text.verdict_details import say
from rnnviz.text.verdict_text import (
    MARKS,
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


# Lower layers import no text, so their classes get it here.
RunResult.as_text, ArrayComparison.as_text = run_in_words, comparison_in_words
