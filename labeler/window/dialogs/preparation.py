"""The dialog of a project's preparation: which steps every later training takes.

Reading background shots is the matter of a child process; this one only asks and tells.
"""

from __future__ import annotations

from PyQt6.QtWidgets import (
    QCheckBox,
    QDialog,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QWidget,
)

from labeler.jobs.job import JobFollower
from labeler.session.session import Session
from labeler.window.dialogs import file_dialogs
from labeler.window.widgets import theme
from labeler.window.widgets.fields import ListField
from labeler.window.widgets.parts import foot, label, page
from model.events import Event
from model.preprocessing.preparation import Preparation
from model.taxonomy.taxonomy import EMPTY

NO_LIGHT, SMOOTH, SHOTS = "none", "subtract a smooth surface", "subtract background shots"
SURFACES = ("a constant", "with a slope", "curved")
OTHER = "Choose a file…"


class PreparationDialog(QDialog):
    """Shows the steps of the project and sets others on request."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        from labeler.project.preparation import preparation_of

        self.session = session
        self.setWindowTitle("Preprocessing")
        self.setMinimumWidth(theme.grown(470))
        self.bad = QCheckBox("Mask pixels that many shots show to be hot or dead")
        self.light = _choice("Stray light", (NO_LIGHT, SMOOTH, SHOTS))
        self.surface = _choice("Kind of surface", SURFACES)
        names = [session.labels.taxonomy.names[c] for c in session.labels.shown_classes]
        self.background = _choice("Background shots", (*names, OTHER))
        self.flat = QCheckBox("Correct for the flat detector (counts per solid angle)")
        self.centre = QCheckBox("Find the beam centre of each shot and bring it to the middle")
        self.trouble = label(role="error", wrap=True)
        self.bar = QProgressBar()
        self.use = QPushButton("Apply to future training")
        self.work = JobFollower(self)
        self.work.ended.connect(self._finish)
        self._lay_out()
        self._show(preparation_of(session.require().project))
        self.light.currentTextChanged.connect(self._follow)
        self.background.activated.connect(self._chosen)
        self.use.clicked.connect(self.start)
        self._follow()

    def _lay_out(self) -> None:
        words = (
            "What is done to every shot before a network sees it, in training and in prediction"
            " alike. Files stay as they are, the screen shows raw counts unless you choose “Show"
            " shots preprocessed”, and earlier runs keep the preprocessing of their training."
        )
        stray = QHBoxLayout()
        stray.setSpacing(8)
        stray.addWidget(label("Stray light:"))
        for field in (self.light, self.surface, self.background):
            stray.addWidget(field)
        stray.addStretch(1)
        self.bar.setTextVisible(False)
        self.bar.setRange(0, 0)
        page(
            self, "Preprocessing", label(words, "muted", wrap=True), self.bad, stray, self.flat,
            self.centre, self.trouble, self.bar, foot(self, self.use, "Cancel"),
        )  # fmt: skip
        for widget in (self.trouble, self.bar):
            widget.hide()

    def _show(self, steps: Preparation) -> None:
        self.bad.setChecked(steps.bad_pixels)
        self.light.setCurrentText(
            {"smooth": SMOOTH, "shots": SHOTS}.get(steps.stray_light, NO_LIGHT)
        )
        self.surface.setCurrentIndex(steps.degree)
        self.flat.setChecked(steps.flat_detector)
        self.centre.setChecked(steps.centre)
        place = self.background.findText(self.session.labels.taxonomy.now(EMPTY))
        self.background.setCurrentIndex(max(place, 0))
        known = [s.geometry for s in self.session.require().project.sources]
        if not all(g.distance_m and g.pixel_m for g in known):
            self.flat.setEnabled(False)
            self.flat.setChecked(False)
            self.flat.setToolTip("The files do not say the detector's distance and pixel size")

    def _follow(self) -> None:
        self.surface.setVisible(self.light.currentText() == SMOOTH)
        self.background.setVisible(self.light.currentText() == SHOTS)

    def _chosen(self) -> None:
        """Background shots of a file of their own."""
        if self.background.currentText() != OTHER:
            return
        from labeler.window.dialogs.new_project import SHOT_FILES

        chosen = file_dialogs.ask_file(self, "Background shots", SHOT_FILES)
        if chosen:
            self.background.insertItem(0, str(chosen))
        self.background.setCurrentIndex(0)

    # -- setting it ----------------------------------------------------------------------------

    def words(self) -> list[str]:
        """What `airylabel prepare` is asked for."""
        light = self.light.currentText()
        steps = {
            "bad-pixels": self.bad.isChecked(),
            "background": light == SHOTS,
            "smooth": light == SMOOTH,
            "flat": self.flat.isChecked(),
            "centre": self.centre.isChecked(),
        }
        asked = ["--degree", str(self.surface.currentIndex())]
        if light == SHOTS:
            asked += ["--background", self.background.currentText()]
        return [*asked, "--steps", *(name for name, on in steps.items() if on)]

    def start(self) -> None:
        """Set the steps, in a child process; close when it is done, or say what is wrong."""
        folder = self.session.require().folder
        self.trouble.hide()
        self.use.setEnabled(False)
        self.bar.show()
        self.work.follow(["prepare", str(folder), *self.words()], folder / "prepare.log")

    def _finish(self, ok: bool, message: str, last: Event) -> None:
        self.bar.hide()
        self.use.setEnabled(True)
        if ok and last.get("event") != "cancelled":
            self.session.noted.emit("info", message)
            self.session.shots.prepare_again()
            self.session.learning.prepare_again()
            self.accept()
        elif not ok:
            self.trouble.setText(message)
            self.trouble.show()

    def done(self, result: int) -> None:
        """Leave nothing running behind."""
        self.work.stop()
        super().done(result)


def _choice(name: str, texts: tuple[str, ...]) -> ListField:
    made = ListField(name)
    made.addItems(texts)
    return made


def ask_preparation(session: Session, host: QWidget) -> None:
    """Show the dialog; what cannot be shown is a note."""
    from model.errors import InputError

    try:
        dialog = PreparationDialog(session, host)
    except InputError as error:
        session.noted.emit("error", str(error))
        return
    dialog.exec()
    dialog.deleteLater()
