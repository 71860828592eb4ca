"""Makes a project from files of shots: where it goes, which classes, who labels; then the work.

The files are read in another thread, so the window stays alive; a refusal leaves everything as
it was and says what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from PyQt6.QtCore import Qt, QThread, pyqtSignal
from PyQt6.QtWidgets import (
    QCheckBox,
    QDialog,
    QFormLayout,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QWidget,
)

from labeler.window.dialogs import file_dialogs
from labeler.window.widgets import theme
from labeler.window.widgets.fields import ListField
from labeler.window.widgets.parts import Elided, beside, foot, form, label, page, press_by_enter
from model.errors import InputError, counted, of_a_path, on_one_line
from model.shots.child import FileReader
from model.shots.contents import FileContents, contents_here
from model.shots.layouts.geometry import with_options
from model.shots.sources import SourceInfo

KINDS = "*.h5 *.hdf5 *.cxi *.nxs *.hdf *.tif *.tiff *.edf *.cbf *.npy *.png *.lst *.emc *.tiled"
SHOT_FILES = f"Shots ({KINDS});;All files (*)"
BY_FILES = "told by the files"


class Maker(QThread):
    """Makes the project; `made` with its folder, or `refused` with the words."""

    advanced = pyqtSignal(str, int, int)
    made = pyqtSignal(str)
    refused = pyqtSignal(str)

    def __init__(
        self,
        folder: Path,
        files: Sequence[Path],
        taxonomy: str | None,
        annotator: str,
        one_each: bool,
        parent: QWidget,
        dataset: str | None = None,
        labels: bool = True,
    ) -> None:
        super().__init__(parent)
        self._order = (folder, list(files), taxonomy, annotator)
        self._dataset, self._labels = dataset, labels
        self._class_of_each: list[str] | None = [] if one_each else None

    def run(self) -> None:
        from labeler.project.project import Project

        try:
            made = Project.create(
                *self._order,
                self.advanced.emit,
                dataset=self._dataset,
                labels=self._labels,
                class_of_each=self._class_of_each,
            )
            made.close()
        except (InputError, OSError) as error:
            self.refused.emit(str(of_a_path(error) or error))
        else:
            self.made.emit(str(self._order[0]))


class LookInside(QThread):
    """Looks into a file of shots, in a child; `found` with what is there, nothing if it cannot."""

    found = pyqtSignal(object)

    def __init__(self, file: Path, parent: QWidget) -> None:
        super().__init__(parent)
        self._file, self._reader = file, FileReader(contents_here)

    def run(self) -> None:
        with self._reader, suppress(InputError, OSError):  # making the project says why
            self.found.emit(self._reader(self._file))

    def stop(self) -> None:
        """End the look, whatever it waits for."""
        self._reader.stop()
        self.wait()


class NewProject(QDialog):
    """`folder` holds the new project once the dialog was accepted."""

    def __init__(self, files: Sequence[Path], parent: QWidget) -> None:
        super().__init__(parent)
        from labeler.project.people import login
        from model.taxonomy.toml import shipped

        self.setWindowTitle("New project")
        self.setMinimumWidth(theme.grown(560))
        self.files = list(files)
        self.folder: Path | None = None
        self._maker: Maker | None = None
        self._look: LookInside | None = None
        self._found = ""
        first = self.files[0]
        more = f" and {len(self.files) - 1} more" if len(self.files) > 1 else ""
        self.place = QLineEdit(str(free_folder(first)))
        self.place.setAccessibleName("Folder of the project")
        self.taxonomy = ListField("Classes and rules")
        self.taxonomy.addItems(sorted(p.stem for p in shipped().parent.glob("*.toml")))
        self.taxonomy.setCurrentText("helium")
        self.one_each = QCheckBox("Each file is of one class, which its name or sample tells")
        self.one_each.toggled.connect(self._change_kind)
        self.dataset = ListField("Dataset of the shots")
        self.dataset.setEditable(True)
        self.dataset.setSizeAdjustPolicy(
            ListField.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        field = self.dataset.lineEdit()
        assert field is not None
        field.setPlaceholderText("found by itself; or its name, such as entry_1/data_1/data")
        self.dataset.addItem("", "")
        self.opens = label(role="muted", wrap=True)
        self.opens.hide()
        self.modules = ModuleFields(self.files[0], self)
        self.modules.hide()
        self.labels = QCheckBox("Take the labels that the files carry")
        self.labels.setChecked(True)
        self.person = QLineEdit(login())
        self.person.setAccessibleName("Annotator")
        browse = QPushButton("Choose…")
        browse.clicked.connect(self._browse)
        own = QPushButton("From file…")
        own.clicked.connect(self._own_taxonomy)
        shots = Elided(Qt.TextElideMode.ElideMiddle)
        shots.show_text(f"{first.name}{more}")
        fields = form(
            ("Shots", shots),
            ("Dataset", self.dataset),
            ("", self.opens),
            ("", self.modules),
            ("", self.labels),
            ("Folder", beside(self.place, browse)),
            ("Classes", beside(self.taxonomy, own)),
            *([("", self.one_each)] if len(self.files) > 1 else []),
            ("Annotator", self.person),
        )
        self.trouble = label(role="error")
        self.trouble.setWordWrap(True)
        self.trouble.hide()
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.hide()
        self.make = QPushButton("Create project")
        self.make.clicked.connect(self.start)
        last = foot(self, self.make, "Cancel")
        page(self, "New project", fields, self.trouble, self.bar, last)

    def start(self) -> None:
        """Make the project with what the fields say."""
        self.trouble.hide()
        self.make.setEnabled(False)
        self.bar.setRange(0, 0)
        self.bar.show()
        folder = Path(self.place.text()).expanduser()
        chosen, person = self.taxonomy.currentText(), self.person.text().strip()
        taxonomy = None if chosen == BY_FILES else chosen
        one_each = self.one_each.isChecked()
        dataset = self.modules.behind(self._named(), self._found) or None
        order = (folder, self.files, taxonomy, person, one_each, self)
        self._maker = Maker(*order, dataset, one_each or self.labels.isChecked())
        self._maker.advanced.connect(self._advance)
        self._maker.refused.connect(self._refuse)
        self._maker.made.connect(self._finish)
        self._maker.start()

    def showEvent(self, event: object) -> None:
        """Look into the first file."""
        if self._look is None:
            self._look = LookInside(self.files[0], self)
            self._look.found.connect(self._show_inside)
            self._look.start()

    def _named(self) -> str:
        """The dataset that is typed or chosen; '' where it shall be found."""
        text, at = self.dataset.currentText().strip(), self.dataset.currentIndex()
        chosen = at >= 0 and text == self.dataset.itemText(at).strip()
        return str(self.dataset.itemData(at)) if chosen else text

    def _show_inside(self, found: FileContents) -> None:
        """Offer the datasets of the first file, and say which would be opened."""
        for name, shape, kind in found.others:
            size = " × ".join(f"{n:,}" for n in shape)
            self.dataset.addItem(f"{on_one_line(name)}   {size} {kind}", name)
        if found.opened is None:
            self.opens.setText(f"Choose a dataset: {found.refused}")
        else:
            info = found.opened
            self._found = info.dataset
            self.modules.offer(info)
            y, x = info.shape
            size = f"{counted(info.n_shots, 'shot')} of {y} × {x}"
            self.opens.setText(
                f"Opens {on_one_line(info.dataset)}: {size}, unless you choose another."
            )
            if not info.class_names:
                self.labels.setText("Take the labels that the files carry (the first has none)")
        self.opens.show()

    def _change_kind(self, one_each: bool) -> None:
        """Files of one class each tell the classes too, unless a person chooses others."""
        if one_each:
            self.taxonomy.addItem(BY_FILES)
            self.taxonomy.setCurrentText(BY_FILES)
        else:
            self.taxonomy.removeItem(self.taxonomy.findText(BY_FILES))
            self.taxonomy.setCurrentText("helium")

    def _advance(self, what: str, done: int, total: int) -> None:
        self.bar.setRange(0, total)
        self.bar.setValue(done)

    def _refuse(self, words: str) -> None:
        self.bar.hide()
        self.make.setEnabled(True)
        self.trouble.setText(words)
        self.trouble.show()

    def _finish(self, folder: str) -> None:
        self.folder = Path(folder)
        self.accept()

    def done(self, result: int) -> None:
        if self._maker is not None:
            self._maker.wait()
        if self._look is not None:
            self._look.stop()
        super().done(result)

    def _browse(self) -> None:
        chosen = file_dialogs.ask_folder(self, "Folder of the project")
        if chosen:
            folder = chosen
            taken = folder.is_dir() and any(folder.iterdir())
            self.place.setText(str(folder / free_folder(self.files[0]).name if taken else folder))

    def _own_taxonomy(self) -> None:
        chosen = file_dialogs.ask_file(self, "Classes and rules", "TOML (*.toml)")
        if chosen:
            self.taxonomy.addItem(str(chosen))
            self.taxonomy.setCurrentText(str(chosen))


class ModuleFields(QWidget):
    """How detector modules are put together, and which pulses of each train of a European XFEL run
    are taken; offered where the file has such."""

    def __init__(self, file: Path, parent: QWidget) -> None:
        super().__init__(parent)
        self.geometry_file, self.pulses = QLineEdit(), QLineEdit()
        self.geometry_file.setPlaceholderText("modules one above the other; or a .geom file")
        self.geometry_file.setAccessibleName("Geometry of the modules")
        self.pulses.setPlaceholderText("all; or first:last:step, as 0:64:2")
        self.pulses.setAccessibleName("Pulses of each train")
        choose = QPushButton("From file…")
        press_by_enter(choose)
        choose.clicked.connect(lambda: self._ask(file))
        self._pulses_name = label("Pulses", "muted")
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow(label("Geometry", "muted"), beside(self.geometry_file, choose))
        form.addRow(self._pulses_name, self.pulses)

    def offer(self, info: SourceInfo) -> None:
        """Show what makes sense for a file."""
        runs = info.layout == EXDF
        self.setVisible(runs or any("detector modules" in note for note in info.notes))
        for widget in (self.pulses, self._pulses_name):
            widget.setVisible(runs)

    def behind(self, dataset: str, found: str) -> str:
        """The dataset, or else the one found, with what is typed; as given where nothing is."""
        given = {"geometry": self.geometry_file.text(), "pulses": self.pulses.text()}
        options = {name: text.strip() for name, text in given.items() if text.strip()}
        name = (dataset or found).partition("?")[0]
        return with_options(name, options) if name and options else dataset

    def _ask(self, file: Path) -> None:
        kinds = "CrystFEL geometry (*.geom);;All files (*)"
        chosen = file_dialogs.ask_file(self, "Geometry of the modules", kinds, str(file.parent))
        if chosen is not None:
            self.geometry_file.setText(str(chosen))


EXDF = "exdf"
"""The layout of runs of European XFEL."""


def free_folder(file: Path) -> Path:
    """A folder name beside the file that is not taken yet."""
    name = f"{on_one_line(file.stem)}-labels"
    found, n = file.with_name(name), 2
    while found.exists():
        found, n = file.with_name(f"{name}-{n}"), n + 1
    return found
