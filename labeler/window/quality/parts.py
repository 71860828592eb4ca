"""What the pages of Quality share: a page that refreshes when looked at, figures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtGui import QShowEvent
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QStackedWidget, QVBoxLayout, QWidget

from labeler.project.project import Project
from labeler.project.store.records import Rows
from labeler.session.session import Session
from labeler.window.process.project_thread import ProjectThread
from labeler.window.widgets.parts import EmptyState, label

MARGINS = (26, 20, 26, 18)
SMALL = 20_000
"""Up to this many shots a page asks its question at once, beyond in another thread."""


class Page(QWidget):
    """A page with a title, a line under it, and `body`; or the empty state in its place.

    When someone looks at it and something has changed since, `ask` finds out how things are, in
    another thread where there are many shots, and `refresh` shows its `answer`.
    """

    label_requested = pyqtSignal()
    asks = False
    """Whether this page has a question to the whole project."""

    def __init__(self, session: Session, title: str) -> None:
        super().__init__()
        self.session = session
        self.title = label(title, "title")
        self.said = label("", "muted", wrap=True)
        self.head = QHBoxLayout()
        self.head.setSpacing(8)
        self.head.addWidget(self.title)
        self.head.addStretch(1)
        self.empty = EmptyState()
        whole = QWidget()
        column = QVBoxLayout(whole)
        column.setContentsMargins(*MARGINS)
        column.setSpacing(6)
        column.addLayout(self.head)
        column.addWidget(self.said)
        column.addSpacing(8)
        self.body = QVBoxLayout()
        self.body.setSpacing(10)
        column.addLayout(self.body, 1)
        self.stack = QStackedWidget()
        self.stack.addWidget(self.empty)
        self.stack.addWidget(whole)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.stack)
        self.answer: Any = None
        self._stale = True
        self._thread: ProjectThread | None = None
        session.labels.labels_changed.connect(self.outdate)
        session.project_changed.connect(self._change_project)

    def outdate(self, *_: object) -> None:
        """Something changed; look again at once where someone sees it."""
        self._stale = True
        if self.isVisible():
            self._look()

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        self._look()

    def _look(self) -> None:
        opened = self.session.opened
        if not self._stale or opened is None or self._thread is not None:
            return
        self._stale = False
        annotator = opened.annotator
        if self.asks and self.session.labels.n_shots > SMALL:
            if self.answer is None:
                self.empty.say("One moment", "Every label of the project is looked at.")
            thread = ProjectThread(opened.folder, lambda other: self.ask(other, annotator), self)
            thread.done.connect(self._take)
            thread.refused.connect(lambda text: self.session.noted.emit("error", text))
            thread.finished.connect(self._end)
            self._thread = thread
            thread.start()
            return
        if self.asks:
            self.answer = self.ask(opened.project, annotator)
        self._show()

    def _take(self, answer: Any) -> None:
        if self.sender() is self._thread:
            self.answer = answer
            self._show()

    def _show(self) -> None:
        self.stack.setCurrentIndex(1 if self.refresh() else 0)

    def _end(self) -> None:
        if self._thread is not None and self.sender() is self._thread:
            self._thread.deleteLater()
            self._thread = None
            if self._stale and self.isVisible():
                self._look()

    def _change_project(self) -> None:
        """Nothing that was found out of another project is shown."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.wait()
            thread.deleteLater()
        self.answer = None
        self.outdate()

    def ask(self, project: Project, annotator: int) -> Any:
        """How things are, for `refresh`; it may run in another thread and touches no widget."""
        raise NotImplementedError

    def refresh(self) -> bool:
        """Show how things are; False where the empty state has been told what to say instead."""
        raise NotImplementedError

    def in_order(self, lines: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """Lines about one class each, by its "name", in the order of the class panel."""
        place = self.session.labels.taxonomy.place
        return sorted(lines, key=lambda line: place(str(line["name"])))

    def go_through(self, rows: Rows, title: str) -> None:
        """Put shots into the queue and go to Label."""
        if len(rows):
            self.session.queue.show_rows(rows, title)
            self.session.cursor.show(int(rows[0]))
            self.label_requested.emit()


def figure(number: str, words: str) -> tuple[QWidget, QLabel, QLabel]:
    """A big number over what it counts; the widget and both labels."""
    box = QWidget()
    big, small = label(number, "title"), label(words, "muted")
    column = QVBoxLayout(box)
    column.setContentsMargins(0, 0, 18, 0)
    column.setSpacing(0)
    column.addWidget(big)
    column.addWidget(small)
    return box, big, small
