"""An error in a custom step is one sentence with its line."""

import os
from pathlib import Path

import pytest

from rnnviz.core.inputs import Inputs
from tests.engines.custom_code.files import refusal, sentence_of, written

STEP = "def step(x, state, p):\n    "
TUPLE = "at forward, t = 0, but it must return the tuple (h,)."
SHAPE = "at forward, t = 0, but it must be (2, 4)."
NUMBERS = "for h at forward, t = 0, but it must be an array of numbers."
EXIT = "the custom step called sys.exit, which would end the run."
NO_STEP = " does not define step(x, state, p), the function of a custom step."
LONG = "x" * 500

BROKEN: dict[str, tuple[str, str]] = {
    "a syntax error": ("import numpy\n\ndef step(x, state, p)\n    pass\n", ", line 3: SyntaxError: expected ':'."),
    "an error while it loads": ("x = 1\ny = x / 0\n", ", line 2: ZeroDivisionError: division by zero."),
    "an error in step": (
        f"def f(v):\n    return v['no']\n{STEP}return f({{}})",
        ", line 2 at forward, t = 0: KeyError: 'no'.",
    ),
    "an error without words": (f"{STEP}raise RuntimeError", ", line 2 at forward, t = 0: RuntimeError."),
    "an error that cannot be printed": (
        f"class Odd(Exception):\n    def __str__(self):\n        return 1 / 0\n{STEP}raise Odd",
        ", line 5 at forward, t = 0: Odd.",
    ),
    "an error of many lines": (
        f"{STEP}raise ValueError('one\\n  two.\\n')",
        ", line 2 at forward, t = 0: ValueError: one two.",
    ),
    "an error as long as it may be": (f"raise ValueError('{LONG}')\n", f", line 1: ValueError: {LONG}."),
    "an error that is too long": (f"raise ValueError('{LONG}x')\n", f", line 1: ValueError: {LONG} ..."),
    "no step": ("def stepp(x, state, p):\n    pass\n", NO_STEP),
    "a step that is no function": ("step = 3\n", NO_STEP),
    "nothing returned": (f"\n{STEP}pass", f", line 2: step returned nothing {TUPLE}"),
    "an array in place of a tuple": (
        f"{STEP}return state[0]",
        f", line 1: step returned an array of the shape (2, 4) {TUPLE}",
    ),
    "no state": (f"{STEP}return ()", f", line 1: step returned 0 values {TUPLE}"),
    "too many states": (f"{STEP}return state[0], state[0]", f", line 1: step returned 2 values {TUPLE}"),
    "a step that is an object": (
        "class Step:\n    def __call__(self, x, state, p):\n        return 3\n\n\nstep = Step()\n",
        f": step returned a value of the type int {TUPLE}",
    ),
    "a wrong shape": (f"{STEP}return (state[0].T,)", f", line 1: step returned h of the shape (4, 2) {SHAPE}"),
    "a scalar": (f"{STEP}return (0.5,)", f", line 1: step returned h of the shape () {SHAPE}"),
    "objects": (
        f"import numpy as np\n{STEP}return (np.full(state[0].shape, object()),)",
        f", line 2: step returned an array of the shape (2, 4) {NUMBERS}",
    ),
    "a dictionary": (f"{STEP}return ({{}},)", f", line 1: step returned a value of the type dict {NUMBERS}"),
    "complex numbers": (
        f"{STEP}return (state[0] + 1j,)",
        ", line 1: step returned h of complex64 at forward, t = 0, but it must hold real numbers.",
    ),
    "text": (
        f"{STEP}return (state[0].astype(str),)",
        ", line 1: step returned h of <U32 at forward, t = 0, but it must hold real numbers.",
    ),
    "an array whose conversion fails": (
        f"class Tensor:\n    def __array__(self, *a):\n        raise RuntimeError('no')\n{STEP}return (Tensor(),)",
        ", line 3 at forward, t = 0: RuntimeError: no.",
    ),
    "sys.exit while it loads": ("import sys\nsys.exit(0)\n", f", line 2: {EXIT}"),
    "sys.exit in step": (f"import sys\n{STEP}sys.exit('bye')", f", line 3 at forward, t = 0: {EXIT}"),
    "an error whose text raises what ends a program": (
        f"class Odd(BaseException):\n    def __str__(self):\n        raise KeyboardInterrupt\n{STEP}raise Odd",
        ", line 5 at forward, t = 0: Odd.",
    ),
    "an error without a trace": (
        f"class Odd(Exception):\n    __traceback__ = None\n{STEP}raise Odd",
        ", line 4 at forward, t = 0: Odd.",
    ),
    "a keyboard interrupt": (f"{STEP}raise KeyboardInterrupt", ", line 2 at forward, t = 0: KeyboardInterrupt."),
}

SAID_BY_PYTHON: dict[str, tuple[str, str]] = {
    "wrong indentation": ("def step(x, state, p):\npass\n", ", line 2: IndentationError: expected an indented block"),
    "a module that is not there": ("import no_such_module\n", ", line 1: ModuleNotFoundError: No module named"),
    "a step of other arguments": (
        "def step(x, h):\n    return (h,)\n",
        ", line 1 at forward, t = 0: TypeError: step() takes 2 positional",
    ),
    "a ragged list": (f"{STEP}return ([[1], [2, 3]],)", ", line 1 at forward, t = 0: ValueError: setting an array"),
    "endless recursion": (f"{STEP}return step(x, state, p)", ", line 2 at forward, t = 0: RecursionError: "),
    "null bytes": ("x = 1\0\n", ""),
}


def said_of(code: str, inputs: Inputs, folder: Path) -> str:
    return refusal(inputs, written(folder, code))


@pytest.mark.parametrize("name", BROKEN)
def test_an_error_in_a_file_is_one_sentence_with_its_line(name: str, inputs: Inputs, tmp_path: Path) -> None:
    code, sentence = BROKEN[name]
    assert said_of(code, inputs, tmp_path) == sentence


@pytest.mark.parametrize("name", SAID_BY_PYTHON)
def test_an_error_of_python_is_one_sentence(name: str, inputs: Inputs, tmp_path: Path) -> None:
    code, words = SAID_BY_PYTHON[name]
    sentence = said_of(code, inputs, tmp_path)
    assert sentence.startswith(words)
    assert sentence.endswith(".")
    assert not sentence.endswith("..")
    assert "\n" not in sentence
    assert "None" not in sentence


def test_a_wrong_shape_at_a_later_step_is_reported_with_its_location(inputs: Inputs, tmp_path: Path) -> None:
    code = (
        "CALLS = []\n\n\ndef step(x, state, p):\n    CALLS.append(x)\n    return (state[0] if len(CALLS) < 5 else x,)\n"
    )
    assert said_of(code, inputs, tmp_path) == (
        ", line 4: step returned h of the shape (2, 5) at backward, t = 1, but it must be (2, 4)."
    )


def test_a_missing_or_binary_file_is_a_sentence(inputs: Inputs, tmp_path: Path) -> None:
    assert refusal(inputs, tmp_path / "gone.py") == f" does not exist in {tmp_path}."
    path = tmp_path / "mine.py"
    path.write_bytes(b"\xff\xfe\x00x")
    assert refusal(inputs, path).endswith(".")


def test_a_pipe_is_a_sentence_and_is_not_waited_for(inputs: Inputs, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "mine.py")
    assert sentence_of(tmp_path / "mine.py", inputs, tmp_path / "trace").startswith(" cannot be read: it is a pipe")


def test_an_error_includes_the_last_printed_line(inputs: Inputs, tmp_path: Path) -> None:
    code = "print('before')\nprint('the reason')\n1 / 0\n"
    assert sentence_of(written(tmp_path, code), inputs, tmp_path / "trace") == (
        ", line 3: ZeroDivisionError: division by zero. Last it printed: the reason"
    )
