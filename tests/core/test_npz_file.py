"""The arrays of an `.npz` file: found by their headers, read one by one, and never taken for what they are not."""

import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnviz.core import npz_file as module
from rnnviz.core.errors import InputError
from rnnviz.core.npz_file import NpzFile, read_npz
from rnnviz.core.progress import expect, watched


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(7).normal(size=shape)


def test_an_archive_gives_its_arrays_by_name(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "w.npz", a=np.ones((2, 3), np.float32), b=np.arange(4))
    arrays = read_npz(tmp_path / "w.npz")
    assert {name: (array.dtype.name, array.shape) for name, array in arrays.items()} == {
        "a": ("float32", (2, 3)),
        "b": ("float64", (4,)),
    }


def test_names_under_a_prefix_are_read_without_it_and_alone(tmp_path: Path) -> None:
    np.savez(tmp_path / "run.npz", **{"state.h": numbers(2), "other": numbers(3), "config": np.array("text")})
    assert list(read_npz(tmp_path / "run.npz", "state.")) == ["h"]
    np.savez(tmp_path / "own.npz", h=numbers(2), c=numbers(2))
    assert list(read_npz(tmp_path / "own.npz", "state.")) == ["h", "c"]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_shapes_are_known_before_numbers_are_read_and_one_array_needs_no_other(
    tmp_path: Path, save: object, order: str
) -> None:
    assert callable(save)
    x = np.array(numbers(3, 4), order=order)
    save(tmp_path / "x.npz", x=x, text=np.array("no number"), **{"folder/y": np.zeros(2)})
    file = NpzFile(tmp_path / "x.npz")
    assert {name: header.shape for name, header in file.headers.items()} == {"x": (3, 4), "text": (), "folder/y": (2,)}
    np.testing.assert_array_equal(file.read("x"), x)
    with pytest.raises(InputError, match=r"text in .* holds values of the type <U9"):
        file.read("text")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "i2"])
def test_the_pieces_are_the_array(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, save: Callable[..., None], dtype: str
) -> None:
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


def test_how_far_the_reading_of_an_array_is_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PIECE_BYTES", 64)
    np.savez(tmp_path / "a.npz", a=numbers(20))
    told: list[float] = []
    with watched(told.append):
        expect(160)
        NpzFile(tmp_path / "a.npz").read("a")
    assert told == [64 / 160, 128 / 160, 1.0]


def test_what_would_be_unpickled_is_known_by_its_type_and_never_loaded(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (tmp_path / "ran").write_text, ("ran",)

    np.savez(tmp_path / "a.npz", hidden=np.array([Trap()], dtype=object))
    file = NpzFile(tmp_path / "a.npz")
    assert not file.headers["hidden"].numeric
    for read in (file.read, lambda name: list(file.pieces(name))):
        with pytest.raises(InputError, match="never unpickled"):
            read("hidden")
    assert not (tmp_path / "ran").exists()


def test_a_changed_number_is_caught_by_the_checksum(tmp_path: Path) -> None:
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


def test_a_file_that_is_saved_anew_with_another_array_while_it_is_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, x=numbers(2, 3))
    file = NpzFile(path)
    np.savez(path, x=numbers(3, 2))
    with pytest.raises(InputError, match=r"x\.npz changed while it was read: open it again\."):
        file.read("x")


def test_an_array_that_ends_before_its_end_is_told(tmp_path: Path) -> None:
    path, content = tmp_path / "x.npz", npy((4,)) + bytes(16)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", content[:-3])
    packed = bytearray(path.read_bytes())
    size = packed.index(b"PK\x01\x02") + 24
    packed[size : size + 4] = len(content).to_bytes(4, "little")
    path.write_bytes(packed)
    with pytest.raises(InputError, match=r"x\.npz is not a valid \.npz file: x is shorter than it says\.$"):
        NpzFile(path).read("x")


def test_shapes_can_be_refused_before_a_number_is_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", h=np.ones((2, 3), np.float32), n=np.arange(5, dtype=np.int16))
    shapes: list[Any] = []
    read_npz(tmp_path / "a.npz", check=shapes.append)
    assert shapes == [{"h": (2, 3), "n": (5,)}]

    def refuse(_: object) -> None:
        raise InputError("No.")

    with pytest.raises(InputError, match=r"^No\.$"):
        read_npz(tmp_path / "a.npz", check=refuse)


def npy(shape: tuple[int, ...]) -> bytes:
    file = BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [b"", b"\x93NUMPY\x09\x00", npy((4,)) + bytes(15), npy((4,)) + bytes(17), npy((10**9, 10**9)) + bytes(4)],
    ids=["nothing", "another version", "too short", "too long", "a huge shape"],
)
def test_an_array_that_is_not_what_it_says_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("hidden.npy", content)
    with pytest.raises(InputError, match=r"a\.npz is not a valid \.npz file: .*\.$"):
        NpzFile(tmp_path / "a.npz")


def test_a_file_of_another_kind_and_one_that_is_not_there_are_sentences(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("1,2,3")
    with pytest.raises(InputError, match=r"text\.npz is not a valid \.npz file: File is not a zip file\."):
        NpzFile(tmp_path / "text.npz")
    np.save(tmp_path / "a.npy", np.ones(3))
    with pytest.raises(InputError, match=r"a\.npy is not a valid \.npz file: it holds a single array\."):
        NpzFile(tmp_path / "a.npy")
    with pytest.raises(InputError, match="it must be an \\.npz file"):
        read_npz(tmp_path / "a.npy")
    with pytest.raises(InputError, match=r"w\.npz cannot be read: No such file or directory\.$"):
        read_npz(tmp_path / "w.npz")
