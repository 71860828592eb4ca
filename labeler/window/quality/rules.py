"""Rules: how many labels break each, which label sets they are, a click to go through them."""

from __future__ import annotations

import numpy as np
from PyQt6.QtCore import QRectF, QSize, Qt
from PyQt6.QtGui import QPainter, QPaintEvent
from PyQt6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QMessageBox,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from labeler.project.store.records import LABELLED, Present, Status
from labeler.quality.rules import Broken, check_rules, mended, rows_that_break
from labeler.session.selection import ASK_ABOVE, MEANWHILE
from labeler.session.session import Session
from labeler.window.quality.parts import Page
from labeler.window.widgets import theme
from labeler.window.widgets.parts import label, set_role
from model.errors import counted
from model.taxonomy.taxonomy import Taxonomy

SETS = 3


class RulesPage(Page):
    """One row a rule; hard ones first, then by how often they are broken."""

    def __init__(self, session: Session) -> None:
        super().__init__(session, "Rules")
        self.rows: list[RuleRow] = []
        self._column = QVBoxLayout()
        self._column.setSpacing(8)
        inside = QWidget()
        holder = QVBoxLayout(inside)
        holder.setContentsMargins(0, 0, 8, 0)
        holder.addLayout(self._column)
        holder.addStretch(1)
        area = QScrollArea()
        area.setAccessibleName("All rules")
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidget(inside)
        area.setStyleSheet(
            "QScrollArea, QScrollArea > QWidget > QWidget { background: transparent; }"
        )
        self.body.addWidget(area, 1)

    def refresh(self) -> bool:
        session = self.session
        labelled = session.labels.decided.tally.labelled
        if not session.labels.taxonomy.rules:
            self.empty.say("No rules", "The taxonomy of this project has classes but no rules.")
            return False
        if not labelled:
            self.empty.say(
                "No labels yet",
                f"The {len(session.labels.taxonomy.rules)} rules of this taxonomy will be here, "
                "with the shots whose labels break them.",
                "Label",
                self.label_requested.emit,
            )
            return False
        found = check_rules(*self._labels())
        most = max((b.shots for b in found), default=0)
        mendable = max((b.mendable for b in found), default=0)
        order = sorted(
            range(len(found)), key=lambda r: (found[r].rule.severity != "hard", -found[r].shots)
        )
        while len(self.rows) < len(found):
            row = RuleRow(self)
            self.rows.append(row)
            self._column.addWidget(row)
        for k, row in enumerate(self.rows):
            row.setVisible(k < len(found))
            if k < len(found):
                row.show_rule(order[k], found[order[k]], most, mendable)
        wrong = session.labels.decided.tally.in_error(session.labels.taxonomy)
        self.said.setText(
            f"Of {counted(labelled, 'labelled shot')}, {wrong:,} break a hard rule. "
            "A soft rule is a reminder: what you see on the detector is always right."
        )
        return True

    def go(self, rule_index: int) -> None:
        """Go through the shots that break a rule."""
        session = self.session
        rows = rows_that_break(rule_index, *self._labels())
        self.go_through(rows, session.labels.taxonomy.rules[rule_index].text)

    def mend(self, rule_index: int) -> None:
        """Apply the fix to every shot that breaks a rule, as one gesture."""
        session = self.session
        rows, bits = found = mended(rule_index, *self._labels())
        if len(rows) > ASK_ABOVE:
            opened = session.opened
            if not self._sure(len(rows)):
                return
            if session.opened is not opened or not all(
                map(np.array_equal, found, mended(rule_index, *self._labels()))
            ):
                session.noted.emit("info", MEANWHILE)
                return
        status = session.labels.decided.own_status[rows] | LABELLED
        open_ones = session.labels.decided.open_classes(rows)
        if len(rows) and session.labels.decide(rows, bits, status, "fix", unsaid=open_ones):
            session.noted.emit("info", f"{counted(len(rows), 'shot')} mended; Undo takes it back.")

    def _labels(self) -> tuple[Present, Status, Taxonomy, Present]:
        labels = self.session.labels
        return labels.present, labels.status, labels.taxonomy, labels.decided.known

    def _sure(self, n: int) -> bool:
        buttons = QMessageBox.StandardButton
        text = f"Mend {counted(n, 'shot')}? Undo takes it back as one step."
        answer = QMessageBox.question(self, "Many shots", text, buttons.Yes | buttons.Cancel)
        return answer == buttons.Yes


class RuleRow(QFrame):
    """A rule in words, how many shots break it, what they are, and what can be done."""

    def __init__(self, page: RulesPage) -> None:
        super().__init__()
        self.setObjectName("card")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.rule_index = -1
        self.mark, self.text = label(), label(wrap=True)
        self.sets = label(role="muted", wrap=True)
        self.count = label()
        self.count.setFont(theme.numbers(self.font().pointSizeF() * 1.3))
        self.count.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.count.setFixedWidth(theme.grown(74))
        self.bar = Bar()
        self.go, self.mend = QPushButton("Show in Label"), QPushButton("Mend all")
        self.go.clicked.connect(lambda: page.go(self.rule_index))
        self.mend.clicked.connect(lambda: page.mend(self.rule_index))
        self.mark.setFixedWidth(theme.grown(18))
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(self.text)
        words.addWidget(self.sets)
        row = QHBoxLayout(self)
        row.setContentsMargins(14, 9, 12, 9)
        row.setSpacing(12)
        row.addWidget(self.mark)
        row.addLayout(words, 1)
        row.addWidget(self.bar)
        row.addWidget(self.count)
        row.addWidget(self.go)
        row.addWidget(self.mend)

    def show_rule(self, rule_index: int, broken: Broken, most: int, mendable: int) -> None:
        """Show a rule; `most` is the number of shots at which the bar is full, `mendable` how many
        can be mended of the rule that has most of these."""
        self.rule_index = rule_index
        hard = broken.rule.severity == "hard"
        self.mark.setText("✗" if broken.shots else "✓")
        set_role(self.mark, ("error" if hard else "warning") if broken.shots else "good")
        self.text.setText(f"{broken.rule.statement} ({broken.rule.severity})")
        parts = [f"{words}: {n:,}" for words, n in broken.sets[:SETS]]
        more = len(broken.sets) - SETS
        parts += [f"and {counted(more, 'more set')}"] if more > 0 else []
        self.sets.setText(" · ".join(parts))
        self.sets.setVisible(bool(parts))
        self.count.setText(f"{broken.shots:,}")
        self.bar.setVisible(broken.shots > 0)
        set_role(self.count, "" if broken.shots else "faint")
        self.bar.show_share(broken.shots / most if most else 0, "error" if hard else "warning")
        for button, anywhere in ((self.go, most), (self.mend, mendable)):
            policy = button.sizePolicy()  # all rows alike
            policy.setRetainSizeWhenHidden(anywhere > 0)
            button.setSizePolicy(policy)
        self.go.setVisible(broken.shots > 0)
        for button in (self.go, self.mend):
            button.setAccessibleName(f"{button.text()}: {broken.rule.statement}")
        self.mend.setVisible(broken.mendable > 0)
        self.mend.setToolTip(
            f"Apply the fix to {counted(broken.mendable, 'shot')}, as one step that undo takes back"
        )


class Bar(QWidget):
    """A share as a thin bar."""

    def __init__(self) -> None:
        super().__init__()
        self._share, self._ink = 0.0, "warning"
        self.setFixedSize(QSize(theme.grown(120), 8))

    def show_share(self, value: float, ink: str) -> None:
        """Show another share."""
        self._share, self._ink = value, ink
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.colour("press"))
        painter.drawRoundedRect(QRectF(0, 2, self.width(), 4), 2, 2)
        if self._share > 0:
            painter.setBrush(theme.colour(self._ink))
            painter.drawRoundedRect(QRectF(0, 2, max(self.width() * self._share, 3), 4), 2, 2)
        painter.end()
