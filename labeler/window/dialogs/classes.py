"""The classes and rules of the project, to be changed while all labels are kept.

Every change is stored at once, told in the list of changes, and can be taken back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PyQt6.QtCore import QItemSelectionModel, Qt
from PyQt6.QtGui import QColor, QIcon, QPixmap
from PyQt6.QtWidgets import (
    QColorDialog,
    QComboBox,
    QDialog,
    QHBoxLayout,
    QInputDialog,
    QLineEdit,
    QListWidget,
    QMessageBox,
    QPlainTextEdit,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from labeler.project import classes
from labeler.project.store.classing import in_effect
from labeler.session.selection import ASK_ABOVE
from labeler.session.session import Session
from labeler.window.dialogs.rule_form import SEVERITIES, RuleForm
from labeler.window.widgets.fields import ListField, offer, tick_list, ticks
from labeler.window.widgets.manual import question_mark
from labeler.window.widgets.parts import (
    beside,
    foot,
    form,
    label,
    page,
    press_by_enter,
    set_role,
    when,
)
from labeler.window.widgets.tables import text_table
from model.errors import InputError, counted
from model.taxonomy.colours import BLUE, GREEN, ORANGE, PURPLE, SKY_BLUE, VERMILION, YELLOW
from model.taxonomy.edits import ClassEntry, bonds
from model.taxonomy.taxonomy import Class, Taxonomy

COLOURS = (
    ("Blue", BLUE), ("Orange", ORANGE), ("Green", GREEN), ("Purple", PURPLE),
    ("Sky blue", SKY_BLUE), ("Vermilion", VERMILION), ("Yellow", YELLOW), ("Grey", "#999999"),
)  # fmt: skip
OF_RULES = ("Hard", "Soft", "Remove rule")
RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class ClassesDialog(QDialog):
    """Lists classes, rules and changes of the session's project; buttons change them."""

    def __init__(
        self,
        session: Session,
        parent: QWidget | None = None,
        meaning: Callable[[str], str] = lambda key: "",
    ) -> None:
        super().__init__(parent)
        self.session, self._meaning = session, meaning
        self.setWindowTitle("Classes and rules")
        self.resize(820, 720)
        self.classes = text_table("Classes", ("Class", "Key", "Under", "Shots", ""))
        self.rules = text_table("Rules", ("Rule", "Severity"))
        self.past = text_table("Changes", ("Change", "Who", "When"))
        self.buttons: dict[str, QPushButton] = {}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 14, 16, 14)
        layout.setSpacing(8)
        words = "A label never changes its meaning: renamed classes keep theirs, retired ones stay"
        words = f"{words} on the shots that carry them. Shots are counted by everybody's labels."
        layout.addWidget(label(words, "muted", wrap=True))
        layout.addWidget(self.classes, 5)
        layout.addLayout(
            self._row(
                ("Add…", self.add),
                ("Edit…", self.edit),
                ("Merge into…", self.merge),
                ("Retire", self.retire),
            )
        )
        layout.addWidget(label("Rules", "heading"))
        layout.addWidget(self.rules, 3)
        layout.addLayout(
            self._row(
                ("Add rule…", self.add_rule),
                ("Hard", lambda: self._rule("hard")),
                ("Soft", lambda: self._rule("soft")),
                ("Remove rule", lambda: self._rule("off")),
            )
        )
        layout.addWidget(label("Changes so far", "heading"))
        layout.addWidget(self.past, 2)
        foot = self._row(("Undo the last change", self.undo))
        foot.insertWidget(0, question_mark())
        close = QPushButton("Close")
        press_by_enter(close)
        close.clicked.connect(self.accept)
        foot.addWidget(close)
        layout.addLayout(foot)
        for table in (self.classes, self.rules):
            table.itemSelectionChanged.connect(self._enable)
        self.classes.itemActivated.connect(lambda *_: self.edit())
        self.refresh()

    def _row(self, *buttons: tuple[str, Callable[[], None]]) -> QHBoxLayout:
        row = QHBoxLayout()
        for text, press in buttons:
            button = QPushButton(text)
            press_by_enter(button)
            button.clicked.connect(lambda _, press=press: press())
            self.buttons[text] = button
            row.addWidget(button)
        row.addStretch(1)
        return row

    def refresh(self) -> None:
        """Read everything again; what was chosen stays so, and the keys stay where they were."""
        tables = (self.classes, self.rules, self.past)
        chosen = [_chosen_in(table) for table in tables]
        keys = self.focusWidget()
        for table in tables:
            table.blockSignals(True)
            table.clear()
        self._fill()
        for table, before in zip(tables, chosen, strict=True):
            _choose_again(table, before)
            table.blockSignals(False)
        self._enable()
        if keys is not None and not keys.isEnabled():
            near = self.rules if keys in [self.buttons[name] for name in OF_RULES] else self.classes
            near.setFocus()

    def _fill(self) -> None:
        project = self.session.require().project
        for place in project.taxonomy.order:
            c = project.taxonomy.classes[place]
            state = f"retired {c.retired}" if c.retired else ""
            state = state or (f"was {c.was.replace(';', ', ')}" if c.was else "")
            shots = f"{classes.shots_with(project, c.name):,}"
            item = QTreeWidgetItem([c.name, c.key, c.parent, shots, state])
            for column in range(item.columnCount()):
                said = item.text(column) or "none"  # a screen reader stands on an empty cell, too
                item.setData(column, Qt.ItemDataRole.AccessibleTextRole, said)
            item.setData(0, Qt.ItemDataRole.UserRole, place)
            item.setTextAlignment(3, RIGHT)
            item.setToolTip(0, f"{c.name}\n{c.help}".strip())
            item.setDisabled(bool(c.retired))
            self.classes.addTopLevelItem(item)
        for rule in project.taxonomy.rules:
            item = QTreeWidgetItem([rule.statement, rule.severity])
            item.setData(0, Qt.ItemDataRole.UserRole, rule.statement)
            self.rules.addTopLevelItem(item)
        changes = classes.changes(project)
        for change in reversed(changes):
            text = change.text[:1].upper() + change.text[1:]
            item = QTreeWidgetItem([text, change.annotator, when(change.time.timestamp())])
            item.setToolTip(2, f"{change.time.astimezone():%A %d %B %Y %H:%M:%S}")
            self.past.addTopLevelItem(item)
        left = in_effect(changes)
        self.buttons["Undo the last change"].setToolTip(left[-1].text if left else "")
        self._may_undo = bool(left) and not project.store.read_only

    def _enable(self) -> None:
        self.buttons["Undo the last change"].setEnabled(self._may_undo)
        writable = not self.session.require().project.store.read_only
        for name in ("Add…", "Add rule…"):
            self.buttons[name].setEnabled(writable)
        for name in ("Edit…", "Merge into…", "Retire"):
            self.buttons[name].setEnabled(writable and bool(self.classes.selectedItems()))
        for name in OF_RULES:
            self.buttons[name].setEnabled(writable and bool(self.rules.selectedItems()))

    # -- changing ------------------------------------------------------------------------------

    def change(self, verb: Callable[..., str], *words: Any) -> None:
        """Make a change; a refusal is said in a note and changes nothing."""
        error = self._made(verb, *words)
        if error:
            self.session.noted.emit("error", error)
            QMessageBox.information(self, "Classes and rules", error)

    def _made(self, verb: Callable[..., str], *words: Any) -> str:
        """Why a change was refused, '' where it was made."""
        try:
            self.session.change_classes(verb, *words)
        except (InputError, OSError) as error:
            return str(error)
        finally:
            self.refresh()
        return ""

    def _chosen(self) -> str:
        return self.classes.selectedItems()[0].text(0)

    def form(self, name: str = "") -> ClassForm:
        """The form of a class, or of a new one; it stays open until its change was made."""
        taxonomy = self.session.require().project.taxonomy
        return ClassForm(
            taxonomy, name, lambda entry: self._made(classes.put, name, entry), self._meaning, self
        )

    def add(self) -> None:
        """Ask for everything about a new class."""
        self.form().exec()

    def edit(self) -> None:
        """Change anything about the chosen class."""
        if self.classes.selectedItems() and self.buttons["Edit…"].isEnabled():
            self.form(self._chosen()).exec()

    def merge(self) -> None:
        """Ask into which class the chosen one goes, and before many shots change."""
        gone, project = self._chosen(), self.session.require().project
        others = [n for n in project.taxonomy.offered.names_in_order if n != gone]
        question = f"Every label {gone} becomes"
        into, sure = QInputDialog.getItem(self, self.windowTitle(), question, others, 0, False)
        if not sure:
            return
        n = classes.shots_with(project, gone)
        if n > ASK_ABOVE:
            text = f"This changes the labels of {counted(n, 'shot')}. It can be undone."
            if QMessageBox.question(self, "Merge classes", text) != _YES:
                return
        self.change(classes.merge, gone, into)

    def retire(self) -> None:
        """Offer the chosen class no more."""
        self.change(classes.retire, self._chosen())

    def undo(self) -> None:
        """Take the last change back."""
        self.change(classes.undo)

    def rule_form(self) -> RuleForm:
        """The form of a new rule; it stays open until the rule was added."""
        offered = self.session.require().project.taxonomy.offered
        return RuleForm(
            offered.names_in_order, lambda rule: self._made(classes.add_rule, rule), self
        )

    def add_rule(self) -> None:
        """Ask for a new rule."""
        self.rule_form().exec()

    def _rule(self, severity: str) -> None:
        number = self.rules.indexOfTopLevelItem(self.rules.selectedItems()[0]) + 1
        self.change(classes.set_rule, number, severity)


def _chosen_in(table: QTreeWidget) -> tuple[Any, int] | None:
    """What the chosen line of a table is about, and its place; None where none is chosen."""
    chosen = table.selectedItems()
    if not chosen:
        return None
    return chosen[0].data(0, Qt.ItemDataRole.UserRole), table.indexOfTopLevelItem(chosen[0])


def _choose_again(table: QTreeWidget, before: tuple[Any, int] | None) -> None:
    """Choose the line about the same; where that may be chosen no more, none, but go beside it."""
    if before is None:
        return
    about, place = before
    lines = [table.topLevelItem(k) for k in range(table.topLevelItemCount())]
    able = [(k, line) for k, line in enumerate(lines) if line is not None and not line.isDisabled()]
    same = [line for _, line in able if line.data(0, Qt.ItemDataRole.UserRole) == about]
    if same and about is not None:
        table.setCurrentItem(same[0])
    elif able:
        near = min(able, key=lambda found: (abs(found[0] - place), -found[0]))[1]
        table.setCurrentItem(near, 0, QItemSelectionModel.SelectionFlag.NoUpdate)


class ClassForm(QDialog):
    """Everything about one class at once: name, key, parent, colour, help, what it implies and
    excludes. `make(entry)` answers why it cannot be so, '' where it was done; `meaning(key)` says
    which command a key runs now, '' for none."""

    def __init__(
        self,
        taxonomy: Taxonomy,
        name: str,
        make: Callable[[ClassEntry], str],
        meaning: Callable[[str], str] = lambda key: "",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.taxonomy, self.old, self._make, self._meaning = taxonomy, name, make, meaning
        kind = next((c for c in taxonomy.classes if c.name == name), Class("?"))
        self.setWindowTitle(f"Edit {name}" if name else "New class")
        self.resize(560, 700)
        others = [n for n in taxonomy.offered.names_in_order if n != name]
        bound = bonds(taxonomy, name)
        self.name, self.key = QLineEdit(name), QLineEdit(kind.key)
        self.key.setMaxLength(1)
        self.key.setMaximumWidth(60)
        self.name.setAccessibleName("Name")
        self.key.setAccessibleName("Key")
        self.key_about = label("", "muted", wrap=True)
        self.parent_class = ListField("Parent")
        self.parent_class.addItems(["none", *others])
        self._others = others
        if kind.parent in others:
            self.parent_class.setCurrentIndex(others.index(kind.parent) + 1)
        self.colour = self._colours(kind.colour if name else _unused_colour(taxonomy))
        self.help = QPlainTextEdit(kind.help)
        self.help.setAccessibleName("Help")
        self.help.setTabChangesFocus(True)
        self.help.setMaximumHeight(62)
        self.help.setPlaceholderText("What one sees on such a shot")
        self.implies = self._list("Implies", bound.implies, {})
        self.excludes = self._list("Excludes", bound.excludes, bound.wider)
        self.severity = ListField("New rules are")
        offer(self.severity, SEVERITIES, "hard")
        self.wrong = label("", "error", wrap=True)
        self.wrong.hide()
        self.ok = QPushButton("OK")
        self.ok.clicked.connect(self.accept)
        self._lay_out()
        self.key.textChanged.connect(self._say_key)
        self.parent_class.activated.connect(self._imply_parent)
        self._say_key()

    def _lay_out(self) -> None:
        fields = form(
            ("Name", self.name),
            ("Key", beside(self.key, self.key_about)),
            ("Parent", self.parent_class),
            ("Colour", self.colour),
            ("Help", self.help),
        )
        both = QWidget()
        lists = QHBoxLayout(both)
        lists.setContentsMargins(0, 0, 0, 0)
        for title, widget in (("Implies", self.implies), ("Excludes", self.excludes)):
            column = QVBoxLayout()
            column.addWidget(label(title, "muted"))
            column.addWidget(widget, 1)
            lists.addLayout(column, 1)
        rules = form(("New rules are", self.severity))
        last = self.wrong, foot(self, self.ok, "Cancel")
        page(self, self.windowTitle(), fields, both, rules, *last, wide=both)

    def _colours(self, colour: str) -> QComboBox:
        box = ListField("Colour")
        shipped = list(COLOURS)
        if colour.upper() not in [value.upper() for _, value in shipped]:
            shipped.insert(0, (colour, colour))
        for text, value in shipped:
            box.addItem(_swatch(value), text, value)
        box.addItem("Other…", "")
        place = [value.upper() for _, value in shipped].index(colour.upper())
        box.setCurrentIndex(place)
        self._chosen_colour = str(box.currentData())
        box.activated.connect(self._other_colour)
        return box

    def _other_colour(self) -> None:
        if self.colour.currentData():
            self._chosen_colour = str(self.colour.currentData())
            return
        option = QColorDialog.ColorDialogOption.DontUseNativeDialog
        before = QColor(self._chosen_colour)
        chosen = QColorDialog.getColor(before, self, "Colour", option)
        if chosen.isValid():
            self._chosen_colour = chosen.name()
        if self.colour.findData(self._chosen_colour) < 0:
            self.colour.insertItem(0, _swatch(chosen.name()), chosen.name(), chosen.name())
        self.colour.setCurrentIndex(self.colour.findData(self._chosen_colour))

    def _list(self, title: str, chosen: tuple[str, ...], wider: dict[str, str]) -> QListWidget:
        box = tick_list(title, self._others, chosen)
        for place, name in enumerate(self._others):
            item = box.item(place)
            if item is not None and name in wider:
                item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEnabled)
                tip = f"{name}\nBy the rule “{wider[name]}”, which is about more classes than these"
                item.setToolTip(tip)
        return box

    def _say_key(self) -> None:
        """Who has the key now."""
        key, said = self.key.text().strip().upper(), ""
        for c in self.taxonomy.classes:
            if key and c.key.upper() == key and c.name != self.old:
                said = f"is the key of {c.name}"
        command = self._meaning(key) if key and not said else ""
        if command not in ("", self.old):
            said = f"means “{command}” now; the class takes the key"
        self.key_about.setText(said)
        set_role(self.key_about, "warning" if said else "muted")

    def _imply_parent(self, place: int) -> None:
        """A subclass implies its parent, unless someone takes that off again."""
        if place:
            item = self.implies.item(place - 1)
            if item is not None:
                item.setCheckState(Qt.CheckState.Checked)

    def entry(self) -> ClassEntry:
        """What the form says."""
        place = self.parent_class.currentIndex()
        return ClassEntry(
            name=" ".join(self.name.text().split()),
            key=self.key.text().strip(),
            parent=self._others[place - 1] if place > 0 else "",
            colour=str(self.colour.currentData()),
            help=" ".join(self.help.toPlainText().split()),
            implies=ticks(self.implies),
            excludes=ticks(self.excludes),
            severity=self.severity.currentData(),
        )

    def accept(self) -> None:
        """Make the change; where it is refused the form stays, with the reason."""
        wrong = self._make(self.entry())
        self.wrong.setText(wrong)
        self.wrong.setVisible(bool(wrong))
        if not wrong:
            super().accept()


def _swatch(colour: str) -> QIcon:
    picture = QPixmap(16, 16)
    picture.fill(QColor(colour))
    return QIcon(picture)


def _unused_colour(taxonomy: Taxonomy) -> str:
    used = {c.colour.upper() for c in taxonomy.classes}
    return next((value for _, value in COLOURS if value not in used), COLOURS[-1][1])


_YES = QMessageBox.StandardButton.Yes


def show_classes(session: Session, window: QWidget, meaning: Callable[[str], str]) -> None:
    """Let the person change the classes of the open project; `meaning` of a key is what it does."""
    if session.opened is None:
        return
    dialog = ClassesDialog(session, window, meaning)
    dialog.exec()
    dialog.deleteLater()
