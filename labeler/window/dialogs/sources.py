"""The files of shots of a project: what was opened of each, what became of it, and how to go on.

A choice is made by a project of its own in another thread, for it reads the file; then the window
opens the project again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PyQt6.QtWidgets import (
    QDialog,
    QFrame,
    QHBoxLayout,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from labeler.project.project import Project
from labeler.project.store import StoredSource
from labeler.session.session import Session
from labeler.shots.changes import SourceChange
from labeler.window.dialogs import file_dialogs
from labeler.window.process.project_thread import Progress, run_in_thread
from labeler.window.widgets.parts import empty, foot, label, page, press_by_enter, set_role
from model.errors import counted, on_one_line

MOST = 100
"""Files that are shown; those that changed come first."""


@dataclass(frozen=True)
class SourceChoice:
    """One way to go on with a file that changed: `verb` of a Project, or "locate"."""

    verb: str
    text: str
    means: str


LOCATE = SourceChoice("locate", "Locate the old file…", "The labelled shots are read from there.")
WITHOUT = SourceChoice(
    "go_without", "Go on without it", "Labels stay; shots that are gone cannot be shown or learnt."
)


def choices(change: SourceChange) -> list[SourceChoice]:
    """The ways to go on, the likeliest first."""
    now, old = change.now, change.info.n_shots
    if change.is_lack or now is None:
        return [LOCATE, WITHOUT]
    keep = SourceChoice(
        "keep_labels",
        "Keep the labels on it",
        "The file's shots, from the first on, are taken for the labelled ones.",
    )
    add = SourceChoice(
        "take_over",
        f"Add its {counted(now.n_shots, 'shot')} as new",
        "Labels stay with the old shots, which cannot be shown any more.",
    )
    if change.kind == "grown":
        more = now.n_shots - old
        return [
            SourceChoice(
                "take_over", f"Add {counted(more, 'new shot')}", "They come behind all others."
            ),
            SourceChoice("keep_labels", "Go on without them", f"{counted(old, 'shot')} as before."),
        ]
    likely = [keep, add] if change.kind == "rewritten" else [add]
    unlikely = [keep] if change.keeps_shots and change.kind == "replaced" else []
    return [*likely, LOCATE, *unlikely]


def in_words(change: SourceChange) -> str:
    """What became of a file, for a banner or a card."""
    name = change.info.name
    if change.kind == "missing":
        return f"{name} is not in {on_one_line(str(change.info.path.parent))} any more"
    return f"{name} {change.what}" if change.kind == "grown" else f"{name}: {change.what}"


class SourcesDialog(QDialog):
    """A card for each file. With `work`, asks whether that may go on; accepted where it may."""

    def __init__(self, session: Session, parent: QWidget, work: str = "") -> None:
        super().__init__(parent)
        self.session, self.work = session, work
        self.setWindowTitle("Files of shots")
        self.buttons: dict[tuple[int, str], QPushButton] = {}
        self._page = QVBoxLayout()
        self._page.setSpacing(10)
        held = QWidget()
        held.setLayout(self._page)
        area = QScrollArea()
        area.setAccessibleName("All files")
        area.setWidget(held)
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        self.go_on = QPushButton("Go on")
        self.go_on.clicked.connect(self.accept)
        title = f"Files changed: before {work} goes on" if work else "Files of shots"
        last = foot(self, self.go_on, "Cancel") if work else foot(self)
        page(self, title, area, last, wide=area)
        self.resize(760, 480)
        session.project_changed.connect(self.refresh)
        session.sources.changed.connect(self.refresh)
        session.project_left.connect(self.reject)
        self.refresh()

    def refresh(self) -> None:
        """Show the files as they are now, those that changed first."""
        if self.session.opened is None:
            return
        empty(self._page)
        self.buttons.clear()
        changed = {source.id: change for source, change in self.session.sources.found}
        project = self.session.opened.project
        stored = sorted(project.stored_sources, key=lambda s: (s.id not in changed, s.id))
        shown = [s for s in stored if s.id in changed] if self.work else stored
        for source in shown[:MOST]:
            self._page.addWidget(self._card(source, changed.get(source.id)))
        if not shown:
            self._page.addWidget(label("Every file has its choice: go on.", "muted"))
        if len(shown) > MOST:
            self._page.addWidget(label(f"and {counted(len(shown) - MOST, 'more file')}", "muted"))
        self._page.addStretch(1)
        labels_only = self.work in ("exporting labels", "the report")
        kinds = {change.kind for change in changed.values()}
        self.go_on.setEnabled(labels_only or not kinds & {"replaced", "rewritten", "grown"})

    def _card(self, source: StoredSource, change: SourceChange | None) -> QWidget:
        info = source.info
        card = QFrame()
        card.setObjectName("card")
        inside = QVBoxLayout(card)
        inside.setContentsMargins(14, 11, 14, 12)
        inside.setSpacing(5)
        inside.addWidget(label(info.name, "heading"))
        inside.addWidget(label(on_one_line(str(info.path.parent)), "muted", wrap=True))
        y, x = info.shape
        shots, dataset = counted(info.n_shots, "shot"), on_one_line(info.dataset)
        facts = f"{shots} of {y} × {x} {info.dtype}, dataset {dataset}"
        inside.addWidget(label(facts, wrap=True))
        for note in info.notes:
            inside.addWidget(label(note, "muted", wrap=True))
        if change is None:
            if source.id in self.session.require().project.without:
                inside.addWidget(label("You go on without this file.", "muted"))
            return card
        inside.addWidget(label(in_words(change) + ".", "warning", wrap=True))
        for n, choice in enumerate(choices(change)):
            button = QPushButton(choice.text)
            press_by_enter(button)
            set_role(button, "main" if n == 0 else "")
            button.clicked.connect(partial(self._choose, source, choice))
            button.setMinimumWidth(230)
            self.buttons[source.id, choice.verb] = button
            row = QHBoxLayout()
            row.setSpacing(12)
            row.addWidget(button)
            row.addWidget(label(choice.means, "muted", wrap=True), 1)
            inside.addLayout(row)
        return card

    def _choose(self, source: StoredSource, choice: SourceChoice) -> None:
        path: Path | None = None
        if choice.verb == "locate":
            old = source.info
            path = file_dialogs.ask_file(self, f"Where is {old.name}?", start=str(old.path))
            if path is None:
                return
        for button in self.buttons.values():
            button.setEnabled(False)
        choose(self.session, self, source, choice.verb, path, self.refresh)


def choose(
    session: Session,
    host: QWidget,
    source: StoredSource,
    verb: str,
    path: Path | None = None,
    refused: Callable[[], object] = lambda: None,
) -> None:
    """Go on with a file in one way; what is refused is said in a note, and `refused` is called."""

    def work(project: Project, progress: Progress) -> str:
        if path is not None:
            project.relocate(source.id, path)
            return f"Found {on_one_line(path.name)} again."
        before = project.n_shots
        ways = {
            "take_over": project.take_over,
            "keep_labels": project.keep_labels,
            "go_without": project.go_without,
        }
        ways[verb](source.id)
        more = project.n_shots - before
        return f"{counted(more, 'shot')} of {source.info.name} added." if more else "Chosen."

    thread = run_in_thread(session, host, "Looking at the file…", work, session.reopen)
    thread.refused.connect(refused)


def ask_sources(session: Session, host: QWidget, work: str = "") -> bool:
    """Show the files of shots; whether `work` may go on."""
    dialog = SourcesDialog(session, host, work)
    may = bool(dialog.exec())
    dialog.deleteLater()
    return may
