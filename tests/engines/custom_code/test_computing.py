"""A user's file as an engine: the process computes what the file does, and nothing disturbs it."""

import numpy as np
import pytest

from rnnviz.core.errors import ConfigError
from rnnviz.core.inputs import save_inputs
from rnnviz.engines.registry import find_engine, load_engine
from tests.engines.custom_code.files import SIZES, run, sentence_of, written
from tests.engines.seeded_bugs import RIGHT
from tests.oracles.computed import assert_agrees, assert_near
from tests.oracles.recurrence import recurrence
from tests.verify.audit_helpers import inputs_of


def test_prints_and_both_states_of_a_file_in_a_folder_of_any_name(tmp_path):
    """The file imports another one, prints, and reads its standard input; code below Python prints, too."""
    folder = tmp_path / "Ünï côde and spaces 語"
    written(folder, "import numpy as np\n\n\ndef activation(v):\n    return np.tanh(v)\n", "sibling.py")
    head = (
        "import os, sys\nfrom sibling import activation\nprint('lo', 'aded')\nprint('aside', file=sys.stderr)\n"
        "os.write(1, b'[1, 2]\\nnoise')\nos.system('echo more noise')\n"
    )
    code = head + RIGHT["lstm"].replace("np.tanh(c)", "activation(c)")
    code = code.replace("    h, c = (", "    print('ü', end=''); print(x.shape)\n    h, c = (")
    inputs = inputs_of({"timesteps": 3, "batch_size": 2}, cell="lstm", **SIZES)
    inputs = save_inputs(tmp_path / "inputs", inputs)
    path = written(folder, code, "ma récurrence ∑.py")
    entry = find_engine(str(path))
    assert entry.unavailable is None
    assert load_engine(str(path)).version.startswith("ma récurrence ∑.py")
    trace, report = run(path, inputs, tmp_path / "trace")
    assert_agrees(trace, recurrence(inputs), 1e-6)
    assert report.printed.startswith("lo aded\naside\nü(2, 5)\n")
    assert report.printed.count("ü(") == 3 * 4
    assert not (folder / "__pycache__").exists()


def test_the_registry_refuses_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="there is no such file"):
        find_engine(str(tmp_path / "other.py"))


@pytest.mark.slow
def test_endless_print_is_cut_with_a_note(inputs, tmp_path):
    code = f"for n in range(3000): print('line', n)\n{RIGHT['rnn_tanh']}"
    _, report = run(written(tmp_path, code), inputs, tmp_path / "trace")
    assert report.printed.startswith("line 0\nline 1\n")
    assert len(report.printed) < 20_100
    assert report.printed.endswith("(There was more: 20,000 characters are kept.)\n")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["numpy.py", "rnnviz.py"])
def test_a_file_named_like_a_module_of_rnnviz_replaces_nothing(name, inputs, tmp_path):
    trace, _ = run(written(tmp_path / "project", RIGHT["rnn_tanh"], name), inputs, tmp_path / "trace")
    assert_near(trace.hidden, recurrence(inputs).hidden, 1e-6)


def test_input_is_at_its_end(inputs, tmp_path):
    assert ", line 1: EOFError" in sentence_of(written(tmp_path, "name = input()\n"), inputs, tmp_path / "trace")


@pytest.mark.slow
def test_numbers_beyond_the_networks_floats_become_infinite_without_a_word(inputs, tmp_path):
    code = "import numpy as np\n\n\ndef step(x, state, p):\n    return (np.full(state[0].shape, 1e300),)\n"
    trace, report = run(written(tmp_path, code), inputs, tmp_path / "trace")
    assert np.isposinf(trace.hidden).all()
    assert report.printed == ""
