"""Arrays of .npy and .npz files: headers, pieces, checksums and refusals."""

import zipfile
from io import BytesIO
from typing import Any

import numpy as np
import pytest

from rnnviz.core import npz as module
from rnnviz.core.errors import InputError
from rnnviz.core.npz import NpzFile, check_numeric, open_npy, read_npy_header, read_npz
from rnnviz.core.progress import expect, watched


def written(array: Any, version: tuple[int, int] | None = None) -> bytes:
    file = BytesIO()
    np.lib.format.write_array(file, array, version)
    return file.getvalue()


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "i2", "?", "U3"])
def test_header_fields_and_offset(version, dtype):
    array = np.asfortranarray(np.arange(6).reshape(2, 3).astype(dtype))
    content = written(array, version)
    header = read_npy_header(BytesIO(content), len(content))
    assert (header.shape, header.fortran, header.dtype) == ((2, 3), True, np.dtype(dtype))
    assert header.size == len(content)
    assert content[header.begin :] == array.tobytes("F")


def header(count: int, shape: tuple[int, ...] = (4,), version: int = 1) -> bytes:
    """One of `count` bytes, most of them spaces."""
    text = repr({"descr": "<f4", "fortran_order": False, "shape": shape}).encode()
    return b"\x93NUMPY" + bytes((version, 0)) + count.to_bytes(2 * version, "little") + text.ljust(count - 1) + b"\n"


def test_a_header_that_does_not_fit_its_file_is_refused():
    content = written(np.ones(4, np.float32))
    for file, size, sentence in (
        (content, len(content) + 1, f"would have {len(content)} bytes and has"),
        (content, len(content) - 1, f"would have {len(content)} bytes and has"),
        (header(118, (-2, -2)) + bytes(16), 144, r"the shape \(-2, -2\) would have \d+ bytes and has 144$"),
        (b"\x93NUMPY\x03\x00" + bytes(100), 108, r"^its format has the version \(3, 0\)$"),
    ):
        with pytest.raises(ValueError, match=sentence):
            read_npy_header(BytesIO(file), size)


@pytest.mark.parametrize("version", [1, 2])
def test_header_limit_of_ten_thousand_bytes(version):
    begin = 8 + 2 * version + 10_000
    content = header(10_000, version=version) + bytes(16)
    found = read_npy_header(BytesIO(content), begin + 16)
    assert (found.shape, found.begin, found.size) == ((4,), begin, begin + 16)
    with pytest.raises(ValueError, match=r"^an array has a header of 10001 bytes$"):
        read_npy_header(BytesIO(header(10_001, version=version)), 20_000)


@pytest.mark.parametrize(
    ("dtype", "sentence"),
    [
        ("O", "x holds Python objects, which are never unpickled: it must hold numbers."),
        ([("a", "O")], "x holds Python objects, which are never unpickled: it must hold numbers."),
        ("U3", "x holds values of the type <U3: they must be real numbers."),
        ("c8", "x holds values of the type complex64: they must be real numbers."),
        ("M8[s]", "x holds values of the type datetime64[s]: they must be real numbers."),
    ],
    ids=str,
)
def test_types_that_are_not_real_are_refused(dtype, sentence):
    with pytest.raises(InputError) as caught:
        check_numeric(np.dtype(dtype), "x")
    assert str(caught.value) == sentence
    for real in ("?", "i1", "u8", "f2", ">f8"):
        check_numeric(np.dtype(real), "x")


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(7).normal(size=shape)


def test_prefix_selects_and_is_removed_and_integers_become_float64(tmp_path):
    np.savez_compressed(tmp_path / "w.npz", a=np.ones((2, 3), np.float32), b=np.arange(4))
    shapes: list[Any] = []
    arrays = read_npz(tmp_path / "w.npz", check=shapes.append)
    assert {name: (array.dtype.name, array.shape) for name, array in arrays.items()} == {
        "a": ("float32", (2, 3)),
        "b": ("float64", (4,)),
    }
    assert shapes == [{"a": (2, 3), "b": (4,)}]
    np.savez(tmp_path / "run.npz", **{"state.h": numbers(2), "other": numbers(3), "config": np.array("text")})
    assert list(read_npz(tmp_path / "run.npz", "state.")) == ["h"]
    np.savez(tmp_path / "own.npz", h=numbers(2), c=numbers(2))
    assert list(read_npz(tmp_path / "own.npz", "state.")) == ["h", "c"]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "i2"])
def test_pieces_join_to_the_array(tmp_path, monkeypatch, save, dtype):
    monkeypatch.setattr(module, "_PIECE_BYTES", 64)
    array = np.arange(3 * 5 * 7).reshape(3, 5, 7).astype(dtype)
    save(tmp_path / "a.npz", c=array, fortran=np.asfortranarray(array), note=np.array("a text"))
    archive = NpzFile(tmp_path / "a.npz")
    assert list(archive.headers) == ["c", "fortran", "note"]
    for name, order in (("c", "C"), ("fortran", "F")):
        header, pieces = archive.headers[name], list(archive.pieces(name))
        assert (header.shape, header.dtype, header.fortran) == ((3, 5, 7), np.dtype(dtype), order == "F")
        assert len(pieces) > 1
        np.testing.assert_array_equal(np.concatenate([piece for _, piece in pieces]), array.ravel(order))
        assert [place for place, _ in pieces] == list(np.cumsum([0, *(piece.size for _, piece in pieces[:-1])]))
        np.testing.assert_array_equal(archive.read(name), array)
    with pytest.raises(InputError, match=r"note in .* holds values of the type <U6"):
        archive.read("note")


def test_reading_reports_progress(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_PIECE_BYTES", 64)
    np.savez(tmp_path / "a.npz", a=numbers(20))
    told: list[float] = []
    with watched(told.append):
        expect(160)
        NpzFile(tmp_path / "a.npz").read("a")
    assert told == [64 / 160, 128 / 160, 1.0]


def test_checksum_detects_a_changed_number(tmp_path):
    path, x = tmp_path / "x.npz", numbers(4_000)
    np.savez(path, x=x, y=np.full(8, 0.5))
    content = bytearray(path.read_bytes())
    content[content.index(x[-8:].tobytes()) + 3] ^= 1
    path.write_bytes(content)
    file = NpzFile(path)
    np.testing.assert_array_equal(file.read("y"), np.full(8, 0.5))
    for read in (file.read, lambda name: list(file.pieces(name))):
        with pytest.raises(InputError, match="Bad CRC-32"):
            read("x")


def test_file_replaced_while_reading_is_refused(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, x=numbers(2, 3))
    file = NpzFile(path)
    np.savez(path, x=numbers(3, 2))
    with pytest.raises(InputError, match=r"x\.npz changed while it was read: open it again\."):
        file.read("x")


def test_truncated_array_is_refused(tmp_path):
    path, content = tmp_path / "x.npz", npy((4,)) + bytes(16)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", content[:-3])
    packed = bytearray(path.read_bytes())
    size = packed.index(b"PK\x01\x02") + 24
    packed[size : size + 4] = len(content).to_bytes(4, "little")
    path.write_bytes(packed)
    with pytest.raises(InputError, match=r"x\.npz is not a valid \.npz file: x is shorter than it says\.$"):
        NpzFile(path).read("x")


def npy(shape: tuple[int, ...]) -> bytes:
    file = BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [b"", b"\x93NUMPY\x09\x00", npy((4,)) + bytes(15), npy((4,)) + bytes(17), npy((10**9, 10**9)) + bytes(4)],
    ids=["nothing", "another version", "too short", "too long", "a huge shape"],
)
def test_corrupt_array_is_refused(tmp_path, content):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("hidden.npy", content)
    with pytest.raises(InputError, match=r"a\.npz is not a valid \.npz file: .*\.$"):
        NpzFile(tmp_path / "a.npz")


def test_other_and_missing_files_are_refused(tmp_path):
    (tmp_path / "text.npz").write_text("1,2,3")
    with pytest.raises(InputError, match=r"text\.npz is not a valid \.npz file: File is not a zip file\."):
        NpzFile(tmp_path / "text.npz")
    np.save(tmp_path / "a.npy", np.ones(3))
    with pytest.raises(InputError, match=r"a\.npy is not a valid \.npz file: it holds a single array\."):
        NpzFile(tmp_path / "a.npy")
    with pytest.raises(InputError, match="it must be an \\.npz file"):
        read_npz(tmp_path / "a.npy")
    np.savez(tmp_path / "b.npz", np.ones(3))
    with pytest.raises(InputError, match=r"b\.npz is not a valid \.npy file: it is an archive of several arrays\."):
        open_npy(tmp_path / "b.npz")
    with pytest.raises(InputError, match=r"w\.npz does not exist in .*\.$"):
        read_npz(tmp_path / "w.npz")


@pytest.mark.parametrize("order", ["C", "F"])
def test_an_npy_file_is_mapped_in_its_type_and_order(order, tmp_path):
    numbers = np.arange(6, dtype=">f8").reshape(2, 3, order=order)
    np.save(tmp_path / "a.npy", numbers)
    found = open_npy(tmp_path / "a.npy")
    np.testing.assert_array_equal(found, numbers)
    assert (isinstance(found, np.memmap), found.dtype, found.flags.writeable) == (True, numbers.dtype, False)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("text", ["gluon", "", "µ", "x" * 64])
def test_a_text_is_read_in_either_byte_order(text, order, tmp_path):
    np.savez(tmp_path / "a.npz", name=np.array(text, f"{order}U{max(1, len(text))}"))
    assert NpzFile(tmp_path / "a.npz").text("name") == text


def test_what_is_no_short_text_has_none(tmp_path):
    np.savez(tmp_path / "a.npz", many=np.array(["a", "b"]), long=np.array("x" * 65), number=np.array(3.0))
    file = NpzFile(tmp_path / "a.npz")
    assert [file.text(name) for name in ("many", "long", "number")] == ["", "", ""]
    bad = np.frombuffer(b"\xff" * 8, np.dtype("<U2")).reshape(())
    np.savez(tmp_path / "b.npz", bad=bad)
    assert NpzFile(tmp_path / "b.npz").text("bad") == "\ufffd\ufffd"
