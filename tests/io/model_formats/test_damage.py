"""Damaged files, and those that promise more than they hold: always a sentence, before anything large is made."""

import json
import os
import struct
import tracemalloc
import zipfile
from collections import Counter
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from random import Random

import numpy as np
import pytest

from rnnviz.core.errors import InputError
from rnnviz.execution.child_process import call_in_subprocess
from rnnviz.io.model_formats import keras_file
from rnnviz.io.model_formats.load import entries_of
from tests.io.model_formats.damage import KINDS, damaged, networks_in, outcome_of, tensor, torch_archive
from tests.io.model_formats.samples import CHECKED_SUMS, WRITERS
from tests.io.model_formats.sources import network, read_parameters, weights_of

FILES = [name for name in WRITERS if name != "folder"]
NOT_SURVIVED = [("w.weights.h5", 587), ("w.weights.h5", 2762)]
"""Damage over which HDF5 1.14 loops for ever, or that ends its process."""


def read_soon(path: Path) -> None:
    """Read a file in a separate process, which ends after a second without progress of HDF5."""
    keras_file.HEADER_SECONDS = 1.0
    networks_in(path)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "seed"), NOT_SURVIVED)
def test_a_crash_of_a_library_is_a_sentence(name, seed, tmp_path):
    path = tmp_path / name
    WRITERS[name](path)
    path.write_bytes(damaged(path.read_bytes(), Random(seed)))
    said = "A library that has been mended may read it."
    try:
        call_in_subprocess(read_soon, path, what=f"{path} could not be read", seconds=30)
    except InputError as error:
        said = str(error)
    assert said.endswith(".")
    assert "\n" not in said


def outcomes(path: Path, kinds: Sequence[str | None]) -> Counter[str]:
    """Of a file, or of the first one in a folder, damaged in these ways; None is any."""
    harmed = min(path.glob("*.npy")) if path.is_dir() else path
    content, whole = harmed.read_bytes(), networks_in(path)
    found: Counter[str] = Counter()
    for seed, kind in enumerate(kinds):
        harmed.write_bytes(damaged(content, Random(seed), kind))
        found[outcome_of(path, whole)] += 1
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITERS)
def test_a_little_damage_is_refused_in_a_sentence_or_read_as_stored(name, tmp_path):
    WRITERS[name](tmp_path / name)
    found = outcomes(tmp_path / name, KINDS * 2)
    assert found["refused"]
    assert name not in CHECKED_SUMS or not found["numbers"]


@pytest.mark.nightly
@pytest.mark.parametrize("name", WRITERS)
def test_every_damage_is_refused_in_a_sentence_or_read_as_stored(name, tmp_path):
    WRITERS[name](tmp_path / name)
    found = call_in_subprocess(outcomes, tmp_path / name, (None,) * 500, what="they could not be read", seconds=120)
    assert found["refused"] > 125
    assert name not in CHECKED_SUMS or not found["numbers"]


@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_off_anywhere_is_refused(tmp_path, name):
    path = tmp_path / name
    WRITERS[name](path)
    original = path.read_bytes()
    whole = networks_in(path)
    for length in [0, 1, 7, 8, 9, 63, len(original) // 2, len(original) - 1]:
        path.write_bytes(original[:length])
        assert outcome_of(path, whole) == "refused", length


def test_library_messages_about_a_damaged_file_are_cut(tmp_path):
    """zipfile shows the whole name of a member, which may have become as long as the file."""
    path = tmp_path / "w.npz"
    WRITERS["w.npz"](path)
    content = bytearray(path.read_bytes())
    content[26:28] = (5000).to_bytes(2, "little")
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"is not a valid \.npz file: File name in directory .* …\.$") as told:
        entries_of(path)
    assert len(str(told.value)) < 600


def params(count: int, *array: tuple[str, tuple[int, ...]]) -> bytes:
    return struct.pack("<QQQ", 0x112, 0, count) + b"".join(
        struct.pack(f"<{layout}", *values) for layout, values in array
    )


def safetensors(length: int, begin: int, end: int, shape: list[int]) -> bytes:
    header = json.dumps({"weight_hh_l0": {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}}).encode()
    return struct.pack("<Q", length or len(header)) + header + bytes(64)


def npz(shape: tuple[int, ...]) -> bytes:
    header, content = BytesIO(), BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("l0_h2h_weight.npy", header.getvalue() + bytes(64))
    return content.getvalue()


DENSE, CHANGED = 0xF993FAC9, tensor("I16\nI4\n", "I4\nI1\n")[:-2] + b"}X\x05\0\0\0shape(I99\nI99\ntsbs."
DEEP = b"\x80\x02" + b"(" * 100_000 + b"l" * 100_000 + b"."
NO_SAFETENSORS, NO_PICKLE = r"is not a valid \.safetensors file: .*\.$", "its pickle cannot be read"
REFUSED: dict[str, tuple[str, bytes | None, str]] = {
    "missing": ("missing.pt", None, "does not exist"),
    "empty": ("w.pt", b"", "is empty"),
    "text": ("w.txt", b"some text", "is not a supported model file: it must be one of .params"),
    "text as safetensors": ("w.safetensors", b"some text of more than eight letters", NO_SAFETENSORS),
    "no archive": ("w.npz", b"PK\x03\x04rubbish", "is not a valid .npz file"),
    "no magic number": ("w.pt", b"\x80\x02K\x01.", "does not begin with PyTorch's magic number"),
    "text as params": ("w.params", b"some text of some length, no more", "is not a valid MXNet parameter file"),
    "arrays": ("w.params", params(2**62), "declares 4611686018427387904 arrays"),
    "numbers": (
        "w.params",
        params(1, ("Iii", (DENSE, 0, 2)), ("qq", (2**31, 2**31)), ("iii", (1, 0, 0))),
        "numbers in array 0",
    ),
    "sizes": ("w.params", params(1, ("Iii", (DENSE, 0, 2**30))), "1073741824 sizes"),
    "negative": ("w.params", params(1, ("Iii", (DENSE, 0, 1)), ("q", (-5,)), ("iii", (1, 0, 0))), "has the shape"),
    "type": ("w.params", params(1, ("Iii", (DENSE, 0, 1)), ("q", (0,)), ("iii", (1, 0, 77))), "the type 77"),
    "name": ("w.params", params(0, ("QQ", (1, 2**40))), "letters in a name"),
    "header": ("w.safetensors", safetensors(1 << 40, 0, 64, [4, 4]), NO_SAFETENSORS),
    "array": ("w.safetensors", safetensors(0, 0, 1 << 40, [1 << 19, 1 << 19]), NO_SAFETENSORS),
    "shape": ("w.safetensors", safetensors(0, 0, 64, [1 << 40, 1 << 40]), NO_SAFETENSORS),
    "place": ("w.safetensors", safetensors(0, 1 << 40, (1 << 40) + 64, [4, 4]), NO_SAFETENSORS),
    "backwards": ("w.safetensors", safetensors(0, 64, 0, [4, 4]), NO_SAFETENSORS),
    "npy": ("w.npz", npz((1 << 30, 1 << 30)), r"would have 46116860184273880\d\d bytes and has 192"),
    **{
        f"pickle, {name}": ("w.pt", torch_archive(pickled), words)
        for name, pickled, words in (
            ("beyond", tensor("I16\nI4\n", "I400\nI1\n"), "reaches beyond its storage of 64 numbers"),
            ("negative", tensor("I16\nI-4\n", "I4\nI1\n"), "not described as PyTorch does"),
            ("strides", tensor("I16\n", "I4\nI1\n"), "not described as PyTorch does"),
            ("long", b"\x80\x02\x8b\xff\xff\xff\x7f.", NO_PICKLE),
            ("bytes", b"\x80\x04\x8e\xff\xff\xff\xff\xff\x00\x00\x00.", f"{NO_PICKLE}|more memory"),
            ("number", b"\x80\x02K\x01.", "contains no state_dict"),
            ("system", b"cos\nsystem\n(X\x02\0\0\0lstR.", r"os\.system"),
            ("extension", b"\x80\x02\x82\x01.", NO_PICKLE),
            ("changed", CHANGED, "only a dict may be given more"),
            ("deep", DEEP, f"contains no state_dict|{NO_PICKLE}"),
        )
    },
    **{
        f"onnx, {content[:9]!r}": ("w.onnx", content, r"not a valid ONNX model: .*\.$")
        for content in (b"nonsense, and more of it", b"\x08\x09", b"\0" * 100)
    },
}
"""Files that promise more than they hold, or that their library does not write: content and words of the sentence."""


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_no_model_or_promises_too_much_is_refused_in_a_sentence(tmp_path, name):
    file, content, words = REFUSED[name]
    if content is not None:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(InputError, match=words):
        entries_of(tmp_path / file)


@pytest.mark.slow
@pytest.mark.parametrize("prefix", ["", "parameters.", "x."])
def test_weights_of_another_shape_than_the_network_s_are_not_unpacked(tmp_path, prefix):
    """Gluon's own names are compared with the network, and those with a prefix are an entry."""
    path, net = tmp_path / "w.npz", network("gru", 1, False)
    arrays = weights_of(net)
    np.savez(path, **{prefix + name: array for name, array in arrays.items() if name != "l0_h2h_weight"})
    described = {"descr": "<f4", "fortran_order": False, "shape": (1 << 11, 1 << 11)}
    with (
        zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive,
        archive.open(f"{prefix}l0_h2h_weight.npy", "w", force_zip64=True) as file,
    ):
        np.lib.format.write_array_header_1_0(file, described)
        for _ in range(16):
            file.write(bytes(1 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=r"\(2048, 2048\)|\(2048, 3\)"):
            read_parameters(path, None, net)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_a_pipe_is_not_waited_for(tmp_path):
    path = tmp_path / "w.pt"
    os.mkfifo(path)
    with pytest.raises(InputError, match=r"w\.pt cannot be read: it is a pipe"):
        entries_of(path)


@pytest.mark.parametrize("name", [name for name in FILES if name != "w.onnx"])
def test_the_content_decides_the_format_where_the_ending_does_not(tmp_path, name):
    path = tmp_path / name
    WRITERS[name](path)
    other = path.rename(tmp_path / "weights.dat")
    assert entries_of(other)[0].supported
