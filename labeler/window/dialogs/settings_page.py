"""Everything that can be set, on one page: shown at once, kept when changed.

Made from the table of settings; what the file says wrongly stands in words under its entry.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, get_args, get_origin

from PyQt6.QtCore import QSize, Qt
from PyQt6.QtWidgets import (
    QCheckBox,
    QDialog,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from labeler.window.settings import SETTINGS, Setting, Settings, Share
from labeler.window.widgets import theme
from labeler.window.widgets.fields import ListField
from labeler.window.widgets.parts import fit_width, foot, label, page, press_by_enter, show_checked
from model.errors import InputError

COLUMNS = (
    ("Window", "Pattern", "Physics", "Heatmap"),
    ("Labelling", "Suggestions", "Batch jobs", "Keys"),
)
NAMES = {
    "asked": "near each class border",
    "random": "at random",
    "margin": "least sure of a class",
    "entropy": "least sure of the label set",
    "contradiction": "near to breaking a rule",
    "rare": "rarest class",
    "diverse": "unlike any labelled shot",
    "badge": "by gradient (BADGE)",
    "change": "largest change of the model",
}
"""Values that are shown by another name."""


class SettingsPage(QDialog):
    """Changes `settings`; `apply` is called after each change and shows it in the window.

    `refused_keys` tells in sentences which of a person's own keys have no use.
    """

    def __init__(
        self,
        settings: Settings,
        refused_keys: Callable[[], list[str]],
        apply: Callable[[], object],
        show_keys: Callable[[], object],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.settings, self._refused_keys = settings, refused_keys
        self._apply, self._show_keys = apply, show_keys
        self.setWindowTitle("Settings")
        self.fields: dict[str, QWidget] = {}
        self.words: dict[str, QLabel] = {}
        self._writers: dict[str, Callable[[], None]] = {}
        held = QWidget()
        columns = QHBoxLayout(held)
        columns.setContentsMargins(0, 0, 12, 0)
        columns.setSpacing(40)
        for parts in COLUMNS:
            column = QVBoxLayout()
            column.setSpacing(6)
            for part in parts:
                self._part(column, part)
            column.addStretch(1)
            columns.addLayout(column, 1)
        area = QScrollArea()
        area.setAccessibleName("All settings")
        area.setWidget(held)
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.trouble = label(role="error", wrap=True)
        self.reset = QPushButton("Reset all to defaults")
        press_by_enter(self.reset)
        self.reset.clicked.connect(self._reset)
        about = label(f"Saved when changed, in {settings.path}", "muted", wrap=True)
        last = foot(self, beside=self.reset)
        page(self, "Settings", about, area, self.trouble, last, wide=area)
        fit_width(self, area, columns, QSize(980, 660))
        self.refresh()

    # -- building --------------------------------------------------------------------------------

    def _part(self, column: QVBoxLayout, part: str) -> None:
        if column.count():
            column.addSpacing(14)
        column.addWidget(label(part, "heading"))
        if part == "Keys":
            self._keys(column)
            return
        grid = QGridLayout()
        grid.setHorizontalSpacing(16)
        grid.setVerticalSpacing(6)
        grid.setColumnStretch(0, 1)
        for setting in SETTINGS:
            if setting.page == part:
                self._row(grid, setting)
        column.addLayout(grid)

    def _row(self, grid: QGridLayout, setting: Setting) -> None:
        field = self._field(setting)
        row = grid.rowCount()
        if isinstance(field, QCheckBox) or setting.id == "physics":
            grid.addWidget(field, row, 0, 1, 2)
        else:
            field.setAccessibleName(setting.text)
            field.setFixedWidth(theme.grown(250))
            grid.addWidget(label(setting.text, wrap=True), row, 0)
            grid.addWidget(field, row, 1)
        self.fields[setting.id] = field
        self._say_below(grid, row + 1, setting.id)

    def _say_below(self, grid: QGridLayout, row: int, id: str) -> None:
        self.words[id] = label(role="error", wrap=True)
        grid.addWidget(self.words[id], row, 0, 1, 2)

    def _field(self, setting: Setting) -> QWidget:
        """What suits the type of a setting's values; how to show its value is kept beside it."""
        id, kind, value = setting.id, setting.kind, partial(self.settings.__getitem__, setting.id)
        change = partial(self._change, id)
        if kind is bool:
            box = QCheckBox(setting.text)
            box.toggled.connect(change)
            self._writers[id] = lambda: box.setChecked(value())
            return box
        if get_origin(kind) is list:
            return self._several(setting)
        if choices := get_args(kind) if not hasattr(kind, "__metadata__") else ():
            combo = ListField()
            for name in choices:
                combo.addItem(NAMES.get(name, name), name)
            combo.activated.connect(lambda n: change(combo.itemData(n)))
            self._writers[id] = lambda: combo.setCurrentIndex(combo.findData(value()))
            return combo
        if kind is Share:
            percent = QSpinBox()
            percent.setRange(0, 100)
            percent.setSuffix(" %")
            percent.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)
            percent.valueChanged.connect(lambda n: change(n / 100))
            self._writers[id] = lambda: percent.setValue(round(100 * value()))
            return percent
        if isinstance(setting.default, int):
            number = QSpinBox()
            number.setRange(0, 4096)
            number.setSpecialValueText("as many as fit")
            number.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)
            number.valueChanged.connect(change)
            self._writers[id] = lambda: number.setValue(value())
            return number
        text = QLineEdit()
        text.setPlaceholderText("this process; or local, slurm, tcp://…")
        text.editingFinished.connect(lambda: change(text.text().strip()))
        self._writers[id] = lambda: text.setText(value())
        return text

    def _several(self, setting: Setting) -> QWidget:
        """A box for each of the names that a list may hold."""
        held = QWidget()
        grid = QGridLayout(held)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(6)
        names = get_args(get_args(setting.kind)[0])
        boxes = {name: QCheckBox(PANE_NAMES.get(name, name)) for name in names}
        for n, box in enumerate(boxes.values()):
            grid.addWidget(box, n // 2, n % 2)
            box.toggled.connect(
                lambda on: self._change(setting.id, [k for k, b in boxes.items() if b.isChecked()])
            )

        def show() -> None:
            for name, box in boxes.items():
                show_checked(box, name in self.settings[setting.id])

        self._writers[setting.id] = show
        return held

    def _keys(self, column: QVBoxLayout) -> None:
        self.open_keys = QPushButton("Change keys…")
        self.reset_keys = QPushButton("Reset keys to defaults")
        for button, press in ((self.open_keys, self._open), (self.reset_keys, self._reset_keys)):
            press_by_enter(button)
            button.clicked.connect(press)
        row = QHBoxLayout()
        row.addWidget(self.open_keys)
        row.addWidget(self.reset_keys)
        row.addStretch(1)
        column.addLayout(row)
        self.words["keys"] = label(role="error", wrap=True)
        column.addWidget(self.words["keys"])

    # -- showing and changing --------------------------------------------------------------------

    def refresh(self) -> None:
        """Show the values in use, and what the file says wrongly under each."""
        for id, write in self._writers.items():
            field = self.fields[id]
            field.blockSignals(True)
            write()
            field.blockSignals(False)
        wrong = dict(self.settings.wrong)
        if "keys" not in wrong:
            wrong["keys"] = " ".join(self._refused_keys())
        for id, words in self.words.items():
            words.setText(wrong.get(id, ""))
            words.setVisible(bool(words.text()))
        others = [text for id, text in wrong.items() if id not in self.words]
        self.trouble.setText(" ".join(others))
        self.trouble.setVisible(bool(others))
        self.reset_keys.setEnabled(bool(self.settings["keys"]))

    def _change(self, id: str, value: Any) -> None:
        try:
            self.settings.set(id, value)
        except InputError as error:
            self.words[id].setText(str(error))
            self.words[id].show()
            return
        self._apply()
        self.refresh()

    def _reset(self) -> None:
        self.settings.reset()
        self._apply()
        self.refresh()

    def _open(self) -> None:
        self._show_keys()
        self.refresh()

    def _reset_keys(self) -> None:
        self.settings.set("keys", {})
        self._apply()
        self.refresh()


PANE_NAMES = {
    "profile": "Radial profile",
    "unwrap": "Polar unwrap",
    "symmetry": "Point symmetry",
    "correlation": "Correlation map",
    "beside": "Beside the pattern, not below",
}
