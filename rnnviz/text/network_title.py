"""A network as a title names it."""

from rnnviz.core.config import Network


def network_in_words(network: Network) -> str:
    """ "LSTM, 2 layers, both directions"."""
    directions = "both directions" if network.bidirectional else "backward" if network.reverse else "one direction"
    layers = f"{network.num_layers} layer{'s' * (network.num_layers > 1)}"
    return f"{network.kind.title}, {layers}, {directions}"
