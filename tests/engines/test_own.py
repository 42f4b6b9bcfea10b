"""A user's file as an engine: what it computes is shown, and whatever it does hurts nobody but its own process."""

import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event
from time import monotonic

import numpy as np
import psutil
import pytest

from rnnviz.engines.base import EngineReport
from rnnviz.engines.own import engine as own_engine
from rnnviz.engines.own.engine import OwnEngine
from rnnviz.engines.own.recurrence import OwnRecurrence, RecurrenceError
from rnnviz.engines.registry import find_engine, load_engine
from rnnviz.engines.stack import run_stack
from rnnviz.model.errors import ConfigError, EngineError
from rnnviz.model.inputs import Inputs
from rnnviz.model.stored_inputs import save_inputs
from rnnviz.model.trace import Trace, create_trace
from tests.analysis.audited import inputs_of
from tests.engines.planted import RIGHT
from tests.oracles.computed import assert_near, empty_trace
from tests.oracles.recurrence import recurrence

SIZES = {"hidden_size": 4, "num_layers": 2, "bidirectional": True}


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    return save_inputs(tmp_path / "inputs", inputs_of({"timesteps": 3, "batch_size": 2}, cell="rnn_tanh", **SIZES))


def written(folder: Path, code: str, name: str = "mine.py") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(code, encoding="utf-8")
    return path


def run(path: Path, inputs: Inputs, trace_folder: Path) -> tuple[Trace, EngineReport]:
    """The file as an engine, in its own process, as a run has it."""
    trace = create_trace(
        trace_folder, str(path), inputs.network, inputs.timesteps, inputs.batch_size, cell=OwnEngine.knows_cell
    )
    return trace, OwnEngine(str(path)).run(inputs, trace, lambda done: None)


def sentence_of(path: Path, inputs: Inputs, trace_folder: Path) -> str:
    with pytest.raises(EngineError) as caught:
        run(path, inputs, trace_folder)
    sentence = str(caught.value)
    assert sentence.startswith(str(path))
    assert "\n" not in sentence
    return sentence.removeprefix(str(path))


@pytest.mark.parametrize(
    ("cell", "dtype"), [("rnn_relu", "float64"), ("rnn_tanh", "float32"), ("lstm", "float32"), ("gru", "float64")]
)
def test_a_right_file_gives_every_number(cell: str, dtype: str, tmp_path: Path) -> None:
    asked = inputs_of({"timesteps": 3, "batch_size": 2}, cell=cell, dtype=dtype, **SIZES)
    asked = save_inputs(tmp_path / "inputs", asked)
    trace, report = run(written(tmp_path, RIGHT[cell]), asked, tmp_path / "trace")
    answer = recurrence(asked)
    # Whatever the file computes in, the trace holds the network's own floats.
    assert trace.hidden.dtype == dtype
    for name in ("hidden", "output", "state_h", "state_c", "cell"):
        ours, theirs = getattr(trace, name), getattr(answer, name)
        assert (ours is None) == (theirs is None), name
        if ours is not None:
            assert_near(ours, theirs, 1e-12 if dtype == "float64" else 1e-6, name)
    assert report.printed == ""


def test_the_registry_knows_a_file_by_its_path(tmp_path: Path) -> None:
    path = written(tmp_path / "Ünï côde, and spaces", RIGHT["gru"])
    entry = find_engine(str(path))
    assert entry.own == path
    assert entry.unavailable is None
    assert load_engine(str(path)).version.startswith("mine.py")
    with pytest.raises(ConfigError, match="there is no such file"):
        find_engine(str(tmp_path / "other.py"))


def test_a_path_with_spaces_and_letters_of_every_kind_runs(inputs: Inputs, tmp_path: Path) -> None:
    path = written(tmp_path / "Ünï côde and spaces 語", RIGHT["rnn_tanh"], "ma récurrence ∑.py")
    trace, _ = run(path, inputs, tmp_path / "trace")
    assert_near(trace.hidden, recurrence(inputs).hidden, 1e-6)


def test_what_it_prints_is_told_line_by_line_as_it_was_printed(inputs: Inputs, tmp_path: Path) -> None:
    code = f"import sys\nprint('lo', 'aded')\nprint('aside', file=sys.stderr)\n{RIGHT['rnn_tanh']}"
    code = code.replace("    h = np", "    print('ü', end=''); print(x.shape)\n    h = np")
    _, report = run(written(tmp_path, code), inputs, tmp_path / "trace")
    first = "(2, 5)"
    assert report.printed.startswith(f"lo aded\naside\nü{first}\n")
    assert report.printed.count("ü(") == 3 * 4


def test_endless_print_is_cut_and_says_so(inputs: Inputs, tmp_path: Path) -> None:
    code = f"for n in range(3000): print('line', n)\n{RIGHT['rnn_tanh']}"
    _, report = run(written(tmp_path, code), inputs, tmp_path / "trace")
    assert report.printed.startswith("line 0\nline 1\n")
    assert len(report.printed) < 20_100
    assert report.printed.endswith("(There was more: 20,000 characters are kept.)\n")


def test_a_module_beside_it_can_be_imported(inputs: Inputs, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    written(folder, "import numpy as np\n\n\ndef activation(v):\n    return np.tanh(v)\n", "sibling.py")
    code = RIGHT["rnn_tanh"].replace("import numpy as np", "import numpy as np\nfrom sibling import activation")
    trace, _ = run(written(folder, code.replace("np.tanh(total)", "activation(total)")), inputs, tmp_path / "trace")
    assert_near(trace.hidden, recurrence(inputs).hidden, 1e-6)
    assert not (folder / "__pycache__").exists()


@pytest.mark.parametrize("name", ["numpy.py", "rnnviz.py"])
def test_a_file_named_like_a_module_of_ours_takes_no_ones_place(name: str, inputs: Inputs, tmp_path: Path) -> None:
    trace, _ = run(written(tmp_path / "project", RIGHT["rnn_tanh"], name), inputs, tmp_path / "trace")
    assert_near(trace.hidden, recurrence(inputs).hidden, 1e-6)


def test_it_may_define_dataclasses_with_postponed_annotations(inputs: Inputs, tmp_path: Path) -> None:
    head = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\nfrom typing import ClassVar\n\n\n"
        "@dataclass\nclass Settings:\n    kind: ClassVar[str] = 'a'\n    slope: float = 1.0\n"
    )
    trace, _ = run(written(tmp_path, head + RIGHT["rnn_tanh"]), inputs, tmp_path / "trace")
    assert_near(trace.hidden, recurrence(inputs).hidden, 1e-6)


def test_writing_into_what_it_is_given_corrupts_nothing(inputs: Inputs, tmp_path: Path) -> None:
    code = RIGHT["rnn_tanh"].replace("    return [new]", "    x[:] = 7\n    state[0][:] = 7\n    return [new]")
    trace, _ = run(written(tmp_path, code), inputs, tmp_path / "trace")
    assert_near(trace.hidden, recurrence(inputs).hidden, 1e-6)


def test_keeping_and_changing_what_it_returned_corrupts_nothing(inputs: Inputs, tmp_path: Path) -> None:
    code = RIGHT["rnn_tanh"].replace("new = np.empty_like(h)", "new = KEPT.setdefault('new', np.empty_like(h))")
    code = code.replace("FIRST = {}", "KEPT = {}").replace("np.float64", "np.float32")
    trace, _ = run(written(tmp_path, code), inputs, tmp_path / "trace")
    assert_near(trace.hidden, recurrence(inputs).hidden, 1e-5)


def test_the_parameters_cannot_be_changed(inputs: Inputs, tmp_path: Path) -> None:
    code = RIGHT["rnn_tanh"].replace("    h = np", "    p.h2h_bias[0] = 3.0\n    h = np")
    before = {name: np.array(array) for name, array in inputs.parameters.items()}
    assert "ValueError: assignment destination is read-only" in sentence_of(
        written(tmp_path, code), inputs, tmp_path / "trace"
    )
    for name, array in before.items():
        np.testing.assert_array_equal(inputs.parameters[name], array)


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

DEEP = """import time


def step(x, state, p):
    deep(3)


def deep(n):
    return deep(n - 1) if n else time.sleep(1000)
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


DYING = {
    "os._exit": ("import os\n\n\ndef step(x, state, p):\n    os._exit(5)\n", " ended its process (exit code 5)."),
    "a crash": (
        "import ctypes\n\n\ndef step(x, state, p):\n    ctypes.string_at(0)\n",
        " ended its process (killed by SIGSEGV).",
    ),
    "an abort": ("import os\nos.abort()\n", " ended its process (killed by SIGABRT)."),
}


@pytest.mark.parametrize("name", DYING)
def test_the_death_of_its_process_is_a_sentence(name: str, inputs: Inputs, tmp_path: Path) -> None:
    code, sentence = DYING[name]
    assert sentence_of(written(tmp_path, code), inputs, tmp_path / "trace") == sentence


IMPATIENT = (
    "import sys; from rnnviz.engines.own import host; host.STEP_SECONDS = 0.4; sys.exit(host.main(sys.argv[1:]))"
)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second counts as endless, in the process and beside it."""
    monkeypatch.setattr(own_engine, "_command", lambda: [sys.executable, "-P", "-c", IMPATIENT])
    monkeypatch.setattr(own_engine, "_SILENCE_SECONDS", 2.0)


ENDLESS = {
    "in step": ("def step(x, state, p):\n    n = 0\n    while True:\n        n += 1\n", (3, 4)),
    "while it loads": ("import time\ntime.sleep(1000)\n", (2,)),
    "below its own lines": (
        DEEP,
        (9,),
    ),
    "printing": ("def step(x, state, p):\n    while True:\n        print('x' * 50)\n", (2, 3)),
}


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("name", ENDLESS)
def test_an_endless_loop_is_stopped_and_its_line_is_told(name: str, inputs: Inputs, tmp_path: Path) -> None:
    code, lines = ENDLESS[name]
    sentence = sentence_of(written(tmp_path, code), inputs, tmp_path / "trace")
    assert any(sentence.startswith(f", line {line}: the recurrence was stopped, since it did not") for line in lines)


@pytest.mark.usefixtures("impatient")
def test_code_that_lets_no_other_thread_run_is_stopped_from_outside(inputs: Inputs, tmp_path: Path) -> None:
    code = "import re\n\n\ndef step(x, state, p):\n    re.match('(a+)+b', 'a' * 60)\n"
    began = monotonic()
    assert sentence_of(written(tmp_path, code), inputs, tmp_path / "trace") == (
        " ended its process (killed after 2 s of silence)."
    )
    assert monotonic() - began < 20


@pytest.mark.usefixtures("impatient")
def test_a_process_that_shuts_its_output_and_lives_on_is_stopped(inputs: Inputs, tmp_path: Path) -> None:
    code = (
        "import os, time\n\n\ndef step(x, state, p):\n    os.closerange(1, 50)\n    time.sleep(0.1)\n    return state\n"
    )
    path = written(tmp_path, code)
    with pytest.raises(EngineError, match="ended its process"):
        run(path, inputs, tmp_path / "trace")


@pytest.mark.usefixtures("impatient")
def test_many_short_steps_are_no_endless_loop(tmp_path: Path) -> None:
    asked = inputs_of({"timesteps": 35, "batch_size": 1}, cell="rnn_tanh", hidden_size=3)
    asked = save_inputs(tmp_path / "long", asked)
    code = RIGHT["rnn_tanh"].replace("    h = np", "    import time; time.sleep(0.02)\n    h = np")
    told: list[float] = []
    trace = create_trace(tmp_path / "trace", "mine", asked.network, 35, 1, cell=True)
    OwnEngine(str(written(tmp_path, code))).run(asked, trace, told.append)
    assert told == sorted(told)
    assert len(told) > 3


def test_input_is_at_its_end(inputs: Inputs, tmp_path: Path) -> None:
    assert ", line 1: EOFError" in sentence_of(written(tmp_path, "name = input()\n"), inputs, tmp_path / "trace")


def test_what_code_below_python_prints_disturbs_nothing(inputs: Inputs, tmp_path: Path) -> None:
    code = f"import os\nos.write(1, b'[1, 2]\\nnoise')\nos.system('echo more noise')\n{RIGHT['rnn_tanh']}"
    trace, _ = run(written(tmp_path, code), inputs, tmp_path / "trace")
    assert_near(trace.hidden, recurrence(inputs).hidden, 1e-6)


def test_threads_that_it_leaves_behind_keep_nothing_waiting(inputs: Inputs, tmp_path: Path) -> None:
    code = f"import threading, time\nthreading.Thread(target=time.sleep, args=(1000,)).start()\n{RIGHT['rnn_tanh']}"
    began = monotonic()
    run(written(tmp_path, code), inputs, tmp_path / "trace")
    assert monotonic() - began < 30


def sleepers(mark: str) -> list[psutil.Process]:
    return [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] and mark in p.info["cmdline"]]


def gone(mark: str) -> bool:
    """Whether no process with that word on its command line is left, given a moment to go."""
    psutil.wait_procs(sleepers(mark), timeout=5)
    return sleepers(mark) == []


@pytest.mark.skipif(sys.platform == "win32", reason="process groups are POSIX")
@pytest.mark.parametrize("ending", ["return state", "os._exit(3)", "raise ValueError"])
def test_processes_that_it_starts_end_with_it(ending: str, inputs: Inputs, tmp_path: Path) -> None:
    seconds = str(90_000 + abs(hash((ending, tmp_path))) % 9_000)
    code = (
        f"import os, subprocess\nsubprocess.Popen(['sleep', '{seconds}'])\n\n\ndef step(x, state, p):\n    {ending}\n"
    )
    path = written(tmp_path, code)
    if "return" in ending:
        run(path, inputs, tmp_path / "trace")
    else:
        sentence_of(path, inputs, tmp_path / "trace")
    assert gone(seconds)


HUNG = {
    "waiting": "import time\ntime.sleep(1000)\n",
    "holding Python's lock": "import re\nre.match('(a+)+b', 'a' * 60)\n",
}

PARENT = """
import sys
from pathlib import Path
from rnnviz.engines.own.engine import OwnEngine
from rnnviz.model.stored_inputs import open_inputs
from rnnviz.model.trace import open_trace
OwnEngine(sys.argv[1]).run(open_inputs(Path(sys.argv[2])), open_trace(Path(sys.argv[3]), writable=True), print)
"""


@pytest.mark.parametrize("name", HUNG)
def test_no_process_is_left_when_the_one_that_asked_is_killed(name: str, inputs: Inputs, tmp_path: Path) -> None:
    started = tmp_path / "started"
    path = written(tmp_path, f"open({str(started)!r}, 'w').close()\n{HUNG[name]}")
    create_trace(tmp_path / "trace", str(path), inputs.network, 3, 2, cell=True)
    arguments = [str(path), str(inputs.folder), str(tmp_path / "trace")]
    parent = psutil.Popen([sys.executable, "-c", PARENT, *arguments])
    assert eventually(started.exists)
    (host,) = parent.children(recursive=True)
    parent.kill()
    parent.wait(timeout=10)
    _, left = psutil.wait_procs([host], timeout=10)
    assert left == []


def eventually(holds: Callable[[], bool]) -> bool:
    """Whether it holds within some seconds."""
    end, pause = monotonic() + 20, Event()
    while not holds() and monotonic() < end:
        pause.wait(0.01)
    return holds()


def test_an_error_in_the_listener_ends_the_process(inputs: Inputs, tmp_path: Path) -> None:
    def burst(_: float) -> None:
        raise LookupError

    path = written(tmp_path, RIGHT["rnn_tanh"])
    trace = create_trace(tmp_path / "trace", "mine", inputs.network, 3, 2, cell=True)
    with pytest.raises(LookupError):
        OwnEngine(str(path)).run(inputs, trace, burst)


def test_numbers_beyond_the_networks_floats_become_infinite_without_a_word(inputs: Inputs, tmp_path: Path) -> None:
    code = "import numpy as np\n\n\ndef step(x, state, p):\n    return (np.full(state[0].shape, 1e300),)\n"
    trace, report = run(written(tmp_path, code), inputs, tmp_path / "trace")
    assert np.isposinf(trace.hidden).all()
    assert report.printed == ""


def test_integers_and_lists_are_numbers(inputs: Inputs, tmp_path: Path) -> None:
    code = "def step(x, state, p):\n    return [[[1, 2, 3, True]] * 2]\n"
    trace, _ = run(written(tmp_path, code), inputs, tmp_path / "trace")
    np.testing.assert_array_equal(trace.hidden[1, 1, 2], [[1, 2, 3, 1]] * 2)
