"""A piece of work on a project in another thread, with a connection of its own to the database.

The window stays alive meanwhile; what comes of it arrives as a signal.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PyQt6.QtCore import QObject, QThread, pyqtSignal
from PyQt6.QtWidgets import QProgressDialog, QWidget

from labeler.project.project import Project
from labeler.session.session import Session
from model.errors import InputError, of_a_path

_running: list[ProjectThread] = []
"""All that run, whatever becomes of the widgets that began them."""


class ProjectThread(QThread):
    """Opens the project, calls `work(project)`, and emits `done` with its answer, or `refused`.

    It belongs to no widget: one that goes away does not hear of the answer, and the work ends.
    `what` says in words what a person waits for; '' for what may be cut off.
    """

    done = pyqtSignal(object)
    refused = pyqtSignal(str)
    left = pyqtSignal()
    """It has ended, and who wanted to know the answer has it."""

    def __init__(self, folder: Path, work: Callable[[Project], object], what: str = "") -> None:
        super().__init__()
        self._folder, self._work, self.what = folder, work, what
        self.is_done = False
        """Whether the answer is there; not where it was refused, or broke off."""
        self.finished.connect(self._leave)

    def begin(self) -> None:
        """Start, and live until the work has ended."""
        _running.append(self)
        self.start()

    def run(self) -> None:
        try:
            with Project.open(self._folder) as project:
                answer = self._work(project)
        except (InputError, OSError) as error:
            self.refused.emit(str(of_a_path(error) or error))
        else:
            self.is_done = True
            self.done.emit(answer)

    def _leave(self) -> None:
        self.wait()
        _running.remove(self)
        self.left.emit()
        self.deleteLater()


def work_under_way() -> ProjectThread | None:
    """The work that a person waits for, if there is any: whoever closes the window lets it end."""
    return next((thread for thread in _running if thread.what), None)


class Progress(QObject):
    """How far work is, and whether it shall stop; any thread may emit `advanced`."""

    advanced = pyqtSignal(int, int)

    def __init__(self) -> None:
        super().__init__()
        self.stopped = False

    def stop(self) -> None:
        """Let the work end where it looks for this."""
        self.stopped = True


class ProgressBar(QProgressDialog):
    """A bar with Cancel that appears when work takes long."""

    def __init__(self, what: str, progress: Progress, parent: QWidget) -> None:
        super().__init__(what, "Cancel", 0, 0, parent)
        self.setWindowTitle("airylabel")
        self.setMinimumDuration(700)
        self.setAutoClose(False)
        self.setAutoReset(False)
        progress.advanced.connect(self._advance)
        self.canceled.connect(progress.stop)

    def _advance(self, done: int, total: int) -> None:
        self.setMaximum(total)
        self.setValue(done)


def run_in_thread(
    session: Session,
    host: QWidget,
    what: str,
    work: Callable[[Project, Progress], str],
    finished: Callable[[], object] | None = None,
) -> ProjectThread:
    """Do `work(project, progress)` and say its answer in a note, or what stood against it."""
    progress = Progress()
    bar = ProgressBar(what, progress, host)

    def succeed(text: object) -> None:
        if text:
            session.noted.emit("info", str(text))
        if finished is not None:
            finished()

    folder = session.require().folder
    thread = ProjectThread(folder, lambda project: work(project, progress), what)
    thread.done.connect(succeed)
    thread.refused.connect(lambda text: session.noted.emit("error", text))
    thread.finished.connect(bar.deleteLater)
    thread.begin()
    return thread
