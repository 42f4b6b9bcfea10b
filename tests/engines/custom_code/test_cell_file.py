"""Files that declare a cell: the examples, and one sentence with a line for whatever is wrong with a file."""

from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.cells import CellError, CellSpec, Sizes
from rnnviz.cells.interpreters.program_source import listing
from rnnviz.core.cell_json import cell_to_json
from rnnviz.engines.custom_code.cell_file import load_cell
from rnnviz.engines.custom_code.custom_step import CustomCodeError, read_cell
from tests.cells.layers import EXAMPLES, ROOT
from tests.engines.custom_code.files import without_path, written

STEP = """
def step(u, v, state, p):
    f = sigmoid(u.f + v.f)
    n = tanh(u.n + v.n)
    return Step(f=f, n=n, h=(1 - f) * state.h + f * n)
"""


def loaded(folder: Path, text: str) -> CellSpec:
    return load_cell(written(folder, text))


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


def test_a_file_needs_no_imports(tmp_path: Path) -> None:
    cell = loaded(tmp_path, 'gates = "f n"' + STEP)
    assert cell.name == cell.title == "mine"
    assert cell.gate_symbols == cell.recurrent_gates == ("f", "n")
    assert cell.state_symbols == ("h",)
    assert listing(cell).splitlines()[1] == "f = sigmoid(u.f + v.f)"


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


def test_a_cell_may_have_a_hundred_parameters_and_gates_that_only_recurrent_reads(tmp_path: Path) -> None:
    names = [f"w{k}" for k in range(100)]
    step = "def step(u, v, state, p):\n    return Step(h=u.f + v.f + recurrent('n', state.h))\n"
    cell = loaded(tmp_path, f"gates = 'f n'\nparameters = dict.fromkeys({names}, 'H')\n{step}")
    assert [p.name for p in cell.parameters] == names
    assert cell.recurrent_gates == ("f", "n")


NO_STEP = "The file defines no function step(u, v, state, p)."


@pytest.mark.parametrize(
    ("text", "sentence", "line"),
    [
        ("", NO_STEP, None),
        (STEP, 'The file defines no gates, such as gates = "f n".', None),
        ("gates = 'f n'\nstep = 3", NO_STEP, 2),
        ("gates = 'f n\n" + STEP, "The file is not Python: unterminated string literal (detected at line 1).", 1),
        ("gates = 'f n'\nraise ValueError('no\\nway')", "ValueError: no.", 2),
        ("gates = 'f n'\nraise ValueError\n", "ValueError.", 2),
        ("gates = 'f n'\nraise ValueError('no.')\n", "ValueError: no.", 2),
        ("gates = 'f n'\nraise TypeError('no')\n", "TypeError: no.", 2),
        ("gates = 'f n'\nraise AttributeError('no')\n", "AttributeError: no.", 2),
        ("gates = 'f n'\n1 / 0\n", "ZeroDivisionError: division by zero.", 2),
        ("gates = 'f n'\nraise SystemExit(3)\n", "SystemExit: 3.", 2),
        (
            "gates = 'f n'\n\nparameters = dict.fromkeys(map('w{}'.format, range(101)), 'H')" + STEP,
            "parameters has 101 names, but a cell has at most 100.",
            3,
        ),
        ("gates = 'f n'\ndef step(x, state): ...", "step takes (x, state), but must take (u, v, state, p).", 2),
        (
            "gates = 'f n'\nclass Own:\n    def __call__(self, u, v): ...\nstep = Own()",
            "step takes (u, v), but must take (u, v, state, p).",
            4,
        ),
        (
            "gates = 'f n'\ndef step(u, v, state, p, *, gate=3): ...",
            "step's argument gate needs an activation as its default.",
            2,
        ),
    ],
)
def test_wrong_files(tmp_path: Path, text: str, sentence: str, line: int | None) -> None:
    assert error_of(tmp_path, text) == (sentence, line)


NAME, OWN, TWO = (
    "which Python cannot read as a name",
    "a name that rnnviz uses itself: choose another one",
    "rename one",
)
WORDS, STATES = "has a name in words that is not one line of 1 to 100 characters", "states must be symbols such as"
SHAPES, SHAPE = "parameters must be names with their shapes, such as", 'but a shape is "H", or two of H, P and I'


@pytest.mark.parametrize(
    ("declared", "sentence"),
    [
        ("gates = 'f n f'", "gates has f twice."),
        ("gates = 'f c'", "gates has c, the symbol of a cell state: choose another one, such as n."),
        ("gates = 'for n'", f"gates has 'for', {NAME}."),
        ("gates = 'f n-1'", f"gates has 'n-1', {NAME}."),
        ("gates = 'f _n'", f"gates has '_n', {NAME}."),
        ("gates = '\ufb01 n'", "gates has \ufb01, which Python reads as fi: write that."),
        ("gates = 'f norm'", f"gates has norm, {OWN}."),
        ("gates = ''", "gates must have at least one symbol."),
        ("gates = 7", 'gates must be symbols such as "f n", or {"f": "forget gate"}.'),
        ("gates = {'f': 3}", "gates has int, but its names in words must be texts."),
        ("title = ''", f"title {WORDS}."),
        ("title = 'a\\nb'", f"title {WORDS}."),
        ("title = 'x' * 101", f"title {WORDS}."),
        ("title = 3", "title has int, but its names in words must be texts."),
        ("recurrent_gates = 'q'", "recurrent_gates has q, which is not among gates: f, n."),
        ("states = 'h add'", f"states has add, {OWN}."),
        ("states = 'h n'", f"gates has n, which is a state: {TWO} of them."),
        ("states = 'h 2c'", f"states has '2c', {NAME}."),
        ("states = {'h': 'H', 'a b': 'H'}", f"states has 'a b', {NAME}."),
        ("states = 'c m'", "states must have h, the output of the cell."),
        ("states = {'h': 'I'}", f'{STATES} "h c", or {{"h": "P", "c": "H"}}.'),
        ("states = ['h']", f'{STATES} "h c", or {{"h": "P", "c": "H"}}.'),
        ("states = {'h': 'P'}", 'states has h of the size P, which needs a parameter of the shape "P H".'),
        ("parameters = {'h': 'H'}", f"parameters has h, which is a state: {TWO} of them."),
        ("parameters = {'f': 'H'}", f"parameters has f, which is a gate: {TWO} of them."),
        ("parameters = {'i2h_bias': 'H'}", "parameters has i2h_bias, which every cell has."),
        ("parameters = ['w']", f'{SHAPES} {{"c2f_weight": "H"}}.'),
        ("parameters = {'w': 3}", f'{SHAPES} {{"c2f_weight": "H"}}.'),
        ("parameters = {'w': 'I'}", f'parameters gives w the shape "I", {SHAPE}.'),
        ("parameters = {'w': 'H X'}", f'parameters gives w the shape "H X", {SHAPE}.'),
        ("parameters = {'w': 'H H H'}", f'parameters gives w the shape "H H H", {SHAPE}.'),
    ],
)
def test_wrong_declarations(tmp_path: Path, declared: str, sentence: str) -> None:
    assert error_of(tmp_path, f"gates = 'f n'; {declared}{STEP}") == (sentence, 1)


LACKING = (
    "The step uses {} on a value, which the algebra of a cell lacks: "
    "it has +, -, *, activations, recurrent(gate, x) and matrix @ value."
)
MEANING = "The step gives {}, a name that has another meaning: choose another one."


@pytest.mark.parametrize(
    ("body", "sentence", "line"),
    [
        ("return Step(u.f)", "Step takes values by name, such as Step(h=h).", 4),
        ("return Step(h=u.f * 1e400)", "The step uses the number inf, which is not finite.", 4),
        ("return Step(h=u.f > u.n)", LACKING.format(">"), 4),
        ("return Step(h=u.f**2)", LACKING.format("**"), 4),
        ("return Step(h=u.f / v.f)", LACKING.format("/"), 4),
        ("return Step(h=u.f * 'x')", LACKING.format("an operation"), 4),
        ("return Step(h=u.f + v.f + v.n, x=u.n)", MEANING.format("x"), 3),
        ("return Step(h=u.f + v.f + v.n, c=u.n)", MEANING.format("c"), 3),
        ("return Step(h=u.f + v.f + v.n, w=u.n)", MEANING.format("w"), 3),
        ("return Step(n=u.n)", "The step does not give the state h: Step(h=...).", 3),
        ("return Step(h=sigmod(u.f))", "NameError: name 'sigmod' is not defined.", 4),
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


@pytest.mark.slow
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_no_file_of_random_bytes_is_more_than_one_sentence(data: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "mine.py"
        path.write_bytes(data)
        with pytest.raises(CellError) as caught:
            load_cell(path)
        assert "\n" not in str(caught.value)


def test_the_file_is_read_under_watch() -> None:
    seen: list[str] = []

    class Watch(nullcontext[None]):
        def __enter__(self) -> None:
            seen.append("in")

        def __exit__(self, *_: object) -> None:
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
def test_a_file_that_declares_no_cell_is_refused(code: bytes | None, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    if code is not None:
        path.write_bytes(code)
    with pytest.raises(CustomCodeError) as caught:
        read_cell(path, nullcontext())
    assert without_path(str(caught.value), path).startswith(sentence)
    assert caught.value.__cause__ is not None


def test_a_file_has_its_own_name_and_path_and_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    cell = loaded(tmp_path, f"\ufeffgates = 'f n'\ntitle = f'{{__name__}} in {{__file__}}'[:50] + 'µ' * 50\n{STEP}")
    assert cell.title == f"mine in {tmp_path / 'mine.py'}"[:50] + "µ" * 50
