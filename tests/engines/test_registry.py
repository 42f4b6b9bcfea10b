"""Engines by name, what they compute, and the libraries that they need."""

import math
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from numpy.typing import NDArray

from rnnviz.cells import CELLS
from rnnviz.cells.activations import ACTIVATIONS
from rnnviz.cells.interpreters.arrays import step_values
from rnnviz.cells.rnn import RNN_RELU
from rnnviz.core.config import CELL_NAMES, Backward, Compare, Config, Network, ParameterSource
from rnnviz.core.errors import ConfigError, EngineError
from rnnviz.core.extras import not_installed
from rnnviz.core.model_formats import MXNET, NUMPY, SAFETENSORS, format_of_framework
from rnnviz.engines import registry
from rnnviz.engines.custom_code.parent import CustomEngine
from rnnviz.engines.known_bugs.engine import KnownBugEngine
from rnnviz.engines.manual import ManualEngine
from rnnviz.engines.recorded_outputs import RecordedEngine
from rnnviz.engines.registry import (
    ENGINES,
    engines_of,
    find_engine,
    is_known_bug,
    load_engine,
    recordings_in,
    with_candidates,
)
from rnnviz.io.inputs import load_inputs
from rnnviz.verify.audit import audit
from rnnviz.verify.consistency_checks import consistency_checks
from tests.cells.layers import ALL_CELLS, draw_layer
from tests.needs import need_engine, needs
from tests.oracles.cell_loops import cell_values
from tests.oracles.computed import assert_agrees, assert_near, computed
from tests.oracles.recurrence import recurrence
from tests.programs import python
from tests.strategies import configs, every_cell_configs
from tests.verify.audit_helpers import inputs_of

NO_ENGINE = (
    "is not a known engine: it must be one of gluon, manual, onnx, torch, bug:NAME, the path of a .py file, "
    "exec:COMMAND, lib:FILE, recording:PATH of recorded outputs, or model:PATH of other weights."
)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tensorflow", NO_ENGINE),
        (
            "bug:no-i2h-bia",
            'is not a known bug. Did you mean "bug:no-i2h-bias"? The guide lists them on the page Known bugs.',
        ),
    ],
)
@pytest.mark.parametrize("key", ["compare.reference", "compare.candidates"])
def test_an_unknown_engine_is_refused_with_the_names_that_there_are(name, said, key):
    with pytest.raises(ConfigError) as caught:
        find_engine(name, key)
    assert caught.value.key == key
    assert caught.value.sentence == f'{key} names "{name}", which {said}'


@pytest.mark.parametrize("name", ["./none.py", "recording:none.npz", "recording:none.npz#gluon"])
def test_a_file_that_is_not_there_is_named(name):
    with pytest.raises(ConfigError) as caught:
        find_engine(name, "compare.reference")
    assert caught.value.key == "compare.reference"
    assert caught.value.sentence == f'compare.reference names "{name}", but there is no such file.'


@pytest.mark.parametrize(
    ("name", "title", "loaded"),
    [
        ("manual", "manual", ManualEngine),
        ("bug:no-h2h-bias", "bug:no-h2h-bias", KnownBugEngine),
        ("mine.py", "mine.py", CustomEngine),
        ("recording:golden.npz", "recording:golden.npz", RecordedEngine),
    ],
)
def test_every_kind_of_engine_is_found_under_its_name_and_loaded(tmp_path, monkeypatch, name, title, loaded):
    monkeypatch.chdir(tmp_path)
    np.savez("golden.npz", hidden=np.ones(1))
    Path("mine.py").touch()
    entry = find_engine(name)
    assert (entry.name, entry.title, entry.unavailable) == (name, title, None)
    assert (entry.bug and entry.bug.engine) == (name if name.startswith("bug:") else None)
    assert is_known_bug(name) == name.startswith("bug:")
    assert isinstance(load_engine(name), loaded)
    if name == "mine.py":
        Path("deep").mkdir()
        Path("deep/mine.py").touch()
        assert find_engine("deep/mine.py").title == "mine.py"


def test_a_recording_is_found_by_its_path_and_needs_nothing_installed(tmp_path):
    path = tmp_path / "golden.npz"
    with pytest.raises(
        ConfigError, match=r'compare\.candidates names "recording:.*golden\.npz#torch", but there is no such'
    ):
        find_engine(f"recording:{path}#torch")
    np.savez(path, **{"torch.hidden": np.ones(1), "manual.state": np.ones(1)})
    assert recordings_in(path) == (f"recording:{path}#torch", f"recording:{path}#manual")
    entry = find_engine(f"recording:{path}#torch")
    assert (entry.unavailable, entry.unsupported_reason(Network("gru", 2, 3, dtype="float64"))) == (None, None)
    assert load_engine(entry.name).version.startswith("golden.npz, saved ")
    np.savez(path, hidden=np.ones(1))
    assert recordings_in(path) == (f"recording:{path}",)


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_an_engine_needs_every_package_of_its_extra(monkeypatch, package):
    missing(monkeypatch, package)
    assert ENGINES["onnx"].unavailable == f"The engine onnx {not_installed(package)}."
    assert replace(ENGINES["onnx"], package="no_such_package").version is None


def missing(monkeypatch: pytest.MonkeyPatch, *packages: str, system: str = "Windows", machine: str = "AMD64") -> None:
    """Another machine, on which these packages are not installed."""
    monkeypatch.setattr(registry, "find_spec", lambda name: None if name in packages else object())
    monkeypatch.setattr(registry, "_why_mxnet_cannot_be_loaded", lambda: None)
    monkeypatch.setattr(registry.platform, "system", lambda: system)
    monkeypatch.setattr(registry.platform, "machine", lambda: machine)


@pytest.mark.parametrize("frozen", [False, True])
def test_a_missing_torch_is_refused_with_the_command_to_install_it(frozen, monkeypatch):
    """A package of the program without PyTorch has no pip."""
    missing(monkeypatch, "torch")
    monkeypatch.setattr(registry.sys, "frozen", frozen, raising=False)
    with pytest.raises(EngineError) as caught:
        load_engine("torch")
    assert str(caught.value).startswith("The engine torch needs PyTorch, which ")
    assert ("pip install" in str(caught.value)) == (not frozen)


def test_a_missing_mxnet_is_refused_with_system_and_fix(monkeypatch):
    missing(monkeypatch, "mxnet")
    with pytest.raises(EngineError) as caught:
        load_engine("gluon")
    assert str(caught.value) == "The engine gluon needs mxnet 1.9.1, which has no wheel for Windows AMD64."


@pytest.mark.parametrize(
    ("python", "said"),
    [
        ((3, 12, 0), not_installed("mxnet")),
        ((3, 13, 5), "needs mxnet 1.9.1, which runs on Python 3.11 and 3.12, not on 3.13.5"),
    ],
)
def test_a_python_that_mxnet_does_not_run_on_is_named(python, said, monkeypatch):
    missing(monkeypatch, "mxnet", system="Linux", machine="x86_64")
    monkeypatch.setattr(registry.sys, "version_info", python)
    monkeypatch.setattr(registry.platform, "python_version", lambda: "3.13.5")
    assert ENGINES["gluon"].missing_package == said


def test_an_mxnet_beside_numpy_2_is_useless(monkeypatch):
    monkeypatch.setattr(registry, "find_spec", lambda name: object())
    monkeypatch.setattr(registry.np, "__version__", "2.5.0")
    registry._why_mxnet_cannot_be_loaded.cache_clear()
    assert str(ENGINES["gluon"].missing_package).startswith("needs NumPy 1, but NumPy 2.5.0 is installed (")
    registry._why_mxnet_cannot_be_loaded.cache_clear()


@pytest.fixture
def lacking(monkeypatch):
    """A Linux on which only one of the libraries can be loaded that MXNet links to."""

    def load(name):
        if name == "libgomp.so.1":
            raise OSError(f"{name}: cannot open shared object file: No such file or directory")

    monkeypatch.setattr(registry, "CDLL", load)
    monkeypatch.setattr(registry, "find_spec", lambda name: object())
    monkeypatch.setattr(registry.sys, "platform", "linux")
    registry._why_mxnet_cannot_be_loaded.cache_clear()
    yield
    registry._why_mxnet_cannot_be_loaded.cache_clear()


@needs("mxnet")
@pytest.mark.usefixtures("lacking")
def test_an_mxnet_whose_libraries_the_system_lacks_is_missing():
    with pytest.raises(EngineError) as caught:
        load_engine("gluon")
    assert str(caught.value) == (
        "The engine gluon needs libgomp.so.1, which this system lacks (install libgomp1 on Debian and Ubuntu)."
    )


GLUON, ONNX, TORCH = "mxnet", "onnxruntime", "torch"


@pytest.mark.parametrize(
    ("changes", "hidden", "candidates"),
    [
        ({}, (), ("gluon",)),
        ({}, (GLUON,), ("onnx",)),
        ({}, (GLUON, ONNX), ("torch",)),
        ({}, (GLUON, ONNX, TORCH), ()),
        ({"dtype": "float64"}, (GLUON,), ("torch",)),
        ({"dtype": "float64"}, (GLUON, TORCH), ()),
        # PyTorch has no GRU with the reset before the product, and ONNX no activations per gate of a custom cell.
        ({"cell": "gru_reset_before"}, (GLUON,), ("onnx",)),
        ({"cell": "gru_reset_before"}, (GLUON, ONNX), ()),
        ({"cell": "./mine.py"}, (GLUON,), ("torch",)),
        ({"cell": "./mine.py"}, (GLUON, TORCH), ()),
        # ONNX has no backward pass.
        ({"backward": True}, (GLUON,), ("torch",)),
        ({"backward": True}, (GLUON, TORCH), ("onnx",)),
        # Any other reference is compared with manual.
        *[({"reference": name}, (), ("manual",)) for name in ("gluon", "onnx", "torch", "./mine.py")],
        # The engine of the framework that wrote the weights comes first.
        ({"path": "/a/model.pt"}, (), ("torch",)),
        ({"path": "/a/model.safetensors.index.fp16.json"}, (), ("torch",)),
        ({"path": "/a/model.pt"}, (TORCH,), ("gluon",)),
        ({"path": "/a/Model.ONNX"}, (), ("onnx",)),
        ({"path": "/a/model.onnx", "dtype": "float64"}, (), ("gluon",)),
        ({"path": "/a/model.keras"}, (), ("onnx",)),
        ({"path": "/a/model.params"}, (), ("gluon",)),
        ({"path": "/a/weights.npz"}, (), ("gluon",)),
        ({"path": "/a/model.pt", "candidates": ("onnx",)}, (), ("onnx",)),
        ({"candidates": ("gluon",)}, (GLUON,), ("gluon",)),
        ({"candidates": ()}, (), ()),
    ],
)
def test_the_default_candidate(monkeypatch, changes, hidden, candidates):
    missing(monkeypatch, *hidden)
    config = Config(
        Network(changes.get("cell", "gru"), 2, 3, dtype=changes.get("dtype", "float32")),
        parameters=ParameterSource("file", path=changes["path"]) if "path" in changes else ParameterSource(),
        compare=Compare(changes.get("reference", "manual"), changes.get("candidates")),
        backward=Backward(enabled=changes.get("backward", False)),
    )
    found = with_candidates(config)
    assert found == replace(config, compare=replace(config.compare, candidates=candidates))
    assert engines_of(config) == (config.compare.reference, *candidates)


def test_the_files_of_a_folder_say_its_framework(tmp_path):
    assert format_of_framework(str(tmp_path)) is MXNET
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).touch()
    assert format_of_framework(str(tmp_path)) is SAFETENSORS
    (tmp_path / "a.npz").touch()
    assert not NUMPY.names
    assert format_of_framework(str(tmp_path)) is SAFETENSORS


@pytest.mark.parametrize("error", [ImportError, OSError, AttributeError])
def test_an_engine_whose_import_fails_is_a_sentence(monkeypatch, error):
    def load(entry):
        raise error("libgfortran.so.4 is missing")

    monkeypatch.setattr("rnnviz.engines.registry.import_module", load)
    with pytest.raises(EngineError, match=r"The engine manual could not be loaded: libgfortran\.so\.4 is missing\."):
        load_engine("manual")


def test_an_error_of_the_program_is_not_taken_for_a_failed_import(monkeypatch):
    names: dict[str, Any] = {"__name__": "rnnviz.engines.manual"}
    exec("def load(entry):\n    entry.no_such_attribute", names)
    monkeypatch.setattr("rnnviz.engines.registry.import_module", names["load"])
    with pytest.raises(AttributeError, match="no_such_attribute"):
        load_engine("manual")


def test_listing_the_engines_imports_none_of_them():
    code = (
        "import sys; from rnnviz.engines.registry import ENGINES; [entry.unavailable for entry in ENGINES.values()];"
        "print('mxnet' in sys.modules, 'rnnviz.engines.manual' in sys.modules)"
    )
    assert python("-c", code).stdout.split() == ["False", "False"]


@pytest.mark.parametrize("name", ["a\nb.py", "\x1b[2J.py", "\udcff.py", "trace:\udcff.npz"])
def test_a_name_that_no_text_can_hold_or_that_commands_a_terminal_is_refused(name):
    with pytest.raises(ConfigError, match="not UTF-8 text or has control characters"):
        find_engine(name)


TOLERANCES = {"float32": 2e-5, "float64": 1e-12}


@pytest.mark.parametrize("engine", ENGINES)
@given(config=configs() | every_cell_configs())
def test_plain_loops(engine, config):
    need_engine(engine)
    if ENGINES[engine].unsupported_reason(config.network) is not None:
        return
    inputs = load_inputs(config)
    trace, report = computed(load_engine(engine), inputs)
    # MXNet computes this layer in float32, whatever its type.
    rounded = engine == "gluon" and config.network.kind == RNN_RELU
    tolerance = TOLERANCES["float32" if rounded else config.network.dtype]
    assert_agrees(trace, recurrence(inputs), tolerance)
    assert all(check.holds for check in consistency_checks(trace, *config.tolerances))
    assert rounded or audit(inputs, trace).verdict == "right"
    for equality in report.equalities:
        assert_near(equality.left, equality.right, tolerance, equality.name)


@pytest.mark.parametrize("engine", ENGINES)
def test_cell_states_inside_are_known_of_some_engines_and_final_ones_of_all(engine):
    need_engine(engine)
    inputs = inputs_of({"timesteps": 4}, cell="lstm", hidden_size=6, num_layers=2, bidirectional=True)
    before = [np.array(a) for a in (inputs.sequence, *inputs.parameters.values(), *inputs.initial_state.values())]
    loaded = load_engine(engine)
    trace, report = computed(loaded, inputs)
    assert ("c" in loaded.states(inputs.network)) == ("c" in trace) == (engine == "manual")
    assert_agrees(trace, recurrence(inputs), 2e-5)
    assert report.printed == ""
    after = [inputs.sequence, *inputs.parameters.values(), *inputs.initial_state.values()]
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)


def network(cell: str, **keys: object) -> Config:
    return Config.from_mapping({"network": {"cell": cell, "input_size": 3, "hidden_size": 4, **keys}})


@pytest.mark.parametrize("cell", CELL_NAMES)
def test_engines_of_each_cell(cell):
    able = {name for name, entry in ENGINES.items() if entry.unsupported_reason(network(cell).network) is None}
    everywhere = {"gluon", "manual", "onnx"}
    assert able == (everywhere | {"torch"} if cell in ("rnn_relu", "rnn_tanh", "lstm", "gru") else everywhere)


def test_engines_of_a_custom_cell():
    custom = network("./x.py").with_custom_cell(CELLS["gru"]).network
    assert {name for name, entry in ENGINES.items() if entry.unsupported_reason(custom) is not None} == {"onnx"}


@pytest.mark.parametrize(
    ("cell", "keys", "able"),
    [
        ("lstm", {"projection_size": 3}, {"gluon", "manual", "torch"}),
        ("lstm", {"projection_size": 4}, {"gluon", "manual"}),
        ("gru", {"clip": 1.0}, {"gluon", "manual", "onnx"}),
        ("gru", {"activations": ["hard_sigmoid", "gelu"]}, {"gluon", "manual"}),
        ("gru", {"activations": ["hard_sigmoid", "linear"]}, {"gluon", "manual", "onnx"}),
    ],
)
def test_engines_of_a_setting(cell, keys, able):
    config = network(cell, **keys)
    reasons = {name: entry.unsupported_reason(config.network) for name, entry in ENGINES.items()}
    assert {name for name, reason in reasons.items() if reason is None} == able
    for reason in filter(None, reasons.values()):
        assert all(name in reason for name in able)


STEP_TOLERANCES = {"float32": 3e-5, "float64": 1e-12}


@pytest.fixture(params=["gluon", "torch"])
def library(request):
    """The library, and conversions of NumPy arrays to its arrays and back."""
    need_engine(request.param)
    engine = import_module(f"rnnviz.engines.{request.param}")
    return engine.LIBRARY, engine.to_library, engine.to_numpy


@pytest.mark.parametrize("dtype", STEP_TOLERANCES)
@pytest.mark.parametrize("name", ALL_CELLS)
def test_every_cell(name, dtype, library):
    functions, to_library, to_numpy = library
    layer = draw_layer(ALL_CELLS[name]).in_type(dtype)
    expected = cell_values(name, layer.parameters, layer.x, layer.state)

    def converted(arrays):
        return {key: to_library(array) for key, array in arrays.items()}

    parameters, state = converted(layer.parameters), converted(layer.state)
    for t, x in enumerate(layer.x):
        values = step_values(layer.cell, parameters, to_library(x), state, functions)
        for key, array in expected.items():
            found = to_numpy(values[key])
            assert found.dtype == dtype
            np.testing.assert_allclose(
                found, array[t], rtol=0.0, atol=STEP_TOLERANCES[dtype] * max(1, abs(array).max())
            )
        state = {key: values[key] for key in state}


@pytest.mark.parametrize("dtype", STEP_TOLERANCES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation(name, dtype, library):
    functions, to_library, to_numpy = library
    x: NDArray[Any] = np.array([[-3.0, -1.0, -0.3, 0.0], [0.2, 0.9, 1.5, math.nan]], dtype)
    found = to_numpy(functions.activate(ACTIVATIONS[name], to_library(x)))
    assert found.dtype == dtype
    np.testing.assert_allclose(
        found, ACTIVATIONS[name].values(x), rtol=STEP_TOLERANCES[dtype], atol=STEP_TOLERANCES[dtype]
    )
