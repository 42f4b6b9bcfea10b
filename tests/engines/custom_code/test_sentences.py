"""An error in a custom step is one sentence with its line."""

import os
from operator import itemgetter
from pathlib import Path

import pytest

from rnnviz.core.inputs import Inputs
from tests.cases import cases
from tests.engines.custom_code.files import refusal, sentence_of, written

CASES = cases(__file__)


def said_of(code: str, inputs: Inputs, folder: Path) -> str:
    return refusal(inputs, written(folder, code))


@pytest.mark.parametrize("case", CASES["broken"], ids=itemgetter("name"))
def test_an_error_in_a_file_is_one_sentence_with_its_line(case, inputs, tmp_path):
    assert said_of(case["code"], inputs, tmp_path) == case["sentence"]


@pytest.mark.parametrize("case", CASES["said_by_python"], ids=itemgetter("name"))
def test_an_error_of_python_is_one_sentence(case, inputs, tmp_path):
    sentence = said_of(case["code"], inputs, tmp_path)
    assert sentence.startswith(case["begins"])
    assert sentence.endswith(".")
    assert not sentence.endswith("..")
    assert "\n" not in sentence
    assert "None" not in sentence


def test_a_wrong_shape_at_a_later_step_is_reported_with_its_location(inputs, tmp_path):
    code = (
        "CALLS = []\n\n\ndef step(x, state, p):\n    CALLS.append(x)\n    return (state[0] if len(CALLS) < 5 else x,)\n"
    )
    assert said_of(code, inputs, tmp_path) == (
        ", line 4: step returned h of the shape (2, 5) at backward, t = 1, but it must be (2, 4)."
    )


def test_a_missing_or_binary_file_is_a_sentence(inputs, tmp_path):
    assert refusal(inputs, tmp_path / "gone.py") == f" does not exist in {tmp_path}."
    path = tmp_path / "mine.py"
    path.write_bytes(b"\xff\xfe\x00x")
    assert refusal(inputs, path).endswith(".")


def test_a_pipe_is_a_sentence_and_is_not_waited_for(inputs, tmp_path):
    os.mkfifo(tmp_path / "mine.py")
    assert sentence_of(tmp_path / "mine.py", inputs, tmp_path / "trace").startswith(" cannot be read: it is a pipe")


def test_an_error_includes_the_last_printed_line(inputs, tmp_path):
    code = "print('before')\nprint('the reason')\n1 / 0\n"
    assert sentence_of(written(tmp_path, code), inputs, tmp_path / "trace") == (
        ", line 3: ZeroDivisionError: division by zero. Last it printed: the reason"
    )
