"""Damaged archives, and what is pickled in them: refused in a sentence, before anything is unpacked or run."""

import os
import zipfile
from random import Random
from typing import Any

import numpy as np
import pytest

from rnnviz.core.errors import InputError
from rnnviz.io.model_formats.formats import open_model
from rnnviz.io.model_formats.load import entries_of
from rnnviz.io.model_formats.torch_files import open_tensors
from tests.io.model_formats.damage import damaged as changed
from tests.io.model_formats.damage import networks_in, outcome_of, tensor, torch_archive
from tests.io.model_formats.samples import NETWORK, WRITERS
from tests.io.model_formats.sources import in_torch_names, weights_of
from tests.profiles import nightly_except


@pytest.mark.parametrize("name", ["w.npz", "w.pt", "w.keras"])
def test_an_archive_packed_in_the_least_usual_way_is_refused_when_it_is_damaged(tmp_path, name):
    path = tmp_path / name
    WRITERS[name](path)
    with zipfile.ZipFile(path) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        for member, content in members.items():
            archive.writestr(member, content)
        largest = max(archive.infolist(), key=lambda info: info.compress_size)
    damaged = bytearray(path.read_bytes())
    middle = largest.header_offset + 30 + len(largest.filename) + largest.compress_size // 2
    damaged[middle : middle + 8] = b"\xff" * 8
    path.write_bytes(damaged)
    with pytest.raises(InputError, match="is not a valid"):
        networks_in(path)


@pytest.mark.slow
def test_an_npz_that_unpacks_to_more_than_its_weights_is_not_unpacked(tmp_path):
    path = tmp_path / "w.npz"
    header = np.lib.format.header_data_from_array_1_0(np.zeros((2, 2), np.float32))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("weight_hh_l0.npy", "w") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for _ in range(40):
            file.write(bytes(1 << 20))
    with pytest.raises(InputError, match=r"an array of the shape \(2, 2\) would have 144 bytes and has 41943168"):
        open_model(path)


def test_an_array_of_objects_is_passed_over_and_not_unpickled(tmp_path):
    path = tmp_path / "w.npz"
    np.savez(path, **in_torch_names(weights_of(NETWORK)), config=np.array("text"), objects=np.array([{}]))
    assert [entry.supported for entry in entries_of(path)] == [True]


@pytest.mark.parametrize(
    "pickled",
    [
        b"\x80\x02}" + b"K\x01\x85" + b"2\x86" * 60 + b"K\x01s.",
        b"\x80\x02(K\x01\x85" + b"2\x86" * 60 + b"K\x01d.",
        b"\x80\x04}K\x01\x8f(K\x01\x85" + b"2\x86" * 60 + b"\x90s.",
        b"\x80\x02}K\x01]" + b"2\x86" * 60 + b"s.",
    ],
    ids=["key", "keys", "set", "values"],
)
def test_tuples_that_refer_to_each_other_are_followed_once(tmp_path, pickled):
    """A tuple of two references to a tuple of two references, and so on."""
    path = tmp_path / "w.pt"
    path.write_bytes(torch_archive(pickled))
    assert entries_of(path) == ()


@pytest.mark.slow
def test_a_storage_that_unpacks_to_more_than_its_size_is_not_unpacked(tmp_path):
    path = tmp_path / "w.pt"
    path.write_bytes(torch_archive(tensor("I16\nI4\n", "I4\nI1\n"), bytes(20 << 20)))
    model = open_model(path)
    assert not model.entries[0].supported
    with pytest.raises(InputError, match="has 20971520 bytes instead of 256"):
        open_tensors(path).read("weight_hh_l0")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:The tensor attributes")
@pytest.mark.parametrize("kind", nightly_except(["script", "exported", "legacy"], "script"))
def test_a_damaged_program_is_refused_or_read_as_stored(tmp_path, kind):
    torch = pytest.importorskip("torch")
    made, path = torch.nn.GRU(3, 4), tmp_path / "w.pt"
    if kind == "script":
        torch.jit.save(torch.jit.script(made), str(path))
    elif kind == "exported":
        torch.export.save(torch.export.export(made, (torch.ones(2, 1, 3),)), path := tmp_path / "w.pt2")
    else:
        held = {"m": made.state_dict(), (1, "a"): [{2}, torch.ones(2, dtype=torch.uint16), torch.eye(2).to_sparse()]}
        torch.save(held, path, _use_new_zipfile_serialization=False)
    whole, content = networks_in(path), path.read_bytes()
    found = set()
    for seed in range(60):
        path.write_bytes(changed(content, Random(seed)))
        found.add(outcome_of(path, whole))
    assert "refused" in found
    assert kind == "legacy" or "numbers" not in found


class Spy:
    """Unpickling it runs a command."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


@pytest.mark.parametrize("archive", [True, False])
def test_code_in_a_pickle_is_not_run(tmp_path, archive):
    torch = pytest.importorskip("torch")
    path, trace = tmp_path / "w.pt", tmp_path / "was-run"
    torch.save({"weight_ih_l0": Spy(f"touch {trace}")}, path, _use_new_zipfile_serialization=archive)
    with pytest.raises(InputError, match=r"holds more than tensors \((posix|nt)\.system\)"):
        open_model(path)
    assert not trace.exists()


def test_another_byte_order_is_refused(tmp_path):
    path, other = tmp_path / "w.pt", tmp_path / "big.pt"
    WRITERS["w.pt"](path)
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, "w") as new:
        for info in old.infolist():
            new.writestr(info.filename, b"big" if info.filename.endswith("byteorder") else old.read(info))
    with pytest.raises(InputError, match="big-endian"):
        open_model(other)


@pytest.mark.parametrize(
    ("name", "member"), [("w.pt", "data/3"), ("w.npz", "weight_hh_l0.npy"), ("w.keras", "model.weights.h5")]
)
def test_a_directory_without_stored_bytes_is_refused(tmp_path, name, member):
    """Nothing has a checksum as well, which is 0: what is missing must not be taken from elsewhere in memory."""
    path = tmp_path / name
    WRITERS[name](path)
    whole, content = networks_in(path), bytearray(path.read_bytes())
    place = content.rindex(member.encode())
    entry = content.rindex(b"PK\x01\x02", 0, place)
    content[entry + 16 : entry + 24] = bytes(8)  # the checksum, and the size as it is stored
    path.write_bytes(content)
    assert outcome_of(path, whole) == "refused"
