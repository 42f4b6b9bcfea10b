"""Arrays out of an archive: piece by piece, in the file's own order, and a sentence for a damaged one."""

import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from rnnviz.engines.recording import archive as module
from rnnviz.engines.recording.archive import Archive
from rnnviz.model.errors import InputError


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "i2"])
def test_the_pieces_are_the_array(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, save: Callable[..., None], dtype: str
) -> None:
    monkeypatch.setattr(module, "_PIECE_BYTES", 64)
    array = np.arange(3 * 5 * 7).reshape(3, 5, 7).astype(dtype)
    save(tmp_path / "a.npz", c=array, fortran=np.asfortranarray(array), note=np.array("a text"))
    archive = Archive(tmp_path / "a.npz")
    assert archive.names == ("c", "fortran", "note")
    for name, order in (("c", "C"), ("fortran", "F")):
        header, pieces = archive.header(name), list(archive.pieces(name))
        assert (header.shape, header.dtype, header.fortran) == ((3, 5, 7), np.dtype(dtype), order == "F")
        assert len(pieces) > 1
        np.testing.assert_array_equal(np.concatenate([piece for _, piece in pieces]), array.ravel(order))
        assert [place for place, _ in pieces] == list(np.cumsum([0, *(piece.size for _, piece in pieces[:-1])]))


def test_what_would_be_unpickled_is_known_by_its_type_and_never_loaded(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (tmp_path / "ran").write_text, ("ran",)

    np.savez(tmp_path / "a.npz", hidden=np.array([Trap()], dtype=object))
    assert not Archive(tmp_path / "a.npz").header("hidden").numeric
    assert not (tmp_path / "ran").exists()


def write_member(path: Path, content: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("hidden.npy", content)


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
    write_member(tmp_path / "a.npz", content)
    with pytest.raises(InputError, match=r"a\.npz is no \.npz file, or a damaged one: .*\.$"):
        Archive(tmp_path / "a.npz").header("hidden")


def test_a_changed_byte_fails_the_checksum(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", hidden=np.ones(100, np.float32))
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[content.index(np.float32(1.0).tobytes() * 3)] ^= 1
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(InputError, match="Bad CRC-32"):
        list(Archive(tmp_path / "a.npz").pieces("hidden"))


def test_a_file_of_another_kind_and_one_that_is_not_there_are_sentences(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones(3))
    with pytest.raises(InputError, match=r"a\.npy is no \.npz file, or a damaged one: File is not a zip file\."):
        Archive(tmp_path / "a.npy")
    with pytest.raises(InputError, match=r"no\.npz cannot be read: No such file or directory\."):
        Archive(tmp_path / "no.npz")
