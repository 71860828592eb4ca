"""Watching a live source: a generator of what is coming in, while it comes.

Every second it yields `watched` (hit rate and class fractions with intervals over the last minute,
latencies, radii of droplets, broken rules, what was dropped), besides `examples` (the latest of
each class), `alarm` where a share leaves its band, and `note`. It ends in `finished`, with the
totals. It trains nothing, labels nothing, and never holds up the source.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from model.errors import InputError
from model.events import Event, Stop, event
from model.online.bands import HITS, UNKNOWN, Alarms, Band
from model.online.lines import Lines
from model.online.live_reader import LiveReader
from model.online.record import Found, Record
from model.online.stream import Hit, Stream
from model.online.tally import Sizes, Tally
from model.physics.profiles import radius_with_error
from model.shots.thumbnail import thumbnail
from model.taxonomy.taxonomy import Taxonomy

EVERY_S = 1.0
STALLED_S = 5.0
"""A source from which nothing has come for this long is said to stand still."""
PATIENCE_S = 0.1
SIZED = 10
"""Droplets whose radius is fitted in a second at most, a few milliseconds each."""


@dataclass(frozen=True)
class Until:
    """When to end besides on `stop`: after `seconds`, or when nothing came for `idle` seconds."""

    seconds: float | None = None
    idle: float | None = None


def watch(
    stream: Stream,
    reader: LiveReader,
    *,
    stop: Stop,
    record: Record | None = None,
    taxonomy: Taxonomy | None = None,
    bands: tuple[Band, ...] = (),
    until: Until | None = None,
    lines: Lines | None = None,
    names: tuple[str, ...] = (),
) -> Iterator[Event]:
    """Read hits of the stream until told to stop; see the module. `names`: what the classes of the
    reader are called, () as its run calls them; the record keeps the run's.

    The record is whole when this ends, however it ends. InputError from the source ends it too.
    """
    watched = _Watch(stream, reader, record, taxonomy, bands, lines, names)
    try:
        stream.start()
        for text in (reader.says, *reader.notices()):
            yield event("note", level="info", text=text)
        yield event("note", level="info", text=stream.finder.words())
        yield from watched.run(stop, until or Until())
    finally:
        stream.close()
        if lines is not None:
            lines.close()
        trouble = record.close() if record is not None else ""
    yield from watched.last_words(trouble)


class _Watch:
    """What one watch knows."""

    def __init__(
        self,
        stream: Stream,
        reader: LiveReader,
        record: Record | None,
        taxonomy: Taxonomy | None,
        bands: tuple[Band, ...],
        lines: Lines | None,
        names: tuple[str, ...],
    ) -> None:
        self.lines = lines
        self.sized = 0
        self.stream, self.reader, self.record = stream, reader, record
        self.names = names or reader.about.class_names
        self.tally = Tally(self.names, taxonomy)
        self.alarms = Alarms(bands)
        self.keeps = record is not None
        self.examples: dict[str, tuple[Hit, float]] = {}
        self.started = time.monotonic()
        self.stalled = False
        self.unreadable = self.misses = 0
        self.said: set[str] = set()
        self._before = stream.counted()

    def run(self, stop: Stop, until: Until) -> Iterator[Event]:
        """Everything until the end that was asked for."""
        due = time.monotonic() + EVERY_S
        while not stop() and not self._is_over(until):
            hits = self.stream.take(self.reader.most, PATIENCE_S)
            if hits:
                yield from self._read(hits)
            for text in self.reader.notices():
                yield event("note", level="info", text=text)
            for text in (*self.reader.doubts(), *self.stream.notices()):
                yield event("note", level="warning", text=text)
            yield from self._report_stall()
            if time.monotonic() >= due:
                due = max(due + EVERY_S, time.monotonic())
                yield from self._second()
        yield from self._second()

    def _is_over(self, until: Until) -> bool:
        now = time.monotonic()
        if until.seconds is not None and now - self.started > until.seconds:
            return True
        quiet = now - max(self.stream.last_arrival, self.started)
        return until.idle is not None and quiet > until.idle and not self.stream.waiting

    def _read(self, hits: list[Hit]) -> Iterator[Event]:
        read, found, errors = self.reader.read(hits)
        self.unreadable += len(errors)
        for error in errors:
            yield from self._once(str(error))
        if not read:
            return
        fine = found["readable"]
        if not fine.all():
            self.unreadable += int((~fine).sum())
            yield from self._once("A shot overflows in the network and has no prediction.")
        now = time.time()
        waited = [1000 * max(0.0, now - hit.since) for hit in read]
        counted = fine & np.array([hit.is_hit for hit in read], bool)
        self.misses += int((~counted & fine).sum())
        latencies = [w for w, c in zip(waited, counted, strict=True) if c]
        self.tally.add(found["decided"][counted], latencies)
        self._remember(read, found)
        sizes: list[Sizes] = []
        for hit, is_counted in zip(read, counted, strict=True):
            try:
                sizes.append(self._size(hit) if is_counted else None)
            except InputError as error:  # a beam centre outside the shot
                sizes.append(None)
                yield from self._once(str(error))
        self.tally.sized(sizes)
        if self.lines is not None:
            try:
                self.lines.add(read, found, sizes)
            except InputError as error:
                self.lines = None
                yield event("note", level="warning", text=f"{error} Watching goes on without.")
        if self.keeps and self.record is not None:
            try:
                self.record.add(read, found)
            except InputError as error:
                self.keeps = False
                self.record.close()
                text = f"{error} Watching goes on without keeping; {self.record.kept} were kept."
                yield event("note", level="warning", text=text)

    def _size(self, hit: Hit) -> Sizes:
        """Radius and error in nm of one droplet, of the first `SIZED` of a second."""
        geometry = self.reader.geometry_of(hit)
        if self.sized >= SIZED or geometry.wavelength_m is None:
            return None
        self.sized += 1
        fit = radius_with_error(hit.counts, hit.mask, geometry)
        return None if fit is None else (round(1e9 * fit[0], 2), round(1e9 * fit[1], 2))

    def _remember(self, read: list[Hit], found: Found) -> None:
        newest = sorted(range(len(read)), key=lambda i: read[i].since)
        for i in (i for i in newest if read[i].is_hit):
            for c in np.flatnonzero(found["decided"][i]):
                self.examples[self.names[c]] = read[i], float(found["probabilities"][i, c])

    def _second(self) -> Iterator[Event]:
        now = self.stream.counted()
        seen, hits = now.seen - self._before.seen, now.hits - self._before.hits
        self._before = now
        self.tally.came(seen, hits)
        found = self.tally.summary()
        if not self.stream.finder.is_fitted:  # every shot passes: nothing is known of hits
            found["hit_rate"] = UNKNOWN
        yield event("watched", **self._totals(), **found, stalled=self.stalled)
        known = {HITS: found["hit_rate"]} if self.stream.finder.is_fitted else {}
        shares = known | found["fractions"]
        shots = {HITS: found["shots_in_window"]}
        shots |= dict.fromkeys(found["fractions"], found["read_in_window"])
        for band, left in self.alarms.look(shares, shots):
            yield _alarm(band, left, shares[band.name])
        if self.examples:
            shown = {name: _example(*one) for name, one in self.examples.items()}
            self.examples = {}
            yield event("examples", classes=shown)
        self.tally.next_second()
        self.sized = 0

    def _totals(self) -> dict[str, Any]:
        now = self.stream.counted()
        return {
            "seconds": time.monotonic() - self.started,
            "seen": now.seen,
            "hits": now.hits,
            "read": self.tally.read,
            "misses_read": self.misses,
            "dropped": now.dropped,
            "skipped": now.skipped,
            "unreadable": now.unreadable + self.unreadable,
            "waiting": self.stream.waiting,
            "kept": self.record.kept if self.record is not None else 0,
            "keeps": self.keeps,
        }

    def _report_stall(self) -> Iterator[Event]:
        quiet = time.monotonic() - max(self.stream.last_arrival, self.started)
        if quiet > STALLED_S and not self.stalled:
            self.stalled = True
            text = f"Nothing has come for {STALLED_S:.0f} seconds; watching goes on."
            yield event("note", level="warning", text=text)
        elif quiet < STALLED_S and self.stalled:
            self.stalled = False
            yield event("note", level="info", text="Shots are coming again.")

    def _once(self, text: str) -> Iterator[Event]:
        if text not in self.said:
            self.said.add(text)
            yield event("note", level="warning", text=text)

    def last_words(self, trouble: str) -> Iterator[Event]:
        """The totals, after the record was closed."""
        if trouble and self.keeps:
            yield event("note", level="warning", text=trouble)
        totals = self._totals()
        files = [str(path) for path in self.record.files] if self.record is not None else []
        hits = f"{totals['hits']:,} of them hits"
        sorted_out = hits if self.stream.finder.is_fitted else "not sorted into hits and misses"
        text = (
            f"{totals['seen']:,} shots came, {sorted_out}; "
            f"{totals['read']:,} were read, {totals['dropped']:,} dropped unread."
        )
        yield event(
            "finished", metrics={}, text=text, files=files, **totals,
            latency_ms=self.tally.all_latencies(),
        )  # fmt: skip


def _alarm(band: Band, left: bool, share: tuple[float, float, float]) -> Event:
    value, low, high = share
    what = "left its band" if left else "is back in its band"
    seen = f"{100 * value:.1f} % ({100 * low:.1f} … {100 * high:.1f} %)"
    text = f"{band.name}: {seen} {what} {band.words()}."
    return event("alarm", name=band.name, left=left, share=share, text=text)


def _example(hit: Hit, probability: float) -> dict[str, Any]:
    """A picture of 8 bits in base64, rows of `width`, and what is known of the shot."""
    picture = thumbnail(hit.counts, hit.mask)
    return {
        "picture": base64.b64encode(picture.tobytes()).decode(),
        "height": picture.shape[0],
        "width": picture.shape[1],
        "id": hit.id,
        "probability": probability,
        "since": hit.since,
    }
