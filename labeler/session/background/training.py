"""The training that the window has under way, and what came of it: one at a time, for all views.

Every view that shows or steers the training talks to this one object. It paints nothing, and all
work is done by a Job in a child process.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import filelock
from PyQt6.QtCore import QTimer, pyqtSignal

from labeler.jobs.job import JobFollower
from labeler.runs.predictions import RunPredictions
from labeler.runs.run_report import (
    Curves,
    RunComparison,
    RunReport,
    compare,
    numbers_in,
    read_report,
)
from labeler.runs.training_choices import TrainingOrder, lacking
from labeler.runs.training_lock import lock_training
from labeler.session.background.sources import SourceWatch
from labeler.session.labels import ProjectLabels
from labeler.session.opened import Opened, SessionPart
from labeler.session.predictions import CurrentPredictions
from model.errors import InputError
from model.events import Event, event, to_line
from model.output_files import append_line
from model.runs.folder import EVENTS
from model.runs.judges import judges_of

TICK_MS = 1000
"""How often the time left is updated."""
NEXT = {"reducing shots": "making the network ready"}
"""What comes after a stage that has an end, for the time in which no one says how far it is."""
NO_NETWORK = "Stopped before there was a network to keep."
KEPT = "Stopped as the window closed; the network so far is kept."


@dataclass(frozen=True)
class Outcome:
    """What the last job came to, until the person has seen to it.

    `change` compares it with the run in use, if there is one. Without `ok`, `message` says what
    went wrong and what to do now. `offered`: it is not in use and could be. `decision`: of a first
    run, what the job decided about its use, with both figures.
    """

    run: RunReport
    ok: bool
    message: str = ""
    old: RunReport | None = None
    change: RunComparison | None = None
    offered: bool = False
    decision: str = ""


class Training(SessionPart):
    """Starts, follows and ends trainings of the open project."""

    changed = pyqtSignal()
    """State, progress or outcome changed."""
    curves_changed = pyqtSignal()
    """A point was added to the curves of the run under way."""
    comparison_requested = pyqtSignal(int, int)
    """Two runs, by number, are to be shown side by side: the older one first."""
    runs_changed = pyqtSignal()
    """A run began or ended: tables of runs are out of date."""

    def __init__(
        self, labels: ProjectLabels, predictions: CurrentPredictions, sources: SourceWatch
    ) -> None:
        super().__init__()
        self.labels, self.predictions, self.sources = labels, predictions, sources
        self.work = JobFollower(self)
        self.work.event_received.connect(self._receive)
        self.work.ended.connect(self._end)
        self.number = 0
        self.order = TrainingOrder()
        self.curves = Curves()
        self.constant: dict[str, float] = {}
        """Scores of one constant answer on the evaluation shots of the run under way."""
        self.outcome: Outcome | None = None
        self._lock: filelock.BaseFileLock | None = None
        """The right to train the project, which dies with this process."""
        self._of: Opened | None = None
        """The project that the job belongs to."""
        self._wants_use = False
        self._reset()
        self._timer = QTimer(self)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self.changed)
        self._ended_meanwhile: tuple[bool, str, Event] | None = None
        """The end of a job that came while a label waited for the project."""
        self._free = QTimer(self)
        self._free.setSingleShot(True)
        self._free.setInterval(TICK_MS)
        self._free.timeout.connect(self._end_now)

    def _reset(self) -> None:
        self.epoch = self.epochs = 0
        self.stage = ""
        self.constant = {}
        self.is_stopping = False
        self.has_network = False
        """Whether the training under way has made a step, so that there is a network to keep."""
        self._begun = self._estimated_at = self._stage_begun = time.monotonic()
        self._left: float | None = None
        self._share = 0.0

    # -- what is going on ------------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        """Whether a training or a prediction is under way."""
        return self.work.is_running

    @property
    def folder(self) -> Path:
        """Of the run under way, or of the last one."""
        if self._of is None:
            raise RuntimeError("no training was begun")
        return self._of.project.run_folder(self.number)

    def lacking(self) -> str:
        """What a training still needs, in words; '' where it can begin."""
        if self.opened is None:
            return "Open a project first"
        needed = lacking(self.labels.taxonomy, self.labels.decided.tally, self.labels.n_shots)
        project = self.opened.project
        several = needed and sum(a.kind == "human" for a in project.store.annotators()) > 1
        return f"{needed} on the labels of {project.annotator_name}" if several else needed

    def seconds_left(self) -> float | None:
        """Until the job ends, by its own estimate; None where no one knows yet."""
        if self._left is None:
            return None
        return max(0.0, self._left - (time.monotonic() - self._estimated_at))

    def share_done(self) -> float:
        """How much of the job is done, in [0, 1]; by time where that is known."""
        left = self.seconds_left()
        if left is None:
            return self._share
        gone = time.monotonic() - self._begun
        return gone / max(gone + left, 1e-3)

    # -- steering --------------------------------------------------------------------------------

    def start(self, order: TrainingOrder | None = None) -> None:
        """Train a new run of the open project; what is missing is said in a note."""
        needed = self.lacking()
        if self.is_running or needed:
            text = "A training is under way already." if self.is_running else f"{needed}."
            self.noted.emit("info", text)
            return
        self.sources.begin_work("training", lambda: self._train(order or TrainingOrder()))

    def _locked(self) -> bool:
        """Whether this window may train the project or predict its shots now: the others wait until
        it has ended."""
        try:
            self._lock = lock_training(self.require().project.folder)
        except InputError as error:
            self.noted.emit("info", str(error))
            return False
        return True

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _train(self, order: TrainingOrder) -> None:
        if self.is_running:
            return
        if not self._locked():
            return
        self.order = order
        project = self.require().project
        try:
            folder = project.new_run_folder()
        except InputError as error:
            self._unlock()
            self.noted.emit("error", f"No run can be made: {error}")
            return
        self.number, self.curves = int(folder.name), Curves()
        arguments = ["train", str(project.folder), *self.order.arguments, "--out", str(folder)]
        self._launch(arguments, folder / "stderr.log", "preparing")

    def use(self, number: int) -> None:
        """Use a run from now on; one that has not read all shots yet does so first."""
        if self.is_running:
            self.noted.emit("info", "Wait for the job that is under way, or cancel it.")
            return
        self.outcome = None
        project = self.require().project
        folder = project.run_folder(number)
        if read_report(number, folder).is_usable:
            self.predictions.use_run(number)
            self.runs_changed.emit()
            self.changed.emit()
            return
        self.sources.begin_work("predicting", lambda: self._predict(number))

    def _predict(self, number: int) -> None:
        if self.is_running:
            return
        if not self._locked():
            return
        project = self.require().project
        folder = project.run_folder(number)
        self.number, self._wants_use = number, True
        arguments = ["predict", str(project.folder), "--run", str(folder)]
        self._launch(arguments, folder / "predict-stderr.log", "predicting all shots")

    def run_before(self) -> int | None:
        """The run that was in use before the present one, if it can be used again."""
        if self.opened is None:
            return None
        project = self.opened.project
        number = project.run_before
        if number is None:
            return None
        found = read_report(number, project.run_folder(number))
        return found.number if found.has_network or found.is_usable else None

    def go_back(self) -> None:
        """Use the run that was in use before; once more, and the present one is used again."""
        before = self.run_before()
        if before is None:
            self.noted.emit("info", "No other run was in use before.")
            return
        left = self.require().project.current_run
        self.use(before)
        if not self.is_running:
            text = f"Run {before} is in use again; the same key goes back to run {left}."
            self.noted.emit("info", text)

    def use_offered(self) -> None:
        """Use the run that the note at the end of its training offers; where no run is in use, the
        newest."""
        new, unused = self.outcome, self.predictions.unused_run
        number = new.run.number if new is not None and new.offered else unused
        if number is None:
            self.noted.emit("info", "No new run is offered; Learn has them all.")
            return
        self.use(number)

    def keep_old(self) -> None:
        """Leave the run in use as it is; the new one stays in the table of runs."""
        self.outcome = None
        self.changed.emit()

    def cancel(self) -> None:
        """Ask the job to end soon, keeping the best it has."""
        if self.is_running and not self.is_stopping:
            self.is_stopping = True
            self.work.cancel()
            self.changed.emit()

    @property
    def asks_to_stop(self) -> str:
        """The question before the job under way is stopped, with what will be left of it."""
        if self._wants_use:
            return "Stop predicting? The run stays, without predictions of all shots."
        if self.has_network:
            return "Stop the training and keep the network so far?"
        return "Stop the training? No step was made yet, there is no network to keep."

    def stop(self) -> None:
        """End the job now, whatever it takes: the window is closing."""
        if self.is_running:
            self._timer.stop()
            self.work.stop()
            self._unlock()
            if not self._wants_use:
                self._say_stopped()
            self.runs_changed.emit()
            self.changed.emit()

    def _say_stopped(self) -> None:
        """Close the account of a training that had to be killed."""
        run = read_report(self.number, self.folder)
        if run.state != "unfinished":
            return
        try:
            text = KEPT if run.has_network else NO_NETWORK
            append_line(self.folder / EVENTS, to_line(event("cancelled", text=text)))
        except OSError as error:
            self.noted.emit("warning", f"That the training was stopped is not noted: {error}")

    def _launch(self, arguments: list[str], stderr: Path, stage: str) -> None:
        self._reset()
        self.stage = stage
        self.outcome = None
        self._of = self.opened
        self._timer.start()
        self.work.follow(arguments, stderr)
        self.runs_changed.emit()
        self.changed.emit()

    def follow(self) -> None:
        """A training goes on while its project is closed and opened again, not for another one."""
        if self.opened is None or self._of is None:
            return
        if self.opened.folder == self._of.folder:
            self._of = self.opened
        else:
            self.stop()
            self.outcome = None
        self.changed.emit()

    # -- events -----------------------------------------------------------------------------------

    def _receive(self, item: Event) -> None:
        kind = item["event"]
        if kind == "note":
            self.noted.emit(str(item.get("level", "info")), str(item.get("text", "")))
            return
        if kind == "started":
            self.epochs = int(item.get("epochs") or 0)
            self.constant = numbers_in(item.get("constant"))
            self.stage = "training"
        elif kind in ("step", "evaluated"):
            self.has_network = True
        elif kind == "epoch":
            self.has_network = True
            self.epoch = int(item.get("epoch") or self.epoch)
            self.epochs = int(item.get("epochs") or self.epochs)
            self.stage = "training"
            self._share = self.epoch / max(self.epochs, 1)
        elif kind == "progress":
            self._receive_progress(item)
        if isinstance(item.get("seconds_left"), int | float):
            self._left, self._estimated_at = float(item["seconds_left"]), time.monotonic()
        if self.curves.add(item):
            self.curves_changed.emit()
        self.changed.emit()

    def _receive_progress(self, item: Event) -> None:
        what, done = str(item.get("what", "")), float(item.get("done") or 0)
        total = float(item.get("total") or 0)
        now = time.monotonic()
        if what != self.stage.split(" · ")[0]:
            self._stage_begun = now
        self.stage = f"{what} · {done:,.0f} of {total:,.0f}" if total else what
        if done and done == total:
            self.stage = NEXT.get(what, self.stage)
        if done and total:
            self._share = done / total
            self._left, self._estimated_at = (now - self._stage_begun) / done * (total - done), now

    def _end(self, ok: bool, message: str, last: Event) -> None:
        self._unlock()
        if self.is_held:
            self._ended_meanwhile = ok, message, last
            self._free.start()
            return
        self._timer.stop()
        wants_use, self._wants_use = self._wants_use, False
        if self.opened is not None and self.opened is self._of:
            self._conclude(ok, message, wants_use, str(last.get("decision") or ""))
        self.runs_changed.emit()
        self.changed.emit()

    def _end_now(self) -> None:
        ended, self._ended_meanwhile = self._ended_meanwhile, None
        if ended is not None:
            self._end(*ended)

    def _conclude(self, ok: bool, message: str, wants_use: bool, decision: str) -> None:
        """What is in use was decided by the job, see `labeler.runs.train_project`."""
        run, in_use = read_report(self.number, self.folder), self.require().project.current_run
        if not ok:
            self.outcome = Outcome(run, False, message)
        elif run.is_usable and (wants_use or in_use == self.number):
            self.predictions.use_run(self.number)
            self.outcome = None if wants_use else Outcome(run, True, message, decision=decision)
        else:
            self.outcome = self._compared(run, message, decision)

    def _compared(self, run: RunReport, message: str, decision: str) -> Outcome:
        """The new run beside the one in use; before the first, what the job found."""
        project = self.require().project
        number = project.current_run
        if number is None:
            return Outcome(run, True, message, offered=run.is_usable, decision=decision)
        old = read_report(number, project.run_folder(number))
        change = None
        if run.is_usable and self.predictions.run is not None:
            try:
                new = RunPredictions.open(
                    run.predictions, self.labels.taxonomy, self.labels.n_shots
                )
            except InputError as error:
                return Outcome(run, False, f"The new predictions cannot be used: {error}")
            judges = judges_of(run.folder, project.store.roles(), project.labelled_together())
            now = self.labels.present, self.labels.status, judges, self.labels.decided.known
            change = compare(self.predictions.run, new, *now)
        return Outcome(run, True, message, old, change, run.is_usable)
