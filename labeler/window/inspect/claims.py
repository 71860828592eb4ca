"""What a run claims as a whole: rules that its predictions break, and whether its heat is faithful.

A broken rule opens the shots that break it. Faithfulness is measured by a Job and kept in the
run's folder. Nothing is computed here that needs a network.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from labeler.project.store.records import Rows
from labeler.session.heat import Asked
from labeler.session.session import Session
from labeler.window.process.short_job import ShortJob
from labeler.window.widgets.parts import label, share
from labeler.window.widgets.tables import TextTable
from model.errors import InputError, counted, parsed_json, text_of
from model.heatmaps.forms import BEST_WORD, HEAT_FORMS
from model.heatmaps.geometry import ALARM
from model.heatmaps.nothing_to_see import no_place
from model.taxonomy.taxonomy import Labels, plain

FILE = "faithfulness.json"
NOT_YET = "Not measured yet in the form of heat that is chosen. Measure asks the network."
OF_MAPS = "This network reads correlation maps: its heat has no place on the detector."
TEST = (
    "Where a feature is known: how much heat of every form lies on it? The form that does"
    " best for a class is then shown by itself. Ten minutes or more, in the background."
)
NO_TEST = "The simulator knows no place on the detector that makes a class of this run."
SHOTS = 12
"""Of a class, for an answer within a minute."""


def kept(session: Session) -> dict[str, Any]:
    """What was measured of the run in use: class name -> numbers of the form in which its heat is
    shown; empty where nothing was."""
    run = session.predictions.run
    if run is None:
        return {}
    path = run.path.parent / FILE
    try:
        found = parsed_json(text_of(path), path)
        theirs = {plain(name): numbers for name, numbers in found["classes"].items()}
        ours = {
            name: {"form": found["form"]} | theirs[called]
            for kind, name in enumerate(session.labels.taxonomy.names)
            if (called := plain(run.called(kind))) in theirs
        }
        return {n: numbers for n, numbers in ours.items() if numbers["form"] == form_of(session, n)}
    except (InputError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def form_of(session: Session, name: str) -> str:
    """The form in which heat of a class is shown."""
    kind = session.labels.taxonomy.index(name)
    return session.heat.form_of(Asked(-1, kind, session.display.overlay.form))


def in_words(session: Session, name: str) -> str:
    """The faithfulness of the heat of one class as a short sentence."""
    taxonomy = session.labels.taxonomy
    if why := session.heat.never_learnt(taxonomy.index(name)) or no_place(name, taxonomy):
        return why
    found, form = kept(session).get(name), HEAT_FORMS[form_of(session, name)].short
    if found is None:
        return f"Faithfulness of this heat ({form}) not measured yet."
    heat = found["heat"]
    sure = "more than chance" if heat["low"] > 0 else "no more than chance"
    sure = "less than chance" if heat["high"] < 0 else sure
    text = (
        f"Heat ({form}) tells {sure}: {signed(heat['gap'])} "
        f"({signed(heat['low'])} … {signed(heat['high'])}, {counted(found['shots'], 'shot')})."
    )
    off = found["on_masked"] + found["outside"]
    return text + (f" ⚠ {100 * off:.0f} % of it lies off the detector." if found["alarm"] else "")


def signed(value: float) -> str:
    """A difference of shares: '+.17'."""
    return f"{'−' if value < 0 else '+'}{share(abs(value))}"


class ClaimsPage(QWidget):
    """Two tables: rules, and the faithfulness of each class."""

    label_requested = pyqtSignal()
    SEPARATE = 2
    """The column of each class by its own threshold, which says nothing of a run that learnt the
    rules."""

    def __init__(self, session: Session, short_job: ShortJob) -> None:
        super().__init__()
        self.session, self.short_job = session, short_job
        self.title = label(role="heading")
        self.rules = TextTable(
            "Rules that predictions break",
            ("Rule", "Kind", "Thresholded separately", "This run", "Most likely valid label set"),
            ("Thresholded separately", "This run", "Most likely valid label set"),
            "Rule",
        )
        self.rules.opened.connect(self._go)
        self.heat_title = label("Faithfulness (deletion/insertion test)", "heading")
        self.heat_said = label(
            "Removing or inserting the hottest pixels versus random ones: how much sooner does "
            "the probability of the class fall and rise? "
            f"⚠ marks classes with more than {100 * ALARM:.0f} % of their heat off the detector.",
            "muted",
            wrap=True,
        )
        self.faith = TextTable(
            "Faithfulness of the heat",
            (
                "Class",
                "Form",
                "Shots",
                "Heat",
                "95 %",
                "Occlusion",
                "Agree",
                "Masked",
                "Outside",
                "",
            ),
            ("Shots", "Heat", "95 %", "Occlusion", "Agree", "Masked", "Outside"),
            "Class",
        )
        self.no_rules = label("These classes have no rules.", "muted")
        self.no_faith = label("", "muted", wrap=True)
        self.measure = QPushButton("Measure")
        self.measure.setToolTip("A minute for each class, in the background")
        self.measure.clicked.connect(self._measure)
        self._lines: list[tuple[Rows, str]] = []
        row = QHBoxLayout()
        row.addWidget(self.heat_title)
        row.addStretch(1)
        self.place = QPushButton("Test on simulated shots")
        self.place.clicked.connect(self._simulate)
        row.addWidget(self.place)
        row.addWidget(self.measure)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.title)
        layout.addWidget(self.rules, 5)
        layout.addWidget(self.no_rules, 5, Qt.AlignmentFlag.AlignTop)
        layout.addSpacing(8)
        layout.addLayout(row)
        layout.addWidget(self.heat_said)
        layout.addWidget(self.faith, 6)
        layout.addWidget(self.no_faith, 6, Qt.AlignmentFlag.AlignTop)
        short_job.changed.connect(self.refresh)

    def refresh(self) -> None:
        """Show what the run in use says, if anybody looks."""
        predictions = self.session.predictions.run
        if predictions is None or not self.isVisible():
            return
        if predictions.trouble:
            self.title.setText(predictions.trouble)
            return
        stages = [predictions.broken(stage) for stage in ("alone", "decided", "decoded")]
        rules = self.session.labels.taxonomy.rules
        counts = np.stack([broken.sum(0) for broken in stages], 1)
        hard = self.session.labels.taxonomy.hard
        order = sorted(range(len(rules)), key=lambda r: (not hard[r], -counts[r].max()))
        self._lines = [(np.flatnonzero(_any(stages, r)), rules[r].text) for r in order]
        self.rules.show_lines(
            [(rules[r].statement, rules[r].severity, *(f"{n:,}" for n in counts[r])) for r in order]
        )
        self.rules.setVisible(bool(rules))
        self.no_rules.setVisible(not rules)
        self.rules.setColumnHidden(self.SEPARATE, predictions.by_rules)
        wrong = [int((broken & hard).any(1).sum()) for broken in stages]
        n = int(predictions.readable.sum())
        others = [] if predictions.by_rules else [f"{wrong[0]:,} thresholded separately"]
        others.append(f"{wrong[2]:,} as most likely valid label sets")
        rate = 100 * wrong[1] / max(n, 1)
        self.title.setText(
            f"{wrong[1]:,} of {n:,} predictions break a hard rule ({rate:.0f} %); "
            f"{', '.join(others)}. Enter opens the shots."
        )
        found, of_maps = kept(self.session), self.session.heat.reads_maps
        by_place = sorted(found, key=self.session.labels.taxonomy.place)
        self.faith.show_lines([_line(name, found[name]) for name in by_place])
        self.faith.setVisible(bool(found))
        self.no_faith.setVisible(not found)
        self.no_faith.setText(OF_MAPS if of_maps else NOT_YET)
        busy = self.short_job.is_running
        can_be_tested = self.session.heat.can_be_tested
        self.place.setEnabled(not busy and can_be_tested)
        self.place.setToolTip(TEST if can_be_tested else NO_TEST)
        self.measure.setEnabled(busy or not of_maps)
        self.measure.setText("Stop" if busy else "Measure again" if found else "Measure")

    def _go(self, place: int) -> None:
        rows, text = self._lines[place]
        if not len(rows):
            self.session.noted.emit("info", f"No prediction breaks it: {text}.")
            return
        self.session.queue.show_rows(rows, f"Predicted against: {text}")
        self.session.cursor.show(int(rows[0]))
        self.label_requested.emit()

    def _simulate(self) -> None:
        def done(item: object) -> None:
            self.session.heat.look_at_truth()
            self.session.display.display_changed.emit()

        run = str(self.session.predictions.run_folder)
        self.short_job.start(["faithfulness", run, "--truth"], "testing heat", done)

    def _measure(self) -> None:
        if self.short_job.is_running:
            self.short_job.stop()
        else:
            ask(self.session, self.short_job, (), self.refresh)


def ask(
    session: Session, short_job: ShortJob, classes: tuple[str, ...], done: Callable[[], None]
) -> None:
    """Send for the faithfulness of classes (all where empty) of the run in use, each in the form in
    which it is shown."""
    form = session.display.overlay.form
    run = session.predictions.run_folder
    words = [part for name in classes for part in ("--class", name)]
    arguments = [
        "faithfulness", str(run), str(session.require().folder), "--shots", str(SHOTS), "--form",
        form if form in session.heat.offered else BEST_WORD, "--out", str(run / FILE), *words,
    ]  # fmt: skip
    short_job.start(arguments, "running test", lambda item: done())


def _any(stages: list[Labels], rule: int) -> npt.NDArray[np.bool_]:
    """Shots that break a rule as the run decides; where none does, with each class alone."""
    decided, alone = stages[1][:, rule], stages[0][:, rule]
    return decided if decided.any() else alone


def _line(name: str, found: dict[str, Any]) -> tuple[str, ...]:
    heat, other, agreement = found["heat"], found.get("occlusion"), found.get("agreement")
    return (
        name,
        HEAT_FORMS[found["form"]].short,
        str(found["shots"]),
        signed(heat["gap"]),
        f"{signed(heat['low'])} … {signed(heat['high'])}",
        "–" if other is None else signed(other["gap"]),
        "–" if agreement is None else signed(agreement),
        share(found["on_masked"]),
        share(found["outside"]),
        "⚠" if found["alarm"] else "",
    )
