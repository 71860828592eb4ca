"""The band of one share: when to call an alarm. It judges nothing."""

from __future__ import annotations

from PyQt6.QtWidgets import QHBoxLayout, QSpinBox, QWidget

from labeler.session.background.live import LiveWatch
from labeler.window.widgets import theme
from labeler.window.widgets.parts import label


class BandField(QWidget):
    """Two limits in percent for the share that is chosen; 0 and 100 mean no alarm."""

    def __init__(self, watch: LiveWatch) -> None:
        super().__init__()
        self.watch, self.name = watch, ""
        self.words = label("Alarm outside", "muted")
        self.low, self.high = QSpinBox(), QSpinBox()
        for field, what in ((self.low, "Lower"), (self.high, "Upper")):
            field.setRange(0, 100)
            field.setSuffix(" %")
            field.setFixedWidth(theme.grown(64))
            field.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)
            field.setAccessibleName(f"{what} limit of the band")
            field.setToolTip("0 % and 100 %: no alarm")
            field.editingFinished.connect(self._set)
        self.high.setValue(100)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        row.addWidget(self.words)
        row.addWidget(self.low)
        row.addWidget(label("to"))
        row.addWidget(self.high)

    def show_name(self, name: str) -> None:
        """Show the band of another share, unless its limits are being typed."""
        if name == self.name and (self.low.hasFocus() or self.high.hasFocus()):
            return
        self.name = name
        band = self.watch.bands.get(name)
        self.low.setValue(0 if band is None else round(100 * band.low))
        self.high.setValue(100 if band is None else round(100 * band.high))
        self.setVisible(bool(name))

    def _set(self) -> None:
        low, high = self.low.value(), self.high.value()
        if self.name and low < high:
            self.watch.set_band(self.name, low / 100, high / 100)
