"""Are the files of shots still those that were labelled?

Looked at in another thread when a project is opened and every few seconds, and before work that
reads them all.

Shots of a file that was replaced are withheld until the person has said how to go on: a label would
lie on another shot than the one it was given to.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

import numpy as np
from PyQt6.QtCore import QTimer, pyqtSignal

from labeler.project.project import where_it_lies
from labeler.project.store import StoredSource
from labeler.session.labels import REPLACED, Labels
from labeler.session.opened import Opened, SessionPart
from labeler.session.shots import Shots
from labeler.shots.changes import SourceChange, change_of
from model.errors import InputError

log = logging.getLogger(__name__)

EVERY_MS = 5_000
RESTING = 20
"""From one look to the next; or this many times as long as a look takes, where that is more."""
AT_ONCE_S, PROMPT_S, PATIENCE_S = 1.0, 0.3, 5.0
"""This long a project that is opened waits for the first look, work for the one before it, and a
project that ends for any."""
COMPARING = "Not saved: the files of shots are still being compared with those that were labelled."
CHOOSE = "Choose above whether its shots are taken over as new ones, or the labels are kept."

Found = list[tuple[StoredSource, SourceChange]]


class SourceWatch(SessionPart):
    """What became of the open project's files, as far as it wants a choice."""

    changed = pyqtSignal()
    """A file changed, or a choice was made."""
    _looked = pyqtSignal()

    def __init__(self, shots: Shots, labels: Labels, reopen: Callable[[], None]) -> None:
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
        self._answer: tuple[Opened, Found, float] | None = None
        """Of the last look, until it is taken over."""
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
        self._wanted = []

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
        """Look in another thread, unless a look is under way: a disk may take its time."""
        opened = self.opened
        if opened is None or (self._thread is not None and self._thread.is_alive()):
            return
        self._answer, stored = None, opened.project.stored_sources
        self._thread = threading.Thread(
            target=self._look, args=(opened, stored), name="sources", daemon=True
        )
        self._thread.start()

    def _look(self, opened: Opened, stored: Sequence[StoredSource]) -> None:
        began = time.monotonic()
        folder = opened.project.folder
        changes = [(s, change_of(where_it_lies(s, folder).info)) for s in stored]
        took = time.monotonic() - began
        self._answer = opened, [(s, c) for s, c in changes if c is not None], took
        self._looked.emit()

    def _arrive(self) -> None:
        answer, self._answer = self._answer, None
        if answer is None or answer[0] is not self.opened:
            return
        opened, changes, took = answer
        self._timer.setInterval(max(EVERY_MS, round(1000 * RESTING * took)))
        wanted, self._wanted = self._wanted, []
        self._take(opened, changes)  # may open the project again
        for work, go in wanted:
            if not self.found or self.ask(work):
                go()

    def _take(self, opened: Opened, changes: Found) -> None:
        """Take over what was found, unless the project was opened again meanwhile."""
        if opened is not self.opened or self.is_held:  # the next look finds it again
            return
        try:
            without = opened.project.without
        except (InputError, OSError) as error:
            log.warning("what became of the files was not taken over: %s", error)
            return
        before = {(s.id, str(c)) for s, c in self.found}
        self.found = [
            (s, c) for s, c in changes if c.serious and not (c.is_lack and s.id in without)
        ]
        now = {(s.id, str(c)) for s, c in self.found}
        first, self.is_comparing = self.is_comparing, False
        if now == before and not first:
            return
        if {id for id, _ in before} - {id for id, _ in now}:
            self._open_again()  # a file is back: read it afresh
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
                 for i, s in enumerate(opened.project.stored_sources)}
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
