"""The arrays of an `.npz` file: found by their headers, read one by one, and never taken for what they are not."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from rnnviz.files.npz_in import NpzFile, read_npz
from rnnviz.model.errors import InputError


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


def test_a_changed_number_is_caught_by_the_checksum(tmp_path: Path) -> None:
    path, x = tmp_path / "x.npz", numbers(4_000)
    np.savez(path, x=x, y=np.full(8, 0.5))
    content = bytearray(path.read_bytes())
    content[content.index(x[-8:].tobytes()) + 3] ^= 1
    path.write_bytes(content)
    file = NpzFile(path)
    np.testing.assert_array_equal(file.read("y"), np.full(8, 0.5))
    with pytest.raises(InputError, match="damaged one: its content is not what numpy writes"):
        file.read("x")


def test_an_array_must_fill_its_member_exactly(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.save(tmp_path / "x.npy", numbers(8))
    whole = (tmp_path / "x.npy").read_bytes()
    for content in (whole[:-1], whole + b"\0"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x.npy", content)
        with pytest.raises(InputError, match="not what numpy writes"):
            NpzFile(path)


def test_what_is_no_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / "w.npy").write_bytes(b"")
    with pytest.raises(InputError, match="it must be an \\.npz file"):
        read_npz(tmp_path / "w.npy")
    with pytest.raises(InputError, match=r"w\.npz cannot be read: No such file or directory\.$"):
        read_npz(tmp_path / "w.npz")
