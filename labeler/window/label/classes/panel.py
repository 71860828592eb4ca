"""The class panel: every class in its hierarchy, what is decided, what the model says, rules.

Shows the session and asks it for changes; it keeps no labels of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QCheckBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from labeler.session.session import Session
from labeler.window.label.classes.prediction_line import PredictionLine
from labeler.window.label.classes.row import ClassRow, RowState
from labeler.window.label.classes.shot_card import ShotCard
from labeler.window.widgets import theme
from labeler.window.widgets.parts import empty, show_checked
from model.errors import counted

ROOM_FOR_RULES = 140
WHOLE_SET = (
    "Outlined is the one label set within the rules that scores best as a whole: a rare class may "
    "be in it below .50, a frequent one left out above."
)
NO_CLASS = -1
"""Place of the rules that name no class that is present."""


class ClassPanel(QWidget):
    """Rows of classes, under each the rules that it breaks, and the card of the shot below."""

    spoken = pyqtSignal(str)
    """The shot on screen and what holds for it, in one line: what a screen reader says."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.setObjectName("side")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAccessibleName("Classes")
        self.rows: dict[int, ClassRow] = {}
        self._fix_key = ""
        self.rules: dict[int, RuleMessages] = {}
        """Broken rules under the row of each class; under the last one, NO_CLASS, those of none."""
        self._inner = QWidget()
        self._list = QVBoxLayout(self._inner)
        self._list.setContentsMargins(4, 6, 4, 6)
        self._list.setSpacing(0)
        area = QScrollArea()
        area.setWidget(self._inner)
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.card = ShotCard(session)
        self.prediction_line = PredictionLine(session)
        self.switch = SuggestionsSwitch(session)
        self._area = area
        self.buttons: QWidget | None = None
        layout = self._column = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        head = QHBoxLayout()
        head.setContentsMargins(12, 0, 0, 0)
        head.setSpacing(0)
        head.addWidget(self.switch)
        head.addWidget(self.prediction_line, 1)
        layout.addLayout(head)
        layout.addWidget(area, 1)
        layout.addWidget(self.card)
        session.project_changed.connect(self.rebuild)
        session.labels.shown_classes_changed.connect(self.rebuild)
        for signal in (session.cursor.shot_changed, session.labels.labels_changed):
            signal.connect(lambda _: self.refresh())
        for signal in (
            session.predictions.run_changed,
            session.heat.heat_changed,
            session.predictions.instant_changed,
        ):
            signal.connect(self.refresh)
        self.rebuild()

    def rebuild(self) -> None:
        """Make the rows of the project's taxonomy."""
        empty(self._list)
        self.rows, self.rules = {}, {}
        taxonomy, offered = self.session.labels.taxonomy, self.session.labels.shown_classes
        for group in taxonomy.groups:
            if self.rows:
                self._list.addSpacing(9)
            for index in group:
                if index in offered:
                    self._add(index, bool(taxonomy.classes[index].parent))
        self._add_messages(NO_CLASS)
        self._list.addStretch(1)
        self.resizeEvent(None)
        self.refresh()

    def _add(self, index: int, indent: bool) -> None:
        kind = self.session.labels.taxonomy.classes[index]
        row = ClassRow(kind, indent, self._inner)
        row.clicked.connect(lambda: self.session.labelling.toggle(index))
        row.eye_clicked.connect(lambda: self.session.heat.show(index))
        row.hovered.connect(self.card.explain)
        self.rows[index] = row
        self._list.addWidget(row)
        self._add_messages(index)

    def _add_messages(self, place: int) -> None:
        self.rules[place] = RuleMessages(self.session, self._inner)
        self._list.addWidget(self.rules[place])

    def resizeEvent(self, event: object) -> None:
        """Spread the rows over the room, leaving some for two rule messages."""
        self.card.fit(self.height())
        taken = sum(
            w.height() for w in (self.card, self.prediction_line, self.buttons) if w is not None
        )
        room = self.height() - taken - ROOM_FOR_RULES
        for row in self.rows.values():
            row.set_height(room // max(len(self.rows), 1))

    def add_buttons(self, buttons: QWidget) -> None:
        """A row of buttons above the card of the shot."""
        self.buttons = buttons
        self._column.insertWidget(self._column.indexOf(self.card), buttons)

    def show_keys(self, keys: Mapping[str, str]) -> None:
        """Write the keys in use on the rows and on the fix of a broken rule."""
        self._fix_key = keys.get("fix", "")
        self.card.accept_key = keys.get("accept", "")
        self.card.refresh()
        self._show_rules()
        for row in self.rows.values():
            row.key = keys.get(f"class.{row.kind.name}", "")
            about = (row.kind.name, row.kind.help, row.key and f"Key {row.key}")
            row.setToolTip("\n".join(part for part in about if part))
            row.update()

    def refresh(self) -> None:
        """Show what holds for the shot on screen."""
        found = standings(self.session)
        for index, row in self.rows.items():
            row.stand(found[index])
        broken = self._show_rules()
        self.card.refresh()
        self.switch.refresh()
        self.spoken.emit(self._in_words(found, broken))

    def _in_words(self, found: list[RowState], broken: list[str]) -> str:
        """The shot on screen, its classes, rules that it breaks, and what the card says."""
        if self.session.cursor.row < 0:
            return ""
        marks: dict[str, list[str]] = {"present": [], "implied": [], "suggested": []}
        for name, state in zip(self.session.labels.taxonomy.names, found, strict=True):
            marks.get("suggested" if state.suggested else state.mark, []).append(name)
        parts = [f"{', '.join(n)} {m}".removesuffix(" present") for m, n in marks.items() if n]
        if not parts and self.session.labelling.is_decided():
            parts = ["no class"]
        said = ": ".join(filter(None, (f"Shot {self.session.cursor.row + 1:,}", "; ".join(parts))))
        more = (*broken, self.session.labels.reported, *self.card.lines)
        return ". ".join(filter(None, (said, *more)))

    def apply_theme(self) -> None:
        """Take the colours of the theme in use."""
        for row in self.rows.values():
            row.apply_theme()
        for messages in self.rules.values():
            messages.show_rules(())
        self._show_rules()

    def _show_rules(self) -> list[str]:
        """Each broken rule under its class; with many classes, the first where it can be seen.

        Gives the texts of the rules.
        """
        broken = broken_rules(self.session, list(self.rows))
        for place, messages in self.rules.items():
            rules = tuple((r, fix) for p, r, fix in broken if p == place)
            messages.show_rules(rules, self._fix_key)
        if broken:
            self._list.activate()
            offered = next((b for b in broken if b[2]), broken[0])
            self._area.ensureWidgetVisible(self.rules[offered[0]], 0, 8)
        return [self.session.labels.taxonomy.rules[r].text for _, r, _ in broken]


class SuggestionsSwitch(QCheckBox):
    """Whether undecided shots show what the model suggests; says why none are shown."""

    def __init__(self, session: Session) -> None:
        super().__init__("Suggestions")
        self.suggestions = session.suggestions
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.refresh()
        self.toggled.connect(self.suggestions.turn)  # by mouse, by key, and by a screen reader

    def refresh(self) -> None:
        """Show the state and, where it is on and there are none yet, what is missing."""
        show_checked(self, self.suggestions.on)
        tip = "Outlined classes on undecided shots. Accept takes all of them; a key decides alone."
        tip += f"\n{WHOLE_SET}"
        missing = self.suggestions.enough - self.suggestions.labelled
        if self.suggestions.on and missing > 0:
            are = "is" if missing == 1 else "are"
            tip = f"Suggestions begin when {counted(missing, 'more shot')} {are} labelled."
        self.setToolTip(tip)
        self.setAccessibleDescription(tip)


class RuleMessages(QFrame):
    """Rules that a shot's labels break, in words, the first one with its fix and the key of it."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.setAccessibleName("Broken rules")
        self._shown: tuple[tuple[tuple[int, str], ...], str] = (), ""
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(10, 3, 10, 6)
        self._layout.setSpacing(6)
        self.hide()

    def show_rules(self, rules: tuple[tuple[int, str], ...], key: str = "") -> None:
        """Show (rule, fix in words or '') each, `key` of the fix; nothing where there are none."""
        if (rules, key) == self._shown:
            return
        self._shown = rules, key
        empty(self._layout)
        for r, fix in rules:
            self._layout.addWidget(self._message(r, fix, f"({key})" if key else ""))
        self.setVisible(bool(rules))

    def _message(self, r: int, fix: str, key: str) -> QWidget:
        rule = self.session.labels.taxonomy.rules[r]
        hard = rule.severity == "hard"
        card = QFrame()
        card.setObjectName("card")
        line = QHBoxLayout(card)
        line.setContentsMargins(9, 7, 7, 7)
        line.setSpacing(8)
        sign = QLabel()
        sign.setPixmap(
            theme.icon("error" if hard else "warning", "error" if hard else "warning").pixmap(18)
        )
        sign.setFixedSize(18, 18)
        line.addWidget(sign, 0, Qt.AlignmentFlag.AlignTop)
        text = rule.text[:1].upper() + rule.text[1:]
        words = QLabel(f"Contradiction: {rule.text}" if hard else text)
        words.setWordWrap(True)
        words.setAccessibleName(f"{'Error' if hard else 'Warning'}: {rule.text}")
        column = QVBoxLayout()
        column.setSpacing(2)
        column.addWidget(words)
        if fix:
            button = QToolButton()
            button.setProperty("role", "link")
            button.setText(theme.shown(f"{fix[:1].upper()}{fix[1:]}  {key}".rstrip()))
            button.setToolTip(f"Apply this fix {key}".rstrip())
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.clicked.connect(self.session.labelling.fix)
            column.addWidget(button, 0, Qt.AlignmentFlag.AlignLeft)
        line.addLayout(column, 1)
        return card


def broken_rules(session: Session, shown: Sequence[int]) -> list[tuple[int, int, str]]:
    """(class, rule, its fix in words or '') of the rules that the shot on screen breaks, hard ones
    first; the class is the last, in the panel's order `shown`, of those present in the rule."""
    if session.cursor.row < 0 or not session.labelling.is_decided():
        return []
    taxonomy, labels = session.labels.taxonomy, session.labelling.shown_labels()
    broken = np.flatnonzero(taxonomy.violations(labels, session.labelling.known()))
    offered = session.labelling.offered_fix()
    first = None if offered is None else offered[0]
    found = []
    for r in sorted(broken.tolist(), key=lambda r: (not taxonomy.hard[r], r != first)):
        rule = taxonomy.rules[r]
        named = taxonomy.mask((*rule.left, *rule.right)) & labels
        place = next((c for c in reversed(shown) if named[c]), NO_CLASS)
        found.append((place, r, offered[1].text if offered is not None and r == first else ""))
    return found


def standings(session: Session) -> list[RowState]:
    """What each class's row shows for the shot on screen."""
    n = len(session.labels.taxonomy)
    if session.cursor.row < 0:
        return [RowState()] * n
    labels, decided = session.labelling.shown_labels(), session.labelling.is_decided()
    implied, known = session.labels.taxonomy.implied(labels), session.labelling.known()
    suggestion = session.suggestions.of()
    predictions = None if session.suggestions.is_hidden() else session.predictions.now
    read = None if predictions is None else predictions.probabilities[session.cursor.row]
    learnt = [False] * n if predictions is None else predictions.known
    found = []
    for c in range(n):
        mark = "undecided"
        if decided and known[c]:
            mark = "implied" if implied[c] else "present" if labels[c] else "absent"
        suggested = suggestion is not None and bool(suggestion[c])
        heat = session.heat.on and session.heat.class_index == c
        probability = float(read[c]) if read is not None and learnt[c] else None
        maps = session.predictions.run is not None
        found.append(RowState(mark, suggested, probability, heat, maps))
    return found
