"""Accept many suggestions at once: from which sureness on, how many that is, how many are wrong.

A card over the view, not a dialog: Escape ends it. All of it is one gesture of the session.
"""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import QEvent, QObject, QPoint, Qt
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QSlider, QVBoxLayout, QWidget

from labeler.session.labelling import CHANGED
from labeler.session.selection import ASK_ABOVE
from labeler.session.session import Session
from labeler.session.suggestions import Sure
from labeler.window.widgets import theme
from labeler.window.widgets.parts import focused, label, leave, set_role, share
from labeler.window.widgets.tab import Tab
from model.errors import counted

STEPS = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99, 0.995)
"""Thresholds that can be chosen; the first shown is .95."""
WIDTH = 470
NOTHING_YET = "No suggestions yet: press Retrain, or wait until all shots are read."


class AcceptSure(QFrame):
    """Enter accepts; more than 200 shots ask for Enter once more."""

    def __init__(
        self, session: Session, host: QWidget, rows: npt.NDArray[np.int64] | None = None
    ) -> None:
        super().__init__(host)
        self.session, self.rows = session, rows
        self.setObjectName("popup")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAccessibleName("Accept sure suggestions")
        self._before = focused(host)
        self.found = Sure(np.zeros(0, np.int64), np.zeros(0, np.int64))
        self._asked_again = False
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, len(STEPS) - 1)
        self.slider.setAccessibleName("Surer than")
        self.slider.setPageStep(1)
        self.limit, self.words = label(role="heading"), label(wrap=True)
        self.accept, self.look = QPushButton(), QPushButton("Look at them first")
        self.accept.setDefault(True)
        self._lay_out()
        self.slider.valueChanged.connect(self.refresh)
        self.accept.clicked.connect(self.take)
        self.look.clicked.connect(self.preview)
        self.setFixedWidth(min(theme.grown(WIDTH), host.width() - 24))
        self.slider.setValue(STEPS.index(0.95))
        self.refresh()
        self.slider.installEventFilter(self)
        self._shown_at = time.monotonic()
        self.show()
        self.raise_()
        self.slider.setFocus()
        session.predictions.instant_changed.connect(self.refresh)
        session.project_left.connect(self.finish)

    def _lay_out(self) -> None:
        among = "undecided shots" if self.rows is None else "undecided of the selected shots"
        first = QHBoxLayout()
        first.addWidget(label(f"Accept the suggestions on {among} that are surer than"), 1)
        first.addWidget(self.limit)
        buttons = QHBoxLayout()
        buttons.addStretch()
        buttons.addWidget(self.look)
        buttons.addWidget(self.accept)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 13, 16, 13)
        layout.setSpacing(9)
        layout.addLayout(first)
        layout.addWidget(self.slider)
        layout.addWidget(self.words)
        layout.addLayout(buttons)

    @property
    def threshold(self) -> float:
        """The sureness from which on suggestions are accepted."""
        return STEPS[self.slider.value()]

    def refresh(self, *_: object) -> None:
        """Count again."""
        session, now = self.session, self.session.predictions.now
        if session.opened is None:
            self.finish()
            return
        self._asked_again = False
        self.found = session.suggestions.sure(self.threshold, self.rows)
        n = len(self.found.rows)
        text = share(self.threshold) if self.threshold < 0.99 else f"{self.threshold:.3f}"[1:]
        self.limit.setText(text.rstrip("0") if len(text) > 3 else text)
        by = "" if now is None else f", by {now.name}"
        text = self.found.text()
        text = f"{text[:1].upper()}{text[1:]}{by if n else ''}. {self.found.left}"
        self.words.setText(text.rstrip())
        self.accept.setText(f"Accept {counted(n, 'shot')}")
        set_role(self.accept, "main")
        for button in (self.accept, self.look):
            button.setEnabled(n > 0)
        self._fit()

    def _fit(self) -> None:
        """As high as the words need, above the lower edge of the view."""
        host, layout = self.parentWidget(), self.layout()
        assert host is not None
        assert layout is not None
        layout.activate()
        self.resize(self.width(), layout.totalHeightForWidth(self.width()))
        self.move(QPoint((host.width() - self.width()) // 2, host.height() - self.height() - 18))

    def take(self) -> None:
        """Accept them, as one gesture."""
        if not len(self.found.rows):
            return
        if len(self.found.rows) > ASK_ABOVE and not self._asked_again:
            self._asked_again = True
            self.accept.setText(f"Press again: all {len(self.found.rows):,} shots")
            return
        if self.session.suggestions.changed_unseen(self.found.rows, self._shown_at):
            self.session.noted.emit("info", CHANGED)
            return
        self.session.labelling.accept_sure(self.threshold, self.rows)
        self.finish()

    def preview(self) -> None:
        """Go through them, the least sure first."""
        rows, predictions = self.found.rows, self.session.predictions.now
        if predictions is None:
            return
        order = np.argsort(predictions.sureness()[rows], kind="stable")
        self.session.queue.show_rows(rows[order], f"Surer than {self.limit.text()}")
        self.finish()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            if event.key() == Qt.Key.Key_Escape:
                self.finish()
                return True
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                if not event.isAutoRepeat():  # the key that opened the card may still be held
                    self.take()
                return True
        own = event is not None and event.type() == QEvent.Type.ShortcutOverride
        if own and isinstance(event, QKeyEvent):
            plain = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Escape, Qt.Key.Key_Left,
                     Qt.Key.Key_Right, Qt.Key.Key_Home, Qt.Key.Key_End)  # fmt: skip
            if event.key() in plain:
                event.accept()
                return True
        return False

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Esc on one of the buttons."""
        if event is not None and event.key() == Qt.Key.Key_Escape:
            self.finish()

    def finish(self) -> None:
        """Go away."""
        if self.isVisible():
            self.session.predictions.instant_changed.disconnect(self.refresh)
        self.slider.removeEventFilter(self)
        leave(self, self._before)


def _why_none(session: Session) -> str:
    if not session.suggestions.on:
        return "Suggestions are off: turn them on above the classes."
    have, enough = session.suggestions.labelled, session.suggestions.enough
    return f"Suggestions begin at {enough} labelled shots; so far there are {have}."


def open_card(session: Session, view: Tab) -> AcceptSure | None:
    """The card over the view in front, for its selected shots where it has some."""
    if session.predictions.now is None:
        session.noted.emit("info", NOTHING_YET)
        return None
    if not session.suggestions.given:
        session.noted.emit("info", _why_none(session))
        return None
    rows = None if view.selection is None else view.selection.chosen()
    some = rows if rows is not None and len(rows) else None
    return AcceptSure(session, view.stage, some)
