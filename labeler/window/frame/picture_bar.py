"""How the pattern is drawn, in one quiet row: norm, colours, levels, mask, heatmap."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtGui import QAction
from PyQt6.QtWidgets import QCheckBox, QFrame, QHBoxLayout, QSlider, QVBoxLayout, QWidget

from labeler.session.heat import Asked
from labeler.session.session import Session
from labeler.window.widgets import theme
from labeler.window.widgets.fields import ChoiceField, ListField, MenuField, offer
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
        self.overlay = MenuField("Overlays")
        self.overlay.setMenu(None)  # it opens a window
        self.overlay.setToolTip("Overlays: mask and heatmap")
        self.norm.setFixedWidth(theme.grown(82))
        self.colours.setFixedWidth(theme.grown(118))
        self.overlay.setFixedWidth(theme.grown(150))
        self.controls = OverlayControls(session, self)
        self.overlay.clicked.connect(lambda: self.show_overlays())
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

    def show_overlays(self, first: QWidget | None = None) -> None:
        """Open what lies on the pattern under its field, or under the bar where that gave way to
        large letters; `first` has the keys, else the first control."""
        below = self.overlay if self.overlay.isVisible() else self.parentWidget() or self
        self.controls.open(below.mapToGlobal(below.rect().bottomRight()), first)

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


class OverlayControls(QFrame):
    """Check boxes of what lies on the pattern, and the strength of the heatmap.

    A window of its own and no menu, which would keep the keys from its controls; Esc closes it.
    """

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setObjectName("overlays")
        self.setWindowTitle("Overlays")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAttribute(Qt.WidgetAttribute.WA_NoMouseReplay)
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
        self.form = ListField("Form of heat")
        self.form.activated.connect(lambda i: look(form=self.form.itemData(i)))
        self.about = label("", "muted", wrap=True)
        self.about.setFixedWidth(theme.grown(260))
        self._corner = QPoint()
        """Where its upper right corner was asked for."""
        below = QVBoxLayout()
        below.setContentsMargins(20, 0, 0, 0)
        below.setSpacing(8)
        for widget in (self.form, self.about, self.contours, self.transparency, self.strength):
            below.addWidget(widget)
        below.insertWidget(4, label("Strength", "muted"))
        layout.addLayout(below)

    def open(self, corner: QPoint, first: QWidget | None) -> None:
        """Show it with its upper right corner there, as far as the screen has room."""
        self._corner = corner
        self._fit()
        self.show()
        (first if first is not None and first.isEnabled() else self.masked).setFocus()

    def _fit(self) -> None:
        """As large as what is in it, with its corner where it was asked for."""
        if (layout := self.layout()) is not None:
            layout.activate()  # else its size is that of the words before
        self.adjustSize()
        place, screen = self._corner - QPoint(self.width() - 1, -3), self.screen()
        if screen is not None:
            room = screen.availableGeometry()
            left, top = room.right() - self.width(), room.bottom() - self.height()
            place.setX(max(min(place.x(), left), room.left()))
            place.setY(max(min(place.y(), top), room.top()))
        self.move(place)

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
        if self.isVisible():
            self._fit()

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
