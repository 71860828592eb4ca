"""Where the detector stood: distance, pixel, energy and centre, typed, or picked on a ring.

Not modal: the ring is clicked on the pattern. What is saved is kept with the project, and all that
speaks of angles and radii follows it.
"""

from __future__ import annotations

import math

from PyQt6.QtWidgets import (
    QCheckBox,
    QDialog,
    QLineEdit,
    QPushButton,
    QWidget,
)

from labeler.project.store import StoredSource
from labeler.session.session import Session
from labeler.shots.geometry import entered, in_words
from labeler.window.label.pattern.pattern import PatternView
from labeler.window.widgets.parts import beside, foot, form, label, page, press_by_enter
from model.errors import InputError
from model.physics.circle import LEAST, Circle, fit_circle
from model.shots.layouts.base import EV_METRES
from model.shots.table import Geometry

UNKNOWN = "not known"
NUMBERS = {
    "distance": "Distance (mm)",
    "pixel": "Pixel size (µm)",
    "energy": "Photon energy (eV)",
    "wavelength": "Wavelength (nm)",
    "y": "Centre y (pixels)",
    "x": "Centre x (pixels)",
}


class GeometryDialog(QDialog):
    """The geometry of the file whose shot is on screen, or of all files of the project."""

    def __init__(self, session: Session, pattern: PatternView, parent: QWidget) -> None:
        super().__init__(parent)
        self.session, self.pattern = session, pattern
        self.setWindowTitle("Geometry")
        self.setMinimumWidth(400)
        self.circle: Circle | None = None
        self.source: StoredSource | None = None
        """The file in the heading, for which numbers are typed and saved."""
        self._read: object = None
        """The numbers and points when they were read; others are typed and not saved yet."""
        self.about = label(role="muted", wrap=True)
        self.fields = {name: QLineEdit() for name in NUMBERS}
        for name, field in self.fields.items():
            field.setAccessibleName(NUMBERS[name])
            field.setPlaceholderText(UNKNOWN)
            field.textEdited.connect(lambda _, name=name: self._follow(name))
        self.pick = QPushButton("Pick points on a ring")
        self.pick.setCheckable(True)
        self.pick.toggled.connect(self._turn_picking)
        self.clear = QPushButton("Clear points")
        self.clear.clicked.connect(self._clear)
        for button in (self.pick, self.clear):
            press_by_enter(button)
        self.said = label(wrap=True)
        self.all = QCheckBox()
        self.trouble = label(role="error", wrap=True)
        self.save = QPushButton("Save")
        self.save.clicked.connect(self.apply)
        fields = form(*((NUMBERS[name], field) for name, field in self.fields.items()))
        points = beside(self.pick, self.clear)
        said = self.said, self.all, self.trouble
        page(self, "Geometry", self.about, fields, points, *said, foot(self, self.save))
        pattern.picked.connect(self._fit)
        session.cursor.shot_changed.connect(self._follow_shot)
        session.project_left.connect(self.reject)
        self.refresh()
        self._fit()

    # -- showing ---------------------------------------------------------------------------------

    def _follow_shot(self, row: int) -> None:
        if self.isVisible():
            self.refresh()

    def _numbers_and_points(self) -> object:
        return [field.text() for field in self.fields.values()], list(self.pattern.points)

    def refresh(self) -> None:
        """Show what is known of the file of the shot on screen; what was typed for one stays."""
        opened, row = self.session.opened, self.session.cursor.row
        typed = self._read is not None and self._read != self._numbers_and_points()
        if opened is None or row < 0 or typed:
            return
        source = opened.project.stored_sources[int(opened.table.source_of[row])]
        self.source = source
        n = len(self.session.require().project.sources)
        self.all.setText(f"For all {n:,} files of the project")
        self.all.setVisible(n > 1)
        known = in_words(source.info.geometry)
        own = self.session.cursor.geometry() or Geometry()
        each = own.wavelength_m is not None and source.info.geometry.wavelength_m is None
        more = ". The energy of each shot is known" if each else ""
        self.about.setText(f"{source.info.name}: {known or 'nothing is known yet'}{more}.")
        for name in ("energy", "wavelength"):
            self.fields[name].setPlaceholderText("each shot's own" if each else UNKNOWN)
        found = source.info.geometry
        self._write("distance", found.distance_m, 1e3)
        self._write("pixel", found.pixel_m, 1e6)
        self._write("wavelength", found.wavelength_m, 1e9)
        self._follow("wavelength")
        centre = found.centre or (None, None)
        self._write("y", centre[0])
        self._write("x", centre[1])
        self._read = self._numbers_and_points()

    def _write(self, name: str, value: float | None, scale: float = 1.0) -> None:
        self.fields[name].setText("" if value is None else f"{value * scale:.7g}")

    def _follow(self, name: str) -> None:
        """Energy and wavelength are one number; each follows the other."""
        other = {"energy": "wavelength", "wavelength": "energy"}.get(name)
        if other is not None:
            value = _number(self.fields[name].text())
            usable = value is not None and math.isfinite(value) and value > 0
            self._write(other, EV_METRES * 1e9 / value if usable and value else None)
        self._fit()

    # -- picking ---------------------------------------------------------------------------------

    def _turn_picking(self, on: bool) -> None:
        self.pattern.pick(on)
        self.pick.setText("Picking: click on the ring" if on else "Pick points on a ring")

    def _clear(self) -> None:
        self.pattern.points.clear()
        self._fit()

    def _fit(self) -> None:
        """Fit the circle to the points, put its centre into the form and on the shot."""
        points, before = self.pattern.points, self.circle
        self.circle, said = None, ""
        self.clear.setEnabled(bool(points))
        if points:
            said = f"{len(points)} of at least {LEAST} points. A right click takes the last away."
        if len(points) >= LEAST:
            try:
                self.circle = fit_circle(points)
                said = self._in_words(self.circle, len(points))
            except InputError as error:
                said = str(error)
        self.said.setText(said)
        self.said.setVisible(bool(said))
        self.pattern.show_circle(self.circle)
        if self.circle is not None and self.circle != before:
            self._write("y", self.circle.centre[0])
            self._write("x", self.circle.centre[1])

    def _in_words(self, circle: Circle, n: int) -> str:
        y, x = circle.error
        sure = "" if math.isnan(y) else f" (± {y:.2f}, ± {x:.2f})"
        text = f"{n} points: centre y {circle.centre[0]:.1f}, x {circle.centre[1]:.1f}{sure}, "
        text += f"radius {circle.radius:.1f} pixels, RMS {circle.rms:.2f}"
        distance, pixel = (_number(self.fields[k].text()) for k in ("distance", "pixel"))
        if distance and pixel and distance > 0 and pixel > 0:
            angle = math.degrees(math.atan(circle.radius * pixel * 1e-3 / distance))
            text += f", at {angle:.2f}°"
        return f"{text}."

    # -- saving ----------------------------------------------------------------------------------

    def apply(self) -> None:
        """Keep what the form says with the project; what cannot be is said in words."""
        source = self.source
        if source is None:
            return
        try:
            geometry = self.entered()
            project = self.session.require().project
            chosen = project.stored_sources if self.all.isChecked() else (source,)
            for each in chosen:
                project.set_geometry(each.id, geometry)
        except (InputError, OSError) as error:
            self.trouble.setText(str(error))
            self.trouble.show()
            return
        self.trouble.hide()
        self._read = None
        self.session.reopen()
        files = f"{len(chosen):,} files" if len(chosen) > 1 else source.info.name
        words = in_words(geometry) or "nothing known"
        self.session.noted.emit("info", f"Geometry of {files}: {words}.")

    def entered(self) -> Geometry:
        """What the form says; InputError names the number that cannot be."""
        given: dict[str, float | None] = {}
        for name, field in self.fields.items():
            text = field.text().strip()
            given[name] = _number(text)
            if text and given[name] is None:
                mend = "Give a number, or leave it empty where it is not known."
                raise InputError(f"{NUMBERS[name]}: {text!r} is no number", mend=mend)
        y, x = given["y"], given["x"]
        if (y is None) != (x is None):
            raise InputError("half a centre is given", mend="Give both y and x, or neither.")
        return entered(
            None,
            distance_mm=given["distance"],
            pixel_um=given["pixel"],
            wavelength_nm=given["wavelength"],
            centre=None if y is None or x is None else (y, x),
        )

    def done(self, result: int) -> None:
        """Nothing stays on the shot."""
        self.pick.setChecked(False)
        self._clear()
        self._read = None
        super().done(result)


def _number(text: str) -> float | None:
    try:
        return float(text.strip().replace(",", "."))
    except ValueError:
        return None


def show_geometry(session: Session, pattern: PatternView, host: QWidget) -> None:
    """Show the dialog at the right of the window, off the middle of the pattern."""
    found = host.findChildren(GeometryDialog)
    dialog = found[0] if found else GeometryDialog(session, pattern, host)
    dialog.refresh()
    dialog.show()
    window = host.frameGeometry()
    top = pattern.mapToGlobal(pattern.rect().topLeft()).y()
    dialog.move(max(window.right() - dialog.frameGeometry().width() - 8, 0), top)
    dialog.activateWindow()
