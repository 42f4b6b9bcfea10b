"""Character models: their files, their predictions, and the text that they generate."""

import re
import stat
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import rnnviz
from rnnviz.core.config import Network
from rnnviz.core.errors import InputError
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.io.inputs import load_inputs
from rnnviz.reading.units import Query, select
from rnnviz.training.character_model import (
    Generator,
    entropy,
    load_character_model,
    save_character_model,
    shipped_model,
)
from rnnviz.training.problems import guide_text
from tests.training.tasks import character_arrays

CHARACTERS = " abc"


@pytest.fixture
def path(tmp_path):
    network = Network("lstm", input_size=4, hidden_size=5, num_layers=2, dtype="float64")
    save_character_model(tmp_path / "m.safetensors", network, character_arrays(network), CHARACTERS)
    return tmp_path / "m.safetensors"


def change(path: Path, changed: Mapping[str, FloatArray | None], metadata: Mapping[str, str]) -> None:
    kept = {name: array for name, array in ({**load_file(path)} | dict(changed)).items() if array is not None}
    save_file(kept, path, metadata=dict(metadata))


def test_a_saved_model_is_read_again(path):
    model = load_character_model(path)
    assert model.characters == CHARACTERS
    assert (model.network.cell, model.network.num_layers, model.network.hidden_size) == ("lstm", 2, 5)
    expected = character_arrays(model.network)
    assert all(np.array_equal(model.parameters[name], expected[name]) for name in model.network.parameter_shapes())
    assert np.array_equal(model.weight, expected["linear_weight"])
    assert stat.S_IMODE(path.stat().st_mode) & 0o444 == 0o444


def lstm(tensors: Mapping[str, FloatArray], x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """h and c (T, H) of the last layer, by the equations of PyTorch's manual."""
    layer, states = 0, (x, x)
    while f"rnn.weight_ih_l{layer}" in tensors:
        weights = (tensors[f"rnn.{name}_l{layer}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        w_x, w_h, bias, other = (array.astype(np.float64) for array in weights)
        h = c = np.zeros(w_h.shape[1])
        found = []
        for row in states[0]:
            i, f, g, o = np.split(w_x @ row + bias + w_h @ h + other, 4)
            c = c / (1.0 + np.exp(-f)) + np.tanh(g) / (1.0 + np.exp(-i))
            h = np.tanh(c) / (1.0 + np.exp(-o))
            found.append((h, c))
        states, layer = tuple(map(np.array, zip(*found, strict=True))), layer + 1
    return states


def test_probabilities_are_those_of_the_equations(path):
    text, tensors = "cab a", load_file(path)
    h, _ = lstm(tensors, np.eye(4)[[CHARACTERS.index(character) for character in text]])
    odds = np.exp((h @ tensors["linear.weight"].T + tensors["linear.bias"]) / 0.5)
    generator = Generator(load_character_model(path), text, temperature=0.5)
    found = [generator.probabilities(count) for count in range(1, len(text) + 1)]
    assert np.allclose(found, odds / odds.sum(axis=-1, keepdims=True), rtol=1e-12, atol=0)


def test_a_seed_determines_the_text_and_temperature_0_takes_the_most_probable(path):
    model = load_character_model(path)
    texts = []
    for seed in (1, 1, 2):
        generator = Generator(model, "ab", seed=seed)
        announced = generator.draw()
        generator.generate(40)
        assert generator.text[:3] == f"ab{announced}"
        texts.append(generator.text)
    assert texts[0] == texts[1] != texts[2]
    greedy = Generator(model, "ab", temperature=0.0)
    coldest = Generator(model, "ab", temperature=1e-320)
    assert np.array_equal(coldest.probabilities(), greedy.probabilities())
    greedy.generate(20)
    greedy.temperature = 1.0
    likeliest = [CHARACTERS[int(greedy.probabilities(count).argmax())] for count in range(2, 22)]
    assert greedy.text == "ab" + "".join(likeliest)


def test_characters_are_drawn_as_often_as_they_are_probable(path):
    generator = Generator(load_character_model(path))
    expected = generator.probabilities()
    drawn = []
    for seed in range(2000):
        generator.seed = seed
        drawn.append(CHARACTERS.index(generator.draw()))
    assert np.allclose(np.bincount(drawn, minlength=4) / 2000, expected, atol=0.04)


def test_entropy_is_in_bits():
    assert entropy(np.full(8, 0.125)) == pytest.approx(3.0)
    assert entropy(np.array([0.0, 1.0])) == 0.0


def test_the_config_reads_the_text_and_a_character_that_the_model_lacks_is_refused(path):
    model = load_character_model(path)
    inputs = load_inputs(model.config("cab"))
    assert np.array_equal(inputs.sequence[:, 0].argmax(axis=-1), [3, 1, 2])
    assert inputs.network.hidden_size == 5
    with pytest.raises(InputError, match="position 3"):
        Generator(model, "abx")


NAMED = {"characters": CHARACTERS}
OTHER = {"weight_ih_l0": (8, 3), "weight_hh_l0": (8, 2), "bias_ih_l0": 8, "bias_hh_l0": 8}
CHANGES = {
    "names no characters": ({}, {}),
    "names a character twice": ({}, {"characters": "aabc"}),
    "linear.weight has the shape (4, 6)": ({"linear.weight": np.zeros((4, 6))}, NAMED),
    "linear.bias holds nan at [0]": ({"linear.bias": np.full(4, np.nan)}, NAMED),
    "linear.bias is missing": ({"linear.bias": None}, NAMED),
    "reads 4 features": ({"linear.weight": np.zeros((3, 5)), "linear.bias": np.zeros(3)}, {"characters": "abc"}),
    "networks": ({f"other.{name}": np.zeros(shape) for name, shape in OTHER.items()}, NAMED),
}


@pytest.mark.parametrize("expected", CHANGES)
def test_a_file_that_is_no_character_model_is_refused(path, expected):
    change(path, *CHANGES[expected])
    with pytest.raises(InputError, match=re.escape(expected)) as caught:
        load_character_model(path)
    assert str(caught.value).count("\n") == 0


@pytest.mark.slow
def test_the_shipped_model_is_small_and_writes_words_of_the_guide():
    assert shipped_model().stat().st_size <= 300_000
    known = set(re.findall(r"[a-z]{4,}", guide_text().lower()))
    generator = Generator(load_character_model(shipped_model()), "The ", temperature=0.5)
    generator.generate(600)
    # The last word may be cut off.
    written = re.findall(r"[a-z]{4,}", generator.text.lower())[:-1]
    assert np.mean([word in known for word in written]) >= 0.8


BRACKETS = (
    "Press the button (F5). Open a file (a model or a config), and select a value (the first one). Export it (as CSV)."
)
QUOTES = 'A file of "names" has a "text" for each step. The engine "manual" is the reference.'
LINES = (
    "- The prefix is bold.\n- All other characters are generated.\n- The bars are the probabilities of the next "
    "character.\n- A click in the text shows the prediction at another place.\n"
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "times", "threshold", "units", "others"),
    [
        (BRACKETS, (104, 111), -1.0, (24,), [(17, 25), (35, 39), (77, 81)]),
        (QUOTES, (10, 16), -1.0, (22,), [(24, 30), (57, 64)]),
        (LINES, (116, 176), 1.0, (56,), [(2, 55), (60, 114)]),
    ],
    ids=["brackets", "quotes", "lines"],
)
def test_units_keep_an_open_bracket_a_quote_and_the_line_in_c(text, times, threshold, units, others):
    config = load_character_model(shipped_model()).config(text).with_engines(("manual", "onnx"))
    result = rnnviz.run(config)
    for engine in ("manual", "onnx"):
        query = Query(engine, 0, 0, 0, range(*times), threshold, "c", onset=True)
        found = select(result, query, lambda: None)
        assert found.units == units
        best = sorted((match.times.start, match.times.stop - 1) for match in found.matches[: len(others)])
        assert best == others
