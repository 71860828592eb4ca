"""The guided first label: a small panel in the demo that says one thing to do at a time.

It watches what is really so in the session and goes on by itself. It changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from PyQt6.QtCore import QEvent, QObject, Qt
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QPushButton,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from labeler.project.store.records import LABELLED
from labeler.session.session import Session
from labeler.window.settings import Settings
from labeler.window.widgets import theme
from labeler.window.widgets.manual import open_manual
from labeler.window.widgets.parts import label, set_role

DEMO = "simulation"
"""Annotator of the labels that a demo project comes with: this is how a demo is known."""
CLASS = "class."
SOME_CLASSES = 4
"""So many classes are named with their keys."""
WIDTH = 330
MARGIN = 14


@dataclass(frozen=True)
class GuideState:
    """What the steps look at: the shot on screen, own decisions, what is shown."""

    row: int
    decided: bool
    own: int
    heat: bool
    tab: str
    training: int
    """Number of the run that is being made, 0 for none."""
    has_run: bool


@dataclass(frozen=True)
class GuideStep:
    """What to do, and when it is done: from the state at the step's begin and that of now.

    In `text`, {id} stands for the key in use of a command, {classes} for some classes with theirs.
    """

    title: str
    text: str
    done: Callable[[GuideState, GuideState], bool]
    in_label: bool = True
    """Whether it is about Label alone; over other views it would only hide them."""


STEPS = (
    GuideStep(
        "Find a shot to decide",
        "Press {next_undecided}: it goes to the next undecided shot.",
        lambda then, now: now.row >= 0 and not now.decided,
    ),
    GuideStep(
        "Decide",
        "Look at the pattern and press the key of what you see: {classes}. Its superclass comes"
        " along. The label is stored at once.",
        lambda then, now: now.own > then.own,
    ),
    GuideStep(
        "Take it back",
        "{undo} undoes the whole change. It works after a restart too.",
        lambda then, now: now.own < then.own,
    ),
    GuideStep(
        "Decide again, and go on",
        "Press the class key again, then {next} for the next shot.",
        lambda then, now: now.own > then.own and now.row != then.row,
    ),
    GuideStep(
        "See where the network looks",
        "Press {heat}: the pattern stays bright where the network found the class. If nothing is"
        " shown, there is no network yet: {retrain} trains one; wait at the lower left, or skip"
        " this step. If it ended and its run is not in use, {use_new_run} uses it.",
        lambda then, now: now.heat and now.has_run,
    ),
    GuideStep(
        "Many at once",
        "{view_grid} opens Grid: pull a band over alike shots, and one class key labels all of"
        " them.",
        lambda then, now: now.tab == "Grid" and now.own >= then.own + 2,
        in_label=False,
    ),
    GuideStep(
        "Retrain",
        "{retrain} trains a network on all labels so far, while you go on. {view_label} is Label"
        " again.",
        lambda then, now: now.training not in (0, then.training),
        in_label=False,
    ),
)
LAST = (
    "That is all you need",
    "{manual} opens the manual at the page of what you see, {palette} finds every command.",
)


class Guide(QFrame):
    """The panel at the upper right of the pattern; `place` is the step on screen, from 0."""

    def __init__(
        self, session: Session, settings: Settings, views: QStackedWidget, pattern: QWidget,
        tab: Callable[[], str], keys: Mapping[str, str],
    ) -> None:  # fmt: skip
        host = views.window()
        super().__init__(host)
        assert host is not None
        self.host = host
        self.session, self.settings, self.views, self.pattern = session, settings, views, pattern
        self.tab = tab
        """Which view is in front."""
        self.keys = keys
        """The key in use of each command, by its id."""
        self.place = 0
        self._left = False
        self.setObjectName("note")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.title, self.words = label(role="heading", wrap=True), label(wrap=True)
        self.count = label(role="muted")
        self.skip, self.more = QPushButton("Skip this step"), QPushButton("Open the manual")
        self.away = QToolButton()
        self.away.setIcon(theme.icon("close", "muted"))
        self.away.setAccessibleName("End the guided first label")
        self.away.setToolTip("End; Help → Guided first label brings it back")
        for button in (self.skip, self.more, self.away):
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.skip.clicked.connect(self.go_on)
        self.more.clicked.connect(lambda: open_manual(self.host, "label"))
        self.away.clicked.connect(self.end)
        self._lay_out()
        self._connect()
        self.host.installEventFilter(self)
        self._begin_step()

    def _lay_out(self) -> None:
        head, foot = QHBoxLayout(), QHBoxLayout()
        head.addWidget(self.title, 1)
        head.addWidget(self.count)
        head.addWidget(self.away)
        foot.addStretch(1)
        foot.addWidget(self.more)
        foot.addWidget(self.skip)
        column = QVBoxLayout(self)
        column.setContentsMargins(14, 10, 10, 10)
        column.addLayout(head)
        column.addWidget(self.words)
        column.addLayout(foot)
        self.setFixedWidth(theme.grown(WIDTH))

    def _connect(self) -> None:
        session = self.session
        for signal in (
            session.labels.labels_changed,
            session.cursor.shot_changed,
            session.heat.heat_changed,
            session.training.changed,
            self.views.currentChanged,
        ):
            signal.connect(self.look)
        session.project_left.connect(self.leave)

    def state(self) -> GuideState:
        """What is so now."""
        session = self.session
        own = 0
        if session.opened is not None:
            own = int(np.count_nonzero(session.labels.decided.own_status & LABELLED))
        row = session.cursor.row
        return GuideState(
            row=row,
            decided=row >= 0 and session.labelling.is_decided(),
            own=own,
            heat=session.heat.on,
            tab=self.tab(),
            training=session.training.number if session.training.is_running else 0,
            has_run=session.predictions.run is not None,
        )

    def look(self, *_: object) -> None:
        """Go on where the step on screen is done."""
        if self._left:
            return
        if self.place < len(STEPS) and STEPS[self.place].done(self._then, self.state()):
            self.go_on()
        self._put()

    def go_on(self) -> None:
        """The next step; one that is done already is shown all the same, and left by Skip."""
        self.place += 1
        self._begin_step()

    def show_keys(self, keys: Mapping[str, str]) -> None:
        """Name these keys from now on."""
        self.keys = keys
        if not self._left:
            self._write()

    def end(self) -> None:
        """Go away, and do not come by itself again."""
        self.settings.set("guide", False)
        self.leave()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Esc on one of its buttons ends it; others keep their meaning."""
        if event is None or event.key() != Qt.Key.Key_Escape:
            super().keyPressEvent(event)
        else:
            self.pattern.setFocus()
            self.end()

    def leave(self) -> None:
        """Go away with the project."""
        self._left = True
        self.host.removeEventFilter(self)
        self.hide()
        self.deleteLater()

    def _begin_step(self) -> None:
        self._then = self.state()
        self._write()

    def _write(self) -> None:
        last = self.place >= len(STEPS)
        step = STEPS[min(self.place, len(STEPS) - 1)]
        title, text = LAST if last else (step.title, step.text)
        words = in_keys(text, self.keys)
        self.title.setText(title)
        self.words.setText(words)
        self.count.setText("" if last else f"{self.place + 1} of {len(STEPS)}")
        self.setAccessibleName(f"{title}. {words}")
        self.skip.setVisible(not last)
        self.more.setVisible(last)
        set_role(self.more, "main")
        self._put()

    def _put(self) -> None:
        """Over the upper right of the pattern; of another view only where the step is about it."""
        pattern = self.pattern
        about_label = self.place < len(STEPS) and STEPS[self.place].in_label
        self.setVisible(self.tab() == "Label" or not about_label)
        right = self.host.width() - 300
        if pattern.isVisible():
            right = pattern.mapTo(self.host, pattern.rect().topRight()).x()
        top = self.views.mapTo(self.host, self.views.rect().topLeft()).y()
        self.setFixedHeight(self.layout().totalHeightForWidth(theme.grown(WIDTH)))  # type: ignore[union-attr]
        self.move(right - theme.grown(WIDTH) - MARGIN, top + MARGIN)
        self.raise_()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if event is not None and event.type() == QEvent.Type.Resize:
            self._put()
        return False


def is_demo(session: Session) -> bool:
    """Whether the open project is a demo."""
    if session.opened is None:
        return False
    known = session.opened.project.store.annotators()
    return any(a.name == DEMO and a.kind == "import" for a in known)


def in_keys(text: str, keys: Mapping[str, str]) -> str:
    """A text of the steps with the keys in use; a command without a key is found in the menu."""
    signs = {id: key or "its command in the menu" for id, key in keys.items()}
    classes = [(key, id.removeprefix(CLASS)) for id, key in keys.items() if id.startswith(CLASS)]
    some = [f"{key} {name}" for key, name in classes if key][:SOME_CLASSES]
    return text.format_map({**signs, "classes": ", ".join(some)})
