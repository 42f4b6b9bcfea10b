"""Whatever comes in is taken or refused in a sentence: drawn configs and files, and those that once were not."""

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnviz.core.config import Config
from rnnviz.io.config_toml import parse_config
from tools.fuzz.cases import KINDS
from tools.fuzz.generators import tables, texts
from tools.fuzz.isolated import fuzz_files
from tools.fuzz.readers import READERS, kind_of, outcome, outcome_of, run_config

CORPUS = Path(__file__).parents[1] / "corpus"
WHERE = Path("/anywhere")
CASES = {"tables": 2_500, "text": 2_500} | dict.fromkeys(("csv", "npy", "npz", "rnnviz", "py", "sweep.toml"), 1_000)
OTHERS = 500
"""How many of each kind the profile `deep` draws, 15,500 in all; other profiles draw a share of it."""
NEVER_REFUSED = ("settings.ini",)
"""Whatever cannot be understood in it counts as not set."""
CONFIGS: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], object]]] = {
    "tables": (tables(), lambda values: run_config(Config.from_mapping(values))),
    "text": (texts(), lambda text: run_config(parse_config(text, WHERE))),
}


def cases(kind: str) -> int:
    return CASES.get(kind, OTHERS) * min(2_000, max(100, settings().max_examples)) // 2_000


def outcomes_of_configs(kind: str, count: int) -> Counter[str]:
    strategy, read = CONFIGS[kind]
    found: Counter[str] = Counter()

    @settings(max_examples=count)
    @given(strategy)
    def draw(value: Any) -> None:
        found[outcome_of(lambda: read(value))] += 1

    draw()
    return found


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*/*.*")), ids=lambda path: path.name)
def test_a_former_failure_is_accepted_or_refused_in_a_sentence(path, tmp_path):
    assert outcome(Path(shutil.copy(path, tmp_path))) in ("ok", "sentence")


def test_the_corpus_is_read():
    kinds = {kind_of(path) for path in CORPUS.glob("*/*.*")}
    assert kinds
    assert kinds <= set(READERS)


@pytest.mark.slow
@pytest.mark.parametrize("kind", CONFIGS)
def test_a_drawn_config_is_taken_or_refused_in_a_sentence(kind):
    found = outcomes_of_configs(kind, 40)
    # That there are enough of both is asked of the many: of so few, all may be refused.
    assert found["ok"] + found["sentence"] == found.total() == 40


@pytest.mark.nightly
@pytest.mark.parametrize("kind", CONFIGS)
def test_many_drawn_configs_are_taken_or_refused_in_a_sentence(kind):
    found = outcomes_of_configs(kind, cases(kind))
    assert min(found["ok"], found["sentence"]) > found.total() // 20


@pytest.mark.nightly
@pytest.mark.parametrize("kind", KINDS)
def test_many_drawn_files_load_or_fail_with_a_message(kind, tmp_path):
    found, failures = fuzz_files(kind, range(cases(kind)), tmp_path)
    assert failures == []
    assert found.total() == cases(kind)
    expected = ("ok",) if kind in NEVER_REFUSED else ("ok", "sentence")
    assert min(found[each] for each in expected) > found.total() // 20
