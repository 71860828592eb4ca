"""Reads records straight from the pages of a SQLite file, whatever else in it is damaged.

Follows https://www.sqlite.org/fileformat2.html. It only reads, and what it cannot make sense of it
leaves out.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

INDEX_INNER, INDEX_LEAF, TABLE_LEAF = 0x02, 0x0A, 0x0D
_SIZES = (0, 1, 2, 3, 4, 6, 8)
_HEAD, _FRAME_HEAD = 32, 24
"""Bytes before the first frame of a journal, and before the page in each."""

Record = tuple[bool, tuple[Any, ...]]
"""Whether the record is of a table with row numbers, and its values; NULL keys filled in."""


def records(database: Path) -> Iterator[Record]:
    """Every record on every page of a database and of the journal beside it."""
    raw = database.read_bytes()
    size = _page_size(raw)
    for start in range(0, len(raw) - size + 1, size):
        yield from _of_page(raw[start : start + size], 100 if start == 0 else 0, raw)
    journal = database.with_name(database.name + "-wal")
    if journal.is_file():
        for page in _committed(journal.read_bytes(), size):
            yield from _of_page(page, 100 if page.startswith(b"SQLite format") else 0, raw)


def _page_size(raw: bytes) -> int:
    size = int.from_bytes(raw[16:18], "big")
    size = 65536 if size == 1 else size
    return size if size >= 512 and size & (size - 1) == 0 else 4096


def _committed(journal: bytes, size: int) -> list[bytes]:
    """Pages of the journal up to its last commit."""
    pages, end = [], 0
    for start in range(_HEAD, len(journal) - size - _FRAME_HEAD + 1, size + _FRAME_HEAD):
        head = journal[start : start + _FRAME_HEAD]
        if head[8:16] != journal[16:24]:  # left over from before the last checkpoint
            break
        pages.append(journal[start + _FRAME_HEAD : start + _FRAME_HEAD + size])
        if head[4:8] != bytes(4):
            end = len(pages)
    return pages[:end]


def _of_page(page: bytes, at: int, raw: bytes) -> Iterator[Record]:
    kind = page[at]
    if kind not in (INDEX_INNER, INDEX_LEAF, TABLE_LEAF):
        return
    first = at + (12 if kind == INDEX_INNER else 8)
    for cell in range(int.from_bytes(page[at + 3 : at + 5], "big")):
        pointer = int.from_bytes(page[first + 2 * cell : first + 2 * cell + 2], "big")
        try:
            found = _of_cell(page, pointer, kind, raw)
        except (IndexError, ValueError, OverflowError):
            continue
        yield kind == TABLE_LEAF, found


def _of_cell(page: bytes, at: int, kind: int, raw: bytes) -> tuple[Any, ...]:
    at += 4 if kind == INDEX_INNER else 0
    length, at = _varint(page, at)
    number = 0
    if kind == TABLE_LEAF:
        number, at = _varint(page, at)
    values = _values(_payload(page, at, length, kind, raw))
    if kind == TABLE_LEAF and values and values[0] is None:
        values = (number, *values[1:])
    return values


def _payload(page: bytes, at: int, length: int, kind: int, raw: bytes) -> bytes:
    """The bytes of a record, those on overflow pages too."""
    size = len(page)
    if length > len(raw):
        raise ValueError("longer than the file")
    most = size - 35 if kind == TABLE_LEAF else (size - 12) * 64 // 255 - 23
    if length <= most:
        return page[at : at + length]
    least = (size - 12) * 32 // 255 - 23
    here = least + (length - least) % (size - 4)
    here = here if here <= most else least
    parts, missing = [page[at : at + here]], length - here
    follow = int.from_bytes(page[at + here : at + here + 4], "big")
    while missing > 0:
        over = raw[(follow - 1) * size : follow * size]
        if follow < 1 or len(over) < size:
            raise ValueError("the rest of it is not there")
        parts.append(over[4 : 4 + min(missing, size - 4)])
        missing -= size - 4
        follow = int.from_bytes(over[:4], "big")
    return b"".join(parts)


def _values(payload: bytes) -> tuple[Any, ...]:
    end, at = _varint(payload, 0)
    kinds, values = [], []
    while at < end:
        kind, at = _varint(payload, at)
        kinds.append(kind)
    for kind in kinds:
        length = 8 if kind == 7 else (kind - 12) // 2 if kind >= 12 else 0
        length = _SIZES[kind] if kind < 7 else length
        part = payload[at : at + length]
        if len(part) != length:
            raise ValueError("cut off")
        values.append(_value(kind, part))
        at += length
    return tuple(values)


def _value(kind: int, part: bytes) -> Any:
    if kind in (0, 8, 9):
        return {0: None, 8: 0, 9: 1}[kind]
    if kind < 7:
        return int.from_bytes(part, "big", signed=True)
    if kind >= 13 and kind % 2:
        return part.decode("utf-8")
    return struct.unpack(">d", part)[0] if kind == 7 else part


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = 0
    for k in range(9):
        byte = raw[at + k]
        if k == 8:
            return value << 8 | byte, at + 9
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + k + 1
    raise AssertionError("unreachable")
