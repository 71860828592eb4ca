"""A piece of work on a project in another thread, with a connection of its own to the database.

The window stays alive meanwhile; what comes of it arrives as a signal.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PyQt6.QtCore import QThread, pyqtSignal
from PyQt6.QtWidgets import QProgressDialog, QWidget

from labeler.project.project import Project
from labeler.session.session import Session
from model.errors import InputError, of_a_path


class ProjectThread(QThread):
    """Opens the project, calls `work(project)`, and emits `done` with its answer, or `refused`."""

    done = pyqtSignal(object)
    refused = pyqtSignal(str)

    def __init__(self, folder: Path, work: Callable[[Project], object], parent: QWidget) -> None:
        super().__init__(parent)
        self._folder, self._work = folder, work

    def run(self) -> None:
        try:
            with Project.open(self._folder) as project:
                answer = self._work(project)
        except (InputError, OSError) as error:
            self.refused.emit(str(of_a_path(error) or error))
        else:
            self.done.emit(answer)


class Progress(QProgressDialog):
    """A bar with Cancel that appears when work takes long; any thread may emit `advanced`."""

    advanced = pyqtSignal(int, int)

    def __init__(self, what: str, parent: QWidget) -> None:
        super().__init__(what, "Cancel", 0, 0, parent)
        self.setWindowTitle("airylabel")
        self.setMinimumDuration(700)
        self.setAutoClose(False)
        self.setAutoReset(False)
        self.advanced.connect(self._advance)
        self.stopped = False
        self.canceled.connect(self._stop)

    def _advance(self, done: int, total: int) -> None:
        self.setMaximum(total)
        self.setValue(done)

    def _stop(self) -> None:
        self.stopped = True


def run_in_thread(
    session: Session,
    host: QWidget,
    what: str,
    work: Callable[[Project, Progress], str],
    finished: Callable[[], object] | None = None,
) -> ProjectThread:
    """Do `work(project, progress)` and say its answer in a note, or what stood against it."""
    progress = Progress(what, host)

    def end() -> None:
        thread.wait()
        progress.close()
        progress.deleteLater()
        thread.deleteLater()

    def report(level: str, text: str) -> None:
        end()
        if text:
            session.noted.emit(level, text)

    def succeed(text: object) -> None:
        report("info", str(text))
        if finished is not None:
            finished()

    thread = ProjectThread(session.require().folder, lambda project: work(project, progress), host)
    thread.done.connect(succeed)
    thread.refused.connect(lambda text: report("error", text))
    thread.start()
    return thread
