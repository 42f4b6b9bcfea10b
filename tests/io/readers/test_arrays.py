"""Arrays from files: read as they are, or refused by a sentence that names the file and what is wrong in it."""

import pickle
import re
import zipfile
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rnnviz.core.errors import InputError
from rnnviz.core.npz import open_npy, read_npz
from rnnviz.core.sequence import SequenceSource
from rnnviz.io.readers import open_sequence
from tests.cases import cases
from tests.refusals import refused, written


class Bomb:
    """Unpickling it writes a file: what must never happen."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.target,)


def read_sequence(path: Path) -> np.ndarray:
    """x of shape (T, N, I), as a run casts it."""
    opened = open_sequence(SequenceSource("file", path=str(path)), features=1)
    x = np.asarray(opened.read(), np.float64)
    assert x.shape == opened.shape
    return x


def saved(path: Path, array: object) -> Path:
    with path.open("wb") as file:
        np.save(file, array)
    return path


@pytest.mark.parametrize(
    "dtype", ["float16", "float32", "float64", ">f4", ">f8", "int8", "uint64", "bool", "longdouble"]
)
def test_a_sequence_of_any_real_type_becomes_time_first(tmp_path, dtype):
    array = np.array(np.arange(24).reshape(2, 4, 3) % 2, dtype=dtype, order="F" if dtype.startswith(">") else "C")
    x = read_sequence(saved(tmp_path / "x.npy", array))
    assert x.shape == (4, 2, 3)
    np.testing.assert_array_equal(x[3, 1], array[1, 3])
    single = read_sequence(saved(tmp_path / "x2.npy", array[0]))
    assert single.shape == (4, 1, 3)
    np.testing.assert_array_equal(single[:, 0], array[0])


@pytest.mark.parametrize("shape", [(3,), (), (2, 2, 2, 2), (0, 3), (3, 0), (2, 0, 3)], ids=str)
def test_other_dimensions_and_empty_arrays_are_refused_with_the_shape(tmp_path, shape):
    sentence = refused(read_sequence, saved(tmp_path / "x.npy", np.zeros(shape)))
    assert f"has the shape {shape}" in sentence
    assert ("(T, I) or (N, T, I)" in sentence) == (0 not in shape)


@pytest.mark.parametrize("name", ["x.npy", "x.npz", "x.csv", "x.wav"])
def test_what_is_missing_empty_a_folder_or_a_text_is_refused(tmp_path, name):
    path = tmp_path / name
    assert "does not exist in" in refused(read_sequence, path)
    refused(read_sequence, written(path, "" if name == "x.csv" else "1,2,3\n4,5,6\n"))
    path.unlink()
    path.mkdir()
    assert "is a folder" in refused(read_sequence, path)


def test_an_object_array_is_never_unpickled(tmp_path):
    target = tmp_path / "exploded"
    bomb = np.array([[Bomb(target)]], dtype=object)
    np.save(tmp_path / "x.npy", bomb, allow_pickle=True)
    np.savez(tmp_path / "w.npz", h=bomb)
    (tmp_path / "raw.npy").write_bytes(pickle.dumps(bomb))
    (tmp_path / "raw.npz").write_bytes(pickle.dumps(bomb))
    assert "Python objects, which are never unpickled" in refused(read_sequence, tmp_path / "x.npy")
    assert "Python objects, which are never unpickled" in refused(read_npz, tmp_path / "w.npz")
    refused(read_sequence, tmp_path / "raw.npy")
    refused(read_npz, tmp_path / "raw.npz")
    assert not target.exists()


def test_a_header_that_asks_for_more_than_the_file_has_is_refused(tmp_path):
    path = tmp_path / "w.npz"
    header = BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**7, 10**7)})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("h.npy", header.getvalue())
    for read in (read_npz, read_sequence):
        assert "an array of the shape (10000000, 10000000) would have" in refused(read, path)
    single = tmp_path / "x.npy"
    single.write_bytes(header.getvalue())
    assert "would have" in refused(read_sequence, single)


@pytest.mark.parametrize("descr", ["<f8", "<U4", "|V8"])
def test_a_shape_beyond_64_bits_is_refused_without_a_warning(tmp_path, descr):
    path, header = tmp_path / "x.npy", BytesIO()
    shape = (2**40, 2**40)
    np.lib.format.write_array_header_1_0(header, {"descr": descr, "fortran_order": False, "shape": shape})
    path.write_bytes(header.getvalue() + bytes(64))
    assert "not a valid .npy file" in refused(read_sequence, path) or "real numbers" in refused(read_sequence, path)


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_bytes_after_an_array_are_passed_over(tmp_path, version):
    content = BytesIO()
    np.lib.format.write_array(content, np.ones((2, 3)), version=version)
    path = tmp_path / "x.npy"
    path.write_bytes(content.getvalue() + b"rest")
    assert open_npy(path).shape == (2, 3)


def test_a_file_of_the_other_numpy_kind_is_refused(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.zeros((2, 2)))
    archive = (tmp_path / "x.npz").rename(tmp_path / "x.npy")
    assert "it is an archive of several arrays" in refused(read_sequence, archive)


# What numpy warns of in a damaged header is not the reader's concern.
@pytest.mark.filterwarnings("ignore::Warning")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused_but_never_a_traceback(tmp_path, data):
    kind = data.draw(st.sampled_from(["npy", "npz", "compressed"]))
    path = tmp_path / ("x.npy" if kind == "npy" else "x.npz")
    array = np.arange(12.0).reshape(3, 4)
    if kind == "npy":
        saved(path, array)
    else:
        (np.savez if kind == "npz" else np.savez_compressed)(path, h=array)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    del content[data.draw(st.integers(0, len(content)) | st.just(len(content))) :]
    path.write_bytes(content)
    read: Callable[[Path], object] = read_sequence if kind == "npy" else read_npz
    with suppress(InputError):
        read(path)


@pytest.mark.parametrize("text", cases(__file__)["read-tables"])
def test_a_row_is_a_time_step_and_a_column_a_feature(tmp_path, text):
    x = read_sequence(written(tmp_path / "x.csv", text))
    assert x.shape == (3, 1, 2)
    np.testing.assert_array_equal(x[:, 0], [[1, 2], [3, 4], [5, 6]])


@given(st.lists(st.lists(st.floats(), min_size=3, max_size=3), min_size=1, max_size=5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_every_float_is_read_back_as_it_was(tmp_path, rows):
    text = "".join(",".join(map(repr, row)) + "\n" for row in rows)
    np.testing.assert_array_equal(read_sequence(written(tmp_path / "x.csv", text))[:, 0], np.array(rows))


@pytest.mark.parametrize(("text", "line", "words"), cases(__file__)["wrong-rows"])
def test_a_wrong_row_is_named_by_its_line(tmp_path, text, line, words):
    path = written(tmp_path / "x.csv", text)
    sentence = refused(read_sequence, path)
    assert re.search(words, sentence)
    assert not line or f"{path}, line {line}" in sentence


@pytest.mark.parametrize(
    "content", [b"1,2\n\xff\xfe,3\n", b"1,2\n3,\x00\n", b'1,"2\n3,4\n', b"1," + b"9" * 200_000 + b"x\n"]
)
def test_bytes_that_are_not_a_table_are_refused(tmp_path, content):
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    assert len(refused(read_sequence, path)) < 400


def test_a_line_without_end_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("rnnviz.core.csv_table._LONGEST_LINE", 50)
    assert "line 2 has more than 50 characters" in refused(
        read_sequence, written(tmp_path / "x.csv", "1,2\n" + "3," * 200)
    )
    assert read_sequence(written(tmp_path / "x.csv", "1," * 24 + "2\n")).shape == (1, 1, 25)
