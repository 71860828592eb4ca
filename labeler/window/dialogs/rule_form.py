"""The form of a new rule: its kind, its classes, and what it says in words as they are chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from PyQt6.QtWidgets import QDialog, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from labeler.window.widgets.fields import ListField, offer, tick_list, ticks
from labeler.window.widgets.parts import foot, form, label, page
from model.taxonomy.taxonomy import Kind, Rule

KINDS: dict[Kind, tuple[str, str, str]] = {
    "one_of": ("exclude each other", "Of these, at most one", ""),
    "never": ("never together", "None of these", "with any of these"),
    "implies": ("one implies another", "Each of these", "asks for one of these"),
    "alone": ("stand alone", "Each of these, without any other", ""),
    "some": ("every shot has one", "At least one of these", ""),
}
"""What a kind of rule is called, and what its one or two lists of classes are."""
SEVERITIES = {"hard": "hard: a label that breaks it is in error", "soft": "soft: a reminder"}


class RuleForm(QDialog):
    """Asks for one rule. `make(rule)` answers why it cannot be, '' where it was added; then the
    form closes."""

    def __init__(
        self, names: Sequence[str], make: Callable[[Rule], str], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._make = make
        self.setWindowTitle("New rule")
        self.resize(560, 640)
        self.kind, self.severity = ListField("Kind"), ListField("The rule is")
        offer(self.kind, {kind: words for kind, (words, *_) in KINDS.items()}, "never")
        offer(self.severity, SEVERITIES, "hard")
        self.left, self.right = tick_list("Classes", names), tick_list("Other classes", names)
        self.of_left, self.of_right = label("", "muted"), label("", "muted")
        self.others = QWidget()
        self.said, self.wrong = label("", "heading", wrap=True), label("", "error", wrap=True)
        self.wrong.hide()
        self.ok = QPushButton("Add rule")
        self.ok.clicked.connect(self.accept)
        self._lay_out()
        self.kind.currentIndexChanged.connect(self._say)
        self.left.itemChanged.connect(self._say)
        self.right.itemChanged.connect(self._say)
        self._say()

    def _lay_out(self) -> None:
        both = QWidget()
        lists = QHBoxLayout(both)
        lists.setContentsMargins(0, 0, 0, 0)
        for column, about, box in (
            (QWidget(), self.of_left, self.left),
            (self.others, self.of_right, self.right),
        ):
            inside = QVBoxLayout(column)
            inside.setContentsMargins(0, 0, 0, 0)
            inside.addWidget(about)
            inside.addWidget(box, 1)
            lists.addWidget(column, 1)
        kind, severity = form(("Kind", self.kind)), form(("The rule is", self.severity))
        last = self.said, self.wrong, foot(self, self.ok, "Cancel")
        page(self, self.windowTitle(), kind, both, severity, *last, wide=both)

    def rule(self) -> Rule:
        """What the form says."""
        kind = cast(Kind, self.kind.currentData())
        right = ticks(self.right) if KINDS[kind][2] else ()
        return Rule(kind, self.severity.currentData(), ticks(self.left), right, text="")

    def _say(self) -> None:
        rule = self.rule()
        _, of_left, of_right = KINDS[rule.kind]
        self.of_left.setText(of_left)
        self.of_right.setText(of_right)
        self.others.setVisible(bool(of_right))
        self.ok.setEnabled(rule.says_something)
        self.said.setText(rule.statement if rule.says_something else "")
        self.wrong.hide()

    def accept(self) -> None:
        """Add the rule; where it is refused the form stays, with the reason."""
        wrong = self._make(self.rule())
        self.wrong.setText(wrong)
        self.wrong.setVisible(bool(wrong))
        if not wrong:
            super().accept()
