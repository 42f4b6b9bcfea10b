"""Where a trail ends: what is said of a number that no step computed, word for word."""

from dataclasses import replace
from typing import Any

import pytest

from rnnviz.core.axis_labels import UNNAMED, Names
from rnnviz.explain.provenance import InitialPlace, InputPlace, InputSource, origin
from tests.explain.arithmetics import tidy_result

INPUTS = tidy_result(cell="lstm", num_layers=2, bidirectional=True).inputs
X = InputPlace(1, 0, 2)
WORDS = {"source": "text", "text": "to be or", "tokens": "words"}
LETTERS = Names(tuple("abca"), tuple("abc"))


def found(place: InputPlace | InitialPlace, names: Names = UNNAMED, **sections: dict[str, Any]) -> InputSource:
    """The origin for this source in the config, without its file."""
    changes = {name: replace(getattr(INPUTS.config, name), **fields) for name, fields in sections.items()}
    return origin(replace(INPUTS, config=replace(INPUTS.config, **changes), names=names), place)


@pytest.mark.parametrize(
    ("source", "names", "words"),
    [
        ({"seed": 7}, UNNAMED, "It was drawn from the standard normal distribution, seed 7."),
        ({"source": "uniform", "seed": 8}, UNNAMED, "It was drawn uniformly from between -1 and 1, seed 8."),
        ({"source": "impulse"}, UNNAMED,
         "x is an impulse: 1 at t = 0 in feature n mod I of sample n, and 0 elsewhere."),
        ({"source": "sine"}, UNNAMED, "x is a wave: feature i of sample n is sin(2π (i + 1) t / 32 + 2π n / N)."),
        ({"source": "file", "path": "/far/away/x.npy"}, UNNAMED, "It was read from the file x.npy."),
        ({"source": "text", "text": "abca"}, LETTERS,
         'At t = 1 the text has "b", and feature 2 stands for "c": so it is 0.'),
        ({"source": "text", "text": "acca"}, LETTERS,
         'At t = 1 the text has "c", and feature 2 stands for "c": so it is 1.'),
        ({"source": "text", "text": "axca", "unknown": "c"}, LETTERS,
         'At t = 1 the text has "x", read as "c", and feature 2 stands for "c": so it is 1.'),
        ({"source": "text", "text": "abca", "unknown": "c"}, LETTERS,
         'At t = 1 the text has "b", and feature 2 stands for "c": so it is 0.'),
        ({**WORDS, "embedding": "emb.weight"}, UNNAMED,
         'At t = 1 the text has "be", and this is element 2 of its row in emb.weight.'),
        ({**WORDS, "embedding_path": "/far/away/e.npy"}, UNNAMED,
         'At t = 1 the text has "be", and this is element 2 of its row in e.npy.'),
        ({**WORDS, "embedding_path": "/far/away/a.npz", "embedding": "e", "unknown": "<unk>"}, UNNAMED,
         (
             'At t = 1 the text has "be", and this is element 2 of its row, '
             'or that of "<unk>" if the vocabulary lacks it, in e.'
         )),
    ],
)  # fmt: skip
def test_a_number_of_the_sequence_has_its_source(source: dict[str, Any], names: Names, words: str) -> None:
    said = found(X, names, sequence=source)
    assert said.heading == "This is the input: no step computed it."
    assert (said.place, said.value) == (X, INPUTS.sequence[1, 0, 2])
    assert said.sentences[1:] == (words,)


def test_a_number_of_the_sequence_is_called_by_its_indices_and_names() -> None:
    plain, named = found(X), found(X, Names(("Mon", "Tue"), ("open", "", "close")))
    assert (plain.name, plain.sentences[0]) == ("x[t=1, i=2]", "Feature 2 of x at t = 1, sample 0.")
    assert (named.name, named.sentences[0]) == (
        'x[t=1, i="close"]',
        "Feature 2 'close' of x at t = 1 'Tue', sample 0.",
    )


@pytest.mark.parametrize("state", ["h", "c"])
@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"source": "zeros"}, "The network starts with {}0 = 0 everywhere."),
        ({"source": "normal", "seed": 9}, "It was drawn from the standard normal distribution, seed 9."),
        ({"source": "file", "path": "/far/away/state.npz"}, "It was read from the file state.npz."),
    ],
)
def test_a_number_of_the_initial_state_has_its_place_in_the_array(
    state: str, source: dict[str, Any], words: str
) -> None:
    said = found(InitialPlace(state, 1, 1, 0, 2), initial_state=source)
    assert said.heading == "This is the initial state: no step computed it."
    array = getattr(INPUTS.initial_state, state)
    assert said.place == InitialPlace(state, 1, 1, 0, 2)
    assert (said.name, said.value) == (f"{state}0[u=2]", array[3, 0, 2])
    assert said.sentences == (
        f"{state}0[u=2] of layer 1, backward, sample 0: {state}0[3, 0, 2] of shape (L·D, N, H).",
        words.format(state),
    )
