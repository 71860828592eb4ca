"""How many labels of each class go into a training, and which classes have too few."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QGridLayout, QLabel, QWidget

from labeler.runs.offers import usable_shots
from labeler.session.session import Session
from labeler.window.widgets import theme
from labeler.window.widgets.parts import label, set_role
from model.shots.table import EVALUATION

FEW = 10
"""Shots of a class below which a network hardly learns it."""


class LabelCounts(QWidget):
    """Class by class: its labelled shots; the few ones are marked."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.setAccessibleName("Training labels")
        self._cells: list[tuple[QLabel, QLabel]] = []
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setVerticalSpacing(2)
        self._grid.setColumnStretch(0, 1)

    def refresh(self) -> None:
        """Count again."""
        session = self.session
        self.setVisible(session.opened is not None)
        if session.opened is None:
            return
        used = usable_shots(session.labels.taxonomy, session.labels.decided)
        sets = session.labels.taxonomy.unpack(session.labels.present[used])
        counts = sets.sum(0)
        judged = sets[session.require().project.store.roles()[used] == EVALUATION].sum(0)
        self._make_room(len(counts))
        for i, (name, number) in zip(session.labels.taxonomy.order, self._cells, strict=False):
            count = int(counts[i])
            name.setText(session.labels.taxonomy.names[i])
            number.setText(
                f"{count:,}" if count >= FEW else f"{count} · too few" if count else "none"
            )
            tip = f"{count:,} labelled shots, {int(judged[i]):,} of them kept for evaluation"
            if count < FEW:
                tip += f"\nBelow {FEW} a network hardly learns a class: label more of them"
            for cell in (name, number):
                cell.setToolTip(tip)
                set_role(cell, "warning" if count < FEW else "muted")

    def _make_room(self, count: int) -> None:
        """A line for every class of the taxonomy, and no more."""
        while len(self._cells) < count:
            name, number = label("", "muted"), label("", "muted")
            number.setFont(theme.numbers(self.font().pointSizeF()))
            row = len(self._cells)
            self._grid.addWidget(name, row, 0)
            self._grid.addWidget(number, row, 1, Qt.AlignmentFlag.AlignRight)
            self._cells.append((name, number))
        for i, cells in enumerate(self._cells):
            for cell in cells:
                cell.setVisible(i < count)

    def lines(self) -> list[tuple[str, str]]:
        """What is shown, class by class."""
        return [(n.text(), c.text()) for n, c in self._cells if not n.isHidden()]
