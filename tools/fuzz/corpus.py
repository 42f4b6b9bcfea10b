"""Damaged files of the program itself: settings with their recent files, and recordings."""

import io
from pathlib import Path
from random import Random

import numpy as np
from PySide6.QtCore import QByteArray, QSettings

from tests.io.model_formats.damage import damaged
from tools.fuzz.readers import network_of

_KEYS = (
    "window/geometry", "window/layout/whole", "window/layout/side", "window/layout/vector-columns",
    "appearance/theme", "appearance/motion", "files/recent", "files/trusted", "lessons/open", "lessons/step/05-lstm",
)  # fmt: skip
_TEXTS = (
    "", "dark", "x", "7", "99999999999", "-1", "true", "/a/x.toml, /b/y.rnnviz", '"/a, b.toml", ""', "@Invalid()", "@",
    "@Rect(0 0 -1 99999999999)", "@Size(1)", "@Point()", "@ByteArray()", "@ByteArray(\\x1\\xd9\\xd0\\xcb)",
    "@Variant(", "@Variant()", "\\xd800", "\\x0", "/tmp/\\x0/a.toml", "\\u0661", '"', "a\\", "%", ";", "@@Size(1 1)",
    "{8a}", "/" * 300, "\\x1b[2J", "@DateTime(\\0)",
)  # fmt: skip


def settings(chance: Random, folder: Path) -> bytes:
    """The window's settings, changed in bytes or line by line."""
    content = _settings(chance, folder / "written.ini")
    if chance.random() < 0.4:
        return damaged(content, chance)
    lines = content.split(b"\n")
    for _ in range(chance.choice([1, 2, 5])):
        group, _, key = chance.choice(_KEYS).partition("/")
        value = _variant(chance) if chance.random() < 0.5 else chance.choice(_TEXTS).encode()
        lines += [f"[{group}]".encode(), key.replace("/", "\\").encode() + b"=" + value]
    if chance.random() < 0.2:
        chance.shuffle(lines)
    return b"\n".join(lines)


def recording(chance: Random, _folder: Path) -> bytes:
    """The recorded outputs of a network, some of them changed."""
    right = chance.random() < 0.3
    network, whose = network_of().network, chance.choice(["", "", "torch.", "a.b.", "\x1b.", "e" * 300 + "."])
    hidden, state = network.hidden_shape(3, 2), network.state_shape(2)
    shapes = {"hidden": hidden, "output": network.output_shape(3, 2), "state": state}
    shapes |= {"cell": hidden, "cell_state": state}
    kept = ["hidden"] if right else chance.sample(sorted(shapes), chance.randrange(1, 6))
    arrays = {whose + kind: _array(chance, shapes[kind], right=right) for kind in kept}
    if chance.random() < 0.2:
        arrays[chance.choice(["other.hidden", "hidden", "x", "config", "", ".hidden", "#.state"])] = np.zeros(3)
    out = io.BytesIO()
    (np.savez_compressed if chance.random() < 0.3 else np.savez)(out, **arrays)
    return damaged(out.getvalue(), chance) if not right and chance.random() < 0.6 else out.getvalue()


def _settings(chance: Random, path: Path) -> bytes:
    store = QSettings(str(path), QSettings.Format.IniFormat)
    geometry = bytes.fromhex("01d9d0cb000300000000000a0000001400000509000003330000000a0000001400000509000003330000")
    store.setValue("window/geometry", QByteArray(geometry + bytes(26)))
    store.setValue(
        "window/layout/whole", QByteArray(bytes.fromhex("000000ff0000000100000002000000f0000003e800ffffffff0100000001"))
    )
    store.setValue("files/recent", ["/a/x.toml", "/b/ä, b.rnnviz"][: chance.randrange(3)])
    store.setValue("files/trusted", ["/a/mine.py"])
    store.setValue("appearance/theme", "dark")
    store.setValue("lessons/step/05-lstm", 2)
    store.sync()
    content = path.read_bytes()
    path.unlink()
    return content


def _variant(chance: Random) -> bytes:
    """A value of any of Qt's types, with bytes that are seldom right for it, as its own files hold it."""
    head = chance.choice([chance.randrange(90), 1024, 0x7FFFFFFF, 65_536]).to_bytes(4, "big")
    body = chance.choice([b"", b"\0", b"\0\0\0\x01", b"\xff" * 4, b"\x7f\xff\xff\xff", b"\0\0\0\xff"])
    body += chance.randbytes(chance.choice([0, 0, 4, 40]))
    return b"@Variant(" + b"".join(b"\\x%x" % byte for byte in head + body) + b")"


def _array(chance: Random, shape: tuple[int, ...], *, right: bool) -> np.ndarray:
    values = np.random.default_rng(chance.getrandbits(32)).normal(size=shape)
    if not right and chance.random() < 0.1:
        values = values[..., :1]
    values = np.asfortranarray(values) if chance.random() < 0.2 else values
    return values.astype(chance.choice(["f4", "f8", ">f4", "f2"] if right else ["f4", "f4", "i4", "c8", "U3"]))
