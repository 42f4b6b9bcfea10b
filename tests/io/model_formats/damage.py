"""Damage done to a file, and what comes of opening it."""

import random
import warnings
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.bounded_read import limited_memory
from rnnviz.core.config import Network
from rnnviz.core.errors import InputError
from rnnviz.io.model_formats.formats import open_model
from rnnviz.io.model_formats.load import read_weights

Networks = dict[str, tuple[Network, dict[str, NDArray[np.floating]]]]
"""The networks of a file by name, each with its weights by Gluon's names."""

KINDS = ("cut", "flip", "write", "insert", "overwrite")
_MOST_ENTRIES = 3
_ALLOWANCE = 512 << 20


def damaged(content: bytes, chance: random.Random, kind: str | None = None) -> bytes:
    """The content cut off, with bits flipped, bytes written over, or a piece of it put elsewhere."""
    kind, changed, size = kind or chance.choice(KINDS), bytearray(content), len(content)
    if kind == "cut":
        return content[: chance.randrange(size)]
    # Half of the changes meet the ends of a file, where its structure is.
    near = chance.choice([size, min(size, 400)])
    place = chance.choice([chance.randrange(near), size - 1 - chance.randrange(near)])
    if kind == "flip":
        for _ in range(chance.choice([1, 1, 8])):
            changed[(place + chance.randrange(64)) % size] ^= 1 << chance.randrange(8)
    elif kind == "write":
        length = chance.choice([1, 4, 8])
        changed[place : place + length] = chance.choice([b"\xff", b"\0", b"\x7f", b"\x80"]) * length
    else:
        begin, length = chance.randrange(size), chance.choice([4, 64, size // 4])
        piece = content[begin : begin + chance.randrange(1, length + 1)]
        changed[place : place + (len(piece) if kind == "overwrite" else 0)] = piece
    return bytes(changed)


def networks_in(path: Path) -> Networks:
    """The first networks that a file holds and that can be run, each checked as a run checks it.

    Raises
    ------
    InputError
        If the file, or the weights of one of them, are refused.
    MemoryError
        If it asks for more memory than it is given, which `reading` reports in a sentence.
    """
    found = {}
    with limited_memory(_ALLOWANCE):
        model = open_model(path)
        for entry in model.entries:
            assert entry.supported or entry.reason
            if entry.supported and len(found) < _MOST_ENTRIES:
                network = entry.network(entry.cell or entry.cells[0])
                found[entry.name] = network, dict(read_weights(model, entry, network))
    return found


def outcome_of(path: Path, whole: Mapping[str, tuple[Network, Mapping[str, NDArray[np.floating]]]]) -> str:
    """The outcome of a damaged file whose undamaged content holds `whole`.

    "refused", in one sentence; "same" for the same numbers; "fewer" where what is left out is listed with a reason;
    "numbers" where some differ, which only formats without checksums allow; "named" for a network of another name or
    other sizes, which is shown as what it is. All numbers are finite and of the shapes that their network needs.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = networks_in(path)
    except InputError as error:
        text = str(error)
        assert text.endswith(".")
        assert "\n" not in text
        assert len(text) < 2_000
        return "refused"
    except MemoryError:
        return "refused"
    outcome = "same" if len(found) == len(whole) else "fewer"
    for name, (network, arrays) in found.items():
        shapes = {key: array.shape for key, array in arrays.items()}
        assert shapes == network.parameter_shapes()
        assert all(np.isfinite(array).all() for array in arrays.values())
        if name not in whole or network != whole[name][0]:
            return "named"
        if any(not np.array_equal(array, whole[name][1][key]) for key, array in arrays.items()):
            outcome = "numbers"
    return outcome


def torch_archive(pickled: bytes, storage: bytes = bytes(256)) -> bytes:
    """A file of PyTorch with this description and storage."""
    content = BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w/data.pkl", pickled)
        archive.writestr("w/data/0", storage)
    return content.getvalue()


def tensor(shape: str, strides: str) -> bytes:
    """The pickle of one tensor, whose sizes are given as pickle's opcodes."""
    return (
        b"\x80\x02}X\x0c\0\0\0weight_hh_l0ctorch._utils\n_rebuild_tensor_v2\n("
        b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuI64\ntQI0\n"
        + f"({shape}t({strides}t".encode()
        + b"\x89ccollections\nOrderedDict\n)RtRs."
    )
