"""A user's file as an engine: what it computes is shown, and it can change nothing that it is given."""

from pathlib import Path

import numpy as np
import pytest

from rnnviz.core.errors import ConfigError
from rnnviz.core.inputs import Inputs, save_inputs
from rnnviz.engines.registry import find_engine, load_engine
from tests.engines.custom_code.files import SIZES, run, sentence_of, written
from tests.engines.seeded_bugs import RIGHT
from tests.oracles.computed import assert_near
from tests.oracles.recurrence import recurrence
from tests.verify.audit_helpers import inputs_of


@pytest.mark.parametrize(
    ("cell", "dtype"),
    [
        pytest.param("rnn_relu", "float64", marks=pytest.mark.slow),
        pytest.param("rnn_tanh", "float32", marks=pytest.mark.slow),
        ("lstm", "float32"),
        ("gru", "float64"),
    ],
)
def test_a_right_file_computes_every_number(cell: str, dtype: str, tmp_path: Path) -> None:
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


def test_the_registry_finds_a_file_by_its_path(tmp_path: Path) -> None:
    path = written(tmp_path / "Ünï côde, and spaces", RIGHT["gru"])
    entry = find_engine(str(path))
    assert entry.unavailable is None
    assert load_engine(str(path)).version.startswith("mine.py")
    with pytest.raises(ConfigError, match="there is no such file"):
        find_engine(str(tmp_path / "other.py"))


def test_a_path_with_spaces_and_letters_of_every_kind_runs(inputs: Inputs, tmp_path: Path) -> None:
    path = written(tmp_path / "Ünï côde and spaces 語", RIGHT["rnn_tanh"], "ma récurrence ∑.py")
    trace, _ = run(path, inputs, tmp_path / "trace")
    assert_near(trace.hidden, recurrence(inputs).hidden, 1e-6)


def test_prints_are_reported_line_by_line_in_order(inputs: Inputs, tmp_path: Path) -> None:
    code = f"import sys\nprint('lo', 'aded')\nprint('aside', file=sys.stderr)\n{RIGHT['rnn_tanh']}"
    code = code.replace("    h = np", "    print('ü', end=''); print(x.shape)\n    h = np")
    _, report = run(written(tmp_path, code), inputs, tmp_path / "trace")
    first = "(2, 5)"
    assert report.printed.startswith(f"lo aded\naside\nü{first}\n")
    assert report.printed.count("ü(") == 3 * 4


@pytest.mark.slow
def test_endless_print_is_cut_with_a_note(inputs: Inputs, tmp_path: Path) -> None:
    code = f"for n in range(3000): print('line', n)\n{RIGHT['rnn_tanh']}"
    _, report = run(written(tmp_path, code), inputs, tmp_path / "trace")
    assert report.printed.startswith("line 0\nline 1\n")
    assert len(report.printed) < 20_100
    assert report.printed.endswith("(There was more: 20,000 characters are kept.)\n")


def test_a_module_in_the_same_folder_can_be_imported(inputs: Inputs, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    written(folder, "import numpy as np\n\n\ndef activation(v):\n    return np.tanh(v)\n", "sibling.py")
    code = RIGHT["rnn_tanh"].replace("import numpy as np", "import numpy as np\nfrom sibling import activation")
    trace, _ = run(written(folder, code.replace("np.tanh(total)", "activation(total)")), inputs, tmp_path / "trace")
    assert_near(trace.hidden, recurrence(inputs).hidden, 1e-6)
    assert not (folder / "__pycache__").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["numpy.py", "rnnviz.py"])
def test_a_file_named_like_a_module_of_rnnviz_replaces_nothing(name: str, inputs: Inputs, tmp_path: Path) -> None:
    trace, _ = run(written(tmp_path / "project", RIGHT["rnn_tanh"], name), inputs, tmp_path / "trace")
    assert_near(trace.hidden, recurrence(inputs).hidden, 1e-6)


def test_it_may_define_dataclasses_with_postponed_annotations(inputs: Inputs, tmp_path: Path) -> None:
    head = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\nfrom typing import ClassVar\n\n\n"
        "@dataclass\nclass Settings:\n    kind: ClassVar[str] = 'a'\n    slope: float = 1.0\n"
    )
    trace, _ = run(written(tmp_path, head + RIGHT["rnn_tanh"]), inputs, tmp_path / "trace")
    assert_near(trace.hidden, recurrence(inputs).hidden, 1e-6)


def test_writing_into_the_arguments_corrupts_nothing(inputs: Inputs, tmp_path: Path) -> None:
    code = RIGHT["rnn_tanh"].replace("    return [new]", "    x[:] = 7\n    state[0][:] = 7\n    return [new]")
    trace, _ = run(written(tmp_path, code), inputs, tmp_path / "trace")
    assert_near(trace.hidden, recurrence(inputs).hidden, 1e-6)


def test_changing_a_returned_array_later_corrupts_nothing(inputs: Inputs, tmp_path: Path) -> None:
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


def test_input_is_at_its_end(inputs: Inputs, tmp_path: Path) -> None:
    assert ", line 1: EOFError" in sentence_of(written(tmp_path, "name = input()\n"), inputs, tmp_path / "trace")


def test_output_of_native_code_disturbs_nothing(inputs: Inputs, tmp_path: Path) -> None:
    code = f"import os\nos.write(1, b'[1, 2]\\nnoise')\nos.system('echo more noise')\n{RIGHT['rnn_tanh']}"
    trace, _ = run(written(tmp_path, code), inputs, tmp_path / "trace")
    assert_near(trace.hidden, recurrence(inputs).hidden, 1e-6)


def test_numbers_beyond_the_networks_floats_become_infinite_without_a_word(inputs: Inputs, tmp_path: Path) -> None:
    code = "import numpy as np\n\n\ndef step(x, state, p):\n    return (np.full(state[0].shape, 1e300),)\n"
    trace, report = run(written(tmp_path, code), inputs, tmp_path / "trace")
    assert np.isposinf(trace.hidden).all()
    assert report.printed == ""


def test_integers_and_lists_are_numbers(inputs: Inputs, tmp_path: Path) -> None:
    code = "def step(x, state, p):\n    return [[[1, 2, 3, True]] * 2]\n"
    trace, _ = run(written(tmp_path, code), inputs, tmp_path / "trace")
    np.testing.assert_array_equal(trace.hidden[1, 1, 2], [[1, 2, 3, 1]] * 2)
