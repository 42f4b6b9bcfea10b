"""Keras files that are damaged, or that ask for more than they hold."""

import io
import json
import signal
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from rnnviz.core.errors import InputError
from rnnviz.execution.child_process import call_in_subprocess
from rnnviz.io.bounded_read import limited_time
from rnnviz.io.model_formats import keras_file
from rnnviz.io.model_formats.keras import open_model

FOLDER = Path(__file__).parent / "written_by_keras"


def weights_of(cell):
    """The content of Keras's `.weights.h5`, which is also in its archives."""
    with zipfile.ZipFile(FOLDER / f"{cell}.keras") as archive:
        return archive.read("model.weights.h5")


def arrays(gates=4, features=2, hidden=3, dtype=np.float32):
    rng = np.random.default_rng(4)
    rows = gates * hidden
    bias = (2, rows) if gates == 3 else (rows,)
    return [rng.normal(size=shape).astype(dtype) for shape in ((features, rows), (hidden, rows), bias)]


def write(path, values, group="layers/lstm", **options):
    """A file of weights as Keras 3 writes it."""
    with h5py.File(path, "w") as file:
        variables = file.create_group(f"{group}/cell/vars")
        for number, value in enumerate(values):
            variables.create_dataset(str(number), data=value, **options)
        file.create_group(f"{group}/vars").attrs["name"] = "enc"
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
    path = write(tmp_path / "w.weights.h5", values)
    read = open_model(path).parameters("enc")["l0_i2h_weight"]
    wide = np.float64 if dtype == "<f8" else np.float32
    np.testing.assert_array_equal(read, values[0].T.astype(wide), strict=True)


def test_bfloat16_is_read_as_keras_marks_it(tmp_path):
    values = arrays()
    path = write(tmp_path / "w.weights.h5", [])
    bits = [(value.view(np.uint32) >> 16).astype("<u2") for value in values]
    with h5py.File(path, "a") as file:
        for number, value in enumerate(bits):
            stored = file["layers/lstm/cell/vars"].create_dataset(str(number), data=value.view("V2"))
            stored.attrs["dtype"] = "bfloat16"
    assert only(path).dtype == "bfloat16"
    expected = (bits[1].astype(np.uint32) << 16).view(np.float32).T
    np.testing.assert_array_equal(open_model(path).parameters("enc")["l0_h2h_weight"], expected)


def test_without_a_bias_both_are_zeros(tmp_path):
    read = open_model(write(tmp_path / "w.weights.h5", arrays()[:2])).parameters("enc")
    assert not read["l0_i2h_bias"].any()
    assert not read["l0_h2h_bias"].any()


def test_one_bias_becomes_that_of_the_input(tmp_path):
    values = arrays()
    read = open_model(write(tmp_path / "w.weights.h5", values)).parameters("enc")
    np.testing.assert_array_equal(read["l0_i2h_bias"], values[2])
    assert not read["l0_h2h_bias"].any()


def test_the_bias_of_a_gru_determines_the_place_of_its_reset_gate(tmp_path):
    values = arrays(gates=3)
    (entry,) = open_model(write(tmp_path / "a.h5", [*values[:2], values[2][0]])).entries
    assert entry.cells == ("gru_reset_before",)
    (entry,) = open_model(write(tmp_path / "b.h5", values[:2])).entries
    assert (entry.cell, entry.cells) == (None, ("gru", "gru_reset_before"))


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
    ],
)
def test_shapes_that_do_not_fit_are_refused(shapes, reason, tmp_path):
    refused(write(tmp_path / "w.h5", [np.ones(shape, np.float32) for shape in shapes]), reason)


def test_integers_are_refused(tmp_path):
    refused(write(tmp_path / "w.h5", [value.astype(np.int8) for value in arrays()]), "int8")


def test_a_shape_that_the_file_does_not_hold_is_refused_before_it_is_read(tmp_path):
    huge = 1 << 36
    for name, options in (("chunked", {"chunks": (1 << 10, 12), "compression": "gzip"}), ("contiguous", {})):
        path = write(tmp_path / f"{name}.h5", arrays()[1:2])
        with h5py.File(path, "a") as file:
            variables = file["layers/lstm/cell/vars"]
            variables.move("0", "1")
            variables.create_dataset("0", (huge, 12), "<f4", **options)
        refused(path, "needs 3,298,534,883,328 bytes")


def test_a_chunk_that_is_larger_than_its_array_is_refused(tmp_path):
    path = write(tmp_path / "w.h5", arrays()[:2], chunks=None)
    with h5py.File(path, "a") as file:
        variables = file["layers/lstm/cell/vars"]
        del variables["1"]
        variables.create_dataset(
            "1", data=np.zeros((3, 12), "<f4"), maxshape=(None, None), chunks=(1 << 12, 1 << 12), compression="gzip"
        )
    refused(path, "needs 144 bytes")


def test_compressed_weights_are_read(tmp_path):
    values = arrays(hidden=20)
    path = write(tmp_path / "w.h5", values, compression="gzip", shuffle=True, fletcher32=True)
    np.testing.assert_array_equal(open_model(path).parameters("enc")["l0_h2h_weight"], values[1].T)


def test_numbers_in_other_files_are_not_followed(tmp_path):
    values = arrays()
    other = write(tmp_path / "other.h5", values)
    (tmp_path / "raw").write_bytes(values[0].tobytes())
    path = write(tmp_path / "w.h5", values[1:])
    layout = h5py.VirtualLayout(values[0].shape, "<f4")
    layout[:] = h5py.VirtualSource(other, "layers/lstm/cell/vars/0", values[0].shape)
    with h5py.File(path, "w") as file:
        for name in ("external", "virtual"):
            variables = file.create_group(f"layers/{name}/cell/vars")
            for number, value in enumerate(values[1:], 1):
                variables[str(number)] = value
        whole = h5py.h5f.UNLIMITED
        file.create_dataset("layers/external/cell/vars/0", values[0].shape, "<f4", external=[("raw", 0, whole)])
        file.create_virtual_dataset("layers/virtual/cell/vars/0", layout)
        file["layers/linked"] = h5py.ExternalLink(str(other), "layers/lstm")
        file["layers/soft"] = h5py.SoftLink("/layers/lstm")
    entries = open_model(path).entries
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


@pytest.mark.slow
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


def archive(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


def test_archives_that_unpack_to_far_more_than_they_are_are_refused(tmp_path):
    bomb = archive(tmp_path / "a.keras", {"model.weights.h5": bytes(50 << 20)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(InputError, match="would have"):
        open_model(bomb)
    weights = weights_of("lstm")
    long = archive(
        tmp_path / "b.keras", {"config.json": bytes(65 << 20), "model.weights.h5": weights}, zipfile.ZIP_DEFLATED
    )
    with pytest.raises(InputError, match="too large"):
        open_model(long)


@pytest.mark.parametrize(
    "config", [b"", b"[" * 100_000, b"nonsense", b"[]", b"3", b'{"config": {"layers": 3}}', b"\xff\xfe"]
)
def test_an_invalid_config_is_a_sentence_or_ignored(config, tmp_path):
    weights = weights_of("lstm")
    path = archive(tmp_path / "m.keras", {"config.json": config, "model.weights.h5": weights})
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
    weights = weights_of("lstm")
    path = archive(tmp_path / "m.keras", {"config.json": json.dumps(config), "model.weights.h5": weights})
    with pytest.raises(InputError, match="deep"):
        open_model(path)


def test_a_flipped_bit_in_an_archive_is_met_by_its_checksum(tmp_path):
    content = bytearray((FOLDER / "lstm.keras").read_bytes())
    with h5py.File(io.BytesIO(weights_of("lstm"))) as file:
        kernel = file["layers/lstm/cell/vars/0"][()].tobytes()
    content[content.index(kernel)] ^= 1
    path = tmp_path / "m.keras"
    path.write_bytes(content)
    with pytest.raises(InputError, match="is not a valid"):
        open_model(path)
