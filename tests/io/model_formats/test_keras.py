"""Files that Keras wrote, run to what Keras computed, and files that are damaged or ask for more than they hold."""

import json
import signal
import zipfile

import h5py
import numpy as np
import pytest

from rnnviz.core.bounded_read import limited_time
from rnnviz.core.config import Network
from rnnviz.core.errors import InputError
from rnnviz.execution.child_process import call_in_subprocess
from rnnviz.io.model_formats import keras_file
from rnnviz.io.model_formats.keras import open_model
from tests.io.model_formats.corpus.cases import computed_on, entry_of
from tests.io.model_formats.samples import BY_KERAS
from tests.oracles.computed import assert_near

pytestmark = pytest.mark.slow
STACKS = ("uni1", "uni3", "bi1", "bi3")


@pytest.fixture
def copied(tmp_path):
    """A copy of a file that Keras wrote, with a config that `change` has changed, which gets the layers by name."""

    def copied(name, change=lambda layers: None, compression=zipfile.ZIP_STORED):
        path = tmp_path / name
        if name.endswith("h5"):
            path.write_bytes((BY_KERAS / name).read_bytes())
            return path
        with zipfile.ZipFile(BY_KERAS / name) as source, zipfile.ZipFile(path, "w", compression) as target:
            config = json.loads(source.read("config.json"))
            change({layer["config"]["name"]: layer for layer in config["config"]["layers"]})
            target.writestr("config.json", json.dumps(config))
            target.writestr("model.weights.h5", source.read("model.weights.h5"))
        return path

    return copied


@pytest.mark.parametrize(
    ("cell", "ending"), [("lstm", "keras"), ("rnn_relu", "keras"), ("gru", "h5"), ("rnn_tanh", "h5")]
)
def test_layers_and_stacks_equal_keras(cell, ending, copied):
    path = copied(f"{cell}.{ending}", compression=zipfile.ZIP_DEFLATED)
    expected = np.load(BY_KERAS / f"{cell}.npz")
    assert all(entry.supported and not entry.reason and entry.biases for entry in open_model(path).entries)
    for name in STACKS:
        both, count = name[:2] == "bi", int(name[-1])
        entry = entry_of(path, f"{name}_0..{name}_2" if count == 3 else f"{name}_0")
        assert entry.network() == Network(cell, 2, 3, count, both)
        assert_near(computed_on(path, expected["x"], entry.name).out.swapaxes(0, 1), expected[name], 1e-5, name)


def test_the_hard_sigmoid_of_keras_2_is_steeper(copied):
    def change(layers):
        settings = layers["uni1_0"]["config"]
        settings |= {"time_major": False, "recurrent_activation": "hard_sigmoid"}
        del settings["seed"]

    entry = entry_of(copied("lstm.keras", change), "uni1_0")
    assert entry.activations == ("hard_sigmoid", "tanh", "tanh")


def test_weights_that_do_not_match_the_config_are_refused(copied):
    path = copied("lstm.keras", lambda layers: layers["uni1_0"]["config"].update(name="other"))
    assert "uni1_0" in entry_of(path, "other").reason


def weights_of(cell):
    """The content of Keras's `.weights.h5`, which is also in its archives."""
    with zipfile.ZipFile(BY_KERAS / f"{cell}.keras") as archive:
        return archive.read("model.weights.h5")


def arrays(gates=4, features=2, hidden=3, dtype=np.float32):
    rng = np.random.default_rng(4)
    rows = gates * hidden
    bias = (2, rows) if gates == 3 else (rows,)
    return [rng.normal(size=shape).astype(dtype) for shape in ((features, rows), (hidden, rows), bias)]


VARS = "layers/lstm/cell/vars"


def write(path, values, **options):
    """A file of weights as Keras 3 writes it."""
    with h5py.File(path, "w") as file:
        variables = file.create_group(VARS)
        for number, value in enumerate(values):
            variables.create_dataset(str(number), data=value, **options)
        file.create_group("layers/lstm/vars").attrs["name"] = "enc"
    return path


def only(path):
    (entry,) = open_model(path).entries
    return entry


def refused(path, reason):
    entry = only(path)
    assert not entry.supported
    assert reason in entry.reason
    with pytest.raises(InputError, match="cannot be run"):
        open_model(path).parameters(entry.name)


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4"])
def test_weights_are_widened_exactly(dtype, tmp_path):
    values = arrays(dtype=dtype)
    options = {"compression": "gzip", "shuffle": True, "fletcher32": True} if dtype == "<f4" else {}
    read = open_model(write(tmp_path / "w.weights.h5", values, **options)).parameters("enc")
    wide = np.float64 if dtype == "<f8" else np.float32
    np.testing.assert_array_equal(read["l0_i2h_weight"], values[0].T.astype(wide), strict=True)
    np.testing.assert_array_equal(read["l0_i2h_bias"], values[2])
    assert not read["l0_h2h_bias"].any()


def test_the_names_of_the_first_versions_are_read(tmp_path):
    kernel, recurrent, bias = arrays()
    with h5py.File(tmp_path / "w.h5", "w") as file:
        for side in ("forward", "backward"):
            group = file.create_group(f"bi/bi/{side}_lstm_1/lstm_cell_4")
            for name, value in (("kernel", kernel), ("recurrent_kernel", recurrent), ("bias", bias)):
                group.create_dataset(f"{name}:0", data=value if side == "forward" else -value)
        for name, value in (("kernel", kernel), ("recurrent_kernel", recurrent)):
            file.create_dataset(f"lstm_1/lstm_1/{name}:0", data=value)
    model = open_model(tmp_path / "w.h5")
    assert [(entry.name, entry.bidirectional) for entry in model.entries] == [("bi", True), ("lstm_1", False)]
    np.testing.assert_array_equal(model.parameters("bi")["r0_h2h_weight"], -recurrent.T)


@pytest.mark.parametrize(
    ("shapes", "reason"),
    [
        (((2, 12), (3, 13), (12,)), "3, 13"),
        (((2, 11), (3, 12), (12,)), "2, 11"),
        (((2, 12), (3, 12), (13,)), "13"),
        (((2, 12), (0, 12), (12,)), "0, 12"),
        (((0, 12), (3, 12), (12,)), "matrices"),
        (((2, 4, 12), (3, 12), (12,)), "matrices"),
        (((2, 12), (3, 12), (24,)), "CuDNN"),
        (np.int8, "int8"),
    ],
)
def test_shapes_and_types_that_do_not_fit_are_refused(shapes, reason, tmp_path):
    values = arrays(dtype=shapes) if isinstance(shapes, type) else [np.ones(shape, np.float32) for shape in shapes]
    refused(write(tmp_path / "w.h5", values), reason)


HUGE = (1 << 36, 12)
CHUNKS = {"maxshape": (None, None), "chunks": (1 << 12, 1 << 12), "compression": "gzip"}


@pytest.mark.parametrize(
    ("number", "shape", "options", "needed"),
    [
        ("0", HUGE, {"chunks": (1 << 10, 12), "compression": "gzip"}, "needs 3,298,534,883,328 bytes"),
        ("0", HUGE, {}, "needs 3,298,534,883,328 bytes"),
        # One chunk would be larger than its array.
        ("1", (3, 12), CHUNKS, "needs 144 bytes"),
    ],
)
def test_numbers_that_the_file_does_not_hold_are_refused_before_they_are_read(number, shape, options, needed, tmp_path):
    path = write(tmp_path / "w.h5", arrays()[:2])
    with h5py.File(path, "a") as file:
        del file[VARS][number]
        dataset = file[VARS].create_dataset(number, shape, "<f4", **options)
        if shape != HUGE:
            dataset[:] = 0
    refused(path, needed)


def test_numbers_in_other_files_are_not_followed(tmp_path):
    values = arrays()
    other = write(tmp_path / "other.h5", values)
    (tmp_path / "raw").write_bytes(values[0].tobytes())
    layout = h5py.VirtualLayout(values[0].shape, "<f4")
    layout[:] = h5py.VirtualSource(other, f"{VARS}/0", values[0].shape)
    with h5py.File(tmp_path / "w.h5", "w") as file:
        for name in ("external", "virtual"):
            for number, value in enumerate(values[1:], 1):
                file[f"layers/{name}/cell/vars/{number}"] = value
        whole = h5py.h5f.UNLIMITED
        file.create_dataset("layers/external/cell/vars/0", values[0].shape, "<f4", external=[("raw", 0, whole)])
        file.create_virtual_dataset("layers/virtual/cell/vars/0", layout)
        file["layers/linked"] = h5py.ExternalLink(str(other), "layers/lstm")
        file["layers/soft"] = h5py.SoftLink("/layers/lstm")
    entries = open_model(tmp_path / "w.h5").entries
    assert [entry.name for entry in entries] == ["layers/external", "layers/virtual"]
    assert all("another file" in entry.reason for entry in entries)


def test_a_file_without_end_is_refused(tmp_path):
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.create_group("a")["again"] = file["/"]
    with pytest.raises(InputError, match="deep"):
        open_model(tmp_path / "w.h5")


def read_within_a_second(path):
    keras_file.HEADER_SECONDS = 1.0
    open_model(path)


has_timer = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="The system has no such timer")


@has_timer
def test_a_file_that_would_be_read_forever_is_refused(tmp_path):
    """A heap of texts whose free space has no size is walked through on the spot."""
    path = tmp_path / "w.weights.h5"
    content = bytearray(weights_of("gru"))
    place = content.index(b"GCOL") + 16
    while content[place]:
        place += 16 + -(-int.from_bytes(content[place + 8 : place + 16], "little") // 8) * 8
    content[place + 8 : place + 16] = bytes(8)
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"w could not be read: the process that did it ended \(killed by SIGALRM\)"):
        call_in_subprocess(read_within_a_second, path, what="w could not be read", seconds=60)


@has_timer
def test_time_is_limited_for_as_long_as_it_lasts():
    before = signal.getsignal(signal.SIGALRM)
    with limited_time(50.0):
        assert signal.getsignal(signal.SIGALRM) == signal.SIG_DFL
        assert 0.0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 50.0
    assert signal.getsignal(signal.SIGALRM) == before


def archive(path, config, weights, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("config.json", config)
        file.writestr("model.weights.h5", weights)
    return path


def test_archives_that_unpack_to_far_more_than_they_are_are_refused(tmp_path):
    with pytest.raises(InputError, match="would have"):
        open_model(archive(tmp_path / "a.keras", b"{}", bytes(8 << 20), zipfile.ZIP_DEFLATED))
    with pytest.raises(InputError, match="too large"):
        open_model(archive(tmp_path / "b.keras", bytes(65 << 20), weights_of("lstm"), zipfile.ZIP_DEFLATED))


@pytest.mark.parametrize(
    "config", [b"", b"[" * 100_000, b"nonsense", b"[]", b"3", b'{"config": {"layers": 3}}', b"\xff\xfe"]
)
def test_an_invalid_config_is_a_sentence_or_ignored(config, tmp_path):
    path = archive(tmp_path / "m.keras", config, weights_of("lstm"))
    try:
        entries = open_model(path).entries
    except InputError as error:
        assert "is not a valid" in str(error)  # noqa: PT017 - either is accepted
    else:
        assert all((entry.cell, entry.cells) == (None, ("lstm",)) for entry in entries)


def test_models_without_end_in_each_other_are_refused(tmp_path):
    config = {"class_name": "Sequential", "config": {"name": "m", "layers": []}}
    for _ in range(100):
        config = {"class_name": "Sequential", "config": {"name": "m", "layers": [config]}}
    with pytest.raises(InputError, match="deep"):
        open_model(archive(tmp_path / "m.keras", json.dumps(config), weights_of("lstm")))
