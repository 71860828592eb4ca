"""Are the files of shots still those that were labelled?

Looked at in another thread when a project is opened and every few seconds, and before work that
reads them all.

Shots of a file that was replaced are withheld until the person has said how to go on: a label would
lie on another shot than the one it was given to. With every shot comes how its files were when it
was read: where that is new, no label is taken until they have been looked at.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PyQt6.QtCore import QTimer, pyqtSignal

from labeler.project.project import where_it_lies
from labeler.project.store import StoredSource
from labeler.project.store.records import Rows
from labeler.session.labels import REPLACED, ProjectLabels
from labeler.session.opened import Opened, SessionPart
from labeler.session.shots import Shots
from labeler.shots.changes import SourceChange, change_of
from labeler.shots.reader import Place
from labeler.shots.reader_child import PARTS
from model.errors import InputError
from model.shots.fingerprints import FileState, states_of

log = logging.getLogger(__name__)

EVERY_MS = 5_000
RESTING = 20
"""From one look to the next; or this many times as long as a look takes, where that is more."""
AT_ONCE_S, PROMPT_S, PATIENCE_S = 1.0, 0.3, 5.0
"""This long a project that is opened waits for the first look, work for the one before it, and a
project that ends for any."""
MANY = 12
"""No more shots are named in one message."""
SAME = ("touched", "rewritten", "grown")
"""What may become of a file whose labelled shots are as before."""
COMPARING = "Not saved: the files of shots are still being compared with those that were labelled."
CHOOSE = "Choose above whether its shots are taken over as new ones, or the labels are kept."

Found = list[tuple[StoredSource, SourceChange]]
States = dict[Place, frozenset[FileState]]
"""How the files of each source are that has its shots as before."""


class SourceWatch(SessionPart):
    """What became of the open project's files, as far as it wants a choice."""

    changed = pyqtSignal()
    """A file changed, or a choice was made."""
    _looked = pyqtSignal()

    def __init__(self, shots: Shots, labels: ProjectLabels, reopen: Callable[[], None]) -> None:
        super().__init__()
        self.shots, self.labels, self._open_again = shots, labels, reopen
        self.found: Found = []
        self.ask: Callable[[str], bool] = lambda work: True
        """Asks the person before work goes on with files that changed; the window's matter."""
        self.is_comparing = False
        """Whether the first look is under way: what the files are is not known yet."""
        self._wanted: list[tuple[str, Callable[[], None]]] = []
        """Work that waits for the look under way, and how it begins."""
        self._thread: threading.Thread | None = None
        self._answer: tuple[Opened, Found, States, float] | None = None
        """Of the last look, until it is taken over."""
        self._good: States = {}
        """How the files of each source were whenever they were looked at and had the same shots."""
        self._last: States = {}
        self._written: set[tuple[Place, str]] = set()
        """Files to which another program goes on writing without changing what there was."""
        self._on_trust: set[int] = set()
        """Shots labelled since, although their files were not looked at as they were read."""
        self._looked_after: set[int] = set()
        """Those of them that were labelled before the look under way."""
        labels.is_doubted = self._is_doubted
        shots.is_doubted = lambda row: bool(self._doubted_of(np.array([row])))
        shots.counts_ready.connect(self._look_if_doubted)
        shots.thumbnail_ready.connect(self._look_if_doubted)
        self._timer = QTimer(self)
        self._timer.setInterval(EVERY_MS)
        self._timer.timeout.connect(self.look_aside)
        self._looked.connect(self._arrive)  # from another thread: Qt queues it

    def begin(self, opened: Opened) -> None:
        """Look before anything is shown; where that takes its time, all shots are withheld."""
        super().begin(opened)
        self.is_comparing = True
        self.look_aside()
        assert self._thread is not None
        self._thread.join(AT_ONCE_S)
        if self._answer is None:
            self._withhold()
        else:
            self._arrive()
        self._timer.start(EVERY_MS)

    def end(self) -> None:
        """Stop looking."""
        super().end()
        self._timer.stop()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(PATIENCE_S)
        self.found, self.is_comparing = [], False
        self._wanted, self._answer = [], None
        self._good, self._last, self._written = {}, {}, set()
        self._on_trust, self._looked_after = set(), set()

    def begin_work(self, work: str, go: Callable[[], None]) -> None:
        """Call `go` as soon as the files have been looked at again, which a slow disk may delay;
        where one of them changed, only if the person wants that. At once without a project."""
        if self.opened is None:
            go()
            return
        if work in (w for w, _ in self._wanted):
            self.noted.emit("info", f"The files of shots are being compared; {work} begins then.")
            return
        self._wanted.append((work, go))
        self.look_aside()
        if self._thread is not None:
            self._thread.join(PROMPT_S)
        if self._answer is not None:
            self._arrive()
        else:
            self.noted.emit("info", f"Comparing the files of shots first; {work} begins then.")

    def look_aside(self) -> None:
        """Look in another thread, unless a look is under way, or its answer is on its way here: a
        disk may take its time."""
        opened = self.opened
        if opened is None or self._answer is not None:
            return
        if self._thread is not None and self._thread.is_alive():
            return
        stored = opened.project.stored_sources
        self._looked_after = set(self._on_trust)
        self._thread = threading.Thread(
            target=self._look, args=(opened, stored), name="sources", daemon=True
        )
        self._thread.start()

    def _look(self, opened: Opened, stored: Sequence[StoredSource]) -> None:
        began = time.monotonic()
        folder = opened.project.folder
        changes: Found = []
        states: States = {}
        for source in stored:
            info = where_it_lies(source, folder).info
            parts = (Path(os.path.realpath(m.place(info.path.parent))) for m in info.files[1:])
            now = states_of(info.path, parts)
            change = change_of(info)
            if change is not None:
                changes.append((source, change))
            if change is None or change.kind in SAME:
                states[source.info.path, source.info.dataset] = now
        took = time.monotonic() - began
        self._answer = opened, changes, states, took
        self._looked.emit()

    def _arrive(self) -> None:
        answer, self._answer = self._answer, None
        if answer is None or answer[0] is not self.opened:
            return
        opened, changes, states, took = answer
        self._trust(states)
        self._timer.setInterval(max(EVERY_MS, round(1000 * RESTING * took)))
        wanted, self._wanted = self._wanted, []
        self._say_labelled(opened, [s for s, c in changes if c.kind == "replaced"])
        self._take(opened, changes)  # may open the project again
        if self._doubted() - {(s.info.path, s.info.dataset) for s, _ in self.found}:
            self.shots.read_again()  # as they were then, the files will never be again
        for work, go in wanted:
            if not self.found or self.ask(work):
                go()

    def _trust(self, states: States) -> None:
        """The files that were looked at are those that were labelled."""
        self._written = {
            (place, one.name)
            for place, now in states.items()
            for one in now - self._last.get(place, now)
            if one.name in {before.name for before in self._last[place]}
        }
        self._last = states
        for place, now in states.items():
            self._good[place] = self._good.get(place, frozenset()) | now  # read in other threads

    def _say_labelled(self, opened: Opened, replaced: Sequence[StoredSource]) -> None:
        """Name the shots that were labelled while their file was replaced, between two looks."""
        if self._looked_after and replaced:
            places = {s.id: i for i, s in enumerate(opened.project.stored_sources)}
            mine = np.array(sorted(self._looked_after), np.int64)
            is_other = np.isin(opened.table.source_of[mine], [places[s.id] for s in replaced])
            if is_other.any():
                self.noted.emit("warning", _labelled_meanwhile(mine[is_other]))
        self._on_trust -= self._looked_after
        self._looked_after = set()

    def _doubted(self, *, of_written: bool = False) -> set[Place]:
        """Sources of which shots were read from files in a state that was not looked at."""
        found = set()
        for place, read in self.shots.states().items():
            good = self._good.get(place, frozenset())
            names = {one.name for one in good}
            new = (one for one in read - good if one.name in names)
            if any(((place, one.name) in self._written) == of_written for one in new):
                found.add(place)
        return found

    def _is_doubted(self, rows: Rows) -> bool:
        doubted = self._doubted_of(rows)
        if doubted:
            self.look_aside()
        elif (self._written and self._doubted(of_written=True)) or self._is_wide(rows):
            self._on_trust.update(rows.tolist())
        return bool(doubted)

    def _is_wide(self, rows: Rows) -> bool:
        """Whether these shots are of a source with more parts than are looked at with each."""
        table = self.require().table
        mine = np.unique(table.source_of[rows]).tolist()
        return any(len(table.sources[k].files) > PARTS + 1 for k in mine)

    def _doubted_of(self, rows: Rows) -> set[Place]:
        """Those of `_doubted` that these shots are of; any thread may ask."""
        opened, doubted = self.opened, self._doubted()
        if opened is None or not doubted:
            return set()
        mine = [opened.table.sources[k] for k in np.unique(opened.table.source_of[rows])]
        return doubted & {(s.path, s.dataset) for s in mine}

    def _look_if_doubted(self, row: int) -> None:
        if self._doubted():
            self.look_aside()

    def _take(self, opened: Opened, changes: Found) -> None:
        """Take over what was found, unless the project was opened again meanwhile."""
        if opened is not self.opened or self.is_held:  # the next look finds it again
            return
        try:
            found = opened.project.open_choices(changes)
            is_back = {s.id for s, _ in self.found} - {s.id for s, _ in found}
            if is_back or (found and opened.project.has_choice_of_others()):
                self._open_again()
                return
        except (InputError, OSError) as error:
            log.warning("what became of the files was not taken over: %s", error)
            return
        before, now = ({(s.id, str(c)) for s, c in each} for each in (self.found, found))
        self.found = found
        first, self.is_comparing = self.is_comparing, False
        if now == before and not first:
            return
        self._withhold()
        self.changed.emit()

    def _withhold(self) -> None:
        opened = self.require()
        if self.is_comparing:
            what = "is being compared with the file that was labelled"
            mend = "Wait for it: the disk may take its time."
            self.labels.withheld = np.ones(opened.table.source_of.shape, bool)
            self.labels.why_withheld = COMPARING
            self.shots.withhold(
                {i: InputError(what, file=s.info.path, mend=mend)
                 for i, s in enumerate(opened.project.stored_sources)},
                is_comparing=True,
            )  # fmt: skip
            return
        self.labels.why_withheld = REPLACED
        places = {s.id: i for i, s in enumerate(opened.project.stored_sources)}
        why = {
            places[s.id]: InputError(c.what, file=s.info.path, mend=CHOOSE)
            for s, c in self.found
            if c.kind == "replaced" and c.now is not None  # else there is nothing to show
        }
        self.labels.withheld = np.isin(opened.table.source_of, list(why)) if why else None
        self.shots.withhold(why)


def _labelled_meanwhile(rows: Rows) -> str:
    numbers = ", ".join(f"{row + 1:,}" for row in rows[:MANY].tolist())
    more = f" and {len(rows) - MANY:,} more" if len(rows) > MANY else ""
    what = "Shot {} was" if len(rows) == 1 else "Shots {} were"
    return (
        f"{what.format(numbers + more)} labelled while the file was being replaced: perhaps by "
        "what is in the new file. Look at them again."
    )
