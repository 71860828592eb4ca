"""The ways into a project: open one, make one, add a file, the demo, files dropped on the window.

What a person cannot have is said in a note, and the screen stays as it was.
"""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtWidgets import QMessageBox, QProgressDialog, QWidget

from labeler.jobs.job import JobFollower
from labeler.project.folder import SERVER, STORES, has_database, is_project_folder
from labeler.project.project import Project
from labeler.project.store.server import UnknownServerError, allow
from labeler.session.session import Session
from labeler.window.dialogs import file_dialogs
from model.errors import InputError, counted, of_a_path, on_one_line
from model.events import Event
from model.output_files import user_folder
from model.shots.layouts.formats.servers import allow_server


class ProjectFiles:
    """Asks for files and folders over the window `host` and hands them to the session."""

    def __init__(self, session: Session, host: QWidget) -> None:
        self.session = session
        self.host = host

    def open_folder(self, path: Path) -> None:
        """Open a project; a refusal is a note, and the screen stays."""
        try:
            self.session.open(path)
            self._ask_for_servers()
        except UnknownServerError as error:
            if self._may_call(str(error.what)):
                allow(path if path.name in STORES else path / SERVER)
                self.open_folder(path)
        except (InputError, OSError) as error:
            self.session.noted.emit("error", str(of_a_path(error) or error))

    def _ask_for_servers(self) -> None:
        """Ask before a server that shots of the project are on is called from here."""
        if self.session.opened is None:
            return
        for server in self.session.opened.project.unknown_servers():
            if self._may_call(f"shots of the project are on {server}, never called from here"):
                allow_server(server)

    def _may_call(self, what: str) -> bool:
        """Ask before a server that a project names is called for the first time from here."""
        words = (
            f"{what[:1].upper()}{what[1:]}.\n\nOpen the project only if you trust whoever gave it"
        )
        words += " to you: your password may be sent there."
        yes, no = QMessageBox.StandardButton.Yes, QMessageBox.StandardButton.No
        return QMessageBox.question(self.host, "Call a server?", words, yes | no, no) == yes

    def choose_project(self) -> None:
        """Ask for a project folder and open it."""
        chosen = file_dialogs.ask_folder(self.host, "Open project")
        if chosen is not None:
            self.open_folder(chosen)

    def new_project(self, files: list[Path] | None = None) -> None:
        """Ask for files of shots, then make a project of them and open it."""
        from labeler.window.dialogs.new_project import SHOT_FILES, NewProject

        if not files:
            files = file_dialogs.ask_shots(self.host, "Files of shots", SHOT_FILES)
        if files:
            dialog = NewProject(files, self.host)
            if dialog.exec() and dialog.folder is not None:
                self.open_folder(dialog.folder)
                if self.session.opened is not None:
                    self.session.noted.emit("info", opened_in_words(self.session.opened.project))
            dialog.deleteLater()

    def choose_source(self) -> None:
        """Ask for more files of shots, or the folder of a run, and add them to the project."""
        from labeler.window.dialogs.new_project import SHOT_FILES

        for chosen in file_dialogs.ask_shots(self.host, "Add a file of shots", SHOT_FILES):
            self.add_source(chosen)

    def add_source(self, path: Path) -> None:
        """Add a file of shots to the project."""
        try:
            added = self.session.require().project.add_source(path)
        except (InputError, OSError) as error:
            self.session.noted.emit("error", str(of_a_path(error) or error))
            return
        self.session.reopen()
        self.session.noted.emit(
            "info", f"{counted(added.info.n_shots, 'shot')} of {added.info.name} added."
        )

    def prepare(self) -> None:
        """Ask how shots are prepared for the network."""
        from labeler.window.dialogs.preparation import ask_preparation

        ask_preparation(self.session, self.host)

    def try_demo(self) -> None:
        """Open the demo project; make it first, in a child process, where it is not there yet."""
        demo = user_folder() / "demo"
        if has_database(demo):
            self.open_folder(demo)
            return
        dialog = QProgressDialog("Simulating helium droplets…", "Cancel", 0, 0, self.host)
        dialog.setWindowTitle("Demo")
        dialog.setMinimumDuration(0)
        making = JobFollower(dialog)

        def advance(event: Event) -> None:
            if event.get("event") == "progress":
                dialog.setMaximum(int(event["total"]))
                dialog.setValue(int(event["done"]))
                dialog.setLabelText(f"{str(event['what']).capitalize()}…")

        def finish(ok: bool, message: str, last: Event) -> None:
            cancelled = dialog.wasCanceled()
            dialog.canceled.disconnect()
            dialog.close()
            dialog.deleteLater()
            if ok and has_database(demo):
                self.open_folder(demo)
            elif not cancelled:
                self.session.noted.emit("error", f"The demo could not be made: {message}")

        making.event_received.connect(advance)
        making.ended.connect(finish)
        dialog.canceled.connect(making.cancel)
        making.follow(["demo", str(demo), "--no-window"], demo.with_suffix(".log"))

    def take_files(self, paths: list[Path]) -> None:
        """A project folder is opened; files and folders of shots become a new project."""
        empty = bool(paths) and paths[0].is_dir() and not any(paths[0].iterdir())
        if paths and (is_project_folder(paths[0]) or paths[0].name in STORES or empty):
            self.open_folder(paths[0])
        elif paths:
            self.new_project(paths)


def opened_in_words(project: Project) -> str:
    """Which dataset of each file holds the shots: it may have been found, not named."""
    found = [
        f"{s.name}: {counted(s.n_shots, 'shot')} of {on_one_line(s.dataset)}"
        for s in project.sources
    ]
    more = f" and {counted(len(found) - 3, 'more file')}" if len(found) > 3 else ""
    return f"Opened {'; '.join(found[:3])}{more}."
