"""Protocol buffers, as far as the messages of Connect need them: a table for each message, and plain dictionaries.

A generated module would want the protobuf runtime, in a version that fits, for a dozen flat messages.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

_VARINT, _FIXED_64, _LENGTH, _FIXED_32 = 0, 1, 2, 5
_LONGEST_VARINT = 10
_MOST_FIELDS = 10_000
_NUMERIC = ("number", "flag")  # no set, since the kind may be a table
_EMPTY = {"text": "", "bytes": b"", "number": 0, "flag": False}


class Field(NamedTuple):
    """A field of a message; `kind` is a scalar, or the table of another message."""

    name: str
    kind: Literal["text", "bytes", "number", "flag"] | dict[int, Field]
    repeated: bool = False


Table = dict[int, Field]


def encode(table: Table, values: Mapping[str, Any]) -> bytes:
    """A message with some fields. Those that are missing or empty are left out, as the format has it, but for zeros:
    a message of nothing but a zero would be no bytes at all, which not every WebSocket library sends.
    """
    return b"".join(
        _encode_field(number, field, single)
        for number, field in table.items()
        for single in _present(field, values.get(field.name))
    )


def _present(field: Field, value: Any) -> Iterable[Any]:
    if field.repeated:
        return value or ()
    return (value,) if value or (value == 0 and field.kind == "number") else ()


def _encode_field(number: int, field: Field, value: Any) -> bytes:
    if field.kind in _NUMERIC:
        return _varint(number << 3 | _VARINT) + _varint(int(value))
    if isinstance(field.kind, dict):
        data = encode(field.kind, value)
    else:
        data = value.encode() if field.kind == "text" else value
    return _varint(number << 3 | _LENGTH) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def decode(table: Table, data: bytes) -> dict[str, Any]:
    """All fields of a message by name; what is missing is empty, what is unknown is passed over. Raises ValueError."""
    values: dict[str, Any] = {field.name: _empty(field) for field in table.values()}
    for number, raw in _fields(data):
        field = table.get(number)
        if field is None:
            continue
        value = _decode_field(field, raw)
        if field.repeated:
            values[field.name].append(value)
        else:
            values[field.name] = value
    return values


def _empty(field: Field) -> Any:
    if field.repeated:
        return []
    return _EMPTY[field.kind] if isinstance(field.kind, str) else decode(field.kind, b"")


def _decode_field(field: Field, raw: int | bytes) -> Any:
    if isinstance(raw, int):
        if field.kind in _NUMERIC:
            return bool(raw) if field.kind == "flag" else raw
        raise ValueError(f"{field.name} is a number")
    if isinstance(field.kind, dict):
        return decode(field.kind, raw)
    if field.kind == "text":
        return raw.decode()
    if field.kind == "bytes":
        return raw
    raise ValueError(f"{field.name} is not a number")


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    position, count = 0, 0
    while position < len(data):
        count += 1
        if count > _MOST_FIELDS:
            raise ValueError("a message has too many fields")
        key, position = _read_varint(data, position)
        if key & 7 == _VARINT:
            value, position = _read_varint(data, position)
            yield key >> 3, value
            continue
        if key & 7 == _LENGTH:
            length, position = _read_varint(data, position)
        elif key & 7 in {_FIXED_32, _FIXED_64}:
            length = 4 if key & 7 == _FIXED_32 else 8
        else:
            raise ValueError("a field has an unknown wire type")
        if position + length > len(data):
            raise ValueError("a field is longer than its message")
        yield key >> 3, data[position : position + length]
        position += length


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(data[position : position + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, position + index + 1
    raise ValueError("a number has no end")
