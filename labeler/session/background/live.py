"""A watch that the window started: its child process, and what came of it second by second.

One for each session, so that it goes on behind other views. It paints nothing, reads no shot and
never loads torch.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from PyQt6.QtCore import pyqtSignal

from labeler.jobs.job import JobFollower
from labeler.project.folder import CACHE
from labeler.session.opened import SessionPart
from model.errors import InputError
from model.events import Event
from model.online.bands import HITS, UNKNOWN, Alarms, Band, Share

REMEMBERED_S = 900
"""Seconds whose shares are kept for the curves."""
T = TypeVar("T")
META = "live"
"""Where a project remembers the source and the bands."""


@dataclass(frozen=True)
class WatchRequest:
    """What to watch with: a place, a run, and how."""

    source: str
    run: Path
    miss: float = 0.01
    new_only: bool = False
    keep: bool = True

    def words(self, project: Path) -> list[str]:
        """The command line."""
        made = ["watch", self.source, "--run", str(self.run), "--project", str(project)]
        made += ["--miss", str(self.miss)]
        made += ["--new-only"] * self.new_only
        return made + ["--no-record"] * (not self.keep)


@dataclass
class Seen:
    """What a watch has told so far; `history` one entry a second: seconds, shares by name."""

    now: Event = field(default_factory=dict)
    history: deque[tuple[float, dict[str, Share]]] = field(
        default_factory=lambda: deque(maxlen=REMEMBERED_S)
    )
    examples: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    state: str = ""
    """What it does at the moment, in words."""

    def share(self, name: str) -> Share:
        """The latest share of a class, or of hits."""
        return self.history[-1][1].get(name, UNKNOWN) if self.history else UNKNOWN


class LiveWatch(SessionPart):
    """Starts and stops a watch of the open project. `changed` after every word of it."""

    changed = pyqtSignal()
    bands_changed = pyqtSignal()

    def __init__(self, reopen: Callable[[], None]) -> None:
        super().__init__()
        self._reopen = reopen
        self.work, self.joining = JobFollower(self), JobFollower(self)
        self.work.event_received.connect(self._receive)
        self.work.ended.connect(self._end)
        self.joining.ended.connect(self._joined)
        self.seen = Seen()
        self.order: WatchRequest | None = None
        self.trouble = ""
        self.looked_at = False
        """Whether someone sees the board: alarms are notes only where no one does."""
        self.bands: dict[str, Band] = {}
        self.alarms = Alarms(())
        self._begun = False

    # -- bands ---------------------------------------------------------------------------------

    def set_band(self, name: str, low: float, high: float) -> None:
        """Tell when the share of a class, or of `hits`, leaves low … high; 0 … 1: never."""
        before = dict(self.bands)
        self.bands.pop(name, None)
        if low > 0 or high < 1:
            self.bands[name] = Band(name, low, high)
        if self.bands == before:
            return
        left = self.alarms.left & set(self.bands)
        self.alarms = Alarms(self.bands.values())
        self.alarms.left = left
        self._judge()
        self._remember()
        self.bands_changed.emit()

    def left(self) -> list[str]:
        """The bands that are left now, in words."""
        return [self._left_in_words(name) for name in sorted(self.alarms.left)]

    def _left_in_words(self, name: str) -> str:
        value, low, high = self.seen.share(name)
        what = "Hits" if name == HITS else name
        band = self.bands[name].words()
        return f"{what}: {100 * value:.1f} % ({100 * low:.1f} … {100 * high:.1f} %), outside {band}"

    def _judge(self) -> None:
        now = self.seen.now
        if not now or not self.seen.history:
            return
        shares = self.seen.history[-1][1]
        shots = dict.fromkeys(shares, int(now["read_in_window"]))
        shots[HITS] = int(now["shots_in_window"])
        known = {name: s for name, s in shares.items() if not math.isnan(s[0])}
        for band, left in self.alarms.look(known, shots):
            if left and not self.looked_at:
                self.noted.emit("warning", f"{self._left_in_words(band.name)}.")

    # -- starting and stopping -----------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        """Whether a watch is under way."""
        return self.work.is_running

    def start(self, order: WatchRequest) -> None:
        """Begin to watch, in a child process."""
        if self.is_running or self.opened is None:
            return
        folder = self.require().folder
        self.order, self.seen, self.trouble = order, Seen(state="getting ready"), ""
        self.alarms = Alarms(self.bands.values())
        stderr = folder / CACHE / "watch-stderr.log"
        self.work.follow(order.words(folder), stderr)
        self._remember()
        self.changed.emit()

    def cancel(self) -> None:
        """Ask it to end; the record is finished."""
        if self.is_running:
            self.seen.state = "stopping"
            self.work.cancel()
            self.changed.emit()

    def stop(self) -> None:
        """End everything now, whatever it takes."""
        self.work.stop()
        self.joining.stop()

    def add_hits(self) -> None:
        """Add what was kept to the project, in a child process."""
        if self.joining.is_running or self.is_running or not self.seen.files:
            return
        folder = self.require().folder
        words = ["join", str(folder), *map(str, self.seen.files)]
        if self.order is not None:
            words += ["--run", str(self.order.run)]
        self.joining.follow(words, folder / CACHE / "join-stderr.log")
        self.changed.emit()

    # -- events ---------------------------------------------------------------------------------

    def _receive(self, item: Event) -> None:
        kind = item["event"]
        if kind == "started":
            self.seen.state = "waiting for shots"
        elif kind == "watched":
            self._take_counts(item)
        elif kind == "examples":
            self.seen.examples |= self._named(item["classes"])
        elif kind == "note" and item.get("level") == "warning":
            self.noted.emit("warning", str(item["text"]))
        elif kind == "finished":
            self.seen.now = self.seen.now | {k: v for k, v in item.items() if k != "latency_ms"}
            self.seen.files = [Path(path) for path in item.get("files", ())]
        self.changed.emit()

    def _take_counts(self, item: Event) -> None:
        self.seen.now = item
        shares = {HITS: _known(item["hit_rate"])}
        fractions = self._named(item["fractions"])
        shares |= {name: _known(share) for name, share in fractions.items()}
        self.seen.history.append((float(item["seconds"]), shares))
        if self.seen.state != "stopping":
            quiet = item["stalled"] or not item["seen"]
            self.seen.state = "waiting for shots" if quiet else "watching"
        self._judge()

    def _end(self, ok: bool, message: str, last: Event) -> None:
        self.seen.state = "stopped" if ok else "failed"
        self.trouble = "" if ok else message
        if not ok:
            self.noted.emit("error", message)
        self.changed.emit()

    def _joined(self, ok: bool, message: str, last: Event) -> None:
        if ok:
            self.seen.files = []
            try:
                self._reopen()
            except (InputError, OSError) as error:  # the shots are in, the project is away
                ok, message = False, str(error)
        self.noted.emit("info" if ok else "error", message)
        self.changed.emit()

    # -- remembering ---------------------------------------------------------------------------

    def leave(self) -> None:
        """End what runs, and forget it."""
        self.stop()
        self.bands, self.alarms, self._begun = {}, Alarms(()), False
        self.seen, self.order, self.trouble = Seen(), None, ""
        self.changed.emit()
        self.bands_changed.emit()

    def follow(self) -> None:
        """Take the bands of another project; in one that was opened again, all goes on, under the
        names that its classes have now."""
        if self.opened is None:
            return
        if not self._begun:
            self._begun = True
            for name, limits in (self.kept().get("bands") or {}).items():
                self.bands[name] = Band(name, float(limits[0]), float(limits[1]))
        self.bands = {n: replace(band, name=n) for n, band in self._named(self.bands).items()}
        left = set(self._named(dict.fromkeys(self.alarms.left)))
        self.alarms = Alarms(self.bands.values())
        self.alarms.left = left
        for seconds, shares in list(self.seen.history):  # each goes to the end: once around
            self.seen.history.popleft()
            self.seen.history.append((seconds, self._named(shares)))
        self.seen.examples = self._named(self.seen.examples)
        self.changed.emit()
        self.bands_changed.emit()

    def _named(self, found: Mapping[str, T]) -> dict[str, T]:
        """What is known by class under the names of now: a watch goes on under those it began
        with, also where a class was renamed since."""
        if self.opened is None:
            return dict(found)
        taxonomy = self.opened.project.taxonomy
        places = {n: taxonomy.columns([n])[0] for n in found if n != HITS and taxonomy.knows(n)}
        return {taxonomy.names[places[n]] if n in places else n: v for n, v in found.items()}

    def kept(self) -> Mapping[str, Any]:
        """What the project remembers of watches: `source` and `bands`."""
        if self.opened is None:
            return {}
        found = self.opened.project.store.get_meta(META)
        return found if isinstance(found, dict) else {}

    def _remember(self) -> None:
        if self.opened is None or self.opened.project.store.read_only:
            return
        source = self.order.source if self.order is not None else self.kept().get("source", "")
        bands = {b.name: [b.low, b.high] for b in self.bands.values()}
        self.opened.project.store.set_meta(META, {"source": source, "bands": bands})


def _known(share: Any) -> Share:
    """A share out of JSON, where NaN is null."""
    value, low, high = (math.nan if part is None else float(part) for part in share)
    return value, low, high
