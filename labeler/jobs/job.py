"""A Job: work outside the window, done by a child process that runs one of our own subcommands.

The window hears nothing of it but typed events and the way it ended. No work is done here.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
from PyQt6.QtCore import QObject, QProcess, QProcessEnvironment, pyqtSignal

from labeler.jobs.child import FOLLOWED
from model.events import Event, from_line

PATIENCE_S = 4.0
"""How long `stop` waits for the work to save what it has before it kills the process."""
LAST_WORDS = 3
"""This many last lines of stderr go into the message about a failure."""
SUBCOMMAND = ("-P", "-X", "faulthandler", "-m", "labeler")
"""-P: a `model.py` in the current folder is not ours."""


class Job(QObject):
    """One run of `airylabel <arguments> --events`, for example ("train", "helium-week42").

    `stderr` is the file that keeps what the child writes there. The child follows stdin: it stops
    at `cancel`, and ends by itself when this process dies.
    """

    event_received = pyqtSignal(dict)
    finished = pyqtSignal(bool, str)
    """Once, at the end: whether it went well (a cancelled job did), and a message for the person:
    what the child said last, what to do about a failure, or nothing."""

    def __init__(
        self,
        arguments: Sequence[str],
        stderr: Path,
        parent: QObject | None = None,
        *,
        command: Sequence[str] = SUBCOMMAND,
    ) -> None:
        super().__init__(parent)
        self.stderr = Path(stderr)
        self.last_event: Event = {}
        self._text = b""
        self._done = False
        self._process = QProcess(self)
        self._process.setProgram(sys.executable)
        self._process.setArguments([*command, *map(str, arguments), "--events"])
        self._process.setProcessEnvironment(_environment())
        self._process.setStandardErrorFile(str(self.stderr))
        self._process.readyReadStandardOutput.connect(self._read)
        self._process.finished.connect(self._end)
        self._process.errorOccurred.connect(self._refuse)

    def start(self) -> None:
        """Start the child; whatever happens, `finished` follows."""
        try:
            self.stderr.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self._finish(False, f"{self.stderr.parent}: the folder cannot be made ({error}).")
            return
        self._process.start()

    @property
    def is_running(self) -> bool:
        """Whether the child still works."""
        return self._process.state() != QProcess.ProcessState.NotRunning

    def cancel(self) -> None:
        """Ask the child to stop and to keep what it has; `finished` follows."""
        if self.is_running:
            self._process.write(b"cancel\n")

    def stop(self, patience_s: float = PATIENCE_S) -> None:
        """Cancel, wait a little, and kill the child and its children if they still run."""
        self.cancel()
        if self.is_running and not self._process.waitForFinished(int(1000 * patience_s)):
            _kill_tree(self._process.processId())
            self._process.kill()
            self._process.waitForFinished()

    # -- hearing -------------------------------------------------------------------------------

    def _read(self) -> None:
        *lines, self._text = (self._text + self._process.readAllStandardOutput().data()).split(
            b"\n"
        )
        for line in lines:
            item = from_line(line.decode("utf-8", "replace"))
            if item is not None:  # else a stray print of a library
                self.last_event = item
                self.event_received.emit(item)

    def _end(self, code: int, status: QProcess.ExitStatus) -> None:
        self._text += b"\n"  # a last line may lack its end
        self._read()
        kind, text = self.last_event.get("event"), str(self.last_event.get("text") or "")
        normal = status == QProcess.ExitStatus.NormalExit
        if normal and code == 0 and kind in ("finished", "cancelled"):
            self._finish(True, text)
        elif kind == "failed" and text:
            self._finish(False, text)
        else:
            how = f"with exit status {code}" if normal else "in a crash"
            self._finish(False, f"The job ended {how}. {self._last_words()}")

    def _refuse(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:  # all others are followed by `_end`
            self._finish(False, f"The job cannot start ({self._process.errorString()}).")

    def _finish(self, ok: bool, message: str) -> None:
        if not self._done:
            self._done = True
            self.finished.emit(ok, message)

    def _last_words(self) -> str:
        try:
            lines = self.stderr.read_text("utf-8", "replace").split("\n")
        except OSError:
            return f"It left nothing in {self.stderr}."
        words = [line.strip() for line in lines if line.strip()][-LAST_WORDS:]
        if not words:
            return f"It said nothing; {self.stderr} is empty."
        return f"Its last words: {' / '.join(words)}. All of them: {self.stderr}"


class JobFollower(QObject):
    """One Job at a time, and what becomes of it, for whoever sends for jobs again and again.

    Connect `event_received` and `ended` once; a job that `stop` ended says nothing any more.
    """

    changed = pyqtSignal()
    """A job began or ended."""
    event_received = pyqtSignal(dict)
    ended = pyqtSignal(bool, str, dict)
    """Whether it went well, the message for the person (see Job.finished), the last event."""
    patience_s = PATIENCE_S
    """How long `stop` waits."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.make_job: Callable[..., Job] = Job
        self.job: Job | None = None

    @property
    def is_running(self) -> bool:
        """Whether one is under way."""
        return self.job is not None

    def follow(self, arguments: Sequence[str], stderr: Path) -> bool:
        """Start a job; False where one is under way."""
        if self.job is not None:
            return False
        self.job = self.make_job(list(arguments), stderr, self)
        self.job.event_received.connect(self.event_received)
        self.job.finished.connect(self._end)
        self.job.start()
        self.changed.emit()
        return True

    def cancel(self) -> None:
        """Ask it to end soon; `ended` follows."""
        if self.job is not None:
            self.job.cancel()

    def stop(self) -> None:
        """End it now, whatever it takes; no one waits for its answer any more."""
        if self.job is not None:
            job, self.job = self.job, None
            job.event_received.disconnect(self.event_received)
            job.finished.disconnect(self._end)
            job.stop(self.patience_s)
            job.deleteLater()
            self.changed.emit()

    def _end(self, ok: bool, message: str) -> None:
        job, self.job = self.job, None
        if job is not None:
            last = dict(job.last_event)
            job.deleteLater()
            self.ended.emit(ok, message, last)
            self.changed.emit()


def _environment() -> QProcessEnvironment:
    environment = QProcessEnvironment.systemEnvironment()
    for name, value in {
        FOLLOWED: "1",
        "PYTHONSAFEPATH": "1",  # as -P, for the processes that it starts
        "OMP_WAIT_POLICY": "passive",  # before torch loads: idle threads must not spin
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
    }.items():
        environment.insert(name, value)
    return environment


def _kill_tree(pid: int) -> None:
    with contextlib.suppress(psutil.Error):  # gone already, or not ours to see
        for child in psutil.Process(pid).children(recursive=True):
            child.kill()
