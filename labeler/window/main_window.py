"""The window: places the views, makes menus from the table of commands, and asks before it ends.

It holds no labels and no shots: those are the session's. It never loads torch.
"""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path

from PyQt6.QtCore import QByteArray, Qt, QTimer
from PyQt6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QIcon
from PyQt6.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QMainWindow,
    QMessageBox,
    QStackedWidget,
    QStyle,
    QVBoxLayout,
    QWidget,
)

from labeler import version
from labeler.session.labelling import LabelTarget
from labeler.session.selection import SelectedShots
from labeler.session.session import Session
from labeler.window.commands.actions import Actions
from labeler.window.dialogs.project_files import ProjectFiles
from labeler.window.dialogs.sources import ask_sources
from labeler.window.frame import remember
from labeler.window.frame.guide import Guide, is_demo
from labeler.window.frame.notes import NoteArea
from labeler.window.frame.retrain import RetrainBar
from labeler.window.frame.start import StartPage
from labeler.window.frame.top_bar import TopBar
from labeler.window.label.banner import ChangedFiles, NotStored
from labeler.window.label.pattern.levels import FirstLevels
from labeler.window.label.status_line import StatusLine
from labeler.window.label.view import LabelView
from labeler.window.process.crash import CrashNet, keep_log
from labeler.window.process.garbage_collection import GarbageCollection
from labeler.window.process.project_thread import ProgressBar, ProjectThread, work_under_way
from labeler.window.process.screen import has_display
from labeler.window.settings import Settings
from labeler.window.widgets import theme
from labeler.window.widgets.ask import Ask
from labeler.window.widgets.focus import next_stop
from labeler.window.widgets.manual import FIRST, about, open_manual
from labeler.window.widgets.tab import Tab
from model.errors import InputError

log = logging.getLogger("airylabel")

TABS = ("Label", "Grid", "Learn", "Inspect", "Map", "Quality", "Live")
"""The views, in the order of the top bar."""
SMALLEST, COMFORTABLE = (1000, 640), (1280, 800)
FRAME = 4
"""Of the frame that a desktop draws around the window, at one side."""
SAVE_MS = 400
"""Settings are saved this long after the last change."""


class MainWindow(QMainWindow):
    """Top bar, the view on screen, the foot with Retrain and the status line."""

    def __init__(self, session: Session, settings: Settings | None = None) -> None:
        super().__init__()
        self.session = session
        self.settings = settings or Settings()
        self.setWindowTitle("airylabel")
        self.setMinimumSize(*SMALLEST)
        self.setAcceptDrops(True)
        self.levels_shown = bool(self.settings["show_levels"])
        self.centre_shown = bool(self.settings["show_centre"])
        remember.take_look(session, self.settings)
        self._saving = QTimer(self)
        self._saving.setSingleShot(True)
        self._saving.setInterval(SAVE_MS)
        self._saving.timeout.connect(self._save_settings)
        self.tab = "Label"
        self.actions_ = Actions(self, self, self.settings["keys"])
        self.label = LabelView(session)
        self.project_files = ProjectFiles(session, self)
        self.start = StartPage(self.project_files, self.settings)
        self.stack = QStackedWidget()
        self.views: dict[str, Tab] = {"Label": self.label}
        self.stack.addWidget(self.start)
        self.stack.addWidget(self.label)
        self.actions_.offer_on(self.label)
        self.label.classes.add_buttons(self.actions_.buttons())
        self.bar = TopBar(session, self.actions_.by_id, list(TABS))
        self.status = StatusLine(session)
        self._lay_out()
        self._unsaved = ""
        self.notes = NoteArea(self)
        self.net = CrashNet(self.notes.add)
        self.garbage_collection = GarbageCollection(self)
        self._connect()
        self._restore()
        self.follow_project()
        if self.settings.trouble:
            self.notes.add("warning", self.settings.trouble)

    # -- building ------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        self.foot = QFrame()
        self.foot.setObjectName("footer")
        row = QHBoxLayout(self.foot)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        self.retrain_bar = RetrainBar(self.session, show_tab=self.show_tab)
        row.addWidget(self.retrain_bar)  # both take what their texts need
        row.addWidget(self.status)
        column = QVBoxLayout()
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self.not_stored = NotStored(self.session)
        self.changed_files = ChangedFiles(self.session)
        for widget in (self.bar, self.not_stored, self.changed_files, self.stack, self.foot):
            column.addWidget(widget, int(widget is self.stack))
        middle = QWidget()
        middle.setLayout(column)
        self.setCentralWidget(middle)

    def _connect(self) -> None:
        session = self.session
        session.noted.connect(self._note)
        session.project_left.connect(self._leave_project)
        session.project_changed.connect(self.follow_project)
        session.cursor.shot_changed.connect(lambda row: self.actions_.refresh())
        session.labels.shown_classes_changed.connect(self._follow_classes)
        session.labels.shown_classes_changed.connect(self.actions_.refresh)
        for changed in (
            session.predictions.run_changed,
            session.heat.heat_changed,
            session.display.display_changed,
        ):
            changed.connect(self.actions_.refresh)
        session.display.display_changed.connect(self._say_title)
        session.display.display_changed.connect(self._saving.start)
        self.actions_.ran.connect(self._saving.start)
        self.settings.when_changed = self._saving.start
        session.sources.ask = lambda work: ask_sources(session, self, work)
        FirstLevels(session)
        self.label.pattern.pointed.connect(self.status.point)
        self.bar.menu.aboutToShow.connect(lambda: self.actions_.fill(self.bar.menu))

    def _restore(self) -> None:
        saved = QByteArray.fromHex(self.settings["window"].encode("ascii"))
        if not remember.restore_geometry(self, saved):
            self._fit_screen()
        if len(self.settings["panes"]) == 3:
            self.label.set_panes([int(n) for n in self.settings["panes"]])
        self._show_marks()

    def _fit_screen(self) -> None:
        """The comfortable size, or what the screen has beside panels and the window's own title."""
        width, height = COMFORTABLE
        screen, style = self.screen(), self.style()
        if has_display() and screen is not None and style is not None:
            room = screen.availableGeometry()
            title = style.pixelMetric(QStyle.PixelMetric.PM_TitleBarHeight) + 2 * FRAME
            width, height = min(width, room.width() - FRAME), min(height, room.height() - title)
        self.resize(width, height)

    # -- following the session -----------------------------------------------------------------

    def _say_title(self) -> None:
        opened, steps = self.session.opened, self.session.shots.steps
        prepared = f" – preprocessed: {steps}" if steps else ""
        name = "" if opened is None else f"{opened.project.name}{prepared} – "
        self.setWindowTitle(f"{name}airylabel")

    def _offer_guide(self) -> None:
        """Lead through the first label of a demo, once."""
        wanted = self.settings["guide"] and is_demo(self.session)
        if wanted and not self.findChildren(Guide):
            self.show_guide()

    def _leave_project(self) -> None:
        """The first page; what is opened from there begins with Label."""
        self.tab = "Label"
        self.start.refresh()
        self.stack.setCurrentWidget(self.start)

    def follow_project(self) -> None:
        """Show the project; one that was opened again in the view that was in front."""
        opened = self.session.opened
        self.foot.setVisible(opened is not None)
        self._say_title()
        self._follow_classes()
        if opened is not None:
            self.settings.remember(opened.folder)
            self.show_tab(self.tab)
            if self.tab == "Label":
                self.label.pattern.setFocus()
        self.actions_.refresh()
        self._offer_guide()

    def _follow_classes(self) -> None:
        """A command for each class that is shown."""
        labels = self.session.labels
        self.actions_.take_classes(labels.taxonomy, labels.shown_classes)
        self._show_keys_in_use()

    def _show_keys_in_use(self) -> None:
        keys = self.actions_.keys_in_use()
        for view in self.views.values():
            view.show_keys(keys)
        self.retrain_bar.show_key(keys["retrain"])
        self.session.heat.use_key = keys["use_new_run"]
        self.bar.show_keys(keys)
        for guide in self.findChildren(Guide):
            guide.show_keys(keys)

    @property
    def selection(self) -> SelectedShots | None:
        """The shots that are selected in the view in front; None where it selects none."""
        return self.views[self.tab].selection

    @property
    def host(self) -> QWidget:
        """Over which widget dialogs of commands lie: this one."""
        return self

    @property
    def target(self) -> LabelTarget:
        """Who takes commands on shots: the selection in front, else the shot on screen."""
        return self.selection or self.session.labelling

    def _note(self, level: str, text: str) -> None:
        log.log({"info": 20, "warning": 30, "error": 40}.get(level, 20), "%s", text)
        self.notes.add(level, text)

    def close_project(self) -> None:
        """Back to the first page."""
        if self._may_leave():
            remember.keep_progress(self.session, self.settings)
            self.session.close()

    def focusNextPrevChild(self, next: bool) -> bool:
        """Tab: top bar, the view in front from left to right, foot."""
        stop = next_stop(self, next)
        if stop is not None:
            reasons = Qt.FocusReason
            stop.setFocus(reasons.TabFocusReason if next else reasons.BacktabFocusReason)
        return stop is not None

    # -- commands: showing ---------------------------------------------------------------------

    def show_tab(self, name: str) -> None:
        """Bring one of the views to the front, making it the first time."""
        if self.session.opened is None:
            return
        if name not in self.views:
            view = self.views[name] = _new_view(name, self.session)
            self.stack.addWidget(view)
            self.actions_.offer_on(view)
            view.show_keys(self.actions_.keys_in_use())
            view.label_requested.connect(lambda: self.show_tab("Label"))
            if view.selection is not None:
                view.selection.changed.connect(self.actions_.refresh)
        self.tab = name
        if name != "Label":  # a blind repeat is only blind where nothing else is shown
            self.session.repeats.unmask()
        self.stack.setCurrentWidget(self.views[name])
        self.bar.choose(name)
        self.actions_.refresh()

    def copy_image(self) -> None:
        """The pattern as it is shown, in its own pixels, to the clipboard."""
        image, board = self.label.pattern.image, QApplication.clipboard()
        if board is not None and not image.isNull():
            board.setImage(image)
            self.notes.add("info", f"Copied the image of shot {self.session.cursor.row + 1:,}.")

    def copy_number(self) -> None:
        """The number of the shot on screen to the clipboard."""
        board = QApplication.clipboard()
        if board is not None:
            board.setText(str(self.session.cursor.row + 1))

    def show_geometry(self) -> None:
        """Where the detector stood: to be typed, or picked on the pattern in Label."""
        from labeler.window.label.pattern.geometry_dialog import show_geometry

        self.show_tab("Label")
        show_geometry(self.session, self.label.pattern, self)

    def show_classes(self) -> None:
        """The classes of the project and their rules, with the keys that have no use yet."""
        from labeler.window.dialogs.classes import show_classes

        show_classes(self.session, self, self.actions_.meaning)

    def ask_number(self) -> None:
        """Jump to a shot by its number."""
        n = self.session.labels.n_shots

        def answer(text: str) -> str:
            return "" if self.session.cursor.jump(text) else f"1 to {n:,}"

        Ask(self.label.pattern, f"Shot (1 to {n:,})", answer)

    def ask_note(self) -> None:
        """Flag the shot with a note."""

        def answer(text: str) -> str:
            self.target.flag(text.strip())
            return ""

        Ask(self.views[self.tab], "Flag with a note", answer, self.target.note())

    def flip_levels(self) -> None:
        """Histogram on or off."""
        self.levels_shown = not self.levels_shown
        self._show_marks()

    def flip_centre(self) -> None:
        """The beam's centre marked or not."""
        self.centre_shown = not self.centre_shown
        self._show_marks()

    def _show_marks(self) -> None:
        self.label.show_levels(self.levels_shown)
        self.label.pattern.centre_shown = self.centre_shown
        self.label.pattern.update()

    def flip_theme(self) -> None:
        """Dark or light."""
        name = "light" if theme.current().name == "dark" else "dark"
        self.settings.set("theme", name)
        self._apply_theme(name)

    def _apply_theme(self, name: str) -> None:
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        theme.apply(application, name)
        for widget in self.findChildren(QWidget):
            apply_theme = getattr(widget, "apply_theme", None)
            if apply_theme is not None:
                apply_theme()

    # -- commands: help ------------------------------------------------------------------------

    def show_palette(self) -> None:
        """All commands, to be found by typing."""
        from labeler.window.commands.palette import Palette

        Palette(self, self.actions_.for_palette(), self.actions_.trigger)

    def show_manual(self) -> None:
        """The page of the manual about what has the keys, or about the view in front."""
        view, focus = self.stack.currentWidget(), QApplication.focusWidget()
        inside = focus is not None and about(focus) != FIRST and not self.bar.isAncestorOf(focus)
        open_manual(self, about(focus if inside else view))

    def show_guide(self) -> None:
        """The guided first label, from its first step."""
        for guide in self.findChildren(Guide):
            guide.leave()
        self.show_tab("Label")
        keys = self.actions_.keys_in_use()
        Guide(self.session, self.settings, self.stack, self.label.pattern, lambda: self.tab, keys)

    def show_keys(self) -> None:
        """The sheet of all keys."""
        from labeler.window.commands.keys import KeySheet

        sheet = KeySheet(self.actions_.keymap, self)
        sheet.exec()
        if sheet.changed:
            self.actions_.rebound()
            self._show_keys_in_use()
            own = {i: list(keys) for i, keys in self.actions_.own_keys.items()}
            self.settings.set("keys", own)
        sheet.deleteLater()

    def show_settings(self) -> None:
        """Everything that can be set; keys too."""
        from labeler.window.dialogs.settings_page import SettingsPage

        self._keep_settings()
        page = SettingsPage(
            self.settings, self.refused_keys, self.apply_settings, self.show_keys, self
        )
        page.exec()
        page.deleteLater()

    def refused_keys(self) -> list[str]:
        """Why keys of the person's own have no use, in sentences."""
        return self.actions_.keymap.refused(self.settings["keys"])

    def apply_settings(self) -> None:
        """Show everything as the settings say now."""
        remember.take_look(self.session, self.settings)
        self.levels_shown, self.centre_shown = (
            self.settings["show_levels"], self.settings["show_centre"],
        )  # fmt: skip
        self._show_marks()
        self.session.learning.change(self.settings)
        if theme.current().name != self.settings["theme"]:
            self._apply_theme(self.settings["theme"])
        self.actions_.take_keys(self.settings["keys"])
        self._show_keys_in_use()
        self.actions_.refresh()

    def show_log(self) -> None:
        """Every note so far."""
        from labeler.window.frame.notes import LogDialog

        dialog = LogDialog(self.notes.log, self)
        dialog.exec()
        dialog.deleteLater()

    def show_about(self) -> None:
        """What this is."""
        words = "Label single-shot diffraction patterns, retrain a network, see why it decided."
        cite = (
            "In a publication, please cite this version and the paper whose method it implements: "
        )
        cite += "Zimmermann et al., Phys. Rev. E 99, 063309 (2019)."
        free = "Free software under the GNU GPL, version 3 or later."
        text = "\n\n".join([f"airylabel {version()}", words, cite, free])
        QMessageBox.about(self, "airylabel", text)

    # -- files dropped on the window -------------------------------------------------------------

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        data = None if event is None else event.mimeData()
        if event is not None and data is not None and data.hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:
        data = None if event is None else event.mimeData()
        if data is not None:
            paths = [Path(u.toLocalFile()) for u in data.urls() if u.isLocalFile()]
            self.project_files.take_files([p for p in paths if p.exists()])

    # -- leaving -------------------------------------------------------------------------------

    def _may_leave(self) -> bool:
        """True where nothing runs, or where the person wants it stopped; then it is stopped."""
        if not self._holds_nothing():
            return False
        if not self.retrain_bar.is_running:
            return True
        answer = QMessageBox.question(
            self,
            "A training is running",
            self.session.training.asks_to_stop,
            QMessageBox.StandardButton.Yes | QMessageBox.StandardButton.Cancel,
        )
        if answer != QMessageBox.StandardButton.Yes:
            return False
        self.retrain_bar.stop()
        return True

    def _close_after(self, work: ProjectThread) -> None:
        """Take nothing but Cancel until work has ended, then close; stay where it failed."""

        def go_on() -> None:
            self.setEnabled(True)
            if work.is_done:
                self.close()

        if self.isEnabled():
            self._note("info", f"The window closes after this: {work.what}")
            self.setEnabled(False)
            for bar in self.findChildren(ProgressBar):
                bar.setEnabled(True)  # to be cancelled
            work.left.connect(go_on)

    def _holds_nothing(self) -> bool:
        """Whether everything on screen is stored, or the person has saved it or lets it go."""
        opened = self.session.opened
        if opened is not None and opened.project.store.database.waiting:
            return False  # a label waits; the person sees why
        if not self.session.other_windows.trouble or self.not_stored.saved is not None:
            return True
        answer = QMessageBox.question(
            self,
            "Labels are not stored",
            "The project is not where it was. Save what this window holds before it closes?",
            QMessageBox.StandardButton.Save
            | QMessageBox.StandardButton.Discard
            | QMessageBox.StandardButton.Cancel,
        )
        if answer == QMessageBox.StandardButton.Save:
            self.not_stored.ask()
            return self.not_stored.saved is not None
        return answer == QMessageBox.StandardButton.Discard

    def _keep_settings(self) -> None:
        remember.keep_look(self.session, self.settings)
        window = bytes(self.saveGeometry().toHex().data()).decode("ascii")
        for id, value in (
            ("show_levels", self.levels_shown),
            ("show_centre", self.centre_shown),
            ("panes", self.label.panes()),
            ("window", window),
        ):
            self.settings.set(id, value)

    def _save_settings(self) -> None:
        self._keep_settings()
        self._saving.stop()
        try:
            self.settings.save()
        except InputError as error:
            said = f"The settings were not saved: {error}"
            if said != self._unsaved:
                self._note("warning", said)
            self._unsaved = said

    def closeEvent(self, event: QCloseEvent | None) -> None:
        if event is None:
            return
        work = work_under_way()
        if work is not None:
            self._close_after(work)
        if work is not None or not self._may_leave():
            event.ignore()
            return
        remember.keep_progress(self.session, self.settings)
        self._save_settings()
        self.session.close()
        self._saving.stop()
        self.actions_.release()
        self.net.release()
        self.garbage_collection.release()
        event.accept()


def _new_view(name: str, session: Session) -> Tab:
    """A view by its name, loaded when it is first wanted; Label is always there."""
    if name == "Grid":
        from labeler.window.grid.view import GridView

        return GridView(session)
    if name == "Learn":
        from labeler.window.learn.view import LearnView

        return LearnView(session)
    if name == "Inspect":
        from labeler.window.inspect.view import InspectView

        return InspectView(session)
    if name == "Map":
        from labeler.window.map.view import MapView

        return MapView(session)
    if name == "Quality":
        from labeler.window.quality.view import QualityView

        return QualityView(session)
    if name == "Live":
        from labeler.window.live.view import LiveView

        return LiveView(session)
    raise ValueError(f"there is no view {name}")


def open_window(project: Path | None = None, *, train: bool = False) -> int:
    """Start the program with its window, on a project or on the first page; the exit status.

    With `train`, a project that has no network yet begins to train its first one.
    """
    keep_log()
    # Ctrl+C in the terminal ends it at once, and its children with it: every label is stored
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    QApplication.setHighDpiScaleFactorRoundingPolicy(
        Qt.HighDpiScaleFactorRoundingPolicy.PassThrough
    )
    application = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(application, QApplication)
    application.setApplicationName("airylabel")
    application.setDesktopFileName("airylabel")
    application.setWindowIcon(QIcon(theme.drawing("desktop/airylabel.svg", 128, "")))
    settings = Settings()
    theme.apply(application, settings["theme"])
    session = Session()
    session.shots.start_reader()
    window = MainWindow(session, settings)
    window.show()
    session.learning.turn_on(settings)
    if project is not None:
        window.project_files.open_folder(project)
        if train and session.opened is not None and session.require().project.current_run is None:
            window.retrain_bar.start()
    return application.exec()
