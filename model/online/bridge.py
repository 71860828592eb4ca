"""Live shots of European XFEL by the Karabo bridge protocol.

One message holds one train: one shot, or one for each pulse. Messages that hold no shots are told
once for each reason. Nothing is ever sent but the request for the next train.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from model.errors import InputError, install
from model.online.sources import Arrival, Arriving, Notice, Wanted

if TYPE_CHECKING:
    from model.online.bridge_client import Client

MOMENT_S = 0.05
"""How long one look for a message may wait."""
PULSES = ("image.pulseId", "image.cellId", "image.trainId")
"""Arrays with one number for each pulse: they tell which axis of the data is that of the pulses."""
SMALLEST_SIDE = 16
FOREIGN = (ValueError, KeyError, TypeError, IndexError, RuntimeError, AttributeError, BufferError)
"""What a message that is not of the protocol raises (msgpack's errors are ValueErrors)."""


class NoShotsError(Exception):
    """A message without shots that we can read; says why."""


def arriving(address: str, wanted: Wanted) -> Arriving:
    """Trains from `tcp://HOST:PORT`; see `model.online.sources`. InputError for a bad address."""
    client = _client(address)
    return _trains(client, address, wanted)


def _client(address: str) -> Client:
    try:
        from model.online.bridge_client import Client
    except ImportError as error:
        what = "the package pyzmq or msgpack is not installed"
        raise InputError(what, mend=install("pyzmq", "msgpack")) from error
    return Client(address, MOMENT_S)


def _trains(client: Client, address: str, wanted: Wanted) -> Arriving:
    reported: set[str] = set()
    with client:
        while True:
            try:
                found = shots_of(*_next(client), address, wanted)
            except TimeoutError:
                yield None
                continue
            except (NoShotsError, *FOREIGN) as error:
                why = str(error) if isinstance(error, NoShotsError) else "is not of the protocol"
                again = why in reported
                reported.add(why)
                text = "" if again else f"{address}: a message {why}. Such messages are left out."
                yield Notice(text, unreadable=1)
                continue
            yield found


def _next(client: Client) -> tuple[Any, Any]:
    from model.online.bridge_client import RefusedError

    try:
        return client.next()
    except RefusedError as error:
        raise NoShotsError(str(error)) from error


def shots_of(
    data: Mapping[str, Mapping[str, Any]],
    meta: Mapping[str, Mapping[str, Any]],
    address: str,
    wanted: Wanted,
) -> Arrival:
    """The shots of one train; NoShotsError says why there are none."""
    source, key = _place(data, wanted)
    values = np.asarray(data[source][key])
    if values.dtype.kind not in "biuf":
        raise NoShotsError(f"holds no numbers at {source} {key}")
    pulses = [np.asarray(data[source][p]).ravel() for p in PULSES if p in data[source]]
    shots = _one_behind_the_other(values, pulses[0] if pulses else None, f"{source} {key}")
    about = meta.get(source) or {}
    train = int(about.get("timestamp.tid") or _first(data[source].get("image.trainId")))
    stamp = float(about.get("timestamp") or np.nan)
    n = len(shots)
    return Arrival(shots, np.full(n, train, np.int64), np.full(n, stamp), f"{address} {source}")


def _place(data: Mapping[str, Mapping[str, Any]], wanted: Wanted) -> tuple[str, str]:
    """Detector and key of the shots: as wanted, else those of the largest array with two axes."""
    sizes = {
        (source, key): value.size
        for source, values in data.items()
        for key, value in values.items()
        if isinstance(value, np.ndarray)
        and value.ndim >= 2
        and wanted.detector in (None, source)
        and wanted.key in (None, key)
        and not (wanted.key is None and key.endswith((".mask", ".gain")))
    }
    if not sizes:
        asked = " ".join(w for w in (wanted.detector, wanted.key) if w)
        there = ", ".join(sorted(data)) or "nothing"
        raise NoShotsError(f"holds no shots{f' at {asked}' if asked else ''} (it holds {there})")
    return max(sizes, key=lambda place: sizes[place])


def _one_behind_the_other(
    values: npt.NDArray[Any], pulses: npt.NDArray[Any] | None, where: str
) -> npt.NDArray[Any]:
    """(n, y, x): online data have their pulses last, data as in files first."""
    if values.ndim == 4 and 1 in values.shape:
        values = values.squeeze(values.shape.index(1))
    if values.ndim == 4:
        raise NoShotsError(
            f"holds detector modules apart ({where}, {values.shape}): send assembled shots, for "
            "example with EXtra-geom"
        )
    if values.ndim == 2:
        shots = values[None]
    elif pulses is not None and values.shape[0] != len(pulses) == values.shape[-1]:
        shots = np.moveaxis(values, -1, 0)
    else:
        shots = values
    if shots.ndim != 3 or min(shots.shape[1:]) < SMALLEST_SIDE:
        raise NoShotsError(f"holds no shots at {where} (its shape is {values.shape})")
    return shots


def _first(values: Any) -> int:
    return 0 if values is None else int(np.asarray(values).ravel()[0])
