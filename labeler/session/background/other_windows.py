"""Takes over what other windows and other people do to the open project, within half a second.

It asks the store for its newest gesture twice a second, which costs less than a tenth of a
millisecond, and reads only what changed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from PyQt6.QtCore import QTimer, pyqtSignal

from labeler.project.store.records import Changes, Pulse
from labeler.session.labels import Labels
from labeler.session.opened import Opened, SessionPart
from model.errors import InputError

EVERY_MS = 500
log = logging.getLogger(__name__)


class OtherWindows(SessionPart):
    """Keeps the labels on screen in step with the project's store."""

    others_changed = pyqtSignal(int, object)
    """Somebody else (their number) decided on rows."""

    def __init__(self, labels: Labels, reopen: Callable[[], None]) -> None:
        super().__init__()
        self.labels, self._open_again = labels, reopen
        self._pulse: Pulse | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(EVERY_MS)
        self._timer.timeout.connect(self.look)

    def look(self) -> None:
        """Take over what changed elsewhere, if anything did."""
        opened, before = self.opened, self._pulse
        if opened is None or before is None:
            return
        project = opened.project
        try:
            now = project.store.pulse()
            if now == before:
                return
            changes = project.store.changes_since(before.gesture)
        except (InputError, OSError) as error:
            log.warning("what others did could not be read: %s", error)
            return
        self._pulse = now
        if (now.n_shots, now.restored) != (before.n_shots, before.restored):
            self._reopen("The project was changed in another window and was opened again.")
        elif changes.classes:
            self._reopen("The classes were changed in another window.")
        elif self._has_imports(opened, changes):
            self._reopen("Labels were imported in another window.")
        else:
            self._take(opened, changes)

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
        if self.opened is None:
            self._pulse = None
            self._timer.stop()
        else:
            self._pulse = self.opened.project.opened_at
            self._timer.start()
