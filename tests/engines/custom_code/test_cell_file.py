"""Custom cells: a file that declares one, and what it computes."""

import sys
from contextlib import nullcontext
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.cells import CellError, CellSpec, Sizes
from rnnviz.cells.interpreters.numpy_program import listing
from rnnviz.core.cell_json import cell_to_json
from rnnviz.core.errors import InputError
from rnnviz.engines.custom_code import parent
from rnnviz.engines.custom_code.cell_file import load_cell
from rnnviz.engines.custom_code.custom_step import CustomCodeError, read_cell
from rnnviz.engines.custom_code.parent import custom_cell, custom_program
from tests.cases import cases
from tests.cells.layers import EXAMPLES, ROOT
from tests.engines.custom_code.files import IMPATIENT, without_path, written

CASES = cases(__file__)
STEP = cases(__file__)["step"]


def loaded(folder: Path, text: str) -> CellSpec:
    return load_cell(written(folder, text))


def error_of(folder: Path, text: str) -> tuple[str, int | None]:
    with pytest.raises(CellError) as caught:
        loaded(folder, text)
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence, caught.value.line


def test_the_examples():
    assert sorted(EXAMPLES) == ["indrnn", "mgu", "mingru", "sru", "ugrnn"]
    assert EXAMPLES["mgu"].title == "Minimal gated unit"
    assert EXAMPLES["sru"].parameter_shapes(Sizes(3, 5)) == {
        "i2h_weight": (20, 3),
        "i2h_bias": (20,),
        "c2f_weight": (5,),
        "c2r_weight": (5,),
    }
    assert EXAMPLES["ugrnn"].parameter_shapes(Sizes(3, 5))["h2h_weight"] == (10, 5)
    assert EXAMPLES["indrnn"].activations[0][1].text == "relu"


def test_a_file_needs_no_imports(tmp_path):
    cell = loaded(tmp_path, 'gates = "f n"' + STEP)
    assert cell.name == cell.title == "mine"
    assert cell.gate_symbols == cell.recurrent_gates == ("f", "n")
    assert cell.state_symbols == ("h",)
    assert listing(cell).splitlines()[1] == "f = sigmoid(u.f + v.f)"


def test_all_that_a_file_can_declare(tmp_path):
    cell = loaded(
        tmp_path,
        """
gates = {"f": "forget gate", "n": "candidate"}
recurrent_gates = "f"
states = {"h": "P", "c": "H"}
parameters = {"h2r_weight": "P H", "c2f_weight": "H", "c_bias": "H"}
title = "All of it"

def step(u, v, state, p, *, gate=sigmoid):
    f = gate(u.f + v.f + p.c2f_weight * state.c + p.c_bias)
    c = f * u.n
    return Step(f=f, c=c, h=p.h2r_weight @ c)
""",
    )
    shapes = {
        "i2h_weight": ((8, 2), "weight"),
        "h2h_weight": ((4, 3), "weight"),
        "i2h_bias": ((8,), "bias"),
        "h2h_bias": ((4,), "bias"),
        "h2r_weight": ((3, 4), "weight"),
        "c2f_weight": ((4,), "vector"),
        "c_bias": ((4,), "bias"),
    }
    assert cell.title == "All of it"
    assert cell.parameter_shapes(Sizes(2, 4, 3)) == {name: shape for name, (shape, _) in shapes.items()}
    assert cell.initializers() == {name: kind for name, (_, kind) in shapes.items()}
    assert dict(cell.activations).keys() == {"gate"}


def test_a_cell_may_have_a_hundred_parameters_and_gates_that_only_recurrent_reads(tmp_path):
    names = [f"w{k}" for k in range(100)]
    step = "def step(u, v, state, p):\n    return Step(h=u.f + v.f + recurrent('n', state.h))\n"
    cell = loaded(tmp_path, f"gates = 'f n'\nparameters = dict.fromkeys({names}, 'H')\n{step}")
    assert [p.name for p in cell.parameters] == names
    assert cell.recurrent_gates == ("f", "n")


@pytest.mark.parametrize("case", CASES["wrong_files"])
def test_wrong_files(case, tmp_path):
    assert error_of(tmp_path, case["text"].replace("STEP", STEP)) == (case["sentence"], case.get("line"))


@pytest.mark.parametrize("case", CASES["wrong_declarations"], ids=itemgetter("declared"))
def test_wrong_declarations(case, tmp_path):
    assert error_of(tmp_path, f"gates = 'f n'; {case['declared']}{STEP}") == (case["sentence"], 1)


@pytest.mark.parametrize("case", CASES["wrong_steps"], ids=itemgetter("body"))
def test_wrong_steps(case, tmp_path):
    text = f'gates = "f n"\nparameters = {{"w": "H", "m": "P H"}}\ndef step(u, v, state, p):\n    {case["body"]}\n'
    assert error_of(tmp_path, text) == (case["sentence"], case["line"])


def test_a_helper_of_the_file_is_named_by_its_own_line(tmp_path):
    helper = "def helper(u):\n    return u.f * u.nothing\n"
    text = f"gates = 'f'\n{helper}def step(u, v, state, p):\n    return Step(h=helper(u))\n"
    assert error_of(tmp_path, text) == ("The step reads u.nothing, but the cell declares f.", 3)


@pytest.mark.slow
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_no_file_of_random_bytes_is_more_than_one_sentence(data):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "mine.py"
        path.write_bytes(data)
        with pytest.raises(CellError) as caught:
            load_cell(path)
        assert "\n" not in str(caught.value)


def test_the_file_is_read_under_watch():
    seen: list[str] = []

    class Watch(nullcontext[None]):
        def __enter__(self):
            seen.append("in")

        def __exit__(self, *_):
            seen.append("out")

    assert read_cell(ROOT / "resources" / "cells" / "mgu.py", Watch())[0] == cell_to_json(EXAMPLES["mgu"])
    assert seen == ["in", "out"]


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (b"gates = 'h'\n1 / 0\n", ", line 2: ZeroDivisionError: division by zero."),
        (STEP.encode(), ': The file defines no gates, such as gates = "f n".'),
        (b"gates = 'h'\nraise BaseException('no')\n", ": BaseException: no."),
        (b"\xff\xfe\x00", ": The file is not text in UTF-8."),
        (None, " does not exist in "),
    ],
)
def test_a_file_that_declares_no_cell_is_refused(code, sentence, tmp_path):
    path = tmp_path / "mine.py"
    if code is not None:
        path.write_bytes(code)
    with pytest.raises(CustomCodeError) as caught:
        read_cell(path, nullcontext())
    assert without_path(str(caught.value), path).startswith(sentence)
    assert caught.value.__cause__ is not None


def test_a_file_has_its_own_name_and_path_and_may_begin_with_a_byte_order_mark(tmp_path):
    cell = loaded(tmp_path, f"\ufeffgates = 'f n'\ntitle = f'{{__name__}} in {{__file__}}'[:50] + 'µ' * 50\n{STEP}")
    assert cell.title == f"mine in {tmp_path / 'mine.py'}"[:50] + "µ" * 50


TANH_STEP = "def step(u, v, state, p):\n    return Step(h=tanh(u.h + v.h))\n"


def sentence_of(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        custom_cell(str(path))
    return without_path(str(caught.value), path)


def test_an_example_is_a_cell_and_a_program():
    path = str(ROOT / "resources" / "cells" / "mingru.py")
    assert cell_to_json(custom_cell(path)) == cell_to_json(EXAMPLES["mingru"])
    assert "h = " in custom_program(path)


@pytest.mark.slow
def test_a_file_may_import_another_one_in_its_folder(tmp_path):
    written(tmp_path, "title = 'Shared'\n", "shared.py")
    cell = custom_cell(str(written(tmp_path, f"from shared import title\n\ngates = 'h'\n\n{TANH_STEP}")))
    assert cell.title == "Shared"


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        pytest.param("import os\nos._exit(3)\n", " ended its process (exit code 3).", marks=pytest.mark.slow),
        ("import ctypes\nctypes.string_at(0)\n", " ended its process (killed by SIGSEGV)."),
        ("print('here')\nraise ValueError('no')\n", ", line 2: ValueError: no. Last it printed: here"),
        pytest.param("raise BaseException('no')\n", ": BaseException: no.", marks=pytest.mark.slow),
    ],
)
def test_the_sentence_of_a_file_that_declares_no_cell(code, sentence, tmp_path):
    assert sentence_of(written(tmp_path, code)) == sentence


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("while True:\n    pass\n", 1),
        (f"gates = 'h'\n\n{TANH_STEP.splitlines()[0]}\n    while True:\n        u.h\n", 4),
    ],
)
@pytest.mark.slow
def test_a_file_without_end_is_stopped(code, line, tmp_path, monkeypatch):
    monkeypatch.setattr(parent, "_command", lambda: [sys.executable, "-P", "-c", IMPATIENT])
    sentence = sentence_of(written(tmp_path, code))
    assert int(sentence.removeprefix(", line ").partition(":")[0]) in (line, line + 1)
    assert sentence.endswith("the custom cell was stopped: it did not return within 0 s.")
