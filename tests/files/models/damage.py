"""Damage done to a file, and what comes of opening it."""

from rnnviz.model.errors import InputError


def damaged(content, rng):
    """The bytes cut, changed at a few places, or with one part in the place of another."""
    kind = rng.integers(3)
    data = bytearray(content)
    if kind == 0:
        return bytes(data[: rng.integers(len(data))])
    if kind == 1:
        for place in rng.integers(len(data), size=rng.integers(1, 9)):
            data[place] = rng.integers(256)
        return bytes(data)
    length = int(rng.integers(1, len(data) // 2))
    source, target = rng.integers(len(data) - length, size=2)
    data[target : target + length] = data[source : source + length]
    return bytes(data)


def outcome_of(path, open_model):
    """Whether a file is read or refused; what is read must be what its entry says."""
    try:
        model = open_model(path)
    except InputError as error:
        # A sentence, in one line.
        assert str(error).endswith(".")  # noqa: PT017 - every other end is a failure of its own
        assert "\n" not in str(error)  # noqa: PT017
        return "refused"
    for entry in model.entries:
        if not entry.supported:
            assert entry.reason
            continue
        network = entry.network(entry.cell or "rnn_tanh")
        try:
            read = model.parameters(entry.name)
        except InputError:
            continue
        assert {name: array.shape for name, array in read.items()} == network.parameter_shapes()
    return "read"
