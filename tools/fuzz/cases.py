"""Files drawn from a seed: right ones, nearly right ones and nonsense, each kind in the form that its readers know."""

import io
import json
import struct
import tokenize
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from rnnviz.core.config import Config
from rnnviz.io.session import SavedDocument, SavedSession, SavedViewState, files_to_copy, write_session
from rnnviz.io.templates import starter
from tests.io.model_formats.damage import damaged
from tests.strategies import FUSED_CELLS
from tools.fuzz import corpus, message_checks, sweeps
from tools.fuzz.readers import FEATURES, network_of

_CELLS = (
    *("0", "1.5", "-2e3", "nan", "inf", "-inf", "1e400", "", " ", "a", "é", "=1+1", '"1"', '"', '"a,b"', "0x10"),
    "1_0",
)
_ODD = ("1,5", "١", "−1", "True", "1e-400", "9" * 400, "\ufeff1", "\x00", "#", "1j", "\u2028", "a\tb", "[31m")


def csv(chance: Random) -> bytes:
    """A table of as many columns as the network reads, or of others, in one of many dialects."""
    separator, end = chance.choice([",", ",", ",", ";", "\t", " "]), chance.choice(["\n", "\n", "\r\n", "\r", "\n\n"])
    common = chance.random() < 0.6
    rows = []
    for row in range(chance.choice([0, 1, 2, 3, 30])):
        width = FEATURES if chance.random() < 0.95 else chance.randrange(8)
        named = row == 0 and chance.random() < 0.3
        cells = [chance.choice("abcd") if named else f"{chance.gauss(0, 1):.6g}" for _ in range(width)]
        if not common and cells and chance.random() < 0.5:
            cells[chance.randrange(len(cells))] = chance.choice(_CELLS + _ODD)
        rows.append(separator.join(cells))
    text = end.join(rows) + chance.choice(["", end])
    return chance.choice([b"", b"", b"", b"\xef\xbb\xbf"]) + text.encode(chance.choice(["utf-8"] * 8 + ["utf-16"]))


_TYPES = ("<f4", "<f8", ">f4", "<f2", "<i8", "|b1", "|u1", "<c8", "|O", "|S4", "<U3", "|V8", "<M8[s]", "<f16", "f", "")
_SIZES = (0, 1, 2, 3, 4, 7, 10**6, 10**12, 2**63, 2**70, -1)


def npy(chance: Random) -> bytes:
    """An array whose header is drawn word by word, with as many bytes behind it as it may have."""
    if chance.random() < 0.3:
        return damaged(_saved(lambda out: np.save(out, _array(chance))), chance)
    shape: Any = tuple(chance.choice(_SIZES[:6]) or FEATURES for _ in range(chance.choice([2, 2, 3, 3])))
    if chance.random() < 0.4:
        shape = tuple(chance.choice(_SIZES) for _ in range(chance.randrange(5)))
    kind: Any = "<f4" if chance.random() < 0.6 else chance.choice(_TYPES)
    if chance.random() < 0.1:
        kind = [("a", kind), ("b", "<f4", (2,))]
    header = {"descr": kind, "fortran_order": chance.random() < 0.2, "shape": shape}
    if chance.random() < 0.1:
        header[chance.choice(["descr", "fortran_order", "shape", "more"])] = chance.choice([None, 1, "x", [1, 2], True])
    text = (
        str(header) if chance.random() < 0.9 else chance.choice(["{" * 500, "", "{'descr'", "__import__('os')", "[]"])
    )
    version = chance.choice([1, 1, 1, 2, 3, 9])
    body = text.encode().ljust(chance.choice([0, 0, 0, 20_000]))
    length = len(body) if chance.random() < 0.95 else chance.choice([0, 5, 2**16 - 1])
    head = struct.pack("<H" if version == 1 else "<I", length & 0xFFFF) + body
    numbers = bytes(chance.randbytes(chance.choice([0, 16, 96, 4_000])))
    return b"\x93NUMPY" + bytes([version, 0]) + head + numbers


def npz(chance: Random) -> bytes:
    """An initial state, or what is nearly one."""
    shape = network_of().network.state_shape(2)
    arrays = {name: np.zeros(shape, np.float32) for name in ("h", "c")}
    if chance.random() < 0.5:
        name = chance.choice(["h", "c", "initial_state.h", "x", "../h", "a" * 300])
        arrays[name] = _array(chance)
    if chance.random() < 0.3:
        arrays.pop("c")
    content = _saved(lambda out: (np.savez_compressed if chance.random() < 0.3 else np.savez)(out, **arrays))
    return content if chance.random() < 0.3 else damaged(content, chance)


def rnnviz(chance: Random, folder: Path) -> bytes:
    """A session that was written and then changed: in its bytes, in its texts, or in what it is made of."""
    x, path = folder / "x.npy", folder / "s.rnnviz"
    np.save(x, np.zeros((3, FEATURES), np.float32))
    config = network_of()
    tables = {**config.to_mapping(), "sequence": {"source": "file", "path": str(x)}}
    config = Config.from_mapping(tables)
    copies = files_to_copy(config) if chance.random() < 0.7 else None
    write_session(SavedSession(config, SavedDocument("a config"), SavedViewState()), path, copies)
    content = path.read_bytes()
    x.unlink()
    path.unlink()
    if chance.random() < 0.5:
        return content if chance.random() < 0.2 else damaged(content, chance)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    _change_members(members, chance)

    def write(out: io.BytesIO) -> None:
        method = chance.choice([zipfile.ZIP_STORED] * 4 + [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
        with zipfile.ZipFile(out, "w", method) as archive:
            for name, member in members.items():
                info = zipfile.ZipInfo(name)
                info.compress_type = method
                if chance.random() < 0.05:
                    info.external_attr = chance.choice([0o120777, 0o40777, 0o104777]) << 16
                archive.writestr(info, member)

    return _saved(write)


_NAMES = (
    *(
        "../../outside",
        "/tmp/outside",
        "files/0/../../outside",
        "files/0/..",
        "files/0/./x",
        "files\\0\\x",
        "C:/outside",
    ),
    *("files/0/a\x00b", "files/0/" + "n" * 400, "files/1/x.npy", "manifest.json/x", ""),
)


def _change_members(members: dict[str, bytes], chance: Random) -> None:
    what = chance.choice(["manifest", "config", "name", "drop", "more"])
    name = chance.choice(list(members))
    if what == "manifest":
        tables = json.loads(members["manifest.json"])
        sweeps.change_value(tables, chance, _VALUES)
        members["manifest.json"] = json.dumps(tables).encode()
    elif what == "config":
        members["config.toml"] = damaged(members["config.toml"], chance)
    elif what == "name":
        members[chance.choice(_NAMES)] = members.pop(name)
    elif what == "drop":
        del members[name]
    else:
        members[chance.choice(_NAMES)] = chance.randbytes(20)


_VALUES = (None, True, -1, 0, 1.5, 1e308, float("nan"), 10**30, "", "x", "\x1b[2J", "\n", [], {}, [[]], *_NAMES)


_WORDS = (
    *("x", "state", "p", "h", "c", "np", "0", "1", "-1", "None", "1e400", "'text'", "[]", "()", "{}", "x.T", "..."),
    "*",
)


def py(chance: Random, cell: str) -> bytes:
    """A starter with some of its words exchanged, doubled or left out."""
    source = starter(cell)
    tokens = [
        token
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type != tokenize.STRING or not token.string.startswith('"""')
    ]
    words = [(token.type, token.string) for token in tokens]
    kinds = (tokenize.NAME, tokenize.OP, tokenize.NUMBER)
    places = [place for place, (kind, text) in enumerate(words) if kind in kinds and text not in ("import", "numpy")]
    for _ in range(chance.choice([0, 1, 1, 1, 2, 4])):
        place = chance.choice(places)
        text = chance.choice(
            ["", f"{words[place][1]} {words[place][1]}", chance.choice(_WORDS), words[chance.choice(places)][1]]
        )
        words[place] = (tokenize.NAME, text)
    try:
        return tokenize.untokenize(words).encode()
    except (ValueError, IndexError):
        return " ".join(text for _, text in words).encode()


def _array(chance: Random) -> Any:
    shape = tuple(chance.choice([1, 2, 3, FEATURES]) for _ in range(chance.choice([1, 2, 2, 3, 4])))
    values = np.random.default_rng(chance.getrandbits(32)).normal(size=shape)
    return values.astype(chance.choice(["f4", "f4", "f8", "i4", "c8", "?", "U3"]))


def _saved(save: Callable[[io.BytesIO], None]) -> bytes:
    out = io.BytesIO()
    save(out)
    return out.getvalue()


MAKERS: dict[str, Callable[[Random, Path], bytes]] = {
    "csv": lambda chance, _: csv(chance),
    "npy": lambda chance, _: npy(chance),
    "npz": lambda chance, _: npz(chance),
    "wav": message_checks.wav,
    "trace.npz": corpus.recording,
    "rnnviz": rnnviz,
    "labels.txt": message_checks.labels,
    "vocabulary.txt": message_checks.vocabulary,
    "vocabulary.json": message_checks.vocabulary_json,
    "sweep.toml": sweeps.sweep,
    "sweep.csv": sweeps.results_csv,
    "sweep.json": sweeps.results_json,
    "lesson.md": message_checks.lesson,
    "settings.ini": corpus.settings,
}
"""By the ending of the file."""

KINDS = (*MAKERS, "py")


def written(kind: str, seed: int, folder: Path) -> Path:
    """The file of a kind and a seed, in a separate empty folder."""
    chance, cell = Random(f"{kind} {seed}"), sorted(FUSED_CELLS)[seed % len(FUSED_CELLS)]
    folder.mkdir(exist_ok=True)
    content = py(chance, cell) if kind == "py" else MAKERS[kind](chance, folder)
    path = folder / (f"{cell}-{seed}.py" if kind == "py" else f"{seed}.{kind}")
    path.write_bytes(content)
    return path
