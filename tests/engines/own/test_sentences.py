"""What is wrong with a user's file is one sentence, with the line in it."""

from pathlib import Path

import pytest

from rnnviz.engines.own.recurrence import OwnRecurrence, RecurrenceError
from rnnviz.engines.stack import run_stack
from rnnviz.model.inputs import Inputs
from tests.engines.own.files import sentence_of, written
from tests.oracles.computed import empty_trace

ODD = """class Odd(Exception):
    def __str__(self):
        return 1 / 0


def step(x, state, p):
    raise Odd
"""

TENSOR = """class Tensor:
    def __array__(self, *a):
        raise RuntimeError('no')


def step(x, state, p):
    return (Tensor(),)
"""


BROKEN: dict[str, tuple[str, str]] = {
    "a syntax error": ("import numpy\n\ndef step(x, state, p)\n    pass\n", ", line 3: SyntaxError: expected ':'."),
    "wrong indentation": ("def step(x, state, p):\npass\n", ", line 2: IndentationError: expected an indented block"),
    "an error while it loads": ("x = 1\ny = x / 0\n", ", line 2: ZeroDivisionError: division by zero."),
    "an error in step": (
        "def helper(v):\n    return v['no']\n\n\ndef step(x, state, p):\n    return helper({})\n",
        ", line 2: KeyError: 'no'.",
    ),
    "an error without words": ("def step(x, state, p):\n    raise RuntimeError\n", ", line 2: RuntimeError."),
    "an error that cannot be printed": (
        ODD,
        ", line 7: Odd.",
    ),
    "a module that is not there": ("import no_such_module\n", ", line 1: ModuleNotFoundError: No module named"),
    "no step": ("def stepp(x, state, p):\n    pass\n", " defines no step(x, state, p), which every recurrence"),
    "a step that is no function": ("step = 3\n", " defines no step(x, state, p)"),
    "a step of other arguments": ("def step(x, h):\n    return (h,)\n", "line 1: TypeError: step() takes 2 positional"),
    "nothing returned": ("\ndef step(x, state, p):\n    pass\n", ", line 2: step returned nothing at forward, t = 0"),
    "an array in place of a tuple": (
        "def step(x, state, p):\n    return state[0]\n",
        ", line 1: step returned an array of the shape (2, 4) at forward, t = 0, but it must return the tuple (h,).",
    ),
    "too many states": (
        "def step(x, state, p):\n    return state[0], state[0]\n",
        "step returned 2 values at forward, t = 0, but it must return the tuple (h,).",
    ),
    "a wrong shape": (
        "def step(x, state, p):\n    return (state[0].T,)\n",
        "step returned h of the shape (4, 2) at forward, t = 0, but it must be (2, 4).",
    ),
    "a scalar": ("def step(x, state, p):\n    return (0.5,)\n", "h of the shape () at forward, t = 0"),
    "a ragged list": ("def step(x, state, p):\n    return ([[1], [2, 3]],)\n", "ValueError"),
    "objects": (
        "import numpy as np\n\n\ndef step(x, state, p):\n    return (np.full(state[0].shape, object()),)\n",
        "but it must be an array of numbers.",
    ),
    "a dictionary": ("def step(x, state, p):\n    return ({},)\n", "returned a value of the type dict for h"),
    "complex numbers": ("def step(x, state, p):\n    return (state[0] + 1j,)\n", "h of complex"),
    "text": ("def step(x, state, p):\n    return (state[0].astype(str),)\n", "but it must hold real numbers."),
    "an array whose conversion fails": (
        TENSOR,
        ", line 3: RuntimeError: no.",
    ),
    "sys.exit while it loads": ("import sys\nsys.exit(0)\n", ", line 2: the recurrence called sys.exit"),
    "sys.exit in step": (
        "import sys\n\n\ndef step(x, state, p):\n    sys.exit('bye')\n",
        ", line 5: the recurrence called sys.exit",
    ),
    "a keyboard interrupt": ("def step(x, state, p):\n    raise KeyboardInterrupt\n", "line 2: KeyboardInterrupt."),
    "endless recursion": ("def step(x, state, p):\n    return step(x, state, p)\n", ", line 2: RecursionError"),
    "null bytes": ("x = 1\0\n", ""),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_with_a_file_is_one_sentence_with_its_line(name: str, inputs: Inputs, tmp_path: Path) -> None:
    code, words = BROKEN[name]
    path = written(tmp_path, code)
    with pytest.raises(RecurrenceError) as caught:
        run_stack(inputs, empty_trace(inputs, cell=True), OwnRecurrence(path).run_layer(), lambda done: None)
    sentence = str(caught.value)
    assert sentence.startswith(str(path))
    assert words in sentence
    assert sentence.endswith(".")
    assert not sentence.endswith("..")
    assert "\n" not in sentence


@pytest.mark.parametrize("name", ["a syntax error", "an error in step", "a wrong shape", "sys.exit in step"])
def test_the_sentence_reaches_the_engine(name: str, inputs: Inputs, tmp_path: Path) -> None:
    code, words = BROKEN[name]
    assert words in sentence_of(written(tmp_path, code), inputs, tmp_path / "trace")


def test_a_wrong_shape_later_on_is_told_with_its_place(inputs: Inputs, tmp_path: Path) -> None:
    code = (
        "CALLS = []\n\n\ndef step(x, state, p):\n    CALLS.append(x)\n    return (state[0] if len(CALLS) < 5 else x,)\n"
    )
    assert "step returned h of the shape (2, 5) at backward, t = 1" in sentence_of(
        written(tmp_path, code), inputs, tmp_path / "trace"
    )


def test_a_file_that_is_gone_or_no_text_is_a_sentence(inputs: Inputs, tmp_path: Path) -> None:
    assert sentence_of(tmp_path / "gone.py", inputs, tmp_path / "a") == " cannot be read: No such file or directory."
    path = tmp_path / "mine.py"
    path.write_bytes(b"\xff\xfe\x00x")
    assert "mine.py" in str(path)
    assert sentence_of(path, inputs, tmp_path / "b").endswith(".")


def test_the_last_line_it_printed_stands_behind_its_error(inputs: Inputs, tmp_path: Path) -> None:
    code = "print('before')\nprint('the reason')\n1 / 0\n"
    assert sentence_of(written(tmp_path, code), inputs, tmp_path / "trace") == (
        ", line 3: ZeroDivisionError: division by zero. Last it printed: the reason"
    )
