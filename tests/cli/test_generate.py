"""rnnviz generate: the text, its probabilities, and files that cannot be read."""

import json

import pytest

from rnnviz.core.resources import resource_path
from rnnviz.training.character_model import Generator, load_character_model, save_character_model, shipped_model


def test_the_shipped_model_continues_a_prefix(rnnviz, tmp_path):
    generator = Generator(load_character_model(shipped_model()), "The r", seed=4, temperature=0.7)
    generator.generate(30)
    words = ["generate", "--prefix", "The r", "--length", "30", "--seed", "4", "--temperature", "0.7"]
    answer = rnnviz(*words, "--json", tmp_path / "a.json")
    assert (answer.code, answer.out) == (0, f"{generator.text}\n")
    content = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert content["prefix"] + content["text"] == generator.text
    assert len(content["steps"]) == 30
    for step in content["steps"]:
        assert sum(step["probabilities"]) == pytest.approx(1.0)
        assert step["probability"] == step["probabilities"][content["characters"].index(step["character"])]
    assert json.loads(rnnviz(*words, "--json", "-").out) == content
    _, *lines = rnnviz(*words, "--probabilities").out.splitlines()
    assert [line.split("  ")[0] for line in lines] == [repr(character) for character in generator.text[5:]]


def test_what_cannot_be_generated_is_one_sentence(rnnviz, tmp_path):
    for given, expected in (
        (["--length", "-1"], "--length"),
        (["--temperature", "-1"], "--temperature"),
        (["--temperature", "nan"], "--temperature"),
        (["--seed", "-1"], "--seed"),
        (["--prefix", "naïve"], "'ï'"),
        ([tmp_path / "missing.safetensors"], "missing.safetensors does not exist in "),
        ([resource_path("models", "sample-lstm.safetensors")], "names no characters"),
        ([shipped_model(), "--json", shipped_model()], "--json"),
    ):
        assert expected in rnnviz.refused("generate", *given).replace('"ï"', "'ï'")


def test_a_model_of_another_commands_no_terminal(rnnviz, tmp_path):
    model = load_character_model(shipped_model())
    characters = "\x1b\x9b" + model.characters[2:]
    bias = model.bias.copy()
    bias[:2] = 1e6
    parameters = {**model.parameters, "linear_weight": model.weight, "linear_bias": bias}
    save_character_model(tmp_path / "a.safetensors", model.network, parameters, characters)
    answer = rnnviz("generate", tmp_path / "a.safetensors", "--length", "9")
    assert set(answer.out) <= set(r"\x1b9") | {"\n"}
