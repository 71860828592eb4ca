"""Takes over what other windows and other people do to the open project, within half a second.

It asks the store for its newest gesture twice a second, which costs less than a tenth of a
millisecond, and reads only what changed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from PyQt6.QtCore import QCoreApplication, QEventLoop, QTimer, pyqtSignal

from labeler.project.store.connection import DisplacedError
from labeler.project.store.records import Changes, StoreState
from labeler.session.labels import ProjectLabels
from labeler.session.opened import Opened, SessionPart
from model.errors import InputError

EVERY_MS = 500
SAID_S, SLICE_MS, AFTER_MS = 0.5, 20, 400
"""A wait is said after this long; between two tries the window lives for this long; it is over when
nothing waited for this long."""
DAMAGED = "the database is damaged"
log = logging.getLogger(__name__)


class OtherWindows(SessionPart):
    """Keeps the labels on screen in step with the project's store."""

    held = pyqtSignal(float)
    """This many seconds a label waits for another program that holds the project; 0: no longer."""
    displaced = pyqtSignal(str)
    """Why nothing can be stored any more: the project was moved, deleted, replaced; '': it can."""
    others_changed = pyqtSignal(int, object)
    """Someone else (their number) decided on rows."""

    def __init__(self, labels: ProjectLabels, reopen: Callable[[], None]) -> None:
        super().__init__()
        self.labels, self._open_again = labels, reopen
        self._state_seen: StoreState | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(EVERY_MS)
        self._timer.timeout.connect(self.look)
        self._free = QTimer(self)
        self._free.setSingleShot(True)
        self._free.setInterval(AFTER_MS)
        self._free.timeout.connect(self._say_free)
        self.trouble = ""
        """Why nothing can be stored any more, '' where all is well."""
        self._unread = ""
        """Why the last look found nothing out, '' where it did."""

    def begin(self, opened: Opened) -> None:
        """Let the window live while another program holds the project."""
        super().begin(opened)
        opened.project.store.database.live_while_waiting(self._live)

    def _live(self, waited: float) -> None:
        """Paint, but take no key: what is typed meanwhile follows in its order afterwards."""
        if waited > SAID_S:
            self.held.emit(waited)
            self._free.start()
        QCoreApplication.processEvents(
            QEventLoop.ProcessEventsFlag.ExcludeUserInputEvents, SLICE_MS
        )

    def _say_free(self) -> None:
        self.held.emit(0.0)

    def look(self) -> None:
        """Take over what changed elsewhere, if anything did."""
        opened, before = self.opened, self._state_seen
        if opened is None or before is None or self.is_held:
            return
        project = opened.project
        try:
            now = project.store.current_state()
            self._say_displaced("")
            if now == before:
                self._unread = ""
                return
            changes = project.store.changes_since(before.gesture)
            imported = self._has_imports(opened, changes)
        except DisplacedError as error:
            self._say_displaced(str(error))
            return
        except (InputError, OSError) as error:
            self._say_unread(error)
            return
        self._state_seen, self._unread = now, ""
        if (now.n_shots, now.restored) != (before.n_shots, before.restored):
            self._reopen("The project was changed in another window and was opened again.")
        elif changes.classes:
            self._reopen("The classes were changed in another window.")
        elif imported:
            self._reopen("Labels were imported in another window.")
        else:
            self._take(opened, changes)

    def _say_displaced(self, why: str) -> None:
        if why != self.trouble:
            self.trouble = why
            self.displaced.emit(why)

    def _say_unread(self, error: InputError | OSError) -> None:
        """Once, not at every look; a database that is damaged is the person's matter at once."""
        if str(error) == self._unread:
            return
        self._unread = str(error)
        log.warning("what others did could not be read: %s", error)
        if isinstance(error, InputError) and error.what.startswith(DAMAGED):
            self.noted.emit("error", str(error))

    def _take(self, opened: Opened, changes: Changes) -> None:
        for who, (rows, present, status) in changes.of.items():
            if who != opened.annotator:
                self.others_changed.emit(who, rows)
                continue
            self.labels.take_over(rows, present, status, changes.known[who])

    def _has_imports(self, opened: Opened, changes: Changes) -> bool:
        kinds = {a.id: a.kind for a in opened.project.store.annotators()}
        return any(kinds.get(who) == "import" and len(c[0]) for who, c in changes.of.items())

    def _reopen(self, why: str) -> None:
        try:
            self._open_again()
        except (InputError, OSError) as error:
            self.noted.emit("error", str(error))
        else:
            self.noted.emit("info", why)

    def follow(self) -> None:
        """Follow the project that is open now, from the moment when it was read."""
        self._say_displaced("")
        if self.opened is None:
            self._state_seen = None
            self._timer.stop()
        else:
            self._state_seen = self.opened.project.opened_at
            self._timer.start()
