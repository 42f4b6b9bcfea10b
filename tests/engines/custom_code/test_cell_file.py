"""Files that declare a cell: the examples, and one sentence with a line for whatever is wrong with a file."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.cells import CellError, Sizes
from rnnviz.cells.interpreters.program_source import listing
from rnnviz.engines.custom_code.cell_file import load_cell
from tests.cells.layers import EXAMPLES

STEP = """
def step(u, v, state, p):
    f = sigmoid(u.f + v.f)
    n = tanh(u.n + v.n)
    return Step(f=f, n=n, h=(1 - f) * state.h + f * n)
"""


LACKING = (
    "The step uses {} on a value, which the algebra of a cell lacks: "
    "it has +, -, *, activations, recurrent(gate, x) and matrix @ value."
)


SHAPES = 'parameters must be names with their shapes, such as {"c2f_weight": "H"}.'
SHAPE = 'parameters gives w the shape "{}", but a shape is "H", or two of H, P and I.'


def loaded(folder: Path, text: str):  # type: ignore[no-untyped-def]
    path = folder / "mine.py"
    path.write_text(text, encoding="utf-8")
    return load_cell(path)


def error_of(folder: Path, text: str) -> tuple[str, int | None]:
    with pytest.raises(CellError) as caught:
        loaded(folder, text)
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence, caught.value.line


def test_the_examples() -> None:
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


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_are_short(name: str) -> None:
    path = Path(EXAMPLES[name].step.__code__.co_filename)  # type: ignore[attr-defined]
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    assert len(lines) <= 15


def test_a_file_needs_no_imports(tmp_path: Path) -> None:
    cell = loaded(tmp_path, 'gates = "f n"' + STEP)
    assert cell.name == cell.title == "mine"
    assert cell.gate_symbols == cell.recurrent_gates == ("f", "n")
    assert cell.state_symbols == ("h",)


def test_all_that_a_file_can_declare(tmp_path: Path) -> None:
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
    assert cell.title == "All of it"
    assert cell.parameter_shapes(Sizes(2, 4, 3)) == {
        "i2h_weight": (8, 2),
        "h2h_weight": (4, 3),
        "i2h_bias": (8,),
        "h2h_bias": (4,),
        "h2r_weight": (3, 4),
        "c2f_weight": (4,),
        "c_bias": (4,),
    }
    assert cell.initializers() == {
        "i2h_weight": "weight",
        "h2h_weight": "weight",
        "i2h_bias": "bias",
        "h2h_bias": "bias",
        "h2r_weight": "weight",
        "c2f_weight": "vector",
        "c_bias": "bias",
    }
    assert dict(cell.activations).keys() == {"gate"}


def test_a_cell_may_have_a_hundred_parameters_and_gates_that_only_recurrent_reads(tmp_path: Path) -> None:
    names = [f"w{k}" for k in range(100)]
    step = "def step(u, v, state, p):\n    return Step(h=u.f + v.f + recurrent('n', state.h))\n"
    cell = loaded(tmp_path, f"gates = 'f n'\nparameters = dict.fromkeys({names}, 'H')\n{step}")
    assert (cell.name, cell.title) == ("mine", "mine")
    assert [p.name for p in cell.parameters] == names
    assert cell.recurrent_gates == ("f", "n")


def test_the_calls_are_listed_for_the_lines_of_the_file(tmp_path: Path) -> None:
    text = listing(loaded(tmp_path, 'gates = "f n"' + STEP))
    assert text.splitlines()[1] == "f = sigmoid(u.f + v.f)"


@pytest.mark.parametrize(
    ("text", "sentence", "line"),
    [
        ("", "The file defines no function step(u, v, state, p).", None),
        (STEP, 'The file defines no gates, such as gates = "f n".', None),
        ("gates = 'f n'\nstep = 3", "The file defines no function step(u, v, state, p).", 2),
        ("gates = 'f n\n" + STEP, "The file is not Python: unterminated string literal (detected at line 1).", 1),
        ("gates = 'f n'\nraise ValueError('no\\nway')", "ValueError: no.", 2),
        ("gates = 'f n'\nraise ValueError\n", "ValueError.", 2),
        ("gates = 'f n'\nraise ValueError('no.')\n", "ValueError: no.", 2),
        ("gates = 'f n'\nraise TypeError('no')\n", "TypeError: no.", 2),
        ("gates = 'f n'\nraise AttributeError('no')\n", "AttributeError: no.", 2),
        (
            "gates = 'f n'; title = ''" + STEP,
            "title has a name in words that is not one line of 1 to 100 characters.",
            1,
        ),
        (
            "gates = 'f n'; parameters = {'h': 'H'}" + STEP,
            "parameters has h, which is a state: rename one of them.",
            1,
        ),
        ("gates = 'f n'; parameters = {'w': 3}" + STEP, SHAPES, 1),
        ("gates = 'f n'; parameters = {'w': 'H H H'}" + STEP, SHAPE.format("H H H"), 1),
        ("gates = 'f n'; parameters = {'w': 'H X'}" + STEP, SHAPE.format("H X"), 1),
        ("gates = 'f n'\n1 / 0\n", "ZeroDivisionError: division by zero.", 2),
        ("gates = 'f n'\nraise SystemExit(3)\n", "SystemExit: 3.", 2),
        ("gates = 'f n f'" + STEP, "gates has f twice.", 1),
        ("gates = 'f c'" + STEP, "gates has c, the symbol of a cell state: choose another one, such as n.", 1),
        ("gates = 'for n'" + STEP, "gates has 'for', which Python cannot read as a name.", 1),
        ("gates = '\ufb01 n'" + STEP, "gates has \ufb01, which Python reads as fi: write that.", 1),
        ("gates = 'f norm'" + STEP, "gates has norm, a name that rnnviz uses itself: choose another one.", 1),
        (
            "gates = 'f n'\nstates = 'h add'" + STEP,
            "states has add, a name that rnnviz uses itself: choose another one.",
            2,
        ),
        ("gates = 'f n'; states = 'h n'" + STEP, "gates has n, which is a state: rename one of them.", 1),
        (
            "gates = 'f n'; parameters = {'f': 'H'}" + STEP,
            "parameters has f, which is a gate: rename one of them.",
            1,
        ),
        (
            "gates = 'f n'\n\nparameters = dict.fromkeys(map('w{}'.format, range(101)), 'H')" + STEP,
            "parameters has 101 names, but a cell has at most 100.",
            3,
        ),
        (
            "gates = 'f n'; states = {'h': 'P'}" + STEP,
            'states has h of the size P, which needs a parameter of the shape "P H".',
            1,
        ),
        (
            "gates = 'f n'; title = 'a\\nb'" + STEP,
            "title has a name in words that is not one line of 1 to 100 characters.",
            1,
        ),
        ("gates = ''" + STEP, "gates must have at least one symbol.", 1),
        ("gates = 7" + STEP, 'gates must be symbols such as "f n", or {"f": "forget gate"}.', 1),
        ("gates = {'f': 3}" + STEP, "gates has int, but its names in words must be texts.", 1),
        ("gates = 'f n-1'" + STEP, "gates has 'n-1', which Python cannot read as a name.", 1),
        ("gates = 'f _n'" + STEP, "gates has '_n', which Python cannot read as a name.", 1),
        ("gates = 'f n'; recurrent_gates = 'q'" + STEP, "recurrent_gates has q, which is not among gates: f, n.", 1),
        ("gates = 'f n'; states = 'h 2c'" + STEP, "states has '2c', which Python cannot read as a name.", 1),
        ("gates = 'f n'; states = 'c m'" + STEP, "states must have h, the output of the cell.", 1),
        (
            "gates = 'f n'; states = {'h': 'I'}" + STEP,
            'states must be symbols such as "h c", or {"h": "P", "c": "H"}.',
            1,
        ),
        ("gates = 'f n'; title = 3" + STEP, "title has int, but its names in words must be texts.", 1),
        (
            "gates = 'f n'; parameters = {'i2h_bias': 'H'}" + STEP,
            "parameters has i2h_bias, which every cell has.",
            1,
        ),
        (
            "gates = 'f n'; parameters = {'w': 'I'}" + STEP,
            'parameters gives w the shape "I", but a shape is "H", or two of H, P and I.',
            1,
        ),
        (
            "gates = 'f n'; parameters = ['w']" + STEP,
            'parameters must be names with their shapes, such as {"c2f_weight": "H"}.',
            1,
        ),
        (
            "gates = 'f n'\ndef step(x, state): ...",
            "step takes (x, state), but must take (u, v, state, p).",
            2,
        ),
        (
            "gates = 'f n'\nclass Own:\n    def __call__(self, u, v): ...\nstep = Own()",
            "step takes (u, v), but must take (u, v, state, p).",
            4,
        ),
        (
            "gates = 'f n'\nstates = {'h': 'H', 'a b': 'H'}" + STEP,
            "states has 'a b', which Python cannot read as a name.",
            2,
        ),
        ("gates = 'f n'; states = ['h']" + STEP, 'states must be symbols such as "h c", or {"h": "P", "c": "H"}.', 1),
        (
            "gates = 'f n'\ndef step(u, v, state, p, *, gate=3): ...",
            "step's argument gate needs an activation as its default.",
            2,
        ),
    ],
)
def test_wrong_declarations(tmp_path: Path, text: str, sentence: str, line: int | None) -> None:
    assert error_of(tmp_path, text) == (sentence, line)


@pytest.mark.parametrize(
    ("body", "sentence", "line"),
    [
        ("return Step(u.f)", "Step takes values by name, such as Step(h=h).", 4),
        ("return Step(h=u.f * 1e400)", "The step uses the number inf, which is not finite.", 4),
        ("return Step(h=u.f > u.n)", LACKING.format(">"), 4),
        ("return Step(h=u.f**2)", LACKING.format("**"), 4),
        (
            "return Step(h=u.f + v.f + v.n, x=u.n)",
            "The step gives x, a name that has another meaning: choose another one.",
            3,
        ),
        (
            "return Step(h=u.f + v.f + v.n, c=u.n)",
            "The step gives c, a name that has another meaning: choose another one.",
            3,
        ),
        (
            "return Step(h=u.f + v.f + v.n, w=u.n)",
            "The step gives w, a name that has another meaning: choose another one.",
            3,
        ),
        ("return Step(n=u.n)", "The step does not give the state h: Step(h=...).", 3),
        ("return Step(h=sigmod(u.f))", "NameError: name 'sigmod' is not defined.", 4),
        ("return Step(h=u.f / v.f)", LACKING.format("/"), 4),
        ("return Step(h=u.f * 'x')", LACKING.format("an operation"), 4),
        ("return Step(h=tanh(3))", "The step gives an activation, or recurrent, something else than a value.", 4),
        (
            "return Step(h=u.f + v.f)",
            "The step uses no recurrent part of n: use v.n, or take n from recurrent_gates.",
            3,
        ),
    ],
)
def test_wrong_steps(tmp_path: Path, body: str, sentence: str, line: int | None) -> None:
    text = f'gates = "f n"\nparameters = {{"w": "H", "m": "P H"}}\ndef step(u, v, state, p):\n    {body}\n'
    assert error_of(tmp_path, text) == (sentence, line)


def test_a_helper_of_the_file_is_named_by_its_own_line(tmp_path: Path) -> None:
    helper = "def helper(u):\n    return u.f * u.nothing\n"
    text = f"gates = 'f'\n{helper}def step(u, v, state, p):\n    return Step(h=helper(u))\n"
    assert error_of(tmp_path, text) == ("The step reads u.nothing, but the cell declares f.", 3)


def test_a_binary_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CellError, match="The file is not text in UTF-8"):
        load_cell(path)
    with pytest.raises(OSError, match="No such file"):
        load_cell(tmp_path / "other.py")


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_no_file_of_random_bytes_is_more_than_one_sentence(data: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "mine.py"
        path.write_bytes(data)
        with pytest.raises(CellError) as caught:
            load_cell(path)
        assert "\n" not in str(caught.value)
