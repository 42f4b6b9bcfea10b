"""Sequences from archives, of either order of axes, and from sound: each number in its place, or a sentence."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnviz.core.config import Config
from rnnviz.core.inputs import Inputs
from rnnviz.io.export.data import write_npz
from rnnviz.io.inputs import load_inputs
from tests.factories import make_result
from tests.io.readers.test_wav import FLOAT, wav
from tests.refusals import refused_key

N, T, I = 3, 5, 4  # noqa: E741 - the names of the axes


def loaded(path: Path, input_size: int = I, **keys: Any) -> Inputs:
    network = {"cell": "gru", "input_size": input_size, "hidden_size": 2, "dtype": "float64"}
    return load_inputs(Config.from_mapping({"network": network, "sequence": {"path": str(path), **keys}}))


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("order", ["C", "F"])
def test_the_only_array_of_an_archive_is_the_sequence(tmp_path, save, order):
    x = np.array(numbers(N, T, I), order=order)
    save(tmp_path / "x.npz", recorded=x)
    np.testing.assert_array_equal(loaded(tmp_path / "x.npz").sequence, x.swapaxes(0, 1))
    save(tmp_path / "one.npz", recorded=x[0])
    np.testing.assert_array_equal(loaded(tmp_path / "one.npz").sequence, x[0][:, None])


def test_of_several_arrays_one_has_to_be_named(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, a=numbers(N, T, I), b=numbers(N, T, I, seed=1), label=np.array("spoken"))
    error = refused_key(loaded, path)
    assert error.key == "sequence.array"
    assert error.sentence == (f'{path} holds 3 arrays, and sequence.array must name one of them: "a", "b", "label".')
    np.testing.assert_array_equal(loaded(path, array="b").sequence, numbers(N, T, I, seed=1).swapaxes(0, 1))
    error = refused_key(loaded, path, array="c")
    assert error.key == "sequence.array"
    assert 'contains no array "c": sequence.array must be one of "a", "b", "label"' in error.sentence
    assert "label in" in refused_key(loaded, path, array="label").sentence


@pytest.mark.parametrize("ending", ["npy", "npz"])
def test_the_axes_are_read_in_the_configured_order(tmp_path, ending):
    path, x = tmp_path / f"x.{ending}", numbers(N, T, I)
    np.save(path, x) if ending == "npy" else np.savez(path, x)
    for axes, expected in ((None, x.swapaxes(0, 1)), ("NTI", x.swapaxes(0, 1)), ("TNI", x)):
        inputs = loaded(path, **({} if axes is None else {"axes": axes}))
        np.testing.assert_array_equal(inputs.sequence, expected)
        assert (inputs.timesteps, inputs.batch_size) == expected.shape[:2]
    np.save(tmp_path / "flat.npy", x[:, 0])
    np.testing.assert_array_equal(loaded(tmp_path / "flat.npy", axes="TNI").sequence, x[:, :1])
    np.save(tmp_path / "deep.npy", x[None])
    assert "(T, I) or (T, N, I)" in refused_key(loaded, tmp_path / "deep.npy", axes="TNI").sentence


def test_the_input_of_a_run_s_own_archive_is_read_as_the_run_had_it(tmp_path):
    first = make_result(input_size=I, batch_size=N, timesteps=T, hidden_size=2, cell="lstm")
    path = tmp_path / "run.npz"
    write_npz(first, path)
    for keys in ({}, {"array": "input"}, {"axes": "TNI"}):
        np.testing.assert_array_equal(loaded(path, **keys).sequence, first.inputs.sequence)
    read = {key: {"path": str(path)} for key in ("sequence", "parameters", "initial_state")}
    again = load_inputs(Config.from_mapping({"network": first.config.to_mapping()["network"], **read}))
    for own, others in ((again.parameters, first.inputs.parameters), (again.initial_state, first.inputs.initial_state)):
        for name, array in own.items():
            np.testing.assert_array_equal(array, others[name])
    error = refused_key(loaded, path, axes="NTI")
    assert error.key == "sequence.axes"
    assert "a run exports its input as (T, N, I)" in error.sentence
    other = loaded(path, 2, array="manual.output")
    np.testing.assert_array_equal(other.sequence, first["manual"].output)


def test_a_sequence_beyond_the_memory_is_refused_before_a_number_is_read(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "x.npz", np.zeros((100_000, 1)))
    monkeypatch.setattr("rnnviz.core.npz.NpzFile.read", lambda *_: pytest.fail("it was read"))
    monkeypatch.setattr("rnnviz.core.memory_budget.available_memory", lambda: 1 << 20)
    error = refused_key(loaded, tmp_path / "x.npz", 1)
    assert error.key == "sequence.timesteps"
    assert "reduce sequence.timesteps = 100,000," in error.sentence


def sound(path: Path, samples: np.ndarray, channels: int) -> Path:
    path.write_bytes(wav(samples.astype("<f4").tobytes(), 32, channels, FLOAT))
    return path


def test_frames_of_a_sound_are_time_steps_and_silence_fills_the_last(tmp_path):
    samples = numbers(10).astype(np.float32)
    path = sound(tmp_path / "x.wav", samples, 1)
    expected = np.append(samples, [0, 0]).reshape(3, 1, 4)
    np.testing.assert_array_equal(loaded(path, 4, frame=4).sequence, expected)
    np.testing.assert_array_equal(loaded(path, 4).sequence, expected)
    assert loaded(path, 20).sequence.shape == (1, 1, 20)
    error = refused_key(loaded, path, 4, frame=5)
    assert error.key == "network.input_size"
    assert "(1, 2, 5)" in error.sentence
