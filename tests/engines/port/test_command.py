"""Programs as engines: what they read and write, how they fail, and libraries that are called step by step."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnviz.core.config import Config
from rnnviz.core.engine_spec import display_name
from rnnviz.core.errors import EngineError
from rnnviz.core.inputs import Inputs
from rnnviz.core.resources import resource_path
from rnnviz.engines.manual import ManualEngine
from rnnviz.engines.port.command import CommandEngine, SizesRefusedError
from rnnviz.engines.port.protocol import port_name
from rnnviz.io.inputs import load_inputs
from tests.oracles.computed import computed

PORT = Path(__file__).with_name("port.py")
EXAMPLES = resource_path("port", "examples")

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")


def inputs_of(cell: str = "gru", lengths: tuple[int, ...] | None = None, **network: Any) -> Inputs:
    tables: dict[str, Any] = {
        "network": {"cell": cell, "input_size": 3, "hidden_size": 4, "num_layers": 2, "bidirectional": True} | network,
        "sequence": {"timesteps": 5, "batch_size": 2} | ({} if lengths is None else {"lengths": list(lengths)}),
        "parameters": {"initializer": "uniform", "scale": 0.5},
        "initial_state": {"source": "uniform"},
    }
    return load_inputs(Config.from_mapping(tables))


def engine(wrong: str = "-") -> CommandEngine:
    return CommandEngine(f"exec:{sys.executable} {PORT} {wrong}")


@pytest.mark.parametrize("lengths", [None, (5, 3)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_program_computes_the_network(lengths: tuple[int, ...] | None, dtype: str) -> None:
    inputs = inputs_of(lengths=lengths, dtype=dtype)
    trace, report = computed(engine("with-output"), inputs)
    right, _ = computed(ManualEngine(), inputs)
    np.testing.assert_allclose(trace.hidden, right.hidden, atol=1e-6)
    np.testing.assert_allclose(trace.output, right.output, atol=1e-6)
    assert report.missing == {"state.h"}


def test_a_state_that_was_not_written_is_missing(tmp_path: Path) -> None:
    port = tmp_path / "port.py"
    port.write_text("import sys\nopen(sys.argv[-1] + '/h.bin', 'wb').write(bytes(4 * 2 * 2 * 5 * 2 * 4))\n")
    _, report = computed(CommandEngine(f"exec:{sys.executable} {port}"), inputs_of("lstm"))
    assert report.missing >= {"c", "out", "state.h", "state.c"}


def test_exit_code_77_refuses_the_sizes() -> None:
    with pytest.raises(SizesRefusedError, match="this port computes other sizes"):
        computed(engine("three-units"), inputs_of())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("print('why'); sys.exit(3)", ("exit code 3", "why")),
        ("os.kill(os.getpid(), 9)", ("SIGKILL",)),
        ("pass", ("OUT",)),
        ("os.symlink('/etc/passwd', out + '/h.bin')", ("h.bin", "link")),
        ("os.mkfifo(out + '/h.bin')", ("h.bin", "pipe")),
        ("os.rmdir(out)", ("removed", "OUT")),
        ("os.rmdir(out); os.symlink('/', out)", ("replaced", "OUT")),
        ("open(out + '/h.bin', 'wb').write(bytes(8))", ("h", "2", "80")),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="links and signals of POSIX")
def test_a_failing_program_has_a_sentence(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    port = tmp_path / "port.py"
    port.write_text(f"import os, sys\nout = sys.argv[-1]\n{text}\n")
    with pytest.raises(EngineError) as error:
        computed(CommandEngine(f"exec:{sys.executable} {port}"), inputs_of(num_layers=1))
    sentence = str(error.value)
    assert all(word in sentence for word in words), sentence
    assert str(tmp_path) not in sentence.replace(str(port), "")


def test_a_program_runs_in_the_folder_of_the_config(tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("here")
    inputs = inputs_of()
    config = replace(inputs.config, engines=replace(inputs.config.engines, folder=str(tmp_path)))
    code = "import os, sys; print(os.listdir('.')); sys.exit(1)"
    with pytest.raises(EngineError, match=r"own\.txt"):
        computed(CommandEngine(f'exec:{sys.executable} -c "{code}"'), replace(inputs, config=config))


def test_a_missing_program_suggests_another(tmp_path: Path) -> None:
    program = tmp_path / "port"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    with pytest.raises(EngineError, match="Did you mean"):
        computed(CommandEngine(f"exec:{tmp_path / 'prot'}"), inputs_of())


@pytest.mark.parametrize(
    ("engine", "shown"),
    [
        ("exec:./port --fast", "./port --fast"),
        ("exec:/usr/bin/python3 /home/me/port.py x", "python3 port.py x"),
        ("lib:/home/me/port.so", "port.so"),
        ("gluon", "gluon"),
    ],
)
def test_a_command_is_shown_without_folders(engine: str, shown: str) -> None:
    assert display_name(engine) == shown


def test_parameters_have_the_names_of_pytorch() -> None:
    network = inputs_of("lstm_peephole").network
    names = {port_name(network, name) for name in network.parameter_shapes()}
    assert {"weight_ih_l0", "bias_hh_l1_reverse", "weight_ci_l0", "weight_co_l1_reverse"} <= names


def compiled(tmp_path: Path, *words: str) -> str:
    out = tmp_path / "port"
    subprocess.run(
        [
            *words,
            f"-I{resource_path('port')}",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-pedantic",
            "-O1",
            "-o",
            str(out),
            "-lm",
        ],
        check=True,
    )
    return str(out)


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("lengths", [None, (2, 5)])
@pytest.mark.parametrize(
    ("words", "cell", "tolerance"),
    [
        (("cc", "-std=c99", "-DRNNPORT_MAIN", str(EXAMPLES / "gru.c")), "gru", 1e-5),
        (("c++", "-std=c++17", str(EXAMPLES / "lstm.cpp")), "lstm", 1e-5),
        (("c++", "-std=c++11", str(EXAMPLES / "lstm.cpp")), "lstm", 1e-5),
        (("cc", "-std=c99", "-DRNNPORT_MAIN", str(EXAMPLES / "gru_q15.c")), "gru", 1e-2),
        (("cc", "-std=c99", "-fsanitize=address,undefined", "-DRNNPORT_MAIN", str(EXAMPLES / "gru.c")), "gru", 1e-5),
    ],
)
def test_the_examples_compute_their_cells(
    tmp_path: Path, words: tuple[str, ...], cell: str, tolerance: float, lengths: tuple[int, ...] | None
) -> None:
    inputs = inputs_of(cell, lengths)
    trace, _ = computed(CommandEngine(f"exec:{compiled(tmp_path, *words)}"), inputs)
    right, _ = computed(ManualEngine(), inputs)
    np.testing.assert_allclose(trace.hidden, right.hidden, atol=tolerance)


@needs_compiler
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the pages behind arrays are those of Linux")
def test_a_library_is_called_step_by_step(tmp_path: Path) -> None:
    library = compiled(tmp_path, "cc", "-std=c99", "-shared", "-fPIC", str(EXAMPLES / "gru.c"))
    inputs = inputs_of("gru", (5, 3))
    trace, report = computed(CommandEngine(f"lib:{library}"), inputs)
    right, _ = computed(ManualEngine(), inputs)
    np.testing.assert_allclose(trace.hidden, right.hidden, atol=1e-5)
    assert "h" not in report.missing
    over = tmp_path / "over.c"
    over.write_text(
        '#include "rnnport.h"\nint rnnport_step(const rnnport_net *net, int32_t l, int32_t d, const float *x, float *h,'
        " float *c, float *g) { (void)l, (void)d, (void)x, (void)c, (void)g; h[net->H] = 1; return 0; }\n"
    )
    library = compiled(tmp_path, "cc", "-std=c99", "-shared", "-fPIC", str(over))
    with pytest.raises(EngineError, match="SIGSEGV in layer 0, forward, t = 0, sample 0"):
        computed(CommandEngine(f"lib:{library}"), inputs)


@needs_compiler
@pytest.mark.slow
def test_a_value_that_was_not_written_has_a_place(tmp_path: Path) -> None:
    source = tmp_path / "port.c"
    source.write_text(
        '#include "rnnport.h"\nint main(int c, char **v) { rnnport p; rnnport_open(&p, c, v);'
        ' rnnport_put(&p, "h", p.H, 0, 0, 0, 0, rnnport_h0(&p, 0, 0, 0)); return rnnport_close(&p); }\n'
    )
    program = compiled(tmp_path, "cc", "-std=c99", str(source))
    with pytest.raises(EngineError, match="did not write h of layer 0, forward, t = 0, sample 1"):
        computed(CommandEngine(f"exec:{program}"), inputs_of())


def test_the_environment_of_a_port_is_the_user_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNNVIZ_TEST_OF_PORTS", "yes")
    code = "import os, sys; print(os.environ['RNNVIZ_TEST_OF_PORTS'], os.environ['RNNVIZ_PORT']); sys.exit(1)"
    with pytest.raises(EngineError, match="yes 1"):
        computed(CommandEngine(f'exec:{sys.executable} -c "{code}"'), inputs_of())
    assert os.environ.get("RNNVIZ_PORT") is None
