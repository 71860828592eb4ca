"""Shots of one class, the most telling first: sure ones, doubtful ones, misses, false alarms."""

from __future__ import annotations

from PyQt6.QtCore import QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QIcon, QPixmap, QResizeEvent
from PyQt6.QtWidgets import (
    QButtonGroup,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from labeler.runs.predictions import Choice
from labeler.session.heat import Asked
from labeler.session.session import Session
from labeler.window.inspect.claims import in_words, kept
from labeler.window.inspect.tiles import GAP, Tile, TileList
from labeler.window.label.classes.shot_card import Schematic
from labeler.window.widgets import theme
from labeler.window.widgets.parts import EmptyState, label, set_role
from model.heatmaps.forms import BEST
from model.taxonomy.taxonomy import Class

SIDE = 176
MOST = 2000
"""No one scrolls further than this."""
FIRST = ("Streak", "Bent")
"""The classes of the paper's Fig. 5 come first where the taxonomy has them."""
CHOICES: tuple[tuple[Choice, str, str, str], ...] = (
    ("hits", "Hits", "Labelled and predicted, the most probable first", "No {} was found yet"),
    ("false", "False alarms", "Predicted, but decided to be absent", "No false alarm for {}"),
    ("missed", "Missed", "Labelled, but not predicted", "No labelled {} was missed"),
    ("certain", "Most certain", "Predicted, the most probable first", "No shot is predicted as {}"),
    ("unsure", "Least certain", "Nearest to the threshold first", "There is no shot to show"),
    ("labelled", "As labelled", "All labelled shots", "No shot is labelled {} yet"),
)


class Gallery(QWidget):
    """Choose a class and what to look for; a click shows the shot."""

    kind_changed = pyqtSignal()
    """Another class was chosen."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.choice: Choice = CHOICES[0][0]
        self.other = BEST
        """A second form beside the one in use; BEST for none."""
        self.classes = QListWidget()
        self.classes.setAccessibleName("Class")
        self.classes.setIconSize(QSize(9, 9))
        self.classes.setStyleSheet("QListWidget::item { padding: 5px 6px; }")
        self.classes.currentRowChanged.connect(lambda _: self._chosen())
        self.tiles = TileList(session, by_class=False)
        self.tiles.setAccessibleName("Shots")
        self.empty = EmptyState()
        self._build()
        session.project_changed.connect(self._fill)
        session.labels.shown_classes_changed.connect(self._fill_again)
        self._fill()

    def _build(self) -> None:
        self.buttons = QButtonGroup(self)
        row = QHBoxLayout()
        row.setSpacing(2)
        for i, (_, text, tip, _) in enumerate(CHOICES):
            button = QToolButton()
            button.setText(text)
            button.setToolTip(tip)
            button.setCheckable(True)
            button.setChecked(i == 0)
            self.buttons.addButton(button, i)
            row.addWidget(button)
        row.addStretch(1)
        self.buttons.idToggled.connect(lambda n, on: self._choose(n) if on else None)
        self.content = QStackedWidget()
        self.content.addWidget(self.tiles)
        self.content.addWidget(self.empty)
        self.drawing, self.help = Schematic(96), label("", "muted", wrap=True)
        self.faith = label("", "faint", wrap=True)
        left = QWidget()
        left.setFixedWidth(theme.grown(190))
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(10)
        column.addWidget(self.classes, 1)
        column.addWidget(self.drawing, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addWidget(self.help)
        column.addWidget(self.faith)
        right = QVBoxLayout()
        right.setSpacing(8)
        right.addLayout(row)
        right.addWidget(self.content, 1)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(16)
        layout.addWidget(left)
        layout.addLayout(right, 1)

    # -- choosing --------------------------------------------------------------------------------

    @property
    def kind(self) -> int:
        """The class whose shots are shown; -1 without any."""
        item = self.classes.currentItem()
        return -1 if item is None else int(item.data(Qt.ItemDataRole.UserRole))

    def choose(self, class_index: int, choice: Choice | None = None) -> None:
        """Show shots of a class, and what to look for."""
        for row in range(self.classes.count()):
            item = self.classes.item(row)
            if item is not None and item.data(Qt.ItemDataRole.UserRole) == class_index:
                self.classes.setCurrentRow(row)
        if choice is not None:
            self._choose([c for c, *_ in CHOICES].index(choice))

    def _choose(self, number: int) -> None:
        self.choice = CHOICES[number][0]
        button = self.buttons.button(number)
        if button is not None:
            button.setChecked(True)
        self.refresh()

    def _chosen(self) -> None:
        self.refresh()
        self.kind_changed.emit()

    def _fill(self) -> None:
        """The classes of the project; the first of Fig. 5 that it knows is chosen."""
        self.classes.blockSignals(True)
        self.classes.clear()
        taxonomy = self.session.labels.taxonomy
        classes = taxonomy.classes
        shown = self.session.labels.shown_classes
        for c in shown:
            mark = QPixmap(9, 9)
            mark.fill(QColor(classes[c].colour))
            icon = QIcon(mark)
            icon.addPixmap(mark, QIcon.Mode.Selected)  # else it is tinted
            item = QListWidgetItem(icon, classes[c].name)
            item.setData(Qt.ItemDataRole.UserRole, c)
            item.setToolTip(classes[c].help)
            self.classes.addItem(item)
        first = (taxonomy.index(taxonomy.now(name)) for name in FIRST if taxonomy.knows(name))
        self.classes.setCurrentRow(next((shown.index(c) for c in first if c in shown), 0))
        self.classes.blockSignals(False)
        self.refresh()

    def _fill_again(self) -> None:
        kind = self.kind
        self._fill()
        self.choose(kind)

    @property
    def rows(self) -> list[int]:
        """Shots that are shown, in order."""
        there = self.content.currentIndex() == 0
        return list(dict.fromkeys(tile.row for tile in self.tiles.tiles.tiles)) if there else []

    @property
    def forms(self) -> tuple[str, ...]:
        """The forms of heat in which every shot is shown: the one in use, which may be another one
        on a shot where that finds nothing; or it and a second one, each for what it is."""
        form = self.session.display.overlay.form
        form = form if form in self.session.heat.offered else BEST
        if not self.other:
            return (form,)
        first = self.session.heat.form_of(Asked(-1, self.kind, form))
        return tuple(dict.fromkeys((first, self.other)))

    # -- showing ---------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Show the shots of the class, if anybody looks."""
        session, kind = self.session, self.kind
        if not self.isVisible() or session.predictions.run is None or kind < 0:
            return
        status = session.labels.decided.status_on(kind)
        rows = {
            choice: session.predictions.run.gallery(kind, choice, session.labels.present, status)
            for choice, *_ in CHOICES
        }
        never = session.heat.never_learnt(kind)
        for i, (choice, text, *_) in enumerate(CHOICES):
            button = self.buttons.button(i)
            if button is not None:
                numbered = choice == "labelled" or not (never or choice == "unsure")
                button.setText(f"{text} {len(rows[choice]):,}" if numbered else text)
        has_answer = self.choice == "labelled" or not never
        shown = rows[self.choice][: MOST if has_answer else 0]
        self.content.setCurrentIndex(0 if len(shown) else 1)
        self._explain(session.labels.taxonomy.classes[kind])
        if len(shown):
            forms = self.forms
            columns = self.tiles.room().width() // (SIDE + GAP) // len(forms) * len(forms)
            side = self.tiles.room().width() // max(columns, len(forms)) - GAP
            tiles = [
                Tile(int(row), kind, form=form if self.other else BEST)
                for row in shown
                for form in forms
            ]
            self.tiles.show_tiles(tiles, side)
        else:
            nothing = next(words for choice, _, _, words in CHOICES if choice == self.choice)
            name = session.labels.taxonomy.names[kind]
            self.empty.say(nothing.format(name) if has_answer else never, "")

    def _explain(self, kind: Class) -> None:
        self.drawing.path = f"schematics/{kind.schematic}" if kind.schematic else ""
        self.drawing.update()
        self.help.setText(kind.help)
        found = kept(self.session).get(kind.name)
        self.faith.setText(
            "" if self.session.heat.reads_maps else in_words(self.session, kind.name)
        )
        set_role(self.faith, "warning" if found is not None and found["alarm"] else "faint")

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        self.refresh()
