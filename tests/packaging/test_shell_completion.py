"""Completion of bash, sourced in a real bash."""

import shutil

import pytest
from manual_page import options
from shell_completion import completion

from rnnviz.cli import command_parsers, window_parser
from rnnviz.engines.registry import ENGINES
from rnnviz.lessons.index import lessons
from tests.cases import cases
from tests.needs import needs
from tests.programs import ended

BASH = shutil.which("bash")

pytestmark = needs("bash")

_ASK = cases(__file__)["ask"]


@pytest.fixture
def complete(tmp_path):
    """The completions at the end of each line, in a folder of a few files, all from one bash."""
    (tmp_path / "rnnviz.bash").write_text(completion(), encoding="utf-8")
    for name in ("net.toml", "model.onnx", "weights.NPZ", "golden.npz", "mine.py", "notes.txt", "saved.rnnviz"):
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()

    def complete(*lines):
        answer = ended(str(BASH), "--norc", "-c", _ASK, cwd=tmp_path, input="".join(f"{line}\n" for line in lines))
        assert answer.stderr == ""
        told = [set(filter(None, line.split("\t"))) for line in answer.stdout.splitlines()]
        assert len(told) == len(lines)
        return told

    return complete


def test_every_command_and_every_option_is_completed(complete):
    commands = command_parsers()
    parsers = {"": window_parser(), **commands}
    first, *told = complete("rnnviz ", *(f"rnnviz {name} -".replace("  ", " ") for name in parsers))
    assert first >= set(commands)
    for (name, parser), words in zip(parsers.items(), told, strict=True):
        assert words == {word for action in parser._actions for word in action.option_strings}, name


def test_matches_of_a_prefix_are_offered(complete):
    assert complete("rnnviz con", "rnnviz run --re", "rnnviz run net.toml --audit f") == [
        {"config", "convert"},
        {"--report", "--reference"},
        {"full"},
    ]


def test_choices_are_those_of_the_parsers(complete):
    for name, parser in command_parsers().items():
        for action in options(parser):
            if action.option_strings and action.choices is not None:
                (told,) = complete(f"rnnviz {name} {action.option_strings[-1]} ")
                assert told == set(action.choices)


def test_files_are_those_that_the_command_reads_and_lessons_are_offered_by_name(complete):
    model = {"model.onnx", "weights.NPZ", "golden.npz", "folder"}
    expected = {
        "rnnviz run ": {"net.toml", "folder"},
        "rnnviz inspect ": model,
        "rnnviz config --from m": {"model.onnx"},
        "rnnviz convert net.toml --cell gru ": model,
        "rnnviz n": {"net.toml"},
        "rnnviz s": {"saved.rnnviz", "sweep"},
        "rnnviz run net.toml --csv n": {"net.toml", "notes.txt"},
        "rnnviz config ": {lesson.name for lesson in lessons()},
    }
    assert complete(*expected) == list(expected.values())


def test_engines_are_offered_one_after_the_other_and_none_twice(complete):
    every, second, reference = complete(
        "rnnviz run net.toml --engines ", "rnnviz run net.toml --engines gluon,", "rnnviz run net.toml --reference g"
    )
    assert set(ENGINES) < every
    assert "bug:no-h2h-bias" in every
    assert second == {f"gluon,{name}" for name in every if name != "gluon"}
    assert reference == {"gluon"}


@pytest.mark.slow
@needs("shellcheck")
def test_the_script_is_clean():
    answer = ended("shellcheck", "--shell=bash", "-", input=completion())
    assert answer.returncode == 0, answer.stdout
