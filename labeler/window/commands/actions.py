"""The table of commands as Qt actions: menus, shortcuts, tooltips, and when they are enabled.

Single keys never fire while someone writes text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from PyQt6.QtCore import QEvent, QObject, Qt, pyqtSignal
from PyQt6.QtGui import QAction, QKeyEvent, QKeySequence, QMouseEvent
from PyQt6.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDialog,
    QHBoxLayout,
    QLineEdit,
    QMenu,
    QMessageBox,
    QPlainTextEdit,
    QSizePolicy,
    QTextEdit,
    QToolButton,
    QWidget,
)

from labeler.window.commands import COMMANDS, MENUS, Command, Keymap, When, of_classes
from labeler.window.commands.command import Window
from labeler.window.commands.keymap import meant
from labeler.window.commands.keys import all_spoken, spoken
from labeler.window.widgets import theme
from labeler.window.widgets.manual import about, open_manual, quoted
from model.taxonomy.taxonomy import Taxonomy

ON_SHOTS = (
    ("next", "previous", "next_undecided"),
    ("accept", "accept_all", "fix", "skip", "flag", "unflag"),
    ("select_all", "select_others"),
    ("undo", "redo"),
    ("pin", "copy_image", "copy_number", "history"),
)
"""Commands of the menu at a right click, by groups."""
BUTTONS = {"undo": "Undo", "unflag": "Flag", "accept": "Accept", "next": "Next"}
"""Commands with a button beside the classes, and what is written on it."""
SIDE_BUTTONS = {
    Qt.MouseButton.ForwardButton: "next",
    Qt.MouseButton.BackButton: "previous",
    Qt.MouseButton.MiddleButton: "accept",
    Qt.MouseButton.ExtraButton3: "undo",
    Qt.MouseButton.ExtraButton4: "unflag",
}
"""What further buttons of a mouse do; the middle one only on the pattern, else it pastes."""
WRITING = (QLineEdit, QPlainTextEdit, QTextEdit, QAbstractSpinBox)


class Actions(QObject):
    """One QAction for each command; `by_id` for the views, `keymap` for who changes keys."""

    ran = pyqtSignal()
    """A command was run; what it switched may have to be kept."""

    def __init__(
        self, window: Window, widget: QWidget, own_keys: Mapping[str, Sequence[str]]
    ) -> None:
        """`widget` is the same window as Qt sees it: it has the actions and their keys."""
        super().__init__(widget)
        self.window, self._widget = window, widget
        self.own_keys: dict[str, Sequence[str]] = dict(own_keys)
        self.by_id: dict[str, QAction] = {}
        self._dropping = False
        self.keymap = Keymap(COMMANDS, self.own_keys)
        for command in COMMANDS:
            self._make(command)
        self._bind()
        application = QApplication.instance()
        assert application is not None
        application.installEventFilter(self)

    def release(self) -> None:
        """Stop listening to the application's keys."""
        application = QApplication.instance()
        if application is not None:
            application.removeEventFilter(self)

    def take_classes(self, taxonomy: Taxonomy, shown: Sequence[int] = ()) -> None:
        """Offer the classes of a project's taxonomy instead of the earlier ones; see
        `of_classes`."""
        for id in [i for i in self.by_id if i.startswith("class.")]:
            action = self.by_id.pop(id)
            self._widget.removeAction(action)
            action.deleteLater()
        classes = of_classes(taxonomy, shown)
        self.keymap = Keymap([*COMMANDS, *classes], self.own_keys)
        for command in classes:
            self._make(command)
        self._bind()

    def take_keys(self, own_keys: Mapping[str, Sequence[str]]) -> None:
        """Use keys of a person's own instead of the earlier ones."""
        self.own_keys = dict(own_keys)
        self.keymap.reset(self.own_keys)
        self._bind()

    def rebound(self) -> None:
        """The keymap was changed: use it, and keep what differs from the shipped keys."""
        self.own_keys = dict(self.keymap.own())
        self._bind()

    def refresh(self) -> None:
        """Enable what makes sense now; show the state of switches."""
        allowed = self._allowed()
        for id, action in self.by_id.items():
            command = self.keymap.commands[id]
            applies = command.applies
            can = allowed[command.when] and (applies is None or applies(self.window))
            action.setEnabled(can)
            if command.state is not None:
                action.setChecked(bool(command.state(self.window)))

    def _allowed(self) -> dict[When, bool]:
        """Which kinds of commands make sense now."""
        session, selection = self.window.session, self.window.selection
        opened = session.opened is not None
        in_label = opened and self.window.tab == "Label" and session.cursor.row >= 0
        return {
            "always": True,
            "project": opened,
            "shot": in_label,
            "model": in_label and session.predictions.run is not None,
            "shots": in_label if selection is None else opened and selection.ready,
            "many": opened and selection is not None,
        }

    def trigger(self, id: str) -> None:
        """Run a command if it makes sense now."""
        self.by_id[id].trigger()

    def fill(self, menu: QMenu) -> None:
        """All commands, one submenu for each group."""
        menu.clear()
        for name in MENUS:
            inner = menu.addMenu(name)
            assert inner is not None
            for command in self.keymap.commands.values():
                if command.menu == name and not command.id.startswith("class."):
                    inner.addAction(self.by_id[command.id])

    def offer_on(self, view: QWidget) -> None:
        """A right click anywhere in a view offers what can be done with its shots."""
        view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        view.customContextMenuRequested.connect(
            lambda place: self.context_menu(view).popup(view.mapToGlobal(place))
        )

    def buttons(self) -> QWidget:
        """A row of buttons for what is done with every shot, for a hand that is on the mouse."""
        row = QWidget()
        line = QHBoxLayout(row)
        line.setContentsMargins(10, 5, 10, 5)
        line.setSpacing(4)
        for id, text in BUTTONS.items():
            button = QToolButton()
            button.setDefaultAction(self.by_id[id])
            button.setText(text)
            button.setAccessibleName(self.by_id[id].text())
            button.setProperty("role", "field")
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.setStyleSheet("padding: 3px 1px;")
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
            self.by_id[id].changed.connect(partial(button.setText, text))
            line.addWidget(button, 1)
        return row

    def context_menu(self, view: QWidget) -> QMenu:
        """The commands of ON_SHOTS that make sense now."""
        self.refresh()
        menu = QMenu(view)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for group in ON_SHOTS:
            menu.addActions([self.by_id[id] for id in group if self.by_id[id].isEnabled()])
            menu.addSeparator()
        return menu

    def keys_in_use(self) -> dict[str, str]:
        """The shown key of each command as it is written, by its id; '' where it has none."""
        keymap = self.keymap
        return {id: spoken((keymap.keys(id) or ("",))[0]) for id in keymap.commands}

    def meaning(self, key: str) -> str:
        """The command that a key runs now, '' for none."""
        owner = self.keymap.owner(key)
        return "" if owner is None else owner.text

    def for_palette(self) -> list[tuple[Command, str]]:
        """(command, its keys) of all that make sense now."""
        self.refresh()
        return [
            (c, all_spoken(self.keymap.keys(c.id)))
            for c in self.keymap.commands.values()
            if self.by_id[c.id].isEnabled()
        ]

    def _make(self, command: Command) -> None:
        action = QAction(theme.shown(command.text), self._widget)
        action.setCheckable(command.state is not None)
        action.setAutoRepeat(command.repeats)
        action.triggered.connect(self._runner(command))
        self._widget.addAction(action)
        self.by_id[command.id] = action

    def _runner(self, command: Command) -> Callable[[], None]:
        def run() -> None:
            command.run(self.window)
            self.refresh()
            self.ran.emit()

        return run

    def _bind(self) -> None:
        for id, action in self.by_id.items():
            keys = self.keymap.keys(id)
            action.setShortcuts([QKeySequence(k) for key in keys for k in both_enters(key)])
            text = self.keymap.commands[id].text
            action.setToolTip(f"{text.rstrip('…')} ({spoken(keys[0])})" if keys else text)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Keep plain keys for whoever writes text; drop repeats that come faster than the paint."""
        if isinstance(event, QMouseEvent) and event.type() == QEvent.Type.MouseButtonPress:
            return self._by_side_button(event)
        if not isinstance(event, QKeyEvent):
            return False
        if isinstance(watched, QWidget) and _asks_for_help(event) and _helped(watched.window()):
            return True
        if isinstance(watched, QWidget) and _answers_held(watched, event):
            return True
        if self._by_position(event):
            return True
        if event.type() == QEvent.Type.ShortcutOverride:
            self._dropping = event.isAutoRepeat() and self._behind()
            if self._dropping or (is_writing() and is_plain(event)):
                event.accept()
                return True
        return event.type() == QEvent.Type.KeyPress and self._dropping and event.isAutoRepeat()

    def _by_side_button(self, event: QMouseEvent) -> bool:
        """Forward and back of a mouse go from shot to shot, others decide."""
        id = SIDE_BUTTONS.get(event.button())
        if id is None or not self._in_front():
            return False
        place = QApplication.widgetAt(event.globalPosition().toPoint())
        if id == "accept" and place is not self.window.label.pattern:
            return False
        self.trigger(id)
        return True

    def _by_position(self, event: QKeyEvent) -> bool:
        """Run what the place of a key means where the layout types something without a meaning."""
        kinds = (QEvent.Type.ShortcutOverride, QEvent.Type.KeyPress)
        if event.type() not in kinds or is_writing() or not self._in_front():
            return False
        key = meant(event)
        command = self.keymap.owner(key) if key else None
        typed = self.keymap.owner(event.text()) if event.text().strip() else None
        if command is None or (typed is not None and not command.id.startswith("class.")):
            return False
        if event.type() == QEvent.Type.ShortcutOverride:
            event.accept()  # no shortcut: the key press itself follows
        elif command.repeats or not event.isAutoRepeat():
            self.by_id[command.id].trigger()
        return True

    def _in_front(self) -> bool:
        window = QApplication.activeWindow()
        return window is self._widget and QApplication.activePopupWidget() is None

    def _behind(self) -> bool:
        """Whether the shot of the last key is not on screen yet: a held key plays, never queues."""
        window = self.window
        return not is_writing() and window.tab == "Label" and bool(window.session.cursor.unseen)


def _asks_for_help(event: QKeyEvent) -> bool:
    return event.type() == QEvent.Type.KeyPress and event.key() == Qt.Key.Key_F1


def _answers_held(watched: QWidget, event: QKeyEvent) -> bool:
    """Whether a held Enter, which may have opened this dialog, would press a button of it."""
    enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
    held = event.isAutoRepeat() and event.type() == QEvent.Type.KeyPress
    lines = isinstance(watched, QPlainTextEdit | QTextEdit)
    return held and enter and isinstance(watched.window(), QDialog) and not lines


def _helped(window: QWidget | None) -> bool:
    """Open the manual for a dialog of Qt's, which has no "?": where it quotes a question, else at
    the page about what asked."""
    if not isinstance(window, QDialog) or not type(window).__module__.startswith("PyQt6"):
        return False
    said = quoted(window.text()) if isinstance(window, QMessageBox) else None
    open_manual(window, said or about(window))
    return True


def both_enters(key: str) -> tuple[str, ...]:
    """A key as Qt knows it: Enter is that of the keypad, then the other, which it calls Return."""
    front = key.removesuffix("Enter")
    return (key,) if front == key else (key, f"{front}Return")


def is_writing() -> bool:
    """True while the focus is in a field for text."""
    focus = QApplication.focusWidget()
    if isinstance(focus, QComboBox):
        return focus.isEditable()
    return isinstance(focus, WRITING)


def is_plain(event: QKeyEvent) -> bool:
    """True for a key that could belong to text: no Ctrl, Alt or Meta, and no function key."""
    held = event.modifiers() & ~(
        Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.KeypadModifier
    )
    function = Qt.Key.Key_F1 <= event.key() <= Qt.Key.Key_F35
    return held == Qt.KeyboardModifier.NoModifier and not function
