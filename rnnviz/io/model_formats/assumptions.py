"""The assumptions under which an entry of a model file is run or converted, as clauses that end a sentence."""

from rnnviz.core.config import Config
from rnnviz.io.model_formats.rnn_entry import Entry

_OPEN = {
    "input": "the caller of the model gives its initial state",
    "computed": "another part of the model computes its initial state",
}


def open_state(entry: Entry) -> str:
    """Where the model's own initial state comes from, for an entry that leaves it open."""
    return "; ".join(entry.assumptions) or _OPEN[entry.initial_state]


def of_weights(entry: Entry, config: Config) -> tuple[str, ...]:
    """The assumptions of the weights alone, as they are converted."""
    stored = entry.initial_state == "stored"
    return (
        *_of_network(entry, config),
        *(["the initial state that the model file stores is not written"] if stored else []),
    )


def of_run(entry: Entry, config: Config) -> tuple[str, ...]:
    """The assumptions of a run of `config`, whose parameters are those of the entry."""
    source, clauses = config.initial_state, list(_of_network(entry, config))
    used = {"zeros": "zeros", "normal": "random numbers"}.get(source.source, f"the numbers in {source.path}")
    if entry.initial_state == "stored" and source.path != config.parameters.path:
        clauses.append(f"the model file stores an initial state, and the run starts from {used} instead")
    elif entry.leaves_initial_state_open:
        if not entry.assumptions:
            clauses.append(_OPEN[entry.initial_state])
        clauses.append(f"the run starts from {used} instead of the model's own initial state")
    return tuple(clauses)


def _of_network(entry: Entry, config: Config) -> tuple[str, ...]:
    # The reason of an entry without a cell asks for the choice that was made.
    chosen = f"the file does not say the {entry.choice}: {config.network.cell} was chosen"
    assumption = entry.reason if entry.cell == config.network.cell else chosen
    return tuple(dict.fromkeys(clause for clause in (assumption, *entry.assumptions) if clause))
