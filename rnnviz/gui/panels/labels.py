"""Labels, choices and placeholders of the settings panel.

A key without an entry is shown by its name.
"""

from rnnviz.cells import CELLS

SECTION_TITLES = {
    "network": "Network",
    "sequence": "Sequence",
    "parameters": "Parameters",
    "initial_state": "Initial state",
    "compare": "Comparison",
}

# Mnemonics are unique; F, E, R, G, V and H belong to the menus.
_LABELS = {
    "network.cell": "&cell",
    "network.input_size": "&input size",
    "network.hidden_size": "hi&dden size",
    "network.num_layers": "la&yers",
    "network.bidirectional": "&bidirectional",
    "network.reverse": "reverse",
    "network.layout": "layo&ut",
    "network.dtype": "dtype",
    "network.projection_size": "projection",
    "sequence.source": "s&ource",
    "sequence.batch_size": "b&atch size",
    "sequence.timesteps": "&time steps",
    "sequence.embedding_path": "embedding file",
    "parameters.initializer": "&weight init",
    "parameters.bias": "bia&s init",
    "parameters.scale": "sca&le",
    "initial_state.source": "initial state",
    "compare.reference": "refere&nce",
    "compare.candidates": "candidates",
}

_CHOICES = {
    "network.cell": {name: cell.title for name, cell in CELLS.items()},
    "network.layout": {"NTC": "NTC, batch first", "TNC": "TNC, time first"},
    "sequence.axes": {"NTI": "NTI, batch first", "TNI": "TNI, time first"},
}
_UNSET = {
    "network.projection_size": "none",
    "network.clip": "none",
    "network.activations": "those of the cell",
    "sequence.array": "the only array",
    "sequence.axes": "NTI (TNI: exported)",
    "sequence.frame": "input size",
    "sequence.tokens": "characters",
    "sequence.vocabulary": "from the text",
    "sequence.unknown": "error",
    "sequence.embedding": "none (one-hot)",
    "sequence.embedding_path": "weights file",
}

FILE_FILTERS = {
    "network.cell": "Custom cells (*.py)",
    "sequence.path": "Sequences (*.npy *.npz *.csv *.wav)",
    "sequence.vocabulary": "Vocabularies (*.txt *.json)",
    "sequence.embedding_path": "Embeddings (*.npy *.npz *.pt *.pth *.safetensors *.params *.onnx *.keras *.h5)",
    "sequence.labels": "Labels (*.txt)",
    "parameters.path": "Weights (*.npz)",
    "initial_state.path": "Initial states (*.npz)",
}


def label(dotted_key: str) -> str:
    """A field's label with its mnemonic, such as "hi&dden"."""
    return _LABELS.get(dotted_key, dotted_key.partition(".")[2].replace("_", " "))


def plain_label(dotted_key: str) -> str:
    """The label without its mnemonic."""
    return label(dotted_key).replace("&", "")


def accessible_name(dotted_key: str) -> str:
    """Accessible name of a field, such as "Sequence: seed"."""
    return f"{SECTION_TITLES[dotted_key.partition('.')[0]]}: {plain_label(dotted_key)}"


def unset_words(dotted_key: str) -> str:
    """Placeholder of an empty optional field."""
    return _UNSET.get(dotted_key, "")


def choice_title(dotted_key: str, choice: str) -> str:
    """Text of a choice."""
    return _CHOICES.get(dotted_key, {}).get(choice, choice)
