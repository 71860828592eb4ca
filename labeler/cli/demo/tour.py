"""The whole main job in the real window without anybody watching: label, retrain, look, report.

It presses keys and buttons as a person would and takes pictures of the window. It decides nothing
about the work: labels come from the shots' own file, everything else from the program, but for
annotators and a beamtime that are simulated and say so.
"""

from __future__ import annotations

import html
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QImage
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication

from labeler.project.folder import CACHE
from labeler.project.project import Project
from labeler.project.store.records import LABELLED
from labeler.quality import repeats
from labeler.runs.run_report import read_report
from labeler.session.display import PANES
from labeler.session.session import Session
from labeler.window.grid.view import GridView
from labeler.window.inspect.view import InspectView
from labeler.window.live.view import LiveView
from labeler.window.main_window import MainWindow
from labeler.window.map.view import MapView
from labeler.window.quality.forecast import ForecastPage
from labeler.window.quality.view import QualityView
from labeler.window.settings import Settings
from labeler.window.widgets import theme
from labeler.window.widgets.tab import Tab
from model.errors import InputError
from model.events import Event, event
from model.output_files import written_whole
from model.shots.table import open_source
from model.taxonomy.taxonomy import Labels

SIZES = ((1280, 800), (1920, 1080))
BY_KEY = 12
"""This many shots are labelled by key."""
SHOWN = ("Streak", "Bent")
"""Classes whose heatmaps are in the pictures, as in the paper's Figure 5."""
SELECTED = "class:Streak"
"""What is selected in Grid."""
CONDITIONS = ("class:Prolate", "predicted:Streak", "absent:Empty")
"""A queue for the pictures."""
QUALITY = {
    "Rules": "Rules that labels break",
    "Agreement": "How far simulated readers agree",
    "Drift": "How far a simulated reader agrees with what was said before",
    "Week": "How the labelling goes",
}
View = TypeVar("View", bound=Tab)
HANDS: Any = QTest
"""Its functions are static, which its type stubs do not know."""
PATIENCE_S = 900.0
"""What has not come, or not come further, by then never will: machines may be slow and busy."""
SETTLING_S, HEAT_S, LOOK_MS, STILL = 30.0, 60.0, 100, 2
"""A picture is taken when this many looks, this long apart, were alike, or at this time."""
LIVE_EVERY_MS = 500


def walk(project: Path, everything: bool = False) -> Iterator[Event]:
    """Do the main job on a demo project off-screen and leave pictures and `report.html`.

    `everything` adds the pictures of the map, the history and quality, which take a minute more.

    A project that has a trained run already is only shown. Raises InputError where a training
    fails; yields progress events, the last one `finished` with the folder of the report.
    """
    out = project / "report"
    out.mkdir(exist_ok=True)
    app = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(app, QApplication)
    with tempfile.TemporaryDirectory() as folder:
        theme.apply(app, "dark")
        session = Session()
        settings = Settings(Path(folder) / "settings.toml")
        settings.set("guide", False)
        window = MainWindow(session, settings)
        window.resize(*SIZES[0])
        window.show()
        try:
            yield from _Tour(window, session, out, everything).events(project)
        finally:
            session.training.stop()
            window.close()
            window.deleteLater()


class _Tour:
    """One walk through one window."""

    def __init__(self, window: MainWindow, session: Session, out: Path, everything: bool) -> None:
        self.window = window
        self.session = session
        self.out = out
        self.everything = everything
        self.pictures: list[tuple[str, str]] = []
        self.facts: list[str] = []
        self.flipped: list[str] = []

    def events(self, project: Path) -> Iterator[Event]:
        begin = time.monotonic()
        self.window.project_files.open_folder(project)
        self._until(lambda: self.session.cursor.counts() is not None, "the first shot")
        self._label_by_key()
        if self.session.require().project.current_run is None:
            yield from self._retrain()
        yield from self._show()
        self.facts.append(f"This walk took {time.monotonic() - begin:.0f} seconds.")
        self._report(project)
        yield event("finished", report=str(self.out), pictures=[name for name, _ in self.pictures])

    # -- the job -------------------------------------------------------------------------------

    def _label_by_key(self) -> None:
        """Press the keys of the classes that the file names, shot after shot."""
        session = self.session
        truth = self._truth()
        done: list[float] = []
        for _ in range(BY_KEY):
            session.cursor.next_undecided()
            if session.labelling.is_decided():
                break
            begin = time.perf_counter()
            present = session.labels.taxonomy.unpack(truth[session.cursor.row])
            for c in np.flatnonzero(present & ~session.labels.taxonomy.implied(present)):
                self._press(session.labels.taxonomy.classes[c].key)
            done.append(time.perf_counter() - begin)
        self._picture("labelling", "Labelling by key")
        if done:
            slowest = 1000 * max(done)
            self.facts.append(
                f"{len(done)} shots labelled by key; the slowest was stored and on screen"
                f" {slowest:.0f} ms after its first key."
            )

    def _truth(self) -> np.ndarray:
        """(N,) packed labels that the shots' files carry."""
        parts = []
        for source in self.session.require().project.sources:
            with open_source(source.path, source.dataset) as found:
                carried = found.labels()
            if carried is None:
                raise InputError("carries no labels", file=source.path, mend="Use `demo`'s file.")
            names, labels = carried
            full = np.zeros((len(labels), len(self.session.labels.taxonomy)), bool)
            full[:, self.session.labels.taxonomy.columns(names)] = labels.astype(bool)
            parts.append(self.session.labels.taxonomy.pack(full))
        return np.concatenate(parts)

    def _is_training(self) -> bool:
        return self.session.training.is_running

    def _retrain(self) -> Iterator[Event]:
        """Press Retrain and wait, passing on what the window hears."""
        training = self.session.training
        begin = time.monotonic()
        self.window.retrain_bar.start()
        if not self._is_training():
            raise InputError(f"no training could begin: {training.lacking()}")
        live, done, moved = False, 0, begin
        while self._is_training() and time.monotonic() - moved < PATIENCE_S:
            HANDS.qWait(500)
            before, done = done, round(100 * training.share_done())
            moved = time.monotonic() if done != before else moved
            yield event("progress", what="training and reading shots", done=done, total=100)
            if not live and done >= 50:
                live = True
                self.window.show_tab("Learn")
                self._picture("training", "The curves while the network trains")
        outcome = training.outcome
        if self._is_training() or (outcome is not None and not outcome.ok):
            why = outcome.message if outcome is not None else "it stood still"
            raise InputError(f"the training failed: {why}", file=training.folder)
        if outcome is not None and outcome.offered:  # what follows shows the run, good or bad
            training.use_offered()
        training.keep_old()  # closes the note of the outcome, which would stand in every picture
        yield event("progress", what="training and reading shots", done=100, total=100)
        self.facts.append(f"Trained and read all shots in {time.monotonic() - begin:.0f} seconds.")

    # -- the pictures --------------------------------------------------------------------------

    def _show(self) -> Iterator[Event]:
        session, window = self.session, self.window
        stops: list[tuple[str, Callable[[], None], str]] = [
            ("heatmap", self._show_heat, "A shot with the heatmap of one class on it"),
            ("physics", self._show_physics, "The physics of a shot below its pattern"),
            ("grid", self._show_grid, "Thumbnails, selected and labelled at once"),
            ("learn", lambda: window.show_tab("Learn"), "Runs, their curves and their classes"),
            ("inspect", self._show_shot, "All classes' heatmaps of one shot"),
            *((f"class-{name.lower()}", self._gallery(name), f"Shots of {name}") for name in SHOWN),
        ]
        if self.everything:
            stops.append(("queue", self._show_queue, "Shots that meet several conditions"))
            stops.append(("map", self._show_map, "All shots, alike ones close together"))
        for n, (name, go, text) in enumerate(stops):
            yield event("progress", what="pictures", done=n, total=len(stops))
            go()
            self._picture(name, text)
        window.show_tab("Label")
        session.heat.show(None)
        window.flip_theme()
        self._picture("light", "The light theme")
        window.flip_theme()
        if self.everything:
            self._show_live()
            self._show_forecast()
            self._show_people()
        yield event("progress", what="pictures", done=len(stops), total=len(stops))

    def _show_live(self) -> None:
        """Watch shots that arrive in a folder for a while."""
        source = self.session.require().project.sources[0].path
        with tempfile.TemporaryDirectory(prefix="beamtime-") as home:
            folder = Path(home) / "run-0042"
            folder.mkdir()
            view = self._shown("Live", LiveView)
            view.form.source.setText(str(folder))
            coming = _arrive(source, folder)
            next(coming)
            view.form.button.click()
            self._until(lambda: bool(view.watch.seen.history), "the first live shots")
            for _ in coming:
                HANDS.qWait(LIVE_EVERY_MS)
            self._picture("live", "Shots while they come in")
            view.watch.stop()

    def _show_forecast(self) -> None:
        view = self._shown("Quality", QualityView)
        view.show_page("Forecast")
        page = view.pages["Forecast"]
        assert isinstance(page, ForecastPage)
        page.make_forecast()
        self._until(lambda: not page.short_job.is_running, "the forecast")
        self._picture("forecast", "What the next labels would buy")

    def _show_people(self) -> None:
        """Pages about several annotators, on a copy of the project with simulated ones."""
        home = self.session.require().folder
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / home.name
            shutil.copytree(home, copy, ignore=shutil.ignore_patterns("report", CACHE))
            with Project.open(copy) as project:
                _add_annotators(project, self.session.require().annotator)
            self.window.project_files.open_folder(copy)
            self._press("y")
            self._picture("history", "What happened to a shot")
            self._press("y")
            view = self._shown("Quality", QualityView)
            for page, text in QUALITY.items():
                view.show_page(page)
                self._picture(page.lower(), text)
            self.window.project_files.open_folder(home)

    def _show_physics(self) -> None:
        self.window.show_tab("Label")
        self.session.heat.show(None)
        self.flipped = [n for n in PANES if not getattr(self.session.display.panes, n)]
        self._flip_panes()

    def _flip_panes(self) -> None:
        for name in self.flipped:
            self.window.actions_.trigger(f"physics_{name}")

    def _show_grid(self) -> None:
        self._flip_panes()
        selection = self._shown("Grid", GridView).selection
        assert selection is not None
        selection.choose(SELECTED)

    def _show_queue(self) -> None:
        self.window.show_tab("Label")
        self.session.queue.set_filters(CONDITIONS)
        if len(self.session.queue.rows):
            self.session.cursor.first()

    def _show_map(self) -> None:
        self.session.queue.set_filters(())
        view = self._shown("Map", MapView)
        view.start()
        self._until(lambda: not view.laying_out.is_running, "the map")

    def _show_heat(self) -> None:
        self.window.show_tab("Label")
        where = self.session.labels.taxonomy.index(SHOWN[0])
        self._go_to_surest(where, min)
        self.session.heat.show(where)

    def _show_shot(self) -> None:
        self._go_to_surest(self.session.labels.taxonomy.index(SHOWN[1]), max)
        self._shown("Inspect", InspectView).show_shot_page()

    def _go_to_surest(self, where: int, few_or_many: Callable[[list[int]], int]) -> None:
        """Show, of the shots labelled with a class and the fewest or most others, that of which the
        run is surest."""
        labels, run = self.session.labels, self.session.predictions.run
        labelled, present = (labels.status & LABELLED) > 0, labels.taxonomy.unpack(labels.present)
        broken = labels.taxonomy.violations(present).any(1)
        has = np.flatnonzero(labelled & present[:, where] & ~broken)
        if run is not None and len(has):
            classes = present[has].sum(1)
            those = has[classes == few_or_many(classes.tolist())]
            said = (run.probabilities[those] * present[those]).sum(1)
            self.session.cursor.show(int(those[np.argmax(said)]))

    def _gallery(self, name: str) -> Callable[[], None]:
        def go() -> None:
            index = self.session.labels.taxonomy.index(name)
            self._shown("Inspect", InspectView).show_gallery(index)

        return go

    def _picture(self, name: str, text: str) -> None:
        for note in [n for n in self.window.notes.notes if n.level == "info"]:
            note.dismissed.emit()  # it lay over what the picture is of
        for width, height in SIZES:
            self.window.resize(width, height)
            file = f"{name}-{width}.png"
            if not self._settled().save(str(self.out / file)):
                raise InputError("cannot be written", file=self.out / file, mend="Free some space.")
            self.pictures.append((file, text))
        self.window.resize(*SIZES[0])

    def _settled(self) -> QImage:
        """The window once nothing more changes in it: patterns, thumbnails, heat come by and by."""
        end, still, shown = time.monotonic() + SETTLING_S, 0, QImage()
        while still < STILL and time.monotonic() < end + HEAT_S * self.session.heat.is_waiting:
            HANDS.qWait(LOOK_MS)
            before, shown = shown, self.window.grab().toImage()
            waits = self.session.heat.is_waiting or self.window.label.pattern.waiting
            quiet = shown == before and not waits
            still = still + 1 if quiet else 0
        return shown

    def _report(self, project: Path) -> None:
        """One page that a browser opens: what was done, the figures of the run, the pictures."""
        lines = [f"<li>{html.escape(fact)}</li>" for fact in [*self._of_run(), *self.facts]]
        shown = [
            f'<h2>{html.escape(text)}</h2><img src="{file}" width="960">'
            for file, text in self.pictures
            if file.endswith(f"-{SIZES[0][0]}.png")
        ]
        page = (
            "<!doctype html><meta charset='utf-8'><title>airylabel demo</title>"
            f"<h1>{html.escape(project.name)}</h1><ul>{''.join(lines)}</ul>{''.join(shown)}"
        )
        (self.out / "report.html").write_text(page, encoding="utf-8")

    def _of_run(self) -> list[str]:
        number = self.session.require().project.current_run
        if number is None:
            return []
        run = read_report(number, self.session.require().project.run_folder(number))
        names = ("accuracy", "macro_f1", "contradiction_rate")
        scores = ", ".join(
            f"{n.replace('_', ' ')} {run.metrics[n]:.3f}"
            + (f" (constant answer {run.constant[n]:.3f})" if n in run.constant else "")
            for n in names
            if n in run.metrics
        )
        return [f"Run {number} on its evaluation shots: {scores}."]

    def _shown(self, name: str, kind: type[View]) -> View:
        self.window.show_tab(name)
        view = self.window.views[name]
        assert isinstance(view, kind)
        return view

    # -- hands ---------------------------------------------------------------------------------

    def _press(self, key: str) -> None:
        HANDS.keyClick(self.window, getattr(Qt.Key, f"Key_{key.upper()}"))

    def _until(self, done: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + PATIENCE_S
        while not done():
            if time.monotonic() > end:
                raise InputError(f"{what} did not appear on screen")
            HANDS.qWait(10)


AT_A_TIME = 6


def _arrive(source: Path, folder: Path, seed: int = 0) -> Iterator[int]:
    """Put a file more of the source's shots, in random order, into the folder at every step.

    Each appears under its name only when it is whole; yields how many shots came so far.
    """
    with open_source(source) as shots:
        order = np.random.default_rng(seed).permutation(shots.info.n_shots)
        for start in range(0, len(order), AT_A_TIME):
            rows = order[start : start + AT_A_TIME]
            with written_whole(folder / f"{start:06}.h5") as part, h5py.File(part, "w") as file:
                file["images"] = np.stack([shots.read(int(row)) for row in rows])
            yield start + len(rows)


ANNOTATORS = {"Annotator 1 (simulated)": 0.04, "Annotator 2 (simulated)": 0.12}
"""Name -> share of class decisions that are taken otherwise."""
SHARE_REPEATED = 0.4
SEED = 7


def _add_annotators(project: Project, annotator: int) -> None:
    """Others beside `annotator`, who also labels some shots twice; labels of all three."""
    rng = np.random.default_rng(SEED)
    merged = project.merged_state(annotator)
    rows = np.flatnonzero(merged.labelled)
    right = project.taxonomy.unpack(merged.present[rows])
    own = project.taxonomy.pack(right)
    status = np.full(len(rows), LABELLED, np.uint8)
    project.store.record(annotator, rows, own, status, origin="key")
    for name, slips in ANNOTATORS.items():
        other = project.store.annotator(name)
        said = project.taxonomy.pack(_with_slips(project, right, slips, rng))
        project.store.record(other, rows, said, status, origin="key")
    again = repeats.repeat_annotator(project, annotator)
    chosen = np.flatnonzero(rng.random(len(rows)) < SHARE_REPEATED)
    second = project.taxonomy.pack(_with_slips(project, right[chosen], 0.08, rng))
    for k, bits in zip(chosen.tolist(), second.tolist(), strict=True):
        about = {repeats.KIND: {"at": time.time(), "first": int(own[k])}}
        shot, held = np.array([rows[k]]), np.array([bits], np.int64)
        project.store.record(again, shot, held, status[:1], origin=repeats.KIND, shown=about)


def _with_slips(project: Project, right: Labels, slips: float, rng: np.random.Generator) -> Labels:
    """(n, C) label sets where some shots got a class more or less, completed by the rules."""
    said = right.copy()
    for k in np.flatnonzero(rng.random(len(right)) < slips * 4):
        said[k] = project.taxonomy.toggle(said[k], int(rng.integers(right.shape[1])))
    return said
