"""How the pattern is drawn, in one quiet row: norm, colours, levels, mask, heatmap."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QAction
from PyQt6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QSlider,
    QVBoxLayout,
    QWidget,
    QWidgetAction,
)

from labeler.session.heat import Asked
from labeler.session.session import Session
from labeler.window.widgets import theme
from labeler.window.widgets.fields import ChoiceField, MenuField, offer
from labeler.window.widgets.parts import label, show_checked, with_key
from model.heatmaps.forms import BEST, HEAT_FORMS
from model.preprocessing.display import COLORMAPS, COLOUR_BLIND_SAFE, NORMS

MASKED, HEAT = "Masked pixels", "Heatmap of a class"


class PictureBar(QWidget):
    """Asks the session for another look; commands of the window do the same by key."""

    def __init__(self, session: Session, levels: QAction) -> None:
        super().__init__()
        self.session = session
        marks = dict.fromkeys(COLOUR_BLIND_SAFE, "colour-blind safe")
        self.norm = ChoiceField("Norm", NORMS, lambda name: session.display.change(norm=name))
        self.colours = ChoiceField(
            "Colours", COLORMAPS, lambda name: session.display.change(colormap=name), marks
        )
        self.overlay = MenuField("Overlays: mask and heatmap")
        self.norm.setFixedWidth(theme.grown(82))
        self.colours.setFixedWidth(theme.grown(118))
        self.overlay.setFixedWidth(theme.grown(150))
        self.controls = OverlayControls(session)
        action = QWidgetAction(self.overlay.list)
        action.setDefaultWidget(self.controls)
        self.overlay.list.addAction(action)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        for field in (self.norm, self.colours, self.overlay):
            layout.addWidget(field)
        for signal in (
            session.display.display_changed,
            session.heat.heat_changed,
            session.predictions.run_changed,
        ):
            signal.connect(self.refresh)
        session.project_changed.connect(self.refresh)
        self.refresh()

    def show_keys(self, keys: Mapping[str, str]) -> None:
        """Write the keys in use beside what they do."""
        self.norm.setToolTip(with_key("Norm", keys["norm"]))
        self.colours.setToolTip(with_key("Colours", keys["colormap"]))
        self.controls.masked.setText(with_key(MASKED, keys["mask"]))
        self.controls.heat.setText(with_key(HEAT, keys["heat"]))

    def refresh(self) -> None:
        """Show the look in use."""
        session = self.session
        self.norm.setText(session.display.screen.norm)
        self.colours.setText(session.display.screen.colormap)
        shown = session.heat.on and session.heat.class_index is not None
        name = session.labels.taxonomy.names[session.heat.class_index or 0] if shown else "Overlays"
        text = self.overlay.fontMetrics().elidedText(
            name, Qt.TextElideMode.ElideRight, theme.grown(104)
        )
        self.overlay.setText(text)
        self.controls.refresh()

    def apply_theme(self) -> None:
        """Take the colours of the theme in use."""
        for field in (self.norm, self.colours, self.overlay):
            field.apply_theme()


class OverlayControls(QWidget):
    """Check boxes of what lies on the pattern, and the strength of the heatmap."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        look = session.display.change
        self.masked = self._box(MASKED, lambda on: look(mask=on))
        self.heat = self._box(HEAT, lambda on: session.heat.toggle())
        self.contours = self._box("as dashed contours", lambda on: look(contours=on))
        self.transparency = self._box("as transparency", lambda on: look(transparency=on))
        self.strength = QSlider(Qt.Orientation.Horizontal)
        self.strength.setRange(0, 100)
        self.strength.setAccessibleName("Strength of the heatmap")
        self.strength.valueChanged.connect(lambda v: look(strength=v / 100))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 8, 14, 8)
        layout.setSpacing(8)
        layout.addWidget(self.masked)
        layout.addWidget(self.heat)
        self.form = QComboBox()
        self.form.setAccessibleName("Form of heat")
        self.form.activated.connect(lambda i: look(form=self.form.itemData(i)))
        self.about = label("", "muted", wrap=True)
        self.about.setFixedWidth(260)
        below = QVBoxLayout()
        below.setContentsMargins(20, 0, 0, 0)
        below.setSpacing(8)
        for widget in (self.form, self.about, self.contours, self.transparency, self.strength):
            below.addWidget(widget)
        below.insertWidget(4, label("Strength", "muted"))
        layout.addLayout(below)

    def _box(self, text: str, switch: Callable[[bool], object]) -> QCheckBox:
        box = QCheckBox(text)
        box.toggled.connect(switch)
        return box

    def refresh(self) -> None:
        """Show what is on."""
        session = self.session
        overlay = session.display.overlay
        for box, on in (
            (self.masked, session.display.screen.mask),
            (self.heat, session.heat.on),
            (self.contours, overlay.contours),
            (self.transparency, overlay.transparency),
        ):
            show_checked(box, on)
        self.heat.setEnabled(session.predictions.run is not None)
        self._offer_forms()
        self.strength.blockSignals(True)
        self.strength.setValue(round(session.display.overlay.strength * 100))
        self.strength.blockSignals(False)
        self.setPalette(self.palette())
        self.setStyleSheet(f"QWidget {{ color: {theme.current().text}; }}")

    def _offer_forms(self) -> None:
        """The forms that the run in use can show, and what the one in use asks of the class."""
        heat, chosen = self.session.heat, self.session.display.overlay.form
        titles = {form: HEAT_FORMS[form].title for form in heat.offered}
        offer(self.form, {BEST: "Best for the class", **titles}, chosen)
        self.form.setEnabled(len(titles) > 1)
        kind = heat.class_index
        known = kind is not None and bool(heat.offered)
        self.about.setVisible(known)
        if kind is not None and known:
            asked = Asked(self.session.cursor.row, kind, chosen, heat.against)
            self.about.setText(heat.about(asked))
