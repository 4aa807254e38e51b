"""TensorBoard event files, read while another process writes them, and written.

A file is a row of records: length (uint64), masked CRC-32C of it, data, masked CRC-32C of that.
The data is an Event message of protocol buffers, of which only scalars matter here.
https://github.com/tensorflow/tensorboard/blob/master/tensorboard/compat/proto/event.proto
"""

import struct
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_LENGTH = struct.Struct("<QI")
_CRC = struct.Struct("<I")
_DOUBLE = struct.Struct("<d")
_FLOAT = struct.Struct("<f")

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_EVENT_TIME, _EVENT_STEP, _EVENT_VERSION, _EVENT_SUMMARY = 1, 2, 3, 5
_VALUE_TAG, _VALUE_SIMPLE = 1, 2


@dataclass(frozen=True)
class Scalar:
    """One number: its tag, the step it belongs to, and when it was logged (Unix seconds)."""

    tag: str
    step: int
    value: float
    time: float


class EventReader:
    """Reads what was appended to an event file since the last call."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def new_scalars(self) -> Iterator[Scalar]:
        """The scalars of whole records; a torn last record is left for the next call."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        position = 0
        while (record := _record(data, position)) is not None:
            position += _LENGTH.size + len(record) + _CRC.size
            yield from _scalars(record)
        self._offset += position


class EventFolder:
    """Reads every event file under a folder, except those that were there before."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._old = frozenset(self._files())
        self._readers: dict[Path, EventReader] = {}

    def new_scalars(self) -> list[Scalar]:
        """What all files hold that was not returned before."""
        for path in self._files():
            if path not in self._old and path not in self._readers:
                self._readers[path] = EventReader(path)
        return [s for reader in self._readers.values() for s in reader.new_scalars()]

    def _files(self) -> list[Path]:
        return sorted(self._folder.rglob("events.out.tfevents.*"))


class EventWriter:
    """Writes an event file; each scalar is on disk when the call returns."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        now = time.time()
        path = folder / f"events.out.tfevents.{int(now)}.lorastack.0"
        self._file: BinaryIO = path.open("wb", buffering=0)
        version = _field(_EVENT_VERSION, _BYTES) + _sized(b"brain.Event:2")
        self._file.write(frame(_time_field(now) + version))

    def add(self, step: int, scalars: Mapping[str, float]) -> None:
        """Log scalars by tag for a step, one event for each as torch's SummaryWriter does."""
        head = _time_field(time.time()) + _field(_EVENT_STEP, _VARINT) + _varint(step)
        self._file.write(b"".join(frame(head + _summary(t, v)) for t, v in scalars.items()))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def frame(data: bytes) -> bytes:
    """The data as a record."""
    length = struct.pack("<Q", len(data))
    return b"".join(
        (length, _CRC.pack(_masked_crc(length)), data, _CRC.pack(_masked_crc(data))),
    )


def _record(data: bytes, position: int) -> bytes | None:
    """The record's data, or None when it is not there whole."""
    start = position + _LENGTH.size
    if start > len(data):
        return None
    length, length_crc = _LENGTH.unpack_from(data, position)
    end = start + length
    if end + _CRC.size > len(data) or length_crc != _masked_crc(data[position : position + 8]):
        return None
    record = data[start:end]
    return record if _CRC.unpack_from(data, end)[0] == _masked_crc(record) else None


def _scalars(event: bytes) -> Iterator[Scalar]:
    moment, step = 0.0, 0
    for number, value in _fields(event):
        if number == _EVENT_TIME and isinstance(value, bytes):
            moment = _DOUBLE.unpack(value)[0]
        elif number == _EVENT_STEP and isinstance(value, int):
            step = value
        elif number == _EVENT_SUMMARY and isinstance(value, bytes):
            yield from _summary_scalars(value, step, moment)


def _summary_scalars(summary: bytes, step: int, moment: float) -> Iterator[Scalar]:
    for _, entry in _fields(summary):
        fields = dict(_fields(entry)) if isinstance(entry, bytes) else {}
        tag, simple = fields.get(_VALUE_TAG), fields.get(_VALUE_SIMPLE)
        if isinstance(tag, bytes) and isinstance(simple, bytes):
            yield Scalar(tag.decode("utf-8", "replace"), step, _FLOAT.unpack(simple)[0], moment)


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers and raw values of a message."""
    position = 0
    while position < len(message):
        key, position = _read_varint(message, position)
        kind = key & 7
        if kind == _VARINT:
            value, position = _read_varint(message, position)
            yield key >> 3, value
            continue
        if kind == _BYTES:
            size, position = _read_varint(message, position)
        else:
            size = 8 if kind == _FIXED64 else 4
        yield key >> 3, message[position : position + size]
        position += size


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, position
        shift += 7


def _summary(tag: str, value: float) -> bytes:
    entry = _field(_VALUE_TAG, _BYTES) + _sized(tag.encode())
    entry += _field(_VALUE_SIMPLE, _FIXED32) + _FLOAT.pack(value)
    return _field(_EVENT_SUMMARY, _BYTES) + _sized(_field(1, _BYTES) + _sized(entry))


def _time_field(moment: float) -> bytes:
    return _field(_EVENT_TIME, _FIXED64) + _DOUBLE.pack(moment)


def _field(number: int, kind: int) -> bytes:
    return bytes((number << 3 | kind,))


def _sized(data: bytes) -> bytes:
    return _varint(len(data)) + data


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _crc_table() -> list[int]:
    table = []
    for entry in range(256):
        for _ in range(8):
            entry = entry >> 1 ^ (0x82F63B78 if entry & 1 else 0)  # noqa: PLW2901
        table.append(entry)
    return table


_TABLE = _crc_table()


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli), RFC 3720."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def _masked_crc(data: bytes) -> int:
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
