"""A client of the Karabo bridge (protocols 1.0 and 2.2): plain values and arrays of numbers alone.

Not by the package karabo-bridge: that unpickles arrays of objects, and so runs what a stranger
sends. Here a message is msgpack, and an array is a type of numbers, a shape and raw bytes; every
other kind is refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import msgpack
import numpy as np
import numpy.typing as npt
import zmq

from model.errors import InputError

Data = dict[str, dict[str, Any]]
_NUMBERS = re.compile(
    r"[<>=|]?([bB?]|[iufcSU][1-9]\d{0,3}|u?int\d{1,2}|float\d{2}|bool|complex\d{2,3})"
)
"""Names of plain types, as NumPy writes them."""
LARGEST = 2**31 - 1
"""Bytes of one part of a message."""


class RefusedError(ValueError):
    """A message of a kind that is not read; says why."""


class Client:
    """Asks a server for one train after another; a context manager."""

    def __init__(self, address: str, moment_s: float) -> None:
        self._context: zmq.Context[Any] = zmq.Context()
        self._socket: zmq.Socket[Any] = self._context.socket(zmq.REQ)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.RCVTIMEO, int(moment_s * 1000))
        self._socket.setsockopt(zmq.MAXMSGSIZE, LARGEST)
        self._socket.set_hwm(1)
        self._asked = False
        try:
            self._socket.connect(address)
        except zmq.ZMQError as error:
            self.close()
            what, mend = f"is not an address ({error})", "Write tcp://HOST:PORT."
            raise InputError(what, place=address, mend=mend) from error

    def next(self) -> tuple[Data, Data]:
        """(data, metadata) of the next train; TimeoutError where none came within a moment."""
        try:
            if not self._asked:
                self._socket.send(b"next")
                self._asked = True
            parts = self._socket.recv_multipart(copy=False)
        except zmq.Again as error:
            raise TimeoutError from error
        self._asked = False
        return decode([part.buffer for part in parts])

    def close(self) -> None:
        """Let go of the address."""
        self._context.destroy(linger=0)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def decode(parts: Sequence[bytes | memoryview]) -> tuple[Data, Data]:
    """(data, metadata) by source name; ValueError for what is not of the protocol."""
    if not parts:
        raise RefusedError("is empty")
    if len(parts) == 1:  # protocol 1.0
        data = _sources(_unpack(parts[0], _array_1_0))
        return data, {name: _dictionary(v.get("metadata", {})) for name, v in data.items()}
    data, meta = {}, {}
    for header, payload in zip(parts[::2], parts[1::2], strict=True):
        about = _dictionary(_unpack(header))
        source, content = about.get("source"), about.get("content")
        if not isinstance(source, str):
            raise RefusedError("names no source")
        if content == "msgpack":
            data[source] = _dictionary(_unpack(payload))
            meta[source] = _dictionary(about.get("metadata", {}))
        elif content == "array" and isinstance(about.get("path"), str):
            array = _array(about.get("dtype"), about.get("shape"), payload)
            data.setdefault(source, {})[about["path"]] = array
        else:
            raise RefusedError("holds a kind of content that is not read")
    return data, meta


def _unpack(part: bytes | memoryview, hook: Any = None) -> Any:
    return msgpack.unpackb(part, raw=False, object_hook=hook, max_bin_len=LARGEST)


def _sources(value: Any) -> Data:
    return {name: _dictionary(of) for name, of in _dictionary(value).items()}


def _dictionary(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise RefusedError("is no table of named values")
    return value


def _array_1_0(value: dict[Any, Any]) -> Any:
    """msgpack-numpy's form of an array or of one number; objects and structures are refused."""
    if b"nd" not in value:
        return value
    if value.get(b"kind", b"") not in (b"", ""):
        raise RefusedError("holds an array of objects, which is not read")
    kind, raw = value.get(b"type"), value.get(b"data")
    if not value[b"nd"]:
        return _array(kind, (), raw)[()]
    return _array(kind, value.get(b"shape"), raw)


def _array(kind: Any, shape: Any, raw: Any) -> npt.NDArray[Any]:
    if isinstance(kind, bytes):
        kind = kind.decode("ascii")
    if not isinstance(kind, str) or not isinstance(raw, bytes | memoryview):
        raise RefusedError("holds an array of no plain numbers, which is not read")
    if not _NUMBERS.fullmatch(kind):
        raise RefusedError("holds an array of objects, which is not read")
    try:
        dtype = np.dtype(kind)
    except TypeError as error:
        raise RefusedError(f"holds numbers of a type there is not ({kind})") from error
    sizes = list(shape) if isinstance(shape, list | tuple) else [-1]
    if (
        not all(isinstance(n, int) and n >= 0 for n in sizes)
        or math.prod(sizes) * dtype.itemsize != memoryview(raw).nbytes
    ):
        raise RefusedError("holds an array that is not as large as it says")
    return np.frombuffer(raw, dtype).reshape(sizes)
