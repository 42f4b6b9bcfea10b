"""An ONNX file without the numbers of its large tensors, which are read when they are asked for.

Walks the messages of onnx.proto3 as protobuf writes them: https://protobuf.dev/programming-guides/encoding. In place of
its numbers a tensor gets an entry in `external_data` with their offset in the same file.
"""

from collections.abc import Iterator, Mapping
from typing import TypeAlias

PLACE = "in the model's own file"
"""The key of that entry; its value is the first byte and how many there are."""

_LARGE_BYTES = 1 << 16
_DEEPEST = 100
_VARINT, _FIXED64, _DELIMITED, _FIXED32 = 0, 1, 2, 5
_EXTERNAL_DATA = 13

_Message: TypeAlias = Mapping[int, str]
"""The kinds of messages in the fields that may contain tensors, by field number."""

_NUMBERS = "raw_data"
_MESSAGES: Mapping[str, _Message] = {
    "ModelProto": {7: "GraphProto", 25: "FunctionProto"},
    "GraphProto": {1: "NodeProto", 5: "TensorProto"},
    "FunctionProto": {7: "NodeProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {5: "TensorProto", 6: "GraphProto", 10: "TensorProto", 11: "GraphProto"},
    "TensorProto": {9: _NUMBERS},
}


def outline(content: memoryview) -> bytes:
    """The model in `content` without the values at `PLACE`.

    Raises
    ------
    ValueError
        If it is not a message of protobuf, or one that is not followed.
    """
    return b"".join(_parts(content, 0, len(content), "ModelProto", 0))


def _parts(content: memoryview, begin: int, end: int, message: str, depth: int) -> Iterator[bytes | memoryview]:
    """The message from `begin` to `end`; small fields are not parsed."""
    if depth > _DEEPEST:
        raise ValueError("messages are nested too deep")
    kept = place = begin
    while place < end:
        start = place
        field, place = _varint(content, place, end)
        number, wire = field >> 3, field & 7
        inside = place
        if wire == _DELIMITED:
            length, inside = _varint(content, place, end)
            after = inside + length
        elif wire == _VARINT:
            _, after = _varint(content, place, end)
        elif wire in (_FIXED32, _FIXED64):
            after = place + (4 if wire == _FIXED32 else 8)
        else:
            raise ValueError(f"a field is of the unknown kind {wire}")
        if after > end:
            raise ValueError("a field reaches beyond its message")
        held = _MESSAGES[message].get(number) if wire == _DELIMITED and after - inside > _LARGE_BYTES else None
        if held == _NUMBERS:
            yield content[kept:start]
            yield _delimited(_EXTERNAL_DATA, _entry(PLACE, f"{inside} {after - inside}"))
            kept = after
        elif held is not None:
            inner = b"".join(_parts(content, inside, after, held, depth + 1))
            yield content[kept:place]
            yield _as_varint(len(inner))
            yield inner
            kept = after
        place = after
    yield content[kept:end]


def _varint(content: memoryview, place: int, end: int) -> tuple[int, int]:
    """The number at `place`, and the place after it."""
    number = shift = 0
    while place < end and shift < 64:
        byte = content[place]
        number |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return number, place
    raise ValueError("a number does not end")


def _as_varint(number: int) -> bytes:
    written = bytearray()
    while number >= 0x80:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)


def _delimited(field: int, content: bytes) -> bytes:
    return _as_varint(field << 3 | _DELIMITED) + _as_varint(len(content)) + content


def _entry(key: str, value: str) -> bytes:
    """A StringStringEntryProto."""
    return _delimited(1, key.encode()) + _delimited(2, value.encode())
