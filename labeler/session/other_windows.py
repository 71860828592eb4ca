"""Takes over what other windows and other people do to the open project, within half a second.

It asks the store for its newest gesture twice a second, which costs less than a tenth of a
millisecond, and reads only what changed.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QObject, QTimer, pyqtSignal

from labeler.project.store.records import Changes, Pulse
from model.errors import InputError

EVERY_MS = 500
log = logging.getLogger(__name__)


class Following(QObject):
    """Keeps a session in step with its project's store."""

    others_changed = pyqtSignal(int, object)
    """Somebody else (their number) decided on rows."""

    def __init__(self, session: Any) -> None:
        super().__init__(session)
        self.session = session
        self._pulse: Pulse | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(EVERY_MS)
        self._timer.timeout.connect(self.look)
        session.project_changed.connect(self._follow)

    def look(self) -> None:
        """Take over what changed elsewhere, if anything did."""
        project, before = self.session.project, self._pulse
        if project is None or before is None:
            return
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
            self._reopen("The project was changed in another window and was opened anew.")
        elif changes.classes:
            self._reopen("The classes were changed in another window.")
        elif self._has_imports(changes):
            self._reopen("Labels were imported in another window.")
        else:
            self._take(changes)

    def _take(self, changes: Changes) -> None:
        session = self.session
        for who, (rows, present, status) in changes.of.items():
            if who != session.annotator:
                self.others_changed.emit(who, rows)
                continue
            session.take_over(rows, present, status)

    def _has_imports(self, changes: Changes) -> bool:
        kinds = {a.id: a.kind for a in self.session.project.store.annotators()}
        return any(kinds.get(who) == "import" and len(c[0]) for who, c in changes.of.items())

    def _reopen(self, why: str) -> None:
        try:
            self.session.open(Path(self.session.project.folder))
        except (InputError, OSError) as error:
            self.session.noted.emit("error", str(error))
        else:
            self.session.noted.emit("info", why)

    def _follow(self) -> None:
        project = self.session.project
        self._pulse = None if project is None else project.opened_at
        if project is None:
            self._timer.stop()
        else:
            self._timer.start()
