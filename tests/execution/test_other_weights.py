"""The engine model:FILE: the manual engine with the weights of another file, audited with its own weights."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from rnnviz.core.config import ParameterSource
from rnnviz.core.errors import ConfigError, InputError
from rnnviz.core.inputs import open_inputs, save_inputs
from rnnviz.core.places import Place
from rnnviz.execution.supervisor import run
from rnnviz.explain.explanation import explain
from rnnviz.io.config_toml import load_config, save_config
from rnnviz.io.export.data import npz_arrays, write_npz
from rnnviz.io.inputs import load_inputs
from rnnviz.io.model_formats.load import NUMPY_ARCHIVE, TORCH_SAFETENSORS
from rnnviz.io.session import SavedDocument, SavedSession, files_to_copy, read_session, write_session
from rnnviz.reading.arrays import ArrayReader
from rnnviz.text.verdict_text import plain, verdict_sentence
from rnnviz.verify.verdict import AuditVerdict, Verdict
from tests.configs import config_of
from tests.shared_worker import run_shared

__all__ = ["run_shared"]

SIZES = {"num_layers": 2, "bidirectional": True, "timesteps": 5, "batch_size": 2}


@pytest.fixture
def config():
    return config_of("manual", cell="lstm", **SIZES)


def with_seed(config, seed):
    return replace(config, parameters=ParameterSource(seed=seed))


def written(config, path, form):
    inputs = load_inputs(config)
    form.write(inputs.network, inputs.parameters, path)
    return f"model:{path}"


def test_the_same_weights_in_another_format_agree(config, tmp_path, run_shared):
    engine = written(config, tmp_path / "w.safetensors", TORCH_SAFETENSORS)
    result = run_shared(config.with_engines(("manual", engine)))
    assert result.verdict is Verdict.AGREE
    assert np.array_equal(result[engine].hidden, result["manual"].hidden)


@pytest.mark.parametrize("kind", ["npz", "toml"])
def test_other_weights_differ_and_no_engine_is_wrong(config, tmp_path, run_shared, kind):
    other = with_seed(config, 7)
    if kind == "toml":
        save_config(other, tmp_path / "other.toml")
        engine = f"model:{tmp_path / 'other.toml'}"
    else:
        engine = written(other, tmp_path / "other.npz", NUMPY_ARCHIVE)
    result = run_shared(config.with_engines(("manual", engine)))
    alone = run_shared(replace(other, compare=replace(config.compare, candidates=())))
    assert np.array_equal(result[engine].hidden, alone.reference.hidden)
    assert result.verdict is Verdict.DRIFT
    assert [audit.verdict for audit in result.judged("forward").audits.values()] == [AuditVerdict.RIGHT] * 2
    assert not result.judged("forward").diagnoses
    sentence = plain(verdict_sentence(result, engine).sentence)
    assert sentence.startswith(f"other.{kind} has the weights of another file: other.{kind} and manual differ from")
    assert "rounding errors" not in sentence


def test_its_gradients_and_its_arithmetic_are_of_its_own_weights(config, tmp_path, run_shared):
    config = replace(config, backward=replace(config.backward, enabled=True))
    other = with_seed(config, 7)
    engine = written(other, tmp_path / "other.npz", NUMPY_ARCHIVE)
    result = run_shared(config.with_engines(("manual", engine)))
    assert not result.wrong(engine, "backward")
    alone = run_shared(replace(other, compare=replace(config.compare, candidates=())))
    name = "grad.parameters.l0_i2h_weight"
    assert np.array_equal(result[engine][name], alone.reference[name])
    times, units = slice(0, 5), slice(0, config.network.hidden_size)
    gates = [
        ArrayReader(run.inputs, run[own]).lane(1, 1, 0, "i", times, units)
        for run, own in ((result, engine), (alone, "manual"))
    ]
    assert np.array_equal(*gates)
    where = result.inputs.places.location(1, 1, 2, 1, 3)
    for place in (Place.at("h", where), Place.at("grad.h", where)):
        assert explain(result, place).breakdowns[engine].right


def test_weights_of_engines_are_stored_with_the_inputs(config, tmp_path):
    engine = written(with_seed(config, 7), tmp_path / "other.npz", NUMPY_ARCHIVE)
    config = replace(config.with_engines(("manual", engine)), backward=replace(config.backward, enabled=True))
    inputs = load_inputs(config)
    save_inputs(tmp_path / "inputs", inputs)
    found = open_inputs(tmp_path / "inputs")
    for name, array in inputs.of_engine(engine).parameters.items():
        assert np.array_equal(found.of_engine(engine).parameters[name], array)
        assert np.array_equal(found.of_engine("manual").parameters[name], inputs.parameters[name])
    assert found.loss is not None
    assert inputs.loss is not None
    assert np.array_equal(found.loss.out, inputs.loss.out)


def test_a_file_of_another_network_is_refused(config, tmp_path):
    other = replace(config, network=replace(config.network, hidden_size=9))
    save_config(other, tmp_path / "other.toml")
    engine = f"model:{tmp_path / 'other.toml'}"
    with pytest.raises(ConfigError) as caught:
        load_inputs(config.with_engines(("manual", engine)))
    assert caught.value.key == "compare.candidates"
    assert "its network.hidden_size is 9" in str(caught.value)
    with pytest.raises(InputError, match="no such file"):
        run(config.with_engines(("manual", "model:absent.npz")), load_inputs)


def test_a_session_holds_a_copy_of_the_other_weights(config, tmp_path):
    engine = written(with_seed(config, 7), tmp_path / "other.npz", NUMPY_ARCHIVE)
    config = config.with_engines(("manual", engine))
    inputs = load_inputs(config)
    session = SavedSession(config, SavedDocument("two files"))
    write_session(session, tmp_path / "two.rnnviz", files_to_copy(config))
    (tmp_path / "other.npz").unlink()
    found = read_session(tmp_path / "two.rnnviz", lambda: tmp_path).config
    (copied,) = found.compare.candidates or ()
    own = load_inputs(found).of_engine(copied).parameters
    for name, array in inputs.of_engine(engine).parameters.items():
        assert np.array_equal(own[name], array)


@pytest.fixture
def named(config, tmp_path):
    """A config that reads its weights from a file below its folder, and an engine with it."""
    other = with_seed(config, 7)
    folder = tmp_path / "theirs"
    (folder / "weights").mkdir(parents=True)
    written(other, folder / "weights" / "w.npz", NUMPY_ARCHIVE)
    source = ParameterSource(initializer="file", path=str(folder / "weights" / "w.npz"))
    save_config(replace(other, parameters=source), folder / "x.toml")
    return folder / "x.toml"


def test_a_session_holds_the_weights_that_a_copied_config_names(config, named, tmp_path):
    config = config.with_engines(("manual", f"model:{named}"))
    inputs = load_inputs(config)
    write_session(SavedSession(config, SavedDocument("two")), tmp_path / "two.rnnviz", files_to_copy(config))
    shutil.rmtree(named.parent)
    found = read_session(tmp_path / "two.rnnviz", lambda: tmp_path).config
    (copied,) = found.compare.candidates or ()
    own = load_inputs(found).of_engine(copied).parameters
    for name, array in inputs.of_engine(f"model:{named}").parameters.items():
        assert np.array_equal(own[name], array)


@pytest.mark.parametrize("kind", ["absolute", "above", "session"])
def test_weights_that_a_copy_would_not_find_are_named(config, named, tmp_path, kind):
    engine, path = named, named.parent / "weights" / "w.npz"
    if kind == "absolute":
        named.write_text(named.read_text().replace('"weights/w.npz"', f'"{path.as_posix()}"'))
    elif kind == "above":
        engine = named.parent / "weights" / "y.toml"
        path = named.parent / "w.npz"
        path.write_bytes((named.parent / "weights" / "w.npz").read_bytes())
        engine.write_text(named.read_text().replace('"weights/w.npz"', '"../w.npz"'))
    else:
        engine = named.parent / "weights" / "y.rnnviz"
        write_session(SavedSession(load_config(named), SavedDocument("theirs")), engine)
    config = config.with_engines(("manual", f"model:{engine}"))
    assert load_inputs(config).of_engine(f"model:{engine}").parameters is not None
    with pytest.raises(InputError) as caught:
        files_to_copy(config)
    assert f"model:{path}" in str(caught.value)


def test_an_archive_has_the_weights_of_each_engine(config, tmp_path, run_shared):
    engine = written(with_seed(config, 7), tmp_path / "other.npz", NUMPY_ARCHIVE)
    result = run_shared(config.with_engines(("manual", engine)))
    arrays = npz_arrays(result)
    for name, array in result.inputs.of_engine(engine).parameters.items():
        assert np.array_equal(arrays[f"other.npz.parameters.{name}"], array)
        assert np.array_equal(arrays[f"parameters.{name}"], result.inputs.parameters[name])
        assert f"manual.parameters.{name}" not in arrays
    write_npz(result, tmp_path / "run.npz")
    again = replace(config, parameters=ParameterSource(initializer="file", path=str(tmp_path / "run.npz")))
    for name, array in load_inputs(again).parameters.items():
        assert np.array_equal(array, result.inputs.parameters[name])
