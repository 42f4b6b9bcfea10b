"""Recorded outputs in the files of other tools: ONNX's names, single arrays, tables, folders and captures."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnviz.captures.rnn_capture import capture
from rnnviz.core.errors import InputError
from rnnviz.core.inputs import Inputs
from rnnviz.engines import onnx_layer
from rnnviz.engines.recorded_outputs import RecordedEngine, check_recording, engines_in, open_recording
from rnnviz.io.export.data import write_csv
from rnnviz.io.session import SavedDocument, SavedSession, files_to_copy, read_session, write_session
from rnnviz.verify.verdict import Verdict
from tests.configs import config_of
from tests.engines.recordings import Arrays, network_inputs, recorded
from tests.needs import need
from tests.oracles.computed import computed
from tests.shared_worker import run_shared

__all__ = ["run_shared"]


def read(path: Path | str, inputs: Inputs) -> tuple[Any, frozenset[str]]:
    trace, report = computed(RecordedEngine(f"recording:{path}"), inputs)
    return trace, report.missing


def refusal(path: Path | str, inputs: Inputs) -> str:
    with pytest.raises(InputError) as caught:
        check_recording(open_recording(f"recording:{path}", inputs.network.dtype), inputs)
    return str(caught.value)


def of_onnx(inputs: Inputs) -> Arrays:
    """Y, Y_h and Y_c as ONNX Runtime returns them."""
    need("onnxruntime", "onnx")
    from rnnviz.engines.onnx import _STATES, _model, open_session

    states = dict(zip(_STATES, inputs.initial_state.values(), strict=False))
    feeds = {"X": inputs.sequence, **onnx_layer.weights(inputs.network, inputs.parameters, 0), **states}
    return dict(zip(("Y", "Y_h", "Y_c"), open_session(_model(inputs.network)).run(None, feeds), strict=False))


@pytest.mark.parametrize("layout", ["NTC", "TNC"])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn_tanh"])
def test_the_outputs_of_onnx_runtime_are_at_their_index(tmp_path, cell, layout):
    inputs = network_inputs(cell, num_layers=1, layout=layout)
    np.savez(tmp_path / "ort.npz", **of_onnx(inputs))
    trace, missing = read(tmp_path / "ort.npz", inputs)
    expected = recorded(inputs)
    np.testing.assert_allclose(trace.hidden, expected["hidden"], atol=1e-6)
    np.testing.assert_allclose(trace.state_h, expected["state"], atol=1e-6)
    if cell == "lstm":
        np.testing.assert_allclose(trace.state_c, expected["cell_state"], atol=1e-6)
    assert missing == {"h"}


def test_onnx_with_samples_first_is_recognized_by_its_shapes(tmp_path):
    """Y_h alone would fit in both orders, since there are as many samples as directions."""
    inputs = network_inputs(num_layers=1)
    y = recorded(inputs)["output"].reshape(2, 5, 2, 3)
    np.savez(tmp_path / "a.npz", Y=y, Y_h=recorded(inputs)["state"].swapaxes(0, 1))
    trace, _ = read(tmp_path / "a.npz", inputs)
    np.testing.assert_array_equal(trace.hidden, recorded(inputs)["hidden"])
    np.testing.assert_array_equal(trace.state_h, recorded(inputs)["state"])


def test_two_forms_of_one_array_are_refused(tmp_path):
    inputs = network_inputs(num_layers=1)
    output = recorded(inputs)["output"]
    np.savez(tmp_path / "a.npz", output=output, Y=output.reshape(2, 5, 2, 3))
    assert "output and Y" in refusal(tmp_path / "a.npz", inputs)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("name", ["output", "hidden", "y", "state"])
def test_a_single_array_is_known_by_its_axes_or_its_name(tmp_path, name, order):
    inputs = network_inputs(num_layers=1, layout="TNC")
    arrays = recorded(inputs)
    arrays["y"] = arrays["hidden"][0].swapaxes(0, 1)
    path = tmp_path / f"{name}.npy"
    np.save(path, np.asarray(arrays[name], order=order))  # type: ignore[call-overload]  # NumPy types no order
    trace, _ = read(path, inputs)
    if name == "state":
        np.testing.assert_array_equal(trace.state_h, arrays["state"])
    else:
        np.testing.assert_array_equal(trace.hidden, arrays["hidden"])


@pytest.mark.parametrize("shape", [(5, 6), (1, 5, 6), (5, 1, 6)])
@pytest.mark.parametrize("layout", ["NTC", "TNC"])
def test_the_axis_of_one_sample_may_be_left_out(tmp_path, shape, layout):
    inputs = network_inputs(num_layers=1, samples=1, layout=layout)
    output = recorded(inputs)["output"].reshape(shape)
    np.save(tmp_path / "y.npy", output)
    np.savetxt(tmp_path / "y.csv", output.reshape(5, 6), delimiter=",")
    for name in ("y.npy", "y.csv"):
        trace, _ = read(tmp_path / name, inputs)
        np.testing.assert_allclose(trace.hidden, recorded(inputs)["hidden"], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "order", "expected"),
    [
        ("output", (1, 0, 2), 'np.transpose(output, (1, 0, 2)) fits, or set network.layout = "TNC"'),
        ("hidden", (0, 1, 3, 2, 4), "np.transpose(hidden, (0, 1, 3, 2, 4)) fits"),
        ("state", (2, 0, 1), "np.transpose(state, (1, 2, 0)) fits"),
    ],
)
def test_a_transposed_array_is_refused_with_the_transposition_that_fits(tmp_path, name, order, expected):
    inputs = network_inputs()
    array = recorded(inputs)[name]
    np.savez(tmp_path / "a.npz", **{name: array.transpose(order)})
    said = refusal(tmp_path / "a.npz", inputs)
    assert expected in said
    assert str(array.shape) in said


def test_the_table_of_a_run_is_the_recording_of_each_of_its_engines(tmp_path, run_shared):
    """Padding has no rows and is 0."""
    drawn = {"initializer": "normal", "batch_size": 3, "lengths": [2, 4, 1], "timesteps": 4}
    config = config_of("manual", "bug:no-h2h-bias", num_layers=2, bidirectional=True, **drawn)
    result = run_shared(config)
    write_csv(result, tmp_path / "run.csv", gates=True)
    assert engines_in(tmp_path / "run.csv") == ("manual", "bug:no-h2h-bias")
    for engine, own in result.traces.items():
        trace, missing = read(f"{tmp_path / 'run.csv'}#{engine}", result.inputs)
        np.testing.assert_array_equal(trace.hidden, own.hidden)
        assert "h" not in missing
    assert "name one of them" in refusal(tmp_path / "run.csv", result.inputs)


def written(folder: Path, inputs: Inputs, ending: str, **more: Any) -> Path:
    """A folder as another program writes it: time first, row-major, in the network's type."""
    arrays = recorded(inputs)
    output = arrays["output"].swapaxes(0, 1) if inputs.network.layout == "NTC" else arrays["output"]
    named = {"h": arrays["hidden"], "c": arrays["cell"], "out": output, "state": arrays["state"]}
    named |= {"cell_state": arrays["cell_state"], **more}
    folder.mkdir(parents=True)
    for name, array in named.items():
        if ending == ".bin":
            array.astype(f"<{array.dtype.str[1:]}").tofile(folder / f"{name}.bin")
        else:
            (folder / f"{name}.txt").write_text("\n".join(map(repr, array.ravel().tolist())), encoding="utf-8")
    return folder


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("ending", [".bin", ".txt"])
@pytest.mark.parametrize("layout", ["NTC", "TNC"])
def test_a_folder_has_each_array_at_its_index(tmp_path, dtype, ending, layout):
    inputs = network_inputs(layout=layout, dtype=dtype)
    folder = written(tmp_path / "out", inputs, ending)
    (folder / "port.txt").write_text("computed_in float16\nfuture key\n", encoding="utf-8")
    recording = open_recording(f"recording:{folder}", dtype)
    trace, missing = read(folder, inputs)
    assert missing == frozenset()
    assert recording.file.text(recording.computed_in) == "float16"
    for name, array in recorded(inputs).items():
        own = {"hidden": trace.hidden, "output": trace.output_in(layout), "cell": trace.cell}
        own |= {"state": trace.state_h, "cell_state": trace.state_c}
        np.testing.assert_array_equal(own[name], array)


def test_numbers_of_another_count_or_type_in_a_folder_are_refused(tmp_path):
    inputs = network_inputs()
    double = recorded(inputs)["hidden"].astype(np.float64)
    assert "if they are float64" in refusal(written(tmp_path / "a", inputs, ".bin", h=double), inputs)
    assert "119 numbers, expected" in refusal(written(tmp_path / "b", inputs, ".txt", h=double.ravel()[1:]), inputs)
    folder = written(tmp_path / "c", inputs, ".bin")
    (folder / "h.bin").write_bytes(b"123")
    assert "3 bytes" in refusal(folder, inputs)
    folder = written(tmp_path / "d", inputs, ".txt")
    (folder / "h.txt").write_text("1.0 2.0,3.0", encoding="utf-8")
    assert "2.0,3.0" in refusal(folder, inputs)
    assert 'Did you mean "cell"?' in refusal(written(tmp_path / "e", inputs, ".bin", cells=double), inputs)


def test_a_capture_is_the_recording_of_its_run(tmp_path, run_shared):
    torch = pytest.importorskip("torch")
    torch.manual_seed(4)
    model = torch.nn.LSTM(3, 4, num_layers=2, bidirectional=True)
    with capture(model) as recorder:
        model(torch.randn(5, 2, 3))
    (path,) = map(Path, recorder.save(tmp_path))
    config = read_session(path, lambda: tmp_path).config
    result = run_shared(config.with_engines((config.compare.reference, f"recording:{path}")))
    assert result.verdict is Verdict.AGREE
    np.testing.assert_array_equal(result[f"recording:{path}"].hidden, result.reference.hidden)


@pytest.mark.parametrize("how", ["archive", "folder"])
def test_a_session_copies_its_recording(tmp_path, how):
    inputs = network_inputs()
    source = written(tmp_path / "out", inputs, ".bin")
    if how == "archive":
        source = tmp_path / "a.npz"
        np.savez(source, **recorded(inputs))
    config = inputs.config.with_engines(("manual", f"recording:{source}"))
    path = tmp_path / "s.rnnviz"
    write_session(SavedSession(config, SavedDocument("s")), path, files_to_copy(config))
    (name,) = read_session(path, lambda: tmp_path).config.compare.candidates or ()
    trace, _ = read(name.removeprefix("recording:"), inputs)
    np.testing.assert_array_equal(trace.hidden, recorded(inputs)["hidden"])
    if how == "archive":
        trace, _ = read(path, inputs)
        np.testing.assert_array_equal(trace.hidden, recorded(inputs)["hidden"])


def test_a_session_without_recorded_outputs_is_refused(tmp_path):
    inputs = network_inputs()
    write_session(SavedSession(inputs.config, SavedDocument("s")), tmp_path / "s.rnnviz")
    assert "no recorded outputs" in refusal(tmp_path / "s.rnnviz", inputs)
